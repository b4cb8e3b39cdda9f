"""What people see when a run is over: asked of the local Discord by the driver, read by the judge.

``seen.jsonl`` has a line for each thread and for each message, with what of it matters here. Imports nothing
of the product.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.chaos.forms import PIECE, VOICE

__all__ = ["Seen", "Thread", "read_seen", "seen_lines"]

Json = dict[str, Any]

KEPT = (
    "id",
    "channel_id",
    "type",
    "flags",
    "content",
    "components",
    "embeds",
    "poll",
    "attachments",
    "reactions",
    "message_reference",
)
EPHEMERAL = 1 << 6
WORDS = (0, 19)
"""Types of messages with words of their own; the others are notices of Discord's."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A message as it is in the end. ``pieces``: (tag, piece) in the order people read them."""

    id: str
    channel: str
    bot: bool
    pieces: tuple[tuple[str, str], ...]
    reactions: tuple[str, ...]
    """Emojis on it; in a run nobody but the bot reacts."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread. One made of a message has the id of the message."""

    id: str
    parent: str
    name: str


def seen_lines(threads: Iterable[Json], messages: Iterable[Json]) -> Iterator[Json]:
    """The lines of ``seen.jsonl``, of channels and messages as Discord shows them."""
    for thread in threads:
        yield {"kind": "thread", **{name: thread.get(name) for name in ("id", "parent_id", "name")}}
    for message in messages:
        kept = {name: message[name] for name in KEPT if message.get(name)}
        yield {"kind": "message", "bot": bool(message["author"].get("bot")), **kept}


def read_seen(lines: Iterable[Json], tags: Mapping[str, str]) -> tuple[list[Seen], list[Thread]]:
    """Messages in the order of their ids, and threads.

    Args:
        tags: the tag of each message that was said, by its id.
    """
    seen: list[Seen] = []
    threads: list[Thread] = []
    for line in lines:
        if line["kind"] == "thread":
            threads.append(Thread(line["id"], str(line["parent_id"]), str(line["name"])))
        elif line.get("type", 0) in WORDS and not line.get("flags", 0) & EPHEMERAL:
            seen.append(
                Seen(
                    line["id"],
                    line["channel_id"],
                    line["bot"],
                    tuple((tag, piece) for text in _texts(line, tags) for tag, piece in PIECE.findall(text)),
                    tuple(str(each["emoji"].get("name")) for each in line.get("reactions", ())),
                )
            )
    return sorted(seen, key=lambda message: int(message.id)), threads


def _texts(line: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[str]:
    yield str(line.get("content") or "")
    yield str(((line.get("poll") or {}).get("question") or {}).get("text") or "")
    for embed in line.get("embeds") or ():
        yield str(embed.get("title") or "")
    yield from _displays(line.get("components") or ())
    for file in line.get("attachments") or ():
        yield str(file.get("filename") or "")
        if str(file.get("filename")).endswith(".ogg"):
            # a recording has neither words nor a name of its own: it is known by what it replies to
            said = str((line.get("message_reference") or {}).get("message_id"))
            yield f"{tags.get(said, '')}-{VOICE}"


def _displays(components: Sequence[Json]) -> Iterator[str]:
    """Texts among components, in order."""
    for component in components:
        yield str(component.get("content") or "")
        yield from _displays(component.get("components") or ())
