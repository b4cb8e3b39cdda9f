"""What every process of the fleet asks of the kernel, without any dependency.

* **Die with the parent.** A supervisor that is killed must not leave orphans which nobody
  restarts and which the next fleet would run beside (rule R17).
* **Hide memory and environment.** A command run by an agent has the same user id as the
  fleet. With ``PR_SET_DUMPABLE 0`` that user can read neither ``/proc/<pid>/environ`` nor
  the memory of this process (rule R15).

Both are Linux calls. Elsewhere the functions return False and change nothing.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys

__all__ = ["FLEET_RUN", "die_with_parent", "hide_memory", "host_name"]

FLEET_RUN = "SHOAL_FLEET_RUN"
"""Environment name of an id that all processes of one ``shoal up`` share."""

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4


def _prctl(option: int, value: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl({option}, {value}): {os.strerror(error)}")
    return True


def die_with_parent(parent: int | None = None, *, sig: int = signal.SIGKILL) -> bool:
    """Have the kernel send ``sig`` to this process when its parent dies. Survives ``exec``.

    Args:
        parent: pid this process expects as its parent. If somebody else is the parent by
            now, the real one died before the call; then ``sig`` is sent at once.
        sig: signal to receive.

    Returns:
        True if the kernel promised it, False where the system has no such call.
    """
    done = _prctl(_PR_SET_PDEATHSIG, int(sig))
    if done and parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), sig)
    return done


def hide_memory() -> bool:
    """Make environment, memory and descriptors of this process unreadable to its own user."""
    return _prctl(_PR_SET_DUMPABLE, 0)


def host_name(given: str | None = None) -> str:
    """Short name of this host, fit for node names and keys: ``[a-z0-9-]``, at most 60 characters.

    Args:
        given: what the operator calls it; none takes the system's name.
    """
    name = ((given or "").strip() or socket.gethostname()).split(".")[0].lower()
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)[:60] or "localhost"
