"""``media.fetch``: the files of a message that was let in, to this host's disk. ``media.prune``: away again.

    front  held for its files ───┐                           ┌─▶ facts in Redis ─▶ wake
    turns  parked, asks again ───┴─▶ queue upkeep[.<host>] ──┴── back: fetch, transcribe

Arguments are the lane and the identity of the message's record, never an address. The task reads the
record where it waits: in the hold lane of its author (everybody else passes), or in the lane of its
conversation, where files are missing that were not fetched before. One that has left needs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from celery import Celery
from kombu.exceptions import OperationalError

from shoal.base.errors import InvalidName, ShoalError, StoreUnavailable
from shoal.base.ids import MessageId, check_name
from shoal.base.logging import get_logger
from shoal.state.effects import Effect
from shoal.state.lookups import Asked
from shoal.state.queues import check_lane, lane_class
from shoal.state.records import Record, decode_event
from tasks.homes import SHARED, files_host
from tasks.plain import send_plain
from tasks.runtime import Runtime
from tasks.slots import Job, Slots
from workers.delivery.echo import echo_push
from workers.delivery.outgoing import Outgoing
from workers.media.files import file_key, files_of, sent_with, words_of
from workers.media.paths import Places
from workers.media.receive import Interrupted, Receiver
from workers.media.shelf import Shelf
from workers.sessions.keys import agent_of
from workers.sessions.records import Attachment, TurnRequest, decode_turn
from workers.sessions.wire import Malformed, WireMessage, read_message

__all__ = [
    "FETCH",
    "PRUNE",
    "FileDesk",
    "ask_for_files",
    "fetch",
    "outgoing_for",
    "prune",
    "prune_everywhere",
    "register_media",
]

FETCH = "media.fetch"
PRUNE = "media.prune"
ANSWER_S = 600.0
EXPIRES_S = 120.0
"""A task that nobody took for so long is not worth taking: the turn goes on without its files."""

log = get_logger(__name__)


def register_media(app: Celery, runtime: Callable[[], Runtime]) -> None:
    """Add the tasks to ``app``."""
    slots = Slots()
    retry = {"autoretry_for": (StoreUnavailable,), "max_retries": 3, "retry_backoff": 1}

    @app.task(name=FETCH, acks_late=True, **retry)
    def media_fetch(lane: str, identity: str) -> str:
        _check(lane, identity)
        return fetch(runtime(), slots, lane, identity)

    @app.task(name=PRUNE, acks_late=True, **retry)
    def media_prune() -> str:
        return prune(runtime())


def _check(lane: str, identity: str) -> None:
    """A forged message can only knock at a lane that holds messages."""
    for value in (lane, identity):
        if not isinstance(value, str):
            raise InvalidName("lane and identity", str(value))
    if lane_class(check_lane(lane)) not in ("session", "hold"):
        raise InvalidName("lane (of messages)", lane)
    check_name(identity, "identity")


def queue_for(runtime: Runtime, lane: str) -> str:
    """The queue of the host that needs the files of a session lane: the agent's home, where it has one."""
    if files_host(runtime.loaded) == SHARED:
        return "upkeep"
    agent = agent_of(lane.removeprefix("session:"))
    home = runtime.store.homes.all().get(agent or "", "")
    return f"upkeep.{home}" if home else "upkeep"


def ask_for_files(runtime: Runtime, lane: str, identity: str, *, queue: str | None = None) -> None:
    """Have the files of a record fetched. Losing this costs a wait: the turn asks again."""
    send_plain(
        runtime.app, FETCH, lane, identity, queue=queue or queue_for(runtime, lane), expires_s=EXPIRES_S
    )


