"""The files of a turn's messages: waited for before the first question, then part of what the model reads.

    gather ─▶ all known? ─▶ journal (what was found is fixed: a resumed turn reads the same)
                 └─ no ──▶ park on the files' wake keys, at most 120 s in all; ask again if nothing comes

A message with files has mostly waited in the hold lane of its author, where it is in nobody's way; what
is missing here was fetched to another host, or lost. Where the time is over the turn goes on, and the note
says which file is missing (``spec/inbound.md`` 6.11). Files of messages that come in meanwhile are not
waited for: such a message is taken in once its files are known, or becomes the next turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from shoal.state.effects import Effect
from shoal.state.media import file_ready, speech_ready
from shoal.state.records import Grant, Record
from shoal.state.steps import Park
from shoal.state.store import Store
from workers.agent.entries import Looked
from workers.agent.journal import Journal
from workers.media.files import MediaFile, file_key, files_of, look
from workers.media.images import unfit
from workers.media.kinds import is_image
from workers.media.notes import media_notes, spoken
from workers.sessions.records import TurnRequest, decode_turn

__all__ = ["Attached", "Desk", "notes_of"]

WAIT_MS = 120_000
"""From when the gateway received the message, whatever it has waited for before."""
EARLIER_MS = 5_000
"""The same where nothing but pictures of before is missing: the answer may do without them."""
ASK_AGAIN_MS = 10_000
SOON_MS = 1_000
MAX_KEYS = 60


class Desk(Protocol):
    """Where files are asked for; :mod:`tasks.parts` gives one."""

    @property
    def host(self) -> str:
        """The host whose disk this turn reads."""
        ...

    def transcribes(self, account: str) -> bool:
        """Whether recordings of this account get their words."""
        ...

    def ask(self, lane: str, identity: str) -> None:
        """Have the files of a record fetched to this host. Asking twice is harmless, and may be lost."""
        ...

    def echo(self, request: TurnRequest, words: str) -> Effect | None:
        """The effect that shows people what was heard (``echoTranscript``), if they are to see it."""
        ...


class Attached:
    """What the turn of one grant knows of files."""

    def __init__(self, grant: Grant, store: Store, journal: Journal, desk: Desk | None) -> None:
        self._grant = grant
        self._store = store
        self._journal = journal
        self._desk = desk

    def gather(self, request: TurnRequest) -> Park | None:
        """Know the files of the head; or wait, and be called again.

        Raises:
            StaleGrant: the lane is somebody else's.
        """
        identity = self._grant.head.identity
        if self._desk is None or not request.has_files or identity in self._journal.state.files:
            return None
        age = self._store.now_ms() - request.received_ms
        known, awaited = self._look(request)
        before = {file_key(item) for item in request.earlier}
        patience = EARLIER_MS if before.issuperset(awaited) else WAIT_MS
        if not awaited or age >= patience:
            self._write({identity: (request, known)})
            return None
        # what another host has fetched is not here; else who admitted the message has asked
        if age >= ASK_AGAIN_MS - SOON_MS or self._elsewhere(request, awaited):
            self._desk.ask(self._grant.lane, identity)
        delay = min(patience - age, ASK_AGAIN_MS)
        return Park(self._keys(request, awaited), delay, "parked: files", wake_on_push=False)

    def ready(self, request: TurnRequest) -> bool:
        """Whether a message behind the head can be taken in: all of it is there, or it is late."""
        if self._desk is None or not request.has_files:
            return True
        late = self._store.now_ms() - request.received_ms >= WAIT_MS
        return late or not self._look(request)[1]

    def until_ready(self, records: Sequence[Record]) -> list[Record]:
        """Messages behind the head, in order, up to the first whose files are still to come."""
        ready: list[Record] = []
        for record in records:
            if not self.ready(decode_turn(record.body)):
                break
            ready.append(record)
        return ready

    def settle(self, requests: Mapping[str, TurnRequest]) -> None:
        """Fix what is known of the files of messages that are taken in now."""
        fresh = {
            identity: (request, self._look(request)[0])
            for identity, request in requests.items()
            if request.has_files and identity not in self._journal.state.files
        }
        if self._desk is not None and fresh:
            self._write(fresh)

    def told(self, identity: str, request: TurnRequest) -> TurnRequest:
        """The request with what its recordings say, once that is known."""
        text = spoken(request.text, self._journal.state.files.get(identity, ()))
        return request if text == request.text else msgspec.structs.replace(request, text=text)

    def _elsewhere(self, request: TurnRequest, awaited: Sequence[str]) -> bool:
        facts = self._store.media.facts(request.account, awaited)
        return any(fact.saved for fact in facts.values())

    def _look(self, request: TurnRequest) -> tuple[list[MediaFile], list[str]]:
        assert self._desk is not None
        files = files_of(request)
        facts = self._store.media.facts(request.account, [file_key(item) for _, item in files])
        transcribes = self._desk.transcribes(request.account)
        return look(files, facts, host=self._desk.host, transcribes=transcribes)

    def _write(self, found: Mapping[str, tuple[TurnRequest, Sequence[MediaFile]]]) -> None:
        effects: list[Effect] = []
        files: dict[str, tuple[MediaFile, ...]] = {}
        for identity, (request, known) in found.items():
            files[identity] = tuple(_judged(file) for file in known)
            words = "\n\n".join(file.transcript for file in known if file.transcript and file.origin == "own")
            shown = self._desk.echo(request, words) if self._desk is not None and words else None
            effects += [shown] if shown is not None else []
        self._journal.write(Looked(self._journal.now_ms(), files), effects)

    def _keys(self, request: TurnRequest, awaited: Sequence[str]) -> tuple[str, ...]:
        assert self._desk is not None
        keys = []
        for file in awaited:
            keys.append(file_ready(request.account, file, self._desk.host))
            keys.append(speech_ready(request.account, file))
        return tuple(keys[:MAX_KEYS])


def _judged(file: MediaFile) -> MediaFile:
    """With the word on whether a model may be shown it."""
    if not file.path or not is_image(file.mime):
        return file
    return msgspec.structs.replace(file, picture=not unfit(Path(file.path), file.mime, file.size))


def notes_of(request: TurnRequest, files: Sequence[MediaFile] | None, *, signed: bool = True) -> str:
    """Note lines about the files of a request; of files nobody looked at, what Discord says.

    Args:
        signed: addresses of files that are not here keep their signature, so that they can be fetched.
    """
    if files is None:
        files = [
            MediaFile(file_key(item), item.url, item.content_type, origin=origin)
            for origin, item in files_of(request)
        ]
    return media_notes(files, signed=signed)
