"""The merged log."""

from __future__ import annotations

import json
from pathlib import Path

from shoal.cli.fleet.view import Follower, Line, render_line


def ours(time: str, event: str, **fields: object) -> str:
    return json.dumps({"timestamp": f"2026-11-22T{time}", "level": "info", "event": event, **fields}) + "\n"


def test_lines_of_several_processes_come_in_the_order_of_time(tmp_path: Path) -> None:
    (tmp_path / "front.log").write_text(ours("10:00:00.100000", "one") + ours("10:00:02.000000", "three"))
    (tmp_path / "back.log").write_text(ours("10:00:01.000000", "two"))
    assert [(line.process, line.text) for line in Follower(tmp_path).poll()] == [
        ("front", "one"),
        ("back", "two"),
        ("front", "three"),
    ]


def test_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "front.log"
    follower = Follower(tmp_path)
    whole = ours("10:00:00.100000", "one")
    path.write_text(whole[:20])
    assert follower.poll() == []
    with path.open("a") as file:
        file.write(whole[20:])
    assert [line.text for line in follower.poll()] == ["one"]
    assert follower.poll() == []


def test_rotation_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "front.log"
    path.write_text(ours("10:00:00.100000", "one"))
    follower = Follower(tmp_path)
    follower.poll()
    with path.open("a") as file:
        file.write(ours("10:00:01.100000", "two"))
    path.rename(tmp_path / "front.log.1")
    path.write_text(ours("10:00:02.100000", "three"))
    assert [line.text for line in follower.poll()] == ["two", "three"]


def test_tracebacks_follow_their_line(tmp_path: Path) -> None:
    (tmp_path / "front.log").write_text(
        ours("10:00:00.1", "bad", exception="Traceback:\n  x = 1\nValueError")
    )
    assert [line.text for line in Follower(tmp_path).poll()] == [
        "bad",
        "  Traceback:",
        "    x = 1",
        "  ValueError",
    ]


def test_what_is_not_ours_is_shown_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "front.log").write_text(ours("10:00:05.1", "one") + "{not json\nplain words\n")
    (tmp_path / "back.log").write_text(ours("10:00:04.1", "zero"))
    assert [line.text for line in Follower(tmp_path).poll()] == ["zero", "one", "{not json", "plain words"]


def test_the_supervisors_own_lines_are_readable(tmp_path: Path) -> None:
    (tmp_path / "supervisor.log").write_text(
        "2026-11-22 05:33:38,933 INFO spawned: 'front' with pid 10463\n"
        "2026-11-22 05:33:38,988 INFO success: front entered RUNNING state\n"
        "2026-11-22 05:33:39,990 WARN exited: front (terminated by SIGKILL; not expected)\n"
    )
    assert [(line.time, line.text) for line in Follower(tmp_path).poll()] == [
        ("05:33:38", "spawned: 'front' with pid 10463"),
        ("05:33:39", "exited: front (terminated by SIGKILL; not expected)"),
    ]


def test_rendering() -> None:
    line = Line("front", "10:00:00.100", "warning", "slow", "ms=12")
    assert render_line(line, colour=False, width=8) == "10:00:00 front    warning: slow  ms=12"
    assert "\x1b[33mwarning: slow\x1b[0m" in render_line(line, colour=True)


def test_secrets_are_masked_once_more() -> None:
    text = "proxy http://user:hunter2@proxy:3128 refused"
    assert "hunter2" not in render_line(Line("front", "", "info", text), colour=False)
