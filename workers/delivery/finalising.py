"""Whether an answer becomes of its preview, or is sent afresh (decision 31, ``spec/outbound.md`` 14.6).

An edit pings nobody, cannot answer another message and has one part. So only the plain answer is an edit
of what people already see; in every doubt it is a message of its own, and the preview goes behind it. A
recording of it (``messages.tts.auto``) follows the edit as a message of its own.
"""

from __future__ import annotations

import re

from shoal.state.store import Store
from workers.delivery.previews import previews_of
from workers.delivery.records import SendRequest
from workers.delivery.spread import texts_of

__all__ = ["preview_to_edit"]

_TARGETED = re.compile(r"<@[!&]?\d+>")
_EVERYBODY = re.compile(r"@(?:everyone|here)\b")


def preview_to_edit(request: SendRequest, plan: list[str], store: Store) -> str:
    """Id of the preview that is to become this answer; empty: send it afresh."""
    texts = texts_of(request, plan)
    if not request.preview or len(texts) != 1 or not texts[0].strip():
        return ""
    files = request.files and not request.read_aloud
    more = files or request.embeds or request.components or request.sticker_ids or request.poll
    if more or request.flags or request.silent or request.reply_scope == "all":
        return ""
    if _TARGETED.search(texts[0]) and not _EVERYBODY.search(texts[0]):
        return ""
    made, stopped = previews_of(store, request.preview)
    if stopped or len(made) != 1:
        return ""
    [receipt] = made.values()
    return receipt.message_id if receipt.reply_to == request.reply_to else ""
