"""The conversation of the place ``shoal message`` sends to: who answers there, and knows of it (2.5)."""

from __future__ import annotations

from typing import Any

from shoal.cli.message.run import Operator
from shoal.discord.wire import ChannelType
from workers.delivery.records import SaidThere, SendRequest
from workers.sessions.access_settings import known_names
from workers.sessions.place import Conversation, conversation_at, surface_at
from workers.sessions.said import described
from workers.sessions.view import StoreView, settings_of

__all__ = ["conversation_in", "said_to"]


def conversation_in(channel: dict[str, Any], who: Operator) -> Conversation | None:
    """The conversation of a place as Discord describes it; none without a fleet, or where nobody knows it."""
    if who.store is None:
        return None
    account, kind = who.account.id, int(channel.get("type") or 0)
    people = channel.get("recipients") or [] if kind == ChannelType.DM else []
    user = str(people[0].get("id") or "") if people else ""
    view = StoreView(settings_of(who.loaded, account, known_names(who.store, account)), who.store)
    surface = surface_at(str(channel["id"]), str(channel.get("guild_id") or "") or None, kind, view)
    if surface.kind == "direct" and not user and view.settings.dm_scope != "main":
        return None
    return conversation_at(surface, view.settings, user, frozenset())


def said_to(request: SendRequest, channel: dict[str, Any], who: Operator) -> SaidThere | None:
    """The session of a place and what it is told; none where no agent of ours answers."""
    found = conversation_in(channel, who)
    if found is None or found.coding:
        return None
    question = str(((request.poll or {}).get("question") or {}).get("text") or "")
    files, stickers = [file.filename for file in request.files], len(request.sticker_ids)
    words = described(request.text, files=files, poll=question, stickers=stickers)
    return SaidThere(found.session_key, words or "[a card]")
