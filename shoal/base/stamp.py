"""Under which grant something leaves: a stamp on requests to Discord and to models, and a fence before them.

Whoever keeps a log on the other side (the simulator, a model server, a proxy) can tell from the stamp which
requests one holder of a lane made, and so prove that an older holder began nothing after a newer
one (rule R14). It is a digest: the grant's token itself stays between the holder and Redis.

The fence is asked as late as can be, when the rate limit has given way and the connection stands: a process
that was frozen in such a wait would else go on, when it wakes, with what another holder has done by now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["HEADER", "before_sending", "check_fence", "stamp_headers", "stamped"]

HEADER = "X-Shoal-Grant"

_current: ContextVar[str] = ContextVar("shoal_stamp", default="")
_fence: ContextVar[Callable[[], None] | None] = ContextVar("shoal_fence", default=None)


@contextmanager
def stamped(token: str, fence: Callable[[], None] | None = None) -> Iterator[None]:
    """What this thread sends inside the block is sent under the grant with this token.

    Args:
        fence: raises what ends the work once the grant may be another's.
    """
    before = _current.set(hashlib.blake2b(token.encode(), digest_size=8).hexdigest())
    fence_before = _fence.set(fence)
    try:
        yield
    finally:
        _fence.reset(fence_before)
        _current.reset(before)


@contextmanager
def before_sending(do: Callable[[], None]) -> Iterator[None]:
    """``do`` is called when a request of the block is about to leave, and not where it finds no room to.

    What it raises ends the request. It may be called more than once.
    """
    outer = _fence.get()

    def both() -> None:
        if outer is not None:
            outer()
        do()

    before = _fence.set(both)
    try:
        yield
    finally:
        _fence.reset(before)


def check_fence() -> None:
    """Return if something may leave under this thread's grant, or without one. Raises what the fence does."""
    fence = _fence.get()
    if fence is not None:
        fence()


def stamp_headers() -> dict[str, str]:
    """The header to add to a request; empty outside of any grant."""
    stamp = _current.get()
    return {HEADER: stamp} if stamp else {}
