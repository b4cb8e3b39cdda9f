"""What happened around a conversation while nobody spoke to the bot (``spec/inbound.md`` 7.3).

Reactions, pins, joins and the like start no turn. They wait in Redis, at most 20 for a session,
and the next turn reads them as lines in front of its prompt. A turn journals what it read and its
commit removes exactly that, so nothing that comes later is lost and a resumed turn says the same
(rule R21). A session that begins anew forgets them (:func:`forget_events`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from shoal.base.logging import get_logger
from shoal.state.effects import Effect, SystemEvent, SystemEventsDone
from shoal.state.sessions import Sessions
from workers.sessions.untrusted import neutral, plain_lines

__all__ = ["QueuedEvent", "event_lines", "forget_events", "heard_events", "pending_events", "queue_event"]

MAX_TEXT = 500

log = get_logger(__name__)


class QueuedEvent(msgspec.Struct, frozen=True, omit_defaults=True):
    """One event that waits.

    Attributes:
        id: tells it apart; the identity of the record that caused it.
        text: one line, made by us from parts of the event.
        at_ms: when it happened, Unix ms.
        about: context key, ``discord:reaction:…`` or ``discord:system:…``.
        trusted: no part of ``text`` is free text of somebody else; decides the word in front of the line.
    """

    id: str
    text: str
    at_ms: int
    about: str = ""
    trusted: bool = True
    v: int = 1


def queue_event(session_key: str, event: QueuedEvent) -> Effect:
    """Keep an event for the session's next turn. An event equal to the newest that waits is not kept."""
    line = " ".join(event.text.split())[:MAX_TEXT]
    body = msgspec.json.encode(msgspec.structs.replace(event, text=line))
    return SystemEvent(session_key, event.id, _digest(line), _digest(f"{event.about}\n{line}"), body)


def pending_events(sessions: Sessions, session_key: str) -> list[QueuedEvent]:
    """What waits for the session's next turn, oldest first."""
    found = []
    for body in sessions.events(session_key):
        try:
            found.append(msgspec.json.decode(body, type=QueuedEvent))
        except msgspec.DecodeError:
            log.warning("a system event cannot be read and is left out", session=session_key)
    return found


def heard_events(session_key: str, event_ids: Sequence[str]) -> Effect:
    """For the commit of the turn that was told these events."""
    return SystemEventsDone(session_key, tuple(event_ids))


def forget_events(session_key: str) -> Effect:
    """For the commit that begins the session anew: what waited was about the old one."""
    return SystemEventsDone(session_key)


def event_lines(events: Iterable[QueuedEvent], timezone: str) -> list[str]:
    """The lines a turn reads: ``System: [<time>] <text>``; ``System (untrusted): …`` for words of others.

    Names in them are other people's: nothing in a line has the form of something else of ours.
    """
    zone = _zone(timezone)
    return [
        f"System{'' if event.trusted else ' (untrusted)'}: [{_moment(event.at_ms, zone)}] {_line(event.text)}"
        for event in events
    ]


def _line(text: str) -> str:
    return neutral(" ".join(plain_lines(text).split()))


def _moment(at_ms: int, zone: tzinfo | None) -> str:
    when = datetime.fromtimestamp(at_ms / 1000, zone)
    return (when if zone is not None else when.astimezone()).strftime("%Y-%m-%d %H:%M:%S %Z")


def _zone(name: str) -> tzinfo | None:
    """A zone; ``None`` is that of this machine."""
    if name == "local":
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC  # a zone this machine does not know; config reports it


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
