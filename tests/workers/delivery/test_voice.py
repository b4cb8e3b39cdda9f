"""Voice messages on their way: each once; and what stands in for them (``spec/outbound.md`` 3.15)."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from shoal.discord.errors import BadRequest, DMBlocked, Forbidden, NotFound, TooLarge
from shoal.state.steps import Commit, Fail
from tests.workers.delivery.conftest import CREATE, PostOffice
from tests.workers.delivery.test_send import crash_at, die
from workers.delivery.records import SendFile, SendRequest, Voice, decode_receipt
from workers.delivery.render import DeliverySettings, plan_of
from workers.delivery.spread import file_of, heard_behind, texts_of
from workers.delivery.verdicts import Rejected
from workers.delivery.voice import next_instead

SLOT = "POST /channels/{channel_id}/attachments"
PUT = "PUT /cdn/upload"
DRAWN = "AYD/"
SOUND = b"OggS" + bytes(range(256)) * 40
VOICE = Voice(12.34, DRAWN)
NO_VOICE = {"code": 50173, "message": "Cannot send voice messages in this channel."}


def recording(post: PostOffice) -> SendFile:
    return SendFile(post.store.blobs.put(SOUND), "voice-message.ogg", "audio/ogg", voice=VOICE)


def push(post: PostOffice, text: str = "", **fields: Any) -> SendRequest:
    return post.push(post.request(text, files=(recording(post), *fields.pop("more", ())), **fields))


def seen(post: PostOffice) -> list[tuple[str, int, list[str]]]:
    """(text, flags, names of files) of what people see of the bot."""
    messages = post.control.messages(post.channel, author="bot")
    return [(m["content"], m["flags"], [file["filename"] for file in m["attachments"]]) for m in messages]


def counted(post: PostOffice, route: str) -> int:
    place = post.channel if route != PUT else "voice-message.ogg"
    return len([one for one in post.control.requests(route=route) if place in one["path"]])


@pytest.fixture
def puts(post: PostOffice) -> Any:
    """How often bytes were put since the test began (their addresses name no channel)."""
    before = counted(post, PUT)
    return lambda: counted(post, PUT) - before


@pytest.mark.parametrize(("silent", "flags"), [(False, 8192), (True, 12288)])
def test_a_voice_message_has_its_sound_length_and_waveform(
    post: PostOffice, puts: Any, silent: bool, flags: int
) -> None:
    asked = post.control.say(post.channel, "say it")
    push(post, silent=silent, reply_to=asked["id"])
    assert isinstance(post.work(), Commit)
    [message] = post.control.messages(post.channel, author="bot")
    [file] = message["attachments"]
    assert (message["content"], message["flags"]) == ("", flags)
    assert message["message_reference"]["message_id"] == asked["id"]
    assert (file["duration_secs"], file["waveform"], file["content_type"]) == (12.34, DRAWN, "audio/ogg")
    assert requests.get(file["url"], timeout=5).content == SOUND
    body = post.creates()[-1]["body"]
    assert body["enforce_nonce"] is True
    assert not {"content", "embeds", "components", "sticker_ids", "poll"} & set(body)
    [asked_for] = [one["body"] for one in post.control.requests(route=SLOT) if post.channel in one["path"]]
    wanted = {"id": "0", "filename": "voice-message.ogg", "file_size": len(SOUND)}
    assert asked_for == {"files": [wanted]}
    assert puts() == 1


def test_the_voice_comes_first_then_the_text_then_other_files(post: PostOffice) -> None:
    more = SendFile(post.store.blobs.put(b"x"), "a.txt", "text/plain")
    push(post, "and in writing", more=(more,))
    assert isinstance(post.work(), Commit)
    assert seen(post) == [
        ("", 8192, ["voice-message.ogg"]),
        ("and in writing", 0, []),
        ("", 0, ["a.txt"]),
    ]
    assert len(post.receipts()) == 3


@pytest.mark.parametrize(
    ("text", "names", "post", "parts"),
    [
        ("", ["v"], False, [("", "v")]),
        ("", ["v", "b"], False, [("", "v"), ("", "b")]),
        ("hi", ["v", "b", "c"], False, [("", "v"), ("hi", ""), ("", "b"), ("", "c")]),
        ("title", ["v"], True, [("title", ""), ("", "v")]),
        ("", ["v"], True, [("", ""), ("", "v")]),
    ],
)
def test_which_part_has_which_file(
    text: str, names: list[str], post: bool, parts: list[tuple[str, str]]
) -> None:
    files = tuple(SendFile(f"b-{name}", name, voice=VOICE if name == "v" else None) for name in names)
    wanted = SendRequest("default", "5", "c", "1", text, files=files, post=post)
    plan = plan_of(wanted, DeliverySettings())
    found = [file_of(wanted, plan, part) for part in range(len(plan))]
    assert [(text, file.filename if file else "") for text, file in zip(plan, found, strict=True)] == parts


# -- once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "slots", "put"),
    [(1, 1, 1), (2, 2, 1), (3, 1, 1)],
    ids=["before anything", "between slot and bytes", "between bytes and message"],
)
def test_killed_on_the_way_it_is_there_once(
    post: PostOffice, puts: Any, at: int, slots: int, put: int
) -> None:
    """What was uploaded is not uploaded again."""
    push(post)
    die(post, crash_at(at))
    assert seen(post) == []
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("", 8192, ["voice-message.ogg"])]
    assert (counted(post, SLOT), puts()) == (slots, put)


@pytest.mark.parametrize("window", [True, False])
def test_a_voice_message_whose_answer_was_lost_is_there_once(post: PostOffice, window: bool) -> None:
    """Past the nonce window it is told from another of the same name by its waveform."""
    push(post)
    assert isinstance(post.work(), Commit)
    other = SendFile(post.store.blobs.put(SOUND), "voice-message.ogg", "audio/ogg", voice=Voice(1.0, "AQ=="))
    post.push(post.request("", step="2", files=(other,)))
    post.control.fault("drop_answer", route=CREATE)
    assert isinstance(post.work(), Fail)
    if not window:
        post.control.configure(nonce_window_s=0.01)
        post.clock.advance(130)
    assert isinstance(post.work(), Commit)
    drawn = [m["attachments"][0]["waveform"] for m in post.control.messages(post.channel, author="bot")]
    assert drawn == [DRAWN, "AQ=="]
    [receipt] = post.store.receipts.receipt(f"{post.cause}.2").values()
    assert decode_receipt(receipt).found is not window


def test_an_upload_that_is_gone_is_done_again(post: PostOffice, puts: Any) -> None:
    push(post)
    die(post, crash_at(3))
    post.control.fault("status", route=CREATE, status=400, body={"code": 50146, "message": "gone"})
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("", 8192, ["voice-message.ogg"])]
    assert (counted(post, SLOT), puts()) == (2, 2)


@pytest.mark.parametrize("route", [SLOT, CREATE])
def test_what_may_pass_is_tried_again_as_a_voice_message(post: PostOffice, route: str) -> None:
    push(post)
    post.control.fault("status", route=route, status=503)
    assert isinstance(post.work(), Fail)
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("", 8192, ["voice-message.ogg"])]


def test_storage_that_fails_once_is_tried_again(post: PostOffice) -> None:
    push(post)
    post.control.fault("refuse", route=PUT)
    assert isinstance(post.work(), Fail)
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("", 8192, ["voice-message.ogg"])]


# -- instead --------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", [SLOT, PUT, CREATE])
def test_a_refusal_leaves_the_recording_as_a_file_beside_its_text(post: PostOffice, route: str) -> None:
    """Row 21: an ordinary attachment where that helps; who asked is told."""
    push(post, "in writing")
    post.control.fault("status", route=route, status=403, body=NO_VOICE)
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("in writing", 0, ["voice-message.ogg"])]
    [receipt] = post.receipts().values()
    assert "Not sent as a voice message but as file" in decode_receipt(receipt).note


def test_words_stand_in_where_no_file_may_be_sent(post: PostOffice) -> None:
    """3.15.7: the spoken text, if the recording was made of one."""
    push(post, spoken="good morning")
    post.control.fault("status", route=SLOT, status=403, body=NO_VOICE)
    post.control.fault("status", route=CREATE, status=403, body={"code": 50013, "message": "no"})
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("good morning", 0, [])]


def test_without_words_the_refusal_is_the_end(post: PostOffice) -> None:
    push(post)
    post.control.fault("status", route=CREATE, count=2, status=403, body={"code": 50013, "message": "no"})
    result = post.work()
    assert isinstance(result, Fail)
    assert seen(post) == []


def test_bytes_that_are_gone_leave_the_words(post: PostOffice) -> None:
    file = SendFile("0" * 24, "voice-message.ogg", "audio/ogg", voice=VOICE)
    post.push(post.request("", files=(file,), spoken="good morning"))
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("good morning", 0, [])]


def test_killed_while_the_file_stands_in(post: PostOffice) -> None:
    push(post, spoken="good morning")
    post.control.fault("status", route=SLOT, status=403, body=NO_VOICE)
    die(post, crash_at(2))
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("", 0, ["voice-message.ogg"])]
    assert counted(post, SLOT) == 1


def test_a_server_without_slots_gets_the_bytes_with_the_message(post: PostOffice) -> None:
    """Decision 55."""
    push(post)
    post.control.fault("status", route=SLOT, status=404)
    assert isinstance(post.work(), Commit)
    [message] = post.control.messages(post.channel, author="bot")
    [file] = message["attachments"]
    assert (message["flags"], file["waveform"], file["duration_secs"]) == (8192, DRAWN, 12.34)


@pytest.mark.parametrize(
    ("error", "spoken", "instead"),
    [
        (Forbidden("no", status=403, json_code=50173), "", "file"),
        (BadRequest("no", status=400, json_code=50161), "words", "file"),
        (TooLarge("no", status=413, json_code=40005), "words", "text"),
        (TooLarge("no", status=413, json_code=40005), "", "file"),
        (Rejected("blob-gone", "gone"), "words", "text"),
        (Rejected("blob-gone", "gone"), "", ""),
        (Rejected("send-unknown", "it may be there"), "words", ""),
        (NotFound("no", status=404, json_code=10003), "words", ""),
        (DMBlocked("no", status=403, json_code=50007), "words", ""),
        (BadRequest("no", status=400, ambiguous=True), "words", ""),
    ],
)
def test_what_is_tried_next(error: Exception, spoken: str, instead: str) -> None:
    """Only where the voice message surely is not there, and something else could be."""
    request = SendRequest("default", "5", "c", "1", files=(SendFile("b", "v", voice=VOICE),), spoken=spoken)
    assert next_instead(request, "", error) == instead
    assert next_instead(request, "text", error) == ""


# -- answers that are read aloud -------------------------------------------------------------------


def aloud(post: PostOffice, text: str = "good morning, Ann", **fields: Any) -> SendRequest:
    return push(post, text, read_aloud=True, spoken=text, **fields)


def test_the_voice_of_an_answer_comes_first_then_its_text(post: PostOffice) -> None:
    """3.15.7."""
    aloud(post)
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("", 8192, ["voice-message.ogg"]), ("good morning, Ann", 0, [])]


@pytest.mark.parametrize(
    ("texts", "voice", "behind", "parts"),
    [
        (["a"], True, False, [("", "v"), ("a", "")]),
        (["a"], True, True, [("a", ""), ("", "v")]),
        (["a"], False, False, [("a", "v")]),
        (["a"], False, True, [("a", ""), ("", "v")]),
        (["a", "b"], True, False, [("", "v"), ("a", ""), ("b", "")]),
        ([], True, False, [("", "v")]),
        ([], False, False, [("", "v")]),
    ],
)
def test_where_the_recording_of_an_answer_goes(
    texts: list[str], voice: bool, behind: bool, parts: list[tuple[str, str]]
) -> None:
    file = SendFile("b", "v", voice=VOICE if voice else None)
    wanted = SendRequest("default", "5", "c", "1", "\n\n".join(texts), files=(file,), read_aloud=True)
    plan = plan_of(wanted, DeliverySettings(max_lines=1 if len(texts) > 1 else 17))
    plan = heard_behind(wanted, texts_of(wanted, plan)) if behind else plan
    found = [file_of(wanted, plan, part) for part in range(len(plan))]
    assert [(text, file.filename if file else "") for text, file in zip(plan, found, strict=True)] == parts


def test_where_its_voice_is_refused_the_text_goes_with_the_file_and_else_alone(post: PostOffice) -> None:
    """3.15.7: visible text instead; and it is there once."""
    aloud(post)
    post.control.fault("status", route=SLOT, status=403, body=NO_VOICE)
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("good morning, Ann", 0, ["voice-message.ogg"])]
    other = post.request("in writing", step="2", files=(recording(post),), read_aloud=True)
    post.push(other)
    post.control.fault("status", route=SLOT, status=403, body=NO_VOICE)
    post.control.fault("status", route=CREATE, status=403, body={"code": 50013, "message": "no"})
    assert isinstance(post.work(), Commit)
    assert seen(post)[1:] == [("in writing", 0, [])]


def test_a_recording_of_what_was_read_before_may_be_missing(post: PostOffice) -> None:
    """With block streaming the words are out: a refusal is no failure of the answer."""
    push(post, "", read_aloud=True)
    post.control.fault("status", route=SLOT, status=403, body=NO_VOICE)
    post.control.fault("status", route=CREATE, status=403, body={"code": 50013, "message": "no"})
    assert isinstance(post.work(), Commit)
    assert seen(post) == []


def test_a_text_does_not_wait_for_storage_that_is_down(post: PostOffice) -> None:
    """The voice message is tried again for a while; then the recording goes as a file."""
    aloud(post)
    post.control.fault("refuse", route=PUT, count=9)
    assert isinstance(post.work(), Fail)
    assert seen(post) == []
    post.clock.advance(11)
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("good morning, Ann", 0, ["voice-message.ogg"])]


def test_what_may_be_out_is_not_replaced_however_late(post: PostOffice) -> None:
    aloud(post)
    post.control.fault("drop_answer", route=CREATE)
    assert isinstance(post.work(), Fail)
    post.control.fault("status", route=CREATE, status=503)
    post.clock.advance(11)
    assert isinstance(post.work(), Fail)
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("", 8192, ["voice-message.ogg"]), ("good morning, Ann", 0, [])]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_killed_anywhere_voice_and_text_are_there_once(post: PostOffice, at: int) -> None:
    aloud(post)
    die(post, crash_at(at))
    assert isinstance(post.work(), Commit)
    assert seen(post) == [("", 8192, ["voice-message.ogg"]), ("good morning, Ann", 0, [])]
