"""``reaction.work`` on a real Valkey and the simulator: what a reaction event lacks is asked of Discord."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import msgspec
import pytest
from pydantic import SecretStr

from shoal.base.ids import new_token
from shoal.discord.limiter import Limiter
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.records import Grant, InboundEvent, Record, encode_event
from shoal.state.store import Store
from tasks.drain import Drain
from tasks.keeper import Keeper
from tasks.reaction import react_lane
from tasks.runtime import Runtime
from tasks.stopping import Stopping
from workers.access.settings import AccessSettings
from workers.sessions.admission import admit
from workers.sessions.admission.reactions import reaction_lane
from workers.sessions.system_events import pending_events
from workers.sessions.view import Settings, StoreView


class Process:
    """What the tasks use of a process: a store, and the simulator behind every account."""

    def __init__(self, store: Store, discord: Simulator, section: dict[str, Any]) -> None:
        stopping = Stopping(leave=lambda _code: None)
        self.store = store
        self.discord = discord
        self.settings = Settings("default", AccessSettings.read("default", section))
        self.drain = Drain(store.lanes, Keeper(store.lanes, on_leak=stopping.request), stopping)
        self.transport = Transport(
            "default", SecretStr(discord.token), limiter=Limiter(store), api_url=discord.api_url
        )
        me = discord.control.state()["bots"][0]
        store.facts.put_me("default", {"id": me["id"], "username": me["username"], "discriminator": "0"})
        self.bot_tag = str(me["username"])

    def rest(self, account_id: str) -> Rest:
        assert account_id == "default"
        return Rest(self.transport)

    def admission_settings(self, account_id: str) -> Settings:
        assert account_id == "default"
        return self.settings

    def admit(self, name: str, data: dict[str, Any], received_ms: int = 0) -> str:
        """Admit an event as ``inbound.admit`` does."""
        event = InboundEvent(
            "default", 0, name, received_ms or self.store.now_ms(), msgspec.Raw(msgspec.json.encode(data))
        )
        lane = f"inbound:default:{data['channel_id']}"
        self.store.lanes.push(lane, Record(f"e.{new_token()[:12]}", name, encode_event(event)))
        grant = self.store.lanes.acquire(lane, new_token())
        assert isinstance(grant, Grant)
        admission = admit(event, StoreView(self.settings, self.store))
        self.store.lanes.commit(grant, admission.effects, take_next=False)
        return admission.summary

    def work(self, message_id: str) -> str:
        return react_lane(cast(Runtime, self), reaction_lane("default", message_id))

    def told(self, session_key: str) -> list[str]:
        return [event.text for event in pending_events(self.store.sessions, session_key)]

    def asked(self) -> list[str]:
        """GET requests so far, by route."""
        return [
            request["route"]
            for request in self.discord.control.requests()
            if request["route"].startswith("GET") and "gateway" not in request["route"]
        ]


@pytest.fixture
def process(store: Store) -> Iterator[Process]:
    with Simulator() as discord:
        section = {"guilds": {discord.guild_id: {}}, "dmPolicy": "open", "allowFrom": ["*"]}
        made = Process(store, discord, section)
        yield made
        made.transport.close()


def removal(process: Process, message: dict[str, Any], user: str, **more: Any) -> dict[str, Any]:
    data = {
        "user_id": user,
        "channel_id": message["channel_id"],
        "message_id": message["id"],
        "guild_id": process.discord.guild_id,
        "emoji": {"id": None, "name": "👍"},
    }
    return {name: value for name, value in (data | more).items() if value is not None}


def by_bot(process: Process, channel: str, text: str = "said the bot") -> dict[str, Any]:
    return process.rest("default").create_message(channel, nonce=None, content=text)


def test_whose_message_and_who_reacted_is_asked_once(store: Store, process: Process) -> None:
    channel, person = process.discord.channel_id, process.discord.user_id
    message = by_bot(process, channel)
    name = next(u for u in process.discord.control.state()["users"] if u["id"] == person)["username"]
    data = removal(process, message, person)
    assert process.admit("MESSAGE_REACTION_REMOVE", data) == "waiting · reaction · look-up"
    assert process.asked() == [], "admission asks nobody (rule R18)"
    assert process.work(message["id"]) == "event · reaction removed"
    [text] = process.told(f"agent:main:discord:channel:{channel}")
    assert text.startswith(f"Discord reaction removed: 👍 by {name} on ")
    assert text.endswith(f" msg {message['id']} from {process.bot_tag}")
    first = process.asked()
    assert sorted(first) == [
        "GET /channels/{channel_id}/messages/{message_id}",
        "GET /guilds/{guild_id}/members/{user_id}",
    ]
    data["emoji"] = {"id": None, "name": "🎉"}
    process.admit("MESSAGE_REACTION_REMOVE", data)
    assert process.work(message["id"]) == "event · reaction removed"
    assert process.asked() == first, "answers are remembered"


def test_somebody_elses_message_is_left_out(store: Store, process: Process) -> None:
    message = process.discord.control.say(process.discord.channel_id, "mine")
    process.admit("MESSAGE_REACTION_REMOVE", removal(process, message, process.discord.user_id))
    assert process.work(message["id"]) == "ignored · reaction · not-our-message"
    counters = store.ledger.counters("default", store.now_ms() // 86_400_000)
    assert counters["reaction.not-our-message"] == 1


def test_one_who_left_has_a_name_and_one_who_never_was_is_nobody(store: Store, process: Process) -> None:
    message = by_bot(process, process.discord.channel_id)
    outsider = process.discord.control.add_user("outsider")
    process.admit("MESSAGE_REACTION_REMOVE", removal(process, message, outsider["id"]))
    assert process.work(message["id"]) == "event · reaction removed"
    process.admit("MESSAGE_REACTION_REMOVE", removal(process, message, "123456789012345678"))
    assert process.work(message["id"]) == "ignored · reaction · unknown-user"
    bot = process.discord.control.add_bot("machine")
    process.admit("MESSAGE_REACTION_REMOVE", removal(process, message, bot["id"]))
    assert process.work(message["id"]) == "ignored · reaction · by-bot"


def test_a_dm_reaction_gets_its_name(store: Store, process: Process) -> None:
    said = process.discord.control.dm("hi")
    message = by_bot(process, said["channel_id"])
    data = removal(process, message, process.discord.user_id, guild_id=None)
    data["message_author_id"] = process.discord.bot_id
    process.admit("MESSAGE_REACTION_ADD", data)
    assert process.work(message["id"]) == "event · reaction added"
    [text] = process.told("agent:main:main")
    assert f" on dm #{said['channel_id']} msg " in text
    assert process.asked() == ["GET /users/{user_id}"]


def test_a_message_that_is_gone(store: Store, process: Process) -> None:
    message = by_bot(process, process.discord.channel_id)
    process.discord.control.delete(message["channel_id"], message["id"])
    process.admit("MESSAGE_REACTION_REMOVE", removal(process, message, process.discord.user_id))
    assert process.work(message["id"]) == "ignored · reaction · unknown-message"


def test_reactions_of_one_message_keep_their_order(store: Store, process: Process) -> None:
    """The second could be told at once, but the first is being asked about."""
    message = by_bot(process, process.discord.channel_id)
    data = removal(process, message, process.discord.user_id)
    process.admit("MESSAGE_REACTION_REMOVE", data)
    member = {"user": {"id": process.discord.user_id, "username": "ann"}, "roles": []}
    again = {**data, "member": member, "message_author_id": process.discord.bot_id}
    assert process.admit("MESSAGE_REACTION_ADD", again) == "waiting · reaction · look-up"
    process.work(message["id"])
    texts = process.told(f"agent:main:discord:channel:{process.discord.channel_id}")
    assert [text.split(":")[0] for text in texts] == ["Discord reaction removed", "Discord reaction added"]


def test_no_answer_is_waited_for_and_given_up_after_ten_minutes(store: Store, process: Process) -> None:
    message = by_bot(process, process.discord.channel_id)
    route = "GET /channels/{channel_id}/messages/{message_id}"
    process.discord.control.fault("status", route=route, status=500, count=None)
    data = removal(process, message, process.discord.user_id)
    process.admit("MESSAGE_REACTION_REMOVE", data)
    assert process.work(message["id"]).startswith("retried: ")
    assert store.lanes.depth(reaction_lane("default", message["id"])) == 1
    assert store.lanes.dead_list() == []
    other = by_bot(process, process.discord.channel_id, "another")
    process.admit(
        "MESSAGE_REACTION_REMOVE",
        removal(process, other, process.discord.user_id),
        store.now_ms() - 11 * 60_000,
    )
    assert process.work(other["id"]) == "ignored · reaction · too-late"
