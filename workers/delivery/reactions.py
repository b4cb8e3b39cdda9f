"""Our own reactions on a message: acknowledgement and state of a turn (``spec/inbound.md`` 7.4, 7.5).

A turn says what it does; a thread of its own makes Discord show it. Reactions have a slow bucket, so
nothing is queued: there is one emoji that should be seen, the newest, and one request at a time moves
the message towards it. First the new one is put, then the previous is taken away.

What remains at the end (restore, clear, leftovers of a killed worker) is settled from a lane by
:mod:`workers.delivery.settling`, which outlives this process.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.base.threads import Surviving
from shoal.discord.errors import BadRequest, Forbidden, NotFound, RateLimited, RateWait

__all__ = [
    "Mark",
    "ReactionApi",
    "State",
    "StatusSettings",
    "TurnReactions",
    "own_emojis",
    "same_emoji",
    "tool_state",
]

log = get_logger(__name__)

State = Literal["thinking", "tool", "coding", "web", "compacting", "done", "error"]
"""What a turn does; the last two are shown by :mod:`workers.delivery.settling`."""
RETRY_S = 1.0
TRIES = 3

_WEB = ("web_search", "web-search", "web_fetch", "web-fetch", "browser")
_CODING = ("exec", "process", "read", "write", "edit", "bash", "patch", "session_status")


class ReactionApi(Protocol):
    """Calls of :class:`shoal.discord.rest.Rest`; theirs is the background, and no wait."""

    def create_reaction(self, channel_id: str, message_id: MessageId, emoji: str) -> None:
        """Add our reaction."""
        ...

    def delete_own_reaction(self, channel_id: str, message_id: MessageId, emoji: str) -> None:
        """Take our reaction away."""
        ...

    def get_message(self, channel_id: str, message_id: MessageId) -> dict[str, Any]:
        """A message, with the reactions on it."""
        ...


@dataclass(frozen=True, slots=True)
class Mark:
    """One reaction of ours. ``emoji``: Unicode, or ``name:id``."""

    channel_id: str
    message_id: MessageId
    emoji: str


@dataclass(frozen=True, slots=True)
class StatusSettings:
    """``messages.statusReactions``. Times in seconds; emojis by state, and ``stallSoft``, ``stallHard``."""

    emojis: Mapping[str, str] = field(default_factory=dict)
    debounce_s: float = 0.7
    stall_soft_s: float = 10.0
    stall_hard_s: float = 30.0
    done_hold_s: float = 1.5
    error_hold_s: float = 2.5

    def hold_s(self, state: State | None) -> float:
        """How long the last state is shown before it is settled."""
        return {"done": self.done_hold_s, "error": self.error_hold_s}.get(state or "", 0.0)


def tool_state(name: str) -> State:
    """Which state a tool puts the turn into."""
    lower = name.lower()
    if any(word in lower for word in _WEB):
        return "web"
    return "coding" if any(word in lower for word in _CODING) else "tool"


def same_emoji(one: str, other: str) -> bool:
    """Whether two forms are one emoji: custom ones by id, others but for the variation selector."""
    return _key(one) == _key(other)


def own_emojis(message: Mapping[str, Any]) -> list[str]:
    """The emojis of our reactions on a message, as requests name them."""
    found = []
    for entry in message.get("reactions") or ():
        emoji = entry.get("emoji") if isinstance(entry, Mapping) and entry.get("me") else None
        if isinstance(emoji, Mapping) and isinstance(emoji.get("name"), str):
            found.append(f"{emoji['name']}:{emoji['id']}" if emoji.get("id") else emoji["name"])
    return found


def _key(emoji: str) -> str:
    name, _, number = emoji.rpartition(":")
    return number if name and number.isdigit() else emoji.replace("\ufe0f", "").replace("\ufe0e", "")


class TurnReactions:
    """The reactions of one turn: acknowledgements of its messages, and the state on the first. Thread-safe.

    Args:
        api: the account's calls, in the background and without patience for rate limits.
        head: the message the turn answers.
        ack: its acknowledgement, or empty.
        status: what to show while the turn works; ``None`` shows the acknowledgement only.
        alive: whether the turn is still ours to show.
        known: nobody showed anything before; else the message is looked at first.
    """

    def __init__(
        self,
        api: ReactionApi,
        head: Mark,
        *,
        status: StatusSettings | None = None,
        alive: Callable[[], bool] = lambda: True,
        known: bool = True,
    ) -> None:
        self._api = api
        self._head = head
        self._status = status
        self.alive = alive
        self._changed = threading.Condition()
        self._acks: deque[Mark] = deque()
        self._present: list[str] | None = [] if known or status is None else None
        self._want = self._tried = ""
        self._state: State | None = None
        self._due = 0.0
        self._moved = time.monotonic()
        self._closed = False
        self._pause_until = 0.0
        self._tries = 0
        self._busy = False
        self._thread: threading.Thread | None = None

    # -- the turn's side -------------------------------------------------------------------------

    def ack(self, mark: Mark) -> None:
        """Acknowledge a message."""
        with self._changed:
            self._acks.append(mark)
            self._start()

    def show(self, state: State) -> None:
        """The turn is in this state now; it is shown after the debounce, if it still is."""
        if self._status is None:
            return
        with self._changed:
            now = time.monotonic()
            self._moved = now
            if state != self._state or self._stalled():
                self._state = state
                self._want = self._status.emojis.get(state, "") or self._head.emoji
                self._due = now + self._status.debounce_s
                self._tries = 0
            self._start()

    def touch(self) -> None:
        """The turn got something done: it is not stalled."""
        if self._status is None:
            return
        self._moved = time.monotonic()
        if self._state is not None and self._stalled():
            self.show(self._state)

    def close(self, wait_s: float = 0.0) -> bool:
        """No more requests: what waits for the rate limit is given up.

        False if one is still on its way after ``wait_s``.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            ends = time.monotonic() + wait_s
            while self._busy and (left := ends - time.monotonic()) > 0:
                self._changed.wait(left)
            return not self._busy

    def reopen(self, alive: Callable[[], bool]) -> None:
        """A turn that had parked goes on in this process: what is on the message is known."""
        with self._changed:
            self.alive = alive
            self._closed = False
            self._moved = time.monotonic()
            self._state = None

    # -- the thread ------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            name = f"reactions-{self._head.message_id}"
            self._thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _work(self) -> None:
        # a bug here costs a reaction, never the turn
        with Surviving("reactions failed", message=self._head.message_id):
            self._run()

    def _run(self) -> None:
        while True:
            with self._changed:
                step = self._next()
                if step is None:
                    self._thread = None
                    return
                self._busy = True
            try:
                pause = self._try(step)
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
            if pause:
                self._pause_until = time.monotonic() + pause

    def _next(self) -> Callable[[], None] | None:
        """The next request, once it may be made; ``None`` when there is nothing left to do."""
        while True:
            now = time.monotonic()
            if self._closed or not self.alive():
                return None
            self._look_for_stalls(now)
            step, due = self._step()
            due = max(due, self._pause_until)
            if step is not None and due <= now:
                return step
            if step is None and not self._may_stall():
                return None
            waits = [due - now] if step is not None else []
            waits += [self._stall_in(now)] if self._may_stall() else []
            self._changed.wait(max(0.01, min([*waits, 1.0])))

    def _step(self) -> tuple[Callable[[], None] | None, float]:
        """What brings the message one request nearer to what should be seen, and from when on."""
        if self._acks:
            return self._put_ack, 0.0
        if self._status is None or not self._want:
            return None, 0.0
        if self._present is None:
            return self._look, 0.0
        shown = any(same_emoji(self._want, emoji) for emoji in self._present)
        if not shown:
            return self._put_wanted, self._due
        if any(not same_emoji(self._want, emoji) for emoji in self._present):
            return self._take_old, 0.0
        return None, 0.0

    def _try(self, step: Callable[[], None]) -> float:
        """Make one request; seconds to wait before the next."""
        try:
            step()
        except (RateWait, RateLimited) as wait:
            return max(0.05, wait.retry_after or 0.5)
        except (Forbidden, NotFound) as error:
            log.info("reactions are not possible here", message=self._head.message_id, code=error.code)
            if self._acks and self._acks[0].message_id != self._head.message_id:
                self._skip()  # another message of the turn was deleted
            else:
                self._give_up()
        except BadRequest as error:
            log.warning("Discord does not take this emoji as a reaction", code=error.code, error=error)
            self._skip()
        except ShoalError as error:
            self._tries += 1
            if self._tries < TRIES:
                return RETRY_S * self._tries
            log.info("a reaction was not shown", message=self._head.message_id, code=error.code)
            self._skip()
        else:
            self._tries = 0
        return 0.0

    def _put_ack(self) -> None:
        mark = self._acks[0]
        self._api.create_reaction(mark.channel_id, mark.message_id, mark.emoji)
        with self._changed:
            self._acks.popleft()
            if mark.message_id == self._head.message_id and self._present is not None:
                self._present.append(mark.emoji)

    def _look(self) -> None:
        message = self._api.get_message(self._head.channel_id, self._head.message_id)
        ours = (self._head.emoji, *(self._status.emojis.values() if self._status else ()))
        seen = [emoji for emoji in own_emojis(message) if any(same_emoji(emoji, mine) for mine in ours)]
        with self._changed:
            self._present = seen

    def _put_wanted(self) -> None:
        self._tried = wanted = self._want
        self._api.create_reaction(self._head.channel_id, self._head.message_id, wanted)
        with self._changed:
            assert self._present is not None
            self._present.append(wanted)

    def _take_old(self) -> None:
        assert self._present is not None
        self._tried = self._want
        old = next(emoji for emoji in self._present if not same_emoji(self._want, emoji))
        self._api.delete_own_reaction(self._head.channel_id, self._head.message_id, old)
        with self._changed:
            self._present.remove(old)

    def _give_up(self) -> None:
        with self._changed:
            self._acks.clear()
            self._status, self._want = None, ""

    def _skip(self) -> None:
        """Leave this one out; the next state is tried again."""
        with self._changed:
            self._tries = 0
            if self._acks:
                self._acks.popleft()
            elif self._want == self._tried:
                self._want = ""

    # -- stalls ------------------------------------------------------------------------------------

    def _may_stall(self) -> bool:
        return self._status is not None and self._state is not None

    def _stalled(self) -> bool:
        emojis = self._status.emojis if self._status is not None else {}
        return bool(self._want) and self._want in (emojis.get("stallSoft"), emojis.get("stallHard"))

    def _stall_in(self, now: float) -> float:
        """Seconds until the next stage of a stall."""
        assert self._status is not None
        quiet = now - self._moved
        stages = (self._status.stall_soft_s, self._status.stall_hard_s)
        return min((stage - quiet for stage in stages if stage > quiet), default=math.inf)

    def _look_for_stalls(self, now: float) -> None:
        if not self._may_stall() or self._status is None:
            return
        quiet = now - self._moved
        hard = quiet >= self._status.stall_hard_s
        if hard or quiet >= self._status.stall_soft_s:
            emoji = self._status.emojis.get("stallHard" if hard else "stallSoft", "")
            if emoji and emoji != self._want:
                self._want, self._due, self._tries = emoji, 0.0, 0
