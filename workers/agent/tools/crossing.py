"""Sends of a turn to other places than its conversation: whether they may be, and how they are marked.

``tools.message.crossContext`` (``spec/outbound.md`` 7.5, decision 37): who reads a message there sees where
it came from. A card says so; where the operator wrote a ``prefix`` or ``suffix``, or where there is no place
for a card (files, polls, stickers, embeds, forum posts, long texts), words around the text do. ``{channel}``
in them is the place.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from config.accounts import normalise_id
from config.schema.tools import MessageTool as MessageToolConfig
from shoal.discord.wire import ComponentType as Kind
from shoal.discord.wire import MessageFlags
from workers.actions.extras import Extras
from workers.agent.tools.registry import ToolError
from workers.components.encode import DEFAULT_ACCENT
from workers.components.sending import Made
from workers.components.spec import MOST_COMPONENTS, MOST_TEXT
from workers.sessions.records import TurnRequest

__all__ = ["MessageRules", "check_crossing", "check_network", "marked"]

PREFIX = "[from {channel}] "
MOST_IN_A_CARD = 3_500


@dataclass(frozen=True, slots=True)
class MessageRules:
    """``tools.message`` of an agent.

    Attributes:
        within: other conversations of Discord may be written to.
        across: other networks may; there is none here, so it only chooses the refusal.
        marked: what is written elsewhere says where it comes from.
        prefix, suffix: words for that; ``None`` where none are written.
        broadcast: one message may go to many places at once.
        actions: the only actions there are, where that is written.
    """

    within: bool = True
    across: bool = False
    marked: bool = True
    prefix: str | None = None
    suffix: str | None = None
    broadcast: bool = True
    actions: frozenset[str] | None = None

    @classmethod
    def of(cls, written: MessageToolConfig | None) -> MessageRules:
        """Compile the section."""
        section = written or MessageToolConfig()
        cross, allow = section.cross_context, section.actions.allow
        return cls(
            within=cross.allow_within_provider,
            across=cross.allow_across_providers,
            marked=cross.marker.enabled,
            prefix=cross.marker.prefix,
            suffix=cross.marker.suffix,
            broadcast=section.broadcast.enabled,
            actions=None if allow is None else frozenset(allow),
        )


def check_network(args: Mapping[str, Any], request: TurnRequest, rules: MessageRules) -> None:
    """Refuse other networks than Discord, and other bots than the one of this conversation.

    Raises:
        ToolError: one is named.
    """
    account = str(args.get("accountId") or "").strip()
    if account and normalise_id(account) != request.account:
        raise ToolError(f"Here the bot account {request.account} speaks; leave accountId out.")
    network = str(args.get("channel") or args.get("provider") or "discord").strip().lower()
    if network.isalpha() and network != "discord":
        setting = "" if rules.across else " (tools.message.crossContext.allowAcrossProviders is false)"
        raise ToolError(
            f"There is no {network!r} here: Shoal serves Discord only{setting}.",
            fix="A channel of Discord is named by target.",
        )


def check_crossing(channel_id: str, request: TurnRequest, rules: MessageRules) -> None:
    """Refuse what may not leave the conversation.

    Raises:
        ToolError: another place, while that is switched off.
    """
    if channel_id != request.channel_id and not rules.within:
        raise ToolError(
            "Only this conversation can be written to (tools.message.crossContext.allowWithinProvider)."
        )


def marked(
    text: str,
    made: Made | None,
    extras: Extras,
    request: TurnRequest,
    rules: MessageRules,
    *,
    accent: int | None,
    cards: bool,
) -> tuple[str, Made | None]:
    """Text and components of a send that goes elsewhere, with its mark. ``cards``: the place takes some."""
    if not rules.marked:
        return text, made
    place = f"<#{request.channel_id}>" if request.guild_id else "a direct message"
    if rules.prefix is None and rules.suffix is None:
        note = {"type": Kind.TEXT_DISPLAY, "content": f"-# From {place}"}
        if made is not None and made.flags:
            return text, _beneath(made, note)
        bare = made is None and text and not (extras.media or extras.poll or extras.stickers or extras.embeds)
        if cards and bare and len(text) <= MOST_IN_A_CARD:
            return text, _card(text, note, accent)
        prefix, suffix = PREFIX, ""
    else:
        prefix, suffix = rules.prefix or "", rules.suffix or ""
    before, after = (word.replace("{channel}", place) for word in (prefix, suffix))
    if made is not None and made.flags:
        return text, _beneath(made, {"type": Kind.TEXT_DISPLAY, "content": f"-# {before}{after}".strip()})
    worded = f"{before}{text}{after}"
    return worded, made if made is None else replace(made, text=worded)


def _card(text: str, note: dict[str, Any], accent: int | None) -> Made:
    """The words in a box, and below a line where they come from."""
    inner = [
        {"type": Kind.TEXT_DISPLAY, "content": text},
        {"type": Kind.SEPARATOR, "divider": True, "spacing": 1},
        note,
    ]
    box = {
        "type": Kind.CONTAINER,
        "components": inner,
        "accent_color": DEFAULT_ACCENT if accent is None else accent,
    }
    return Made((box,), int(MessageFlags.IS_COMPONENTS_V2))


def _beneath(made: Made, note: dict[str, Any]) -> Made:
    """The same components and the mark: in their box where they have one, else below them.

    Raises:
        ToolError: they fill a message already.
    """
    if (
        _count(made.components) >= MOST_COMPONENTS
        or _chars(made.components) + len(note["content"]) > MOST_TEXT
    ):
        raise ToolError("These components leave no room for the line that tells where they come from.")
    [*others, last] = made.components
    if last.get("type") != Kind.CONTAINER:
        return replace(made, components=(*made.components, note))
    return replace(made, components=(*others, {**last, "components": [*last["components"], note]}))


def _count(components: Iterable[Any]) -> int:
    """Components, nested ones included."""
    return sum(
        1 + _count(one.get("components") or ()) + _count([one["accessory"]] if one.get("accessory") else ())
        for one in components
        if isinstance(one, dict)
    )


def _chars(components: Iterable[Any]) -> int:
    """Characters of text displays, nested ones included."""
    return sum(
        (len(str(one.get("content") or "")) if one.get("type") == Kind.TEXT_DISPLAY else 0)
        + _chars(one.get("components") or ())
        for one in components
        if isinstance(one, dict)
    )
