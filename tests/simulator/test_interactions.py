"""Interactions: one answer within three seconds, a token that ends, follow-ups, modals."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from shoal.simulator.errors import ControlError
from shoal.simulator.server import Simulator
from tests.simulator.conftest import Rest
from tests.simulator.wire import Wire

ROW = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Go", "custom_id": "go"}]}
MODAL = {
    "custom_id": "form",
    "title": "Form",
    "components": [
        {"type": 10, "content": "Fill in."},
        {"type": 18, "label": "Name", "component": {"type": 4, "custom_id": "name", "style": 1}},
        {"type": 18, "label": "Agree", "component": {"type": 23, "custom_id": "agree"}},
    ],
}


@pytest.fixture
def clicked(simulator: Simulator, rest: Rest) -> dict[str, Any]:
    """A fresh click on a button of the bot's."""
    body = {"content": "press", "components": [ROW]}
    made = rest("POST", f"/channels/{simulator.channel_id}/messages", body).json()
    return simulator.control.click("general", made["id"], "go")


def answer(simulator: Simulator, interaction: dict[str, Any], body: dict[str, Any]) -> requests.Response:
    """The callback, without any token of the bot's."""
    url = f"{simulator.api_url}/interactions/{interaction['id']}/{interaction['token']}/callback"
    return requests.post(url, json=body, timeout=5)


def hook(simulator: Simulator, interaction: dict[str, Any]) -> str:
    return f"{simulator.api_url}/webhooks/{simulator.bot_id}/{interaction['token']}"


def test_exactly_one_answer(simulator: Simulator, clicked: dict[str, Any]) -> None:
    assert answer(simulator, clicked, {"type": 4, "data": {}}).json()["code"] == 50006
    assert answer(simulator, clicked, {"type": 4, "data": {"content": "x"}}).status_code == 204
    assert answer(simulator, clicked, {"type": 4, "data": {"content": "x"}}).json()["code"] == 40060
    wrong = {**clicked, "token": "wrong"}
    assert answer(simulator, wrong, {"type": 6}).json()["code"] == 10062


def test_the_window_of_three_seconds(simulator: Simulator, clicked: dict[str, Any]) -> None:
    simulator.control.configure(interaction_window_s=0.1)
    time.sleep(0.15)
    assert answer(simulator, clicked, {"type": 6}).json()["code"] == 10062
    assert simulator.control.interaction(clicked["id"])["answered"] is False


def test_deferral_and_its_filling(simulator: Simulator, clicked: dict[str, Any]) -> None:
    assert requests.get(hook(simulator, clicked) + "/messages/@original", timeout=5).json()["code"] == 10015
    assert answer(simulator, clicked, {"type": 5, "data": {"flags": 64}}).status_code == 204
    loading = requests.get(hook(simulator, clicked) + "/messages/@original", timeout=5).json()
    assert loading["flags"] == 64 | 128
    url = hook(simulator, clicked) + "/messages/@original"
    filled = requests.patch(url, json={"content": "done"}, timeout=5).json()
    assert (filled["content"], filled["flags"], filled["edited_timestamp"]) == ("done", 64, None)
    more = requests.post(hook(simulator, clicked), json={"content": "more", "flags": 64}, timeout=5).json()
    assert more["flags"] == 64
    assert more["webhook_id"] == more["application_id"] == simulator.bot_id
    assert requests.delete(url, timeout=5).status_code == 204


def test_the_first_follow_up_fills_a_deferral(simulator: Simulator, clicked: dict[str, Any]) -> None:
    answer(simulator, clicked, {"type": 5})
    first = requests.post(hook(simulator, clicked), json={"content": "one"}, timeout=5).json()
    second = requests.post(hook(simulator, clicked), json={"content": "two"}, timeout=5).json()
    original = requests.get(hook(simulator, clicked) + "/messages/@original", timeout=5).json()
    assert original["id"] == first["id"] != second["id"]


def test_the_token_ends(simulator: Simulator, clicked: dict[str, Any]) -> None:
    answer(simulator, clicked, {"type": 6})
    simulator.control.configure(interaction_token_s=0)
    late = requests.post(hook(simulator, clicked), json={"content": "x"}, timeout=5)
    assert (late.status_code, late.json()["code"]) == (401, 50027)


def test_ephemeral_answers_stay_out_of_the_channel(
    simulator: Simulator, rest: Rest, clicked: dict[str, Any]
) -> None:
    answer(simulator, clicked, {"type": 4, "data": {"content": "psst", "flags": 64}})
    listed = rest("GET", f"/channels/{simulator.channel_id}/messages").json()
    assert [m["content"] for m in listed] == ["press"]
    hidden = simulator.control.interaction(clicked["id"])["messages"][0]
    path = f"/channels/{simulator.channel_id}/messages/{hidden['id']}"
    assert rest("GET", path).json()["code"] == 10008


