"""The kinds of answers of a run, and what each must leave for people to see.

A person writes ``please answer m-000123 as poll``; the scripted model does what that form says; and whatever
people see of it carries *pieces*, ``m-000123#p``, each of which belongs to one place in the answer. So the
judge knows of every piece whether it is missing, there twice, or in the wrong order, without knowing how it
was sent. Used by the driver and by the judge; imports nothing of the product.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from typing import Any

__all__ = ["FORMS", "PIECE", "TAG", "VOICE", "Form", "draw_form", "rules"]

Rule = dict[str, Any]

TAG = re.compile(r"\bm-\d{6}\b")
PIECE = re.compile(r"\b(m-\d{6})(?:#|-)([a-z]\d*)\b")
"""In a text ``m-000123#a``, in a file's name ``m-000123-f1.txt``."""

VOICE = "v1"
"""The piece that is a recording."""

LINES = 44
WORDS = [f"word {number} of many, " for number in range(22)]


@dataclass(frozen=True, slots=True)
class Form:
    """One kind of answer.

    Attributes:
        pieces: what is there in the end, in this order, each once.
        steps: rules of the model; each gets its ``match``.
        weight: how often it is asked for.
        threads: it can also be asked for where every message gets a thread of its own.
        files: names of files the agent finds in its workspace; ``{1}`` is the tag.
        reaction: the emoji the agent puts on the message.
        thread: a thread of this name must be there, once.
        buttons: labels of what can be pressed.
        reusable: buttons that are not used up.
    """

    pieces: tuple[str, ...]
    steps: tuple[Rule, ...]
    weight: float = 1.0
    threads: bool = False
    files: tuple[str, ...] = ()
    reaction: str = ""
    thread: str = ""
    buttons: tuple[str, ...] = ()
    reusable: bool = False

    @property
    def looks_back(self) -> bool:
        """A step needs what an earlier tool told of its message, so it does nothing without."""
        return "{tool}" in json.dumps(self.steps)


def _tool(**arguments: Any) -> Rule:
    return {"tool_calls": [{"name": "message", "arguments": arguments}]}


def _then(text: str | list[str], **more: Any) -> Rule:
    return {"after_tool": ".", "text": text, **more}


_SEARCH = [{"name": "memory_search", "arguments": {"query": word}} for word in ("fish {1}", "bread {1}")]
_LONG = "{1}#a\n" + "\n".join(f"{{1}}#l{number} of the long answer" for number in range(LINES)) + "\n{1}#z"
_LAST = _then("{1}#z is the end")
_BUTTONS = {"type": "actions", "buttons": [{"label": "Pick {1}"}, {"label": "Drop {1}"}]}
_MORE = {"type": "actions", "buttons": [{"label": "More {1}"}]}

