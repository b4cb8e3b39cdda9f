"""Sending: in order, once, and honest about what did not work."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from shoal.base.ids import derive_nonce
from shoal.discord.errors import RateWait
from shoal.discord.limiter import Answer, Booking, Priority, Scope, Unlimited
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.routes import Route
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.records import Failed as Fate
from shoal.state.records import Failure, Record, Refused
from shoal.state.steps import Commit, Fail, Yield
from tests.workers.delivery.conftest import CREATE, PostOffice
from workers.delivery.progress import nonce_of
from workers.delivery.records import AllowedMentions, SaidThere, SendFile, SendOutcome, decode_receipt
from workers.delivery.render import TOO_LARGE_NOTICE, DeliverySettings
from workers.sessions.said import words_waiting

LONG = "\n".join(f"line {number}" for number in range(45))


class Crash(BaseException):
    """The process is gone."""


def crash_at(call: int) -> Callable[[], None]:
    """An ``alive`` whose ``call``-th call is never answered."""
    seen = 0

    def alive() -> None:
        nonlocal seen
        seen += 1
        if seen == call:
            raise Crash

    return alive


def die(post: PostOffice, alive: Callable[[], None]) -> None:
    """Work on the head and die; the lease ends and the lane is free again."""
    grant = post.take(ttl_ms=100)
    with pytest.raises(Crash):
        post.work(grant, alive)
    deadline = time.monotonic() + 10
    while isinstance(post.store.lanes.acquire(grant.lane, "0" * 32, ttl_ms=100), Refused):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        post.store.lanes.sweep("delivery")
    post.store.lanes.yield_(post.store.lanes.acquire(grant.lane, "0" * 32, ttl_ms=100))  # type: ignore[arg-type]


def test_one_message_with_everything_that_belongs_to_it(post: PostOffice) -> None:
    post.push(
        post.request("hello there", wake=("sent.1",), outcomes=(SendOutcome("77", "pairing", "asked"),))
    )
    result = post.work()
    assert result.summary == "sent · 1 parts"  # type: ignore[union-attr]
    assert post.sent() == ["hello there"]
    body = post.creates()[-1]["body"]
    assert body["nonce"] == derive_nonce(post.cause, "1", 0)
    assert body["enforce_nonce"] is True
    assert body["allowed_mentions"]["parse"] == ["users"]
    receipt = decode_receipt(post.receipts()[0])
    assert receipt.channel_id == post.channel
    assert [m["id"] for m in post.control.messages(post.channel, author="bot")] == [receipt.message_id]
    told = post.store.ledger.explain("default", "77")
    assert told is not None
    assert told.outcome == "pairing"
    story = post.store.ledger.explain("default", "123")
    assert story is not None
    assert ("delivery", f"sent {post.cause}.1 {receipt.message_id}") in story.notes
    assert post.store.lanes.depth(post.request().lane) == 0


def test_parts_are_in_order_and_only_the_first_answers(post: PostOffice) -> None:
    asked = post.control.say(post.channel, "question")
    post.send(LONG, reply_to=asked["id"])
    assert "\n".join(post.sent()) == LONG
    assert len(post.receipts()) == 3
    references = [
        (create["body"].get("message_reference") or {}).get("message_id") for create in post.creates()[-3:]
    ]
    assert references == [asked["id"], None, None]
    assert len({create["body"]["nonce"] for create in post.creates()[-3:]}) == 3


def test_an_explicit_reply_is_on_every_part(post: PostOffice) -> None:
    asked = post.control.say(post.channel, "question")
    post.send(LONG, reply_to=asked["id"], reply_scope="all")
    assert all(
        create["body"]["message_reference"]["message_id"] == asked["id"] for create in post.creates()[-3:]
    )


def test_the_receipts_are_there_before_the_lane_moves_on(post: PostOffice) -> None:
    post.send("first")
    post.push(post.request("second", step="2"))
    post.work()
    assert post.sent() == ["first", "second"]


# -- answers that are lost -------------------------------------------------------------------------


def test_a_lost_answer_gives_exactly_one_message(post: PostOffice) -> None:
    post.push(post.request())
    post.control.fault("drop_answer", route=CREATE)
    lost = post.work()
    assert isinstance(lost, Fail)
    assert lost.failure is Failure.INFRASTRUCTURE
    assert post.fate is Fate.RETRIED
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["hello"]
    assert len(post.receipts()) == 1


@pytest.mark.parametrize("kind", ["drop_answer", "status_after"])
def test_past_the_nonce_window_it_looks_first(post: PostOffice, kind: str) -> None:
    post.control.configure(nonce_window_s=0.01)
    post.push(post.request("once only"))
    post.control.fault(kind, route=CREATE)
    assert isinstance(post.work(), Fail)
    post.clock.advance(130)
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["once only"]
    assert decode_receipt(post.receipts()[0]).found


def test_where_an_answer_was_lost_the_nonce_is_not_relied_on_for_long(post: PostOffice) -> None:
    """Discord keeps to itself for how long it knows a nonce; here it is 20 s (rules, promise 4)."""
    post.control.configure(nonce_window_s=0.01)
    post.push(post.request("once only"))
    post.control.fault("drop_answer", route=CREATE)
    post.control.fault("refuse", route=CREATE, skip=1, count=None)
    assert isinstance(post.work(), Fail)
    post.clock.advance(20)
    post.control.clear_faults()
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["once only"]
    assert decode_receipt(post.receipts()[0]).found


def test_where_the_channel_cannot_be_read_it_is_marked_unknown_and_not_sent_again(post: PostOffice) -> None:
    """Without Read Message History Discord answers with an empty list, as if nothing were there."""
    hidden = {"id": post.simulator.bot_id, "type": 1, "allow": "0", "deny": str(1 << 16)}
    post.control.edit_channel(post.channel, overwrites=[hidden])
    post.control.configure(nonce_window_s=0.01)
    post.push(post.request("perhaps"))
    post.control.fault("drop_answer", route=CREATE)
    assert isinstance(post.work(), Fail)
    post.clock.advance(20)
    unknown = post.work()
    assert isinstance(unknown, Fail)
    assert (unknown.failure, unknown.code) == (Failure.HANDLED, "send-unknown")
    assert "no permission to read" in unknown.reason
    assert post.sent() == ["perhaps"]
    assert len(post.creates()) - len([one for one in post.creates() if post.channel not in one["path"]]) == 1


def test_it_is_found_behind_everything_that_was_written_since(post: PostOffice) -> None:
    post.control.configure(nonce_window_s=0.01)
    post.push(post.request("once only"))
    post.control.fault("drop_answer", route=CREATE)
    assert isinstance(post.work(), Fail)
    for number in range(130):
        post.control.say(post.channel, f"talk {number}")
    post.clock.advance(20)
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["once only"]


def test_a_lost_answer_is_settled_by_what_came_back_to_the_gateway(post: PostOffice) -> None:
    """Design 6: neither a second create nor a look at the channel, however long it took."""
    post.control.configure(nonce_window_s=0.01)
    request = post.push(post.request("once only"))
    post.control.fault("drop_answer", route=CREATE)
    assert isinstance(post.work(), Fail)
    [sent] = post.control.messages(post.channel, author="bot")
    post.store.receipts.echo("default", nonce_of(request, 0), post.channel, sent["id"])
    requests = len(post.control.requests())
    post.clock.advance(130)
    assert isinstance(post.work(), Commit)
    assert len(post.control.requests()) == requests
    assert post.sent() == ["once only"]
    assert decode_receipt(post.receipts()[0]).message_id == sent["id"]


def test_an_echo_of_another_channel_settles_nothing(post: PostOffice) -> None:
    request = post.push(post.request())
    post.control.fault("refuse", route=CREATE)
    assert isinstance(post.work(), Fail)
    post.store.receipts.echo("default", nonce_of(request, 0), "5", "6")
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["hello"]


def test_past_the_window_what_never_arrived_is_sent(post: PostOffice) -> None:
    post.push(post.request())
    post.control.fault("refuse", route=CREATE)
    assert isinstance(post.work(), Fail)
    post.clock.advance(130)
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["hello"]
    assert not decode_receipt(post.receipts()[0]).found


def test_an_equal_message_of_before_is_not_taken_for_ours(post: PostOffice) -> None:
    post.send("same words")
    time.sleep(0.01)
    post.clock.advance(3600)
    post.push(post.request("same words", step="2"))
    post.control.fault("refuse", route=CREATE)
    assert isinstance(post.work(), Fail)
    post.clock.advance(130)
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["same words", "same words"]


def test_equal_parts_are_two_messages(post: PostOffice) -> None:
    post.control.configure(nonce_window_s=0.01)
    post.settings = DeliverySettings(max_lines=1)
    post.push(post.request("again\nagain"))
    post.control.fault("drop_answer", route=CREATE, skip=1)
    assert isinstance(post.work(), Fail)
    post.clock.advance(130)
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["again", "again"]
    assert len({decode_receipt(value).message_id for value in post.receipts().values()}) == 2


# -- crashes ----------------------------------------------------------------------------------------


def test_a_crash_between_parts_doubles_nothing(post: PostOffice) -> None:
    post.push(post.request(LONG))
    die(post, crash_at(2))
    assert len(post.sent()) == 1
    post.settings = DeliverySettings(max_lines=5)  # the config changed meanwhile: the plan did not
    assert isinstance(post.work(), Commit)
    assert "\n".join(post.sent()) == LONG
    assert len(post.sent()) == 3


def test_a_crash_after_sending_and_before_the_receipt_doubles_nothing(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.push(post.request(LONG))
    checkpoint, calls = post.store.lanes.checkpoint, []

    def dying(*args: Any, **more: Any) -> None:
        calls.append(args)
        if len(calls) == 2:  # the first writes the plan, the second would write the first receipt
            raise Crash
        checkpoint(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(post.store.lanes, "checkpoint", dying)
        die(post, lambda: None)
    assert len(post.sent()) == 1
    assert post.receipts() == {}
    assert isinstance(post.work(), Commit)
    assert len(post.sent()) == 3


def test_a_lost_commit_sends_nothing_again(post: PostOffice) -> None:
    post.push(post.request())
    grant = post.take()
    from workers.delivery.send import deliver

    first = deliver(grant, post.deps, lambda: None)
    assert isinstance(first, Commit)
    post.store.lanes.yield_(grant)
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["hello"]


def test_nothing_is_sent_without_a_lease(post: PostOffice) -> None:
    before = len(post.creates())
    post.push(post.request())
    die(post, crash_at(1))
    assert len(post.creates()) == before


def test_what_is_out_of_a_send_that_cannot_go_on_is_known_there(post: PostOffice) -> None:
    """2.5: what people read there, the agent there knows of; all of it once."""
    post.push(post.request(LONG, said=SaidThere("agent:main:x", "the lines")))
    die(post, crash_at(2))
    refuse(post, 403, 50013)
    assert isinstance(post.work(), Fail)
    [told] = words_waiting(post.store.sessions, "agent:main:x")
    assert told.text == "the lines\n[only the beginning of this was sent]"


# -- refusals ---------------------------------------------------------------------------------------


def refuse(post: PostOffice, status: int, code: int, **more: Any) -> None:
    body = {"code": code, "message": "no", **more}
    post.control.fault("status", route=CREATE, status=status, body=body)


def test_a_refused_send_is_dead_at_once_and_the_lane_goes_on(post: PostOffice) -> None:
    post.push(post.request("never", wake=("sent.x",)))
    post.push(post.request("after", step="2"))
    refuse(post, 403, 50013)
    before = len(post.creates())
    first = post.work()
    assert isinstance(first, Fail)
    assert (first.failure, first.delay_ms) == (Failure.HANDLED, 0)
    assert "50013" in first.code
    while post.fate is not Fate.DEAD:
        post.work()
    assert len(post.creates()) == before + 1, "asked once, not once per try"
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["after"]
    assert [dead.record.identity for dead in post.store.lanes.dead_list()] == [f"{post.cause}.1"]
    told = post.store.ledger.explain("default", "123")
    assert told is not None
    assert told.outcome == "dead"


@pytest.mark.parametrize(
    ("status", "code", "more"),
    [
        (400, 50035, {"errors": {"message_reference": {"_errors": [{"code": "REPLIES_UNKNOWN_MESSAGE"}]}}}),
        (403, 160002, {}),
        (404, 10008, {}),
    ],
)
def test_a_refused_reference_is_left_out(
    post: PostOffice, status: int, code: int, more: dict[str, Any]
) -> None:
    refuse(post, status, code, **more)
    assert isinstance(post.send(reply_to="1234567890123456789"), Commit)
    assert post.sent() == ["hello"]
    assert "message_reference" not in post.creates()[-1]["body"]


def test_an_answer_to_a_deleted_message_is_sent(post: PostOffice) -> None:
    asked = post.control.say(post.channel, "question")
    post.control.delete(post.channel, asked["id"])
    assert isinstance(post.send(reply_to=asked["id"]), Commit)
    assert post.sent() == ["hello"]


def test_a_bad_token_is_no_try(post: PostOffice) -> None:
    refuse(post, 401, 0)
    failed = post.send()
    assert isinstance(failed, Fail)
    assert failed.failure is Failure.INFRASTRUCTURE
    assert failed.delay_ms is not None
    assert failed.delay_ms >= 30_000


def test_an_unreadable_record_is_an_error_of_ours(post: PostOffice) -> None:
    post.store.lanes.push(post.request().lane, Record("x", "send", b"{}"))
    failed = post.work()
    assert isinstance(failed, Fail)
    assert (failed.failure, failed.code) == (Failure.HANDLED, "send-unreadable")


# -- waiting ----------------------------------------------------------------------------------------


def test_a_429_gives_the_lane_back(post: PostOffice) -> None:
    post.control.fault("rate_limit", route=CREATE, retry_after=0.7)
    waiting = post.send()
    assert isinstance(waiting, Yield)
    assert waiting.delay_ms >= 700
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["hello"]


class Busy(Unlimited):
    """A limiter that says "not now" once."""

    def __init__(self) -> None:
        self.asked = 0

    def acquire(
        self, scope: Scope, route: Route, priority: Priority, *, max_wait: float | None = None
    ) -> Booking:
        self.asked += 1
        assert max_wait is not None
        assert max_wait <= 0.05
        if self.asked == 2:
            raise RateWait(1.5, reason="bucket", route=str(route))
        return super().acquire(scope, route, priority, max_wait=max_wait)

    def settle(
        self, scope: Scope, route: Route, priority: Priority, booking: Booking, answer: Answer
    ) -> None:
        super().settle(scope, route, priority, booking, answer)


def test_a_wait_of_our_own_limiter_gives_the_lane_back(post: PostOffice, discord: Simulator) -> None:
    from pydantic import SecretStr

    transport = Transport("default", SecretStr(discord.token), limiter=Busy(), api_url=discord.api_url)
    post.rest = Rest(transport, max_wait=0.05, retry=NO_RETRY)
    waiting = post.send(LONG)
    assert isinstance(waiting, Yield)
    assert 1500 <= waiting.delay_ms <= 1600
    assert len(post.sent()) == 1
    assert isinstance(post.work(), Commit)
    assert "\n".join(post.sent()) == LONG
    transport.close()


def test_what_is_too_old_is_not_sent(post: PostOffice) -> None:
    post.push(post.request("stale", max_age_s=300, wake=("w",), outcomes=(SendOutcome("78", "answered"),)))
    post.clock.advance(301)
    before = len(post.creates())
    assert post.work().summary == "expired"  # type: ignore[union-attr]
    assert len(post.creates()) == before
    told = post.store.ledger.explain("default", "78")
    assert told is not None
    assert (told.outcome, told.reason) == ("expired", "delivery-too-old")


# -- what goes along --------------------------------------------------------------------------------


def test_files_go_with_the_first_part(post: PostOffice) -> None:
    blob = post.store.blobs.put(b"bytes of a file")
    post.send(LONG, files=(SendFile(blob, "notes.txt", "text/plain", "my notes"),))
    messages = post.control.messages(post.channel, author="bot")
    assert [len(message["attachments"]) for message in messages] == [1, 0, 0]
    assert messages[0]["attachments"][0]["filename"] == "notes.txt"


def test_a_file_discord_finds_too_large_becomes_a_notice(post: PostOffice) -> None:
    refuse(post, 413, 40005)
    blob = post.store.blobs.put(b"x" * 100)
    assert isinstance(post.send("see file", files=(SendFile(blob, "big.bin"),)), Commit)
    assert post.sent() == [f"see file\n\n{TOO_LARGE_NOTICE}"]


def test_a_file_that_is_gone_is_said_and_not_sent_half(post: PostOffice) -> None:
    failed = post.send("see file", files=(SendFile("0" * 24, "gone.txt"),))
    assert isinstance(failed, Fail)
    assert failed.code == "blob-gone"
    assert post.sent() == []


def test_components_without_text(post: PostOffice) -> None:
    text = {"type": 10, "content": "in a box"}
    assert isinstance(post.send("", flags=1 << 15, components=(text,)), Commit)
    body = post.creates()[-1]["body"]
    assert body["flags"] == 1 << 15
    assert "content" not in body


def test_nothing_to_send_is_done(post: PostOffice) -> None:
    before = len(post.creates())
    assert isinstance(post.send("   "), Commit)
    assert len(post.creates()) == before


def test_silence_and_link_previews_are_flags(post: PostOffice) -> None:
    post.settings = DeliverySettings(suppress_embeds=True)
    post.send("https://example.org", silent=True)
    assert post.creates()[-1]["body"]["flags"] == (1 << 12) | (1 << 2)


def test_a_request_can_only_narrow_whom_it_pings(post: PostOffice) -> None:
    post.send("@everyone <@&5>", allowed_mentions=AllowedMentions(users=False, roles=("5",), everyone=True))
    assert post.creates()[-1]["body"]["allowed_mentions"] == {"parse": [], "replied_user": False}


# -- the words of the log -----------------------------------------------------------------------------


def test_log_lines_word_for_word(post: PostOffice) -> None:
    post.settings = DeliverySettings(proxied=True)
    with capture_logs() as lines:
        post.send()
        refuse(post, 403, 50013)
        post.send(step="2")
    said = [line["event"] for line in lines]
    assert "Sending reply via REST (proxied)" in said
    assert "Reply sent successfully (200 OK)" in said
    assert any(line.startswith("discord final reply failed: ") for line in said)
