"""A turn killed at any point goes on elsewhere: nothing finished is done again (rules R6, R14)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shoal.base.errors import StaleGrant
from shoal.base.ids import new_token
from shoal.simulator.models import ModelServer
from shoal.state.effects import Effect
from shoal.state.records import Failed, Failure, Grant, Refused
from shoal.state.steps import Commit, Park
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import (
    DELIVERY,
    LANE,
    CountingTool,
    crash,
    deliver,
    deps,
    drive,
    record,
    request,
    settle,
    take,
    turn,
)
from workers.agent.calls import UNKNOWN_OUTCOME
from workers.agent.context import TurnContext
from workers.agent.entries import NewerJournal
from workers.agent.tools.underway import wake_key
from workers.agent.turn import run_turn
from workers.delivery.records import SendRequest
from workers.sessions.records import TurnRequest

pytestmark = pytest.mark.waits

WRITES = 10
"""Checkpoints of the scenario: three answers, three starts, three results, one wait."""


COUNT: dict[str, Any] = {"name": "count", "arguments": {}}
SEND: dict[str, Any] = {"name": "message", "arguments": {"action": "send", "message": "on it"}}


class Killed(BaseException):
    """The process is gone; nothing below may catch it."""


RULES: list[dict[str, Any]] = [
    {
        "match": "",
        "tool_calls": [COUNT, {"name": "message", "arguments": {"action": "send", "message": "on it"}}],
    },
    {"after_tool": "messageId", "tool_calls": [{"name": "count", "arguments": {"again": True}}]},
    {"after_tool": "", "text": "all done"},
]
"""First two tools, then (both results in hand) one more, then the answer."""


class Dying:
    """Stands before a store's lanes and dies at the n-th checkpoint, before or after it is written."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch, at: int, written: bool) -> None:
        self.count = 0
        real = store.lanes.checkpoint

        def checkpoint(
            grant: Grant, step: int, effects: Sequence[Effect] = (), *, journal: bytes | None = None
        ) -> None:
            self.count += 1
            if self.count == at and not written:
                raise Killed
            real(grant, step, effects, journal=journal)
            if self.count == at and written:
                raise Killed

        monkeypatch.setattr(store.lanes, "checkpoint", checkpoint)


def stages(server: ModelServer) -> list[int]:
    """How many tool results each request carried: the stage of the turn it asked for."""
    return [sum(1 for message in body["messages"] if message["role"] == "tool") for body in bodies(server)]


def start(store: Store) -> TurnRequest:
    wanted = request()
    store.lanes.push(LANE, record(wanted))
    return wanted


def run_until_killed(store: Store, used: Any) -> bool:
    """Drive the lane as one worker; true if it was killed, and then its lease has ended."""
    while True:
        grant = store.lanes.acquire(LANE, new_token())
        if isinstance(grant, Refused):
            if grant.reason == "empty":
                return False
            deliver(store, SENT)
            continue
        try:
            settle(store, grant, run_turn(grant, used, TurnContext()))
        except Killed:
            crash(store, grant)
            return True


SENT: list[SendRequest] = []


@pytest.mark.parametrize(
    "entry", [b'{"type":"dreamt","at_ms":1}', b'{"type":"refused","v":2,"at_ms":1,"code":"x"}']
)
def test_a_turn_that_a_newer_release_has_begun_waits_for_one(
    store: Store, chat_server: Callable[..., ModelServer], entry: bytes
) -> None:
    """R26, in the middle of an upgrade or on the way back: no try counts, and the model is not asked."""
    server = chat_server(RULES)
    start(store)
    grant = take(store)
    store.lanes.checkpoint(grant, 1, journal=entry)
    crash(store, grant)
    again = take(store)
    with pytest.raises(NewerJournal) as caught:
        run_turn(again, deps(store, server), TurnContext())
    assert caught.value.retryable, "infrastructure: see how the drain loop takes errors"
    assert bodies(server) == []


@pytest.mark.parametrize("written", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, WRITES + 2))
def test_killed_at_every_point_of_the_journal(
    store: Store,
    chat_server: Callable[..., ModelServer],
    monkeypatch: pytest.MonkeyPatch,
    at: int,
    written: bool,
) -> None:
    SENT.clear()
    server = chat_server(RULES)
    tool = CountingTool()
    used = deps(store, server, tool)
    wanted = start(store)
    dying = Dying(store, monkeypatch, at, written)
    killed = run_until_killed(store, used)
    assert killed is (at <= WRITES)
    if killed:
        monkeypatch.undo()
        drive(store, used, SENT)
    else:
        assert dying.count == WRITES
    deliver(store, SENT)

    asked = stages(server)
    repeated = [stage for stage in set(asked) if asked.count(stage) > 1]
    assert len(repeated) <= (1 if killed and not written else 0), asked
    unknown = [
        message["content"]
        for message in bodies(server)[-1]["messages"]
        if message["role"] == "tool" and message["content"] == UNKNOWN_OUTCOME
    ]
    # each call ran once, or its outcome was called unknown: never twice
    assert 2 - len(unknown) <= tool.runs <= 2
    texts = [send.text for send in SENT]
    assert texts.count("on it") == 1
    assert texts.count("all done") == 1
    assert len(texts) == 2
    assert texts[-1] == "all done"
    explanation = store.ledger.explain("default", wanted.message_id)
    assert explanation is not None
    assert explanation.outcome == "answered"
    assert store.lanes.depth(LANE) == 0


