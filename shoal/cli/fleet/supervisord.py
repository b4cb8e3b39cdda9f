"""The supervisor's configuration file, generated.

Three of its settings carry rule R17:

* ``startsecs=0``: a process that dies young is started again at once. With any other value
  supervisord waits 1, 2, 3, … seconds longer after each quick death. A real crash loop is
  slowed down by the process itself (``shoal.cli.prologue``), which forgives ten kills in ten seconds.
* ``exitcodes=78`` with ``autorestart=unexpected``: a process that says "the configuration
  must be changed first" is left alone, everything else comes back.
* ``stopwaitsecs=30``: a worker takes up to 20 s to give its work back (rule R12).

There is no control socket: an agent's command that found it could stop the fleet.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from shoal.base.exits import CONFIG
from shoal.cli.fleet.layout import PROCESS_NAME, Layout
from shoal.cli.fleet.plan import GROUPS, Program

__all__ = ["STOP_WAIT_S", "render"]

STOP_WAIT_S = 30


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _command(program: Program) -> str:
    # -P: nothing is imported from the working folder
    return _escape(shlex.join([sys.executable, "-P", *program.args]))


def _section(layout: Layout, program: Program, order: int) -> str:
    return f"""
[program:{program.name}]
command={_command(program)}
directory={_escape(str(layout.cwd))}
environment={PROCESS_NAME}="{_escape(program.name)}"
priority={order}
autostart=true
autorestart=unexpected
exitcodes={CONFIG}
startsecs=0
startretries=1000000000
stopsignal=TERM
stopwaitsecs={STOP_WAIT_S}
killasgroup=true
redirect_stderr=true
stdout_logfile={_escape(str(layout.out / program.name))}.log
stdout_logfile_maxbytes=4MB
stdout_logfile_backups=1
"""


def render(layout: Layout, programs: Sequence[Program]) -> str:
    """The text of ``supervisord.conf`` for these programs."""
    parts = [
        f"""; Made by `shoal up` at each start; changes are lost.
[supervisord]
nodaemon=true
silent=true
logfile={_escape(str(layout.out / "supervisor.log"))}
logfile_maxbytes=4MB
logfile_backups=1
loglevel=info
pidfile={_escape(str(layout.root / "supervisord.pid"))}
childlogdir={_escape(str(layout.out))}
directory={_escape(str(layout.cwd))}
identifier=shoal
umask=077
minfds=256
minprocs=64
strip_ansi=false
"""
    ]
    parts.extend(_section(layout, program, order) for order, program in enumerate(programs, start=1))
    for group, priority in GROUPS.items():
        members = [program.name for program in programs if program.group == group]
        if members:
            parts.append(f"\n[group:{group}]\nprograms={','.join(members)}\npriority={priority}\n")
    return "".join(parts)
