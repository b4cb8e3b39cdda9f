"""Shows at once that a message was taken in whose turn has to wait (``spec/inbound.md`` 7.4, 7.6).

A turn acknowledges and types when it begins, which is at once where its conversation is idle. Where it is
busy, front does it once, from a thread of its own, after the admission stands: best effort, so what
cannot be sent within a few seconds is left to the turn.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable

from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.base.threads import Surviving
from shoal.state.effects import Effect, Push
from workers.delivery.reactions import ReactionApi
from workers.delivery.typing import TypingApi
from workers.sessions.records import KIND, TurnRequest, decode_turn

__all__ = ["Early", "waiting_turns"]

ROOM = 100
"""Messages that may wait to be shown; with more of them nobody would see a difference."""
LATE_S = 5.0

log = get_logger(__name__)


def waiting_turns(effects: Iterable[Effect]) -> list[TurnRequest]:
    """The turns an admission pushes into conversations that are busy."""
    pushed = (effect.record for effect in effects if isinstance(effect, Push) and effect.record.kind == KIND)
    return [request for record in pushed if (request := decode_turn(record.body)).queued]


class Early:
    """One thread for the whole process; made at first use.

    Args:
        typing, reactions: the account's calls; those for reactions in the background.
        types: whether this message is to be answered by typing at once.
        settled: whether the message has its outcome already: then nothing is shown any more.
    """

    def __init__(
        self,
        typing: Callable[[str], TypingApi],
        reactions: Callable[[str], ReactionApi],
        *,
        types: Callable[[TurnRequest], bool],
        settled: Callable[[TurnRequest], bool],
    ) -> None:
        self._typing, self._reactions = typing, reactions
        self._types, self._settled = types, settled
        self._queue: queue.Queue[tuple[float, TurnRequest]] = queue.Queue(ROOM)
        threading.Thread(target=self._run, name="early", daemon=True).start()

    def offer(self, requests: Iterable[TurnRequest]) -> None:
        """Show these soon, if there is room."""
        for request in requests:
            with contextlib.suppress(queue.Full):
                self._queue.put_nowait((time.monotonic(), request))

    def _run(self) -> None:
        while True:
            offered, request = self._queue.get()
            if time.monotonic() - offered > LATE_S:
                continue
            with Surviving("a waiting message could not be shown", message_id=request.message_id):
                self._try(request)

    def _try(self, request: TurnRequest) -> None:
        try:
            self._show(request)
        except ShoalError as error:
            log.debug("a waiting message was not shown", message_id=request.message_id, code=error.code)

    def _show(self, request: TurnRequest) -> None:
        if self._settled(request):
            return
        if self._types(request):
            with contextlib.suppress(ShoalError):
                self._typing(request.account).trigger_typing(request.channel_id)
        if request.ack:
            reactions = self._reactions(request.account)
            reactions.create_reaction(request.channel_id, request.message_id, request.ack)
