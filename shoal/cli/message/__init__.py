"""``shoal message``: an operator acts as the bot (``spec/outbound.md`` 10)."""
