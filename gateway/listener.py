"""The gateway process: one bot account, listened to on all its shards until SIGTERM.

Start: account lock, stored cursors, handlers, then the sockets (handlers exist before the
first event can come). End: the sockets close with a code that keeps their sessions, what was
read is stored, the lock is released; the next process RESUMEs. A standby waits for the lock
and goes on where the holder died.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType

from config import Account, Loaded
from gateway.backfill_read import Filled
from gateway.backstop import Backstop
from gateway.buffer import Buffer
from gateway.closing import GatewayStopped
from gateway.commands import Commands
from gateway.compression import Compression
from gateway.holder import HOLDER_TTL_MS, RENEW_EVERY_S, AccountHolder
from gateway.intake import Writer
from gateway.line import Around, Line
from gateway.lookup import Lookup
from gateway.notice import tell_owner
from gateway.shard import ShardRunner
from gateway.sharding import choose_shards, forget_shards, settle_shards
from gateway.standby import ANNOUNCE_EVERY_S, ANNOUNCE_TTL_S, good_bye, stand_by
from shoal.base import exits
from shoal.base.errors import ProcessError, ShoalError, StoreUnavailable
from shoal.base.logging import get_logger
from shoal.base.process import host_name
from shoal.base.threads import start_thread
from shoal.discord.connect import open_transport
from shoal.discord.interactions import InteractionCalls
from shoal.discord.limiter import Limiter
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.discord.users import user_ids
from shoal.discord.wire import GatewayClose
from shoal.state.embedded import EmbeddedServer
from shoal.state.records import READS
from shoal.state.store import Store

__all__ = ["Gateway", "Personal", "run"]

log = get_logger(__name__)

REDIS_PATIENCE_S = 60.0
FLUSH_S = 8.0
STOP_READING = 0.90
READ_AGAIN = 0.85
LOOKUP_KEPT_S = 5.0


@dataclass(frozen=True, slots=True)
class Personal:
    """What the file says beyond the account: whom to tell, in which language, whether roles route, and what
    this machine is called.
    """

    owners: tuple[str, ...] = ()
    language: str = "en"
    role_bindings: bool = False
    host: str = field(default_factory=host_name)

    @classmethod
    def of(cls, loaded: Loaded) -> Personal:
        """Owners are the ids of ``commands.ownerAllowFrom``; names and wildcards are nobody's DM."""
        root = loaded.root
        return cls(
            owners=user_ids(root.commands.owner_allow_from or ()),
            language=root.messages.language,
            role_bindings=any(binding.match.roles for binding in root.bindings),
            host=loaded.host,
        )


