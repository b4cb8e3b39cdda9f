""" "… is typing", for as long as a turn works. Unordered, best effort, never in a lane (rule R20)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.discord.errors import Forbidden, NotFound

__all__ = ["TypingApi", "typing_indicator"]

log = get_logger(__name__)

INTERVAL_S = 8.0
"""Discord shows it for ten seconds."""
HARD_STOP_S = 20 * 60.0
"""A turn that takes longer is not shown as typing for ever."""


class TypingApi(Protocol):
    """The one call of :class:`shoal.discord.rest.Rest` that is used here."""

    def trigger_typing(self, channel_id: str) -> None:
        """Show the bot typing for ten seconds."""
        ...


@contextmanager
def typing_indicator(
    rest: TypingApi,
    channel_id: str,
    *,
    interval_s: float = INTERVAL_S,
    hard_stop_s: float = HARD_STOP_S,
) -> Iterator[None]:
    """Show the bot typing in a channel while the block runs.

    A thread of its own asks, so that the turn never waits for it; failures are logged and, where
    they will not pass (no permission, channel gone), end the asking.

    Args:
        rest: the calls of the account.
        interval_s: seconds between two requests (``typingIntervalSeconds``).
        hard_stop_s: seconds after which it ends although the block runs on.
    """
    done = threading.Event()
    rounds = max(1, int(hard_stop_s / interval_s))

    def ask() -> None:
        for _ in range(rounds):
            try:
                rest.trigger_typing(channel_id)
            except (Forbidden, NotFound) as error:
                log.info("typing is not possible here", channel=channel_id, code=error.code)
                return
            except ShoalError as error:
                log.debug("typing was not shown", channel=channel_id, code=error.code)
            if done.wait(interval_s):
                return

    thread = threading.Thread(target=ask, name=f"typing-{channel_id}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
