"""What a turn is shown of its conversation before it: summary, transcript, both bounded.

Three bounds, each for when the one before it did not do: a summary replaces the older part
(:mod:`workers.agent.compaction`); what is shown fits into the model's window by estimate; and
if the model says all the same that it is too much, half of it goes, and half again.
"""

from __future__ import annotations

import msgspec

from shoal.base.logging import get_logger
from shoal.state.sessions import Sessions
from workers.agent.compaction import SUMMARY_CHARS, CompactionPolicy, Split, latest_summary, split
from workers.agent.providers.base import Message
from workers.agent.tokens import estimate
from workers.agent.transcript import decode_lines, history_messages, line_tokens
from workers.sessions.untrusted import field_text

__all__ = ["Past"]

log = get_logger(__name__)

MAX_LINES = 2_000
CUTS = (1.0, 0.5, 0.2, 0.0)
"""Shares of what there is that are tried, one after the other, when a model says that it is too much."""


class Past:
    """The conversation before a turn.

    Args:
        sessions: where transcripts are.
        session_id: the transcript; empty for a conversation that begins.
        grouped: several people talk, so each message names its author.
        max_turns: at most so many user messages (``dmHistoryLimit``).
    """

    def __init__(
        self,
        sessions: Sessions,
        session_id: str,
        policy: CompactionPolicy,
        *,
        grouped: bool,
        max_turns: int | None = None,
    ) -> None:
        self._policy = policy
        self._grouped = grouped
        self._max_turns = max_turns
        self._cut = 0
        lines = decode_lines(sessions.transcript(session_id, last=MAX_LINES)) if session_id else []
        self.summary, self._lines = latest_summary(lines)

    @property
    def tokens(self) -> int:
        """About how many tokens all of it has."""
        return estimate(self.summary) + sum(line_tokens(line) for line in self._lines)

    def to_compact(self, *, force: bool = False) -> Split | None:
        """What should be summed up now, or ``None``. ``force``: a model has said that it is too much."""
        if self._max_turns is not None or (not force and self.tokens <= self._policy.history_tokens):
            return None  # a written limit on turns bounds the history already
        return split(self._lines, min(self._policy.keep, self._policy.history_tokens // 2))

    def compacted(self, summary: str, kept_from: str) -> None:
        """From now on the summary stands for everything before ``kept_from``."""
        self.summary = summary
        start = next((i for i, line in enumerate(self._lines) if line.message_id == kept_from), 0)
        self._lines = self._lines[start:]

    def cut(self) -> bool:
        """Show less from now on; false when nothing is left to leave out."""
        if self._cut + 1 >= len(CUTS):
            return False
        self._cut += 1
        log.warning("conversation too long, history is cut", share=CUTS[self._cut])
        return True

    def messages(self) -> list[Message]:
        """The past as a model reads it, oldest first."""
        room = int(min(self._policy.history_tokens, self.tokens) * CUTS[self._cut])
        shown = history_messages(
            self._lines, grouped=self._grouped, max_tokens=room, max_turns=self._max_turns
        )
        if not self.summary or CUTS[self._cut] == 0.0:
            return shown
        return [_summary_message(self.summary), *shown]


def _summary_message(summary: str) -> Message:
    """As a fenced block: a summary is made of what people wrote."""
    data = msgspec.json.encode({"summary": field_text(summary, SUMMARY_CHARS)}).decode()
    return Message("user", text=f"Conversation summary (untrusted, for context):\n```json\n{data}\n```")
