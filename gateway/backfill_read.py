"""Reading what one channel missed, for :mod:`gateway.backfill`.

The newest messages behind the last known one are fetched by REST, at background priority, and stored
as live ones are. What passes (the network, Redis) is tried again for ten minutes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from gateway.events import Kept, Malformed, Origin, keep
from gateway.reach import Reach
from shoal.base.errors import InvalidName, ShoalError, StateConflict, StoreUnavailable, TransportError
from shoal.base.ids import MessageId, snowflake_ms
from shoal.base.logging import get_logger
from shoal.base.threads import Surviving
from shoal.discord.errors import DiscordError, NotFound, RateWait
from shoal.state.gaps import Late
from shoal.state.store import Store

__all__ = ["Filled", "GapReader", "Holder", "Job", "Reader", "Source"]

log = get_logger(__name__)

PER_CHANNEL = 50
PAGE = 100
TURN_AGE_MS = 3_600_000
TRY_S = 600.0

Json = dict[str, Any]


class Reader(Protocol):
    """What is needed of :class:`shoal.discord.rest.Rest`, at background priority."""

    def messages(self, channel_id: str, *, limit: int, after: MessageId | None) -> list[Json]:
        """``GET /channels/<id>/messages``."""
        ...

    def member(self, guild_id: str, user_id: str) -> Json:
        """``GET /guilds/<id>/members/<id>``."""
        ...


class Holder(Protocol):
    """The account's lock."""

    token: str


@dataclass(slots=True)
class Filled:
    """What a back-fill did, for the one line to the owner."""

    shard: int = 0
    gap_ms: int | None = None
    fetched: int = 0
    turns: int = 0
    history: int = 0
    known: int = 0
    cut: int = 0
    channels: int = 0
    unreadable: list[str] = field(default_factory=list)
    took_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Job:
    """A channel to read: what came after the message ``after``. ``guild`` is none for DMs."""

    channel: str
    guild: str | None
    after: str


@dataclass(frozen=True, slots=True)
class Source:
    """Where a shard reads from and stores to.

    Attributes:
        me: our own user id, asked when needed.
        pause: waits so many seconds, or until the process leaves.
    """

    store: Store
    reader: Reader
    holder: Holder
    reach: Reach
    account: str
    shard: int
    me: Callable[[], str | None]
    pause: Callable[[float], object]


