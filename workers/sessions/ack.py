"""Whether, and with which emoji, a message is acknowledged (``spec/inbound.md`` 7.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from config.loaded import Loaded
from config.schema.discord import AckScope
from workers.access.decision import Decision
from workers.access.names import emoji_name
from workers.sessions.records import ChatType

__all__ = ["DEFAULT_EMOJI", "AckSettings", "ack_emojis", "ack_of", "plain_emoji"]

DEFAULT_EMOJI = "👀"
_CUSTOM = re.compile(r"<a?:(\w{1,64}):(\d{5,20})>|:?(\w{1,64}):(\d{5,20})")


@dataclass(frozen=True, slots=True)
class AckSettings:
    """``ackReaction`` and ``ackReactionScope``, compiled.

    Attributes:
        scope: of the account, the channel, ``messages``, else ``group-mentions``.
        emojis: as written, of the account (over the channel's) and of ``messages``; the first that is not
            ``None`` counts, and an empty text switches it off.
        agents: agent id → emoji of its identity, which comes next.
        names: name of a custom emoji → guild → its id, as far as they were found (3.13).
    """

    scope: AckScope = "group-mentions"
    emojis: tuple[str | None, ...] = ()
    agents: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def emoji(self, agent_id: str, guild_id: str | None = None) -> str:
        """The emoji for messages to an agent; empty where acknowledging is off.

        The name of a custom one means that of the guild, else that of another guild of the bot. A name that
        was not found is none: Discord would refuse it, once for each message.
        """
        levels = (*self.emojis, self.agents.get(agent_id), DEFAULT_EMOJI)
        written = next(level for level in levels if level is not None)
        name = emoji_name(written)
        if not name:
            return plain_emoji(written)
        ids = self.names.get(name, {})
        found = ids.get(guild_id or "") or next(iter(ids.values()), "")
        return f"{name}:{found}" if found else ""


def ack_emojis(loaded: Loaded, account_id: str) -> list[str]:
    """Every emoji that may acknowledge a message to an account, as written.

    Raises:
        ConfigError: there is no such account that can run.
    """
    levels = [loaded.account(account_id).discord.ack_reaction, loaded.root.messages.ack_reaction]
    levels += [loaded.agent(name).identity_emoji for name in loaded.agents]
    return [written for written in levels if written]


def ack_of(
    settings: AckSettings,
    chat_type: ChatType,
    agent_id: str,
    decision: Decision,
    guild_id: str | None = None,
) -> str:
    """The emoji to put on an admitted message, or empty."""
    scope = settings.scope
    if scope in ("off", "none"):
        return ""
    direct = chat_type == "direct"
    if scope == "group-mentions":
        # only where the bot must be called, and was
        wanted = chat_type == "channel" and decision.mention_required and bool(decision.mentioned_by)
    else:
        wanted = scope == "all" or (scope == "direct") == direct
    return settings.emoji(agent_id, guild_id) if wanted else ""


def plain_emoji(written: str) -> str:
    """An emoji as requests name it: ``<:name:id>`` and ``name:id`` become ``name:id``, others stay."""
    text = written.strip()
    custom = _CUSTOM.fullmatch(text)
    if custom is None:
        return text
    return f"{custom.group(1) or custom.group(3)}:{custom.group(2) or custom.group(4)}"
