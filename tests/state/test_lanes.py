"""The verbs of the lanes, seen from outside."""

from __future__ import annotations

import time

import pytest

from shoal.base.errors import InvalidName, StaleGrant, StateConflict
from shoal.state.effects import Push, Receipt, SessionPut, Slot, Transcript, Wake
from shoal.state.records import Failure, Limit, Record, Refused
from shoal.state.store import Store
from tests.state.support import DELIVERY, SESSION, hinted, put_hints, record
from tests.state.taking import come_due, end_lease, lane_keys, refused, take, take_again


def test_records_come_back_as_they_went_in_and_in_order(store: Store) -> None:
    body = bytes(range(256)) + b"\n%1 %% [] 1234567890123456789"
    first = Record("m:1", "MESSAGE_CREATE", body, v=1, born=1_700_000_000_000, mode="steer",
                   scope="default|1|2|owner", account="default", message_id="99")  # fmt: skip
    assert store.lanes.push(SESSION, first).new
    assert store.lanes.push(SESSION, record("m:2")).depth == 2
    grant = take(store)
    assert grant.head == first
    following = store.lanes.commit(grant)
    assert following is not None
    assert following.token == grant.token
    assert following.head.identity == "m:2"
    assert following.head.born > 1_700_000_000_000, "Redis' clock gives a birth to what has none"
    assert store.lanes.commit(following) is None


