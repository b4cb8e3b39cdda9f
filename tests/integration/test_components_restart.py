"""Controls outlive the fleet: buttons, menus and forms after every process was stopped and started again.

Redis is the fleet's own, and is stopped too (``spec/outbound.md`` 5.4). On a busy machine the back-stop
may be first after a start, so it is not asked how a click was answered, but what people see of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from bench.clicks import controls_of
from bench.fleet import FleetUnderTest, merged
from bench.rows.latency import WORKERS
from bench.watch import wait_workers
from tests.integration.test_components import asked, click, next_request, once, send
from tests.workers.components.test_spec import MANUAL

pytestmark = pytest.mark.slow

Json = dict[str, Any]
APPROVE, DECLINE, MENU, FORM = range(4)
QUIET = {"text": "NO_REPLY", "times": 99}


def restart(fleet: FleetUnderTest, **discord: Any) -> None:
    """Stop everything, Redis included, and start it again with other words in the config."""
    fleet.down()
    log = fleet.state_dir / "logs" / "shoal.log"
    before = log.read_text(errors="replace").count(" ready. ")
    config = json.loads(fleet.config_path.read_text())
    fleet.config_path.write_text(json.dumps(merged(config, {"channels": {"discord": discord}})))
    fleet.up()
    fleet.wait_online()
    wait_workers(fleet, before + WORKERS)
    fleet.models.script([QUIET])


def shown(fleet: FleetUnderTest, message: Json) -> list[bool]:
    """Which controls of a message are disabled, as people see it now."""
    seen = fleet.control.messages("general", limit=50)
    [now] = [one for one in seen if one["id"] == message["id"]]
    return [bool(control.get("disabled")) for control in controls_of(now["components"])]


def wait_shown(fleet: FleetUnderTest, message: Json, wanted: list[bool]) -> None:
    deadline = time.monotonic() + 30
    while shown(fleet, message) != wanted:
        assert time.monotonic() < deadline, (shown(fleet, message), fleet.said())
        time.sleep(0.1)


@pytest.mark.timeout(400)
def test_controls_work_after_everything_was_restarted(make_fleet: Callable[..., FleetUnderTest]) -> None:
    fleet = make_fleet()
    guild, ann = str(fleet.guild["id"]), str(fleet.person["id"])
    bob = str(fleet.control.add_user("bob", guilds=[guild])["id"])
    restart(fleet, guilds={guild: {"users": [ann, bob]}}, agentComponents={"ttlMs": 600_000})
    payload = json.loads(json.dumps(MANUAL).replace("123456789012345678", bob))
    pressed, chosen, filled, lasting = [
        send(fleet, one) for one in (once(payload), once(payload), once(payload), payload)
    ]
    opened = click(fleet, filled, parts(filled)[FORM])
    assert opened["callback_type"] == 9

    restart(fleet, guilds={guild: {"users": [ann]}})  # Bob may not talk here any more
    _a_form_that_was_open_is_handed_in(fleet, opened, filled)
    _a_menu_answers_once(fleet, chosen)
    _reusable_ones_are_not_greyed_out(fleet, lasting)
    _who_may_not_is_refused_and_uses_nothing_up(fleet, pressed, ann, bob)

    restart(fleet, guilds={guild: {"users": [ann, bob]}}, agentComponents={"ttlMs": 4_000})
    known = asked(fleet)
    click(fleet, pressed, parts(pressed)[APPROVE], user=bob)
    assert 'Clicked \\"Approve\\".' in next_request(fleet, known)
    wait_shown(fleet, pressed, [True] * 4)
    _what_expired_is_greyed_out_by_itself(fleet, payload)


def parts(message: Json) -> list[Json]:
    return list(controls_of(message["components"]))


def _a_form_that_was_open_is_handed_in(fleet: FleetUnderTest, opened: Json, message: Json) -> None:
    known = asked(fleet)
    name, priority = (label["component"]["custom_id"] for label in opened["modal"]["components"])
    values = {name: "Ann", priority: ["low"]}
    handed_in = fleet.control.submit_modal(opened["id"], values)
    fleet.control.wait_for_interaction(handed_in["id"], timeout=10)
    told = next_request(fleet, known)
    assert 'Form \\"Details\\" submitted.\\n- Requester: Ann\\n- Priority: Low' in told
    wait_shown(fleet, message, [True] * 4)
    late = fleet.control.submit_modal(opened["id"], values)
    assert _whispered(fleet, late) == [("This form has expired.", 64)]


def _whispered(fleet: FleetUnderTest, interaction: Json) -> list[tuple[str, int]]:
    """What the person alone reads, and the flags of it."""
    told = fleet.control.wait_until(
        lambda: (lambda state: state if state["messages"] else None)(
            fleet.control.interaction(interaction["id"])
        ),
        timeout=20,
        what="whisper",
    )
    return [(one["content"], one["flags"]) for one in told["messages"]]


def _a_menu_answers_once(fleet: FleetUnderTest, message: Json) -> None:
    known = asked(fleet)
    click(fleet, message, parts(message)[MENU], values=["a"])
    assert 'Selected Option A from \\"Pick an option\\".' in next_request(fleet, known)
    wait_shown(fleet, message, [True] * 4)


def _reusable_ones_are_not_greyed_out(fleet: FleetUnderTest, message: Json) -> None:
    for _ in range(2):
        known = asked(fleet)
        click(fleet, message, parts(message)[DECLINE])
        assert 'Clicked \\"Decline\\".' in next_request(fleet, known)
    assert shown(fleet, message) == [False] * 4


def _who_may_not_is_refused_and_uses_nothing_up(
    fleet: FleetUnderTest, message: Json, ann: str, bob: str
) -> None:
    """Ann is not among the button's ``allowedUsers``; Bob is, and the policy has changed under him."""
    for user, control in ((ann, APPROVE), (bob, APPROVE), (bob, DECLINE), (bob, FORM)):
        refused = click(fleet, message, parts(message)[control], user=user)
        assert _whispered(fleet, refused) == [("You are not authorized to use this button.", 64)]
    assert shown(fleet, message) == [False] * 4


def _what_expired_is_greyed_out_by_itself(fleet: FleetUnderTest, payload: Json) -> None:
    """Nobody presses; a reusable control expires like any other."""
    for components in (payload, once(payload)):
        message = send(fleet, components)
        wait_shown(fleet, message, [True] * 4)
    requests = fleet.control.requests(route="PATCH /channels/{channel_id}/messages/{message_id}")
    assert [one["status"] for one in requests if one["path"].endswith(message["id"])] == [200]