class Gateway:
    """One account's listener, put together. :meth:`run` blocks until :meth:`stop`.

    Args:
        shards: how many connections share the account's guilds.
        ended: set by somebody else (a signal handler) to stop; one of its own otherwise.
    """

    def __init__(
        self,
        account: Account,
        store: Store,
        transport: Transport,
        holder: AccountHolder,
        *,
        compression: Compression = "zlib-stream",
        shards: int = 1,
        personal: Personal | None = None,
        ended: threading.Event | None = None,
    ) -> None:
        self._account = account
        self._store = store
        self._holder = holder
        self._ended = ended or threading.Event()
        self._error: ShoalError | None = None
        self._personal = personal or Personal()
        settings = account.discord
        rest = self._rest = Rest(transport)
        self.backstop = Backstop(
            store,
            InteractionCalls(rest),
            account.id,
            ephemeral=settings.slash_command.ephemeral,
            on_fatal=self._fatal,
        )
        settle_shards(store, account.id, shards, token=holder.token)
        self._lookup = make_lookup(account, rest, keep_s=LOOKUP_KEPT_S if shards > 1 else 0.0)
        around = Around(
            account=account,
            store=store,
            transport=transport,
            holder=holder,
            lookup=self._lookup,
            backstop=self.backstop,
            compression=compression,
            shards=shards,
            role_bindings=self._personal.role_bindings,
            on_fatal=self._fatal,
            on_filled=self._filled,
        )
        self.lines = [Line(number, around) for number in range(shards)]

    @property
    def shard(self) -> ShardRunner:
        """The connection of shard 0, which has the DMs."""
        return self.lines[0].shard

    @property
    def writer(self) -> Writer:
        """The writer of shard 0."""
        return self.lines[0].writer

    @property
    def buffer(self) -> Buffer:
        """The read-ahead of shard 0."""
        return self.lines[0].buffer

    def stop(self) -> None:
        """End in good order; safe in a signal handler."""
        self._ended.set()

    def _fatal(self, error: ShoalError) -> None:
        if self._error is None:
            self._error = error
        self._ended.set()

    def _filled(self, filled: Filled) -> None:
        personal = self._personal
        tell_owner(
            self._store,
            self._account.id,
            filled,
            personal.owners,
            personal.language,
            open_dm=lambda owner: str(self._rest.limited(max_wait=5.0).create_dm(owner)["id"]),
        )

    def run(self) -> None:
        """Listen.

        Raises:
            ProcessError: the account cannot go on in this process; says why and what to do.
        """
        self.backstop.start()
        for line in self.lines:
            line.start()
        senders = [line.shard for line in self.lines]
        commands = Commands(self._store, self._account.id, senders, self._ended)
        others = [
            start_thread("upkeep", self._upkeep, self._fatal),
            start_thread("commands", commands.run, self._fatal),
        ]
        self._ended.wait()
        self._leave()
        for thread in others:
            thread.join(2.0)
        if self._error is not None:
            raise self._too_few(self._error)

    def _too_few(self, error: ShoalError) -> ShoalError:
        """4011 is cured by a new start if Discord recommends more shards than we have."""
        sharding = isinstance(error, GatewayStopped) and error.close_code == GatewayClose.SHARDING_REQUIRED
        if not sharding or self._account.discord.shards is not None:
            return error
        if self._lookup.recommended <= len(self.lines):
            return error
        forget_shards(self._store, self._account.id)
        return ProcessError(
            f"Account {self._account.id} needs more shards than {len(self.lines)}.",
            fix=f"Nothing to do: the next start uses {self._lookup.recommended}, as Discord recommends.",
            exit_code=exits.UNAVAILABLE,
        )

    def _leave(self) -> None:
        """Close, store what was read, let go of the account."""
        for line in self.lines:
            line.pause(None)
            line.hang_up()
        deadline = time.monotonic() + FLUSH_S
        for line in self.lines:
            line.leave(max(0.5, deadline - time.monotonic()))
        self.backstop.stop()
        self._holder.release()
        log.info(
            "gateway left", account=self._account.id, stored=sum(line.writer.stored for line in self.lines)
        )

    # -- upkeep ----------------------------------------------------------------------------------

    def _upkeep(self) -> None:
        """Renew the account's lock, say that we live and how we are, mind the memory and old gaps."""
        announced = -ANNOUNCE_EVERY_S
        while True:
            try:
                if not self._holder.reacquire():
                    self._fatal(
                        ProcessError(
                            f"Another gateway has taken account {self._account.id}.",
                            fix="Run one gateway for each account, or take it back with --force.",
                            exit_code=exits.BUSY,
                        )
                    )
                    return
                self.mind_memory(self._store.memory_share())
                for line in self.lines:
                    line.backfill.tick()
                if time.monotonic() - announced >= ANNOUNCE_EVERY_S:
                    announced = time.monotonic()
                    self.announce()
            except StoreUnavailable as error:
                log.warning("upkeep waits for Redis", account=self._account.id, error=error)
            if self._ended.wait(RENEW_EVERY_S):
                return

    def mind_memory(self, share: float) -> None:
        """Stop reading while Redis is nearly full: Discord holds the events, RESUME brings them (R27)."""
        paused = self.lines[0].buffer.paused is not None
        if share >= STOP_READING and not paused:
            why = f"Redis uses {share * 100:.0f} % of its memory"
            log.error(f"{why}; events wait at Discord until it is below {READ_AGAIN * 100:.0f} %",
                      account=self._account.id)  # fmt: skip
            for line in self.lines:
                line.pause(why)
        elif paused and share < READ_AGAIN:
            log.warning("Redis has room again; reading goes on", account=self._account.id)
            for line in self.lines:
                line.pause(None)

    def announce(self) -> None:
        """The heartbeat ``shoal status`` reads."""
        newest = max(line.writer.last_event for line in self.lines)
        status = [line.status() for line in self.lines]
        info = {
            "account": self._account.id,
            **status[0],
            "shards": len(self.lines),
            "connected": all(line.shard.live for line in self.lines),
            "last_event_s": round(time.monotonic() - newest, 1) if newest else None,
            "stored": sum(line.writer.stored for line in self.lines),
            "skipped": sum(line.writer.skipped for line in self.lines),
            "deferred": self.backstop.sent,
            "redis_away": any(one["redis_away"] for one in status),
            "paused": self.lines[0].buffer.paused,
            "starts_left": self._lookup.starts_left,
        }
        if len(status) > 1:
            info["lines"] = status
        self._store.processes.announce(
            "gateway", self._personal.host, os.getpid(), READS, info, ANNOUNCE_TTL_S
        )


