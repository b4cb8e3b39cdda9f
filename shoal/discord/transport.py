"""``Transport``: the one way to Discord and its CDN (design 6, promise 6).

REST, uploads, downloads and the sockets of the gateway are all dialled by
:func:`shoal.discord.proxy.dial`; there is no other path to a connection, so there is none
that could forget the proxy. The environment is never read here (``trust_env`` is off).

One request is: reserve (limiter) → fence (is the lane still ours?) → send → settle → retry or not.
A failure after which the request may have worked is *ambiguous*, and stays so on the error that is
raised in the end, whatever a later try answered (spec: outbound 1.4).
"""

from __future__ import annotations

import binascii
import hashlib
import re
import socket
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

import shoal
from shoal.base.clock import Clock, SystemClock
from shoal.base.errors import ShoalError, TransportError
from shoal.base.logging import get_logger
from shoal.base.proxy import Proxy
from shoal.base.redact import redactor
from shoal.base.stamp import check_fence, stamp_headers
from shoal.discord.bodies import Exchange, File, Prepared, Raw, Response, prepare
from shoal.discord.connections import make_session
from shoal.discord.errors import (
    BadRequest,
    CloudflareBlocked,
    DiscordError,
    RateLimited,
    RateWait,
    error_from,
)
from shoal.discord.fetch import Fetcher
from shoal.discord.limiter import NEVER_SENT, Answer, LimiterLike, Priority, Scope
from shoal.discord.mentions import MentionPolicy, guarded
from shoal.discord.origins import API_URL, Endpoint, Origins
from shoal.discord.proxy import dial, proxy_for, tls_context
from shoal.discord.retry import NONCE_WINDOW_S, RetryPolicy, Safety, Tries
from shoal.discord.routes import Route

__all__ = ["API_URL", "USER_AGENT", "File", "Response", "Transport", "bot_id_of"]

USER_AGENT = f"DiscordBot (https://pypi.org/project/shoal/, {shoal.__version__}) Shoal"
"""The shape Discord demands; anything else may be refused (40333)."""

GATEWAY = ("gateway.discord.gg", 443)
MAX_BODY = 8 * 1024 * 1024

_log = get_logger(__name__)


