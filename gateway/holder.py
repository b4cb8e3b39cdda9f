"""One gateway per account: a lock in Redis with a short lease.

The token says who holds it: host, process namespace and process id besides a random part.
So a gateway that starts again after a kill need not wait for the lease of its dead
predecessor on the same machine, and an error can say where the living holder is.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from shoal.base import exits
from shoal.base.errors import ProcessError, StoreUnavailable
from shoal.base.ids import new_token
from shoal.base.logging import get_logger
from shoal.base.process import host_name
from shoal.state.store import Store

__all__ = ["HOLDER_TTL_MS", "RENEW_EVERY_S", "AccountHolder"]

log = get_logger(__name__)

HOLDER_TTL_MS = 6_000
RENEW_EVERY_S = 2.0


class AccountHolder:
    """The lock of one account. Thread-safe: every call is one script."""

    def __init__(self, store: Store, account: str) -> None:
        self._store = store
        self._account = account
        self.token = f"{host_name()}:{_namespace()}:{os.getpid()}:{new_token()}"

    def acquire(self, *, force: bool = False, wait_s: float = HOLDER_TTL_MS / 1000 + 1.0) -> None:
        """Become the holder; waits for the lease of a holder that is gone.

        Args:
            force: take it from a living holder, which then leaves.
            wait_s: how long a holder that keeps renewing is watched before giving up.

        Raises:
            ProcessError: somebody else holds the account and is alive.
            StoreUnavailable: Redis does not answer.
        """
        deadline = time.monotonic() + wait_s
        said = False
        while True:
            other = self._store.intake.holder(self._account)
            gone = other is not None and other != self.token and _is_gone(other, self.token)
            if self._take(force or gone):
                if other is not None and (force or gone):
                    log.warning("account taken over", account=self._account, from_holder=_where(other))
                return
            if time.monotonic() >= deadline:
                raise ProcessError(
                    f"Account {self._account} is already listened to by another gateway "
                    f"({_where(other or '')}).",
                    fix="Stop that one, or start this one with --force to take the account over.",
                    exit_code=exits.BUSY,
                )
            if not said:
                log.info("waiting for the lock of the account", account=self._account)
                said = True
            time.sleep(0.25)

    def wait(self, ended: threading.Event, meanwhile: Callable[[], None]) -> bool:
        """Stand by: become the holder as soon as nobody is; False if ``ended`` was set first.

        Takes over at once from a holder that died on this machine, elsewhere when its lease ends.

        Args:
            meanwhile: called four times a second; may raise ``StoreUnavailable``.
        """
        said = False
        while not ended.is_set():
            try:
                meanwhile()
                other = self._store.intake.holder(self._account)
                if self._take(other is not None and other != self.token and _is_gone(other, self.token)):
                    log.warning("standby takes the account", account=self._account, after=_where(other or ""))
                    return True
                if not said:
                    log.info("standing by", account=self._account, holder=_where(other or ""))
                    said = True
            except StoreUnavailable as error:
                log.warning("standby waits for Redis", account=self._account, error=error)
            ended.wait(0.25)
        return False

    def reacquire(self) -> bool:
        """Renew, or take the lock again if it only ran out; False if somebody else has it."""
        return self._take(False)

    def _take(self, force: bool) -> bool:
        return self._store.intake.holder_acquire(self._account, self.token, HOLDER_TTL_MS, force)

    def release(self) -> None:
        """Give the account up at once, so that the next gateway need not wait."""
        try:
            self._store.intake.holder_release(self._account, self.token)
        except StoreUnavailable as error:
            log.warning("account lock not released; it runs out", account=self._account, error=error)


def _namespace() -> str:
    """Which process ids ours can be compared with; 0 where the system does not say."""
    try:
        return str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        return "0"


def _is_gone(other: str, mine: str) -> bool:
    """Whether the holder was a process of this machine that no longer lives."""
    theirs, ours = other.split(":"), mine.split(":")
    if len(theirs) != 4 or theirs[:2] != ours[:2] or theirs[1] == "0" or not theirs[2].isdigit():
        return False
    try:
        os.kill(int(theirs[2]), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def _where(token: str) -> str:
    parts = token.split(":")
    return f"host {parts[0]}, process {parts[2]}" if len(parts) == 4 else "unknown host"
