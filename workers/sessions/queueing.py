"""What happens to a message that finds its conversation busy (``messages.queue``, ``spec/inbound.md`` 5.4).

=================  =====================================================================
``steer``          joins the running turn at its next model boundary, all that wait at once
``queue``          the old form of it: one message per boundary
``followup``       a turn of its own, later
``collect``        one turn for all that gathered, when the run is over and it has been quiet
``steer-backlog``  joins the running turn, and has a turn of its own later
``interrupt``      everything older is stopped, where its askers are the sender or below the sender
=================  =====================================================================

``/queue`` in a conversation is over ``messages.queue.byChannel.discord``, which is over
``messages.queue.mode``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, get_args

from config.schema.messages import Queue
from shoal.base.durations import parse_duration_ms
from workers.sessions.records import QueueMode
from workers.sessions.state import SessionState

__all__ = ["CLEARED", "MODES", "Drop", "QueueSettings", "read_options"]

Drop = Literal["old", "new", "summarize"]
"""What gives way when a conversation has ``cap`` messages waiting: see :class:`QueueSettings`."""

MODES: tuple[QueueMode, ...] = get_args(QueueMode)
_DROPS: tuple[Drop, ...] = get_args(Drop)
_MODE_NAMES: Mapping[str, QueueMode] = {mode: mode for mode in MODES} | {"steer+backlog": "steer-backlog"}
_CLEARING = frozenset({"default", "reset", "clear"})
CLEARED: Mapping[str, None] = {
    "queue_mode": None,
    "queue_debounce_ms": None,
    "queue_cap": None,
    "queue_drop": None,
}
"""Fields of the session record that ``/queue default`` removes."""

MAX_DEBOUNCE_MS = 600_000
MAX_CAP = 1_000


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """How a conversation queues.

    Attributes:
        mode: see the table of this module.
        debounce_ms: quiet time before what was collected is answered.
        cap: messages of one place that may wait in a conversation, the running turn not counted.
        drop: beyond that, ``old`` gives up the oldest, ``summarize`` too but tells the next turn of
            them, ``new`` refuses the newest.
    """

    mode: QueueMode = "steer"
    debounce_ms: int = 500
    cap: int = 20
    drop: Drop = "summarize"

    @classmethod
    def of(cls, config: Queue) -> QueueSettings:
        """What the config says for Discord."""
        debounce = config.debounce_ms_by_channel.get("discord", config.debounce_ms)
        return cls(
            mode=_MODE_NAMES[config.by_channel.get("discord", config.mode)],
            debounce_ms=int(debounce),
            cap=int(config.cap),
            drop=config.drop,
        )

    def within(self, state: SessionState) -> QueueSettings:
        """The settings of a conversation: its own ones over these."""
        return replace(
            self,
            mode=_MODE_NAMES.get(state.queue_mode, self.mode),
            debounce_ms=self.debounce_ms if state.queue_debounce_ms is None else state.queue_debounce_ms,
            cap=state.queue_cap or self.cap,
            drop=state.queue_drop if state.queue_drop in _DROPS else self.drop,
        )

    def __str__(self) -> str:
        return f"{self.mode}, debounce {self.debounce_ms} ms, cap {self.cap}, drop {self.drop}"


def read_options(args: str) -> dict[str, str | None]:
    """The session fields that the arguments of ``/queue`` set or (None) remove.

    Raises:
        ValueError: a word that is none of these; the error's text is that word.
    """
    fields: dict[str, str | None] = {}
    for word in args.lower().split():
        name, _, value = word.replace("=", ":", 1).partition(":")
        if word in _CLEARING:
            fields.update(CLEARED)
        elif word in _MODE_NAMES:
            fields["queue_mode"] = _MODE_NAMES[word]
        elif name == "debounce" and value:
            fields["queue_debounce_ms"] = str(_debounce_ms(word, value))
        elif name == "cap" and value.isascii() and value.isdigit() and 0 < int(value) <= MAX_CAP:
            fields["queue_cap"] = value
        elif name == "drop" and value in _DROPS:
            fields["queue_drop"] = value
        else:
            raise ValueError(word)
    return fields


def _debounce_ms(word: str, value: str) -> int:
    try:
        found = parse_duration_ms(value, default_unit="ms")
    except ValueError:
        raise ValueError(word) from None
    if found > MAX_DEBOUNCE_MS:
        raise ValueError(word)
    return found