def bot_id_of(token: str) -> str | None:
    """The bot user id in a token's first part, or None if the token has another shape."""
    head = token.split(".", 1)[0]
    try:
        decoded = urlsafe_b64decode(head + "=" * (-len(head) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return decoded if re.fullmatch(r"\d{1,20}", decoded) else None


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


class Transport:
    """HTTP and sockets of one account. Thread-safe; one per account and process.

    Attributes:
        account_id: whose transport it is.
        mentions: whom its messages may ping.
        origins: the addresses it may use.
        proxied: traffic goes through a proxy.
        proxy_label: the proxy of REST without credentials, for logs; empty without a proxy.
        gateway_label: the same for the websocket; ``NO_PROXY`` may exempt one and not the other.
        scope: whose rate limits its requests meet.
        files: fetches files by URL, to disk, guarded.
    """

    def __init__(
        self,
        account_id: str,
        token: SecretStr,
        *,
        limiter: LimiterLike,
        proxy: Proxy | None = None,
        api_url: str | None = None,
        ca_file: str | Path | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
        threads: int = 16,
        mentions: MentionPolicy | None = None,
    ) -> None:
        """See the class.

        Args:
            token: bot token; a leading ``Bot `` is dropped.
            limiter: :class:`~shoal.discord.limiter.Limiter`; ``Unlimited()`` where there is no Redis yet.
            api_url: another Discord-compatible server (decision 55); https, or http on loopback.
            ca_file: PEM bundle trusted besides the usual authorities (``proxyCaFile``).
            threads: connections kept per host.
            mentions: whom messages may ping (``allowedMentions``); by default the users they name.

        Raises:
            ConfigError: ``api_url`` or ``ca_file`` cannot be used.
        """
        secret = re.sub(r"(?i)^bot\s+", "", token.get_secret_value().strip())
        redactor.register(secret)
        self.account_id = account_id
        self.mentions = mentions or MentionPolicy()
        self.origins = Origins(api_url)
        self._limiter = limiter
        self._proxy = proxy
        self._tls = tls_context(ca_file)
        self._retry = retry or RetryPolicy()
        self._clock = clock or SystemClock()
        self._authorization = f"Bot {secret}"
        way = proxy_for(self.origins.host, self.origins.port, proxy)
        self.proxied = way is not None
        self.proxy_label = way.masked() if way else ""
        socket_way = way if self.origins.custom else proxy_for(*GATEWAY, proxy)
        self.gateway_label = socket_way.masked() if socket_way else ""
        self.scope = Scope(
            bot=bot_id_of(secret) or f"t{_digest(secret)}",
            egress=_digest(way.masked() if way else f"direct {socket.gethostname()}"),
            token=_digest(secret),
        )
        self._session = make_session(self._dial, threads, {"User-Agent": USER_AGENT})
        self.files = Fetcher(
            account_id,
            self.origins,
            self._dial,
            here=self._resolves_here,
            clock=self._clock,
            user_agent=USER_AGENT,
        )
        self._exchange = Exchange(self._session, self._clock, self._way)

    # -- REST --------------------------------------------------------------------------------

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
        form: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request, waiting for the rate limit and retrying as its safety class allows.

        Args:
            json: body; with ``files`` it becomes ``payload_json`` and gets their ``attachments`` entries.
                A message gets its ``allowed_mentions`` here (:func:`shoal.discord.mentions.guarded`).
            reason: for the audit log.
            form: fields of a form, with ``files`` in it, instead of ``json``.
            timeout: seconds for connecting and for each silence of the server; a whole answer may take twice.
            max_wait: longest wait for the rate limit in seconds, else :class:`RateWait`. None waits as long
                as the limiter asks, and up to the retry policy's ``max_delay_ms`` after a 429.
            retry: instead of the account's policy.

        Raises:
            RateWait: the rate limit asks for more than ``max_wait``; nothing was sent (in this try).
            DiscordError: an answer that is an error, after the tries.
            TransportError: no answer; ``ambiguous`` if the request may have worked.
            ProxyError: the proxy cannot be used; nothing went out.
            StoreUnavailable: the limiter's Redis does not answer.
            ShoalError: the fence of this thread's grant ended it; nothing was sent (in this try).
        """
        headers = stamp_headers()
        if not route.tokenless:
            headers["Authorization"] = self._authorization
        prepared = prepare(
            route.method,
            self.origins.base + route.path,
            headers,
            json=guarded(route.method, route.template, json, self.mentions),
            files=files,
            query=query,
            reason=reason,
            form=form,
        )
        tries = Tries()
        policy = retry or self._retry
        while True:
            try:
                raw = self._once(route, prepared, priority, timeout, self._patience(max_wait, safety, tries))
            except ShoalError as error:
                self._again_or_raise(error, route, safety, policy, max_wait, tries)
                continue
            return Response(raw.status, raw.data(), raw.headers, tries.attempts + 1)

    def _patience(self, max_wait: float | None, safety: Safety, tries: Tries) -> float | None:
        """The rate-limit wait allowed now: a doubtful create must be repeated inside the nonce window."""
        if safety is not Safety.NONCE_CREATE or tries.doubtful_since is None:
            return max_wait
        left = max(0.0, NONCE_WINDOW_S - (self._clock.monotonic() - tries.doubtful_since))
        return left if max_wait is None else min(left, max_wait)

    def _once(
        self, route: Route, prepared: Prepared, priority: Priority, timeout: float, max_wait: float | None
    ) -> Raw:
        """One try: reserve, send, settle. Raises what it came to."""
        booking = self._limiter.acquire(self.scope, route, priority, max_wait=max_wait)
        answer = Answer(NEVER_SENT, {})
        try:
            check_fence()
            answer = Answer(0, {})
            raw = self._exchange.send(prepared, str(route), timeout=timeout, max_bytes=MAX_BODY)
            answer = Answer(raw.status, raw.headers, authorized=not route.tokenless)
            if raw.status >= 300:
                error = error_from(raw.status, raw.headers, raw.body, str(route))
                answer = _answer_of(error, raw, authorized=not route.tokenless)
                raise error
            return raw
        except TransportError as error:
            answer = Answer(0 if error.ambiguous else NEVER_SENT, {})
            raise
        finally:
            self._limiter.settle(self.scope, route, priority, booking, answer)

    def _again_or_raise(
        self,
        error: ShoalError,
        route: Route,
        safety: Safety,
        policy: RetryPolicy,
        max_wait: float | None,
        tries: Tries,
    ) -> None:
        """Wait before the next try, or raise ``error`` with what earlier tries left in doubt."""
        answered = isinstance(error, DiscordError | TransportError)
        if answered and error.ambiguous and tries.doubtful_since is None:
            tries.doubtful_since = self._clock.monotonic()
        error.ambiguous = tries.doubtful_since is not None
        if not isinstance(error, DiscordError | TransportError):  # the limiter's: this try sent nothing
            raise error
        wait = tries.wait_s(error, safety, policy)
        if wait is None:
            raise error
        if isinstance(error, RateLimited) and max_wait is not None and wait > max_wait:
            late = RateWait(wait, reason=error.scope, route=str(route))
            late.ambiguous = error.ambiguous
            raise late from error
        _log.warning(
            "discord request is tried again",
            account=self.account_id,
            route=str(route),
            error=error.code,
            status=getattr(error, "status", 0),
            leg=getattr(error, "leg", ""),
            attempt=tries.attempts,
            wait_s=round(wait, 2),
        )
        self._clock.sleep(wait)

    # -- files -------------------------------------------------------------------------------

    def upload(
        self,
        url: str,
        data: bytes,
        *,
        content_type: str,
        timeout: float = 60.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        """PUT bytes to a signed upload address that Discord gave. Idempotent.

        Args:
            retry: instead of the account's policy.

        Raises:
            BadRequest: the address is not Discord's.
            DiscordError, TransportError: as for :meth:`request`.
        """
        if not self.origins.is_upload(url):
            raise BadRequest(
                "Files are uploaded to Discord's own storage only.", status=0, route="PUT upload"
            )
        prepared = prepare("PUT", url, {"Content-Type": content_type}, data=data)
        self._file(prepared, "PUT upload", timeout, retry or self._retry)

    def _file(self, prepared: Prepared, name: str, timeout: float, policy: RetryPolicy) -> None:
        """One transfer with retries; the bot's rate limits do not apply to files."""
        tries = Tries()
        while True:
            try:
                raw = self._exchange.send(prepared, name, timeout=timeout, max_bytes=MAX_BODY)
                if raw.status < 300:
                    return
                raise error_from(raw.status, raw.headers, raw.body, name)
            except (DiscordError, TransportError) as error:
                wait = tries.wait_s(error, Safety.IDEMPOTENT, policy)
                if wait is None:
                    raise
                self._clock.sleep(wait)

    def get_beside(
        self, url: str, *, name: str, headers: Mapping[str, str], timeout: float, max_bytes: int
    ) -> Raw:
        """One GET of a service beside Discord (PluralKit), by the same proxy; whatever the answer's status.

        The bot's token does not go along, and Discord's rate limits are not asked. One try.

        Args:
            url: fixed by code or by the operator, never given by users or models.
            name: what it is called in errors, without values.

        Raises:
            TransportError, ProxyError: no answer.
            DiscordError: the answer is larger than ``max_bytes``.
        """
        return self._exchange.send(prepare("GET", url, headers), name, timeout=timeout, max_bytes=max_bytes)

    # -- sockets -----------------------------------------------------------------------------

    def gateway_endpoint(self, url: str) -> Endpoint:
        """Host, port, TLS and path of a gateway or resume address (decision 55).

        Raises:
            ConfigError: the address is not this server's.
        """
        return self.origins.gateway(url)

    def open_socket(self, host: str, port: int, *, tls: bool = True, timeout: float = 10.0) -> socket.socket:
        """A connected socket through the proxy, for a websocket client; ``timeout`` stays set on it.

        Raises:
            ProxyError, TransportError: which leg failed and what to do.
        """
        return self._dial(host, port, tls=tls, timeout=timeout)

    def _dial(
        self,
        host: str,
        port: int,
        *,
        tls: bool,
        timeout: float,
        addresses: tuple[str, ...] | None = None,
    ) -> socket.socket:
        """``addresses``: what the host's name resolved to, where that is known and judged."""
        connected = dial(
            host,
            port,
            proxy_for(host, port, self._proxy),
            tls=self._tls if tls else None,
            timeout=timeout,
            proxy_tls=self._tls,
            addresses=addresses,
        )
        try:
            check_fence()  # dialling may have taken seconds
        except BaseException:
            connected.close()
            raise
        return connected

    def _resolves_here(self, host: str, port: int) -> bool:
        """Whether this machine looks a host's name up: no proxy for it, or ``socks5`` without h."""
        way = proxy_for(host, port, self._proxy)
        return way is None or way.scheme == "socks5"

    def _way(self) -> str:
        return f"through the proxy {self.proxy_label}" if self.proxied else "without a proxy"

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()
        self.files.close()


def _answer_of(error: DiscordError, raw: Raw, *, authorized: bool) -> Answer:
    blocked = isinstance(error, CloudflareBlocked) and error.retry_after is not None
    return Answer(
        raw.status,
        raw.headers,
        retry_after=error.retry_after or 0.0,
        scope=error.scope if isinstance(error, RateLimited) else "",
        cloudflare=blocked,
        authorized=authorized,
    )
