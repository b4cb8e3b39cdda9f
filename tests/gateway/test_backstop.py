"""Interactions nobody acknowledged in time (R10)."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from gateway.backstop import deferral
from gateway.events import Interaction
from shoal.state.store import Store
from tests.gateway.conftest import ACCOUNT, Start, eventually, lane_records
from tests.gateway.support.server import CHANNEL, ScriptedGateway


def click(number: int, kind: int = 3, **more: Any) -> dict[str, Any]:
    return {"id": f"14575365831411{number:05d}", "token": f"tok{number}", "type": kind,
            "channel_id": CHANNEL, "data": {"custom_id": "x"}, "message": {"id": "1"}, **more}  # fmt: skip


def begin(server: ScriptedGateway, store: Store, start: Start, **discord: Any) -> None:
    start(discord=discord)
    server.wait_frames(2)
    eventually(lambda: store.intake.cursor(ACCOUNT, 0))


@pytest.mark.parametrize(
    ("kind", "of_message", "expected"),
    [
        (2, False, (5, {"flags": 64})),
        (3, True, (6, None)),
        (4, False, (8, {"choices": []})),
        (5, False, (5, {"flags": 64})),
        (5, True, (6, None)),
        (1, False, None),
    ],
)
def test_each_type_gets_the_deferral_it_allows(kind: int, of_message: bool, expected: Any) -> None:
    assert deferral(Interaction("1", "t", kind, of_message), ephemeral=True) == expected


def test_a_public_command_is_deferred_in_public() -> None:
    assert deferral(Interaction("1", "t", 2, False), ephemeral=False) == (5, None)


def test_a_click_nobody_answers_is_deferred_within_three_seconds(
    server: ScriptedGateway, store: Store, start: Start
) -> None:
    begin(server, store, start)
    sent = click(1)
    begun = time.monotonic()
    server.dispatch("INTERACTION_CREATE", sent)
    server.wait(lambda: server.count("callback") == 1)
    [answer] = [what for kind, what in server.notes if kind == "callback"]
    assert (answer["id"], answer["token"], answer["type"]) == (sent["id"], sent["token"], 6)
    assert 1.1 <= answer["at"] - begun <= 3.0
    assert eventually(lambda: store.intake.acked(sent["id"])) == "gateway:6"
    [record] = lane_records(store, f"interaction:{ACCOUNT}:{sent['id']}")
    assert record.identity == f"i:{sent['id']}"


def test_an_answered_click_is_left_alone(server: ScriptedGateway, store: Store, start: Start) -> None:
    begin(server, store, start)
    answered, open_ = click(2), click(3)
    store.intake.ack(answered["id"], "front")
    server.dispatch("INTERACTION_CREATE", answered)
    server.dispatch("INTERACTION_CREATE", open_)
    server.wait(lambda: server.count("callback") == 1)
    assert [what["id"] for kind, what in server.notes if kind == "callback"] == [open_["id"]]
    assert store.intake.acked(answered["id"]) == "front"


def test_already_acknowledged_counts_as_success(server: ScriptedGateway, store: Store, start: Start) -> None:
    server.script.callback_status, server.script.callback_code = 400, 40060
    begin(server, store, start)
    sent = click(4)
    server.dispatch("INTERACTION_CREATE", sent)
    assert eventually(lambda: store.intake.acked(sent["id"])) == "gateway:6"


def test_the_token_of_an_interaction_stays_out_of_the_log(
    server: ScriptedGateway, store: Store, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    server.script.callback_status, server.script.callback_code = 404, 10062
    begin(server, store, start)
    server.dispatch("INTERACTION_CREATE", {**click(5), "token": "secretinteractiontoken0123456789"})
    server.wait(lambda: server.count("callback") == 1)
    time.sleep(0.2)
    said = capsys.readouterr()
    assert "secretinteractiontoken" not in said.out + said.err
    assert json.dumps(click(5)["id"])[1:-1] in said.out