def make_lookup(account: Account, rest: Rest, *, keep_s: float = 0.0) -> Lookup:
    """Who asks ``/gateway/bot`` for an account."""
    patience = account.discord.gateway_info_timeout_ms / 1000

    def ask() -> object:
        return rest.get_gateway_bot(timeout=patience)

    return Lookup(ask, account.id, account.token_source, fallback=account.api_url is None, keep_s=keep_s)


def run(loaded: Loaded, account_id: str, *, force: bool = False, standby: bool = False) -> int:
    """Listen to Discord for one account until SIGTERM or SIGINT; returns 0.

    Args:
        force: take the account from a living gateway, which then leaves.
        standby: wait for the account as long as somebody else has it.

    Raises:
        ConfigError: there is no such account that can run.
        ProcessError: refused by Discord (exit code 78), or somebody else has the account (75).
        StoreUnavailable, StoreUnsuitable: Redis is away for a minute, or must not be used as it is.
    """
    account = loaded.account(account_id)
    url = loaded.redis_url or EmbeddedServer(loaded.state_dir).url()
    redis = loaded.redis
    store = Store.open(url, password=redis.password, client_name="shoal-gateway", ca_file=redis.ca_file)
    transport: Transport | None = None
    try:
        _wait_for(store)
        transport = open_transport(account, Limiter(store), threads=8)
        with _until_told() as ended:
            _listen(account, Personal.of(loaded), store, transport, ended, force=force, standby=standby)
        return 0
    finally:
        if transport is not None:
            transport.close()
        store.close()


def _listen(
    account: Account,
    personal: Personal,
    store: Store,
    transport: Transport,
    ended: threading.Event,
    *,
    force: bool,
    standby: bool,
) -> None:
    holder = AccountHolder(store, account.id)
    try:
        if standby and not force:
            if not stand_by(store, holder, account.id, personal.host, ended):
                return
        else:
            holder.acquire(force=force)
        try:
            lookup = make_lookup(account, Rest(transport))
            shards = choose_shards(account.discord.shards, store, account.id, lookup)
            gateway = Gateway(
                account, store, transport, holder, shards=shards, personal=personal, ended=ended
            )
        except ShoalError:
            holder.release()
            raise
        gateway.run()
    finally:
        good_bye(store, "gateway", personal.host)


def _wait_for(store: Store) -> None:
    """Redis may start beside us."""
    deadline = time.monotonic() + REDIS_PATIENCE_S
    while True:
        try:
            for warning in store.check().warnings:
                log.warning(warning)
            return
        except StoreUnavailable as error:
            if time.monotonic() >= deadline:
                raise
            log.warning("waiting for Redis", error=error)
            time.sleep(0.5)


@contextlib.contextmanager
def _until_told() -> Iterator[threading.Event]:
    """An event that SIGTERM and SIGINT set: they mean "leave"."""
    ended = threading.Event()

    def leave(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        ended.set()

    if threading.current_thread() is not threading.main_thread():
        yield ended
        return
    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield ended
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


assert HOLDER_TTL_MS > 2 * RENEW_EVERY_S * 1000, "the lock must outlive a missed renewal"
