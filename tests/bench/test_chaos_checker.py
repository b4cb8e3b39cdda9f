"""The judge of chaos runs, given forged logs: a healthy run passes, each kind of violation is caught."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import bench.chaos.checker
from bench.chaos.checker import Verdict, judge, main
from bench.chaos.logs import read
from bench.openapi import USER_AGENT

Line = dict[str, Any]
CHANNELS = ("100", "200")
START = 1_000.0
STEP = 0.5
CHECKS = {
    "lost": "lost",
    "twice": "answered twice",
    "outcome": "exactly one outcome per message",
    "turns": "exactly one turn per message",
    "order": "effects out of order",
    "grants": "older grant after a newer one",
    "dead": "dead letters without a fault",
    "unknown": "unknowns",
    "nonce": "creates without enforced nonce",
    "wrong": "requests Discord would not take",
    "bugs": "mistakes of the judge's own tools",
    "empty": "a run that proves nothing",
    "recovery": "recovery over 10 s",
    "half-open": "half-open over 20 s",
    "throughput": "throughput below 0.5 × calm",
    "limits": "429s over 1.0% of requests",
}


class Logs:
    """A run of ``count`` messages, one after the other, each answered 0.3 s later under its own grant."""

    def __init__(self, count: int = 12) -> None:
        self.driver: list[Line] = [
            {"kind": "run", "time": START, "seed": 1, "mode": "followup"},
            {"kind": "phase", "name": "calm", "time": START},
        ]
        self.simulator: list[Line] = []
        self.models: list[Line] = []
        self.outcomes: list[Line] = []
        self.dead: list[Line] = []
        self.seen: list[Line] = []
        for number in range(count):
            self.message(number, START + number * STEP)
        half, end = START + count * STEP / 2, START + count * STEP
        self.driver += [
            {"kind": "phase", "name": "chaos", "time": half},
            {"kind": "phase", "name": "drain", "time": end},
            {"kind": "phase", "name": "end", "time": end},
        ]

    def message(self, number: int, moment: float) -> None:
        channel, said, tag = CHANNELS[number % 2], str(1_000 + number * 10), f"m-{number:06}"
        self.driver.append({"kind": "say", "time": moment, "id": said, "channel": channel, "tag": tag})
        self.call(number, tag, f"s{number}", moment + 0.1)
        self.create(channel, str(int(said) + 5), said, tag, f"d{number}", moment + 0.3)
        self.outcomes.append(
            {
                "message_id": said,
                "known": True,
                "outcome": "answered",
                "reason": "",
                "notes": [{"name": "turn", "value": "{}"}],
            }
        )

    def call(self, number: int, tag: str, stamp: str, moment: float, also: tuple[str, ...] = ()) -> None:
        """``also``: what joined the turn."""
        content = f"[history] m-999999\nplease answer {tag}"
        past = [
            {"role": "user", "content": "please answer m-000000"},
            {"role": "assistant", "content": "answer to m-000000"},
        ]
        joined = [{"role": "user", "content": f"please answer {other}"} for other in also]
        body = {"messages": [*past, {"role": "user", "content": content}, *joined]}
        number = self.models[-1]["request"] + 1 if self.models else 1
        self.models.append({"kind": "start", "time": moment, "request": number, "stamp": stamp, "body": body})
        self.models.append({"kind": "end", "time": moment + 0.05, "request": number, "outcome": "done"})

    def create(
        self, channel: str, made: str, said: str, tag: str, stamp: str, moment: float, **more: Any
    ) -> Line:
        reference = {"message_id": said}
        line = {
            "kind": "request",
            "method": "POST",
            "user_agent": USER_AGENT,
            "n": len(self.simulator) + 1,
            "time": moment + 0.01,
            "seconds": 0.01,
            "route": "POST /channels/{channel_id}/messages",
            "path": f"/api/v10/channels/{channel}/messages",
            "status": 200,
            "stamp": stamp,
            "lost": "",
            "body": {
                "content": f"answer to {tag}",
                "message_reference": reference,
                "nonce": f"n{said}",
                "enforce_nonce": True,
                "allowed_mentions": {"parse": []},
            },
            "answer": {
                "id": made,
                "channel_id": channel,
                "content": f"answer to {tag}",
                "message_reference": reference,
            },
            **more,
        }
        self.simulator.append(line)
        return line

    def write(self, folder: Path) -> Path:
        for name in ("driver", "simulator", "models", "outcomes", "dead", "seen"):
            text = "".join(json.dumps(line) + "\n" for line in getattr(self, name))
            (folder / f"{name}.jsonl").write_text(text)
        return folder

    def judge(self, folder: Path) -> Verdict:
        return judge(read(self.write(folder)))

    def creates(self) -> list[Line]:
        return [line for line in self.simulator if line["kind"] == "request"]

    def injury(self, what: str, victim: str, moment: float, healed: float = 0.0, alone: bool = False) -> None:
        self.driver.append(
            {
                "kind": "injury",
                "what": what,
                "victim": victim,
                "time": moment,
                "healed": healed or moment,
                "alone": alone,
            }
        )

    def forget_call(self, tag: str) -> None:
        """Take the questions to the model that end with a message out of its log."""
        gone = {
            line["request"]
            for line in self.models
            if line["kind"] == "start" and tag in line["body"]["messages"][-1]["content"]
        }
        self.models = [line for line in self.models if line["request"] not in gone]

    def forget_answer(self, number: int) -> str:
        """Take the answer to a message out of the simulator's log; returns the message's id."""
        said = str(1_000 + number * 10)
        self.simulator = [
            line
            for line in self.simulator
            if line.get("body", {}).get("message_reference", {}).get("message_id") != said
        ]
        return said


def broken(verdict: Verdict) -> set[str]:
    return {short for short, name in CHECKS.items() if verdict.check(name).broken}


def test_a_healthy_run_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["checker", str(Logs().write(tmp_path))]) == 0
    said = capsys.readouterr().out
    assert "BROKEN" not in said
    assert "ratio 1.0" in said
    assert set(CHECKS.values()) <= {check.name for check in judge(read(tmp_path)).checks}


def lost_without_outcome(logs: Logs) -> None:
    logs.forget_answer(3)
    logs.outcomes[3] = {"message_id": "1030", "known": False}


def lost_behind_an_outcome(logs: Logs) -> None:
    logs.forget_answer(3)


def said_to_be_on_its_way(logs: Logs) -> None:
    logs.outcomes[3]["outcome"] = None


def sent_what_discord_refuses(logs: Logs) -> None:
    logs.simulator[3]["body"]["content"] = 7


def sent_around_the_transport(logs: Logs) -> None:
    logs.simulator[3]["user_agent"] = "python-requests/2.32"


def answered_twice(logs: Logs) -> None:
    logs.create("200", "1038", "1030", "m-000003", "d3", START + 1.9)


def answered_twice_known_by_text_only(logs: Logs) -> None:
    line = logs.create("200", "1038", "1030", "m-000003", "d3", START + 1.9)
    del line["body"]["message_reference"], line["answer"]["message_reference"]


def created_behind_a_lost_answer_and_again(logs: Logs) -> None:
    """The first create is known from the gateway's event only."""
    data = {"id": "1034", "channel_id": "200", "author": {"bot": True}, "content": "answer to m-000003"}
    logs.simulator.append({"kind": "event", "time": START, "event": "MESSAGE_CREATE", "data": data})


