"""Answers under an agent's own name: once, by its webhook, else by the bot (``spec/outbound.md`` 3.14)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from structlog.testing import capture_logs

from shoal.base.ids import new_token
from shoal.discord.webhooks import WebhookCalls
from shoal.simulator.server import Simulator
from shoal.state.personas import CLAIM_S, Persona, Webhook
from shoal.state.records import Failed as Fate
from shoal.state.steps import Commit, Fail, Yield
from tests.workers.delivery.conftest import PostOffice
from tests.workers.delivery.test_previews import Turn
from tests.workers.delivery.test_send import Crash, crash_at, die
from workers.delivery import finding
from workers.delivery.persona import PersonaLook, may_be_persona, username
from workers.delivery.progress import CLOCK_SLACK_MS
from workers.delivery.records import SendFile, SendRequest, Voice, decode_receipt
from workers.delivery.render import DeliverySettings, message_fields
from workers.delivery.verdicts import NotYet
from workers.delivery.webhooks import NAME, webhook_of

EXECUTE = "POST /webhooks/{webhook_id}/{webhook_token}"
LIST = "GET /channels/{channel_id}/webhooks"
MAKE = "POST /channels/{channel_id}/webhooks"
LOOK = "GET /channels/{channel_id}/messages"
MANAGE_WEBHOOKS = 1 << 29


@pytest.fixture
def thread(post: PostOffice) -> Iterator[PostOffice]:
    """A thread in which the agent ``coder`` speaks; the bot may make webhooks."""
    control = post.control
    control.edit_role(post.simulator.guild_id, "shoal", permissions=MANAGE_WEBHOOKS)
    parent = post.channel
    made = control.create_thread(parent, f"t-{new_token()[:8]}", content="what it is about")
    post.channel = str(made["id"])
    post.store.personas.bind("default", post.channel, Persona(parent, "coder", "fix the bug"))
    post.deps = replace(post.deps, look=lambda _agent: PersonaLook("Ada", "https://example.org/a.png"))
    yield post
    control.edit_role(post.simulator.guild_id, "shoal", permissions=0)


def parent_of(post: PostOffice) -> str:
    bound = post.store.personas.bound("default", post.channel)
    assert bound is not None
    return bound.channel_id


def hook_of(post: PostOffice) -> Webhook:
    known = post.store.personas.webhook("default", parent_of(post))
    assert known is not None
    return known


def said(post: PostOffice) -> list[tuple[str, str]]:
    """(who, what) of all that our bot and its webhooks said."""
    return [
        (message["author"]["username"], message["content"])
        for message in post.control.messages(post.channel)
        if message["author"].get("bot")
    ]


def story(post: PostOffice) -> str:
    told = post.store.ledger.explain("default", "123")
    return "" if told is None else " ".join(value for _, value in told.notes)


def test_an_answer_goes_under_the_agents_name(thread: PostOffice) -> None:
    thread.send("hello there")
    assert said(thread) == [("Ada", "hello there")]
    [message] = [m for m in thread.control.messages(thread.channel) if m["author"].get("bot")]
    assert message["webhook_id"] == hook_of(thread).id
    body = thread.control.requests(route=EXECUTE)[-1]["body"]
    assert body == {
        "content": "hello there",
        "username": "Ada",
        "avatar_url": "https://example.org/a.png",
        "allowed_mentions": {"parse": ["users"], "replied_user": False},
    }
    [receipt] = [decode_receipt(value) for value in thread.receipts().values()]
    assert (receipt.message_id, receipt.channel_id) == (message["id"], thread.channel)


def test_the_webhook_is_made_once_for_a_channel_and_found_again(thread: PostOffice) -> None:
    made = len(thread.control.requests(route=MAKE))
    thread.send("one")
    first = hook_of(thread).id
    thread.store.personas.forget("default", parent_of(thread), first)
    thread.push(thread.request("two", step="2"))
    thread.work()
    assert hook_of(thread).id == first
    assert len(thread.control.requests(route=MAKE)) == made + 1
    assert [text for _, text in said(thread)] == ["one", "two"]


def test_a_webhook_whose_making_was_lost_is_found(thread: PostOffice) -> None:
    thread.push(thread.request())
    thread.control.fault("drop_answer", route=MAKE)
    assert isinstance(thread.work(), Fail)
    claim = thread.store.keys.webhook_claim("default", parent_of(thread))
    assert isinstance(thread.work(), Yield), "it may still arrive: nobody looks before"
    assert 0 < thread.store.redis.ttl(claim) <= 5
    thread.store.redis.delete(claim)
    assert isinstance(thread.work(), Commit)
    [hook] = [h for h in webhooks_of(thread) if h["name"] == NAME]
    assert hook_of(thread).id == hook["id"]


@pytest.mark.parametrize("late_s", [CLAIM_S - 9, CLAIM_S + 1])
def test_who_looked_for_too_long_does_not_make_a_second_one(thread: PostOffice, late_s: int) -> None:
    """A frozen process, or a slow proxy: its claim is over before a create of its own were (decision 16)."""
    personas, account, parent = thread.store.personas, "default", parent_of(thread)
    made = len(thread.control.requests(route=MAKE))

    def frozen(_account: str) -> str:
        thread.clock.advance(late_s)
        if late_s > CLAIM_S:  # somebody else has begun meanwhile
            personas.release(account, parent)
            assert personas.claim(account, parent)
        return thread.simulator.bot_id

    with pytest.raises(NotYet):
        webhook_of(account, parent, personas, thread.rest, frozen, thread.clock)
    assert len(thread.control.requests(route=MAKE)) == made
    assert personas.claim(account, parent) == (late_s < CLAIM_S), "only its own claim is given back"


def webhooks_of(post: PostOffice) -> list[dict[str, Any]]:
    return WebhookCalls(post.rest).of_channel(parent_of(post))


def test_webhooks_of_others_are_not_used(thread: PostOffice) -> None:
    thread.control.add_webhook(parent_of(thread), "a person's")
    other = thread.control.add_bot(f"other{new_token()[:5]}", guilds=[thread.simulator.guild_id])
    thread.control.add_webhook(parent_of(thread), "another bot's", bot=other["id"])
    thread.send()
    assert {h["name"] for h in webhooks_of(thread) if h["id"] == hook_of(thread).id} == {NAME}


def test_somebody_else_makes_it_just_now(thread: PostOffice) -> None:
    assert thread.store.personas.claim("default", parent_of(thread))
    thread.push(thread.request())
    assert isinstance(thread.work(), Yield)
    thread.store.personas.release("default", parent_of(thread))
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("Ada", "hello")]


def test_without_the_permission_the_bot_speaks_and_one_warning_says_so(thread: PostOffice) -> None:
    thread.control.edit_role(thread.simulator.guild_id, "shoal", permissions=0)
    with capture_logs() as logs:
        thread.send("one")
        thread.push(thread.request("two", step="2"))
        thread.work()
    assert said(thread) == [("shoal", "one"), ("shoal", "two")]
    warnings = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [("Manage Webhooks" in entry["event"]) for entry in warnings] == [True]


LONG = "\n".join(f"line {number}" for number in range(45))


def test_parts_go_in_order_and_a_crash_doubles_none(thread: PostOffice) -> None:
    thread.push(thread.request(LONG))
    die(thread, crash_at(2))
    assert len(said(thread)) == 1
    thread.clock.advance(10)
    assert isinstance(thread.work(), Commit)
    assert "\n".join(text for _, text in said(thread)) == LONG
    assert {who for who, _ in said(thread)} == {"Ada"}


@pytest.mark.parametrize("kind", ["drop_answer", "cut_answer", "status_after"])
def test_a_lost_answer_is_looked_for_and_never_doubled(thread: PostOffice, kind: str) -> None:
    """Rules, promise 4: a webhook has no nonce."""
    thread.push(thread.request("once only"))
    thread.control.fault(kind, route=EXECUTE)
    assert isinstance(thread.work(), Fail)
    assert thread.fate is Fate.RETRIED
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("Ada", "once only")]
    assert decode_receipt(thread.receipts()[0]).found


def test_what_never_arrived_is_sent_again_once_that_is_sure(thread: PostOffice) -> None:
    thread.push(thread.request("late"))
    thread.control.fault("refuse", route=EXECUTE)
    assert isinstance(thread.work(), Fail)
    waiting = thread.work()
    assert isinstance(waiting, Yield)  # it may still be on its way
    assert said(thread) == []
    thread.clock.advance(6)
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("Ada", "late")]


@pytest.mark.parametrize(("status", "code"), [(403, 50013), (404, 10003)])
def test_where_the_look_cannot_tell_the_send_is_marked(thread: PostOffice, status: int, code: int) -> None:
    """Rules, promise 4: *marked*, one for each fault; neither doubled nor said by the bot."""
    before = max((line["n"] for line in thread.control.requests()), default=0)
    thread.push(thread.request("who knows"))
    thread.control.fault("drop_answer", route=EXECUTE)
    assert isinstance(thread.work(), Fail)
    thread.control.fault("status", route=LOOK, status=status, body={"code": code, "message": "no"})
    dead = thread.work()
    while thread.fate is Fate.RETRIED:
        dead = thread.work()
    assert isinstance(dead, Fail)
    assert (dead.code, thread.fate) == ("persona-unknown", Fate.DEAD)
    assert len(thread.control.requests(route=EXECUTE, after=before)) == 1
    assert said(thread) == [("Ada", "who knows")]
    assert "rejected" in story(thread)


def test_too_much_to_look_through_is_no_empty_channel(
    thread: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rules, promise 4: *marked*, where it may be behind all that was looked at."""
    monkeypatch.setattr(finding, "PAGE", 1)
    monkeypatch.setattr(finding, "PAGES", 1)
    thread.control.say(thread.channel, "something else", user=thread.control.add_user("ann")["id"])
    thread.push(thread.request("who knows"))
    thread.control.fault("drop_answer", route=EXECUTE)
    assert isinstance(thread.work(), Fail)
    dead = thread.work()
    while thread.fate is Fate.RETRIED:
        dead = thread.work()
    assert isinstance(dead, Fail)
    assert (dead.code, thread.fate) == ("persona-unknown", Fate.DEAD)
    assert said(thread) == [("Ada", "who knows")]


