"""A look into a hold lane: what is waited for, until when, and what is decided together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shoal.state.effects import Outcome, Push
from shoal.state.ledger import Explanation
from shoal.state.ledger import Outcome as LedgerOutcome
from shoal.state.lookups import Asked
from shoal.state.records import Record
from tests.workers.sessions.helpers import (
    ANN,
    BOT,
    CHANNEL,
    GUILD,
    NOW,
    Holds,
    View,
    event,
    in_guild,
    message,
)
from workers.sessions.admission import admit
from workers.sessions.admission.hold import LOOKUP_MS, REPLACED_MS, flush_push, hold_lane, hold_push
from workers.sessions.admission.holding import BATCH_CHARS, BATCH_MAX, Decided, Wait, look
from workers.sessions.records import decode_turn
from workers.sessions.wire import read_message

WINDOW = 1_000
LANE = f"hold:default:{CHANNEL}:{ANN}"
OPEN: dict[str, Any] = {"guilds": {GUILD: {}}}


def view(section: dict[str, Any] | None = None, **more: Any) -> View:
    return View(section or OPEN, **{"debounce_ms": WINDOW, **more})


def held(number: int, born: int, data: dict[str, Any] | None = None, **fields: Any) -> Record:
    """A message that was held at ``born`` by Redis' clock."""
    made = data if data is not None else in_guild(f"text {number}", id=str(NOW + number), **fields)
    push = hold_push(LANE, event(made), made["id"])
    return replace(push.record, born=born)


def decided(found: Wait | Decided) -> Decided:
    assert isinstance(found, Decided), found
    return found


def waits(found: Wait | Decided) -> Wait:
    assert isinstance(found, Wait), found
    return found


def turn_of(found: Decided) -> Any:
    [push] = [effect for effect in found.admission.effects if isinstance(effect, Push)]
    return decode_turn(push.record.body)


# -- the window --------------------------------------------------------------------------------------


def test_the_window_begins_anew_with_each_message() -> None:
    first, second = held(1, 10_000), held(2, 10_900)
    assert waits(look(first, [], [], view(), 10_500)).until_ms == 11_000
    assert waits(look(first, [], [second], view(), 11_000)).until_ms == 11_900
    found = decided(look(first, [], [second], view(), 11_900))
    assert found.absorb == (second.identity,)
    assert turn_of(found).message_ids == (str(NOW + 1), str(NOW + 2))


def test_but_not_for_ever() -> None:
    """A cap of five windows (R18): somebody who never stops is answered nevertheless."""
    records = [held(number, 10_000 + 900 * number) for number in range(7)]
    assert waits(look(records[0], [], records[1:6], view(), 14_500)).until_ms == 15_000
    assert len(turn_of(decided(look(records[0], [], records[1:], view(), 15_000))).message_ids) == 7


def test_a_mark_or_a_file_ends_it() -> None:
    mark = flush_push(LANE, "default", "1").record
    assert isinstance(look(held(1, 10_000), [], [mark], view(), 10_001), Decided)
    file = held(2, 10_001, attachments=[{"id": "1", "filename": "a.png", "url": "u"}])
    found = decided(look(held(1, 10_000), [], [file], view(), 10_002))
    assert found.absorb == ()
    alone = decided(look(file, [], [], view(), 10_002))
    assert turn_of(alone).message_ids == ()
    assert look(mark, [], [], view(), 0) == Decided(
        (), replace(alone.admission, effects=(), summary="hold flushed", files=None)
    )


def test_batches_are_bounded_in_number_and_length() -> None:
    """What one commit can settle, and what a record can hold."""
    many = [held(number, 10_000) for number in range(BATCH_MAX + 3)]
    found = decided(look(many[0], [], many[1:], view(), 10_001))
    assert len(found.absorb) == BATCH_MAX - 1
    long = [held(number, 10_000, in_guild("x" * 7_000, id=str(NOW + number))) for number in range(6)]
    found = decided(look(long[0], [], long[1:], view(), 10_001))
    assert len(found.absorb) + 1 == BATCH_CHARS // 7_000
    assert len(turn_of(found).text) <= BATCH_CHARS + 100


def test_what_was_absorbed_stays_part_of_it_whatever_the_config_says_now() -> None:
    """A worker died between absorb and commit, and debounce was switched off meanwhile: what leaves the
    lane with the head is decided with it."""
    head, second, third = held(1, 10_000), held(2, 10_001), held(3, 10_002)
    found = decided(look(head, [second], [third], view(debounce_ms=0), 10_003))
    assert found.absorb == ()
    assert turn_of(found).message_ids == (str(NOW + 1), str(NOW + 2))


def test_a_look_after_a_crash_decides_as_the_one_before() -> None:
    records = [held(number, 10_000) for number in range(3)]
    before = decided(look(records[0], [], records[1:], view(), 99_999))
    after = decided(look(records[0], records[1:2], records[2:], view(), 99_999))
    assert after.admission == before.admission
    assert set(after.absorb) == set(before.absorb) - {records[1].identity}


# -- lanes -------------------------------------------------------------------------------------------


