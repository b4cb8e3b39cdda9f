"""Scripts of the model server: which answer a request gets.

A script is a list of rules, tried in order; the first that fits and is not used up answers. A rule:

``match``        regular expression, searched in the user message the request ends with
``going_on``     true: the model is to go on with an answer that was cut off, and ``match`` is searched in the
                 user message before the one the request ends with
``after_tool``   regular expression, searched in the tool results at the end of the request; with ``match``
                 both must fit
``model``        name of the model asked for
``times``        how often the rule may answer; default: for ever with ``match`` or ``after_tool``, else once
``text``         the answer, or a list of chunks; ``{last}`` is the last user message, ``{1}`` the first
                 group of the last place in it where ``match`` fits, ``{tool}`` the first group of
                 ``after_tool``
``reasoning``    what the model thinks before it answers, a list of chunks (streams only)
``tool_calls``   ``[{"name", "arguments", "id"?}]``; arguments: an object, in whose texts ``{1}`` and
                 ``{tool}`` are filled in, or text sent as it is
``delay``        seconds before the first byte
``chunk_delay``  seconds between chunks
``error``        ``{"status", "message"?, "type"?, "retry_after"?}``
``hang``         true: never answers; a number: seconds until the connection is cut
``cut_after``    cut the connection after so many chunks
``finish``       finish reason other than stop or tool calls
``usage``        ``[prompt tokens, completion tokens]``
``transcript``   what is heard in a recording: such a rule answers ``/v1/audio/transcriptions`` and nothing
                 else; ``match`` is then searched in the file's name
``speech``       true: the rule answers texts that are to be spoken (``/v1/audio/speech`` and the like) and
                 nothing else; ``match`` is searched in the text, ``error``, ``hang`` and ``delay`` count

A rule with neither ``match`` nor ``after_tool`` is a step: steps are used up one after the other. When
nothing fits, the model answers ``You said: {last}``, and hears ``Words of <file name>.``
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shoal.simulator.errors import SimulatorError

__all__ = ["Asked", "Reply", "Script"]

KEYS = frozenset(
    [
        "match",
        "going_on",
        "after_tool",
        "model",
        "times",
        "text",
        "reasoning",
        "tool_calls",
        "delay",
        "chunk_delay",
        "error",
        "hang",
        "cut_after",
        "finish",
        "usage",
        "transcript",
        "speech",
    ]
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request ends with, whatever API it came by."""

    model: str
    last_user: str
    tool_results: tuple[str, ...]
    pictures: int = 0
    """How many pictures came with the request."""
    before: str = ""
    """The user message before the last."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a rule."""

    chunks: tuple[str, ...] = ()
    tool_calls: tuple[dict[str, str], ...] = ()
    delay: float = 0.0
    chunk_delay: float = 0.0
    error: Mapping[str, Any] | None = None
    hang: float | None = None
    cut_after: int | None = None
    finish: str | None = None
    usage: tuple[int, int] = (10, 5)
    reasoning: tuple[str, ...] = ()


@dataclass(slots=True)
class _Rule:
    spec: Mapping[str, Any]
    left: int | None


