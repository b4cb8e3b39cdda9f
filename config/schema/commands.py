"""``commands``: which commands exist and who may use them (spec: inbound 8.1)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr

from config.schema.base import Id, Section, names

__all__ = ["CommandsConfig"]


class CommandsConfig(Section):
    """``commands``. ``owner_allow_from`` names the owners; a wildcard never makes one."""

    LATER: ClassVar[frozenset[str]] = names(
        """
        native nativeSkills ownerDisplay ownerDisplaySecret restart bash bashForegroundMs config
        mcp debug
        """
    )

    KEPT: ClassVar[frozenset[str]] = frozenset({"plugins"})

    native: bool | Literal["auto"] = "auto"
    native_skills: bool | Literal["auto"] = "auto"
    text: bool = True
    use_access_groups: bool = True
    owner_allow_from: list[Id] | None = None
    allow_from: dict[str, list[Id]] | None = None
    owner_display: Literal["raw", "hash"] = "raw"
    owner_display_secret: SecretStr | None = None
    restart: bool = True
    bash: bool = False
    bash_foreground_ms: Annotated[int, Field(ge=0, le=30_000)] = 2_000
    config: bool = False
    mcp: bool = False
    debug: bool = False
