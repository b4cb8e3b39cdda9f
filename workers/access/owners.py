"""Who owns the bot (``spec/inbound.md`` 3.9). Wildcards and groups never make an owner."""

from __future__ import annotations

from workers.access.decision import Decision
from workers.access.facts import MessageFacts
from workers.access.guilds import sender_restriction
from workers.access.settings import AccessSettings

__all__ = ["is_owner", "owner_hint", "pinned_owner"]


def is_owner(facts: MessageFacts, settings: AccessSettings) -> bool:
    """The sender is named on ``commands.ownerAllowFrom``.

    While that list names nobody, the first who was approved by pairing is the owner.
    """
    sender = facts.sender
    if not settings.owned:
        return sender.first_owner
    if settings.owners is None:
        return False
    named = settings.owners.specific().match(
        sender.id, username=sender.username, tag=sender.tag, by_name=settings.by_name
    )
    return named is not None


def owner_hint(facts: MessageFacts, settings: AccessSettings, place: Decision) -> str:
    """The entry of ``users`` in force that names the sender himself; empty where none does.

    It tells tools whom the operator had in mind here. It is not :func:`is_owner` and opens nothing.
    """
    users, _ = sender_restriction(place.guild, place.channel)
    if users is None:
        return ""
    sender = facts.sender
    match = users.specific().match(
        sender.id, username=sender.username, tag=sender.tag, by_name=settings.by_name
    )
    return match.key if match is not None else ""


def pinned_owner(settings: AccessSettings, dm_scope: str) -> str | None:
    """Whose DMs the shared main session follows: with ``dmScope: main``, the one id of ``allowFrom``.

    Messages of others in that session do not move its last route. ``None`` where the list names nobody,
    several, a group or everyone.
    """
    listed = settings.allow_from
    if dm_scope != "main" or listed is None or listed.wildcard or listed.groups or len(listed.ids) != 1:
        return None
    if listed.names and settings.by_name:
        return None
    (only,) = listed.ids
    return only if only.isdigit() else None
