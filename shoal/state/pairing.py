"""Pairing: strangers who ask to talk in private, and those somebody let in (``spec/inbound.md`` 3.3).

A request is made by the effect ``Pair`` of the admission that met the stranger; one Lua call
decides whether it is new, still waiting, or one too many, and queues the reply with it. What
the operator does (approve, revoke, take over OpenClaw's files) are scripts of their own, so
that it works whether the fleet runs or not. Only Redis' clock counts: a request lives 60
minutes from its creation.

A *sender* is a Discord user id, or ``pk:<member>`` for a PluralKit member. Codes are secrets:
they are in the request and in the message to the requester, never in a log or a lane.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from shoal.base.errors import StateConflict
from shoal.base.ids import check_name, new_token

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = [
    "ALPHABET",
    "CODE_LENGTH",
    "LIFE_MS",
    "Approval",
    "FirstOwner",
    "Imported",
    "Paired",
    "Pairing",
    "Request",
    "Revoked",
    "new_codes",
]

ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""What codes are made of: no I, O, 0, 1."""
CODE_LENGTH = 8
LIFE_MS = 3_600_000
"""Life of a request from its creation. The scripts have the same figures (``_pairing.lua``)."""
_OFFERED = 16
_OWNER_AGE_S = 2.0

Meta = Mapping[str, str]


def new_codes() -> tuple[str, ...]:
    """A few random codes; the script takes the first that no waiting request has."""
    return tuple("".join(secrets.choice(ALPHABET) for _ in range(CODE_LENGTH)) for _ in range(_OFFERED))


@dataclass(frozen=True, slots=True)
class Request:
    """A stranger who waits for approval. Times are Unix ms.

    Attributes:
        reply: what became of the message with the code: ``queued``, ``sent`` or ``failed:<code>``.
        notice: identity of the record that carries that message.
        meta: ``tag``, ``name``, ``channel`` (the DM), where known.
    """

    account: str
    sender: str
    code: str = field(repr=False)
    created_ms: int
    seen_ms: int
    reply: str
    notice: str
    meta: Meta

    @property
    def failure(self) -> str:
        """Code of the error that kept the reply from arriving, or empty."""
        return self.reply.removeprefix("failed:") if self.reply.startswith("failed:") else ""


@dataclass(frozen=True, slots=True)
class Paired:
    """Somebody who was approved. ``how`` is ``cli`` or ``import``."""

    account: str
    sender: str
    since_ms: int
    how: str
    meta: Meta


@dataclass(frozen=True, slots=True)
class FirstOwner:
    """Who owns the bot as long as the config names nobody: the first who was approved."""

    sender: str
    account: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Approval:
    """Answer to :meth:`Pairing.approve`.

    Attributes:
        outcome: ``approved``, ``unknown`` (no such code, or it is over), ``locked`` (too many wrong codes) or
            ``ambiguous`` (two accounts have this code: name one).
        became_owner: the sender is the owner now, because nobody was.
        guesses_left: wrong codes until a lock, after ``unknown``.
        locked_ms: how long the lock lasts.
        accounts: where the code is, if in several places.
    """

    outcome: str
    account: str = ""
    sender: str = ""
    became_owner: bool = False
    meta: Meta = field(default_factory=dict)
    guesses_left: int = 0
    locked_ms: int = 0
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Revoked:
    """Answer to :meth:`Pairing.revoke`: what the sender was."""

    approved: bool
    waiting: bool
    owner: bool


@dataclass(frozen=True, slots=True)
class Imported:
    """How many entries of a file of OpenClaw were new here."""

    approved: int = 0
    requests: int = 0


