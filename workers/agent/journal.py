"""The journal of a turn: what is finished, so that any worker can go on from there.

:func:`replay` turns its entries (:mod:`workers.agent.entries`) into the state the loop works on. A call
that was started and not finished is ``interrupted``: its outcome is unknown and it is never run again
(R6, R14).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from config.agents import ModelRef
from shoal.base.errors import StoreUnavailable
from shoal.state.effects import Effect
from shoal.state.lanes import Lanes
from shoal.state.records import Grant
from workers.agent.context import TurnContext
from workers.agent.entries import (
    Answered,
    Compacted,
    Edited,
    Entry,
    Finished,
    GaveWay,
    Heard,
    Looked,
    Opened,
    Previewed,
    SentRecord,
    Started,
    Steered,
    Told,
    Waiting,
    decode_entries,
    encode_entry,
)
from workers.agent.pictures import pictures_of
from workers.agent.providers.base import Message, ToolCall, Usage
from workers.media.files import MediaFile
from workers.sessions.said import OwnWords
from workers.sessions.system_events import QueuedEvent

__all__ = ["Journal", "State", "replay"]


@dataclass
class State:
    """Where a turn stands.

    Attributes:
        messages: conversation of this turn so far, without the history and the first message.
        pending: calls of the last answer without a result, in order.
        started: of these, the one that was started (and may have had its effect).
        waiting: of these, the one that waits, with its tool's state.
        final: the last answer, if nothing is to be done after it.
        answers, refusals: how often models answered, and how often none could.
        refused_in_row: refusals since the last answer.
        sent: visible messages tools made.
        results: (name, arguments, result) of every finished call, for loop detection.
        tool_failed: name of the tool of the last finished call, if it failed.
        steered: identities the model has read.
        merged: of these, the ones that were there from the start.
        opened: what was found about the thread of the turn.
        edited: what edits made of the request before the turn began.
        compacted: the summary this turn made of what was before it.
        heard: the system events the turn was told.
        said: what the agent had said here unasked since the last turn.
        files: what was found of the files of messages, by the identity of their records.
        previewed: the newest preview of the turn, 0 if there was none.
        preview_shown: that one has begun.
        blocks: how many blocks are on their way.
        told: what they hold of the last answer, or of the one that is being written.
        told_before: what they held of earlier answers, one text for each.
        told_media: files that went with them, as the model named them.
        told_tags: what was said besides ``told`` of how the answer sounds.
    """

    messages: list[Message] = field(default_factory=list)
    pending: list[ToolCall] = field(default_factory=list)
    started: str = ""
    waiting: Waiting | None = None
    final: Answered | None = None
    model: ModelRef | None = None
    answers: int = 0
    refusals: int = 0
    refused_in_row: int = 0
    usage: Usage = field(default_factory=Usage)
    sent: list[SentRecord] = field(default_factory=list)
    results: list[tuple[str, str, str]] = field(default_factory=list)
    tool_failed: str = ""
    tools: list[str] = field(default_factory=list)
    steered: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    began_ms: int = 0
    edited: Edited | None = None
    opened: Opened | None = None
    compacted: Compacted | None = None
    heard: tuple[QueuedEvent, ...] = ()
    said: tuple[OwnWords, ...] = ()
    files: dict[str, tuple[MediaFile, ...]] = field(default_factory=dict)
    previewed: int = 0
    preview_shown: bool = False
    blocks: int = 0
    told: str = ""
    told_before: list[str] = field(default_factory=list)
    told_media: list[str] = field(default_factory=list)
    told_tags: str = ""

    @property
    def untouched(self) -> bool:
        """No model and no tool has seen the message yet: an edit or a deletion still counts."""
        return not (self.answers or self.refusals or self.steered)

    def apply(self, entry: Entry) -> None:
        """Take one more entry into account."""
        self.began_ms = self.began_ms or entry.at_ms
        if isinstance(entry, Answered):
            self._answered(entry)
        elif isinstance(entry, Started):
            self.started = entry.call_id
        elif isinstance(entry, Waiting):
            self.waiting, self.started = entry, ""
        elif isinstance(entry, Finished):
            self._finished(entry)
        elif isinstance(entry, Edited):
            self.edited = entry
        elif isinstance(entry, Opened):
            self.opened = entry
        elif isinstance(entry, Compacted):
            self.compacted = entry
            self.usage = _sum(self.usage, entry.usage)
        elif isinstance(entry, Heard):
            self.heard, self.said = entry.events, entry.said
        elif isinstance(entry, Looked):
            self.files |= entry.files
        elif isinstance(entry, Steered):
            files = [file for name in entry.identities for file in self.files.get(name, ())]
            self.messages.append(Message("user", text=entry.text, pictures=pictures_of(files)))
            self.steered.extend(entry.identities)
            if entry.first:
                self.merged.extend(entry.identities)
            self.final = None
        elif isinstance(entry, Previewed):
            self.previewed, self.preview_shown = entry.generation, entry.shown
        elif isinstance(entry, Told):
            self._tell(entry)
        elif isinstance(entry, GaveWay):
            self.messages.append(Message("user", text=entry.text))
        else:
            self.refusals += 1
            self.refused_in_row += 1

    def _tell(self, block: Told) -> None:
        self.blocks += 1
        self.told += block.text
        self.told_tags = block.tags or self.told_tags
        self.told_media.extend(block.media)

    def _answered(self, entry: Answered) -> None:
        for block in entry.told:
            self._tell(block)
        if entry.calls and self.told:
            self.told_before.append(self.told)
            self.told = self.told_tags = ""
        provider, _, model = entry.model.partition("/")
        self.model = ModelRef(provider, model)
        self.answers += 1
        self.refused_in_row = 0
        self.usage = _sum(self.usage, entry.usage)
        self.messages.append(Message("assistant", text=entry.text, calls=entry.calls))
        self.pending = list(entry.calls)
        self.tools.extend(call.name for call in entry.calls)
        self.final = None if entry.calls else entry
        self.began_ms = min(self.began_ms, entry.at_ms - entry.took_ms)

    def _finished(self, entry: Finished) -> None:
        call = next((call for call in self.pending if call.id == entry.call_id), None)
        if call is not None:
            self.pending.remove(call)
            self.results.append((call.name, call.arguments, entry.text))
            self.tool_failed = call.name if entry.error else ""
        self.started, self.waiting = "", None
        self.sent.extend(entry.sent)
        self.messages.append(Message("tool", text=entry.text, call_id=entry.call_id, error=entry.error))


def _sum(one: Usage, other: Usage) -> Usage:
    return Usage(one.input + other.input, one.output + other.output, one.cached + other.cached)


def replay(entries: Sequence[Entry]) -> State:
    """The state after these entries."""
    state = State()
    for entry in entries:
        state.apply(entry)
    return state


class Journal:
    """Writes entries through the lane, each with its effects in one fenced checkpoint."""

    def __init__(self, grant: Grant, lanes: Lanes, context: TurnContext) -> None:
        self._grant = grant
        self._lanes = lanes
        self._context = context
        self._step = grant.step
        self._lock = threading.Lock()
        self._unsure: StoreUnavailable | None = None
        self.state = replay(decode_entries(grant.journal))

    @property
    def step(self) -> int:
        """The last step written."""
        return self._step

    def now_ms(self) -> int:
        """Wall clock for entries; for people and durations only."""
        return int(self._context.clock.now() * 1000)

    def write(self, entry: Entry, effects: Sequence[Effect] = ()) -> None:
        """Make ``entry`` and ``effects`` durable, then take the entry into account.

        Raises:
            StaleGrant: the lane is somebody else's; nothing was written.
            StateConflict: the journal is full or an effect was refused.
            StoreUnavailable: Redis is away, or was when :meth:`tell` was called: what is the next step is
                not known then, and the turn goes on from what is stored.
        """
        self._append(lambda _step: effects, entry)
        self._context.progress()

    def tell(self, effects: Callable[[int], Sequence[Effect]], entry: Entry | None = None) -> None:
        """Effects on the side, from any thread; no progress of the turn.

        Args:
            effects: makes them from the number of their checkpoint.

        Raises:
            StaleGrant, StateConflict, StoreUnavailable: as :meth:`write`.
        """
        self._append(effects, entry)

    def _append(self, effects: Callable[[int], Sequence[Effect]], entry: Entry | None) -> None:
        with self._lock:
            if self._unsure is not None:
                raise self._unsure
            step = self._step + 1
            journal = None if entry is None else encode_entry(entry)
            try:
                self._lanes.checkpoint(self._grant, step, effects(step), journal=journal)
            except StoreUnavailable as error:
                self._unsure = error  # it may have been written: another entry must not take its number
                raise
            self._step = step
            if entry is not None:
                self.state.apply(entry)
