"""An answer that is sent in finished blocks while it is still being written (``spec/outbound.md`` 4.6).

Each block is an ordinary send, pushed by the checkpoint that also journals it (:class:`~workers.agent.journal
.Told`): so there is one of it, in its place, whoever dies. The rest of an answer goes with its own entry, or
with the turn's commit if it is the last one. Whoever continues the answer - the next holder of the turn,
another model - reads what is out and goes on behind it.

    text ─▶ cleaned ─▶ chunks ─▶ block? ─▶ journal + push
                                   └─ long enough, and nothing came for a while: a timer looks again

Where an answer may be cut is decided in :mod:`workers.agent.blocks`. Nothing here waits for Discord.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import msgspec

from config.agents import ModelRef
from shoal.base.errors import StaleGrant, StateError
from shoal.base.logging import get_logger
from shoal.state.effects import Effect, Push
from workers.agent.blocks import (
    BlockRules,
    as_told,
    block_end,
    block_text,
    chunk_ends,
    follows,
    text_behind,
    whole_answer,
)
from workers.agent.context import TurnContext, TurnInterrupted
from workers.agent.drafts import partial_text
from workers.agent.entries import Answered, Told
from workers.agent.journal import Journal
from workers.agent.later import Later
from workers.agent.sanitize import Cleaned, clean_answer
from workers.agent.silence import strip_heartbeat
from workers.agent.speech_tags import take_speech_tags, with_tags, written

__all__ = ["Blocks", "MakeBlock"]

LOOK_CHARS = 64
"""The answer is looked at again when so much came; a message's worth takes much longer."""

log = get_logger(__name__)


class MakeBlock(Protocol):
    """Makes the effect that sends a block."""

    def __call__(
        self,
        number: int,
        text: str,
        cleaned: Cleaned,
        *,
        model: str,
        media: Sequence[str],
        since_ms: int,
    ) -> Push:
        """The push into the delivery lane.

        Args:
            number: of the block in its turn, from 1.
            cleaned: the answer so far: what it answers to, and how it sounds.
            model: that writes the answer, ``provider/model``.
            media: files to send along, as the model named them.
            since_ms: since when the block waits to be sent, Unix ms.
        """


