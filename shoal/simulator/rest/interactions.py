"""Answers to interactions: the callback, the original, follow-ups; webhooks share the routes of the last."""

from __future__ import annotations

import time

from shoal.simulator.errors import invalid_form, unknown
from shoal.simulator.interactions import COMPONENT, MODAL
from shoal.simulator.model import Interaction, Json, Message, Webhook
from shoal.simulator.rest.messages import check_sizes
from shoal.simulator.rest.router import Answer, Call, route
from shoal.simulator.rest.webhooks import by_token, speak
from shoal.simulator.wire.interactions import check_callback
from shoal.simulator.wire.messages import check_message, has_substance

__all__: list[str] = []

EPHEMERAL, LOADING = 1 << 6, 1 << 7


def _files(call: Call) -> list[str]:
    return [name for name, _, _ in call.files]


@route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", auth=False)
def callback(call: Call) -> Answer:
    """The first answer, once, within three seconds."""
    core = call.core
    check_sizes(call)
    body = check_callback(call.body or {})
    kind, data = body["type"], body["data"]
    interaction = core.interactions.find(call.params["interaction_id"], call.params["interaction_token"])
    _allowed(interaction, kind)
    message: Message | None = None
    if kind in (4, 7):
        old = _clicked(call, interaction) if kind == 7 else None
        data = check_message(data, "interaction", files=_files(call), old_flags=old.flags if old else 0)
        if kind == 4:
            has_substance(data, len(call.files))
            message = _speak(call, interaction, data)
        elif old is not None:
            data.pop("flags", None)
            message = core.actions.edit(old, data, files=call.files)
        interaction.original_id = message.id if message is not None else None
    elif kind == 5:
        flags = int(data.get("flags") or 0) & EPHEMERAL | LOADING
        message = _speak(call, interaction, {"flags": flags})
        interaction.original_id, interaction.loading = message.id, True
    elif kind == 6:
        interaction.original_id = interaction.message_id
    elif kind == 8:
        interaction.choices = data.get("choices", [])
    elif kind == 9:
        interaction.modal = data
    interaction.callback_type = kind
    if message is not None:
        interaction.ephemeral = bool(message.flags & EPHEMERAL)
    interaction.answered_after_ms = (time.monotonic() - interaction.born) * 1000
    if call.arg("with_response") not in ("true", "True", "1"):
        return Answer(204)
    return Answer(200, _callback_answer(call, interaction, kind, message))


def _allowed(interaction: Interaction, kind: int) -> None:
    from_message = interaction.message_id is not None and interaction.type in (COMPONENT, MODAL)
    fits = {
        4: interaction.type in (2, 3, 5),
        5: interaction.type in (2, 3, 5),
        6: from_message,
        7: from_message,
        8: interaction.type == 4,
        9: interaction.type in (2, 3),
    }
    if not fits.get(kind, False):
        problem = {
            "code": "INTERACTION_APPLICATION_INVALID_CALLBACK",
            "message": "Invalid callback type for this interaction",
        }
        raise invalid_form({"type": {"_errors": [problem]}})


def _callback_answer(call: Call, interaction: Interaction, kind: int, message: Message | None) -> Json:
    about: Json = {"id": interaction.id, "type": interaction.type}
    if message is not None:
        about |= {
            "response_message_id": message.id,
            "response_message_loading": interaction.loading,
            "response_message_ephemeral": interaction.ephemeral,
        }
    answer: Json = {"interaction": about}
    if message is not None:
        answer["resource"] = {"type": kind, "message": call.core.payloads.message(message)}
    return answer


def _clicked(call: Call, interaction: Interaction) -> Message:
    return call.core.world.message(interaction.channel_id, str(interaction.message_id))


def _speak(call: Call, interaction: Interaction, data: Json) -> Message:
    """A message that answers an interaction; ephemeral ones are seen by its user only."""
    core = call.core
    hidden = bool(int(data.get("flags") or 0) & EPHEMERAL)
    message = core.actions.create(
        core.world.channel(interaction.channel_id),
        interaction.application_id,
        data,
        files=call.files,
        default_mentions=("users",),
        type=20 if interaction.type == 2 else 0,
        webhook_id=interaction.application_id,
        application_id=interaction.application_id,
        interaction_metadata=core.interactions.metadata(interaction),
        visible_to=interaction.user_id if hidden else None,
    )
    interaction.message_ids.append(message.id)
    return message


# -- follow-ups and webhooks ---------------------------------------------------------------------


def _owner(call: Call) -> Interaction | Webhook:
    """The interaction or the webhook of the path; 10015 or 50027."""
    found = call.core.interactions.by_token(call.params["webhook_id"], call.params["webhook_token"])
    if found is not None:
        return found
    return by_token(call)


@route("POST", "/webhooks/{webhook_id}/{webhook_token}", auth=False)
def execute(call: Call) -> Answer:
    """A follow-up of an interaction, or a webhook's message."""
    owner = _owner(call)
    core = call.core
    if isinstance(owner, Interaction):
        check_sizes(call)
        body = check_message(call.body or {}, "interaction", files=_files(call))
        has_substance(body, len(call.files))
        original = core.world.messages[owner.channel_id].get(owner.original_id or "")
        if owner.loading and original is not None:  # the first follow-up fills the loading message
            return _fill(call, owner, original, body)
        message = _speak(call, owner, body)
        message.reference = None
        return Answer(200, core.payloads.message(message))
    return speak(call, owner)


def _fill(call: Call, interaction: Interaction, message: Message, body: Json) -> Answer:
    message.flags = message.flags & ~LOADING | int(body.get("flags") or 0) & ~(EPHEMERAL | LOADING)
    interaction.loading = False
    filled = {key: value for key, value in body.items() if key != "flags"}
    edited = call.core.actions.edit(message, filled, files=call.files, silent=True)
    return Answer(200, call.core.payloads.message(edited))


def _target(call: Call) -> tuple[Interaction | Webhook, Message]:
    owner = _owner(call)
    wanted = call.params["message_id"]
    if isinstance(owner, Interaction):
        if wanted == "@original":
            wanted = owner.original_id or ""
        known = {*owner.message_ids, owner.original_id}
        message = call.core.world.messages[owner.channel_id].get(wanted)
        if message is None or wanted not in known:
            raise unknown("message")
        return owner, message
    place = call.arg("thread_id") or owner.channel_id
    message = call.core.world.message(place, wanted)
    if message.webhook_id != owner.id:
        raise unknown("message")
    return owner, message


@route("GET", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", auth=False)
def read(call: Call) -> Answer:
    """A message of the interaction or webhook; ``@original`` is the first answer."""
    return Answer(200, call.core.payloads.message(_target(call)[1]))


@route("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", auth=False)
def edit(call: Call) -> Answer:
    """Change such a message; the first change of a deferred answer fills it in."""
    owner, message = _target(call)
    body = check_message(
        call.body or {},
        "edit",
        files=_files(call),
        kept=[a.filename for a in message.attachments],
        old_flags=message.flags,
    )
    if isinstance(owner, Interaction) and message.flags & LOADING:
        return _fill(call, owner, message, body)
    edited = call.core.actions.edit(message, body, files=call.files)
    return Answer(200, call.core.payloads.message(edited))


@route("DELETE", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}", auth=False)
def delete(call: Call) -> Answer:
    """Delete such a message."""
    call.core.actions.delete(_target(call)[1])
    return Answer(204)
