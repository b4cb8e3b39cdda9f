"""Secret references: environment, files, programs, and all the ways they must not resolve."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.schema.secrets import SecretRef, SecretsConfig
from config.secrets import Secrets, SecretUnavailable
from shoal.base.redact import redactor


def _secrets(tmp_path: Path, providers: dict[str, Any] | None = None, **more: Any) -> Secrets:
    env = more.pop("env", {})
    allow_exec = more.pop("allow_exec", True)
    settings = SecretsConfig.model_validate({"providers": providers or {}, **more})
    return Secrets(settings, env, tmp_path, allow_exec=allow_exec)


def _ref(source: str, name: str, provider: str | None = None) -> SecretRef:
    data = {"source": source, "id": name, **({"provider": provider} if provider else {})}
    return SecretRef.model_validate(data)


def _refused(secrets: Secrets, ref: SecretRef, reason: str) -> SecretUnavailable:
    with pytest.raises(SecretUnavailable) as caught:
        secrets.resolve(ref)
    assert reason in caught.value.reason
    return caught.value


# -- environment


def test_environment(tmp_path: Path) -> None:
    secrets = _secrets(tmp_path, env={"MY_TOKEN": " from-the-environment \n"})
    assert secrets.resolve(_ref("env", "MY_TOKEN")) == "from-the-environment"
    assert secrets.resolve(_ref("env", "MY_TOKEN", "default")) == "from-the-environment"
    assert redactor.mask("from-the-environment") == "***"


def test_environment_missing_or_empty(tmp_path: Path) -> None:
    secrets = _secrets(tmp_path, env={"EMPTY": "  "})
    for name in ("EMPTY", "ABSENT"):
        error = _refused(secrets, _ref("env", name), f"{name} is not set")
        assert name in error.fix


def test_environment_allowlist(tmp_path: Path) -> None:
    secrets = _secrets(
        tmp_path, {"few": {"source": "env", "allowlist": ["A"]}}, env={"A": "aaaaaa", "B": "bbbbbb"}
    )
    assert secrets.resolve(_ref("env", "A", "few")) == "aaaaaa"
    _refused(secrets, _ref("env", "B", "few"), "not on the allowlist")


def test_providers_must_exist_and_fit(tmp_path: Path) -> None:
    secrets = _secrets(tmp_path, {"e": {"source": "env"}})
    _refused(secrets, _ref("env", "A", "unknown"), "no provider 'unknown'")
    _refused(secrets, _ref("file", "/a"), "no provider 'default'")
    _refused(secrets, _ref("file", "/a", "e"), "is of kind env, not file")


def test_default_provider_can_be_named(tmp_path: Path) -> None:
    secrets = _secrets(
        tmp_path, {"few": {"source": "env", "allowlist": ["A"]}}, defaults={"env": "few"}, env={"A": "aaaaaa"}
    )
    assert secrets.resolve(_ref("env", "A")) == "aaaaaa"


# -- files


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"discord": {"token": "in-a-file"}, "a/b": [{"~": "deep"}], "n": 5, "e": ""}))
    path.chmod(0o600)
    return path


@pytest.mark.parametrize(("pointer", "value"), [("/discord/token", "in-a-file"), ("/a~1b/0/~0", "deep")])
def test_file_with_json(tmp_path: Path, secret_file: Path, pointer: str, value: str) -> None:
    secrets = _secrets(tmp_path, {"default": {"source": "file", "path": secret_file.name}})
    assert secrets.resolve(_ref("file", pointer)) == value


@pytest.mark.parametrize(
    ("pointer", "reason"),
    [
        ("/none", "holds nothing"),
        ("/a~1b/7", "holds nothing"),
        ("/n", "no text"),
        ("/discord", "no text"),
        ("/e", "empty"),
    ],
)
def test_file_without_the_value(tmp_path: Path, secret_file: Path, pointer: str, reason: str) -> None:
    secrets = _secrets(tmp_path, {"default": {"source": "file", "path": str(secret_file)}})
    _refused(secrets, _ref("file", pointer), reason)


def test_file_with_one_value(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("one-value\n")
    path.chmod(0o400)
    secrets = _secrets(tmp_path, {"default": {"source": "file", "path": "token", "mode": "singleValue"}})
    assert secrets.resolve(_ref("file", "value")) == "one-value"
    _refused(secrets, _ref("file", "/value"), 'id "value" only')


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o622])
def test_file_open_to_others_is_refused(tmp_path: Path, secret_file: Path, mode: int) -> None:
    secret_file.chmod(mode)
    provider = {"source": "file", "path": str(secret_file)}
    error = _refused(_secrets(tmp_path, {"default": provider}), _ref("file", "/discord/token"), "by others")
    assert "chmod go-rwx" in error.fix
    insecure = _secrets(tmp_path, {"default": {**provider, "allowInsecurePath": True}})
    assert insecure.resolve(_ref("file", "/discord/token")) == "in-a-file"


def test_file_too_large_missing_broken_or_none(tmp_path: Path, secret_file: Path) -> None:
    small = _secrets(tmp_path, {"default": {"source": "file", "path": str(secret_file), "maxBytes": 10}})
    _refused(small, _ref("file", "/discord/token"), "larger than 10 bytes")
    _refused(
        _secrets(tmp_path, {"default": {"source": "file", "path": "none"}}),
        _ref("file", "/a"),
        "cannot be read",
    )
    _refused(
        _secrets(tmp_path, {"default": {"source": "file", "path": "."}}),
        _ref("file", "/a"),
        "no regular file",
    )
    secret_file.write_text('{"token": "half-a-secret"')
    error = _refused(
        _secrets(tmp_path, {"default": {"source": "file", "path": str(secret_file)}}),
        _ref("file", "/token"),
        "no JSON",
    )
    assert "half-a-secret" not in str(error)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    _refused(
        _secrets(tmp_path, {"default": {"source": "file", "path": "pipe"}}),
        _ref("file", "/a"),
        "no regular file",
    )


# -- programs


def _program(tmp_path: Path, body: str, name: str = "vault") -> Path:
    path = tmp_path / name
    path.write_text(f"#!/usr/bin/env python3\nimport json, os, sys, time\n{body}\n")
    path.chmod(0o700)
    return path


ANSWER = """
request = json.load(sys.stdin)
assert request["protocolVersion"] == 1
values = {name: f"value-of-{name}" for name in request["ids"] if name != "gone"}
print(json.dumps({"protocolVersion": 1, "values": values, "errors": {"gone": {"message": "no such item"}}}))
"""


def _exec(tmp_path: Path, path: Path, **more: Any) -> Secrets:
    env = more.pop("env", {})
    resolution = {"resolution": more.pop("resolution")} if "resolution" in more else {}
    provider = {"source": "exec", "command": str(path), "passEnv": ["PATH"], **more}
    return _secrets(tmp_path, {"default": provider}, env={"PATH": os.environ["PATH"], **env}, **resolution)


def test_program(tmp_path: Path) -> None:
    secrets = _exec(tmp_path, _program(tmp_path, ANSWER))
    assert secrets.resolve(_ref("exec", "vault/item.1")) == "value-of-vault/item.1"
    assert "no such item" in _refused(secrets, _ref("exec", "gone"), "no such item").reason


def test_program_is_asked_once_for_all(tmp_path: Path) -> None:
    body = f"open({str(tmp_path / 'runs')!r}, 'a').write('x')\n{ANSWER}"
    secrets = _exec(tmp_path, _program(tmp_path, body))
    refs = [_ref("exec", name) for name in ("a", "b", "c", "a")]
    secrets.prefetch(refs)
    assert [secrets.resolve(ref) for ref in refs] == ["value-of-a", "value-of-b", "value-of-c", "value-of-a"]
    assert (tmp_path / "runs").read_text() == "x"


def test_program_gets_a_clean_environment_and_no_shell(tmp_path: Path) -> None:
    body = "found = json.dumps([dict(os.environ), sys.argv[1:]])\n"
    body += "print(json.dumps({'protocolVersion': 1, 'values': {'e': found}}))"
    secrets = _exec(
        tmp_path,
        _program(tmp_path, body),
        args=["$(id)", "a b"],
        env={"PASSED": "yes", "HIDDEN": "no"},
        passEnv=["PATH", "PASSED"],
    )
    environment, argv = json.loads(secrets.resolve(_ref("exec", "e")))
    assert environment["PASSED"] == "yes"
    assert "HIDDEN" not in environment
    assert "DISCORD_BOT_TOKEN" not in environment
    assert argv == ["$(id)", "a b"]


def test_program_with_plain_text(tmp_path: Path) -> None:
    path = _program(tmp_path, "print('just-the-secret')")
    assert _exec(tmp_path, path, jsonOnly=False).resolve(_ref("exec", "x")) == "just-the-secret"
    error = _refused(_exec(tmp_path, path), _ref("exec", "x"), "no answer of the form")
    assert "just-the-secret" not in str(error)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("sys.exit(3)", "ended with code 3"),
        ("time.sleep(60)", "in time"),
        ("os.close(1); time.sleep(60)", "within 500 ms"),
        ("print('x' * 5000)", "more than 1000 bytes"),
        ("print(json.dumps({'protocolVersion': 2, 'values': {'x': 'y'}}))", "another protocol version"),
        ("print('[]')", "no answer of the form"),
        ("print(json.dumps({'protocolVersion': 1, 'values': {'x': 5}}))", "did not return it"),
    ],
)
def test_program_that_fails(tmp_path: Path, body: str, reason: str) -> None:
    patience = 500 if "sleep" in body else 15_000  # a program takes its time to start on a busy machine
    secrets = _exec(tmp_path, _program(tmp_path, body), timeoutMs=patience, maxOutputBytes=1000)
    started = time.monotonic()
    _refused(secrets, _ref("exec", "x"), reason)
    assert time.monotonic() - started < 20


def test_program_and_its_children_are_ended(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    body = "child = os.fork()\n"
    body += f"if child: open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child}}')\ntime.sleep(60)"
    _refused(_exec(tmp_path, _program(tmp_path, body), timeoutMs=2000), _ref("exec", "x"), "in time")
    deadline = time.monotonic() + 10
    for pid in pids.read_text().split():
        while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
            assert time.monotonic() < deadline, f"{pid} still runs"
            time.sleep(0.05)


def test_program_that_may_not_be_run(tmp_path: Path) -> None:
    path = _program(tmp_path, ANSWER)
    link = tmp_path / "link"
    link.symlink_to(path)
    _refused(_exec(tmp_path, link), _ref("exec", "a"), "symbolic link")
    assert _exec(tmp_path, link, allowSymlinkCommand=True).resolve(_ref("exec", "a")) == "value-of-a"
    _refused(_exec(tmp_path, path, trustedDirs=["/usr/bin"]), _ref("exec", "a"), "outside trustedDirs")
    assert _exec(tmp_path, path, trustedDirs=[str(tmp_path)]).resolve(_ref("exec", "a")) == "value-of-a"
    path.chmod(0o722)
    _refused(_exec(tmp_path, path), _ref("exec", "a"), "changed by others")
    path.chmod(0o600)
    _refused(_exec(tmp_path, path), _ref("exec", "a"), "may not be run")
    _refused(_exec(tmp_path, tmp_path), _ref("exec", "a"), "no program")
    _refused(_exec(tmp_path, tmp_path / "none"), _ref("exec", "a"), "cannot be run")


def test_limits_of_a_batch(tmp_path: Path) -> None:
    path = _program(tmp_path, ANSWER)
    few = _exec(tmp_path, path, resolution={"maxRefsPerProvider": 1})
    few.prefetch([_ref("exec", "a"), _ref("exec", "b")])
    _refused(few, _ref("exec", "a"), "more than maxRefsPerProvider")
    small = _exec(tmp_path, path, resolution={"maxBatchBytes": 10})
    _refused(small, _ref("exec", "a"), "maxBatchBytes")


def test_programs_are_not_run_where_that_is_said(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    path = _program(tmp_path, f"open({str(marker)!r}, 'w')\n{ANSWER}")
    secrets = _secrets(tmp_path, {"default": {"source": "exec", "command": str(path)}}, allow_exec=False)
    secrets.prefetch([_ref("exec", "a")])
    _refused(secrets, _ref("exec", "a"), "not run here")
    assert not marker.exists()


def test_plain_values(tmp_path: Path) -> None:
    secrets = _secrets(tmp_path)
    assert secrets.plain(None) is None
    assert secrets.plain(SecretStr("  ")) is None
    found = secrets.plain(SecretStr(" plain-secret-value "))
    assert found is not None
    assert found.get_secret_value() == "plain-secret-value"
    assert redactor.mask("plain-secret-value") == "***"


def test_a_reference_that_was_not_filled_in_is_no_secret(tmp_path: Path) -> None:
    """The error about it shows how to write it."""
    _secrets(tmp_path).plain(SecretStr("${NOBODY_SET_THIS}"))
    said = "write $${NOBODY_SET_THIS} for the text itself"
    assert redactor.mask(said) == said
    _secrets(tmp_path).plain(SecretStr("${NOBODY_SET_THIS}-and-more"))
    assert redactor.mask("${NOBODY_SET_THIS}-and-more") == "***"
