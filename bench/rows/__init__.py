"""The rows of the table, one module per thing that is measured. See docs/bench.md."""
