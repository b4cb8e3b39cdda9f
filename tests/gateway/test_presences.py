"""What members show, kept for ``member-info`` (``spec/outbound.md`` 7.3); only with the presence intent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.events import Malformed
from gateway.facts import apply_fact
from shoal.state.store import Store

GUILD, OTHER, ANN, BOB = "500", "501", "42", "43"


def told(store: Store, event: str, **body: Any) -> None:
    apply_fact(store.facts, "default", event, msgspec.Raw(msgspec.json.encode(body)), "1")


def shown(user: str, status: str, **more: Any) -> dict[str, Any]:
    return {"user": {"id": user}, "guild_id": GUILD, "status": status, **more}


def test_a_presence_is_kept_until_its_member_is_offline(store: Store) -> None:
    playing = {"name": "chess", "type": 0, "created_at": 1, "id": "x"}
    told(store, "PRESENCE_UPDATE", **shown(ANN, "dnd", activities=[playing]))
    assert store.facts.presence("default", GUILD, ANN) == {
        "status": "dnd", "activities": [{"name": "chess", "type": 0}],
    }  # fmt: skip
    assert store.facts.presence("default", OTHER, ANN) is None
    told(store, "PRESENCE_UPDATE", **shown(ANN, "offline"))
    assert store.facts.presence("default", GUILD, ANN) is None
    with pytest.raises(Malformed):
        told(store, "PRESENCE_UPDATE", guild_id=GUILD, status="online")


def test_a_new_session_tells_who_is_online_and_forgets_the_others(store: Store) -> None:
    told(store, "PRESENCE_UPDATE", **shown(ANN, "online"))
    told(store, "GUILD_CREATE", id=GUILD, name="Reef", presences=[shown(BOB, "idle")])
    assert store.facts.presence("default", GUILD, ANN) is None
    assert store.facts.presence("default", GUILD, BOB) == {"status": "idle", "activities": []}
    told(store, "GUILD_DELETE", id=GUILD)
    assert store.facts.presence("default", GUILD, BOB) is None