def test_a_clock_that_is_ahead_of_discords_finds_it_all_the_same(thread: PostOffice) -> None:
    thread.clock.advance(CLOCK_SLACK_MS / 1000 - 1)
    thread.push(thread.request("once only"))
    thread.control.fault("drop_answer", route=EXECUTE)
    assert isinstance(thread.work(), Fail)
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("Ada", "once only")]


def test_the_same_words_of_another_send_are_not_taken_for_it(thread: PostOffice) -> None:
    thread.send("same")
    thread.push(thread.request("same", step="2"))
    thread.control.fault("refuse", route=EXECUTE)
    assert isinstance(thread.work(), Fail)
    thread.clock.advance(6)
    assert isinstance(thread.work(), Commit)
    assert [text for _, text in said(thread)] == ["same", "same"]


def test_a_crash_before_the_receipt_asks_nobody(thread: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was answered is known by its part, even where the receipt was not written."""
    thread.push(thread.request(LONG))
    checkpoint, calls = thread.store.lanes.checkpoint, []

    def dying(*args: Any, **more: Any) -> None:
        calls.append(args)
        if len(calls) == 2:  # the first writes the plan, the second would write the first receipt
            raise Crash
        checkpoint(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(thread.store.lanes, "checkpoint", dying)
        die(thread, lambda: None)
    looked = len(thread.control.requests(route=LOOK))
    assert len(said(thread)) == 1
    assert isinstance(thread.work(), Commit)
    assert len(said(thread)) == 3
    assert len(thread.control.requests(route=LOOK)) == looked


@pytest.mark.parametrize(
    ("status", "code"), [(400, 50035), (403, 50013), (404, 10015), (404, 0), (401, 50027)]
)
def test_a_refusal_is_said_by_the_bot_from_the_first_unsent_part_on(
    thread: PostOffice, status: int, code: int
) -> None:
    thread.push(thread.request(LONG))
    body = {"code": code, "message": "no"}
    thread.control.fault("status", route=EXECUTE, skip=1, status=status, body=body)
    with capture_logs() as logs:
        assert isinstance(thread.work(), Commit)
    assert "\n".join(text for _, text in said(thread)) == LONG
    assert [who for who, _ in said(thread)] == ["Ada", "shoal", "shoal"]
    assert any("the bot speaks" in entry["event"] for entry in logs if entry["log_level"] == "warning")
    assert "persona-fallback" in story(thread)
    gone = thread.store.personas.webhook("default", parent_of(thread)) is None
    assert gone == (code in (10015, 0, 50027))


def test_a_deleted_webhook_is_forgotten_and_made_anew_for_the_next_answer(thread: PostOffice) -> None:
    """``discord/facts.md`` 13: 404 on a webhook: forget it."""
    thread.send("one")
    old = hook_of(thread).id
    thread.control.delete_webhook(old)
    for step, text in (("2", "two"), ("3", "three")):
        thread.push(thread.request(text, step=step))
        assert isinstance(thread.work(), Commit)
    assert said(thread) == [("Ada", "one"), ("shoal", "two"), ("Ada", "three")]
    assert hook_of(thread).id != old
    calls = [one for one in thread.control.requests(route=EXECUTE) if old in one["path"]]
    assert len(calls) == 2


def test_a_wait_of_the_limit_stays_with_the_persona_for_fifteen_seconds(thread: PostOffice) -> None:
    thread.push(thread.request("patient"))
    thread.control.fault("rate_limit", route=EXECUTE, retry_after=3.0, count=2)
    assert isinstance(thread.work(), Yield)
    thread.clock.advance(20)
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("shoal", "patient")]


def test_a_short_wait_of_the_limit_costs_nothing(thread: PostOffice) -> None:
    thread.push(thread.request("patient"))
    thread.control.fault("rate_limit", route=EXECUTE, retry_after=0.1)
    assert isinstance(thread.work(), Yield)
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("Ada", "patient")]


def test_a_lost_answer_after_a_wait_is_looked_for_too(thread: PostOffice) -> None:
    """Promise 4: the try behind one that surely made nothing is journalled like the first."""
    thread.push(thread.request("once only"))
    thread.control.fault("rate_limit", route=EXECUTE, retry_after=0.1)
    assert isinstance(thread.work(), Yield)
    thread.control.fault("drop_answer", route=EXECUTE)
    assert isinstance(thread.work(), Fail)
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("Ada", "once only")]


def test_who_is_unbound_meanwhile_is_still_looked_for(thread: PostOffice) -> None:
    """Promise 4: what went through the webhook is not said again by the bot."""
    thread.push(thread.request("once only"))
    thread.control.fault("drop_answer", route=EXECUTE)
    assert isinstance(thread.work(), Fail)
    assert thread.store.personas.unbind("default", thread.channel)
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("Ada", "once only")]


def test_where_the_bot_took_over_it_speaks_to_the_end(thread: PostOffice) -> None:
    """Whoever carries on knows who spoke last: a part of the bot's is not sought at the webhook."""
    thread.push(thread.request(LONG))
    refusal = {"code": 50035, "message": "no"}
    thread.control.fault("status", route=EXECUTE, skip=1, status=400, body=refusal)
    die(thread, crash_at(4))
    assert [who for who, _ in said(thread)] == ["Ada", "shoal"]
    assert isinstance(thread.work(), Commit)
    assert [who for who, _ in said(thread)] == ["Ada", "shoal", "shoal"]
    assert "\n".join(text for _, text in said(thread)) == LONG


def test_another_webhook_does_not_go_on_with_what_one_began(thread: PostOffice) -> None:
    """What it said would be looked for at the other."""
    thread.push(thread.request(LONG))
    die(thread, crash_at(2))
    made = thread.control.add_webhook(parent_of(thread), "newer")
    newer = Webhook(str(made["id"]), SecretStr(str(made["token"])))
    thread.store.personas.keep("default", parent_of(thread), newer)
    thread.clock.advance(10)
    assert isinstance(thread.work(), Commit)
    assert [who for who, _ in said(thread)] == ["Ada", "shoal", "shoal"]
    assert thread.store.personas.webhook("default", parent_of(thread)) == newer


def test_in_a_channel_no_thread_is_named(thread: PostOffice) -> None:
    thread.channel = parent_of(thread)
    thread.store.personas.bind("default", thread.channel, Persona(thread.channel, "coder"))
    thread.send("hello there")
    assert said(thread)[-1] == ("Ada", "hello there")
    assert "thread_id" not in json.dumps(thread.control.requests(route=EXECUTE)[-1])


def test_a_webhook_that_is_not_to_be_had_in_time_is_done_without(thread: PostOffice) -> None:
    assert thread.store.personas.claim("default", parent_of(thread))
    thread.push(thread.request())
    assert isinstance(thread.work(), Yield)
    thread.clock.advance(20)
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("shoal", "hello")]


