"""``broadcast``: one message to several places, each a send of its own (``tools.message.broadcast``).

The turn parks until all of them are through; what the model is told has a line for each place. A place that
cannot be written to takes none of the others with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from shoal.base.errors import RequestError
from shoal.state.effects import Effect, Push
from workers.actions.extras import flag
from workers.agent.tools.arguments import target_of
from workers.agent.tools.registry import Sent, ToolContext, ToolError, ToolResult, Wait
from workers.agent.tools.sends import SendParts, read_send
from workers.agent.tools.underway import POLL_MS, Underway, arrived, wake_key
from workers.delivery.targets import split_targets

__all__ = ["MOST_TARGETS", "broadcast", "is_broadcast", "resume_broadcast", "targets_in"]

MOST_TARGETS = 20
MOST_BYTES = 200_000
"""Of all records together: one checkpoint writes them (rule R5)."""
_MARK = b'{"places":'


class Place(msgspec.Struct):
    """One target: as it was named, its channel, and what became of it.

    Attributes:
        underway: its send, while that is on its way.
        told: the line of the result, once it is known.
    """

    target: str
    channel_id: str = ""
    underway: Underway | None = None
    told: dict[str, Any] | None = None


class _State(msgspec.Struct):
    places: list[Place]
    sent: list[tuple[str, str, tuple[str, ...]]] = []


def targets_in(value: Any) -> list[str]:
    """The targets, each once.

    Raises:
        ToolError: none, or too many.
    """
    found = split_targets(value)
    if not found:
        raise ToolError("The argument targets is missing: a list of targets.")
    if len(found) > MOST_TARGETS:
        raise ToolError(f"{len(found)} targets; at most {MOST_TARGETS} can be written to at once.")
    return found


def broadcast(args: Mapping[str, Any], parts: SendParts, context: ToolContext) -> ToolResult | Wait:
    """Send to every target that can be written to.

    Raises:
        ToolError: it is switched off, or nothing can be sent anywhere.
    """
    if not parts.rules(context.request).broadcast:
        raise ToolError("Broadcast is switched off (tools.message.broadcast.enabled).")
    targets = targets_in(args.get("targets") or args.get("target"))
    words = read_send(args, parts, context)
    places, effects, seen = [], list[Effect](), set[str]()
    for number, target in enumerate(targets):
        place = Place(target)
        places.append(place)
        try:
            place.channel_id = target_of({"target": target}, context)
            if place.channel_id in seen:
                raise ToolError("This place was named before.")
            ready = words.to(place.channel_id, f"{context.step}.{number}")
            if flag(args.get("dryRun")):
                place.told = {"target": target, **ready.shown}
                continue
        except RequestError as error:
            place.told = _failed(place, error.message)
            continue
        seen.add(place.channel_id)
        place.underway = ready.underway
        effects += ready.effects
    size = sum(len(effect.record.body) for effect in effects if isinstance(effect, Push))
    if size > MOST_BYTES:
        raise ToolError(f"This is too much for {len(seen)} places at once; send to fewer, or a shorter text.")
    return _go_on(_State(places), effects)


def is_broadcast(state: bytes) -> bool:
    """Whether a parked call is one of these."""
    return state.startswith(_MARK)


def resume_broadcast(state: bytes, context: ToolContext) -> ToolResult | Wait:
    """Look which sends are through."""
    return _go_on(_look(msgspec.json.decode(state, type=_State), context), [])


def _look(state: _State, context: ToolContext) -> _State:
    for place in state.places:
        if place.underway is None:
            continue
        try:
            found = arrived(msgspec.json.encode(place.underway), context)
        except ToolError as error:
            place.told, place.underway = _failed(place, error.message), None
            continue
        if isinstance(found, Wait):
            place.underway = msgspec.json.decode(found.state, type=Underway)
            continue
        place.told = {"target": place.target, **msgspec.json.decode(found.text)}
        place.underway = None
        state.sent += [(one.channel_id, one.text, one.message_ids) for one in found.sent]
    return state


def _go_on(state: _State, effects: list[Effect]) -> ToolResult | Wait:
    keys = [wake_key(place.underway.identity) for place in state.places if place.underway is not None]
    if keys:
        return Wait(tuple(keys), msgspec.json.encode(state), tuple(effects), POLL_MS)
    told = [place.told or {} for place in state.places]
    failed = sum(not line.get("ok") for line in told)
    result: dict[str, Any] = {"ok": not failed, "results": told}
    if failed:
        result["error"] = f"{failed} of {len(told)} targets failed."
    sent = tuple(Sent(channel, text, tuple(ids)) for channel, text, ids in state.sent)
    return ToolResult(msgspec.json.encode(result).decode(), error=failed == len(told), sent=sent)


def _failed(place: Place, why: str) -> dict[str, Any]:
    line: dict[str, Any] = {"target": place.target, "ok": False, "error": why}
    return line | ({"channelId": place.channel_id} if place.channel_id else {})
