"""Text to speech: what services are asked, what is tried again, what becomes of it (decision 23)."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from config.speech import Speaker, Speech
from shoal.base.clock import VirtualClock
from shoal.base.proxy import parse_proxy
from shoal.base.redact import redactor
from shoal.simulator.model_speech import spoken
from shoal.simulator.models import ModelServer
from shoal.state.store import Store
from tests.workers.agent.support.server import CountingProxy, bodies
from tests.workers.agent.support.turns import LANE, deliver, deps, drive, record, request
from tests.workers.media.support.sounds import decoded, likeness
from workers.agent.context import TurnContext
from workers.agent.providers.voices import NoSpeech, Recorded, Voices
from workers.agent.results import TurnDeps
from workers.agent.speakable import speakable
from workers.agent.tools.message import MessageTool
from workers.agent.tools.registry import ToolContext, ToolRegistry
from workers.agent.tools.speech import TtsTool
from workers.delivery.records import SendRequest

Start = Callable[..., ModelServer]
KEY = "test-key-of-no-value"


def speaker(server: ModelServer, **more: Any) -> Speaker:
    values: dict[str, Any] = {
        "provider": "local",
        "api": "openai",
        "base_url": server.base_url,
        "model": "tts-x",
        "voice": "onyx",
        "api_key": SecretStr(KEY),
        "more": {"response_format": "wav"},
    }
    return Speaker(**{**values, **more})


def say(*speakers: Speaker, text: str = "good morning", **more: Any) -> Recorded:
    values = {"timeout_s": 5.0, **{name: more.pop(name) for name in ("timeout_s", "check") if name in more}}
    voices = Voices(**{"proxy": None, "ca_file": None, **{k: more.pop(k) for k in ("proxy",) if k in more}})
    try:
        return voices(speakers, text, **values, **more)
    finally:
        voices.close()


def speeches(server: ModelServer) -> list[dict[str, Any]]:
    return [one["body"] for one in server.requests() if not one["path"].endswith("/completions")]


# -- services --------------------------------------------------------------------------------------


def test_openai_is_asked_as_it_wants(chat_server: Start) -> None:
    server = chat_server([], api_key=KEY)
    made = say(speaker(server, more={"response_format": "wav", "speed": 1.25, "instructions": "warmly"}))
    assert speeches(server) == [
        {
            "model": "tts-x", "input": "good morning", "voice": "onyx", "response_format": "wav",
            "speed": 1.25, "instructions": "warmly",
        }
    ]  # fmt: skip
    assert (made.mime, made.speaker) == ("audio/wav", "local/tts-x")
    assert made.data[-2 * 4_800 :] == spoken("good morning").tobytes()[-2 * 4_800 :]


def test_elevenlabs_and_deepgram_are_asked_as_they_want(chat_server: Start) -> None:
    server = chat_server([], api_key=KEY)
    eleven = speaker(
        server, api="elevenlabs", model="eleven_x", voice="v/1",
        more={"output_format": "wav_24000", "voice_settings": {"stability": 0.4}, "speed": 1.1},
    )  # fmt: skip
    say(eleven)
    say(speaker(server, api="deepgram", model="aura", voice="", more={"encoding": "wav"}))
    first, second = server.requests()
    assert (first["path"], first["body"]["voice"]) == ("/v1/text-to-speech/v%2F1", "v/1")
    assert first["body"]["voice_settings"] == {"stability": 0.4, "speed": 1.1}
    assert (first["body"]["model_id"], first["body"]["text"]) == ("eleven_x", "good morning")
    assert second["path"] == "/v1/speak"
    assert second["body"] == {"model": "aura", "encoding": "wav", "text": "good morning"}


@pytest.mark.parametrize("error", [{"status": 429, "retry_after": 0.05}, {"status": 503}, {"status": 500}])
def test_what_may_pass_is_asked_again(chat_server: Start, error: dict[str, Any]) -> None:
    server = chat_server([{"speech": True, "times": 1, "error": error}])
    assert say(speaker(server)).mime == "audio/wav"
    assert len(speeches(server)) == 2


@pytest.mark.parametrize(
    ("rule", "asked", "said"),
    [
        ({"error": {"status": 401}}, 1, "answered 401"),
        ({"error": {"status": 400, "message": "no such voice"}}, 1, "no such voice"),
        ({"error": {"status": 429, "retry_after": 60}}, 1, "answered 429"),
        ({"hang": True}, 1, "took too long"),
    ],
)
def test_a_speaker_that_fails_gives_way_to_the_next(
    chat_server: Start, rule: dict[str, Any], asked: int, said: str
) -> None:
    first = chat_server([{"speech": True, "times": 9, **rule}])
    with pytest.raises(NoSpeech, match=said) as caught:
        say(speaker(first), timeout_s=1.0)
    assert KEY not in str(caught.value)
    assert len(speeches(first)) == asked
    if "hang" not in rule:
        other = chat_server([])
        assert say(speaker(first), speaker(other, provider="other")).speaker == "other/tts-x"


def test_an_answer_that_is_no_recording_is_none(chat_server: Start) -> None:
    server = chat_server([{"text": "words"}])
    with pytest.raises(NoSpeech, match="answered 404"):
        say(speaker(server, base_url=f"{server.url}/nowhere"))


def test_who_must_leave_does_not_wait(chat_server: Start) -> None:
    server = chat_server([{"speech": True, "hang": True}])
    began = time.monotonic()

    def leaving() -> None:
        if time.monotonic() - began > 0.3:
            raise InterruptedError("leaving")

    with pytest.raises(InterruptedError):
        say(speaker(server), timeout_s=30.0, check=leaving)
    assert time.monotonic() - began < 5


def test_texts_go_through_the_proxy_or_not_at_all(
    chat_server: Start, proxy_server: Callable[..., CountingProxy]
) -> None:
    """Promise 6."""
    server = chat_server([])
    port = int(server.url.rpartition(":")[2])
    away = speaker(server, base_url=f"http://voices.test:{port}/v1")
    proxy = proxy_server("http", ("127.0.0.1", port))
    by = parse_proxy(f"http://127.0.0.1:{proxy.port}")
    assert say(away, proxy=by).mime == "audio/wav"
    assert len(proxy.targets) == 1
    proxy.stop()
    with pytest.raises(NoSpeech, match="cannot be reached"):
        say(away, proxy=by, timeout_s=0.5)
    assert len(speeches(server)) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "**Hi** <@123>, see [the docs](https://x.y/z(1)) and `code` <:wave:12>",
            "Hi , see the docs and code wave",
        ),
        (
            "# Title\n- one\n- two_three _it_\n```py\nx=1\n```\nend https://a.b",
            "Title\none\ntwo_three it\n\nend",
        ),
        ("> quoted\n||secret|| ~~gone~~", "quoted\nsecret gone"),
        ("| a | b |\n|---|---|\n| 1 | 2 |", "a, b\n\n1, 2"),
        ("```only code```", ""),
        ("🙂 !", ""),
        ("早安。", "早安。"),
    ],
)
def test_what_can_be_said(text: str, words: str) -> None:
    assert speakable(text) == words


# -- the tool --------------------------------------------------------------------------------------


def used(store: Store, server: ModelServer, **more: Any) -> TurnDeps:
    voices = Voices(proxy=None, ca_file=None)
    speech = Speech(**{"speakers": (speaker(server),), **more})
    tool = TtsTool(lambda _request: speech, lambda _account: voices)
    return replace(deps(store, server), tools=ToolRegistry.of([MessageTool(), tool]))


def rules(**arguments: Any) -> list[dict[str, Any]]:
    return [{"tool_calls": [{"name": "tts", "arguments": arguments}]}, {"text": ["NO_REPLY"]}]


def call(store: Store, server: ModelServer, made: TurnDeps) -> list[SendRequest]:
    store.lanes.push(LANE, record(request()))
    sent: list[SendRequest] = []
    drive(store, made, sent)
    deliver(store, sent)
    return sent


def told(server: ModelServer) -> str:
    chats = [body for body in bodies(server) if "messages" in body]
    return str(chats[-1]["messages"][-1]["content"])


@pytest.mark.waits
def test_a_text_becomes_a_voice_message_with_its_words_beside(store: Store, chat_server: Start) -> None:
    server = chat_server(rules(text="**Good** morning, Ann", voice="ash", silent=True))
    [send] = call(store, server, used(store, server))
    [file] = send.files
    assert (send.text, send.spoken, send.silent) == ("", "Good morning, Ann", True)
    assert file.voice is not None
    assert file.voice.seconds == pytest.approx(0.04 * 17, rel=0.01)
    data = store.blobs.get(file.blob)
    assert data is not None
    assert likeness(spoken("Good morning, Ann", 8_000), decoded(data)) > 0.95
    assert speeches(server)[0]["voice"] == "ash"
    assert '"voiceMessage":true' in told(server)


def test_the_same_words_are_not_written_again(store: Store, chat_server: Start) -> None:
    """3.18: what was said aloud here is no news as a final text."""
    script = rules(text="good morning", asVoice=False)
    server = chat_server([script[0], {"text": "good morning"}])
    sent = call(store, server, used(store, server))
    assert [len(one.files) for one in sent] == [1]


def test_a_turn_that_waits_for_a_service_gets_nowhere(store: Store, chat_server: Start) -> None:
    """R24: the step is looked after, and the watch for stuck turns still counts."""
    server = chat_server([])
    clock, quiet = VirtualClock(), list[float]()
    turn = TurnContext(clock)

    class Slow(Voices):
        def __call__(self, *args: Any, check: Callable[[], None], **more: Any) -> Recorded:
            def later() -> None:
                clock.advance(10.0)
                check()
                quiet.append(turn.quiet_s)
                assert turn.progressing()

            return super().__call__(*args, check=later, **more)

    speech, voices = Speech(speakers=(speaker(server),)), Slow(proxy=None, ca_file=None)
    tool = TtsTool(lambda _request: speech, lambda _account: voices)
    tool.run({"text": "hello", "asVoice": False}, ToolContext(request(), "c", "t1", store, turn))
    voices.close()
    assert quiet == [10.0 * number for number in range(1, len(quiet) + 1)]
    assert quiet


def test_as_a_file(store: Store, chat_server: Start) -> None:
    server = chat_server(rules(text="good morning", asVoice=False))
    [send] = call(store, server, used(store, server))
    [file] = send.files
    assert (file.filename, file.content_type, file.voice) == ("speech.wav", "audio/wav", None)


def test_without_the_extra_it_is_a_file_and_the_model_is_told(
    store: Store, chat_server: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    server = chat_server(rules(text="good morning"))
    [send] = call(store, server, used(store, server))
    assert [file.voice for file in send.files] == [None]
    assert "Sent as a file" in told(server)
    assert "extra `audio`" in told(server)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"text": ""}, "no words to say"),
        ({"text": "```code```"}, "no words to say"),
        ({"text": "x" * 51}, "51 characters; at most 50"),
        ({"text": "fail"}, "It could not be spoken: local/tts-x answered 400: no such voice"),
    ],
)
def test_what_cannot_be_said_says_why(
    store: Store, chat_server: Start, arguments: dict[str, Any], said: str
) -> None:
    error = {"status": 400, "message": "no such voice"}
    server = chat_server([*rules(**arguments), {"speech": True, "match": "fail", "error": error}])
    assert call(store, server, used(store, server, max_chars=50)) == []
    assert said in told(server)


def test_a_key_that_a_service_repeats_does_not_reach_the_model(store: Store, chat_server: Start) -> None:
    """Promise 8. What a service says is cut: a key is masked before that, or half of it would be left."""
    key = "plain-key-of-a-voice-0123456789"
    redactor.register(key)
    error = {"status": 401, "message": f"{'wrong key ' * 15}{key} {key}"}
    server = chat_server([*rules(text="hello"), {"speech": True, "error": error}])
    assert call(store, server, used(store, server)) == []
    assert "answered 401: wrong key" in told(server)
    assert key[:12] not in str(bodies(server)[-1])


def test_the_tool_is_there_only_where_somebody_can_speak(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "hi"}])
    call(store, server, used(store, server, speakers=()))
    assert [tool["function"]["name"] for tool in bodies(server)[-1]["tools"]] == ["message"]


def test_a_voice_is_chosen_only_where_it_may_be(store: Store, chat_server: Start) -> None:
    server = chat_server(rules(text="hello there", voice="ash", asVoice=False))
    call(store, server, used(store, server, choices=frozenset()))
    assert speeches(server)[0]["voice"] == "onyx"