@pytest.mark.parametrize(
    "fields",
    [
        {"silent": True},
        {"plain": True},
        {"reply_to": "1300000000000000009"},
        {"embeds": ({"title": "x"},)},
        {"poll": {"question": {"text": "?"}, "answers": [{"poll_media": {"text": "a"}}]}},
        {"files": (SendFile("b", "f.txt"),)},
        {"components": ({"type": 1, "components": []},)},
        {"sticker_ids": ("1300000000000000009",)},
        {"post": True},
        {"pairing": "1300000000000000009"},
        {"flags": 4},
        {"text": " \n"},
    ],
)
def test_only_plain_words_go_through_a_webhook(post: PostOffice, fields: dict[str, Any]) -> None:
    assert may_be_persona(post.request("x"))
    assert not may_be_persona(post.request(**{"text": "x", **fields}))


def test_media_go_by_the_bot(thread: PostOffice) -> None:
    blob = thread.store.blobs.put(b"x" * 10, 60)
    thread.send("see", files=(SendFile(blob, "f.txt", "text/plain"),))
    assert said(thread) == [("shoal", "see")]


@pytest.mark.parametrize("at", [0, 1, 2, 3, 4])
def test_an_answer_that_is_read_aloud_keeps_its_name_and_the_bot_speaks(thread: PostOffice, at: int) -> None:
    """3.14.5: media by the bot; whoever dies, each is there once."""
    blob = thread.store.blobs.put(b"OggS" * 99)
    file = SendFile(blob, "voice-message.ogg", "audio/ogg", voice=Voice(1.0, "AYD/"))
    thread.push(thread.request("hello there", files=(file,), read_aloud=True, spoken="hello there"))
    if at:
        die(thread, crash_at(at))
    thread.clock.advance(10)
    assert isinstance(thread.work(), Commit)
    assert said(thread) == [("shoal", ""), ("Ada", "hello there")]


