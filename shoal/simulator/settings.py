"""What of the simulated Discord can be turned, also at run time: limits, windows, intervals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from shoal.simulator.errors import ControlError

__all__ = ["Settings"]


@dataclass(slots=True)
class Settings:
    """Numbers of the simulated Discord; seconds unless the name ends in ``_ms``."""

    heartbeat_interval_ms: int = 41_250
    """What HELLO says. A client silent for 1.5 intervals is cut with 4009."""
    nonce_window_s: float = 180.0
    """How long ``enforce_nonce`` recognises a nonce ("the past few minutes")."""
    rate_limits: bool = True
    """Buckets, headers and 429s; off means no headers at all."""
    rate_scale: float = 1.0
    """Windows are divided by this: 10 makes a 5 s bucket last 0.5 s."""
    global_limit: int = 50
    """Requests per second and bot over all routes (not scaled)."""
    invalid_limit: int = 10_000
    """Answers of 401, 403 and 429 (scope shared excepted) per source address in 10 minutes, then a ban."""
    session_total: int = 1000
    """IDENTIFYs per day (``session_start_limit.total``)."""
    max_concurrency: int = 1
    """IDENTIFYs per 5 s and key."""
    identify_window_s: float = 0.0
    """Seconds of the IDENTIFY window; 0 does not enforce it, 5 is Discord's."""
    shards: int = 1
    """Recommended shard count of ``/gateway/bot``."""
    resume_window_s: float = 180.0
    """How long a session without a connection can be resumed."""
    replay_events: int = 5000
    """Events kept per session for RESUME."""
    command_limit: int = 120
    """Frames a client may send per minute before 4008."""
    interaction_window_s: float = 3.0
    """Time for the first answer to an interaction."""
    interaction_token_s: float = 900.0
    """Life of an interaction token."""
    url_life_s: float = 86_400.0
    """Life of a signed CDN address."""
    pluralkit_delay_s: float = 0.0
    """How long PluralKit thinks before it answers."""
    pluralkit_status: int = 0
    """Status of every PluralKit answer instead of the right one; 0 answers as it should."""
    file_limit: int = 10 * 1024 * 1024
    """Bytes one file may have (40005 beyond): 10 MiB without boosts."""
    permissions: bool = True
    """Check permissions (50001, 50013); off lets everything pass."""

    def change(self, values: Mapping[str, Any]) -> None:
        """Set some of the fields.

        Raises:
            ControlError: a name is unknown or a value has the wrong type; nothing was changed.
        """
        kinds = {field.name: type(getattr(self, field.name)) for field in fields(self)}
        cleaned: dict[str, Any] = {}
        for name, value in values.items():
            kind = kinds.get(name)
            if kind is None:
                raise ControlError(
                    f"No setting {name!r}.", status=400, fix=f"Known: {', '.join(sorted(kinds))}."
                )
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if (kind is bool and not isinstance(value, bool)) or (kind is not bool and not number):
                raise ControlError(f"Setting {name} wants {kind.__name__}, not {value!r}.", status=400)
            cleaned[name] = kind(value)
        for name, value in cleaned.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """All values, for the state snapshot."""
        return asdict(self)
