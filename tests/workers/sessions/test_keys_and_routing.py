"""Names of conversations, and which agent they belong to."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.base.errors import InvalidName
from workers.sessions.keys import (
    agent_of,
    channel_key,
    direct_key,
    group_key,
    linked_peer,
    main_key,
    session_lane,
    slash_key,
)
from workers.sessions.routing import Place, Routing

ROOM = Place("default", "channel", "600", None, "500", frozenset({"7"}))
THREAD = Place("default", "channel", "650", "600", "500")
DM = Place("default", "direct", "101")


def bound(agent: str = "helper", **match: Any) -> dict[str, Any]:
    return {"agentId": agent, "match": {"channel": "discord", **match}}


def test_keys_are_those_of_the_table() -> None:
    assert main_key("Main") == "agent:main:main"
    assert channel_key("Help Desk", "5") == "agent:help-desk:discord:channel:5"
    assert group_key("main", "5") == "agent:main:discord:group:5"
    assert slash_key("main", "5") == "agent:main:discord:slash:5"
    assert direct_key("main", "main", account="a", peer="5") == "agent:main:main"
    assert direct_key("main", "per-peer", account="a", peer="5") == "agent:main:direct:5"
    assert direct_key("main", "per-channel-peer", account="a", peer="5") == "agent:main:discord:direct:5"
    whole = direct_key("main", "per-account-channel-peer", account="a", peer="5")
    assert whole == "agent:main:discord:a:direct:5"
    assert session_lane(whole) == f"session:{whole}"
    assert agent_of(whole) == "main"
    assert agent_of("history:default:5") is None
    with pytest.raises(InvalidName):
        session_lane("agent:main:" + "x" * 200)


@pytest.mark.parametrize(
    ("links", "peer"),
    [
        ({}, "101"),
        ({"ann": ("101",)}, "ann"),
        ({"Ann": ("telegram:9", "Discord:101")}, "ann"),
        ({"bob": ("102",), "ann": ("discord:101",)}, "ann"),
        ({"bob": ("102",)}, "101"),
        ({"": ("101",)}, "101"),
        ({"ann": ("telegram:101",)}, "101"),
    ],
)
def test_identity_links(links: dict[str, tuple[str, ...]], peer: str) -> None:
    assert linked_peer("101", links) == peer


def test_linked_names_that_no_key_can_hold_stay_apart() -> None:
    first, second = linked_peer("1", {"小明": ("1",)}), linked_peer("2", {"小红": ("2",)})
    assert first != second
    session_lane(direct_key("main", "per-peer", account="a", peer=first))


@pytest.mark.parametrize(
    ("bindings", "place", "agent", "by"),
    [
        ([], ROOM, "main", "default"),
        ([bound()], ROOM, "helper", "binding.account"),
        ([bound(accountId="*")], ROOM, "helper", "binding.channel"),
        ([bound(accountId="work")], ROOM, "main", "default"),
        ([bound(channel="telegram")], ROOM, "main", "default"),
        ([bound(teamId="t")], ROOM, "main", "default"),
        ([bound(guildId="500")], ROOM, "helper", "binding.guild"),
        ([bound(guildId="501")], ROOM, "main", "default"),
        ([bound(guildId="500", roles=["7"])], ROOM, "helper", "binding.guild+roles"),
        ([bound(guildId="500", roles=["8"])], ROOM, "main", "default"),
        ([bound(peer={"kind": "channel", "id": "600"})], ROOM, "helper", "binding.peer"),
        ([bound(peer={"kind": "group", "id": "600"})], ROOM, "helper", "binding.peer"),
        ([bound(peer={"kind": "channel", "id": "600"})], THREAD, "helper", "binding.peer.parent"),
        ([bound(peer={"kind": "channel", "id": "*"})], THREAD, "helper", "binding.peer.wildcard"),
        ([bound(peer={"kind": "channel", "id": "*"})], DM, "main", "default"),
        ([bound(peer={"kind": "dm", "id": "101"})], DM, "helper", "binding.peer"),
        ([bound(peer={"kind": "channel"})], ROOM, "main", "default"),
        ([{**bound(), "type": "acp"}], ROOM, "main", "default"),
        ([bound("nobody")], ROOM, "main", "binding.account"),
        # tiers before order, order within a tier
        ([bound("other"), bound(peer={"kind": "channel", "id": "600"})], ROOM, "helper", "binding.peer"),
        ([bound("other", guildId="500"), bound(guildId="500")], ROOM, "other", "binding.guild"),
        (
            [bound("other", guildId="500"), bound(guildId="500", roles=["7"])],
            ROOM,
            "helper",
            "binding.guild+roles",
        ),
        ([bound(peer={"kind": "channel", "id": "600"}, roles=["9"])], ROOM, "main", "default"),
    ],
)  # fmt: skip
def test_bindings(bindings: list[dict[str, Any]], place: Place, agent: str, by: str) -> None:
    route = Routing.read(bindings, ["main", "helper", "other"]).route(place)
    assert (route.agent_id, route.matched_by) == (agent, by)


GROUP = Place("default", "group", "700")
WORK = Place("work", "channel", "600", None, "500")


@pytest.mark.parametrize(
    ("bindings", "place", "agent", "by"),
    [
        # group and channel are one kind, dm and direct too
        ([bound(peer={"kind": "channel", "id": "700"})], GROUP, "helper", "binding.peer"),
        ([bound(peer={"kind": "direct", "id": "101"})], DM, "helper", "binding.peer"),
        ([bound(peer={"kind": "dm", "id": "*"})], DM, "helper", "binding.peer.wildcard"),
        ([bound(peer={"kind": "dm", "id": "600"})], ROOM, "main", "default"),
        ([bound(peer={"kind": "channel", "id": ""})], ROOM, "main", "default"),
        # the account: omitted is the default one, "*" any, else as written in any case
        ([bound(guildId="500")], WORK, "main", "default"),
        ([bound(guildId="500", accountId="*")], WORK, "helper", "binding.guild"),
        ([bound(guildId="500", accountId="WORK")], WORK, "helper", "binding.guild"),
        ([bound(channel="Discord")], ROOM, "helper", "binding.account"),
        # roles without a guild: the tier of the account, and the role all the same
        ([bound(roles=["7"])], ROOM, "helper", "binding.account"),
        ([bound(roles=["8"])], ROOM, "main", "default"),
        ([bound(roles=["8", "7"])], ROOM, "helper", "binding.account"),
        ([bound(roles=[])], THREAD, "helper", "binding.account"),
        ([bound(roles=["7"], accountId="*")], ROOM, "helper", "binding.channel"),
        # all fields of a binding must fit; with a peer its tier is that of the peer
        ([bound(peer={"kind": "channel", "id": "600"}, guildId="501")], ROOM, "main", "default"),
        ([bound(peer={"kind": "channel", "id": "600"}, roles=["7"])], ROOM, "helper", "binding.peer"),
        # the order of all tiers, the strongest last in the file
        (
            [
                bound("a8", accountId="*"),
                bound("a7"),
                bound("a5", guildId="500"),
                bound("a4", guildId="500", roles=["7"]),
                bound("a3", peer={"kind": "channel", "id": "*"}),
                bound("a1", peer={"kind": "channel", "id": "600"}),
            ],
            ROOM,
            "a1",
            "binding.peer",
        ),
        (
            [
                bound("a3", peer={"kind": "channel", "id": "*"}),
                bound("a2", peer={"kind": "channel", "id": "600"}),
                bound("a1", peer={"kind": "channel", "id": "650"}),
            ],
            THREAD,
            "a1",
            "binding.peer",
        ),
        (
            [
                bound("a3", peer={"kind": "channel", "id": "*"}),
                bound("a2", peer={"kind": "channel", "id": "600"}),
            ],
            THREAD,
            "a2",
            "binding.peer.parent",
        ),
    ],
)  # fmt: skip
def test_every_edge_of_bindings(bindings: list[dict[str, Any]], place: Place, agent: str, by: str) -> None:
    """``spec/inbound.md`` 5.1."""
    known = ["main", "helper", "a1", "a2", "a3", "a4", "a5", "a7", "a8"]
    route = Routing.read(bindings, known).route(place)
    assert (route.agent_id, route.matched_by) == (agent, by)


def test_agents_of_a_binding() -> None:
    """An agent the list does not have is the default one; without a list any is taken."""
    assert Routing.read([bound("Ghost")], ["main"]).route(ROOM).agent_id == "main"
    assert Routing.read([bound("Ghost")], ["zoe", "main"], default_agent="zoe").route(ROOM).agent_id == "zoe"
    free = Routing.read([bound("Ghost")], [])
    assert free.route(ROOM).agent_id == "ghost"
    assert free.everyone == ("main", "ghost")
    assert Routing.read([bound("Ghost")], ["main", "helper"]).everyone == ("main", "helper")


def acp(agent: str = "codex", **match: Any) -> dict[str, Any]:
    return {"type": "acp", **bound(agent, **match)}


HERE = {"kind": "channel", "id": "600"}


@pytest.mark.parametrize(
    ("bindings", "place", "agent"),
    [
        ([], ROOM, None),
        ([acp(peer=HERE)], ROOM, "codex"),
        ([acp(peer=HERE)], THREAD, "codex"),
        ([acp(peer=HERE)], WORK, None),
        ([acp(peer=HERE, accountId="*")], WORK, "codex"),
        ([acp(peer={"kind": "channel", "id": "*"})], ROOM, None),
        ([acp(guildId="500")], ROOM, None),
        ([acp("a", peer=HERE, accountId="*"), acp("b", peer=HERE, accountId="default")], ROOM, "b"),
        ([acp("a", peer=HERE), acp("b", peer={"kind": "channel", "id": "650"}, accountId="*")], THREAD, "b"),
        ([bound("a", peer=HERE)], ROOM, None),
    ],
)
def test_conversations_of_coding_agents(
    bindings: list[dict[str, Any]], place: Place, agent: str | None
) -> None:
    """``spec/inbound.md`` 5.10: threads have the binding of their parent."""
    assert Routing.read(bindings, []).coding_agent(place) == agent


def test_an_omitted_account_is_the_default_one() -> None:
    routing = Routing.read([bound()], ["main", "helper"], default_account="work")
    assert routing.route(Place("work", "direct", "1")).agent_id == "helper"
    assert routing.route(Place("default", "direct", "1")).agent_id == "main"