class Blocks:
    """The blocks of one turn under one grant. Thread-safe.

    Args:
        make: makes the sends.
    """

    def __init__(self, rules: BlockRules, journal: Journal, context: TurnContext, make: MakeBlock) -> None:
        self._rules = rules
        self._journal = journal
        self._context = context
        self._make = make
        self._lock = threading.RLock()
        self._later = Later(self._lock, self._idle)
        self._over = False
        self._model = ""
        self._raw = ""
        self._looked = self._newest = 0
        self._before = journal.state.told

    # -- what happens in the turn ------------------------------------------------------------------

    def asking(self) -> None:
        """A model is about to be asked."""
        with self._lock:
            self._begin()

    def asked(self, model: ModelRef) -> None:
        """This one."""
        self._model = str(model)

    def restarted(self) -> None:
        """The model gave up; another goes on behind what is out."""
        with self._lock:
            self._begin()

    def said(self, text: str) -> None:
        """Some of the answer arrived.

        Raises:
            StaleGrant, StateConflict, StoreUnavailable: a block could not be journalled; nothing was sent.
            TurnInterrupted: while a file was read, or a block was spoken.
        """
        with self._lock:
            self._raw += text
            if self._over or self._rules.at_end:
                return
            line_of_file = "\n" in text and "MEDIA:" in self._raw
            if line_of_file or len(self._raw) - self._looked >= LOOK_CHARS:
                self._looked = len(self._raw)
                self._look()

    def using(self, tool: str, arguments: str) -> None:
        """Tools are not shown: what was said before them is out."""

    def spoke(self) -> None:
        """What the message tool sends stands where it belongs, between the blocks."""

    def answered(self, entry: Answered) -> tuple[Answered, list[Effect]]:
        """The answer is whole: its entry with the blocks that go with it, and the effects that send them.

        Of a last answer the last block is left to the turn's commit.

        Raises:
            TurnInterrupted: while a file was read, or a block was spoken.
        """
        with self._lock:
            self._later.cancel()
            cleaned = clean_answer(entry.text)
            text = strip_heartbeat(cleaned.text)
            whole = whole_answer(self._before, text, over=True) or ""
            kind = follows(self._before, text)
            if kind != "again":
                raw = self._before + (entry.text if kind == "on" else "")
                entry = msgspec.structs.replace(entry, text=raw)
            told = self._journal.state.told
            whole = as_told(whole, told)
            start = len(told) if whole.startswith(told) else 0
            last = not entry.calls
            if not whole or (last and start == 0 and told):
                return entry, []
            pieces = self._pieces(whole, start)
            media = [] if last else self._fresh(cleaned)
            blocks, effects = self._rest(whole, pieces[: len(pieces) - last], cleaned, media, entry.at_ms)
            return msgspec.structs.replace(entry, told=tuple(blocks)), effects

    def partial(self, text: str) -> str:
        """All of an answer that was cut off after ``text``."""
        return whole_answer(self._before, text, over=True) or ""

    def close(self) -> None:
        """Send nothing more; the turn ends, waits, or goes on elsewhere."""
        with self._lock:
            self._over = True
            self._later.cancel()

    # -- parts -------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._later.cancel()
        self._raw = ""
        self._looked = 0
        self._newest = 0
        self._before = self._journal.state.told

    def _look(self, *, idle: bool = False) -> None:
        """Send what is ready of the answer so far."""
        if not self._context.alive():
            return
        if not idle:
            self._files()
        whole = self._whole(self._raw)
        told = self._journal.state.told
        if whole is None or not whole.startswith(told):
            return
        ends = chunk_ends(whole, len(told), self._rules)
        while end := block_end(ends, len(told), self._rules, idle=idle):
            self._send(whole, end)
            told = self._journal.state.told
            ends = [one for one in ends if one > end]
        if ends and ends[-1] != self._newest:
            self._newest = ends[-1]
            self._later.set(time.monotonic() + self._rules.idle_s)

    def _files(self) -> None:
        """A file goes at once, with what was said before it."""
        raw = self._raw[: self._raw.rfind("\n") + 1]
        if "MEDIA:" not in raw:
            return
        cleaned = clean_answer(raw)
        fresh = [] if cleaned.voice else self._fresh(cleaned)
        if not fresh:
            return
        last_line = max(raw.rfind(name) for name in fresh)
        head = raw[: raw.find("\n", last_line) + 1]
        whole = self._whole(head)
        if whole is not None and whole.startswith(self._journal.state.told):
            self._send(whole, len(whole), fresh)

    def _fresh(self, cleaned: Cleaned) -> list[str]:
        return [name for name in cleaned.media if name not in self._journal.state.told_media]

    def _whole(self, raw: str) -> str | None:
        whole = whole_answer(self._before, strip_heartbeat(partial_text(raw)))
        return None if whole is None else as_told(whole, self._journal.state.told)

    def _send(self, whole: str, end: int, media: Sequence[str] = ()) -> None:
        """One block out of the middle of an answer."""
        told = self._journal.state.told
        number = self._journal.state.blocks + 1
        behind = text_behind(whole, end)
        now, cleaned = self._journal.now_ms(), clean_answer(self._raw)
        tags = with_tags(take_speech_tags(self._journal.state.told_tags)[1], cleaned.speech)
        cleaned = replace(cleaned, speech=tags)
        entry = Told(now, whole[len(told) : behind], tuple(media), written(tags))
        pushes = self._block(number, block_text(whole, len(told), end), cleaned, media, now)
        self._journal.tell(lambda _step: pushes, entry)

    def _pieces(self, whole: str, start: int) -> list[tuple[int, int]]:
        """The blocks of the rest of an answer: where each begins and ends."""
        ends = chunk_ends(whole, start, self._rules, over=True)
        pieces: list[tuple[int, int]] = []
        while end := block_end(ends, start, self._rules, over=True):
            pieces.append((start, end))
            ends = [one for one in ends if one > end]
            start = text_behind(whole, end)
        return pieces

    def _rest(
        self,
        whole: str,
        pieces: Sequence[tuple[int, int]],
        cleaned: Cleaned,
        media: Sequence[str],
        since_ms: int,
    ) -> tuple[list[Told], list[Effect]]:
        """What goes with the entry of an answer; files go with the last block."""
        told: list[Told] = []
        tags = with_tags(take_speech_tags(self._journal.state.told_tags)[1], cleaned.speech)
        cleaned = replace(cleaned, speech=tags)
        effects: list[Effect] = []
        if media and not pieces:
            pieces = [(len(whole), len(whole))]
        for number, (start, end) in enumerate(pieces, self._journal.state.blocks + 1):
            files = tuple(media) if (start, end) == pieces[-1] else ()
            text = whole[start : text_behind(whole, end)]
            told.append(Told(self._journal.now_ms(), text, files, written(tags)))
            effects += self._block(number, block_text(whole, start, end), cleaned, files, since_ms)
        return told, effects

    def _block(
        self, number: int, text: str, cleaned: Cleaned, media: Sequence[str], since_ms: int
    ) -> list[Effect]:
        if not text.strip() and not media:
            return []
        return [self._make(number, text, cleaned, model=self._model, media=media, since_ms=since_ms)]

    def _idle(self) -> None:
        """Nothing came for a while."""
        try:
            self._look(idle=True)
        except (StaleGrant, TurnInterrupted):
            self._over = True  # the turn's own thread finds out by itself
        except StateError as error:
            log.warning("a block was not sent", error=error)  # what is not told goes with the answer
