"""Every action of the manuals, by every name of both tools, against the simulator (``spec/outbound.md`` 7.3).

Names: 002 lines 198 and 682 to 686, 004 lines 368 to 376, and the table of the specification. A call goes the
whole way: tool, permissions, lane, delivery, Discord, and back to what the model reads.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.schema.discord_parts import Actions
from shoal.base.errors import RequestError
from shoal.base.ids import new_token
from shoal.discord.limiter import Unlimited
from shoal.discord.permissions import Permission
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.effects import Push
from shoal.state.records import Grant
from shoal.state.steps import Commit
from shoal.state.store import Store
from tests.workers.agent.support.turns import request
from workers.actions.base import ActionContext
from workers.actions.table import ACTIONS
from workers.agent.context import TurnContext
from workers.agent.tools.acting import DiscordActions
from workers.agent.tools.message import ACTIONS as SENDS
from workers.agent.tools.message import MessageTool
from workers.agent.tools.registry import ToolContext, ToolRegistry, ToolResult, Wait
from workers.delivery.deps import DeliveryDeps
from workers.delivery.outgoing import Outgoing, Raw
from workers.delivery.records import KIND, SendFile
from workers.delivery.render import DeliverySettings
from workers.delivery.send import deliver
from workers.media.paths import Places

Json = dict[str, Any]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
SOON, LATER = "2030-01-01T10:00:00Z", "2030-01-01T12:00:00Z"


class World:
    """A server where the one who asks owns everything, so that each action can be done for him."""

    def __init__(self, store: Store, simulator: Simulator, transport: Transport, folder: Path) -> None:
        self.store, self.control, self.simulator = store, simulator.control, simulator
        self.rest = Rest(transport, max_wait=0.05, retry=NO_RETRY)
        self.asker = str(self.control.add_user("asker")["id"])
        self.other = str(self.control.add_user("other")["id"])
        bot = simulator.bot_id
        self.guild = str(self.control.add_guild("Reef", owner=self.asker, members=[bot, self.other])["id"])
        role = self.control.add_role(self.guild, "bots", permissions=int(Permission.ADMINISTRATOR))
        self.control.edit_member(self.guild, bot, roles=[role["id"]])
        self.role = str(self.control.add_role(self.guild, "reader")["id"])
        top = self.control.add_role(self.guild, "top", permissions=0)
        self.control.edit_member(self.guild, self.asker, roles=[top["id"]])
        self.channel, self.spare, self.voice, self.category = (
            str(self.control.add_channel(self.guild, name, type=kind)["id"])
            for name, kind in (("talk", 0), ("spare", 0), ("Lounge", 2), ("Docs", 4))
        )
        self.thread = str(self.control.create_thread(self.channel, "plan", user=self.asker)["id"])
        for place, kind in ((self.channel, 0), (self.thread, 11), (self.spare, 0)):
            store.facts.put_channel("default", {"id": place, "type": kind, "guild_id": self.guild})
        self.said = str(self.control.say(self.channel, "fish", user=self.other)["id"])
        self.own = str(self.rest.create_message(self.channel, content="mine", nonce=None)["id"])
        self.rest.create_reaction(self.channel, self.said, "👀")
        self.commands: list[bytes] = []
        self.desk = Outgoing("default", Places((folder,), folder / "state"), transport.files.fetch,
                             lambda _url: False, store.blobs, 1 << 20)  # fmt: skip
        (folder / "a.png").write_bytes(PNG)
        self.turn = request(
            channel_id=self.channel, guild_id=self.guild, author_id=self.asker, message_id=self.said,
            is_owner=True, authority="owner",
        )  # fmt: skip
        acting = DiscordActions(lambda _account: dict.fromkeys(GATES, True), lambda *_: self._context())
        self.tools = ToolRegistry.of([MessageTool(acting=acting, load=self._load)])
        self.delivery = DeliveryDeps(
            store=store, rest=lambda _: self.rest, settings=lambda _: DeliverySettings(), bot_id=lambda _: bot
        )

    def _context(self) -> ActionContext:
        def read(source: str, *, most: int, whose: str) -> Raw:
            return self.desk.read(source, limit=(most, whose))

        return ActionContext(
            "default", self.rest, self.store.facts, self.channel, self.guild, self.said, self.asker,
            command=self.commands.append, by_owner=True, read=read, message_channel_id=self.channel,
        )  # fmt: skip

    def _load(
        self, turn: Any, source: str, *, filename: str, check: Callable[[], None], voice: bool = False
    ) -> SendFile:
        del turn
        assert not voice
        return self.desk.load(source, filename=filename, check=check)

    def call(self, tool: str, action: str, **arguments: Any) -> Json:
        """What the model reads of a call."""
        found = self.tools.find(tool, self.turn)
        assert found is not None, tool
        context = ToolContext(self.turn, f"c.{new_token()[:12]}", "t1", self.store, TurnContext())
        done = found.run({"action": action, **arguments}, context)
        for _ in range(10):
            if isinstance(done, ToolResult):
                told: Json = json.loads(done.text)
                return told
            self._deliver(done)
            done = found.resume(done.state, context)
        raise AssertionError(f"{action} does not end")

    def _deliver(self, wait: Wait) -> None:
        for effect in wait.effects:
            if not isinstance(effect, Push) or effect.record.kind != KIND:
                continue
            self.store.lanes.push(effect.lane, effect.record)
            grant = self.store.lanes.acquire(effect.lane, new_token())
            assert isinstance(grant, Grant)
            step = deliver(grant, self.delivery, lambda: None)
            assert isinstance(step, Commit), step
            self.store.lanes.commit(grant, step.effects, take_next=False)


GATES = Actions().model_dump(by_alias=True)

SENT = {"ok": True, "result": {"messageId": str, "messageIds": [str], "channelId": str}}
STAMPED = {"id": str, "content": str, "timestamp": str, "timestampMs": int, "timestampUtc": str}
CHANNEL = {"ok": True, "channel": {"id": str, "name": str}}

Row = tuple[tuple[str, ...], Callable[[World], Json], Json]

ROWS: tuple[Row, ...] = (
    (("send", "sendMessage"), lambda w: {"message": "hi"}, SENT),
    (("send", "sendMessage"), lambda w: {"to": "channel:" + w.channel, "message": "Choose", "components":
      {"blocks": [{"type": "actions", "buttons": [{"label": "Approve", "style": "success"}]}]}},
     {**SENT, "components": True}),
    (("send",), lambda w: {"threadId": w.thread, "message": "hi", "threadName": "renamed"},
     {**SENT, "threadRename": {"ok": True}}),
    (("upload-file", "uploadFile"), lambda w: {"filePath": "a.png", "filename": "x.png"}, SENT),
    (("reply",), lambda w: {"message": "yes"}, SENT),
    (("poll",), lambda w: {"pollQuestion": "?", "pollOption": ["a", "b"], "pollDurationHours": 2},
     {**SENT, "messageId": str, "channelId": str}),
    (("broadcast",), lambda w: {"targets": [w.channel, "channel:" + w.spare], "message": "all"},
     {"ok": True, "results": [{**SENT, "target": str}]}),
    (("sticker",), lambda w: {"stickerId": ["749054660769218631"]}, SENT),
    (("thread-reply", "threadReply"), lambda w: {"threadId": w.thread, "message": "in it"}, SENT),
    (("react",), lambda w: {"emoji": "✅"}, {"ok": True, "added": "✅"}),
    (("react",), lambda w: {"messageId": w.said, "emoji": "👀", "remove": True},
     {"ok": True, "removed": "👀"}),
    (("reactions",), lambda w: {"messageId": w.said}, {"ok": True, "reactions": [
        {"emoji": {"id": None, "name": str, "raw": str}, "count": int,
         "users": [{"id": str, "username": str, "tag": str}]}]}),
    (("emoji-list", "emojiList"), lambda w: {}, {"ok": True, "emojis": []}),
    (("emoji-upload", "emojiUpload"), lambda w: {"emojiName": "blob", "media": "a.png", "roleIds": [w.role]},
     {"ok": True, "emoji": {"id": str, "name": "blob", "roles": [str]}}),
    (("sticker-upload", "stickerUpload"), lambda w: {"stickerName": "wave", "stickerDesc": "hello",
      "stickerTags": "wave", "media": "a.png"}, {"ok": True, "sticker": {"id": str, "name": "wave"}}),
    (("read", "readMessages"), lambda w: {"limit": 5}, {"ok": True, "channelId": str, "messages": [STAMPED]}),
    (("read", "readMessages"), lambda w: {"messageId": w.said}, {"ok": True, "channelId": str,
      "messages": [STAMPED]}),
    (("fetch-message", "fetchMessage"), lambda w: {"messageId": w.said},
     {"ok": True, "message": STAMPED, "guildId": str, "channelId": str, "messageId": str}),
    (("edit", "editMessage"), lambda w: {"messageId": w.own, "message": "new"}, {"ok": True,
      "message": STAMPED}),
    (("delete", "deleteMessage"), lambda w: {"messageId": w.own}, {"ok": True}),
    (("pin", "pinMessage"), lambda w: {"messageId": w.said}, {"ok": True}),
    (("unpin", "unpinMessage"), lambda w: {"messageId": w.said}, {"ok": True}),
    (("list-pins", "listPins", "pins"), lambda w: _pinned(w), {"ok": True, "pins": [
        {"pinned_at": str, "timestampMs": int, "timestampUtc": str, "message": STAMPED}]}),
    (("permissions",), lambda w: {"target": "channel:" + w.channel}, {"ok": True, "permissions": {
        "channelId": str, "guildId": str, "permissions": [str], "raw": str, "isDm": False,
        "channelType": 0}}),
    (("thread-create", "threadCreate"), lambda w: {"threadName": "New", "message": "first",
      "autoArchiveMin": 60}, {"ok": True, "thread": {"id": str, "name": "New"}, "initialMessageDelivery": {
          "delivered": 1, "total": 1, "messageIds": [str]}}),
    (("thread-list", "threadList"), lambda w: {"guildId": w.guild}, {"ok": True, "threads": [{"id": str}],
      "complete": True, "hasMore": False, "returnedCount": 1, "source": "active", "query": {"guildId": str}}),
    (("search", "searchMessages"), lambda w: {"query": "fish", "channelId": w.channel, "limit": 5},
     {"ok": True, "results": {"total_results": int, "messages": [[STAMPED]]}}),
    (("member-info", "memberInfo"), lambda w: {"userId": w.other},
     {"ok": True, "member": {"user": {"id": str}}}),
    (("role-info", "roleInfo"), lambda w: {}, {"ok": True, "roles": [{"id": str, "name": str}]}),
    (("role-add", "roleAdd"), lambda w: {"userId": w.other, "roleId": w.role}, {"ok": True}),
    (("role-remove", "roleRemove"), lambda w: {"userId": w.other, "roleId": w.role}, {"ok": True}),
    (("channel-info", "channelInfo"), lambda w: {"target": w.spare}, CHANNEL),
    (("channel-list", "channelList"), lambda w: {}, {"ok": True, "channels": [{"id": str, "name": str}]}),
    (("channel-create", "channelCreate"), lambda w: {"name": "faq", "type": 0, "parentId": w.category,
      "topic": "t", "position": 2, "nsfw": False}, CHANNEL),
    (("channel-edit", "channelEdit"), lambda w: {"channelId": w.spare, "name": "new", "topic": "t",
      "rateLimitPerUser": 5, "nsfw": True, "parentId": w.category}, CHANNEL),
    (("channel-move", "channelMove"), lambda w: {"channelId": w.spare, "parentId": w.category, "position": 1},
     {"ok": True}),
    (("channel-delete", "channelDelete"), lambda w: {"channelId": w.spare}, {"ok": True, "channelId": str}),
    (("category-create", "categoryCreate"), lambda w: {"name": "More", "position": 3},
     {"ok": True, "category": {"id": str, "type": 4}}),
    (("category-edit", "categoryEdit"), lambda w: {"categoryId": w.category, "name": "Papers"},
     {"ok": True, "category": {"id": str, "name": "Papers"}}),
    (("category-delete", "categoryDelete"), lambda w: {"categoryId": w.category}, {"ok": True,
      "channelId": str}),
    (("channel-permission-set", "channelPermissionSet"), lambda w: {"channelId": w.spare, "targetId": w.role,
      "targetType": "role", "allow": "2048", "deny": "0"}, {"ok": True}),
    (("channel-permission-remove", "channelPermissionRemove"), lambda w: _overwritten(w), {"ok": True}),
    (("voice-status", "voiceStatus"), lambda w: {"userId": w.other},
     {"ok": True, "voice": {"connected": False, "absent": True, "reason": "unknown_voice_state"}}),
    (("event-list", "eventList"), lambda w: {}, {"ok": True, "events": []}),
    (("event-create", "eventCreate"), lambda w: {"eventName": "Meet", "startTime": SOON, "endTime": LATER,
      "desc": "All", "channelId": w.voice, "image": "a.png"},
     {"ok": True, "event": {"id": str, "image": str}}),
    (("timeout",), lambda w: {"userId": w.other, "durationMin": 5, "reason": "spam"},
     {"ok": True, "member": {"communication_disabled_until": str}}),
    (("kick",), lambda w: {"userId": w.other, "reason": "spam"}, {"ok": True}),
    (("ban",), lambda w: {"userId": w.other, "deleteDays": 1}, {"ok": True}),
    (("set-presence", "setPresence"), lambda w: {"status": "idle", "activityType": "watching",
      "activityName": "fish"}, {"ok": True, "status": "idle", "activities": [{"name": "fish", "type": 3}]}),
)  # fmt: skip


def _pinned(world: World) -> Json:
    world.call("message", "pin", messageId=world.said)
    return {}


def _overwritten(world: World) -> Json:
    target = {"channelId": world.spare, "targetId": world.role}
    world.call("message", "channel-permission-set", allow="2048", **target)
    return target


def problems(shape: Any, value: Any, place: str = "") -> Iterator[str]:
    """Where a value is not of a shape: types stand for any value, a list's one entry for each."""
    if isinstance(shape, type):
        if not isinstance(value, shape):
            yield f"{place}: {value!r} is no {shape.__name__}"
    elif isinstance(shape, dict) and isinstance(value, dict):
        for key, below in shape.items():
            if key not in value:
                yield f"{place}.{key} is missing"
            else:
                yield from problems(below, value[key], f"{place}.{key}")
    elif isinstance(shape, list) and isinstance(value, list):
        if shape and not value:
            yield f"{place} is empty"
        for number, entry in enumerate(value if shape else ()):
            yield from problems(shape[0], entry, f"{place}[{number}]")
    elif shape != value:
        yield f"{place}: {value!r} is not {shape!r}"


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    with Simulator(settings={"rate_limits": False}) as simulator:
        yield simulator


