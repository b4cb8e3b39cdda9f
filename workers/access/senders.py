"""Whether a list of users, or of users and roles, admits a sender (``spec/inbound.md`` 3.2, 3.4, 3.5)."""

from __future__ import annotations

from dataclasses import dataclass

from workers.access.entries import GROUP_PREFIX, AllowList, AudienceGroup, Match
from workers.access.facts import MessageFacts
from workers.access.needs import AudienceNeeded, MemberNeeded, Need

__all__ = ["NOBODY", "Admitted", "admit", "admit_member"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """The entry that fits, or ``None`` and what was not known of those that may."""

    match: Match | None = None
    needs: frozenset[Need] = frozenset()


NOBODY = Admitted()


def admit(entries: AllowList | None, facts: MessageFacts, *, by_name: bool) -> Admitted:
    """Ask a list of users, its audience groups last: only they may need facts. No list admits nobody here."""
    if entries is None:
        return NOBODY
    sender = facts.sender
    match = entries.match(sender.id, username=sender.username, tag=sender.tag, by_name=by_name)
    if match is not None:
        return Admitted(match)
    needs: set[Need] = set()
    for group in entries.groups:
        if isinstance(group, AudienceGroup) and _in_audience(group, facts, needs):
            return Admitted(Match(GROUP_PREFIX + group.name, "group"))
    return Admitted(None, frozenset(needs))


def admit_member(
    users: AllowList | None, roles: frozenset[str] | None, facts: MessageFacts, *, by_name: bool
) -> Admitted:
    """Ask ``users`` and ``roles`` of a guild or channel entry; either suffices.

    Roles that are not known (no member in the event, rule R19) satisfy nothing, and are needed.
    """
    listed = admit(users, facts, by_name=by_name)
    if listed.match is not None or not roles:
        return listed
    if "*" in roles:
        return Admitted(Match("*", "role"))
    sender, guild_id = facts.sender, facts.surface.guild_id
    if sender.roles is None:
        member = {MemberNeeded(guild_id, sender.id)} if guild_id else set()
        return Admitted(None, listed.needs | member)
    mine = sorted(roles.intersection(sender.roles))
    return Admitted(Match(mine[0], "role")) if mine else listed


def _in_audience(group: AudienceGroup, facts: MessageFacts, needs: set[Need]) -> bool:
    """Only people have an audience: webhooks and PluralKit members are no members of a guild."""
    sender = facts.sender
    if sender.webhook or sender.pluralkit is not None:
        return False
    need = AudienceNeeded(group.guild_id, group.channel_id, sender.id)
    answer = facts.known.audiences.get(need)
    if answer is None:
        needs.add(need)
    elif not isinstance(answer, bool):
        needs.update(answer)
    return answer is True
