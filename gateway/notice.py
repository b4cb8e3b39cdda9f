"""One line to the owner about a gap: a notice in the delivery lane of the owner's DM.

The gateway knows no workers, so the record is written by its published shape: the fields of
``workers.delivery.records.SendRequest`` that a plain notice needs. A test holds the two
together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from gateway.backfill_read import Filled
from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.state.records import Record
from shoal.state.store import Store

__all__ = ["filled_text", "tell_owner"]

log = get_logger(__name__)

MAX_AGE_S = 300


def filled_text(filled: Filled, language: str) -> str:
    """What a back-fill did, for people."""
    minutes = max(1, round((filled.gap_ms or 0) / 60_000))
    if language == "zh":
        parts = [f"⚙️ 离线约 {minutes} 分钟后已恢复", f"补收 {filled.channels} 个频道的 {filled.turns} 条消息"]
        parts += [f"{filled.history} 条较早的消息只作记录"] if filled.history else []
        parts += [f"{filled.cut} 条超出上限"] if filled.cut else []
        parts += [f"{len(filled.unreadable)} 个频道无法读取"] if filled.unreadable else []
        return "，".join(parts) + "。"
    parts = [
        f"⚙️ Back after about {minutes} min without a connection: {filled.turns} missed message(s) in "
        f"{filled.channels} channel(s) taken in"
    ]
    parts += [f"{filled.history} older one(s) only noted"] if filled.history else []
    parts += [f"{filled.cut} beyond the limit left out"] if filled.cut else []
    parts += [f"{len(filled.unreadable)} channel(s) could not be read"] if filled.unreadable else []
    return "; ".join(parts) + "."


def tell_owner(
    store: Store,
    account: str,
    filled: Filled,
    owners: Sequence[str],
    language: str,
    *,
    open_dm: Callable[[str], str] | None = None,
) -> bool:
    """Send the line to the first owner whose DM is known or opens; False if it stays in the log.

    Args:
        open_dm: opens the DM with a user and tells its channel; may raise an error of ours.
    """
    text = filled_text(filled, language)
    log.warning(text, account=account, shard=filled.shard)
    try:
        for owner in owners:
            channel = _channel(store, account, owner, open_dm)
            if channel is None:
                continue
            cause = f"gap.{account}.{filled.shard}.{store.now_ms()}"
            body = {
                "account": account,
                "channel_id": channel,
                "cause": cause,
                "step": "notice-gap",
                "text": text,
                "plain": True,
                "priority": "background",
                "max_age_s": MAX_AGE_S,
            }
            record = Record(f"{cause}.notice-gap", "send", msgspec.json.encode(body))
            store.lanes.push(f"delivery:{account}:{channel}", record)
            return True
    except ShoalError as error:
        log.warning("owner not told of the gap", account=account, error=error)
    return False


def _channel(store: Store, account: str, owner: str, open_dm: Callable[[str], str] | None) -> str | None:
    """The DM with an owner; one who cannot be reached is passed over."""
    known = store.facts.dm_channel(account, owner)
    if known is not None or open_dm is None:
        return known
    try:
        opened = open_dm(owner)
    except ShoalError as error:
        log.warning("the DM with an owner does not open", account=account, error=error)
        return None
    store.facts.put_dm_channel(account, owner, opened)
    return opened