FORMS: dict[str, Form] = {
    "plain": Form(("a",), ({"text": "{1}#a said and done"},), 8, threads=True),
    "slow": Form(
        ("a", "z"),
        ({"text": ["{1}#a ", *WORDS, "and {1}#z"], "chunk_delay": 0.14},),
        2,
        threads=True,
    ),
    "long": Form(
        ("a", *(f"l{number}" for number in range(LINES)), "z"),
        ({"text": [_LONG[at : at + 200] for at in range(0, len(_LONG), 200)], "chunk_delay": 0.05},),
        1.5,
        threads=True,
    ),
    "tools": Form(
        ("a", "z"),
        (
            {"tool_calls": _SEARCH},
            _then(["{1}#a ", *WORDS, "and {1}#z"], chunk_delay=0.12),
        ),
        2,
        threads=True,
    ),
    "sent": Form(("b", "z"), (_tool(action="send", message="{1}#b by the tool"), _LAST), 2),
    "reply": Form(("b", "z"), (_tool(action="reply", message="{1}#b by the tool"), _LAST)),
    "file": Form(
        ("b", "f1", "z"),
        (_tool(action="send", message="{1}#b look", media="note.txt", filename="{1}-f1.txt"), _LAST),
        1.5,
    ),
    "files": Form(
        ("a", "f1", "f2"),
        ({"text": "{1}#a two files\nMEDIA: {1}-f1.txt\nMEDIA: {1}-f2.txt"},),
        1.5,
        threads=True,
        files=("{1}-f1.txt", "{1}-f2.txt"),
    ),
    "voice": Form((VOICE, "z"), (_tool(action="reply", media="tone.wav", asVoice=True), _LAST), 0.5),
    "poll": Form(
        ("p", "z"),
        (_tool(action="poll", pollQuestion="{1}#p or not?", pollOption=["yes", "no"]), _LAST),
    ),
    "embed": Form(
        ("b", "e", "z"),
        (_tool(action="send", message="{1}#b", embeds=[{"title": "{1}#e in a frame"}]), _LAST),
        0.5,
    ),
    "buttons": Form(
        ("c", "z"),
        (_tool(action="send", components={"text": "{1}#c choose", "blocks": [_BUTTONS]}), _LAST),
        2,
        buttons=("Pick {1}", "Drop {1}"),
    ),
    "more": Form(
        ("c", "z"),
        (
            _tool(action="send", components={"text": "{1}#c more?", "reusable": True, "blocks": [_MORE]}),
            _LAST,
        ),
        0.7,
        buttons=("More {1}",),
        reusable=True,
    ),
    "thread": Form(
        ("f", "z"),
        (_tool(action="thread-create", threadName="{1}#t", message="{1}#f first in it"), _LAST),
        thread="{1}#t",
    ),
    "react": Form(("z",), (_tool(action="react", emoji="🎯"), _LAST), reaction="🎯"),
    "edit": Form(
        ("e", "z"),
        (
            _tool(action="send", message="{1}#b will be changed"),
            {
                "after_tool": r'"messageId":"(\d+)"',
                **_tool(action="edit", messageId="{tool}", message="{1}#e"),
            },
            _LAST,
        ),
    ),
    "delete": Form(
        ("z",),
        (
            _tool(action="send", message="{1}#b will be gone"),
            {"after_tool": r'"messageId":"(\d+)"', **_tool(action="delete", messageId="{tool}")},
            _LAST,
        ),
        0.5,
    ),
    "silent": Form((), ({"text": "NO_REPLY"},), 0.5, threads=True),
    # never drawn: asked for where an answer is to be lost beyond repair
    "alone": Form(("b",), (_tool(action="send", message="{1}#b alone"), _then("NO_REPLY")), 0),
    "post": Form(("b", "z"), (_tool(action="send", target="{forum}", message="{1}#b in a forum"), _LAST), 0),
}

CLICKED = (
    {"match": r'Clicked "(?:Pick|Drop) (m-\d{6})"', "text": "{1}#k taken"},
    {"match": r'Clicked "More (m-\d{6})"', "text": "{1}#r here is more"},
)
"""What the model says to a click."""


def rules(forum: str) -> list[Rule]:
    """The script of the model. ``forum``: id of the channel where posts are made."""
    made: list[Rule] = list(CLICKED)
    for name, form in FORMS.items():
        # the most particular first: of the steps after a tool the last fits every result
        for step in form.steps:
            made.append({"match": rf"\b(m-\d{{6}}) as {name}\b", **step})
    made += [
        # cut off between two blocks it begins anew, and what is out is not sent again
        {"match": rf"\b(m-\d{{6}}) as {name}\b", "going_on": True, "text": form.steps[-1]["text"]}
        for name, form in FORMS.items()
        if "text" in form.steps[-1]
    ]
    filled: list[Rule] = json.loads(json.dumps(made).replace("{forum}", f"channel:{forum}"))
    return filled


def draw_form(dice: random.Random, *, threads: bool) -> str:
    """A form for a message; of those for channels where every message gets a thread, if ``threads``."""
    names = [name for name, form in FORMS.items() if form.threads or not threads]
    return dice.choices(names, [FORMS[name].weight for name in names])[0]
