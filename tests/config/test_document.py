"""Files, includes, variables, paths."""

from __future__ import annotations

from pathlib import Path

import pytest

import config
from config.environment import read_dotenv
from config.places import parse_path, show_path
from shoal.base.errors import ConfigError
from tests.config.conftest import TOKEN, LoadIssues, LoadText
from tests.config.wrong_files import discord


def test_missing_file_means_defaults(tmp_path: Path) -> None:
    loaded = config.load(env={"HOME": str(tmp_path)})
    assert loaded.path is None
    assert loaded.state_dir == tmp_path / ".shoal"
    assert loaded.warnings == ()
    assert loaded.default_agent_id == "main"
    assert loaded.account_ids() == []
    assert not (tmp_path / ".shoal").exists(), "looking must not create anything"


def test_missing_file_that_was_named_is_told(tmp_path: Path) -> None:
    loaded = config.load(tmp_path / "typo.json", env={}, state_dir=tmp_path)
    assert "there is no file" in loaded.warnings[0].message


@pytest.mark.parametrize(
    ("env", "state", "path"),
    [
        ({}, ".shoal", ".shoal/shoal.json"),
        ({"SHOAL_STATE_DIR": "{}/s"}, "s", "s/shoal.json"),
        ({"OPENCLAW_STATE_DIR": "{}/o", "SHOAL_STATE_DIR": "{}/s"}, "s", "s/shoal.json"),
        ({"OPENCLAW_STATE_DIR": "~/o"}, "o", "o/shoal.json"),
        ({"SHOAL_HOME": "{}/h"}, "h/.shoal", "h/.shoal/shoal.json"),
        ({"OPENCLAW_CONFIG_PATH": "{}/c.json5"}, ".shoal", "c.json5"),
        ({"SHOAL_CONFIG_PATH": "~/d.json", "SHOAL_STATE_DIR": " "}, ".shoal", "d.json"),
    ],
)
def test_where_things_are(tmp_path: Path, env: dict[str, str], state: str, path: str) -> None:
    variables = {name: text.format(tmp_path) for name, text in env.items()}
    paths = config.load(env={"HOME": str(tmp_path), **variables}).paths
    assert paths.state_dir == tmp_path / state
    assert paths.config == tmp_path / path
    assert paths.logs == tmp_path / state / "logs"


def test_state_dir_of_openclaw_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "openclaw.json").write_text("{ session: { dmScope: 'per-peer' } }")
    loaded = config.load(env={}, state_dir=tmp_path)
    assert loaded.root.session.dm_scope == "per-peer"


def test_variables(load_text: LoadText) -> None:
    text = discord('token: "${MY_TOKEN}", responsePrefix: "$${MY_TOKEN} ${A}${B_2} ${lower} $A"')
    loaded = load_text(text, {"MY_TOKEN": TOKEN, "A": "x", "B_2": "y"})
    account = loaded.account("default")
    assert account.token.get_secret_value() == TOKEN
    assert account.discord.response_prefix == "${MY_TOKEN} xy ${lower} $A"


def test_variables_that_are_missing_are_all_told(issues_of: LoadIssues) -> None:
    issues = issues_of(
        discord('responsePrefix: "${ONE} ${TWO}", guilds: { "1": { slug: "${EMPTY}" } }'), {"EMPTY": ""}
    )
    assert [(issue.path, issue.found) for issue in issues] == [
        ("channels.discord.responsePrefix", "${ONE}"),
        ("channels.discord.responsePrefix", "${TWO}"),
        ('channels.discord.guilds["1"].slug', "${EMPTY}"),
    ]


def test_variables_come_from_process_then_dotenv_then_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, state = tmp_path / "here", tmp_path / "state"
    here.mkdir()
    state.mkdir()
    monkeypatch.chdir(here)
    (here / ".env").write_text("B=here\nC=here\n")
    (state / ".env").write_text("A=state\nB=state\nC=state\nD=state\n")
    monkeypatch.setenv("C", "process")
    path = tmp_path / "shoal.json"
    path.write_text(
        '{ env: { vars: { D: "file", E: "file" }, F: "beside" },'
        ' messages: { responsePrefix: "${A} ${B} ${C} ${D} ${E} ${F}" } }'
    )
    loaded = config.load(path, state_dir=state)
    assert loaded.root.messages.response_prefix == "state here process state file beside"
    assert loaded.env["E"] == "file"
    import os

    assert "E" not in os.environ


