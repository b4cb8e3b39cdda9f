"""All of access for one message, in the order that matters.

Authors that are no people first, then the place and the sender, then commands, then the
mention gate, then "is there anything to answer", then how often. A later question is asked only of
those who passed the earlier ones, so that a stranger learns nothing and costs nothing.

Others than messages ask parts of it: :func:`workers.access.policy.decide_place` (reactions),
:func:`workers.access.commands.decide_command` (slash commands). A click is asked as a message that names the
bot (:mod:`workers.components.clicks`).
"""

from __future__ import annotations

from dataclasses import replace

from workers.access.bots import is_machine, refuse_before_policy, refuse_unmentioned_bot
from workers.access.commands import command_authorized
from workers.access.decision import Decision, Reason
from workers.access.facts import MessageFacts
from workers.access.loops import guard_loop
from workers.access.mentions import pass_gate
from workers.access.needs import MemberNeeded
from workers.access.owners import is_owner, owner_hint
from workers.access.policy import decide_place
from workers.access.rates import within_limits
from workers.access.settings import AccessSettings

__all__ = ["decide"]

_QUOTABLE = frozenset({Reason.MENTION_REQUIRED.value, Reason.OTHER_MENTIONED.value})


def decide(facts: MessageFacts, settings: AccessSettings) -> Decision:
    """May this message start a turn? Pure: equal facts and settings give equal decisions."""
    refused = refuse_before_policy(facts, settings)
    if refused is not None:
        return refused
    place = decide_place(facts, settings)
    if not place.allowed:
        return place
    right = command_authorized(facts, settings, place)
    known = replace(
        place,
        authorized=right.yes,
        owner=is_owner(facts, settings),
        owner_hint=owner_hint(facts, settings, place),
    )
    if facts.command and not right.yes:
        return _refused(known, Reason.COMMAND_UNAUTHORIZED, needs=right.needs)
    gate = pass_gate(facts, settings, place.guild, place.channel, authorized=right.yes)
    known = replace(known, mentioned_by=gate.by, mention_required=gate.required)
    if gate.reason:
        return replace(
            known, allowed=False, reason=gate.reason, needs=gate.needs, history=gate.reason in _QUOTABLE
        )
    if refuse_unmentioned_bot(facts, settings, gate.by):
        return _refused(known, Reason.BOT_AUTHOR)
    if not facts.has_content and not facts.service:
        return _refused(known, Reason.EMPTY_MESSAGE)
    return _how_often(facts, settings, known)


def _refused(known: Decision, reason: Reason, **more: object) -> Decision:
    return replace(known, allowed=False, reason=reason.value, **more)  # type: ignore[arg-type]


def _how_often(facts: MessageFacts, settings: AccessSettings, known: Decision) -> Decision:
    """The last questions to a message that would be answered: the roles its route depends on, bots that go
    round in circles, people who ask too much. Commands and notices are not counted."""
    guild_id, sender = facts.surface.guild_id, facts.sender
    if facts.routed_by_roles and sender.roles is None and guild_id is not None:
        return _refused(known, Reason.MEMBER_UNKNOWN, needs=frozenset({MemberNeeded(guild_id, sender.id)}))
    if facts.service or facts.command:
        return known
    if is_machine(facts, settings):
        looped = guard_loop(facts, settings.loop_guard)
        known = replace(
            known,
            allowed=looped.allowed,
            reason=looped.reason,
            needs=looped.needs,
            marks=looped.marks,
        )
    return within_limits(facts, settings.limits, known) if known.allowed else known