def test_a_preview_is_the_bots_and_goes_behind_the_answer(thread: PostOffice) -> None:
    """An edit cannot change who speaks: the answer is a message of its own."""
    turn = Turn(thread)
    turn.show("Working...")
    thread.work()
    assert said(thread) == [("shoal", "Working...")]
    turn.end("done")
    while thread.store.lanes.depth(thread.request().lane):
        thread.work()
    assert said(thread) == [("Ada", "done")]


def test_nobody_is_bound_and_no_webhook_is_asked_for(post: PostOffice) -> None:
    before = len(post.control.requests(route=LIST))
    post.send()
    assert said(post) == [("shoal", "hello")]
    assert len(post.control.requests(route=LIST)) == before


def test_the_token_is_in_no_record_journal_log_story_or_receipt(thread: PostOffice) -> None:
    """Promise 8; rules, table row 8."""
    thread.push(thread.request(LONG))
    thread.control.fault("status", route=EXECUTE, skip=1, status=400, body={"code": 50035, "message": "no"})
    with capture_logs() as logs:
        die(thread, crash_at(2))
        thread.clock.advance(10)
        thread.work()
    token = hook_of(thread).token.get_secret_value()
    assert token not in json.dumps(logs, default=str)
    assert token not in story(thread)
    holders = []
    for key in thread.store.redis.keys("*"):
        kind = thread.store.redis.type(key)
        read = {
            b"string": "get",
            b"hash": "hgetall",
            b"list": "lrange",
            b"set": "smembers",
            b"zset": "zrange",
        }
        bounds = (0, -1) if kind in (b"list", b"zset") else ()
        if token in str(getattr(thread.store.redis, read[kind])(key, *bounds)):
            holders.append(key.decode())
    assert holders == ["shoal:1:hook:default"]


