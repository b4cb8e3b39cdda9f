"""Rate limits with their headers, and the faults of REST."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from shoal.simulator.errors import ControlError, SimulatorError
from shoal.simulator.server import Simulator
from tests.simulator.conftest import Rest


@pytest.fixture
def send(simulator: Simulator, rest: Rest):
    return lambda content="x", **more: rest(
        "POST", f"/channels/{simulator.channel_id}/messages", {"content": content, **more}
    )


def test_a_bucket_counts_down_answers_429_and_opens_again(simulator: Simulator, send: Any) -> None:
    simulator.control.configure(rate_limits=True, rate_scale=10)
    answers = [send() for _ in range(6)]
    left = [a.headers["X-RateLimit-Remaining"] for a in answers[:5]]
    assert left == ["4", "3", "2", "1", "0"]
    assert {a.headers["X-RateLimit-Limit"] for a in answers} == {"5"}
    assert len({a.headers["X-RateLimit-Bucket"] for a in answers}) == 1
    reset = float(answers[4].headers["X-RateLimit-Reset"])
    after = float(answers[4].headers["X-RateLimit-Reset-After"])
    assert 0 < after <= 0.5
    assert reset == pytest.approx(time.time() + after, abs=1)
    refused = answers[5]
    assert refused.status_code == 429
    assert refused.headers["X-RateLimit-Scope"] == "user"
    assert "X-RateLimit-Global" not in refused.headers
    assert refused.headers["Via"]
    body = refused.json()
    assert body["global"] is False
    assert 0 < body["retry_after"] <= 0.5
    time.sleep(body["retry_after"] + 0.02)
    assert send().status_code == 200


def test_channels_have_windows_of_their_own_under_one_bucket_name(simulator: Simulator, rest: Rest) -> None:
    other = simulator.control.add_channel("Shoal Demo", "other")["id"]
    simulator.control.configure(rate_limits=True)
    one = [rest("POST", f"/channels/{simulator.channel_id}/messages", {"content": "x"}) for _ in range(6)]
    two = rest("POST", f"/channels/{other}/messages", {"content": "x"})
    assert one[5].status_code == 429
    assert two.status_code == 200
    assert two.headers["X-RateLimit-Remaining"] == "4"
    assert two.headers["X-RateLimit-Bucket"] == one[0].headers["X-RateLimit-Bucket"]


def test_the_global_limit(simulator: Simulator, rest: Rest) -> None:
    simulator.control.configure(rate_limits=True, rate_scale=1000, global_limit=3)
    answers = [rest("GET", "/users/@me") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert answers[3].headers["X-RateLimit-Global"] == "true"
    assert answers[3].headers["X-RateLimit-Scope"] == "global"
    assert answers[3].json()["global"] is True


def test_renaming_is_a_shared_sub_limit(simulator: Simulator, rest: Rest) -> None:
    simulator.control.edit_role("Shoal Demo", "shoal", permissions=8)
    simulator.control.configure(rate_limits=True)
    answers = [rest("PATCH", f"/channels/{simulator.channel_id}", {"name": f"n{n}"}) for n in range(3)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert answers[2].headers["X-RateLimit-Scope"] == "shared"
    assert int(answers[2].headers["X-RateLimit-Remaining"]) > 0
    assert answers[2].json()["retry_after"] > 500
    assert rest("PATCH", f"/channels/{simulator.channel_id}", {"nsfw": True}).status_code == 200


def test_callbacks_are_outside_the_limits(simulator: Simulator) -> None:
    simulator.control.configure(rate_limits=True, global_limit=1)
    url = f"{simulator.api_url}/interactions/1/x/callback"
    answers = [requests.post(url, json={"type": 6}, timeout=5) for _ in range(8)]
    assert {a.status_code for a in answers} == {404}


def test_too_many_invalid_requests_are_banned_at_the_edge(simulator: Simulator, rest: Rest) -> None:
    simulator.control.configure(invalid_limit=3)
    simulator.control.fault("rate_limit", scope="shared")
    assert rest("GET", "/users/@me").status_code == 429  # a shared limit does not count
    bad = {"Authorization": "Bot wrong"}
    assert [rest("GET", "/users/@me", headers=bad).status_code for _ in range(4)] == [401, 401, 401, 429]
    banned = rest("GET", "/users/@me")
    assert banned.status_code == 429
    assert banned.headers["Content-Type"] == "text/html"
    assert "Via" not in banned.headers
    assert 500 < int(banned.headers["Retry-After"]) <= 601


def test_a_dropped_answer_did_happen(simulator: Simulator, send: Any) -> None:
    simulator.control.fault("drop_answer", route="POST /channels/*/messages")
    with pytest.raises(requests.ConnectionError):
        send("once", nonce="n", enforce_nonce=True)
    again = send("once", nonce="n", enforce_nonce=True)
    assert again.status_code == 200
    assert [m["content"] for m in simulator.control.messages("general")] == ["once"]
    lost = simulator.control.requests(route="POST /channels")[0]
    assert (lost["lost"], lost["status"]) == ("dropped", 200)


def test_a_dropped_answer_waits_for_a_request_that_is_done(simulator: Simulator, send: Any) -> None:
    simulator.control.configure(rate_limits=True, global_limit=1)
    assert send("within the limit").status_code == 200
    simulator.control.fault("drop_answer", route="POST /channels/*/messages")
    assert send("over the limit").status_code == 429
    assert simulator.control.faults()[0]["fired"] == 0


def test_a_refused_request_did_not_happen(simulator: Simulator, send: Any) -> None:
    simulator.control.fault("refuse", contains="poison")
    assert send("fine").status_code == 200
    with pytest.raises(requests.ConnectionError):
        send("poison")
    assert [m["content"] for m in simulator.control.messages("general")] == ["fine"]


def test_statuses_delays_and_halves(simulator: Simulator, send: Any) -> None:
    control = simulator.control
    control.fault("status", status=500)
    assert (send("a").status_code, control.messages("general")) == (500, [])
    control.fault("status_after", status=502)
    page = send("b")
    assert page.headers["Content-Type"] == "text/html"
    assert [m["content"] for m in control.messages("general")] == ["b"]
    control.fault("rate_limit", retry_after=1.25, scope="shared")
    limited = send("c")
    assert (limited.status_code, limited.json()["retry_after"]) == (429, 1.25)
    assert limited.headers["X-RateLimit-Scope"] == "shared"
    control.fault("delay", seconds=0.2)
    control.fault("delay_answer", seconds=0.2)
    before = time.monotonic()
    assert send("d").status_code == 200
    assert time.monotonic() - before >= 0.4
    control.fault("cut_answer")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        send("e")
    assert control.messages("general")[-1]["content"] == "e"
    assert control.faults() == []


def test_skip_count_probability(simulator: Simulator, send: Any) -> None:
    simulator.control.fault("status", skip=1, count=2)
    assert [send().status_code for _ in range(4)] == [200, 503, 503, 200]
    simulator.control.fault("status", count=None, probability=0.5)
    statuses = [send().status_code for _ in range(60)]
    assert 10 < statuses.count(503) < 50
    simulator.control.clear_faults()
    assert send().status_code == 200


def test_a_fault_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.json"
    path.write_text(json.dumps([{"kind": "status", "status": 504}]), encoding="utf-8")
    with Simulator(faults=path) as simulator:
        assert requests.get(simulator.api_url + "/gateway", timeout=5).status_code == 504
    path.write_text("{", encoding="utf-8")
    with pytest.raises(SimulatorError, match="cannot be read"):
        Simulator(faults=path)


def test_wrong_switches_are_refused(simulator: Simulator) -> None:
    for call in (
        lambda: simulator.control.fault("nonsense"),
        lambda: simulator.control.fault("status", colour="red"),
        lambda: simulator.control.configure(nonsense=1),
        lambda: simulator.control.configure(rate_limits="yes"),
        lambda: simulator.control.gateway("explode"),
        lambda: simulator.control.say("nowhere", "x"),
    ):
        with pytest.raises(ControlError):
            call()


def test_the_log_tells_everything_but_no_token(simulator: Simulator, send: Any, tmp_path: Path) -> None:
    send("logged")
    simulator.stop()
    text = (tmp_path / "discord.jsonl").read_text(encoding="utf-8")
    lines = [json.loads(line) for line in text.splitlines()]
    assert [line["n"] for line in lines] == sorted(line["n"] for line in lines)
    made = next(line for line in lines if line["kind"] == "request" and line["method"] == "POST")
    assert made["body"] == {"content": "logged"}
    assert made["answer"]["content"] == "logged"
    assert made["source"] == "127.0.0.1"
    assert simulator.token not in text


def test_a_taken_port_is_a_sentence(simulator: Simulator) -> None:
    port = int(simulator.url.rsplit(":", 1)[1])
    with pytest.raises(SimulatorError, match=str(port)):
        Simulator(port).start()
    with pytest.raises(SimulatorError, match="loopback"):
        Simulator(host="8.8.8.8")
