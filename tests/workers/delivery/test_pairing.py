"""The reply to a stranger on its way out: the code, failures, and what nobody may ever read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shoal.base.ids import new_token
from shoal.state.pairing import Request
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit
from shoal.state.store import Store
from tests.workers.delivery.conftest import CREATE, PostOffice
from workers.delivery.pairing import pair_effect
from workers.delivery.records import SendRequest, decode_send
from workers.sessions.admission import Knock

BLOCKED = {"route": CREATE, "status": 403, "body": {"code": 50007, "message": "Cannot send"}}
BOB, SNOWFLAKE = "102", 1_457_536_551_830_421_524


def knock(post: PostOffice, number: int = 0, **fields: str) -> Request:
    """A stranger's message is admitted; returns the request."""
    message_id = str(SNOWFLAKE + number)
    known = Knock(
        account="default",
        sender=BOB,
        tag="bob",
        name="Bob",
        channel_id=post.channel,
        message_id=message_id,
        cause=f"{post.cause}.{number}",
        language="zh" if fields.get("language") == "zh" else "en",
    )
    lane = f"inbound:default:{new_token()[:8]}"
    post.store.lanes.push(lane, Record("m", "MESSAGE_CREATE", b"{}"))
    grant = post.store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    post.store.lanes.commit(grant, [pair_effect(known)], take_next=False)
    return waiting(post.store)


def waiting(store: Store) -> Request:
    request = store.pairing.request("default", BOB)
    assert request is not None
    return request


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_reply_has_the_id_the_code_and_the_command(post: PostOffice, language: str) -> None:
    request = knock(post, language=language)
    assert request.reply == "queued"
    assert isinstance(post.work(), Commit)
    (text,) = post.sent()
    assert BOB in text
    assert f"```\n{request.code}\n```" in text
    assert f"```\nshoal pairing approve discord {request.code}\n```" in text
    assert "{" not in text
    assert waiting(post.store).reply == "sent"
    create = post.creates()[-1]["body"]
    assert "message_reference" not in create  # a plain DM
    assert "components" not in create


def test_the_code_is_nowhere_but_in_the_request_and_on_discord(
    post: PostOffice, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the lane, the ledger, the dead, the receipts or the log (rules.md, promise 8)."""
    caplog.set_level(0)
    request = knock(post)
    record = post.take().head
    assert request.code.encode() not in record.body
    post.store.redis.flushall()
    request = knock(post)
    post.control.fault(
        "status",
        route=CREATE,
        status=403,
        body={"code": 50007, "message": "Cannot send messages to this user"},
    )
    post.work()
    told = post.store.ledger.explain("default", str(SNOWFLAKE))
    assert told is not None
    assert (told.outcome, told.reason) == ("pairing", "requested")
    holders = []
    for key in post.store.redis.keys("*"):
        dump = post.store.redis.dump(key)
        if request.code.encode() in dump or request.code in str(everything(post.store, key)):
            holders.append(key)
    assert holders == [b"shoal:1:pairing:default"]
    said = capfd.readouterr()
    assert request.code not in said.out + said.err + caplog.text
    assert request.code not in repr(request)


def everything(store: Store, key: bytes) -> object:
    redis = store.redis
    match redis.type(key):
        case b"hash":
            return redis.hgetall(key)
        case b"list":
            return redis.lrange(key, 0, -1)
        case b"set":
            return redis.smembers(key)
        case b"zset":
            return redis.zrange(key, 0, -1, withscores=True)
    return redis.get(key)


def test_a_reply_that_is_refused_is_reported_and_not_dead(post: PostOffice) -> None:
    """50007: the request says so, the owner is told once, strangers cannot fill the list of the dead."""
    knock(post)
    post.control.fault(
        "status",
        route=CREATE,
        status=403,
        body={"code": 50007, "message": "Cannot send messages to this user"},
    )
    post.deps = replace(post.deps, owner_dm=lambda _account: "9001")
    assert isinstance(post.work(), Commit)
    assert waiting(post.store).failure == "discord-dm-blocked-50007"
    assert post.store.lanes.dead_list() == []
    grant = post.store.lanes.acquire("delivery:default:9001", new_token())
    assert isinstance(grant, Grant)
    notice = decode_send(grant.head.body)
    assert "Bob (102)" in notice.text
    assert "Privacy Settings → Direct Messages" in notice.text
    assert "50007" in notice.text
    told = post.store.ledger.explain("default", str(SNOWFLAKE))
    assert told is not None
    assert any("rejected" in value and "50007" in value for _, value in told.notes)


def test_without_an_owner_to_tell_it_is_reported_all_the_same(post: PostOffice) -> None:
    knock(post)
    post.control.fault(
        "status",
        route=CREATE,
        status=403,
        body={"code": 50007, "message": "Cannot send messages to this user"},
    )
    post.work()
    assert waiting(post.store).failure == "discord-dm-blocked-50007"


def test_a_failure_that_may_pass_is_tried_again(post: PostOffice) -> None:
    knock(post)
    post.control.fault("status", route=CREATE, status=500)
    assert not isinstance(post.work(), Commit)
    assert waiting(post.store).reply == "queued"
    post.work()
    assert waiting(post.store).reply == "sent"
    assert len(post.sent()) == 1


def test_a_reply_whose_request_is_over_is_not_sent(post: PostOffice) -> None:
    request = knock(post)
    post.store.pairing.approve(request.code, ["default"])
    assert isinstance(post.work(), Commit)
    assert post.sent() == []


def test_a_reply_that_waited_an_hour_is_reported(post: PostOffice) -> None:
    knock(post)
    post.clock.advance(3601)
    post.work()
    assert post.sent() == []
    assert waiting(post.store).failure == "too-old"


def test_an_older_reply_does_not_speak_for_a_newer_request(post: PostOffice) -> None:
    knock(post)
    post.store.pairing.revoke("default", BOB)
    second = knock(post, 1)
    post.work()  # the first reply: its request is gone
    assert post.sent() == []
    assert waiting(post.store).reply == "queued"
    post.work()
    (text,) = post.sent()
    assert second.code in text


def test_records_of_the_last_release_are_read(post: PostOffice) -> None:
    assert decode_send(b'{"account":"a","channel_id":"1","cause":"c","step":"s"}') == SendRequest(
        "a", "1", "c", "s"
    )