def test_dotenv(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text(
        "# comment\n\nexport A=1\nB = two words # comment\n"
        'C="x\\n\\"y\\""\nD=\'raw $X # no\'\nE=a#b\nbad line\nF=\nG="open\n'
    )
    values, issues = read_dotenv(path)
    assert values == {
        "A": "1", "B": "two words", "C": 'x\n"y"', "D": "raw $X # no", "E": "a#b", "F": "", "G": '"open',
    }  # fmt: skip
    assert [issue.path for issue in issues] == [f"{path}:8"]
    assert "bad line" not in str(issues[0])
    assert read_dotenv(tmp_path / "none") == ({}, [])


def test_includes_merge_and_siblings_win(load_text: LoadText, tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "discord.json5").write_text(
        '{ $include: "./deep.json5", allowFrom: ["1"], dmPolicy: "allowlist", historyLimit: 5 }'
    )
    (tmp_path / "parts" / "deep.json5").write_text('{ historyLimit: 1, guilds: { "10": {} } }')
    (tmp_path / "more.json5").write_text('{ allowFrom: ["2"], guilds: { "20": {} } }')
    loaded = load_text(
        '{ channels: { discord: { $include: ["./parts/discord.json5", "more.json5"],'
        ' token: "a.b.c", historyLimit: 9 } } }'
    )
    found = loaded.account("default").discord
    assert found.history_limit == 9
    assert found.allow_from == ["1", "2"]
    assert set(found.guilds or {}) == {"10", "20"}
    assert {path.name for path in loaded.files} == {"shoal.json", "discord.json5", "deep.json5", "more.json5"}


def test_include_alone_may_be_anything(load_text: LoadText, tmp_path: Path) -> None:
    (tmp_path / "list.json5").write_text('["1", "2"]')
    loaded = load_text(discord('token: "a.b.c", allowFrom: { $include: "./list.json5" }'))
    assert loaded.account("default").discord.allow_from == ["1", "2"]


def test_error_in_an_include_names_its_file_and_line(issues_of: LoadIssues, tmp_path: Path) -> None:
    (tmp_path / "part.json5").write_text("{\n  historyLimit: 'x',\n}")
    (issue,) = issues_of('{ channels: { discord: { $include: "./part.json5" } } }')
    assert issue.path == "channels.discord.historyLimit"
    assert "part.json5 line 2" in issue.hint


@pytest.mark.parametrize(
    ("include", "message"),
    [
        ('"./self.json5"', "in a circle"),
        ('"../outside.json5"', "outside the config folders"),
        ('"/etc/hostname"', "outside the config folders"),
        ('"./link.json5"', "outside the config folders"),
        ('"./none.json5"', "cannot be read"),
        ('"."', "cannot be read"),
        ("5", "a file name or a list"),
        ("[1]", "a file name or a list"),
        ('"a\\0b"', "no file name"),
    ],
)
def test_includes_that_are_refused(issues_of: LoadIssues, tmp_path: Path, include: str, message: str) -> None:
    (tmp_path.parent / "outside.json5").write_text("{}")
    (tmp_path / "self.json5").write_text('{ a: { $include: "./self.json5" } }')
    (tmp_path / "link.json5").symlink_to("/etc/hostname")
    issues = issues_of(f"{{ plugins: {{ $include: {include} }} }}")
    assert message in issues[0].message


def test_includes_end_somewhere(issues_of: LoadIssues, tmp_path: Path) -> None:
    for depth in range(20):
        (tmp_path / f"{depth}.json5").write_text(f'{{ $include: "./{depth + 1}.json5" }}')
    (tmp_path / "20.json5").write_text("{}")
    (issue,) = issues_of('{ $include: "./0.json5" }')
    assert "deeper than 10 levels" in issue.message


def test_revision_follows_the_text(load_text: LoadText) -> None:
    first = load_text("{}", {"X": "1"}).revision
    assert load_text("{}", {"X": "2"}).revision == first
    assert load_text("{ }").revision != first


@pytest.mark.parametrize(
    ("env", "text", "url", "source"),
    [
        ({}, "{}", None, "embedded"),
        ({"REDIS_URL": "redis://a"}, "{}", "redis://a", "env:REDIS_URL"),
        (
            {"REDIS_URL": "redis://a"},
            '{ fleet: { redis: { url: "unix:///s" } } }',
            "unix:///s",
            "config:fleet.redis.url",
        ),
        (
            {"SHOAL_REDIS_URL": "rediss://b", "REDIS_URL": "redis://a"},
            '{ fleet: { redis: { url: "unix:///s" } } }',
            "rediss://b",
            "env:SHOAL_REDIS_URL",
        ),
    ],
)
def test_redis(load_text: LoadText, env: dict[str, str], text: str, url: str | None, source: str) -> None:
    loaded = load_text(text, env)
    assert loaded.redis_url == url
    assert loaded.redis.source == source


def test_redis_secrets_stay_hidden(load_text: LoadText) -> None:
    loaded = load_text(
        '{ fleet: { redis: { url: "redis://:hidden-word@h:1", password: { source: "env", id: "PW" } } } }',
        {"PW": "other-hidden-word"},
    )
    assert loaded.redis.password is not None
    assert loaded.redis.password.get_secret_value() == "other-hidden-word"
    assert "hidden-word" not in repr(loaded)


def test_redis_password_that_does_not_resolve(issues_of: LoadIssues) -> None:
    (issue,) = issues_of('{ fleet: { redis: { password: { source: "env", id: "PW" } } } }')
    assert issue.path == "fleet.redis.password"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("channels", "discord", "guilds", "123", "users", 0), 'channels.discord.guilds["123"].users[0]'),
        (("a", 'we"ird\\', "*"), 'a["we\\"ird\\\\"]["*"]'),
        ((), ""),
    ],
)
def test_paths_as_text(path: tuple[str | int, ...], text: str) -> None:
    assert show_path(path) == text
    assert parse_path(text) == path


def test_paths_people_type() -> None:
    assert parse_path("agents.list[0].id") == ("agents", "list", 0, "id")
    assert parse_path("channels['discord'].accounts.a-b") == ("channels", "discord", "accounts", "a-b")
    for text in ("a..b", "[", "a[b]", "a b"):
        with pytest.raises(ValueError, match="no config path"):
            parse_path(text)


def test_the_error_lists_everything(tmp_path: Path) -> None:
    path = tmp_path / "shoal.json"
    path.write_text("{ a: 1, session: 5, cron: 6 }")
    with pytest.raises(ConfigError) as caught:
        config.load(path, env={}, state_dir=tmp_path)
    assert str(caught.value).count("\n  - ") == 2
    assert "2 problems" in str(caught.value)