def test_behind_one_webhook_many_people_write() -> None:
    def lane(name: str) -> str:
        author = {"id": "800", "username": name, "bot": True}
        data = message() | {"author": author, "webhook_id": "800"}
        return hold_lane("default", read_message(event(data).data))

    assert hold_lane("default", read_message(event(message()).data)) == f"hold:default:700:{ANN}"
    assert lane("Lou") != lane("Sam")
    assert lane("Lou") == lane("Lou")


# -- answers -----------------------------------------------------------------------------------------


def test_a_question_has_a_deadline_from_when_its_message_was_held() -> None:
    section = {"guilds": {GUILD: {"roles": ["77"]}}}
    asked = Asked("default", "member", f"{GUILD}.{ANN}")
    record = held(1, 10_000, member=None)
    found = waits(look(record, [], [], view(section, debounce_ms=0), 10_001))
    assert (found.until_ms, found.wake_on, found.ask) == (10_000 + LOOKUP_MS, (asked.wake_key,), (asked,))
    closed = decided(look(record, [], [], view(section, debounce_ms=0), 10_000 + LOOKUP_MS))
    assert closed.admission.summary == "dropped · member-unknown"
    known = view(section, debounce_ms=0, answers={asked: {"roles": ["77"]}})
    assert turn_of(decided(look(record, [], [], known, 10_002))).author_id == ANN


def test_a_flush_does_not_cut_a_look_up_short() -> None:
    """It ends the gathering; whether somebody may talk at all is still waited for."""
    section = {"guilds": {GUILD: {"roles": ["77"]}}}
    mark = flush_push(LANE, "default", "1").record
    found = waits(look(held(1, 10_000, member=None), [], [mark], view(section), 10_001))
    assert found.until_ms == 10_000 + LOOKUP_MS


def test_the_copy_is_waited_for_only_where_one_may_come() -> None:
    section = {"guilds": {GUILD: {}}, "pluralkit": {"enabled": True}}
    own, user = Asked("default", "pluralkit", str(NOW + 1)), Asked("default", "pkuser", ANN)
    replaced = Asked("default", "replaced", str(NOW + 1))
    record = held(1, 10_000)
    unknown = waits(look(record, [], [], view(section, debounce_ms=0), 10_001))
    assert (unknown.until_ms, unknown.ask) == (10_000 + LOOKUP_MS, (own,))
    uses = view(section, debounce_ms=0, answers={own: None, user: 1})
    found = waits(look(record, [], [], uses, 10_001))
    assert (found.until_ms, found.ask) == (10_000 + REPLACED_MS, ())
    assert found.wake_on == (replaced.wake_key,), "not the key that its own answer fired already"
    assert isinstance(look(record, [], [], uses, 10_000 + REPLACED_MS), Decided)
    never = view(section, debounce_ms=0, answers={own: None})
    assert isinstance(look(record, [], [], never, 10_001), Decided)


@pytest.mark.parametrize(
    ("outcome", "notes", "spoken_for"),
    [
        (LedgerOutcome.ANSWERED, (), True),
        (LedgerOutcome.DROPPED, (), False),
        (LedgerOutcome.STOPPED, (("turn", "1"),), False),
        (None, (("session", "agent:main:main"),), False),
        (None, (("hold", "x"),), False),
        (None, (("session", "agent:main:main"), ("turn", "1")), True),
    ],
)
def test_a_copy_is_answered_unless_a_turn_took_its_original_up(
    outcome: LedgerOutcome | None, notes: tuple[tuple[str, str], ...], spoken_for: bool
) -> None:
    """Decision 12: one of the two is answered, and which one does not depend on who was quicker to look."""
    copy, original = str(NOW + 1), str(NOW)
    proxied = {
        "message_id": copy,
        "original_id": original,
        "sender_id": ANN,
        "member_id": "abcde",
        "name": "Lou",
    }
    told = Explanation("default", original, outcome, "", 0, list(notes))
    seen = view(
        {"guilds": {GUILD: {}}, "pluralkit": {"enabled": True}},
        debounce_ms=0,
        answers={Asked("default", "pluralkit", copy): proxied},
        holds=Holds(stories={original: told}),
    )
    admission = admit(event(in_guild("hi", "800", id=copy, webhook_id="800")), seen)
    duplicate = Outcome("default", copy, "dropped", "pluralkit-duplicate")
    assert (duplicate in admission.effects) is spoken_for
    assert any(isinstance(effect, Push) for effect in admission.effects) is not spoken_for


# -- stops -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bound", "stopped"),
    [
        ((0, ""), []),
        ((10**14, ""), [1, 2]),
        (((NOW >> 22) + 1_420_070_400_000, str(NOW + 2)), [1]),
    ],
)
def test_a_stop_takes_what_was_born_before_it(bound: tuple[int, str], stopped: list[int]) -> None:
    lane = f"session:agent:main:discord:channel:{CHANNEL}"
    records = [held(1, 10_000), held(2, 10_001)]
    found = decided(look(records[0], [], records[1:], view(holds=Holds(bounds={lane: bound})), 99_999))
    ended = [effect for effect in found.admission.effects if isinstance(effect, Outcome)]
    assert [(one.message_id, one.outcome) for one in ended] == [(str(NOW + n), "stopped") for n in stopped]


