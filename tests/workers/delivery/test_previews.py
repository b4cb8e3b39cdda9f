"""Previews in their lane, on a real store and a real Discord (``spec/outbound.md`` 4, R9, decision 31)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from shoal.base.ids import new_token
from shoal.discord.errors import RateWait
from shoal.discord.limiter import Booking, Priority, Scope, Unlimited
from shoal.discord.mentions import NO_MENTIONS
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.routes import Route
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.effects import Push, Slot
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit, Fail, Park
from tests.workers.delivery.conftest import CREATE, PostOffice
from tests.workers.delivery.test_send import crash_at, die
from workers.delivery.preview_records import (
    PreviewEnd,
    PreviewUpdate,
    closed,
    end_push,
    preview_identity,
    update_slot,
)
from workers.delivery.records import KIND, SendFile, SendRequest, Voice, encode
from workers.delivery.send import deliver

LIST = "GET /channels/{channel_id}/messages"
EDIT = "PATCH /channels/{channel_id}/messages/{message_id}"
DELETE = "DELETE /channels/{channel_id}/messages/{message_id}"


class Turn:
    """The turn's side: a grant of a session lane, whose checkpoints bring the effects."""

    def __init__(self, post: PostOffice) -> None:
        self.post = post
        lanes = post.store.lanes
        lane = f"session:{post.cause}"
        lanes.push(lane, Record(post.cause, "turn", b"{}"))
        grant = lanes.acquire(lane, new_token(), ttl_ms=60_000)
        assert isinstance(grant, Grant)
        self.grant = grant
        self.step = 0

    def show(self, text: str, **more: Any) -> None:
        """A version of the slot."""
        self.step += 1
        update = PreviewUpdate("default", self.post.channel, self.post.cause, text=text, **more)
        self.post.store.lanes.checkpoint(self.grant, self.step, [update_slot(update, self.step)])

    def end(self, text: str = "", **fields: Any) -> None:
        """The commit of the turn, with an answer or without."""
        send = self.post.request(text, step="final", **{"preview": self.post.cause, **fields})
        end = PreviewEnd("default", self.post.channel, self.post.cause, send.identity if text else "")
        effects: list[Slot | Push] = [closed(end, self.step + 1)]
        if text:
            effects.append(Push(send.lane, self._record(send)))
        self.post.store.lanes.commit(self.grant, [*effects, end_push(end)], take_next=False)

    def _record(self, send: SendRequest) -> Record:
        return Record(send.identity, KIND, encode(send), account="default", message_id="123")


@pytest.fixture
def turn(post: PostOffice) -> Turn:
    return Turn(post)


def drain(post: PostOffice) -> None:
    """Work the lane off."""
    while post.store.lanes.depth(post.request().lane):
        post.work()


def requests(post: PostOffice, route: str) -> list[dict[str, Any]]:
    return [one for one in post.control.requests(route=route) if post.channel in str(one["path"])]


def test_it_is_created_edited_and_removed(post: PostOffice, turn: Turn) -> None:
    turn.show("Working...")
    post.work()
    assert post.sent() == ["Working..."]
    created = requests(post, CREATE)[-1]["body"]
    assert created["allowed_mentions"] == NO_MENTIONS
    assert created["enforce_nonce"] is True
    turn.show("Working...\n• one")
    post.work()
    assert post.sent() == ["Working...\n• one"]
    turn.end()
    drain(post)
    assert post.sent() == []


def test_only_the_newest_version_is_shown(post: PostOffice, turn: Turn) -> None:
    for number in range(5):
        turn.show(f"version {number}")
    drain(post)
    assert [one["body"]["content"] for one in requests(post, CREATE)] == ["version 4"]
    turn.end()
    drain(post)


def test_a_version_nobody_has_shown_is_not_shown_after_the_end(post: PostOffice, turn: Turn) -> None:
    turn.show("too late")
    turn.end("the answer")
    drain(post)
    assert post.sent() == ["the answer"]
    assert len(requests(post, CREATE)) == 1


def test_one_that_was_made_by_a_holder_who_died_goes_although_the_slot_was_closed_meanwhile(
    post: PostOffice, turn: Turn
) -> None:
    """Found by a rich chaos run: its receipt was not written, and who came next had no room."""
    turn.show("Working...")
    post.control.fault("drop_answer", route=CREATE)
    grant = post.take(ttl_ms=100)
    deliver(grant, post.deps, lambda: None)  # its answer is lost, and so is the holder
    assert post.sent() == ["Working..."]
    turn.end("the answer")
    _until_free(post)
    post.control.fault("rate_limit", route=CREATE, retry_after=5.0)
    drain(post)
    assert post.sent() == ["the answer"]


