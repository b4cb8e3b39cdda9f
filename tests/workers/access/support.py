"""Settings and facts for access tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.access.facts import MessageFacts, SenderFacts, Surface
from workers.access.settings import AccessSettings

BOT, ANN, BOB, GUILD, CHANNEL, THREAD = "900", "1", "2", "50", "60", "61"
DM = Surface("direct", "70")
ROOM = Surface("channel", CHANNEL, "help-desk", GUILD, "My Guild")
BORN = 1_790_000_000_000


def settings(
    section: Mapping[str, Any], groups: Mapping[str, Mapping[str, Any]] | None = None, **commands: Any
) -> AccessSettings:
    """Settings of an account's section, and of ``commands``."""
    return AccessSettings.read("default", section, commands, groups=groups)


def facts(surface: Surface = DM, author: str = ANN, **more: Any) -> MessageFacts:
    """A message of ``author``, without a mention."""
    sender = more.pop("sender", SenderFacts(author, username=f"user{author}", tag=f"user{author}"))
    return MessageFacts(sender=sender, surface=surface, bot_id=BOT, **more)


def one(entry: dict[str, Any], key: str = GUILD, **more: Any) -> dict[str, Any]:
    """A section with one guild entry."""
    return {"guilds": {key: entry}, **more}
