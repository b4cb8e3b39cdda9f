"""Emoji, stickers and pictures of events, made of files (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from shoal.discord.errors import Forbidden
from shoal.discord.permissions import Permission
from tests.workers.actions.conftest import Doer, Files
from workers.actions.base import ActionError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
GIF = b"GIF89a" + bytes(64)
JPG = b"\xff\xd8\xff\xe0" + bytes(64)
APNG = b"\x89PNG\r\n\x1a\n" + bytes(25) + b"acTL" + bytes(64)
LOTTIE = json.dumps({"v": "5.5", "w": 320, "h": 320, "layers": []}).encode()
SOON = "2030-01-01T10:00:00Z"


@pytest.mark.parametrize(("data", "animated"), [(PNG, False), (JPG, False), (GIF, True)])
def test_an_emoji_is_made_of_a_picture(doer: Doer, files: Files, data: bytes, animated: bool) -> None:
    role = str(doer.control.add_role(doer.guild, "vips")["id"])
    media = files.put("party", data)
    done = doer.do("emojiUpload", guildId=doer.guild, emojiName=":party_blob:", media=media, roleIds=[role])
    made = done["emoji"]
    assert (made["name"], made["animated"], made["roles"]) == ("party_blob", animated, [role])
    assert [one["id"] for one in doer.do("emoji-list", guildId=doer.guild)["emojis"]] == [made["id"]]


def test_a_picture_comes_from_an_address_of_discord(doer: Doer, files: Files) -> None:
    said = doer.control.say(doer.channel, "", user=doer.owner, files=[("blob.png", PNG)])
    url = doer.rest.get_message(doer.channel, str(said["id"]))["attachments"][0]["url"]
    assert doer.do("emoji-upload", guildId=doer.guild, emojiName="blob", media=url)["emoji"]["name"] == "blob"
    with pytest.raises(ActionError, match="cannot be fetched"):
        doer.do("emoji-upload", guildId=doer.guild, emojiName="blob", media="http://127.0.0.1:1/x.png")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"media": "big.png"}, r"exceeds the 0.25 MB limit \(Discord's limit for emoji\)"),
        ({"media": "text.png"}, "text/plain; it must be png, jpg or gif"),
        ({"media": "webp.png"}, "image/webp; it must be png, jpg or gif"),
        ({"media": "/etc/hostname"}, "cannot be used"),
        ({"media": "gone.png"}, "missing"),
        ({}, "media is missing"),
        ({"media": "a.png", "emojiName": "x"}, "2 to 32 letters"),
        ({"media": "a.png", "emojiName": "two words"}, "2 to 32 letters"),
        ({"media": "a.png", "roleIds": ["vips"]}, "roleIds 'vips' is no id"),
    ],
)
def test_what_is_no_emoji_is_refused_before_discord_is_asked(
    doer: Doer, files: Files, values: dict[str, object], said: str
) -> None:
    for name, data in (("big.png", PNG + bytes(256 * 1024)), ("text.png", b"hello"), ("a.png", PNG),
                       ("webp.png", b"RIFF\x10\0\0\0WEBP" + bytes(64))):  # fmt: skip
        files.put(name, data)
    with pytest.raises(ActionError, match=said):
        doer.do("emoji-upload", **{"guildId": doer.guild, "emojiName": "blob", **values})
    assert {line["method"] for line in doer.requests()} <= {"GET"}


@pytest.mark.parametrize(("data", "kind"), [(PNG, 1), (APNG, 2)])
def test_a_sticker_is_a_form(doer: Doer, files: Files, data: bytes, kind: int) -> None:
    media = files.put("wave.png", data)
    values = {"stickerName": "wave", "stickerDesc": "says hello", "stickerTags": ["👋", "hi"]}
    made = doer.do("stickerUpload", guildId=doer.guild, media=media, **values)["sticker"]
    assert (made["name"], made["description"], made["tags"], made["format_type"]) == (
        "wave", "says hello", "👋, hi", kind,
    )  # fmt: skip
    sent = doer.requests()[-1]
    assert sent["files"][0] | {"size": 0} == {
        "filename": "sticker.png",
        "content_type": "image/png",
        "size": 0,
    }


def test_lottie_is_for_servers_that_discord_knows(doer: Doer, files: Files) -> None:
    values = {"stickerName": "dance", "stickerTags": "dance", "media": files.put("dance.json", LOTTIE)}
    with pytest.raises(Forbidden):
        doer.do("sticker-upload", guildId=doer.guild, **values)
    known = doer.control.add_guild(
        "Known", owner=doer.owner, members=[doer.simulator.bot_id], features=["VERIFIED"]
    )["id"]
    role = doer.control.add_role(known, "bots", permissions=int(Permission.ADMINISTRATOR))["id"]
    doer.control.edit_member(known, doer.simulator.bot_id, roles=[role])
    assert doer.do("sticker-upload", guildId=known, **values)["sticker"]["format_type"] == 3


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"media": "big.png"}, "exceeds the 0.5 MB limit"),
        ({"media": "a.gif"}, "image/gif; it must be png, apng or lottie json"),
        ({"media": "data.json"}, "no Lottie animation"),
        ({"stickerTags": ""}, "stickerTags is missing"),
        ({"stickerTags": "x" * 201}, "at most 200"),
        ({"stickerName": "x"}, "2 to 30 characters"),
        ({"stickerDesc": "x"}, "2 to 100 characters"),
    ],
)
def test_what_is_no_sticker_is_refused_before_discord_is_asked(
    doer: Doer, files: Files, values: dict[str, object], said: str
) -> None:
    for name, data in (("big.png", PNG + bytes(512 * 1024)), ("a.png", PNG), ("a.gif", GIF),
                       ("data.json", b'{"a": 1}')):  # fmt: skip
        files.put(name, data)
    good = {"guildId": doer.guild, "stickerName": "wave", "stickerTags": "wave", "media": "a.png"}
    with pytest.raises(ActionError, match=said):
        doer.do("sticker-upload", **(good | values))
    assert {line["method"] for line in doer.requests()} <= {"GET"}


def test_an_event_has_a_picture(doer: Doer, files: Files) -> None:
    values = {"eventType": "external", "location": "Pier 7", "startTime": SOON, "endTime": "2030-01-01T12:00"}
    image = files.put("cover.jpg", JPG)
    made = doer.do("event-create", guildId=doer.guild, eventName="Beach", image=image, **values)["event"]
    assert made["image"]
    files.put("big.png", PNG + bytes(8 * 1024 * 1024))
    for source, said in (("big.png", "exceeds the 8 MB limit"), ("gone.png", "missing")):
        with pytest.raises(ActionError, match=said):
            doer.do("event-create", guildId=doer.guild, eventName="x", image=source, **values)
    with pytest.raises(ActionError, match="endTime is not after startTime"):
        doer.do("event-create", guildId=doer.guild, eventName="x", **(values | {"endTime": SOON}))
    with pytest.raises(ActionError, match="no ISO 8601 time"):
        doer.do("event-create", guildId=doer.guild, eventName="x", **(values | {"startTime": "soon"}))
    with pytest.raises(ActionError, match="past"):
        doer.do("event-create", guildId=doer.guild, eventName="x", **(values | {"startTime": "2020-01-01"}))


def test_files_are_read_for_those_who_may_upload(doer: Doer, files: Files) -> None:
    """The file is not even looked at for others; the gates are their own (7.2)."""
    read: list[str] = []

    def reading(source: str, *, most: int, whose: str) -> object:
        read.append(source)
        return files.read(source, most=most, whose=whose)

    doer.context = replace(doer.context, read=reading)  # type: ignore[arg-type]
    values = {"emojiName": "blob", "media": files.put("a.png", PNG)}
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(doer.member("ann")).do("emoji-upload", **values)
    assert read == []
    maker = doer.as_member(doer.member("mo", Permission.CREATE_GUILD_EXPRESSIONS))
    assert maker.do("emoji-upload", **values)["ok"] is True
    assert read == ["a.png"]
