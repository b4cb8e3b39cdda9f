"""How many shards an account has, and what a change of that number means.

The number comes from ``channels.discord.shards``, else from the sessions that can still be
resumed, else from ``/gateway/bot``. A session belongs to one layout: when the number
changes, every stored session is given up (where it stood is remembered for the back-fill)
and all shards begin anew.
"""

from __future__ import annotations

from gateway.lookup import Lookup
from shoal.base.errors import StoreUnavailable, TransportError
from shoal.base.logging import get_logger
from shoal.discord.errors import DiscordError
from shoal.state.store import Store

__all__ = ["choose_shards", "forget_shards", "settle_shards"]

log = get_logger(__name__)

KIND, NAME = "misc", "shards"
MOST = 64
"""More connections than this are more than one process should carry."""


def choose_shards(configured: int | None, store: Store, account: str, lookup: Lookup) -> int:
    """The number of shards to run.

    Raises:
        ProcessError: the token is refused, or the answer of ``/gateway/bot`` is none.
        StoreUnavailable: Redis does not answer.
    """
    if configured is not None:
        return configured
    known = _known(store, account)
    if known is not None and any(_session(store, account, number) for number in range(known)):
        return known
    try:
        info = lookup.fetch()
    except (TransportError, DiscordError) as error:
        log.warning("shard count not known", account=account, using=known or 1, error=error)
        return known or 1
    if info.fallback:
        return known or 1
    if info.shards > MOST:
        log.error("more shards recommended than one process runs", recommended=info.shards, running=MOST)
    return min(info.shards, MOST)


def settle_shards(store: Store, account: str, shards: int, *, token: str) -> None:
    """Note the number; sessions of another layout are given up, with their place remembered.

    Raises:
        StoreUnavailable, StateConflict: Redis does not answer, or the account is not ours.
    """
    known = _known(store, account)
    if known == shards:
        return
    if known is not None:
        log.warning("the number of shards changes", account=account, before=known, now=shards)
        for number in range(max(known, shards)):
            if _session(store, account, number):
                store.gaps.open(account, number, token=token)
                store.intake.forget_session(account, number, token=token)
    store.facts.put(account, KIND, NAME, shards)


def forget_shards(store: Store, account: str) -> None:
    """The number is wrong (close code 4011): the next process asks Discord."""
    try:
        store.facts.remove(account, KIND, NAME)
    except StoreUnavailable as error:
        log.warning("shard count not forgotten", account=account, error=error)


def _known(store: Store, account: str) -> int | None:
    value = store.facts.get(account, KIND, NAME)
    return value if isinstance(value, int) and value > 0 else None


def _session(store: Store, account: str, number: int) -> bool:
    cursor = store.intake.cursor(account, number)
    return cursor is not None and bool(cursor.session_id)
