"""The files of a message: which there are, and what a turn knows of each once it looked."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from shoal.state.media import FileFacts
from workers.media.kinds import is_audio
from workers.sessions.records import Attachment, TurnRequest
from workers.sessions.text import FORWARD, attachments_of
from workers.sessions.wire import WireMessage

__all__ = ["MediaFile", "Origin", "file_key", "files_of", "look", "sent_with", "words_of"]

MAX_FILES = 20
"""Files of one message that are fetched and told of."""

Origin = Literal["own", "forwarded", "quoted", "earlier"]


class MediaFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file as a turn sees it.

    Attributes:
        path: on this host's disk; empty if it is not there.
        mime: what it is; of a file that was not fetched, what Discord says.
        error: why it is not there, a word of :mod:`workers.media.words`.
        transcript: what is said in it; somebody's words, untrusted.
    """

    key: str
    url: str
    mime: str = ""
    path: str = ""
    size: int = 0
    error: str = ""
    transcript: str = ""
    origin: Origin = "own"
    picture: bool = False
    """It may be shown to a model with eyes."""
    v: int = 1


def files_of(request: TurnRequest) -> tuple[tuple[Origin, Attachment], ...]:
    """Attachments and stickers, those of what is forwarded, those of the message that is answered to, and
    pictures of before. A file that comes twice is told of once."""
    found: list[tuple[Origin, Attachment]] = [
        ("forwarded" if item.forwarded else "own", item) for item in request.attachments
    ]
    if request.quoted is not None:
        found += [("quoted", item) for item in request.quoted.attachments]
    known = {file_key(item) for _, item in found}
    found += [("earlier", item) for item in request.earlier if file_key(item) not in known]
    return tuple(found[:MAX_FILES])


def sent_with(message: WireMessage) -> list[Attachment]:
    """The files of a message that is not admitted yet: its own, forwarded ones, those it answers to."""
    answered = message.referenced if message.reference_type != FORWARD else None
    found = [*attachments_of(message), *(attachments_of(answered) if answered is not None else ())]
    return found[:MAX_FILES]


def words_of(message: WireMessage, facts: Mapping[str, FileFacts]) -> str:
    """What the message's own recordings say, as far as they were heard."""
    heard = [facts[key].heard for key in map(file_key, message.body.attachments) if key in facts]
    return "\n\n".join(one.text for one in heard if one is not None and one.text)


def file_key(item: Attachment) -> str:
    """What the file is called in Redis: its id, or a digest of its address (of servers without ids)."""
    if item.id:
        return item.id
    return "u" + hashlib.blake2b(item.url.partition("?")[0].encode(), digest_size=10).hexdigest()


def look(
    files: Sequence[tuple[Origin, Attachment]],
    facts: Mapping[str, FileFacts],
    *,
    host: str,
    transcribes: bool,
) -> tuple[list[MediaFile], list[str]]:
    """What is known now, and the keys of the files of which more will be known.

    Args:
        host: the disk that counts.
        transcribes: recordings get their words, so they are waited for.
    """
    known: list[MediaFile] = []
    awaited: list[str] = []
    for origin, item in files:
        key = file_key(item)
        fact = facts.get(key) or FileFacts({})
        found = _look(key, origin, item, fact, host)
        if found is None:
            awaited.append(key)
            found = MediaFile(key, item.url, item.content_type, error="pending", origin=origin)
        elif transcribes and found.path and is_audio(found.mime):
            if fact.heard is None:
                awaited.append(key)
            else:
                found = msgspec.structs.replace(found, transcript=fact.heard.text)
        known.append(found)
    return known, awaited


def _look(key: str, origin: Origin, item: Attachment, fact: FileFacts, host: str) -> MediaFile | None:
    """The file as it is on this disk, or why it never will be; None while that is open."""
    if not item.url:
        return MediaFile(key, "", item.content_type, error="no-address", origin=origin)
    saved = fact.saved.get(host)
    if saved is None:
        # of another host, but perhaps on a disk that both see
        others = [other for other in fact.saved.values() if other.path and _there(other.path, other.size)]
        saved = others[0] if others else None
    elif saved.path and not _there(saved.path, saved.size):
        return None
    if saved is None:
        return None
    return MediaFile(
        key,
        item.url,
        saved.mime or item.content_type,
        saved.path,
        saved.size or item.size,
        saved.error,
        origin=origin,
    )


def _there(path: str, size: int) -> bool:
    try:
        found = Path(path).stat()
    except OSError:
        return False
    return found.st_size == size
