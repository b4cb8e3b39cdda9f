"""What several state tests share: a snapshot of the whole server, and templates for hints."""

from __future__ import annotations

import re
from typing import Any

from shoal.base.ids import DISCORD_EPOCH_MS
from shoal.state.queues import CLASSES
from shoal.state.records import Record
from shoal.state.store import Store

QUEUE = "shoal:1:q:test"
MESSAGE = str((1_790_000_000_000 - DISCORD_EPOCH_MS) << 22)
SESSION = "session:agent:main:discord:channel:1"
DELIVERY = "delivery:default:1"


def token(number: int) -> str:
    """A token that is the same in every run."""
    return f"{number:032x}"


def record(name: str, **fields: Any) -> Record:
    """A small record."""
    return Record(identity=name, kind="turn", body=b"body of " + name.encode(), **fields)


def put_hints(store: Store) -> None:
    """A template for every class and its quarantine, each to a queue of its own."""
    for name in CLASSES:
        for route in (name, f"{name}.chores"):
            store.hints.put(route, f"{QUEUE}.{route}", b'{"id": "@@ID@@", "args": ["@@LANE@@"]}')


def hinted(store: Store, route: str) -> list[str]:
    """Lanes of the hints that lie in a route's queue, oldest first."""
    raw = store.redis.lrange(f"{QUEUE}.{route}", 0, -1)
    found = [re.fullmatch(rb'\{"id": "([0-9a-f-]{36})", "args": \["([^"]*)"\]\}', item) for item in raw]
    assert all(found), raw
    ids = [match.group(1) for match in found if match]
    assert len(set(ids)) == len(ids), "every hint has an id of its own"
    return [match.group(2).decode() for match in reversed(found) if match]


def snapshot(store: Store) -> dict[str, Any]:
    """Every key with its content and whether it ends."""
    found: dict[str, Any] = {}
    for key in sorted(store.redis.keys("*")):
        found[key.decode()] = (_content(store.redis, key), store.redis.pttl(key) >= 0)
    return found


def _content(redis: Any, key: bytes) -> Any:
    kind = redis.type(key)
    if kind == b"string":
        return redis.get(key)
    if kind == b"list":
        return redis.lrange(key, 0, -1)
    if kind == b"hash":
        return redis.hgetall(key)
    if kind == b"set":
        return redis.smembers(key)
    return redis.zrange(key, 0, -1, withscores=True)


def timeless(found: Any) -> Any:
    """A snapshot without times and fresh ids, for comparing two runs."""
    if isinstance(found, dict):
        # "sec" is the second in which drops were counted, "bk" a difference of two times
        return {
            timeless(key): "time" if key in (b"sec", "sec", b"bk", "bk") else timeless(value)
            for key, value in found.items()
        }
    if isinstance(found, list | tuple):
        return [timeless(value) for value in found]
    if isinstance(found, set):
        return sorted(timeless(value) for value in found)
    if isinstance(found, float):
        return "time" if found > 1e12 else found
    if isinstance(found, bytes):
        found = found.decode("latin-1")
    if isinstance(found, str):
        found = re.sub(r"\b1[789]\d{11}\b", "time", found)
        found = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "id", found)
        found = re.sub(r"(chat.*|sec|count:default):?\d+", r"\1", found)
    return found
