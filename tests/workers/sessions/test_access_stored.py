"""Access on a real store and a real config file: counts that outlive workers, patterns, roles, tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shoal.base.ids import snowflake_ms
from shoal.state.effects import Push, Tally
from shoal.state.lookups import Asked
from shoal.state.store import Store
from tests.workers.sessions.helpers import ANN, BOB, BOT, CHANNEL, GUILD, NOW, event, in_guild, message
from tests.workers.sessions.stored import Admitting
from workers.sessions.admission import Admission, admit
from workers.sessions.admission.answers import inform
from workers.sessions.records import TurnRequest, decode_turn
from workers.sessions.view import StoreView
from workers.sessions.wire import read_message

SECOND = 1000 << 22
FRIEND = {"id": "555", "username": "friend", "discriminator": "0", "bot": True}
Make = Callable[..., Admitting]


@pytest.fixture
def make(store: Store, tmp_path: Path) -> Make:
    """Admission with a config laid over one that serves the guild."""

    def made(
        discord: dict[str, Any] | None = None, defaults: dict[str, Any] | None = None, **root: Any
    ) -> Admitting:
        channels = {"discord": discord or {}, "defaults": defaults or {}}
        return Admitting(store, tmp_path, {"channels": channels, **root})

    return made


def turn(admission: Admission) -> TurnRequest:
    push = next(effect for effect in admission.effects if isinstance(effect, Push))
    return decode_turn(push.record.body)


def counted(admission: Admission) -> list[Tally]:
    return [effect for effect in admission.effects if isinstance(effect, Tally)]


def by(author: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A message of somebody who is no plain user."""
    return {**in_guild("hi", **fields), "author": author}


def say(front: Admitting, number: int, author: str | dict[str, Any] = BOB) -> str:
    """The n-th message, seconds after the first; why it went no further, or "" for a turn."""
    said = str(NOW + number * SECOND)
    data = in_guild("hi", author, id=said) if isinstance(author, str) else by(author, id=said)
    admission = front.event(data)
    return "" if admission.summary.startswith("admitted") else front.outcome(said)[1]


# -- bots that go round in circles (3.11) --------------------------------------------------------------


def test_a_loop_of_bots_is_stopped_whatever_worker_sees_it(make: Make) -> None:
    """Every message has a view of its own here, as in another worker; the counts are in Redis."""
    front = make({"allowBots": True, "botLoopProtection": {"maxEventsPerWindow": 3}})
    assert [say(front, number, author=FRIEND) for number in range(6)] == ["", "", "", *["bot-loop"] * 3]
    assert say(front, 7) == "", "people are not part of it"
    assert say(front, 64, author=FRIEND) == ""


def test_a_message_that_is_delivered_again_counts_once(make: Make, store: Store) -> None:
    """R4: admitted again by a worker that had lost the answer, it is decided as before."""
    front = make({"allowBots": True, "botLoopProtection": {"maxEventsPerWindow": 2}})
    data = by(FRIEND)
    once = counted(admit(event(data), StoreView(front.settings, store)))
    assert [(mark.member, mark.at_ms) for mark in once] == [(str(NOW), snowflake_ms(NOW))]
    front.event(data)
    assert counted(admit(event(data), StoreView(front.settings, store))) == once
    assert [say(front, number, author=FRIEND) for number in (1, 2)] == ["", "bot-loop"]


def test_the_guard_takes_its_defaults_from_all_channels(make: Make) -> None:
    """3.11, 3.6: account over root over ``channels.defaults``, merged one level deep."""
    defaults = {"botLoopProtection": {"maxEventsPerWindow": 9, "windowSeconds": 7}}
    front = make({"allowBots": True, "botLoopProtection": {"maxEventsPerWindow": 4}}, defaults)
    guard = front.settings.access.loop_guard
    assert (guard.enabled, guard.most, guard.window_ms, guard.rest_ms) == (True, 4, 7_000, 60_000)


# -- how often (userLimits) ----------------------------------------------------------------------------


def test_who_asks_too_much_is_told_once_and_may_still_stop(make: Make, store: Store) -> None:
    front = make({"userLimits": {"turnsPerMinute": 2}, "allowFrom": [BOB]})
    assert [say(front, number) for number in range(4)] == ["", "", "user-rate", "user-rate"]
    sent = front.store.lanes.acquire(f"delivery:default:{CHANNEL}", "0" * 32)
    assert "wait a minute" in sent.head.body.decode()  # type: ignore[union-attr]
    assert front.store.lanes.depth(f"delivery:default:{CHANNEL}") == 1
    stop = front.event(in_guild("stop", BOB, id=str(NOW + 5 * SECOND)))
    assert stop.summary == "control · stop"
    assert say(front, 61) == ""


