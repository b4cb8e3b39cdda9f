"""Signed uploads, PluralKit, the blocking command, and the client's own manners."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from shoal.simulator.control import Control
from shoal.simulator.errors import ControlError
from shoal.simulator.server import Simulator
from tests.simulator.conftest import Rest
from tests.simulator.wire import Wire


def test_signed_upload_of_a_voice_message(simulator: Simulator, rest: Rest) -> None:
    place = f"/channels/{simulator.channel_id}"
    files = {"files": [{"filename": "voice.ogg", "file_size": 3, "id": "0"}]}
    given = rest("POST", f"{place}/attachments", files).json()["attachments"][0]
    note = {
        "id": "0",
        "filename": "voice.ogg",
        "uploaded_filename": given["upload_filename"],
        "duration_secs": 1.0,
        "waveform": "AAA=",
    }
    body: dict[str, Any] = {"flags": 8192, "attachments": [note]}
    assert rest("POST", f"{place}/messages", body).json()["code"] == 50146
    given = rest("POST", f"{place}/attachments", files).json()["attachments"][0]
    note["uploaded_filename"] = given["upload_filename"]
    put = requests.put(given["upload_url"], data=b"ogg", headers={"Content-Type": "audio/ogg"}, timeout=5)
    assert put.status_code == 200
    made = rest("POST", f"{place}/messages", body)
    assert made.status_code == 200, made.text
    stored = made.json()["attachments"][0]
    assert (stored["duration_secs"], stored["content_type"], stored["size"]) == (1.0, "audio/ogg", 3)
    assert requests.get(stored["url"], timeout=5).content == b"ogg"


def test_a_voice_message_is_one_recording_and_nothing_else(simulator: Simulator, rest: Rest) -> None:
    """Discord's codes 50159 to 50161 (facts 16.3)."""
    path = f"/channels/{simulator.channel_id}/messages"
    good = {"id": 0, "duration_secs": 1.5, "waveform": "AAA="}

    def code(note: dict[str, Any], *files: tuple[str, str], **more: Any) -> int:
        body = {"flags": 8192, "attachments": [note], **more}
        parts: list[Any] = [("payload_json", (None, json.dumps(body)))]
        parts += [
            (f"files[{n}]", (name, b"x", kind))
            for n, (name, kind) in enumerate(files or [("v.ogg", "audio/ogg")])
        ]
        answer = rest("POST", path, files=parts)
        return 0 if answer.status_code == 200 else int(answer.json()["code"])

    assert code(good) == 0
    assert code(good, flags=12288) == 0
    for more in (
        {"content": "x"},
        {"embeds": [{"title": "x"}]},
        {"sticker_ids": ["123456"]},
        {
            "components": [
                {"type": 1, "components": [{"type": 2, "style": 5, "label": "x", "url": "https://x.example"}]}
            ]
        },
        {"poll": {"question": {"text": "?"}, "answers": [{"poll_media": {"text": "a"}}]}},
    ):
        assert code(good, **more) == 50159, more
    assert code(good, ("v.ogg", "audio/ogg"), ("w.ogg", "audio/ogg")) == 50160
    assert code(good, ("v.png", "image/png")) == 50160
    assert code(good, attachments=[good, {"id": 1, "uploaded_filename": "x/y.ogg"}]) == 50160
    for wrong in ({"duration_secs": 0}, {"waveform": ""}, {"waveform": "?"}, {"waveform": "A" * 348}):
        assert code({**good, **wrong}) == 50161, wrong


def test_voice_messages_need_their_permission(simulator: Simulator, rest: Rest) -> None:
    role = next(iter(simulator.core.world.guilds[simulator.guild_id].roles.values()))
    role.permissions &= ~(1 << 46)
    body = {"flags": 8192, "attachments": [{"id": 0, "duration_secs": 1.5, "waveform": "AAA="}]}
    parts: list[Any] = [
        ("payload_json", (None, json.dumps(body))),
        ("files[0]", ("v.ogg", b"x", "audio/ogg")),
    ]
    answer = rest("POST", f"/channels/{simulator.channel_id}/messages", files=parts)
    assert (answer.status_code, answer.json()["code"]) == (403, 50173)


def test_pluralkit(simulator: Simulator) -> None:
    with Wire(simulator) as wire:
        said = simulator.control.say("general", "L: hello")
        copy = simulator.control.proxy("general", said["id"], "Lou")
        assert wire.wait("MESSAGE_CREATE")["d"]["id"] == said["id"]
        proxied = wire.wait("MESSAGE_CREATE")["d"]
        assert (proxied["author"]["username"], proxied["id"]) == ("Lou", copy["id"])
        assert proxied["webhook_id"] == proxied["author"]["id"]
        assert "member" not in proxied
        assert wire.wait("MESSAGE_DELETE")["d"]["id"] == said["id"]
    for message_id in (said["id"], copy["id"]):
        found = requests.get(f"{simulator.url}/pluralkit/v2/messages/{message_id}", timeout=5).json()
        assert (found["sender"], found["original"]) == (simulator.user_id, said["id"])
    assert requests.get(f"{simulator.url}/pluralkit/v2/messages/1", timeout=5).status_code == 404


def test_the_blocking_command_serves_and_ends(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    code = (
        "import pathlib, sys\n"
        "from shoal.simulator.server import run\n"
        "run(0, pathlib.Path(sys.argv[1]), ready=lambda s: print(s.url, flush=True))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(log)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        control = Control(child.stdout.readline().strip())
        control.say("general", "hello")
        assert [m["content"] for m in control.messages("general")] == ["hello"]
        os.kill(child.pid, signal.SIGTERM)
        assert child.wait(timeout=10) == 0
    finally:
        child.kill()
        child.wait()
    with pytest.raises(ControlError, match="did not answer"):
        control.state()


def test_waiting_for_something_that_does_not_come(simulator: Simulator) -> None:
    simulator.control.say("general", "from a person")
    with pytest.raises(TimeoutError, match="message 1 by bot in general"):
        simulator.control.wait_for_message("general", timeout=0.1)


def test_messages_of_the_past_and_filters(simulator: Simulator) -> None:
    control = simulator.control
    control.add_user("bob", guilds=["Shoal Demo"])
    new = control.say("general", "new")
    old = control.say("general", "old", user="bob", timestamp_ms=1_700_000_000_000)
    assert int(old["id"]) < int(new["id"])
    assert old["timestamp"].startswith("2023-11-14")
    assert [m["content"] for m in control.messages("general")] == ["old", "new"]
    assert [m["content"] for m in control.messages("general", author="bob")] == ["old"]
    assert [m["content"] for m in control.messages("general", contains="ne")] == ["new"]
    assert control.messages("general", contains="ada") == []


def test_the_state_names_everything(simulator: Simulator) -> None:
    state = simulator.control.state()
    assert state["bots"] == [{"id": simulator.bot_id, "username": "shoal", "token": simulator.token}]
    assert state["guilds"][0]["id"] == simulator.guild_id
    assert state["api_url"] == simulator.api_url
    assert json.dumps(state)
