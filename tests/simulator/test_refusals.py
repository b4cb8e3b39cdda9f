"""What Discord refuses although the body alone looks right: sizes, counts, people, kinds of messages."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.simulator.errors import ControlError
from shoal.simulator.server import Simulator
from tests.simulator.conftest import Rest
from tests.simulator.test_rest import leaf, row, send

__all__ = ["send"]


def test_files_may_have_ten_mebibytes(simulator: Simulator, rest: Rest) -> None:
    """40005 with status 413, wherever files go (facts 8.2, 16.1)."""
    simulator.control.configure(file_limit=100)
    big = {"files[0]": ("a.bin", b"x" * 101)}
    payload = {"payload_json": '{"content": "x"}'}
    path = f"/channels/{simulator.channel_id}/messages"
    refused = rest("POST", path, data=payload, files=big)
    assert (refused.status_code, refused.json()["code"]) == (413, 40005)
    asked = {"files": [{"filename": "a", "file_size": 101, "id": "0"}]}
    assert rest("POST", f"/channels/{simulator.channel_id}/attachments", asked).status_code == 413
    assert rest("POST", path, data=payload, files={"files[0]": ("a.bin", b"x" * 100)}).status_code == 200
    assert simulator.control.messages("general")[-1]["content"] == "x"


def test_who_takes_no_direct_messages(simulator: Simulator, rest: Rest) -> None:
    dm = rest("POST", "/users/@me/channels", {"recipient_id": simulator.user_id}).json()["id"]
    simulator.control.edit_user(simulator.user_id, dms=False)
    closed = rest("POST", f"/channels/{dm}/messages", {"content": "x"})
    assert (closed.status_code, closed.json()["code"]) == (403, 50007)
    simulator.control.edit_user(simulator.user_id, dms=True)
    assert rest("POST", f"/channels/{dm}/messages", {"content": "x"}).status_code == 200


def test_polls_stay_as_they_were(send: Any, rest: Rest, simulator: Simulator) -> None:
    """520003 (facts 15)."""
    poll = {"question": {"text": "?"}, "answers": [{"poll_media": {"text": "a"}}], "duration": 1}
    made = send({"poll": poll}).json()
    edited = rest("PATCH", f"/channels/{simulator.channel_id}/messages/{made['id']}", {"content": "x"})
    assert (edited.status_code, edited.json()["code"]) == (400, 520003)


def test_250_pins(send: Any, rest: Rest, simulator: Simulator) -> None:
    ids = [simulator.control.say("general", str(number))["id"] for number in range(251)]
    simulator.control.edit_role(simulator.guild_id, "shoal", permissions=8)
    answers = [
        rest("PUT", f"/channels/{simulator.channel_id}/messages/pins/{one}").status_code for one in ids
    ]
    assert answers == [204] * 250 + [400]


def test_what_nobody_said_cannot_be_answered(send: Any, rest: Rest, simulator: Simulator) -> None:
    """Types other than 0, 19, 20, 23 (facts 8.5)."""
    said = simulator.control.say("general", "joined", type=7)
    answer = send({"content": "x", "message_reference": {"message_id": said["id"]}})
    assert leaf(answer.json()["errors"], "message_reference") == "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE"


def test_an_address_of_a_button_has_512_characters(send: Any) -> None:
    link = {"type": 2, "style": 5, "label": "x", "url": "https://example.org/" + "x" * 500}
    answer = send({"content": "x", "components": [row(link)]})
    where = ("components", "0", "components", "0", "url")
    assert leaf(answer.json()["errors"], *where) == "BASE_TYPE_MAX_LENGTH"


def test_any_error_can_be_had_in_discords_words(send: Any, simulator: Simulator) -> None:
    simulator.control.fault("error", code=240000)
    simulator.control.fault("error", code=20028)
    harmful, limited = send({"content": "x"}), send({"content": "x"})
    assert harmful.json() == {"message": "Message blocked by harmful links filter", "code": 240000}
    assert (limited.status_code, limited.json()["code"]) == (429, 20028)
    assert limited.json()["retry_after"] > 0
    assert limited.headers["X-RateLimit-Scope"] == "shared"
    with pytest.raises(ControlError, match="not known"):
        simulator.control.fault("error", code=1)