def test_owners_are_not_limited(make: Make) -> None:
    front = make({"userLimits": {"turnsPerMinute": 1}})
    assert [say(front, number, ANN) for number in range(3)] == ["", "", ""]


def test_a_guild_has_its_own_numbers(make: Make) -> None:
    front = make({"guilds": {GUILD: {"userLimits": {"turnsPerDay": 1}}}})
    assert [say(front, number) for number in range(2)] == ["", "user-daily-cap"]


# -- mention patterns (4.2) ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("agents", "messages", "text", "reason"),
    [
        ([{"id": "main"}], {}, "hey claw", "mention-required"),
        ([{"id": "main", "identity": {"name": "Claw"}}], {}, "hey claw", ""),
        ([{"id": "main", "identity": {"emoji": "🦞"}}], {}, "🦞 hey", ""),
        ([{"id": "main"}], {"groupChat": {"mentionPatterns": ["claw"]}}, "hey claw", ""),
        (
            [{"id": "main", "identity": {"name": "Claw"}}],
            {"groupChat": {"mentionPatterns": []}},
            "hey claw",
            "mention-required",
        ),
        (
            [{"id": "main", "groupChat": {"mentionPatterns": ["crab"]}}],
            {"groupChat": {"mentionPatterns": ["claw"]}},
            "hey claw",
            "mention-required",
        ),
    ],
)
def test_patterns_come_from_the_agent_then_messages_then_the_identity(
    make: Make, agents: list[dict[str, Any]], messages: dict[str, Any], text: str, reason: str
) -> None:
    """4.2: the first that is written wins, an empty list too."""
    front = make(agents={"list": agents}, messages=messages)
    admission = front.event(in_guild(text, mention=False))
    if reason:
        assert front.outcome(NOW)[1] == reason
    else:
        assert turn(admission).mentioned_by == "pattern"


def test_the_patterns_are_those_of_the_agent_that_would_answer(make: Make) -> None:
    """4.2: of the routed agent."""
    agents = {
        "list": [{"id": "main", "identity": {"name": "Claw"}}, {"id": "crab", "identity": {"name": "Crab"}}]
    }
    bindings = [{"agentId": "crab", "match": {"channel": "discord", "guildId": GUILD}}]
    front = make(agents=agents, bindings=bindings)
    assert front.event(in_guild("claw?", mention=False)).summary == "history · mention-required"
    assert front.event(in_guild("crab?", mention=False, id=str(NOW + 1))).summary == "admitted · crab"


def test_patterns_may_be_scoped_to_channels(make: Make) -> None:
    """4.2: ``channels.discord.mentionPatterns``."""
    agents = {"list": [{"id": "main", "identity": {"name": "Claw"}}]}
    front = make({"mentionPatterns": {"denyIn": [CHANNEL]}}, agents=agents)
    assert front.event(in_guild("claw?", mention=False)).summary == "history · mention-required"


# -- /activation (decision 28) -------------------------------------------------------------------------


def test_activation_of_a_conversation_overrides_the_gate(make: Make) -> None:
    front = make({"allowFrom": [BOB]})
    assert front.event(in_guild("hi", BOB, mention=False)).summary == "history · mention-required"
    front.event(in_guild("/activation always", BOB, mention=False, id=str(NOW + SECOND)))
    heard = front.event(in_guild("hi", BOB, mention=False, id=str(NOW + 2 * SECOND)))
    assert heard.summary == "admitted · main"
    front.event(in_guild("/activation mention", BOB, mention=False, id=str(NOW + 3 * SECOND)))
    last = front.event(in_guild("hi", BOB, mention=False, id=str(NOW + 4 * SECOND)))
    assert last.summary == "history · mention-required"


# -- roles that are not known (rule R19) ---------------------------------------------------------------


BY_ROLE = [
    {"agentId": "helper", "match": {"channel": "discord", "guildId": GUILD, "roles": ["77"]}},
]


