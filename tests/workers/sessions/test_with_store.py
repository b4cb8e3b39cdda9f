"""Admission on a real store: lanes, ledger, history, and the config it is compiled from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import config
from shoal.base.ids import new_token
from shoal.state.effects import Effect, Outcome, Push
from shoal.state.records import Grant, Record, encode_event
from shoal.state.store import Store
from tests.workers.sessions.helpers import ANN, BOB, BOT, CHANNEL, GUILD, NOW, event, in_guild, message
from workers.sessions import history
from workers.sessions.admission import admit
from workers.sessions.changes import apply_changes
from workers.sessions.records import TurnRequest, decode_turn
from workers.sessions.view import Settings, StoreView, settings_of

TOKEN = "OTAw.abcdef.abcdefghijklmnopqrstuvwxyz01"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings compiled from a file, as in production."""
    path = tmp_path / "shoal.json"
    path.write_text(
        json.dumps(
            {
                "channels": {
                    "discord": {
                        "token": TOKEN,
                        "allowFrom": [ANN],
                        "groupPolicy": "allowlist",
                        "guilds": {GUILD: {"requireMention": True, "channels": {"talk": {}}}},
                    }
                },
                "commands": {"ownerAllowFrom": [f"discord:{ANN}"]},
                "messages": {"queue": {"mode": "collect", "byChannel": {"discord": "followup"}}},
                "session": {"dmScope": "per-channel-peer", "identityLinks": {"ann": [f"discord:{ANN}"]}},
                "agents": {"list": [{"id": "main"}, {"id": "helper"}]},
                "bindings": [{"agentId": "helper", "match": {"channel": "discord", "guildId": GUILD}}],
            }
        )
    )
    return settings_of(config.load(path, env={}, state_dir=tmp_path), "default")


@pytest.fixture
def view(settings: Settings, store: Store) -> StoreView:
    """A view with facts in place."""
    store.facts.put_me("default", {"id": BOT, "username": "shoal"})
    store.facts.put_guild(
        "default",
        GUILD,
        {"id": GUILD, "name": "Reef", "channels": [{"id": CHANNEL, "name": "talk", "type": 0}], "roles": []},
    )
    return StoreView(settings, store)


def work(store: Store, view: StoreView, data: dict[str, Any], name: str = "MESSAGE_CREATE") -> str:
    """Push an event into its inbound lane and admit it, as the task does."""
    found = event(data, name)
    lane = f"inbound:default:{data['channel_id']}"
    identity = f"{name.lower()}.{data['id']}"
    store.lanes.push(lane, Record(identity, name, encode_event(found)))
    grant = store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    admission = admit(found, view)
    for stop in admission.stops:
        store.lanes.stop(stop.lane, stop.born_ms, stop.message_id, reason=stop.reason, place=stop.place)
    effects: list[Effect] = list(admission.effects)
    store.lanes.commit(grant, effects, take_next=False)
    return admission.summary


def head(store: Store, lane: str) -> Grant:
    grant = store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    return grant


def test_settings_come_from_the_file(settings: Settings) -> None:
    assert settings.queue.mode == "followup"
    assert settings.dm_scope == "per-channel-peer"
    assert settings.access.dm_policy == "pairing"
    assert settings.access.owners is not None
    assert settings.access.guilds is not None


def test_a_message_ends_in_its_lane_with_its_story(store: Store, view: StoreView) -> None:
    work(store, view, message())
    grant = head(store, "session:agent:main:discord:direct:ann")
    request = decode_turn(grant.head.body)
    assert (request.author_id, request.authority, request.mode) == (ANN, "owner", "followup")
    assert grant.head.message_id == str(NOW)
    told = store.ledger.explain("default", str(NOW))
    assert told is not None
    assert told.outcome is None
    assert ("session", "agent:main:discord:direct:ann") in told.notes


def test_a_guild_message_is_routed_by_binding(store: Store, view: StoreView) -> None:
    assert work(store, view, in_guild()) == "admitted · helper"
    request = decode_turn(head(store, f"session:agent:helper:discord:channel:{CHANNEL}").head.body)
    assert (request.channel_entry, request.channel_name) == ("talk", "talk")


def test_a_refusal_is_in_the_ledger(store: Store, view: StoreView) -> None:
    work(store, view, in_guild(guild_id="501"))
    told = store.ledger.explain("default", str(NOW))
    assert told is not None
    assert (told.outcome, told.reason) == ("dropped", "guild-not-listed")


