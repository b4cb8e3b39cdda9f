"""The components of one message: what goes to Discord, and what is remembered of it.

Three ways in: a description (:mod:`workers.components.parse`) or a card without Discord's words
(:mod:`workers.components.presentation`), whose controls are ours, and raw components in Discord's own form,
which are passed on and answer to nobody. Ids of the system may stand in none (rule R16).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from config.schema.discord import DiscordConfig
from shoal.discord.users import user_id_of
from shoal.discord.wire import ComponentType, MessageFlags
from workers.components.custom_ids import reserved_ids
from workers.components.encode import Origin, encode_spec
from workers.components.entries import encode_entry
from workers.components.parse import parse_spec
from workers.components.presentation import parse_presentation
from workers.components.reader import Reader, SpecError
from workers.components.spec import ATTACHMENT, MOST_COMPONENTS, MOST_TEXT, Spec, TextBlock
from workers.delivery.records import KeptControl, KeptControls

__all__ = ["ComponentSettings", "Made", "make_components", "make_presentation"]

MAX_ROWS = 5


@dataclass(frozen=True, slots=True)
class ComponentSettings:
    """``agentComponents`` and ``ui.components`` of an account."""

    enabled: bool = True
    life_ms: int = 1_800_000
    accent_color: int | None = None

    @classmethod
    def of(cls, discord: DiscordConfig) -> ComponentSettings:
        """Compile the settings of an account."""
        wanted = discord.ui.components.accent_color
        accent = int(wanted.lstrip("#"), 16) if wanted else None
        return cls(discord.agent_components.enabled, discord.agent_components.ttl_ms, accent)


@dataclass(frozen=True, slots=True)
class Made:
    """What a send with components is made of.

    Attributes:
        flags: the one of components v2, where there is no place for text.
        controls: what is remembered of what can be pressed.
        file_names: files of the message that the components show, each once.
        text: the message's text, where it is no components v2.
        tags: those in ``allowedUsers`` that are no ids: whoever takes the name may press.
        ignored: paths of what was written and has no meaning here.
    """

    components: tuple[dict[str, Any], ...] = ()
    flags: int = 0
    controls: KeptControls | None = None
    file_names: tuple[str, ...] = ()
    text: str = ""
    tags: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()

    def showing(self, files: Mapping[str, str]) -> Made:
        """The same with its files: those that no block shows yet are the last things in the container.

        Args:
            files: what each file is called at Discord → what the components call it; empty where they do not.

        Raises:
            SpecError: there is no room for them.
        """
        if not self.flags or not files:
            return self
        names = {shown: name for name, shown in files.items() if shown and shown != name}
        components = [_renamed(one, names) for one in self.components] if names else [*self.components]
        more = [name for name, shown in files.items() if not shown]
        blocks = [{"type": ComponentType.FILE, "file": {"url": f"{ATTACHMENT}{name}"}} for name in more]
        if blocks and components[-1].get("type") == ComponentType.CONTAINER:
            last = components.pop()
            components.append({**last, "components": [*last["components"], *blocks]})
        else:
            components += blocks
        if blocks and (count := sum(map(_counted, components))) > MOST_COMPONENTS:
            problem = f"makes {count} components with its files; Discord shows at most {MOST_COMPONENTS}"
            raise SpecError("components", problem)
        return replace(self, components=tuple(components), file_names=tuple(files))


def make_components(
    raw: Any, origin: Origin, settings: ComponentSettings, *, text: str = "", with_file: bool = False
) -> Made:
    """The components a caller asked for.

    Args:
        raw: a description, its JSON text, or a list of raw components.
        text: the message's own text; with components v2 it leads the container.
        with_file: a file goes with the message.

    Raises:
        SpecError: they cannot be made, or are switched off.
    """
    if not settings.enabled:
        raise SpecError("components", "are switched off here (channels.discord.agentComponents.enabled)")
    if isinstance(raw, str) and raw.lstrip().startswith("["):
        raw = Reader.of(raw, "components").value
    if isinstance(raw, Sequence) and not isinstance(raw, str | bytes):
        return _raw(raw, text)
    spec = parse_spec(raw)
    if with_file and spec.is_plain:  # a picture with words needs no container
        words = [spec.text or text, *(block.text for block in spec.blocks if isinstance(block, TextBlock))]
        return Made(text="\n\n".join(word for word in words if word), ignored=spec.ignored)
    return _of(spec, origin, settings, text)


def make_presentation(raw: Any, origin: Origin, settings: ComponentSettings, *, text: str = "") -> Made:
    """A card; where Discord cannot show it, or controls are switched off, the same in words.

    Raises:
        SpecError: it is none.
    """
    card = parse_presentation(raw)
    spec = card.spec(text)
    if spec is None or (card.has_controls and not settings.enabled):
        return Made(text=card.plain(text), ignored=card.ignored)
    return _of(spec, origin, settings, text)


def _of(spec: Spec, origin: Origin, settings: ComponentSettings, text: str) -> Made:
    own = 0 if spec.text else len(text)
    if own + spec.chars > MOST_TEXT:
        raise SpecError("message", f"and components have {own + spec.chars} characters; at most {MOST_TEXT}")
    encoded = encode_spec(spec, origin, text=text, accent=settings.accent_color)
    kept = tuple(KeptControl(entry.id, encode_entry(entry), entry.reusable) for entry in encoded.entries)
    controls = KeptControls(encoded.group, settings.life_ms, kept) if kept else None
    users = dict.fromkeys(user for entry in encoded.entries for user in entry.allowed_users)
    return Made(
        tuple(encoded.components),
        int(MessageFlags.IS_COMPONENTS_V2),
        controls,
        spec.file_names,
        tags=tuple(user for user in users if user != "*" and user_id_of(user) is None),
        ignored=spec.ignored,
    )


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
    if all(component.get("type") == ComponentType.ACTION_ROW for component in components):
        if len(components) > MAX_ROWS:
            raise SpecError("components", f"supports up to {MAX_ROWS} action rows")
        return Made(tuple(components), text=text)
    if text:
        components.insert(0, {"type": ComponentType.TEXT_DISPLAY, "content": text})
    names = tuple(dict.fromkeys(_attached(components)))
    return Made(tuple(components), int(MessageFlags.IS_COMPONENTS_V2), None, names)


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    """Components with files called otherwise."""
    if isinstance(value, str) and value.startswith(ATTACHMENT):
        name = value.removeprefix(ATTACHMENT)
        return f"{ATTACHMENT}{names.get(name, name)}"
    if isinstance(value, Mapping):
        return {key: _renamed(inner, names) for key, inner in value.items()}
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) else value


def _counted(component: Mapping[str, Any]) -> int:
    """A component and all that is in it."""
    inner = [*(component.get("components") or ()), *filter(None, [component.get("accessory")])]
    return 1 + sum(_counted(one) for one in inner if isinstance(one, Mapping))


def _attached(components: Iterable[Any]) -> Iterator[str]:
    """Names of files that raw components show."""
    for component in components:
        if isinstance(component, Mapping):
            url = component.get("url")
            if isinstance(url, str) and url.startswith(ATTACHMENT):
                yield url.removeprefix(ATTACHMENT)
            yield from _attached(component.values())
        elif isinstance(component, list):
            yield from _attached(component)
