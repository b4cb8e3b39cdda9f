"""``autoThread`` at admission (``spec/inbound.md`` 5.7, rule R22)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shoal.state.effects import Note, Push
from tests.workers.sessions.helpers import ANN, BOT, CHANNEL, GUILD, NOW, View, event, in_guild, routing
from workers.sessions.admission import Admission, admit
from workers.sessions.auto_threads import in_channel, in_thread, thread_name
from workers.sessions.records import TurnRequest, decode_turn

ENTRY = {"autoThread": True, "autoArchiveDuration": 4320, "autoThreadName": "generated"}
SECTION: dict[str, Any] = {"allowFrom": [ANN], "guilds": {GUILD: {"channels": {CHANNEL: ENTRY}}}}
FACTS = {CHANNEL: {"name": "talk", "type": 0}}


def pushed(admission: Admission) -> tuple[Push, TurnRequest]:
    [push] = [effect for effect in admission.effects if isinstance(effect, Push)]
    return push, decode_turn(push.record.body)


def test_the_message_goes_straight_into_the_lane_of_its_thread() -> None:
    admission = admit(event(in_guild("plan the party")), View(SECTION, channels=FACTS))
    push, request = pushed(admission)
    key = f"agent:main:discord:channel:{NOW}"
    assert push.lane == f"session:{key}"
    assert push.record.scope == f"default|{NOW}|trusted"
    assert Note("default", str(NOW), "session", key) in admission.effects
    # the record itself speaks of the channel, where the message is
    assert (request.channel_id, request.session_key) == (CHANNEL, f"agent:main:discord:channel:{CHANNEL}")
    auto = request.auto_thread
    assert auto is not None
    assert (auto.thread_id, auto.name, auto.archive_minutes, auto.generated) == (
        str(NOW),
        "plan the party",
        4320,
        True,
    )
    there = in_thread(request)
    assert (there.channel_id, there.parent_id, there.is_thread) == (str(NOW), CHANNEL, True)
    assert (there.message_channel_id, there.parent_name) == (CHANNEL, "talk")
    assert in_thread(there) == there
    assert in_channel(request).auto_thread is None
    assert in_channel(request).message_channel_id == CHANNEL


@pytest.mark.parametrize(
    ("data", "facts", "section"),
    [
        (in_guild(channel_type=15), {}, SECTION),
        (in_guild(channel_type=16), {}, SECTION),
        (in_guild(channel_type=2), {}, SECTION),
        (in_guild(channel_type=13), {}, SECTION),
        # already in a thread
        (in_guild(channel_id="650", channel_type=11), {"650": {"type": 11, "parent_id": CHANNEL}}, SECTION),
        # by a machine
        (
            in_guild(author="103", webhook_id=None) | {"author": {"id": "103", "username": "b", "bot": True}},
            {},
            {**SECTION, "allowBots": True},
        ),
        (in_guild(), {}, {"allowFrom": [ANN], "guilds": {GUILD: {"channels": {CHANNEL: {}}}}}),
        # a command is no request
        (in_guild("/new and go"), {}, SECTION),
    ],
)
def test_what_gets_no_thread(data: dict[str, Any], facts: dict[str, Any], section: dict[str, Any]) -> None:
    _, request = pushed(admit(event(data), View(section, channels={**FACTS, **facts})))
    assert request.auto_thread is None


def test_another_bot_of_the_fleet_gets_no_thread_whatever_the_event_says() -> None:
    sibling = View({**SECTION, "allowBots": True}, channels=FACTS)
    known = replace(sibling.settings.access, siblings=frozenset({ANN}))
    sibling.settings = replace(sibling.settings, access=known)
    _, request = pushed(admit(event(in_guild()), sibling))
    assert request.auto_thread is None


def test_the_thread_has_the_agent_its_next_message_will_have() -> None:
    bound = {"agentId": "helper", "match": {"channel": "discord", "peer": {"kind": "channel", "id": CHANNEL}}}
    view = View(SECTION, channels=FACTS, routing=routing(bound))
    push, request = pushed(admit(event(in_guild()), view))
    assert push.lane == f"session:agent:helper:discord:channel:{NOW}"
    assert in_thread(request).agent_id == "helper"
    thread = {"name": "plan", "type": 11, "parent_id": CHANNEL, "owner_id": BOT}
    later = in_guild(channel_id=str(NOW), channel_type=11, id=str(NOW + 1), mention=False)
    push, _ = pushed(
        admit(event(later), View(SECTION, channels={**FACTS, str(NOW): thread}, routing=routing(bound)))
    )
    assert push.lane == f"session:agent:helper:discord:channel:{NOW}"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("plan the party", "plan the party"),
        (f"<@{BOT}> plan <#600> for <@&7>\n the  party <@!101>", "plan for the party"),
        (f"<@{BOT}>", "Thread 5"),
        ("", "Thread 5"),
        ("a" * 90, "a" * 80),
        ("🎉" * 80, "🎉" * 50),
        ("频道" * 50, "频道" * 40),
    ],
)
def test_names_of_threads(text: str, name: str) -> None:
    """5.7.3: without mentions, 80 characters, 100 units."""
    assert thread_name(text, "5") == name
