"""A message that has to wait is acknowledged at once (``spec/inbound.md`` 7.4, 7.6)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.effects import Effect, Push
from tasks.early import Early, Waiting, waiting_turns
from tests.workers.agent.support.turns import request
from tests.workers.sessions.helpers import ANN, View, event, message
from workers.sessions.ack import AckSettings
from workers.sessions.admission import admit
from workers.sessions.records import TurnRequest

TYPING = "POST /channels/{channel_id}/typing"


class Room:
    """A channel, and an :class:`Early` in front of it."""

    def __init__(self, discord: Simulator) -> None:
        self.control = discord.control
        self.transport = Transport(
            "default", SecretStr(discord.token), limiter=Unlimited(), api_url=discord.api_url
        )
        self.rest = Rest(self.transport, retry=NO_RETRY)
        self.channel = str(self.control.add_channel(discord.guild_id, "early")["id"])
        self.types, self.settled, self.removed = True, False, False
        self.settles: TurnRequest | None = None
        self.asked = 0
        self.early = Early(
            lambda _account: self.rest,
            lambda _account: self.rest,
            types=lambda _request: self.types,
            settled=self._settled,
            removed=lambda _waiting: self.removed,
        )

    def _settled(self, wanted: TurnRequest) -> bool:
        if wanted == self.settles:
            self.asked += 1
            return self.asked > 1
        return self.settled

    def offer(self, *requests: TurnRequest) -> None:
        self.early.offer([Waiting(each, "session:main", f"default.{each.message_id}") for each in requests])

    def say(self, **changes: Any) -> TurnRequest:
        said = str(self.control.say(self.channel, "hi")["id"])
        return request(**{"channel_id": self.channel, "message_id": said, "ack": "👀", **changes})

    def seen(self, wanted: TurnRequest) -> tuple[list[str], int]:
        """Our reactions on the message, and how often we typed."""
        [found] = [one for one in self.control.messages(self.channel) if one["id"] == wanted.message_id]
        typed = [one for one in self.control.requests(route=TYPING) if self.channel in one["path"]]
        return [entry["emoji"]["name"] for entry in found.get("reactions", [])], len(typed)


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    with Simulator(settings={"rate_limits": False}) as simulator:
        yield simulator


@pytest.fixture
def room(discord: Simulator) -> Iterator[Room]:
    made = Room(discord)
    yield made
    discord.control.clear_faults()
    made.transport.close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_is_seen_at_once(room: Room) -> None:
    wanted = room.say()
    room.offer(wanted)
    until(lambda: room.seen(wanted) == (["👀"], 1))


def test_what_has_no_acknowledgement_types_only_and_the_other_way_round(room: Room) -> None:
    silent = room.say(ack="")
    room.offer(silent)
    until(lambda: room.seen(silent) == ([], 1))
    room.types = False
    plain = room.say()
    room.offer(plain)
    until(lambda: room.seen(plain) == (["👀"], 1))


def test_what_is_answered_meanwhile_shows_nothing(room: Room) -> None:
    room.settled = True
    late = room.say()
    room.offer(late)
    time.sleep(0.3)
    assert room.seen(late) == ([], 0)


def test_a_turn_that_ended_meanwhile_keeps_no_acknowledgement(room: Room) -> None:
    """Its own was removed before this one was there; nobody else would take it away."""
    room.removed = True
    late = room.say()
    room.offer(late)
    until(
        lambda: bool(room.control.requests(route="DELETE /channels/{channel_id}/messages/{message_id}/reac"))
    )
    assert room.seen(late) == ([], 1)


def test_trouble_costs_only_itself(room: Room) -> None:
    room.control.fault("status", route="PUT *", status=500, count=1)
    first, second = room.say(), room.say()
    room.offer(first, second)
    until(lambda: room.seen(second)[0] == ["👀"])
    assert room.seen(first)[0] == []


@pytest.mark.parametrize(("depth", "waits"), [(0, 0), (1, 1)])
def test_only_messages_of_busy_conversations_wait(depth: int, waits: int) -> None:
    view = View(
        {"allowFrom": [ANN], "dmPolicy": "allowlist"},
        depths={"session:agent:main:main": depth},
        ack=AckSettings("all"),
    )
    effects: list[Effect] = [
        effect for effect in admit(event(message()), view).effects if isinstance(effect, Push)
    ]
    found = waiting_turns(effects)
    assert len(found) == waits
    assert all(each.lane == "session:agent:main:main" and each.identity for each in found)


def test_who_was_frozen_before_it_sent_is_too_late(room: Room) -> None:
    """Found by a rich chaos run: it was answered meanwhile, and who would have looked again was killed."""
    wanted, other = room.say(), room.say()
    room.settles = wanted
    room.offer(wanted, other)
    until(lambda: room.seen(other) == (["👀"], 2))
    assert room.seen(wanted)[0] == []
