"""What a person may have read to him through the bot (``spec/outbound.md`` 7.5, rule R16)."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from shoal.base.errors import RequestError
from shoal.discord.permissions import Permission
from shoal.state.store import Store
from tasks.acting import discord_actions, may_read
from tasks.runtime import Runtime
from tests.conftest import RedisServer
from tests.tasks.support.front import ANN, BOB, CHANNEL, GUILD, Front
from tests.workers.agent.support.turns import request
from workers.agent.context import TurnContext
from workers.agent.tools.registry import ToolContext
from workers.sessions.records import TurnRequest

EVERYBODY = int(Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY)
MODS, STAFF, OPEN, PRIVATE, UNLISTED, DM = "70001", "60001", "60002", "60003", "60004", "60005"


@pytest.fixture
def front(store: Store, redis_server: RedisServer, tmp_path: Path) -> Front:
    """Everybody sees the channel and its open thread; staff is for moderators; one is not served."""
    entries = {name: {} for name in (CHANNEL, STAFF, OPEN, PRIVATE)}
    discord = {"guilds": {GUILD: {"channels": entries}}, "actions": {"presence": True}}
    front = Front(store, redis_server.url, tmp_path, discord=discord)
    hidden = [{"id": GUILD, "type": 0, "allow": "0", "deny": str(EVERYBODY)},
              {"id": MODS, "type": 0, "allow": str(EVERYBODY), "deny": "0"}]  # fmt: skip
    channels: list[dict[str, Any]] = [
        {"id": CHANNEL, "name": "talk", "type": 0},
        {"id": STAFF, "name": "staff", "type": 0, "permission_overwrites": hidden},
        {"id": UNLISTED, "name": "other", "type": 0},
    ]
    threads = [{"id": OPEN, "name": "t", "type": 11, "parent_id": CHANNEL},
               {"id": PRIVATE, "name": "p", "type": 12, "parent_id": CHANNEL}]  # fmt: skip
    manage = int(Permission.MANAGE_THREADS)
    roles = [{"id": GUILD, "permissions": str(EVERYBODY)}, {"id": MODS, "permissions": str(manage)}]
    guild = {"id": GUILD, "name": "Reef", "owner_id": "1", "roles": roles}
    store.facts.put_guild("default", GUILD, {**guild, "channels": channels, "threads": threads})
    store.facts.put_channel("default", {"id": DM, "type": 1})
    return front


def asked(by: str = ANN, *roles: str, owner: bool = False) -> TurnRequest:
    return request(
        channel_id=CHANNEL, guild_id=GUILD, author_id=by, member_roles=roles, is_owner=owner,
        authority="owner" if owner else "guest",
    )  # fmt: skip


def seen(front: Front, who: TurnRequest) -> set[str]:
    places = (CHANNEL, STAFF, OPEN, PRIVATE, UNLISTED, DM, "999")
    return {place for place in places if may_read(front.runtime, who, place)}


def test_everybody_reads_what_he_sees_himself_and_the_config_serves(front: Front) -> None:
    assert seen(front, asked(ANN)) == {CHANNEL, OPEN}
    assert seen(front, asked(BOB, MODS)) == {CHANNEL, OPEN, STAFF, PRIVATE}
    assert seen(front, asked(ANN, owner=True)) == {CHANNEL, OPEN, STAFF, PRIVATE}


def test_from_a_private_conversation_no_server_is_read(front: Front) -> None:
    assert may_read(front.runtime, request(guild_id=None, chat_type="direct"), CHANNEL) is False


class Asked:
    """Discord, as far as actions ask it: each answer is empty."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def call(self, route: Any, **_: Any) -> Any:
        """One request."""
        self.paths.append(str(route.path))
        return SimpleNamespace(data=[])


@pytest.fixture
def asked_of(monkeypatch: pytest.MonkeyPatch) -> Asked:
    rest = Asked()
    monkeypatch.setattr(Runtime, "rest", lambda _runtime, _account: rest)
    return rest


def act(front: Front, name: str, by: TurnRequest, *joined: TurnRequest, **args: Any) -> str:
    """What the model reads of an action in a turn."""
    context = ToolContext(by, "cause", "t1", front.store, TurnContext(), joined=joined)
    try:
        done = discord_actions(front.runtime).run(name, args, context)
    except RequestError as error:
        return str(error)
    return done.text if done is not None else "no such action"


def test_a_turn_reads_what_all_may_whose_words_it_has_read(front: Front, asked_of: Asked) -> None:
    assert '"ok":true' in act(front, "read", asked(BOB, MODS), target=STAFF)
    assert '"ok":true' in act(front, "read", asked(BOB, MODS), asked(BOB, MODS), target=STAFF)
    assert len(asked_of.paths) == 2
    assert "not allowed" in act(front, "read", asked(BOB, MODS), asked(ANN), target=STAFF)
    assert "not allowed" in act(front, "read", asked(ANN), asked(BOB, MODS), target=STAFF)
    assert len(asked_of.paths) == 2, "nothing was asked of Discord"


def test_what_is_for_owners_is_for_turns_of_owners_only(front: Front, asked_of: Asked) -> None:
    owner, guest = asked(BOB, owner=True), asked(ANN)
    assert '"ok":true' in act(front, "set-presence", owner)
    assert '"ok":true' in act(front, "set-presence", owner, asked(ANN, owner=True))
    for by in ((guest,), (owner, guest), (guest, owner)):
        assert "Only an owner" in act(front, "set-presence", *by)
    assert asked_of.paths == []


def test_an_action_stays_in_its_server(front: Front, asked_of: Asked) -> None:
    front.store.facts.put_channel(
        "default", {"id": "70000", "type": 0, "guild_id": "501", "name": "elsewhere"}
    )
    for name in ("channel-info", "permissions", "read"):
        assert "not allowed" in act(front, name, asked(ANN), target="70000")
    assert "in another server" in act(front, "channel-edit", asked(ANN), target="70000", topic="x")
    assert asked_of.paths == []


def test_closed_gates_and_unknown_names(front: Front, asked_of: Asked) -> None:
    assert "roles actions are disabled" in act(front, "role-add", asked(ANN), userId=BOB, roleId=MODS)
    assert act(front, "fly", asked(ANN)) == "no such action"
    assert asked_of.paths == []
