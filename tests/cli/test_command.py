"""The command itself: quick help, versions, links, exit codes."""

from __future__ import annotations

import json
import re
import resource
import subprocess
from pathlib import Path

import pytest

from shoal import __version__
from shoal.base.errors import ConfigError, ProcessError, StoreUnavailable, StoreUnsuitable
from shoal.cli.exits import exit_code
from shoal.cli.links import message_id
from tests.cli.helpers import Shoal

COMMANDS = [
    *("up", "demo", "gateway", "worker", "beat", "flower", "redis"),
    *("status", "explain", "dead", "config", "simulator", "version"),
]


def test_help_lists_every_command(shoal: Shoal) -> None:
    done = shoal.run("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", done.stdout, re.M), f"{command} is not in the help"


@pytest.mark.slow
def test_help_is_quick(shoal: Shoal) -> None:
    """Processor time, which a busy machine stretches less than the clock on the wall; the best of ten."""
    took = []
    for _ in range(10):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        shoal.run("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took) <= 0.3, f"--help took {min(took):.2f} s"


@pytest.mark.parametrize("command", [*COMMANDS, "start", "gateway run", "dead list", "config validate"])
def test_every_command_has_help(shoal: Shoal, command: str) -> None:
    done = shoal.run(*command.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout


def test_version(shoal: Shoal) -> None:
    assert shoal.run("version").stdout.startswith(f"shoal {__version__} ")
    assert json.loads(shoal.run("version", "--json").stdout)["shoal"] == __version__


def test_no_arguments_show_the_help_and_fail(shoal: Shoal) -> None:
    done = shoal.run()
    assert done.returncode == 2
    assert "Commands:" in done.stdout + done.stderr


def test_an_unknown_command_is_a_usage_error(shoal: Shoal) -> None:
    done = shoal.run("swim")
    assert done.returncode == 2
    assert "swim" in done.stderr


def test_an_unknown_worker_kind_names_the_known_ones(shoal: Shoal) -> None:
    done = shoal.run("worker", "sharks")
    assert done.returncode == 2
    assert done.stderr == "error: There is no worker kind 'sharks'. Use one of: front, turns, back, chores.\n"


def test_a_closed_pipe_is_no_traceback(shoal: Shoal) -> None:
    process = shoal.start("--help")
    assert process.stdout is not None
    process.stdout.close()
    process.wait(30)
    assert process.stderr is not None
    assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("112233445566778899", "112233445566778899"),
        ("https://discord.com/channels/1122334455/2233445566/3344556677", "3344556677"),
        ("https://discord.com/channels/@me/2233445566/3344556677", "3344556677"),
        ("https://ptb.discord.com/channels/1122334455/2233445566/3344556677/", "3344556677"),
        (" 2233445566-3344556677 ", "3344556677"),
    ],
)
def test_message_links(text: str, wanted: str) -> None:
    assert message_id(text) == wanted


@pytest.mark.parametrize("text", ["", "hello", "12", "https://example.com/channels/1/2/3344556677", "1;2"])
def test_what_is_no_message_is_refused(text: str) -> None:
    with pytest.raises(ProcessError) as caught:
        message_id(text)
    assert caught.value.exit_code == 2


def test_exit_codes() -> None:
    assert exit_code(ConfigError("x")) == 78
    assert exit_code(StoreUnsuitable("x")) == 78
    assert exit_code(StoreUnavailable("x")) == 69
    assert exit_code(ProcessError("x", exit_code=75)) == 75
    assert exit_code(KeyError("x")) == 70


def test_nothing_of_the_working_folder_is_imported(shoal: Shoal) -> None:
    """A folder with a ``tasks`` package of its own, as an agent's workspace may have (rule R31)."""
    for name in ("tasks", "config", "celery", "celeryconfig"):
        (shoal.home / f"{name}.py").write_text("raise SystemExit('imported from the working folder')")
    done = shoal.run("config", "file")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(shoal.state_dir / "shoal.json")


def test_the_console_script_is_the_same_command(shoal: Shoal) -> None:
    import sys

    script = Path(sys.executable).with_name("shoal")
    done = subprocess.run([script, "version"], capture_output=True, text=True, check=False, cwd=shoal.home)
    assert done.stdout.startswith(f"shoal {__version__}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("message", "send", "--nonsense", "--json"), "--nonsense"),
        (("message", "swim", "--json"), "swim"),
        (("channels", "status", "--timeout", "soon", "--json"), "--timeout"),
        (("message", "edit", "--target", "channel:123456", "--message", "x", "--json"), "--message-id"),
        (("message", "read", "--target", "channel:123456", "--limit", "500", "--json"), "limit"),
    ],
)
def test_wrong_use_is_told_to_people_and_to_programs(shoal: Shoal, words: tuple[str, ...], said: str) -> None:
    """``spec/outbound.md`` 10: exit code 2, a line on stderr, and JSON for who asked for it."""
    env = {"DISCORD_BOT_TOKEN": "OTAw.abcdef.abc", "SHOAL_DISCORD_API_URL": "http://127.0.0.1:9/api/v10"}
    done = shoal.run(*words, env=env)
    assert done.returncode == 2, done.stderr
    assert said in done.stderr
    told = json.loads(done.stdout)
    assert (told["ok"], said in told["error"]["message"]) == (False, True)


def test_every_command_with_json_fails_in_json(shoal: Shoal) -> None:
    """A config that cannot be used: each problem is named."""
    shoal.state_dir.mkdir(parents=True)
    (shoal.state_dir / "shoal.json").write_text('{ channels: { discord: { dmPolcy: "open" } } }')
    for words in (("status",), ("channels", "list"), ("pairing", "list"), ("message", "read")):
        done = shoal.run(*words, "--json")
        assert done.returncode == 78
        told = json.loads(done.stdout)
        assert (told["ok"], told["error"]["code"]) == (False, "config-invalid")
        assert "dmPolcy" in told["error"]["issues"][0]


def test_a_profile_is_an_installation_of_its_own(shoal: Shoal) -> None:
    """``spec/outbound.md`` 10: ``--profile``, ``--dev``, ``--no-color`` stand in front of every command."""
    made = {}
    for options, folder in (
        ((), ".shoal"),
        (("--profile", "work"), ".shoal-work"),
        (("--dev",), ".shoal-dev"),
    ):
        home = shoal.home / folder
        home.mkdir(exist_ok=True)
        (home / "shoal.json").write_text(json.dumps({"channels": {"discord": {"name": folder}}}))
        elsewhere = {"SHOAL_STATE_DIR": str(shoal.home / "no"), "DISCORD_BOT_TOKEN": "OTAw.abcdef.abc"}
        done = shoal.run(
            *options, "--no-color", "config", "validate", "--json", env=elsewhere if options else {}
        )
        assert done.returncode == 0, done.stderr
        made[folder] = json.loads(done.stdout)["file"]
    assert made == {folder: str(shoal.home / folder / "shoal.json") for folder in made}
    wrong = shoal.run("--profile", "../x", "status")
    assert wrong.returncode == 2
    assert "is no profile" in wrong.stderr
