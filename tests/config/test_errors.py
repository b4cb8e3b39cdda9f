"""Wrong files: every problem at once, each with its place, what was found, what is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import validate_file
from shoal.base.errors import ConfigIssue
from tests.config.conftest import TOKEN, LoadIssues, LoadText
from tests.config.wrong_files import ONE_PROBLEM, discord


@pytest.mark.parametrize(
    ("text", "path", "message", "found", "allowed", "hint"), ONE_PROBLEM, ids=lambda v: str(v)[:50]
)
def test_one_problem(
    issues_of: LoadIssues, text: str, path: str, message: str, found: str, allowed: str, hint: str
) -> None:
    issues = issues_of(text)
    assert len(issues) == 1, [str(issue) for issue in issues]
    (issue,) = issues
    assert issue.path == path
    assert message in issue.message
    assert found in issue.found
    assert allowed in issue.allowed
    assert hint in issue.hint


def test_all_problems_at_once(issues_of: LoadIssues) -> None:
    issues = issues_of(
        """{
          channels: {
            discord: {
              token: "a.b.c",
              dmPolicy: "open",
              activityType: 1,
              proxy: "ftp://host",
              retry: { attempts: "3" },
              guilds: { "1": { requireMention: "yes", channels: { x: { users: [98765432109876543210] } } } },
            },
          },
          agents: { list: [{ name: "no id" }, { id: "b", model: "nonsense" }, { id: "c", skills: "all" }] },
          models: { providers: { mine: { api: "openai-completions" } } },
          cron: { catchUp: "some" },
        }"""
    )
    assert {issue.path for issue in issues} == {
        "channels.discord.allowFrom",
        "channels.discord",
        "channels.discord.proxy",
        "channels.discord.retry.attempts",
        'channels.discord.guilds["1"].requireMention',
        'channels.discord.guilds["1"].channels.x.users[0]',
        "agents.list[0].id",
        "agents.list[1].model",
        "agents.list[2].skills",
        "models.providers.mine",
        "cron.catchUp",
    }
    lines = {issue.path: issue.hint.rpartition("line ")[2] for issue in issues}
    assert lines["channels.discord.retry.attempts"] == "8"
    assert lines["agents.list[2].skills"] == "12"


def test_a_problem_is_not_told_twice(issues_of: LoadIssues) -> None:
    # the list is wrong, so it cannot also be too short
    issues = issues_of(discord('dmPolicy: "allowlist", allowFrom: [{}]'))
    assert [issue.path for issue in issues] == ["channels.discord.allowFrom[0]"]


@pytest.mark.parametrize(
    "text",
    [
        discord('token: { source: "env", id: "SECRETVALUE", extra: "s3cr3t-s3cr3t" }'),
        discord('proxy: "http://user:s3cr3t-s3cr3t@host:99999"'),
        discord('proxy: ["s3cr3t-s3cr3t"]'),
        discord('pluralkit: { token: ["s3cr3t-s3cr3t"] }'),
        discord('toekn: "s3cr3t-s3cr3t"'),
        discord('key: "s3cr3t-s3cr3t", pass: "s3cr3t-s3cr3t", botTkn: "s3cr3t-s3cr3t"'),
        '{ models: { providers: { openai: { headers: "s3cr3t-s3cr3t" } } } }',
        '{ secrets: { providers: { openai: "s3cr3t-s3cr3t" } } }',
        '{ models: { providers: { openai: { apiKey: { a: "s3cr3t" }, headers: { X: { b: "s3cr3t" } } } } } }',
        '{ fleet: { redis: { url: "http://:s3cr3t-s3cr3t@host" } } }',
        '{ commands: { ownerDisplaySecret: { x: "s3cr3t-s3cr3t" } } }',
        f'{{ tools: {{ exec: "{TOKEN}" }} }}',
    ],
)
def test_no_secret_in_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shoal.json"
    path.write_text(text)
    issues, warnings, _ = validate_file(path, env={}, state_dir=tmp_path)
    assert issues
    said = " ".join(str(issue) for issue in (*issues, *warnings))
    assert "s3cr3t" not in said.replace("toekn", "")
    assert TOKEN not in said


@pytest.mark.parametrize(
    "text",
    [
        f'{{ channels: {{ discord: {{ token "{TOKEN}" }} }} }}',
        f"{{ x: {TOKEN} }}",
        "{ apiKey: s3cr3t }",
        "{ a: 'http://user:s3cr3t@host }",
        '{ "password": “s3cr3t” }',
        "{ proxy: “http://s3cr3t” }",
    ],
)
def test_no_secret_in_an_error_about_the_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "shoal.json"
    path.write_text(text)
    (issue,), _, _ = validate_file(path, env={}, state_dir=tmp_path)
    assert "line 1" in issue.message
    assert "s3cr3t" not in str(issue)
    assert TOKEN not in str(issue)


def test_known_key_in_a_wrong_place_is_a_warning(load_text: LoadText) -> None:
    loaded = load_text(
        discord('token: "a.b.c", requireMention: false, accounts: { x: { systemPrompt: "p" } }')
    )
    said = {issue.path: issue.hint for issue in loaded.warnings}
    assert said["channels.discord.requireMention"].startswith(
        "its place is channels.discord.guilds.*.requireMention"
    )
    assert "accounts.*.guilds.*.channels.*.systemPrompt" in said["channels.discord.accounts.x.systemPrompt"]


def test_what_is_not_served_is_kept_and_told_once(load_text: LoadText) -> None:
    loaded = load_text(
        """{
          $schema: "https://example.org/schema.json",
          plugins: { entries: { x: { enabled: true } } },
          browser: { color: "#fff" }, meta: { lastTouchedVersion: "1" },
          somethingNew: { a: "${NOT_SET}" },
          channels: { telegram: { botToken: "1:a" }, defaults: { implicitMentions: {} } },
          agents: { defaults: { sandbox: { mode: "all" } }, list: [{ id: "a", memorySearch: {} }] },
          gateway: { port: 18789, auth: { token: "x" }, reload: { mode: "off" } },
        }""",
        {"NOT_SET": "set"},
    )
    (issue,) = (issue for issue in loaded.warnings if "no effect" in issue.message)
    for word in (
        "plugins",
        "browser",
        "somethingNew",
        "channels.telegram",
        "agents.defaults.sandbox",
        "gateway.port",
    ):
        assert word in issue.message
    assert "meta" not in issue.message
    assert loaded.root.gateway.reload.mode == "off"
    assert loaded.root.model_extra is not None
    assert loaded.root.model_extra["plugins"] == {"entries": {"x": {"enabled": True}}}


def test_key_written_twice_warns_with_both_lines(load_text: LoadText) -> None:
    loaded = load_text("{\n session: { dmScope: 'main' },\n session: { dmScope: 'per-peer' },\n}")
    (issue,) = (issue for issue in loaded.warnings if issue.path == "session")
    assert "lines 2 and 3" in issue.message
    assert loaded.root.session.dm_scope == "per-peer"


def test_group_that_does_not_exist_is_told(load_text: LoadText) -> None:
    loaded = load_text(
        """{
          accessGroups: { ops: { type: "message.senders" }, odd: { type: "ldap", query: "x" } },
          channels: { discord: { token: "a.b.c", allowFrom: ["accessGroup:ops", "accessGroup:opps"] } },
        }"""
    )
    said = {issue.path: issue.found for issue in loaded.warnings}
    assert said == {"channels.discord.allowFrom": "'accessGroup:opps'", "accessGroups.odd.type": "'ldap'"}


def test_issue_reads_like_a_sentence(issues_of: LoadIssues) -> None:
    (issue,) = issues_of(discord('guilds: { "1": { requireMention: "yes" } }'))
    assert isinstance(issue, ConfigIssue)
    assert str(issue) == (
        'channels.discord.guilds["1"].requireMention: this value has the wrong type; '
        'found "yes"; allowed: true or false; shoal.json line 1'
    )


@pytest.mark.parametrize("data", [b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}", b"", b"// nothing\n", b"{}"])
def test_encodings_and_empty_files(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "shoal.json"
    path.write_bytes(data)
    issues, _, loaded = validate_file(path, env={}, state_dir=tmp_path)
    assert not issues
    assert loaded is not None


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "shoal.json"
    path.write_bytes(b'{\n a: "\xff\xfe"}')
    (issue,), _, _ = validate_file(path, env={}, state_dir=tmp_path)
    assert "line 2" in issue.message
    assert "UTF-8" in issue.hint
