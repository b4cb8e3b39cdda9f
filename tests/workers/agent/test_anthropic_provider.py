"""The Anthropic provider, with the real SDK on real sockets."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from shoal.simulator.models import ModelServer
from tests.workers.agent.support.server import bodies
from workers.agent.context import TurnContext, TurnStopped
from workers.agent.providers.anthropic import AnthropicProvider
from workers.agent.providers.base import (
    AuthError,
    Done,
    Message,
    ModelError,
    ModelRequest,
    OverloadedError,
    ProviderMissingError,
    RateLimitError,
    TextDelta,
    Thinking,
    ToolCall,
    ToolSpec,
    Usage,
)

Start = Callable[..., ModelServer]
REQUEST = ModelRequest(model="m1", system="be kind", messages=(Message("user", text="hi"),))


def provider(server: ModelServer) -> AnthropicProvider:
    return AnthropicProvider("anthropic", base_url=server.url, api_key=SecretStr("sk-ant-0123456789"))


def nothing() -> None:
    return


def test_text_tools_and_usage(chat_server: Start) -> None:
    look = {"name": "look", "arguments": {"at": "sky"}, "id": "c1"}
    server = chat_server([{"text": "Let me see", "tool_calls": [look]}], api_key="sk-ant-0123456789")
    events = list(provider(server).stream(REQUEST, nothing))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Let me see"
    assert ToolCall("c1", "look", '{"at": "sky"}') in events
    assert Usage(10, 5, 0) in events
    assert events[-1] == Done("tools")


def test_thoughts_are_noticed_and_not_kept(chat_server: Start) -> None:
    server = chat_server([{"reasoning": ["hm", " hm"], "text": "Yes."}], api_key="sk-ant-0123456789")
    events = list(provider(server).stream(REQUEST, nothing))
    assert [event for event in events if isinstance(event, Thinking)] == [Thinking(), Thinking()]
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "Yes."


def test_roles_alternate_and_results_are_blocks(chat_server: Start) -> None:
    server = chat_server([{"text": "ok"}])
    request = ModelRequest(
        model="m1",
        system="be kind",
        messages=(
            Message("user", text="a"),
            Message("user", text="b"),
            Message(
                "assistant", text="hm", calls=(ToolCall("c1", "look", '{"x":1}'), ToolCall("c2", "go", "?"))
            ),
            Message("tool", text="seen", call_id="c1"),
            Message("tool", text="no", call_id="c2", error=True),
            Message("user", text="and?"),
        ),
        tools=(ToolSpec("look", "Looks.", {"type": "object", "properties": {}}),),
    )
    list(provider(server).stream(request, nothing))
    body: dict[str, Any] = bodies(server)[0]
    assert body["system"] == "be kind"
    assert body["max_tokens"] > 0
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == [
        "tool_result",
        "tool_result",
        "text",
    ]
    assert body["messages"][2]["content"][1]["is_error"] is True
    assert body["tools"][0]["input_schema"]["type"] == "object"


def test_the_configs_own_bound_on_tokens_counts(chat_server: Start) -> None:
    server = chat_server([{"text": "a"}, {"text": "b"}])
    list(provider(server).stream(msgspec.structs.replace(REQUEST, params={"max_tokens": 20_000}), nothing))
    list(provider(server).stream(REQUEST, nothing))
    assert [body["max_tokens"] for body in bodies(server)] == [20_000, 8192]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, AuthError), (429, RateLimitError), (529, OverloadedError), (500, OverloadedError)],
)
def test_errors_have_kinds(chat_server: Start, status: int, kind: type[ModelError]) -> None:
    server = chat_server([{"error": {"status": status}}])
    with pytest.raises(ModelError) as caught:
        list(provider(server).stream(REQUEST, nothing))
    assert type(caught.value) is kind
    assert len(bodies(server)) == 1


def test_a_cancel_ends_a_silent_call(chat_server: Start) -> None:
    context = TurnContext()
    context.watch_stop(lambda: True)
    with pytest.raises(TurnStopped):
        list(provider(chat_server([{"hang": True}])).stream(REQUEST, context.check))


def test_a_missing_sdk_is_named_with_its_extra(chat_server: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "anthropic":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ProviderMissingError, match=r"shoal\[anthropic\]"):
        list(provider(chat_server([])).stream(REQUEST, nothing))
