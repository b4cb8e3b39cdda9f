"""What a turn asks Discord about its thread before it begins (``spec/inbound.md`` 5.6, 5.7, rule R22).

Making a thread from a message is safe to repeat: Discord says 160004 where it is there already.
So no journal entry has to come before it, and a turn that dies after it finds the thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import msgspec

from shoal.base.clock import Clock, SystemClock
from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId, ThreadId, starter_of
from shoal.base.logging import get_logger
from shoal.discord.errors import DiscordError, NotFound, RateLimited, RateWait
from shoal.discord.rest import Rest
from shoal.discord.threads import thread_on_message
from workers.access.facts import SenderFacts
from workers.sessions.records import TurnRequest
from workers.sessions.text import message_text
from workers.sessions.wire import Malformed, read_message, user_tag

__all__ = ["DiscordThreads", "Starter", "ThreadRefused", "Threads"]

STARTER_CHARS = 2_000
CACHE_S = 300.0
CACHE_SIZE = 500
READ_WAIT_S = 2.0
OPEN_WAIT_S = 3.0
LONGEST_WAIT_S = 5.0
"""A rate limit that lasts longer is no reason to keep somebody waiting: the channel will do."""

log = get_logger(__name__)


class ThreadRefused(ShoalError):
    """There is no thread on this message, and there will be none."""

    code: ClassVar[str] = "thread-refused"


@dataclass(frozen=True, slots=True)
class Starter:
    """The message a thread began with."""

    text: str
    author: SenderFacts


class Threads(Protocol):
    """What the turn is given; see :class:`DiscordThreads`."""

    def open(self, request: TurnRequest) -> None:
        """Make or find the thread of a request that is answered in one of its own."""
        ...

    def starter(self, request: TurnRequest) -> Starter | None:
        """What the thread of a request began with, if that can be read."""
        ...


class DiscordThreads:
    """Threads by REST, for one process. Thread-safe; starters are remembered for five minutes."""

    def __init__(self, rest: Callable[[str], Rest], clock: Clock | None = None) -> None:
        self._rest = rest
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str, str], tuple[float, Starter | None]] = OrderedDict()

    def open(self, request: TurnRequest) -> None:
        """Make or find the thread.

        Raises:
            ThreadRefused: there can be none.
            RateWait, RateLimited: not now, but within seconds.
            DiscordError, TransportError: it may work later.
        """
        auto = request.auto_thread
        if auto is None:
            return
        rest = self._rest(request.account).limited(max_wait=OPEN_WAIT_S)
        where = request.message_channel_id
        try:
            thread_on_message(
                rest, where, starter_of(auto.thread_id), name=auto.name, archive_minutes=auto.archive_minutes
            )
        except (RateWait, RateLimited) as error:
            if (error.retry_after or 0.0) > LONGEST_WAIT_S:
                raise ThreadRefused("The rate limit of new threads is used up.") from error
            raise
        except DiscordError as error:
            if error.retryable:
                raise
            if not self._exists(rest, where, starter_of(auto.thread_id)):
                raise ThreadRefused(f"No thread can be made: {error}") from error

    def _exists(self, rest: Rest, channel_id: str, message_id: MessageId) -> bool:
        """Whether somebody else has made it: another bot may do what we may not."""
        try:
            return isinstance(rest.get_message(channel_id, message_id).get("thread"), dict)
        except NotFound:
            return False
        except ShoalError as error:
            log.info("the message of a thread could not be looked at", channel=channel_id, error=error)
            return False

    def starter(self, request: TurnRequest) -> Starter | None:
        """The message the thread was made from; of a forum post its first message. None without a word
        where it cannot be read."""
        where = request.channel_id if request.parent_forum else request.parent_id
        if not request.is_thread or where is None or request.message_id == request.channel_id:
            return None
        key = (request.account, where, request.channel_id)
        now = self._clock.monotonic()
        with self._lock:
            known = self._known.get(key)
            if known is not None and now - known[0] < CACHE_S:
                return known[1]
        # a thread is made of the message that has its id
        found = self._read(request.account, where, starter_of(ThreadId(request.channel_id)))
        with self._lock:
            self._known[key] = (now, found)
            self._known.move_to_end(key)
            while len(self._known) > CACHE_SIZE:
                self._known.popitem(last=False)
        return found

    def _read(self, account: str, channel_id: str, message_id: MessageId) -> Starter | None:
        try:
            raw = self._rest(account).limited(max_wait=READ_WAIT_S).get_message(channel_id, message_id)
            return _starter(raw)
        except (ShoalError, Malformed) as error:
            log.info("the start of a thread could not be read", channel=channel_id, error=str(error))
            return None


def _starter(raw: Mapping[str, Any]) -> Starter | None:
    message = read_message(msgspec.json.encode(raw))
    text = message_text(message)
    if not text:
        return None
    author = message.author
    facts = SenderFacts(
        author.id, author.username, user_tag(author), author.bot, message.webhook_id is not None, None
    )
    return Starter(text[:STARTER_CHARS], facts)
