"""``python -m shoal.cli``: how the supervisor starts processes, independent of any PATH."""

from shoal.cli.main import main

main()
