"""Agents send voice messages: ``asVoice``, ``[[audio_as_voice]]`` (``spec/outbound.md`` 3.9, 3.15)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shoal.simulator.models import ModelServer
from shoal.state.store import Store
from tests.workers.agent.support.files import Used, call, rules, told, with_files
from tests.workers.media.support.sounds import decoded, likeness, recording
from workers.delivery.records import SendRequest

pytestmark = pytest.mark.waits  # each converts in a process of its own

Start = Callable[..., ModelServer]


@pytest.fixture
def used(store: Store, tmp_path: Path) -> Used:
    """Turn dependencies whose agent has sounds in its workspace."""
    work = tmp_path / "workspace"
    work.mkdir()
    (work / "a.mp3").write_bytes(recording("mp3", seconds=1.2))
    (work / "b.wav").write_bytes(recording("wav", seconds=1.2))
    (work / "note.txt").write_text("no sound " * 50)
    (work / "big.wav").write_bytes(recording("wav", seconds=6.0))
    return with_files(store, work, tmp_path / "state", most_bytes=400_000)


@pytest.mark.parametrize("name", ["media", "path", "filePath"])
def test_a_recording_goes_as_a_voice_message(
    store: Store, chat_server: Start, used: Used, tmp_path: Path, name: str
) -> None:
    """The call of the manual: ``message(action="send", path="/path/to/audio.mp3", asVoice=true)``."""
    path = tmp_path / "workspace" / "a.mp3"
    server = chat_server(rules(asVoice=True, silent=True, **{name: str(path)}))
    [send] = call(store, server, used)
    [file] = send.files
    assert (send.text, send.silent, file.filename, file.content_type) == (
        "", True, "voice-message.ogg", "audio/ogg",
    )  # fmt: skip
    assert file.voice is not None
    assert file.voice.seconds == pytest.approx(1.2, rel=0.01)
    data = store.blobs.get(file.blob)
    assert data is not None
    assert likeness(decoded(path.read_bytes())[1_000:6_000], decoded(data)[1_000:6_000]) > 0.98
    assert '"voiceMessage":true' in told(server)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "Voice messages require a media file reference"),
        ({"media": "a.mp3", "message": "hi"}, "Voice messages cannot include text content"),
        ({"media": "https://e.example/a.mp3"}, "URLs are refused"),
        ({"media": "data:audio/wav;base64,AAAA"}, "URLs are refused"),
        ({"media": "a.mp3", "components": {"text": "x"}}, "Voice messages cannot have components"),
        ({"media": "a.mp3", "embeds": [{"title": "x"}]}, "cannot have embeds, polls or stickers"),
        ({"media": "a.mp3", "stickerId": "123456"}, "cannot have embeds, polls or stickers"),
        ({"media": ["a.mp3", "b.wav"]}, "A voice message is one recording"),
        ({"media": "note.txt"}, "(step open): The recording cannot be opened"),
        ({"media": "gone.mp3"}, "cannot be used (missing)"),
        ({"media": "/etc/passwd"}, "cannot be used"),
        ({"media": "big.wav"}, "exceeds the 0.381"),
    ],
)
def test_what_cannot_be_a_voice_message_says_why(
    store: Store, chat_server: Start, used: Used, arguments: dict[str, Any], said: str
) -> None:
    server = chat_server(rules(asVoice=True, **arguments))
    assert call(store, server, used) == []
    assert said in told(server)


def test_without_the_extra_the_model_reads_its_name(
    store: Store, chat_server: Start, used: Used, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    server = chat_server(rules(asVoice=True, media="a.mp3"))
    assert call(store, server, used) == []
    assert "Voice messages need the extra `audio`" in told(server)


# -- answers ---------------------------------------------------------------------------------------


def files(send: SendRequest) -> list[tuple[str, bool]]:
    return [(file.filename, file.voice is not None) for file in send.files]


def test_an_answer_with_a_voice_message(store: Store, chat_server: Start, used: Used) -> None:
    """The first file becomes one; text and other files follow."""
    answer = "Listen.\n[[audio_as_voice]]\nMEDIA:a.mp3\nMEDIA:b.wav"
    [send] = call(store, chat_server([{"text": answer}]), used)
    assert send.text == "Listen."
    assert files(send) == [("voice-message.ogg", True), ("b.wav", False)]


@pytest.mark.parametrize(
    ("source", "name"),
    [("note.txt", "note.txt"), ("a.mp3", "a.mp3")],
    ids=["no sound", "no extra"],
)
def test_what_cannot_be_heard_as_a_voice_message_is_sent_as_a_file(
    store: Store, chat_server: Start, used: Used, monkeypatch: pytest.MonkeyPatch, source: str, name: str
) -> None:
    if source == "a.mp3":
        monkeypatch.setitem(sys.modules, "av", None)
    [send] = call(store, chat_server([{"text": f"[[audio_as_voice]]\nMEDIA:{source}"}]), used)
    assert files(send) == [(name, False)]


def test_the_directive_counts_in_the_message_tool_too(store: Store, chat_server: Start, used: Used) -> None:
    server = chat_server(rules(message="Listen.\n[[audio_as_voice]]\nMEDIA:a.mp3"))
    [send] = call(store, server, used)
    assert (send.text, files(send)) == ("Listen.", [("voice-message.ogg", True)])