@pytest.fixture
def world(store: Store, discord: Simulator, tmp_path: Path) -> Iterator[World]:
    transport = Transport("default", SecretStr(discord.token), limiter=Unlimited(), api_url=discord.api_url)
    yield World(store, discord, transport, tmp_path)
    transport.close()


CALLS = [
    (tool, spelling, arguments, shape)
    for names, arguments, shape in ROWS
    for tool, spelling in zip(("message", "discord"), names * 2, strict=False)
]


@pytest.mark.parametrize(
    ("tool", "action", "arguments", "shape"), CALLS, ids=lambda v: v if type(v) is str else ""
)
def test_every_action_by_every_name(
    world: World, tool: str, action: str, arguments: Callable[[World], Json], shape: Json
) -> None:
    told = world.call(tool, action, **arguments(world))
    assert list(problems(shape, told, action)) == []


def test_the_table_leaves_no_action_and_no_name_out() -> None:
    rows = {name for names, _, _ in ROWS for name in names}
    kebab = {re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower() for name in rows}
    assert set(ACTIONS) | set(SENDS) <= kebab
    manuals = """
        react reactions sticker poll permissions readMessages sendMessage editMessage deleteMessage
        threadCreate threadList threadReply pinMessage unpinMessage listPins searchMessages memberInfo
        roleInfo roleAdd roleRemove emojiList channelInfo channelList voiceStatus eventList eventCreate
        timeout kick ban setPresence send
        event-create
    """
    assert set(manuals.split()) <= rows


