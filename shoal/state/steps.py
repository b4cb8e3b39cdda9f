"""How the work on a head ends for now: what a handler decides, and the drain loop writes.

One vocabulary for every lane: admission, turns, deliveries, acknowledgements. A handler hands one
of these back; the only other way out is an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shoal.state.effects import Effect
from shoal.state.records import Failure

__all__ = ["Commit", "Fail", "Move", "Park", "Step", "Yield"]


@dataclass(frozen=True, slots=True)
class Commit:
    """Pop the head with these effects. ``summary`` is for Flower: no content.

    ``after`` runs once they stand, to knock at a plain task. The process may die in between, so whoever
    needs what it brings must be able to ask again.
    """

    effects: Sequence[Effect] = ()
    summary: str = "done"
    after: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Park:
    """Keep the head, give up the thread until a key fires or time passes."""

    wake_on: Sequence[str]
    delay_ms: int
    summary: str
    wake_on_push: bool = True


@dataclass(frozen=True, slots=True)
class Yield:
    """Give the lane back, head kept; it is due again after ``delay_ms``."""

    delay_ms: int
    summary: str


@dataclass(frozen=True, slots=True)
class Move:
    """Put the head into another lane."""

    lane: str
    summary: str


@dataclass(frozen=True, slots=True)
class Fail:
    """The head could not be finished (R13). ``delay_ms`` ``None`` is the lane's own back-off."""

    failure: Failure
    code: str
    reason: str
    delay_ms: int | None = None


Step = Commit | Park | Yield | Move | Fail
