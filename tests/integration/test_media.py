"""Files through a whole fleet: a picture, a voice message, one too large, 100 MB beside a chat."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import FleetUnderTest
from tests.workers.media.support.samples import ogg, png

pytestmark = pytest.mark.slow

EYES = {"id": "first", "name": "First", "input": ["text", "image"]}


class MediaFleet(FleetUnderTest):
    """A fleet whose model has eyes, with a transcriber, and a small bound on files."""

    def config(self) -> dict[str, Any]:
        """As usual, and media."""
        config = super().config()
        config["models"]["providers"]["local"]["models"][0] = EYES
        return config


@pytest.fixture
def fleet(tmp_path: Path) -> Any:
    made = MediaFleet(
        tmp_path,
        {
            "channels": {"discord": {"mediaMaxMb": 1}},
            "tools": {
                "media": {
                    "audio": {
                        "models": [{"provider": "local", "model": "whisper-1"}],
                        "echoTranscript": True,
                    }
                }
            },
        },
    )
    made.start()
    yield made
    made.stop()


def chats(fleet: FleetUnderTest) -> list[dict[str, Any]]:
    return [entry["body"] for entry in fleet.models.requests() if entry["path"].endswith("/completions")]


@pytest.mark.timeout(240)
def test_files_of_all_kinds_through_a_real_fleet(fleet: FleetUnderTest) -> None:
    _a_picture_is_seen(fleet)
    _a_picture_of_before_is_seen(fleet)
    _a_voice_message_is_heard(fleet)
    _a_file_too_large_stays_an_address(fleet)
    _nobody_elses_files_are_fetched(fleet)
    _flower_names_no_address(fleet)


def _a_picture_is_seen(fleet: FleetUnderTest) -> None:
    fleet.models.script([{"text": "A blue square."}])
    said = fleet.control.dm("what is this?", files=[("square.png", png())])
    answer = fleet.control.wait_for_message(said["channel_id"], after=said["id"], timeout=30)
    assert answer["content"] == "A blue square."
    [text, picture] = chats(fleet)[-1]["messages"][-1]["content"]
    assert picture["image_url"]["url"].endswith(base64.b64encode(png()).decode())
    folder = fleet.state_dir / "media" / "inbound"
    [path] = folder.iterdir()
    assert path.read_bytes() == png()
    assert f"[media attached: {path} (image/png) | " in text["text"]


def _a_picture_of_before_is_seen(fleet: FleetUnderTest) -> None:
    """4.6: somebody posts it without a word to the bot, and asks then; it is fetched when it is asked for."""
    fleet.models.script([{"text": "You all look happy."}])
    fetched = len(fleet.control.requests(route="GET /cdn/attachments"))
    fleet.control.say("general", "our party", files=[("party.png", png())])
    time.sleep(0.5)
    assert len(fleet.control.requests(route="GET /cdn/attachments")) == fetched
    asked = len(fleet.models.requests())
    fleet.control.say("general", f"<@{fleet.bot['id']}> what do you see?")
    fleet.models.wait_for_requests(asked + 1, timeout=30)
    text, picture = chats(fleet)[-1]["messages"][-1]["content"]
    assert "party.png (image/png)" in text["text"]
    assert picture["image_url"]["url"].endswith(base64.b64encode(png()).decode())


def _a_voice_message_is_heard(fleet: FleetUnderTest) -> None:
    fleet.models.script([{"transcript": "hey shoal, what time is it?"}, {"text": "Late."}])
    said = fleet.control.dm("", files=[("voice-message.ogg", ogg())], flags=8192)
    fleet.control.wait_for_message(said["channel_id"], after=said["id"], contains="Late.", timeout=30)
    words = [message["content"] for message in fleet.bot_messages(said["channel_id"], said["id"])]
    assert words == ['📝 "hey shoal, what time is it?"', "Late."]
    said_to_model = chats(fleet)[-1]["messages"][-1]["content"]
    assert "[Audio]\nTranscript:\nhey shoal, what time is it?" in said_to_model
    assert "media attached" not in said_to_model
    [heard] = [one["body"] for one in fleet.models.requests() if one["path"].endswith("/transcriptions")]
    assert (heard["model"], heard["file"]["size"]) == ("whisper-1", len(ogg()))


def _a_file_too_large_stays_an_address(fleet: FleetUnderTest) -> None:
    fleet.models.script([{"text": "Too large for me."}])
    began = time.monotonic()
    said = fleet.control.dm("read this", files=[("book.pdf", b"%PDF-1.7\n" + b"x" * 1_500_000)])
    fleet.control.wait_for_message(said["channel_id"], after=said["id"], contains="Too large", timeout=30)
    assert time.monotonic() - began < 15
    prompt = chats(fleet)[-1]["messages"][-1]["content"]
    assert "not fetched: too large to fetch]" in prompt
    assert f"/cdn/attachments/{said['channel_id']}/" in prompt
    log = (fleet.state_dir / "logs" / "shoal.log").read_text()
    [line] = [line for line in log.splitlines() if " audit " in line and "too-large" in line]
    assert "hm=" not in line


def _nobody_elses_files_are_fetched(fleet: FleetUnderTest) -> None:
    """Never before access (rule R18)."""
    before = len(fleet.control.requests(route="GET /cdn/attachments"))
    stranger = fleet.control.add_user("stranger", guilds=[fleet.guild["id"]])
    said = fleet.control.say(
        "general", f"<@{fleet.bot['id']}> look", user=stranger["id"], files=[("a.png", png())]
    )
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        told = fleet.shoal("explain", said["id"], "--json")
        if told.returncode == 0 and json.loads(told.stdout).get("outcome"):
            break
        time.sleep(0.3)
    assert json.loads(told.stdout)["outcome"] == "dropped"
    assert len(fleet.control.requests(route="GET /cdn/attachments")) == before


def _flower_names_no_address(fleet: FleetUnderTest) -> None:
    import requests

    port = json.loads(fleet.config_path.read_text())["fleet"]["flower"]["port"]
    password = (fleet.state_dir / "flower.password").read_text().strip()
    session = requests.Session()
    session.trust_env = False
    answer = session.get(f"http://127.0.0.1:{port}/api/tasks", auth=("shoal", password), timeout=10)
    tasks = [task for task in answer.json().values() if task["name"] == "media.fetch"]
    assert len(tasks) >= 3
    assert any("1 fetched · 1 heard" in str(task["result"]) for task in tasks)
    assert any("1 failed" in str(task["result"]) for task in tasks)
    assert "http" not in json.dumps(tasks)


# -- 100 MB -----------------------------------------------------------------------------------------


def _resident_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


@pytest.mark.timeout(240)
def test_a_hundred_megabytes_delay_nobody_and_fill_no_memory(tmp_path: Path) -> None:
    """``spec/inbound.md`` 6.11.9, rule R18: the download streams to disk while others are answered, in the
    same channel too, with files of their own or without."""
    fleet = FleetUnderTest(
        tmp_path,
        {
            "channels": {"discord": {"mediaMaxMb": 110}},
            # the film may be there while another message is answered: each has an answer of its own
            "messages": {"groupChat": {"visibleReplies": "automatic"}, "queue": {"mode": "followup"}},
        },
        settings={"rate_limits": False},
    )
    people: list[str] = []

    def invite(made: FleetUnderTest) -> dict[str, Any]:
        bob = made.control.add_user("bob", guilds=[made.guild["id"]])
        people.append(bob["id"])
        entry = {"users": [made.person["id"], bob["id"]]}
        return {"channels": {"discord": {"guilds": {str(made.guild["id"]): entry}}}}

    fleet.configure = invite
    try:
        fleet.start()
        _film_beside_a_chat(fleet, people[0])
    finally:
        fleet.stop()


def _film_beside_a_chat(fleet: FleetUnderTest, bob: str) -> None:
    name = f"<@{fleet.bot['id']}>"
    fleet.models.script([{"match": "hello", "text": "Hi."}, {"match": "film", "text": "Seen."}])
    warm = fleet.control.say("general", f"{name} hello", files=[("a.png", png())])
    fleet.control.wait_for_message("general", after=warm["id"], timeout=30)
    [back] = fleet.pids("worker", "back")
    before = _resident_kb(back)
    fleet.control.fault("slow_answer", route="GET /cdn/attachments", bytes_per_s=9_000_000)
    film = fleet.control.say("general", f"{name} see my film", files=[("film.bin", 100 * 1024 * 1024)])
    fleet.control.wait_for_request("GET /cdn/attachments", timeout=20)
    highest, waits = before, []
    while not fleet.control.messages("general", after=film["id"], author="bot", contains="Seen."):
        began = time.monotonic()
        files = [("b.png", png())] if len(waits) % 2 else []
        said = fleet.control.say("general", f"{name} hello there", user=bob, files=files)
        fleet.control.wait_for_message("general", after=said["id"], contains="Hi.", timeout=60)
        waits.append(time.monotonic() - began)
        highest = max(highest, _resident_kb(back))
        assert len(waits) < 400, "the film never came"
    [path] = (fleet.state_dir / "media" / "inbound").glob("film---*")
    assert path.stat().st_size == 100 * 1024 * 1024
    grown = (highest - before) / 1024
    print(f"others: {len(waits)} answers, longest {max(waits):.2f} s; back grew by {grown:.1f} MB")
    assert len(waits) >= 4
    assert max(waits) < 6.0, waits
    assert grown < 40, "the film was in memory"
