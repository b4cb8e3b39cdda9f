"""Messages that wait for an answer: PluralKit (spec/inbound.md 3.12), members (R19), hydration (6.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shoal.base.ids import snowflake_at
from shoal.discord.pluralkit import Proxied
from shoal.state.ledger import Outcome
from shoal.state.lookups import Asked
from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.tasks.support.front import ANN, BOB, BOT, CHANNEL, GUILD, SESSION, Front, hold_of
from workers.sessions.admission import hold
from workers.sessions.changes import apply_changes
from workers.sessions.records import decode_turn

MakeFront = Callable[..., Front]
HOOK = "800"
PLURALKIT = {"pluralkit": {"enabled": True}, "guilds": {GUILD: {"users": [ANN, BOB, "pk:louee"]}}}
BY_ROLE = {"guilds": {GUILD: {"roles": ["77"]}}}


@pytest.fixture
def make_front(store: Store, redis_server: RedisServer, tmp_path: Path) -> MakeFront:
    """Front workers on one store."""

    def make(**options: Any) -> Front:
        return Front(store, redis_server.url, tmp_path, **options)

    return make


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines come soon."""
    monkeypatch.setattr(hold, "LOOKUP_MS", 150)
    monkeypatch.setattr(hold, "REPLACED_MS", 150)


def copy_of(front: Front, text: str = "hello", name: str = "Lou", *, mention: bool = True) -> str:
    """A webhook's message, as PluralKit writes it."""
    author = {"id": HOOK, "username": name, "global_name": None, "discriminator": "0000", "bot": True}
    return front.say(text, HOOK, mention=mention, author=author, webhook_id=HOOK, member=...)


def lou(copy: str, original: str, sender: str = ANN) -> Proxied:
    return Proxied(copy, original, sender, "louee", "Lou ✨", "lou", "The Reef")


def answer(front: Front, kind: Any, name: str, value: Any) -> None:
    front.store.lookups.put(Asked("default", kind, name), value, ttl_s=60)


def proxied(front: Front, copy: str, original: str, sender: str = ANN) -> None:
    """What the look-up of a copy leaves behind."""
    answer(front, "pkuser", sender, 1)
    answer(front, "replaced", original, copy)
    answer(front, "pluralkit", copy, lou(copy, original, sender))


# -- PluralKit: copies -------------------------------------------------------------------------------


def test_a_copy_is_the_members_word(make_front: MakeFront) -> None:
    front = make_front(discord=PLURALKIT)
    copy = copy_of(front, "hi there")
    front.work()
    assert front.turns() == []
    assert front.asked() == [("enrich.pluralkit", ["default", copy])]
    proxied(front, copy, "5")
    front.work()
    [turn] = front.turns()
    assert (turn.message_id, turn.original_id) == (copy, "5")
    assert (turn.author_id, turn.author_name, turn.author_tag) == ("louee", "Lou ✨", "lou")
    assert turn.author_label == "Lou ✨ (PK:The Reef)"
    assert dict(front.story(copy).notes)["hold"].endswith(" pluralkit")


def test_a_slow_answer_delays_no_other_author_and_no_stop(make_front: MakeFront) -> None:
    """R18: while PluralKit thinks, everybody else passes; so does a stop."""
    front = make_front(discord={"pluralkit": {"enabled": True}, "guilds": {GUILD: {}}})
    copies = [copy_of(front, "one"), copy_of(front, "two", "Sam")]
    front.work()
    answer(front, "pkuser", BOB, None)
    bobs = front.say("/whoami", BOB, mention=True)
    stop = front.say("/stop", BOB)
    front.work()
    assert front.outcome(bobs)[0] == "command"
    assert front.outcome(stop) == ("control", "stop")
    assert front.turns() == []
    proxied(front, copies[1], "6")
    front.work()
    assert front.outcome(copies[1]) == ("stopped", "held"), "born before the stop"
    assert front.story(copies[0]).outcome is None, "another member waits for an answer of its own"


def test_a_webhook_that_is_nobodys_is_a_webhook(make_front: MakeFront) -> None:
    front = make_front(discord=PLURALKIT)
    copy = copy_of(front)
    front.work()
    answer(front, "pluralkit", copy, None)
    front.work()
    assert front.outcome(copy) == ("dropped", "webhook-author")


