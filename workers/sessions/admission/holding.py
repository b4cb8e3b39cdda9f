"""A look into a hold lane: wait on, or decide over what stands at its head (rule R18).

The lane holds the events of one author in one channel as they came, and whatever happened to
them since: edits, deletions, and the mark of a stop. A look reads all of it afresh and asks what
still keeps the head from being decided. So nothing has to be remembered between two looks, and a
worker that dies between them costs nothing: every deadline counts from the birth of a record in
the lane, by Redis' clock.

Pure but for the Redis reads behind the view.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from shoal.base.ids import snowflake_ms
from shoal.state.effects import Effect, Outcome
from shoal.state.lookups import Asked
from shoal.state.records import InboundEvent, Record, decode_event
from workers.sessions.admission import edits
from workers.sessions.admission.answers import inform
from workers.sessions.admission.arrival import Arrival, Part, arrive
from workers.sessions.admission.copies import one_of_two
from workers.sessions.admission.hold import FLUSH, WINDOWS_MAX, Waiting, gathers, waits_for
from workers.sessions.admission.message import settle
from workers.sessions.admission.results import Admission, place_of
from workers.sessions.changes import DELETED_REASON
from workers.sessions.keys import session_lane
from workers.sessions.view import AdmissionView
from workers.sessions.wire import Malformed, WireMessage, read_ids, read_message

__all__ = ["BATCH_CHARS", "BATCH_MAX", "Decided", "Wait", "look"]

BATCH_MAX = 20
"""Messages that become one; the commit of their turn settles as many."""
BATCH_CHARS = 24_000


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again when one of the keys fires, a record comes, or at ``until_ms`` (Redis' clock)."""

    until_ms: int
    wake_on: tuple[str, ...]
    ask: tuple[Asked, ...]
    """What somebody must be sent to find out."""
    summary: str


@dataclass(frozen=True, slots=True)
class Decided:
    """The head, with the records behind it that go with it, is decided."""

    absorb: tuple[str, ...]
    admission: Admission
    gathered_until_ms: int = 0
    """Until when what its author wrote belongs to it; 0 where nothing was gathered. What came before that and
    is not admitted yet (front was away, or has much to do) is to be waited for."""


@dataclass(slots=True)
class _Message:
    """A message that waits, as it is now."""

    record: Record
    event: InboundEvent
    message: WireMessage
    deleted: bool = False


def look(
    head: Record, absorbed: Sequence[Record], behind: Sequence[Record], view: AdmissionView, now_ms: int
) -> Wait | Decided:
    """What is to become of the head.

    Args:
        absorbed: records an earlier look, whose worker died, had made part of the decision: they leave
            the lane with the head, so they are part of this one.
        behind: the records after those, as far as they can be seen.
    """
    if head.kind == FLUSH:
        return Decided((), Admission(summary="hold flushed"))
    event = decode_event(head.body)
    if event.event != "MESSAGE_CREATE":
        # what it was about has been decided: it goes where the message has gone
        return Decided((), edits.follow(event, view))
    waiting = _read([head, *absorbed, *behind])
    group, closed = _group(waiting, {record.identity for record in absorbed}, behind, view)
    alive = [one for one in group if not one.deleted]
    arrivals = [inform(one.event, one.message, view) for one in alive]
    waits = [
        (one.record.born, wait)
        for one, arrival in zip(alive, arrivals, strict=True)
        for wait in waits_for(arrival, view)
        if one.record.born + wait.most_ms > now_ms
    ]
    window = 0 if closed or not alive else _window_end(alive, view)
    if waits or window > now_ms:
        return _wait(waits, window)
    names = [one.record.identity for one in group[1:]]
    known = {record.identity for record in absorbed}
    ids = tuple(name for name in names if name not in known)
    return Decided(ids, _decide(group, arrivals, view), window)


def _read(records: Iterable[Record]) -> list[_Message]:
    """The messages among these records, in order, with what happened to them since."""
    found: dict[str, _Message] = {}
    for record in records:
        if record.kind == FLUSH:
            continue
        event = decode_event(record.body)
        if event.event == "MESSAGE_CREATE":
            message = read_message(event.data)
            found[message.id] = _Message(record, event, message)
        elif event.event == "MESSAGE_UPDATE":
            _edit(found, event)
        else:
            for gone in read_ids(event.data, "id", "ids"):
                if gone in found:
                    found[gone].deleted = True
    return list(found.values())


def _edit(found: dict[str, _Message], event: InboundEvent) -> None:
    """The message as it was edited; what an edit does not tell again (the member) stays."""
    try:
        new = read_message(event.data)
    except Malformed:
        return
    if (one := found.get(new.id)) is None:
        return
    old = one.message
    one.message = replace(
        new,
        type=old.type,
        guild_id=old.guild_id,
        channel_type=old.channel_type,
        nick=new.nick or old.nick,
        roles=old.roles if new.roles is None else new.roles,
        webhook_id=old.webhook_id,
        referenced=new.referenced or old.referenced,
        reference_missing=old.reference_missing and new.referenced is None,
        snapshots=new.snapshots or old.snapshots,
    )


