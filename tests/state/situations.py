"""How a store stands before a call under test, and the effects such a call is given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal.base.errors import StateConflict
from shoal.state.effects import (
    Control,
    Controls,
    Count,
    Effect,
    Expire,
    Fork,
    GivenWayTold,
    GiveWay,
    Note,
    Outcome,
    Pair,
    PairReply,
    Push,
    Receipt,
    SessionPut,
    Slot,
    SystemEvent,
    SystemEventsDone,
    Tally,
    Told,
    Transcript,
    Wake,
)
from shoal.state.gaps import Late
from shoal.state.intake import IntakeEvent
from shoal.state.records import Failure, Grant, Limit, Record, parse_frame
from shoal.state.store import Store
from tests.state.support import DELIVERY, MESSAGE, SESSION, put_hints, record, token

OTHER = "session:agent:main:discord:channel:2"


CHAT = "default|1|2|member"


def fill(store: Store, lane: str = SESSION, count: int = 3) -> None:
    put_hints(store)
    for number in range(1, count + 1):
        store.lanes.push(
            lane,
            record(f"m:{number}", born=1000 + number, scope=CHAT, mode="steer" if number > 1 else "",
                   account="default", message_id=str(int(MESSAGE) + number)),
        )  # fmt: skip


def held(store: Store, count: int = 3, **options: Any) -> Grant:
    fill(store, count=count)
    grant = store.lanes.acquire(SESSION, token(1), **options)
    assert isinstance(grant, Grant)
    return grant


def working(store: Store) -> Grant:
    """A grant with a journal, an absorbed record and a limit, and lanes and slots around it."""
    grant = held(store, limit=Limit("turns", 5))
    told = SystemEvent("agent:main", "e.1", "aa", "c0", b"{}")
    store.lanes.checkpoint(grant, 1, [Slot(DELIVERY, "t", 1, b"draft"), told], journal=b"first")
    store.lanes.absorb(grant, ["m:2"])
    store.lanes.push(OTHER, record("m:7"))
    store.lanes.push(OTHER, record("m:6"))
    other = store.lanes.acquire(OTHER, token(2))
    assert isinstance(other, Grant)
    store.lanes.park(other, delay_ms=600_000, wake_on=["done:1"])
    store.redis.set(store.keys.blob("b1"), b"large")
    return grant


def stranger(sender: str = "77", offset: int = 9) -> Pair:
    """A stranger's first message; codes that are the same in every run."""
    return Pair(
        "default", sender, '{"name":"Zoë"}', str(int(MESSAGE) + offset), DELIVERY, record(f"pair.{sender}"),
        codes=("ABCDEFGH", "BCDEFGHJ", "CDEFGHJK", "DEFGHJKL"),
    )  # fmt: skip


def strangers(count: int, reply: str = "") -> Callable[[Store], Grant]:
    """So many strangers wait already; what became of the first one's reply, over a minute ago."""

    def prepare(store: Store) -> Grant:
        grant = held(store)
        for number in range(count):
            store.lanes.checkpoint(grant, number + 1, [stranger(str(77 + number), 20 + number)])
        if reply:
            store.lanes.checkpoint(grant, count + 1, [PairReply("default", "77", "pair.77", reply)])
            key = store.keys.pairing("default")
            old = store.redis.hget(key, "77").split(b" ")
            old[4] = b"1790000000000"
            store.redis.hset(key, "77", b" ".join(old))
        return store.lanes.commit(grant)

    return prepare


def overdue(store: Store) -> Grant:
    """A stranger who wrote long ago: the request is over."""
    grant = strangers(1)(store)
    store.redis.hset(store.keys.pairing("default"), "76", "1790000000000 1790000000000 ABCDEFGH sent 1 n\n{}")
    return grant


def guessed(times: int) -> Callable[[Store], None]:
    def prepare(store: Store) -> None:
        strangers(1)(store)
        for number in range(times):
            store.script("pairing_approve")(token(30 + number), "ZZZZZZZZ", 1, "cli", 1, "default")

    return prepare


def approved(store: Store) -> None:
    strangers(2)(store)
    store.script("pairing_approve")(token(30), "ABCDEFGH", 1, "cli", 1, "default")


