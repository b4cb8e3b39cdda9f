"""What the operator decides: the JSON5 file, its schema, accounts, secrets and proxies.

    loaded = config.load()
    for account_id in loaded.account_ids():
        account = loaded.account(account_id)

Names are imported when first used, so that ``import config`` costs next to nothing and
``shoal --help`` stays quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from config.accounts import Account, AccountState, TokenSource
    from config.agents import AgentSettings, ModelRef, ProviderConfig
    from config.jsonschema import json_schema
    from config.loaded import Loaded, RedisSettings
    from config.loading import load, validate_file
    from config.paths import Paths
    from config.schema.discord import DiscordConfig
    from config.schema.root import Root

_HOMES = {
    "Account": "config.accounts",
    "AccountState": "config.accounts",
    "AgentSettings": "config.agents",
    "DiscordConfig": "config.schema.discord",
    "Loaded": "config.loaded",
    "ModelRef": "config.agents",
    "Paths": "config.paths",
    "ProviderConfig": "config.agents",
    "RedisSettings": "config.loaded",
    "Root": "config.schema.root",
    "TokenSource": "config.accounts",
    "json_schema": "config.jsonschema",
    "load": "config.loading",
    "validate_file": "config.loading",
}

__all__ = [
    "Account",
    "AccountState",
    "AgentSettings",
    "DiscordConfig",
    "Loaded",
    "ModelRef",
    "Paths",
    "ProviderConfig",
    "RedisSettings",
    "Root",
    "TokenSource",
    "json_schema",
    "load",
    "validate_file",
]


def __getattr__(name: str) -> Any:
    """Import the home of ``name`` on first use (PEP 562)."""
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'config' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