# -- who is held at all ------------------------------------------------------------------------------


class CountingHolds(Holds):
    """Counts the reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads: list[str] = []

    def holding(self, lane: str) -> bool:
        self.reads.append("holding")
        return super().holding(lane)

    def stop_bound(self, lane: str, scope: str) -> tuple[int, str] | None:
        self.reads.append("stop_bound")
        return super().stop_bound(lane, scope)

    def stories(self, message_ids: Any) -> Any:
        self.reads.append("stories")
        return super().stories(message_ids)


def test_an_ordinary_message_costs_one_look_and_a_stranger_none() -> None:
    """Without a window, PluralKit or a question the only read is whether its author is held (R18)."""
    for data, reads in (
        (in_guild(), ["holding"]),
        (in_guild(mention=False), ["holding"]),
        (message(author="4711"), []),
        (in_guild(guild_id="501"), []),
    ):
        holds = CountingHolds()
        admit(event(data), view(debounce_ms=0, holds=holds))
        assert holds.reads == reads, data


def test_edits_of_our_own_messages_cost_nothing() -> None:
    """A preview is edited every second, and Discord tells us of it each time."""
    holds = CountingHolds()
    data = in_guild("more", BOT, edited_timestamp="2026-01-05T00:50:00+00:00")
    assert admit(event(data, "MESSAGE_UPDATE"), view(holds=holds)).effects == ()
    assert holds.reads == []
    admit(event({**data, "author": {"id": ANN}}, "MESSAGE_UPDATE"), view(holds=holds))
    assert holds.reads == ["stories"]


def test_behind_a_held_message_everything_of_its_author_queues() -> None:
    busy = view({**OPEN, "allowFrom": [ANN]}, debounce_ms=0, holds=Holds(held=[LANE]))
    for data in (in_guild(), in_guild(mention=False), in_guild("/help"), in_guild("", type=6)):
        admission = admit(event(data), busy)
        [push] = [effect for effect in admission.effects if isinstance(effect, Push)]
        assert push.lane == LANE, data
        assert admission.summary == "held · order"
    assert admit(event(in_guild("/stop")), busy).stop is not None


# -- files -------------------------------------------------------------------------------------------

FILE = {"id": "5", "filename": "a.png", "url": "https://cdn.discordapp.com/a.png", "size": 9}


@pytest.mark.parametrize(
    ("section", "mention", "outcome"),
    [
        ({"guilds": {GUILD: {"users": ["999"]}}}, True, "sender-not-listed"),
        ({"guilds": {}}, True, "guild-not-listed"),
        (OPEN, False, "mention-required"),
    ],
)
def test_files_of_a_message_that_is_refused_are_not_asked_for(
    section: dict[str, Any], mention: bool, outcome: str
) -> None:
    """R18: media are fetched after access is granted, never before."""
    data = in_guild("look", mention=mention, attachments=[FILE])
    seen = view(section, debounce_ms=0, fetches=True)
    [ended] = [effect for effect in admit(event(data), seen).effects if isinstance(effect, Outcome)]
    assert ended.reason == outcome
    allowed = admit(event(in_guild("look", attachments=[FILE])), view(debounce_ms=0, fetches=True))
    assert allowed.summary == "held · files"


# -- edits -------------------------------------------------------------------------------------------


def edit_of(message_id: str, born: int, **fields: Any) -> Record:
    """An edit as Discord may send it: with no more than id, place, author and text."""
    data = in_guild("edited", id=message_id, edited_timestamp="2026-01-05T00:50:00+00:00", **fields)
    for name in ("member", "guild_id", "channel_type", "webhook_id"):
        data.pop(name, None)
    push = hold_push(LANE, event(data, "MESSAGE_UPDATE"), f"{message_id}.1", kind="edit")
    return replace(push.record, born=born)


def test_an_edit_that_tells_no_member_leaves_the_roles_as_they_were() -> None:
    """Else whoever is let in by a role would be refused for having corrected a word."""
    section = {"guilds": {GUILD: {"roles": ["77"]}}}
    first = held(1, 10_000, member={"roles": ["77"], "nick": "Annie"})
    found = decided(look(first, [], [edit_of(str(NOW + 1), 10_100)], view(section), 20_000))
    turn = turn_of(found)
    assert turn.text.endswith("edited")
    assert (turn.author_name, turn.member_roles, turn.guild_id) == ("Annie", ("77",), GUILD)


def test_an_edit_makes_no_person_of_a_webhook() -> None:
    """Else a webhook that edits while it waits would be heard as the person its id might be."""
    first = held(1, 10_000, webhook_id=ANN)
    found = decided(look(first, [], [edit_of(str(NOW + 1), 10_100)], view(), 20_000))
    assert [effect.reason for effect in found.admission.effects if isinstance(effect, Outcome)] == [
        "webhook-author"
    ]
