"""Admission: every message gets its outcome, or a place in a lane that will give it one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from shoal.base.ids import snowflake_ms
from shoal.state.effects import Note, Outcome, Push, SystemEvent, Transcript
from shoal.state.ledger import Outcome as LedgerOutcome
from shoal.state.lookups import Asked
from tests.workers.sessions.helpers import (
    ANN,
    BOB,
    BOT,
    CHANNEL,
    DM,
    GUILD,
    NOW,
    Holds,
    View,
    event,
    in_guild,
    message,
    recordings,
    routing,
    told,
)
from workers.sessions.admission import Admission, StopBound, admit
from workers.sessions.changes import KIND as CHANGE
from workers.sessions.changes import apply_changes
from workers.sessions.history import HistoryEntry
from workers.sessions.queueing import QueueSettings
from workers.sessions.records import TurnRequest, decode_turn

ANSWERED = LedgerOutcome.ANSWERED
OPEN: dict[str, Any] = {"allowFrom": [ANN], "guilds": {GUILD: {}}}
CHANNEL_LANE = f"session:agent:main:discord:channel:{CHANNEL}"


def pushed(admission: Admission) -> TurnRequest:
    push = next(effect for effect in admission.effects if isinstance(effect, Push))
    return decode_turn(push.record.body)


def outcome(admission: Admission) -> tuple[str, str] | None:
    found = [effect for effect in admission.effects if isinstance(effect, Outcome)]
    assert len(found) <= 1
    return (found[0].outcome, found[0].reason) if found else None


def test_a_direct_message_goes_into_the_main_session() -> None:
    admission = admit(event(message("  hi there ")), View(OPEN))
    push = admission.effects[0]
    assert isinstance(push, Push)
    assert push.lane == "session:agent:main:main"
    record = push.record
    assert (record.identity, record.kind) == (f"default.{NOW}", "turn")
    assert (record.account, record.message_id) == ("default", str(NOW))
    assert record.born == snowflake_ms(NOW)
    assert (record.mode, record.scope) == ("steer", f"default|{DM}|trusted")
    request = pushed(admission)
    assert request.text == "hi there"
    assert request.chat_type == "direct"
    assert request.target == f"channel:{DM}"
    assert request.guild_id is None
    assert request.all_message_ids == (str(NOW),)
    assert outcome(admission) is None
    assert Note("default", str(NOW), "session", "agent:main:main") in admission.effects


def test_equal_input_gives_equal_effects() -> None:
    assert admit(event(in_guild()), View(OPEN)) == admit(event(in_guild()), View(OPEN))


def test_a_mention_in_a_guild_goes_into_the_channels_session() -> None:
    view = View(OPEN, guilds={GUILD: {"name": "Reef"}}, channels={CHANNEL: {"name": "talk", "topic": "fish"}})
    request = pushed(admit(event(in_guild("what is this?")), view))
    assert request.session_key == f"agent:main:discord:channel:{CHANNEL}"
    assert request.text == "@shoal what is this?"
    assert (request.guild_name, request.channel_name, request.topic) == ("Reef", "talk", "fish")
    assert (request.was_mentioned, request.mentioned_by, request.mention_required) == (True, "explicit", True)
    assert request.guild_entry == GUILD


@pytest.mark.parametrize(
    ("data", "section", "expected"),
    [
        (message(author=BOB, type=7), OPEN, ("dropped", "pairing-required")),
        (message(author=BOB), {**OPEN, "dmPolicy": "allowlist"}, ("dropped", "not-allowlisted")),
        (message(author=BOT), OPEN, ("dropped", "own-message")),
        (in_guild(guild_id="501"), OPEN, ("dropped", "guild-not-listed")),
        (in_guild(), {"guilds": {GUILD: {"channels": {}}}}, ("dropped", "channel-not-listed")),
        (in_guild(), {"guilds": {GUILD: {"users": [BOB]}}}, ("dropped", "sender-not-listed")),
        (in_guild(mention=False), OPEN, ("history", "mention-required")),
        (in_guild(mention=False, mention_roles=["77"]), OPEN, ("history", "mention-required")),
        (in_guild(mention=False, mention_everyone=True), OPEN, ("history", "mention-required")),
        (message("", type=7), OPEN, ("event", "join")),
        (in_guild("", mention=False, type=6), OPEN, ("event", "pin")),
        (message("", type=3), OPEN, ("dropped", "service-message")),
        (message("x", type=20), OPEN, ("dropped", "command-echo")),
        (message(webhook_id="800", author="800"), OPEN, ("dropped", "webhook-author")),
        ({"id": "5", "channel_id": DM}, OPEN, ("dropped", "malformed-event")),
        ({"id": "5", "channel_id": DM, "author": {"username": "x"}}, OPEN, ("dropped", "malformed-event")),
    ],
)
def test_refusals_have_an_outcome(
    data: dict[str, Any], section: dict[str, Any], expected: tuple[str, str]
) -> None:
    admission = admit(event(data), View(section))
    assert outcome(admission) == expected
    assert not any(isinstance(effect, Push) for effect in admission.effects)


@pytest.mark.parametrize("more", [{}, {"allowBots": True}, {"pluralkit": {"enabled": True}}])
def test_what_our_own_webhook_says_is_our_own(more: dict[str, Any]) -> None:
    """``spec/outbound.md`` 3.14, ``spec/inbound.md`` 5.9: the echo of an agent's persona starts nothing."""
    view = View({**OPEN, **more}, webhooks=("800",))
    assert outcome(admit(event(message(webhook_id="800", author="800")), view)) == ("dropped", "own-message")
    other = admit(event(message(webhook_id="801", author="801")), view)
    assert outcome(other) != ("dropped", "own-message")