def fetch(runtime: Runtime, slots: Slots, lane: str, identity: str) -> str:
    """Fetch the files of the record ``identity`` in ``lane``; a line for Flower."""
    record = runtime.store.lanes.find(lane, identity)
    if record is None:
        return "nothing to fetch: the message has left"
    try:
        job = _of_held(record) if lane_class(lane) == "hold" else _of_turn(record)
    except (msgspec.DecodeError, Malformed):
        return "nothing to fetch: the record cannot be read"

    def work() -> str:
        receiver = receiver_for(runtime, job.account)
        try:
            received = receiver.receive(job.channel_id, job.message_id, job.files)
        except Interrupted:
            ask_for_files(runtime, lane, identity)
            return "handed on: shutdown"
        if job.held is not None and not received.open:
            # else the one who has a file in hand may have died: the hold asks again, and knows more then
            _tell(runtime, job, job.held)
        return received.summary

    done = slots.run(Job(f"{lane} {identity}", f"{job.account} {job.author_id}", work))
    return "; ".join(done) or "queued behind others"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The files of one message. ``held`` is the message, where it still waits to be decided."""

    account: str
    channel_id: str
    message_id: str
    author_id: str
    files: Sequence[Attachment]
    held: WireMessage | None = None


def _of_turn(record: Record) -> _Wanted:
    request = decode_turn(record.body)
    files = [item for _, item in files_of(request)]
    return _Wanted(request.account, request.channel_id, request.message_id, request.author_id, files)


def _of_held(record: Record) -> _Wanted:
    event = decode_event(record.body)
    message = read_message(event.data)
    files = sent_with(message)
    return _Wanted(event.account, message.channel_id, message.id, message.author.id, files, message)


def _tell(runtime: Runtime, wanted: _Wanted, message: WireMessage) -> None:
    """The message need not be held for its files any more."""
    facts = runtime.store.media.facts(wanted.account, [file_key(item) for item in wanted.files])
    answer = {"said": words_of(message, facts)}
    runtime.store.lookups.put(Asked(wanted.account, "files", wanted.message_id), answer, ttl_s=ANSWER_S)


class FileDesk:
    """Where the turns of this process ask for files (:class:`workers.agent.attached.Desk`)."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @property
    def host(self) -> str:
        """The host whose disk the turns read."""
        return files_host(self._runtime.loaded)

    def transcribes(self, account: str) -> bool:
        """Recordings get their words wherever a model is configured for it."""
        del account
        return bool(self._runtime.loaded.audio.listeners)

    def ask(self, lane: str, identity: str) -> None:
        """Have the files of a record fetched to this host."""
        try:
            queue = "upkeep" if self.host == SHARED else f"upkeep.{self.host}"
            ask_for_files(self._runtime, lane, identity, queue=queue)
        except OperationalError as error:
            log.warning("files could not be asked for; the turn asks again", lane=lane, error=error)

    def echo(self, request: TurnRequest, words: str) -> Effect | None:
        """``echoTranscript``: people see what was heard."""
        shape = self._runtime.loaded.audio.echo
        return None if shape is None else echo_push(request, shape.replace("{transcript}", words))


def receiver_for(runtime: Runtime, account_id: str) -> Receiver:
    """What receives files for an account on this host.

    Raises:
        ConfigError: there is no such account that can run.
    """
    account = runtime.loaded.account(account_id)
    rest = runtime.rest(account_id)

    def fresh(channel_id: str, message_id: MessageId) -> Mapping[str, str]:
        try:
            return _addresses(rest.get_message(channel_id, message_id))
        except ShoalError as error:
            log.warning("a message could not be read again", account=account_id, error=error)
            return {}

    return Receiver(
        account=account_id,
        host=files_host(runtime.loaded),
        media=runtime.store.media,
        shelf=Shelf(runtime.media_folder),
        download=rest.transport.files.fetch,
        max_bytes=int(account.discord.media_max_mb * 1024 * 1024),
        transcribe=runtime.ears(account_id),
        stopping=lambda: runtime.stopping.requested,
        fresh=fresh,
        clock=runtime.clock,
    )


def outgoing_for(runtime: Runtime, request: TurnRequest, workspace: Path | None) -> Outgoing:
    """What reads the files a conversation's agent sends: its workspace and the media folder are open.

    Raises:
        ConfigError: there is no such account that can run.
    """
    account = runtime.loaded.account(request.account)
    transport = runtime.rest(request.account).transport
    folders = [] if workspace is None else [workspace]
    guild = runtime.store.facts.guild(request.account, request.guild_id) if request.guild_id else None
    known = guild.get("premium_tier") if guild is not None else None
    return Outgoing(
        account=request.account,
        places=Places((*folders, runtime.media_folder), runtime.loaded.state_dir),
        download=transport.files.fetch,
        own=transport.origins.is_file,
        blobs=runtime.store.blobs,
        max_bytes=int(account.discord.media_max_mb * 1024 * 1024),
        tier=0 if not request.guild_id else known if isinstance(known, int) else None,
    )


def _addresses(message: object) -> dict[str, str]:
    """File id → address of everything a message carries."""
    found: dict[str, str] = {}
    todo = [message]
    while todo:
        part = todo.pop()
        if not isinstance(part, dict):
            continue
        for item in part.get("attachments") or ():
            if isinstance(item, dict) and item.get("id") and item.get("url"):
                found[str(item["id"])] = str(item["url"])
        todo.append(part.get("referenced_message"))
        todo.extend(snapshot.get("message") for snapshot in part.get("message_snapshots") or ())
    return found


def prune_everywhere(runtime: Runtime) -> str:
    """Have every host remove its old files; a line for Flower."""
    hosts = sorted({process.host for process in runtime.store.processes.living() if process.kind == "back"})
    for host in hosts:
        send_plain(runtime.app, PRUNE, queue=f"upkeep.{host}", expires_s=EXPIRES_S)
    return f"asked · {len(hosts)} hosts"


def prune(runtime: Runtime) -> str:
    """Remove old files of this host; a line for Flower."""
    removed = Shelf(runtime.media_folder).prune(runtime.loaded.root.media.ttl_hours * 3600)
    return f"pruned · {removed} files"
