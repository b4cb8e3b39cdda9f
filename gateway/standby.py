"""The second gateway of an account: waits for the first to die, and says meanwhile that it lives."""

from __future__ import annotations

import os
import threading
import time

from gateway.holder import AccountHolder
from shoal.base.errors import StoreUnavailable
from shoal.base.logging import get_logger
from shoal.state.records import READS
from shoal.state.store import Store

__all__ = ["ANNOUNCE_EVERY_S", "ANNOUNCE_TTL_S", "good_bye", "stand_by"]

ANNOUNCE_EVERY_S = 5.0
ANNOUNCE_TTL_S = 15.0

log = get_logger(__name__)


def stand_by(store: Store, holder: AccountHolder, account: str, host: str, ended: threading.Event) -> bool:
    """Wait until nobody has the account and take it; False if ``ended`` was set first.

    In ``shoal status`` (and for the health check of its container) this process is a ``standby`` so long.
    """
    announced = -ANNOUNCE_EVERY_S

    def announce() -> None:
        nonlocal announced
        if time.monotonic() - announced >= ANNOUNCE_EVERY_S:
            announced = time.monotonic()
            info = {"account": account}
            store.processes.announce("standby", host, os.getpid(), READS, info, ANNOUNCE_TTL_S)

    try:
        return holder.wait(ended, announce)
    finally:
        good_bye(store, "standby", host)


def good_bye(store: Store, kind: str, host: str) -> None:
    """Take this process off the list of those that live."""
    try:
        store.processes.leave(kind, host, os.getpid())
    except StoreUnavailable as error:
        log.warning("could not say good-bye; the entry ends by itself", error=error)
