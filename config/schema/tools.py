"""``tools``: what agents may use, exec policy, media understanding (spec: outbound 6.9, 7.5)."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from config.schema.base import Id, NonNegative, Positive, Section, names
from config.schema.guilds import ToolPolicy
from config.schema.secrets import SecretInput

__all__ = [
    "AgentTools",
    "CrossContext",
    "ExecTool",
    "MediaModel",
    "MediaUnderstanding",
    "MessageTool",
    "ToolsConfig",
]

Profile = Literal["minimal", "coding", "messaging", "full"]


class SafeBinProfile(Section):
    """What arguments a safe program may have."""

    min_positional: NonNegative | None = None
    max_positional: NonNegative | None = None
    allowed_value_flags: list[str] | None = None
    denied_flags: list[str] | None = None


class ExecTool(Section):
    """Commands. ``security`` is ``deny`` unless the file says otherwise (decision 50)."""

    KEPT: ClassVar[frozenset[str]] = names(
        """
        applyPatch reviewer cleanupMs approvalRunningNoticeMs commandHighlighting
        """
    )

    host: Literal["auto", "sandbox", "gateway", "node"] = "auto"
    mode: Literal["deny", "allowlist", "ask", "auto", "full"] | None = None
    security: Literal["deny", "allowlist", "full"] | None = None
    ask: Literal["off", "on-miss", "always"] | None = None
    node: str | None = None
    path_prepend: list[str] = []
    safe_bins: list[str] = []
    safe_bin_profiles: dict[str, SafeBinProfile] = {}
    safe_bin_trusted_dirs: list[str] = []
    strict_inline_eval: bool = False
    background_ms: Positive | None = None
    timeout_sec: Positive | None = None
    timeout_seconds: Positive | None = None
    notify_on_exit: bool | None = None
    notify_on_exit_empty_success: bool | None = None
    network: bool = False


class Marker(Section):
    """How a message from another conversation is marked."""

    enabled: bool = True
    prefix: str | None = None
    suffix: str | None = None


class CrossContext(Section):
    """Sending to other conversations than the current one."""

    allow_within_provider: bool = True
    allow_across_providers: bool = False
    marker: Marker = Marker()


class Broadcast(Section):
    """Sending to many targets at once."""

    enabled: bool = True


class MessageActions(Section):
    """Only these actions, where written."""

    allow: list[str] | None = None


class MessageTool(Section):
    """The ``message`` tool."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"allowCrossContextSend"})

    cross_context: CrossContext = CrossContext()
    broadcast: Broadcast = Broadcast()
    actions: MessageActions = MessageActions()


class Elevated(Section):
    """Who may switch exec approvals off for a session."""

    enabled: bool = True
    allow_from: dict[str, list[Id]] | None = None


class ProviderPolicy(ToolPolicy):
    """Tool policy for one model provider."""

    profile: Profile | None = None


class MediaModel(Section):
    """A model or program that understands media."""

    LATER: ClassVar[frozenset[str]] = names("providerOptions")

    KEPT: ClassVar[frozenset[str]] = frozenset({"deepgram", "profile", "preferredProfile", "request"})

    type: Literal["provider", "cli"] | None = None
    provider: str | None = None
    model: str | None = None
    capabilities: list[Literal["image", "audio", "video"]] | None = None
    command: str | None = None
    args: list[str] | None = None
    prompt: str | None = None
    language: str | None = None
    max_chars: Positive | None = None
    max_bytes: Positive | None = None
    timeout_seconds: Positive | None = None
    base_url: str | None = None
    api_key: SecretInput | None = None
    headers: dict[str, str] | None = None
    provider_options: dict[str, Any] | None = None


class MediaUnderstanding(MediaModel):
    """Speech to text is ``tools.media.audio``."""

    KEPT: ClassVar[frozenset[str]] = MediaModel.KEPT | names(
        """
        scope attachments
        """
    )
    enabled: bool | None = None
    models: list[MediaModel] = []
    echo_transcript: bool = False
    echo_format: str | None = None


class MediaTools(Section):
    """Media understanding."""

    LATER: ClassVar[frozenset[str]] = names("video")

    KEPT: ClassVar[frozenset[str]] = frozenset({"asyncCompletion"})

    models: list[MediaModel] = []
    concurrency: Positive | None = None
    image: MediaUnderstanding | None = None
    audio: MediaUnderstanding | None = None
    video: MediaUnderstanding | None = None


class FsTools(Section):
    """``workspace_only`` keeps file tools inside the workspace; our own files are out of reach anyway."""

    workspace_only: bool = True


class WebFetch(Section):
    """Fetching pages."""

    KEPT: ClassVar[frozenset[str]] = names(
        """
        provider firecrawl readability useTrustedEnvProxy ssrfPolicy maxCharsCap
        """
    )

    enabled: bool = True
    max_chars: Positive | None = None
    max_response_bytes: Positive | None = None
    timeout_seconds: Positive | None = None
    cache_ttl_minutes: Annotated[float, Field(ge=0)] | None = None
    max_redirects: NonNegative | None = None
    user_agent: str | None = None


class WebTools(Section):
    """Web tools. ``search`` is kept as it is."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"search", "x_search"})

    fetch: WebFetch = WebFetch()


class LoopDetection(Section):
    """Stops turns that call the same tool again and again."""

    KEPT: ClassVar[frozenset[str]] = names(
        """
        historySize warningThreshold criticalThreshold unknownToolThreshold
        globalCircuitBreakerThreshold detectors postCompactionGuard
        """
    )

    enabled: bool = True


class ToolSettings(ToolPolicy):
    """What ``tools`` and an agent's ``tools`` share."""

    LATER: ClassVar[frozenset[str]] = names(
        """
        profile byProvider toolsBySender elevated exec fs loopDetection
        """
    )

    KEPT: ClassVar[frozenset[str]] = frozenset({"codeMode", "swarm", "sandbox"})

    profile: Profile | None = None
    by_provider: dict[str, ProviderPolicy] = {}
    tools_by_sender: dict[str, ToolPolicy] = {}
    elevated: Elevated | None = None
    exec: ExecTool | None = None
    fs: FsTools | None = None
    loop_detection: LoopDetection | None = None
    message: MessageTool | None = None


class AgentTools(ToolSettings):
    """Tools of one agent; each written object replaces the shared one key by key."""


class ToolsConfig(ToolSettings):
    """``tools``."""

    LATER: ClassVar[frozenset[str]] = ToolSettings.LATER | names("web")

    KEPT: ClassVar[frozenset[str]] = ToolSettings.KEPT | names(
        """
        links sessions toolSearch agentToAgent subagents sessions_spawn experimental skills bash
        updatePlan
        """
    )

    web: WebTools = WebTools()
    media: MediaTools = MediaTools()