class _Full:
    """A rate limit without room for previews."""

    def __init__(self) -> None:
        self.full = True

    def acquire(
        self, scope: Scope, route: Route, priority: Priority, *, max_wait: float | None = None
    ) -> Booking:
        if self.full and priority is Priority.EDIT:
            raise RateWait(0.3, reason="pace", route=str(route))
        return Unlimited().acquire(scope, route, priority, max_wait=max_wait)

    def settle(self, *_request: object) -> None:
        """Nothing to learn."""


@pytest.fixture
def full(post: PostOffice, discord: Simulator) -> Iterator[_Full]:
    """The post office at Discord's limit."""
    limiter = _Full()
    transport = Transport("default", SecretStr(discord.token), limiter=limiter, api_url=discord.api_url)
    post.rest = Rest(transport, max_wait=0.05, retry=NO_RETRY)
    yield limiter
    transport.close()


def test_without_room_it_waits_alone_and_nothing_was_begun(post: PostOffice, turn: Turn, full: _Full) -> None:
    turn.show("Working...")
    assert isinstance(post.work(), Park)
    assert not post.store.receipts.receipt(preview_identity(post.cause))
    full.full = False
    post.work()
    assert post.sent() == ["Working..."]
    turn.end()
    drain(post)


def test_no_answer_waits_for_the_room_of_its_preview(post: PostOffice, turn: Turn, full: _Full) -> None:
    """Found by a rich chaos run: at Discord's limit answers stood behind previews for 15 seconds."""
    turn.show("Working...")
    assert isinstance(post.work(), Park)
    turn.end("the answer")
    assert isinstance(post.work(), Commit), "skipped"
    drain(post)
    assert post.sent() == ["the answer"]
    assert full.full
    assert not requests(post, LIST), "nobody had to look for it"


def test_of_two_texts_that_were_tried_the_one_that_is_there_goes(post: PostOffice, turn: Turn) -> None:
    turn.show("first")
    post.control.fault("rate_limit", route=CREATE, retry_after=5.0)
    assert isinstance(post.work(), Commit), "it is skipped, and made nothing"
    turn.show("second")
    post.control.fault("drop_answer", route=CREATE)
    grant = post.take(ttl_ms=100)
    deliver(grant, post.deps, lambda: None)
    assert post.sent() == ["second"]
    turn.end()
    _until_free(post)
    drain(post)
    assert post.sent() == []


def _until_free(post: PostOffice) -> None:
    """The lease of a dead holder ends."""
    lane, deadline = post.request().lane, time.monotonic() + 10
    while not post.store.lanes.sweep("delivery").expired:
        assert time.monotonic() < deadline, lane
        time.sleep(0.05)


def test_a_plain_answer_is_the_edit_of_its_preview(post: PostOffice, turn: Turn) -> None:
    turn.show("The ans")
    post.work()
    [before] = post.control.messages(post.channel, author="bot")
    turn.end("The answer.")
    drain(post)
    [after] = post.control.messages(post.channel, author="bot")
    assert (after["id"], after["content"]) == (before["id"], "The answer.")
    assert requests(post, EDIT)[-1]["body"]["allowed_mentions"] == NO_MENTIONS
    assert post.store.receipts.receipt(f"{post.cause}.final").keys() == {0}
    assert requests(post, DELETE) == []


FRESH: dict[str, dict[str, Any]] = {
    "two parts": {"text": "\n".join(f"line {number}" for number in range(30))},
    "a targeted mention": {"text": "look <@123456789012345678>"},
    "an explicit reply": {"text": "yes", "reply_scope": "all"},
    "an embed": {"text": "yes", "embeds": ({"title": "t"},)},
    "not of a preview": {"text": "yes", "preview": ""},
}


@pytest.mark.parametrize("name", FRESH)
def test_every_other_answer_is_sent_afresh_and_the_preview_goes(
    post: PostOffice, turn: Turn, name: str
) -> None:
    turn.show("The preview")
    post.work()
    [before] = post.control.messages(post.channel, author="bot")
    turn.end(**FRESH[name])
    drain(post)
    after = post.control.messages(post.channel, author="bot")
    assert before["id"] not in [message["id"] for message in after]
    assert "\n".join(message["content"] for message in after) == FRESH[name]["text"]


