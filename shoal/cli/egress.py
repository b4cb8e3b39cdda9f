"""Which addresses a process of the fleet may reach when its accounts go through proxies (rule R34).

The guard itself is :mod:`shoal.discord.egress`; here is only what this installation has to allow:
the accounts' proxies, proxies of model providers, and Redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from shoal.base.logging import get_logger

if TYPE_CHECKING:
    from config import Loaded
    from shoal.discord.egress import EgressGuard

__all__ = ["guard_egress"]

_PORTS = {"redis": 6379, "rediss": 6379}

log = get_logger(__name__)


def guard_egress(loaded: Loaded, accounts: list[str] | None = None) -> EgressGuard | None:
    """Refuse every connection around the proxy from now on; None if an account has no proxy.

    Args:
        loaded: the config.
        accounts: ids this process serves; all of them without it.

    Two set-ups cannot be guarded and are left to the transport alone, with a line in the log:
    ``proxyDns: "local"`` (names are resolved here by wish) and Redis behind Sentinel (its
    address may change at any time).
    """
    from shoal.discord.egress import install_guard

    served = [loaded.account(name) for name in (loaded.account_ids() if accounts is None else accounts)]
    proxies = [account.proxy for account in served]
    if not proxies or any(proxy is None for proxy in proxies):
        return None
    if any(proxy is not None and proxy.scheme == "socks5" for proxy in proxies):
        log.warning("no egress guard: proxyDns is local, so names are resolved on this machine")
        return None
    redis = urlsplit(loaded.redis_url or "unix:")
    if redis.scheme == "sentinel":
        log.warning("no egress guard: the address of a Redis behind Sentinel is not known beforehand")
        return None
    services = [(redis.hostname, redis.port or _PORTS[redis.scheme])] if redis.hostname else []
    guard = install_guard(proxies, services, record=loaded.paths.logs / "egress.jsonl")
    if guard is not None:
        for provider in loaded.providers.values():
            if provider.proxy is not None:
                guard.allow(provider.proxy.host, provider.proxy.port)
    return guard
