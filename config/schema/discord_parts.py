"""The small objects inside ``channels.discord``."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from config.schema.base import Id, NonNegative, Number, Positive, Ratio, Section, Snowflake, fault, names
from config.schema.secrets import SecretInput

__all__ = [
    "Actions",
    "AgentComponents",
    "AllowedMentions",
    "AutoPresence",
    "BotLoopProtection",
    "Commands",
    "Dm",
    "DmHistory",
    "EventQueue",
    "ExecApprovals",
    "HealthMonitor",
    "HeartbeatVisibility",
    "Intents",
    "Markdown",
    "MentionPatterns",
    "PluralKit",
    "Retry",
    "SlashCommand",
    "ThreadBindings",
    "ThreadSettings",
]


class Actions(Section):
    """Which message actions the agent's tool has (spec: outbound 7.2)."""

    reactions: bool = True
    messages: bool = True
    threads: bool = True
    pins: bool = True
    polls: bool = True
    search: bool = True
    permissions: bool = True
    member_info: bool = True
    role_info: bool = True
    channel_info: bool = True
    channels: bool = True
    voice_status: bool = True
    events: bool = True
    stickers: bool = True
    emoji_uploads: bool = True
    sticker_uploads: bool = True
    roles: bool = False
    moderation: bool = False
    presence: bool = False


class Retry(Section):
    """Attempts of one HTTP request, the first included, and the waits between them."""

    attempts: Annotated[int, Field(ge=1, le=10)] = 3
    min_delay_ms: NonNegative = 500
    max_delay_ms: NonNegative = 30_000
    jitter: Ratio = 0.1


class EventQueue(Section):
    """Budget from frame to durable record, read-ahead buffer, records pipelined at once (decision 25)."""

    listener_timeout: Positive = 120_000
    max_queue_size: Positive = 10_000
    max_concurrency: Positive = 50


class Intents(Section):
    """Optional gateway intents; ``voice_states`` unset follows voice."""

    presence: bool = False
    guild_members: bool = False
    voice_states: bool | None = None


class HealthMonitor(Section):
    """Whether the outer watch may restart this account."""

    enabled: bool = True


class Dm(Section):
    """Direct messages. Policy and list are ``dmPolicy`` and ``allowFrom`` beside this object."""

    enabled: bool = True
    group_enabled: bool = False
    group_channels: list[Id] | None = None


class DmHistory(Section):
    """History of one person's direct messages, in user turns."""

    history_limit: NonNegative | None = None


class BotLoopProtection(Section):
    """Brake for bots that answer each other."""

    enabled: bool = True
    max_events_per_window: Positive = 20
    window_seconds: Positive = 60
    cooldown_seconds: Positive = 60


class MentionPatterns(Section):
    """Where text patterns count as a mention; real mentions always do."""

    mode: Literal["allow", "deny"] = "allow"
    allow_in: list[Id] = []
    deny_in: list[Id] = []


class PluralKit(Section):
    """Look-ups of proxied messages; ``token`` for private systems."""

    enabled: bool = False
    token: SecretInput | None = None


class ThreadSettings(Section):
    """``inherit_parent``: a new thread starts from the parent's transcript."""

    inherit_parent: bool = False


class ThreadBindings(Section):
    """Threads bound to a session; hours of 0 mean no limit."""

    enabled: bool = True
    idle_hours: Annotated[Number, Field(ge=0)] = 24.0
    max_age_hours: Annotated[Number, Field(ge=0)] = 0.0
    spawn_sessions: bool = True
    default_spawn_context: Literal["isolated", "fork"] = "fork"


class Markdown(Section):
    """How pipe tables are shown."""

    tables: Literal["off", "bullets", "code", "block"] = "code"


class AllowedMentions(Section):
    """Whom our messages may ping; ``roles`` is all, none or a list of ids."""

    users: bool = True
    roles: bool | list[Snowflake] = False
    everyone: bool = False


class ExecApprovals(Section):
    """Approval cards (spec: outbound 6.1)."""

    enabled: bool | Literal["auto"] = "auto"
    approvers: list[Id] | None = None
    agent_filter: list[str] | None = None
    session_filter: list[str] | None = None
    cleanup_after_resolve: bool = False
    target: Literal["dm", "channel", "both"] = "dm"


class AgentComponents(Section):
    """Buttons, selects and forms of agents; ``ttl_ms`` is how long they answer."""

    enabled: bool = True
    ttl_ms: Annotated[int, Field(gt=0, le=86_400_000)] = 1_800_000


class HeartbeatVisibility(Section):
    """What of a heartbeat is shown; all three off skips the run."""

    show_ok: bool = False
    show_alerts: bool = True
    use_indicator: bool = True


class SlashCommand(Section):
    """Whether answers to slash commands are for the caller only."""

    ephemeral: bool = True


class Commands(Section):
    """Native commands of this account; unset falls back to the root ``commands``."""

    LATER: ClassVar[frozenset[str]] = names("native nativeSkills")

    native: bool | Literal["auto"] | None = None
    native_skills: bool | Literal["auto"] | None = None
    enforce_owner_for_commands: bool = False


class AutoPresence(Section):
    """Presence that follows the health of the models (decision 27). Milliseconds."""

    enabled: bool = False
    interval_ms: Annotated[int, Field(ge=5000)] = 30_000
    min_update_interval_ms: Annotated[int, Field(ge=1000)] = 15_000
    healthy_text: str | None = None
    degraded_text: str | None = None
    exhausted_text: str | None = None

    @model_validator(mode="after")
    def _update_within_interval(self) -> Self:
        both = {"interval_ms", "min_update_interval_ms"} <= self.model_fields_set
        if both and self.min_update_interval_ms > self.interval_ms:
            raise fault(
                "presence_interval",
                "minUpdateIntervalMs must not exceed intervalMs",
                keys="intervalMs minUpdateIntervalMs",
            )
        return self
