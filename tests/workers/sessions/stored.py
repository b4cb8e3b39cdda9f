"""Admission on a real store, for tests that look at lanes: a config file, facts, events one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

import config
from shoal.base.ids import new_token
from shoal.state.records import Grant, Record, encode_event
from shoal.state.store import Store
from tests.workers.sessions.helpers import ANN, BOT, CHANNEL, GUILD, event
from workers.delivery.notices import notice_push
from workers.sessions.admission import Admission, admit
from workers.sessions.view import Settings, StoreView, settings_of

TOKEN = "OTAw.abcdef.abcdefghijklmnopqrstuvwxyz01"


class Admitting:
    """Takes events in as the task does, each with a fresh view."""

    def __init__(self, store: Store, folder: Path, extra: Mapping[str, Any] | None = None) -> None:
        self.store = store
        self.settings = settings_from(folder, extra)
        store.facts.put_me("default", {"id": BOT, "username": "shoal"})
        self.guild({"id": CHANNEL, "name": "talk", "type": 0})

    def guild(self, *channels: Mapping[str, Any]) -> None:
        """What is known of the guild."""
        fact = {"id": GUILD, "name": "Reef", "channels": list(channels), "roles": []}
        self.store.facts.put_guild("default", GUILD, fact)

    def event(
        self, data: dict[str, Any], name: str = "MESSAGE_CREATE", *, at_ms: int | None = None
    ) -> Admission:
        """Push an event into its inbound lane and work it off."""
        found = event(data, name)
        if at_ms is not None:
            found = msgspec.structs.replace(found, received_ms=at_ms)
        lane = f"inbound:default:{data.get('channel_id') or data['id']}"
        identity = f"{name.lower()}.{data['id']}.{found.received_ms}"
        self.store.lanes.push(lane, Record(identity, name, encode_event(found)))
        grant = self.store.lanes.acquire(lane, new_token())
        assert isinstance(grant, Grant)
        view = StoreView(self.settings, self.store)
        admission = admit(found, view)
        for stop in admission.stops:
            self.store.lanes.stop(
                stop.lane, stop.born_ms, stop.message_id, reason=stop.reason, place=stop.place
            )
        effects = [*admission.effects]
        if admission.notice is not None:
            effects.append(notice_push(admission.notice))
        self.store.lanes.commit(grant, effects, take_next=False)
        return admission

    def head(self, lane: str) -> Grant:
        """Take a lane that must be free."""
        grant = self.store.lanes.acquire(lane, new_token())
        assert isinstance(grant, Grant), grant
        return grant

    def outcome(self, message_id: str | int) -> tuple[str, str]:
        """What the ledger says of a message."""
        told = self.store.ledger.explain("default", str(message_id))
        assert told is not None
        return str(told.outcome), told.reason


def settings_from(folder: Path, extra: Mapping[str, Any] | None = None) -> Settings:
    """Settings compiled from a file, as in production."""
    base: dict[str, Any] = {
        "channels": {"discord": {"token": TOKEN, "allowFrom": [ANN], "guilds": {GUILD: {}}}},
        "commands": {"ownerAllowFrom": [f"discord:{ANN}"]},
    }
    path = folder / "shoal.json"
    path.write_text(json.dumps(_merged(base, extra or {})))
    return settings_of(config.load(path, env={}, state_dir=folder), "default")


def _merged(base: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in extra.items():
        old = result.get(key)
        both = isinstance(old, dict) and isinstance(value, Mapping)
        result[key] = _merged(old, value) if both else value  # type: ignore[arg-type]
    return result
