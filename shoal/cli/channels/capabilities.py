"""``shoal channels capabilities``: what the bot may do, and what it lacks for what (section 10)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shoal.cli.channels.probe import VOICE, intents_of
from shoal.cli.message.run import Operator
from shoal.discord.permissions import Permission, missing_names
from shoal.discord.wire import ChannelType, is_thread
from shoal.state.personas import Persona
from workers.actions.perform import perform
from workers.actions.table import ACTIONS

__all__ = ["of_account", "of_channel", "render"]

Json = dict[str, Any]
P = Permission
_VOICE = (ChannelType.GUILD_VOICE, ChannelType.GUILD_STAGE_VOICE)
NEEDS: dict[str, Permission] = {
    "text": P.VIEW_CHANNEL | P.SEND_MESSAGES | P.READ_MESSAGE_HISTORY,
    "threads": P.VIEW_CHANNEL | P.CREATE_PUBLIC_THREADS | P.SEND_MESSAGES_IN_THREADS,
    "embeds": P.VIEW_CHANNEL | P.EMBED_LINKS,
    "files": P.VIEW_CHANNEL | P.ATTACH_FILES,
    "reactions": P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY | P.ADD_REACTIONS,
}


def of_account(who: Operator) -> Json:
    """The bot and the intents its application has: ``enabled``, ``limited`` or ``disabled``.

    Raises:
        DiscordError, TransportError: from asking.
    """
    me, application = who.rest.get_current_user(), who.rest.get_application()
    return {
        "account": who.account.id,
        "bot": {"id": me["id"], "username": me.get("username")},
        "intents": intents_of(application),
    }


def of_channel(who: Operator, target: str) -> Json:
    """Effective permissions in a channel, and for each use what is missing.

    Raises:
        DiscordError, TransportError: from asking; a channel the bot cannot see is one.
    """
    channel_id = who.channel(target)
    gates = {"permissions": True}
    shown = perform(ACTIONS["permissions"], {"target": f"channel:{channel_id}"}, gates, who.context())[
        "permissions"
    ]
    if shown["isDm"]:
        return {**shown, "missing": {}}
    have, kind = Permission(int(shown["raw"])), int(shown["channelType"])
    needs = dict(NEEDS)
    if is_thread(kind):
        needs["text"] = P.VIEW_CHANNEL | P.SEND_MESSAGES_IN_THREADS | P.READ_MESSAGE_HISTORY
        del needs["threads"]
    if kind in _VOICE:
        needs["voice"] = VOICE
        del needs["threads"]
    if who.store is not None and _is_spoken_in(channel_id, who.store.personas.all(who.account.id)):
        needs["personas"] = P.VIEW_CHANNEL | P.MANAGE_WEBHOOKS
    return {**shown, "missing": {use: list(missing_names(have, need)) for use, need in needs.items()}}


def _is_spoken_in(channel_id: str, bound: Mapping[str, Persona]) -> bool:
    """Whether an agent speaks here, or in a thread of this channel, under a name of its own (3.14)."""
    return channel_id in bound or any(persona.channel_id == channel_id for persona in bound.values())


def render(report: Json) -> str:
    """For people."""
    intents = ", ".join(f"{name} {state}" for name, state in report["intents"].items())
    lines = [
        f"{report['account']}: bot {report['bot']['username']} ({report['bot']['id']}); intents: {intents}"
    ]
    channel = report.get("channel")
    if channel is None:
        return lines[0]
    if channel["isDm"]:
        return "\n".join(
            [*lines, f"channel {channel['channelId']}: a direct message, where nothing is missing"]
        )
    lines.append(f"channel {channel['channelId']} of server {channel['guildId']}:")
    lines += [
        f"  {use}: {'works' if not missing else 'missing ' + ', '.join(missing)}"
        for use, missing in channel["missing"].items()
    ]
    titles = [name.replace("_", " ").title() for name in channel["permissions"]]
    return "\n".join([*lines, f"  all permissions: {', '.join(titles) or 'none'}"])