def test_a_message_without_text_is_read_again_before_it_is_dropped() -> None:
    asked = Asked("default", "message", str(NOW))
    held = admit(event(message("")), View(OPEN))
    assert outcome(held) is None
    assert held.summary == "held · message"
    gone = View(OPEN, answers={asked: None})
    assert outcome(admit(event(message("")), gone)) == ("dropped", "empty-message")


def test_what_lacks_only_a_mention_is_kept_for_later() -> None:
    admission = admit(event(in_guild("we talk", mention=False)), View(OPEN))
    kept = next(effect for effect in admission.effects if isinstance(effect, Transcript))
    assert kept.session_id == f"history:default:{CHANNEL}"
    entry = msgspec.json.decode(kept.entries[0], type=HistoryEntry)
    assert (entry.body, entry.sender_id, entry.message_id) == ("we talk", ANN, str(NOW))
    without = admit(event(in_guild("we talk", mention=False)), View(OPEN, history_limit=0))
    assert outcome(without) == ("dropped", "mention-required")


def test_an_answer_to_the_bot_is_a_mention_and_carries_the_quote() -> None:
    answered = message("I am here", BOT, id=str(NOW - 1000))
    data = in_guild(
        "and now?", mention=False, type=19, message_reference={"type": 0}, referenced_message=answered
    )
    request = pushed(admit(event(data), View(OPEN)))
    assert request.mentioned_by == "reply"
    assert not request.was_mentioned
    assert request.quoted is not None
    assert request.quoted.text == "I am here"
    deleted = {**data, "referenced_message": None}
    assert outcome(admit(event(deleted), View(OPEN))) == ("history", "mention-required")


@pytest.mark.parametrize("broken", [{"member": {"roles": [{"id": "7"}]}}, {"member": {"roles": ["7"]}}])
def test_roles_may_come_as_objects(broken: dict[str, Any]) -> None:
    section = {"guilds": {GUILD: {"roles": ["7"]}}}
    assert pushed(admit(event(in_guild(**broken)), View(section))).member_roles == ("7",)


def test_nulls_cost_nothing() -> None:
    nulls = dict.fromkeys(("mentions", "attachments", "embeds", "mention_roles", "thread", "member"))
    assert pushed(admit(event(message(**nulls)), View(OPEN))).text == "hello"


# -- stopping ------------------------------------------------------------------------------------


def test_stop_is_a_bound_and_an_outcome() -> None:
    admission = admit(event(message("/stop")), View(OPEN))
    place = f"default|{DM}|"
    assert admission.stop == StopBound("session:agent:main:main", snowflake_ms(NOW), str(NOW), place=place)
    assert outcome(admission) == ("control", "stop")
    assert admission.notice is not None
    assert admission.notice.text == "stopped"


