"""``channels.discord``: every key of one Discord account (spec: inbound 1.6, outbound 1–7).

:class:`DiscordConfig` is what may stand under ``channels.discord`` and under
``accounts.<id>``; an :class:`config.accounts.Account` holds one with everything in force.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from config.schema.base import HexColor, Id, NonNegative, Positive, Section, Snowflake, fault, names
from config.schema.discord_parts import (
    Actions,
    AgentComponents,
    AllowedMentions,
    AutoPresence,
    BotLoopProtection,
    Commands,
    Dm,
    DmHistory,
    EventQueue,
    ExecApprovals,
    HealthMonitor,
    HeartbeatVisibility,
    Intents,
    Markdown,
    MentionPatterns,
    PluralKit,
    Retry,
    SlashCommand,
    ThreadBindings,
    ThreadSettings,
)
from config.schema.guilds import GuildEntry, UserLimits
from config.schema.secrets import SecretInput
from config.schema.streaming import Streaming
from config.schema.voice import Voice

__all__ = [
    "AckScope",
    "ContextVisibility",
    "DiscordConfig",
    "DiscordRoot",
    "DmPolicy",
    "GroupPolicy",
    "Retry",
    "Ui",
]

DmPolicy = Literal["pairing", "allowlist", "open", "disabled"]
GroupPolicy = Literal["open", "allowlist", "disabled"]
ContextVisibility = Literal["all", "allowlist", "allowlist_quote"]
AckScope = Literal["group-mentions", "group-all", "direct", "all", "off", "none"]
GatewayTimeout = Annotated[int, Field(gt=0, le=120_000)]
ActivityType = Literal[0, 1, 2, 3, 4, 5]


class UiComponents(Section):
    """Colour of every components container that names none of its own."""

    accent_color: HexColor | None = None


class Ui(Section):
    """Looks."""

    components: UiComponents = UiComponents()


class DiscordConfig(Section):
    """One Discord account. Times ending in ``_ms`` are milliseconds, ``media_max_mb`` is MiB."""

    LATER: ClassVar[frozenset[str]] = names(
        """
        healthMonitor configWrites threadBindings execApprovals heartbeat autoPresence voice
        """
    )

    KEPT: ClassVar[frozenset[str]] = frozenset({"capabilities", "inboundWorker", "activities"})

    name: str | None = None
    enabled: bool = True
    token: SecretInput | None = None
    application_id: Snowflake | None = None
    proxy: SecretStr | None = None
    proxy_dns: Literal["proxy", "local"] = "proxy"
    proxy_ca_file: str | None = None

    gateway_info_timeout_ms: GatewayTimeout = 30_000
    gateway_ready_timeout_ms: GatewayTimeout = 15_000
    gateway_runtime_ready_timeout_ms: GatewayTimeout = 30_000
    event_queue: EventQueue = EventQueue()
    shards: Annotated[int, Field(gt=0, le=64)] | None = None
    intents: Intents = Intents()
    health_monitor: HealthMonitor = HealthMonitor()
    retry: Retry = Retry()

    dm_policy: DmPolicy = "pairing"
    allow_from: list[Id] | None = None
    dm: Dm = Dm()
    group_policy: GroupPolicy = "allowlist"
    guilds: dict[str, GuildEntry] | None = None
    allow_bots: bool | Literal["mentions"] = False
    bot_loop_protection: BotLoopProtection = BotLoopProtection()
    dangerously_allow_name_matching: bool = False
    wake_on_mass_mentions: bool = False
    user_limits: UserLimits = UserLimits()
    mention_patterns: MentionPatterns | None = None
    pluralkit: PluralKit = PluralKit()
    config_writes: bool = True

    context_visibility: ContextVisibility = "all"
    history_limit: NonNegative = 20
    dm_history_limit: NonNegative | None = None
    dms: dict[str, DmHistory] = {}
    thread: ThreadSettings = ThreadSettings()
    thread_bindings: ThreadBindings = ThreadBindings()

    markdown: Markdown = Markdown()
    mention_aliases: dict[str, Snowflake] = {}
    allowed_mentions: AllowedMentions = AllowedMentions()
    text_chunk_limit: Annotated[int, Field(gt=0), AfterValidator(lambda size: min(size, 2000))] = 2000
    max_lines_per_message: Positive = 17
    suppress_embeds: bool = False
    streaming: Streaming = Streaming()
    media_max_mb: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 100.0
    reply_to_mode: Literal["off", "first", "all", "batched"] = "off"
    response_prefix: str | None = None
    default_to: str | None = None
    actions: Actions = Actions()
    exec_approvals: ExecApprovals = ExecApprovals()
    agent_components: AgentComponents = AgentComponents()
    ui: Ui = Ui()
    heartbeat: HeartbeatVisibility = HeartbeatVisibility()

    ack_reaction: str | None = None
    """Emoji of the acknowledgement: Unicode, ``<:name:id>``, ``name:id``, or the name of a custom emoji of
    the server (else of another server of the bot). Empty switches it off."""
    ack_reaction_scope: AckScope | None = None
    slash_command: SlashCommand = SlashCommand()
    commands: Commands = Commands()

    activity: str | None = None
    status: Literal["online", "dnd", "idle", "invisible"] | None = None
    activity_type: ActivityType | None = None
    activity_url: str | None = None
    auto_presence: AutoPresence = AutoPresence()

    voice: Voice | None = None

    @property
    def voice_enabled(self) -> bool:
        """Voice is opt-in: a written block that does not say ``enabled: false``."""
        return self.voice is not None and self.voice.enabled

    @property
    def voice_states_intent(self) -> bool:
        """Whether GUILD_VOICE_STATES is asked for: as written, else when voice is on."""
        return self.intents.voice_states if self.intents.voice_states is not None else self.voice_enabled

    @property
    def dm_list_holds_everyone(self) -> bool:
        """Whether ``*`` stands in the effective DM list."""
        return "*" in (self.allow_from or [])

    @model_validator(mode="after")
    def _presence_fits(self) -> Self:
        keys = "activityType activityUrl"
        if self.activity is None and (self.activity_type is not None or self.activity_url is not None):
            raise fault(
                "activity",
                "activityType and activityUrl need an activity",
                hint='add activity: "…"',
                keys=keys,
            )
        if self.activity_type == 1 and self.activity_url is None:
            raise fault("activity_url", "activityType 1 (streaming) needs activityUrl", keys=keys)
        if self.activity_url is not None and self.activity_type != 1:
            raise fault("activity_url", "activityUrl goes with activityType 1 (streaming) only", keys=keys)
        return self


class DiscordRoot(DiscordConfig):
    """``channels.discord`` itself: the settings all accounts inherit, and the accounts."""

    accounts: dict[str, DiscordConfig] = {}
    default_account: str | None = None