def test_a_file_makes_it_fresh(post: PostOffice, turn: Turn) -> None:
    blob = post.store.blobs.put(b"data")
    turn.show("The preview")
    post.work()
    turn.end("see", files=(SendFile(blob, "a.txt"),))
    drain(post)
    [message] = post.control.messages(post.channel, author="bot")
    assert message["content"] == "see"
    assert len(message["attachments"]) == 1


def test_a_preview_somebody_deleted_costs_nothing(post: PostOffice, turn: Turn) -> None:
    turn.show("The preview")
    post.work()
    [before] = post.control.messages(post.channel, author="bot")
    post.rest.delete_message(post.channel, before["id"])
    turn.show("The preview, more")
    post.work()
    turn.end("The answer.")
    drain(post)
    assert post.sent() == ["The answer."]


def test_a_refused_preview_does_not_touch_the_answer(post: PostOffice, turn: Turn) -> None:
    post.control.fault("status", route=CREATE, status=403)
    turn.show("The preview")
    assert isinstance(post.work(), Commit)
    turn.show("again")
    drain(post)
    assert post.sent() == []
    turn.end("The answer.")
    drain(post)
    assert post.sent() == ["The answer."]


def test_a_preview_stays_where_its_answer_did_not_arrive(post: PostOffice, turn: Turn) -> None:
    """4.5, row 18: a preview goes only once its answer is there."""
    turn.show("The preview")
    post.work()
    post.control.fault("status", route=CREATE, status=403)
    turn.end("The <@123456789012345678> answer.")
    drain(post)
    assert post.sent() == ["The preview"]


def test_a_draft_may_stay_beside_the_word_of_an_error(post: PostOffice, turn: Turn) -> None:
    turn.show("Working...")
    post.work()
    end = PreviewEnd("default", post.channel, post.cause, keep=True)
    post.store.lanes.commit(turn.grant, [closed(end, turn.step + 1), end_push(end)], take_next=False)
    drain(post)
    assert post.sent() == ["Working..."]


def test_a_refused_reference_is_left_out(post: PostOffice, turn: Turn) -> None:
    gone = {"message_reference": {"_errors": [{"code": "REPLIES_UNKNOWN_MESSAGE"}]}}
    body = {"code": 50035, "message": "no", "errors": gone}
    post.control.fault("status", route=CREATE, status=400, body=body)
    turn.show("Working...", reply_to="1234567890123456789")
    post.work()
    assert post.sent() == ["Working..."]
    assert "message_reference" not in post.creates()[-1]["body"]


# -- the worker dies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["drop_answer", "status_after"])
def test_a_lost_create_is_not_doubled_and_not_left(post: PostOffice, turn: Turn, fault: str) -> None:
    post.control.fault(fault, route=CREATE)
    turn.show("first text")
    assert isinstance(post.work(), Fail)
    turn.show("second text")
    turn.end("The <@123456789012345678> answer.")
    drain(post)
    assert post.sent() == ["The <@123456789012345678> answer."]


def test_death_before_the_create(post: PostOffice, turn: Turn) -> None:
    turn.show("The preview")
    die(post, crash_at(1))
    turn.end("The answer.")
    drain(post)
    assert post.sent() == ["The answer."]


def test_death_between_the_create_and_its_receipt(post: PostOffice, turn: Turn) -> None:
    turn.show("The preview")
    grant = post.take(ttl_ms=100)
    _then_nothing(post, grant)
    assert post.sent() == ["The preview"]
    turn.show("The preview, more")
    drain(post)
    assert post.sent() == ["The preview, more"]
    turn.end()
    drain(post)
    assert post.sent() == []


def test_death_between_the_edit_that_is_the_answer_and_its_receipt(post: PostOffice, turn: Turn) -> None:
    turn.show("The preview")
    post.work()
    turn.end("The answer.")
    _then_nothing(post, post.take(ttl_ms=100))
    assert post.sent() == ["The answer."]
    drain(post)
    assert post.sent() == ["The answer."]


def test_death_in_the_middle_of_the_removal(post: PostOffice, turn: Turn) -> None:
    turn.show("one")
    post.work()
    turn.show("two", generation=2)
    post.work()
    assert post.sent() == ["one", "two"]
    turn.end()
    die(post, crash_at(2))
    assert post.sent() == ["two"]
    drain(post)
    assert post.sent() == []


def test_an_edit_that_fails_for_good_is_a_fresh_message_for_ever(post: PostOffice, turn: Turn) -> None:
    """The decision is journalled: the next holder does not go back to the edit."""
    turn.show("The preview")
    post.work()
    turn.end("The answer.")
    post.control.fault("status", route=EDIT, status=403)
    die(post, crash_at(2))
    drain(post)
    assert post.sent() == ["The answer."]
    assert len(requests(post, EDIT)) == 1


