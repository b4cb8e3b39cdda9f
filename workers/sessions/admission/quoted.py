"""The message that is answered to: what a turn is told of it (``spec/inbound.md`` 6.9, 6.10).

Discord sends it along without its author's member. Where ``contextVisibility`` asks for roles they
have to be looked up like those of a sender without member (rule R19).
"""

from __future__ import annotations

from dataclasses import replace

from shoal.base.ids import snowflake_ms
from shoal.state.lookups import Asked
from workers.access.needs import MemberNeeded
from workers.sessions.admission.arrival import Arrival, author_facts
from workers.sessions.identity import identity_of
from workers.sessions.questions import asked_of
from workers.sessions.records import QuotedMessage
from workers.sessions.text import FORWARD, attachments_of, message_text
from workers.sessions.view import AdmissionView
from workers.sessions.wire import WireMessage, read_roles

__all__ = ["quote_question", "quoted"]

MAX_QUOTE = 2_000
"""Characters kept of the message that is answered to."""


def quoted(arrival: Arrival, view: AdmissionView) -> QuotedMessage | None:
    """The answered message, where it is known, says something and may be shown."""
    answered = _answered(arrival)
    if answered is None:
        return None
    text = message_text(replace(answered, referenced=None))
    if not text or not _may_quote(answered, arrival, view):
        return None
    author = identity_of(answered.author, answered.nick)
    return QuotedMessage(
        message_id=answered.id,
        author_id=author.id,
        author_name=author.name,
        author_label=author.label,
        text=text[:MAX_QUOTE],
        timestamp_ms=snowflake_ms(answered.id),
        attachments=attachments_of(answered),
    )


def quote_question(arrival: Arrival, view: AdmissionView) -> Asked | None:
    """What has to be known of the answered message's author before it may be quoted."""
    answered = _answered(arrival)
    if answered is None or not arrival.decision.allowed or _ours(answered, view):
        return None
    need = _roles_needed(answered, arrival)
    return asked_of(need, arrival.event.account) if need is not None else None


def _answered(arrival: Arrival) -> WireMessage | None:
    return None if arrival.message.reference_type == FORWARD else arrival.message.referenced


def _ours(answered: WireMessage, view: AdmissionView) -> bool:
    return answered.author.id == view.bot_id


def _may_quote(answered: WireMessage, arrival: Arrival, view: AdmissionView) -> bool:
    # our own words are no stranger's
    if _ours(answered, view) or arrival.context.shows("quote", author_facts(answered)):
        return True
    need = _roles_needed(answered, arrival)
    member = view.facts.member(need) if need is not None else None
    if not member:
        return False
    return arrival.context.shows("quote", replace(author_facts(answered), roles=read_roles(member) or ()))


def _roles_needed(answered: WireMessage, arrival: Arrival) -> MemberNeeded | None:
    """The member to look up: only roles could let the quote in, and they are not known."""
    guild_id, context = arrival.conversation.surface.guild_id, arrival.context
    if guild_id is None or not context.roles or answered.roles is not None or answered.webhook_id is not None:
        return None
    if context.shows("quote", author_facts(answered)):
        return None
    return MemberNeeded(guild_id, answered.author.id)
