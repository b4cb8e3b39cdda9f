"""Several files, films with captions, files that Discord refuses (``spec/outbound.md`` 1.7, 3.10)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.state.steps import Commit, Fail
from tests.workers.delivery.conftest import CREATE, PostOffice
from tests.workers.delivery.test_send import crash_at, die
from workers.delivery.records import SendFile, SendRequest, decode_receipt
from workers.delivery.render import TOO_LARGE_NOTICE, DeliverySettings, message_fields, plan_of
from workers.delivery.spread import file_of

V2 = 1 << 15
LONG = "\n".join(f"line {number}" for number in range(45))


def request(text: str, *names: str, **fields: Any) -> SendRequest:
    files = tuple(SendFile(f"blob-{name}", name) for name in names)
    return SendRequest("default", "5", "c", "1", text, files=files, **fields)


def shape(wanted: SendRequest) -> list[tuple[str, str]]:
    plan = plan_of(wanted, DeliverySettings())
    found = [file_of(wanted, plan, part) for part in range(len(plan))]
    return [(text, file.filename if file else "") for text, file in zip(plan, found, strict=True)]


def test_one_file_per_message() -> None:
    assert shape(request("hi")) == [("hi", "")]
    assert shape(request("", "a.png")) == [("", "a.png")]
    assert shape(request("hi", "a.png")) == [("hi", "a.png")]
    assert shape(request("hi", "a.png", "b.png", "c.png")) == [
        ("hi", "a.png"), ("", "b.png"), ("", "c.png")
    ]  # fmt: skip
    assert [file for _, file in shape(request(LONG, "a.png", "b.png"))] == ["a.png", "", "", "b.png"]


def test_a_film_comes_after_its_caption() -> None:
    assert shape(request("look", "a.MP4")) == [("look", ""), ("", "a.MP4")]
    assert shape(request("look", "a.mp4", "b.png")) == [("look", ""), ("", "a.mp4"), ("", "b.png")]
    assert shape(request("", "a.mp4", "b.png")) == [("", "a.mp4"), ("", "b.png")]
    assert shape(request("look", "a.png", "b.mp4")) == [("look", "a.png"), ("", "b.mp4")]


def test_link_previews_are_said_per_send_or_by_the_account() -> None:
    def flags(per_send: bool | None, account: bool) -> int:
        settings = DeliverySettings(suppress_embeds=account)
        return int(message_fields(request("x", suppress_embeds=per_send), settings, ["x"], 0).get("flags", 0))

    assert [flags(None, True), flags(None, False), flags(True, False), flags(False, True)] == [4, 0, 4, 0]


def blobs(post: PostOffice, *names: str) -> tuple[SendFile, ...]:
    return tuple(SendFile(post.store.blobs.put(name.encode()), name, "text/plain") for name in names)


def seen(post: PostOffice) -> list[tuple[str, list[str]]]:
    messages = post.control.messages(post.channel, author="bot")
    return [(m["content"], [file["filename"] for file in m["attachments"]]) for m in messages]


def test_every_file_arrives_and_only_the_first_answers(post: PostOffice) -> None:
    asked = post.control.say(post.channel, "question")
    post.send("here", files=blobs(post, "a.txt", "b.txt", "c.txt"), reply_to=asked["id"])
    assert seen(post) == [("here", ["a.txt"]), ("", ["b.txt"]), ("", ["c.txt"])]
    messages = post.control.messages(post.channel, author="bot")
    assert [bool(m.get("message_reference")) for m in messages] == [True, False, False]
    assert len(post.receipts()) == 3


@pytest.mark.parametrize("at", [2, 3])
def test_a_send_that_stops_half_way_goes_on_from_the_first_unsent_file(post: PostOffice, at: int) -> None:
    post.push(post.request("here", files=blobs(post, "a.txt", "b.txt", "c.txt")))
    die(post, crash_at(at))
    assert len(seen(post)) == at - 1
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("here", ["a.txt"]), ("", ["b.txt"]), ("", ["c.txt"])]


@pytest.mark.parametrize("window", [True, False])
def test_a_file_whose_answer_was_lost_is_there_once(post: PostOffice, window: bool) -> None:
    """Past the nonce window a message without text is found by the name of its file."""
    post.push(post.request("here", files=blobs(post, "a.txt", "two words.txt")))
    die(post, crash_at(2))
    if not window:
        post.control.configure(nonce_window_s=0.01)
    post.control.fault("drop_answer", route=CREATE)
    assert isinstance(post.work(), Fail)
    if not window:
        post.clock.advance(130)
    assert isinstance(post.work(), Commit)
    assert [len(files) for _, files in seen(post)] == [1, 1]
    assert decode_receipt(post.receipts()[1]).found is not window


def test_a_refused_second_file_is_a_notice_in_its_place(post: PostOffice) -> None:
    post.push(post.request("here", files=blobs(post, "a.txt", "b.txt", "c.txt")))
    body = {"code": 40005, "message": "too large"}
    post.control.fault("status", route=CREATE, status=413, skip=1, body=body)
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("here", ["a.txt"]), (TOO_LARGE_NOTICE, []), ("", ["c.txt"])]


def test_the_notice_fits_beside_the_longest_text(post: PostOffice) -> None:
    post.control.fault("status", route=CREATE, status=413, body={"code": 40005, "message": "too large"})
    post.push(post.request("x" * 2500, files=blobs(post, "a.txt")))
    assert isinstance(post.work(), Commit)
    first, second = (text for text, _ in seen(post))
    assert first.endswith(TOO_LARGE_NOTICE)
    assert len(first) <= 2000
    assert first.removesuffix(TOO_LARGE_NOTICE).count("x") + second.count("x") == 2500


def test_with_components_the_text_survives_a_refused_file(post: PostOffice) -> None:
    parts = (
        {"type": 10, "content": "see"},
        {"type": 13, "file": {"url": "attachment://a.txt"}},
    )
    post.control.fault("status", route=CREATE, status=413, body={"code": 40005, "message": "too large"})
    post.push(post.request("see", components=parts, flags=V2, files=blobs(post, "a.txt")))
    assert isinstance(post.work(), Commit)
    assert seen(post) == [(f"see\n\n{TOO_LARGE_NOTICE}", [])]