@pytest.mark.parametrize("role", ["77", 77, {"id": "77", "name": "crew"}])
def test_a_route_by_roles_needs_the_roles(make: Make, store: Store, role: Any) -> None:
    """R19: which agent answers cannot be told of a message without a member. Decision 55: roles may come as
    objects."""
    front = make(agents={"list": [{"id": "main"}, {"id": "helper"}]}, bindings=BY_ROLE)
    data = in_guild("hi", BOB)
    del data["member"]
    assert front.event(data).summary.startswith("held")
    store.lookups.put(Asked("default", "member", f"{GUILD}.{BOB}"), {"roles": [role]}, ttl_s=60)
    later = {**data, "id": str(NOW + SECOND)}
    view = StoreView(front.settings, store)
    arrival = inform(event(later), read_message(event(later).data), view)
    assert (arrival.decision.allowed, arrival.conversation.agent_id) == (True, "helper")
    assert arrival.message.roles == ("77",)


def test_a_webhook_has_no_roles_and_is_not_asked_for_them(make: Make) -> None:
    front = make({"allowBots": True}, agents={"list": [{"id": "main"}, {"id": "helper"}]}, bindings=BY_ROLE)
    data = by({"id": "800", "username": "hook", "bot": True}, webhook_id="800")
    del data["member"]
    assert front.event(data).summary == "admitted · main"


@pytest.mark.parametrize(("bots", "reason"), [(True, ""), (False, "webhook-author")])
def test_a_webhook_of_which_pluralkit_knows_nothing_is_a_webhook(
    make: Make, store: Store, bots: bool, reason: str
) -> None:
    """3.12: what PluralKit has answered is not asked for again, and the message goes on as what it is."""
    front = make({"allowBots": bots, "pluralkit": {"enabled": True}})
    data = by({"id": "800", "username": "hook", "bot": True}, webhook_id="800")
    assert front.event(data).summary == "held · pluralkit"
    store.lookups.put(Asked("default", "pluralkit", str(NOW)), None, ttl_s=60)
    view = StoreView(front.settings, store)
    arrival = inform(event(data), read_message(event(data).data), view)
    assert (arrival.decision.reason, arrival.decision.needs) == (reason, frozenset())


# -- tools of a place and a sender (3.10) --------------------------------------------------------------


def test_the_tools_of_a_sender_travel_with_the_message(make: Make) -> None:
    rules = {"toolsBySender": {f"id:{ANN}": {"allow": ["*"]}, "*": {"deny": ["exec"]}}}
    front = make({"guilds": {GUILD: rules}, "allowFrom": [ANN, BOB]})
    ann = turn(front.event(in_guild("hi", ANN)))
    bob = front.event(in_guild("hi", BOB, id=str(NOW + SECOND)))
    assert ann.tools is not None
    assert ann.tools.allow == ("*",)
    assert turn(bob).tools is not None
    assert turn(bob).tools.deny == ("exec",)  # type: ignore[union-attr]
    carol = front.event(in_guild("hi", "103", id=str(NOW + 2 * SECOND)))
    pushes = [next(effect for effect in one.effects if isinstance(effect, Push)) for one in (bob, carol)]
    assert len({push.record.scope for push in pushes}) == 2, "authorities differ"
    direct = turn(front.event(message("hi", ANN, id=str(NOW + 3 * SECOND))))
    assert direct.tools is None


def test_nobody_gets_a_tool_by_writing_into_somebody_elses_turn(make: Make) -> None:
    """R7: what two messages need to share a turn includes the tools their senders have."""
    rules = {"toolsBySender": {f"id:{BOB}": {"allow": ["message"]}}}
    front = make({"guilds": {GUILD: rules}})
    one, two, three = (
        next(effect for effect in front.event(data).effects if isinstance(effect, Push)).record.scope
        for data in (
            in_guild("hi", BOB),
            in_guild("hi", "103", id=str(NOW + SECOND)),
            in_guild("hi", "104", id=str(NOW + 2 * SECOND)),
        )
    )
    assert one != two == three


# -- who we are ----------------------------------------------------------------------------------------


def test_our_own_id_is_known_from_the_token_before_any_ready(make: Make, store: Store) -> None:
    """1.12, 4.4: so that our own messages and mentions are always told."""
    front = make()
    store.facts.remove("default", "me", "me")
    view = StoreView(replace(front.settings, bot_id=BOT), store)
    assert view.bot_id == BOT
    assert admit(event(in_guild("hi", BOT)), view).summary == "dropped · own-message"
