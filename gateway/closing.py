"""Close codes of the gateway: go on with RESUME, start anew with IDENTIFY, or stop for good."""

from __future__ import annotations

import enum

from shoal.base import exits
from shoal.base.errors import ProcessError
from shoal.discord.wire import GatewayClose

__all__ = ["KEEP_SESSION", "GatewayStopped", "Verdict", "stopped", "verdict"]

KEEP_SESSION = 4000
"""What we close with: anything but 1000 and 1001 keeps the session for RESUME."""


class Verdict(enum.Enum):
    """What follows a close."""

    RESUME = "resume"
    IDENTIFY = "identify"
    STOP = "stop"


_IDENTIFY = frozenset(
    {
        GatewayClose.NOT_AUTHENTICATED,
        GatewayClose.ALREADY_AUTHENTICATED,
        GatewayClose.INVALID_SEQ,
        GatewayClose.SESSION_TIMED_OUT,
    }
)

_STOP: dict[int, tuple[str, str]] = {
    GatewayClose.AUTHENTICATION_FAILED: (
        "Discord refused the bot token",
        "Copy a fresh token from Developer Portal → your application → Bot → Reset Token.",
    ),
    GatewayClose.INVALID_SHARD: (
        "Discord refused the shard number",
        "Leave channels.discord.shards out, so that the number Discord recommends is used.",
    ),
    GatewayClose.SHARDING_REQUIRED: (
        "the bot is in too many servers for one connection",
        "Leave channels.discord.shards out, or raise it to the number Discord recommends.",
    ),
    GatewayClose.INVALID_API_VERSION: ("Discord no longer serves gateway version 10", "Upgrade Shoal."),
    GatewayClose.INVALID_INTENTS: (
        "Discord does not know one of the intents asked for",
        "Look at channels.discord.intents, and upgrade Shoal if it holds only documented keys.",
    ),
    GatewayClose.DISALLOWED_INTENTS: (
        "Discord does not allow a privileged intent that was asked for",
        "Switch on Message Content Intent (and Server Members or Presence Intent if used) in Developer "
        "Portal → your application → Bot → Privileged Gateway Intents, or set "
        "channels.discord.intents.guildMembers and channels.discord.intents.presence to false.",
    ),
}


class GatewayStopped(ProcessError):
    """Discord closed for a reason that a new connection will not cure.

    ``close_code`` is Discord's; the exit code is 78: the configuration, token or intent must change first.
    """

    code = "gateway-stopped"

    def __init__(self, close_code: int, message: str, *, fix: str) -> None:
        self.close_code = close_code
        super().__init__(message, fix=fix, exit_code=exits.CONFIG)


def verdict(code: int | None) -> Verdict:
    """What to do after a close with ``code``; ``None`` is a lost connection."""
    if code in _STOP:
        return Verdict.STOP
    return Verdict.IDENTIFY if code in _IDENTIFY else Verdict.RESUME


def stopped(code: int, *, account: str, token_source: str, intents: str = "") -> GatewayStopped:
    """The error for a fatal close code, with everything a person needs to act on it."""
    what, fix = _STOP[code]
    details = [f"account {account}"]
    if code == GatewayClose.AUTHENTICATION_FAILED:
        details.append(f"token from {token_source}")
    if intents and code in (GatewayClose.INVALID_INTENTS, GatewayClose.DISALLOWED_INTENTS):
        details.append(f"intents {intents}")
    message = f"Failed to connect to Discord gateway: {what} ({', '.join(details)}, close code {code})."
    return GatewayStopped(code, message, fix=fix)