def spoke_unasked(logs: Logs) -> None:
    data = {"id": "1999", "channel_id": "200", "author": {"bot": True}, "content": "hello"}
    logs.simulator.append({"kind": "event", "time": START, "event": "MESSAGE_CREATE", "data": data})


def two_outcome_lines(logs: Logs) -> None:
    logs.outcomes.append({**logs.outcomes[3], "outcome": "dropped"})


def dropped(logs: Logs) -> None:
    logs.forget_answer(3)
    logs.outcomes[3] |= {"outcome": "dropped", "reason": "not-allowed"}


def steered_into_nothing(logs: Logs) -> None:
    logs.forget_answer(3)
    logs.outcomes[3] |= {"outcome": "steered", "reason": "into.4711"}


def asked_in_two_turns(logs: Logs) -> None:
    """Message 3 is read by the turn of message 5 as well."""
    logs.call(5, "m-000005", "s5", START + 2.6, also=("m-000003",))


def steered_elsewhere(logs: Logs) -> None:
    """The outcome names a turn that never read it."""
    logs.forget_answer(3)
    logs.forget_call("m-000003")
    logs.call(1, "m-000001", "s1", START + 0.7, also=("m-000003",))
    logs.outcomes[3] |= {"outcome": "steered", "reason": "into.1050"}


def answered_without_a_question(logs: Logs) -> None:
    logs.forget_call("m-000003")


def reordered(logs: Logs) -> None:
    """Messages 2 and 4 of one channel: the answer to 4 comes first."""
    ids = {line["answer"]["message_reference"]["message_id"]: line["answer"] for line in logs.creates()}
    ids["1020"]["id"], ids["1040"]["id"] = ids["1040"]["id"], ids["1020"]["id"]