@pytest.mark.parametrize("text", ["/stop", "/new"])
def test_in_a_shared_session_only_an_owner_stops_what_others_asked(text: str) -> None:
    """Decision 38, R7: DMs share ``main``, and a stranger's word must not end the owner's turn."""
    both = {"allowFrom": [ANN, BOB]}
    owner = View(both, commands={"ownerAllowFrom": [ANN]})
    for author, view, place in (
        (ANN, owner, ""),
        (BOB, owner, f"default|{DM}|"),
        (ANN, View(both), f"default|{DM}|"),
    ):
        stop = admit(event(message(text, author)), view).stop
        assert stop is not None
        assert stop.place == place
    room = admit(event(in_guild(text, BOB)), View({**OPEN, "guilds": {GUILD: {"users": [BOB]}}})).stop
    assert room is not None
    assert room.place == "", "in a channel whoever may command may stop"


@pytest.mark.parametrize(
    "text", ["stop", "Stop!!", "STOP.", "停止。", "esc", "please stop", "стоп", "やめて"]
)
def test_abort_words_stop(text: str) -> None:
    assert admit(event(message(text)), View(OPEN)).stop is not None


@pytest.mark.parametrize("text", ["stop it now", "do not stop", "/stopp", "stop\nplease do", "nonstop"])
def test_words_inside_a_sentence_do_not_stop(text: str) -> None:
    admission = admit(event(message(text)), View(OPEN))
    assert admission.stop is None
    assert pushed(admission).text == text


def test_a_bare_word_in_a_channel_stops_only_what_runs() -> None:
    idle, busy = View(OPEN), View(OPEN, depths={CHANNEL_LANE: 1})
    chat = event(in_guild("wait", mention=False))
    assert outcome(admit(chat, idle)) == ("history", "mention-required")
    assert admit(chat, busy).stop is not None
    assert admit(event(in_guild("wait")), idle).stop is not None
    assert admit(event(in_guild("/stop", mention=False)), idle).stop is not None


def test_only_who_may_command_may_stop() -> None:
    section = {"guilds": {GUILD: {}}, "allowFrom": [ANN]}
    view = View(section, depths={CHANNEL_LANE: 1})
    assert outcome(admit(event(in_guild("/stop", BOB)), view)) == ("dropped", "command-unauthorized")
    assert pushed(admit(event(in_guild("stop", BOB)), view)).author_id == BOB
    assert admit(event(in_guild("stop", BOB, mention=False)), view).stop is None
    assert admit(event(message("/stop", BOB)), view).stop is None
    assert admit(event(message("/stop", BOB)), view).knock is not None


def test_the_fast_lane_only_stops() -> None:
    stopping = admit(event(message("stop")), View(OPEN), fast=True)
    assert stopping.stop is not None
    assert admit(event(message("hello")), View(OPEN), fast=True).effects == ()
    assert admit(event(message("/stop", BOB)), View(OPEN), fast=True).effects == ()


def test_interrupt_is_a_stop_of_what_is_older_and_an_ordinary_message() -> None:
    lane = "session:agent:main:main"
    admission = admit(event(message()), View(OPEN, queue=QueueSettings("interrupt"), depths={lane: 1}))
    assert pushed(admission).mode == "interrupt"
    assert admission.stop == StopBound(lane, snowflake_ms(NOW), str(NOW))
    idle = admit(event(message()), View(OPEN, queue=QueueSettings("interrupt")))
    assert pushed(idle).mode == "interrupt"
    assert idle.stop is None, "nothing is older; what others are still writing is none of its business"


@pytest.mark.parametrize(
    ("author", "more", "moves"),
    [
        (ANN, {"pinned_owner": ANN}, True),
        (BOB, {"pinned_owner": ANN}, False),
        (BOB, {}, True),
        (BOB, {"pinned_owner": ANN, "dm_scope": "per-channel-peer"}, True),
    ],
)
def test_announcements_of_the_session_that_dms_share_stay_with_its_owner(
    author: str, more: dict[str, Any], moves: bool
) -> None:
    """``spec/inbound.md`` 5.3; without that a guest's DM would be told what is the owner's."""
    both = {"allowFrom": [ANN, BOB], "guilds": {GUILD: {}}}
    assert pushed(admit(event(message("hi", author)), View(both, **more))).updates_route is moves
    elsewhere = pushed(admit(event(in_guild("hi", author)), View(both, **more)))
    assert elsewhere.updates_route


