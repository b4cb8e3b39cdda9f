"""Resolves secret references: environment, files, programs (spec: inbound 1.5).

A reference that cannot be resolved is never replaced by something else: it has a reason,
and whoever needs it stops. Values are registered with the redactor the moment they are
known, and live in memory only.

Files must belong to us (or root) and be closed to group and others; programs are run
without a shell, from an absolute path that nobody else can write, with a scrubbed
environment, a deadline and a size limit.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from config.environment import is_reference
from config.schema.secrets import (
    EnvProvider,
    ExecProvider,
    FileProvider,
    SecretProvider,
    SecretRef,
    SecretsConfig,
)
from config.secret_exec import run_exec_provider
from config.secret_files import read_secret_file
from shoal.base.errors import ConfigError
from shoal.base.redact import redactor

__all__ = ["SecretUnavailable", "Secrets"]


class SecretUnavailable(ConfigError):
    """A reference that does not resolve. Never falls back to another source."""

    code = "secret-unavailable"

    def __init__(self, ref: SecretRef, reason: str, *, fix: str = "") -> None:
        self.ref = ref
        self.reason = reason
        super().__init__(f"The secret {ref} is unavailable: {reason}.", fix=fix)


_Key = tuple[str, str]


class Secrets:
    """A snapshot of secrets: each reference is resolved once.

    Args:
        settings: ``secrets`` of the file.
        env: where ``env`` references look.
        folder: relative paths of file providers start here.
        allow_exec: whether programs may be run; without it their references are unavailable.
    """

    def __init__(
        self, settings: SecretsConfig, env: Mapping[str, str], folder: Path, *, allow_exec: bool = True
    ) -> None:
        self._settings = settings
        self._env = env
        self._folder = folder
        self._allow_exec = allow_exec
        self._exec: dict[_Key, str | SecretUnavailable] = {}
        self._files: dict[str, Any] = {}

    def plain(self, value: SecretStr | SecretRef | None) -> SecretStr | None:
        """The secret itself; ``None`` for nothing or blank text.

        Raises:
            SecretUnavailable: a reference that does not resolve.
        """
        if value is None:
            return None
        text = self.resolve(value) if isinstance(value, SecretRef) else value.get_secret_value()
        text = text.strip()
        if not text:
            return None
        if not is_reference(text):  # else the error could not show how to write it
            redactor.register(text)
        return SecretStr(text)

    def resolve(self, ref: SecretRef) -> str:
        """The text behind a reference. Raises SecretUnavailable."""
        alias, provider = self._provider(ref)
        if isinstance(provider, EnvProvider):
            text = self._from_env(ref, alias, provider)
        elif isinstance(provider, FileProvider):
            text = self._from_file(ref, alias, provider)
        else:
            text = self._from_exec(ref, alias)
        if not text:
            raise SecretUnavailable(ref, "it is empty")
        redactor.register(text)
        return text

    def prefetch(self, refs: Iterable[SecretRef]) -> None:
        """Ask each program once for all its ids, programs side by side."""
        if not self._allow_exec:
            return
        wanted: dict[str, list[SecretRef]] = defaultdict(list)
        for ref in refs:
            if ref.source == "exec" and (self._alias(ref), ref.id) not in self._exec:
                wanted[self._alias(ref)].append(ref)
        limit = self._settings.resolution.max_provider_concurrency
        if wanted:
            with ThreadPoolExecutor(max_workers=limit, thread_name_prefix="secrets") as pool:
                list(pool.map(lambda item: self._run(*item), wanted.items()))

    def _alias(self, ref: SecretRef) -> str:
        return ref.provider or str(getattr(self._settings.defaults, ref.source))

    def _provider(self, ref: SecretRef) -> tuple[str, SecretProvider]:
        alias = self._alias(ref)
        provider = self._settings.providers.get(alias)
        if provider is None:
            if ref.source == "env" and alias == self._settings.defaults.env:
                return alias, EnvProvider(source="env")
            raise SecretUnavailable(
                ref, f"there is no provider {alias!r}", fix=f"Add secrets.providers.{alias} to the config."
            )
        if provider.source != ref.source:
            raise SecretUnavailable(ref, f"provider {alias!r} is of kind {provider.source}, not {ref.source}")
        return alias, provider

    def _from_env(self, ref: SecretRef, alias: str, provider: EnvProvider) -> str:
        if provider.allowlist is not None and ref.id not in provider.allowlist:
            raise SecretUnavailable(
                ref,
                f"{ref.id} is not on the allowlist of provider {alias!r}",
                fix=f"Add it to secrets.providers.{alias}.allowlist.",
            )
        value = self._env.get(ref.id, "")
        if not value.strip():
            raise SecretUnavailable(
                ref,
                f"the environment variable {ref.id} is not set",
                fix=f"Set {ref.id} in the environment or in .env of the state dir.",
            )
        return value.strip()

    def _from_file(self, ref: SecretRef, alias: str, provider: FileProvider) -> str:
        if alias not in self._files:
            try:
                self._files[alias] = read_secret_file(provider, self._folder)
            except ConfigError as error:
                self._files[alias] = error
        content = self._files[alias]
        if isinstance(content, ConfigError):
            raise SecretUnavailable(ref, content.message.rstrip("."), fix=content.fix)
        if provider.mode == "singleValue":
            if ref.id != "value":
                raise SecretUnavailable(ref, 'a file with one value has the id "value" only')
            return str(content)
        return _pointer(ref, content)

    def _from_exec(self, ref: SecretRef, alias: str) -> str:
        key = (alias, ref.id)
        if key not in self._exec:
            if not self._allow_exec:
                raise SecretUnavailable(ref, "programs are not run here")
            self._run(alias, [ref])
        found = self._exec[key]
        if isinstance(found, SecretUnavailable):
            raise found
        return found

    def _run(self, alias: str, refs: list[SecretRef]) -> None:
        unique = {ref.id: ref for ref in refs}
        provider = self._settings.providers.get(alias)
        limits = self._settings.resolution
        reason = ""
        if not isinstance(provider, ExecProvider):
            reason = f"there is no exec provider {alias!r}"
        elif len(unique) > limits.max_refs_per_provider:
            reason = f"provider {alias!r} is asked for {len(unique)} secrets, more than maxRefsPerProvider"
        request = json.dumps({"protocolVersion": 1, "provider": alias, "ids": list(unique)}).encode()
        if not reason and len(request) > limits.max_batch_bytes:
            reason = f"the request to provider {alias!r} is larger than maxBatchBytes"
        values: Mapping[str, str] = {}
        errors: Mapping[str, str] = {}
        if not reason:
            assert isinstance(provider, ExecProvider)
            try:
                values, errors = run_exec_provider(provider, request, list(unique), self._env)
            except ConfigError as error:
                reason = error.message.rstrip(".")
        for name, ref in unique.items():
            if name in values:
                redactor.register(values[name])
                self._exec[(alias, name)] = values[name]
            else:
                why = reason or errors.get(name) or "the program did not return it"
                self._exec[(alias, name)] = SecretUnavailable(ref, why)


def _pointer(ref: SecretRef, content: Any) -> str:
    """A JSON pointer (RFC 6901) into a secret file."""
    value = content
    for raw in ref.id.split("/")[1:]:
        part = raw.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            raise SecretUnavailable(ref, f"the secret file holds nothing at {ref.id}")
    if not isinstance(value, str):
        raise SecretUnavailable(ref, f"what the secret file holds at {ref.id} is no text")
    return value
