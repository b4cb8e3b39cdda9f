"""Chaos: a fleet that is hurt at random while people talk to it, and a checker that reads the logs."""
