"""The components of one message: what goes to Discord, and what is remembered of it.

Two ways in: a description (:mod:`workers.components.parse`), whose controls are ours, and raw components
in Discord's own form, which are passed on and answer to nobody. Ids of the system may stand in
neither (rule R16).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.discord.wire import MessageFlags
from shoal.state.effects import Control, Controls
from workers.components.custom_ids import reserved_ids
from workers.components.encode import Origin, encode_spec
from workers.components.entries import encode_entry
from workers.components.parse import parse_spec
from workers.components.reader import SpecError

__all__ = ["ComponentSettings", "Made", "make_components"]

ACTION_ROW = 1
MAX_ROWS = 5


@dataclass(frozen=True, slots=True)
class ComponentSettings:
    """``agentComponents`` and ``ui.components`` of an account."""

    enabled: bool = True
    life_ms: int = 1_800_000
    accent_color: int | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """``flags`` with the one of components v2 where there is no place for text; ``controls`` to remember."""

    components: tuple[dict[str, Any], ...]
    flags: int
    controls: Controls | None
    file_names: tuple[str, ...] = ()


def make_components(raw: Any, origin: Origin, settings: ComponentSettings, *, text: str = "") -> Made:
    """The components a caller asked for.

    Args:
        raw: a description, its JSON text, or a list of raw components.
        text: the message's own text; with components v2 it leads the container.

    Raises:
        SpecError: they cannot be made, or are switched off.
    """
    if not settings.enabled:
        raise SpecError("components", "are switched off here (channels.discord.agentComponents.enabled)")
    if isinstance(raw, str) and raw.lstrip().startswith("["):
        try:
            raw = json.loads(raw)
        except ValueError as error:
            raise SpecError("components", f"is no JSON ({error})") from None
    if isinstance(raw, Sequence) and not isinstance(raw, str | bytes):
        return _raw(raw, text)
    spec = parse_spec(raw)
    encoded = encode_spec(spec, origin, text=text, accent=settings.accent_color)
    remembered = [Control(entry.id, encode_entry(entry), entry.reusable) for entry in encoded.entries]
    controls = Controls(origin.account, encoded.group, settings.life_ms, remembered) if remembered else None
    return Made(tuple(encoded.components), int(MessageFlags.IS_COMPONENTS_V2), controls, spec.file_names)


def _raw(raw: Sequence[Any], text: str) -> Made:
    components = []
    for index, component in enumerate(raw):
        if not isinstance(component, Mapping):
            raise SpecError(f"components[{index}]", "must be an object")
        components.append(dict(component))
    if not components:
        raise SpecError("components", "cannot be empty")
    taken = next(reserved_ids(components), None)
    if taken is not None:
        raise SpecError("components", f"holds the custom id {taken[:60]!r}, which belongs to the system")
    if all(component.get("type") == ACTION_ROW for component in components):
        if len(components) > MAX_ROWS:
            raise SpecError("components", f"supports up to {MAX_ROWS} action rows")
        return Made(tuple(components), 0, None)
    if text:
        components.insert(0, {"type": 10, "content": text})
    return Made(tuple(components), int(MessageFlags.IS_COMPONENTS_V2), None)
