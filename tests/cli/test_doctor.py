"""``shoal doctor`` as a command: exit codes, JSON, ``--fix`` (decision 46)."""

from __future__ import annotations

import json
from pathlib import Path

from shoal.cli.doctor.examine import CHECKS
from tests.cli.doctor.support import TOKEN, bot
from tests.cli.helpers import Shoal

# -- the command -------------------------------------------------------------------------------------


def write(shoal: Shoal, text: str) -> Path:
    shoal.state_dir.mkdir(mode=0o700, exist_ok=True)
    path = shoal.state_dir / "shoal.json"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_exit_code_tells_whether_something_is_critical(shoal: Shoal) -> None:
    write(shoal, json.dumps(bot()))
    done = shoal.run("doctor", "--offline")
    assert done.returncode == 0, done.stdout
    write(shoal, "{")
    done = shoal.run("doctor", "--offline")
    assert done.returncode == 1
    assert "critical" in done.stdout
    assert shoal.run("security", "audit").returncode == 1


def test_json_for_programs(shoal: Shoal) -> None:
    write(shoal, json.dumps(bot(groupPolicy="open")))
    report = json.loads(shoal.run("doctor", "--offline", "--json").stdout)
    assert report["ok"] is True
    assert {"id", "severity", "found", "fix", "where"} == set(report["findings"][0])
    assert set(report["checks"]) == {check.id for check in CHECKS}
    audit = json.loads(shoal.run("security", "audit", "--json").stdout)
    finding = next(each for each in audit["findings"] if each["checkId"] == "group-policy-open")
    assert set(finding) == {"checkId", "severity", "title", "detail", "remediation"}
    assert audit["summary"]["warn"] >= 1


def test_fix_rewrites_once_keeps_a_backup_and_shows_no_secret(shoal: Shoal) -> None:
    """The manuals' ``doctor --fix``; run again it does nothing."""
    text = (
        "{\n  // the bot\n  channels: { discord: {\n"
        f'    token: "{TOKEN}",\n    dm: {{ policy: "open", allowFrom: ["*"] }},\n'
        '    guilds: { "500": { users: ["1"] } },\n  } },\n}\n'
    )
    path = write(shoal, text)
    path.chmod(0o640)
    done = shoal.run("doctor", "--fix", "--offline")
    assert "channels.discord.dm.policy → channels.discord.dmPolicy" in done.stdout
    assert TOKEN not in done.stdout + done.stderr
    assert "// the bot" in path.read_text()
    assert "dm:" not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert path.with_name("shoal.json.bak").read_text() == text
    after = path.read_text()
    assert "Nothing to rewrite." in shoal.run("doctor", "--repair", "--offline").stdout
    assert path.read_text() == after


def test_fix_leaves_alone_what_it_must_not_touch(shoal: Shoal) -> None:
    """Decision 3: reported with the fix to choose, never chosen."""
    path = write(shoal, '{channels: {discord: {dmPolicy: "open", allowFrom: ["5"]}}}')
    before = path.read_text()
    done = shoal.run("doctor", "--fix", "--offline")
    assert done.returncode == 1
    assert "correct them first" in done.stdout
    assert 'add "*"' in done.stdout
    assert path.read_text() == before
    (shoal.state_dir / "more.json").write_text('{"dm": {"policy": "disabled"}}')
    path = write(shoal, '{channels: {discord: {$include: "./more.json"}}}')
    before = path.read_text()
    assert "includes other files (more.json)" in shoal.run("doctor", "--fix", "--offline").stdout
    assert path.read_text() == before


def test_plain_doctor_writes_nothing(shoal: Shoal) -> None:
    path = write(shoal, json.dumps(bot(dm={"policy": "disabled"})))
    before = sorted(item.name for item in shoal.state_dir.rglob("*"))
    text = path.read_text()
    shoal.run("doctor", "--offline")
    assert path.read_text() == text
    assert sorted(item.name for item in shoal.state_dir.rglob("*")) == before
