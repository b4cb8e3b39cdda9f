"""The egress guard: with a proxy configured, this process talks to nobody else (rule R34, promise 6).

An audit hook sees every ``connect``, ``sendto`` and name look-up made in Python, whatever library
makes it. What is not allowed raises :class:`EgressRefused` and is recorded. Allowed are the
proxy, Redis, hosts the environment's ``NO_PROXY`` exempts, and what else is named; of this
machine's own addresses all, or (``loopback=False``, as the fleet does it) only those named.

An audit hook cannot be taken back, so a process installs one guard, early, and can only add
to what it allows. Unix sockets are files on this machine and always pass.

Not seen: connections made outside Python (none of our dependencies makes any besides the name
look-ups inside ``getaddrinfo``, which the guard judges by the name).
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from shoal.base.errors import ProcessError, TransportError
from shoal.base.logging import get_logger
from shoal.base.proxy import Proxy

__all__ = ["EgressGuard", "EgressRefused", "Refusal", "install_guard"]

_EVENTS = frozenset(
    {
        "socket.connect",
        "socket.sendto",
        "socket.sendmsg",
        "socket.getaddrinfo",
        "socket.gethostbyname",
        "socket.gethostbyname_ex",
        "socket.gethostbyaddr",
        "socket.getnameinfo",
    }
)
_REVERSE = frozenset({"socket.gethostbyaddr", "socket.getnameinfo"})
_RECORDED = 1_000
"""Lines one process writes into its record: enough to see what happens, and no disk is filled."""
_log = get_logger(__name__)


class EgressRefused(TransportError):
    """Something tried to leave around the proxy. It did not."""

    code = "egress-refused"
    retryable = False

    def __init__(self, what: str, target: str) -> None:
        self.what = what
        self.target = target
        super().__init__(
            f"{what} to {target} was refused: with a proxy configured nothing goes around it.",
            leg="egress",
            fix="Send it through the proxy; NO_PROXY exempts hosts if the proxy is the environment's.",
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that was refused."""

    at: float
    what: str
    target: str
    thread: str