class GapReader:
    """Reads the channels of one gap, in several threads at once.

    Args:
        wanted: whether it is still worth the while.
    """

    def __init__(self, source: Source, wanted: Callable[[], bool]) -> None:
        self._from = source
        self._wanted = wanted
        self._lock = threading.Lock()
        self._members: dict[tuple[str, str], Json | None] = {}
        self.filled = Filled(shard=source.shard)

    def read(self, job: Job) -> bool:
        """Read and store a channel, trying again while that can help.

        Returns:
            False if it is to be read by whoever has the account next: the process leaves, or lost it.
        """
        with Surviving(
            "back-fill of a channel failed",
            then=lambda: self.filled.unreadable.append(job.channel),  # told; the lane does not stay held
            account=self._from.account,
            channel=job.channel,
        ):
            return self._patiently(job)
        return True

    def _patiently(self, job: Job) -> bool:
        deadline = time.monotonic() + TRY_S
        pause = 0.5
        while self._wanted():
            try:
                self._fill(job)
                return True
            except (TransportError, StoreUnavailable, RateWait, DiscordError) as error:
                if isinstance(error, DiscordError) and not error.retryable:
                    return self._unreadable(job, error)
                if time.monotonic() > deadline:
                    return self._unreadable(job, error)
                pause = min(30.0, max(pause * 2, getattr(error, "retry_after", None) or 0.0))
                log.warning("back-fill waits", account=self._from.account, channel=job.channel, error=error)
            except StateConflict as error:
                log.warning("back-fill ended", account=self._from.account, channel=job.channel, error=error)
                return False  # somebody else has the account and goes on from what is remembered
            self._from.pause(pause)
        return False

    def _unreadable(self, job: Job, error: ShoalError) -> bool:
        log.warning("channel not back-filled", account=self._from.account, channel=job.channel, error=error)
        self.filled.unreadable.append(job.channel)
        return True

    def _fill(self, job: Job) -> None:
        page = self._from.reader.messages(job.channel, limit=PAGE, after=MessageId(job.after))
        missed = _sorted(page, job.after)
        if len(page) >= PAGE:  # there is more: the newest count
            missed = _sorted(
                [*page, *self._from.reader.messages(job.channel, limit=PAGE, after=None)], job.after
            )
        cut, rest = missed[:-PER_CHANNEL], missed[-PER_CHANNEL:]
        for message in cut:
            self._take_in(job, message, cut=True)
        for message in rest:
            self._take_in(job, message, cut=False)
        if missed:
            with self._lock:
                self.filled.channels += 1

    def _take_in(self, job: Job, message: Json, *, cut: bool) -> None:
        now = self._from.store.now_ms()
        history = now - snowflake_ms(str(message["id"])) > TURN_AGE_MS
        message.setdefault("channel_id", job.channel)
        if job.guild is not None:
            message["guild_id"] = job.guild
            self._add_member(job.guild, message)
        origin = Origin(
            self._from.account, self._from.shard, "", 0, self._from.me(), int(time.time() * 1000), history
        )
        try:
            kept = keep("MESSAGE_CREATE", msgspec.Raw(msgspec.json.encode(message)), origin)
            fresh = kept is not None and self._from.store.gaps.take_in(
                self._from.account,
                self._from.shard,
                _late(kept, str(message["id"]), cut),
                token=self._from.holder.token,
            )
        except (Malformed, InvalidName, ValueError) as error:
            log.error("fetched message cannot be read", channel=job.channel, error=error)
            return
        with self._lock:
            filled = self.filled
            if not fresh or kept is None or kept.record is None:
                filled.known += 1
                return
            filled.fetched += 1
            filled.cut += cut
            filled.history += history and not cut
            filled.turns += not history and not cut
        log.info(f"Received: {kept.ids}", account=self._from.account, late=True, history=history, cut=cut)

    def _add_member(self, guild: str, message: Json) -> None:
        """REST messages come without ``member``: ask for it where roles matter, once per author."""
        author = message.get("author")
        user = str(author.get("id")) if isinstance(author, dict) else ""
        if "member" in message or not user or message.get("webhook_id"):
            return
        if not self._from.reach.needs_roles(guild, self._name(guild)):
            return
        key = (guild, user)
        if key not in self._members:
            try:
                self._members[key] = self._from.reader.member(guild, user)
            except NotFound:
                self._members[key] = None  # has left: admission refuses with its own reason
        member = self._members[key]
        if member is not None:
            message["member"] = {name: value for name, value in member.items() if name != "user"}

    def _name(self, guild: str) -> str:
        return str((self._from.store.facts.guild(self._from.account, guild) or {}).get("name") or "")


def _late(kept: Kept, message_id: str, cut: bool) -> Late:
    """As a live message, but abort words do not overtake: their moment has passed."""
    assert kept.dedup is not None
    if cut:
        return Late(kept.dedup, None, None, kept.seen, (message_id, "dropped", "backfill-limit"))
    return Late(kept.dedup, kept.lane, kept.record, kept.seen, kept.outcome)


def _sorted(page: list[Json], after: str) -> list[Json]:
    """Messages behind ``after`` in the order of their ids, each once; what has no id is passed over."""
    known = {
        int(one["id"]): one
        for one in page
        if isinstance(one, dict) and str(one.get("id")).isdigit() and int(one["id"]) > int(after)
    }
    return [known[number] for number in sorted(known)]
