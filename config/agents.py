"""Agents and models: what is in force for one agent, and how a provider is reached (spec: outbound 8.1, 9.1).

An agent's entry lies over ``agents.defaults``. Its model is strict: an entry that names a
primary of its own has only the fallbacks it names itself.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from config.places import KeyPath, show_path
from config.schema.agents import AgentCommon, AgentEntry, Heartbeat, Identity, ModelChoice
from config.schema.root import Root
from config.schema.tools import AgentTools, ExecTool
from config.schema.voice import Tts
from shoal.base.errors import ConfigIssue
from shoal.base.ids import fold_id
from shoal.base.proxy import Proxy

__all__ = [
    "DEFAULT_AGENT",
    "AgentSettings",
    "Agents",
    "ModelRef",
    "ProviderConfig",
    "normal_agent_id",
    "resolve_agents",
]

Json = dict[str, Any]
DEFAULT_AGENT = "main"
RUN_TIMEOUT_SECONDS = 172_800
HEARTBEAT_EVERY = "30m"


def normal_agent_id(agent_id: str) -> str:
    """An agent's id as it stands in keys: lower case, ``a-z0-9_-``, at most 64; ``main`` for nothing."""
    return fold_id(agent_id, DEFAULT_AGENT)


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model as ``provider/model``. ``model`` may hold further slashes."""

    provider: str
    model: str

    def __str__(self) -> str:
        return f"{self.provider}/{self.model}"

    @classmethod
    def parse(
        cls, text: str, aliases: Mapping[str, ModelRef] | None = None, providers: Container[str] = ()
    ) -> ModelRef | None:
        """The model somebody wrote: an alias in any case, else ``provider/model``; ``None`` for neither.

        Providers are named in lower case; one of ``providers`` is known as it is written, too.
        """
        wanted = text.strip()
        known = (aliases or {}).get(wanted.lower())
        if known is not None:
            return known
        provider, slash, model = wanted.partition("/")
        if not slash or not provider or not model:
            return None
        return cls(provider if provider in providers else provider.lower(), model)


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """What is in force for one agent: its own entry over ``agents.defaults``.

    Attributes:
        workspace: absolute folder of the agent's files on its home host.
        home: host whose disk holds the workspace; ``shared`` is a shared file system; ``None`` is leased.
        primary: the model turns start with; ``None`` when nothing is configured (then ``guide`` answers).
        fallbacks: models tried in order when the primary cannot answer.
        aliases: short names for models, lower-case.
        channel_models: ``channels.modelByChannel.discord``: id, name or ``*`` → model, before ``primary``.
        compaction_model: who sums a long conversation up; ``None`` is the model of the turn.
        utility_model: who does short work beside the turns; ``None``: nobody, such work is not done.
        mention_patterns: as written, ``[]`` included; ``None`` derives them from the identity.
        skills: ``None`` is all, empty is none.
        heartbeat: with ``every`` filled in; ``None`` when this agent does not beat on its own.
        tools: tool policy, shared settings under the agent's own.
        tts: speech, shared settings under the agent's own.
        settings: the merged entry, for everything without a field here.
        raw: the same as plain data with the file's keys.
    """

    id: str
    name: str
    default: bool
    workspace: Path
    home: str | None
    primary: ModelRef | None
    fallbacks: tuple[ModelRef, ...]
    aliases: Mapping[str, ModelRef]
    identity_name: str | None
    identity_emoji: str | None
    mention_patterns: tuple[str, ...] | None
    skills: tuple[str, ...] | None
    timeout_seconds: int
    user_timezone: str | None
    heartbeat: Heartbeat | None = None
    tools: AgentTools = field(default_factory=AgentTools)
    tts: Tts = field(default_factory=Tts)
    settings: AgentEntry = field(default_factory=lambda: AgentEntry(id=DEFAULT_AGENT))
    raw: Mapping[str, Any] = field(default_factory=dict)
    channel_models: Mapping[str, ModelRef] = field(default_factory=dict)
    compaction_model: ModelRef | None = None
    utility_model: ModelRef | None = None

    @property
    def exec(self) -> ExecTool:
        """Exec policy. What is not written is ``deny`` (decision 50)."""
        return self.tools.exec or ExecTool()

    @property
    def acp(self) -> bool:
        """Whether a coding agent behind ACP runs this agent's turns."""
        return self.settings.runtime is not None and self.settings.runtime.type == "acp"


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """How to reach a model provider.

    Attributes:
        api: ``openai-completions``, ``openai-responses``, ``anthropic-messages``, …
        base_url: ``None`` is the provider's own address.
        api_key: ``None`` when there is none; ``problem`` then says whether one was meant.
        timeout_seconds: how long a model may stay silent.
        inputs: model → what it takes (``text``, ``image``), for models whose entry says so.
        proxy: of ``request.proxy`` or ``models.proxy``; ``None`` takes the account's.
        problem: why the key or a header is missing although it was written, for people.
    """

    id: str
    api: str
    base_url: str | None
    api_key: SecretStr | None
    headers: Mapping[str, SecretStr]
    timeout_seconds: float
    models: tuple[str, ...] = ()
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    proxy: Proxy | None = None
    problem: str = ""