def test_an_empty_lane_leaves_nothing_but_the_memory_of_its_identities(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.lanes.checkpoint(grant, 1, journal=b"x")
    assert store.lanes.commit(grant) is None
    assert lane_keys(store, SESSION) == []
    assert store.redis.zcard(store.keys.due("session")) == 0
    assert not store.lanes.push(SESSION, record("m:1")).new, "a push sent again after the commit is a no-op"
    assert refused(store) == "empty"


def test_one_holder_at_a_time_and_stale_tokens_are_refused_everywhere(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(SESSION, record("m:2", mode="steer"))
    old = take(store)
    assert refused(store) == "taken"
    end_lease(store)
    new = take(store)
    assert new.suspects == 1
    lanes = store.lanes
    calls = [
        lambda: lanes.checkpoint(old, 1, [Push(DELIVERY, record("x"))]),
        lambda: lanes.behind(old),
        lambda: lanes.absorb(old, ["m:2"]),
        lambda: lanes.commit(old, [Push(DELIVERY, record("x"))]),
        lambda: lanes.park(old, delay_ms=1000),
        lambda: lanes.move(old, "session:other"),
        lambda: lanes.yield_(old),
        lambda: lanes.fail(old, Failure.HANDLED, code="x", reason="y"),
    ]
    before = store.redis.dbsize()
    for call in calls:
        with pytest.raises(StaleGrant):
            call()
    assert store.redis.dbsize() == before
    assert lanes.renew({SESSION: old.token}) == {SESSION}
    assert lanes.renew({SESSION: new.token}) == set()
    assert lanes.depth(DELIVERY) == 0


def test_a_token_that_ended_a_grant_is_never_granted_again(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.lanes.yield_(grant)
    assert store.lanes.acquire(SESSION, grant.token) == Refused("used")


def test_a_commit_names_the_head_it_answers(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(SESSION, record("m:2"))
    first = take(store)
    store.lanes.commit(first)
    with pytest.raises(StateConflict):
        store.lanes.checkpoint(first, 1)
    assert store.lanes.depth(SESSION) == 1


def test_hints_come_when_a_lane_becomes_due_and_only_then(store: Store) -> None:
    put_hints(store)
    for number in range(3):
        store.lanes.push(SESSION, record(f"m:{number}"))
    assert hinted(store, "session") == [SESSION]
    grant = take(store)
    store.lanes.push(SESSION, record("m:9"))
    assert hinted(store, "session") == [SESSION]
    store.lanes.commit(grant, take_next=False)
    assert hinted(store, "session") == [SESSION, SESSION]
    store.lanes.yield_(take(store))
    assert len(hinted(store, "session")) == 3


def test_a_hint_goes_home(store: Store) -> None:
    store.hints.put("session", "q:any", b"@@ID@@ @@LANE@@ 100%1")
    store.hints.put("session@host-b", "q:b", b"@@ID@@ @@LANE@@")
    assert store.homes.claim("main", "host-b") == "host-b"
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push("session:agent:other:discord:dm:2", record("m:1"))
    assert store.redis.llen("q:b") == 1
    (other,) = store.redis.lrange("q:any", 0, -1)
    assert other.endswith(b" session:agent:other:discord:dm:2 100%1")
    assert store.homes.claim("main", "host-c") == "host-b"
    assert store.homes.all() == {"main": "host-b"}


def test_lanes_follow_their_agent_to_another_home(store: Store) -> None:
    """R25: what waits for a host that is gone is handed out where the agent lives now."""
    for route in ("session", "session@host-b", "session@host-c"):
        store.hints.put(route, f"q:{route}", b"@@ID@@ @@LANE@@")
    store.homes.put("main", "host-b")
    store.lanes.push(SESSION, record("m:1"))
    assert [store.redis.llen(f"q:session{end}") for end in ("", "@host-b", "@host-c")] == [0, 1, 0]
    store.homes.put("main", "host-c")
    come_due(store)
    store.lanes.sweep("session")
    assert [store.redis.llen(f"q:session{end}") for end in ("", "@host-b", "@host-c")] == [0, 1, 1]
    store.homes.release("main", "host-b")
    assert store.homes.all() == {"main": "host-c"}, "it is another's by now"
    store.homes.release("main", "host-c")
    come_due(store)
    store.lanes.sweep("session")
    assert store.redis.llen("q:session") == 1
    take(store)


def test_a_home_is_missing_since_it_was_first_missed(store: Store) -> None:
    store.homes.put("main", "host-b")
    store.homes.put("other", "host-c")
    [missed] = store.homes.missing(["host-c"])
    assert (missed.agent, missed.home, missed.gone_ms) == ("main", "host-b", 0)
    store.redis.hset(store.keys.homes_gone(), "main", f"{store.now_ms() - 70_000} host-b")
    [missed] = store.homes.missing(["host-c"])
    assert 70_000 <= missed.gone_ms < 80_000
    assert store.homes.missing(["host-b", "host-c"]) == []
    assert store.homes.missing(["host-c"])[0].gone_ms < 10_000, "it was back in between"


def test_checkpoints_follow_each_other_and_survive_the_holder(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.lanes.checkpoint(grant, 1, journal=b"one\x00\n")
    store.lanes.checkpoint(grant, 1, journal=b"one\x00\n")
    with pytest.raises(StateConflict):
        store.lanes.checkpoint(grant, 3)
    store.lanes.checkpoint(grant, 2, [Receipt("m:1", 0, b"777")], journal=b"two")
    end_lease(store)
    successor = take(store)
    assert successor.journal == [(1, b"one\x00\n"), (2, b"two")]
    assert successor.step == 2
    store.lanes.checkpoint(successor, 3)
    assert store.receipts.receipt("m:1") == {0: b"777"}


def test_effects_arrive_with_the_commit(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.lanes.commit(
        grant,
        [
            Push(DELIVERY, record("m:1.answer")),
            Push(SESSION, record("again"), front=True),
            Transcript("s1", [b"a", b"\xff\x00"]),
            SessionPut("agent:main", {"session_id": b"s1", "gone": None}),
        ],
    )
    assert store.lanes.depth(DELIVERY) == 1
    assert store.sessions.transcript("s1") == [b"a", b"\xff\x00"]
    assert store.sessions.hot_bytes("s1") == 3
    assert store.sessions.get("agent:main")["session_id"] == b"s1"
    assert take(store, DELIVERY).head.body == b"body of m:1.answer"


def test_a_refused_effect_refuses_the_whole_commit(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    store.redis.set(store.keys.transcript("s1"), "not a list")
    with pytest.raises(StateConflict):
        store.lanes.commit(grant, [Push(DELIVERY, record("x")), Transcript("s1", [b"a"])])
    with pytest.raises(StateConflict):
        store.lanes.commit(grant, [Wake("k")] * 65)
    with pytest.raises(StateConflict):
        store.lanes.commit(grant, [Transcript("s2", [b"a" * 100_000] * 3)])
    assert store.lanes.depth(DELIVERY) == 0
    assert store.lanes.depth(SESSION) == 1


@pytest.mark.parametrize("name", ["", "a b", "A", "x" * 201, "a\n", "a*", "é", "a|b", "{a}"])
def test_hostile_names_never_become_keys(store: Store, name: str) -> None:
    store.lanes.push(SESSION, record("m:1"))
    grant = take(store)
    before = sorted(store.redis.keys("*"))
    with pytest.raises(InvalidName):
        store.lanes.push(f"session:{name}" if name else "session:", record("m:2"))
    with pytest.raises(InvalidName):
        store.lanes.push(SESSION, record(name))
    for effect in (
        Push(f"session:{name}" if name else "x", record("m")),
        Transcript(name, []),
        Receipt(name, 0, b""),
        SessionPut(name, {}),
        SessionPut("k", {name: b""}),
        Wake(name),
        Slot(DELIVERY, name, 1, b""),
    ):
        with pytest.raises(InvalidName):
            store.lanes.checkpoint(grant, 1, [effect])
    # and the scripts refuse them by themselves
    for script, args in (("lane_push", (name, "m:2", record("x").frame(), 0, 0)), ("lane_wake", (name,))):
        assert store.script(script)(*args)[0] == b"conflict"
    assert sorted(store.redis.keys("*")) == before


def test_unknown_classes_are_refused(store: Store) -> None:
    with pytest.raises(InvalidName):
        store.lanes.push("nonsense:1", record("m:1"))
    assert store.script("lane_push")("nonsense:1", "m:1", record("x").frame(), 0, 0)[0] == b"conflict"
    assert store.script("lane_push")("session:1", "m:1", b"no header", 0, 0)[0] == b"conflict"


def test_absorbed_records_go_with_the_head(store: Store) -> None:
    scope = "default|1|2|member"
    store.lanes.push(SESSION, record("m:1", scope=scope))
    store.lanes.push(SESSION, record("m:2", scope=scope, mode="steer"))
    store.lanes.push(SESSION, record("m:3", scope="other", mode="steer"))
    store.lanes.push(SESSION, record("m:4", scope=scope))
    grant = take(store)
    assert [found.identity for found in store.lanes.behind(grant)] == ["m:2", "m:3"]
    with pytest.raises(StateConflict):
        store.lanes.absorb(grant, ["m:2", "m:3"])
    with pytest.raises(StateConflict):
        store.lanes.absorb(grant, ["m:1"])
    store.lanes.absorb(grant, ["m:2"])
    store.lanes.absorb(grant, ["m:2"])
    assert [found.identity for found in store.lanes.behind(grant)] == ["m:3"]
    end_lease(store)
    successor = take(store)
    assert [found.identity for found in successor.absorbed] == ["m:2"]
    following = store.lanes.commit(successor)
    assert following is not None
    assert following.head.identity == "m:3"
    assert following.absorbed == []


def test_newer_versions_are_left_without_a_try(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(SESSION, record("m:2", v=2))
    grant = take(store)
    assert store.lanes.commit(grant) is None, "the next head is not ours to read"
    assert refused(store) == "version"
    newer = take(store, reads=(1, 2))
    assert (newer.head.v, newer.tries, newer.suspects) == (2, 0, 0)


def test_what_a_turn_cannot_read_does_not_join_it(store: Store) -> None:
    """R26, in the middle of an upgrade: neither a newer record nor what came after it is taken in."""
    store.lanes.push(SESSION, record("m:1"))
    for name, version in (("m:2", 1), ("m:3", 2), ("m:4", 1)):
        store.lanes.push(SESSION, record(name, v=version, mode="steer"))
    old = take(store)
    assert [found.identity for found in store.lanes.behind(old)] == ["m:2"]
    with pytest.raises(StateConflict, match="another version: m:3"):
        store.lanes.absorb(old, ["m:2", "m:3"])
    store.lanes.yield_(old)
    newer = take(store, reads=(1, 2))
    assert [found.identity for found in store.lanes.behind(newer)] == ["m:2", "m:3", "m:4"]
    store.lanes.absorb(newer, ["m:3"])


def test_a_limit_counts_live_grants(store: Store) -> None:
    lanes = [f"session:agent:main:dm:{number}" for number in range(3)]
    for lane in lanes:
        store.lanes.push(lane, record("m:1"))
    limit = Limit("turns", 2)
    first = take(store, lanes[0], limit=limit)
    take(store, lanes[1], limit=limit, ttl_ms=150)
    assert refused(store, lanes[2], limit=limit) == "limit"
    time.sleep(0.16)
    third = take(store, lanes[2], limit=limit)
    assert refused(store, lanes[1], limit=limit) == "limit"
    assert store.lanes.commit(first) is None
    assert store.lanes.commit(third) is None
    take(store, lanes[1], limit=limit)


def test_slots_conflate(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    turn = take(store)
    for version in (1, 2, 2, 1):
        slot = Slot(DELIVERY, "turn.1", version, b"v%d" % version)
        store.lanes.checkpoint(turn, turn.step + 1, [slot])
        turn = take_again(store, turn)
    assert store.lanes.depth(DELIVERY) == 1
    sender = take(store, DELIVERY)
    assert (sender.head.kind, sender.head.identity, sender.head.body) == ("slot", "slot.turn.1.2", b"v2")
    store.lanes.checkpoint(turn, turn.step + 1, [Slot(DELIVERY, "turn.1", 3, b"v3")])
    turn = take_again(store, turn)
    assert store.lanes.depth(DELIVERY) == 2, "what is being sent is not taken away"
    final = [Slot(DELIVERY, "turn.1", 4, None), Push(DELIVERY, record("final"))]
    store.lanes.checkpoint(turn, turn.step + 1, final)
    turn = take_again(store, turn)
    store.lanes.checkpoint(turn, turn.step + 1, [Slot(DELIVERY, "turn.1", 5, b"late")])
    following = store.lanes.commit(sender)
    assert following is not None
    assert following.head.identity == "final", "closed: the queued preview is gone, later ones are ignored"
    assert store.lanes.depth(DELIVERY) == 1


def test_overview_tells_where_lanes_stand(store: Store) -> None:
    names = {
        state: f"session:agent:main:dm:{state}" for state in ("held", "parked", "waiting", "ready", "taken")
    }
    for lane in names.values():
        store.lanes.push(lane, record("m:1"))
    store.lanes.hold(names["held"], deadline_ms=60_000)
    store.lanes.park(take(store, names["parked"]), delay_ms=60_000)
    store.lanes.yield_(take(store, names["waiting"]), delay_ms=60_000)
    take(store, names["taken"])
    found = {info.lane: info for info in store.lanes.overview()}
    assert {state: found[lane].state for state, lane in names.items()} == {state: state for state in names}
    assert all(info.depth == 1 and info.head == "m:1" for info in found.values())
    assert store.lanes.counts()["session"] == (5, 0)
