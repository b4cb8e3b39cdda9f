"""Buttons, menus and forms through a whole fleet: the manual's payload is sent, clicked and submitted."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from bench.clicks import controls_of as controls
from bench.fleet import FleetUnderTest
from tests.workers.components.test_spec import MANUAL

pytestmark = pytest.mark.slow

Json = dict[str, Any]


def send(fleet: FleetUnderTest, components: Json) -> Json:
    """Let the agent send a message with these components; the message as people see it."""
    known = asked(fleet)
    call = {"action": "send", "message": "Optional fallback text", "components": components}
    fleet.models.script([{"tool_calls": [{"name": "message", "arguments": call}]}, {"text": "done"}])
    said = fleet.control.say("general", f"<@{fleet.bot['id']}> offer it")
    message = fleet.control.wait_for_message("general", after=said["id"], timeout=30)
    fleet.models.wait_for_requests(known + 2, timeout=20)
    return message


def click(fleet: FleetUnderTest, message: Json, control: Json, **more: Any) -> Json:
    """Click, and wait for the answer."""
    clicked = fleet.control.click("general", message["id"], control["custom_id"], **more)
    return fleet.control.wait_for_interaction(clicked["id"], timeout=10)


def next_request(fleet: FleetUnderTest, known: int) -> str:
    """What the model was asked next, as text."""
    fleet.models.wait_for_requests(known + 1, timeout=30)
    return json.dumps(fleet.models.requests()[known]["body"], ensure_ascii=False)


def asked(fleet: FleetUnderTest) -> int:
    return len(fleet.models.requests())


def once(components: Json) -> Json:
    return {name: value for name, value in components.items() if name != "reusable"}


@pytest.mark.timeout(300)
def test_the_manuals_payload_is_sent_clicked_and_submitted(make_fleet: Callable[..., FleetUnderTest]) -> None:
    fleet = make_fleet()
    person = str(fleet.person["id"])
    stranger = str(fleet.control.add_user("eve", guilds=[fleet.guild["id"]])["id"])
    payload = json.loads(json.dumps(MANUAL).replace("123456789012345678", person))
    message = send(fleet, payload)
    approve, _decline, menu, trigger = controls(message["components"])
    _clicks_become_turns(fleet, message, approve, menu)
    _a_form_is_filled_in(fleet, message, trigger)
    _strangers_are_refused_and_use_nothing_up(fleet, message, approve, stranger)
    _one_shot_buttons_answer_once_and_are_greyed_out(fleet, payload)
    _buttons_survive_a_restart(fleet, payload)


def _clicks_become_turns(fleet: FleetUnderTest, message: Json, approve: Json, menu: Json) -> None:
    known = asked(fleet)
    fleet.models.script([{"text": "NO_REPLY", "times": 9}])
    assert click(fleet, message, approve)["callback_type"] == 6, "reusable: nothing is greyed out"
    assert 'Clicked \\"Approve\\".' in next_request(fleet, known)
    known = asked(fleet)
    click(fleet, message, menu, values=["b"])
    assert 'Selected Option B from \\"Pick an option\\".' in next_request(fleet, known)


def _a_form_is_filled_in(fleet: FleetUnderTest, message: Json, trigger: Json) -> None:
    known = asked(fleet)
    opened = click(fleet, message, trigger)
    assert opened["callback_type"] == 9
    fields = [label["component"] for label in opened["modal"]["components"]]
    values = {fields[0]["custom_id"]: "Ann", fields[1]["custom_id"]: ["high"]}
    handed_in = fleet.control.submit_modal(opened["id"], values)
    fleet.control.wait_for_interaction(handed_in["id"], timeout=10)
    told = next_request(fleet, known)
    assert 'Form \\"Details\\" submitted.\\n- Requester: Ann\\n- Priority: High' in told


def _strangers_are_refused_and_use_nothing_up(
    fleet: FleetUnderTest, message: Json, approve: Json, stranger: str
) -> None:
    known = asked(fleet)
    refused = click(fleet, message, approve, user=stranger)
    assert refused["callback_type"] == 4
    assert refused["messages"][0]["flags"] & 64
    assert "not authorized" in refused["messages"][0]["content"]
    assert asked(fleet) == known


def _one_shot_buttons_answer_once_and_are_greyed_out(fleet: FleetUnderTest, payload: Json) -> None:
    message = send(fleet, once(payload))
    approve, *_ = controls(message["components"])
    fleet.models.script([{"text": "NO_REPLY", "times": 9}])
    known = asked(fleet)
    assert click(fleet, message, approve)["callback_type"] == 7
    next_request(fleet, known)
    seen = fleet.control.messages("general", limit=10)
    shown = next(one for one in seen if one["id"] == message["id"])
    assert all(control.get("disabled") for control in controls(shown["components"]))


def _buttons_survive_a_restart(fleet: FleetUnderTest, payload: Json) -> None:
    message = send(fleet, once(payload))
    approve, *_ = controls(message["components"])
    for kind in ("front", "turns", "back"):
        for pid in fleet.pids("worker", kind):
            os.kill(pid, signal.SIGKILL)
    fleet.models.script([{"text": "NO_REPLY", "times": 9}])
    known = asked(fleet)
    click(fleet, message, approve)
    assert 'Clicked \\"Approve\\".' in next_request(fleet, known)
