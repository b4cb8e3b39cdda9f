"""From the config to an :class:`AgentProfile`, for one request."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from config.agents import AgentSettings, ModelRef, normal_agent_id
from config.loaded import Loaded
from config.schema.discord import ContextVisibility
from shoal.base.logging import get_logger
from workers.access.settings import AccessSettings
from workers.access.slugs import KeyIndex
from workers.access.tool_policy import ToolPolicy
from workers.access.visibility import SHOW_ALL, ContextFilter
from workers.agent.compaction import CompactionPolicy
from workers.agent.envelope import LOCAL, envelope_options
from workers.agent.profile import FILE_CHARS, FILES_CHARS, AgentProfile
from workers.agent.shown import shown_settings
from workers.agent.skills import SkillScope
from workers.sessions.lifecycle import SessionKind, reset_policy
from workers.sessions.records import TurnRequest
from workers.sessions.view import settings_of

__all__ = ["channel_model", "profile_of", "skills_of"]

log = get_logger(__name__)


def profile_of(loaded: Loaded, request: TurnRequest, access: AccessSettings | None = None) -> AgentProfile:
    """Settings of the agent that answers ``request``.

    Args:
        access: the compiled access settings of the request's account, where the caller has them at hand.

    Raises:
        ConfigError: the agent or the account is not configured (any more).
    """
    agent = loaded.agent(request.agent_id)
    discord = loaded.account(request.account).discord
    messages = loaded.root.messages
    prefix = discord.response_prefix if discord.response_prefix is not None else messages.response_prefix
    primary = _primary(agent, request, loaded.providers)
    return AgentProfile(
        agent_id=agent.id,
        name=agent.identity_name or agent.name,
        primary=primary,
        fallbacks=agent.fallbacks,
        utility=agent.utility_model,
        tools=_tools(agent),
        params=_params(loaded, agent, (primary, *agent.fallbacks)),
        system_prompt=_channel_prompt(discord, request),
        timezone=agent.user_timezone or LOCAL,
        envelope=envelope_options(loaded.root.agents.defaults),
        context=_context(loaded, discord.context_visibility, request, access),
        shown=shown_settings(loaded, agent, request),
        visible_group=_visible_group(agent) or messages.group_chat.visible_replies,
        visible_all=messages.visible_replies,
        response_prefix=prefix,
        reply_to_mode=discord.reply_to_mode,
        history_turns=_history_turns(discord, request),
        history_limit=discord.history_limit,
        instructions=(agent.settings.additional_system_prompt or "").strip(),
        workspace=agent.workspace,
        file_chars=int(agent.settings.bootstrap_max_chars or FILE_CHARS),
        files_chars=int(agent.settings.bootstrap_total_max_chars or FILES_CHARS),
        timeout_s=float(agent.timeout_seconds),
        acp=agent.acp,
        compaction=_compaction(loaded, agent, primary),
        reset=reset_policy(loaded.root.session, _kind(request)),
        queue_cap=int(messages.queue.cap),
        sees=loaded.sees,
        thread_starter=_thread_starter(discord, request),
        inherit_parent=discord.thread.inherit_parent,
        parent_fork_max_tokens=int(loaded.root.session.parent_fork_max_tokens),
        speech=loaded.speech_of(agent.id),
    )


def skills_of(loaded: Loaded, request: TurnRequest) -> SkillScope:
    """Where skills of the agent that answers ``request`` are looked for, and which may be used there.

    Raises:
        ConfigError: the agent or the account is not configured (any more).
    """
    agent, discord = loaded.agent(request.agent_id), loaded.account(request.account).discord
    roots = tuple(root for root in (agent.workspace, loaded.state_dir) if root is not None)
    return roots, _skills(agent, discord, request)


def _visible_group(agent: AgentSettings) -> str | None:
    chat = agent.settings.group_chat
    return chat.visible_replies if chat is not None else None


def _kind(request: TurnRequest) -> SessionKind:
    if request.chat_type == "direct":
        return "direct"
    return "thread" if request.is_thread else "group"


def _primary(agent: AgentSettings, request: TurnRequest, providers: Container[str]) -> ModelRef | None:
    """The model chosen for the conversation, else the channel's own, else the agent's (5.6)."""
    if request.model_override:
        chosen = ModelRef.parse(request.model_override, agent.aliases, providers)
        if chosen is not None:
            return chosen
        wanted = request.model_override
        log.warning("the model of a conversation is none", session=request.session_key, model=wanted)
    return channel_model(agent.channel_models, request) or agent.primary


def channel_model(models: Mapping[str, ModelRef], request: TurnRequest) -> ModelRef | None:
    """The entry of ``channels.modelByChannel.discord`` for a place.

    By the id of the channel or thread, then of its parent, then by their names, then ``"*"``.
    """
    for place in (request.channel_id, request.parent_id):
        if place and place in models:
            return models[place]
    names = KeyIndex(models)
    for name in (request.channel_name, request.parent_name):
        key = names.find(id="", name=name)
        if key is not None:
            return models[key]
    return models.get("*")


def _thread_starter(discord: Any, request: TurnRequest) -> bool:
    """``includeThreadStarter`` of the channel's entry over that of ``"*"``."""
    written = _of_channel(discord, request, lambda entry: entry.include_thread_starter)
    return True if written is None else bool(written)