def _group(
    waiting: list[_Message], absorbed: set[str], behind: Sequence[Record], view: AdmissionView
) -> tuple[list[_Message], bool]:
    """The head and the messages that become one with it; and whether no more is waited for."""
    head, *others = waiting
    group, chars = [head], len(head.message.body.content)
    open_ = gathers(head.message, view) or head.deleted
    for one in others:
        content = one.message.body.content
        fits = len(group) < BATCH_MAX and chars + len(content) <= BATCH_CHARS
        joins = open_ and fits and (one.deleted or gathers(one.message, view))
        if one.record.identity not in absorbed and not joins:
            return group, True
        group.append(one)
        chars += len(content)
    flushed = any(record.kind == FLUSH for record in behind)
    return group, not open_ or flushed or len(group) >= BATCH_MAX


def _window_end(alive: Sequence[_Message], view: AdmissionView) -> int:
    window = view.settings.debounce_ms
    return min(alive[-1].record.born + window, alive[0].record.born + WINDOWS_MAX * window)


def _wait(waits: Sequence[tuple[int, Waiting]], window: int) -> Wait:
    words = sorted({wait.word for _, wait in waits} | ({"debounce"} if window else set()))
    return Wait(
        until_ms=max([window, *(born + wait.most_ms for born, wait in waits)]),
        wake_on=tuple(dict.fromkeys(wait.asked.wake_key for _, wait in waits))[:64],
        ask=tuple(dict.fromkeys(wait.asked for _, wait in waits if wait.ask)),
        summary=f"holding · {'+'.join(words)}",
    )


# -- the decision --------------------------------------------------------------------------------------


def _decide(group: Sequence[_Message], arrivals: Sequence[Arrival], view: AdmissionView) -> Admission:
    """One decision over the messages that are left; the others end here with a reason of their own."""
    account = view.settings.account
    ended: list[Effect] = [
        Outcome(account, one.message.id, "dropped", DELETED_REASON) for one in group if one.deleted
    ]
    left: list[Arrival] = []
    for arrival in arrivals:
        message_id = arrival.message.id
        reason, effects = one_of_two(arrival, view)
        if reason:
            ended.append(Outcome(account, message_id, "dropped", reason))
        elif _stopped(arrival, view):
            ended.append(Outcome(account, message_id, "stopped", "held"))
        else:
            ended += effects
            left.append(arrival)
    if not left:
        return Admission(tuple(ended), f"held · {len(ended)} ended")
    admission = settle(_merged(left, view), view)
    return replace(admission, effects=(*ended, *admission.effects))


def _stopped(arrival: Arrival, view: AdmissionView) -> bool:
    """A stop covers the message although no turn of its was admitted yet (R7)."""
    scope = place_of(arrival.event.account, arrival.message.channel_id)
    bound = view.holds.stop_bound(session_lane(arrival.conversation.session_key), scope)
    if bound is None:
        return False
    born = snowflake_ms(arrival.message.id)
    if born != bound[0] or not bound[1].isdigit():
        return born < bound[0]
    return int(arrival.message.id) < int(bound[1])


def _merged(arrivals: Sequence[Arrival], view: AdmissionView) -> Arrival:
    """Several messages as one: the last one, with the texts, the mentions and the reply of all."""
    last = arrivals[-1]
    if len(arrivals) == 1:
        return last
    messages = [arrival.message for arrival in arrivals]
    answered = _answered(arrivals)
    body = replace(last.message.body, content="\n".join(one.body.content for one in messages))
    merged = replace(
        last.message,
        body=body,
        type=answered.type,
        reference_type=answered.reference_type,
        referenced=answered.referenced,
        mentions=tuple({user.id: user for one in messages for user in one.mentions}.values()),
        mention_roles=tuple(dict.fromkeys(role for one in messages for role in one.mention_roles)),
        mention_everyone=any(one.mention_everyone for one in messages),
    )
    parts = tuple(Part(arrival.message, arrival.text) for arrival in arrivals)
    answers = {asked: raw for arrival in arrivals for asked, raw in arrival.answers.items()}
    return arrive(last.event, merged, view, parts=parts, answers=answers)


def _answered(arrivals: Sequence[Arrival]) -> WireMessage:
    """The message whose reply counts: one that answers the bot, else the newest that answers anybody."""
    newest = list(reversed(arrivals))
    to_us = (one.message for one in newest if one.facts.mentions.reply_to_bot)
    to_others = (one.message for one in newest if one.message.referenced is not None)
    return next(to_us, None) or next(to_others, None) or arrivals[-1].message
