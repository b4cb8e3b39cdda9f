"""Messages, typing, reactions, pins."""

from __future__ import annotations

from shoal.simulator.errors import ApiError, error_by_code, forbidden, invalid_form, unknown
from shoal.simulator.model import Channel, Json, Message
from shoal.simulator.permissions import (
    ADD_REACTIONS,
    ATTACH_FILES,
    EMBED_LINKS,
    MANAGE_MESSAGES,
    PIN_MESSAGES,
    READ_HISTORY,
    SEND,
    SEND_IN_THREADS,
    SEND_VOICE_MESSAGES,
    VIEW,
    compute,
    need,
)
from shoal.simulator.rest.router import Answer, Call, route
from shoal.simulator.wire.forms import Field, list_of, obj, snowflake, validate
from shoal.simulator.wire.messages import VOICE, check_message, has_substance, uploads_of
from shoal.simulator.world import iso

__all__ = ["check_sendable", "check_sizes", "require"]

UNDELETABLE = frozenset({1, 2, 3, 4, 5, 21})
SAID = frozenset({0, 19, 20, 23})
"""Types of messages that can be answered."""
MAX_PINS = 250
FORTNIGHT_MS = 14 * 86_400_000


def require(call: Call, channel: Channel, *bits: int) -> None:
    """Check permissions of the calling bot, unless they are switched off."""
    if call.core.settings.permissions:
        need(call.core.world, channel, call.me, *bits)


def _may(call: Call, channel: Channel, bit: int) -> bool:
    return not call.core.settings.permissions or bool(compute(call.core.world, channel, call.me) & bit)


def _message(call: Call, *bits: int) -> tuple[Channel, Message]:
    channel = call.channel()
    require(call, channel, *bits)
    message = call.core.world.message(channel.id, call.params["message_id"])
    if message.visible_to is not None:
        raise unknown("message")
    return channel, message


def check_sendable(call: Call, channel: Channel, body: Json) -> None:
    """Whether the bot may write this here: permissions, forum, archive, lock, reply target."""
    if channel.type in (4, 14):
        raise ApiError(400, 50008, "Cannot send messages in a non-text channel")
    bits = [SEND_IN_THREADS if channel.is_thread else SEND]
    if body.get("embeds"):
        bits.append(EMBED_LINKS)
    if call.files or uploads_of(body):
        bits.append(ATTACH_FILES)
    reference = body.get("message_reference")
    if reference:
        bits.append(READ_HISTORY)
    require(call, channel, *bits)
    if body.get("flags", 0) & VOICE and not _may(call, channel, SEND_VOICE_MESSAGES):
        raise ApiError(403, 50173, "Cannot send voice messages in this channel.")
    check_sizes(call)
    if channel.type == 1 and any(not call.core.world.users[one].dms for one in channel.recipients):
        raise forbidden(50007)
    if channel.is_forum:
        raise ApiError(
            400, 40058, "Cannot message this thread until after the post author has sent an initial message."
        )
    if channel.is_thread and channel.locked:
        raise ApiError(400, 160005, "This thread is locked")
    if reference:
        _check_reference(call, channel, reference)


def check_sizes(call: Call) -> None:
    """No file may be larger than the place takes."""
    if any(len(data) > call.core.settings.file_limit for _, _, data in call.files):
        raise error_by_code(40005)


def _check_reference(call: Call, channel: Channel, reference: Json) -> None:
    """What is answered to is there, and somebody said it."""
    source = str(reference.get("channel_id") or channel.id)
    target = call.core.world.messages.get(source, {}).get(str(reference["message_id"]))
    if target is None and reference.get("fail_if_not_exists", True):
        problem = {"code": "REPLIES_UNKNOWN_MESSAGE", "message": "Unknown message"}
        raise invalid_form({"message_reference": {"_errors": [problem]}})
    if target is not None and reference.get("type") != 1 and target.type not in SAID:
        problem = {
            "code": "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE",
            "message": "Cannot reply to a system message",
        }
        raise invalid_form({"message_reference": {"_errors": [problem]}})


@route("POST", "/channels/{channel_id}/messages")
def create(call: Call) -> Answer:
    """Write a message; a repeated nonce under ``enforce_nonce`` answers the earlier one."""
    channel = call.channel()
    body = check_message(call.body or {}, "create", files=[name for name, _, _ in call.files])
    check_sendable(call, channel, body)
    if body.get("enforce_nonce"):
        earlier = call.core.actions.repeated(call.me, body.get("nonce"))
        if earlier is not None:
            return Answer(200, call.core.payloads.message(earlier, call.me))
    has_substance(body, len(call.files))
    files = [*call.files, *_uploaded(call, body)]
    if body["flags"] & VOICE and not files[0][1].startswith("audio/"):
        raise ApiError(400, 50160, "Voice messages must have a single audio attachment.")
    for note in uploads_of(body):
        call.core.world.uploads.pop(note["uploaded_filename"])
    message = call.core.actions.create(channel, call.me, body, files=files)
    return Answer(200, call.core.payloads.message(message, call.me))


