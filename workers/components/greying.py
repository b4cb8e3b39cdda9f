"""Controls that answer nobody any more are shown so: disabled, which Discord draws grey.

A message's components come back from Discord with addresses where they were sent with names of files. Sent
again they must name the files: a file block takes nothing else (50035), and the address of an attachment ends
after a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from shoal.discord.wire import ComponentType
from workers.components.custom_ids import parse_control

__all__ = ["greyed"]

INTERACTIVE = frozenset({
    ComponentType.BUTTON, ComponentType.STRING_SELECT, ComponentType.USER_SELECT, ComponentType.ROLE_SELECT,
    ComponentType.MENTIONABLE_SELECT, ComponentType.CHANNEL_SELECT,
})  # fmt: skip
LINK_STYLES = frozenset({5, 6})

Json = dict[str, Any]


def greyed(component: Mapping[str, Any], lasting: frozenset[str] = frozenset()) -> Json:
    """A component with the controls in it disabled; links stay, and the component ids in ``lasting``."""
    made = dict(component)
    if _ends(made, lasting):
        made["disabled"] = True
    inner = made.get("components")
    if isinstance(inner, list):
        made["components"] = [greyed(one, lasting) for one in inner if isinstance(one, dict)]
    if isinstance(made.get("accessory"), dict):
        made["accessory"] = greyed(made["accessory"], lasting)
    if isinstance(made.get("items"), list):
        made["items"] = [_named(one) for one in made["items"] if isinstance(one, dict)]
    return _named(made)


def _named(holder: Json) -> Json:
    """What shows a file of its own message, by the file's name again."""
    made = dict(holder)
    for place in ("media", "file"):
        media = made.get(place)
        if isinstance(media, dict) and (media.get("attachment_id") or place == "file"):
            name = unquote(urlsplit(str(media.get("url") or "")).path.rpartition("/")[2])
            made[place] = {"url": f"attachment://{holder.get('name') or name}"}
    return made


def _ends(component: Json, lasting: frozenset[str]) -> bool:
    kind, custom_id = component.get("type"), component.get("custom_id")
    if kind not in INTERACTIVE or (kind == ComponentType.BUTTON and component.get("style") in LINK_STYLES):
        return False
    control = parse_control(custom_id) if isinstance(custom_id, str) else None
    return control is None or control.component not in lasting
