"""What workers ask the gateway to send: presence, voice state, member and sound requests.

They queue in one list per account. A command goes to the shard of its guild; a presence to
all of them, a request for several guilds to each shard with its own.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, Protocol

import msgspec

from gateway.decode import encode_frame
from gateway.facts import shard_of
from gateway.socket import MAX_PAYLOAD
from shoal.base.errors import StoreUnavailable
from shoal.base.logging import get_logger
from shoal.discord.wire import GatewayOp
from shoal.state.store import Store

__all__ = ["Commands", "Sender"]

log = get_logger(__name__)

EVERY_S = 0.25
COMMANDS = frozenset(
    {
        GatewayOp.PRESENCE_UPDATE,
        GatewayOp.VOICE_STATE_UPDATE,
        GatewayOp.REQUEST_GUILD_MEMBERS,
        GatewayOp.REQUEST_SOUNDBOARD_SOUNDS,
        GatewayOp.REQUEST_CHANNEL_INFO,
    }
)


class Sender(Protocol):
    """A shard as the commands see it."""

    @property
    def live(self) -> bool:
        """Whether it can send now."""
        ...

    def send_command(self, body: bytes, *, presence: bool = False) -> float:
        """Send; 0, or the seconds to wait before trying again."""
        ...


class _Command(msgspec.Struct):
    op: int
    d: Any


class Commands:
    """Takes commands out of Redis and sends each to its shards; :meth:`run` is the body of a thread."""

    def __init__(self, store: Store, account: str, senders: Sequence[Sender], ended: threading.Event) -> None:
        self._store = store
        self._account = account
        self._senders = senders
        self._ended = ended
        self._waiting: list[list[tuple[bytes, bool]]] = [[] for _ in senders]

    def run(self) -> None:
        """Until ``ended``."""
        pause = EVERY_S
        while not self._ended.wait(pause):
            pause = self._round()

    def _round(self) -> float:
        """One look at the list; seconds until the next."""
        held_up = any(not presence for queue in self._waiting for _, presence in queue)
        if not held_up and any(sender.live for sender in self._senders):
            try:
                for body in self._store.intake.commands(self._account, 10):
                    self._sort(body)
            except StoreUnavailable:
                return 2.0
        for sender, queue in zip(self._senders, self._waiting, strict=True):
            self._send(sender, queue)
        return EVERY_S

    @staticmethod
    def _send(sender: Sender, queue: list[tuple[bytes, bool]]) -> None:
        """Send what can be sent; a presence that must wait lets the others pass."""
        for entry in list(queue):
            if not sender.send_command(entry[0], presence=entry[1]):
                queue.remove(entry)
            elif not (entry[1] and sender.live):
                return

    def _sort(self, body: bytes) -> None:
        """Put a command where it belongs; refused with a record if it is none."""
        try:
            command = msgspec.json.decode(body, type=_Command)
        except msgspec.DecodeError:
            command = _Command(-1, None)
        if command.op not in COMMANDS or len(body) > MAX_PAYLOAD:
            log.error("gateway command refused", account=self._account, size=len(body))
            return
        shards = len(self._senders)
        d = command.d if isinstance(command.d, dict) else {}
        if command.op == GatewayOp.PRESENCE_UPDATE:
            for queue in self._waiting:
                queue[:] = [entry for entry in queue if not entry[1]]  # only the newest counts
                queue.append((body, True))
        elif isinstance(d.get("guild_ids"), list):
            ids = [str(guild) for guild in d["guild_ids"]]
            for number, queue in enumerate(self._waiting):
                own = [guild for guild in ids if shard_of(guild, shards) == number]
                if own:
                    queue.append((encode_frame(command.op, {**d, "guild_ids": own}), False))
        else:
            self._waiting[shard_of(str(d.get("guild_id") or ""), shards)].append((body, False))