class EgressGuard:
    """What may be reached, and what was refused.

    Attributes:
        refusals: the last 1,000.
        count: all of them.
    """

    def __init__(
        self, *, loopback: bool = True, lookups: bool = False, record: Path | None = None, process: str = ""
    ) -> None:
        """See the class.

        Args:
            loopback: addresses of this machine may be reached, whatever the port.
            lookups: names may be resolved here (``proxyDns: "local"``); connections are judged all the same.
            record: file that gets a JSON line per refusal.
            process: name of this process in those lines.
        """
        self.refusals: deque[Refusal] = deque(maxlen=1_000)
        self.count = 0
        self._loopback = loopback
        self._lookups = lookups
        self._record = record
        self._process = process
        self._names: set[tuple[str, int]] = set()
        self._addresses: set[tuple[str, int]] = set()
        self._exempt: Proxy | None = None
        self._lock = threading.Lock()
        self._own = threading.local()

    def allow(self, host: str, port: int) -> None:
        """Allow a host by name or address, at one port (0 = any)."""
        if not 0 <= port < 65536:
            raise ValueError(f"{port} is no port")
        host = host.strip("[]").lower()
        with self._lock:
            address = _address(host)
            if address is not None:
                self._addresses.add((str(address), port))
                return
            self._names.add((host, port))
            if host == "localhost" or host.endswith(".localhost"):
                self._addresses |= {("127.0.0.1", port), ("::1", port)}

    def allow_no_proxy(self, entries: Iterable[str]) -> None:
        """Allow what ``NO_PROXY`` exempts, in its own notation."""
        before = self._exempt.no_proxy if self._exempt else ()
        self._exempt = Proxy("http", "-", 1, no_proxy=(*before, *entries))

    def install(self) -> None:
        """Watch this process from now on, for ever.

        Raises:
            ProcessError: another guard is installed already.
        """
        global _installed
        if _installed is self:
            return
        if _installed is not None:
            raise ProcessError("This process has an egress guard already.", fix="Add to it with allow().")
        _installed = self
        sys.addaudithook(self._hook)

    # -- judging -----------------------------------------------------------------------------

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event not in _EVENTS or getattr(self._own, "busy", False):
            return
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self._judge_address(event, args)
        else:
            self._judge_name(event, args)

    def _judge_address(self, event: str, args: tuple[Any, ...]) -> None:
        sock, target = args[0], args[-1]
        if sock.family not in (socket.AF_INET, socket.AF_INET6) or not isinstance(target, tuple):
            return  # unix sockets, netlink; sendmsg on a connected socket has no address
        host, port = str(target[0]), int(target[1])
        if not self.permits(host, port):
            self._refuse(event, f"{host}:{port}")

    def _judge_name(self, event: str, args: tuple[Any, ...]) -> None:
        given = args[0][0] if event == "socket.getnameinfo" else args[0]
        if given is None or given == "":
            return
        host = (given.decode("ascii", "replace") if isinstance(given, bytes) else str(given)).lower()
        port = args[1] if event == "socket.getaddrinfo" and isinstance(args[1], int) else 0
        if _address(host) is not None:
            if event in _REVERSE and not self.permits(host, 0):
                self._refuse(event, host)
            return  # otherwise nothing is asked of anybody; connecting is judged on its own
        if host == "localhost":
            return
        if host == socket.gethostname().lower():
            return  # who am I: answered by this machine's own files, asked by loggers and celery
        if self._knows(host):
            self._learn(host, int(port))
        elif not self._lookups:
            self._refuse(event, host)

    def permits(self, host: str, port: int) -> bool:
        """Whether ``host:port`` may be reached; a name only if it was allowed as one."""
        host = host.strip("[]").lower()
        address = _address(host)
        if address is None:
            return self._knows(host, port) or (self._loopback and host == "localhost")
        if self._loopback and address.is_loopback:
            return True
        known, plain = self._addresses, str(address)
        if (plain, port) in known or (plain, 0) in known:
            return True
        return self._exempt is not None and self._exempt.exempts(plain, port)

    def _knows(self, host: str, port: int = 0) -> bool:
        """A name that is allowed at this port; at any port if it is 0 (not told)."""
        names = tuple(self._names)
        if any(name == host and (port == 0 or wanted in (0, port)) for name, wanted in names):
            return True
        return self._exempt is not None and self._exempt.exempts(host, port)

    def _learn(self, host: str, port: int) -> None:
        """Remember the addresses of an allowed name, at the ports it is allowed with."""
        ports = {wanted for name, wanted in self._names if name == host} or {port}
        self._own.busy = True
        try:
            found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
        except OSError:
            found = set()  # the caller's own look-up fails the same way and says so
        finally:
            self._own.busy = False
        with self._lock:
            self._addresses |= {(address, wanted) for address in found for wanted in ports}

    def _refuse(self, event: str, target: str) -> None:
        what = event.removeprefix("socket.")
        refusal = Refusal(time.time(), what, target, threading.current_thread().name)
        self._own.busy = True
        try:
            with self._lock:
                self.count += 1
                self.refusals.append(refusal)
                if self._record is not None and self.count <= _RECORDED:
                    line = {"at": refusal.at, "what": what, "target": target, "thread": refusal.thread}
                    line |= {"process": self._process, "pid": os.getpid()}
                    with self._record.open("ab") as file:
                        file.write(orjson.dumps(line) + b"\n")
            _log.warning("egress refused", what=what, target=target, thread=refusal.thread)
        finally:
            self._own.busy = False
        raise EgressRefused(what, target)


_installed: EgressGuard | None = None


def install_guard(
    proxies: Iterable[Proxy | None],
    services: Iterable[tuple[str, int]] = (),
    *,
    loopback: bool = True,
    lookups: bool = False,
    record: Path | None = None,
    process: str = "",
) -> EgressGuard | None:
    """Install the guard of a process, once all it serves goes through proxies; else None.

    Args:
        proxies: of every account this process serves; one None (an account without a proxy) means no guard.
        services: host and port of Redis and of anything else that may be reached without a proxy.
        loopback, lookups, record, process: of the guard, see :class:`EgressGuard`.
    """
    ways = list(proxies)
    if not ways or any(way is None for way in ways):
        return None
    guard = _installed or EgressGuard(loopback=loopback, lookups=lookups, record=record, process=process)
    for way in ways:
        if way is not None:
            guard.allow(way.host, way.port)
            guard.allow_no_proxy(way.no_proxy)
    for host, port in services:
        guard.allow(host, port)
    guard.install()
    return guard


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
