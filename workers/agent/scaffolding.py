"""What models write around an answer for their own machinery, taken out (``spec/outbound.md`` 3.2).

Reasoning, calls of tools written as text, and the tokens of chat templates. Code stays as it is: an answer
about ``<think>`` may show it in backticks. Markup of Discord (``<t:…>``, ``</command:id>``) is none of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable

__all__ = ["code_spans", "outside_code", "strip_scaffolding"]

_FLAGS = re.DOTALL | re.IGNORECASE
_THOUGHTS = "think|thinking|thought|reasoning|reflection|antthinking"
_CALLS = (
    r"(?:[a-z]{2,12}:)?(?:tool_calls?|function_calls?|tool_use|tool_results?|tool_response|function_results?)"
    r"|(?:antml:)?invoke|tool_code"
)
_PARTS = tuple(
    re.compile(pattern, _FLAGS)
    for pattern in (
        rf"<({_THOUGHTS})(?:[ \t][^<>\n]{{0,200}})?>.*?(?:</\1>|\Z)",
        rf"<({_CALLS})(?:\s[^<>]{{0,300}})?>.*?(?:</\1>|\Z)",
        r"<function=[^<>\n]{1,100}>.*?(?:</function>|\Z)",
        r"\[(tool_calls?|tool_results?)\].*?(?:\[/\1\]|\n\n|\Z)",
        r"(?:\A|(?<=\n))\[tool (?:call|result)[^\]\n]{0,200}\](?:\n(?:arguments|output):)?[^\n]*(?:\n|\Z)",
        r"<[|｜](tool[_▁a-z]*?)[_▁]begin[|｜]>.*?(?:<[|｜]\1[_▁]end[|｜]>|\Z)",
        r"<[|｜]python_tag[|｜]>.*\Z",
    )
)
_TAGS = re.compile(
    rf"</?(?:final|answer|assistant|output|{_THOUGHTS}|{_CALLS})>|</function>|<[|｜][a-z_▁ ]{{1,40}}[|｜]>"
    r"|</?(?:start|end)_of_turn>|\[/?inst\]|<</?sys>>",
    _FLAGS,
)
_LATE_THOUGHT = re.compile(rf"\A.*(?:\n|\A)[^\n]*</(?:{_THOUGHTS})>[ \t]*(?:\n|\Z)", _FLAGS)
"""Some templates open the thought themselves: the text begins inside it, and a line ends it."""
_CODE = re.compile(r"(```.*?(?:```|\Z)|`[^`\n]*`)", re.DOTALL)


def strip_scaffolding(text: str) -> str:
    """``text`` without reasoning, leaked calls and template tokens; code stays."""
    if "<" not in text and "[" not in text:
        return text
    for pattern in _PARTS:
        text = _cut(text, pattern)
    if "</" in text:
        text = _cut(text, _LATE_THOUGHT)
    return outside_code(text, lambda part: _TAGS.sub("", part))


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """``text`` with everything but its code changed."""
    if "`" not in text:
        return change(text)
    parts = _CODE.split(text)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(parts))


def _cut(text: str, pattern: re.Pattern[str]) -> str:
    """``text`` without what matches, where it begins outside code. It may hold code."""
    start = 0
    while (hit := pattern.search(text, start)) is not None:
        mark = hit.end() - 1 if pattern is _LATE_THOUGHT else hit.start()
        code = next((span for span in code_spans(text) if span[0] <= mark < span[1]), None)
        if code is None:
            text = text[: hit.start()] + text[hit.end() :]
            start = hit.start()
        elif pattern is _LATE_THOUGHT:
            return text
        else:
            start = code[1]
    return text


def code_spans(text: str) -> list[tuple[int, int]]:
    """Where the code of a text begins and ends."""
    return [hit.span() for hit in _CODE.finditer(text)] if "`" in text else []
