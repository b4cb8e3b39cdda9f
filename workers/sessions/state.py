"""What is kept of a conversation between its turns: the fields of a session record, read once.

The record is a hash in Redis that turns and commands write by effects. Times of the
conversation are Discord's own (from message ids), so that no two clocks have to agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from config.speech import AUTO, Auto
from workers.access.facts import Activation

__all__ = ["SessionState"]


@dataclass(frozen=True, slots=True)
class SessionState:
    """One session record. Empty for a conversation that has none.

    Attributes:
        session_id: the transcript in use; ``""`` before the first turn.
        started_ms: birth of the message that began this transcript, Unix ms of Discord's clock.
        last_ms: birth of the newest message of a person that had a turn; events of the system do not count.
        reset_before_ms: a transcript that began before this is not gone on with (archived thread).
        turns, tokens_in, tokens_out: since the transcript began.
        model: ``provider/model`` that answered last.
        model_override: ``provider/model`` chosen for this conversation; ``""`` for the configured one.
        activation: ``/activation`` of this conversation; ``""`` leaves the gate to the config.
        queue_mode, queue_debounce_ms, queue_cap, queue_drop: what ``/queue`` set here.
        send: ``on`` or ``off`` of ``/send``; ``""`` leaves it to ``session.sendPolicy``.
        tts: which answers are heard here, by ``/tts``; ``""`` leaves it to ``messages.tts.auto``.
    """

    session_id: str = ""
    started_ms: int = 0
    last_ms: int = 0
    reset_before_ms: int = 0
    turns: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    model: str = ""
    model_override: str = ""
    activation: Activation = ""
    queue_mode: str = ""
    queue_debounce_ms: int | None = None
    queue_cap: int | None = None
    queue_drop: str = ""
    send: str = ""
    tts: Auto | Literal[""] = ""

    @classmethod
    def read(cls, fields: Mapping[str, bytes]) -> SessionState:
        """The state in the fields of a record. What cannot be read counts as not set."""
        activation = _text(fields, "activation")
        return cls(
            session_id=_text(fields, "session_id"),
            # records of before have no birth; when they were written last is the best there is
            started_ms=_number(fields, "started_ms") or _number(fields, "updated_at") or 0,
            last_ms=_number(fields, "last_ms") or _number(fields, "updated_at") or 0,
            reset_before_ms=_number(fields, "reset_before_ms") or 0,
            turns=_number(fields, "turns") or 0,
            tokens_in=_number(fields, "tokens_in") or 0,
            tokens_out=_number(fields, "tokens_out") or 0,
            model=_text(fields, "model"),
            model_override=_text(fields, "model_override"),
            activation="always" if activation == "always" else "mention" if activation == "mention" else "",
            queue_mode=_text(fields, "queue_mode"),
            queue_debounce_ms=_number(fields, "queue_debounce_ms"),
            queue_cap=_number(fields, "queue_cap"),
            queue_drop=_text(fields, "queue_drop"),
            send=_text(fields, "send"),
            tts=next((mode for mode in AUTO if mode == _text(fields, "tts")), ""),
        )


def _text(fields: Mapping[str, bytes], name: str) -> str:
    return fields.get(name, b"").decode("utf-8", "replace")


def _number(fields: Mapping[str, bytes], name: str) -> int | None:
    text = _text(fields, name)
    return int(text) if text.isascii() and text.isdigit() else None
