"""Which addresses on the network may be fetched from: the rules of the SSRF guard, without any I/O.

A URL that somebody wrote (a user, a model, a web server that redirects) may name our own machine, the
operator's network or a cloud's metadata service in a hundred ways. The rules here say no to all that is
not plainly a public host: see :func:`check_url` for what a URL may look like and :func:`check_address` for
the addresses its name may resolve to (``spec/engineering.md`` 5.4, ``spec/inbound.md`` 6.11). Where the
name resolves at a proxy, :func:`check_url` is all there is; so it also refuses names known to lead inside.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import urlsplit

from shoal.base.errors import ShoalError

__all__ = ["PORTS", "Target", "UrlRefused", "check_address", "check_url", "shown_host"]

PORTS = {"http": frozenset({80, 8080}), "https": frozenset({443, 8443})}
"""Where web servers listen; anything else is some other service."""
MAX_URL = 2_048

_BAD = re.compile(
    r"[^\x21-\x7e\u00a1-\U0010ffff]|[\\^`{|}<>\"]|[\u00ad\u200b-\u200f\u2028-\u202e\u2060\ufeff]"
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)")

_LOCAL_SUFFIXES = (
    "localhost", "local", "localdomain", "internal", "intranet", "lan", "home", "corp", "private",
    "home.arpa", "arpa", "test", "example", "invalid", "onion", "alt", "consul", "cluster.local", "svc",
    "router", "ip", "docker", "fritz.box", "router.asus.com", "tplinkwifi.net", "routerlogin.net",
    "metadata.tencentyun.com", "metadata.platformequinix.com", "metadata.packet.net",
)  # fmt: skip
"""Names that mean this machine, this network (routers, metadata services of clouds), or nothing at all."""
_POINTERS = (
    "nip.io", "sslip.io", "xip.io", "localtest.me", "lvh.me", "vcap.me", "lacolhost.com", "rbndr.us",
    "1u.ms", "local.gd", "traefik.me", "lndo.site", "fuf.me", "localho.st", "smackaho.st", "localhost.direct",
    "local-ip.co", "local-ip.sh", "backname.io", "ip6.name",
)  # fmt: skip
"""Zones whose names lead to whatever address they spell, private ones included."""
_PRIVATE_6 = ipaddress.ip_network("fc00::/7")
_BENCHMARK = ipaddress.ip_network("198.18.0.0/15")
_RESERVED_4 = tuple(ipaddress.ip_network(net) for net in ("192.88.99.0/24", "192.0.0.0/24"))
"""Old relays of 6to4, and IETF's assignments, of which Oracle's cloud uses one for its metadata."""
_PLATFORM = frozenset({ipaddress.ip_address("168.63.129.16")})
"""Public by its number, and yet inside: where every machine in Azure finds the platform it runs on."""
_GLOBAL_UNICAST = ipaddress.ip_network("2000::/3")
_NEVER_6 = tuple(
    ipaddress.ip_network(net) for net in ("2002::/16", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16")
)
"""6to4, Teredo and other protocol assignments, documentation: not where public servers are."""


class UrlRefused(ShoalError):
    """The guard said no. ``reason`` is one word, ``host`` is what the URL named (no path, no query)."""

    code = "url-refused"

    def __init__(self, reason: str, host: str = "") -> None:
        self.reason = reason
        self.host = host[:100]
        super().__init__(f"This address is not fetched: {self.host or 'the URL'} ({reason}).")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that may be asked for, in the one form in which it is sent."""

    url: str
    scheme: str
    host: str
    port: int


