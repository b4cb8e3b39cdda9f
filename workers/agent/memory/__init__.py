"""What an agent has written down: ``MEMORY.md`` and ``memory/**/*.md`` of its workspace, searchable."""
