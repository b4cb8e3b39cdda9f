"""Shows at once that a message was taken in whose turn has to wait (``spec/inbound.md`` 7.4, 7.6).

A turn acknowledges and types when it begins, which is at once where its conversation is idle. Where it is
busy, front does it once, from a thread of its own, after the admission stands: best effort, so what
cannot be sent within a few seconds is left to the turn. Where a turn ended while the reaction was on its
way, its acknowledgement was removed before it was there; then it is taken away again here. A process that
was frozen before it sent finds out that it is too late.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.base.stamp import before_sending
from shoal.base.threads import Surviving
from shoal.state.effects import Effect, Push
from workers.delivery.reactions import ReactionApi
from workers.delivery.typing import TypingApi
from workers.sessions.records import KIND, TurnRequest, decode_turn

__all__ = ["Early", "Waiting", "waiting_turns"]

ROOM = 100
"""Messages that may wait to be shown; with more of them nobody would see a difference."""
LATE_S = 5.0

log = get_logger(__name__)


class Waiting(NamedTuple):
    """A turn that waits, and where: ``identity`` is that of its record in ``lane``."""

    request: TurnRequest
    lane: str
    identity: str


def waiting_turns(effects: Iterable[Effect]) -> list[Waiting]:
    """The turns an admission pushes into conversations that are busy."""
    pushed = (effect for effect in effects if isinstance(effect, Push) and effect.record.kind == KIND)
    found = (Waiting(decode_turn(push.record.body), push.lane, push.record.identity) for push in pushed)
    return [waiting for waiting in found if waiting.request.queued]


class TooLate(ShoalError):
    """The message has its outcome."""

    code = "too-late"


class Early:
    """One thread for the whole process; made at first use.

    Args:
        typing, reactions: the account's calls; those for reactions in the background.
        types: whether this message is to be answered by typing at once.
        settled: whether the message has its outcome already: then nothing is shown any more.
        removed: whether its turn is over, and acknowledgements of such turns are taken away.
    """

    def __init__(
        self,
        typing: Callable[[str], TypingApi],
        reactions: Callable[[str], ReactionApi],
        *,
        types: Callable[[TurnRequest], bool],
        settled: Callable[[TurnRequest], bool],
        removed: Callable[[Waiting], bool],
    ) -> None:
        self._typing, self._reactions = typing, reactions
        self._types, self._settled, self._removed = types, settled, removed
        self._queue: queue.Queue[tuple[float, Waiting]] = queue.Queue(ROOM)
        threading.Thread(target=self._run, name="early", daemon=True).start()

    def offer(self, turns: Iterable[Waiting]) -> None:
        """Show these soon, if there is room."""
        for waiting in turns:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait((time.monotonic(), waiting))

    def _run(self) -> None:
        while True:
            offered, waiting = self._queue.get()
            if time.monotonic() - offered > LATE_S:
                continue
            message_id = waiting.request.message_id
            with Surviving("a waiting message could not be shown", message_id=message_id):
                self._try(waiting)

    def _try(self, waiting: Waiting) -> None:
        try:
            self._show(waiting)
        except ShoalError as error:
            message_id = waiting.request.message_id
            log.debug("a waiting message was not shown", message_id=message_id, code=error.code)

    def _show(self, waiting: Waiting) -> None:
        request = waiting.request
        if self._settled(request):
            return
        if self._types(request):
            with contextlib.suppress(ShoalError):
                self._typing(request.account).trigger_typing(request.channel_id)
        if request.ack:
            reactions = self._reactions(request.account)
            place = (request.channel_id, MessageId(request.message_id), request.ack)
            with before_sending(lambda: self._check(request)):
                reactions.create_reaction(*place)
            if self._removed(waiting):
                reactions.delete_own_reaction(*place)

    def _check(self, request: TurnRequest) -> None:
        if self._settled(request):
            raise TooLate(f"Message {request.message_id} was settled while this waited to be sent.")
