"""What the owner must know although nobody asked: one line into the DM, at most once a day."""

from __future__ import annotations

from shoal.base.logging import get_logger
from tasks.runtime import Runtime
from workers.delivery.records import NOTICE_MAX_AGE_S, SendRequest, send_record
from workers.delivery.texts import say

__all__ = ["tell_owner"]

log = get_logger(__name__)

DAY_MS = 86_400_000


def tell_owner(runtime: Runtime, text: str) -> bool:
    """Send a text of the catalogue to the owner of the first account on which one can be reached.

    The same text is one send a day, whoever asks: the receipts of its identity live 24 h.

    Returns:
        False if nobody could be reached; the text is in the log then.

    Raises:
        KeyError: there is no such text.
        StoreUnavailable: Redis did not answer.
    """
    store = runtime.store
    words = say(text, runtime.loaded.root.messages.language)
    log.error(words)
    day = store.now_ms() // DAY_MS
    for account in runtime.loaded.account_ids():
        channel = runtime.delivery_deps.owner_dm(account)
        if channel is None:
            continue
        request = SendRequest(
            account=account,
            channel_id=channel,
            cause=f"alert.{account}.{day}",
            step=f"notice-{text}",
            text=words,
            plain=True,
            priority="background",
            max_age_s=NOTICE_MAX_AGE_S,
        )
        store.lanes.push(request.lane, send_record(request))
        return True
    return False
