""" "… is typing", for as long as a turn works (``spec/inbound.md`` 7.6). Unordered, best effort, in no lane.

The indicator belongs to the running turn: whoever loses the lease, stops or shuts down shows
nothing more, whatever its threads still do (``spec/inbound.md`` 10 row 23). After :meth:`Typing.seal`
nothing can start it again. A killed worker takes its thread along, and Discord forgets within ten seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Literal, Protocol, Self

from config.schema.agents import TypingMode
from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.base.threads import Surviving
from shoal.discord.errors import Forbidden, NotFound, RateWait

__all__ = ["INTERVAL_S", "Cue", "Typing", "TypingApi"]

log = get_logger(__name__)

"""When it begins: not at all, with the turn, with the model's thoughts, with its first words. A tool that
runs begins it in every mode but ``never``."""

Cue = Literal["accepted", "reasoning", "text", "tool"]
"""What happened in the turn."""

INTERVAL_S = 6.0
"""``typingIntervalSeconds``; Discord shows it for ten seconds."""
IDLE_S = 60.0
"""Without any sign of the model or a tool for so long it pauses."""
HARD_STOP_S = 20 * 60.0
"""A turn that takes longer is not shown as typing for ever."""
FAILURES_MAX = 2

_STARTS: dict[TypingMode, frozenset[Cue]] = {
    "never": frozenset(),
    "instant": frozenset({"accepted", "reasoning", "text", "tool"}),
    "thinking": frozenset({"reasoning", "text", "tool"}),
    "message": frozenset({"text", "tool"}),
}


class TypingApi(Protocol):
    """The one call of :class:`shoal.discord.rest.Rest` that is used here."""

    def trigger_typing(self, channel_id: str) -> None:
        """Show the bot typing for ten seconds."""
        ...


class Typing:
    """The indicator of one turn in one channel. Thread-safe; a context manager that seals at its end.

    A thread of its own asks, so that the turn never waits for it. It ends for good when Discord says that
    it is not possible here, after two failures in a row, and when the turn is no longer ``alive``.
    """

    def __init__(
        self,
        api: TypingApi,
        channel_id: str,
        mode: TypingMode,
        *,
        interval_s: float = INTERVAL_S,
        delay_s: float = 0.0,
        idle_s: float = IDLE_S,
        hard_stop_s: float = HARD_STOP_S,
        alive: Callable[[], bool] = lambda: True,
    ) -> None:
        """See the class.

        Args:
            api: the calls of the account.
            interval_s: seconds between two requests.
            delay_s: seconds to wait before the first: a turn that has just spoken may have nothing to add.
            idle_s: seconds without a cue or :meth:`touch` after which it pauses until the next one.
            hard_stop_s: seconds after which it ends although the turn runs on.
            alive: whether the turn is still ours to show; asked before each request.
        """
        self._api = api
        self._channel_id = channel_id
        self._mode = mode
        self._interval_s = interval_s
        self._delay_s = delay_s
        self._idle_s = idle_s
        self._hard_stop_s = hard_stop_s
        self._alive = alive
        self._changed = threading.Condition()
        self._sealed = mode == "never"
        self._thread: threading.Thread | None = None
        self._moved = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.seal()

    @property
    def sealed(self) -> bool:
        """Whether it has ended for good."""
        return self._sealed

    def cue(self, cue: Cue) -> None:
        """Something happened: begin if the mode says so, go on if it has begun."""
        with self._changed:
            if self._sealed:
                return
            self._moved = time.monotonic()
            if self._thread is None:
                if cue not in _STARTS[self._mode]:
                    return
                name = f"typing-{self._channel_id}"
                self._thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._thread.start()
            else:
                self._changed.notify_all()

    def touch(self) -> None:
        """The turn has got something done; it does not begin by this."""
        self._moved = time.monotonic()

    def seal(self) -> None:
        """End it for good."""
        with self._changed:
            self._sealed = True
            self._changed.notify_all()

    def _work(self) -> None:
        # a bug here costs the indicator, never the turn
        with Surviving("typing failed", then=self.seal, channel=self._channel_id):
            self._run()

    def _run(self) -> None:
        if self._delay_s and self._wait(self._delay_s):
            return
        ends = time.monotonic() + self._hard_stop_s
        failures = 0
        while time.monotonic() < ends:
            if not self._alive():
                break
            if time.monotonic() - self._moved < self._idle_s:
                failures = 0 if self._ask() else failures + 1
                if failures >= FAILURES_MAX:
                    break
            if self._wait(self._interval_s):
                return
        self.seal()

    def _wait(self, seconds: float) -> bool:
        """Sleep; true once it is sealed. A cue ends the sleep only while it pauses."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._sealed:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                paused = time.monotonic() - self._moved >= self._idle_s
                if self._changed.wait(left) and paused:
                    return self._sealed
        return True

    def _ask(self) -> bool:
        try:
            self._api.trigger_typing(self._channel_id)
        except (Forbidden, NotFound) as error:
            log.info("typing is not possible here", channel=self._channel_id, code=error.code)
            self.seal()
        except RateWait as wait:
            log.debug("no room for typing now", channel=self._channel_id, reason=wait.reason)
        except ShoalError as error:
            log.debug("typing was not shown", channel=self._channel_id, code=error.code)
            return False
        return True
