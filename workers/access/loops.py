"""The loop guard: two bots that answer each other are stopped after a while (``spec/inbound.md`` 3.11).

Per account, channel and pair of bots: at most so many messages in a sliding window; one more and
the pair rests. Counted are messages that became turns, by their ids and their own times, so a
repeated delivery changes nothing. People are never counted, and never wait for a resting pair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workers.access.decision import Decision, Mark, Reason
from workers.access.facts import MessageFacts
from workers.access.needs import TallyNeeded

__all__ = ["LoopGuard", "guard_loop"]


@dataclass(frozen=True, slots=True)
class LoopGuard:
    """``botLoopProtection``: off where bots are not heard at all."""

    enabled: bool = False
    most: int = 20
    window_ms: int = 60_000
    rest_ms: int = 60_000

    @classmethod
    def read(cls, raw: Mapping[str, Any] | None, *, allow_bots: bool) -> LoopGuard:
        """The guard of an account, account over root over ``channels.defaults``."""
        raw = raw or {}
        return cls(
            enabled=allow_bots and raw.get("enabled") is not False,
            most=int(raw.get("maxEventsPerWindow") or 20),
            window_ms=int(raw.get("windowSeconds") or 60) * 1000,
            rest_ms=int(raw.get("cooldownSeconds") or 60) * 1000,
        )


def guard_loop(facts: MessageFacts, guard: LoopGuard) -> Decision:
    """The refusal of a bot's message that goes round in circles; else an allowed decision with what to count.

    The caller has made sure that a bot wrote it. Nothing is counted where the guard is off.
    """
    if not guard.enabled or not facts.message_id:
        return Decision(True)
    pair = ".".join(sorted((facts.sender.id, facts.bot_id or "us")))
    met, resting = f"loop.{facts.surface.channel_id}.{pair}", f"rest.{facts.surface.channel_id}.{pair}"
    now = facts.born_ms
    # how far a rest matters: it silences the pair, and what came before it is not held against it any more
    back = TallyNeeded(resting, now - max(guard.rest_ms, guard.window_ms), now)
    rest = facts.known.tallies.get(back)
    if rest is None:
        return Decision.refuse(Reason.BOT_LOOP, needs=frozenset({back}))
    if rest.newest_ms > now - guard.rest_ms:
        return Decision.refuse(Reason.BOT_LOOP)
    need = TallyNeeded(met, max(now - guard.window_ms, rest.newest_ms), now)
    found = facts.known.tallies.get(need)
    if found is None:
        return Decision.refuse(Reason.BOT_LOOP, needs=frozenset({need}))
    if found.count >= guard.most:
        keep = max(guard.rest_ms, guard.window_ms)
        return Decision(False, Reason.BOT_LOOP.value, marks=(Mark(resting, keep),))
    return Decision(True, marks=(Mark(met, guard.window_ms),))