@pytest.mark.usefixtures("hurry")
def test_without_an_answer_nobody_is_let_in(make_front: MakeFront) -> None:
    front = make_front(discord=PLURALKIT)
    copy = copy_of(front)
    front.work_until_quiet()
    assert front.outcome(copy) == ("dropped", "sender-unknown")


def test_a_member_that_is_not_listed_is_refused(make_front: MakeFront) -> None:
    front = make_front(discord={**PLURALKIT, "guilds": {GUILD: {"users": [ANN, "pk:other"]}}})
    copy = copy_of(front)
    front.work()
    proxied(front, copy, "5")
    front.work()
    assert front.outcome(copy) == ("dropped", "sender-not-listed")


def test_a_place_that_is_closed_asks_nobody(make_front: MakeFront) -> None:
    front = make_front(discord={"pluralkit": {"enabled": True}, "guilds": {"501": {}}})
    copy = copy_of(front)
    front.work()
    assert front.outcome(copy)[0] == "dropped"
    assert front.asked() == []


# -- PluralKit: originals ----------------------------------------------------------------------------


def test_an_original_waits_until_it_is_known_to_be_none(make_front: MakeFront) -> None:
    front = make_front(discord=PLURALKIT)
    said = front.say("just me", mention=True)
    front.work()
    assert front.turns() == []
    assert front.asked() == [("enrich.pluralkit", ["default", said])]
    answer(front, "pluralkit", said, None)
    front.work()
    assert [turn.message_id for turn in front.turns()] == [said]


def test_an_original_that_is_replaced_starts_nothing(make_front: MakeFront) -> None:
    """Whether its own look-up or that of the copy tells."""
    front = make_front(discord=PLURALKIT)
    first, second = front.say("L: one", mention=True), front.say("L: two", BOB, mention=True)
    front.work()
    answer(front, "pluralkit", first, lou("900000", first))
    answer(front, "pluralkit", second, None)
    answer(front, "pkuser", BOB, 1)
    answer(front, "replaced", second, "900001")
    front.work()
    assert front.turns() == []
    assert front.outcome(first) == ("dropped", "pluralkit-original")
    assert front.outcome(second) == ("dropped", "pluralkit-original")


def test_somebody_known_to_use_it_is_waited_for(make_front: MakeFront, monkeypatch: Any) -> None:
    """Until the copy comes, the original is deleted, or neither happens for a moment."""
    front = make_front(discord=PLURALKIT)
    answer(front, "pkuser", ANN, 1)
    deleted = front.say("L: hi", mention=True)
    front.work()
    answer(front, "pluralkit", deleted, None)
    front.work()
    assert front.turns() == [], "PluralKit does not know it yet"
    front.delete(deleted)
    front.work()
    assert front.outcome(deleted) == ("dropped", "deleted-before-turn")
    monkeypatch.setattr(hold, "REPLACED_MS", 150)
    plain = front.say("in my own name", mention=True)
    front.work()
    answer(front, "pluralkit", plain, None)
    front.work_until_quiet()
    assert [turn.message_id for turn in front.turns()] == [plain]


def test_original_and_copy_are_answered_once_whichever_was_first(make_front: MakeFront) -> None:
    """decision 12: an original's queued turn is cancelled; one that was answered silences the copy."""
    front = make_front(discord=PLURALKIT)
    queued, answered = front.say("L: one", mention=True), front.say("L: two", mention=True)
    front.work()
    for name in (queued, answered):
        answer(front, "pluralkit", name, None)
    front.work()
    assert [turn.message_id for turn in front.turns()] == [queued, answered]
    front.store.ledger.close("default", answered, Outcome.ANSWERED)
    copies = [copy_of(front, "one"), copy_of(front, "two")]
    proxied(front, copies[0], queued)
    proxied(front, copies[1], answered)
    front.work()
    assert front.outcome(copies[1]) == ("dropped", "pluralkit-duplicate")
    grant = front.take()
    assert apply_changes(decode_turn(grant.head.body), front.store.lanes.behind(grant)) is None
    assert front.turns()[-1].original_id == queued