def _uploaded(call: Call, body: Json) -> list[tuple[str, str, bytes]]:
    """Files that were PUT to a signed address before; 50146 for one that was not."""
    found = []
    for note in uploads_of(body):
        upload = call.core.world.uploads.get(note["uploaded_filename"])
        if upload is None or upload.data is None:
            raise ApiError(400, 50146, "Uploaded file not found.")
        found.append((str(note.get("filename") or upload.filename), upload.content_type, upload.data))
    return found


@route("GET", "/channels/{channel_id}/messages")
def history(call: Call) -> Answer:
    """Newest first; ``around``, ``before`` or ``after``."""
    channel = call.channel()
    require(call, channel, VIEW)
    limit = call.number("limit", 50, 1, 100)
    if call.core.settings.permissions and not compute(call.core.world, channel, call.me) & READ_HISTORY:
        return Answer(200, [])
    everything = sorted(
        (m for m in call.core.world.messages[channel.id].values() if m.visible_to is None),
        key=lambda m: int(m.id),
    )
    before, after, around = call.arg("before"), call.arg("after"), call.arg("around")
    if around is not None:
        half = limit // 2
        older = [m for m in everything if int(m.id) < int(around)][-half:] if half else []
        newer = [m for m in everything if int(m.id) >= int(around)][: limit - len(older)]
        found = older + newer
    elif after is not None:
        found = [m for m in everything if int(m.id) > int(after)][:limit]
    else:
        found = [m for m in everything if before is None or int(m.id) < int(before)][-limit:]
    return Answer(200, [call.core.payloads.message(message, call.me) for message in reversed(found)])


@route("GET", "/channels/{channel_id}/messages/{message_id}")
def read(call: Call) -> Answer:
    """One message."""
    _, message = _message(call, VIEW, READ_HISTORY)
    return Answer(200, call.core.payloads.message(message, call.me))


@route("PATCH", "/channels/{channel_id}/messages/{message_id}")
def edit(call: Call) -> Answer:
    """Change an own message."""
    channel, message = _message(call, VIEW)
    if message.author_id != call.me or message.webhook_name is not None:
        raise forbidden_edit()
    if channel.is_thread and channel.archived:
        raise ApiError(400, 50083, "Thread is archived")
    if message.flags & 1 << 13:
        raise ApiError(400, 50162, "Voice messages cannot be edited.")
    if "poll" in message.extra:
        raise error_by_code(520003)
    check_sizes(call)
    names = [name for name, _, _ in call.files]
    body = check_message(
        call.body or {},
        "edit",
        files=names,
        kept=[a.filename for a in message.attachments],
        old_flags=message.flags,
    )
    after: Json = {
        "content": body.get("content", message.content),
        "embeds": body.get("embeds", message.embeds),
        "components": body.get("components", message.components),
    }
    has_substance(after, len(call.files) + len(message.attachments))
    edited = call.core.actions.edit(message, body, files=call.files)
    return Answer(200, call.core.payloads.message(edited, call.me))


def forbidden_edit() -> ApiError:
    """50005."""
    return ApiError(403, 50005, "Cannot edit a message authored by another user")


@route("DELETE", "/channels/{channel_id}/messages/{message_id}")
def delete(call: Call) -> Answer:
    """Delete a message; others' need MANAGE_MESSAGES."""
    channel, message = _message(call, VIEW)
    if message.type in UNDELETABLE:
        raise ApiError(403, 50021, "Cannot execute action on a system message")
    if message.author_id != call.me:
        if channel.guild_id is None:
            raise forbidden()
        require(call, channel, MANAGE_MESSAGES)
    call.core.actions.delete(message)
    return Answer(204)


@route("POST", "/channels/{channel_id}/messages/bulk-delete")
def bulk_delete(call: Call) -> Answer:
    """Delete 2 to 100 messages younger than two weeks."""
    channel = call.channel()
    require(call, channel, MANAGE_MESSAGES)
    body = validate(obj({"messages": Field(list_of(snowflake), required=True)}), call.fields())
    ids = list(dict.fromkeys(body["messages"]))
    if not 2 <= len(ids) <= 100:
        raise ApiError(
            400,
            50016,
            "Provided too few or too many messages to delete. "
            "Must provide at least 2 and at most 100 messages to delete.",
        )
    newest = int(call.core.world.new_id())
    if any((newest >> 22) - (int(i) >> 22) > FORTNIGHT_MS for i in ids):
        raise ApiError(400, 50034, "A message provided was too old to bulk delete")
    present = [i for i in ids if i in call.core.world.messages[channel.id]]
    for message_id in present:
        call.core.world.messages[channel.id].pop(message_id)
    if present:
        call.core.events.bulk_delete(channel, present)
    return Answer(204)


