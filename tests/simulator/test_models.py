"""The scripted model server, used through the real SDKs."""

from __future__ import annotations

import io
import json
import threading
import time
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
import requests

from shoal.simulator.errors import SimulatorError
from shoal.simulator.model_speech import recorded, spoken
from shoal.simulator.models import ModelServer

TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {"name": "look", "description": "d", "parameters": {"type": "object", "properties": {}}},
    }
]


@pytest.fixture
def models(tmp_path: Path) -> Iterator[ModelServer]:
    with ModelServer(log=tmp_path / "models.jsonl") as server:
        yield server


@pytest.fixture
def client(models: ModelServer) -> openai.OpenAI:
    return openai.OpenAI(base_url=models.base_url, api_key="any", max_retries=0, timeout=10)


@pytest.fixture
def claude(models: ModelServer) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=models.url, api_key="any", max_retries=0, timeout=10)


def user(text: str) -> Any:
    return {"role": "user", "content": text}


def ask(client: openai.OpenAI, *messages: Any, **more: Any) -> Any:
    return client.chat.completions.create(model="scripted", messages=list(messages), **more)


def test_models_are_listed(client: openai.OpenAI) -> None:
    assert [m.id for m in client.models.list()] == ["scripted"]


def test_a_plain_answer_and_a_streamed_one(models: ModelServer, client: openai.OpenAI) -> None:
    models.script([{"match": "hi", "text": "Hello, {last} to you.", "usage": [7, 3]}])
    whole = ask(client, user("hi"))
    assert whole.choices[0].message.content == "Hello, hi to you."
    assert whole.choices[0].finish_reason == "stop"
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens, whole.usage.total_tokens) == (7, 3, 10)
    chunks = list(ask(client, user("hi"), stream=True, stream_options={"include_usage": True}))
    texts = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(texts) == "Hello, hi to you."
    assert len([t for t in texts if t]) > 2
    assert chunks[-1].usage.total_tokens == 10
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert ask(client, user("else")).choices[0].message.content == "You said: else"


def test_tools_in_deltas_and_their_results(models: ModelServer, client: openai.OpenAI) -> None:
    models.script(
        [
            {
                "match": "weather",
                "text": "Let me see. ",
                "tool_calls": [
                    {"name": "look", "arguments": {"city": "Rome"}},
                    {"name": "look", "arguments": "{broken"},
                ],
            },
            {"after_tool": "rain", "text": "Take an umbrella."},
        ]
    )
    calls: dict[int, dict[str, str]] = {}
    finish = None
    for chunk in ask(client, user("weather?"), tools=TOOLS, stream=True):
        choice = chunk.choices[0]
        finish = choice.finish_reason or finish
        for delta in choice.delta.tool_calls or ():
            call = calls.setdefault(delta.index, {"id": "", "name": "", "arguments": ""})
            call["id"] += delta.id or ""
            call["name"] += delta.function.name or ""
            call["arguments"] += delta.function.arguments or ""
    assert finish == "tool_calls"
    assert json.loads(calls[0]["arguments"]) == {"city": "Rome"}
    assert calls[1]["arguments"] == "{broken"
    assert calls[0]["id"] != calls[1]["id"]
    said = {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": c["id"], "type": "function", "function": {"name": "look", "arguments": "{}"}}
            for c in calls.values()
        ],
    }
    results = [{"role": "tool", "tool_call_id": c["id"], "content": "rain"} for c in calls.values()]
    final = ask(client, user("weather?"), said, *results)
    assert final.choices[0].message.content == "Take an umbrella."
    with pytest.raises(openai.BadRequestError, match="tool_call_id"):
        ask(client, user("weather?"), said, results[0])
    with pytest.raises(openai.BadRequestError, match="preceding"):
        ask(client, user("weather?"), results[0])


def test_what_was_asked_and_what_a_tool_said_go_into_the_next_call(
    models: ModelServer, client: openai.OpenAI
) -> None:
    models.script(
        [
            {"match": r"edit (\w+)", "tool_calls": [{"name": "look", "arguments": {"city": "{1}"}}]},
            {
                "match": r"edit (\w+)",
                "after_tool": r"found (\d+)",
                "tool_calls": [{"name": "look", "arguments": {"city": "{1}, {tool}"}}],
            },
            {"after_tool": ".", "text": "no edit"},
        ]
    )
    first = ask(client, user("edit Rome"), tools=TOOLS).choices[0].message
    assert json.loads(first.tool_calls[0].function.arguments) == {"city": "Rome"}
    result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "found 17"}
    said = first.model_dump(exclude_none=True)
    second = ask(client, user("edit Rome"), said, result, tools=TOOLS).choices[0].message
    assert json.loads(second.tool_calls[0].function.arguments) == {"city": "Rome, 17"}
    other = ask(client, user("look at Rome"), said, result, tools=TOOLS).choices[0].message
    assert other.content == "no edit", "with both, match must fit as well"


