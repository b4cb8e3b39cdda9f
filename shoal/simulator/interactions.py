"""Interactions: a person presses, chooses, types a command or sends a modal; the bot has three seconds."""

from __future__ import annotations

import base64
import secrets
import time
from typing import Any

from shoal.simulator.errors import ApiError, ControlError, unknown
from shoal.simulator.events import Events
from shoal.simulator.model import Channel, Interaction, Json, Message
from shoal.simulator.payloads import Payloads
from shoal.simulator.permissions import compute
from shoal.simulator.settings import Settings
from shoal.simulator.world import World

__all__ = ["COMMAND", "COMPONENT", "MODAL", "Interactions"]

COMMAND, COMPONENT, AUTOCOMPLETE, MODAL = 2, 3, 4, 5


class Interactions:
    """Makes interactions and finds them again."""

    def __init__(self, world: World, payloads: Payloads, events: Events, settings: Settings) -> None:
        self.world = world
        self.payloads = payloads
        self.events = events
        self.settings = settings

    def create(
        self,
        kind: int,
        application_id: str,
        channel: Channel,
        user_id: str,
        data: Json,
        *,
        message: Message | None = None,
        locale: str | None = None,
    ) -> Interaction:
        """Make an interaction and send INTERACTION_CREATE."""
        identity = self.world.new_id()
        proof = f"interaction:{identity}:{secrets.token_urlsafe(48)}".encode()
        token = base64.urlsafe_b64encode(proof).decode().rstrip("=")
        interaction = Interaction(
            identity,
            application_id,
            kind,
            token,
            channel.id,
            channel.guild_id,
            user_id,
            data,
            time.monotonic(),
            message_id=message.id if message is not None else None,
        )
        self.world.interactions[identity] = interaction
        self.events.interaction(interaction, self._payload(interaction, channel, message, locale))
        return interaction

    def _payload(
        self, interaction: Interaction, channel: Channel, message: Message | None, locale: str | None
    ) -> Json:
        world, bot_id, user_id = self.world, interaction.application_id, interaction.user_id
        bits = str(compute(world, channel, bot_id))
        place = self.payloads.channel(channel, bot_id)
        guild = world.guild_of(channel)
        payload: Json = {
            "id": interaction.id,
            "application_id": bot_id,
            "type": interaction.type,
            "token": interaction.token,
            "version": 1,
            "data": interaction.data,
            "channel_id": channel.id,
            "channel": place,
            "app_permissions": bits,
            "attachment_size_limit": 10 * 1024 * 1024,
            "authorizing_integration_owners": {"0": channel.guild_id or "0"},
            "context": 0 if guild is not None else 1,
            "entitlement_sku_ids": [],
            "entitlements": [],
            "locale": locale or world.users[user_id].locale,
        }
        if guild is not None:
            payload["guild_id"] = guild.id
            payload["guild_locale"] = guild.preferred_locale
            payload["guild"] = {"id": guild.id, "features": [], "locale": guild.preferred_locale}
            member = self.payloads.member(guild.members[user_id])
            member["permissions"] = str(compute(world, channel, user_id))
            payload["member"] = member
            place["permissions"] = member["permissions"]
            place["app_permissions"] = bits
        else:
            payload["user"] = self.payloads.user(world.users[user_id])
        if message is not None:
            payload["message"] = self.payloads.message(message, bot_id)
        return payload

    def find(self, interaction_id: str, token: str) -> Interaction:
        """An interaction by id and token for its first answer.

        Raises:
            ApiError: 10062 when unknown or later than the window, 40060 when answered.
        """
        interaction = self.world.interactions.get(interaction_id)
        if interaction is None or interaction.token != token:
            raise unknown("interaction")
        if interaction.callback_type is not None:
            raise ApiError(400, 40060, "Interaction has already been acknowledged.")
        if time.monotonic() - interaction.born > self.settings.interaction_window_s:
            raise unknown("interaction")
        return interaction

    def by_token(self, application_id: str, token: str) -> Interaction | None:
        """An interaction whose token is still good, for follow-ups; None if the token is no interaction's.

        Raises:
            ApiError: 50027 when the token has ended, 10015 when nothing was answered yet.
        """
        for interaction in self.world.interactions.values():
            if interaction.token == token and interaction.application_id == application_id:
                if time.monotonic() - interaction.born > self.settings.interaction_token_s:
                    raise ApiError(401, 50027, "Invalid Webhook Token")
                if interaction.callback_type is None:
                    raise unknown("webhook")
                return interaction
        return None

    def metadata(self, interaction: Interaction) -> Json:
        """``interaction_metadata`` of messages that answer it."""
        payload: Json = {
            "id": interaction.id,
            "type": interaction.type,
            "user": self.payloads.user(self.world.users[interaction.user_id]),
            "authorizing_integration_owners": {"0": interaction.guild_id or "0"},
        }
        if interaction.type == COMMAND:
            payload |= {"name": interaction.data.get("name"), "command_type": interaction.data.get("type", 1)}
        elif interaction.message_id is not None:
            payload["interacted_message_id"] = interaction.message_id
        return payload

    # -- what people do --------------------------------------------------------------------------

    def click(
        self, channel: Channel, message: Message, user_id: str, custom_id: str, values: list[str]
    ) -> Interaction:
        """Press a button or choose in a select.

        Raises:
            ControlError: there is no such component, or it is disabled.
        """
        part = _find_component(message.components, custom_id)
        if part is None:
            raise ControlError(f"Message {message.id} has no component {custom_id!r}.", status=404)
        if part.get("disabled"):
            raise ControlError(f"Component {custom_id!r} is disabled.", status=409)
        data: Json = {"custom_id": custom_id, "component_type": part["type"], "id": part.get("id", 0)}
        if part["type"] != 2:
            data["values"] = values
            resolved = self._resolve(channel, values)
            if part["type"] != 3 and resolved:
                data["resolved"] = resolved
        application = message.application_id or message.author_id
        return self.create(COMPONENT, application, channel, user_id, data, message=message)

    def _resolve(self, channel: Channel, values: list[str]) -> Json:
        guild = self.world.guild_of(channel)
        resolved: dict[str, dict[str, Any]] = {}
        for value in values:
            if value in self.world.users:
                resolved.setdefault("users", {})[value] = self.payloads.user(self.world.users[value])
                if guild is not None and value in guild.members:
                    member = self.payloads.member(guild.members[value], with_user=False)
                    resolved.setdefault("members", {})[value] = member
            elif guild is not None and value in guild.roles:
                resolved.setdefault("roles", {})[value] = self.payloads.role(guild.roles[value])
            elif value in self.world.channels:
                resolved.setdefault("channels", {})[value] = self.payloads.channel(self.world.channels[value])
        return resolved

    def use_command(
        self,
        application_id: str,
        channel: Channel,
        user_id: str,
        words: str,
        options: Json,
        *,
        locale: str | None = None,
        focused: str | None = None,
        target: str | None = None,
    ) -> Interaction:
        """Use an application command, ``"name sub"`` for a sub-command; ``focused`` asks for completions.

        Raises:
            ControlError: no such command is registered.
        """
        name, *subs = words.split()
        registered = self.world.applications[application_id].commands
        known = [*registered.get(channel.guild_id, []), *registered.get(None, [])]
        command = next((c for c in known if words in (c["name"],) or c["name"] == name), None)
        if command is None:
            raise ControlError(f"Command {name!r} is not registered.", status=404)
        shape, given = command.get("options") or [], []
        for sub in subs:
            shape = next((o.get("options") or [] for o in shape if o["name"] == sub), [])
        kinds = {option["name"]: option["type"] for option in shape}
        for key, value in options.items():
            entry: Json = {"name": key, "type": kinds.get(key, 3), "value": value}
            given.append(entry | {"focused": True} if key == focused else entry)
        for index, sub in enumerate(reversed(subs)):
            given = [{"name": sub, "type": 1 if index == 0 else 2, "options": given}]
        data: Json = {"id": command["id"], "name": command["name"], "type": command.get("type", 1)}
        if given:
            data["options"] = given
        if target is not None:
            data["target_id"] = target
        resolved = self._resolve(channel, [str(v) for v in options.values()])
        if resolved:
            data["resolved"] = resolved
        kind = AUTOCOMPLETE if focused is not None else COMMAND
        return self.create(kind, application_id, channel, user_id, data, locale=locale)

    def submit(self, opened: Interaction, user_id: str, values: Json) -> Interaction:
        """Send the modal that answered ``opened``.

        Raises:
            ControlError: it was not answered with a modal.
        """
        if opened.modal is None:
            raise ControlError(f"Interaction {opened.id} was not answered with a modal.", status=409)
        data: Json = {
            "custom_id": opened.modal["custom_id"],
            "components": [_filled(part, values) for part in opened.modal.get("components", [])],
        }
        message = self.world.messages[opened.channel_id].get(opened.message_id or "")
        channel = self.world.channel(opened.channel_id)
        return self.create(MODAL, opened.application_id, channel, user_id, data, message=message)

    def describe(self, interaction: Interaction) -> Json:
        """State of an interaction for the control API."""
        return {
            "id": interaction.id,
            "type": interaction.type,
            "token": interaction.token,
            "answered": interaction.callback_type is not None,
            "callback_type": interaction.callback_type,
            "latency_ms": interaction.answered_after_ms,
            "ephemeral": interaction.ephemeral,
            "loading": interaction.loading,
            "modal": interaction.modal,
            "choices": interaction.choices,
            "original_id": interaction.original_id,
            "messages": [
                self.payloads.message(m)
                for m in map(self.world.messages[interaction.channel_id].get, interaction.message_ids)
                if m is not None
            ],
        }


def _find_component(parts: list[Json], custom_id: str) -> Json | None:
    for part in parts:
        if part.get("custom_id") == custom_id:
            return part
        below = [*part.get("components", []), *([part["accessory"]] if "accessory" in part else [])]
        found = _find_component(below, custom_id)
        if found is not None:
            return found
    return None


def _filled(part: Json, values: Json) -> Json:
    """One part of a submitted modal: rows and labels hold the input, displays come back bare."""
    number = part.get("id", 0)
    if part["type"] == 10:
        return {"type": 10, "id": number}
    if part["type"] == 1:
        return {"type": 1, "id": number, "components": [_filled(c, values) for c in part["components"]]}
    if part["type"] == 18:
        return {"type": 18, "id": number, "component": _filled(part["component"], values)}
    answer: Json = {"type": part["type"], "id": number, "custom_id": part["custom_id"]}
    value = values.get(part["custom_id"])
    if part["type"] == 4:
        answer["value"] = "" if value is None else str(value)
    elif part["type"] in (21, 23):
        answer["value"] = value
    else:
        answer["values"] = list(value or [])
    return answer
