"""Anthropic messages, by the official SDK (extra ``anthropic``), imported at the first call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from shoal.base.foreign import read_json
from shoal.base.stamp import stamp_headers
from workers.agent.providers.base import (
    Done,
    Event,
    Message,
    ModelRequest,
    ProviderMissingError,
    TextDelta,
    Thinking,
    ToolCall,
    Usage,
    Watch,
)
from workers.agent.providers.failures import from_sdk
from workers.agent.providers.sdk import SdkProvider

if TYPE_CHECKING:
    from anthropic import Anthropic

__all__ = ["AnthropicProvider"]

DEFAULT_MAX_TOKENS = 8192
_STOPS = {"end_turn": "end", "stop_sequence": "end", "tool_use": "tools", "max_tokens": "length"}


class AnthropicProvider(SdkProvider["Anthropic"]):
    """One endpoint that speaks Anthropic's messages API."""

    own_url = "https://api.anthropic.com"

    def stream(self, request: ModelRequest, watch: Watch) -> Iterator[Event]:
        """Run one call; see :class:`workers.agent.providers.base.Provider`."""
        client = self._sdk(request.model)  # says so where the SDK is not installed
        import httpx2
        from anthropic import AnthropicError

        from workers.agent.providers.http import watching

        with watching(watch):
            try:
                yield from self._stream(client, request, watch)
            except (AnthropicError, httpx2.HTTPError, httpx2.StreamError) as error:
                watch()  # the SDK wraps what the watch raised inside it: raise it again, bare
                raise from_sdk(error, provider=self.id, model=request.model) from error

    def _stream(self, client: Anthropic, request: ModelRequest, watch: Watch) -> Iterator[Event]:
        body: dict[str, Any] = {
            "max_tokens": request.max_tokens or DEFAULT_MAX_TOKENS,  # the API wants one; params may say more
            **request.params,
            "model": request.model,
            "messages": _messages(request.messages),
            "stream": True,
        }
        if request.system:
            body["system"] = request.system
        if request.tools:
            body["tools"] = [
                {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}
                for tool in request.tools
            ]
        reading = _Reading()
        with client.messages.create(**body, extra_headers=stamp_headers()) as events:
            for event in events:
                watch()
                yield from reading.take(event)
        if not reading.stop:
            self._cut(request.model)
        yield Done(_STOPS.get(reading.stop, "refused" if reading.stop == "refusal" else "other"))

    def _load(self, model: str) -> Callable[..., Anthropic]:
        try:
            from anthropic import Anthropic
        except ImportError as error:
            raise ProviderMissingError(
                "The Anthropic SDK is not installed.",
                provider=self.id,
                model=model,
                fix="Install it with: pip install 'shoal[anthropic]'",
            ) from error
        return Anthropic


class _Reading:
    """Collects content blocks out of the event stream."""

    def __init__(self) -> None:
        self.stop = ""
        self._call: dict[str, str] | None = None
        self._input = 0
        self._cached = 0

    def take(self, event: Any) -> Iterator[Event]:
        if event.type == "message_start":
            self._cached = event.message.usage.cache_read_input_tokens or 0
            self._input = event.message.usage.input_tokens + self._cached
        elif event.type == "content_block_start" and event.content_block.type == "tool_use":
            block = event.content_block
            self._call = {"id": block.id, "name": block.name, "arguments": ""}
        elif event.type == "content_block_delta" and event.delta.type == "text_delta":
            yield TextDelta(event.delta.text)
        elif event.type == "content_block_delta" and event.delta.type == "thinking_delta":
            yield Thinking()
        elif event.type == "content_block_delta" and event.delta.type == "input_json_delta":
            if self._call is not None:
                self._call["arguments"] += event.delta.partial_json
        elif event.type == "content_block_stop" and self._call is not None:
            call, self._call = self._call, None
            yield ToolCall(call["id"], call["name"], call["arguments"] or "{}")
        elif event.type == "message_delta":
            self.stop = event.delta.stop_reason or self.stop
            yield Usage(input=self._input, output=event.usage.output_tokens or 0, cached=self._cached)


def _messages(messages: tuple[Message, ...]) -> list[dict[str, Any]]:
    """Roles must alternate there: neighbours of one role become blocks of one message."""
    out: list[dict[str, Any]] = []
    for message in messages:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = _blocks(message)
        if not blocks:
            continue
        if out and out[-1]["role"] == role:
            out[-1]["content"].extend(blocks)
        else:
            out.append({"role": role, "content": blocks})
    return out


def _blocks(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        result = {"type": "tool_result", "tool_use_id": message.call_id, "content": message.text}
        return [{**result, "is_error": True}] if message.error else [result]
    blocks: list[dict[str, Any]] = [
        {"type": "image", "source": {"type": "base64", "media_type": picture.mime, "data": data}}
        for picture in message.pictures
        if (data := picture.base64())
    ]
    if message.text:
        blocks.append({"type": "text", "text": message.text})
    for call in message.calls:
        try:
            arguments = read_json(call.arguments)
        except ValueError:
            arguments = {}
        arguments = arguments if isinstance(arguments, dict) else {}
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": arguments})
    return blocks
