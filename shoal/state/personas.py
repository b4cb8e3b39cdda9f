"""Personas: conversations in which an agent speaks under a name of its own, and the webhooks it uses.

    persona:<account>             conversation → who speaks there (a binding)
    hook:<account>                channel → the one webhook of ours there, with its token
    hookid:<account>              ids of webhooks that were ours at any time: what they say is our own echo
    hookno:<account>:<channel>    why there is none, for an hour
    hookclaim:<account>:<channel> somebody is making one now
    said:<account>:<conversation> ids of what was said lately, and the part of which send each is

The token of a webhook lets anybody speak in its channel. It is in ``hook`` only: no record, journal, log or
story has it, and no backup (after a restore the webhook is found again). Sources: ``spec/outbound.md``
3.14, ``spec/inbound.md`` 5.9, ``discord/facts.md`` 13.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from pydantic import SecretStr

from shoal.base.ids import check_name
from shoal.base.redact import redactor

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["CLAIM_S", "Persona", "Personas", "Webhook"]

REFUSED_S = 3600
CLAIM_S = 30
"""How long one process may look for and make a webhook; it measures that by its own clock."""
SAID_S = 3600
SAID_MOST = 100


class Persona(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who speaks in a conversation.

    Attributes:
        channel_id: the channel whose webhook is used: the parent of a thread, or the conversation itself.
        label: what the binding is called; used where the agent has no identity name.
        since_ms: when it was bound, Unix ms.
    """

    channel_id: str
    agent_id: str
    label: str = ""
    since_ms: int = 0
    v: int = 1


class _Kept(msgspec.Struct, frozen=True):
    id: str
    token: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook that can be spoken through."""

    id: str
    token: SecretStr


class Personas:
    """Who speaks where, by which webhook. All calls raise ``StoreUnavailable`` when Redis does not answer."""

    def __init__(self, store: Store) -> None:
        self._redis = store.redis
        self._keys = store.keys

    # -- bindings --------------------------------------------------------------------------------

    def bind(self, account: str, conversation: str, persona: Persona) -> None:
        """From now on this agent speaks here; an earlier binding of the conversation is replaced."""
        check_name(persona.channel_id, "channel id")
        value = msgspec.json.encode(persona)
        self._redis.hset(self._keys.personas(account), check_name(conversation, "conversation"), value)

    def unbind(self, account: str, conversation: str) -> bool:
        """The bot itself speaks here again. Whether somebody was bound."""
        return bool(self._redis.hdel(self._keys.personas(account), conversation))

    def bound(self, account: str, conversation: str) -> Persona | None:
        """Who speaks here, if somebody is bound."""
        raw: bytes | None = self._redis.hget(self._keys.personas(account), conversation)
        return None if raw is None else msgspec.json.decode(raw, type=Persona)

    def all(self, account: str) -> dict[str, Persona]:
        """Conversation → who speaks there, of all that are bound."""
        raw: dict[bytes, bytes] = self._redis.hgetall(self._keys.personas(account))
        return {name.decode(): msgspec.json.decode(value, type=Persona) for name, value in raw.items()}

    # -- webhooks --------------------------------------------------------------------------------

    def webhook(self, account: str, channel_id: str) -> Webhook | None:
        """Our webhook of a channel, if one is known."""
        raw: bytes | None = self._redis.hget(self._keys.webhooks(account), channel_id)
        if raw is None:
            return None
        kept = msgspec.json.decode(raw, type=_Kept)
        redactor.register(kept.token)
        return Webhook(kept.id, SecretStr(kept.token))

    def keep(self, account: str, channel_id: str, webhook: Webhook) -> None:
        """This is our webhook of the channel. Its id stays known as ours for ever."""
        token = webhook.token.get_secret_value()
        redactor.register(token)
        kept = msgspec.json.encode(_Kept(webhook.id, token))
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.sadd(self._keys.webhook_ids(account), check_name(webhook.id, "webhook id"))
        pipeline.hset(self._keys.webhooks(account), check_name(channel_id, "channel id"), kept)
        pipeline.delete(self._keys.webhook_refused(account, channel_id))
        pipeline.execute()

    def forget(self, account: str, channel_id: str, webhook_id: str) -> None:
        """The webhook is gone: it is not called again. One that took its place meanwhile stays."""
        known = self.webhook(account, channel_id)
        if known is not None and known.id == webhook_id:
            self._redis.hdel(self._keys.webhooks(account), channel_id)

    def refuse(self, account: str, channel_id: str, why: str) -> bool:
        """There can be none here, which is believed for an hour. Whether this is news."""
        key = self._keys.webhook_refused(account, channel_id)
        return bool(self._redis.set(key, why, nx=True, ex=REFUSED_S))

    def refused(self, account: str, channel_id: str) -> str:
        """Why there can be no webhook here; empty if that is not known."""
        raw: bytes | None = self._redis.get(self._keys.webhook_refused(account, channel_id))
        return "" if raw is None else raw.decode()

    def claim(self, account: str, channel_id: str) -> bool:
        """Whether the caller may look for and make a channel's webhook: one at a time for :data:`CLAIM_S`."""
        return bool(self._redis.set(self._keys.webhook_claim(account, channel_id), "1", nx=True, ex=CLAIM_S))

    def release(self, account: str, channel_id: str, *, in_s: int = 0) -> None:
        """The claim is over, or in ``in_s`` seconds. Only for who holds it."""
        self._redis.expire(self._keys.webhook_claim(account, channel_id), in_s)

    def is_own(self, account: str, webhook_id: str) -> bool:
        """Whether a webhook is or was ours: a message of it is our own."""
        return bool(self._redis.sismember(self._keys.webhook_ids(account), webhook_id))

    # -- what was said ---------------------------------------------------------------------------

    def say(self, account: str, conversation: str, message_id: str, part: str, *, now_ms: int) -> None:
        """Remember for an hour that this message is ``part``: ``<identity>.<number>`` of a send."""
        key = self._keys.said(account, conversation)
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.zadd(key, {f"{check_name(message_id, 'message id')} {part}": now_ms})
        pipeline.zremrangebyrank(key, 0, -SAID_MOST - 1)
        pipeline.expire(key, SAID_S)
        pipeline.execute()

    def said(self, account: str, conversation: str) -> dict[str, str]:
        """Message id → part, of the last hundred messages of the hour."""
        raw: list[bytes] = self._redis.zrange(self._keys.said(account, conversation), 0, -1)
        return dict(entry.decode().split(" ", 1) for entry in raw)
