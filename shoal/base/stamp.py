"""Under which grant something leaves: a stamp on every request to Discord and to models.

Whoever keeps a log on the other side (the simulator, a model server, a proxy) can tell from it which
requests one holder of a lane made, and so prove that an older holder began nothing after a newer
one (rule R14). It is a digest: the grant's token itself stays between the holder and Redis.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["HEADER", "stamp_headers", "stamped"]

HEADER = "X-Shoal-Grant"

_current: ContextVar[str] = ContextVar("shoal_stamp", default="")


@contextmanager
def stamped(token: str) -> Iterator[None]:
    """What this thread sends inside the block is sent under the grant with this token."""
    before = _current.set(hashlib.blake2b(token.encode(), digest_size=8).hexdigest())
    try:
        yield
    finally:
        _current.reset(before)


def stamp_headers() -> dict[str, str]:
    """The header to add to a request; empty outside of any grant."""
    stamp = _current.get()
    return {HEADER: stamp} if stamp else {}
