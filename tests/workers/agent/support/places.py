"""Events with everything around them that a prompt shows, and the places where people can write into them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.workers.sessions.helpers import ANN, BOB, BOT, CHANNEL, GUILD, NOW, in_guild, message

PARENT = "601"
FILE = {"id": "9", "filename": "a.png", "url": "https://cdn/a.png", "size": 5, "content_type": "image/png"}
Case = dict[str, Any]
"""What Discord told of guild, thread and parent, the event, an earlier message, and what else is known."""


def case(**changes: Any) -> Case:
    """A message with everything around it that a prompt shows."""
    quoted = message("quoted words", BOB, id=str(NOW - 5), member={"nick": "Bobby", "roles": []})
    event_ = in_guild(
        "hello there",
        id=str(NOW + 1),
        channel_type=11,
        type=19,
        referenced_message=quoted,
        message_reference={"type": 0, "message_id": quoted["id"], "channel_id": CHANNEL},
        member={"nick": "Annie", "roles": ["7"]},
        attachments=[
            {"id": "1", "filename": "a.png", "url": "https://cdn/a.png", "content_type": "image/png"}
        ]
        * 2,
    )
    made: Case = {
        "guild": {"id": GUILD, "name": "Home", "roles": [{"id": "7", "name": "Helpers"}]},
        "thread": {"id": CHANNEL, "name": "bugs", "type": 11, "parent_id": PARENT, "guild_id": GUILD},
        "parent": {"id": PARENT, "name": "general", "type": 0, "topic": "All of it", "guild_id": GUILD},
        "event": event_,
        "earlier": in_guild(
            "said before", BOB, mention=False, channel_type=11, member={"nick": "Bobby", "roles": []}
        ),
        "starter": "how it began",
        "happened": "Discord reaction added: x by ann on home #general msg 1",
        "transcript": "",
    }
    for path, value in changes.items():
        _put(made, path.split("__"), value)
    return made


def _put(data: Any, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        data = data[int(name)] if isinstance(data, list) else data[name]
    if isinstance(data, list):
        data[int(path[-1])] = value
    else:
        data[path[-1]] = value


def forward(**changes: Any) -> Case:
    """A forwarded message."""
    made = case(event__type=0, event__message_reference={"type": 1, "message_id": "5", "channel_id": PARENT})
    for name in ("referenced_message", "attachments"):
        del made["event"][name]
    made["event"]["message_snapshots"] = [{"message": {"content": "forwarded words"}}]
    for path, value in changes.items():
        _put(made, path.split("__"), value)
    return made


def bare(**fields: Any) -> Case:
    """A message whose text comes from somewhere else than its content."""
    made = case(event__content="", event__attachments=[])
    made["event"] |= fields
    return made


def _file(**fields: str) -> dict[str, str]:
    return {"id": "1", "filename": "f", "url": "https://cdn/f", "content_type": "x/y", **fields}


def _poll(question: str, answer: str) -> dict[str, Any]:
    return {"question": {"text": question}, "answers": [{"poll_media": {"text": answer}}]}


def _snapshot(**message: Any) -> list[dict[str, Any]]:
    return [{"message": message}]


PLACES: dict[str, Callable[[str], Case]] = {
    "text": lambda text: case(event__content=text),
    "text in a DM": lambda text: case(event=message(text, id=str(NOW + 1))),
    "nick": lambda text: case(event__member={"nick": text, "roles": []}),
    "global name": lambda text: case(event__member={"nick": None}, event__author__global_name=text),
    "username": lambda text: case(event__author__username=text),
    "username in a DM": lambda text: case(
        event=message("hi", id=str(NOW + 1), author=ANN) | {"author": {"id": ANN, "username": text}}
    ),
    "mentioned name": lambda text: case(
        event__content="look <@5>", event__mentions=[{"id": BOT}, {"id": "5", "username": text}]
    ),
    "topic": lambda text: case(parent__topic=text),
    "guild name": lambda text: case(guild__name=text),
    "thread name": lambda text: case(thread__name=text),
    "parent name": lambda text: case(parent__name=text),
    "role name": lambda text: case(guild__roles=[{"id": "7", "name": text}], event__content="hi <@&7>"),
    "file name": lambda text: case(event__attachments__0=_file(filename=text)),
    "file type": lambda text: case(event__attachments__0=_file(content_type=text)),
    "file url": lambda text: case(event__attachments__0=_file(url=text)),
    "quoted text": lambda text: case(event__referenced_message__content=text),
    "quoted nick": lambda text: case(event__referenced_message__member={"nick": text, "roles": []}),
    "embed title": lambda text: bare(embeds=[{"title": text}]),
    "embed text": lambda text: bare(embeds=[{"title": "t", "description": text}]),
    "component": lambda text: bare(components=[{"type": 17, "components": [{"type": 10, "content": text}]}]),
    "poll question": lambda text: bare(poll=_poll(text, "a")),
    "poll answer": lambda text: bare(poll=_poll("q", text)),
    "sticker name": lambda text: case(event__sticker_items=[{"id": "3", "name": text, "format_type": 1}]),
    "forwarded text": lambda text: forward(event__message_snapshots=_snapshot(content=text)),
    "forwarded embed": lambda text: forward(event__message_snapshots=_snapshot(embeds=[{"title": text}])),
    "forwarded author": lambda text: forward(
        event__message_snapshots=[],
        event__referenced_message=message("x", BOB) | {"author": {"id": BOB, "username": text}},
    ),
    "forwarded from": lambda text: forward(parent__name=text),
    "earlier text": lambda text: case(earlier__content=text),
    "earlier nick": lambda text: case(earlier__member={"nick": text, "roles": []}),
    "earlier file": lambda text: case(earlier__attachments=[{**FILE, "filename": text}]),
    "earlier file's kind": lambda text: case(earlier__attachments=[{**FILE, "content_type": text}]),
    "thread starter": lambda text: case(starter=text),
    "event": lambda text: case(happened=text),
    "fetched file": lambda text: case(file=text),
    "transcript": lambda text: case(transcript=text),
}  # fmt: skip
