"""Control calls that act as a person: write, edit, react, press, use commands; and reading channels."""

from __future__ import annotations

from typing import Any

from shoal.simulator.control_api import Ask, on, unpack_files
from shoal.simulator.errors import ControlError
from shoal.simulator.mentions import visible_text
from shoal.simulator.model import Json, Message

__all__: list[str] = []


def _shown(ask: Ask, message: Message) -> Json:
    return ask.core.payloads.message(message)


@on("POST", "channels/*/messages")
def _say(ask: Ask) -> Json:
    channel, body = ask.channel(), dict(ask.body)
    user_id = ask.user()
    fields: dict[str, Any] = {}
    if body.get("webhook"):
        fields = {"webhook_id": ask.core.world.new_id(), "webhook_name": str(body["webhook"])}
    if body.get("type"):
        fields["type"] = int(body["type"])
    if body.get("reply_to"):
        body["message_reference"] = {"message_id": body["reply_to"]}
    if len(str(body.get("content") or "")) > 4000:
        raise ControlError("A message holds at most 4000 characters.", status=400)
    body.setdefault("nonce", ask.core.world.new_id())
    if body.get("extra"):
        fields["extra"] = dict(body["extra"])
    message = ask.core.actions.create(
        channel,
        user_id,
        body,
        files=unpack_files(body.get("files") or []),
        born_ms=body.get("timestamp_ms"),
        **fields,
    )
    return _shown(ask, message)


@on("GET", "channels/*/messages")
def _messages(ask: Ask) -> list[Json]:
    """Oldest first; ephemeral ones too. ``author``: id, name or ``bot``."""
    world, query = ask.core.world, ask.query
    found = sorted(world.messages[ask.channel().id].values(), key=lambda m: int(m.id))
    if query.get("after"):
        found = [m for m in found if int(m.id) > int(query["after"])]
    author = query.get("author")
    if author == "bot":
        found = [m for m in found if world.users[m.author_id].bot]
    elif author:
        wanted = world.find_user(author).id
        found = [m for m in found if m.author_id == wanted]
    if query.get("contains"):
        found = [m for m in found if query["contains"] in visible_text(m)]
    return [_shown(ask, m) for m in found[: int(query.get("limit", 1000))]]


@on("GET", "channels/*/messages/*")
def _message(ask: Ask) -> Json:
    return _shown(ask, ask.message())


@on("PATCH", "channels/*/messages/*")
def _edit(ask: Ask) -> Json:
    fields: Json = {key: ask.body[key] for key in ("content", "embeds") if key in ask.body}
    return _shown(ask, ask.core.actions.edit(ask.message(), fields, silent=bool(ask.body.get("silent"))))


@on("DELETE", "channels/*/messages/*")
def _delete(ask: Ask) -> Json:
    message = ask.message()
    ask.core.actions.delete(message)
    return {"id": message.id}


@on("POST", "channels/*/messages/*/reactions")
def _react(ask: Ask) -> Json:
    message = ask.message()
    act = ask.core.actions.unreact if ask.body.get("remove") else ask.core.actions.react
    act(message, ask.user(), str(ask.body["emoji"]))
    return _shown(ask, message)


@on("POST", "channels/*/typing")
def _typing(ask: Ask) -> Json:
    ask.core.events.typing(ask.channel(), ask.user())
    return {}


@on("POST", "channels/*/threads")
def _thread(ask: Ask) -> Json:
    channel, user_id = ask.channel(), ask.user()
    start = ask.body.get("message")
    message = ask.core.world.message(channel.id, start) if start else None
    body = {
        "type": None if message or channel.is_forum else 11,
        **{k: v for k, v in ask.body.items() if v is not None},
    }
    thread = ask.core.actions.start_thread(channel, user_id, body, message=message)
    if ask.body.get("content"):
        first = thread.id if channel.is_forum else None
        ask.core.actions.create(thread, user_id, {"content": ask.body["content"]}, message_id=first)
    return ask.core.payloads.thread(thread)


@on("POST", "channels/*/messages/*/click")
def _click(ask: Ask) -> Json:
    values = [str(value) for value in ask.body.get("values") or ()]
    made = ask.core.interactions.click(
        ask.channel(), ask.message(), ask.user(), str(ask.body["custom_id"]), values
    )
    return ask.core.interactions.describe(made)


@on("POST", "channels/*/commands")
def _command(ask: Ask) -> Json:
    bot = ask.core.world.find_user(ask.body.get("bot"), bot=True)
    made = ask.core.interactions.use_command(
        bot.id,
        ask.channel(),
        ask.user(),
        str(ask.body["name"]),
        ask.body.get("options") or {},
        locale=ask.body.get("locale"),
        focused=ask.body.get("focused"),
        target=ask.body.get("target"),
    )
    return ask.core.interactions.describe(made)


@on("GET", "interactions/*")
def _interaction(ask: Ask) -> Json:
    found = ask.core.world.interactions.get(ask.words[0])
    if found is None:
        raise ControlError(f"No interaction {ask.words[0]}.", status=404)
    return ask.core.interactions.describe(found)


@on("POST", "interactions/*/submit")
def _submit(ask: Ask) -> Json:
    opened = ask.core.world.interactions.get(ask.words[0])
    if opened is None:
        raise ControlError(f"No interaction {ask.words[0]}.", status=404)
    user_id = ask.user() if ask.body.get("user") else opened.user_id
    return ask.core.interactions.describe(
        ask.core.interactions.submit(opened, user_id, ask.body.get("values") or {})
    )
