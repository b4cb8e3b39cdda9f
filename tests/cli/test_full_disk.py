"""A disk that is full: the supervisor keeps its processes, whatever it cannot write down."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.cli.helpers import wait_for

CONF = """
[supervisord]
nodaemon=true
silent=true
logfile=/dev/full
logfile_maxbytes=0
pidfile={folder}/supervisord.pid
childlogdir={folder}

[program:talks]
command=/bin/sh -c "echo a line that cannot be kept; echo up >> {folder}/lives; exit 1"
autorestart=true
startsecs=0
redirect_stderr=true
stdout_logfile=/dev/full
stdout_logfile_maxbytes=0
"""


def test_the_supervisor_outlives_a_disk_that_takes_nothing(tmp_path: Path) -> None:
    conf, lives = tmp_path / "supervisord.conf", tmp_path / "lives"
    conf.write_text(CONF.format(folder=tmp_path))
    with open("/dev/full", "wb", buffering=0) as full:
        supervisor = subprocess.Popen(
            [sys.executable, "-P", "-m", "shoal.cli.fleet.supervise", str(conf), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=full,
            cwd=tmp_path,
        )
    try:
        wait_for(lambda: supervisor.poll() is not None or _count(lives) >= 4, "fourth life")
        assert supervisor.poll() is None
    finally:
        supervisor.terminate()
        supervisor.wait(timeout=30)


def _count(lives: Path) -> int:
    return lives.read_text().count("up") if lives.exists() else 0
