"""Programs that hand out secrets: one request on stdin, one answer on stdout.

Request ``{"protocolVersion": 1, "provider": …, "ids": […]}``, answer
``{"protocolVersion": 1, "values": {id: text}, "errors": {id: {"message": …}}}``. With
``jsonOnly: false`` a plain text answer counts for a single id.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import stat
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from config.schema.secrets import ExecProvider
from config.secret_files import check_private
from shoal.base.errors import ConfigError

__all__ = ["run_exec_provider"]


def run_exec_provider(
    provider: ExecProvider, request: bytes, ids: Sequence[str], env: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Values by id, and for ids without one the program's reason.

    Raises:
        ConfigError: the program may not be run, failed, was too slow, or answered nonsense.
    """
    command = _check_command(provider)
    output = _run(provider, command, request, _child_env(provider, env))
    return _read_answer(provider, output, ids)


def _check_command(provider: ExecProvider) -> Path:
    path = Path(provider.command)
    try:
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            if not provider.allow_symlink_command:
                raise ConfigError(
                    f"{path} is a symbolic link.",
                    fix="Name the program itself, or set allowSymlinkCommand: true.",
                )
            path = path.resolve(strict=True)
            status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path} is no program.")
        if not os.access(path, os.X_OK):
            raise ConfigError(f"{path} may not be run.", fix=f"Run: chmod u+x {path}")
        folders = [Path(folder).resolve() for folder in provider.trusted_dirs]
        if folders and not any(path.resolve().is_relative_to(folder) for folder in folders):
            raise ConfigError(f"{path} lies outside trustedDirs.")
        if not provider.allow_insecure_path:
            check_private(path, status, readable=True)
            check_private(path.parent, path.parent.stat(), readable=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be run: {error.strerror}.") from None
    return path


def _child_env(provider: ExecProvider, env: Mapping[str, str]) -> dict[str, str]:
    child = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    child.update({name: env[name] for name in provider.pass_env if name in env})
    child.update(provider.env)
    return child


def _run(provider: ExecProvider, command: Path, request: bytes, env: dict[str, str]) -> bytes:
    try:
        process = subprocess.Popen(
            [str(command), *provider.args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=env,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise ConfigError(f"{command} cannot be run: {error.strerror}.") from None
    try:
        output = _talk(provider, process, request)
        code = process.wait(timeout=max(0.1, provider.timeout_ms / 1000))
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{command} did not end within {provider.timeout_ms} ms.") from None
    finally:
        _end(process)
    if code != 0:
        raise ConfigError(f"{command} ended with code {code}.")
    return output


def _talk(provider: ExecProvider, process: subprocess.Popen[bytes], request: bytes) -> bytes:
    """Write the request and read the answer, within deadline, silence limit and size limit."""
    assert process.stdin is not None
    assert process.stdout is not None
    deadline = time.monotonic() + provider.timeout_ms / 1000
    silence = (provider.no_output_timeout_ms or provider.timeout_ms) / 1000
    for stream in (process.stdin, process.stdout):
        os.set_blocking(stream.fileno(), False)
    output = bytearray()
    pending = memoryview(request)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        selector.register(process.stdout, selectors.EVENT_READ)
        last = time.monotonic()
        while True:
            wait = min(deadline, last + silence) - time.monotonic()
            if wait <= 0:
                raise ConfigError(f"{provider.command} did not answer in time.")
            for key, _ in selector.select(wait):
                if key.fileobj is process.stdin:
                    try:
                        pending = pending[os.write(process.stdin.fileno(), pending) :]
                    except BrokenPipeError:
                        pending = pending[len(pending) :]  # the program does not read; its answer decides
                    if not pending:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                    continue
                data = os.read(process.stdout.fileno(), 65_536)
                if not data:
                    return bytes(output)
                last = time.monotonic()
                output += data
                if len(output) > provider.max_output_bytes:
                    raise ConfigError(
                        f"{provider.command} answered more than {provider.max_output_bytes} bytes."
                    )


def _end(process: subprocess.Popen[bytes]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None and not stream.closed:
            try:
                stream.close()
            except BrokenPipeError:
                continue  # the program left while bytes were waiting for it
    try:
        os.killpg(process.pid, signal.SIGKILL)  # the program and what it started
    except ProcessLookupError:
        return
    finally:
        process.wait()


def _read_answer(
    provider: ExecProvider, output: bytes, ids: Sequence[str]
) -> tuple[dict[str, str], dict[str, str]]:
    text = output.decode("utf-8", "replace").strip()
    answer: Any
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or not isinstance(answer.get("values"), dict):
        if not provider.json_only and len(ids) == 1 and text:
            return {ids[0]: text}, {}
        raise ConfigError(
            f"{provider.command} gave no answer of the form {{protocolVersion: 1, values: {{…}}}}.",
            fix="Set jsonOnly: false if it prints a single secret as plain text.",
        )
    if answer.get("protocolVersion") != 1:
        raise ConfigError(f"{provider.command} speaks another protocol version than 1.")
    values = {key: value for key, value in answer["values"].items() if key in ids and isinstance(value, str)}
    problems = answer.get("errors")
    errors: dict[str, str] = {}
    if isinstance(problems, dict):
        for key, problem in problems.items():
            message = problem.get("message") if isinstance(problem, dict) else None
            errors[str(key)] = str(message or "the program reports an error")[:200]
    return values, errors