def test_killed_between_the_answer_and_the_commit(
    store: Store, chat_server: Callable[..., ModelServer]
) -> None:
    server = chat_server([{"text": "the answer"}])
    used = deps(store, server)
    start(store)
    grant = take(store)
    first = run_turn(grant, used, TurnContext())
    assert isinstance(first, Commit)
    crash(store, grant)
    with pytest.raises(StaleGrant):
        store.lanes.commit(grant, first.effects)
    again = take(store)
    second = run_turn(again, used, TurnContext())
    settle(store, again, second)
    assert len(bodies(server)) == 1
    assert [send.text for send in deliver(store)] == ["the answer"]


def test_a_zombie_that_wakes_up_changes_nothing(
    store: Store, chat_server: Callable[..., ModelServer]
) -> None:
    server = chat_server([{"tool_calls": [COUNT]}, {"text": "answer of the second"}])
    start(store)
    frozen = take(store)

    def taken_over() -> None:
        """While the first holder's tool runs, its lease ends and another worker finishes the turn."""
        if tool.runs > 1:
            return
        crash(store, frozen)
        settle_with = take(store)
        settle(store, settle_with, run_turn(settle_with, used, TurnContext()))

    tool = CountingTool(taken_over)
    used = deps(store, server, tool)
    with pytest.raises(StaleGrant):
        run_turn(frozen, used, TurnContext())
    assert tool.runs == 1
    assert [send.text for send in deliver(store)] == ["answer of the second"]
    assert bodies(server)[-1]["messages"][-1]["content"] == UNKNOWN_OUTCOME


def test_a_shutdown_yields_and_another_worker_goes_on(
    store: Store, chat_server: Callable[..., ModelServer]
) -> None:
    server = chat_server([{"tool_calls": [COUNT]}, {"text": "done"}])
    leaving: list[bool] = []
    tool = CountingTool(lambda: leaving.append(True))
    used = deps(store, server, tool)
    start(store)
    grant = take(store)
    result = run_turn(grant, used, TurnContext(shutting_down=lambda: bool(leaving)))
    assert result.summary == "yielded: shutdown"
    settle(store, grant, result)
    assert len(bodies(server)) == 1
    drive(store, used)
    assert tool.runs == 1
    assert bodies(server)[-1]["messages"][-1]["content"] == "counted 1"


def test_a_send_parks_the_turn_and_its_receipt_gives_the_id(
    store: Store, chat_server: Callable[..., ModelServer]
) -> None:
    server = chat_server([{"tool_calls": [SEND]}, {"text": "fin"}])
    used = deps(store, server)
    start(store)
    grant = take(store)
    result = run_turn(grant, used, TurnContext())
    assert isinstance(result, Park)
    settle(store, grant, result)
    assert isinstance(store.lanes.acquire(LANE, "b" * 32), Refused)
    assert [send.text for send in deliver(store)] == ["on it"]
    drive(store, used)
    tool_message = bodies(server)[-1]["messages"][-1]
    assert '"messageId":"50001"' in tool_message["content"]


@pytest.mark.parametrize(
    ("code", "words"), [("forbidden-50013", "was not sent"), ("send-unknown", "may have been")]
)
def test_what_became_of_a_send_that_died_is_told_as_it_is(
    store: Store, chat_server: Callable[..., ModelServer], code: str, words: str
) -> None:
    """Promise 4: of a message nobody knows of, the model is not told that it was not sent."""
    server = chat_server([{"tool_calls": [SEND]}, {"text": "fin"}])
    used = deps(store, server)
    start(store)
    turn(store, used)
    fate = None
    while fate is not Failed.DEAD:
        grant = take(store, DELIVERY)
        fate = store.lanes.fail(grant, Failure.HANDLED, code=code, reason="no", delay_ms=0)
    store.lanes.wake(wake_key(grant.head.identity))
    drive(store, used)
    assert words in bodies(server)[-1]["messages"][-1]["content"]