def test_the_schema_names_what_is_open(world: World) -> None:
    """An action whose gate is closed is not offered; sending always is (7.1, 7.2)."""
    shut = DiscordActions(lambda _account: dict.fromkeys(GATES, False), lambda *_: world._context())
    tool = MessageTool(acting=shut)
    actions = tool.spec(world.turn).parameters["properties"]["action"]["enum"]  # type: ignore[index]
    assert actions == ["send", "reply"]
    context = ToolContext(world.turn, "c", "t", world.store, TurnContext())
    closed = {
        "send": "Discord message sends are", "poll": "Discord polls are",
        "threadReply": "Discord threads are",
        "react": "Discord reactions actions are", "stickerUpload": "Discord stickerUploads actions are",
    }  # fmt: skip
    for action, said in closed.items():
        with pytest.raises(RequestError, match=f"{said} disabled"):
            tool.run({"action": action, "message": "x"}, context)
    every = world.tools.tools["message"].spec(world.turn).parameters["properties"]["action"]["enum"]  # type: ignore[index]
    assert set(every) == set(ACTIONS) | set(SENDS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0][0])
def test_what_is_only_shown_changes_nothing(world: World, row: Row) -> None:
    """``dryRun`` (7.1) of every action: what looks is done, what would change something is told."""
    names, arguments, shape = row
    wanted = arguments(world)
    before = max(line["n"] for line in world.control.requests())
    told = world.call("message", names[0], **wanted, dryRun=True)
    changes = [line for line in world.control.requests(after=before) if line["method"] != "GET"]
    assert (changes, world.commands) == ([], [])
    shown = (
        [one.get("dryRun") for one in told.get("results", [])]
        if names[0] == "broadcast"
        else [told.get("dryRun")]
    )
    assert all(shown) or list(problems(shape, told)) == [], told