def effects() -> list[Effect]:
    return [
        Push(DELIVERY, record("m:1.answer")),
        Push(DELIVERY, record("m:1.answer")),
        Push(SESSION, record("m:1.again"), delay_ms=60_000),
        Push(OTHER, record("m:8"), front=True),
        Transcript("s1", [b"one", b"two"]),
        Transcript("history:1", [b"one", b"two", b"three"], keep=2),
        Fork("s1", "s2"),
        Fork("s1", "s2"),
        Receipt("m:1", 0, b"receipt"),
        Outcome("default", MESSAGE, "answered", "ok"),
        Outcome("default", str(int(MESSAGE) + 5), "dropped", "chatter"),
        Note("default", MESSAGE, "session", SESSION),
        Wake("done:1"),
        Slot(DELIVERY, "t", 2, b"better"),
        Slot(DELIVERY, "u", 1, b"another"),
        Slot(DELIVERY, "u", 2, None),
        Expire("b1"),
        Controls(
            "default", "g1", 60_000, [Control("btn_g1-1", b"{}"), Control("btn_g1-2", b"{}", reusable=True)]
        ),
        Tally("default", "loop.1.2.3", "m1", 1_790_000_000_000, 60_000),
        Tally("default", "loop.1.2.3", "m1", 1_790_000_000_500, 60_000),
        SessionPut("agent:main", {"session_id": b"s1", "old": None}),
        SystemEvent("agent:main", "e.2", "aa", "c1", b"{}"),
        SystemEvent("agent:main", "e.3", "bb", "c2", b"{}"),
        SystemEvent("agent:main", "e.4", "cc", "c1", b"{}"),
        SystemEventsDone("agent:main", ["e.1", "e.3"]),
        SystemEvent("agent:helper", "e.5", "aa", "c1", b"{}"),
        SystemEventsDone("agent:helper"),
        GiveWay(OTHER, "m:7", "default", [str(int(MESSAGE) + 7)], "queue-overflow", "2", b"Ann: hello"),
        GiveWay(OTHER, "m:6", "default", [str(int(MESSAGE) + 8)], "queue-overflow", "2", b"Ann: first"),
        GiveWay(OTHER, "m:6", "default", [str(int(MESSAGE) + 8)], "queue-overflow", "2", b"Ann: again"),
        GivenWayTold(OTHER, "3", 1),
        Count("default", "reaction.off"),
        Told("default", "silence.1", "dm"),
        stranger(),
    ]


def expired(store: Store, suspects: int, quarantine: bool = False) -> None:
    """A head whose holder has just died, after ``suspects`` others."""
    fill(store)
    for number in range(suspects + 1):
        grant = store.lanes.acquire(SESSION, token(50 + number), quarantine=quarantine or number > 1)
        assert isinstance(grant, Grant), grant
        store.redis.hset(store.keys.lane(SESSION), "until", 1)
        store.redis.zadd(store.keys.due("session"), {SESSION: 1})
        if number < suspects:
            assert store.lanes.sweep("session").expired == 1


def failing(times: int) -> Callable[[Store], Grant]:
    def prepare(store: Store) -> Grant:
        grant = working(store)
        for number in range(times):
            store.lanes.fail(grant, Failure.HANDLED, code="bad", reason="x", delay_ms=0)
            again = store.lanes.acquire(SESSION, token(10 + number))
            assert isinstance(again, Grant)
            grant = again
        return grant

    return prepare


def died(store: Store) -> str:
    grant = failing(2)(store)
    store.lanes.fail(grant, Failure.HANDLED, code="bad", reason="x")
    return store.lanes.dead_list()[0].id


def parked_on(store: Store) -> None:
    fill(store)
    grant = store.lanes.acquire(SESSION, token(1))
    assert isinstance(grant, Grant)
    store.lanes.park(grant, delay_ms=600_000, wake_on=["k:1", "k:2"])


def session_begun(store: Store) -> None:
    put_hints(store)
    assert store.intake.holder_acquire("default", token(9), 60_000)
    store.intake.begin_session("default", 0, "discord-session", "wss://resume", 1, token=token(9))


def event(seq: int = 2, **fields: Any) -> IntakeEvent:
    body = Record("m." + MESSAGE, "MESSAGE_CREATE", b"{}", account="default", message_id=MESSAGE)
    defaults: dict[str, Any] = {
        "dedup": f"m:{MESSAGE}",
        "lane": "inbound:default:1",
        "record": body,
        "also": ("fast:default:1", body),
        "seen": ("1", MESSAGE),
        "outcome": (MESSAGE, "control", "stop"),
    }
    return IntakeEvent("default", 0, "discord-session", seq - 1, seq, **{**defaults, **fields})


def run_of_three(store: Store, _: Any) -> int:
    """A message, a mere move of the cursor, a message elsewhere: by the script for runs and no other."""
    second = str(int(MESSAGE) + (1 << 22))
    other = Record("m." + second, "MESSAGE_CREATE", b"{}", account="default", message_id=second)
    batch = [
        event(2, also=None, outcome=None),
        event(3, also=None, outcome=None, dedup=None, lane=None, record=None, seen=None),
        event(4, also=None, outcome=None, dedup=f"m:{second}", lane="inbound:default:2", record=other,
              seen=("2", second)),
    ]  # fmt: skip
    repeats = store.intake._run(batch, [each.encode() for each in batch], token(9))
    if repeats is not None:
        return repeats
    cursor = store.intake.cursor("default", 0)
    if cursor is None or cursor.seq != 4:
        raise StateConflict("not stored", "intake_run")
    return 0  # a second delivery: all of it was there


def with_controls(store: Store) -> None:
    key = store.keys.controls("default", "g1")
    store.redis.hset(key, mapping={"btn_g1-1": b"0{}", "btn_g1-2": b"1{}"})
    store.redis.pexpire(key, 60_000)


