"""Which addresses are Discord's: REST base, gateway, CDN, signed uploads.

Normally a fixed set of hosts. With another server (``SHOAL_DISCORD_API_URL``, decision 55)
everything that server names is taken as long as it stays on its own origin.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from shoal.base.errors import ConfigError
from shoal.base.net import is_loopback

__all__ = ["API_URL", "Endpoint", "Origins"]

API_URL = "https://discord.com/api/v10"

_CDN_DOMAINS = ("discordapp.com", "discordapp.net")
_CDN_HOSTS = ("cdn.discord.com",)
_GATEWAY_DOMAIN = "discord.gg"
_UPLOAD_DOMAINS = ("storage.googleapis.com", "discordapp.com", "discord.com")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a websocket goes. ``path`` includes the query."""

    host: str
    port: int
    tls: bool
    path: str


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme in ("https", "wss") else 80)


def _inside(host: str, domain: str) -> bool:
    return host == domain or host.endswith("." + domain)


class Origins:
    """The addresses one transport may use.

    Attributes:
        base: REST base without a trailing slash.
        custom: another server than Discord's own.
        host, port, tls: of the REST base.
    """

    def __init__(self, api_url: str | None = None) -> None:
        """Raises ConfigError: the REST base is neither https nor http on loopback, or is no plain base."""
        text = (api_url or API_URL).strip().rstrip("/")
        fix = "Give https://host/api/v10, or http://127.0.0.1:port/api/v10 for a server on this machine."
        try:
            parts = urlsplit(text)
            port = _port(parts)
        except ValueError:
            raise ConfigError("SHOAL_DISCORD_API_URL cannot be read as a URL.", fix=fix) from None
        host = (parts.hostname or "").lower()
        if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
            raise ConfigError("SHOAL_DISCORD_API_URL must hold no credentials, query or fragment.", fix=fix)
        secure = parts.scheme == "https"
        if not host or not (secure or (parts.scheme == "http" and is_loopback(host))):
            raise ConfigError(f"SHOAL_DISCORD_API_URL {text!r} cannot be used.", fix=fix)
        self.base = text
        self.custom = text != API_URL
        self.host, self.port, self.tls = host, port, secure

    def gateway(self, url: str) -> Endpoint:
        """Where a gateway or resume address goes.

        Raises:
            ConfigError: it is not Discord's, or not on the other server's origin.
        """
        parts = self._parts(url)
        host = (parts.hostname or "").lower()
        if self.custom:
            allowed = parts.scheme in ("ws", "wss") and self._same_origin(parts, secure=parts.scheme == "wss")
        else:
            allowed = parts.scheme == "wss" and _inside(host, _GATEWAY_DOMAIN)
        if not allowed:
            raise ConfigError(f"The gateway address {parts.scheme}://{host} is not this server's.")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Endpoint(host, _port(parts), parts.scheme == "wss", path)

    def is_cdn(self, url: str) -> bool:
        """Whether files of Discord may be fetched from there."""
        parts = self._parts(url)
        if self.custom:
            return self._same_origin(parts, secure=parts.scheme == "https")
        return parts.scheme == "https" and _port(parts) == 443 and self.is_cdn_host(parts.hostname or "")

    def is_file(self, url: str) -> bool:
        """Whether an address somebody wrote is a file of Discord; not, if it cannot be read."""
        try:
            return self.is_cdn(self.cdn_url(url))
        except ConfigError:
            return False

    @staticmethod
    def is_cdn_host(host: str) -> bool:
        """Whether a name is one of Discord's own file servers: a subdomain, never the bare domain."""
        return host in _CDN_HOSTS or any(host.endswith("." + domain) for domain in _CDN_DOMAINS)

    def is_own(self, host: str, port: int) -> bool:
        """Whether this is the other server that was configured; the operator answers for its address."""
        return self.custom and (host.lower(), port) == (self.host, self.port)

    def cdn_url(self, url: str) -> str:
        """A file's address on this server: those of Discord's CDN lie under ``/cdn`` of another one.

        Raises:
            ConfigError: it cannot be read, or holds credentials.
        """
        parts = self._parts(url)
        if not self.custom or not self.is_cdn_host((parts.hostname or "").lower()):
            return url
        scheme = "https" if self.tls else "http"
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = f"?{parts.query}" if parts.query else ""
        return f"{scheme}://{host}:{self.port}/cdn{parts.path}{query}"

    @classmethod
    def place(cls, url: str) -> tuple[str, int, str]:
        """Host, port and scheme of an address.

        Raises:
            ConfigError: it cannot be read, or holds credentials.
        """
        parts = cls._parts(url)
        return (parts.hostname or "").lower(), _port(parts), parts.scheme

    def is_upload(self, url: str) -> bool:
        """Whether a signed upload address that Discord gave may be used."""
        parts = self._parts(url)
        if self.custom:
            return self._same_origin(parts, secure=parts.scheme == "https")
        host = (parts.hostname or "").lower()
        return parts.scheme == "https" and any(_inside(host, domain) for domain in _UPLOAD_DOMAINS)

    def _same_origin(self, parts: SplitResult, *, secure: bool) -> bool:
        host = (parts.hostname or "").lower()
        return secure == self.tls and host == self.host and _port(parts) == self.port

    @staticmethod
    def _parts(url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            _port(parts)
        except ValueError:
            raise ConfigError("An address from Discord cannot be read as a URL.") from None
        if parts.username is not None:
            raise ConfigError("An address from Discord holds credentials; it is not used.")
        return parts
