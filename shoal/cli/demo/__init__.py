"""The demo: a simulated Discord, a real fleet, a person at the terminal."""
