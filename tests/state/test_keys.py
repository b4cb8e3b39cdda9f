"""The table of key families holds for what the scripts and the Python side really write."""

from __future__ import annotations

import inspect
import re
from importlib import resources

from pydantic import SecretStr

from shoal.state.families import FAMILIES, family_of
from shoal.state.keys import CELERY_PREFIX, PREFIX, Keys, snowflake_page
from shoal.state.lookups import Asked
from shoal.state.media import Saved
from shoal.state.personas import Persona, Webhook
from shoal.state.queues import CLASSES
from shoal.state.store import Store
from tests.state.scenarios import all_scenarios
from tests.state.support import MESSAGE

ELSEWHERE = {
    "circuit",
    "circuit-fails",
    "forced",
    "identify",
    "model-fails",
    "model-rest",
    "stuck",
    "stuck-look",
    *(family.name for family in FAMILIES if family.name.startswith("limiter-")),
}
"""Families that are written by no scenario of these tests."""
ENDLESS = {
    *(family.name for family in FAMILIES if family.ttl in ("none", "with the lane", "with the head")),
    # these hold entries that end, each by a time of its own
    "dead", "dead-new", "limit", "pairing", "processes", "celery",
    # a scenario puts one without an end, to see that an effect gives it one
    "blob",
}  # fmt: skip
"""Families whose keys need not end by themselves."""


def test_every_scenario_leaves_declared_keys_of_the_declared_type(store: Store) -> None:
    store.epoch()
    store.blobs.put(b"x")
    store.facts.put_guild("default", "1", {"id": "1", "channels": [{"id": "2"}]})
    store.intake.command("default", b"x")
    store.intake.ack("5", "front")
    store.homes.put("main", "here")
    store.homes.missing([])
    store.receipts.echo("default", "nonce", "1", "2")
    store.lookups.put(Asked("default", "user", "1"), None, ttl_s=60)
    store.media.claim("default", "1", "here", "me")
    store.personas.bind("default", "1", Persona("2", "main"))
    store.personas.keep("default", "2", Webhook("3", SecretStr("token-of-it")))
    store.personas.refuse("default", "3", "no")
    store.personas.claim("default", "2")
    store.personas.say("default", "1", "5", "x.1.0", now_ms=1)
    store.media.save("default", "1", "here", Saved(path="/x"))
    seen, endless = set(), set()
    for scenario in all_scenarios():
        prepared = scenario.prepare(store)
        scenario.act(store, prepared)
        for key in store.redis.keys("*"):
            family = family_of(key.decode())
            assert family is not None, key
            seen.add(family.name)
            if family.type != "any":
                assert store.redis.type(key).decode() == family.type, key
            if store.redis.pttl(key) < 0:
                endless.add(family.name)
        store.redis.flushall()
    assert seen == {family.name for family in FAMILIES} - ELSEWHERE
    # a life that is declared is set, whichever way the key is written first
    assert endless == {name for name in seen if name in ENDLESS}


def test_families_are_declared_once_and_complete() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert len({family.pattern for family in FAMILIES}) == len(FAMILIES)
    assert {family.cls for family in FAMILIES} == {"durable", "working", "derived"}
    assert {family.type for family in FAMILIES} <= {"string", "list", "hash", "set", "zset", "any"}
    assert family_of(f"{CELERY_PREFIX}turns") is not None
    assert family_of("celery") is None
    assert family_of(f"{PREFIX}nonsense:1") is None


def test_the_key_builders_build_declared_names() -> None:
    keys = Keys()
    built = {
        name: build(*("1" * len(inspect.signature(build).parameters)))
        for name, build in inspect.getmembers(keys, inspect.ismethod)
        if not name.startswith("_")
    }
    assert len(built) > 40
    families = {name: family_of(key) for name, key in built.items()}
    assert all(families.values()), families
    shared = [family for family in families.values() if list(families.values()).count(family) > 1]
    assert not shared, "two builders build names of one family"


def test_lua_and_python_agree_on_classes_and_their_nudges() -> None:
    text = (resources.files("shoal.state") / "lua" / "_lanes.lua").read_text("utf-8")
    table = re.search(r"LANE_NUDGE = \{(.*?)\}", text, re.DOTALL)
    assert table is not None
    in_lua = {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", table.group(1))}
    assert set(in_lua) == set(CLASSES)
    assert all(100 <= value <= 1000 for value in in_lua.values())


def test_lua_and_python_agree_on_pages(store: Store) -> None:
    for offset in (0, 1, 4_194_303, 4_194_304 * 9_999, 4_194_304 * 10_000 - 1, 4_194_304 * 10_000):
        message = str(int(MESSAGE) + offset)
        store.ledger.close("default", message, "event")  # type: ignore[arg-type]
        assert store.ledger.explain("default", message) is not None, offset
        assert store.redis.exists(f"shoal:1:out:default:{snowflake_page(message, 10_000)}")


def test_every_script_says_what_it_does_and_which_keys_it_has() -> None:
    for item in (resources.files("shoal.state") / "lua").iterdir():
        text = item.read_text("utf-8")
        head = text.split("\n\n")[0] if item.name.startswith("_") else text.split("-- include:")[0]
        assert text.startswith("-- "), item.name
        assert "eys" in text[:4000], f"{item.name} names no keys"
        assert len(head) > 60, item.name
