"""A delivery that is answered with nonsense is sent once or dead with a reason; never doubled, never stuck.

``SHOAL_MALFORMED=10000`` takes so many malformed answers in all; see ``tests/discord/test_malformed.py``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shoal.base.clock import VirtualClock
from shoal.base.ids import new_token
from shoal.discord.limiter import Limiter
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.transport import Transport
from shoal.state.records import Failed as Fate
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit, Fail, Yield
from shoal.state.store import Store
from tests.discord.support.nonsense import RawServer, Request, answers, ok, profile
from workers.delivery.deps import DeliveryDeps
from workers.delivery.records import KIND, SendRequest, decode_receipt, encode
from workers.delivery.render import DeliverySettings
from workers.delivery.send import deliver
from workers.delivery.verdicts import LONGEST_PAUSE_MS

CHANNEL = "5"
BOT = "123456789012345678"
LANE = f"delivery:default:{CHANNEL}"
ROUNDS = 24


class Discord:
    """Makes messages as Discord does (one per nonce inside its window), and answers as it is told."""

    def __init__(self, nonsense: list[tuple[bytes, bool]], clock: VirtualClock, window_s: float) -> None:
        self._nonsense = list(nonsense)
        self._clock, self._window_s = clock, window_s
        self.made: list[dict[str, Any]] = []
        self.sense = True
        self._nonces: dict[str, tuple[float, dict[str, Any]]] = {}

    def answer(self, request: Request) -> bytes:
        """The next nonsense, behind which the request was done or not; sense when there is no more."""
        self.sense = not self._nonsense
        if self._nonsense:
            raw, done = self._nonsense.pop(0)
            if done and request.method == "POST":
                self._make(request.json())
            return raw
        if request.method == "POST":
            return ok(self._make(request.json()))
        return ok(list(reversed(self.made)))

    def _make(self, body: dict[str, Any]) -> dict[str, Any]:
        now = self._clock.now()
        known = self._nonces.get(body["nonce"])
        if known is not None and now - known[0] < self._window_s:
            return known[1]
        snowflake = (int(now * 1000) - 1420070400000 << 22) + len(self.made)
        message = {"id": str(snowflake), "content": body["content"], "author": {"id": BOT}}
        self.made.append(message)
        self._nonces[body["nonce"]] = (now, message)
        return message


class Watched(Rest):
    """Notes a wrong answer that nobody could tell from a right one: a list without what is there."""

    discord: Discord
    lied_to = False

    def get_messages(self, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """As it is."""
        found = super().get_messages(*args, **kwargs)
        self.lied_to = self.lied_to or not self.discord.sense
        return found


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as opened:
        assert isinstance(opened, RawServer)
        yield opened


@profile(0.2)
@given(
    nonsense=st.lists(st.tuples(answers(), st.booleans()), min_size=1, max_size=4),
    parts=st.integers(1, 2),
    pause_s=st.sampled_from([1.0, 200.0]),
)
def test_sent_once_or_dead_with_a_reason(
    server: RawServer, store: Store, nonsense: list[tuple[bytes, bool]], parts: int, pause_s: float
) -> None:
    """``pause_s``: between two tries; 200 s are beyond the nonce window."""
    store.redis.flushall()
    clock = VirtualClock(start=time.time())
    discord = Discord(nonsense, clock, window_s=150.0)
    server.answer = discord.answer
    transport = Transport(
        "default", SecretStr(f"x.{BOT}"), limiter=Limiter(store), api_url=server.base, retry=NO_RETRY
    )
    rest = Watched(transport, max_wait=0.05, retry=NO_RETRY)
    rest.discord = discord
    deps = DeliveryDeps(
        store=store,
        rest=lambda _account: rest,
        settings=lambda _account: DeliverySettings(),
        bot_id=lambda _account: BOT,
        clock=clock,
    )
    text = "\n\n".join("abcdefghi "[:10] * 180 + str(part) for part in range(parts))
    request = SendRequest("default", CHANNEL, cause="default.1", step="1", text=text)
    born = int(clock.now() * 1000)
    store.lanes.push(
        LANE, Record(request.identity, KIND, encode(request), born=born, message_id="123", account="default")
    )
    ended = _work_off(store, deps, clock, pause_s)
    transport.close()
    receipts = store.receipts.receipt(request.identity)
    contents = [message["content"] for message in discord.made]
    assert rest.lied_to or len(contents) == len(set(contents)), "a part was doubled"
    if ended == "done":
        assert len(receipts) == parts
        ids = {message["id"] for message in discord.made}
        lies = [raw for raw in receipts.values() if decode_receipt(raw).message_id not in ids]
        assert len(lies) <= len(nonsense)  # nonsense may name a message that nobody made
        assert parts - len(lies) <= len(set(contents)) <= parts
    else:
        assert ended  # the reason it died of


def _work_off(store: Store, deps: DeliveryDeps, clock: VirtualClock, pause_s: float) -> str:
    """``done``, or the reason of the death."""
    for _ in range(ROUNDS):
        store.redis.delete(*(store.redis.keys("*:rl:*") or [b"none"]))  # time passes for the limiter too
        grant = store.lanes.acquire(LANE, new_token(), ttl_ms=5000)
        assert isinstance(grant, Grant), grant
        began = time.monotonic()
        result = deliver(grant, deps, lambda: None)
        assert time.monotonic() - began < 10
        match result:
            case Commit():
                store.lanes.commit(grant, result.effects, take_next=False)
                assert result.summary == "expired" or result.summary.startswith("sent")
                return "done" if result.summary.startswith("sent") else result.summary
            case Yield():
                assert 0 < result.delay_ms <= LONGEST_PAUSE_MS
                store.lanes.yield_(grant)
            case Fail():
                assert result.code
                assert result.reason
                assert result.delay_ms is None or result.delay_ms <= LONGEST_PAUSE_MS
                fate = store.lanes.fail(
                    grant, result.failure, code=result.code, reason=result.reason, delay_ms=0
                )
                if fate is Fate.DEAD:
                    dead = store.lanes.dead_list(5)
                    assert [record.code for record in dead] == [result.code]
                    return result.reason
        clock.advance(pause_s)
    raise AssertionError("neither sent nor dead")
