"""Benchmarks and chaos: whole fleets against the simulator. Not part of the product."""