class Pairing:
    """Reads pairing, and the few things an operator does with it. Thread-safe."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owner: tuple[float, FirstOwner | None] | None = None

    # -- what admission and delivery ask --------------------------------------------------------------

    def has(self, account: str, sender: str) -> bool:
        """Whether the sender was approved on this account: one read, never remembered."""
        return bool(self._store.redis.hexists(self._store.keys.paired(account), sender))

    def first_owner(self, *, max_age_s: float = _OWNER_AGE_S) -> FirstOwner | None:
        """Who owns the bot while ``commands.ownerAllowFrom`` is empty; read again after ``max_age_s``."""
        now = time.monotonic()
        if self._owner is None or now - self._owner[0] > max_age_s:
            self._owner = (now, _owner(self._store.redis.get(self._store.keys.owner())))
        return self._owner[1]

    def request(self, account: str, sender: str) -> Request | None:
        """The living request of a sender."""
        raw: bytes | None = self._store.redis.hget(self._store.keys.pairing(account), sender)
        found = _request(account, sender, raw) if raw is not None else None
        return found if found is not None and self._lives(found) else None

    # -- what the operator sees and does --------------------------------------------------------------

    def waiting(self, accounts: Iterable[str]) -> list[Request]:
        """Living requests of some accounts, oldest first."""
        found = []
        for account in accounts:
            raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.pairing(account))
            found += [_request(account, sender.decode(), value) for sender, value in raw.items()]
        alive = [request for request in found if request is not None and self._lives(request)]
        return sorted(alive, key=lambda request: request.created_ms)

    def paired(self, account: str) -> list[Paired]:
        """Everybody who was approved on an account, oldest first."""
        raw: dict[bytes, bytes] = self._store.redis.hgetall(self._store.keys.paired(account))
        found = [_paired(account, sender.decode(), value) for sender, value in raw.items()]
        return sorted(found, key=lambda each: (each.since_ms, each.sender))

    def approve(
        self, code: str, accounts: Sequence[str], *, may_own: bool = False, how: str = "cli"
    ) -> Approval:
        """Let in whoever has this code.

        Args:
            code: as typed; case and blanks around it do not matter.
            accounts: where to look.
            may_own: nobody owns the bot, so the first who is approved does.
            how: who approved, for the list.

        Raises:
            StateConflict: 10,000 senders are approved already.
        """
        cleaned = code.strip().upper()
        answer = self._call(
            "pairing_approve", new_token(), cleaned, int(may_own), how, len(accounts), *accounts
        )
        match answer:
            case ["approved", account, sender, owner, meta]:
                self._owner = None
                return Approval("approved", account, sender, owner == "1", _meta(meta))
            case ["unknown", left]:
                return Approval("unknown", guesses_left=int(left))
            case ["locked", left]:
                return Approval("locked", locked_ms=int(left))
            case ["ambiguous", *places]:
                return Approval("ambiguous", accounts=tuple(places))
        raise StateConflict(f"unexpected answer {answer[:1]}", "pairing_approve")

    def revoke(self, account: str, sender: str) -> Revoked:
        """Take a sender off the approved list and from those who wait; who owned by pairing owns no more."""
        answer = self._call("pairing_revoke", new_token(), account, sender)
        self._owner = None
        return Revoked(*(part == "1" for part in answer[1:4]))

    def take_over(
        self, mark: str, account: str, approved: Iterable[str], requests: Sequence[Request] = ()
    ) -> Imported | None:
        """Merge what a file of OpenClaw held, once for each ``mark``; None if that was done before."""
        now = self._store.now_ms()
        args: list[Any] = [check_name(mark, "mark"), account]
        senders = list(approved)
        args.append(len(senders))
        for sender in senders:
            args += [sender, "{}"]
        args.append(len(requests))
        for each in requests:
            ages = (max(0, now - each.created_ms), max(0, now - each.seen_ms))
            args += [each.sender, *ages, each.code, encode_meta(each.meta)]
        answer = self._call("pairing_import", *args)
        return None if answer[0] == "known" else Imported(int(answer[1]), int(answer[2]))

    def _lives(self, request: Request) -> bool:
        return self._store.now_ms() - request.created_ms < LIFE_MS

    def _call(self, script: str, *args: Any) -> list[str]:
        raw: list[Any] = self._store.script(script)(*args)
        answer = [part.decode() if isinstance(part, bytes) else str(part) for part in raw]
        if answer[0] == "conflict":
            raise StateConflict(answer[1], script)
        return answer


def encode_meta(meta: Meta) -> str:
    """Meta as one line of JSON, long names are cut."""
    return msgspec.json.encode({name: value[:64] for name, value in meta.items() if value}).decode()


def _meta(text: str) -> Meta:
    try:
        return msgspec.json.decode(text, type=dict[str, str])
    except msgspec.DecodeError:
        return {}


_ENTRY = re.compile(r"(\d+) (\d+) ([A-Z0-9]+) (\S+) (\d+) (\S+)\n(.*)", re.DOTALL)


def _request(account: str, sender: str, raw: bytes) -> Request | None:
    found = _ENTRY.fullmatch(raw.decode("utf-8", "replace"))
    if found is None:
        return None
    created, seen, code, reply, _, notice, meta = found.groups()
    return Request(account, sender, code, int(created), int(seen), reply, notice, _meta(meta))


def _paired(account: str, sender: str, raw: bytes) -> Paired:
    head, _, meta = raw.decode("utf-8", "replace").partition("\n")
    since, _, how = head.partition(" ")
    return Paired(account, sender, int(since) if since.isdigit() else 0, how, _meta(meta))


def _owner(raw: bytes | None) -> FirstOwner | None:
    parts = raw.decode().split(" ") if raw else []
    return FirstOwner(parts[0], parts[1], int(parts[2])) if len(parts) == 3 else None
