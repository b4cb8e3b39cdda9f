"""Which addresses a process of the fleet may reach when its accounts go through proxies (rule R34).

The guard itself is :mod:`shoal.discord.egress`; here is only what this installation has to allow:
the proxies of accounts and model providers, Redis, model servers on this machine, our own page.
Everything else is refused, other ports of this machine too. Also here: what ``shoal status`` says
about all that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from shoal.base.logging import get_logger
from shoal.base.net import is_loopback

if TYPE_CHECKING:
    from pathlib import Path

    from config import Account, Loaded
    from shoal.base.proxy import Proxy
    from shoal.discord.egress import EgressGuard

__all__ = ["egress_log", "guard_egress", "proxy_report", "render_proxies", "unguarded"]

_PORTS = {"redis": 6379, "rediss": 6379, "http": 80, "https": 443}
_LEGS = {
    "REST": ("discord.com", 443),
    "gateway": ("gateway.discord.gg", 443),
    "downloads": ("cdn.discordapp.com", 443),
    "uploads": ("discord-attachments-uploads-prd.storage.googleapis.com", 443),
}
"""What goes to Discord, and where. Another server (``SHOAL_DISCORD_API_URL``) serves all of it itself."""

log = get_logger(__name__)


def guard_egress(loaded: Loaded, accounts: list[str] | None = None, *, process: str) -> EgressGuard | None:
    """Refuse every connection around the proxy from now on; None where there is nothing to guard.

    Args:
        loaded: the config.
        accounts: ids this process serves; all of them without it.
        process: name of this process, for the record of refusals.
    """
    from shoal.discord.egress import install_guard

    served = [loaded.account(name) for name in (loaded.account_ids() if accounts is None else accounts)]
    ways = [account.proxy for account in served]
    why = unguarded(loaded, served)
    if why:
        if any(ways):
            log.warning(f"no egress guard: {why}")
        return None
    services = _services(loaded)
    guard = install_guard(
        ways,
        services,
        loopback=False,
        lookups=any(way is not None and way.scheme == "socks5" for way in ways),
        record=egress_log(loaded),
        process=process,
    )
    allowed = {f"{way.host}:{way.port}" for way in ways if way} | {
        f"{host}:{port}" for host, port in services
    }
    log.info(f"egress guard on: {', '.join(sorted(allowed))}")
    return guard


def unguarded(loaded: Loaded, served: list[Account]) -> str:
    """Why a process that serves these accounts has no guard; empty if it has one."""
    direct = [account.id for account in served if account.proxy is None]
    if direct or not served:
        return f"without a proxy: {', '.join(direct) or 'no account runs'}"
    if urlsplit(loaded.redis_url or "").scheme == "sentinel":
        return "the address of a Redis behind Sentinel is not known beforehand"
    return ""


def egress_log(loaded: Loaded) -> Path:
    """The record of refused connections: a JSON line each, empty or missing while all is well."""
    return loaded.paths.logs / "egress.jsonl"


def _services(loaded: Loaded) -> list[tuple[str, int]]:
    """Host and port of all that is reached without an account's proxy."""
    redis = urlsplit(loaded.redis_url or "")
    found = [(redis.hostname, redis.port or _PORTS[redis.scheme])] if redis.hostname else []
    for provider in loaded.providers.values():
        if provider.proxy is not None:
            found.append((provider.proxy.host, provider.proxy.port))
            continue
        model = urlsplit(provider.base_url or "")
        if model.hostname and is_loopback(model.hostname, below=True):
            found.append((model.hostname, model.port or _PORTS[model.scheme]))
    if loaded.root.fleet.flower.port:
        found.append(("127.0.0.1", loaded.root.fleet.flower.port))
    return found


def proxy_report(loaded: Loaded) -> dict[str, Any]:
    """Where each account's traffic goes, whether it is guarded, and what was refused on this host."""
    served = [loaded.account(name) for name in loaded.account_ids()]
    refused = _refused(egress_log(loaded))
    return {
        "accounts": {account.id: _way(account) for account in served},
        "guard": not unguarded(loaded, served),
        "why_not": unguarded(loaded, served) if any(account.proxy for account in served) else "",
        "refused": len(refused),
        "last_refused": refused[-1] if refused else None,
    }


def _way(account: Account) -> dict[str, Any]:
    proxy = account.proxy
    if proxy is None:
        return {"proxy": None, "source": None, "direct": sorted(_LEGS)}
    return {
        "proxy": proxy.masked(),
        "source": proxy.source.split(":", 1)[-1],
        "direct": _exempt(account, proxy),
    }


def _exempt(account: Account, proxy: Proxy) -> list[str]:
    """The legs that ``NO_PROXY`` sends around a proxy of the environment."""
    legs = _LEGS
    if account.api_url:
        own = urlsplit(account.api_url)
        legs = dict.fromkeys(_LEGS, (own.hostname or "", own.port or _PORTS.get(own.scheme, 443)))
    if account.discord.pluralkit.enabled:
        kit = urlsplit(account.pluralkit_url or "https://api.pluralkit.me")
        legs = {**legs, "PluralKit": (kit.hostname or "", kit.port or _PORTS.get(kit.scheme, 443))}
    return [leg for leg, (host, port) in legs.items() if proxy.exempts(host, port)]


def _refused(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(orjson.loads(line))
        except orjson.JSONDecodeError:  # written by a process that died in the middle; it still counts
            found.append({})
    return found


def render_proxies(report: dict[str, Any]) -> list[str]:
    """Lines of ``shoal status``; nothing where no account has a proxy and nothing was refused."""
    lines = []
    for name, way in report["accounts"].items():
        if way["proxy"] is None:
            continue
        around = ", ".join(way["direct"])
        extra = f"; NO_PROXY exempts {around}" if around else ""
        lines.append(f"Proxy      {name}: {way['proxy']} from {way['source']}{extra}")
    if report["why_not"]:
        lines.append(f"Guard      none in workers: {report['why_not']}")
    elif report["guard"]:
        lines.append(f"Guard      on, {report['refused']} refused")
    if report["last_refused"] is not None:
        last = report["last_refused"]
        lines.append(
            f"  last: {last.get('what', '?')} to {last.get('target', '?')} by {last.get('process', '?')} "
            "(logs/egress.jsonl)"
        )
    return lines
