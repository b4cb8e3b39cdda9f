"""The gateway process: one bot account, listened to until SIGTERM.

Start: account lock, stored cursor, handlers, then the socket (handlers exist before the
first event can come). End: the socket closes with a code that keeps the session, what was
read is stored, the lock is released; the next process RESUMEs.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from types import FrameType

import msgspec

from config import Account, Loaded
from gateway.backstop import Backstop
from gateway.buffer import Buffer
from gateway.compression import Compression
from gateway.holder import HOLDER_TTL_MS, RENEW_EVERY_S, AccountHolder
from gateway.intake import Writer, state_of
from gateway.intents import choose_intents
from gateway.lookup import IdentifyGate, Lookup
from gateway.presence import static_presence
from gateway.session import Session, Shard
from gateway.shard import Facilities, ShardRunner
from gateway.socket import MAX_PAYLOAD
from gateway.threads import start_thread
from shoal.base import exits
from shoal.base.errors import ProcessError, ShoalError, StoreUnavailable
from shoal.base.logging import get_logger
from shoal.base.process import host_name
from shoal.base.redact import redactor
from shoal.discord.connect import open_transport
from shoal.discord.limiter import Limiter
from shoal.discord.rest import Rest
from shoal.discord.routes import Route
from shoal.discord.transport import Transport
from shoal.discord.wire import GatewayOp
from shoal.state.embedded import EmbeddedServer
from shoal.state.store import Store

__all__ = ["Gateway", "run"]

log = get_logger(__name__)

SHARD = 0
"""This release listens on one shard; cursor, buffer and writer are per shard already."""
REDIS_PATIENCE_S = 60.0
ANNOUNCE_EVERY_S = 5.0
COMMANDS_EVERY_S = 0.25
FLUSH_S = 8.0
COMMANDS = frozenset(
    {
        GatewayOp.PRESENCE_UPDATE,
        GatewayOp.VOICE_STATE_UPDATE,
        GatewayOp.REQUEST_GUILD_MEMBERS,
        GatewayOp.REQUEST_SOUNDBOARD_SOUNDS,
        GatewayOp.REQUEST_CHANNEL_INFO,
    }
)
"""What workers may ask the gateway to send."""


class _Command(msgspec.Struct):
    op: int
    d: msgspec.Raw


class Gateway:
    """One account's listener, put together. :meth:`run` blocks until :meth:`stop`."""

    def __init__(
        self,
        account: Account,
        store: Store,
        transport: Transport,
        holder: AccountHolder,
        *,
        compression: Compression = "zlib-stream",
    ) -> None:
        self._account = account
        self._store = store
        self._holder = holder
        self._ended = threading.Event()
        self._error: ShoalError | None = None
        settings = account.discord
        rest = Rest(transport)
        cursor = store.intake.cursor(account.id, SHARD)
        if cursor and cursor.session_id:
            redactor.register(cursor.session_id)
        known = store.facts.me(account.id)
        me = str(known["id"]) if known and known.get("id") else account.application_id
        intents = choose_intents(settings)
        self.backstop = Backstop(store, rest, account.id, ephemeral=settings.slash_command.ephemeral)
        self.buffer = Buffer(settings.event_queue.max_queue_size)
        source = account.token_source
        patience = settings.gateway_info_timeout_ms / 1000

        def ask() -> object:
            return rest.call(Route("GET", "/gateway/bot"), timeout=patience).data

        self.shard = ShardRunner(
            Session(
                Shard(account.token, int(intents), SHARD, 1),
                state_of(cursor),
                settings.gateway_ready_timeout_ms / 1000,
                settings.gateway_runtime_ready_timeout_ms / 1000,
            ),
            self.buffer,
            Facilities(
                account=account.id,
                token_source=source,
                intents=intents,
                dialler=transport,
                lookup=Lookup(ask, account.id, source, fallback=account.api_url is None),
                gate=IdentifyGate(store, account.id, SHARD),
                backstop=self.backstop,
                compression=compression,
                proxy=transport.gateway_label,
                presence=static_presence(settings),
                on_fatal=self._fatal,
            ),
            number=SHARD,
            me=me,
        )  # fmt: skip
        self.writer = Writer(
            store, account.id, SHARD, holder, self.buffer, self.shard,
            confirmed=cursor if cursor and cursor.session_id else None,
            me=me,
            concurrency=settings.event_queue.max_concurrency,
            budget_s=settings.event_queue.listener_timeout / 1000,
        )  # fmt: skip
        self.shard.attach(self.writer)

    def stop(self) -> None:
        """End in good order; safe in a signal handler."""
        self._ended.set()

    def _fatal(self, error: ShoalError) -> None:
        if self._error is None:
            self._error = error
        self._ended.set()

    def run(self) -> None:
        """Listen.

        Raises:
            ProcessError: the account cannot go on in this process; says why and what to do.
        """
        self.backstop.start()
        writer = start_thread("writer", self.writer.run, self._fatal)
        reader = start_thread("reader", self.shard.run, self._fatal)
        others = [
            start_thread("upkeep", self._upkeep, self._fatal),
            start_thread("commands", self._commands, self._fatal),
        ]
        self._ended.wait()
        self._leave(writer, reader)
        for thread in others:
            thread.join(2.0)
        if self._error is not None:
            raise self._error

    def _leave(self, writer: threading.Thread, reader: threading.Thread) -> None:
        """Close, store what was read, let go of the account."""
        self.shard.stop()
        self.buffer.close()
        reader.join(5.0)
        writer.join(FLUSH_S)
        if writer.is_alive():
            self.writer.abandon()
            writer.join(7.0)
        self.backstop.stop()
        self._holder.release()
        log.info("gateway left", account=self._account.id, stored=self.writer.stored)

    # -- upkeep ----------------------------------------------------------------------------------

    def _upkeep(self) -> None:
        """Renew the account's lock; say that we live and how we are."""
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
                if time.monotonic() - announced >= ANNOUNCE_EVERY_S:
                    announced = time.monotonic()
                    self.announce()
            except StoreUnavailable as error:
                log.warning("upkeep waits for Redis", account=self._account.id, error=error)
            if self._ended.wait(RENEW_EVERY_S):
                return

    def announce(self) -> None:
        """The heartbeat ``shoal status`` reads."""
        writer = self.writer
        last = round(time.monotonic() - writer.last_event, 1) if writer.last_event else None
        info = {
            "account": self._account.id,
            "shard": SHARD,
            **self.shard.status(),
            "last_event_s": last,
            "stored": writer.stored,
            "skipped": writer.skipped,
            "deferred": self.backstop.sent,
            "redis_away": writer.away_since is not None,
        }
        self._store.processes.announce("gateway", host_name(), os.getpid(), (1, 1), info, 15.0)

    def _commands(self) -> None:
        """Send what workers ask the gateway to send: presence, voice state, member requests."""
        waiting: list[bytes] = []
        pause = COMMANDS_EVERY_S
        while not self._ended.wait(pause):
            pause = COMMANDS_EVERY_S
            if not self.shard.live:
                continue
            if not waiting:
                try:
                    waiting = self._store.intake.commands(self._account.id, 10)
                except StoreUnavailable:
                    pause = 2.0
                    continue
            while waiting:
                wait = self._command(waiting[0])
                if wait:
                    pause = wait
                    break
                waiting.pop(0)

    def _command(self, body: bytes) -> float:
        """0 when a command is done with (sent, or refused with a record), else seconds to wait."""
        try:
            known = msgspec.json.decode(body, type=_Command).op in COMMANDS
        except msgspec.DecodeError:
            known = False
        if not known or len(body) > MAX_PAYLOAD:
            log.error("gateway command refused", account=self._account.id, size=len(body))
            return 0.0
        return self.shard.send_command(body)


