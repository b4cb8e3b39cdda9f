"""A front worker by hand: the gateway's record goes in, the real task works the lanes off on a real store."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from celery import Celery

import config
from gateway.events import Origin, keep
from shoal.base.ids import new_token, snowflake_at
from shoal.state.ledger import Explanation
from shoal.state.lookups import Asked
from shoal.state.records import Grant, parse_frame
from shoal.state.store import Store
from tasks.app import QUEUE_PREFIX, build_app
from tasks.consuming import hint_queue
from tasks.inbound import admit_lane
from tasks.runtime import Runtime
from tasks.stopping import Stopping
from tasks.worker import KINDS
from workers.sessions.records import KIND, TurnRequest, decode_turn

TOKEN = "OTAw.abcdef.abcdefghijklmnopqrstuvwxyz01"
BOT, ANN, BOB, GUILD, CHANNEL = "900", "101", "102", "500", "600"
INBOUND = f"inbound:default:{CHANNEL}"
SESSION = f"session:agent:main:discord:channel:{CHANNEL}"


def hold_of(author: str) -> str:
    """The hold lane of an author in the channel."""
    return f"hold:default:{CHANNEL}:{author}"


class Front:
    """One front worker, and the gateway before it.

    Args:
        discord: laid over ``channels.discord``; Ann and Bob may talk in the guild, when they name the bot.
        messages, tools: sections of the config.
        groups: the section ``accessGroups``.
    """

    def __init__(
        self,
        store: Store,
        url: str,
        folder: Path,
        *,
        discord: Mapping[str, Any] | None = None,
        messages: Mapping[str, Any] | None = None,
        tools: Mapping[str, Any] | None = None,
        env: Mapping[str, str] | None = None,
        groups: Mapping[str, Any] | None = None,
    ) -> None:
        self.store = store
        section: dict[str, Any] = {
            "token": TOKEN,
            "dmPolicy": "allowlist",
            "allowFrom": [ANN, BOB],
            "groupPolicy": "allowlist",
            "guilds": {GUILD: {}},
            **(discord or {}),
        }
        path = folder / "shoal.json"
        root = {
            "channels": {"discord": section},
            "messages": dict(messages or {}),
            "tools": dict(tools or {}),
        }
        path.write_text(json.dumps({**root, "accessGroups": dict(groups or {})}))
        self.runtime = Runtime(
            loaded=config.load(path, env=dict(env or {}), state_dir=folder),
            store=store,
            app=_front_app(url),
            kind="front",
            index=1,
            home="here",
            stopping=Stopping(leave=lambda _code: None),
            renewals=store,
            store_url=url,
        )
        store.facts.put_me("default", {"id": BOT, "username": "shoal"})
        channels = [{"id": CHANNEL, "name": "talk", "type": 0}]
        store.facts.put_guild(
            "default", GUILD, {"id": GUILD, "name": "Reef", "channels": channels, "roles": []}
        )
        self._next = snowflake_at(int(time.time() * 1000))
        self._seq = 1
        self.catching_up = False
        """What comes in was fetched after a gap and is too old to be answered."""

    # -- what Discord says -----------------------------------------------------------------------

    def say(self, text: str = "hello", by: str = ANN, *, mention: bool = False, **fields: Any) -> str:
        """A message of the guild's channel comes in; its id."""
        self._next += 1 << 22
        named = [{"id": BOT, "username": "shoal", "bot": True}] if mention else []
        data: dict[str, Any] = {
            "id": str(self._next),
            "channel_id": CHANNEL,
            "channel_type": 0,
            "guild_id": GUILD,
            "author": {"id": by, "username": f"user{by}", "global_name": None, "discriminator": "0"},
            "member": {"roles": [], "nick": None},
            "content": f"<@{BOT}> {text}" if mention else text,
            "type": 0,
            "mentions": named,
            "mention_roles": [],
            "mention_everyone": False,
            "attachments": [],
            "embeds": [],
            "timestamp": "2026-01-05T00:49:53.676000+00:00",
            "edited_timestamp": None,
            **fields,
        }
        data = {name: value for name, value in data.items() if value is not ...}
        self.event("MESSAGE_CREATE", data)
        return str(data["id"])

    def files_come(self, message_id: str, said: str = "") -> None:
        """The files of a message were fetched as far as they can be; ``said`` is what its recordings say."""
        self.store.lookups.put(Asked("default", "files", message_id), {"said": said}, ttl_s=60)

    def edit(self, message_id: str, text: str, author: str = ANN, **fields: Any) -> None:
        """A message is edited."""
        self.event(
            "MESSAGE_UPDATE",
            {
                "id": message_id,
                "channel_id": CHANNEL,
                "guild_id": GUILD,
                "author": {"id": author, "username": f"user{author}"},
                "content": text,
                "type": 0,
                "mentions": [],
                "edited_timestamp": f"2026-01-05T00:50:{self._seq:02}.000000+00:00",
                **fields,
            },
        )

    def delete(self, *message_ids: str) -> None:
        """Messages are deleted."""
        place = {"channel_id": CHANNEL, "guild_id": GUILD}
        if len(message_ids) == 1:
            self.event("MESSAGE_DELETE", {"id": message_ids[0], **place})
        else:
            self.event("MESSAGE_DELETE_BULK", {"ids": list(message_ids), **place})

    def event(self, name: str, data: Mapping[str, Any]) -> None:
        """Any dispatch comes in, as the gateway stores it; twice is once. See :attr:`catching_up`."""
        self._seq += 1
        origin = Origin("default", 0, "s1", self._seq, BOT, int(time.time() * 1000), self.catching_up)
        kept = keep(name, msgspec.Raw(json.dumps(data).encode()), origin)
        assert kept is not None
        assert kept.lane is not None
        assert kept.record is not None
        self.store.lanes.push(kept.lane, kept.record)
        if kept.also is not None:
            self.store.lanes.push(*kept.also)

    # -- what workers do -------------------------------------------------------------------------

    def work(self) -> list[str]:
        """Work off every inbound, fast and hold lane that is due; what the tasks said."""
        said: list[str] = []
        for _ in range(200):
            lanes = []
            for cls in ("fast", "inbound", "hold"):
                self.store.lanes.sweep(cls)
                lanes += [one.lane for one in self.store.lanes.overview(cls=cls) if one.state == "ready"]
            if not lanes:
                return said
            said += [admit_lane(self.runtime, lane) for lane in lanes]
        raise AssertionError(f"the lanes do not come to rest: {said[-6:]}")

    def work_until_quiet(self, timeout: float = 20.0) -> None:
        """Work until nothing is held any more."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.work()
            if not self.store.lanes.any("hold") and not self.store.lanes.any("inbound"):
                return
            time.sleep(0.02)
        raise AssertionError("something is still held")

    def asked(self) -> list[tuple[str, list[str]]]:
        """(task, arguments) of the plain tasks that were sent and not taken yet."""
        found = []
        while (raw := self.store.redis.rpop(f"{QUEUE_PREFIX}upkeep")) is not None:
            message = json.loads(raw)
            found.append((message["headers"]["task"], json.loads(_plain(message["body"]))[0]))
        return found

    # -- what came of it -------------------------------------------------------------------------

    def turns(self, lane: str = SESSION) -> list[TurnRequest]:
        """The turns that wait in a session's lane, in order."""
        keys = self.store.keys
        names = self.store.redis.lrange(keys.lane_order(lane), 0, -1)
        frames = [self.store.redis.hget(keys.lane_records(lane), name) for name in names]
        records = [parse_frame(name, frame) for name, frame in zip(names, frames, strict=True)]
        return [decode_turn(record.body) for record in records if record.kind == KIND]

    def take(self, lane: str = SESSION) -> Grant:
        """The head of a session's lane, as a turn gets it."""
        grant = self.store.lanes.acquire(lane, new_token())
        assert isinstance(grant, Grant)
        return grant

    def story(self, message_id: str) -> Explanation:
        """What became of a message."""
        told = self.store.ledger.explain("default", message_id)
        assert told is not None
        return told

    def outcome(self, message_id: str) -> tuple[str, str]:
        """(outcome, reason) of a message that has one."""
        told = self.story(message_id)
        assert told.outcome is not None, told
        return str(told.outcome), told.reason


def _front_app(url: str) -> Celery:
    """The app of a front worker, which knows the queues it consumes and no other."""
    app = build_app(url, None)
    app.conf.task_queues = [hint_queue(name) for name in KINDS["front"].queues]
    return app


def _plain(body: Any) -> str:
    return body if isinstance(body, str) else json.dumps(body)
