"""What goes with the beginning and the end of a send, however it ended: wakes, outcomes, the story, blobs."""

from __future__ import annotations

from collections.abc import Mapping

from shoal.state.effects import Effect, Expire, Note, Outcome, Wake
from shoal.state.records import Record
from workers.delivery.controls import begun_anew, remembered
from workers.delivery.pairing import sent_effects
from workers.delivery.records import PartReceipt, SendRequest
from workers.sessions.keys import agent_of, channel_key
from workers.sessions.said import MAX_TEXT, said_there

__all__ = [
    "closing_effects",
    "expired_effects",
    "opening_effects",
    "refused_effects",
    "rejected_effects",
    "story",
]

CUT = "\n[only the beginning of this was sent]"


def opening_effects(request: SendRequest) -> list[Effect]:
    """What is remembered before the first part goes out, so that no click is too early."""
    return [remembered(request.account, request.controls)] if request.controls is not None else []


def closing_effects(
    request: SendRequest, head: Record, word: str, sent: Mapping[int, PartReceipt]
) -> list[Effect]:
    """The record is done with. ``word``: what the story says of it; ``sent``: the parts that are out."""
    effects = _wakes(request)
    effects += [
        Outcome(request.account, note.message_id, note.outcome, note.reason) for note in request.outcomes
    ]
    ids = ",".join(sent[part].message_id for part in sorted(sent))
    effects += story(head, f"{word} {request.identity} {ids}".strip())
    effects += _blobs(request)
    if word == "sent":
        effects += sent_effects(request) if request.pairing else []
        effects += _said(request, sent)
        effects += begun_anew(request, sent)
    return effects


def expired_effects(request: SendRequest, head: Record, sent: Mapping[int, PartReceipt]) -> list[Effect]:
    """It was too old to be of use, which is the outcome of every message it was for."""
    effects = _all_end(request, head, "expired", "delivery-too-old")
    effects += _said(request, sent, cut=CUT)
    return [*effects, *story(head, f"expired {request.identity}"), *_blobs(request)]


def refused_effects(request: SendRequest, head: Record, code: str, why: str) -> list[Effect]:
    """Nothing can be written there (:mod:`workers.delivery.refused`), which all it was for ends with."""
    effects = _all_end(request, head, "dropped", code)
    return [*effects, *story(head, f"refused {request.identity} {code}", why), *_blobs(request)]


def rejected_effects(
    request: SendRequest, head: Record, code: str, why: str, sent: Mapping[int, PartReceipt]
) -> list[Effect]:
    """Discord refused. Nothing more: the record dies, and the outcome is that of its death."""
    told = story(head, f"rejected {request.identity} {code}", why)
    return [*_wakes(request), *told, *_said(request, sent, cut=CUT)]


def _all_end(request: SendRequest, head: Record, outcome: str, reason: str) -> list[Effect]:
    """Every message the send was for has this outcome."""
    effects = _wakes(request)
    effects += [Outcome(request.account, note.message_id, outcome, reason) for note in request.outcomes]
    if head.account and head.message_id:
        effects.append(Outcome(head.account, head.message_id, outcome, reason))
    return effects


def _wakes(request: SendRequest) -> list[Effect]:
    return [Wake(key) for key in request.wake]


def story(head: Record, line: str, why: str = "") -> list[Effect]:
    """A line in the story of the message that the record came of, if it came of one; and what went wrong."""
    if not (head.account and head.message_id):
        return []
    notes: list[Effect] = [Note(head.account, head.message_id, "delivery", line)]
    return [*notes, Note(head.account, head.message_id, "failure", why)] if why else notes


def _said(request: SendRequest, sent: Mapping[int, PartReceipt], cut: str = "") -> list[Effect]:
    """The conversation in which it is read knows of it, if any of it is out; that of a post is its thread."""
    said = request.said
    if said is None or not sent:
        return []
    first = sent[min(sent)]
    key = said.session_key
    if request.post:
        key = channel_key(agent_of(key) or "", first.channel_id)
    return [said_there(key, request.identity, said.text[: MAX_TEXT - len(cut)] + cut, first.message_id)]


def _blobs(request: SendRequest) -> list[Effect]:
    return [Expire(item.blob) for item in request.files]
