"""What may go when Redis' memory is short (R27): first what can be made again, then what can be packed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING

from shoal.state.sessions import HOT_BYTES

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["PRUNE_AT", "relieve"]

PRUNE_AT = 0.80
"""Used share of the memory from which on upkeep makes room; at 0.90 the gateway stops reading."""

_SHORT_HOT_BYTES = HOT_BYTES // 16


def relieve(store: Store, accounts: Collection[str]) -> tuple[int, int]:
    """Make room: facts of accounts nobody serves any more go, long transcripts are packed down to 128 kB.

    Args:
        accounts: ids of the configured accounts; one that a gateway holds counts as well.

    Returns:
        Keys that went, transcript entries that were packed.

    Raises:
        StoreUnavailable: Redis did not answer; what was done stays done.
    """
    gone = [key for key, account in _account_keys(store) if account not in accounts]
    for start in range(0, len(gone), 500):
        store.redis.unlink(*gone[start : start + 500])
    return len(gone), store.sessions.archive_recent(hot=_SHORT_HOT_BYTES)


def _account_keys(store: Store) -> Iterator[tuple[bytes, str]]:
    """Keys of the families *facts* and *members* whose account no gateway holds, with the account."""
    held: dict[str, bool] = {}
    for family in ("facts", "in"):
        head = f"{store.keys.prefix}{family}:"
        for key in store.redis.scan_iter(match=head + "*", count=1000):
            account = key.decode().removeprefix(head).rpartition(":")[0]
            if account not in held:
                held[account] = bool(store.redis.exists(store.keys.holder(account)))
            if not held[account]:
                yield key, account