@pytest.mark.parametrize("more", [{"channel_type": 11}, {"channel_type": None}])
def test_a_place_nobody_told_us_of_is_closed_until_its_parent_is_known(more: dict[str, Any]) -> None:
    """3.5: it may be a thread of a channel that is shut, which the entry for all others would open."""
    section = {"guilds": {GUILD: {"channels": {"*": {}, CHANNEL: {"enabled": False}}}}}
    data = in_guild(channel_id="650", **more)
    asked = Asked("default", "channel", "650")
    waiting = admit(event(data), View(section))
    assert (outcome(waiting), waiting.summary) == (None, "held · channel")
    shut = {"id": "650", "guild_id": GUILD, "type": 11, "parent_id": CHANNEL}
    parents = {CHANNEL: {"id": CHANNEL, "guild_id": GUILD, "type": 0}}
    known = View(section, channels=parents, answers={asked: shut})
    assert outcome(admit(event(data), known)) == ("dropped", "channel-disabled")
    other = View(section, channels={"601": {"type": 0}}, answers={asked: {**shut, "parent_id": "601"}})
    assert pushed(admit(event(data), other)).channel_id == "650"


# -- edits and deletes -----------------------------------------------------------------------------


def change(data: dict[str, Any], name: str, view: View) -> Push | None:
    admission = admit(event(data, name), view)
    assert outcome(admission) is None, "the message itself has, or will get, an outcome of its own"
    return next((effect for effect in admission.effects if isinstance(effect, Push)), None)


def test_edits_and_deletes_of_waiting_messages_follow_them() -> None:
    story = told(str(NOW), ("session", CHANNEL_LANE.removeprefix("session:")))
    busy = View(OPEN, depths={CHANNEL_LANE: 2}, holds=Holds(stories={str(NOW): story}))
    waiting = pushed(admit(event(in_guild("old")), busy))
    edited = change(in_guild("new", edited_timestamp="2026-01-05T00:50:00+00:00"), "MESSAGE_UPDATE", busy)
    deleted = change({"id": str(NOW), "channel_id": CHANNEL, "guild_id": GUILD}, "MESSAGE_DELETE", busy)
    bulk = change(
        {"ids": ["1", str(NOW)], "channel_id": CHANNEL, "guild_id": GUILD}, "MESSAGE_DELETE_BULK", busy
    )
    assert edited is not None
    assert deleted is not None
    assert bulk is not None
    assert {edited.lane, deleted.lane, bulk.lane} == {CHANNEL_LANE}
    assert {edited.record.kind, deleted.record.kind} == {CHANGE}
    assert edited.record.identity != deleted.record.identity
    now = apply_changes(waiting, [edited.record])
    assert now is not None
    assert (now.text, now.edited) == ("@shoal new", True)
    assert apply_changes(waiting, [edited.record, deleted.record]) is None
    assert apply_changes(waiting, [bulk.record]) is None
    other = pushed(admit(event(in_guild("x", id=str(NOW + 1))), busy))
    assert apply_changes(other, [edited.record, deleted.record]) == other


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (in_guild("same", edited_timestamp=None, embeds=[{"title": "t"}]), "MESSAGE_UPDATE"),
        ({"id": str(NOW), "channel_id": CHANNEL, "guild_id": GUILD}, "MESSAGE_UPDATE"),
        (in_guild("mine", BOT, edited_timestamp="2026-01-05T00:50:00+00:00"), "MESSAGE_UPDATE"),
        ({"channel_id": CHANNEL}, "MESSAGE_DELETE"),
        ({"emoji": {"name": "👍"}, "message_id": "1", "channel_id": CHANNEL}, "MESSAGE_REACTION_ADD"),
        ({"id": "1", "type": 2}, "INTERACTION_CREATE"),
    ],
)
def test_events_that_change_nothing(data: dict[str, Any], name: str) -> None:
    assert change(data, name, View(OPEN, depths={CHANNEL_LANE: 2})) is None


def test_nothing_is_pushed_where_nothing_waits() -> None:
    gone = {"id": str(NOW), "channel_id": CHANNEL, "guild_id": GUILD}
    assert change(gone, "MESSAGE_DELETE", View(OPEN)) is None
    story = told(str(NOW), ("session", CHANNEL_LANE.removeprefix("session:")))
    assert change(gone, "MESSAGE_DELETE", View(OPEN, holds=Holds(stories={str(NOW): story}))) is None
    over = View(
        OPEN, depths={CHANNEL_LANE: 2}, holds=Holds(stories={str(NOW): replace(story, outcome=ANSWERED)})
    )
    assert change(gone, "MESSAGE_DELETE", over) is None


# -- routing ---------------------------------------------------------------------------------------


