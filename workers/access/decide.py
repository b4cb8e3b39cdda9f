"""All of access for one message, in the order that matters.

Authors that are no people first, then the place and the sender, then commands, then the
mention gate, then "is there anything to answer". A later question is asked only of those
who passed the earlier ones, so that a stranger learns nothing and costs nothing.
"""

from __future__ import annotations

from dataclasses import replace

from workers.access.bots import refuse_before_policy, refuse_unmentioned_bot
from workers.access.decision import Decision, Reason
from workers.access.facts import MessageFacts
from workers.access.mentions import pass_gate
from workers.access.owners import command_authorized, is_owner
from workers.access.policy import decide_place
from workers.access.settings import AccessSettings

__all__ = ["decide"]

_QUOTABLE = frozenset({Reason.MENTION_REQUIRED.value, Reason.OTHER_MENTIONED.value})


def decide(facts: MessageFacts, settings: AccessSettings) -> Decision:
    """May this message start a turn? Pure: equal facts and settings give equal decisions."""
    refused = refuse_before_policy(facts, settings)
    if refused is not None:
        return Decision.refuse(refused)
    place = decide_place(facts, settings)
    if not place.allowed:
        return place
    owner = is_owner(facts, settings)
    authorized = command_authorized(facts, settings, place)
    gate = pass_gate(facts, settings, place.guild, place.channel, authorized=authorized)
    known = replace(
        place,
        mentioned_by=gate.by,
        mention_required=gate.required,
        authorized=authorized,
        owner=owner,
    )
    if gate.reason:
        return replace(known, allowed=False, reason=gate.reason, history=gate.reason in _QUOTABLE)
    unmentioned = refuse_unmentioned_bot(facts, settings)
    if unmentioned is not None:
        return replace(known, allowed=False, reason=unmentioned.value)
    if not facts.has_content and not facts.service:
        return replace(known, allowed=False, reason=Reason.EMPTY_MESSAGE.value)
    return known