@route("POST", "/channels/{channel_id}/messages/{message_id}/crosspost")
def crosspost(call: Call) -> Answer:
    """Publish a message of an announcement channel."""
    channel, message = _message(call, VIEW, SEND)
    if channel.type != 5:
        raise ApiError(400, 50024, "Cannot execute action on this channel type")
    if message.flags & 1:
        raise ApiError(400, 40033, "This message has already been crossposted.")
    message.flags |= 1
    call.core.events.message_event("MESSAGE_UPDATE", message)
    return Answer(200, call.core.payloads.message(message, call.me))


@route("POST", "/channels/{channel_id}/typing")
def typing(call: Call) -> Answer:
    """Show the bot as typing."""
    channel = call.channel()
    require(call, channel, SEND_IN_THREADS if channel.is_thread else SEND)
    call.core.events.typing(channel, call.me)
    return Answer(204)


# -- reactions -----------------------------------------------------------------------------------


@route("PUT", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me")
def react(call: Call) -> Answer:
    """Add a reaction of the bot's."""
    channel, message = _message(call, READ_HISTORY)
    if channel.is_thread and channel.archived:
        raise ApiError(400, 50083, "Thread is archived")
    name = call.params["emoji"].removeprefix("a:").rpartition(":")[2]
    if name not in message.reactions:
        require(call, channel, ADD_REACTIONS)
    call.core.actions.react(message, call.me, call.params["emoji"])
    return Answer(204)


@route("DELETE", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me")
def unreact(call: Call) -> Answer:
    """Take a reaction of the bot's away."""
    _, message = _message(call, VIEW)
    call.core.actions.unreact(message, call.me, call.params["emoji"])
    return Answer(204)


@route("DELETE", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/{user_id}")
def unreact_other(call: Call) -> Answer:
    """Take somebody's reaction away."""
    _, message = _message(call, MANAGE_MESSAGES)
    call.core.actions.unreact(message, call.params["user_id"], call.params["emoji"])
    return Answer(204)


@route("GET", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}")
def reactors(call: Call) -> Answer:
    """Who reacted."""
    _, message = _message(call, READ_HISTORY)
    key = call.params["emoji"].rpartition(":")[2]
    entry = message.reactions.get(key, {"users": []})
    limit = call.number("limit", 25, 1, 100)
    users = [call.core.world.users[user_id] for user_id in entry["users"][:limit]]
    return Answer(200, [call.core.payloads.user(user) for user in users])


@route("DELETE", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}")
def clear_emoji(call: Call) -> Answer:
    """Remove all reactions with one emoji."""
    _, message = _message(call, MANAGE_MESSAGES)
    call.core.actions.clear_reactions(message, call.params["emoji"])
    return Answer(204)


@route("DELETE", "/channels/{channel_id}/messages/{message_id}/reactions")
def clear_reactions(call: Call) -> Answer:
    """Remove all reactions."""
    _, message = _message(call, MANAGE_MESSAGES)
    call.core.actions.clear_reactions(message)
    return Answer(204)


# -- pins ----------------------------------------------------------------------------------------


@route("GET", "/channels/{channel_id}/messages/pins")
def pins(call: Call) -> Answer:
    """Pinned messages."""
    channel = call.channel()
    require(call, channel, READ_HISTORY)
    pinned = [m for m in call.core.world.messages[channel.id].values() if m.pinned]
    items = [
        {"pinned_at": iso(), "message": call.core.payloads.message(m, call.me)} for m in reversed(pinned)
    ]
    return Answer(200, {"items": items[: call.number("limit", 50, 1, 50)], "has_more": False})


@route("PUT", "/channels/{channel_id}/messages/pins/{message_id}")
def pin(call: Call) -> Answer:
    """Pin a message."""
    return _pin(call, True)


@route("DELETE", "/channels/{channel_id}/messages/pins/{message_id}")
def unpin(call: Call) -> Answer:
    """Unpin a message."""
    return _pin(call, False)


def _pin(call: Call, pinned: bool) -> Answer:
    channel, message = _message(call, PIN_MESSAGES)
    others = sum(1 for one in call.core.world.messages[channel.id].values() if one.pinned)
    if pinned and not message.pinned and others >= MAX_PINS:
        raise error_by_code(30003)
    message.pinned = pinned
    if pinned:
        channel.last_pin_timestamp = iso()
    call.core.events.message_event("MESSAGE_UPDATE", message)
    call.core.events.pins(channel)
    return Answer(204)