def test_an_older_preview_is_taken_away_before_the_next(post: PostOffice, turn: Turn) -> None:
    turn.show("before it spoke")
    post.work()
    turn.show("", generation=2, first=2)
    turn.show("after it spoke", generation=2, first=2)
    drain(post)
    assert post.sent() == ["after it spoke"]
    turn.end()
    drain(post)
    assert post.sent() == []


def test_an_unreadable_update_holds_nothing_up(post: PostOffice) -> None:
    lane = post.request().lane
    post.store.lanes.push(lane, Record("slot.x.1", "slot", msgspec.json.encode([1])))
    assert isinstance(post.work(), Commit)


def _then_nothing(post: PostOffice, grant: Grant) -> None:
    """Do the work of a head and die before its commit; the lane is free again afterwards."""
    assert isinstance(deliver(grant, post.deps, lambda: None), Commit)
    deadline = time.monotonic() + 10
    while not post.store.lanes.sweep("delivery").expired:
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- an answer that is read aloud ------------------------------------------------------------------


def aloud(post: PostOffice) -> dict[str, Any]:
    """The fields of an answer with a recording of it."""
    blob = post.store.blobs.put(b"OggS" + bytes(500))
    file = SendFile(blob, "voice-message.ogg", "audio/ogg", voice=Voice(1.0, "AYD/"))
    return {"files": (file,), "read_aloud": True, "spoken": "The answer."}


def heard(post: PostOffice) -> list[tuple[str, int, int]]:
    """(text, flags, how many files) of what people see of the bot."""
    messages = post.control.messages(post.channel, author="bot")
    return [(m["content"], m["flags"] & 8192, len(m["attachments"])) for m in messages]


def test_the_preview_becomes_the_text_and_its_voice_follows(post: PostOffice, turn: Turn) -> None:
    """14.6, 14.8: an extra message with the same reply id."""
    asked = post.control.say(post.channel, "say it")
    turn.show("The ans", reply_to=asked["id"])
    post.work()
    [before] = post.control.messages(post.channel, author="bot")
    turn.end("The answer.", reply_to=asked["id"], **aloud(post))
    drain(post)
    text, voice = post.control.messages(post.channel, author="bot")
    assert heard(post) == [("The answer.", 0, 0), ("", 8192, 1)]
    assert text["id"] == before["id"]
    assert voice["message_reference"]["message_id"] == asked["id"]
    assert requests(post, DELETE) == []
    assert post.store.receipts.receipt(f"{post.cause}.final").keys() == {0, 1}


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_killed_between_the_edit_and_the_voice_both_are_there_once(
    post: PostOffice, turn: Turn, at: int
) -> None:
    turn.show("The ans")
    post.work()
    turn.end("The answer.", **aloud(post))
    die(post, crash_at(at))
    drain(post)
    assert heard(post) == [("The answer.", 0, 0), ("", 8192, 1)]


def test_a_preview_that_cannot_become_the_text_is_no_loss_of_the_voice(post: PostOffice, turn: Turn) -> None:
    turn.show("The ans")
    post.work()
    post.control.fault("status", route=EDIT, status=403, body={"code": 50013, "message": "no"})
    turn.end("The answer.", **aloud(post))
    drain(post)
    assert heard(post) == [("The answer.", 0, 0), ("", 8192, 1)]


@pytest.mark.parametrize(
    ("refused", "left"), [(1, [("The answer.", 0, 0), ("", 0, 1)]), (2, [("The answer.", 0, 0)])]
)
def test_a_voice_that_is_refused_behind_its_text_leaves_the_file_or_the_text(
    post: PostOffice, turn: Turn, refused: int, left: list[tuple[str, int, int]]
) -> None:
    turn.show("The ans")
    post.work()
    turn.end("The answer.", **aloud(post))
    body = {"code": 50173, "message": "Cannot send voice messages in this channel."}
    post.control.fault("status", route=CREATE, status=403, count=refused, body=body)
    drain(post)
    assert heard(post) == left
    assert requests(post, DELETE) == []


def test_a_long_answer_is_sent_afresh_with_its_voice_first(post: PostOffice, turn: Turn) -> None:
    turn.show("The ans")
    post.work()
    turn.end("\n".join(f"line {number}" for number in range(30)), **aloud(post))
    drain(post)
    assert [flags for _, flags, _ in heard(post)] == [8192, 0, 0]
