"""What a turn shows of itself while it runs: the writing side of previews (``spec/outbound.md`` 4).

The turn says what happens; here it becomes versions of a slot in the channel's delivery lane, at most one
in 1.2 s, the newest text only. Each is a checkpoint of the turn, so a turn that lost its lane shows nothing
more; a timer writes what is due while a tool keeps the turn's thread. Who makes, edits and removes the
message is the lane (:mod:`workers.delivery.previews`). The version is the number of the checkpoint, which
only ever grows, whoever holds the turn.

Nothing here fails a turn: a preview that cannot be written ends.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from config.agents import ModelRef
from shoal.base.errors import StaleGrant, StateConflict, StateError
from shoal.base.logging import get_logger
from shoal.state.effects import Effect
from workers.agent.context import TurnContext
from workers.agent.drafts import comment_line, draft_text, label_of, partial_text, tool_line, whole_blocks
from workers.agent.entries import Answered, Previewed
from workers.agent.journal import Journal
from workers.agent.later import Later
from workers.agent.narration import EVERY_S as NARRATE_S
from workers.agent.narration import Narrate, Narrator
from workers.delivery.preview_records import PreviewEnd, PreviewUpdate, closed, end_push, update_slot
from workers.sessions.records import TurnRequest

__all__ = ["Mode", "Stream", "StreamSettings", "ended_preview"]

Mode = Literal["off", "partial", "block", "progress"]

THROTTLE_S = 1.2
FIRST_CHARS = 30
"""A partial preview begins with so much text."""
WORK_S = 5.0
"""A progress draft appears so long after the first piece of work, or at the second."""
LOOK_S = 0.2
"""The text is looked at so often at most: tokens come faster, and each look reads all of it."""
DISCORD_CHARS = 2000
QUIET_TOOLS = frozenset({"message", "discord"})
"""What these do is seen anyway."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """``channels.discord.streaming`` for one account; defaults are those of the config.

    Attributes:
        limit: characters of one message; a longer preview ends.
        tool_lines: partial and block previews show tools.
        draft_lines: progress drafts show tools.
        raw: commands are shown in a draft (``commandText: raw``).
        preview_raw: the same for partial and block previews.
        whole: all arguments of a call are shown (``toolProgressDetail: raw``).
        commentary: progress drafts show what the model says before it uses tools.
        narration: a small model may say in place of the label what is done (:mod:`workers.agent.narration`).
    """

    mode: Mode = "progress"
    limit: int = DISCORD_CHARS
    label: str | Literal[False] = "auto"
    labels: Sequence[str] | None = None
    max_lines: int = 8
    max_line_chars: int = 120
    draft_lines: bool = True
    raw: bool = True
    tool_lines: bool = True
    preview_raw: bool = True
    whole: bool = False
    commentary: bool = False
    narration: bool = True
    block_min: int = 200
    block_max: int = 800
    block_break: str = "paragraph"
    throttle_s: float = THROTTLE_S
    work_s: float = WORK_S
    narrate_s: float = NARRATE_S


@dataclass
class _Seen:
    """What has happened in this turn, as far as a preview tells it.

    Attributes:
        said: by the model in its present answer; ``read``: so much of it is in ``text``.
        steps: what it did, as lines; those of ``lines`` are shown.
        headline: what stands in place of the label, if anything.
    """

    said: str = ""
    read: int = 0
    text: str = ""
    blocks: int = 0
    lines: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    headline: str = ""
    works: int = 0
    first_work: float = 0.0


class Stream:
    """The previews of one turn under one grant. Thread-safe.

    Args:
        cause: identity of the turn's head.
        settings: None or mode ``off`` shows nothing.
        reply_to: message a preview answers to, asked when one begins.
        narrate: makes headlines of progress drafts, or none.
    """

    def __init__(
        self,
        cause: str,
        request: TurnRequest,
        settings: StreamSettings | None,
        journal: Journal,
        context: TurnContext,
        *,
        reply_to: Callable[[], str | None] = lambda: None,
        narrate: Narrate | None = None,
    ) -> None:
        self._cause = cause
        self._request = request
        self._set = settings or StreamSettings("off")
        self._journal = journal
        self._context = context
        self._reply_to = reply_to
        self._lock = threading.RLock()
        self._later = Later(self._lock, self._plan)
        self._over = self._set.mode == "off"
        wanted = narrate if self._set.narration and self._set.mode == "progress" else None
        self._narrator = Narrator(wanted, self._headline, every_s=self._set.narrate_s) if wanted else None
        self._seen = _Seen()
        self._generation = max(1, journal.state.previewed)
        self._made = journal.state.preview_shown
        self._answers: str | None = None
        self._first = 1 if self._set.mode == "block" else self._generation
        self._shown = ""
        self._written = self._looked = float("-inf")
        if not self._over:
            self._remember()

    # -- what happens in the turn ------------------------------------------------------------------

    def asking(self) -> None:
        """The model is about to be asked: what it says next is a message of its own."""
        with self._lock:
            self._take_in(whole=True)
            if self._set.mode == "block" and self._seen.text and not self._over:
                self._flush()
                self._next()
            self._seen.said, self._seen.read, self._seen.blocks = "", 0, 0

    def asked(self, model: ModelRef) -> None:
        """Which one is asked is not shown."""

    def answered(self, entry: Answered) -> tuple[Answered, Sequence[Effect]]:
        """The answer is whole: its entry, and what goes with it, which is nothing."""
        with self._lock:
            if not self._over and entry.calls:
                self._comment(entry.text)
        return entry, ()

    def partial(self, text: str) -> str:
        """All of an answer that was cut off after ``text``."""
        return text

    def restarted(self) -> None:
        """What was said does not count: another model begins anew."""
        with self._lock:
            self._seen.said, self._seen.read, self._seen.blocks = "", 0, 0

    def said(self, text: str) -> None:
        """Some of the answer arrived. A progress draft shows nothing of it."""
        if self._over or self._set.mode == "progress":
            return
        with self._lock:
            self._seen.said += text
            self._plan()

    def using(self, tool: str, arguments: str) -> None:
        """A tool is about to run."""
        if self._over or tool in QUIET_TOOLS:
            return
        with self._lock:
            self._work(tool, arguments)
            self._plan()

    def spoke(self) -> None:
        """The message tool was heard here: what was a draft of that is taken away (4.5)."""
        with self._lock:
            if self._over:
                return
            self._seen = _Seen()
            self._later.cancel()
            if self._made:
                self._generation += 1
                self._first = self._generation
                self._write("")
                self._made = False
            self._shown = ""

    def close(self) -> None:
        """Write nothing more; the turn ends, waits, or goes on elsewhere."""
        with self._lock:
            self._over = True
            self._later.cancel()
            if self._narrator is not None:
                self._narrator.close()

    # -- parts -------------------------------------------------------------------------------------

    def _remember(self) -> None:
        """A turn that was resumed knows from its journal what it has done since it last spoke."""
        state = self._journal.state
        for message in state.messages:
            if message.calls:
                self._comment(message.text)
            for call in message.calls:
                if call in state.pending:
                    continue
                if call.name in QUIET_TOOLS:
                    self._seen = _Seen()
                else:
                    self._work(call.name, call.arguments)
        if self._made and self._set.mode == "progress":
            self._seen.works = max(2, self._seen.works)

    def _comment(self, said: str) -> None:
        """What the model said before it uses tools is a line between those of tools; it begins no draft."""
        line = comment_line(said) if self._set.commentary and self._set.mode == "progress" else ""
        if line:
            self._line(line)

    def _headline(self, text: str) -> None:
        """The narrator has something to say of what was done."""
        with self._lock:
            if self._seen.steps:
                self._seen.headline = text
                self._plan()

    def _line(self, line: str, *, shown: bool = True) -> None:
        for lines in (self._seen.steps, *([self._seen.lines] if shown else [])):
            lines.append(line)
            del lines[: -4 * self._set.max_lines]

    def _work(self, tool: str, arguments: str) -> None:
        progress = self._set.mode == "progress"
        shown = self._set.draft_lines if progress else self._set.tool_lines
        raw = self._set.raw if progress else self._set.preview_raw
        self._line(tool_line(tool, arguments, raw=raw, whole=self._set.whole), shown=shown)
        if self._seen.works == 0:
            self._seen.first_work = time.monotonic()
        self._seen.works += 1

    def _take_in(self, *, whole: bool = False) -> None:
        """What was said since is part of the text now; ``whole``: nothing more comes to it."""
        if self._seen.read == len(self._seen.said) and not whole:
            return
        self._seen.read = len(self._seen.said)
        fresh = partial_text(self._seen.said)
        if self._set.mode == "block" and not whole:
            fresh = self._blocks(fresh)
        if fresh and not self._seen.text.startswith(fresh):  # a shorter beginning would flicker
            self._seen.text = fresh

    def _blocks(self, fresh: str) -> str:
        self._seen.blocks = whole_blocks(
            fresh,
            min(self._seen.blocks, len(fresh)),
            min_chars=self._set.block_min,
            max_chars=self._set.block_max,
            prefer=self._set.block_break,
        )
        return fresh[: self._seen.blocks].rstrip()

    def _content(self) -> str:
        """What is to be seen now; empty: nothing, or nothing yet."""
        self._take_in()
        seen = self._seen
        progress = self._set.mode == "progress"
        started = seen.works >= 2 or (seen.works == 1 and self._in_s() <= 0)
        label = ""
        if progress:
            if not started:
                return ""
            if self._narrator is not None:
                self._narrator.look(seen.steps)
            label = seen.headline or label_of(
                self._set.label, self._set.labels, self._request.account, self._request.channel_id
            )
        elif not self._made and len(seen.text) < FIRST_CHARS and not started:
            return ""
        shown = draft_text(
            label,
            seen.lines if progress or started or self._made else (),
            max_lines=self._set.max_lines,
            max_line_chars=self._set.max_line_chars,
        )
        return "\n\n".join(part for part in ("" if progress else seen.text, shown) if part).rstrip()

    def _in_s(self) -> float:
        """Seconds until the first piece of work has taken long enough to be told."""
        return self._seen.first_work + self._set.work_s - time.monotonic()

    def _plan(self) -> None:
        """See to it that the newest text is written when it is due."""
        if self._over:
            return
        now = time.monotonic()
        due = max(self._written + self._set.throttle_s, self._looked + min(LOOK_S, self._set.throttle_s))
        if due > now:
            self._later.sooner(due)
            return
        self._looked = now
        if self._content():
            self._later.cancel()
            self._flush()
        elif self._seen.works == 1 and self._in_s() > 0:
            self._later.sooner(now + self._in_s())

    def _flush(self) -> None:
        text = self._content()
        if not text or text == self._shown:
            return
        if len(text) > min(self._set.limit, DISCORD_CHARS):
            log.warning("a preview ends: the text is longer than a message", chars=len(text))
            self.close()
            return
        self._write(text)

    def _next(self) -> None:
        """The next text is a message of its own, below."""
        self._later.cancel()
        if self._made:
            self._generation += 1
            self._made, self._shown = False, ""
        self._seen.text, self._seen.lines = "", []

    def _write(self, text: str) -> None:
        """One version of the slot, with the journal's word for it where a message begins."""
        if not self._context.alive():
            return
        begins = bool(text) and not self._made
        if begins or self._answers is None:
            self._answers = self._reply_to() or ""
        update = PreviewUpdate(
            account=self._request.account,
            channel_id=self._request.channel_id,
            cause=self._cause,
            generation=self._generation,
            text=text,
            first=self._first,
            reply_to=self._answers or None,
        )
        entry = None
        if begins or not text:
            entry = Previewed(self._journal.now_ms(), self._generation, shown=bool(text))
        try:
            self._journal.tell(lambda step: [update_slot(update, step)], entry)
        except StaleGrant:
            self._over = True  # the turn's own thread finds out by itself
        except StateConflict as error:
            log.warning("a preview ends", error=error)
            self._over = True
        except StateError as error:
            log.warning("a preview was not written", error=error)  # the journal remembers, and raises
        else:
            self._made = self._made or begins
            self._shown = text
            self._written = time.monotonic()


def ended_preview(
    cause: str, request: TurnRequest, journal: Journal, answer: str, *, keep: bool = False
) -> tuple[list[Effect], list[Effect]]:
    """What goes before and after the other effects of a turn's commit: nothing if it showed no preview.

    Args:
        answer: identity of its final send, or empty.
        keep: what is shown stays.
    """
    if not journal.state.previewed:
        return [], []
    end = PreviewEnd(request.account, request.channel_id, cause, answer, keep)
    return [closed(end, journal.step + 1)], [end_push(end)]
