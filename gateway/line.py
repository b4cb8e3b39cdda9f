"""One shard of an account: its connection, its buffer, its writer, its back-fill."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from config import Account
from gateway.backfill import Backfill
from gateway.backfill_read import Filled
from gateway.backstop import Backstop
from gateway.buffer import Buffer, Item
from gateway.compression import Compression
from gateway.holder import AccountHolder
from gateway.intake import Writer, state_of
from gateway.intents import choose_intents
from gateway.lookup import IdentifyGate, Lookup
from gateway.presence import static_presence
from gateway.reach import Reach
from gateway.session import Session, Shard
from gateway.shard import Facilities, ShardRunner
from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId
from shoal.base.redact import redactor
from shoal.base.threads import start_thread
from shoal.discord.limiter import Priority
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.state.store import Store

__all__ = ["Around", "Line"]

READ_WAIT_S = 15.0
"""How long a background request may wait for its turn before it is asked again."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the shards of an account share.

    Attributes:
        shards: how many there are.
        role_bindings: some binding of an agent looks at roles.
        on_fatal: ends the process.
        on_filled: told what a back-fill did.
    """

    account: Account
    store: Store
    transport: Transport
    holder: AccountHolder
    lookup: Lookup
    backstop: Backstop
    compression: Compression
    shards: int
    role_bindings: bool
    on_fatal: Callable[[ShoalError], None]
    on_filled: Callable[[Filled], None]


class _Reader:
    """Background reads for the back-fill."""

    def __init__(self, rest: Rest) -> None:
        self._rest = rest.limited(max_wait=READ_WAIT_S, priority=Priority.BACKGROUND)

    def messages(self, channel_id: str, *, limit: int, after: MessageId | None) -> list[dict[str, Any]]:
        return self._rest.get_messages(channel_id, limit=limit, after=after)

    def member(self, guild_id: str, user_id: str) -> dict[str, Any]:
        return self._rest.get_guild_member(guild_id, user_id)


class Line:
    """The parts of one shard, put together; :meth:`start` and :meth:`leave` are its life."""

    def __init__(self, number: int, around: Around) -> None:
        self.number = number
        account, store, settings = around.account, around.store, around.account.discord
        self._around = around
        cursor = store.intake.cursor(account.id, number)
        cursor = cursor if cursor and cursor.session_id else None
        if cursor:
            redactor.register(cursor.session_id)
        known = store.facts.me(account.id)
        me = str(known["id"]) if known and known.get("id") else account.application_id
        intents = choose_intents(settings)
        self.buffer = Buffer(settings.event_queue.max_queue_size)
        self.shard = ShardRunner(
            Session(
                Shard(account.token, int(intents), number, around.shards),
                state_of(cursor),
                settings.gateway_ready_timeout_ms / 1000,
                settings.gateway_runtime_ready_timeout_ms / 1000,
            ),
            self.buffer,
            Facilities(
                account=account.id,
                token_source=account.token_source,
                intents=intents,
                dialler=around.transport,
                lookup=around.lookup,
                gate=IdentifyGate(store, account.id, number),
                backstop=around.backstop,
                compression=around.compression,
                proxy=around.transport.gateway_label,
                presence=static_presence(settings),
                on_fatal=around.on_fatal,
            ),
            number=number,
            me=me,
        )
        self.backfill = Backfill(
            store,
            _Reader(Rest(around.transport)),
            around.holder,
            Reach(settings, role_bindings=around.role_bindings),
            account.id,
            shard=number,
            shards=around.shards,
            me=lambda: self.shard.me,
            on_filled=around.on_filled,
        )
        self.writer = Writer(
            store, account.id, number, around.holder, self.buffer, self.shard,
            confirmed=cursor,
            me=me,
            concurrency=settings.event_queue.max_concurrency,
            budget_s=settings.event_queue.listener_timeout / 1000,
            backfill=self.backfill,
        )  # fmt: skip
        self.shard.attach(self.writer)
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to listen."""
        if self.writer.confirmed is not None:
            # a gateway before us may have left a back-fill open; without a session a READY opens one
            self.buffer.put(Item("", 0, 0, go_on=True))
        fatal = self._around.on_fatal
        self._threads = [
            start_thread(f"writer-{self.number}", self.writer.run, fatal),
            start_thread(f"reader-{self.number}", self.shard.run, fatal),
        ]

    def hang_up(self) -> None:
        """Close with a code that keeps the session; what was read is still being stored."""
        self.shard.stop()
        self.buffer.close()

    def leave(self, flush_s: float) -> None:
        """Wait for what was read to be stored, at most ``flush_s`` seconds and then some."""
        if not self._threads:
            return
        writer, reader = self._threads
        reader.join(5.0)
        writer.join(flush_s)
        if writer.is_alive():
            self.writer.abandon()
            writer.join(7.0)
        self.backfill.stop()

    def pause(self, reason: str | None) -> None:
        """Stop reading the socket for a reason, or (None) go on."""
        self.buffer.pause(reason)

    def status(self) -> dict[str, object]:
        """For ``shoal status``: ids and figures only."""
        return {
            "shard": self.number,
            **self.shard.status(),
            "stored": self.writer.stored,
            "skipped": self.writer.skipped,
            "filling": self.backfill.filling,
            "redis_away": self.writer.away_since is not None,
        }
