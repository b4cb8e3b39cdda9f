"""Mention patterns: words in a text that mean the bot (``spec/inbound.md`` 4.2).

Patterns are written by operators, the texts they are held against by anybody. So they run on an
engine whose time grows with the text and nothing else (the Rust one that pydantic brings):
there is no pattern that a clever message could make slow. What such an engine cannot do, look-around
and back-references, is refused when the settings are compiled, with one warning for each pattern;
the two forms people really write, ``(?<!\\w)`` and ``(?!\\w)``, have equals there and are translated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal

from pydantic_core import SchemaError, SchemaValidator, core_schema

from shoal.base.logging import get_logger

__all__ = ["NO_PATTERNS", "MentionPatterns", "Patterns", "derived_patterns", "normal_text"]

log = get_logger(__name__)

MAX_PATTERN = 1_000
"""Characters of one pattern."""

_INVISIBLE = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe0f\ufeff]")
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
"""Scripts that write words without spaces between them: no boundary can be asked for there."""
_TRANSLATED = {"\b": r"\b", r"(?<!\w)": r"\b{start-half}", r"(?!\w)": r"\b{end-half}"}
"""Left: as people write it. A literal backspace is what JSON makes of ``"\\b"``."""


@lru_cache(maxsize=512)
def normal_text(text: str) -> str:
    """A text as patterns see it: no zero-width or direction characters, lower case."""
    return _INVISIBLE.sub("", text).lower()


def derived_patterns(name: str | None, emoji: str | None) -> list[str]:
    """What stands in for patterns nobody wrote: the agent's name as whole words, and its emoji."""
    found = []
    if words := (name or "").split():
        body = r"\s+".join(re.escape(word) for word in words)
        alone = len(words) == 1 and len(words[0]) == 1
        before = "" if _UNSPACED.match(words[0]) and not alone else r"\b{start-half}"
        after = "" if _UNSPACED.match(words[-1][-1]) and not alone else r"\b{end-half}"
        found.append(f"{before}@?{body}{after}")
    if emoji and emoji.strip():
        found.append(re.escape(emoji.strip()))
    return found


@dataclass(frozen=True, slots=True)
class Patterns:
    """Compiled patterns of one agent; none of them matches nothing."""

    written: tuple[str, ...] = ()
    _compiled: tuple[SchemaValidator, ...] = field(default=(), compare=False, repr=False)

    @classmethod
    def compile(cls, written: Iterable[str]) -> Patterns:
        """Compile what can be; what cannot is left out, and said once."""
        kept, compiled = [], []
        for pattern in written:
            engine = _compiled(pattern)
            if engine is not None:
                kept.append(pattern)
                compiled.append(engine)
        return cls(tuple(kept), tuple(compiled))

    def match(self, text: str) -> bool:
        """Whether any of them is in the text."""
        if not self._compiled or not text:
            return False
        cleaned = normal_text(text)
        return any(engine.isinstance_python(cleaned) for engine in self._compiled)

    def __bool__(self) -> bool:
        return bool(self._compiled)


NO_PATTERNS = Patterns()


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> SchemaValidator | None:
    """One pattern; ``None``, with a warning, where it is none. Cached, so it is said once per process."""
    text = pattern.replace("\ufe0f", "")  # emoji come with and without their variation selector
    for theirs, ours in _TRANSLATED.items():
        text = text.replace(theirs, ours)
    try:
        if len(text) > MAX_PATTERN:
            raise SchemaError(f"longer than {MAX_PATTERN} characters")
        engine = SchemaValidator(core_schema.str_schema(pattern=f"(?i){text}", regex_engine="rust-regex"))
        if not text.strip() or engine.isinstance_python(""):
            raise SchemaError("it fits every text")
        return engine
    except SchemaError as error:
        why = str(error).strip().splitlines()[-1].strip().removeprefix("error: ")
        log.warning(
            f"mention pattern ignored: {why}",
            pattern=pattern[:200],
            fix="write it without look-around and back-references, in mentionPatterns",
        )
        return None


@dataclass(frozen=True, slots=True)
class MentionPatterns:
    """The patterns of every agent, and where they count.

    ``channels.discord.mentionPatterns``: without ``mode``, everywhere but in ``denyIn``; ``mode: "allow"``,
    only in ``allowIn`` and not in ``denyIn``; ``mode: "deny"``, likewise. Ids are channels; a thread is also
    meant by its parent's. Mentions proper are not touched by any of this.
    """

    by_agent: Mapping[str, Patterns] = field(default_factory=dict)
    listed_only: bool = False
    allow_in: frozenset[str] = frozenset()
    deny_in: frozenset[str] = frozenset()

    @classmethod
    def read(
        cls, agents: Mapping[str, Sequence[str]], policy: Mapping[str, Any] | None = None
    ) -> MentionPatterns:
        """Compile.

        Args:
            agents: normalised agent id → patterns in force.
            policy: ``mentionPatterns`` of the account, keys as in the file, only what is written.
        """
        policy = policy or {}
        mode: Literal["allow", "deny"] | None = policy.get("mode")
        return cls(
            {agent: Patterns.compile(patterns) for agent, patterns in agents.items()},
            mode is not None,
            frozenset(str(entry) for entry in policy.get("allowIn") or ()),
            frozenset(str(entry) for entry in policy.get("denyIn") or ()),
        )

    def of(self, agent_id: str, channel_id: str, parent_id: str | None = None) -> Patterns:
        """The patterns that count for an agent in a channel."""
        place = {channel_id, parent_id}
        if place & self.deny_in or (self.listed_only and not place & self.allow_in):
            return NO_PATTERNS
        return self.by_agent.get(agent_id, NO_PATTERNS)
