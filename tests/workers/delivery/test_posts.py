"""A send to a forum makes one post (``spec/outbound.md`` 2.6)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.discord.errors import RateWait
from shoal.discord.rest import Rest
from shoal.state.records import Failure
from shoal.state.steps import Commit, Fail, Yield
from tests.workers.components.conftest import fits as fits
from tests.workers.delivery.conftest import PostOffice
from tests.workers.delivery.test_send import crash_at, die
from workers.delivery.posts import post_problem, post_title
from workers.delivery.records import SendFile, decode_receipt

POST = "POST /channels/{channel_id}/threads"
LONG = "\n".join(f"line {number}" for number in range(45))


@pytest.fixture
def forum(post: PostOffice) -> PostOffice:
    post.channel = str(post.control.add_channel(post.simulator.guild_id, "forum", type=15)["id"])
    return post


def request(forum: PostOffice, text: str, **fields: Any) -> Any:
    return forum.push(forum.request(text, post=True, guild_id=forum.simulator.guild_id, **fields))


def posts(forum: PostOffice) -> list[dict[str, Any]]:
    return [one for one in forum.control.requests(route=POST) if forum.channel in one["path"]]


def in_thread(forum: PostOffice) -> list[str]:
    thread = decode_receipt(forum.receipts()[0]).channel_id
    return [message["content"] for message in forum.control.messages(thread, author="bot")]


def test_the_rest_goes_into_the_thread(forum: PostOffice, fits: Any) -> None:
    blob = forum.store.blobs.put(b"x")
    request(forum, LONG, files=(SendFile(blob, "a.txt"),), archive_minutes=4320)
    assert isinstance(forum.work(), Commit)
    assert "\n".join(in_thread(forum)) == LONG
    receipts = [decode_receipt(value) for _, value in sorted(forum.receipts().items())]
    thread = receipts[0].channel_id
    assert {receipt.channel_id for receipt in receipts} == {thread} != {forum.channel}
    assert receipts[0].message_id == thread
    messages = forum.control.messages(thread, author="bot")
    assert [len(message["attachments"]) for message in messages] == [0, 1, 0]
    body = posts(forum)[-1]["body"]
    assert fits("CreateForumThreadRequest", body) == []
    assert (body["name"], body["auto_archive_duration"]) == ("line 0", 4320)


def test_a_post_without_text_is_named_by_the_time(forum: PostOffice) -> None:
    blob = forum.store.blobs.put(b"x")
    request(forum, "", files=(SendFile(blob, "a.txt"),))
    assert isinstance(forum.work(), Commit)
    name, *rest = in_thread(forum)
    assert rest == [""]
    assert len(name) == len("2026-01-01T00:00")


def test_a_crash_after_the_post_goes_on_in_its_thread(forum: PostOffice) -> None:
    request(forum, LONG)
    die(forum, crash_at(2))
    assert isinstance(forum.work(), Commit)
    assert "\n".join(in_thread(forum)) == LONG


@pytest.mark.parametrize(
    ("fault", "fields"),
    [("drop_answer", {}), ("status_after", {"status": 200, "body": {}, "html": False})],
    ids=["lost", "nonsense"],
)
def test_a_lost_answer_is_not_asked_for_again(forum: PostOffice, fault: str, fields: dict[str, Any]) -> None:
    """Nor one that names no thread: the post may be there, so it dies as unknown (promise 4)."""
    request(forum, "only once")
    forum.control.fault(fault, route=POST, **fields)
    assert isinstance(forum.work(), Fail)
    assert isinstance(forum.work(), Yield), "the gateway may be away, and see it when it is back"
    forum.clock.advance(30)
    again = forum.work()
    assert isinstance(again, Fail)
    assert (again.failure, again.code) == (Failure.HANDLED, "post-unknown")
    assert forum.receipts() == {}
    assert len(posts(forum)) == 1


def test_a_lost_answer_is_settled_by_the_thread_the_gateway_saw(forum: PostOffice) -> None:
    request(forum, LONG)
    forum.control.fault("drop_answer", route=POST)
    assert isinstance(forum.work(), Fail)
    assert isinstance(forum.work(), Yield)
    [made] = posts(forum)
    seen = forum.rest.get_channel(str(made["answer"]["id"]))
    forum.store.facts.put_channel("default", seen, forum.simulator.guild_id)
    assert isinstance(forum.work(), Commit)
    assert decode_receipt(forum.receipts()[0]).found
    assert "\n".join(in_thread(forum)) == LONG


def test_what_surely_did_not_happen_is_tried_again(
    forum: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    request(forum, "later")

    def wait(*_args: Any, **_more: Any) -> Any:
        raise RateWait(0.01, reason="bucket", route="POST")

    with monkeypatch.context() as patched:
        patched.setattr(Rest, "call", wait)
        assert isinstance(forum.work(), Yield)
    assert isinstance(forum.work(), Commit)
    assert in_thread(forum) == ["later"]


def test_titles() -> None:
    assert post_title("\n  \n  Hello there \nmore") == "Hello there"
    assert post_title("x" * 99 + "🐟") == "x" * 99
    assert len(post_title("🐟" * 80).encode("utf-16-le")) == 200


def test_what_cannot_be_a_post() -> None:
    plain = {"type": 15, "flags": 0}
    assert post_problem(plain, flags=0, poll=False) == ""
    assert "appliedTags" in post_problem({"type": 15, "flags": 16}, flags=0, poll=False)
    assert "not supported in forum-style" in post_problem(plain, flags=1 << 15, poll=False)
    assert "poll" in post_problem(plain, flags=0, poll=True)
