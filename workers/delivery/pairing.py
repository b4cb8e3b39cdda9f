"""The reply to a stranger who asks to talk: what it says, and what follows when it cannot arrive.

The record in the lane names the request, not its code: the code is put in where the message is
sent, from the request as it is then. So no lane, no dead record and no log ever holds it, and a
request that is over or was approved gets no message any more (``spec/inbound.md`` 3.3).
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shoal.state.effects import Effect, Pair, PairReply, Push
from shoal.state.pairing import LIFE_MS, Request, encode_meta
from shoal.state.store import Store
from workers.delivery.records import NOTICE_MAX_AGE_S, SendRequest, send_push, send_record
from workers.delivery.texts import language_named, language_of, say
from workers.sessions.admission import Knock

__all__ = ["STEP", "approved_push", "failed_effects", "filled", "pair_effect", "sent_effects"]

STEP = "notice-pairing"
_CODE = "{code}"


def pair_effect(knock: Knock) -> Pair:
    """The effect of a stranger's message: the request, and the reply that goes with a new one."""
    reply = SendRequest(
        account=knock.account,
        channel_id=knock.channel_id,
        cause=knock.cause,
        step=STEP,
        text=say("pairing", knock.language).replace("{id}", knock.sender),
        plain=True,
        max_age_s=LIFE_MS // 1000,
        pairing=knock.sender,
    )
    record = send_record(reply, account=knock.account, message_id=knock.message_id)
    meta = encode_meta({"tag": knock.tag, "name": knock.name, "channel": knock.channel_id})
    return Pair(knock.account, knock.sender, meta, knock.message_id, reply.lane, record)


def filled(request: SendRequest, store: Store) -> SendRequest | None:
    """The reply with its code; ``None`` if the request is over, approved, or answered by a later reply."""
    found = store.pairing.request(request.account, request.pairing)
    if found is None or found.notice != request.identity:
        return None
    return msgspec.structs.replace(request, text=request.text.replace(_CODE, found.code))


def sent_effects(request: SendRequest) -> list[Effect]:
    """The reply has arrived."""
    return [PairReply(request.account, request.pairing, request.identity, "sent")]


def failed_effects(
    request: SendRequest, code: str, store: Store, owner_dm: Callable[[str], str | None]
) -> list[Effect]:
    """The reply cannot arrive: the request says so, and the owner is told once, if there is a way to.

    Args:
        code: code of the error, ``discord-dm-blocked-50007``.
        owner_dm: DM channel of the account's owner, if it is known.
    """
    effects: list[Effect] = [PairReply(request.account, request.pairing, request.identity, f"failed:{code}")]
    found, channel = store.pairing.request(request.account, request.pairing), owner_dm(request.account)
    if found is not None and channel is not None:
        effects.append(_owner_notice(request, found, channel, code))
    return effects


def _owner_notice(request: SendRequest, found: Request, channel: str, code: str) -> Push:
    text = say("pairing-unreachable", language_of(request.text))
    who = found.meta.get("name") or found.meta.get("tag") or found.sender
    for hole, value in (("{who}", who), ("{id}", found.sender), ("{code}", code)):
        text = text.replace(hole, value)
    return _notice(request.account, channel, request.cause, "notice-pairing-unreachable", text)


def approved_push(account: str, channel: str, cause: str, language: str) -> Push:
    """The message that tells somebody they were approved; it waits a day for a fleet that is down."""
    text = say("pairing-approved", language_named(language))
    return _notice(account, channel, cause, "notice-approved", text, max_age_s=86_400)


def _notice(
    account: str, channel: str, cause: str, step: str, text: str, *, max_age_s: int = NOTICE_MAX_AGE_S
) -> Push:
    """A text of our own into a DM."""
    send = SendRequest(
        account=account,
        channel_id=channel,
        cause=cause,
        step=step,
        text=text,
        plain=True,
        max_age_s=max_age_s,
    )
    return send_push(send)
