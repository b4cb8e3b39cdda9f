"""What Discord really sent, through the gateway's decoding and intake and through admission, as if live."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from gateway.decode import Frame, decode_frame
from gateway.events import Origin, keep
from shoal.base.ids import new_token
from shoal.state.intake import IntakeEvent
from shoal.state.records import Grant, decode_event
from shoal.state.store import Store
from tests.workers.sessions.helpers import View, recordings
from workers.sessions.admission import admit

SESSION = "recorded-session"


def test_every_recording_is_stored_admitted_and_settled(store: Store) -> None:
    recorded = recordings()
    meta = recorded.pop("metadata")
    holder = new_token()
    assert store.intake.holder_acquire("default", holder, 60_000)
    store.intake.begin_session("default", 0, SESSION, "wss://resume.invalid", 0, token=holder)
    messages: dict[str, str] = {}
    for seq, (name, entry) in enumerate(recorded.items(), 1):
        kind = entry.get("type")
        event, data = "INTERACTION_CREATE", entry
        if isinstance(kind, str) and kind.startswith("GATEWAY_"):
            event, data = kind.removeprefix("GATEWAY_"), entry["data"]
        _take_in(store, holder, seq, event, data, meta["botId"])
        if event == "MESSAGE_CREATE":
            messages[str(data["id"])] = name
    cursor = store.intake.cursor("default", 0)
    assert cursor is not None
    assert cursor.seq == len(recorded), "the chain has no hole"
    assert messages

    view = View({"guilds": {meta["guildId"]: {}}}, bot_id=meta["botId"], channels=_channels(meta))
    waiting = _admit_all(store, view)
    for message_id, name in messages.items():
        told = store.ledger.explain("default", message_id)
        settled = told is not None and told.outcome is not None
        assert settled != (message_id in waiting), f"{name}: an outcome or a turn, exactly one of them"


def _take_in(store: Store, holder: str, seq: int, event: str, data: Any, bot: str) -> None:
    wire = json.dumps({"op": 0, "s": seq, "t": event, "d": data}).encode()
    frame = decode_frame(wire)
    assert isinstance(frame, Frame)
    kept = keep(event, msgspec.Raw(bytes(frame.d)), Origin("default", 0, SESSION, seq, bot, 1))
    step = IntakeEvent("default", 0, SESSION, seq - 1, seq)
    if kept is not None:
        step = IntakeEvent(
            "default", 0, SESSION, seq - 1, seq, kept.dedup, kept.lane, kept.record,
            seen=kept.seen, outcome=kept.outcome,
        )  # fmt: skip
    result = store.intake.apply([step], token=holder)
    assert (result.applied, result.refused) == (1, None), event


def _channels(meta: dict[str, Any]) -> dict[str, Any]:
    parent = meta["channelId"]
    thread = {"type": 11, "name": "t", "parent_id": parent, "owner_id": meta["botId"]}
    return {parent: {"name": "general", "type": 0}, meta["threadId"]: thread}


def _admit_all(store: Store, view: View) -> set[str]:
    """Work every inbound lane off; ids of the messages that wait for a turn."""
    waiting: set[str] = set()
    for info in store.lanes.overview():
        if not info.lane.startswith("inbound:"):
            continue
        grant = store.lanes.acquire(info.lane, new_token())
        while isinstance(grant, Grant):
            admission = admit(decode_event(grant.head.body), view)
            if admission.summary.startswith("admitted"):
                waiting.add(grant.head.message_id)
            grant = store.lanes.commit(grant, admission.effects)  # type: ignore[assignment]
        assert store.lanes.depth(info.lane) == 0
    return waiting
