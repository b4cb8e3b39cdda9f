"""The two model APIs the server speaks: OpenAI chat completions and Anthropic messages.

Each format reads a request (and refuses histories the real API refuses, above all tool calls without results)
and writes a reply whole or as server-sent events.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any, Protocol

import orjson

from shoal.simulator.model_script import Asked, Reply

__all__ = ["Anthropic", "Format", "OpenAI", "Refused"]

Json = dict[str, Any]


class Refused(Exception):
    """A request the API would refuse: status 400 with this text."""


class Format(Protocol):
    """One API."""

    def read(self, body: Json) -> Asked:
        """What is asked; raises :class:`Refused`."""
        ...

    def whole(self, reply: Reply, body: Json, number: int) -> Json:
        """The answer without streaming."""
        ...

    def events(self, reply: Reply, body: Json, number: int) -> Iterator[bytes]:
        """The answer as server-sent events, one chunk each."""
        ...

    def error(self, status: int, message: str, kind: str | None) -> Json:
        """An error body."""
        ...


def _text(content: Any) -> str:
    """The text of a message's content, given as text or as parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def _openai_pictures(messages: list[Json]) -> int:
    """The pictures of a request; only users send them, as data URLs of kinds that are read."""
    count = 0
    for message in messages:
        parts = message.get("content")
        for part in parts if isinstance(parts, list) else ():
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "image_url":
                if message.get("role") != "user":
                    raise Refused("Invalid 'messages': only user messages may hold image_url parts.")
                url = str((part.get("image_url") or {}).get("url", ""))
                head, _, data = url.removeprefix("data:").partition(";base64,")
                if not url.startswith("data:"):
                    raise Refused(f"Failed to download image from {url[:60]}.")
                _picture(head, data)
                count += 1
            elif kind != "text":
                raise Refused(f"Invalid value: {kind!r}. Supported values are: 'text', 'image_url'.")
    return count


def _anthropic_pictures(messages: list[Json]) -> int:
    """The same of Anthropic's blocks."""
    count = 0
    for message in messages:
        parts = message.get("content")
        for part in parts if isinstance(parts, list) else ():
            if part.get("type") != "image":
                continue
            source = part.get("source") or {}
            if message.get("role") != "user" or source.get("type") != "base64":
                raise Refused("messages: image blocks need a base64 source in a user message")
            if len(str(source.get("data"))) > 5 * 1024 * 1024:
                raise Refused("messages: image exceeds 5 MB maximum")
            _picture(str(source.get("media_type")), str(source.get("data")))
            count += 1
    return count


def _picture(kind: str, data: str) -> None:
    """Refuse what is no picture of that kind."""
    signatures = {
        "image/png": b"\x89PNG\r\n\x1a\n",
        "image/jpeg": b"\xff\xd8\xff",
        "image/gif": b"GIF8",
        "image/webp": b"RIFF",
    }
    if kind not in signatures:
        raise Refused(f"You uploaded an unsupported image ({kind}).")
    try:
        raw = base64.b64decode(data, validate=True)
    except ValueError:
        raise Refused("Invalid base64 image data.") from None
    if not raw.startswith(signatures[kind]):
        raise Refused(f"The image data does not match the media type {kind}.")


def _messages(body: Json) -> list[Json]:
    messages = body.get("messages")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Refused("you must provide a model parameter")
    if not isinstance(messages, list) or not messages or not all(isinstance(m, dict) for m in messages):
        raise Refused("'messages' must be a list with at least one message")
    return messages


def _sse(data: Json, name: str = "") -> bytes:
    head = f"event: {name}\n".encode() if name else b""
    return head + b"data: " + orjson.dumps(data) + b"\n\n"


def _last_said(messages: list[Json]) -> tuple[str, str]:
    """The last two user messages with words, the newest behind."""
    spoken = [_text(m.get("content")) for m in messages if m["role"] == "user" and _text(m.get("content"))]
    before, last = ["", "", *spoken][-2:]
    return before, last