def _of_channel(discord: Any, request: TurnRequest, read: Callable[[Any], Any]) -> Any:
    """A key of the channel's entry, which for a thread is its parent's, else of the entry ``"*"``.

    What is written, even an empty text, is in force (decision 6); ``None`` is not written.
    """
    guild = (discord.guilds or {}).get(request.guild_entry) if request.guild_entry else None
    channels = (guild.channels or {}) if guild is not None else {}
    for name in (request.channel_entry, "*"):
        entry = channels.get(name) if name else None
        written = read(entry) if entry is not None else None
        if written is not None:
            return written
    return None


def _tools(agent: AgentSettings) -> ToolPolicy:
    """``tools.allow``, ``alsoAllow`` and ``deny``, the agent's own over the shared ones."""
    own = agent.tools
    return ToolPolicy(
        None if own.allow is None else tuple(own.allow), tuple(own.also_allow or ()), tuple(own.deny or ())
    )


def _params(
    loaded: Loaded, agent: AgentSettings, refs: Sequence[ModelRef | None]
) -> dict[str, Mapping[str, Any]]:
    """Request parameters of the models a turn may ask: the shared ones, the model's, then the agent's."""
    models = agent.raw.get("models")
    found: dict[str, Mapping[str, Any]] = {}
    for name, written in models.items() if isinstance(models, Mapping) else ():
        params = written.get("params") if isinstance(written, Mapping) else None
        if isinstance(params, Mapping):
            found[str(ModelRef.parse(str(name), None, loaded.providers) or name)] = params
    agents = loaded.root.agents
    entry = next((one for one in agents.list_ or () if normal_agent_id(one.id) == agent.id), None)
    shared, own = agents.defaults.params or {}, (entry.params if entry is not None else None) or {}
    return {str(ref): {**shared, **found.get(str(ref), {}), **own} for ref in refs if ref is not None}


def _channel_prompt(discord: Any, request: TurnRequest) -> str:
    """``systemPrompt`` of the channel's entry."""
    return str(_of_channel(discord, request, lambda entry: entry.system_prompt) or "").strip()


def _compaction(loaded: Loaded, agent: AgentSettings, ref: ModelRef | None) -> CompactionPolicy:
    """``agents.defaults.compaction`` with the window of the model that is asked first."""
    written = loaded.root.agents.defaults.compaction
    usual = CompactionPolicy()
    window = agent.settings.context_tokens or _window(loaded, ref) or usual.window
    floor = usual.reserve if written.reserve_tokens_floor is None else written.reserve_tokens_floor
    return CompactionPolicy(
        window=window,
        reserve=max(written.reserve_tokens or 0, floor),
        share=written.max_history_share or usual.share,
        keep=written.keep_recent_tokens or usual.keep,
        model=agent.compaction_model,
        instructions=(written.custom_instructions or "").strip(),
    )


def _window(loaded: Loaded, ref: ModelRef | None) -> int | None:
    """Tokens of a model as its provider's entry says."""
    entry = loaded.root.models.providers.get(ref.provider) if ref is not None else None
    for model in entry.models if entry is not None else ():
        if ref is not None and model.id == ref.model:
            return model.context_tokens or model.context_window
    return None


def _skills(agent: AgentSettings, discord: Any, request: TurnRequest) -> frozenset[str] | None:
    """The agent's list and the channel's: what stands in both; a list that is absent allows all."""
    lists = [agent.skills, _of_channel(discord, request, lambda entry: entry.skills)]
    written = [frozenset(name.casefold() for name in one) for one in lists if one is not None]
    return frozenset.intersection(*written) if written else None


def _context(
    loaded: Loaded,
    mode: ContextVisibility,
    request: TurnRequest,
    access: AccessSettings | None,
) -> ContextFilter:
    if mode == "all" or request.chat_type != "channel":
        return SHOW_ALL
    settings = access if access is not None else settings_of(loaded, request.account).access
    return ContextFilter.named(mode, settings, request.guild_entry, request.channel_entry)


def _history_turns(discord: Any, request: TurnRequest) -> int | None:
    """``dms.<user>.historyLimit``, else ``dmHistoryLimit``. By who wrote, not by the session's key: with
    ``dmScope: main`` that names nobody (decision 30)."""
    if request.chat_type != "direct":
        return None
    own = (discord.dms or {}).get(request.author_id)
    limit = own.history_limit if own is not None else None
    limit = discord.dm_history_limit if limit is None else limit
    return None if limit is None else int(limit)
