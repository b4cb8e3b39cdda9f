"""The whole file."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from config.schema.agents import AgentsConfig, SilentReply, SilentRewrite
from config.schema.base import NonNegative, Open, Positive, Section, names
from config.schema.bindings import AccessGroup, Binding
from config.schema.commands import CommandsConfig
from config.schema.cron import CronConfig
from config.schema.discord import ContextVisibility, DiscordRoot, GroupPolicy
from config.schema.discord_parts import BotLoopProtection, HeartbeatVisibility
from config.schema.fleet import Fleet
from config.schema.media import MediaStore
from config.schema.messages import MessagesConfig
from config.schema.models import ModelsConfig
from config.schema.secrets import SecretsConfig
from config.schema.session import SessionConfig
from config.schema.tools import ToolsConfig

__all__ = ["UNSERVED", "Approvals", "Channels", "Gateway", "Root"]

UNSERVED = names(
    """
    acp audio auth broadcast browser canvasHost cli crestodian discovery hooks logging mcp
    memory meta nodeHost plugins proxy skills talk transcripts ui update web wizard
    """
)
"""Root sections of OpenClaw that load and have no effect here."""

QUIET = frozenset({"meta", "wizard"})
"""Unserved sections nobody needs to hear about: a program wrote them for itself."""


class ShellEnv(Section):
    """Kept; the environment of a login shell is not read."""

    enabled: bool | None = None
    timeout_ms: NonNegative | None = None


class Env(Open):
    """``env``: variables for the fleet, below those of the process. Other keys are variables too."""

    LATER: ClassVar[frozenset[str]] = names("shellEnv")

    vars: dict[str, str] = {}
    shell_env: ShellEnv | None = None


class ChannelDefaults(Section):
    """What every channel falls back to."""

    LATER: ClassVar[frozenset[str]] = names("heartbeat")

    KEPT: ClassVar[frozenset[str]] = frozenset({"implicitMentions"})

    group_policy: GroupPolicy | None = None
    context_visibility: ContextVisibility | None = None
    heartbeat: HeartbeatVisibility | None = None
    bot_loop_protection: BotLoopProtection | None = None


class Channels(Open):
    """``channels``. Other channels than Discord are kept."""

    defaults: ChannelDefaults = ChannelDefaults()
    discord: DiscordRoot | None = None
    model_by_channel: dict[str, dict[str, str]] = {}


class Reload(Section):
    """What happens when the file changes."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"deferralTimeoutMs"})

    mode: Literal["hybrid", "hot", "restart", "off"] = "hybrid"
    debounce_ms: NonNegative = 300


class Gateway(Section):
    """``gateway``: of OpenClaw's gateway section, what has a meaning here."""

    LATER: ClassVar[frozenset[str]] = names(
        "reload channelHealthCheckMinutes channelStaleEventThresholdMinutes channelMaxRestartsPerHour"
    )

    KEPT: ClassVar[frozenset[str]] = names(
        """
        port mode bind customBindHost controlUi auth trustedProxies allowRealIpFallback tools webchat
        tailscale remote tls http push nodes handshakeTimeoutMs
        """
    )

    reload: Reload = Reload()
    channel_health_check_minutes: NonNegative = 5
    channel_stale_event_threshold_minutes: Positive = 30
    channel_max_restarts_per_hour: Positive = 10


class Diagnostics(Section):
    """``diagnostics``: when a session counts as stuck, in milliseconds."""

    KEPT: ClassVar[frozenset[str]] = frozenset(
        {"enabled", "flags", "otel", "cacheTrace", "memoryPressureSnapshot"}
    )

    stuck_session_warn_ms: Annotated[int, Field(ge=1_000, le=86_400_000)] = 120_000
    stuck_session_abort_ms: Positive | None = None

    @property
    def abort_ms(self) -> int:
        """When a stuck run is stopped: as written, else ten minutes or five warnings, whichever is longer."""
        return self.stuck_session_abort_ms or max(600_000, 5 * self.stuck_session_warn_ms)


class ForwardTarget(Section):
    """Where approval requests are also sent."""

    channel: str
    to: str
    account_id: str | None = None
    thread_id: str | None = None


class Forwarding(Section):
    """Forwarding of approval requests (spec: outbound 6.7)."""

    enabled: bool | None = None
    mode: Literal["session", "targets", "both"] | None = None
    agent_filter: list[str] | None = None
    session_filter: list[str] | None = None
    targets: list[ForwardTarget] = []


class Approvals(Section):
    """``approvals``."""

    exec: Forwarding = Forwarding()
    plugin: Forwarding = Forwarding()


class Surface(Section):
    """Settings of one surface."""

    silent_reply: SilentReply | None = None
    silent_reply_rewrite: SilentRewrite | None = None


class Root(Open):
    """The file. Sections we do not serve stay in ``model_extra``."""

    LATER: ClassVar[frozenset[str]] = names("approvals cron")

    schema_: Annotated[str | None, Field(alias="$schema")] = None
    env: Env = Env()
    secrets: SecretsConfig = SecretsConfig()
    access_groups: dict[str, AccessGroup] = {}
    agents: AgentsConfig = AgentsConfig()
    bindings: list[Binding] = []
    models: ModelsConfig = ModelsConfig()
    session: SessionConfig = SessionConfig()
    messages: MessagesConfig = MessagesConfig()
    commands: CommandsConfig = CommandsConfig()
    tools: ToolsConfig = ToolsConfig()
    media: MediaStore = MediaStore()
    cron: CronConfig = CronConfig()
    channels: Channels = Channels()
    gateway: Gateway = Gateway()
    diagnostics: Diagnostics = Diagnostics()
    approvals: Approvals = Approvals()
    surfaces: dict[str, Surface] = {}
    fleet: Fleet = Fleet()
