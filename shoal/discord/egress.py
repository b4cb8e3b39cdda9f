"""The egress guard: with a proxy configured, this process talks to nobody else (rule R34, promise 6).

An audit hook sees every ``connect``, ``sendto`` and name look-up made in Python, whatever library
makes it. What is not allowed raises :class:`EgressRefused` and is recorded. Allowed are the
proxy, Redis, hosts the environment's ``NO_PROXY`` exempts, and loopback.

An audit hook cannot be taken back, so a process installs one guard, early, and can only add
to what it allows. Unix sockets are files on this machine and always pass.

Not seen: connections made outside Python (none of our dependencies makes any besides the name
look-ups inside ``getaddrinfo``, which the guard judges by the name).
"""

from __future__ import annotations

import ipaddress
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

__all__ = ["EgressGuard", "EgressRefused", "Refusal", "installed_guard"]

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
_log = get_logger(__name__)


class EgressRefused(TransportError):
    """Something tried to leave around the proxy. It did not."""

    code = "egress-refused"
    retryable = False

    def __init__(self, what: str, target: str) -> None:
        self.what = what
        self.target = target
        super().__init__(
            f"{what} to {target} was refused: with a proxy configured nothing may go around it.",
            leg="egress",
            fix="Send it through the proxy, or exempt the host with NO_PROXY where the proxy is set by environment.",
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

    def __init__(self, *, loopback: bool = True, record: Path | None = None) -> None:
        """See the class.

        Args:
            loopback: addresses of this machine may be reached, whatever the port.
            record: file that gets a JSON line per refusal.
        """
        self.refusals: deque[Refusal] = deque(maxlen=1_000)
        self.count = 0
        self._loopback = loopback
        self._record = record
        self._names: set[tuple[str, int]] = set()
        self._addresses: set[tuple[str, int]] = set()
        self._exempt: Proxy | None = None
        self._lock = threading.Lock()
        self._own = threading.local()

    def allow(self, host: str, port: int) -> None:
        """Allow a host by name or address, at one port (0 = any)."""
        host = host.strip("[]").lower()
        with self._lock:
            if _address(host) is not None:
                self._addresses.add((host, port))
            else:
                self._names.add((host, port))

    def allow_no_proxy(self, entries: Iterable[str]) -> None:
        """Allow what ``NO_PROXY`` exempts, in its own notation."""
        self._exempt = Proxy("http", "-", 1, no_proxy=tuple(entries))

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
        if _address(host) is not None or host == "localhost":
            return  # nothing is asked of anybody; connecting is judged on its own
        if host == socket.gethostname().lower():
            return  # who am I: answered by this machine's own files, asked by loggers and celery
        if self._knows(host):
            self._learn(host, int(port))
        else:
            self._refuse(event, host)

    def permits(self, host: str, port: int) -> bool:
        """Whether ``host:port`` may be reached; a name only if it was allowed as one."""
        host = host.strip("[]").lower()
        address = _address(host)
        if address is None:
            return self._knows(host, port) or (self._loopback and host == "localhost")
        if self._loopback and address.is_loopback:
            return True
        known = self._addresses
        if (host, port) in known or (host, 0) in known:
            return True
        return self._exempt is not None and self._exempt.exempts(host, port)

    def _knows(self, host: str, port: int = 0) -> bool:
        if any(
            (name == host and port in (0, wanted)) or (name, wanted) == (host, 0)
            for name, wanted in self._names
        ):
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
                if self._record is not None:
                    line = {"at": refusal.at, "what": what, "target": target, "thread": refusal.thread}
                    with self._record.open("ab") as file:
                        file.write(orjson.dumps(line) + b"\n")
            _log.warning("egress refused", what=what, target=target, thread=refusal.thread)
        finally:
            self._own.busy = False
        raise EgressRefused(what, target)


_installed: EgressGuard | None = None


def installed_guard() -> EgressGuard | None:
    """The guard of this process, if there is one."""
    return _installed


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host.split("%", 1)[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found
