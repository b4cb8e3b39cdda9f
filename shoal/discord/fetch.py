"""Fetching a file by its URL, straight to where it is wanted: bounded, guarded, through the account's proxy.

Two policies (design 6, ``spec/inbound.md`` 6.11):

``cdn``     what Discord's own servers serve: https, a list of hosts, nothing else
``public``  what a user or a model named: any plainly public web server

Either way each redirect is judged anew, and where the name resolves here it is resolved once, every
address is judged, and the connection goes to one of those (a second look-up could answer differently). Where
the proxy resolves it, it is not resolved here at all. Each refusal leaves a line in the audit trail.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol
from urllib.parse import urljoin

import requests
import urllib3

from shoal.base.audit import audit
from shoal.base.clock import Clock
from shoal.base.errors import ConfigError, TransportError
from shoal.discord.addresses import Target, UrlRefused, check_address, check_url, shown_host
from shoal.discord.connections import make_session
from shoal.discord.errors import RateLimited, ServerError, TooLarge, error_from
from shoal.discord.origins import Origins
from shoal.discord.troubles import trouble_for

__all__ = ["Fetched", "Fetcher", "Limits", "Opener", "Policy", "Sink", "resolve"]

Policy = Literal["cdn", "public"]
MAX_REDIRECTS = 5
TRIES = 3
PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
_CHUNK = 65_536
_ERROR_BODY = 8_192


class Sink(Protocol):
    """Takes a file in pieces."""

    def restart(self) -> None:
        """Forget what came so far: the next piece is the first one."""
        ...

    def write(self, data: bytes) -> None:
        """One more piece. What it raises ends the fetch and reaches the caller."""
        ...


class Opener(Protocol):
    """Opens a connection for the fetcher; ``addresses`` are the only ones it may connect to itself."""

    def __call__(
        self, host: str, port: int, *, tls: bool, timeout: float, addresses: tuple[str, ...] | None
    ) -> socket.socket:
        """A connected socket."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of one fetch: bytes, seconds of silence, seconds in all."""

    max_bytes: int
    idle_s: float = 60.0
    total_s: float = 120.0


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came. ``content_type`` is what the server said; ``url`` is where the last redirect led."""

    size: int
    content_type: str
    url: str = field(repr=False)


def resolve(host: str, port: int) -> tuple[str, ...]:
    """Addresses of a name, IPv4 first.

    Raises:
        TransportError: it has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise TransportError(f"The name {host} cannot be resolved (ENOTFOUND: {error}).", leg="dns") from None
    found.sort(key=lambda entry: entry[0] != socket.AF_INET)
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Fetcher:
    """Fetches for one account. Thread-safe.

    Args:
        account: for the audit trail.
        origins: which hosts are Discord's.
        opener: dials, through the proxy where there is one for the host.
        here: whether a host's name is resolved on this machine: no proxy for it, or one that wants addresses.
        resolver: name → addresses; tests give their own.
    """

    def __init__(
        self,
        account: str,
        origins: Origins,
        opener: Opener,
        *,
        here: Callable[[str, int], bool],
        clock: Clock,
        user_agent: str,
        threads: int = 8,
        resolver: Callable[[str, int], tuple[str, ...]] = resolve,
    ) -> None:
        self._account = account
        self._origins = origins
        self._opener = opener
        self._here = here
        self._clock = clock
        self._resolver = resolver
        headers = {"User-Agent": user_agent, "Accept": "*/*", "Accept-Encoding": "identity"}
        self._session = make_session(self._dial, threads, headers)

    def fetch(
        self, url: str, sink: Sink, limits: Limits, *, policy: Policy, check: Callable[[], None] | None = None
    ) -> Fetched:
        """Fetch ``url`` into ``sink``.

        Args:
            check: called between pieces; what it raises ends the fetch.

        Raises:
            UrlRefused: by the guard; it is in the audit trail.
            TooLarge: more than ``max_bytes``, said or sent.
            DiscordError: an answer that is an error, after the tries.
            TransportError: no whole answer in time. ProxyError: the proxy cannot be used.
        """
        ends = self._clock.monotonic() + limits.total_s
        tries = 0
        while True:
            tries += 1
            sink.restart()
            try:
                return self._follow(url, sink, limits, policy, ends, check or (lambda: None))
            except UrlRefused as refusal:
                audit("url", refusal.reason, account=self._account, host=refusal.host, policy=policy)
                raise
            except (RateLimited, ServerError, TransportError) as error:
                pause = self._pause(error, tries)
                if tries >= TRIES or pause is None or self._clock.monotonic() + pause >= ends:
                    raise
                self._clock.sleep(pause)

    def close(self) -> None:
        """Close idle connections."""
        self._session.close()

    @staticmethod
    def _pause(error: RateLimited | ServerError | TransportError, tries: int) -> float | None:
        if isinstance(error, TransportError):
            # what took too long once will do so again
            return None if error.leg == "slow" or not error.retryable else PAUSE_S * tries
        return min(LONGEST_PAUSE_S, error.retry_after or PAUSE_S * tries)

    def _follow(
        self, url: str, sink: Sink, limits: Limits, policy: Policy, ends: float, check: Callable[[], None]
    ) -> Fetched:
        """One try, redirects included."""
        for _ in range(MAX_REDIRECTS + 1):
            target = self._judge(url, policy)
            answer = self._ask(target, limits, ends)
            try:
                where = answer.headers.get("location", "")
                if answer.status_code in (301, 302, 303, 307, 308) and where:
                    after = urljoin(target.url, where)
                    if target.scheme == "https" and after.lower().startswith("http:"):
                        raise UrlRefused("downgrade", target.host)
                    url = after
                    continue
                return self._take(answer, target, sink, limits, ends, check)
            finally:
                with contextlib.suppress(OSError):
                    answer.close()
        raise UrlRefused("redirects", target.host)

    def _judge(self, url: str, policy: Policy) -> Target:
        """The target of a URL that the policy allows."""
        if policy == "public":
            return check_url(url)
        try:
            local = self._origins.cdn_url(url)
            known = self._origins.is_cdn(local)
        except ConfigError:  # credentials, or no URL at all
            raise UrlRefused("bad-url") from None
        host, port, scheme = Origins.place(local)
        if not known:
            raise UrlRefused("not-discord", shown_host(host))
        if not self._origins.custom:
            check_url(local)
        return Target(local, scheme, host, port)

    def _ask(self, target: Target, limits: Limits, ends: float) -> requests.Response:
        left = ends - self._clock.monotonic()
        if left <= 0:
            raise self._lost("slow", "no time is left", None)
        idle = min(limits.idle_s, left)
        try:
            return self._session.get(
                target.url, timeout=(min(10.0, idle), idle), allow_redirects=False, stream=True
            )
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise self._lost("slow", "no answer in time", error) from None
        except requests.exceptions.InvalidURL:
            raise UrlRefused("bad-url", target.host) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._lost("read", "the connection broke", error) from None

    def _take(
        self,
        answer: requests.Response,
        target: Target,
        sink: Sink,
        limits: Limits,
        ends: float,
        check: Callable[[], None],
    ) -> Fetched:
        """The body of an answer, into the sink."""
        headers = {key.lower(): value for key, value in answer.headers.items()}
        status = answer.status_code
        if status != 200:
            raise error_from(status, headers, self._piece(answer, _ERROR_BODY), "GET file")
        said = headers.get("content-length", "")
        if said.isdecimal() and said.isascii() and (len(said) > 18 or int(said) > limits.max_bytes):
            raise _too_large(limits)
        size = 0
        while data := self._piece(answer, _CHUNK):
            size += len(data)
            if size > limits.max_bytes:
                raise _too_large(limits)
            sink.write(data)
            check()
            if self._clock.monotonic() > ends:
                raise self._lost("slow", "it came too slowly", None)
        if _short(headers, size):
            raise self._lost("read", "the connection broke in the middle", None)
        return Fetched(size, headers.get("content-type", ""), target.url)

    def _piece(self, answer: requests.Response, most: int) -> bytes:
        try:
            data: bytes = answer.raw.read1(most, decode_content=True)
            return data
        except (urllib3.exceptions.TimeoutError, TimeoutError) as error:
            raise self._lost("slow", "it fell silent", error) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._lost("read", "the connection broke", error) from None

    def _dial(self, host: str, port: int, *, tls: bool, timeout: float) -> socket.socket:
        """The session's dialler: judges addresses where names resolve here."""
        host = host.strip("[]")
        addresses: tuple[str, ...] | None = None
        if self._here(host, port) and not self._origins.is_own(host, port):
            addresses = self._resolver(host, port)
            own = self._origins.is_cdn_host(host)
            for address in addresses:
                try:
                    check_address(address, benchmark=own)
                except UrlRefused as refusal:
                    raise UrlRefused(refusal.reason, host) from None
        return self._opener(host, port, tls=tls, timeout=timeout, addresses=addresses)

    @staticmethod
    def _lost(leg: str, what: str, error: Exception | None) -> TransportError:
        row = trouble_for("read")
        cause = f" ({type(error).__name__})" if error else ""
        return TransportError(f"GET file: {what}{cause}.", leg=leg, fix=row.fix if row else "")


def _too_large(limits: Limits) -> TooLarge:
    message = f"The file is larger than {limits.max_bytes} bytes."
    return TooLarge(message, status=0, route="GET file", fix="Raise channels.discord.mediaMaxMb.")


def _short(headers: Mapping[str, str], size: int) -> bool:
    """Less came than was announced (of an answer that was not packed)."""
    said = headers.get("content-length", "")
    return said.isdecimal() and not headers.get("content-encoding") and size < int(said)
