"""What was looked up about held messages: answers of Discord and PluralKit, each with an end of its own.

Derived and short-lived: an answer that is lost is asked for again, or its message is decided
without it. Written by plain tasks (``enrich.*``), which then wake whoever is parked on the answer.

==============  ==========================  ====================================================
kind            name                        value
==============  ==========================  ====================================================
``member``      ``<guild>.<user>``          the member object, or null: no such member
``inthread``    ``<thread>.<user>``         the thread member object, or null: not in the thread
``channel``     channel or thread id        the channel object, or null: we cannot see it
``user``        user id                     the user object, or null: there is none
``message``     message id                  the message object by REST, or null: it is gone
``author``      message id                  id of its author, or null: it is gone
``pluralkit``   message id                  :class:`shoal.discord.pluralkit.Proxied`, or null: not proxied
``pkuser``      user id                     1: messages of this account are proxied now and then
``replaced``    message id                  id of the webhook copy that took this message's place
``files``       message id                  ``{"said": …}``: its files were fetched as far as they can be, and
                                            this is what its recordings say
==============  ==========================  ====================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from shoal.base.ids import check_name

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["Asked", "Kind", "Lookups"]

Kind = Literal[
    "member", "inthread", "channel", "user", "message", "author", "pluralkit", "pkuser", "replaced", "files"
]


@dataclass(frozen=True, slots=True)
class Asked:
    """One question: what it is about. ``wake_key`` fires when the answer is there."""

    account: str
    kind: Kind
    name: str

    @property
    def wake_key(self) -> str:
        """Key to park on."""
        return check_name(f"lookup:{self.account}:{self.kind}:{self.name}", "wake key")


class Lookups:
    """Answers by question. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, asked: Asked, value: Any, *, ttl_s: float) -> None:
        """Keep an answer (JSON-able, ``None`` for "there is no such thing") and wake who waits for it."""
        key = self._store.keys.lookup(asked.account, asked.kind, asked.name)
        self._store.redis.set(key, msgspec.json.encode(value), px=max(1, int(ttl_s * 1000)))
        self._store.lanes.wake(asked.wake_key)

    def some(self, questions: Sequence[Asked]) -> dict[Asked, bytes]:
        """The answers that are there, as JSON (``b"null"``: there is no such thing); one round trip."""
        if not questions:
            return {}
        keys = [self._store.keys.lookup(one.account, one.kind, one.name) for one in questions]
        values: list[bytes | None] = self._store.redis.mget(keys)
        return {one: raw for one, raw in zip(questions, values, strict=True) if raw is not None}

    def get(self, asked: Asked) -> bytes | None:
        """One answer as JSON, or None: nobody knows."""
        return self.some([asked]).get(asked)
