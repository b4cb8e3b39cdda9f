"""CPU time of deciding about one guild message, with a full config and a real Redis."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec

import config
from bench.table import Row, percentile
from shoal.base.ids import snowflake_at
from shoal.state.embedded import EmbeddedServer
from shoal.state.records import InboundEvent
from shoal.state.store import Store
from workers.sessions.admission import admit
from workers.sessions.view import StoreView, settings_of

ACCOUNT, BOT, ANN = "default", "1300000000000000004", "1300000000000000101"
GUILDS, CHANNELS = 100, 20
TOKEN = "MTMwMDAwMDAwMDAwMDAwMDAwNA.GTest1.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
GUILD, CHANNEL = "1310000000000000099", "1320000000000000019"


def measure(folder: Path, quick: bool) -> list[Row]:
    """Chatter without a mention, and a message that becomes a turn; each with a view of its own."""
    count = 300 if quick else 3_000
    redis = EmbeddedServer(folder / "redis")
    redis.start()
    store = Store.open(redis.url(), client_name="bench")
    store.check()
    try:
        settings = settings_of(_config(folder), ACCOUNT)
        _facts(store)
        rows = [
            _row(name, what, [_cost(settings, store, number, mention) for number in range(count)])
            for name, what, mention in (
                ("admission-chatter", "CPU of a guild message without a mention", False),
                ("admission", "CPU of a guild message that becomes a turn", True),
            )
        ]
    finally:
        store.close()
        redis.stop()
    return rows


def _row(name: str, what: str, costs: list[float]) -> Row:
    return Row(
        name, what, percentile(costs, 0.5), 2, "<=",
        ours=f"p99 {percentile(costs, 0.99):.2f} ms", unit="ms",
        note=f"{GUILDS} guild entries of {CHANNELS} channels, access groups, patterns",
    )  # fmt: skip


def _cost(settings: Any, store: Store, number: int, mention: bool) -> float:
    """Milliseconds of CPU of this thread, Redis client included."""
    event = _event(number, mention)
    began = time.thread_time()
    admission = admit(event, StoreView(settings, store))
    spent = time.thread_time() - began
    wanted = "admitted" if mention else "history"
    assert admission.summary.startswith(wanted), admission.summary
    return spent * 1000


def _event(number: int, mention: bool) -> InboundEvent:
    named = [{"id": BOT, "username": "shoal", "bot": True}] if mention else []
    data = {
        "id": str(snowflake_at(1_790_000_000_000) + (number << 22)),
        "channel_id": CHANNEL,
        "channel_type": 0,
        "guild_id": GUILD,
        "author": {"id": ANN, "username": "ann", "global_name": "Ann", "discriminator": "0"},
        "member": {"roles": ["1330000000000000007"], "nick": None},
        "content": "so, what do we make of all this, and who has seen the other one? " * 3,
        "type": 0,
        "mentions": named,
        "mention_roles": [],
        "mention_everyone": False,
        "attachments": [],
        "embeds": [],
        "timestamp": "2026-09-21T14:13:20.000000+00:00",
        "edited_timestamp": None,
    }
    return InboundEvent(
        ACCOUNT, 0, "MESSAGE_CREATE", 1_790_000_000_000, msgspec.Raw(json.dumps(data).encode())
    )


def _config(folder: Path) -> config.Loaded:
    """Half of the guilds by id, half by name; the one that is asked for admits by its audience group."""
    guilds: dict[str, Any] = {}
    for number in range(GUILDS):
        key = f"13100000000000000{number:02}" if number % 2 else f"guild-{number}"
        channels = {f"channel-{one}": {"requireMention": True} for one in range(CHANNELS)}
        guilds[key] = {"users": ["accessGroup:staff", "accessGroup:team"], "channels": {"*": {}, **channels}}
    root = {
        "channels": {"discord": {"token": TOKEN, "allowFrom": ["1"], "guilds": guilds}},
        "accessGroups": {
            "team": {"type": "message.senders", "members": {"discord": [str(one) for one in range(200)]}},
            "staff": {"type": "discord.channelAudience", "guildId": GUILD, "channelId": CHANNEL},
        },
        "agents": {"list": [{"id": "main", "identity": {"name": "Claw", "emoji": "🦞"}}]},
    }
    path = folder / "shoal.json"
    path.write_text(json.dumps(root))
    return config.load(path, env={}, state_dir=folder)


def _facts(store: Store) -> None:
    everyone = {"id": GUILD, "permissions": "1024"}
    roles = [everyone, *({"id": f"13300000000000000{one:02}", "permissions": "0"} for one in range(50))]
    channel = {"id": CHANNEL, "name": "channel-19", "type": 0, "permission_overwrites": []}
    store.facts.put_me(ACCOUNT, {"id": BOT, "username": "shoal"})
    store.facts.put_guild(
        ACCOUNT,
        GUILD,
        {"id": GUILD, "name": "Guild 99", "owner_id": "1", "channels": [channel], "roles": roles},
    )