def test_what_cannot_be_replaced_is_not_asked_about(make_front: MakeFront) -> None:
    """Commands, chatter that starts nothing, and messages whose id PluralKit has forgotten."""
    front = make_front(discord=PLURALKIT)
    old = str(snowflake_at(front.store.now_ms() - 31 * 60_000))
    front.say("old", mention=True, id=old)
    front.say("chatter")
    front.say("/status", mention=True)
    front.work()
    assert front.asked() == []
    assert [turn.message_id for turn in front.turns()] == [old]


# -- members -----------------------------------------------------------------------------------------


def test_a_missing_member_is_asked_for_where_roles_decide(make_front: MakeFront) -> None:
    """R19: what comes back after a gap has no member; the author's next message waits behind it."""
    front = make_front(discord=BY_ROLE)
    first = front.say("one", mention=True, member=...)
    second = front.say("two", mention=True, member={"roles": ["77"]})
    others = front.say("three", BOB, mention=True, member={"roles": ["77"]})
    front.work()
    assert [turn.message_id for turn in front.turns()] == [others]
    assert front.asked() == [("enrich.member", ["default", GUILD, ANN])]
    answer(front, "member", f"{GUILD}.{ANN}", {"roles": ["77"], "user": {"id": ANN}})
    front.work()
    assert [turn.message_id for turn in front.turns()] == [others, first, second]
    front.say("four", mention=True, member=...)
    front.work()
    assert not front.store.lanes.any("hold"), "the answer serves for a minute"
    assert front.asked() == []


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"roles": ["78"]}, ("dropped", "sender-not-listed")),
        (None, ("dropped", "sender-not-listed")),
        ({}, ("dropped", "sender-not-listed")),
    ],
)
def test_a_member_without_the_role_is_refused(
    make_front: MakeFront, found: Any, outcome: tuple[str, str]
) -> None:
    front = make_front(discord=BY_ROLE)
    said = front.say("one", mention=True, member=...)
    front.work()
    answer(front, "member", f"{GUILD}.{ANN}", found)
    front.work()
    assert front.outcome(said) == outcome


@pytest.mark.usefixtures("hurry")
def test_without_a_member_the_decision_is_closed(make_front: MakeFront) -> None:
    front = make_front(discord=BY_ROLE)
    said = front.say("one", mention=True, member=...)
    later = front.say("two", mention=True, member={"roles": ["77"]})
    front.work_until_quiet()
    assert front.outcome(said) == ("dropped", "member-unknown")
    assert [turn.message_id for turn in front.turns()] == [later]


# -- places ------------------------------------------------------------------------------------------

THREAD = "700"
ENTRIES = {"guilds": {GUILD: {"channels": {CHANNEL: {"enabled": False}, "*": {}}}}}


def in_thread(front: Front) -> str:
    """A message in a thread nobody told us of: archived ones come to life without a word."""
    return front.say("hello", mention=True, channel_id=THREAD, channel_type=...)


@pytest.mark.parametrize(
    ("parent", "reason"), [(CHANNEL, "channel-disabled"), ("601", ""), (None, "channel-unknown")]
)
def test_a_thread_nobody_told_of_is_asked_for_where_its_parent_decides(
    make_front: MakeFront, parent: str | None, reason: str
) -> None:
    """3.5: the thread of a disabled channel must not come in by the wildcard."""
    front = make_front(discord=ENTRIES)
    said = in_thread(front)
    front.work()
    assert front.asked() == [("enrich.channel", ["default", THREAD])]
    thread = {"id": THREAD, "type": 11, "guild_id": GUILD, "parent_id": parent}
    answer(front, "channel", THREAD, thread if parent else None)
    front.work()
    told = front.story(said)
    assert (told.outcome, told.reason) == (("dropped", reason) if reason else (None, ""))


def test_a_thread_nobody_told_of_is_not_asked_for_where_it_cannot_matter(make_front: MakeFront) -> None:
    front = make_front()
    in_thread(front)
    front.work()
    assert front.asked() == []


# -- audiences -----------------------------------------------------------------------------------------


