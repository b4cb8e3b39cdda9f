"""What becomes of messages that find their conversation busy (``spec/inbound.md`` 5.4, R7, decision 38)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from shoal.simulator.models import ModelServer
from shoal.state.effects import GiveWay
from shoal.state.steps import Commit, Yield
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import (
    LANE,
    CountingTool,
    deliver,
    deps,
    record,
    request,
    settle,
    take,
    turn,
)
from workers.agent.context import TurnContext
from workers.agent.results import TurnDeps
from workers.agent.tools.registry import ToolContext, ToolResult, Wait
from workers.agent.turn import run_turn
from workers.sessions.changes import MessageChange, change_record
from workers.sessions.records import TurnRequest

Start = Callable[..., ModelServer]
TOOL = {"tool_calls": [{"name": "count", "arguments": {}}]}


def push(store: Store, wanted: TurnRequest, *, delay_ms: int = 0, scope: str = "") -> TurnRequest:
    entry = record(wanted, wanted.mode)
    store.lanes.push(LANE, replace(entry, scope=scope or entry.scope), delay_ms=delay_ms)
    return wanted


def outcome(store: Store, wanted: TurnRequest) -> tuple[str, str]:
    told = store.ledger.explain(wanted.account, wanted.message_id)
    assert told is not None
    return str(told.outcome), told.reason


def last_texts(server: ModelServer, number: int = -1) -> list[str]:
    """The user messages of a request to the model."""
    return [entry["content"] for entry in bodies(server)[number]["messages"] if entry["role"] == "user"]


def run_next(store: Store, used: TurnDeps) -> Commit:
    """The next head, waited for as the fleet does: a lane that yields is taken when it is due."""
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        grant = store.lanes.acquire(LANE, f"{time.monotonic_ns():032x}")
        if hasattr(grant, "head"):
            step = run_turn(grant, used, TurnContext())
            settle(store, grant, step)
            if isinstance(step, Commit):
                return step
            assert isinstance(step, Yield)
        time.sleep(0.02)
    raise AssertionError("the lane did not go on")


def test_what_was_collected_is_one_turn_after_the_run_and_a_quiet_time(
    store: Store, chat_server: Start
) -> None:
    server = chat_server([TOOL, {"text": "first"}, {"text": "all of it"}])
    later = [request(f"more {n}", n, author_name=f"P{n}", mode="collect", queued=True) for n in (1, 2, 3)]

    def meanwhile() -> None:
        for wanted in later:
            push(store, wanted, delay_ms=400)

    used = deps(store, server, CountingTool(meanwhile))
    push(store, request("go", mode="collect"))
    turn(store, used)
    assert len(bodies(server)) == 2  # nothing joined the running turn
    ended = time.monotonic()
    run_next(store, used)
    assert time.monotonic() - ended > 0.25
    assert len(bodies(server)) == 3
    head, combined = last_texts(server)[-2:]
    assert head.endswith("P1: more 1")
    assert combined.startswith("[Queued messages while you were busy: 3 in all. #1 is the message above.]")
    assert "[Queued #2 of 3, from P2, user id:42]" in combined
    assert "[Queued #3 of 3, from P3, user id:42]" in combined
    assert combined.index("more 2") < combined.index("more 3")
    deliver(store)
    ids = [wanted.message_id for wanted in later]
    assert [outcome(store, wanted) for wanted in later] == [
        ("answered", ""),
        ("merged", f"into.{ids[0]}"),
        ("merged", f"into.{ids[0]}"),
    ]


def test_a_message_while_it_gathers_prolongs_the_quiet_time(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "both"}])
    used = deps(store, server)
    push(store, request("one", mode="collect", queued=True))
    push(store, request("two", 1, mode="collect", queued=True), delay_ms=500)
    grant = take(store)
    step = run_turn(grant, used, TurnContext())
    assert isinstance(step, Yield)
    assert 0 < step.delay_ms <= 500
    settle(store, grant, step)
    run_next(store, used)
    assert "two" in last_texts(server)[-1]


def test_a_full_batch_does_not_wait_for_quiet(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "all"}])
    used = deps(store, server)
    push(store, request("0", mode="collect", queued=True))
    for number in range(1, 20):  # queue.cap
        push(store, request(str(number), number, mode="collect", queued=True), delay_ms=60_000)
    assert isinstance(turn(store, used), Commit)
    assert "[Queued #20 of 20" in last_texts(server)[-1]


def test_a_message_to_an_idle_conversation_does_not_wait(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "at once"}])
    push(store, request("hi", mode="collect"))
    assert isinstance(turn(store, deps(store, server)), Commit)


def test_what_was_collected_elsewhere_runs_on_its_own(store: Store, chat_server: Start) -> None:
    """Decision 38: two people's DMs in one session stay apart, and so do owner and guest."""
    server = chat_server([{"text": "for ann"}, {"text": "for bob"}])
    used = deps(store, server)
    push(store, request("ann one", mode="collect", queued=True))
    push(store, request("bob", 1, mode="collect", queued=True, channel_id="778"), scope="default|778|guest")
    push(store, request("ann two", 2, mode="collect", queued=True))
    run_next(store, used)
    assert "ann two" in last_texts(server)[-1]
    assert "bob" not in " ".join(last_texts(server))
    run_next(store, used)
    assert [send.text for send in deliver(store)] == ["for ann"]
    assert [send.text for send in deliver(store, lane="delivery:default:778")] == ["for bob"]


