"""Agents under their own names, in a fleet whose workers are killed (``spec/outbound.md`` 3.14)."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest

from bench.fleet import FleetUnderTest
from config import load
from shoal.cli.store import opened
from shoal.state.personas import Persona

pytestmark = pytest.mark.slow

EXECUTE = "POST /webhooks/{webhook_id}/{webhook_token}"
CONFIG = {
    "messages": {"groupChat": {"visibleReplies": "automatic"}},
    "agents": {"list": [{"id": "main", "default": True, "identity": {"name": "Ada"}}]},
    "channels": {"discord": {"allowBots": True, "streaming": {"mode": "off"}}},
}
LONG = "\n".join(f"line {number}" for number in range(45))


@pytest.mark.timeout(300)
def test_a_killed_worker_doubles_no_words_and_no_echo_is_answered(
    make_fleet: Callable[..., FleetUnderTest],
) -> None:
    fleet = make_fleet(CONFIG)
    control, guild = fleet.control, str(fleet.guild["id"])
    control.edit_role(guild, str(fleet.bot["username"]), permissions=1 << 29)
    thread = str(control.create_thread("general", "work", content="start")["id"])
    parent = next(str(one["id"]) for one in control.state()["channels"] if one["name"] == "general")
    with opened(load(fleet.config_path, env=fleet.env, state_dir=fleet.state_dir)) as store:
        store.personas.bind("default", thread, Persona(parent, "main", "worker"))
        fleet.models.script([{"text": LONG, "times": 3}])
        # the answer to the second part is lost, and whoever sent it is killed while he waits
        control.fault("delay_answer", route=EXECUTE, seconds=3.0, skip=1)
        said = control.say(thread, f"<@{fleet.bot['id']}> speak")
        until(fleet, thread, said["id"], 2)
        for pid in fleet.pids("worker", "back"):
            os.kill(pid, signal.SIGKILL)
        until(fleet, thread, said["id"], 3)
        time.sleep(1.0)  # a double would come now
        spoken = words(fleet, thread, said["id"])
        assert "\n".join(text for _, text, _ in spoken) == LONG
        assert {name for name, _, _ in spoken} == {"Ada"}
        for _, _, message_id in spoken:
            told = store.ledger.outcome("default", message_id)
            assert told is not None
            assert (str(told[0]), told[1]) == ("dropped", "own-message")
    assert len(fleet.models.requests()) == 1
    token = control.requests(route=EXECUTE)[0]["path"].rsplit("/", 1)[-1].partition("?")[0]
    logs = "".join(path.read_text(errors="replace") for path in (fleet.state_dir / "logs").glob("*.log*"))
    assert len(token) > 40
    assert token not in logs


def words(fleet: FleetUnderTest, thread: str, after: str) -> list[tuple[str, str, str]]:
    """(name, text, id) of what was said by machines since."""
    return [
        (one["author"]["username"], one["content"], one["id"])
        for one in fleet.control.messages(thread, after=after)
        if one["author"].get("bot")
    ]


def until(fleet: FleetUnderTest, thread: str, after: str, count: int) -> None:
    """Wait until so many parts are there."""
    fleet.control.wait_until(
        lambda: {} if len(words(fleet, thread, after)) >= count else None, timeout=60, what=f"{count} parts"
    )
