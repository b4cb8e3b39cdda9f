"""How the fleet's bots stand with Discord's limits: for ``shoal status`` and doctor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config import Account
    from shoal.discord.standing import Standing
    from shoal.state.store import Store

__all__ = ["standing_words", "standings"]


def standings(accounts: Iterable[Account], store: Store) -> dict[str, Standing]:
    """Account → how it stands; without those whose proxy cannot be used, which another check tells."""
    from shoal.base.errors import ConfigError
    from shoal.discord.connect import open_transport
    from shoal.discord.limiter import Unlimited
    from shoal.discord.standing import standing

    found = {}
    for account in accounts:
        try:
            transport = open_transport(account, Unlimited(), threads=1)
        except ConfigError:
            continue
        scope = transport.scope
        transport.close()
        found[account.id] = standing(store, scope)
    return found


def standing_words(standing: Standing) -> list[str]:
    """What keeps requests from being sent, one sentence each; nothing where nothing does."""
    from shoal.discord.standing import BAN_AT

    words = []
    if standing.latched_s > 0:
        words.append(
            f"Discord refused the token (401); it is not used for another {standing.latched_s:.0f} s."
        )
    if standing.cloudflare_s > 0:
        words.append(
            "Cloudflare, the network in front of Discord, blocks the address requests leave from; "
            f"nothing is sent for another {standing.cloudflare_s:.0f} s."
        )
    if standing.stops:
        who = "nothing is sent" if standing.stops == "all" else "background work waits"
        words.append(
            f"{standing.refused} requests were refused (401, 403, 429) within ten minutes; {who} until it is "
            f"fewer, since Discord bans an address at {BAN_AT:,}."
        )
    if standing.global_s > 0:
        words.append(f"Discord's global limit was met; all requests wait for {standing.global_s:.1f} s.")
    return words
