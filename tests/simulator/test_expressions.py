"""Emoji, stickers and events: Discord's limits and refusals (Discord's pages of the three resources)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from shoal.simulator.server import Simulator

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
GIF = b"GIF89a" + bytes(64)
SOON, LATER = "2030-01-01T10:00:00Z", "2030-01-01T12:00:00Z"


@pytest.fixture
def discord() -> Iterator[Simulator]:
    with Simulator(settings={"rate_limits": False, "permissions": False}) as running:
        yield running


def post(discord: Simulator, path: str, **options: Any) -> requests.Response:
    url = f"{discord.api_url}/guilds/{discord.guild_id}/{path}"
    return requests.post(url, headers={"Authorization": f"Bot {discord.token}"}, timeout=10, **options)


def uri(data: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def emoji(discord: Simulator, name: str = "blob", image: str | None = None, **more: Any) -> requests.Response:
    return post(discord, "emojis", json={"name": name, "image": image or uri(PNG), **more})


def sticker(discord: Simulator, data: bytes = PNG, **more: Any) -> requests.Response:
    form = {"name": "wave", "description": "", "tags": "wave", **more}
    return post(discord, "stickers", data=form, files={"file": ("a.png", data, "image/png")})


def event(discord: Simulator, **more: Any) -> requests.Response:
    body = {"name": "Beach", "privacy_level": 2, "entity_type": 3, "scheduled_start_time": SOON,
            "scheduled_end_time": LATER, "entity_metadata": {"location": "Pier"}}  # fmt: skip
    return post(discord, "scheduled-events", json=body | more)


def refused(answer: requests.Response) -> tuple[int, int, str]:
    body = answer.json()
    return answer.status_code, body["code"], json.dumps(body.get("errors") or body["message"])


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"name": "x"}, "Must be between 2 and 32"),
        ({"name": "two words"}, "validation regex"),
        ({"image": "hello"}, "Invalid image data"),
        ({"image": uri(GIF)}, "Invalid image data"),
        ({"image": uri(b"RIFF", "bmp")}, "Invalid image data"),
    ],
)
def test_wrong_emoji(discord: Simulator, more: dict[str, Any], said: str) -> None:
    status, code, text = refused(emoji(discord, **more))
    assert (status, code, said in text) == (400, 50035, True)


def test_a_large_emoji_is_refused_without_a_code(discord: Simulator) -> None:
    assert refused(emoji(discord, image=uri(PNG + bytes(256 * 1024))))[:2] == (400, 0)
    assert refused(emoji(discord, roles=["123"]))[:2] == (404, 10011)


def test_slots_of_emoji_are_counted_by_kind(discord: Simulator) -> None:
    for number in range(50):
        assert emoji(discord, f"blob_{number}").status_code == 201
    assert refused(emoji(discord))[:2] == (400, 30008)
    moving = emoji(discord, image=uri(GIF, "gif"))
    assert (moving.status_code, moving.json()["animated"]) == (201, True)


def test_stickers(discord: Simulator) -> None:
    assert refused(sticker(discord, PNG + bytes(512 * 1024)))[:2] == (400, 50035)
    assert refused(sticker(discord, b"plain text"))[:2] == (400, 50046)
    assert refused(sticker(discord, b'{"layers": []}'))[:2] == (403, 50013), "Lottie is for known servers"
    assert refused(sticker(discord, description="x"))[:2] == (400, 50035)
    assert refused(post(discord, "stickers", data={"name": "wave", "tags": "x"}))[:2] == (400, 50035)
    for number in range(5):
        assert sticker(discord, name=f"wave {number}").status_code == 201
    assert refused(sticker(discord))[:2] == (400, 30039)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"scheduled_start_time": "2020-01-01T10:00:00Z"}, 50035),
        ({"scheduled_start_time": "soon"}, 50035),
        ({"scheduled_end_time": SOON}, 50035),
        ({"scheduled_end_time": None}, 50035),
        ({"entity_metadata": None}, 50035),
        ({"image": uri(b"no picture")}, 50035),
        ({"entity_type": 2}, 50035),
        ({"entity_type": 2, "channel_id": "999"}, 10003),
    ],
)
def test_wrong_events(discord: Simulator, more: dict[str, Any], code: int) -> None:
    assert refused(event(discord, **more))[1] == code


def test_voice_events_are_in_voice_channels_and_there_is_an_end_to_them(discord: Simulator) -> None:
    assert refused(event(discord, entity_type=2, channel_id=discord.channel_id))[1] == 50024
    lounge = str(discord.control.add_channel(discord.guild_id, "Lounge", type=2)["id"])
    made = event(discord, entity_type=2, channel_id=lounge, entity_metadata=None, image=uri(PNG)).json()
    assert (made["channel_id"], bool(made["image"]), made["status"]) == (lounge, True, 1)
    for _ in range(99):
        assert event(discord).status_code == 200
    assert refused(event(discord))[:2] == (400, 30038)
