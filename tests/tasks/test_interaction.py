"""``interaction.ack`` on a real Valkey and a real HTTP server: one answer, whoever else answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import cast

import msgspec
import pytest
from pydantic import SecretStr

from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.state.records import InboundEvent, Record, encode_event
from shoal.state.store import Store
from tasks.drain import Drain
from tasks.interaction import ack_lane
from tasks.keeper import Keeper
from tasks.runtime import Runtime
from tasks.stopping import Stopping
from tests.discord.support.rest import Reply, RestServer
from workers.components.respond import FIRST, LATE

LANE = "interaction:default:77"


class Process:
    """What the task uses of a process, with one server behind every account."""

    def __init__(self, store: Store, server: RestServer) -> None:
        stopping = Stopping(leave=lambda _code: None)
        self.store = store
        self.server = server
        self.drain = Drain(store.lanes, Keeper(store.lanes, on_leak=stopping.request), stopping)

    def rest(self, account_id: str) -> Rest:
        return Rest(Transport(account_id, SecretStr("a.b.c"), limiter=Unlimited(), api_url=self.server.base))

    def ack(self) -> str:
        return ack_lane(cast(Runtime, self), LANE)


@pytest.fixture
def process(store: Store) -> Iterator[Process]:
    with RestServer() as server:
        yield Process(store, server)


def click(store: Store, **fields: object) -> None:
    data = {"id": "77", "token": "t", "type": 3, **fields}
    event = InboundEvent("default", 0, "INTERACTION_CREATE", 0, msgspec.Raw(json.dumps(data).encode()))
    store.lanes.push(LANE, Record("i:77", "INTERACTION_CREATE", encode_event(event), account="default"))


def test_a_click_is_answered_in_the_users_language_and_noted(store: Store, process: Process) -> None:
    click(store, locale="zh-CN")
    process.server.replies.append(Reply(204))
    assert process.ack() == "unknown"
    [seen] = process.server.seen
    assert seen.path.endswith("/interactions/77/t/callback")
    answer = seen.json()
    assert answer["type"] == 4
    assert (answer["data"]["content"], answer["data"]["flags"]) == ("此操作已失效。", 64)
    assert store.intake.acked("77") is not None
    assert store.lanes.depth(LANE) == 0


@pytest.mark.parametrize("noted", ["gateway:5", None])
@pytest.mark.parametrize("kind", [2, 5])
def test_thinking_of_the_gateways_deferral_becomes_the_answer(
    store: Store, process: Process, kind: int, noted: str | None
) -> None:
    """Else the user reads it for a quarter of an hour (rule R10). The gateway may not have noted it yet."""
    click(store, type=kind, application_id="42", locale="zh-CN")
    if noted:
        store.intake.ack("77", noted)
    process.server.replies += [Reply.of(400, {"code": 40060, "message": "no"}), Reply.of(200, {"id": "1"})]
    assert process.ack() == f"unknown · {FIRST}"
    callback, edit = process.server.seen
    assert callback.path.endswith("/interactions/77/t/callback")
    assert (edit.method, edit.path.partition("/webhooks")[2]) == ("PATCH", "/42/t/messages/@original")
    assert edit.json()["content"] == "此操作已失效。"
    assert store.lanes.depth(LANE) == 0


def test_a_deferral_that_is_gone_is_left_alone(store: Store, process: Process) -> None:
    click(store, type=2, application_id="42")
    gone = Reply.of(404, {"code": 10015, "message": "Unknown Webhook"})
    process.server.replies += [Reply.of(400, {"code": 40060, "message": "no"}), gone]
    assert process.ack() == f"unknown · {FIRST}"
    assert store.lanes.dead_list(10) == []


def test_a_modal_of_a_message_shows_no_thinking(store: Store, process: Process) -> None:
    """Its deferral is 6: an edit would overwrite the message it came from."""
    click(store, type=5, application_id="42", message={"id": "1"})
    there, whispered = Reply.of(200, {"id": "1", "flags": 0}), Reply.of(200, {"id": "2"})
    process.server.replies += [Reply.of(400, {"code": 40060, "message": "no"}), there, whispered]
    assert process.ack() == f"unknown · {FIRST}"
    assert [one.method for one in process.server.seen] == ["POST", "GET", "POST"]
    assert process.server.seen[-1].path.endswith("/webhooks/42/t")


@pytest.mark.parametrize(
    ("status", "code", "summary"),
    [(400, 40060, FIRST), (404, 10062, LATE)],
)
def test_an_interaction_that_cannot_be_answered_any_more_is_done_with(
    store: Store, process: Process, status: int, code: int, summary: str
) -> None:
    click(store)
    process.server.usual = Reply.of(status, {"code": code, "message": "no"})
    assert process.ack() == f"unknown · {summary}"
    assert store.lanes.depth(LANE) == 0
    assert store.lanes.dead_list(10) == []


def test_what_nobody_made_has_its_outcome(store: Store, process: Process) -> None:
    """Promise 1: a command of a program before us ends with a reason, too."""
    click(store, type=2)
    process.server.replies.append(Reply(204))
    process.ack()
    told = store.ledger.explain("default", "77")
    assert told is not None
    assert (told.outcome, told.reason) == ("dropped", "interaction-unknown")


def test_words_that_are_typed_get_no_completions(store: Store, process: Process) -> None:
    click(store, type=4)
    process.server.replies.append(Reply(204))
    assert process.ack() == "no completions"
    assert process.server.seen[0].json() == {"type": 8, "data": {"choices": []}}
