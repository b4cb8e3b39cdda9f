"""The environment a config is read with: the process, then ``.env`` files, then ``env`` of the file.

Nothing here changes ``os.environ``: what is found is a mapping of its own, so that secrets
of ``.env`` do not travel to child processes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoal.base.errors import ConfigIssue

__all__ = ["config_env", "is_reference", "read_dotenv", "substitute"]

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_.]*)\s*=\s*(.*)", re.DOTALL)
_REFERENCE = re.compile(r"(\$?)\$\{([A-Z_][A-Z0-9_]*)\}")
_UNESCAPED = {"\\n": "\n", "\\r": "\r", "\\t": "\t", '\\"': '"', "\\\\": "\\", "\\$": "$"}
MAX_DOTENV_BYTES = 1024 * 1024


def read_dotenv(path: Path) -> tuple[dict[str, str], list[ConfigIssue]]:
    """Variables of a ``.env`` file, and warnings for lines that are none. A missing file is empty."""
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}, []
    except OSError as error:
        return {}, [ConfigIssue(str(path), "cannot be read", found=error.strerror or str(error))]
    if len(data) > MAX_DOTENV_BYTES:
        return {}, [ConfigIssue(str(path), "is too large for a .env file and was not read")]
    values: dict[str, str] = {}
    issues: list[ConfigIssue] = []
    for number, line in enumerate(data.decode("utf-8-sig", "replace").splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(stripped)
        if match is None:
            issues.append(ConfigIssue(f"{path}:{number}", "is no NAME=value line and was skipped"))
            continue
        values[match.group(1)] = _unquote(match.group(2).strip())
    return values, issues


def _unquote(value: str) -> str:
    if value[:1] == "'":
        end = value.find("'", 1)
        return value[1:end] if end > 0 else value
    if value[:1] == '"':
        match = re.match(r'"((?:[^"\\]|\\.)*)"', value)
        if match:
            return re.sub(r"\\.", lambda found: _UNESCAPED.get(found.group(), found.group()), match.group(1))
        return value
    return re.sub(r"\s+#.*$", "", value).strip()


def config_env(data: Mapping[str, Any]) -> dict[str, str]:
    """Variables that the file's own ``env`` sets: ``env.vars`` and text beside it."""
    block = data.get("env")
    if not isinstance(block, dict):
        return {}
    values = {key: value for key, value in block.items() if isinstance(value, str)}
    named = block.get("vars")
    if isinstance(named, dict):
        values.update({key: value for key, value in named.items() if isinstance(value, str)})
    return values


def is_reference(text: str) -> bool:
    """It is ``${NAME}`` and nothing else: what :func:`substitute` leaves where the variable is not set."""
    return _REFERENCE.fullmatch(text) is not None


def substitute(
    value: Any,
    env: Mapping[str, str],
    path: tuple[str | int, ...],
    missing: dict[tuple[str | int, ...], list[str]],
) -> Any:
    """``value`` with ``${NAME}`` replaced in every text; ``$${NAME}`` stands for ``${NAME}`` itself.

    Names without a value are collected in ``missing`` by path, and left as they are.
    """
    if isinstance(value, dict):
        return {key: substitute(item, env, (*path, key), missing) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, env, (*path, index), missing) for index, item in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value

    def replace(match: re.Match[str]) -> str:
        escaped, name = match.groups()
        if escaped:
            return f"${{{name}}}"
        found = env.get(name, "")
        if not found:
            missing.setdefault(path, []).append(name)
            return match.group()
        return found

    return _REFERENCE.sub(replace, value)