def test_who_can_see_a_channel_may_write_in_private(make_front: MakeFront) -> None:
    """3.4: a DM tells nothing of the guild, so the member is asked for."""
    front = make_front(
        discord={"allowFrom": ["accessGroup:staff"]},
        groups={"staff": {"type": "discord.channelAudience", "guildId": GUILD, "channelId": CHANNEL}},
    )
    front.store.facts.put_roles("default", GUILD, [{"id": GUILD, "permissions": "1024"}])
    direct: Any = {"guild_id": ..., "member": ..., "channel_id": "750", "channel_type": 1}
    said = front.say("hi", **direct)
    front.work()
    assert front.asked() == [("enrich.member", ["default", GUILD, ANN])]
    answer(front, "member", f"{GUILD}.{ANN}", {"roles": []})
    front.work()
    assert ("session", "agent:main:main") in front.story(said).notes
    stranger = front.say("hi", BOB, **direct)
    front.work()
    answer(front, "member", f"{GUILD}.{BOB}", None)
    front.work()
    assert front.outcome(stranger) == ("dropped", "not-allowlisted")


# -- hydration ---------------------------------------------------------------------------------------


def test_a_message_without_text_is_read_again(make_front: MakeFront) -> None:
    front = make_front()
    said = front.say("", mentions=[{"id": BOT}])
    front.work()
    assert front.asked() == [("enrich.message", ["default", CHANNEL, said])]
    whole = {"id": said, "channel_id": CHANNEL, "author": {"id": ANN}, "content": f"<@{BOT}> here it is"}
    answer(front, "message", said, {**whole, "mentions": [{"id": BOT, "username": "shoal"}]})
    front.work()
    [turn] = front.turns()
    assert turn.text == "@shoal here it is"
    assert turn.author_name == f"user{ANN}", "what the event said of its author stays"


def test_a_reply_is_read_again_where_what_it_answers_is_missing(make_front: MakeFront) -> None:
    front = make_front()
    reply = {"type": 19, "message_reference": {"type": 0, "message_id": "9", "channel_id": CHANNEL}}
    said = front.say("yes", **reply)
    gone = front.say("no", BOB, referenced_message=None, **reply)
    front.work()
    assert front.asked() == [("enrich.message", ["default", CHANNEL, said])]
    assert front.outcome(gone) == ("history", "mention-required"), "null says that it was deleted"
    asked = {"id": "9", "channel_id": CHANNEL, "author": {"id": BOT}, "content": "Sure?"}
    answer(
        front,
        "message",
        said,
        {
            "id": said,
            "channel_id": CHANNEL,
            "author": {"id": ANN},
            "content": "yes",
            "referenced_message": asked,
        },
    )
    front.work()
    [turn] = front.turns()
    assert turn.mentioned_by == "reply"
    assert turn.quoted is not None


def test_mentions_without_users_are_read_again(make_front: MakeFront) -> None:
    front = make_front()
    said = front.say(f"<@{BOT}> hi")
    front.work()
    assert front.asked() == [("enrich.message", ["default", CHANNEL, said])]
    answer(front, "message", said, None)
    front.work()
    assert front.outcome(said) == ("history", "mention-required"), "what was received is what there is"


@pytest.mark.usefixtures("hurry")
def test_hydration_is_no_condition(make_front: MakeFront) -> None:
    front = make_front(discord={"guilds": {GUILD: {"requireMention": False}}})
    said = front.say("<@4711> said so")
    front.work_until_quiet()
    assert [turn.message_id for turn in front.turns()] == [said]


# -- asking ------------------------------------------------------------------------------------------


def test_a_question_is_asked_once_for_each_head(make_front: MakeFront) -> None:
    """Looks in between (a new record wakes the lane) send nobody again; another author's question does."""
    front = make_front(discord=BY_ROLE)
    front.say("one", mention=True, member=...)
    front.work()
    assert len(front.asked()) == 1
    front.say("two", mention=True, member={"roles": ["77"]})
    front.work()
    assert front.asked() == []
    front.say("three", BOB, mention=True, member=...)
    front.work()
    assert front.asked() == [("enrich.member", ["default", GUILD, BOB])]


def test_strangers_cost_nothing(make_front: MakeFront) -> None:
    front = make_front(
        discord={**PLURALKIT, "guilds": {GUILD: {"users": ["1"]}}},
        messages={"inbound": {"debounceMs": 60_000}},
    )
    said = [front.say("<@4711>", member=...), front.say("", mention=True), front.say("hi", mention=True)]
    front.work()
    assert {front.outcome(name) for name in said} == {("dropped", "sender-not-listed")}
    assert front.asked() == []
    assert front.store.lanes.depth(hold_of(ANN)) == 0
    assert front.store.lanes.depth(SESSION) == 0
