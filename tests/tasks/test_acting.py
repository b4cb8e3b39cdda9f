"""What a person may have read to him through the bot (``spec/outbound.md`` 7.5, rule R16)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shoal.discord.permissions import Permission
from shoal.state.store import Store
from tasks.acting import may_read
from tests.conftest import RedisServer
from tests.tasks.support.front import ANN, BOB, CHANNEL, GUILD, Front
from tests.workers.agent.support.turns import request
from workers.sessions.records import TurnRequest

EVERYBODY = int(Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY)
MODS, STAFF, OPEN, PRIVATE, UNLISTED, DM = "701", "601", "602", "603", "604", "605"


@pytest.fixture
def front(store: Store, redis_server: RedisServer, tmp_path: Path) -> Front:
    """Everybody sees the channel and its open thread; staff is for moderators; one is not served."""
    entries = {name: {} for name in (CHANNEL, STAFF, OPEN, PRIVATE)}
    front = Front(store, redis_server.url, tmp_path, discord={"guilds": {GUILD: {"channels": entries}}})
    hidden = [{"id": GUILD, "type": 0, "allow": "0", "deny": str(EVERYBODY)},
              {"id": MODS, "type": 0, "allow": str(EVERYBODY), "deny": "0"}]  # fmt: skip
    channels: list[dict[str, Any]] = [
        {"id": CHANNEL, "name": "talk", "type": 0},
        {"id": STAFF, "name": "staff", "type": 0, "permission_overwrites": hidden},
        {"id": UNLISTED, "name": "other", "type": 0},
    ]
    threads = [{"id": OPEN, "name": "t", "type": 11, "parent_id": CHANNEL},
               {"id": PRIVATE, "name": "p", "type": 12, "parent_id": CHANNEL}]  # fmt: skip
    manage = int(Permission.MANAGE_THREADS)
    roles = [{"id": GUILD, "permissions": str(EVERYBODY)}, {"id": MODS, "permissions": str(manage)}]
    guild = {"id": GUILD, "name": "Reef", "owner_id": "1", "roles": roles}
    store.facts.put_guild("default", GUILD, {**guild, "channels": channels, "threads": threads})
    store.facts.put_channel("default", {"id": DM, "type": 1})
    return front


def asked(by: str = ANN, *roles: str, owner: bool = False) -> TurnRequest:
    return request(
        channel_id=CHANNEL, guild_id=GUILD, author_id=by, member_roles=roles, is_owner=owner,
        authority="owner" if owner else "guest",
    )  # fmt: skip


def seen(front: Front, who: TurnRequest) -> set[str]:
    places = (CHANNEL, STAFF, OPEN, PRIVATE, UNLISTED, DM, "999")
    return {place for place in places if may_read(front.runtime, who, place)}


def test_everybody_reads_what_he_sees_himself_and_the_config_serves(front: Front) -> None:
    assert seen(front, asked(ANN)) == {CHANNEL, OPEN}
    assert seen(front, asked(BOB, MODS)) == {CHANNEL, OPEN, STAFF, PRIVATE}
    assert seen(front, asked(ANN, owner=True)) == {CHANNEL, OPEN, STAFF, PRIVATE}


def test_from_a_private_conversation_no_server_is_read(front: Front) -> None:
    assert may_read(front.runtime, request(guild_id=None, chat_type="direct"), CHANNEL) is False
