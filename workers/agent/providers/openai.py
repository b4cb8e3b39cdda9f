"""OpenAI-compatible chat completions, by the official SDK, at any base URL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from shoal.base.ids import new_token
from shoal.base.stamp import stamp_headers
from workers.agent.providers.base import (
    Done,
    Event,
    Message,
    ModelRequest,
    TextDelta,
    Thinking,
    ToolCall,
    Usage,
    Watch,
)
from workers.agent.providers.failures import from_sdk
from workers.agent.providers.sdk import SdkProvider

if TYPE_CHECKING:
    from openai import OpenAI, Stream

__all__ = ["OpenAIProvider"]

_STOPS = {"stop": "end", "tool_calls": "tools", "function_call": "tools", "length": "length"}


class OpenAIProvider(SdkProvider["OpenAI"]):
    """One endpoint that speaks chat completions."""

    own_url = "https://api.openai.com/v1"

    def stream(self, request: ModelRequest, watch: Watch) -> Iterator[Event]:
        """Run one call; see :class:`workers.agent.providers.base.Provider`."""
        import httpx2
        from openai import OpenAIError

        from workers.agent.providers.http import watching

        with watching(watch):
            try:
                yield from self._stream(request, watch)
            except (OpenAIError, httpx2.HTTPError, httpx2.StreamError) as error:
                watch()  # the SDK wraps what the watch raised inside it: raise it again, bare
                raise from_sdk(error, provider=self.id, model=request.model) from error

    def _stream(self, request: ModelRequest, watch: Watch) -> Iterator[Event]:
        body: dict[str, Any] = {
            **request.params,
            "model": request.model,
            "messages": _messages(request),
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": dict(tool.parameters),
                    },
                }
                for tool in request.tools
            ]
        if request.max_tokens is not None:
            body.setdefault("max_tokens", request.max_tokens)
        calls = _CallParts()
        stop = ""
        with self._chunks(body) as chunks:
            for chunk in chunks:
                watch()
                if not isinstance(chunk, dict):
                    continue
                if chunk.get("usage"):
                    yield _usage(chunk["usage"])
                for choice in (chunk.get("choices") or ())[:1]:
                    delta = choice.get("delta") or {}
                    if delta.get("reasoning_content") or delta.get("reasoning"):
                        yield Thinking()
                    if delta.get("content"):
                        yield TextDelta(delta["content"])
                    calls.add(delta.get("tool_calls") or ())
                    if choice.get("finish_reason"):
                        stop = choice["finish_reason"]
        if not stop:
            self._cut(request.model)
        yield from calls.finished()
        yield Done(_STOPS.get(stop, "refused" if stop == "content_filter" else "other"))

    def _chunks(self, body: dict[str, Any]) -> Stream[object]:
        """The SDK's own call with the chunks left as JSON: its models cost more than all the rest."""
        from openai import Stream

        return self._sdk().post(
            "/chat/completions",
            cast_to=object,
            body=body,
            options={"headers": stamp_headers()},
            stream=True,
            stream_cls=Stream[object],
        )

    def _load(self, model: str) -> Callable[..., OpenAI]:
        del model  # this SDK is always installed
        from openai import OpenAI

        return partial(OpenAI, organization="", project="")


class _CallParts:
    """Tool calls arrive in fragments, keyed by index; some servers leave the id or index out."""

    def __init__(self) -> None:
        self._parts: dict[int, dict[str, str]] = {}

    def add(self, deltas: Any) -> None:
        for delta in deltas:
            index = delta.get("index")
            part = self._parts.setdefault(
                len(self._parts) if index is None else index, {"id": "", "name": "", "arguments": ""}
            )
            part["id"] = delta.get("id") or part["id"]
            function = delta.get("function") or {}
            part["name"] += function.get("name") or ""
            part["arguments"] += function.get("arguments") or ""

    def finished(self) -> Iterator[ToolCall]:
        for _, part in sorted(self._parts.items()):
            yield ToolCall(part["id"] or f"call_{new_token()[:12]}", part["name"], part["arguments"] or "{}")


def _usage(usage: Any) -> Usage:
    details = usage.get("prompt_tokens_details") or {}
    return Usage(
        input=usage.get("prompt_tokens") or 0,
        output=usage.get("completion_tokens") or 0,
        cached=details.get("cached_tokens") or 0,
    )


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    if request.system:
        out.append({"role": "system", "content": request.system})
    out.extend(_message(message) for message in request.messages)
    return out


def _message(message: Message) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "tool", "tool_call_id": message.call_id, "content": message.text}
    if message.role == "assistant" and message.calls:
        return {
            "role": "assistant",
            "content": message.text or None,
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": call.arguments},
                }
                for call in message.calls
            ],
        }
    return {"role": message.role, "content": _content(message)}


def _content(message: Message) -> str | list[dict[str, Any]]:
    """Text, or text and pictures as data URLs."""
    shown = [(picture.mime, data) for picture in message.pictures if (data := picture.base64())]
    if not shown:
        return message.text
    parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    return parts + [
        {"type": "image_url", "image_url": {"url": f"data:{mime};base64,{data}"}} for mime, data in shown
    ]
