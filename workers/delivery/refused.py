"""Places the bot may not write to: known after the first refused delivery, so that the others cost nothing.

A refusal that is about the place and not about the message (a permission taken away, a time-out, a person
who takes no direct messages, a locked thread) is kept as a fact of the channel. While it stands, what is to
be sent there ends at once with the same reason, and no request is made. It stands for ten minutes (of a
person: for one), and no longer than the facts it rests on: a role, an overwrite or a time-out that changes
lifts it. What arrives takes it away.
"""

from __future__ import annotations

import hashlib

import msgspec

from shoal.base.errors import ShoalError
from shoal.discord.codes import OF_PLACE
from shoal.discord.errors import DiscordError, DMBlocked, MissingPermissions
from shoal.state.facts import Facts
from shoal.state.store import Store

__all__ = ["KIND", "Refusal", "forget", "refusals", "remember", "standing"]

KIND = "refused"
"""Kind of the fact; its id is the channel's."""
STANDS_MS = 10 * 60_000
OF_PERSON_MS = 60_000
"""Nothing tells us that somebody has opened their direct messages."""
KEPT_MS = 24 * 3_600_000
WRITING = frozenset({"View Channel", "Send Messages", "Send Messages In Threads"})
_OF_CHANNEL = ("type", "parent_id", "permission_overwrites", "thread_metadata")


class Refusal(msgspec.Struct, frozen=True):
    """Discord refuses everything we write to a channel.

    Attributes:
        code: of the rejection, ``discord-missing-permissions-50013``.
        why: the sentence for people, with its fix.
        at_ms, until_ms: when it was seen, and until when nothing is tried; Unix ms.
        mark: of the facts it rests on.
    """

    code: str
    why: str
    at_ms: int
    until_ms: int
    mark: str = ""


def remember(store: Store, account: str, channel_id: str, error: ShoalError, code: str) -> None:
    """Keep a refusal if the next message to the same place would be refused as well.

    Args:
        code: of the rejection.
    """
    if not isinstance(error, DiscordError) or not _of_place(error):
        return
    now = store.now_ms()
    for place, old in refusals(store, account).items():
        if old.at_ms < now - KEPT_MS:
            forget(store, account, place)
    stands = OF_PERSON_MS if isinstance(error, DMBlocked) else STANDS_MS
    refusal = Refusal(code, str(error)[:400], now, now + stands, _mark(store.facts, account, channel_id))
    store.facts.put(account, KIND, channel_id, msgspec.to_builtins(refusal))


def _of_place(error: DiscordError) -> bool:
    if isinstance(error, MissingPermissions) and (error.missing or error.timed_out):
        return bool(error.timed_out or WRITING & set(error.missing))
    return isinstance(error, DMBlocked) or error.json_code in OF_PLACE


def standing(store: Store, account: str, channel_id: str) -> tuple[Refusal | None, bool]:
    """What was refused last in a channel, if it was; and whether that stands."""
    found = store.facts.get(account, KIND, channel_id)
    if found is None:
        return None, False
    refusal = msgspec.convert(found, Refusal)
    stands = store.now_ms() < refusal.until_ms and refusal.mark == _mark(store.facts, account, channel_id)
    return refusal, stands


def forget(store: Store, account: str, channel_id: str) -> None:
    """Something arrived there."""
    store.facts.remove(account, KIND, channel_id)


def refusals(store: Store, account: str) -> dict[str, Refusal]:
    """Channel → what was refused there last, of the last day."""
    found = store.facts.all(account, KIND)
    return {place: msgspec.convert(value, Refusal) for place, value in found.items()}


def _mark(facts: Facts, account: str, channel_id: str) -> str:
    """A digest of what decides whether we may write: overwrites, roles, our own, time-out, the thread."""
    channel = facts.channel(account, channel_id) or {}
    guild_id = str(channel.get("guild_id") or "")
    parent = facts.channel(account, str(channel.get("parent_id") or "")) or {} if guild_id else {}
    seen = [
        *({name: place.get(name) for name in _OF_CHANNEL} for place in (channel, parent)),
        facts.roles(account, guild_id) if guild_id else None,
        facts.get(account, "member", guild_id) if guild_id else None,
    ]
    return hashlib.blake2b(msgspec.json.encode(seen, order="sorted"), digest_size=8).hexdigest()
