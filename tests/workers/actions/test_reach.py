"""How far actions reach: a permission of one server is not used in another, nor borrowed (R7, R16)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from shoal.discord.limiter import Unlimited
from shoal.discord.permissions import Permission
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.store import Store
from workers.actions.base import ActionContext, ActionError, Args, Json
from workers.actions.perform import perform
from workers.actions.reach import check_reach
from workers.actions.table import ACTIONS

GATES = {action.gate: True for action in ACTIONS.values()}
POWERS = Permission.MANAGE_CHANNELS | Permission.MODERATE_MEMBERS | Permission.MANAGE_MESSAGES


class World:
    """Two servers of one bot: ours, where we talk and Mo moderates; and another that belongs to Mo."""

    def __init__(self, store: Store, simulator: Simulator, rest: Rest) -> None:
        self.store, self.control, self.rest = store, simulator.control, rest
        self.ours, self.talk = simulator.guild_id, simulator.channel_id
        self.secret = self.control.add_channel(self.ours, "secret")["id"]
        role = self.control.add_role(self.ours, "mods", permissions=int(POWERS))["id"]
        self.mo, self.pat = (self.control.add_user(name, guilds=[self.ours])["id"] for name in ("mo", "pat"))
        self.control.edit_member(self.ours, self.mo, roles=[role])
        top = self.control.add_role(self.ours, "bot", permissions=int(Permission.ADMINISTRATOR))["id"]
        self.control.edit_member(self.ours, simulator.bot_id, roles=[top])
        self.other = self.control.add_guild("other", owner=self.mo, members=[self.mo, simulator.bot_id])["id"]
        self.elsewhere = self.control.add_channel(self.other, "elsewhere")["id"]
        self.guests = self.control.add_guild("of pat", owner=self.pat, members=[self.pat, simulator.bot_id])[
            "id"
        ]
        self.dm = self.control.open_dm(self.mo)["id"]

    def do(self, name: str, by: str, /, *others: str, owner: bool = False, **values: Any) -> Json:
        """As a turn does it."""
        context = ActionContext(
            "default", self.rest, self.store.facts, self.talk, self.ours, "1", by, by_owner=owner,
            others=others, may_read=lambda channel: channel == self.secret,
        )  # fmt: skip
        action = ACTIONS[name]
        check_reach(action, Args(values), context)
        return perform(action, values, GATES, context)


@pytest.fixture
def world(store: Store) -> Iterator[World]:
    with Simulator() as simulator:
        transport = Transport(
            "default", SecretStr(simulator.token), limiter=Unlimited(), api_url=simulator.api_url
        )
        yield World(store, simulator, Rest(transport))
        transport.close()


def test_a_permission_of_one_server_changes_nothing_in_another(world: World) -> None:
    """Pat rules a server of her own, and moderates nothing here."""
    assert world.do("channel-edit", world.mo, channelId=world.secret, topic="fine")["ok"]
    for name, place in (("channel-edit", "channelId"), ("channel-delete", "channelId"),
                        ("channel-move", "target"), ("category-edit", "categoryId"),
                        ("category-delete", "categoryId")):  # fmt: skip
        values = {place: world.secret, "guildId": world.guests, "topic": "x", "name": "x"}
        with pytest.raises(ActionError):
            world.do(name, world.pat, **values)
    with pytest.raises(ActionError):
        world.do("channel-edit", world.mo, threadId=world.elsewhere, topic="x", guildId=world.ours)
    with pytest.raises(ActionError):
        world.do("category-delete", world.mo, categoryId=world.elsewhere)
    with pytest.raises(ActionError):
        world.do("channel-edit", world.mo, channelId=world.dm, guildId=world.ours, topic="x")
    for name in ("channel-create", "channel-edit", "channel-move"):
        with pytest.raises(ActionError, match="not allowed"):
            world.do(name, world.mo, name="x", parentId=world.elsewhere)
    topics = {one["id"]: one.get("topic") for one in world.rest.get_guild_channels(world.ours)}
    assert topics[world.secret] == "fine"


@pytest.mark.parametrize("name", ["channel-info", "channel-list", "permissions", "role-info", "thread-list"])
def test_other_servers_and_private_messages_are_not_told_of(world: World, name: str) -> None:
    for values in ({"target": world.elsewhere}, {"guildId": world.other}, {"channelId": world.dm},
                   {"threadId": world.dm}, {"guildId": world.ours, "to": world.elsewhere}):  # fmt: skip
        with pytest.raises(ActionError, match="not allowed"):
            world.do(name, world.mo, **values)
    assert world.do(name, world.mo, guildId=world.ours, target=world.secret)["ok"]
    assert world.do(name, world.mo, owner=True, guildId=world.other, target=world.elsewhere)["ok"]


def test_nobody_borrows_the_powers_of_whose_turn_he_wrote_into(world: World) -> None:
    """Rule R7: a turn has the authority of its weakest message."""
    assert world.do("timeout", world.mo, userId=world.pat, durationMin=1)["ok"]
    with pytest.raises(ActionError, match="required permissions"):
        world.do("timeout", world.mo, world.pat, userId=world.mo, durationMin=1)
    with pytest.raises(ActionError, match="required permissions"):
        world.do("channel-edit", world.mo, world.pat, channelId=world.secret, topic="x")
    said = world.control.say(world.talk, "mine", user=world.mo)["id"]
    with pytest.raises(ActionError, match="required permissions"):
        world.do("delete", world.mo, world.pat, messageId=said)
    assert world.do("delete", world.mo, messageId=said)["ok"]


def test_owners_write_in_the_server_of_the_conversation_only(world: World) -> None:
    """They read wherever the bot is; written is where people see who asked for it."""
    for place in (world.elsewhere, world.dm):
        said = world.rest.create_message(place, content="old", nonce=None)["id"]
        for name, values in (
            ("edit", {"message": "x"}),
            ("delete", {}),
            ("thread-create", {"threadName": "x"}),
        ):
            with pytest.raises(ActionError, match="Only this conversation"):
                world.do(name, world.mo, owner=True, target=place, messageId=said, **values)
        assert world.rest.get_message(place, said)["content"] == "old"


def test_the_operator_is_not_asked(world: World) -> None:
    context = ActionContext("default", world.rest, world.store.facts)
    action = ACTIONS["channel-info"]
    check_reach(action, Args({"target": world.elsewhere}), context)
    check_reach(action, Args({"target": world.elsewhere}), replace(context, guild_id=world.ours))
