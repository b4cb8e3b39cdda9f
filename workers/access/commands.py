"""Whose commands count: text commands and slash commands (``spec/inbound.md`` 3.9, 8.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workers.access.decision import Decision, Reason
from workers.access.facts import MessageFacts
from workers.access.guilds import sender_restriction
from workers.access.needs import Need
from workers.access.owners import is_owner, owner_hint
from workers.access.policy import decide_place
from workers.access.senders import admit
from workers.access.settings import AccessSettings

__all__ = ["Authorized", "command_authorized", "decide_command"]


@dataclass(frozen=True, slots=True)
class Authorized:
    """Whether commands count, and what was not known where they do not."""

    yes: bool
    needs: frozenset[Need] = frozenset()


def command_authorized(facts: MessageFacts, settings: AccessSettings, place: Decision) -> Authorized:
    """Whether the sender's commands count here, given that ``place`` let the sender in.

    ``commands.allowFrom`` alone decides where it is written. Else, in DMs, everybody who may talk may
    command; elsewhere the sender must be an owner, on the account's own list (without its wildcard), or
    inside a written ``users``/``roles`` list. ``commands.useAccessGroups: false`` lifts that where no list is
    written at all. With ``enforceOwnerForCommands`` only owners are left.
    """
    owner = is_owner(facts, settings)
    if settings.command_list is not None:
        listed = _on_command_list(facts, settings)
        return Authorized(listed and (owner or not settings.owner_commands))
    if owner or settings.owner_commands:
        return Authorized(owner)
    if facts.surface.kind == "direct":
        return Authorized(True)
    if sender_restriction(place.guild, place.channel) != (None, None):
        return Authorized(True)  # the sender came in through these lists
    own = settings.allow_from.without_wildcard() if settings.allow_from is not None else None
    if own is None or own.empty:
        return Authorized(not settings.use_access_groups)
    listed_here = admit(own, facts, by_name=settings.by_name)
    return Authorized(listed_here.match is not None, listed_here.needs)


def decide_command(facts: MessageFacts, settings: AccessSettings, *, for_everyone: bool = False) -> Decision:
    """Whether a slash command may run: the place as for a message, then the sender's right to command.

    Slash commands are not served yet; the rules are here with those of text commands, which they share.

    There is no mention gate. Where owners are written (``commands.ownerAllowFrom``) and
    ``commands.allowFrom`` is not, only they may use slash commands, but for those that are ``for_everyone``
    (``/status``). Of a refusal the place's reasons come first, then ``command-unauthorized``.
    """
    place = decide_place(facts, settings)
    if not place.allowed:
        return place
    owner = is_owner(facts, settings)
    right = command_authorized(facts, settings, place)
    owners_only = settings.owners is not None and not settings.owners.specific().empty
    yes = right.yes and (owner or for_everyone or settings.command_list is not None or not owners_only)
    known = replace(place, authorized=yes, owner=owner, owner_hint=owner_hint(facts, settings, place))
    if yes:
        return known
    needs = frozenset() if right.yes else right.needs
    return replace(known, allowed=False, reason=Reason.COMMAND_UNAUTHORIZED.value, needs=needs)


def _on_command_list(facts: MessageFacts, settings: AccessSettings) -> bool:
    """``commands.allowFrom``: ``guild:<id>`` of this guild, ids, ``*``; never names, never groups."""
    listed = settings.command_list
    if listed is None:
        return False
    if facts.surface.guild_id is not None and facts.surface.guild_id in listed.guild_ids:
        return True
    return listed.match(facts.sender.id) is not None