@dataclass
class Agents:
    """What came of the agents."""

    agents: dict[str, AgentSettings] = field(default_factory=dict)
    default_id: str = DEFAULT_AGENT
    issues: list[ConfigIssue] = field(default_factory=list)
    warnings: list[ConfigIssue] = field(default_factory=list)


def resolve_agents(
    root: Root, raw: Json, *, state_dir: Path, folder: Path, providers: Mapping[str, object]
) -> Agents:
    """Effective settings of every agent; without a list there is one, ``main``.

    Args:
        raw: the validated file as plain data.
        folder: where relative workspaces start.
        providers: known provider ids, to warn of models nobody serves.
    """
    return _Resolver(root, raw, state_dir, folder, providers).run()


class _Resolver:
    def __init__(
        self, root: Root, raw: Json, state_dir: Path, folder: Path, providers: Mapping[str, object]
    ) -> None:
        self.root = root
        self.state_dir = state_dir
        self.folder = folder
        self.providers = providers
        self.result = Agents()
        agents = raw.get("agents") or {}
        common = {info.alias or name for name, info in AgentCommon.model_fields.items()}
        self.raw_defaults: Json = {
            key: value
            for key, value in (agents.get("defaults") or {}).items()
            if key in common and value is not None
        }
        self.raw_entries: list[Json] = list(agents.get("list") or [])
        self.raw_tools: Json = raw.get("tools") or {}
        self.overrides: Mapping[str, str] = root.channels.model_by_channel.get("discord", {})
        self.raw_tts: Json = (raw.get("messages") or {}).get("tts") or {}

    def run(self) -> Agents:
        entries = self.root.agents.list_ or [AgentEntry(id=DEFAULT_AGENT)]
        raws = self.raw_entries or [{"id": DEFAULT_AGENT}]
        chosen = next((entry for entry in entries if entry.default), entries[0])
        self.result.default_id = normal_agent_id(chosen.id)
        beating = [normal_agent_id(entry.id) for entry in entries if entry.heartbeat is not None]
        for index, (entry, raw) in enumerate(zip(entries, raws, strict=True)):
            path: KeyPath = ("agents", "list", index)
            agent_id = normal_agent_id(entry.id)
            if agent_id in self.result.agents:
                self.result.issues.append(
                    ConfigIssue(
                        show_path((*path, "id")), "this agent stands twice in the list", found=repr(entry.id)
                    )
                )
                continue
            beats = agent_id in beating if beating else agent_id == self.result.default_id
            self.result.agents[agent_id] = self.agent(agent_id, entry, raw, path, beats=beats)
        self.check_bindings()
        self.check_overrides()
        return self.result

    def agent(
        self, agent_id: str, entry: AgentEntry, raw: Json, path: KeyPath, *, beats: bool
    ) -> AgentSettings:
        merged = self.merged(raw)
        settings = AgentEntry.model_validate(merged)
        defaults = self.root.agents.defaults
        aliases = self.aliases(settings)
        primary, fallbacks = self.models(entry, aliases, path)
        identity = entry.identity or Identity()
        patterns = entry.group_chat.mention_patterns if entry.group_chat is not None else None
        if patterns is None:
            patterns = self.root.messages.group_chat.mention_patterns
        return AgentSettings(
            id=agent_id,
            name=entry.name or identity.name or agent_id,
            default=agent_id == self.result.default_id,
            workspace=self.workspace(agent_id, entry),
            home=settings.home,
            primary=primary,
            fallbacks=fallbacks,
            aliases=aliases,
            identity_name=identity.name,
            identity_emoji=identity.emoji,
            mention_patterns=tuple(patterns) if patterns is not None else None,
            skills=tuple(settings.skills) if settings.skills is not None else None,
            timeout_seconds=settings.timeout_seconds or RUN_TIMEOUT_SECONDS,
            user_timezone=defaults.user_timezone,
            heartbeat=self.heartbeat(settings) if beats else None,
            tools=self.tools(raw),
            tts=Tts.model_validate(_over(self.raw_tts, raw.get("tts"))),
            settings=settings,
            raw=merged,
            channel_models=self.channel_models(aliases),
            compaction_model=self.compaction_model(aliases),
            utility_model=self.utility_model(settings, entry, aliases, path),
        )

    def channel_models(self, aliases: Mapping[str, ModelRef]) -> dict[str, ModelRef]:
        read = {key: ModelRef.parse(text, aliases, self.providers) for key, text in self.overrides.items()}
        return {key: ref for key, ref in read.items() if ref is not None}

    def check_overrides(self) -> None:
        """A wrong override is a mistake of the file, not of the turn that meets it."""
        agents = self.result.agents
        for key, text in self.overrides.items():
            # an alias may be one agent's
            known = (agent for agent in agents.values() if key in agent.channel_models)
            agent = next(known, agents[self.result.default_id])
            self.ref(text, agent.aliases, ("channels", "modelByChannel", "discord", key))

    def compaction_model(self, aliases: Mapping[str, ModelRef]) -> ModelRef | None:
        written = self.root.agents.defaults.compaction.model
        path: KeyPath = ("agents", "defaults", "compaction", "model")
        return self.ref(written, aliases, path) if written else None

    def utility_model(
        self, settings: AgentEntry, entry: AgentEntry, aliases: Mapping[str, ModelRef], path: KeyPath
    ) -> ModelRef | None:
        where = path if entry.utility_model is not None else ("agents", "defaults")
        written = settings.utility_model
        return self.ref(written, aliases, (*where, "utilityModel")) if written else None

    def merged(self, raw: Json) -> Json:
        """The entry over the defaults; objects of both are joined one level deep."""
        result = dict(self.raw_defaults)
        for key, value in raw.items():
            below = result.get(key)
            joined = isinstance(below, dict) and isinstance(value, dict) and key != "model"
            result[key] = _over(below, value) if joined else value
        return {key: value for key, value in result.items() if value is not None}

    def heartbeat(self, settings: AgentEntry) -> Heartbeat:
        written = settings.heartbeat or Heartbeat()
        return written if written.every is not None else written.model_copy(update={"every": HEARTBEAT_EVERY})

    def tools(self, raw: Json) -> AgentTools:
        known = {info.alias or name for name, info in AgentTools.model_fields.items()}
        shared = {key: value for key, value in self.raw_tools.items() if key in known}
        own = raw.get("tools") or {}
        merged = {**shared, **own}
        for key in ("exec", "fs", "message", "elevated", "loopDetection", "byProvider", "toolsBySender"):
            if isinstance(shared.get(key), dict) and isinstance(own.get(key), dict):
                merged[key] = _over(shared[key], own[key])
        return AgentTools.model_validate(merged)

    def workspace(self, agent_id: str, entry: AgentEntry) -> Path:
        written = entry.workspace
        shared = self.root.agents.defaults.workspace
        if written:
            return self.expand(written)
        base = self.expand(shared) if shared else self.state_dir / "workspace"
        return base if agent_id == self.result.default_id else base.with_name(f"{base.name}-{agent_id}")

    def expand(self, text: str) -> Path:
        return (self.folder / Path(text).expanduser()).absolute()

    def aliases(self, settings: AgentEntry) -> dict[str, ModelRef]:
        found: dict[str, ModelRef] = {}
        for name, model in settings.models.items():
            ref = ModelRef.parse(name, None, self.providers)
            if model.alias and ref is not None and ref.model != "*":
                found[model.alias.strip().lower()] = ref
        return found

    def models(
        self, entry: AgentEntry, aliases: Mapping[str, ModelRef], path: KeyPath
    ) -> tuple[ModelRef | None, tuple[ModelRef, ...]]:
        own = _choice(entry.model)
        shared = _choice(self.root.agents.defaults.model)
        shared_path: KeyPath = ("agents", "defaults", "model")
        if own.primary is not None:
            first = self.ref(own.primary, aliases, (*path, "model"))
            names, names_path = own.fallbacks or [], (*path, "model")
        else:
            first = self.ref(shared.primary, aliases, shared_path) if shared.primary is not None else None
            names, names_path = shared.fallbacks or [], shared_path
            if own.fallbacks is not None:
                names, names_path = own.fallbacks, (*path, "model")
        rest = [self.ref(name, aliases, names_path) for name in names]
        return first, tuple(dict.fromkeys(ref for ref in rest if ref is not None and ref != first))

    def ref(self, name: str, aliases: Mapping[str, ModelRef], path: KeyPath) -> ModelRef | None:
        ref = ModelRef.parse(name, aliases, self.providers)
        if ref is None:
            self.add(
                self.result.issues,
                ConfigIssue(
                    show_path(path),
                    "this is neither provider/model nor an alias",
                    found=repr(name),
                    allowed='like "openai/gpt-5.4-mini"'
                    + (f" or {', '.join(sorted(aliases))}" if aliases else ""),
                ),
            )
            return None
        if ref.provider not in self.providers:
            known = ", ".join(sorted(self.providers))
            self.add(
                self.result.warnings,
                ConfigIssue(
                    show_path(path),
                    f"there is no model provider {ref.provider!r}",
                    found=repr(name),
                    hint=f"known are {known}; add models.providers.{ref.provider} with baseUrl and apiKey",
                ),
            )
        return ref

    def add(self, issues: list[ConfigIssue], issue: ConfigIssue) -> None:
        if str(issue) not in {str(known) for known in issues}:
            issues.append(issue)

    def check_bindings(self) -> None:
        for index, binding in enumerate(self.root.bindings):
            # without a list the only agent is the default one, and any id of a binding means it
            if self.root.agents.list_ and normal_agent_id(binding.agent_id) not in self.result.agents:
                self.result.warnings.append(
                    ConfigIssue(
                        show_path(("bindings", index, "agentId")),
                        f"there is no such agent; {self.result.default_id!r} will answer instead",
                        found=repr(binding.agent_id),
                        allowed=", ".join(self.result.agents),
                    )
                )


def _choice(setting: str | ModelChoice | None) -> ModelChoice:
    if isinstance(setting, str):
        return ModelChoice(primary=setting)
    return setting or ModelChoice()


def _over(below: Any, above: Any) -> Json:
    """``above`` over ``below``; objects inside both are joined too."""
    result = dict(below) if isinstance(below, dict) else {}
    for key, value in (above or {}).items():
        inside = result.get(key)
        result[key] = _over(inside, value) if isinstance(inside, dict) and isinstance(value, dict) else value
    return result
