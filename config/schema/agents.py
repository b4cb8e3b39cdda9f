"""``agents``: the list of agents and what they share (spec: outbound 8.1, 9; inbound 6)."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from config.schema.base import Duration, NonNegative, Positive, Section, Text, fault, names
from config.schema.messages import GroupChat
from config.schema.tools import AgentTools
from config.schema.voice import Tts

__all__ = ["AgentDefaults", "AgentEntry", "AgentsConfig", "Heartbeat", "ModelChoice", "ModelEntry"]

_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d|24:00")
ThinkingLevel = Literal["off", "minimal", "low", "medium", "high", "xhigh", "adaptive", "max", "ultra"]
TypingMode = Literal["never", "instant", "thinking", "message"]
OnOff = Literal["on", "off"]


class ModelChoice(Section):
    """A model and what stands in for it. ``provider/model`` or an alias."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"timeoutMs"})

    primary: Text | None = None
    fallbacks: list[Text] | None = None


ModelSetting = Annotated[Text | ModelChoice, Field(union_mode="smart")]


class ModelEntry(Section):
    """An allowed model: short name and parameters for the provider."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"agentRuntime", "streaming"})

    alias: str | None = None
    params: dict[str, Any] | None = None


class ActiveHours(Section):
    """Hours in which heartbeats run; ``end`` is not included."""

    start: str | None = None
    end: str | None = None
    timezone: str | None = None

    @model_validator(mode="after")
    def _clock_times(self) -> Self:
        for name, value in (("start", self.start), ("end", self.end)):
            if value is not None and (not _CLOCK.fullmatch(value) or (name == "start" and value == "24:00")):
                raise fault(
                    "clock",
                    f"{name} is no time of day",
                    allowed='"HH:MM", 24 hours; end may be "24:00"',
                    keys=name,
                )
        return self


class Heartbeat(Section):
    """The agent looks after things on its own (spec: outbound 8.1)."""

    every: Duration | None = None
    prompt: str | None = None
    target: str | None = None
    to: str | None = None
    account_id: str | None = None
    direct_policy: Literal["allow", "block"] | None = None
    session: str | None = None
    model: str | None = None
    include_reasoning: bool | None = None
    light_context: bool | None = None
    isolated_session: bool | None = None
    skip_when_busy: bool | None = None
    timeout_seconds: Positive | None = None
    suppress_tool_error_warnings: bool | None = None
    include_system_prompt_section: bool | None = None
    ack_max_chars: NonNegative | None = None
    active_hours: ActiveHours | None = None


class HumanDelay(Section):
    """Pauses between blocks of one answer, in milliseconds: ``natural`` is 800 to 2500."""

    mode: Literal["off", "natural", "custom"] | None = None
    min_ms: NonNegative | None = None
    max_ms: NonNegative | None = None


class Identity(Section):
    """Who the agent is to people."""

    LATER: ClassVar[frozenset[str]] = names("theme")

    name: str | None = None
    theme: str | None = None
    emoji: str | None = None
    avatar: str | None = None


class BlockChunk(Section):
    """Size of streamed blocks, in characters."""

    min_chars: Positive = 800
    max_chars: Positive = 1200
    break_preference: Literal["paragraph", "newline", "sentence"] = "paragraph"


class BlockCoalesce(Section):
    """How streamed blocks are put together."""

    min_chars: Positive | None = None
    max_chars: Positive | None = None
    idle_ms: NonNegative | None = None


class SilentReply(Section):
    """Whether a bare ``NO_REPLY`` may stay silent."""

    direct: Literal["allow", "disallow"] | None = None
    group: Literal["allow", "disallow"] | None = None
    internal: Literal["allow", "disallow"] | None = None


class SilentRewrite(Section):
    """Whether a silent reply that is not allowed becomes a short visible one."""

    direct: bool | None = None
    group: bool | None = None
    internal: bool | None = None


class Compaction(Section):
    """When and how a long transcript is shortened."""

    KEPT: ClassVar[frozenset[str]] = names(
        """
        provider recentTurnsPreserve qualityGuard postIndexSync postCompactionSections
        identifierPolicy identifierInstructions midTurnPrecheck truncateAfterCompaction
        maxActiveTranscriptBytes notifyUser memoryFlush thinking
        """
    )

    mode: Literal["default", "safeguard"] | None = None
    reserve_tokens: NonNegative | None = None
    reserve_tokens_floor: NonNegative | None = None
    keep_recent_tokens: Positive | None = None
    max_history_share: Annotated[float, Field(ge=0.1, le=0.9)] | None = None
    custom_instructions: str | None = None
    model: str | None = None
    timeout_seconds: Positive | None = None


class Subagents(Section):
    """Agents started by agents."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"delegationMode", "requireAgentId"})

    max_concurrent: Positive | None = None
    max_spawn_depth: Annotated[int, Field(ge=1, le=5)] | None = None
    max_children_per_agent: Annotated[int, Field(ge=1, le=20)] | None = None
    archive_after_minutes: NonNegative | None = None
    run_timeout_seconds: NonNegative | None = None
    announce_timeout_ms: Positive | None = None
    allow_agents: list[str] | None = None
    model: ModelSetting | None = None
    thinking: str | None = None


