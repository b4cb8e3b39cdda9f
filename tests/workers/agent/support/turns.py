"""Driving turns by hand: what the drain loop does, one lane call at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from config.agents import ModelRef
from shoal.base.ids import new_token, snowflake_at
from shoal.simulator.models import ModelServer
from shoal.state.effects import Outcome, Receipt, Wake
from shoal.state.lanes import LEASE_MS
from shoal.state.records import Grant, Record, Refused
from shoal.state.steps import Commit, Fail, Park, Step, Yield
from shoal.state.store import Store
from workers.agent.context import TurnContext
from workers.agent.models import Cooldowns, Models
from workers.agent.profile import AgentProfile
from workers.agent.providers.base import Provider, ToolSpec
from workers.agent.providers.guide import GuideProvider
from workers.agent.providers.openai import OpenAIProvider
from workers.agent.results import TurnDeps
from workers.agent.tools.message import MessageTool
from workers.agent.tools.registry import ToolContext, ToolRegistry, ToolResult, Wait
from workers.agent.turn import run_turn
from workers.delivery.records import PartReceipt, SendRequest, decode_send
from workers.delivery.records import encode as encode_delivery
from workers.sessions.records import KIND, TurnRequest, encode

LANE = "session:agent:main:discord:channel:777"
DELIVERY = "delivery:default:777"
SCOPE = "default|777|777|guest"
UNHURRIED_MS = 60_000
"""Nobody renews here, and the machine may be busy: a lease that outlives any single turn."""


def message_id(offset: int = 0) -> str:
    """A snowflake of about now."""
    return str(snowflake_at(int(time.time() * 1000)) + offset)


def request(text: str = "please do it", number: int = 0, **changes: Any) -> TurnRequest:
    """A message in a guild channel, by default."""
    values: dict[str, Any] = {
        "account": "default",
        "channel_id": "777",
        "message_id": message_id(number),
        "author_id": "42",
        "author_name": "Ann",
        "chat_type": "channel",
        "agent_id": "main",
        "session_key": "agent:main:discord:channel:777",
        "text": text,
        "guild_id": "9",
        "guild_name": "Home",
        "channel_name": "general",
    }
    return TurnRequest(**{**values, **changes})


def record(turn: TurnRequest, mode: str = "steer") -> Record:
    """The session record of a request."""
    return Record(
        identity=f"msg:{turn.account}:{turn.message_id}",
        kind=KIND,
        body=encode(turn),
        mode=mode,
        scope=SCOPE,
        account=turn.account,
        message_id=turn.message_id,
        born=int(time.time() * 1000),
    )


class CountingTool:
    """A tool with an effect that can be counted; not idempotent."""

    name = "count"
    aliases: tuple[str, ...] = ()
    idempotent = False
    limit_s = 10.0

    def __init__(self, on_run: Callable[[], None] = lambda: None) -> None:
        self.runs = 0
        self.on_run = on_run

    def available(self, turn: TurnRequest) -> bool:
        return turn.agent_id == "main"

    def spec(self, turn: TurnRequest) -> ToolSpec:
        del turn
        return ToolSpec("count", "Counts.", {"type": "object", "properties": {}})

    def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult | Wait:
        del args, context
        self.runs += 1
        self.on_run()
        return ToolResult(f"counted {self.runs}")

    def resume(self, state: bytes, context: ToolContext) -> ToolResult | Wait:
        raise AssertionError("this tool never parks")


def deps(
    store: Store,
    server: ModelServer | None,
    *tools: Any,
    profile: AgentProfile | None = None,
    providers: Mapping[str, Provider] | None = None,
) -> TurnDeps:
    """Turn dependencies on a model server; without one the guide answers."""
    known: dict[str, Provider] = {"guide": GuideProvider(), **(providers or {})}
    if server is not None:
        known["local"] = OpenAIProvider("local", base_url=server.base_url)
    primary = ModelRef("local", "m1") if server is not None else None
    used = profile or AgentProfile("main", "Shoal", primary=primary, visible_all="automatic")
    return TurnDeps(
        store=store,
        models=Models(lambda provider_id, _account: known[provider_id], Cooldowns(store)),
        tools=ToolRegistry.of([MessageTool(), *tools]),
        profile=lambda _request: used,
    )


def take(store: Store, lane: str = LANE, token: str | None = None, *, ttl_ms: int = LEASE_MS) -> Grant:
    """The grant for a lane that must be free."""
    grant = store.lanes.acquire(lane, token or new_token(), ttl_ms=ttl_ms)
    assert isinstance(grant, Grant), grant
    return grant


def settle(store: Store, grant: Grant, result: Step) -> None:
    """The one lane call a result asks for."""
    if isinstance(result, Commit):
        store.lanes.commit(grant, result.effects, take_next=False)
    elif isinstance(result, Park):
        store.lanes.park(
            grant, delay_ms=result.delay_ms, wake_on=result.wake_on, wake_on_push=result.wake_on_push
        )
    elif isinstance(result, Yield):
        store.lanes.yield_(grant, delay_ms=result.delay_ms)
    else:
        assert isinstance(result, Fail)
        store.lanes.fail(grant, result.failure, code=result.code, reason=result.reason)


def turn(store: Store, used: TurnDeps, context: TurnContext | None = None) -> Step:
    """One grant's worth of the lane."""
    grant = take(store, ttl_ms=UNHURRIED_MS)
    result = run_turn(grant, used, context or TurnContext())
    settle(store, grant, result)
    return result


