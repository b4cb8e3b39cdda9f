"""What the kernel does for us."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

from shoal.base.process import host_name


def run(code: str, *args: str) -> str:
    """Output of a Python process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *args], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_hidden_memory_stays_hidden() -> None:
    code = (
        "import ctypes; from shoal.base.process import hide_memory; libc = ctypes.CDLL(None);"
        "before = libc.prctl(3, 0, 0, 0, 0); print(before, hide_memory(), libc.prctl(3, 0, 0, 0, 0))"
    )
    assert run(code) == "1 True 0"


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    child = (
        "import os, sys, time; from shoal.base.process import die_with_parent;"
        "die_with_parent(int(sys.argv[1])); open(sys.argv[2], 'w').write(str(os.getpid())); time.sleep(60)"
    )
    parent = (
        "import os, subprocess, sys, time;"
        f"subprocess.Popen([sys.executable, '-c', {child!r}, str(os.getpid()), sys.argv[1]]); time.sleep(60)"
    )
    note = tmp_path / "pid"
    process = subprocess.Popen([sys.executable, "-c", parent, str(note)])
    deadline = time.monotonic() + 20
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    stat = Path(f"/proc/{note.read_text()}/stat")
    process.kill()
    process.wait()
    while stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < deadline, "the child lives on"
        time.sleep(0.02)


def test_a_parent_that_is_gone_already_counts_too() -> None:
    code = "from shoal.base.process import die_with_parent; die_with_parent(1); print('alive')"
    assert run(code) == ""


def test_host_names_fit_into_keys() -> None:
    assert re.fullmatch(r"[a-z0-9-]{1,60}", host_name())
