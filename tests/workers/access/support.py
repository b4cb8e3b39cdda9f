"""Settings and facts for access tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.access.decide import decide
from workers.access.decision import Decision
from workers.access.facts import MessageFacts, SenderFacts, Surface, Tallied
from workers.access.needs import TallyNeeded
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


class Counting:
    """People and bots who write, one message after the other, with a memory as Redis has it."""

    def __init__(self, known: AccessSettings) -> None:
        self.settings = known
        self.now = BORN
        self.marks: dict[str, list[int]] = {}

    def say(self, surface: Surface = ROOM, after_ms: int = 1_000, **more: Any) -> Decision:
        """The decision about the next message, which is counted as it says."""
        self.now += after_ms
        decision = self.decided(facts(surface, message_id="8", born_ms=self.now, **more))
        for mark in decision.marks:
            self.marks.setdefault(mark.name, []).append(self.now)
        return decision

    def decided(self, message: MessageFacts) -> Decision:
        """The decision once all is counted that it asks for."""
        decision = decide(message, self.settings)
        while decision.needs:
            assert not decision.allowed, "what is not known counts against the sender"
            found = {need: self.count(need) for need in decision.needs if isinstance(need, TallyNeeded)}
            message = message.learned(tallies={**message.known.tallies, **found})
            decision = decide(message, self.settings)
        return decision

    def count(self, need: TallyNeeded) -> Tallied:
        """What Redis would say."""
        marks = [at for at in self.marks.get(need.name, []) if need.after_ms < at < need.before_ms]
        return Tallied(len(marks), max(marks, default=0))