def drive(store: Store, used: TurnDeps, sent: list[SendRequest] | None = None) -> Commit:
    """Run the lane until its head is committed; deliver what the turn waits for."""
    for _ in range(50):
        grant = store.lanes.acquire(LANE, new_token(), ttl_ms=UNHURRIED_MS)
        if isinstance(grant, Refused):
            assert grant.reason in ("parked", "waiting"), grant
            deliver(store, sent)
            time.sleep(0.02)
            continue
        result = run_turn(grant, used, TurnContext())
        settle(store, grant, result)
        if isinstance(result, Commit):
            return result
        assert isinstance(result, Park), result
        deliver(store, sent)
    raise AssertionError("the turn does not end")


def deliver(store: Store, sent: list[SendRequest] | None = None, lane: str = DELIVERY) -> list[SendRequest]:
    """What a back worker does: sends every record of the lane, with receipt and wake."""
    done: list[SendRequest] = []
    grant = store.lanes.acquire(lane, new_token())
    while isinstance(grant, Grant):
        send = decode_send(grant.head.body)
        done.append(send)
        receipt = PartReceipt(message_id=f"5{len(done):04d}", channel_id=send.channel_id)
        effects = [
            Receipt(send.identity, 0, encode_delivery(receipt)),
            *(Wake(key) for key in send.wake),
            *(Outcome(send.account, told.message_id, told.outcome, told.reason) for told in send.outcomes),
        ]
        grant = store.lanes.commit(grant, effects)  # type: ignore[assignment]
    if sent is not None:
        sent.extend(done)
    return done


def crash(store: Store, grant: Grant) -> None:
    """The holder is gone: its lease runs out and a sweep finds it."""
    store.lanes.renew({grant.lane: grant.token}, ttl_ms=100)
    ends = time.monotonic() + 10
    while time.monotonic() < ends:
        time.sleep(0.12)
        if store.lanes.sweep("session").expired:
            return
    raise AssertionError("the lease did not end")


def note(store: Store, turn_request: TurnRequest, name: str = "turn") -> dict[str, Any]:
    """The turn's note in the ledger."""
    explanation = store.ledger.explain(turn_request.account, turn_request.message_id)
    assert explanation is not None
    value = next(value for known, value in explanation.notes if known == name)
    decoded: dict[str, Any] = msgspec.json.decode(value)
    return decoded