def test_going_on_with_an_answer_that_was_cut_off(
    models: ModelServer, client: openai.OpenAI, claude: anthropic.Anthropic
) -> None:
    models.script(
        [
            {"match": r"tell of (\w+)", "going_on": True, "text": "all of {1}"},
            {"match": "tell", "text": "begun"},
        ]
    )
    cut: list[Any] = [user("tell of Rome"), {"role": "assistant", "content": "be"}, user("go on")]
    assert ask(client, *cut[:1]).choices[0].message.content == "begun"
    assert ask(client, *cut).choices[0].message.content == "all of Rome"
    said = claude.messages.create(model="scripted", max_tokens=10, messages=cut)
    assert said.content[0].text == "all of Rome"  # type: ignore[union-attr]


def test_steps_are_used_up_in_order(models: ModelServer, client: openai.OpenAI) -> None:
    models.script([{"text": "one"}, {"text": "two", "times": 2}])
    said = [ask(client, user("x")).choices[0].message.content for _ in range(4)]
    assert said == ["one", "two", "two", "You said: x"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, openai.RateLimitError),
        (401, openai.AuthenticationError),
        (500, openai.InternalServerError),
        (400, openai.BadRequestError),
    ],
)
def test_errors(
    models: ModelServer, client: openai.OpenAI, status: int, error: type[openai.APIStatusError]
) -> None:
    models.script([{"error": {"status": status, "retry_after": 2}}])
    with pytest.raises(error) as caught:
        ask(client, user("x"))
    assert caught.value.response.headers["Retry-After"] == "2"
    assert models.requests()[0]["outcome"] == "error"


def test_cut_hang_and_leaving(models: ModelServer, client: openai.OpenAI) -> None:
    models.script(
        [{"text": ["a", "b", "c", "d"], "cut_after": 3}, {"hang": True}, {"hang": 0.1}, {"hang": True}]
    )
    got: list[str] = []

    def read() -> None:
        for chunk in ask(client, user("x"), stream=True):
            got.append(chunk.choices[0].delta.content or "")

    with pytest.raises(openai.APIConnectionError):
        read()
    assert "".join(got) == "ab"
    with pytest.raises(openai.APITimeoutError):
        ask(client, user("x"), timeout=0.3)
    with pytest.raises(openai.APIConnectionError):
        ask(client, user("x"))
    deadline = time.monotonic() + 5
    while models.requests()[1]["outcome"] is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert [r["outcome"] for r in models.requests()] == ["cut", "gone", "cut"]


def test_delays_and_overlap_show_in_the_log(
    models: ModelServer, client: openai.OpenAI, tmp_path: Path
) -> None:
    models.script([{"text": ["a", "b"], "delay": 0.2, "chunk_delay": 0.1, "times": 2}])
    threads = [threading.Thread(target=lambda: list(ask(client, user("x"), stream=True))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    deadline = time.monotonic() + 5  # the last byte may be read before the end is written down
    while any(request["outcome"] is None for request in models.requests()) and time.monotonic() < deadline:
        time.sleep(0.02)
    one, two = models.requests()
    assert one["outcome"] == two["outcome"] == "done"
    assert one["ended"] - one["started"] >= 0.3
    assert max(one["started"], two["started"]) < min(one["ended"], two["ended"])
    lines = [json.loads(line) for line in (tmp_path / "models.jsonl").read_text().splitlines()]
    assert [line["kind"] for line in lines].count("start") == 2
    assert lines[0]["body"]["messages"] == [user("x")]


def test_anthropic_text_and_tools(models: ModelServer, claude: anthropic.Anthropic) -> None:
    models.script(
        [
            {
                "match": "weather",
                "text": "Let me see.",
                "tool_calls": [{"name": "look", "arguments": {"city": "Rome"}}],
            },
            {"after_tool": "rain", "text": "Take an umbrella.", "usage": [9, 4]},
        ]
    )
    tools: list[Any] = [{"name": "look", "description": "d", "input_schema": {"type": "object"}}]
    with claude.messages.stream(
        model="m", max_tokens=100, messages=[user("weather?")], tools=tools
    ) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert text == "Let me see."
    assert message.stop_reason == "tool_use"
    call: Any = message.content[1]
    assert (call.name, call.input) == ("look", {"city": "Rome"})
    said: Any = {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in message.content]}
    result: Any = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "rain"}],
    }
    final = claude.messages.create(model="m", max_tokens=100, messages=[user("weather?"), said, result])
    assert final.content[0].text == "Take an umbrella."  # type: ignore[union-attr]
    assert (final.stop_reason, final.usage.input_tokens, final.usage.output_tokens) == ("end_turn", 9, 4)
    with pytest.raises(anthropic.BadRequestError, match="tool_result"):
        claude.messages.create(model="m", max_tokens=100, messages=[user("weather?"), said, user("more")])


