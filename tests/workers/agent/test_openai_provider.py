"""The OpenAI-compatible provider, with the real SDK on real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from shoal.base.proxy import Proxy
from shoal.simulator.models import ModelServer
from tests.workers.agent.support.server import CountingProxy, bodies
from workers.agent.context import TurnContext, TurnShutdown, TurnStopped
from workers.agent.providers.base import (
    AuthError,
    BadRequestError,
    BillingError,
    ContextOverflowError,
    Done,
    Message,
    ModelError,
    ModelRequest,
    ModelTimeoutError,
    OverloadedError,
    RateLimitError,
    TextDelta,
    ToolCall,
    ToolSpec,
    Usage,
)
from workers.agent.providers.openai import OpenAIProvider

Start = Callable[..., ModelServer]
LOOK = {"name": "look", "arguments": {"at": "sky"}, "id": "call_a"}
GO = {"name": "go", "arguments": {"to": "moon"}, "id": "call_b"}
REQUEST = ModelRequest(model="m1", system="be kind", messages=(Message("user", text="hi"),))


def provider(server: ModelServer, **options: Any) -> OpenAIProvider:
    options.setdefault("api_key", SecretStr("sk-test-0123456789abcdef"))
    return OpenAIProvider("local", base_url=server.base_url, **options)


def nothing() -> None:
    return


def test_text_arrives_in_pieces_with_usage_and_an_end(chat_server: Start) -> None:
    server = chat_server([{"text": "Hello there, friend"}])
    events = list(provider(server).stream(REQUEST, nothing))
    deltas = [event.text for event in events if isinstance(event, TextDelta)]
    assert len(deltas) > 2
    assert "".join(deltas) == "Hello there, friend"
    assert Usage(10, 5, 0) in events
    assert events[-1] == Done("end")


def test_the_request_carries_system_history_tools_and_key(chat_server: Start) -> None:
    server = chat_server([{"text": "ok"}], api_key="sk-test-0123456789abcdef")
    request = ModelRequest(
        model="m1",
        system="be kind",
        messages=(
            Message("user", text="hi"),
            Message("assistant", calls=(ToolCall("c1", "look", '{"a":1}'),)),
            Message("tool", text="seen", call_id="c1"),
        ),
        tools=(ToolSpec("look", "Looks.", {"type": "object", "properties": {}}),),
        params={"temperature": 0.5},
    )
    list(provider(server).stream(request, nothing))
    body = bodies(server)[0]
    assert [message["role"] for message in body["messages"]] == ["system", "user", "assistant", "tool"]
    assert body["messages"][2]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"a":1}'}
    assert body["messages"][3]["tool_call_id"] == "c1"
    assert body["tools"][0]["function"]["name"] == "look"
    assert body["temperature"] == 0.5
    assert body["stream"] is True


def test_tool_calls_are_put_together_from_fragments(chat_server: Start) -> None:
    server = chat_server([{"text": "wait", "tool_calls": [LOOK, GO]}])
    events = list(provider(server).stream(REQUEST, nothing))
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert [(call.id, call.name, call.arguments) for call in calls] == [
        ("call_a", "look", '{"at": "sky"}'),
        ("call_b", "go", '{"to": "moon"}'),
    ]
    assert events[-1] == Done("tools")


@pytest.mark.parametrize(
    ("status", "error", "kind", "retryable"),
    [
        (401, {"message": "bad key"}, AuthError, False),
        (403, {"message": "no access"}, AuthError, False),
        (402, {"message": "pay"}, BillingError, False),
        (429, {"message": "slow down"}, RateLimitError, True),
        (
            429,
            {"message": "You exceeded your current quota", "type": "insufficient_quota"},
            BillingError,
            False,
        ),
        (400, {"message": "This model's maximum context length is 8192 tokens"}, ContextOverflowError, False),
        (400, {"message": "temperature is not supported"}, BadRequestError, False),
        (404, {"message": "no such model"}, BadRequestError, False),
        (500, {"message": "oops"}, OverloadedError, True),
        (503, {"message": "busy"}, OverloadedError, True),
        (408, {"message": "late"}, ModelTimeoutError, True),
    ],
)
def test_errors_have_kinds_and_are_not_retried_by_the_sdk(
    chat_server: Start, status: int, error: dict[str, Any], kind: type[ModelError], retryable: bool
) -> None:
    server = chat_server([{"error": {"status": status, "retry_after": 7, **error}}])
    with pytest.raises(ModelError) as caught:
        list(provider(server).stream(REQUEST, nothing))
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert caught.value.status == status
    assert caught.value.retry_after == 7.0
    assert len(bodies(server)) == 1
    assert "sk-test-0123456789abcdef" not in str(caught.value)


def test_a_stream_that_breaks_off_is_an_error_not_half_an_answer(chat_server: Start) -> None:
    server = chat_server([{"text": ["half ", "an ", "answer"], "cut_after": 2}])
    with pytest.raises(ModelTimeoutError):
        list(provider(server).stream(REQUEST, nothing))


def test_nobody_listens(chat_server: Start) -> None:
    server = chat_server([{"text": "x"}])
    gone = provider(server)
    server.stop()
    with pytest.raises(ModelTimeoutError) as caught:
        list(gone.stream(REQUEST, nothing))
    assert caught.value.retryable


def test_silence_ends_at_the_idle_limit(chat_server: Start) -> None:
    server = chat_server([{"hang": True}])
    began = time.monotonic()
    with pytest.raises(ModelTimeoutError):
        list(provider(server, idle_s=0.8).stream(REQUEST, nothing))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("rule", [{"hang": True}, {"text": ["some ", "words"], "chunk_delay": 30}])
def test_a_cancel_ends_a_silent_call_within_two_seconds(chat_server: Start, rule: dict[str, Any]) -> None:
    server = chat_server([rule])
    context = TurnContext()
    seen: list[object] = []
    began = time.monotonic()

    def watch() -> None:
        if time.monotonic() - began > 0.6:
            context.cancel()
        context.check()

    with pytest.raises(TurnStopped):
        seen.extend(provider(server).stream(REQUEST, watch))
    assert time.monotonic() - began < 0.6 + 2


def test_a_shutdown_cuts_the_stream(chat_server: Start) -> None:
    server = chat_server([{"text": [f"{n} " for n in range(100)], "chunk_delay": 0.1}])
    leaving: list[bool] = []
    context = TurnContext(shutting_down=lambda: bool(leaving))

    def read() -> None:
        for event in provider(server).stream(REQUEST, context.check):
            if isinstance(event, TextDelta):
                leaving.append(True)

    with pytest.raises(TurnShutdown):
        read()


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_the_call_goes_through_the_proxy_and_the_environment_does_not_count(
    chat_server: Start,
    proxy_server: Callable[..., CountingProxy],
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
) -> None:
    server = chat_server([{"text": "via proxy"}])
    address = ("127.0.0.1", int(server.url.split(":")[2].split("/")[0]))
    wanted = proxy_server(scheme, upstream=address)
    other = proxy_server("http")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{other.port}")
    settings = Proxy(scheme, "127.0.0.1", wanted.port, "user", SecretStr("p:w@1"))
    # the name exists nowhere: only a proxy that resolves it can answer
    asked = OpenAIProvider("far", base_url="http://models.invalid/v1", api_key=None, proxy=settings)
    events = list(asked.stream(REQUEST, nothing))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "via proxy"
    assert len(wanted.targets) == 1
    assert "models.invalid" in wanted.targets[0]
    if scheme == "socks5h":
        assert wanted.targets[0].startswith("name:")
        assert wanted.auth == ["user:p:w@1"]
    else:
        assert wanted.auth == ["Basic dXNlcjpwOndAMQ=="]
    assert other.targets == []


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
def test_a_dead_proxy_means_no_call(
    chat_server: Start, proxy_server: Callable[..., CountingProxy], scheme: str
) -> None:
    server = chat_server([{"text": "must not be reached"}])
    dead = proxy_server(scheme)
    dead.stop()
    settings = Proxy(scheme, "127.0.0.1", dead.port)
    with pytest.raises(ModelTimeoutError):
        list(provider(server, proxy=settings).stream(REQUEST, nothing))
    assert bodies(server) == []
