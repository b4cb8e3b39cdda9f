"""``Transport``: the one way to Discord and its CDN (design 6, promise 6).

REST, uploads, downloads and the sockets of the gateway are all dialled by
:func:`shoal.discord.proxy.dial`; there is no other path to a connection, so there is none
that could forget the proxy. The environment is never read here (``trust_env`` is off).
"""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from shoal.base.clock import Clock
from shoal.discord.limiter import LimiterLike, Priority
from shoal.discord.proxy import ProxyLike
from shoal.discord.retry import RetryPolicy, Safety
from shoal.discord.routes import Route

__all__ = ["API_URL", "Download", "File", "Response", "Transport"]

API_URL = "https://discord.com/api/v10"


@dataclass(frozen=True, slots=True)
class File:
    """A file to upload, whole in memory so that a retry sends the same bytes.

    Attributes:
        attachment: further fields of its ``attachments`` entry: ``description``, ``duration_secs``, ``waveform``.
    """

    filename: str
    data: bytes = field(repr=False)
    content_type: str = "application/octet-stream"
    attachment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that is no error. ``data`` is parsed JSON, text, or None for an empty body."""

    status: int
    data: Any
    headers: Mapping[str, str]
    elapsed_s: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Download:
    """A file from the CDN."""

    data: bytes = field(repr=False)
    content_type: str
    url: str


class Transport:
    """HTTP and sockets of one account. Thread-safe; one per account and process.

    Attributes:
        account_id: whose transport it is.
        api_url: REST base without a trailing slash.
        proxied: traffic goes through a proxy.
        proxy_label: the proxy without credentials, for logs; empty without a proxy.
    """

    def __init__(
        self,
        account_id: str,
        token: SecretStr,
        *,
        limiter: LimiterLike,
        proxy: ProxyLike | None = None,
        api_url: str | None = None,
        ca_file: str | Path | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
        threads: int = 16,
        bot_id: str | None = None,
    ) -> None:
        """See the class.

        Args:
            token: bot token; a leading ``Bot `` is dropped.
            api_url: another Discord-compatible server (decision 55); https, or http on loopback.
            ca_file: PEM bundle trusted besides the usual authorities (``proxyCaFile``).
            threads: connections kept per host.
            bot_id: bot user id, where the token does not say it.

        Raises:
            ConfigError: ``api_url``, ``ca_file`` or the proxy cannot be used.
        """
        raise NotImplementedError

    def request(
        self,
        route: Route,
        *,
        json: Any = None,
        files: Sequence[File] = (),
        query: Mapping[str, Any] | None = None,
        reason: str | None = None,
        priority: Priority = Priority.INTERACTIVE,
        safety: Safety = Safety.IDEMPOTENT,
        timeout: float = 15.0,
        max_wait: float | None = None,
        retry: RetryPolicy | None = None,
    ) -> Response:
        """Send one request, waiting for the rate limit and retrying as its safety class allows.

        Args:
            json: body; with ``files`` it becomes ``payload_json``.
            reason: for the audit log.
            timeout: seconds for connecting and for each silence of the server; a whole answer may take twice.
            max_wait: longest rate-limit wait in seconds before :class:`RateWait`; None waits up to the retry
                policy's ``max_delay_ms`` for a 429 and as long as it takes otherwise.
            retry: instead of the account's policy.

        Raises:
            RateWait: the rate limit asks for more than ``max_wait``; not sent.
            DiscordError: an answer that is an error, after the tries.
            TransportError: no answer; ``ambiguous`` if the request may have worked.
            ProxyError: the proxy cannot be used; nothing went out.
            StoreUnavailable: the limiter's Redis does not answer.
        """
        raise NotImplementedError

    def download(self, url: str, *, max_bytes: int, timeout: float = 15.0) -> Download:
        """Fetch a file from Discord's CDN (or the configured server's origin), at most ``max_bytes``.

        Raises:
            BadRequest: the address is not Discord's, or the file is larger.
            DiscordError, TransportError: as for :meth:`request`.
        """
        raise NotImplementedError

    def open_socket(self, host: str, port: int, *, tls: bool = True, timeout: float = 10.0) -> socket.socket:
        """A connected socket through the proxy, for a websocket client; ``timeout`` stays set on it.

        Raises:
            ProxyError, TransportError: which leg failed and what to do.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Close idle connections."""
        raise NotImplementedError