class OpenAI:
    """``/v1/chat/completions``."""

    def read(self, body: Json) -> Asked:
        """Check the order of tool calls and results, and find the last words."""
        messages = _messages(body)
        waiting: set[str] = set()
        for message in messages:
            role = message.get("role")
            if role == "tool":
                if message.get("tool_call_id") not in waiting:
                    raise Refused(
                        "messages with role 'tool' must respond to a preceding message with 'tool_calls'"
                    )
                waiting.discard(str(message["tool_call_id"]))
                continue
            if waiting:
                break
            if role not in ("system", "developer", "user", "assistant"):
                raise Refused(
                    f"Invalid value: {role!r}. Supported values are: 'system', 'assistant', 'user', 'tool'."
                )
            waiting = {str(call["id"]) for call in message.get("tool_calls") or ()}
        if waiting:
            raise Refused(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                f"'tool_call_id'. Missing: {', '.join(sorted(waiting))}"
            )
        results = []
        for message in reversed(messages):
            if message["role"] != "tool":
                break
            results.append(_text(message.get("content")))
        before, last = _last_said(messages)
        return Asked(body["model"], last, tuple(reversed(results)), _openai_pictures(messages), before)

    def _finish(self, reply: Reply) -> str:
        return reply.finish or ("tool_calls" if reply.tool_calls else "stop")

    def _usage(self, reply: Reply) -> Json:
        prompt, completion = reply.usage
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def whole(self, reply: Reply, body: Json, number: int) -> Json:
        """A chat completion."""
        message: Json = {"role": "assistant", "content": "".join(reply.chunks) or None, "refusal": None}
        if reply.tool_calls:
            message["tool_calls"] = [
                {
                    "id": c["id"],
                    "type": "function",
                    "function": {"name": c["name"], "arguments": c["arguments"]},
                }
                for c in reply.tool_calls
            ]
        return {
            "id": f"chatcmpl-{number:06d}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": body["model"],
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish(reply)}
            ],
            "usage": self._usage(reply),
            "system_fingerprint": None,
        }

    def events(self, reply: Reply, body: Json, number: int) -> Iterator[bytes]:
        """Chunks, tool calls in deltas, usage if asked for, ``[DONE]``."""

        def chunk(delta: Json, finish: str | None = None) -> bytes:
            choice: Json = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return _sse({**head, "choices": [choice], **({"usage": None} if counted else {})})

        counted = bool((body.get("stream_options") or {}).get("include_usage"))
        head: Json = {
            "id": f"chatcmpl-{number:06d}",
            "object": "chat.completion.chunk",
            "created": int(time.time()),
            "model": body["model"],
            "system_fingerprint": None,
        }
        yield chunk({"role": "assistant", "content": ""})
        for thought in reply.reasoning:
            yield chunk({"reasoning_content": thought})
        for text in reply.chunks:
            yield chunk({"content": text})
        for index, call in enumerate(reply.tool_calls):
            start: Json = {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": ""},
            }
            yield chunk({"tool_calls": [{"index": index, **start}]})
            half = len(call["arguments"]) // 2
            for part in (call["arguments"][:half], call["arguments"][half:]):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": part}}]})
        yield chunk({}, self._finish(reply))
        if counted:
            yield _sse({**head, "choices": [], "usage": self._usage(reply)})
        yield b"data: [DONE]\n\n"

    def error(self, status: int, message: str, kind: str | None) -> Json:
        """``{"error": {message, type, param, code}}``."""
        kinds = {401: "invalid_request_error", 429: "rate_limit_exceeded", 400: "invalid_request_error"}
        code = {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status)
        return {
            "error": {
                "message": message,
                "type": kind or kinds.get(status, "server_error"),
                "param": None,
                "code": code,
            }
        }


