"""The built-in guide: deterministic, bilingual, useful."""

from __future__ import annotations

import pytest

from workers.agent.providers.base import Done, Message, ModelRequest, TextDelta, ToolCall, ToolSpec
from workers.agent.providers.guide import GuideProvider

MESSAGE = ToolSpec("message", "", {})


def ask(said: str, *more: Message, tools: tuple[ToolSpec, ...] = (MESSAGE,)) -> list[object]:
    request = ModelRequest("guide", "", (Message("user", text=said), *more), tools=tools, said=said)
    guide = GuideProvider(status=lambda: ["3 workers"])
    return list(guide.stream(request, lambda: None))


def text(events: list[object]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def test_it_says_what_it_is_and_repeats() -> None:
    events = ask("what now")
    assert "built-in guide" in text(events)
    assert "You said: what now" in text(events)
    assert sum(isinstance(event, TextDelta) for event in events) > 3
    assert events[-1] == Done("end")
    assert events == ask("what now")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("help", "`status`"),
        ("Help!", "`status`"),
        ("帮助", "`状态`"),
        ("status", "3 workers"),
        ("状态", "内置向导"),
        ("model", "OPENAI_API_KEY"),
        ("模型", "密钥"),
        ("token", "DISCORD_BOT_TOKEN"),
        ("令牌", "DISCORD_BOT_TOKEN"),
        ("你好", "你说：你好"),
    ],
)
def test_pages(said: str, expected: str) -> None:
    assert expected in text(ask(said))


def test_a_long_answer_needs_several_messages() -> None:
    assert len(text(ask("long"))) > 2 * 2000


def test_it_uses_the_message_tool_when_asked_and_reports() -> None:
    call = next(event for event in ask("send  hello you") if isinstance(event, ToolCall))
    assert (call.name, call.arguments) == ("message", '{"action": "send", "message": "hello you"}')
    answer = ask("send x", Message("assistant", calls=(call,)), Message("tool", text="id 5", call_id=call.id))
    assert "id 5" in text(answer)
    react = next(event for event in ask("反应 👍") if isinstance(event, ToolCall))
    assert '"emoji": "👍"' in react.arguments


def test_without_the_tool_it_only_talks() -> None:
    assert "You said: send it" in text(ask("send it", tools=()))
