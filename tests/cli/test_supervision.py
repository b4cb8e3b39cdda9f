"""A real supervisord with small programs: rule R17, and what a drain looks like from outside."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from itertools import pairwise

import pytest

from shoal.base.errors import ProcessError
from tests.cli.helpers import Probes, bare_env, wait_for

GIVES_UP = """
import os
from pathlib import Path
from shoal.base.errors import ConfigError
from shoal.cli.prologue import leave_word, tie
tie()
print("up", os.getpid(), flush=True)
leave_word(ConfigError("Discord refused the token.", fix="Set another."))
raise SystemExit(78)
"""

CRASHES = """
import os, sys, time
from shoal.cli.prologue import tie
tie()
print("up", os.getpid(), time.monotonic(), flush=True)
sys.exit(1)
"""

SECRETIVE = """
import ctypes, os, time
from shoal.cli.prologue import tie
tie()
print("up", os.getpid(), "dumpable", ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), flush=True)
time.sleep(60)
"""


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.waits
def test_ten_kills_in_ten_seconds_are_forgiven(probes: Probes) -> None:
    probes.start(("front", "fleet"))
    started = time.monotonic()
    for life in range(1, 11):
        os.kill(probes.wait_up("front", life), signal.SIGKILL)
    last = probes.wait_up("front", 11)
    assert time.monotonic() - started < 10, "every life must follow the one before within a second"
    assert not gone(last)


@pytest.mark.slow
def test_a_crash_loop_is_slowed_down_but_never_given_up(probes: Probes) -> None:
    probes.start(("chores", "fleet", CRASHES))
    pids = wait_for(lambda: probes.pids("chores")[17:], "the 18th life", seconds=30)
    assert pids
    moments = [float(line.split()[2]) for line in probes.lines("chores")]
    assert all(later - earlier >= 2.0 for earlier, later in pairwise(moments[15:18]))


def test_a_process_that_must_not_start_again_ends_the_fleet_with_its_reason(probes: Probes) -> None:
    fleet = probes.start(("front", "fleet"), ("gateway.default", "gateway", GIVES_UP))
    wait_for(probes.layout.fatals, "word of the gateway")
    with pytest.raises(ProcessError) as caught:
        fleet.check()
    assert caught.value.exit_code == 78
    assert "Discord refused the token. Set another." in str(caught.value)
    time.sleep(1.0)
    assert len(probes.pids("gateway.default")) == 1, "it was started again"


def test_one_gateway_of_two_may_give_up(probes: Probes) -> None:
    fleet = probes.start(("gateway.a", "gateway", GIVES_UP), ("gateway.b", "gateway"))
    wait_for(probes.layout.fatals, "word of the gateway")
    probes.wait_up("gateway.b")
    assert [fatal.process for fatal in fleet.check()] == ["gateway.a"]


def test_killing_the_supervisor_leaves_no_orphan(probes: Probes) -> None:
    fleet = probes.start(("redis", "redis"), ("front", "fleet"))
    pids = [probes.wait_up("redis"), probes.wait_up("front")]
    supervisor = int((probes.layout.root / "supervisord.pid").read_text())
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: all(gone(pid) for pid in pids), "end of every process")
    with pytest.raises(ProcessError, match="SIGKILL"):
        fleet.check()


def test_killing_the_parent_drains_and_keeps_the_lock_until_the_end(probes: Probes) -> None:
    """``shoal up`` dies; its supervisor holds the state dir until the last process has left."""
    script = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from shoal.cli.fleet.layout import Layout, Lock\n"
        "from shoal.cli.fleet.plan import Program\n"
        "from shoal.cli.fleet.running import Fleet\n"
        "state = Path(sys.argv[1]); lock = Lock(state); lock.acquire()\n"
        "layout = Layout(state); layout.prepare()\n"
        "slow = 'import signal, time, os; from shoal.cli.prologue import tie; tie();"
        "signal.signal(15, lambda *_: (time.sleep(1.5), os._exit(0)));"
        'print("up", os.getpid(), flush=True); time.sleep(60)\'\n'
        "Fleet(layout, [Program('front', ('-c', slow), 'fleet')], dict(os.environ), lock).start()\n"
        "time.sleep(60)\n"
    )
    probes.lock.release()
    state = probes.layout.state_dir
    parent = subprocess.Popen([sys.executable, "-P", "-c", script, str(state)], env=bare_env(state))
    child = probes.wait_up("front")
    parent.kill()
    parent.wait()
    second = type(probes.lock)(state)
    with pytest.raises(ProcessError, match="already runs"):
        second.acquire()
    wait_for(lambda: gone(child), "end of the child")

    def free() -> object:
        third = type(probes.lock)(state)
        try:
            third.acquire()
        except ProcessError:
            return None
        return third

    probes.lock = wait_for(free, "free lock")  # type: ignore[assignment]


def test_a_drain_stops_the_gateway_first_and_redis_last(probes: Probes) -> None:
    fleet = probes.start(("redis", "redis"), ("back", "fleet"), ("gateway.default", "gateway"))
    for name in ("redis", "back", "gateway.default"):
        probes.wait_up(name)
    assert fleet.stop()
    left = {
        name: float(line.split()[1])
        for name in ("redis", "back", "gateway.default")
        for line in probes.lines(name)
        if line.startswith("leaving")
    }
    assert left["gateway.default"] < left["back"] < left["redis"]


def test_processes_work_in_the_empty_folder_and_hide_their_memory(probes: Probes) -> None:
    probes.start(("front", "fleet"), ("back", "fleet", SECRETIVE))
    probes.wait_up("front")
    probes.wait_up("back")
    assert probes.lines("front")[0].split()[2] == str(probes.layout.cwd)
    assert list(probes.layout.cwd.iterdir()) == []
    assert stat.S_IMODE(probes.layout.cwd.stat().st_mode) == 0o700
    assert probes.lines("back")[0].endswith("dumpable 0")


def test_processes_share_one_heap_among_their_threads(probes: Probes) -> None:
    """7 MB of an idle fleet, and less that is never given back: what glibc reads at start."""
    says = (
        'import os, time; print("up", os.getpid(), os.environ["MALLOC_ARENA_MAX"], flush=True); time.sleep(9)'
    )
    probes.start(("front", "fleet", says))
    probes.wait_up("front")
    assert probes.lines("front")[0].split()[2] == "1"


def test_the_supervisors_file_is_private(probes: Probes) -> None:
    probes.start(("front", "fleet"))
    probes.wait_up("front")
    assert stat.S_IMODE(probes.layout.conf.stat().st_mode) == 0o600
    assert stat.S_IMODE(probes.layout.root.stat().st_mode) == 0o700