# -- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("look", "persona", "name"),
    [
        (PersonaLook("Ada"), Persona("1", "coder", "bugs"), "Ada"),
        (PersonaLook(), Persona("1", "coder", "bugs"), "🤖 bugs"),
        (PersonaLook(), Persona("1", "coder"), "🤖 coder"),
        (PersonaLook("Discord"), Persona("1", "coder"), "🤖 coder"),
        (PersonaLook("My Discord  Helper"), Persona("1", "x"), "My Helper"),
        (PersonaLook(), Persona("1", "clyde", "discord"), "🤖 agent"),
        (PersonaLook("DisDiscordcord clyclydede Ada"), Persona("1", "x"), "Ada"),
        (PersonaLook("x" * 79 + "😀"), Persona("1", "x"), "x" * 79),
        (PersonaLook("x" * 78 + "😀"), Persona("1", "x"), "x" * 78 + "😀"),
    ],
)
def test_the_name_people_see(look: PersonaLook, persona: Persona, name: str) -> None:
    assert username(look, persona) == name


@given(st.text(max_size=200), st.text(max_size=200))
def test_every_name_is_one_discord_takes(own: str, label: str) -> None:
    name = username(PersonaLook(own), Persona("1", "agent", label))
    assert 1 <= len(name.encode("utf-16-le")) // 2 <= 80
    assert not re.search("discord|clyde", name, re.IGNORECASE)


