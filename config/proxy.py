"""Which proxy traffic takes: account, else channel, else environment (decision 19).

The value and its reading are :mod:`shoal.base.proxy`; here is only where the URL is found.
``NO_PROXY`` counts only for a proxy of the environment: who writes a proxy into the file
means all traffic.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from shoal.base.proxy import Proxy, parse_no_proxy, parse_proxy

__all__ = ["ENVIRONMENT_ORDER", "environment_proxy", "find_proxy"]

ENVIRONMENT_ORDER = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
"""The first of these that is set and not blank counts."""

ProxyDns = Literal["proxy", "local"]


def find_proxy(
    configured: str | None, where: str, *, env: Mapping[str, str], dns: ProxyDns = "proxy"
) -> Proxy | None:
    """The proxy in force.

    Args:
        configured: URL of the file, account over channel; blank counts as not written.
        where: path of that URL in the file, for messages and ``source``.
        env: environment to fall back to.
        dns: ``local`` lets ``socks5`` resolve names here.

    Raises:
        ConfigError: the URL that counts cannot be used. Never "no proxy" instead.
    """
    if configured is not None and configured.strip():
        return parse_proxy(configured, source=f"config:{where}", dns=dns)
    return environment_proxy(env, dns=dns)


def environment_proxy(env: Mapping[str, str], *, dns: ProxyDns = "proxy") -> Proxy | None:
    """The proxy of the environment, with the hosts it exempts. Raises ConfigError for a bad URL."""
    for name in ENVIRONMENT_ORDER:
        url = env.get(name, "").strip()
        if url:
            exempt = env.get("NO_PROXY", "").strip() or env.get("no_proxy", "")
            if "://" not in url:
                url = f"http://{url}"  # curl and requests read a bare host:port this way
            return parse_proxy(url, source=f"env:{name}", dns=dns, no_proxy=parse_no_proxy(exempt))
    return None
