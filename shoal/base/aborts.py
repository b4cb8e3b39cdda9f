"""Words that stop a turn when they are the whole message (``spec/inbound.md`` 5.4).

``/stop`` always means it. A bare word means it only as the whole message, whatever mention
of the bot or punctuation stands around it. The gateway asks as well, to send such a message past
its channel's queue (rule R7), which is why the table is down here.
"""

from __future__ import annotations

import re

from shoal.base.ids import USER_MENTION

__all__ = ["ABORT_WORDS", "is_abort_word", "is_stop_command", "normal_phrase"]

ABORT_WORDS = frozenset(
    {
        *("stop", "esc", "abort", "wait", "exit", "interrupt", "halt"),
        *("detente", "deten", "detén", "arrete", "arrête", "pare"),
        *("停止", "やめて", "止めて", "रुको", "توقف"),
        *("стоп", "остановись", "останови", "остановить", "прекрати"),
        *("anhalten", "aufhören", "hoer auf", "stopp"),
        *("stop openclaw", "stop shoal", "openclaw stop", "shoal stop", "stop action", "stop current action"),
        *("stop run", "stop current run", "stop agent", "stop the agent", "stop doing anything"),
        *("stop don't", "stop dont", "stop do not do anything", "stop dont do anything"),
        *("stop don't do anything", "do not do that", "please stop", "stop please"),
    }
)

_STOP = re.compile(r"/stop(?:@[^\s:]+)?")
_TRAILING = re.compile(r"[\s.!?,;:…。！？，、；：'\"“”‘’`()\[\]{}（）【】「」『』<>*_~-]+$")
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})


def normal_phrase(content: str, bot_id: str | None) -> str:
    """A message as the tables know it: no mention of the bot, lower case, no trailing punctuation."""
    text = USER_MENTION.sub(lambda hit: " " if hit.group(1) == bot_id else hit.group(0), content)
    text = " ".join(text.translate(_APOSTROPHES).lower().split())
    return _TRAILING.sub("", text)


def is_stop_command(content: str, bot_id: str | None) -> bool:
    """The message is ``/stop`` (or ``/stop@name``) and nothing else."""
    return _STOP.fullmatch(normal_phrase(content, bot_id)) is not None


def is_abort_word(content: str, bot_id: str | None) -> bool:
    """The message is an abort word and nothing else."""
    return len(content) <= 100 and normal_phrase(content, bot_id) in ABORT_WORDS
