"""Who wrote a message, in the words of prompts and lists (``spec/inbound.md`` 6.3)."""

from __future__ import annotations

from dataclasses import dataclass

from workers.access.facts import PluralKitSender
from workers.sessions.wire import User, user_label, user_tag

__all__ = ["Identity", "identity_of", "member_identity", "sender_label"]


@dataclass(frozen=True, slots=True)
class Identity:
    """A sender.

    Attributes:
        id: Discord user id, or PluralKit member id.
        name: what people see.
        username: the account's name.
        tag: ``username``, or ``username#1234`` of old accounts; the member's name with PluralKit.
        label: ``name``, and where it differs the tag in parentheses.
    """

    id: str
    name: str
    username: str
    tag: str
    label: str


def identity_of(user: User, nick: str = "") -> Identity:
    """The identity of a Discord user; ``nick`` is the one of the guild."""
    name, tag = user_label(user, nick), user_tag(user)
    return Identity(user.id, name, user.username, tag, sender_label(name, tag))


def member_identity(member: PluralKitSender) -> Identity:
    """The identity of a PluralKit member (``spec/inbound.md`` 3.12): what people see, and the system."""
    name = member.display_name or member.name or member.member_id
    return Identity(member.member_id, name, member.name or name, member.name or name, member.label)


def sender_label(name: str, tag: str) -> str:
    """``name (tag)``, or only the name where both are the same."""
    return f"{name} ({tag})" if tag and tag != name else name
