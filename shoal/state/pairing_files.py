"""Pairing files of an OpenClaw state dir, taken over once (``spec/inbound.md`` 3.3).

``<state dir>/credentials/``::

    discord-pairing.json               {"version": 1, "requests": [{id, code, createdAt, lastSeenAt, meta}]}
    discord-<account>-allowFrom.json   {"version": 1, "allowFrom": ["…"]}
    discord-allowFrom.json             the same, of the account ``default`` only

What they hold is merged into Redis the first time a fleet (or ``shoal pairing``) sees them; from
then on they are not looked at any more, and ``shoal pairing revoke`` takes somebody off. The
files themselves stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from shoal.base.errors import StateConflict
from shoal.base.ids import NAME_PATTERN, USER_MENTION
from shoal.state.pairing import ALPHABET, CODE_LENGTH, Imported, Request, new_codes

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["sender_of", "take_over_files"]

MAX_BYTES = 4 * 1024 * 1024
_REQUESTS = "discord-pairing.json"

T = TypeVar("T", bound=msgspec.Struct)


class _Approved(msgspec.Struct):
    allowFrom: list[str | int] = []  # noqa: N815 - OpenClaw's word


class _Waiting(msgspec.Struct):
    id: str | int
    code: str = ""
    createdAt: str = ""  # noqa: N815 - OpenClaw's word
    lastSeenAt: str = ""  # noqa: N815 - OpenClaw's word
    meta: dict[str, Any] = {}


class _Requests(msgspec.Struct):
    requests: list[_Waiting] = []


def sender_of(entry: str | int) -> str | None:
    """The sender an allow-list entry names by id: a user id or ``pk:<member>``; None for names and ``*``."""
    text = str(entry).strip()
    if mention := USER_MENTION.fullmatch(text):
        return mention.group(1)
    for prefix in ("discord:user:", "discord:", "user:"):
        text = text.removeprefix(prefix)
    if text.isascii() and text.isdigit() and len(text) <= 20:
        return text
    member = text.removeprefix("pk:")
    return text if member != text and NAME_PATTERN.fullmatch(member) else None


def take_over_files(store: Store, state_dir: Path, accounts: Sequence[str]) -> list[str]:
    """Merge what is there and was not merged before; says in sentences what was done and what could not be.

    Raises:
        StoreUnavailable: Redis is away; nothing is marked as done that was not.
    """
    folder = state_dir / "credentials"
    if not folder.is_dir():
        return []
    said: list[str] = []
    for account in accounts:
        said += _approved(store, folder / f"discord-{account}-allowFrom.json", account)
        if account == "default":
            said += _approved(store, folder / "discord-allowFrom.json", account)
        said += _requests(store, folder / _REQUESTS, account)
    return said


def _approved(store: Store, path: Path, account: str) -> Iterator[str]:
    read, problem = _read(path, _Approved)
    if problem:
        yield problem
    if read is None:
        return
    senders = {entry: sender_of(entry) for entry in read.allowFrom}
    odd = [str(entry) for entry, sender in senders.items() if sender is None]
    if odd:
        shown = ", ".join(repr(entry[:40]) for entry in odd[:5])
        yield f"{path}: {len(odd)} entries are no ids and were left out: {shown}."
    known = [sender for sender in senders.values() if sender is not None]
    yield from _merged(store, path, path.name.lower(), account, known, ())


def _requests(store: Store, path: Path, account: str) -> Iterator[str]:
    read, problem = _read(path, _Requests)
    if problem:
        yield problem
    if read is None:
        return
    found = [
        request
        for entry in read.requests
        if str(entry.meta.get("accountId") or "default") == account
        if (request := _request(entry, account)) is not None
    ]
    yield from _merged(store, path, f"{path.name}.{account}", account, (), found)


def _merged(
    store: Store,
    path: Path,
    mark: str,
    account: str,
    senders: Iterable[str],
    requests: Sequence[Request],
) -> Iterator[str]:
    try:
        done = store.pairing.take_over(mark, account, senders, requests)
    except StateConflict as error:
        yield f"{path} was not taken over: {error}"
        return
    if done is not None and done != Imported():
        yield (
            f"{path}: took over {done.approved} approved senders and {done.requests} requests "
            f"for account {account}."
        )


def _request(entry: _Waiting, account: str) -> Request | None:
    """A request of the file; one whose times cannot be read is over, one without a code gets a new one."""
    sender, created = sender_of(entry.id), _ms(entry.createdAt)
    if sender is None or created is None:
        return None
    code = entry.code.strip().upper()
    if len(code) != CODE_LENGTH or not set(code) <= set(ALPHABET):
        code = new_codes()[0]
    meta = {name: str(entry.meta[name]) for name in ("tag", "name") if entry.meta.get(name)}
    seen = _ms(entry.lastSeenAt) or created
    return Request(account, sender, code, created, seen, "sent", "import", meta)


def _ms(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _read(path: Path, kind: type[T]) -> tuple[T | None, str]:
    """What the file holds, or why it cannot be read; a missing file is neither."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, f"{path} cannot be read: {error.strerror}."
    if len(data) > MAX_BYTES:
        return None, f"{path} is larger than {MAX_BYTES // 1024 // 1024} MiB and was not taken over."
    try:
        return msgspec.json.decode(data, type=kind), ""
    except msgspec.DecodeError as error:
        return None, f"{path} is no pairing file of OpenClaw and was not taken over: {error}."