@given(
    st.lists(
        st.sampled_from(["@everyone", "@here", "<@&5>", "<@7>", "hello", "`", "\n", "@", "every", "one"]),
        min_size=1,
        max_size=12,
    )
)
def test_no_words_of_a_model_ping_everybody_or_a_role(words: list[str]) -> None:
    """``spec/engineering.md``, the row of mentions: every body, webhooks' too."""
    request = SendRequest("default", "1", "c", "1", text=" ".join(words))
    allowed = message_fields(request, DeliverySettings(), [request.text], 0)["allowed_mentions"]
    assert allowed["parse"] in ([], ["users"])
    assert not allowed.get("roles")


def test_through_a_webhook_nobody_is_pinged_but_users(thread: PostOffice) -> None:
    simulator: Simulator = thread.simulator
    role = thread.control.add_role(simulator.guild_id, f"r{new_token()[:5]}", mentionable=True)
    thread.control.edit_role(simulator.guild_id, "shoal", permissions=MANAGE_WEBHOOKS | 1 << 17)
    thread.send(f"@everyone @here <@&{role['id']}> <@{simulator.user_id}>")
    [message] = [m for m in thread.control.messages(thread.channel) if m.get("webhook_id")]
    assert message["mention_everyone"] is False
    assert message["mention_roles"] == []
    assert [user["id"] for user in message["mentions"]] == [simulator.user_id]


def test_a_kept_webhook_is_used_without_a_question(thread: PostOffice) -> None:
    made = thread.control.add_webhook(parent_of(thread), "kept", bot=thread.simulator.bot_id)
    thread.store.personas.keep("default", parent_of(thread), Webhook(made["id"], SecretStr(made["token"])))
    listed = len(thread.control.requests(route=LIST))
    thread.send()
    assert len(thread.control.requests(route=LIST)) == listed
    assert said(thread) == [("Ada", "hello")]