def older_grant_asks_the_model_again(logs: Logs) -> None:
    logs.call(2, "m-000002", "s0", START + 1.3)


def older_grant_sends_again(logs: Logs) -> None:
    logs.create("100", "1025", "1020", "m-000002", "d0", START + 1.7)


def speak(logs: Logs, stamp: str, moment: float, thread: str = "") -> None:
    """The agent under its own name, by the webhook 700 of channel 100."""
    said = {"kind": "request", "method": "POST", "user_agent": USER_AGENT, "n": 99, "time": moment,
            "seconds": 0.0, "status": 200, "stamp": stamp, "lost": ""}  # fmt: skip
    made = {**said, "n": 98, "time": START, "route": "POST /channels/{channel_id}/webhooks", "stamp": "d0",
            "path": "/api/v10/channels/100/webhooks", "body": {"name": "Shoal"},
            "answer": {"id": "700", "channel_id": "100"}}  # fmt: skip
    logs.simulator.insert(0, made)
    logs.simulator.append(
        {**said, "route": "POST /webhooks/{webhook_id}/{webhook_token}", "path": "/api/v10/webhooks/700/tok",
         "query": f"wait=true&thread_id={thread}" if thread else "wait=true", "answer": {},
         "body": {"content": "by name", "allowed_mentions": {"parse": []}}}
    )  # fmt: skip


def older_grant_speaks_by_a_webhook(logs: Logs) -> None:
    speak(logs, "d0", START + 1.7)


def nothing_was_said(logs: Logs) -> None:
    logs.driver = [line for line in logs.driver if line["kind"] != "say"]
    for log in (logs.simulator, logs.models, logs.outcomes):
        log.clear()


def driver_broke_off(logs: Logs) -> None:
    logs.driver = [line for line in logs.driver if line.get("name") not in ("drain", "end")]


def no_stamp(logs: Logs) -> None:
    logs.creates()[3]["stamp"] = ""


def model_call_of_nobody(logs: Logs) -> None:
    logs.call(99, "m-000099", "s99", START + 1.3)


def frozen_holder_goes_on_and_on(logs: Logs) -> None:
    logs.injury("freeze", "turns", START + 0.5, healed=START + 1.25)
    logs.call(2, "m-000002", "s0", START + 1.3)
    logs.call(2, "m-000002", "s2", START + 1.35)
    logs.call(2, "m-000002", "s0", START + 1.4)


def dead_without_a_fault(logs: Logs) -> None:
    logs.forget_answer(3)
    logs.dead.append({"message_id": "1030", "code": "internal"})


def refused_and_not_dead(logs: Logs) -> None:
    refusal = {"code": 50013, "message": "Missing Permissions"}
    logs.creates()[3].update(status=403, answer=refusal, done=False)


def dead_of_what_was_asked_for_wrongly(logs: Logs) -> None:
    """No fault had Discord refuse it: the fleet sent it where it must not."""
    refused_and_not_dead(logs)
    del logs.creates()[3]["done"]
    logs.dead.append({"message_id": "1030", "code": "forbidden"})


def unknown_for_nothing(logs: Logs) -> None:
    logs.outcomes[3]["notes"].append({"name": "delivery", "value": "unknown send"})


def lost_beyond_repair_in_silence(logs: Logs) -> None:
    line = logs.creates()[3]
    line["lost"] = "dropped"
    line["body"]["enforce_nonce"] = False


def nonce_missing(logs: Logs) -> None:
    logs.creates()[3]["body"]["nonce"] = None


def one_nonce_two_messages(logs: Logs) -> None:
    logs.create("200", "1038", "1030", "m-000003", "d3", START + 1.9)


def simulator_broke(logs: Logs) -> None:
    logs.simulator.append({"kind": "bug", "time": START, "error": "KeyError"})


def slow_recovery(logs: Logs) -> None:
    logs.driver.append({"kind": "say", "time": START + 10, "id": "5000", "channel": "100", "tag": "m-000500"})
    logs.injury("kill", "turns", START + 11)
    logs.call(500, "m-000500", "s500", START + 22)
    logs.create("100", "5005", "5000", "m-000500", "d500", START + 22.2)
    logs.outcomes.append(
        {"message_id": "5000", "known": True, "outcome": "answered", "reason": "", "notes": []}
    )