def run(loaded: Loaded, account_id: str, *, force: bool = False) -> int:
    """Listen to Discord for one account until SIGTERM or SIGINT; returns 0.

    Args:
        force: take the account from a living gateway.

    Raises:
        ConfigError: there is no such account that can run.
        ProcessError: refused by Discord (exit code 78), or somebody else has the account (75).
        StoreUnavailable, StoreUnsuitable: Redis is away for a minute, or must not be used as it is.
    """
    account = loaded.account(account_id)
    url = loaded.redis_url or EmbeddedServer(loaded.state_dir).url()
    store = Store.open(url, password=loaded.redis.password, client_name="shoal-gateway")
    transport: Transport | None = None
    try:
        _wait_for(store)
        transport = open_transport(account, Limiter(store), threads=4)
        holder = AccountHolder(store, account.id)
        holder.acquire(force=force)
        try:
            gateway = Gateway(account, store, transport, holder)
        except ShoalError:
            holder.release()
            raise
        try:
            _until_told(gateway)
        finally:
            _good_bye(store)
        return 0
    finally:
        if transport is not None:
            transport.close()
        store.close()


def _good_bye(store: Store) -> None:
    try:
        store.processes.leave("gateway", host_name(), os.getpid())
    except StoreUnavailable as error:
        log.warning("could not say good-bye; the entry ends by itself", error=error)


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


def _until_told(gateway: Gateway) -> None:
    """Run with SIGTERM and SIGINT meaning "leave"."""

    def leave(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        gateway.stop()

    if threading.current_thread() is not threading.main_thread():
        gateway.run()
        return
    before = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        gateway.run()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


assert HOLDER_TTL_MS > 2 * RENEW_EVERY_S * 1000, "the lock must outlive a missed renewal"