def first_click(store: Store) -> None:
    store.controls.take("default", "g1", "btn_g1-2", "i0")
    store.controls.take("default", "g1", "btn_g1-1", "i1")


def queued(store: Store) -> None:
    store.lanes.push("inbound:default:1", record("m:1"))


def lost_session(store: Store) -> None:
    session_begun(store)
    store.intake.apply([event()], token=token(9))
    store.redis.hset(store.keys.last("default"), "5", "4000000000000000000")


def younger(store: Store) -> None:
    session_begun(store)
    store.lanes.push("inbound:default:1", record("m:1", born=1))
    store.lanes.push("inbound:default:1", record("m:3", born=1 << 50))


def late() -> Late:
    body = Record("m." + MESSAGE, "MESSAGE_CREATE", b"{}", born=1 << 40, message_id=MESSAGE)
    return Late(
        f"m:{MESSAGE}", "inbound:default:1", body, ("1", MESSAGE), (MESSAGE, "dropped", "own-message")
    )


def parked_inbound(store: Store) -> None:
    queued(store)
    grant = store.lanes.acquire("inbound:default:1", token(1))
    assert isinstance(grant, Grant)
    store.lanes.park(grant, delay_ms=600_000)


def given_up(store: Store) -> Grant:
    """A watch has let the lease of the lane run out."""
    grant = working(store)
    store.lanes.abort(SESSION, grant.head.identity, grace_ms=0, ends=False)
    return grant


def outlived(store: Store) -> Grant:
    """The second of two holders that were taken for dead; the record is in quarantine."""
    fill(store)
    store.processes.begin("host", "run1")
    for number in (60, 61):
        grant = store.lanes.acquire(SESSION, token(number))
        assert isinstance(grant, Grant), grant
        store.redis.hset(store.keys.lane(SESSION), "until", 1)
        store.redis.zadd(store.keys.due("session"), {SESSION: 1})
        assert store.lanes.sweep("session").expired == 1
    return grant


def given_back(store: Store) -> None:
    """A head that is to end, in nobody's hands."""
    grant = working(store)
    store.lanes.abort(SESSION, grant.head.identity, grace_ms=0)
    store.lanes.yield_(grant)


def long_transcript(store: Store) -> None:
    grant = held(store)
    for step in range(1, 13):
        store.lanes.checkpoint(grant, step, [Transcript("s1", [bytes([step]) * 200_000])])


def stopped_clock(store: Store) -> None:
    """Make the next script write the clock."""
    store.redis.hset("shoal:1:clock", "seen", store.now_ms() - 1000)


def fall_back(store: Store, ms: int = 3_600_000) -> None:
    """Every time that is stored was written ``ms`` ahead of the clock as it is from now on."""
    redis, prefix = store.redis, store.keys.prefix
    for raw in redis.keys(f"{prefix}lane:*"):
        for field in ("until", "nb", "hold", "park"):
            if redis.hexists(raw, field):
                redis.hincrby(raw, field, ms)
    for raw in redis.keys(f"{prefix}rec:*"):
        for identity, frame in redis.hgetall(raw).items():
            old = parse_frame(identity, frame)
            if old.not_before:
                head, _, body = frame.partition(b"\n")
                words = head.split(b" ")
                words[2] = b"%d" % (old.not_before + ms)
                redis.hset(raw, identity, b" ".join(words) + b"\n" + body)
    for pattern in ("due:*", "ready:*", "limit:*"):
        for raw in redis.keys(f"{prefix}{pattern}"):
            for member, score in redis.zrange(raw, 0, -1, withscores=True):
                redis.zadd(raw, {member: score + ms})
    for raw in redis.keys(f"{prefix}rl:*:log"):
        entries = [entry.split(b" ") for entry in redis.lrange(raw, 0, -1)]
        redis.delete(raw)
        redis.rpush(raw, *(b"%d %s" % (int(at) + ms, cls) for at, cls in entries))
    redis.hset(store.keys.clock(), "seen", store.now_ms() + ms)
    redis.hdel(store.keys.clock(), "jump")


def after(prepare: Callable[[Store], Any], then: Callable[[Store], None]) -> Callable[[Store], Any]:
    def both(store: Store) -> Any:
        made = prepare(store)
        then(store)
        return made

    return both


def come_due(store: Store) -> None:
    for cls in ("session", "delivery"):
        for lane in store.redis.zrange(store.keys.due(cls), 0, -1):
            store.redis.zadd(store.keys.due(cls), {lane: 1})


NOTHING_KEPT = IntakeEvent("default", 0, "discord-session", 1, 40)


def holding(store: Store) -> None:
    store.lanes.hold(SESSION, deadline_ms=60_000)
    fill(store)


def unpark(store: Store) -> None:
    store.redis.hset(store.keys.lane(SESSION), "park", 1)
    store.redis.zadd(store.keys.due("session"), {SESSION: 1})
