"""What goes wrong between us and Discord, in words: texts for errors and for ``doctor``.

Each row names the message people search for (the error table of the proxy trouble-shooting
guide), what it means here, and what to do. ``shoal doctor`` and the documentation read this
table; :mod:`shoal.discord.proxy` builds its errors from it.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["TROUBLES", "Trouble", "trouble_for"]


class Trouble(NamedTuple):
    """One row.

    Attributes:
        key: word for programs.
        name: the message as people know it.
        meaning: what it means.
        fix: what to do.
        legs: values of ``TransportError.leg`` it belongs to.
    """

    key: str
    name: str
    meaning: str
    fix: str
    legs: tuple[str, ...]


_CONTAINER = (
    "Inside a container 127.0.0.1 is the container itself: use host.docker.internal or network_mode: host."
)

TROUBLES: tuple[Trouble, ...] = (
    Trouble(
        "fetch-failed",
        "fetch failed",
        "A REST call got no connection while the gateway may be connected. Here both take the same way, so "
        "either both fail or Discord's REST address alone is blocked at the proxy.",
        "Look at the leg the error names, and allow discord.com beside gateway.discord.gg at the proxy.",
        ("rest",),
    ),
    Trouble(
        "refused",
        "ECONNREFUSED",
        "Nothing listens at that address: the proxy does not run, or the port is wrong.",
        f"Start the proxy or correct its address. {_CONTAINER}",
        ("proxy-connect", "connect"),
    ),
    Trouble(
        "timed-out",
        "ETIMEDOUT",
        "The connection was not made in time: a firewall drops it, or the proxy cannot reach Discord.",
        "Set channels.discord.proxy if Discord is blocked here; else check the proxy's own way out.",
        ("connect-timeout", "proxy-connect-timeout"),
    ),
    Trouble(
        "not-found",
        "ENOTFOUND",
        "The name cannot be resolved. Names of Discord are filtered in some networks.",
        "With an http or socks5h proxy names resolve at the proxy; set one, or check the host name.",
        ("dns", "proxy-dns"),
    ),
    Trouble(
        "gateway",
        "Failed to connect to Discord gateway",
        "The websocket could not be opened through the same way that REST takes.",
        "Allow CONNECT to gateway.discord.gg:443 (and *.discord.gg for resuming) at the proxy.",
        ("gateway",),
    ),
    Trouble(
        "closed-1006",
        "Disconnected with code 1006",
        "The websocket's connection was cut without a word: an unstable network, or a proxy that ends long "
        "connections. The session is resumed and nothing is lost.",
        "If it comes at regular intervals, raise the idle or tunnel time-out of the proxy above 60 seconds.",
        ("gateway-lost",),
    ),
    Trouble(
        "request-timeout",
        "Request timeout",
        "A request left and no answer came in time: a slow or unstable proxy.",
        "It is tried again and never sent twice; if it stays, try another proxy.",
        ("read", "write"),
    ),
    Trouble(
        "tunnel-refused",
        "CONNECT refused",
        "The proxy answers, but opens no tunnel to that host: its rules forbid it, or it cannot get there.",
        "Allow discord.com, cdn.discordapp.com, gateway.discord.gg and *.discord.gg, port 443, at the proxy.",
        ("proxy-refused",),
    ),
    Trouble(
        "wrong-scheme",
        "not a proxy of this kind",
        "Something listens at the proxy's address but speaks another protocol.",
        "Check scheme and port: http:// for an HTTP proxy, socks5h:// for a SOCKS proxy, https:// only where "
        "the connection to the proxy itself is TLS.",
        ("proxy-protocol",),
    ),
    Trouble(
        "auth",
        "407 Proxy Authentication Required",
        "The proxy wants a user name and password, or refused those in the URL.",
        "Write them as http://user:password@host:port, special characters percent-encoded (@ is %40).",
        ("proxy-auth",),
    ),
    Trouble(
        "tls",
        "certificate verify failed",
        "The certificate was not signed by an authority this machine trusts; some proxies look into TLS.",
        "Give the proxy's authority as channels.discord.proxyCaFile. Verification cannot be switched off.",
        ("tls", "proxy-tls"),
    ),
)


def trouble_for(leg: str) -> Trouble | None:
    """The row an error with this ``leg`` belongs to."""
    return next((row for row in TROUBLES if leg in row.legs), None)
