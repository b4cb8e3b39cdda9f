"""What somebody is told who may not use a control (``spec/outbound.md`` 5.5)."""

from __future__ import annotations

from workers.access.decision import Reason
from workers.components.entries import ControlEntry, FormEntry
from workers.delivery.texts import Language, say

__all__ = ["denied_text", "kind_word"]

_CHINESE = {
    "button": "按钮",
    "select menu": "选择菜单",
    "user select": "用户选择",
    "role select": "身份组选择",
    "mentionable select": "用户或身份组选择",
    "channel select": "频道选择",
    "form": "表单",
}


def kind_word(entry: ControlEntry | FormEntry) -> str:
    """What people call it: ``button``, ``select menu``, ``user select``, …, ``form``."""
    if isinstance(entry, FormEntry):
        return "form"
    if entry.kind != "select":
        return "button"
    return "select menu" if entry.select_type in ("", "string") else f"{entry.select_type} select"


def denied_text(word: str, reason: str, language: Language) -> str:
    """The refusal; ``word`` from :func:`kind_word`."""
    if reason in (Reason.DM_DISABLED, Reason.DM_POLICY):
        return say("dm-interactions-disabled", language)
    what = _CHINESE.get(word, word) if language == "zh" else word
    return say("component-denied", language, what=what)
