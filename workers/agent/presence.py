"""What people see of a turn while it runs: typing, acknowledgement, state (``spec/inbound.md`` 7.4 to 7.6).

The loop says what happens; here it becomes requests on threads of their own, so that the turn never
waits for Discord. All of it belongs to the grant: a turn that lost its lane shows nothing more. What must
be right in the end (no state left on the message, the acknowledgement removed after a delivered reply)
goes into the turn's commit, as records of the message's reaction lane.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from shoal.base.ids import MessageId
from shoal.state.effects import Effect
from workers.agent.context import TurnContext
from workers.agent.sanitize import held_back
from workers.agent.shown import ShownSettings, typing_mode
from workers.delivery.reactions import Mark, ReactionApi, State, TurnReactions, tool_state
from workers.delivery.settling import Settle, settle_push
from workers.delivery.typing import Typing, TypingApi
from workers.sessions.records import TurnRequest

__all__ = ["Ended", "Presence", "Presences", "left_behind"]

FLIGHT_S = 0.3
"""How long the end of a turn waits for a reaction that is on its way to Discord; then its end is put off."""
IN_FLIGHT_MS = 15_000
"""If it is still on its way: by then it has arrived or never will."""
AFTER_SPEAKING_S = 3.0
"""A turn that goes on after it has said something types again only if it takes longer than this."""
PARKED_S = 900.0
SILENT_PREFIX = 12
"""Characters of an answer that are looked at: a longer one is no beginning of a silent token."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a turn ended, as far as people see it.

    Attributes:
        state: what is shown last; ``None`` for a stop.
        talked: something was delivered with the message tool.
        send: identity of the answer that is on its way, or empty.
        acked: every message of the turn that may carry an acknowledgement.
        at_ms: now, Unix ms.
    """

    state: State | None = None
    talked: bool = False
    send: str = ""
    acked: tuple[TurnRequest, ...] = ()
    at_ms: int = 0


class Presences:
    """Makes the presence of each turn of a process, and remembers the reactions of those that parked.

    Args:
        typing: the account's calls for typing.
        reactions: the account's calls for reactions, in the background and without patience.
    """

    def __init__(self, typing: Callable[[str], TypingApi], reactions: Callable[[str], ReactionApi]) -> None:
        self._typing = typing
        self._reactions = reactions
        self._lock = threading.Lock()
        self._parked: OrderedDict[str, tuple[float, TurnReactions]] = OrderedDict()

    def open(
        self,
        cause: str,
        request: TurnRequest,
        shown: ShownSettings,
        context: TurnContext,
        *,
        resumed: bool = False,
        spoken: bool = False,
        quiet: bool = False,
    ) -> Presence:
        """The presence of a turn under one grant.

        Args:
            cause: identity of the turn's head.
            resumed: some of the turn was done under an earlier grant.
            spoken: it has said something already.
            quiet: nothing of it will be delivered, so it does not type.
        """
        typing = None
        mode = "never" if quiet else typing_mode(request, shown.typing_mode)
        if mode != "never":
            typing = Typing(
                self._typing(request.account),
                request.channel_id,
                mode,
                interval_s=shown.typing_interval_s,
                delay_s=AFTER_SPEAKING_S if spoken else 0.0,
                alive=context.alive,
            )
        known = self._take(cause)
        reactions = known or self._new(request, shown, context, resumed=resumed)
        if known is not None:
            known.reopen(context.alive)
        # a state that an earlier worker left there is looked for; the acknowledgement was put before it
        acked = known is not None or (resumed and shown.status is not None)
        return Presence(self, cause, request, shown, typing, reactions, acked=acked)

    def park(self, cause: str, reactions: TurnReactions) -> None:
        """The turn goes on later, perhaps here: what is on its message need not be asked then."""
        with self._lock:
            self._parked[cause] = (time.monotonic(), reactions)
            while self._parked and time.monotonic() - next(iter(self._parked.values()))[0] > PARKED_S:
                self._parked.popitem(last=False)

    def _take(self, cause: str) -> TurnReactions | None:
        with self._lock:
            found = self._parked.pop(cause, None)
        return found[1] if found is not None and time.monotonic() - found[0] <= PARKED_S else None

    def _new(
        self, request: TurnRequest, shown: ShownSettings, context: TurnContext, *, resumed: bool
    ) -> TurnReactions | None:
        if not request.ack:
            return None
        return TurnReactions(
            self._reactions(request.account),
            Mark(request.message_channel_id, MessageId(request.message_id), _first_emoji(request, shown)),
            status=shown.status,
            alive=context.alive,
            known=not resumed,
        )


class Presence:
    """What is shown of one turn under one grant; a context manager that ends the typing."""

    def __init__(
        self,
        owner: Presences | None,
        cause: str,
        request: TurnRequest,
        shown: ShownSettings,
        typing: Typing | None,
        reactions: TurnReactions | None,
        *,
        acked: bool = False,
    ) -> None:
        """Made by :meth:`Presences.open`. ``acked``: the first message carries its acknowledgement."""
        self._owner = owner
        self._cause = cause
        self._request = request
        self._shown = shown
        self._typing = typing
        self._reactions = reactions
        self._acked = acked
        self._said = ""
        self._closed = False

    @classmethod
    def none(cls, request: TurnRequest) -> Presence:
        """A presence that shows nothing, where there is no Discord to show it on."""
        return cls(None, "", request, ShownSettings(), None, None)

    def __enter__(self) -> Self:
        if self._reactions is not None and not self._acked:
            emoji = _first_emoji(self._request, self._shown)
            self._reactions.ack(
                Mark(self._request.message_channel_id, MessageId(self._request.message_id), emoji)
            )
        if self._typing is not None:
            self._typing.cue("accepted")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._typing is not None:
            self._typing.seal()
        if self._reactions is not None and not self._closed:
            self._reactions.close()

    # -- what happens in the turn ------------------------------------------------------------------

    def took_in(self, requests: Iterable[TurnRequest]) -> None:
        """Messages that came in meanwhile belong to the turn now."""
        if self._reactions is None:
            return
        for request in requests:
            if request.ack:
                self._reactions.ack(
                    Mark(request.message_channel_id, MessageId(request.message_id), request.ack)
                )

    def asking(self) -> None:
        """The model is about to be asked."""
        self._said = ""
        self._show("thinking")

    def reasoning(self) -> None:
        """The model thinks aloud."""
        if self._typing is not None:
            self._typing.cue("reasoning")
        self._moved()

    def said(self, text: str) -> None:
        """Some of the answer arrived. What may still become the silent token shows nothing."""
        if len(self._said) <= SILENT_PREFIX:
            self._said += text
        if self._typing is not None and not held_back(self._said):
            self._typing.cue("text")
        self._moved()

    def using(self, tool: str) -> None:
        """A tool is about to run."""
        if self._typing is not None:
            self._typing.cue("tool")
        self._show(tool_state(tool))

    def parked(self) -> None:
        """The turn goes on later."""
        if self._reactions is not None and self._owner is not None:
            self._reactions.close()
            self._closed = True
            self._owner.park(self._cause, self._reactions)

    def ended(self, how: Ended) -> list[Effect]:
        """The turn is over: what its commit has to say about its reactions."""
        if self._reactions is None:
            return []
        arrived = self._reactions.close(FLIGHT_S)
        self._closed = True
        return left_behind(self._cause, self._request, self._shown, how, arrived=arrived)

    # -- parts -------------------------------------------------------------------------------------

    def _show(self, state: State) -> None:
        if self._reactions is not None:
            self._reactions.show(state)

    def _moved(self) -> None:
        if self._reactions is not None:
            self._reactions.touch()


def left_behind(
    cause: str, request: TurnRequest, shown: ShownSettings, how: Ended, *, arrived: bool
) -> list[Effect]:
    """What a turn's commit says about its reactions; nothing if the acknowledgement simply stays.

    Args:
        cause: identity of the turn's head.
        arrived: no reaction of the turn is on its way to Discord any more.
    """
    status = shown.status
    remove = shown.remove_ack and (how.talked or bool(how.send))
    if not request.ack or (status is None and not remove):
        return []
    wanted = Settle(
        account=request.account,
        channel_id=request.message_channel_id,
        message_id=MessageId(request.message_id),
        states=tuple(status.emojis.values()) if status is not None else (),
        last=status.emojis.get(how.state or "", "") if status is not None else "",
        hold_ms=int(status.hold_s(how.state) * 1000) if status is not None else 0,
        ack=request.ack,
        remove=tuple(
            Mark(each.message_channel_id, MessageId(each.message_id), each.ack)
            for each in how.acked
            if each.ack
        )
        if remove
        else (),
        after="" if how.talked else how.send,
        at_ms=how.at_ms,
    )
    return [settle_push(wanted, cause, delay_ms=0 if arrived else IN_FLIGHT_MS)]


def _first_emoji(request: TurnRequest, shown: ShownSettings) -> str:
    """What is put when the turn is accepted: ``queued`` where one is written, else the acknowledgement."""
    return (shown.status.emojis.get("queued") if shown.status is not None else None) or request.ack