def test_anthropic_errors(models: ModelServer, claude: anthropic.Anthropic) -> None:
    models.script([{"error": {"status": 529}}, {"error": {"status": 429}}])
    with pytest.raises(anthropic.APIStatusError) as caught:
        claude.messages.create(model="m", max_tokens=1, messages=[user("x")])
    assert caught.value.status_code == 529
    with pytest.raises(anthropic.RateLimitError):
        claude.messages.create(model="m", max_tokens=1, messages=[user("x")])


def test_keys_scripts_and_their_mistakes(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text('[{"text": "from a file"}]', encoding="utf-8")
    with ModelServer(script=path, api_key="right") as models:
        wrong = openai.OpenAI(base_url=models.base_url, api_key="wrong", max_retries=0)
        with pytest.raises(openai.AuthenticationError):
            ask(wrong, user("x"))
        right = openai.OpenAI(base_url=models.base_url, api_key="right", max_retries=0)
        assert ask(right, user("x")).choices[0].message.content == "from a file"
        put = requests.put(models.url + "/control/script", json=[{"text": "put"}], timeout=5)
        assert put.status_code == 200
        assert ask(right, user("x")).choices[0].message.content == "put"
        assert requests.put(models.url + "/control/script", json=[{"nope": 1}], timeout=5).status_code == 400
    for bad in ([{"colour": 1}], [{"match": "("}]):
        with pytest.raises(SimulatorError):
            ModelServer(script=bad)


def test_a_text_is_spoken_in_real_recordings() -> None:
    """What is heard follows from the text; formats are those of OpenAI."""
    with ModelServer(
        script=[{"speech": True, "match": "bad", "error": {"status": 503}}], api_key="k"
    ) as models:
        url, headers = f"{models.base_url}/audio/speech", {"Authorization": "Bearer k"}

        def ask(text: str, form: str) -> requests.Response:
            body = {"model": "tts", "voice": "v", "input": text, "response_format": form}
            return requests.post(url, json=body, headers=headers, timeout=10)

        made = ask("good morning", "wav")
        assert (made.status_code, made.headers["Content-Type"]) == (200, "audio/wav")
        with wave.open(io.BytesIO(made.content)) as sound:
            assert sound.readframes(sound.getnframes()) == spoken("good morning").tobytes()
        assert ask("good morning", "pcm").content == spoken("good morning").tobytes()
        assert ask("good morning", "wma").status_code == 400
        assert ask("", "wav").status_code == 400
        assert ask("bad", "wav").status_code == 503
        assert requests.post(url, json={}, timeout=10).status_code == 401
        eleven = f"{models.base_url}/text-to-speech/anna?output_format=wav_24000"
        assert requests.post(eleven, json={"text": "hi"}, headers={"xi-api-key": "k"}, timeout=10).ok
        deepgram = f"{models.base_url}/speak?model=aura&encoding=wav"
        assert requests.post(
            deepgram, json={"text": "hi"}, headers={"Authorization": "Token k"}, timeout=10
        ).ok


@pytest.mark.parametrize(
    ("form", "head"), [("opus", b"OggS"), ("mp3", b""), ("flac", b"fLaC"), ("aac", b"\xff")]
)
def test_speech_in_packed_formats(form: str, head: bytes) -> None:
    kind, data = recorded("good morning", form)
    assert kind.startswith("audio/")
    assert data.startswith(head)
    assert len(data) > 500