def test_a_thread_is_a_conversation_of_its_own_with_its_parents_rules() -> None:
    thread = {"type": 11, "name": "q", "parent_id": CHANNEL, "owner_id": BOT}
    binding = {
        "agentId": "helper",
        "match": {"channel": "discord", "peer": {"kind": "channel", "id": CHANNEL}},
    }
    view = View(
        {"guilds": {GUILD: {"channels": {CHANNEL: {"requireMention": False}}}}},
        channels={"650": thread, CHANNEL: {"type": 0, "name": "talk", "topic": "fish"}},
        routing=routing(binding),
    )
    data = in_guild(mention=False, channel_id="650", channel_type=11)
    request = pushed(admit(event(data), view))
    assert request.session_key == "agent:helper:discord:channel:650"
    assert (request.is_thread, request.parent_id, request.topic) == (True, CHANNEL, "fish")
    assert request.channel_entry == CHANNEL


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("main", "agent:main:main"),
        ("per-peer", "agent:main:direct:ann"),
        ("per-channel-peer", "agent:main:discord:direct:ann"),
        ("per-account-channel-peer", "agent:main:discord:default:direct:ann"),
    ],
)
def test_dm_scopes(scope: Any, key: str) -> None:
    view = View(OPEN, dm_scope=scope, identity_links={"Ann": (f"discord:{ANN}",)})
    assert pushed(admit(event(message()), view)).session_key == key


def test_two_accounts_on_one_session_are_two_records() -> None:
    first = admit(event(in_guild()), View(OPEN))
    second = admit(event(in_guild(), account="work"), View(OPEN, account="work"))
    one, two = (next(e for e in found.effects if isinstance(e, Push)) for found in (first, second))
    assert one.lane == two.lane
    assert one.record.identity != two.record.identity
    assert one.record.scope != two.record.scope


def test_owners_have_the_authority_of_owners() -> None:
    section = {"allowFrom": [ANN, BOB], "guilds": {GUILD: {}}}
    view = View(section, commands={"ownerAllowFrom": [ANN]})
    assert pushed(admit(event(message()), view)).authority == "owner"
    assert pushed(admit(event(message(author=BOB)), view)).authority == "trusted"
    assert pushed(admit(event(in_guild(author="103")), view)).authority == "guest"


# -- what Discord really sent ----------------------------------------------------------------------


def test_the_recordings_are_admitted_as_they_should() -> None:
    recorded = recordings()
    meta = recorded["metadata"]
    channels = {
        meta["channelId"]: {"name": "general", "type": 0},
        meta["threadId"]: {
            "type": 11,
            "name": "t",
            "parent_id": meta["channelId"],
            "owner_id": meta["botId"],
        },
    }
    facts: dict[str, Any] = {
        "bot_id": meta["botId"],
        "channels": channels,
        "guilds": {meta["guildId"]: {"name": "S"}},
    }
    quiet = View({"guilds": {meta["guildId"]: {}}}, **facts)
    chatty = View({"guilds": {meta["guildId"]: {"requireMention": False}}}, **facts)
    closed = View({}, **facts)
    for name, entry in recorded.items():
        if not name.startswith("gateway"):
            continue
        found = event(entry["data"], entry["type"].removeprefix("GATEWAY_"))
        if not entry["type"].endswith("MESSAGE_CREATE"):
            told = [effect for effect in admit(found, quiet).effects if isinstance(effect, SystemEvent)]
            assert len(told) == (name == "gatewayReactionAdd"), name
            continue
        own = entry["data"]["author"]["id"] == meta["botId"]
        mentions = name in ("gatewayMention", "gatewayAIMention")
        expected = (
            ("dropped", "own-message") if own else None if mentions else ("history", "mention-required")
        )
        assert outcome(admit(found, quiet)) == expected, name
        assert outcome(admit(found, chatty)) == (("dropped", "own-message") if own else None), name
        reason = "own-message" if own else "guild-not-listed"
        assert outcome(admit(found, closed)) == ("dropped", reason), name
    request = pushed(admit(event(recorded["gatewayMention"]["data"]), quiet))
    assert request.text == "@Chat SDK Demo Hey"
    assert (request.author_name, request.author_tag) == ("Test User", "testuser2384")
    assert request.born_ms == 1_767_574_193_676
    thread = pushed(admit(event(recorded["gatewayThreadNice"]["data"]), chatty))
    assert thread.session_key == f"agent:main:discord:channel:{meta['threadId']}"
    assert thread.parent_id == meta["channelId"]
