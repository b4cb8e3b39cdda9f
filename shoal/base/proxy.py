"""A proxy as a value: what an operator writes as one URL, taken apart once.

Both ``config`` (which finds the URL) and ``shoal.discord`` (which dials through it) use this
module, so that there is one reading of a proxy URL in the whole project.

Credentials are percent-decoded once, here, and used raw from then on. A URL that cannot be
used is an error that names the place it came from; it never means "no proxy".
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from shoal.base.errors import ConfigError
from shoal.base.redact import redactor

__all__ = ["DEFAULT_PORTS", "PROXY_SCHEMES", "Proxy", "parse_no_proxy", "parse_proxy"]

PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")
"""What :attr:`Proxy.scheme` may be; ``socks://`` is read as ``socks5h``."""

DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

_EXAMPLE = (
    "Write it like http://proxy.example:7890 or socks5h://proxy.example:1080; a user name and password go "
    "in front of the host, with a colon between them and an @ behind."
)
_ENCODE = "Percent-encode special characters of user and password (@ is %40, : is %3A, / is %2F, # is %23)."


@dataclass(frozen=True, slots=True)
class Proxy:
    """One proxy: where it is, who we are to it, and who told us.

    Attributes:
        scheme: ``http`` (CONNECT), ``https`` (TLS to the proxy, then CONNECT), ``socks5h`` (names resolve at
            the proxy) or ``socks5`` (names resolve here; only with ``proxyDns: "local"``).
        host: name or address, IPv6 without brackets.
        port: 1 to 65535.
        username: decoded, or ``None`` for no credentials.
        password: decoded, or ``None``.
        source: ``config:<path>`` or ``env:<NAME>``.
        no_proxy: hosts that go direct; only ever filled when the proxy came from the environment.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: SecretStr | None = None
    source: str = ""
    no_proxy: tuple[str, ...] = ()

    def masked(self) -> str:
        """The URL without credentials, for logs."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/"

    def exempts(self, host: str, port: int) -> bool:
        """Whether ``no_proxy`` sends this host direct: ``*``, names and subdomains, addresses, CIDR."""
        return any(_matches(entry, host.strip("[]").lower(), port) for entry in self.no_proxy)


def parse_proxy(
    url: str, *, source: str = "", dns: Literal["proxy", "local"] = "proxy", no_proxy: tuple[str, ...] = ()
) -> Proxy:
    """Read a proxy URL.

    Args:
        url: ``http``, ``https``, ``socks5``, ``socks5h`` or ``socks`` URL with a host; credentials optional.
        source: where it was written, for messages: ``config:channels.discord.proxy``, ``env:HTTPS_PROXY``.
        dns: ``local`` lets ``socks5`` resolve names on this machine; otherwise it is read as ``socks5h``.
        no_proxy: see :func:`parse_no_proxy`.

    Raises:
        ConfigError: the URL cannot be used; names the place, the value without credentials, and the fix.
    """
    where = source.split(":", 1)[-1] or "The proxy"
    text = url.strip()
    shown = repr(_shown(text))
    parts = _split(text, where, shown)
    scheme = _scheme(parts.scheme.lower(), dns, where, shown)
    host = (parts.hostname or "").strip()
    if not host or any(character.isspace() for character in host):
        raise ConfigError(f"{where}: the proxy {shown} has no host.", fix=_EXAMPLE)
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError(f"{where}: the proxy {shown} has something after the host and port.", fix=_ENCODE)
    try:
        port = parts.port if parts.port is not None else DEFAULT_PORTS[scheme]
    except ValueError:
        port = 0
    if not 0 < port < 65536:
        raise ConfigError(f"{where}: the proxy {shown} has no usable port.", fix="Ports go from 1 to 65535.")
    username = unquote(parts.username) if parts.username is not None else None
    password = unquote(parts.password) if parts.password is not None else None
    if password:
        redactor.register(password)
    return Proxy(
        scheme=scheme,
        host=host,
        port=port,
        username=username,
        password=SecretStr(password) if password is not None else None,
        source=source,
        no_proxy=no_proxy,
    )


def parse_no_proxy(text: str) -> tuple[str, ...]:
    """The entries of a ``NO_PROXY`` value: separated by commas or blanks, lower case, no empty ones."""
    return tuple(entry.lower() for entry in re.split(r"[,\s]+", text) if entry)


def _shown(text: str) -> str:
    """``text`` without anything that may be a credential, however badly it is written."""
    scheme, slashes, rest = text.partition("://")
    if not slashes:
        scheme, rest = "", text
    return f"{scheme}{slashes}{rest.rpartition('@')[2]}"


def _split(text: str, where: str, shown: str) -> SplitResult:
    if "://" not in text:
        raise ConfigError(f"{where}: the proxy {shown} has no scheme.", fix=_EXAMPLE)
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise ConfigError(f"{where}: the proxy {shown} cannot be read ({error}).", fix=_ENCODE) from None
    if text.count("@") > parts.netloc.count("@") or parts.netloc.count("@") > 1:
        raise ConfigError(f"{where}: the credentials of the proxy {shown} cannot be read.", fix=_ENCODE)
    return parts


def _scheme(scheme: str, dns: str, where: str, shown: str) -> str:
    if scheme == "socks" or (scheme == "socks5" and dns != "local"):
        return "socks5h"
    if scheme not in PROXY_SCHEMES:
        raise ConfigError(
            f"{where}: the proxy {shown} has the scheme {scheme!r}, which is not known.",
            fix="Known are http, https, socks5, socks5h and socks (read as socks5h).",
        )
    return scheme


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdigit() and ":" not in name:
        if int(wanted) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        suffix = entry.removeprefix("*").lstrip(".")
        return bool(suffix) and (host == suffix or host.endswith("." + suffix))
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
