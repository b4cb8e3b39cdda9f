"""The end of a turn's reactions, from its lane (``spec/inbound.md`` 7.4, 7.5)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from shoal.base.ids import new_token
from shoal.simulator.server import Simulator
from shoal.state.effects import Push, Receipt, Wake
from shoal.state.records import Grant, Record, Refused
from shoal.state.steps import Commit, Fail, Park, Step, Yield
from shoal.state.store import Store
from tests.workers.delivery.reacting import REACTION, Reacting
from workers.delivery.records import PartReceipt, encode
from workers.delivery.settling import GIVE_UP_MS, Settle, delivered_key, settle, settle_push
from workers.sessions.admission.reactions import reaction_lane

STATES = ("🤔", "🔥", "👍", "😱")


@pytest.fixture(scope="module")
def limited() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator


class Room(Reacting):
    """A room whose reaction lanes are worked off as ``reaction.work`` does."""

    def __init__(self, store: Store, discord: Simulator) -> None:
        super().__init__(store, discord)
        self.store = store
        self.lane = reaction_lane("default", self.message)

    def push(self, **fields: Any) -> Push:
        wanted = Settle(
            account="default",
            channel_id=self.channel,
            message_id=self.message,
            **{"ack": "👀", "at_ms": self.store.now_ms(), **fields},
        )
        push = settle_push(wanted, "cause.1")
        self.store.lanes.push(push.lane, push.record, delay_ms=push.delay_ms)
        return push

    def react(self, *emojis: str) -> None:
        for emoji in emojis:
            self.rest.limited(max_wait=5.0).create_reaction(self.channel, self.message, emoji)

    def work(self) -> Step | Refused:
        """One grant's worth."""
        grant = self.store.lanes.acquire(self.lane, new_token())
        if isinstance(grant, Refused):
            return grant
        step = settle(grant, self.store, lambda _account: self.rest)
        match step:
            case Commit():
                self.store.lanes.commit(grant, step.effects, take_next=False)
            case Yield():
                self.store.lanes.yield_(grant, delay_ms=step.delay_ms)
            case Park():
                self.store.lanes.park(grant, delay_ms=step.delay_ms, wake_on=step.wake_on, wake_on_push=False)
            case Fail():
                self.store.lanes.fail(grant, step.failure, code=step.code, reason=step.reason, delay_ms=0)
        return step

    steps: list[Any]

    def drain(self, timeout: float = 15.0) -> Step:
        """Until it is done, waiting as long as its lane says."""
        deadline = time.monotonic() + timeout
        self.steps = []
        while True:
            step = self.work()
            if not isinstance(step, Refused):
                self.steps.append(step)
            if isinstance(step, Commit):
                return step
            assert time.monotonic() < deadline, self.steps
            time.sleep(0.02)


@pytest.fixture
def room(store: Store, limited: Simulator) -> Iterator[Room]:
    made = Room(store, limited)
    yield made
    limited.control.clear_faults()
    made.transport.close()


def test_the_last_state_is_held_and_the_acknowledgement_comes_back(room: Room) -> None:
    room.react("🔥")
    room.push(states=STATES, last="👍", hold_ms=600)
    began = time.monotonic()
    room.wait_until(lambda: not isinstance(room.work(), Commit) and room.ours() == ["👍"])
    assert isinstance(room.drain(), Commit)
    assert time.monotonic() - began >= 0.6
    assert room.ours() == ["👀"]


def test_what_a_killed_worker_left_goes_and_what_the_agent_put_stays(room: Room) -> None:
    """🎉 is no state: the agent reacted with it on purpose."""
    room.react("🔥", "🎉", "🤔")
    room.push(states=STATES)
    room.drain()
    assert sorted(room.ours()) == sorted(["👀", "🎉"])


def test_all_is_cleared_where_the_acknowledgement_goes_after_the_reply(room: Room) -> None:
    room.react("👀", "🔥")
    other = room.say("and")
    room.rest.limited(max_wait=5.0).create_reaction(room.channel, other, "👀")
    room.push(states=STATES, remove=(room.mark(), room.mark(message=other)))
    assert room.drain() == Commit((), "settled · acks removed")
    assert (room.ours(), room.ours(other)) == ([], [])


def test_an_acknowledgement_waits_for_the_delivery(room: Room) -> None:
    room.react("👀")
    room.push(remove=(room.mark(),), after="cause.1.final")
    assert isinstance(room.work(), Park)
    assert isinstance(room.work(), Refused)
    assert room.ours() == ["👀"], "nothing was delivered yet"
    room.store.lanes.push("delivery:default:1", Record("cause.1.final", "send", b""))
    grant = room.store.lanes.acquire("delivery:default:1", new_token())
    assert isinstance(grant, Grant)
    receipt = Receipt("cause.1.final", 0, encode(PartReceipt("5", "1")))
    room.store.lanes.commit(grant, [receipt, Wake(delivered_key("cause.1.final"))])
    room.drain()
    assert room.ours() == []


def test_without_a_delivery_it_stays(room: Room) -> None:
    room.react("👀")
    room.push(remove=(room.mark(),), after="cause.1.final", at_ms=room.store.now_ms() - GIVE_UP_MS - 1)
    assert room.drain() == Commit((), "settled")
    assert room.ours() == ["👀"]


def test_twice_is_once_and_what_is_gone_is_no_error(room: Room) -> None:
    room.push(states=STATES, remove=(room.mark(),))
    room.drain()
    room.push(states=STATES)
    assert isinstance(room.work(), Refused), "the same end once"
    gone = room.say("gone")
    room.control.delete(room.channel, gone)
    room.message, room.lane = gone, reaction_lane("default", gone)
    room.push(states=STATES, remove=(room.mark(message=gone),))
    assert isinstance(room.drain(), Commit)


def test_trouble_is_waited_for_and_a_refusal_is_not(room: Room) -> None:
    room.react("👀")
    room.control.fault("status", route=f"DELETE {REACTION}", status=503, count=1)
    room.push(remove=(room.mark(),))
    assert isinstance(room.work(), Fail)
    room.drain()
    assert room.ours() == []
    assert room.store.lanes.dead_list() == []
    room.control.fault("status", route=f"PUT {REACTION}", status=403, count=None)
    room.message = room.say("other")
    room.lane = reaction_lane("default", room.message)
    room.push(states=STATES)
    assert str(room.drain()).count("gave up") == 1
