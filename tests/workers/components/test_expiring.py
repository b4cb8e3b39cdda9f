"""Controls whose time is over are greyed out by themselves (``spec/outbound.md`` 5.4, ``ttlMs``)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from shoal.base.ids import MessageId, new_token
from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.state.effects import Push
from shoal.state.records import Failure, Grant
from shoal.state.steps import Commit, Fail, Step
from shoal.state.store import Store
from tests.discord.support.rest import Reply, RestServer
from workers.components.encode import Origin
from workers.components.expiring import expire
from workers.components.greying import greyed
from workers.components.sending import ComponentSettings, make_components
from workers.delivery.controls import begun_anew
from workers.delivery.records import PartReceipt, SendRequest

ORIGIN = Origin("default.1", "2", "default", "7", "agent:main:main", "main")
MADE = make_components(
    {"reusable": True, "blocks": [{"type": "actions", "buttons": [{"label": "Often"}]}]},
    ORIGIN,
    ComponentSettings(life_ms=1),
)
ALIVE = list(MADE.components)


@pytest.fixture
def server() -> Iterator[RestServer]:
    with RestServer() as opened:
        yield opened


def sent(store: Store) -> Grant:
    """The message is out in two parts, and its controls have ended."""
    request = SendRequest("default", "7", "default.1", "2", controls=MADE.controls)
    parts = {0: PartReceipt(MessageId("8"), "7"), 1: PartReceipt(MessageId("9"), "7")}
    _again, push = begun_anew(request, parts)
    assert isinstance(push, Push)
    assert push.delay_ms > 1, "after the controls have ended"
    store.lanes.push("reaction:default:now", push.record)  # the same record, due
    grant = store.lanes.acquire("reaction:default:now", new_token())
    assert isinstance(grant, Grant)
    return grant


def end(
    store: Store, server: RestServer, grant: Grant, *replies: Reply
) -> tuple[Step, list[tuple[str, Any]]]:
    """What came of it, and (method, body) of every request."""
    server.replies.extend(replies)
    transport = Transport("default", SecretStr("a.b.c"), limiter=Unlimited(), api_url=server.base)
    step = expire(grant, store, lambda _account: Rest(transport))
    return step, [(one.method, json.loads(one.body) if one.body else None) for one in server.seen]


def message(components: Any) -> Reply:
    return Reply.of(200, {"id": "9", "channel_id": "7", "components": components})


def test_what_can_still_be_pressed_is_greyed_out(store: Store, server: RestServer) -> None:
    step, seen = end(store, server, sent(store), message(ALIVE), message([]))
    assert step == Commit((), "controls expired · greyed out")
    (look, _), (edit, body) = seen
    assert (look, edit) == ("GET", "PATCH")
    assert {one.path.rpartition("/")[2] for one in server.seen} == {"9"}, "components are on the last part"
    assert body["components"] == [greyed(one) for one in ALIVE]
    assert body["components"][0]["components"][0]["components"][0]["disabled"] is True


def test_what_was_used_up_is_left_alone(store: Store, server: RestServer) -> None:
    """So it may be done twice, too."""
    step, seen = end(store, server, sent(store), message([greyed(one) for one in ALIVE]))
    assert step == Commit((), "controls expired · nothing to grey out")
    assert [method for method, _ in seen] == ["GET"]


def test_a_message_that_is_not_there_needs_nothing(store: Store, server: RestServer) -> None:
    step, _ = end(store, server, sent(store), Reply.of(404, {"code": 10008, "message": "Unknown Message"}))
    assert step == Commit((), "controls expired · nothing to grey out")


def test_a_place_that_lets_us_in_no_more_ends_it_with_a_reason(store: Store, server: RestServer) -> None:
    refused = Reply.of(403, {"code": 50001, "message": "Missing Access"})
    step, _ = end(store, server, sent(store), refused)
    assert isinstance(step, Commit)
    assert step.summary.startswith("gave up: discord-")


def test_an_outage_of_discord_is_waited_for(store: Store, server: RestServer) -> None:
    server.usual = Reply.of(503, {"message": "down"})
    step, _ = end(store, server, sent(store))
    assert isinstance(step, Fail)
    assert step.failure is Failure.INFRASTRUCTURE