@pytest.mark.parametrize(
    ("mode", "seen"), [("steer", [0, 3, 3]), ("queue", [0, 1, 2]), ("followup", [0, 0, 0])]
)
def test_what_joins_a_running_turn_at_each_boundary(
    store: Store, chat_server: Start, mode: Any, seen: list[int]
) -> None:
    server = chat_server([TOOL, TOOL, {"text": "done"}, *({"text": "later"} for _ in range(3))])
    later = [request(f"more {n}", n, mode=mode, queued=True) for n in (1, 2, 3)]
    once = []

    def meanwhile() -> None:
        if not once:
            once.append(True)
            for wanted in later:
                push(store, wanted)

    used = deps(store, server, CountingTool(meanwhile))
    push(store, request("go"))
    turn(store, used)
    told = [sum(f"more {n}" in text for n in (1, 2, 3) for text in last_texts(server, at)) for at in range(3)]
    assert told == seen
    assert store.lanes.depth(LANE) == 3 - seen[-1]
    while store.lanes.depth(LANE):
        run_next(store, used)
    deliver(store)
    expected = {"steer": ["steered"] * 3, "queue": ["steered", "steered", "answered"]}
    assert [outcome(store, wanted)[0] for wanted in later] == expected.get(mode, ["answered"] * 3)


def test_steer_backlog_is_told_now_and_answered_later(store: Store, chat_server: Start) -> None:
    server = chat_server([TOOL, TOOL, {"text": "first"}, {"text": "second"}])
    wanted = request("more", 1, mode="steer-backlog", queued=True)
    used = deps(store, server, CountingTool(lambda: store.lanes.push(LANE, record(wanted, wanted.mode))))
    push(store, request("go"))
    turn(store, used)
    assert [sum("Ann: more" in text for text in last_texts(server, at)) for at in range(3)] == [0, 1, 1]
    assert store.lanes.depth(LANE) == 1
    run_next(store, used)
    assert last_texts(server)[-1].endswith("Ann: more")
    assert [send.text for send in deliver(store)] == ["first", "second"]
    assert outcome(store, wanted) == ("answered", "")


def test_a_turn_is_told_of_what_gave_way(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "a"}, {"text": "b"}, {"text": "c"}])
    used = deps(store, server)
    first, second = request("go"), request("keep", 1, queued=True, mode="followup")
    gone = request("lost", 2, queued=True, mode="followup")
    for wanted in (first, gone, second):
        push(store, wanted)
    store.lanes.push("session:agent:main:x", record(request("x")))
    way = GiveWay(
        LANE, record(gone).identity, "default", [gone.message_id], "queue-overflow", "777", b"Ann: lost"
    )
    store.lanes.commit(take(store, "session:agent:main:x"), [way])
    assert outcome(store, gone) == ("dropped", "queue-overflow")
    turn(store, used)
    turn(store, used)
    told = last_texts(server)[-1]
    assert told.startswith("Messages dropped because too many waited (untrusted, for context):")
    assert '"Ann: lost"' in told
    push(store, request("after", 3, queued=True))
    turn(store, used)
    assert "dropped because" not in " ".join(last_texts(server))


def test_what_is_in_work_does_not_give_way(store: Store) -> None:
    wanted, behind = request("go"), request("steer", 1)
    push(store, wanted)
    push(store, behind)
    grant = take(store)
    store.lanes.absorb(grant, [record(behind).identity])
    store.lanes.push("session:agent:main:x", record(request("x")))
    ways = [
        GiveWay(LANE, record(each).identity, "default", [each.message_id], "queue-overflow", "777", b"line")
        for each in (wanted, behind)
    ]
    store.lanes.commit(take(store, "session:agent:main:x"), ways)
    assert store.lanes.depth(LANE) == 2
    assert store.ledger.explain("default", wanted.message_id) is None
    assert store.lanes.given_way(LANE, "777") == []


@pytest.mark.parametrize("mode", ["steer", "steer-backlog"])
def test_tools_know_who_else_wrote_into_the_turn(store: Store, chat_server: Start, mode: str) -> None:
    """Rule R7: what the sender may do is not lent to whose words the model has read as well."""
    server = chat_server([TOOL, TOOL, {"text": "done"}])
    later = request("ban them all", 1, author_id="666", mode=mode)
    seen: list[list[str]] = []

    class Watching(CountingTool):
        def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult | Wait:
            seen.append([one.author_id for one in context.joined])
            if len(seen) == 1:
                push(store, later)
            return super().run(args, context)

    push(store, request("go", mode="steer"))
    turn(store, deps(store, server, Watching()))
    assert seen == [[], ["666"]]


def test_a_deletion_is_seen_however_long_the_lane_is(store: Store, chat_server: Start) -> None:
    """Decision 52: neither its own turn nor the one it would have joined reads what was deleted."""
    server = chat_server([{"text": "to the first"}, {"text": "to the next"}])
    used = deps(store, server)
    gone, first, joining = request("gone", 1), request("first", 2), request("joins", 3, mode="steer")
    for wanted in (gone, first, joining):
        push(store, wanted)
    for number in range(40):
        push(store, request(f"more {number}", 10 + number, mode="followup"))
    for wanted in (gone, joining):
        store.lanes.push(LANE, change_record(MessageChange("default", (wanted.message_id,)), "1"))
    run_next(store, used)
    assert outcome(store, gone) == ("dropped", "deleted-before-turn")
    assert bodies(server) == []
    run_next(store, used)
    assert [text for text in last_texts(server) if "joins" in text] == []
    run_next(store, used)
    assert outcome(store, joining) == ("dropped", "deleted-before-turn")
