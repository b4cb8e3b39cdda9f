"""What an agent said in a conversation without being asked there (``spec/outbound.md`` 2.5).

A send of the message tool to another place, or of ``shoal message``, belongs to the conversation it is read
in: whoever answers there must know it. It wakes nobody. It waits in a small transcript of the target's
session, written by the commit of its delivery (so: once, and only if it is out); the session's next turn
reads it as the agent's own words, and the commit of that turn appends a mark. Nothing of the conversation
that caused it comes along.

A transcript that ends by the clock or by silence does not end these: an announcement of the morning is what
people ask about in the afternoon. ``/new`` and an archived thread do.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from shoal.base.ids import snowflake_ms
from shoal.base.logging import get_logger
from shoal.state.effects import Effect, Transcript
from shoal.state.sessions import Sessions

__all__ = [
    "MAX_TEXT",
    "OwnWords",
    "described",
    "said_there",
    "words_forgotten",
    "words_told",
    "words_waiting",
]

KEEP = 40
"""Entries kept of a session, marks included; the oldest go first."""
MAX_TEXT = 4_000
"""Characters of one message."""
MOST = 10
MOST_CHARS = 12_000
"""A turn is told the newest so many, and no more characters than that."""

log = get_logger(__name__)


class OwnWords(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message the agent sent, or a mark.

    Attributes:
        id: identity of the send.
        at_ms: when Discord made the message, Unix ms.
        told: mark: a turn has read these.
        until_ms: mark: those made up to then are forgotten.
    """

    id: str = ""
    text: str = ""
    at_ms: int = 0
    told: tuple[str, ...] = ()
    until_ms: int = 0


_decoder = msgspec.json.Decoder(OwnWords)


def said_there(session_key: str, send: str, text: str, message_id: str) -> Effect:
    """For the commit of the delivery ``send``, whose first message is ``message_id``."""
    return _entry(session_key, OwnWords(send, text[:MAX_TEXT], snowflake_ms(message_id)))


def words_waiting(sessions: Sessions, session_key: str, *, since_ms: int = 0) -> tuple[OwnWords, ...]:
    """What no turn has been told yet, of the newest ones, oldest first; made after ``since_ms``."""
    found: dict[str, OwnWords] = {}
    for raw in sessions.transcript(_name(session_key)):
        try:
            entry = _decoder.decode(raw)
        except msgspec.DecodeError:
            log.warning("own words that cannot be read were left out", session=session_key)
            continue
        if entry.id:
            found[entry.id] = entry
        since_ms = max(since_ms, entry.until_ms)
        for name in entry.told:
            found.pop(name, None)
    room, newest = MOST_CHARS, list[OwnWords]()
    for words in reversed([one for one in found.values() if one.at_ms > since_ms]):
        room -= len(words.text)
        if len(newest) == MOST or room < 0:
            log.info("own words were too many for one turn", session=session_key)
            break
        newest.append(words)
    return tuple(reversed(newest))


def words_told(session_key: str, words: Sequence[OwnWords]) -> Effect:
    """For the commit of the turn that was told these. What came later stays."""
    return _entry(session_key, OwnWords(told=tuple(one.id for one in words)))


def words_forgotten(session_key: str, until_ms: int) -> Effect:
    """For the commit that begins the session anew: what was said until then is of the old one."""
    return _entry(session_key, OwnWords(until_ms=until_ms))


def described(text: str, *, files: Sequence[str] = (), poll: str = "", stickers: int = 0) -> str:
    """A message in words: its text, and what it carries."""
    carried = [f"[file: {name}]" for name in files]
    carried += [f"[poll: {poll}]"] if poll else []
    carried += [f"[stickers: {stickers}]"] if stickers else []
    return "\n".join([text, *carried] if text else carried)


def _entry(session_key: str, entry: OwnWords) -> Effect:
    return Transcript(_name(session_key), [msgspec.json.encode(entry)], keep=KEEP)


def _name(session_key: str) -> str:
    return f"own:{session_key}"
