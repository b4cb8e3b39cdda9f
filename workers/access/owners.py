"""Who owns the bot, and whose text commands count (``spec/inbound.md`` 3.9)."""

from __future__ import annotations

from workers.access.decision import Decision
from workers.access.facts import MessageFacts
from workers.access.policy import sender_restriction
from workers.access.settings import AccessSettings

__all__ = ["command_authorized", "is_owner"]


def is_owner(facts: MessageFacts, settings: AccessSettings) -> bool:
    """The sender is named on ``commands.ownerAllowFrom``. A wildcard makes nobody an owner.

    While that list names nobody, the first who was approved by pairing is the owner.
    """
    if not settings.owned:
        return facts.sender.first_owner
    if settings.owners is None:
        return False
    sender = facts.sender
    return (
        settings.owners.specific().match(
            sender.id, username=sender.username, tag=sender.tag, by_name=settings.by_name
        )
        is not None
    )


def command_authorized(facts: MessageFacts, settings: AccessSettings, place: Decision) -> bool:
    """Whether the sender's text commands count here, given that ``place`` let the sender in.

    In DMs everybody who may talk may command. In guilds and group DMs the sender must be on the
    account's own list (without its wildcard), an owner, or inside a written ``users``/``roles`` list;
    ``commands.useAccessGroups: false`` lifts that where no list is written at all.
    """
    if facts.surface.kind == "direct":
        return True
    configured, matched = False, is_owner(facts, settings)
    own = settings.allow_from.specific() if settings.allow_from is not None else None
    if own is not None and not own.empty:
        configured = True
        sender = facts.sender
        matched = (
            matched
            or own.match(sender.id, username=sender.username, tag=sender.tag, by_name=settings.by_name)
            is not None
        )
    if place.guild is not None and sender_restriction(place.guild, place.channel) != (None, None):
        configured = True
        matched = True  # the sender came in through these lists
    if matched:
        return True
    return not settings.use_access_groups and not configured
