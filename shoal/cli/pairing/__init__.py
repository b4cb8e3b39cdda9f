"""What ``shoal pairing`` knows, does and says."""
