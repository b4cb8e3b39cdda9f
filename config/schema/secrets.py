"""``secrets`` and the values that may be references to secrets (spec: inbound 1.5).

Every secret field takes plain text, a ``${ENV}`` template (substituted before validation)
or ``{source, provider, id}``. Only plain text is held here; :mod:`config.secrets` resolves
references.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, SecretStr, Tag, field_validator

from config.schema.base import Section, Text, fault

__all__ = [
    "EnvProvider",
    "ExecProvider",
    "FileProvider",
    "SecretInput",
    "SecretProvider",
    "SecretRef",
    "SecretsConfig",
]

_ALIAS = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_ENV_ID = re.compile(r"[A-Z][A-Z0-9_]{0,127}")
_EXEC_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,255}")


def _alias(value: str) -> str:
    if not _ALIAS.fullmatch(value):
        raise fault(
            "secret_alias",
            "this is no provider name",
            allowed="a-z first, then a-z 0-9 _ -, up to 64 characters",
        )
    return value


def _env_name(value: str) -> str:
    if not _ENV_ID.fullmatch(value):
        raise fault("env_name", "this is no variable name", allowed="A-Z first, then A-Z 0-9 _")
    return value


Alias = Annotated[str, AfterValidator(_alias)]
EnvName = Annotated[str, AfterValidator(_env_name)]
SecretTimeout = Annotated[int, Field(gt=0, le=120_000)]
SecretBytes = Annotated[int, Field(gt=0, le=20 * 1024 * 1024)]


class SecretRef(Section):
    """Where a secret is found: ``{source: "env", provider: "default", id: "DISCORD_BOT_TOKEN"}``."""

    source: Literal["env", "file", "exec"]
    provider: Alias | None = None
    id: Text

    @field_validator("id")
    @classmethod
    def _id_fits_source(cls, value: str, info: Any) -> str:
        source = info.data.get("source")
        if source == "env":
            return _env_name(value)
        if source == "file" and value != "value" and not value.startswith("/"):
            raise fault(
                "file_secret_id",
                "this is no place in a secret file",
                allowed='a JSON pointer like "/discord/token", or "value" for a file with one value',
            )
        if source == "exec" and (
            not _EXEC_ID.fullmatch(value) or any(part in {".", ".."} for part in value.split("/"))
        ):
            raise fault(
                "exec_secret_id",
                "this is no secret id",
                allowed="letters, digits and . _ : / - without . or .. parts",
            )
        return value

    def __str__(self) -> str:
        return f"{self.source}:{self.provider or 'default'}:{self.id}"


def _kind(value: Any) -> str:
    return "ref" if isinstance(value, dict | SecretRef) else "text"


SecretInput = Annotated[
    Annotated[SecretStr, Tag("text")] | Annotated[SecretRef, Tag("ref")],
    Discriminator(_kind),
]


class EnvProvider(Section):
    """Secrets in the environment; with ``allowlist`` only those names."""

    source: Literal["env"]
    allowlist: Annotated[list[EnvName], Field(max_length=256)] | None = None


class FileProvider(Section):
    """Secrets in a file only its owner can read."""

    source: Literal["file"]
    path: Text
    mode: Literal["json", "singleValue"] = "json"
    timeout_ms: SecretTimeout = 5_000
    max_bytes: SecretBytes = 1024 * 1024
    allow_insecure_path: bool = False


class ExecProvider(Section):
    """Secrets from a program, run without a shell."""

    source: Literal["exec"]
    command: Text
    args: Annotated[list[Annotated[str, Field(max_length=1024)]], Field(max_length=128)] = []
    timeout_ms: SecretTimeout = 5_000
    no_output_timeout_ms: SecretTimeout | None = None
    max_output_bytes: SecretBytes = 1024 * 1024
    json_only: bool = True
    env: dict[str, str] = {}
    pass_env: Annotated[list[EnvName], Field(max_length=128)] = []
    trusted_dirs: Annotated[list[Text], Field(max_length=64)] = []
    allow_insecure_path: bool = False
    allow_symlink_command: bool = False

    @field_validator("command")
    @classmethod
    def _absolute(cls, value: str) -> str:
        if not value.startswith("/"):
            raise fault("absolute_path", "the command must be an absolute path", allowed='like "/usr/bin/op"')
        return value


SecretProvider = Annotated[EnvProvider | FileProvider | ExecProvider, Field(discriminator="source")]


class SecretDefaults(Section):
    """Which provider a reference without ``provider`` means."""

    env: Alias = "default"
    file: Alias = "default"
    exec: Alias = "default"


class SecretResolution(Section):
    """Limits of resolving."""

    max_provider_concurrency: Annotated[int, Field(gt=0, le=16)] = 4
    max_refs_per_provider: Annotated[int, Field(gt=0, le=4096)] = 512
    max_batch_bytes: Annotated[int, Field(gt=0, le=5 * 1024 * 1024)] = 262_144


class SecretsConfig(Section):
    """``secrets``: providers, defaults and limits."""

    providers: dict[Alias, SecretProvider] = {}
    defaults: SecretDefaults = SecretDefaults()
    resolution: SecretResolution = SecretResolution()
