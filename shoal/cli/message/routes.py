"""Which conversation is to know of what ``shoal message`` sends: that of the agent answering there (2.5)."""

from __future__ import annotations

from typing import Any

from shoal.cli.message.run import Operator
from shoal.discord.wire import ChannelType
from shoal.state.store import Store
from workers.delivery.records import SaidThere, SendRequest
from workers.sessions.access_settings import known_names
from workers.sessions.place import conversation_at, surface_at
from workers.sessions.said import described
from workers.sessions.view import StoreView, settings_of

__all__ = ["said_to"]


def said_to(request: SendRequest, channel: dict[str, Any], who: Operator, store: Store) -> SaidThere | None:
    """The session of a place and what it is told; none where no agent of ours answers.

    Args:
        channel: the place, as Discord has it.
    """
    account, kind = who.account.id, int(channel.get("type") or 0)
    guild_id = str(channel.get("guild_id") or "") or None
    view = StoreView(settings_of(who.loaded, account, known_names(store, account)), store)
    people = channel.get("recipients") or [] if kind == ChannelType.DM else []
    user = str(people[0].get("id") or "") if people else ""
    surface = surface_at(request.channel_id, guild_id, kind, view)
    conversation = conversation_at(surface, view.settings, user, frozenset())
    if conversation.coding:
        return None
    question = str(((request.poll or {}).get("question") or {}).get("text") or "")
    files, stickers = [file.filename for file in request.files], len(request.sticker_ids)
    words = described(request.text, files=files, poll=question, stickers=stickers)
    return SaidThere(conversation.session_key, words or "[a card]")
