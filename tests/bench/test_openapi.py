"""The judge of requests: what Discord's file and rules say, on lines as the simulator logs them."""

from __future__ import annotations

from typing import Any

import pytest

from bench.openapi import GAPS, LACKING, USER_AGENT, Judge, the_judge
from shoal.discord.transport import USER_AGENT as OURS
from shoal.simulator.rest.router import _ROUTES

CHANNEL, MESSAGE = "111111111111111111", "222222222222222222"
MESSAGES = f"/api/v10/channels/{CHANNEL}/messages"
SAFE = {"allowed_mentions": {"parse": []}}


@pytest.fixture(scope="module")
def judge() -> Judge:
    made = the_judge()
    assert made is not None, "Discord's OpenAPI file is missing: set SHOAL_DISCORD_REFERENCE to its folder"
    return made


def line(method: str, path: str, body: Any = None, **more: Any) -> dict[str, Any]:
    usual = {"query": "", "files": [], "status": 200, "answer": {}, "user_agent": OURS, "route": ""}
    return {"method": method, "path": path, "body": body, **usual, **more}


def test_it_knows_the_requests_of_shoal() -> None:
    assert OURS.startswith(USER_AGENT)


@pytest.mark.parametrize(
    "right",
    [
        line("POST", MESSAGES, {"content": "x", "nonce": "n", "enforce_nonce": True, **SAFE}),
        line("PATCH", f"{MESSAGES}/{MESSAGE}", {"content": None, **SAFE}),
        line("GET", MESSAGES, query=f"limit=100&after={MESSAGE}"),
        line("GET", f"/api/v10/guilds/{CHANNEL}/messages/search", query="content=a&author_id=1&author_id=2"),
        line("PUT", f"{MESSAGES}/{MESSAGE}/reactions/%F0%9F%91%8D/@me"),
        line("POST", "/api/v10/users/@me/channels", {"recipient_id": MESSAGE}),
        line("PATCH", f"/api/v10/webhooks/{CHANNEL}/token/messages/@original", {"content": "x", **SAFE}),
        line("POST", f"/api/v10/interactions/{MESSAGE}/token/callback", {"type": 5, "data": {"flags": 64}}),
        line("POST", MESSAGES, {"message_reference": {"type": 1, "message_id": MESSAGE}, **SAFE}),
        line("POST", MESSAGES, {"content": 7}, user_agent="DiscordBot (test, 1)"),
        line("POST", MESSAGES, SAFE, status=400, answer={"code": 50035}, done=False),
    ],
    ids=lambda entry: f"{entry['method']} {entry['path'][8:40]}",
)
def test_right_requests_pass(judge: Judge, right: dict[str, Any]) -> None:
    """Also those of other clients, and those that only a fault refused."""
    assert judge.problems(right) == []


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        (line("POST", MESSAGES, {"content": 7, **SAFE}), "content"),
        (line("POST", MESSAGES, {"content": "x", "nonce": "n" * 26, **SAFE}), "nonce"),
        (line("POST", MESSAGES, {"content": "x", "flag": 4, **SAFE}), "flag: Discord knows no such field"),
        (line("POST", MESSAGES, {"content": "x"}), "no allowed_mentions"),
        (line("PATCH", f"{MESSAGES}/{MESSAGE}", {"content": "x"}), "no allowed_mentions"),
        (line("POST", f"/api/v10/interactions/{MESSAGE}/t/callback", {"type": 4, "data": {"content": "x"}}),
         "no allowed_mentions"),
        (line("POST", f"/api/v10/webhooks/{CHANNEL}/token", {"content": "x"}), "no allowed_mentions"),
        (line("POST", f"/api/v10/channels/{CHANNEL}/threads", {"name": "t", "message": {"content": "x"}}),
         "no allowed_mentions"),
        (line("POST", MESSAGES, SAFE, status=400, answer={"code": 50006}), "refused with 50006"),
        (line("POST", "/api/v10/users/@me/channels"), "the body is missing"),
        (line("POST", f"/api/v10/channels/{CHANNEL}/typing", {"a": 1}), "a body where none belongs"),
        (line("GET", MESSAGES, query="limit=101"), "limit"),
        (line("GET", MESSAGES, query="newest=1"), "no such parameter"),
        (line("GET", "/api/v10/channels/general/messages"), "channel_id"),
        (line("GET", "/api/v10/nowhere"), "no such call"),
    ],
)  # fmt: skip
def test_wrong_requests_do_not(judge: Judge, wrong: dict[str, Any], word: str) -> None:
    found = judge.problems(wrong)
    assert any(word in problem for problem in found), found


def test_files_come_with_their_payload(judge: Judge) -> None:
    """Multipart: the log has ``payload_json`` as the body."""
    body = {"content": "x", "attachments": [{"id": "0", "filename": "a.txt"}], **SAFE}
    assert judge.problems(line("POST", MESSAGES, body, files=[{"filename": "a.txt", "size": 1}])) == []
    assert judge.problems(line("POST", MESSAGES, {**body, "attachments": [{"filename": "a.txt"}]}))


def test_every_route_of_the_simulator_is_discords(judge: Judge) -> None:
    """A route that Discord does not have would let a wrong request pass."""
    known = {(m.upper(), _shape(path)) for path, item in judge.paths.items() for m in item}
    strange = {route.name for route in _ROUTES if (route.method, _shape(route.template)) not in known}
    assert strange == set()


def _shape(path: str) -> str:
    return "/".join("*" if word.startswith("{") else word for word in path.strip("/").split("/"))


def test_each_gap_has_its_reason() -> None:
    assert all(reason for _, reason in [*GAPS.values(), *LACKING.values()])
