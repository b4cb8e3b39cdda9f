"""The store: one connection pool, one key prefix, and everything that lives in Redis.

Others are given a :class:`Store` and nothing else of Redis. ``check()`` says at start
whether the server may be trusted with state that must not be lost.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, urlsplit

import redis
from pydantic import SecretStr

from shoal.base.errors import StoreUnsuitable
from shoal.base.redact import mask_url, redactor
from shoal.state.blobs import Blobs
from shoal.state.client import SOCKET_TIMEOUT_S, Client, connect, is_local
from shoal.state.controls import ControlRegistry
from shoal.state.facts import Facts
from shoal.state.gaps import Gaps
from shoal.state.homes import Homes
from shoal.state.intake import Intake
from shoal.state.keys import PREFIX, Keys
from shoal.state.lanes import Lanes
from shoal.state.ledger import Ledger
from shoal.state.lookups import Lookups
from shoal.state.media import Media
from shoal.state.pairing import Pairing
from shoal.state.personas import Personas
from shoal.state.processes import Processes
from shoal.state.queues import Hints
from shoal.state.receipts import Receipts
from shoal.state.scripts import Script
from shoal.state.sessions import Sessions
from shoal.state.tallies import Tallies

__all__ = ["MIN_VERSION", "Store", "StoreReport"]

MIN_VERSION = (6, 2)


@dataclass(frozen=True, slots=True)
class StoreReport:
    """What :meth:`Store.check` found. ``warnings`` are sentences for doctor, status and the log."""

    server: str
    version: str
    epoch: str
    aof: bool
    appendfsync: str
    maxmemory: int
    used_memory: int
    warnings: tuple[str, ...]


class Store:
    """A connection and a prefix. Thread-safe; one per process is enough."""

    def __init__(self, client: Client, url: str, *, prefix: str = PREFIX, insecure: bool = False) -> None:
        self.redis: Any = client
        """A ``redis.Redis``, bytes in and out. Any: its stubs leave bytes and str open."""
        self.url = mask_url(url).partition("?")[0]
        self.keys = Keys(prefix)
        self._local = is_local(url)
        tls = parse_qs(urlsplit(url).query).get("tls", ["0"])[-1]
        self._tls = url.startswith("rediss:") or tls in ("1", "true")
        self._insecure = insecure
        self._scripts: dict[str, Script] = {}
        self._lock = Lock()
        self._client = client

    @classmethod
    def open(
        cls,
        url: str,
        *,
        password: SecretStr | None = None,
        client_name: str = "shoal",
        prefix: str = PREFIX,
        insecure: bool = False,
        timeout_s: float = SOCKET_TIMEOUT_S,
        ca_file: str | None = None,
    ) -> Store:
        """A store at a ``redis:``, ``rediss:``, ``unix:`` or ``sentinel:`` URL; connects at first use.

        Args:
            password: used instead of one in the URL.
            insecure: the operator's waiver for a server beyond this machine without TLS (R30).
            ca_file: PEM bundle of the authorities trusted for ``rediss:``; none takes the system's.
            timeout_s: after so many silent seconds a socket is given up and the call is sent again.

        Raises:
            StoreUnsuitable: the URL cannot be used.
        """
        secret = password.get_secret_value() if password else None
        query = parse_qs(urlsplit(url).query)
        for value in (secret, urlsplit(url).password, *query.get("sentinel_password", ())):
            if value:
                redactor.register(value)
        client = connect(url, password=secret, client_name=client_name, timeout_s=timeout_s, ca_file=ca_file)
        return cls(client, url, prefix=prefix, insecure=insecure)

    # -- parts -----------------------------------------------------------------------------------

    @cached_property
    def lanes(self) -> Lanes:
        """The ordered mailboxes."""
        return Lanes(self)

    @cached_property
    def intake(self) -> Intake:
        """The gateway's chain."""
        return Intake(self)

    @cached_property
    def gaps(self) -> Gaps:
        """What was missed between two sessions of the gateway."""
        return Gaps(self)

    @cached_property
    def facts(self) -> Facts:
        """Guilds, channels, roles, ourselves."""
        return Facts(self)

    @cached_property
    def lookups(self) -> Lookups:
        """What was looked up about held messages."""
        return Lookups(self)

    @cached_property
    def ledger(self) -> Ledger:
        """Outcomes."""
        return Ledger(self)

    @cached_property
    def personas(self) -> Personas:
        """Agents that speak under a name of their own, and the webhooks they use."""
        return Personas(self)

    @cached_property
    def pairing(self) -> Pairing:
        """Strangers who wait, and those who were let in."""
        return Pairing(self)

    @cached_property
    def sessions(self) -> Sessions:
        """Session records and transcripts."""
        return Sessions(self)

    @cached_property
    def tallies(self) -> Tallies:
        """What was counted."""
        return Tallies(self)

    @cached_property
    def receipts(self) -> Receipts:
        """What reached Discord."""
        return Receipts(self)

    @cached_property
    def controls(self) -> ControlRegistry:
        """Buttons, selects and forms that can be clicked."""
        return ControlRegistry(self)

    @cached_property
    def blobs(self) -> Blobs:
        """Large bodies."""
        return Blobs(self)

    @cached_property
    def media(self) -> Media:
        """What became of the files people sent."""
        return Media(self)

    @cached_property
    def processes(self) -> Processes:
        """Heartbeats."""
        return Processes(self)

    @cached_property
    def homes(self) -> Homes:
        """Which host an agent's files lie on."""
        return Homes(self)

    @cached_property
    def hints(self) -> Hints:
        """Celery message templates."""
        return Hints(self)

    def script(self, name: str) -> Script:
        """The script ``lua/<name>.lua``, bound to this store.

        Raises:
            FileNotFoundError: there is no such script.
        """
        with self._lock:
            script = self._scripts.get(name)
            if script is None:
                script = self._scripts[name] = Script(self._client, name, self.keys.prefix)
        return script

    def epoch(self) -> str:
        """Random id of this store's history, made at first use (R2); changes when it cannot be trusted."""
        key = self.keys.epoch()
        raw: bytes | None = self.redis.get(key)
        if raw is None:
            self.redis.set(key, secrets.token_hex(16), nx=True)
            raw = self.redis.get(key)
        return (raw or b"").decode()

    def now_ms(self) -> int:
        """Redis' clock, Unix ms."""
        seconds, micros = self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000

    def memory_share(self) -> float:
        """Used part of the memory Redis may use, 0 to 1; 0 where it has no bound (R27: prune at 0.8)."""
        info: dict[str, Any] = self.redis.info("memory")
        most = int(info.get("maxmemory") or 0)
        return int(info.get("used_memory") or 0) / most if most else 0.0

    # -- fit for use? ----------------------------------------------------------------------------

    def check(self) -> StoreReport:
        """Ask the server whether it may hold our state; makes the epoch at first start.

        Raises:
            StoreUnavailable: no answer.
            StoreUnsuitable: too old, evicting, a cluster, no password or no TLS beyond this machine, scripts
                forbidden.
        """
        info: dict[str, Any] = self.redis.info()
        version = str(info.get("valkey_version") or info.get("redis_version") or "0")
        server = "valkey" if "valkey_version" in info else "redis"
        compatible = str(info.get("redis_version") or version)
        if _version(compatible) < MIN_VERSION:
            raise StoreUnsuitable(f"Redis {compatible} is too old.", fix="Use Redis or Valkey 6.2 or later.")
        if int(info.get("cluster_enabled") or 0):
            raise StoreUnsuitable("Redis Cluster cannot be used.", fix="Use one server, or Sentinel.")
        policy = str(info.get("maxmemory_policy") or "")
        if policy and policy != "noeviction":
            raise StoreUnsuitable(
                f"This Redis throws data away when memory is short (maxmemory-policy {policy}).",
                fix="Set maxmemory-policy noeviction, or give Shoal a server of its own.",
            )
        self._check_guarded()
        self._check_script()
        return self._report(info, server, version)

    def _check_guarded(self) -> None:
        """Beyond this machine: TLS (or the waiver) and a password, always (R30)."""
        if self._local:
            return
        if not self._tls and not self._insecure:
            raise StoreUnsuitable(
                f"{self.url} is on another machine and without TLS.",
                fix="Use rediss:// (TLS), or run Redis on this machine.",
            )
        pool = self.redis.connection_pool
        if not pool.connection_kwargs.get("password"):
            raise StoreUnsuitable(
                f"{self.url} is on another machine and has no password.", fix="Set requirepass."
            )

    def _check_script(self) -> None:
        try:
            answer = self.script("probe")()
        except redis.exceptions.ResponseError as error:
            raise StoreUnsuitable(
                f"Redis runs no scripts for this user ({error}).", fix="Allow EVAL, EVALSHA and SCRIPT LOAD."
            ) from None
        if answer[0] != b"ok":
            raise StoreUnsuitable(f"The script probe answered {answer!r}.")

    def _report(self, info: dict[str, Any], server: str, version: str) -> StoreReport:
        warnings: list[str] = []
        aof = bool(int(info.get("aof_enabled") or 0))
        fsync = self._setting("appendfsync")
        if not aof:
            warnings.append("Redis keeps no append-only file: a crash of the server loses what is in flight.")
        elif fsync not in ("always", "unknown"):
            warnings.append(f"appendfsync is {fsync}: up to 2 s may be lost when the server is killed.")
        if int(info.get("connected_slaves") or 0) and self._setting("min-replicas-to-write") == "0":
            warnings.append("min-replicas-to-write is 0: a fail-over may lose the newest writes.")
        used, most = int(info.get("used_memory") or 0), int(info.get("maxmemory") or 0)
        if most and used > most * 0.8:
            warnings.append(f"Redis uses {used * 100 // most} % of its memory.")
        return StoreReport(server, version, self.epoch(), aof, fsync, most, used, tuple(warnings))

    def _setting(self, name: str) -> str:
        try:
            found: dict[Any, Any] = self.redis.config_get(name)
        except redis.exceptions.ResponseError:
            return "unknown"  # hosted servers forbid CONFIG
        values = [value.decode() if isinstance(value, bytes) else str(value) for value in found.values()]
        return values[0] if values else "unknown"

    def close(self) -> None:
        """Close every connection."""
        self.redis.close()
        self.redis.connection_pool.disconnect()


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