def test_update_message(simulator: Simulator, clicked: dict[str, Any]) -> None:
    body = {"type": 7, "data": {"content": "pressed", "components": []}}
    assert answer(simulator, clicked, body).status_code == 204
    shown = simulator.control.messages("general")[0]
    assert (shown["content"], shown["components"]) == ("pressed", [])


def test_callbacks_that_do_not_fit(simulator: Simulator, rest: Rest) -> None:
    rest("PUT", f"/applications/{simulator.bot_id}/commands", [{"name": "a", "description": "d"}])
    used = simulator.control.command("general", "a")
    for kind in (1, 6, 7, 8):
        assert answer(simulator, used, {"type": kind, "data": {"choices": []}}).status_code == 400
    assert answer(simulator, used, {"type": 77}).json()["code"] == 50035


def test_modal_there_and_back(simulator: Simulator, clicked: dict[str, Any]) -> None:
    with Wire(simulator) as wire:
        assert answer(simulator, clicked, {"type": 9, "data": MODAL}).status_code == 204
        simulator.control.submit_modal(clicked["id"], {"name": "Ada", "agree": True})
        data = wire.wait("INTERACTION_CREATE")["d"]
        assert data["type"] == 5
        assert data["message"]["content"] == "press"
        inputs = [part["component"] for part in data["data"]["components"] if part["type"] == 18]
        assert [i["value"] for i in inputs] == ["Ada", True]


@pytest.mark.parametrize(
    "broken",
    [
        {"title": "x" * 46},
        {"components": []},
        {"components": MODAL["components"] * 2},
        {"components": [ROW]},
        {"components": [MODAL["components"][1]] * 2},  # type: ignore[index]
    ],
)
def test_wrong_modals(simulator: Simulator, clicked: dict[str, Any], broken: dict[str, Any]) -> None:
    refused = answer(simulator, clicked, {"type": 9, "data": {**MODAL, **broken}})
    assert refused.json()["code"] == 50035
    assert simulator.control.interaction(clicked["id"])["answered"] is False


def test_sub_commands_and_completions(simulator: Simulator, rest: Rest) -> None:
    sub = {"type": 1, "name": "join", "description": "d", "options": [
        {"type": 3, "name": "room", "description": "d", "autocomplete": True}]}  # fmt: skip
    rest(
        "PUT",
        f"/applications/{simulator.bot_id}/commands",
        [{"name": "vc", "description": "d", "options": [sub]}],
    )
    with Wire(simulator) as wire:
        simulator.control.command("general", "vc join", {"room": "a"})
        used = wire.wait("INTERACTION_CREATE")["d"]["data"]
        assert used["options"] == [
            {"name": "join", "type": 1, "options": [{"name": "room", "type": 3, "value": "a"}]}
        ]
        asked = simulator.control.command("general", "vc join", {"room": "a"}, focused="room")
        assert wire.wait("INTERACTION_CREATE")["d"]["type"] == 4
        choices = {"type": 8, "data": {"choices": [{"name": "A", "value": "a"}]}}
        assert answer(simulator, asked, choices).status_code == 204
        assert simulator.control.interaction(asked["id"])["choices"] == choices["data"]["choices"]


def test_select_with_people(simulator: Simulator, rest: Rest) -> None:
    body = {"content": "x", "components": [{"type": 1, "components": [{"type": 5, "custom_id": "who"}]}]}
    made = rest("POST", f"/channels/{simulator.channel_id}/messages", body).json()
    with Wire(simulator) as wire:
        simulator.control.click("general", made["id"], "who", values=[simulator.user_id])
        data = wire.wait("INTERACTION_CREATE")["d"]["data"]
        assert data["values"] == [simulator.user_id]
        assert data["resolved"]["users"][simulator.user_id]["username"] == "ada"
        assert "user" not in data["resolved"]["members"][simulator.user_id]


def test_what_cannot_be_pressed(simulator: Simulator, rest: Rest) -> None:
    button = {"type": 2, "style": 1, "label": "x", "custom_id": "off", "disabled": True}
    body = {"content": "x", "components": [{"type": 1, "components": [button]}]}
    made = rest("POST", f"/channels/{simulator.channel_id}/messages", body).json()
    for custom_id in ("off", "none"):
        with pytest.raises(ControlError):
            simulator.control.click("general", made["id"], custom_id)
