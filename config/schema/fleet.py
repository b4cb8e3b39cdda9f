"""``fleet``: a section of our own. How many workers of each kind run here, and where Redis is."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator

from config.schema.base import NonNegative, Positive, Section, fault
from config.schema.secrets import SecretInput

__all__ = ["Fleet", "FleetRedis", "Flower", "WorkerKind", "Workers"]


class FleetRedis(Section):
    """Redis. Without ``url`` an embedded server is started in the state dir; it may fill ``maxMemoryMb``
    (unset: half of the machine's memory, at most 4096)."""

    url: SecretStr | None = None
    password: SecretInput | None = None
    ca_file: str | None = None
    max_memory_mb: Positive | None = None

    @field_validator("url")
    @classmethod
    def _known_scheme(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            scheme = value.get_secret_value().partition("://")[0]
            if scheme not in {"redis", "rediss", "unix", "sentinel"}:
                raise fault(
                    "redis_url", "this is no Redis URL", allowed="redis://, rediss://, unix:// or sentinel://"
                )
        return value


class WorkerKind(Section):
    """Processes of one kind on this machine, and turns or tasks at once in each."""

    processes: NonNegative = 1
    concurrency: Positive | None = None


class Workers(Section):
    """Workers that ``shoal up`` starts. ``0`` processes leaves a kind to other machines."""

    front: WorkerKind = WorkerKind()
    back: WorkerKind = WorkerKind()
    turns: WorkerKind = WorkerKind()
    chores: WorkerKind = WorkerKind()
    voice: WorkerKind = WorkerKind()


class Flower(Section):
    """The monitor, on loopback, with a password."""

    enabled: bool = True
    port: Annotated[int, Field(ge=0, le=65_535)] = 5555
    password: SecretInput | None = None


class Fleet(Section):
    """``fleet``. ``host`` names this machine in the fleet; unset is its host name."""

    redis: FleetRedis = FleetRedis()
    workers: Workers = Workers()
    flower: Flower = Flower()
    host: str | None = None
