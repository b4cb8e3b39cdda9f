"""Loads ``lua/<name>.lua`` and runs it by its hash.

A script file may name shared text with lines ``-- include: _base`` at its top; that text
is put in front once, in order. ``ARGV[1]`` is always the key prefix; our arguments follow.
``KEYS`` is not used: key names are built inside from checked names (R5), so a cluster is
not supported.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

import redis

from shoal.base.errors import StateError

__all__ = ["Args", "Script", "script_source"]

Argument = bytes | str | int | float
Args = list[bytes | str | int]
"""Arguments as they are put together for a script."""

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@cache
def script_source(name: str) -> str:
    """The whole text of a script: what it includes, then itself.

    Raises:
        FileNotFoundError: there is no such script.
    """
    folder = resources.files("shoal.state") / "lua"
    text = (folder / f"{name}.lua").read_text("utf-8")
    parts = [(folder / f"{included}.lua").read_text("utf-8") for included in _INCLUDE.findall(text)]
    return "\n".join([*parts, text])


class Script:
    """One script of one store. Call it with its arguments, with a pipeline to queue it there."""

    def __init__(self, client: redis.Redis, name: str, prefix: str) -> None:
        self.name = name
        self.source = script_source(name)
        self.sha = hashlib.sha1(self.source.encode()).hexdigest()  # noqa: S324 - Redis' own name for it
        self._client = client
        self._prefix = prefix

    def __call__(self, *args: Argument) -> Any:
        """Run it and return its answer; loads it when the server does not know it.

        Raises:
            StoreUnavailable: Redis did not answer (the script may have run) or takes no writes (it has not).
            StateError: the script itself failed; it says where.
        """
        try:
            try:
                return self._client.evalsha(self.sha, 0, self._prefix, *args)
            except redis.exceptions.NoScriptError:
                return self._client.eval(self.source, 0, self._prefix, *args)
        except redis.exceptions.ResponseError as error:
            raise StateError(f"Script {self.name} failed: {error}") from error

    def queue(self, pipeline: Any, *args: Argument) -> None:
        """Add a call to a pipeline; :meth:`load` must have been called since the server started."""
        pipeline.evalsha(self.sha, 0, self._prefix, *args)

    def load(self) -> None:
        """Make the server know the script, for pipelines."""
        self._client.script_load(self.source)
