"""What the owner must know although nobody asked: one line into the DM, at most once a day."""

from __future__ import annotations

from shoal.base.logging import get_logger
from shoal.discord.users import user_ids
from shoal.state.records import Record
from tasks.runtime import Runtime
from workers.delivery.records import KIND, NOTICE_MAX_AGE_S, SendRequest, encode
from workers.delivery.texts import say

__all__ = ["tell_owner"]

log = get_logger(__name__)

DAY_MS = 86_400_000


def tell_owner(runtime: Runtime, text: str) -> bool:
    """Send a text of the catalogue to the first owner whose DM is known; False if it stays in the log.

    The same text to the same owner is one send a day, whoever asks: the receipts of its identity live 24 h.

    Raises:
        KeyError: there is no such text.
        StoreUnavailable: Redis did not answer.
    """
    store, root = runtime.store, runtime.loaded.root
    words = say(text, "zh" if root.messages.language == "zh" else "en")
    log.error(words)
    day = store.now_ms() // DAY_MS
    for account in runtime.loaded.account_ids():
        for owner in user_ids(root.commands.owner_allow_from or ()):
            channel = store.facts.dm_channel(account, owner)
            if channel is None:
                continue
            request = SendRequest(
                account=account,
                channel_id=channel,
                cause=f"alert.{account}.{owner}.{day}",
                step=f"notice-{text}",
                text=words,
                plain=True,
                priority="background",
                max_age_s=NOTICE_MAX_AGE_S,
            )
            store.lanes.push(request.lane, Record(request.identity, KIND, encode(request)))
            return True
    return False
