"""``session``: which messages share a conversation and when it starts afresh (spec: inbound 5)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from config.schema.base import Id, NonNegative, Number, Positive, Section, names

__all__ = ["SessionConfig", "SessionReset", "SessionThreadBindings"]


class SessionReset(Section):
    """When a session is rolled."""

    mode: Literal["daily", "idle"] | None = None
    at_hour: Annotated[int, Field(ge=0, le=23)] | None = None
    idle_minutes: Positive | None = None


class ResetByType(Section):
    """Resets for each kind of conversation."""

    direct: SessionReset | None = None
    dm: SessionReset | None = None
    group: SessionReset | None = None
    thread: SessionReset | None = None


class SessionThreadBindings(Section):
    """Defaults of thread bindings for all channels."""

    enabled: bool | None = None
    idle_hours: Annotated[Number, Field(ge=0)] | None = None
    max_age_hours: Annotated[Number, Field(ge=0)] | None = None
    spawn_sessions: bool | None = None
    default_spawn_context: Literal["isolated", "fork"] | None = None


class SendPolicyMatch(Section):
    """Which sessions a rule is about."""

    channel: str | None = None
    chat_type: str | None = None
    key_prefix: str | None = None
    raw_key_prefix: str | None = None


class SendPolicyRule(Section):
    """First rule that matches decides."""

    action: Literal["allow", "deny"]
    match: SendPolicyMatch = SendPolicyMatch()


class SendPolicy(Section):
    """Whether answers are delivered at all."""

    default: Literal["allow", "deny"] | None = None
    rules: list[SendPolicyRule] = []


class SessionConfig(Section):
    """``session``. ``main_key`` is read and ignored, as in OpenClaw: it is always ``main``."""

    LATER: ClassVar[frozenset[str]] = names("scope threadBindings mainKey")

    KEPT: ClassVar[frozenset[str]] = names(
        """
        agentToAgent maintenance store writeLock transcriptRetentionDays maxRecentTurns
        """
    )

    scope: Literal["per-sender", "global"] | None = None
    dm_scope: Literal["main", "per-peer", "per-channel-peer", "per-account-channel-peer"] = "main"
    identity_links: dict[str, list[Id]] = {}
    reset_triggers: list[str] | None = None
    idle_minutes: Positive | None = None
    reset: SessionReset | None = None
    reset_by_type: ResetByType = ResetByType()
    reset_by_channel: dict[str, SessionReset] = {}
    thread_bindings: SessionThreadBindings = SessionThreadBindings()
    typing_mode: Literal["never", "instant", "thinking", "message"] | None = None
    typing_interval_seconds: Positive | None = None
    parent_fork_max_tokens: NonNegative = 100_000
    main_key: str | None = None
    send_policy: SendPolicy | None = None