def test_a_stop_covers_what_waits_and_nothing_later(store: Store, view: StoreView) -> None:
    lane = "session:agent:main:discord:direct:ann"
    work(store, view, message("first", id=str(NOW)))
    work(store, view, message("stop", id=str(NOW + (5 << 22))))
    work(store, view, message("second", id=str(NOW + (9 << 22))))
    grant = head(store, lane)
    assert (decode_turn(grant.head.body).text, grant.stopped) == ("first", True)
    following = store.lanes.commit(grant, [])
    assert following is not None
    assert (decode_turn(following.head.body).text, following.stopped) == ("second", False)
    told = store.ledger.explain("default", str(NOW + (5 << 22)))
    assert told is not None
    assert told.outcome == "control"


def test_in_a_shared_session_one_persons_stop_ends_nobody_elses_turn(store: Store, tmp_path: Path) -> None:
    """Decision 38: two people's DMs in ``main``, and each has a channel."""
    section = {"dmPolicy": "open", "allowFrom": ["*"], "token": TOKEN}
    path = tmp_path / "open.json"
    path.write_text(json.dumps({"channels": {"discord": section}}))
    view = StoreView(
        settings_of(config.load(path, env={"HOME": str(tmp_path)}, state_dir=tmp_path), "default"), store
    )
    said = [(ANN, "71", "hers"), (BOB, "72", "his"), (BOB, "72", "stop"), (ANN, "71", "more")]
    for number, (author, channel, text) in enumerate(said):
        work(store, view, message(text, author, id=str(NOW + (number << 22)), channel_id=channel))
    grant = head(store, "session:agent:main:main")
    seen = []
    while grant is not None:
        seen.append((decode_turn(grant.head.body).text, grant.stopped))
        grant = store.lanes.commit(grant, [])  # type: ignore[assignment]
    assert seen == [("hers", False), ("his", True), ("more", False)]


def test_a_message_deleted_while_it_waits_starts_nothing(store: Store, view: StoreView) -> None:
    lane = f"session:agent:helper:discord:channel:{CHANNEL}"
    work(store, view, in_guild("one"))
    work(store, view, in_guild("two", id=str(NOW + 1)))
    gone = {"id": str(NOW + 1), "channel_id": CHANNEL, "guild_id": GUILD}
    assert work(store, view, gone, "MESSAGE_DELETE") == "event · message changed"
    first = head(store, lane)
    assert apply_changes(decode_turn(first.head.body), store.lanes.behind(first)) is not None
    second = store.lanes.commit(first, [])
    assert second is not None
    assert apply_changes(decode_turn(second.head.body), store.lanes.behind(second)) is None


def entry_texts(store: Store, request: TurnRequest, limit: int = 20) -> list[str]:
    return [entry.body for entry in history.pending(store.sessions, request, limit).entries]


def test_history_is_read_up_to_the_trigger_and_cleared_up_to_it(store: Store, view: StoreView) -> None:
    for number, text in enumerate(["one", "two", "three"]):
        work(store, view, in_guild(text, mention=False, id=str(NOW + number)))
    work(store, view, in_guild("hey", id=str(NOW + 10)))
    work(store, view, in_guild("later", mention=False, id=str(NOW + 20)))
    grant = head(store, f"session:agent:helper:discord:channel:{CHANNEL}")
    request = decode_turn(grant.head.body)
    assert entry_texts(store, request) == ["one", "two", "three"]
    assert entry_texts(store, request, 2) == ["two", "three"]
    assert entry_texts(store, request, 0) == []
    store.lanes.commit(grant, [history.cleared(request)])
    assert entry_texts(store, request) == []
    following = msgspec.structs.replace(request, message_id=str(NOW + 30))
    assert entry_texts(store, following) == ["later"]
    told = store.ledger.explain("default", str(NOW + 20))
    assert told is not None
    assert (told.outcome, told.reason) == ("history", "mention-required")


def test_a_talkative_channel_keeps_its_newest_entries_only(
    store: Store, view: StoreView, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody answers is bounded per channel (rule R27)."""
    monkeypatch.setattr(history, "KEEP", 5)
    for number in range(12):
        work(store, view, in_guild(f"chatter {number}", mention=False, id=str(NOW + number)))
    kept = store.sessions.transcript(history.history_id("default", CHANNEL))
    assert len(kept) == 5
    assert b"chatter 11" in kept[-1]


def test_what_comes_back_too_late_is_noted_and_starts_nothing(store: Store, view: StoreView) -> None:
    late = msgspec.structs.replace(event(in_guild()), history=True)
    admission = admit(late, view)
    assert admission.summary == "history · missed-too-long-ago"
    assert not [effect for effect in admission.effects if isinstance(effect, Push)]
    assert Outcome("default", str(NOW), "history", "missed-too-long-ago") in admission.effects
    stranger = msgspec.structs.replace(event(message(author=BOB)), history=True)
    assert admit(stranger, view).summary == "dropped · pairing-required"
    stop = msgspec.structs.replace(event(message("stop")), history=True)
    assert admit(stop, view).stop is None
