"""A post office for tests: a real lane on a real Valkey, and the simulator on real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from shoal.base.clock import VirtualClock
from shoal.base.ids import new_token
from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.records import Failed as Fate
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit, Park, Step, Yield
from shoal.state.store import Store
from workers.delivery.deps import DeliveryDeps
from workers.delivery.records import KIND, SendRequest, encode
from workers.delivery.render import DeliverySettings
from workers.delivery.send import deliver

CREATE = "POST /channels/{channel_id}/messages"


class PostOffice:
    """Pushes sends and works them off as the delivery task does."""

    def __init__(self, store: Store, simulator: Simulator, transport: Transport) -> None:
        self.store = store
        self.simulator = simulator
        self.control = simulator.control
        self.channel = simulator.channel_id
        self.rest = Rest(transport, max_wait=0.05, retry=NO_RETRY)
        self.clock = VirtualClock(start=time.time())
        self.settings = DeliverySettings()
        self.fate: Fate | None = None
        # Discord knows a nonce per author, whatever the channel: tests must not share causes
        self.cause = f"default.{new_token()[:12]}"
        self.deps = DeliveryDeps(
            store=store,
            rest=lambda account: self.rest,
            settings=lambda account: self.settings,
            bot_id=lambda account: simulator.bot_id,
            clock=self.clock,
        )

    def request(self, text: str = "hello", **fields: Any) -> SendRequest:
        """A send to the simulator's channel."""
        return SendRequest(
            **{
                "account": "default",
                "channel_id": self.channel,
                "cause": self.cause,
                "step": "1",
                "text": text,
                **fields,
            }
        )

    def push(self, request: SendRequest) -> SendRequest:
        """Put a send into its lane."""
        record = Record(request.identity, KIND, encode(request), account="default", message_id="123")
        assert self.store.lanes.push(request.lane, record).new
        return request

    def take(self, ttl_ms: int = 5000) -> Grant:
        """The lane, as a new holder."""
        grant = self.store.lanes.acquire(f"delivery:default:{self.channel}", new_token(), ttl_ms=ttl_ms)
        assert isinstance(grant, Grant), grant
        return grant

    def work(self, grant: Grant | None = None, alive: Callable[[], None] = lambda: None) -> Step:
        """One head of the lane, and what its task does with the result; the lane is released after."""
        grant = grant or self.take()
        result = deliver(grant, self.deps, alive)
        lanes = self.store.lanes
        if isinstance(result, Commit):
            lanes.commit(grant, result.effects, take_next=False)
        elif isinstance(result, Yield):
            lanes.yield_(grant)
        elif isinstance(result, Park):
            lanes.park(grant, delay_ms=0, wake_on=result.wake_on, wake_on_push=result.wake_on_push)
        else:
            self.fate = lanes.fail(grant, result.failure, code=result.code, reason=result.reason, delay_ms=0)
        return result

    def send(self, text: str = "hello", **fields: Any) -> Step:
        """Push and work off one send."""
        self.push(self.request(text, **fields))
        return self.work()

    def sent(self) -> list[str]:
        """What people see of the bot, in order."""
        return [message["content"] for message in self.control.messages(self.channel, author="bot")]

    def creates(self) -> list[dict[str, Any]]:
        """Requests that create messages."""
        return self.control.requests(route=CREATE)

    def receipts(self) -> dict[int, bytes]:
        """Receipts of the send of step 1."""
        return self.store.receipts.receipt(f"{self.cause}.1")


@pytest.fixture(scope="session")
def discord() -> Iterator[Simulator]:
    """One simulator for all tests of this folder; each test has a channel of its own."""
    with Simulator(settings={"rate_limits": False}) as simulator:
        yield simulator


@pytest.fixture
def post(store: Store, discord: Simulator) -> Iterator[PostOffice]:
    """A post office with a fresh channel."""
    transport = Transport("default", SecretStr(discord.token), limiter=Unlimited(), api_url=discord.api_url)
    office = PostOffice(store, discord, transport)
    office.channel = str(office.control.add_channel(discord.guild_id, "post")["id"])
    yield office
    office.control.clear_faults()
    office.control.configure(nonce_window_s=180.0)
    transport.close()