class AcpRuntime(Section):
    """A coding agent behind the Agent Client Protocol."""

    LATER: ClassVar[frozenset[str]] = names("backend")

    agent: str | None = None
    backend: str | None = None
    mode: Literal["persistent", "oneshot"] | None = None
    cwd: str | None = None


class Runtime(Section):
    """What runs the agent's turns."""

    type: Literal["embedded", "acp"]
    acp: AcpRuntime | None = None


class AgentCommon(Section):
    """What ``agents.defaults`` and an entry of ``agents.list`` both know."""

    LATER: ClassVar[frozenset[str]] = names(
        """
        heartbeat subagents thinkingDefault verboseDefault
        """
    )

    KEPT: ClassVar[frozenset[str]] = names(
        """
        agentDir agentRuntime cliBackends contextInjection contextLimits contextPruning
        elevatedDefault embeddedAgent embeddedHarness embeddedPi experimental fastModeDefault
        imageGenerationModel imageMaxDimensionPx imageModel imageQuality
        mediaGenerationAutoProviderFallback mediaMaxMb memory memorySearch modelPolicy
        musicGenerationModel pdfMaxBytesMb pdfMaxPages pdfModel plugins promptOverlays
        reasoningDefault repoRoot runRetries sandbox skillsLimits skipOptionalBootstrapFiles
        startupContext systemPromptOverride videoGenerationModel voiceModel
        bootstrapPromptTruncationWarning llm
        """
    )

    workspace: str | None = None
    home: str | None = None
    """Host whose disk holds the workspace: the agent's turns run there. `shared`: all hosts have one disk.
    Unset: the first host that serves the agent, until it has been gone for a minute; with the embedded Redis,
    whose processes share the state dir, any."""
    model: ModelSetting | None = None
    models: dict[str, ModelEntry] = {}
    utility_model: str | None = None
    params: dict[str, Any] | None = None
    skills: list[str] | None = None
    heartbeat: Heartbeat | None = None
    human_delay: HumanDelay | None = None
    subagents: Subagents | None = None
    thinking_default: ThinkingLevel | None = None
    verbose_default: Literal["off", "on", "full"] | None = None
    tool_progress_detail: Literal["explain", "raw"] | None = None
    """What preview lines show of a tool call: the one thing it is about (default), or all its arguments."""
    typing_mode: TypingMode | None = None
    typing_interval_seconds: Positive | None = None
    bootstrap_max_chars: Positive | None = None
    """Characters shown of one workspace file (AGENTS.md, …), its head and its tail; 12000 if unset."""
    bootstrap_total_max_chars: Positive | None = None
    """The same for all of them together; 60000 if unset."""
    context_tokens: Positive | None = None
    timeout_seconds: Positive | None = None
    additional_system_prompt: str | None = None
    """Instructions for the agent wherever it speaks; ``systemPrompt`` of a channel comes behind them."""


class AgentDefaults(AgentCommon):
    """What every agent has unless its entry says otherwise."""

    LATER: ClassVar[frozenset[str]] = AgentCommon.LATER | names("skipBootstrap")

    user_timezone: str | None = None
    time_format: Literal["auto", "12", "24"] | None = None
    envelope_timezone: str | None = None
    envelope_timestamp: OnOff | None = None
    envelope_elapsed: OnOff | None = None
    skip_bootstrap: bool | None = None
    block_streaming_default: OnOff = "off"
    block_streaming_break: Literal["text_end", "message_end"] = "text_end"
    block_streaming_chunk: BlockChunk = BlockChunk()
    block_streaming_coalesce: BlockCoalesce | None = None
    silent_reply: SilentReply = SilentReply()
    silent_reply_rewrite: SilentRewrite = SilentRewrite()
    max_concurrent: Positive | None = None
    compaction: Compaction = Compaction()


class AgentEntry(AgentCommon):
    """One agent."""

    id: Text
    default: bool = False
    name: str | None = None
    description: str | None = None
    identity: Identity | None = None
    group_chat: GroupChat | None = None
    tts: Tts | None = None
    tools: AgentTools | None = None
    runtime: Runtime | None = None


class AgentsConfig(Section):
    """``agents``."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"entries"})

    defaults: AgentDefaults = AgentDefaults()
    list_: list[AgentEntry] = Field(default=[], alias="list")
