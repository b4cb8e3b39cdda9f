"""Agents that speak, through a whole fleet: a ``tts`` call ends as one voice message, whoever dies."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from bench.fleet import FleetUnderTest
from shoal.simulator.model_speech import spoken
from tests.workers.media.support.sounds import decoded, likeness, recording

pytestmark = pytest.mark.slow

PUT = "PUT /cdn/upload"
CREATE = "POST /channels/{channel_id}/messages"


def speaking(fleet: FleetUnderTest) -> dict[str, Any]:
    """The scripted model server speaks, too."""
    local = {
        "baseUrl": fleet.models.base_url,
        "apiKey": "test-key-of-no-value",
        "model": "tts-x",
        "voice": "v",
    }
    return {"messages": {"tts": {"provider": "local", "providers": {"local": local}}}}


@pytest.fixture
def fleet(tmp_path: Path) -> Any:
    made = FleetUnderTest(tmp_path)
    made.configure = speaking
    made.start()
    yield made
    made.stop()


def voices(fleet: FleetUnderTest, said: dict[str, Any]) -> list[dict[str, Any]]:
    return [m for m in fleet.bot_messages(said["channel_id"], said["id"]) if m["flags"] & 8192]


def heard(fleet: FleetUnderTest, said: dict[str, Any], timeout: float = 40.0) -> dict[str, Any]:
    ends = time.monotonic() + timeout
    while not (found := voices(fleet, said)):
        assert time.monotonic() < ends, fleet.said()
        time.sleep(0.1)
    return found[0]


@pytest.mark.timeout(300)
def test_voice_messages_through_a_real_fleet(fleet: FleetUnderTest) -> None:
    _a_tts_call_is_heard(fleet)
    _an_answer_with_a_recording_is_heard(fleet)
    _back_dies_between_the_bytes_and_the_message(fleet)


def reading_aloud(fleet: FleetUnderTest) -> dict[str, Any]:
    """The same, and all answers are heard."""
    speech = speaking(fleet)
    speech["messages"]["tts"] |= {"auto": "always", "timeoutMs": 30_000}
    return speech


@pytest.mark.timeout(300)
def test_answers_are_read_aloud_by_a_real_fleet(tmp_path: Path) -> None:
    """3.15.7: voice, then text, each once, whoever dies; and the text alone where nobody speaks."""
    fleet = FleetUnderTest(tmp_path)
    fleet.configure = reading_aloud
    fleet.start()
    try:
        _turns_dies_while_it_is_spoken(fleet)
        _back_dies_between_voice_and_text(fleet)
        _nobody_speaks(fleet)
    finally:
        fleet.stop()


def answered(fleet: FleetUnderTest, said: dict[str, Any], text: str) -> list[tuple[str, int]]:
    """(text, flags) of what was answered, once the text is there."""
    fleet.control.wait_for_message(said["channel_id"], after=said["id"], contains=text, timeout=60)
    time.sleep(6.0)  # a second one would come with the next sweep
    return [(m["content"], m["flags"] & 8192) for m in fleet.bot_messages(said["channel_id"], said["id"])]


def asked_to_say(fleet: FleetUnderTest, text: str) -> int:
    asked = [one["body"] for one in fleet.models.requests() if one["path"].endswith("/audio/speech")]
    return [one["input"] for one in asked].count(text)


def _turns_dies_while_it_is_spoken(fleet: FleetUnderTest) -> None:
    text = "a turn that is killed says it"
    fleet.models.script([{"speech": True, "match": "killed", "times": 1, "hang": True}, {"text": text}])
    said = fleet.control.dm("say what you do")
    ends = time.monotonic() + 30
    while not asked_to_say(fleet, text):
        assert time.monotonic() < ends, fleet.said()
        time.sleep(0.02)
    for pid in fleet.pids("worker", "turns"):
        os.kill(pid, signal.SIGKILL)
    assert answered(fleet, said, text) == [("", 8192), (text, 0)]
    assert asked_to_say(fleet, text) == 2


def _back_dies_between_voice_and_text(fleet: FleetUnderTest) -> None:
    text = "a voice and then a text"
    fleet.models.script([{"text": text}])
    said = fleet.control.dm("and again")
    heard(fleet, said, 60.0)
    for pid in fleet.pids("worker", "back"):
        os.kill(pid, signal.SIGKILL)
    assert answered(fleet, said, text) == [("", 8192), (text, 0)]
    assert asked_to_say(fleet, text) == 1


def _nobody_speaks(fleet: FleetUnderTest) -> None:
    text = "there is no voice today"
    fleet.models.script([{"text": text}, {"speech": True, "times": 9, "error": {"status": 401}}])
    said = fleet.control.dm("once more")
    assert answered(fleet, said, text) == [(text, 0)]


def _a_tts_call_is_heard(fleet: FleetUnderTest) -> None:
    call = {"name": "tts", "arguments": {"text": "good morning, Ann"}}
    fleet.models.script([{"tool_calls": [call]}, {"text": "NO_REPLY"}])
    said = fleet.control.dm("say good morning")
    [file] = heard(fleet, said)["attachments"]
    assert file["duration_secs"] == pytest.approx(0.04 * 17, abs=0.01)
    sound = decoded(requests.get(file["url"], timeout=5).content)
    assert likeness(spoken("good morning, Ann", 8_000), sound) > 0.95
    asked = [one["body"] for one in fleet.models.requests() if one["path"].endswith("/audio/speech")]
    assert [one["input"] for one in asked] == ["good morning, Ann"]
    assert [m["content"] for m in fleet.bot_messages(said["channel_id"], said["id"])] == [""]


def _an_answer_with_a_recording_is_heard(fleet: FleetUnderTest) -> None:
    folder = fleet.state_dir / "media" / "inbound"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "song.mp3").write_bytes(recording("mp3", seconds=1.2))
    fleet.models.script([{"text": f"Listen.\n[[audio_as_voice]]\nMEDIA:{folder}/song.mp3"}])
    said = fleet.control.dm("sing")
    fleet.control.wait_for_message(said["channel_id"], after=said["id"], contains="Listen.", timeout=30)
    first, second = fleet.bot_messages(said["channel_id"], said["id"])
    assert (first["flags"], first["attachments"][0]["duration_secs"]) == (8192, pytest.approx(1.2, rel=0.01))
    assert (second["content"], second["attachments"]) == ("Listen.", [])


def _back_dies_between_the_bytes_and_the_message(fleet: FleetUnderTest) -> None:
    """The message is answered late; when the bytes are there, ``back`` is killed."""
    call = {"name": "tts", "arguments": {"text": "once and no more"}}
    fleet.models.script([{"tool_calls": [call]}, {"text": "NO_REPLY"}])
    before = len(fleet.control.requests(route=PUT))
    fleet.control.fault("delay", route=CREATE, seconds=3.0, count=1)
    said = fleet.control.dm("say it once")
    ends = time.monotonic() + 30
    while len(fleet.control.requests(route=PUT)) == before:
        assert time.monotonic() < ends, fleet.said()
        time.sleep(0.02)
    for pid in fleet.pids("worker", "back"):
        os.kill(pid, signal.SIGKILL)
    heard(fleet, said, 60.0)
    time.sleep(6.0)  # a second one would come with the next sweep
    assert len(voices(fleet, said)) == 1
    asked = [one["body"] for one in fleet.models.requests() if one["path"].endswith("/audio/speech")]
    assert [one["input"] for one in asked].count("once and no more") == 1
