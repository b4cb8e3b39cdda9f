"""``cron``: announcements and timed turns (spec: outbound 8.3)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from config.schema.base import Duration, NonNegative, Positive, Section
from config.schema.secrets import SecretInput

__all__ = ["CronConfig", "FailureAlert", "FailureDestination"]

RetryCause = Literal["rate_limit", "overloaded", "network", "timeout", "server_error"]


class CronRetry(Section):
    """Retries of a one-time job."""

    max_attempts: Annotated[int, Field(ge=0, le=10)] = 3
    backoff_ms: Annotated[list[NonNegative], Field(min_length=1, max_length=10)] = [30_000, 60_000, 300_000]
    retry_on: Annotated[list[RetryCause], Field(min_length=1)] = [
        "rate_limit", "overloaded", "network", "timeout", "server_error",
    ]  # fmt: skip


class FailureDestination(Section):
    """Where failures are told."""

    channel: str | None = None
    to: str | None = None
    account_id: str | None = None
    mode: Literal["announce", "webhook"] | None = None


class FailureAlert(FailureDestination):
    """When failures are told."""

    enabled: bool | None = None
    after: Positive = 2
    cooldown_ms: NonNegative = 3_600_000
    include_skipped: bool = False


class CronConfig(Section):
    """``cron``. ``catch_up`` says which missed fires run after a pause: none, the latest, or all."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"store", "runLog", "webhook", "triggers"})

    enabled: bool = True
    max_concurrent_runs: Positive | None = None
    retry: CronRetry = CronRetry()
    webhook_token: SecretInput | None = None
    session_retention: Duration | Literal[False] = "24h"
    failure_alert: FailureAlert | None = None
    failure_destination: FailureDestination | None = None
    catch_up: Literal["none", "latest", "all"] = "latest"
