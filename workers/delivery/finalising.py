"""Whether an answer becomes of its preview, or is sent afresh (decision 31, ``spec/outbound.md`` 14.6).

An edit pings nobody, cannot answer another message and has one part. So only the plain answer is an edit
of what people already see; in every doubt it is a message of its own, and the preview goes behind it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shoal.state.store import Store
from workers.delivery.previews import previews_of
from workers.delivery.records import SendRequest

__all__ = ["preview_to_edit"]

_TARGETED = re.compile(r"<@[!&]?\d+>")
_EVERYBODY = re.compile(r"@(?:everyone|here)\b")


def preview_to_edit(request: SendRequest, plan: Sequence[str], store: Store) -> str:
    """Id of the preview that is to become this answer; empty: send it afresh."""
    if not request.preview or len(plan) != 1 or not plan[0].strip():
        return ""
    more = request.files or request.embeds or request.components or request.sticker_ids or request.poll
    if more or request.flags or request.silent or request.reply_scope == "all":
        return ""
    if _TARGETED.search(plan[0]) and not _EVERYBODY.search(plan[0]):
        return ""
    made, stopped = previews_of(store, request.preview)
    if stopped or len(made) != 1:
        return ""
    [receipt] = made.values()
    return receipt.message_id if receipt.reply_to == request.reply_to else ""
