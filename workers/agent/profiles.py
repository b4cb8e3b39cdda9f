"""From the config to an :class:`AgentProfile`, for one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from config.agents import AgentSettings, ModelRef
from config.loaded import Loaded
from workers.agent.models import parse_ref
from workers.agent.profile import AgentProfile
from workers.sessions.lifecycle import SessionKind, reset_policy
from workers.sessions.records import TurnRequest

__all__ = ["profile_of"]


def profile_of(loaded: Loaded, request: TurnRequest) -> AgentProfile:
    """Settings of the agent that answers ``request``.

    Raises:
        ConfigError: the agent or the account is not configured (any more).
    """
    agent = loaded.agent(request.agent_id)
    discord = loaded.account(request.account).discord
    messages = loaded.root.messages
    prefix = discord.response_prefix if discord.response_prefix is not None else messages.response_prefix
    primary, fallbacks = _models(loaded, agent, request)
    return AgentProfile(
        agent_id=agent.id,
        name=agent.identity_name or agent.name,
        primary=primary,
        fallbacks=fallbacks,
        params=_params(agent.raw),
        system_prompt=_channel_prompt(discord, request),
        timezone=agent.user_timezone or "UTC",
        visible_group=messages.group_chat.visible_replies,
        visible_all=messages.visible_replies,
        response_prefix=prefix,
        reply_to_mode=discord.reply_to_mode,
        history_turns=_history_turns(discord, request),
        history_limit=discord.history_limit,
        workspace=agent.workspace,
        timeout_s=float(agent.timeout_seconds),
        acp=agent.acp,
        skills=_skills(agent, discord, request),
        skill_roots=tuple(root for root in (agent.workspace, loaded.state_dir) if root is not None),
        reset=reset_policy(loaded.root.session, _kind(request)),
    )


def _kind(request: TurnRequest) -> SessionKind:
    if request.chat_type == "direct":
        return "direct"
    return "thread" if request.is_thread else "group"


def _models(
    loaded: Loaded, agent: AgentSettings, request: TurnRequest
) -> tuple[ModelRef | None, tuple[ModelRef, ...]]:
    overrides = loaded.root.channels.model_by_channel.get("discord", {})
    for channel_id in (request.channel_id, request.parent_id):
        wanted = overrides.get(channel_id) if channel_id else None
        if wanted:
            return parse_ref(wanted, agent.aliases), agent.fallbacks
    return agent.primary, agent.fallbacks


def _params(raw: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    models = raw.get("models")
    if not isinstance(models, Mapping):
        return {}
    found: dict[str, Mapping[str, Any]] = {}
    for name, entry in models.items():
        params = entry.get("params") if isinstance(entry, Mapping) else None
        if isinstance(params, Mapping):
            found[str(name)] = params
    return found


def _channel_prompt(discord: Any, request: TurnRequest) -> str:
    guild = (discord.guilds or {}).get(request.guild_entry) if request.guild_entry else None
    channels = (guild.channels or {}) if guild is not None else {}
    for name in (request.channel_entry, "*"):
        entry = channels.get(name) if name else None
        if entry is not None and entry.system_prompt:
            return str(entry.system_prompt).strip()
    return ""


def _skills(agent: AgentSettings, discord: Any, request: TurnRequest) -> frozenset[str] | None:
    """The agent's list and the channel's: what stands in both; a list that is absent allows all."""
    guild = (discord.guilds or {}).get(request.guild_entry) if request.guild_entry else None
    channels = (guild.channels or {}) if guild is not None else {}
    lists = [agent.skills]
    for name in (request.channel_entry, "*"):
        entry = channels.get(name) if name else None
        if entry is not None and entry.skills is not None:
            lists.append(tuple(entry.skills))
            break
    written = [frozenset(name.casefold() for name in one) for one in lists if one is not None]
    return frozenset.intersection(*written) if written else None


def _history_turns(discord: Any, request: TurnRequest) -> int | None:
    if request.chat_type != "direct":
        return None
    own = (discord.dms or {}).get(request.author_id)
    limit = own.history_limit if own is not None else None
    limit = discord.dm_history_limit if limit is None else limit
    return None if limit is None else int(limit)
