"""What stops a bot's requests whatever their bucket, as the limiter knows it: for ``status`` and doctor."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.base.errors import StateConflict
from shoal.discord.limiter import Scope, Scripts

__all__ = ["BAN_AT", "Standing", "standing"]

BAN_AT = 10_000
"""Refused requests within ten minutes after which Discord bans the address they came from."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a bot stands with Discord.

    Attributes:
        latched_s: seconds for which its token is set aside, since Discord refused it (401).
        cloudflare_s: seconds for which the network in front of Discord blocks the way out.
        global_s: seconds of the last global 429 that are left.
        refused: answers of 401, 403 and 429 that this way out got within ten minutes (rule R29).
        stops: what the breaker keeps from adding to them: ``background``, ``all``, or nothing.
    """

    latched_s: float = 0.0
    cloudflare_s: float = 0.0
    global_s: float = 0.0
    refused: int = 0
    stops: str = ""


def standing(store: Scripts, scope: Scope) -> Standing:
    """How the bot stands now.

    Raises:
        StoreUnavailable: Redis does not answer.
    """
    latched, cloudflare, globally, refused, stops = _five(
        store.script("limiter_standing")("", scope.bot, scope.egress, scope.token)
    )
    return Standing(int(latched) / 1000, int(cloudflare) / 1000, int(globally) / 1000, int(refused), stops)


def _five(answer: list[bytes]) -> list[str]:
    words = [part.decode() for part in answer]
    if words[0] == "conflict":
        raise StateConflict(" ".join(words[1:]), "limiter_standing")
    return words