@dataclass(slots=True)
class Script:
    """Rules with what is left of them.

    Raises:
        SimulatorError: a rule is no object, or has an unknown key or a wrong expression.
    """

    rules: list[_Rule] = field(default_factory=list)
    made: int = 0

    @classmethod
    def of(cls, source: Path | Sequence[Mapping[str, Any]] | None) -> Script:
        """A script from a list of rules or a JSON file with one."""
        if isinstance(source, Path):
            try:
                rules = json.loads(source.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise SimulatorError(f"Model script cannot be read: {error}.") from error
        else:
            rules = source or ()
        script = cls()
        for spec in rules:
            script.add(spec)
        return script

    def add(self, spec: Mapping[str, Any]) -> None:
        """Append a rule."""
        strange = set(spec) - KEYS
        if strange:
            raise SimulatorError(
                f"A rule has no {', '.join(sorted(strange))}.", fix=f"Known: {', '.join(sorted(KEYS))}."
            )
        for key in ("match", "after_tool"):
            if key in spec:
                try:
                    re.compile(str(spec[key]))
                except re.error as error:
                    raise SimulatorError(f"{key} {spec[key]!r} is no regular expression: {error}.") from error
        free = "match" in spec or "after_tool" in spec
        times = spec.get("times", None if free else 1)
        self.rules.append(_Rule(spec, None if times is None else int(times)))

    def answer(self, asked: Asked) -> Reply:
        """The reply to a request; uses its rule up."""
        spec = self._taken(lambda spec: _fits(spec, asked))
        return self._reply({"text": "You said: {last}"} if spec is None else spec, asked)

    def hear(self, model: str, name: str) -> Reply:
        """The reply to a recording; uses its rule up."""
        spec = self._taken(lambda spec: _fits_sound(spec, "transcript", model, name))
        heard = f"Words of {name}." if spec is None else str(spec["transcript"])
        return self._reply({**(spec or {}), "text": [heard]}, Asked(model, name, ()))

    def speak(self, model: str, text: str) -> Reply:
        """What goes wrong with a text that is to be spoken; uses its rule up. Nothing, without a rule."""
        spec = self._taken(lambda spec: _fits_sound(spec, "speech", model, text))
        return self._reply(spec or {}, Asked(model, text, ()))

    def _taken(self, fits: Callable[[Mapping[str, Any]], bool]) -> Mapping[str, Any] | None:
        """The first rule that fits and is not used up; it is used once more."""
        for rule in self.rules:
            if rule.left == 0 or not fits(rule.spec):
                continue
            if rule.left is not None:
                rule.left -= 1
            return rule.spec
        return None

    def _reply(self, spec: Mapping[str, Any], asked: Asked) -> Reply:
        text = spec.get("text", ())
        chunks = _pieces(text) if isinstance(text, str) else [str(part) for part in text]
        group, tool = _group(spec, asked), _tool_group(spec, asked)

        def filled(written: str) -> str:
            return written.replace("{1}", group).replace("{tool}", tool)

        calls = []
        for call in spec.get("tool_calls") or ():
            self.made += 1
            arguments = call.get("arguments", {})
            calls.append(
                {
                    "id": str(call.get("id") or f"call_{self.made:04d}"),
                    "name": str(call["name"]),
                    "arguments": arguments if isinstance(arguments, str) else filled(json.dumps(arguments)),
                }
            )
        hang = spec.get("hang")
        usage = spec.get("usage") or (10, 5)
        return Reply(
            tuple(filled(chunk).replace("{last}", asked.last_user) for chunk in chunks),
            tuple(calls),
            float(spec.get("delay", 0)),
            float(spec.get("chunk_delay", 0)),
            spec.get("error"),
            None if not hang else (86_400.0 if hang is True else float(hang)),
            spec.get("cut_after"),
            spec.get("finish"),
            (int(usage[0]), int(usage[1])),
            tuple(str(part) for part in spec.get("reasoning", ())),
        )


def _group(spec: Mapping[str, Any], asked: Asked) -> str:
    """The first group of the last match, or nothing."""
    found = list(re.finditer(str(spec["match"]), _words(spec, asked), re.DOTALL)) if "match" in spec else []
    return (found[-1].group(1) or "") if found and found[-1].re.groups else ""


def _words(spec: Mapping[str, Any], asked: Asked) -> str:
    return asked.before if spec.get("going_on") else asked.last_user


def _tool_group(spec: Mapping[str, Any], asked: Asked) -> str:
    """The first group where ``after_tool`` fits the last result it fits, or nothing."""
    if "after_tool" not in spec:
        return ""
    hits = [re.search(str(spec["after_tool"]), result, re.DOTALL) for result in asked.tool_results]
    found = [hit for hit in hits if hit is not None and hit.re.groups]
    return found[-1].group(1) or "" if found else ""


def _fits(spec: Mapping[str, Any], asked: Asked) -> bool:
    if "transcript" in spec or "speech" in spec or ("model" in spec and spec["model"] != asked.model):
        return False
    if "match" in spec and not re.search(str(spec["match"]), _words(spec, asked), re.DOTALL):
        return False
    if "after_tool" in spec:
        return any(re.search(str(spec["after_tool"]), result, re.DOTALL) for result in asked.tool_results)
    return "match" not in spec or not asked.tool_results


def _fits_sound(spec: Mapping[str, Any], kind: str, model: str, words: str) -> bool:
    """Whether a rule of a kind, ``transcript`` or ``speech``, is for this model and fits the words."""
    mine = kind in spec and spec.get("model", model) == model
    return mine and re.search(str(spec.get("match", "")), words) is not None


def _pieces(text: str) -> list[str]:
    """A text in word-sized chunks, as models stream it; nothing is lost."""
    return re.findall(r"\S*\s*", text)[:-1] if text else []
