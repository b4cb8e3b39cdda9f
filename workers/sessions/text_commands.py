"""Text commands: ``/name`` as the whole message (``spec/inbound.md`` 8.3, 5.11).

Only the shape is read here. Who may use a command is for access, what it does for
``workers.sessions.admission.commands``. ``/stop`` is not among them: it overtakes its
channel and is known to the gateway (:mod:`shoal.base.aborts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from workers.sessions.envelopes import strip_envelopes

__all__ = ["RESET_TRIGGERS", "TextCommand", "command_text", "read_command"]

RESET_TRIGGERS = ("/new", "/reset")
"""``session.resetTriggers`` where nothing is written."""

_ALIASES = {
    "activation": "activation",
    "queue": "queue",
    "send": "send",
    "tts": "tts",
    "status": "status",
    "whoami": "whoami",
    "id": "whoami",
    "help": "help",
}
_WITHOUT_ARGUMENTS = frozenset({"status", "whoami", "help"})
_LEADING_MENTION = re.compile(r"\s*<@!?(\d{1,20})>[\s,:]*")
_SHAPE = re.compile(r"/([a-z][a-z0-9_-]{0,31})(?:@[^\s:]+)?(?:\s*:\s*|\s+|$)(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class TextCommand:
    """A command and what follows its name. ``reset`` also stands for configured reset triggers."""

    name: str
    args: str = ""


def command_text(content: str) -> str:
    """What is looked at for commands: the words without an envelope copied around them (6.7)."""
    copied = "[" in content or "(untrusted" in content or "<<<" in content
    return strip_envelopes(content) if copied else content


def read_command(
    content: str, bot_id: str | None, triggers: Iterable[str] = RESET_TRIGGERS
) -> TextCommand | None:
    """The command a message is, or ``None``: it is something to say.

    A leading mention of the bot is passed over, an ``@name`` and a colon after the command too.
    """
    text = command_text(content).strip()
    mention = _LEADING_MENTION.match(text)
    if mention and bot_id and mention.group(1) == bot_id:
        text = text[mention.end() :].strip()
    if not text:
        return None
    reset = _reset(text, triggers)
    if reset is not None:
        return reset
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return None
    name = _ALIASES.get(shape.group(1).lower())
    args = shape.group(2).strip()
    if name is None or (args and name in _WITHOUT_ARGUMENTS):
        return None
    return TextCommand(name, args)


def _reset(text: str, triggers: Iterable[str]) -> TextCommand | None:
    """A reset trigger alone, or with a message behind it."""
    shape = _SHAPE.fullmatch(text)
    for raw in triggers:
        trigger = raw.strip().lower()
        if not trigger:
            continue
        name = "new" if trigger == "/new" else "reset"
        if shape is not None and trigger == f"/{shape.group(1).lower()}":
            return TextCommand(name, shape.group(2).strip())
        rest = text[len(trigger) :]
        if text.lower().startswith(trigger) and (not rest or rest[0].isspace()):
            return TextCommand(name, rest.strip())
    return None