def slow_half_open(logs: Logs) -> None:
    slow_recovery(logs)
    logs.driver[-1] |= {"what": "half-open", "victim": "broker", "time": START + 1.5}
    logs.driver[-2] |= {"time": START + 1}
    logs.driver = [line for line in logs.driver if line["kind"] != "injury"]
    logs.injury("half-open", "broker", START + 11)
    logs.models[-2]["time"] = START + 32
    logs.creates()[-1]["time"] = START + 33


def slow_under_chaos(logs: Logs) -> None:
    for line in logs.driver:
        if line["kind"] == "phase" and line["name"] == "drain":
            line["time"] += 100


def too_many_429s(logs: Logs) -> None:
    line = {**logs.creates()[3], "status": 429, "answer": {"message": "You are being rate limited."}}
    logs.simulator.append({**line, "route": "POST /channels/{channel_id}/typing"})


@pytest.mark.parametrize(
    ("forge", "expected"),
    [
        (lost_without_outcome, {"lost"}),
        (lost_behind_an_outcome, {"lost"}),
        (said_to_be_on_its_way, {"lost"}),
        (answered_twice, {"twice", "nonce"}),
        (answered_twice_known_by_text_only, {"twice", "nonce"}),
        (created_behind_a_lost_answer_and_again, {"twice"}),
        (spoke_unasked, {"twice"}),
        (two_outcome_lines, {"outcome"}),
        (dropped, {"outcome"}),
        (steered_into_nothing, {"outcome", "turns"}),
        (asked_in_two_turns, {"turns"}),
        (steered_elsewhere, {"turns"}),
        (answered_without_a_question, {"turns"}),
        (reordered, {"order"}),
        (older_grant_asks_the_model_again, {"grants"}),
        (older_grant_sends_again, {"grants"}),
        (older_grant_speaks_by_a_webhook, {"grants"}),
        (no_stamp, {"grants"}),
        (model_call_of_nobody, {"grants"}),
        (frozen_holder_goes_on_and_on, {"grants"}),
        (dead_without_a_fault, {"dead"}),
        (refused_and_not_dead, {"dead", "lost"}),
        (dead_of_what_was_asked_for_wrongly, {"dead"}),
        (unknown_for_nothing, {"unknown"}),
        (lost_beyond_repair_in_silence, {"unknown", "nonce"}),
        (nonce_missing, {"nonce"}),
        (one_nonce_two_messages, {"nonce", "twice"}),
        (sent_what_discord_refuses, {"wrong"}),
        (sent_around_the_transport, {"wrong"}),
        (simulator_broke, {"bugs"}),
        (nothing_was_said, {"empty"}),
        (driver_broke_off, {"empty"}),
        (slow_recovery, {"recovery"}),
        (slow_half_open, {"half-open"}),
        (slow_under_chaos, {"throughput"}),
        (too_many_429s, {"limits"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_violation_is_caught(forge: Callable[[Logs], None], expected: set[str], tmp_path: Path) -> None:
    logs = Logs()
    forge(logs)
    assert broken(logs.judge(tmp_path)) == expected
    assert main(["checker", str(tmp_path)]) == 1


def test_who_is_told_to_go_on_with_an_answer_is_asked_for_its_message(tmp_path: Path) -> None:
    logs = Logs()
    start = next(line for line in logs.models if line["kind"] == "start")
    note = (
        "[Your answer above was cut off there, and people have read it. Go on exactly behind its last word]"
    )
    start["body"]["messages"] += [{"role": "assistant", "content": "answ"}, {"role": "user", "content": note}]
    assert not broken(judge(read(logs.write(tmp_path))))


def test_a_frozen_holder_may_finish_the_effect_it_was_in(tmp_path: Path) -> None:
    logs = Logs()
    logs.injury("freeze", "turns", START + 0.5, healed=START + 1.25)
    logs.call(2, "m-000002", "s0", START + 1.3)
    verdict = logs.judge(tmp_path)
    assert "grants" not in broken(verdict)
    assert "1 effects finished" in verdict.check(CHECKS["grants"]).note


@pytest.mark.parametrize(("stamp", "thread"), [("d4", ""), ("d0", "300")])
def test_a_webhook_speaks_in_the_lane_of_its_place(tmp_path: Path, stamp: str, thread: str) -> None:
    """In its channel the newest grant may; what it says in a thread belongs to the thread's lane."""
    logs = Logs()
    speak(logs, stamp, START + 2.35, thread)
    assert broken(logs.judge(tmp_path)) == set()


def test_a_message_refused_for_good_is_a_dead_letter_and_nothing_else(tmp_path: Path) -> None:
    logs = Logs()
    refused_and_not_dead(logs)
    logs.dead.append({"message_id": "1030", "code": "forbidden"})
    assert broken(logs.judge(tmp_path)) == set()


def test_a_429_by_fault_is_not_the_fleets(tmp_path: Path) -> None:
    logs = Logs()
    too_many_429s(logs)
    logs.simulator.append({"kind": "fault", "time": START, "fault": "rate_limit"})
    assert broken(logs.judge(tmp_path)) == set()


def test_absorbed_messages_count_with_the_one_that_was_answered(tmp_path: Path) -> None:
    logs = Logs()
    logs.forget_answer(3)
    logs.forget_call("m-000003")
    logs.call(5, "m-000005", "s5", START + 2.65, also=("m-000003",))
    logs.outcomes[3] |= {"outcome": "steered", "reason": "into.1050"}
    assert broken(logs.judge(tmp_path)) == set()


def test_a_repeated_create_that_returns_the_first_message_is_one_message(tmp_path: Path) -> None:
    logs = Logs()
    logs.creates()[3].update(lost="dropped")
    logs.create("200", "1035", "1030", "m-000003", "d3", START + 1.95)
    verdict = logs.judge(tmp_path)
    assert broken(verdict) == set()
    assert verdict.check(CHECKS["unknown"]).note == "1 lost answers, 0 beyond repair, 0 marked"


def test_waiting_for_the_only_process_of_a_kind_counts_from_its_return(tmp_path: Path) -> None:
    logs = Logs()
    slow_recovery(logs)
    logs.driver[-1] |= {"healed": START + 15, "alone": True}
    assert broken(logs.judge(tmp_path)) == set()


def test_a_second_injury_takes_over_the_waiting(tmp_path: Path) -> None:
    logs = Logs()
    slow_recovery(logs)
    logs.injury("kill", "turns", START + 15)
    assert broken(logs.judge(tmp_path)) == set()


def test_a_whole_fleet_that_is_down_takes_over_from_when_it_went_down(tmp_path: Path) -> None:
    """It recovers before its last process is back; other injuries leave the rest of the fleet at work."""
    for victim, expected in (("supervisor", set()), ("front", {"recovery"})):
        logs = Logs()
        slow_recovery(logs)
        logs.injury("kill", victim, START + 12)
        logs.driver[-1] |= {"healed": START + 30, "alone": True}
        folder = tmp_path / victim
        folder.mkdir()
        assert broken(logs.judge(folder)) == expected


def test_a_newer_message_interrupts_and_nothing_else_does(tmp_path: Path) -> None:
    logs = Logs()
    logs.driver[0]["mode"] = "interrupt"
    logs.forget_answer(3)
    logs.outcomes[3] |= {"outcome": "stopped", "reason": "stopped"}
    assert broken(logs.judge(tmp_path)) == set()
    logs.forget_answer(11)
    logs.outcomes[11] |= {"outcome": "stopped", "reason": "stopped"}
    assert broken(logs.judge(tmp_path)) == {"outcome"}


def test_a_preview_that_was_taken_away_is_no_answer(tmp_path: Path) -> None:
    logs = Logs()
    line = logs.create("200", "1034", "1030", "m-000003", "d3", START + 1.7)
    line["body"]["nonce"] = "preview"
    assert broken(logs.judge(tmp_path)) == {"twice"}
    path = "/api/v10/channels/200/messages/1034"
    route = "DELETE /channels/{channel_id}/messages/{message_id}"
    deleted = {**line, "method": "DELETE", "route": route, "path": path, "status": 204}
    logs.simulator.append({**deleted, "body": None, "answer": None})
    assert broken(logs.judge(tmp_path)) == set()


def test_a_log_broken_in_the_middle_is_no_evidence(tmp_path: Path) -> None:
    logs = Logs()
    logs.write(tmp_path)
    path = tmp_path / "simulator.jsonl"
    good = path.read_bytes()
    path.write_bytes(good + b'{"kind": "req')
    assert not broken(judge(read(tmp_path)))  # a writer that was killed in its last line
    path.write_bytes(b"half a line\n" + good)
    with pytest.raises(ValueError, match=r"simulator\.jsonl:1 is no JSON"):
        read(tmp_path)


def test_the_checker_shares_no_code_with_the_product() -> None:
    folder = Path(str(bench.chaos.checker.__file__)).parent
    for name in ("asked", "checker", "figures", "forms", "logs", "rich", "seen", "verdict", "../openapi"):
        source = (folder / f"{name}.py").read_text()
        imports = [line for line in source.splitlines() if line.startswith(("import ", "from "))]
        assert not [
            line
            for line in imports
            if any(word in line for word in ("shoal", "tasks", "workers", "gateway", "config"))
        ]
