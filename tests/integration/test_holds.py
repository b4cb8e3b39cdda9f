"""Held messages through a real fleet: batches and PluralKit (spec/inbound.md 3.12, 4.8; decision 12)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import FleetUnderTest

pytestmark = pytest.mark.slow


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[FleetUnderTest]:
    """PluralKit on, a window of half a second, and a member of a system who may talk."""
    made = FleetUnderTest(
        tmp_path,
        {
            "channels": {"discord": {"pluralkit": {"enabled": True}}},
            "messages": {
                "inbound": {"byChannel": {"discord": 500}},
                "groupChat": {"visibleReplies": "automatic"},
            },
        },
    )

    def configure(started: FleetUnderTest) -> dict[str, Any]:
        people = [str(started.person["id"]), "pk:membr"]
        guild = {str(started.guild["id"]): {"users": people, "requireMention": True}}
        return {"channels": {"discord": {"guilds": guild}}}

    made.configure = configure
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.mark.timeout(300)
def test_batches_and_proxied_messages_in_a_real_fleet(fleet: FleetUnderTest) -> None:
    """One fleet for all of it: the look-ups are real tasks on real workers."""
    mention = f"<@{fleet.bot['id']}>"
    _one_answer_to_what_was_written_in_a_row(fleet, mention)
    _a_member_is_answered_and_her_original_is_not(fleet, mention)
    _a_slow_look_up_delays_nobody_else(fleet, mention)
    _without_pluralkit_people_are_still_heard(fleet, mention)


def outcome(fleet: FleetUnderTest, message_id: str, timeout: float = 20.0) -> tuple[str, str]:
    """(outcome, reason), once there is one."""
    deadline = time.monotonic() + timeout
    told: dict[str, Any] = {}
    while time.monotonic() < deadline:
        said = fleet.shoal("explain", message_id, "--json")
        told = json.loads(said.stdout) if said.returncode == 0 else {}
        if told.get("outcome"):
            return told["outcome"], told["reason"]
        time.sleep(0.3)
    raise AssertionError(f"no outcome: {told}\n{fleet.said()}")


def _one_answer_to_what_was_written_in_a_row(fleet: FleetUnderTest, mention: str) -> None:
    fleet.models.script([{"match": "and now", "text": ["Both."]}])
    first = fleet.control.say("general", f"{mention} look")
    last = fleet.control.say("general", "and now")
    answer = fleet.control.wait_for_message("general", after=last["id"], timeout=20)
    assert answer["content"] == "Both."
    assert outcome(fleet, first["id"]) == ("merged", f"into.{last['id']}")
    assert outcome(fleet, last["id"])[0] == "answered"
    time.sleep(1.0)
    assert len(fleet.bot_messages("general", first["id"])) == 1


def _a_member_is_answered_and_her_original_is_not(fleet: FleetUnderTest, mention: str) -> None:
    fleet.models.script([{"text": ["To Lou."]}, {"text": ["Twice!"]}])
    original = fleet.control.say("general", f"{mention} L: hi")
    copy = fleet.control.proxy("general", original["id"], "Lou")
    fleet.control.wait_for_message("general", after=copy["id"], timeout=20)
    assert outcome(fleet, original["id"])[0] == "dropped"
    assert outcome(fleet, copy["id"])[0] == "answered"
    time.sleep(1.0)
    assert len(fleet.bot_messages("general", original["id"])) == 1
    assert "Lou (PK:System)" in json.dumps(fleet.models.requests()[-1])


def _a_slow_look_up_delays_nobody_else(fleet: FleetUnderTest, mention: str) -> None:
    fleet.models.script([{"text": ["Quick."]}, {"text": ["Slow."]}])
    fleet.control.configure(pluralkit_delay_s=2.0)
    original = fleet.control.say("general", f"{mention} L: slow")
    copy = fleet.control.proxy("general", original["id"], "Lou")
    started = time.monotonic()
    direct = fleet.control.dm("are you there?")
    fleet.control.wait_for_message(direct["channel_id"], after=direct["id"], timeout=20)
    assert time.monotonic() - started < 10
    fleet.control.configure(pluralkit_delay_s=0.0)
    assert outcome(fleet, copy["id"])[0] in ("answered", "dropped")
    assert outcome(fleet, original["id"])[0] == "dropped"


def _without_pluralkit_people_are_still_heard(fleet: FleetUnderTest, mention: str) -> None:
    fleet.models.script([{"text": ["Heard."]}])
    fleet.control.configure(pluralkit_status=503)
    said = fleet.control.say("general", f"{mention} hello")
    hook = fleet.control.say("general", f"{mention} hello", webhook="Stranger")
    fleet.control.wait_for_message("general", after=said["id"], timeout=30)
    assert outcome(fleet, said["id"])[0] == "answered"
    assert outcome(fleet, hook["id"]) == ("dropped", "webhook-author")
