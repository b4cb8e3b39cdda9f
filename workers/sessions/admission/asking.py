"""Asking access: what a decision lacks and Redis knows is looked up, and it is asked again.

What is left in :attr:`Decision.needs` afterwards only others can tell (:data:`needs.Outside`). Whoever
can wait for it asks them, keeps the answer (:mod:`shoal.state.lookups`), and comes again; whoever
cannot takes the decision as it is, which is closed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from shoal.discord.pluralkit import Proxied
from shoal.state.lookups import Asked
from workers.access.audience import can_view
from workers.access.decide import decide
from workers.access.decision import Decision
from workers.access.facts import MessageFacts, PluralKitSender, Tallied
from workers.access.needs import (
    ActivationNeeded,
    AudienceNeeded,
    MemberNeeded,
    Need,
    PluralKitNeeded,
    TallyNeeded,
    TranscriptNeeded,
)
from workers.access.settings import AccessSettings
from workers.sessions.view import AdmissionView
from workers.sessions.wire import read_roles

__all__ = ["ask"]

ROUNDS = 8
"""More than any way through the rules can take: who speaks, its roles, groups, activation, two counts."""


Question = Callable[[MessageFacts, AccessSettings], Decision]
"""``decide``, ``decide_place``, ``decide_command``, …"""


def ask(
    facts: MessageFacts, view: AdmissionView, question: Question = decide
) -> tuple[MessageFacts, Decision]:
    """The decision over these facts and what Redis adds to them; with the facts as they are now known."""
    settings = view.settings.access
    decision = question(facts, settings)
    for _ in range(ROUNDS):
        if not decision.needs:
            break
        learned = _learn(facts, decision.needs, view)
        if learned is facts:
            break
        facts, decision = learned, question(learned, settings)
    return facts, decision


def _learn(facts: MessageFacts, needs: frozenset[Need], view: AdmissionView) -> MessageFacts:
    """The facts with what Redis knows of these needs; the same object if that is nothing new."""
    known = facts
    counts = [need for need in needs if isinstance(need, TallyNeeded)]
    if counts:
        found = view.tallies([(need.name, need.after_ms, need.before_ms) for need in counts])
        tallies = {need: Tallied(*count) for need, count in zip(counts, found, strict=True)}
        known = known.learned(tallies={**known.known.tallies, **tallies})
    for need in needs:
        match need:
            case ActivationNeeded(session_key):
                known = known.learned(activation=view.session(session_key).activation)
            case AudienceNeeded():
                answer = can_view(need, view.facts, sender=known.sender, here=known.surface)
                known = known.learned(audiences={**known.known.audiences, need: answer})
            case MemberNeeded(guild_id, user_id) if (guild_id, user_id) == _own_member(known):
                known = _with_roles(known, need, view)
            case PluralKitNeeded():
                known = _with_speaker(known, need, view)
            case TranscriptNeeded():
                known = _with_words(known, need, view)
    return known


def _own_member(facts: MessageFacts) -> tuple[str | None, str] | None:
    """Guild and user of the sender whose roles the event did not tell."""
    return None if facts.sender.roles is not None else (facts.surface.guild_id, facts.sender.id)


def _with_roles(facts: MessageFacts, need: MemberNeeded, view: AdmissionView) -> MessageFacts:
    member = view.facts.member(need)
    if member is None:
        return facts
    return replace(facts, sender=replace(facts.sender, roles=read_roles(member) or ()))


def _with_words(facts: MessageFacts, need: TranscriptNeeded, view: AdmissionView) -> MessageFacts:
    """What was said in a voice message, once somebody has listened to it."""
    asked = Asked(view.settings.account, "files", need.message_id)
    raw = view.answers([asked]).get(asked) if view.settings.transcribes else None
    if raw is None:
        return facts
    answer = msgspec.json.decode(raw)
    said = answer.get("said") if isinstance(answer, dict) else None
    return facts.learned(transcript=said if isinstance(said, str) else "")


def _with_speaker(facts: MessageFacts, need: PluralKitNeeded, view: AdmissionView) -> MessageFacts:
    """Who speaks through a webhook, as PluralKit has told; a webhook that is none of its stays one."""
    asked = Asked(view.settings.account, "pluralkit", need.message_id)
    raw = view.answers([asked]).get(asked)
    if raw is None:
        return facts
    proxied = msgspec.json.decode(raw, type=Proxied | None)
    if proxied is None:
        return facts.learned(unproxied=True)
    member = PluralKitSender(
        proxied.member_id,
        proxied.name,
        name=proxied.member_name or proxied.name,
        system=proxied.system_name,
        account_id=proxied.sender_id,
    )
    return replace(facts, sender=facts.sender.spoken_by(member))
