"""Speech to text over real sockets: what is sent, which model is asked next, through which proxy."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.audio import Listener
from shoal.base.proxy import parse_proxy
from shoal.simulator.models import ModelServer
from shoal.state.media import Heard
from tests.workers.agent.support.server import CountingProxy, bodies
from tests.workers.media.support.samples import ogg
from workers.agent.providers.ears import Ears

Start = Callable[..., ModelServer]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "voice---0123.ogg"
    path.write_bytes(ogg())
    return path


def listener(server: ModelServer, model: str = "whisper-1", **more: Any) -> Listener:
    return Listener("local", model, server.base_url, SecretStr("test-key-of-no-value"), **more)


def hear(
    recording: Path, *listeners: Listener, check: Callable[[], None] = lambda: None, **more: Any
) -> Heard:
    ears = Ears(listeners, **{"proxy": None, "ca_file": None, **more})
    try:
        return ears(recording, "audio/ogg", check=check)
    finally:
        ears.close()


def test_a_recording_goes_out_whole_and_words_come_back(chat_server: Start, recording: Path) -> None:
    server = chat_server([{"transcript": " hey shoal, how are you? "}], api_key="test-key-of-no-value")
    told = listener(server, language="en", prompt="Shoal is a name.")
    assert hear(recording, told) == Heard("hey shoal, how are you?", "local/whisper-1")
    [body] = bodies(server)
    assert (body["model"], body["language"], body["prompt"]) == ("whisper-1", "en", "Shoal is a name.")
    assert body["file"] == {
        "name": "audio.ogg",
        "type": "audio/ogg",
        "size": len(ogg()),
        "sha256": hashlib.sha256(ogg()).hexdigest(),
    }
    assert "voice---" not in str(body), "the name of our file is nobody's business"


@pytest.mark.parametrize(
    ("rule", "asked", "word"),
    [
        ({"error": {"status": 401}}, 1, "refused"),
        ({"error": {"status": 500}}, 2, "failed"),
        ({"error": {"status": 429}}, 2, "failed"),
        ({"error": {"status": 400}}, 1, "failed"),
        ({"hang": 0.05}, 2, "unreachable"),
        ({"hang": True}, 1, "no-answer"),
        ({"transcript": "  "}, 1, "silence"),
    ],
)
def test_a_model_that_fails_gives_way_to_the_next(
    chat_server: Start, recording: Path, rule: dict[str, Any], asked: int, word: str
) -> None:
    first = chat_server([{"transcript": "x", "model": "one", "times": 9, **rule}])
    second = chat_server([{"transcript": "words"}])
    one = listener(first, "one", timeout_s=1.0)
    alone = hear(recording, one)
    assert (alone.text, alone.error) == ("", word)
    assert len(bodies(first)) == asked
    if word != "silence":
        assert hear(recording, one, listener(second, "two")) == Heard("words", "local/two")


@pytest.mark.parametrize(("wait", "text"), [(0.4, "words"), (60, "")])
def test_a_model_is_asked_again_when_it_said_it_may_be(
    chat_server: Start, recording: Path, wait: float, text: str
) -> None:
    """``Retry-After``: not a moment earlier, and not at all where a person would wait too long for it."""
    server = chat_server(
        [
            {"transcript": "x", "error": {"status": 429, "retry_after": wait}},
            {"transcript": "words"},
        ]
    )
    began = time.monotonic()
    assert hear(recording, listener(server, timeout_s=120.0)).text == text
    if text:
        assert time.monotonic() - began >= wait
    assert len(bodies(server)) == (2 if text else 1)


def test_limits_are_the_models_own(chat_server: Start, recording: Path) -> None:
    server = chat_server([{"transcript": "one two three", "times": 2}])
    small = listener(server, "small", max_bytes=10)
    assert hear(recording, small) == Heard(error="too-large")
    assert hear(recording, small, listener(server, "big", max_chars=7)).text == "one two"
    assert len(bodies(server)) == 1
    recording.write_bytes(b"OggS")
    assert hear(recording, listener(server)) == Heard(error="too-short")


def test_a_process_that_leaves_does_not_wait_for_a_silent_model(chat_server: Start, recording: Path) -> None:
    server = chat_server([{"transcript": "x", "hang": True}])
    began = time.monotonic()

    def leaving() -> None:
        if time.monotonic() - began > 0.3:
            raise InterruptedError("leaving")

    with pytest.raises(InterruptedError):
        hear(recording, listener(server), check=leaving)
    assert time.monotonic() - began < 3


def test_recordings_go_through_the_accounts_proxy_or_the_models_own(
    chat_server: Start, recording: Path, proxy_server: Callable[..., CountingProxy]
) -> None:
    """Promise 6: no leg without the proxy; one that is dead means no transcript."""
    server = chat_server([{"transcript": "words", "times": 9}])
    port = int(server.url.rpartition(":")[2])
    away = Listener("local", "m", f"http://models.test:{port}/v1")
    account, own = (proxy_server("http", ("127.0.0.1", port)) for _ in range(2))
    by_account = parse_proxy(f"http://127.0.0.1:{account.port}")
    assert hear(recording, away, proxy=by_account).text == "words"
    assert (len(account.targets), len(own.targets)) == (1, 0)
    by_own = Listener("local", "m", away.base_url, proxy=parse_proxy(f"http://127.0.0.1:{own.port}"))
    assert hear(recording, by_own, proxy=by_account).text == "words"
    assert (len(account.targets), len(own.targets)) == (1, 1)
    account.stop()
    assert hear(recording, away, proxy=by_account).error == "unreachable"
    assert len(bodies(server)) == 2