def check_url(url: str) -> Target:
    """The target of a URL that is a public web address by its looks.

    Raises:
        UrlRefused: with one of ``bad-url``, ``scheme``, ``credentials``, ``no-host``, ``port``,
            ``number-host``, ``bad-host``, ``local-name``, ``pointer-name``, or a word of
            :func:`check_address`.
    """
    text = url.strip()
    if not text or len(text) > MAX_URL or _BAD.search(text):
        raise UrlRefused("bad-url")
    try:
        parts = urlsplit(text)
        port, raw = parts.port, parts.hostname or ""
    except ValueError:
        raise UrlRefused("bad-url") from None
    scheme = parts.scheme.lower()
    if scheme not in PORTS:
        raise UrlRefused("scheme", shown_host(raw))
    if "@" in parts.netloc:
        raise UrlRefused("credentials", shown_host(raw))
    if not raw or not text[len(scheme) :].startswith("://"):
        raise UrlRefused("no-host")
    host = _host(raw)
    port = (443 if scheme == "https" else 80) if port is None else port
    if port not in PORTS[scheme]:
        raise UrlRefused("port", shown_host(host))
    name = f"[{host}]" if ":" in host else host
    place = name if port in (80, 443) else f"{name}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return Target(f"{scheme}://{place}{parts.path or '/'}{query}", scheme, host, port)


def check_address(address: str, *, benchmark: bool = False) -> None:
    """Return if this is the address of a public host.

    Args:
        benchmark: 198.18.0.0/15 passes: proxies that make up addresses for names take them from there.

    Raises:
        UrlRefused: ``loopback``, ``link-local``, ``private``, ``multicast``, ``benchmark``, ``embedded``,
            ``reserved`` or ``bad-host``.
    """
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        raise UrlRefused("bad-host", address) from None
    reason = _reason4(found, benchmark) if isinstance(found, ipaddress.IPv4Address) else _reason6(found)
    if reason:
        raise UrlRefused(reason, str(found))


def shown_host(host: str) -> str:
    """A host for a log line: printable, short."""
    return "".join(char if char.isprintable() and char not in "\"'" else "?" for char in host)[:100]


def _host(raw: str) -> str:
    """The host in the form that is resolved: an address, or a name of plain labels."""
    if ":" in raw:
        if "%" in raw:
            raise UrlRefused("bad-host", shown_host(raw))
        check_address(raw)
        return str(ipaddress.ip_address(raw))
    host = unicodedata.normalize("NFKC", raw).replace("\u3002", ".").lower().rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            raise UrlRefused("bad-host", shown_host(raw)) from None
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # as resolvers read it: 127.1, 0x7f000001, 017700000001
        try:
            plain = ipaddress.IPv4Address(host)
        except ValueError:
            raise UrlRefused("number-host", shown_host(raw)) from None
        check_address(str(plain))
        return str(plain)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise UrlRefused("bad-host", shown_host(raw))
    if len(labels) == 1 or _ends(host, _LOCAL_SUFFIXES):
        raise UrlRefused("local-name", shown_host(raw))
    if _ends(host, _POINTERS):
        raise UrlRefused("pointer-name", shown_host(raw))
    return host


def _ends(host: str, zones: tuple[str, ...]) -> bool:
    return any(host == zone or host.endswith("." + zone) for zone in zones)


def _reason4(address: ipaddress.IPv4Address, benchmark: bool) -> str:
    if address in _BENCHMARK:
        return "" if benchmark else "benchmark"
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    if address.is_link_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if address.is_reserved or any(address in net for net in _RESERVED_4):
        return "reserved"
    return "" if address.is_global and address not in _PLATFORM else "private"


def _reason6(address: ipaddress.IPv6Address) -> str:
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    if address.is_link_local or address.is_site_local:
        return "link-local"
    if address.is_multicast:
        return "multicast"
    if address in _PRIVATE_6:
        return "private"
    if address not in _GLOBAL_UNICAST or any(address in net for net in _NEVER_6):
        # ::ffff:10.0.0.1, ::127.0.0.1, 64:ff9b::7f00:1, 2002:7f00:1::: an IPv4 address in disguise
        return "embedded"
    return "" if address.is_global else "reserved"
