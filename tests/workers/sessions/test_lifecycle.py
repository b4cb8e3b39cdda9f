"""When a conversation starts afresh (``spec/inbound.md`` 5.11)."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from config.schema.session import SessionConfig
from tests.workers.agent.support.turns import request
from workers.sessions.lifecycle import ResetPolicy, derived_session_id, reset_policy, roll
from workers.sessions.opened import Used, display_name, open_session, session_fields
from workers.sessions.state import SessionState

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1000)


def state(started: str, last: str = "", **more: int) -> SessionState:
    return SessionState("old", at(started), at(last or started), **more)


@pytest.mark.parametrize(
    ("began", "last", "now", "why"),
    [
        ("2026-03-10 03:00", "", "2026-03-10 03:59", ""),
        ("2026-03-10 03:00", "", "2026-03-10 04:00", "daily"),
        ("2026-03-10 04:00", "", "2026-03-10 04:00", ""),
        ("2026-03-10 05:00", "", "2026-03-11 03:59", ""),
        ("2026-03-10 05:00", "", "2026-03-11 04:01", "daily"),
        # it was talked in all night, and still ends at the hour
        ("2026-03-10 05:00", "2026-03-11 03:59", "2026-03-11 04:00", "daily"),
        # summer time: the hour of the day counts, not 24 hours
        ("2026-03-28 05:00", "", "2026-03-29 03:59", ""),
        ("2026-03-28 05:00", "", "2026-03-29 04:00", "daily"),
        ("2026-10-24 05:00", "", "2026-10-25 03:59", ""),
        ("2026-10-24 05:00", "", "2026-10-25 04:00", "daily"),
    ],
)
def test_the_hour_of_the_day_ends_a_transcript(began: str, last: str, now: str, why: str) -> None:
    assert roll(state(began, last), ResetPolicy(4, None, BERLIN), at(now)) == why


@pytest.mark.parametrize(
    ("now", "why"), [("2026-03-10 12:30", ""), ("2026-03-10 12:31", "idle"), ("2026-03-11 12:00", "daily")]
)
def test_whichever_comes_first(now: str, why: str) -> None:
    policy = ResetPolicy(4, 30 * 60_000, BERLIN)
    known = state("2026-03-10 11:00", "2026-03-10 12:00")
    assert roll(known, policy, at(now)) == why


def test_without_rules_a_transcript_goes_on_for_ever() -> None:
    assert roll(state("2020-01-01 00:00"), ResetPolicy(None, None), at("2026-01-01 00:00")) == ""
    assert roll(SessionState(), ResetPolicy(), at("2026-01-01 00:00")) == ""
    # a message whose birth is not known ends nothing
    assert roll(state("2020-01-01 00:00"), ResetPolicy(), 0) == ""


def test_an_archived_thread_starts_afresh_once() -> None:
    policy = ResetPolicy(None, None)
    archived = state("2026-03-10 11:00", reset_before_ms=at("2026-03-10 12:00"))
    assert roll(archived, policy, at("2026-03-10 11:59")) == ""
    assert roll(archived, policy, at("2026-03-10 12:01")) == "archived"
    begun_since = state("2026-03-10 12:01", reset_before_ms=at("2026-03-10 12:00"))
    assert roll(begun_since, policy, at("2026-03-10 12:02")) == ""


@pytest.mark.parametrize(
    ("config", "kind", "hour", "minutes"),
    [
        ({}, "direct", 4, None),
        ({"reset": {"atHour": 9}}, "direct", 9, None),
        ({"reset": {"mode": "idle"}}, "group", None, 60),
        ({"reset": {"mode": "idle", "idleMinutes": 5}}, "group", None, 5),
        ({"reset": {"mode": "daily", "idleMinutes": 5}}, "group", 4, 5),
        ({"idleMinutes": 90}, "group", None, 90),
        ({"idleMinutes": 90, "reset": {"mode": "daily"}}, "group", 4, 90),
        ({"reset": {"atHour": 9}, "resetByType": {"thread": {"mode": "idle"}}}, "thread", None, 60),
        ({"reset": {"atHour": 9}, "resetByType": {"thread": {"mode": "idle"}}}, "group", 9, None),
        ({"reset": {"atHour": 9}, "resetByType": {"thread": {"idleMinutes": 7}}}, "thread", 9, 7),
        ({"resetByType": {"dm": {"mode": "idle", "idleMinutes": 7}}}, "direct", None, 7),
        ({"resetByType": {"direct": {"atHour": 1}, "dm": {"atHour": 2}}}, "direct", 1, None),
        # the channel's own rule is over the kinds
        (
            {"resetByType": {"group": {"atHour": 1}}, "resetByChannel": {"discord": {"atHour": 2}}},
            "group",
            2,
            None,
        ),
        ({"resetByChannel": {"telegram": {"atHour": 2}}}, "group", 4, None),
    ],
)
def test_the_policy_in_force(config: object, kind: str, hour: int | None, minutes: int | None) -> None:
    found = reset_policy(SessionConfig.model_validate(config), kind)  # type: ignore[arg-type]
    assert (found.at_hour, found.idle_ms) == (hour, None if minutes is None else minutes * 60_000)


def test_a_resumed_turn_opens_the_same_new_transcript() -> None:
    turn = request()
    first = open_session({}, turn, ResetPolicy(), cause="a.1")
    again = open_session({}, turn, ResetPolicy(), cause="a.1")
    assert first.session_id == again.session_id == derived_session_id(turn.session_key, "a.1")
    assert first.fresh
    other = open_session({}, turn, ResetPolicy(), cause="a.2")
    assert other.session_id != first.session_id


def test_what_a_rolled_session_keeps() -> None:
    turn = request(reset="new", born_ms=at("2026-03-10 12:00"))
    fields = {
        "session_id": b"old",
        "turns": b"7",
        "tokens_in": b"100",
        "activation": b"always",
        "queue_mode": b"collect",
        "model_override": b"local/m2",
    }
    opened = open_session(fields, turn, ResetPolicy(), cause="a.1")
    written = session_fields(opened, turn, Used("local/m1", 3, 2))
    assert (written["turns"], written["tokens_in"], written["previous_session_id"]) == ("1", "3", "old")
    assert written["started_ms"] == str(turn.born_ms)
    assert not {"activation", "queue_mode", "model_override"} & set(written)


def test_sessions_have_a_name_for_people() -> None:
    """``spec/inbound.md`` 5.2: ``discord:<guildSlug>#<channelSlug>``, a configured slug first."""
    assert display_name(request(guild_name="My Home", channel_name="General Chat")) == (
        "discord:my-home#general-chat"
    )
    assert display_name(request(guild_name="小明的家", channel_name="频道")) == "discord:小明的家#频道"
    assert display_name(request(guild_name="My Home", guild_slug="home")) == "discord:home#general"
    assert display_name(request(guild_name="", channel_name="")) == "discord:9#777"
    direct = request(chat_type="direct", guild_id=None, author_tag="ann")
    assert display_name(direct) == "discord:ann"
