"""Which dispatches are kept, in which lane, under which identity.

A kept dispatch becomes a record in a lane; every other one only moves the cursor. The
identity is what makes a replayed event the same one again (``spec/fleet.md`` 2):

    MESSAGE_CREATE     m:<account>:<message id>                  told apart for 25 h
    MESSAGE_UPDATE     e:<account>:<message id>:<time of edit>   only true edits are kept
    reactions          r:<account>:<message>:<user>:<emoji>:<what>:<seq>
    INTERACTION_CREATE i:<interaction id>
    all others         s:<account>:<session id>:<seq>

Ids are taken as they come. One that is no snowflake (another server, a test) is turned
into a name that keys allow, so that it costs nothing but its beauty.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from shoal.base.aborts import is_abort_word, is_stop_command
from shoal.base.errors import ShoalError
from shoal.base.ids import NAME_PATTERN, snowflake_ms
from shoal.discord.wire import MessageType
from shoal.state.records import MAX_BODY, InboundEvent, Record, encode_event

__all__ = ["Interaction", "Kept", "Malformed", "Origin", "keep", "name_part"]

Id = str | int
ABORT_MAX = 120
"""Longest text that can be an abort word with a mention around it."""


class Malformed(ShoalError):
    """A dispatch that lacks what its kind cannot be without; it costs this one event."""

    code = "gateway-event-malformed"


class Origin(msgspec.Struct, frozen=True, gc=False):
    """Where a dispatch came from.

    ``me`` is our own user id once READY has told it; ``history``: too old to be answered (R19).
    """

    account: str
    shard: int
    session_id: str
    seq: int
    me: str | None
    received_ms: int
    history: bool = False


class Interaction(msgspec.Struct, frozen=True, gc=False):
    """What the back-stop needs to know about a click or command (rule R10)."""

    id: str
    token: str
    kind: int
    of_message: bool


class Kept(msgspec.Struct, frozen=True):
    """What intake stores for a dispatch. Without a lane nothing is pushed, the rest still holds.

    Attributes:
        seen: (channel id, message id), the channel's newest message.
        outcome: (message id, outcome, reason) for what is decided here.
        also: a second push: abort words overtake their channel (rule R7).
        echo: (nonce, channel id, message id) of a message we sent ourselves.
        ids: what the log says about it, ids only.
        direct: (channel, author or ``""``), if the channel is none of a guild's.
    """

    lane: str | None = None
    record: Record | None = None
    dedup: str | None = None
    seen: tuple[str, str] | None = None
    outcome: tuple[str, str, str] | None = None
    also: tuple[str, Record] | None = None
    echo: tuple[str, str, str] | None = None
    interaction: Interaction | None = None
    ids: str = ""
    direct: tuple[str, str] | None = None


class _User(msgspec.Struct, gc=False):
    id: Id | None = None


class _Message(msgspec.Struct, gc=False):
    id: Id
    channel_id: Id
    guild_id: Id | None = None
    author: _User | None = None
    nonce: Id | None = None
    edited_timestamp: str | None = None
    content: str | None = None
    type: Any = None


class _Bulk(msgspec.Struct, gc=False):
    channel_id: Id


class _Emoji(msgspec.Struct, gc=False):
    id: Id | None = None
    name: str | None = None


class _Reaction(msgspec.Struct, gc=False):
    channel_id: Id
    message_id: Id
    user_id: Id | None = None
    emoji: _Emoji | None = None


class _Click(msgspec.Struct, gc=False):
    id: Id
    token: str
    type: int
    channel_id: Id | None = None
    message: msgspec.Raw = msgspec.Raw(b"")


class _Place(msgspec.Struct, gc=False):
    id: Id
    unavailable: bool | None = None


_message = msgspec.json.Decoder(_Message)
_bulk = msgspec.json.Decoder(_Bulk)
_reaction = msgspec.json.Decoder(_Reaction)
_click = msgspec.json.Decoder(_Click)
_place = msgspec.json.Decoder(_Place)

_REACTIONS = {
    "MESSAGE_REACTION_ADD": "add",
    "MESSAGE_REACTION_REMOVE": "remove",
    "MESSAGE_REACTION_REMOVE_ALL": "all",
    "MESSAGE_REACTION_REMOVE_EMOJI": "emoji",
}
_PLACES = frozenset({"CHANNEL_DELETE", "THREAD_UPDATE", "THREAD_DELETE", "GUILD_DELETE"})
_DIGITS = re.compile(r"\D+")


def keep(event: str, data: msgspec.Raw, origin: Origin) -> Kept | None:
    """What to store for a dispatch, or ``None`` if it only moves the cursor.

    Raises:
        Malformed: an id or token is missing or of a wrong type.
    """
    try:
        return _keep(event, data, origin)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(f"{event} cannot be read: {error}"[:300]) from None


def name_part(value: Id) -> str:
    """An id as a part of a key name: itself where keys allow it, else a short hash of it."""
    text = str(value)
    if text.isdigit() and text.isascii() and len(text) <= 20:
        return text  # a snowflake
    if len(text) <= 64 and NAME_PATTERN.fullmatch(text):
        return text
    return "h" + hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def _keep(event: str, data: msgspec.Raw, origin: Origin) -> Kept | None:
    match event:
        case "MESSAGE_CREATE":
            return _created(_message.decode(data), data, origin)
        case "MESSAGE_UPDATE":
            return _edited(_message.decode(data), data, origin)
        case "MESSAGE_DELETE":
            deleted = _message.decode(data)
            return _plain(event, deleted.channel_id, data, origin, ids=f"message {deleted.id} deleted")
        case "MESSAGE_DELETE_BULK":
            return _plain(event, _bulk.decode(data).channel_id, data, origin)
        case "INTERACTION_CREATE":
            return _clicked(_click.decode(data), data, origin)
    if event in _REACTIONS:
        return _reacted(event, _reaction.decode(data), data, origin)
    if event in _PLACES:
        place = _place.decode(data)
        if place.unavailable is not None:
            return None  # an outage of Discord: the guild comes back
        return _plain(event, place.id, data, origin)
    return None


def _created(message: _Message, data: msgspec.Raw, origin: Origin) -> Kept:
    message_id, channel_id = str(message.id), str(message.channel_id)
    born, channel, name = _born(message_id), name_part(channel_id), name_part(message_id)
    dedup = f"m:{message_id}" if born else f"x:{name}"
    seen = (channel, message_id) if born else None
    author = str(message.author.id) if message.author and message.author.id is not None else ""
    if origin.me is not None and author == origin.me and message.type != MessageType.POLL_RESULT:
        nonce = None if message.nonce is None else str(message.nonce)
        return Kept(
            dedup=dedup,
            seen=seen,
            outcome=(message_id, "dropped", "own-message") if born else None,
            echo=(nonce, channel_id, message_id) if nonce else None,
        )
    record = Record(
        identity=f"m:{origin.account}:{name}",
        kind="MESSAGE_CREATE",
        body=_body("MESSAGE_CREATE", data, origin),
        born=born,
        account=origin.account,
        message_id=message_id if born else "",
    )
    where = f"guild {message.guild_id} channel {channel_id}" if message.guild_id else f"channel {channel_id}"
    return Kept(
        lane=f"inbound:{origin.account}:{channel}",
        record=record,
        dedup=dedup,
        seen=seen,
        also=_fast(message, record, origin),
        direct=None if message.guild_id else (channel, name_part(author) if author else ""),
        ids=f"message {message_id} from user {author or 'unknown'} in {where}",
    )


def _fast(message: _Message, record: Record, origin: Origin) -> tuple[str, Record] | None:
    """A whole-message abort word or ``/stop`` for the quick lane; the ordered record closes the ledger."""
    text = message.content or ""
    if len(text) > ABORT_MAX or not (is_abort_word(text, origin.me) or is_stop_command(text, origin.me)):
        return None
    lane = f"fast:{origin.account}:{name_part(message.channel_id)}"
    identity = f"f:{origin.account}:{name_part(message.id)}"
    return lane, Record(identity, record.kind, record.body, born=record.born)


def _edited(message: _Message, data: msgspec.Raw, origin: Origin) -> Kept | None:
    if not message.edited_timestamp:
        return None  # embeds resolved, pinned, thread started: the text is what it was
    if message.author and message.author.id is not None and str(message.author.id) == origin.me:
        return None
    when = _DIGITS.sub("", message.edited_timestamp)[:40] or name_part(message.edited_timestamp)
    identity = f"e:{origin.account}:{name_part(message.id)}:{when}"
    record = Record(identity, "MESSAGE_UPDATE", _body("MESSAGE_UPDATE", data, origin))
    return Kept(_lane(origin, message.channel_id), record, identity, ids=f"message {message.id} edited")


def _reacted(event: str, reaction: _Reaction, data: msgspec.Raw, origin: Origin) -> Kept | None:
    if reaction.user_id is not None and str(reaction.user_id) == origin.me:
        return None
    emoji = reaction.emoji.id or reaction.emoji.name or "" if reaction.emoji else ""
    parts = (origin.account, name_part(reaction.message_id), name_part(reaction.user_id or "all"))
    identity = f"r:{':'.join(parts)}:{name_part(emoji or 'all')}:{_REACTIONS[event]}:{origin.seq}"
    record = Record(identity, event, _body(event, data, origin))
    return Kept(_lane(origin, reaction.channel_id), record, identity)


def _clicked(click: _Click, data: msgspec.Raw, origin: Origin) -> Kept:
    interaction_id = str(click.id)
    identity = f"i:{name_part(interaction_id)}"
    body = _body("INTERACTION_CREATE", data, origin)
    of_message = bytes(click.message) not in (b"", b"null")
    return Kept(
        lane=f"interaction:{origin.account}:{name_part(interaction_id)}",
        record=Record(identity, "INTERACTION_CREATE", body, born=_born(interaction_id)),
        dedup=identity,
        interaction=Interaction(interaction_id, click.token, click.type, of_message),
        ids=f"interaction {interaction_id} in channel {click.channel_id or 'none'}",
    )


def _plain(event: str, channel_id: Id, data: msgspec.Raw, origin: Origin, *, ids: str = "") -> Kept:
    identity = f"s:{origin.account}:{name_part(origin.session_id)}:{origin.seq}"
    record = Record(identity, event, _body(event, data, origin))
    return Kept(_lane(origin, channel_id), record, identity, ids=ids)


def _lane(origin: Origin, channel_id: Id) -> str:
    return f"inbound:{origin.account}:{name_part(channel_id)}"


def _born(snowflake: str) -> int:
    """Unix ms of a snowflake; 0 for anything that is none."""
    if not (snowflake.isascii() and snowflake.isdigit()) or len(snowflake) > 19:
        return 0
    return snowflake_ms(snowflake)


def _body(event: str, data: msgspec.Raw, origin: Origin) -> bytes:
    body = encode_event(
        InboundEvent(origin.account, origin.shard, event, origin.received_ms, data, origin.history)
    )
    if len(body) > MAX_BODY:
        raise Malformed(f"{event} of {len(body)} bytes is larger than {MAX_BODY}")
    return body
