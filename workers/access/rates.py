"""How often one person may start a turn (``userLimits``).

Counted are messages that became turns, in windows that slide with the messages' own times, so
that a repeated or late delivery counts as what it is. Owners are neither counted nor limited.
Whoever is over a limit is told so once per window, and not answered.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from workers.access.decision import Decision, Mark, Reason
from workers.access.facts import MessageFacts
from workers.access.limits import UserLimits
from workers.access.needs import TallyNeeded

__all__ = ["DAY_MS", "MINUTE_MS", "within_limits"]

MINUTE_MS = 60_000
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class _Window:
    """One limit for one person: ``name`` counts turns, ``told`` counts notices."""

    reason: Reason
    name: str
    told: str
    width_ms: int
    most: int


def within_limits(facts: MessageFacts, account: UserLimits, admitted: Decision) -> Decision:
    """``admitted`` with what to count, or the refusal of a message that is one too many.

    A guild entry's numbers lie over the account's key by key; turns of such a guild are counted apart.
    """
    guild = admitted.guild.limits if admitted.guild is not None else UserLimits()
    windows = _windows(facts, account, guild)
    if admitted.owner or not facts.message_id or not windows:
        return admitted
    for window in windows:
        need = TallyNeeded(window.name, facts.born_ms - window.width_ms, facts.born_ms)
        told = TallyNeeded(window.told, facts.born_ms - window.width_ms, facts.born_ms)
        found = facts.known.tallies.get(need)
        if found is None:
            return _refused(admitted, window, needs=frozenset({need}))
        if found.count < window.most:
            continue
        before = facts.known.tallies.get(told)
        if before is None:
            return _refused(admitted, window, needs=frozenset({told}))
        if before.count:
            return _refused(admitted, window)
        return _refused(
            admitted, window, notice=window.reason.value, marks=(Mark(window.told, window.width_ms),)
        )
    keep = max(window.width_ms for window in windows)
    return replace(admitted, marks=(*admitted.marks, Mark(windows[0].name, keep)))


def _windows(facts: MessageFacts, account: UserLimits, guild: UserLimits) -> list[_Window]:
    limits = guild.over(account)
    member = facts.sender.pluralkit
    person = (member.account_id if member is not None else "") or facts.sender.id
    scope = f"{facts.surface.guild_id}.{person}" if guild else person
    windows = []
    if limits.turns_per_minute is not None:
        most = limits.turns_per_minute
        windows.append(_Window(Reason.USER_RATE, f"turns.{scope}", f"told.m.{scope}", MINUTE_MS, most))
    if limits.turns_per_day is not None:
        most = limits.turns_per_day
        windows.append(_Window(Reason.USER_DAILY_CAP, f"turns.{scope}", f"told.d.{scope}", DAY_MS, most))
    return windows


def _refused(admitted: Decision, window: _Window, **more: object) -> Decision:
    return replace(admitted, allowed=False, reason=window.reason.value, **{"marks": (), **more})  # type: ignore[arg-type]
