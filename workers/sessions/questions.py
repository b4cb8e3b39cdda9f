"""What access needs to know as questions to others (:mod:`shoal.state.lookups`)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import overload

from shoal.state.lookups import Asked
from workers.access.needs import (
    ChannelNeeded,
    MemberNeeded,
    Need,
    PluralKitNeeded,
    ThreadMemberNeeded,
    TranscriptNeeded,
)

__all__ = ["asked_of", "questions_of"]


@overload
def asked_of(
    need: MemberNeeded | ThreadMemberNeeded | ChannelNeeded | PluralKitNeeded, account: str
) -> Asked: ...
@overload
def asked_of(need: Need, account: str) -> Asked | None: ...
def asked_of(need: Need, account: str) -> Asked | None:
    """The question to others that answers a need; ``None`` where Redis answers it or nobody does."""
    match need:
        case MemberNeeded(guild_id, user_id):
            return Asked(account, "member", f"{guild_id}.{user_id}")
        case ThreadMemberNeeded(thread_id, user_id):
            return Asked(account, "inthread", f"{thread_id}.{user_id}")
        case ChannelNeeded(channel_id):
            return Asked(account, "channel", channel_id)
        case PluralKitNeeded(message_id):
            return Asked(account, "pluralkit", message_id)
        case TranscriptNeeded(message_id):
            return Asked(account, "files", message_id)
        case _:
            return None


def questions_of(needs: Iterable[Need], account: str) -> tuple[Asked, ...]:
    """What to ask others because of these needs, in a fixed order."""
    found = {asked for need in needs if (asked := asked_of(need, account)) is not None}
    return tuple(sorted(found, key=lambda asked: (asked.kind, asked.name)))