class Anthropic:
    """``/v1/messages``."""

    def read(self, body: Json) -> Asked:
        """Check tool results against tool uses, and find the last words."""
        messages = _messages(body)
        if not isinstance(body.get("max_tokens"), int):
            raise Refused("max_tokens: Field required")
        waiting: set[str] = set()
        for message in messages:
            if message.get("role") not in ("user", "assistant"):
                raise Refused("messages: roles must be user or assistant")
            blocks = message.get("content")
            parts = blocks if isinstance(blocks, list) else []
            given = {str(p.get("tool_use_id")) for p in parts if p.get("type") == "tool_result"}
            if waiting - given:
                raise Refused(
                    f"`tool_use` ids were found without `tool_result` blocks: {', '.join(sorted(waiting))}"
                )
            if given - waiting:
                raise Refused("unexpected `tool_use_id` found in `tool_result` blocks")
            waiting = {str(p["id"]) for p in parts if p.get("type") == "tool_use"}
        if waiting:
            raise Refused(
                f"`tool_use` ids were found without `tool_result` blocks: {', '.join(sorted(waiting))}"
            )
        last = messages[-1].get("content")
        results = [
            _text(part.get("content"))
            for part in (last if isinstance(last, list) else [])
            if part.get("type") == "tool_result"
        ]
        before, said = _last_said(messages)
        return Asked(body["model"], said, tuple(results), _anthropic_pictures(messages), before)

    def _reason(self, reply: Reply) -> str:
        return reply.finish or ("tool_use" if reply.tool_calls else "end_turn")

    def _shell(self, reply: Reply, body: Json, number: int) -> Json:
        return {
            "id": f"msg_{number:06d}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": reply.usage[0], "output_tokens": 1},
        }

    def whole(self, reply: Reply, body: Json, number: int) -> Json:
        """A message."""
        content: list[Json] = [{"type": "text", "text": "".join(reply.chunks)}] if reply.chunks else []
        for call in reply.tool_calls:
            given = orjson.loads(call["arguments"])
            content.append({"type": "tool_use", "id": call["id"], "name": call["name"], "input": given})
        usage = {"input_tokens": reply.usage[0], "output_tokens": reply.usage[1]}
        shell = self._shell(reply, body, number)
        return {**shell, "content": content, "stop_reason": self._reason(reply), "usage": usage}

    def events(self, reply: Reply, body: Json, number: int) -> Iterator[bytes]:
        """message_start, blocks with their deltas, message_delta, message_stop."""

        def event(name: str, **data: Any) -> bytes:
            return _sse({"type": name, **data}, name)

        yield event("message_start", message=self._shell(reply, body, number))
        index = 0
        for kind, word, parts in (("thinking", "thinking", reply.reasoning), ("text", "text", reply.chunks)):
            if not parts:
                continue
            yield event("content_block_start", index=index, content_block={"type": kind, word: ""})
            for part in parts:
                yield event("content_block_delta", index=index, delta={"type": f"{kind}_delta", word: part})
            yield event("content_block_stop", index=index)
            index += 1
        for call in reply.tool_calls:
            block: Json = {"type": "tool_use", "id": call["id"], "name": call["name"], "input": {}}
            yield event("content_block_start", index=index, content_block=block)
            half = len(call["arguments"]) // 2
            for part in (call["arguments"][:half], call["arguments"][half:]):
                yield event(
                    "content_block_delta",
                    index=index,
                    delta={"type": "input_json_delta", "partial_json": part},
                )
            yield event("content_block_stop", index=index)
            index += 1
        ended = {"stop_reason": self._reason(reply), "stop_sequence": None}
        yield event("message_delta", delta=ended, usage={"output_tokens": reply.usage[1]})
        yield event("message_stop")

    def error(self, status: int, message: str, kind: str | None) -> Json:
        """``{"type": "error", "error": {type, message}}``."""
        kinds = {
            400: "invalid_request_error",
            401: "authentication_error",
            429: "rate_limit_error",
            529: "overloaded_error",
        }
        return {
            "type": "error",
            "error": {"type": kind or kinds.get(status, "api_error"), "message": message},
        }
