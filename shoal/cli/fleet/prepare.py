"""Checks before a fleet is started. Whatever a person has to change is said here, at once and in one line."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from shoal.base.errors import ConfigError, ProcessError, StoreUnavailable
from shoal.base.exits import CONFIG

if TYPE_CHECKING:
    from config import Loaded

__all__ = ["check_accounts", "check_port", "check_redis"]


def check_accounts(loaded: Loaded) -> list[str]:
    """Ids of the accounts to run.

    Raises:
        ConfigError: none can run; says why for each.
    """
    ids = loaded.account_ids()
    if ids:
        return ids
    reasons = "; ".join(f"{state.id}: {state.reason}" for state in loaded.account_states)
    raise ConfigError(
        f"No Discord account can run ({reasons or 'none is configured'}).",
        fix="Set DISCORD_BOT_TOKEN, or channels.discord.token in "
        f"{loaded.path or loaded.paths.config}. Without a bot of your own, try `shoal demo`.",
    )


def check_redis(loaded: Loaded) -> bool:
    """Whether the embedded Redis is used. A configured one must be reachable and suitable.

    Raises:
        StoreUnavailable: the configured server does not answer.
        StoreUnsuitable: it does, but must not be used as it is (eviction, version, no password).
    """
    url = loaded.redis_url
    if url is None:
        return True
    from shoal.state.store import Store

    redis = loaded.redis
    store = Store.open(url, password=redis.password, client_name="shoal-up", ca_file=redis.ca_file)
    try:
        store.check()
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"Redis at {store.url} (from {loaded.redis.source}) cannot be used: {error.message}",
            fix=error.fix
            or "Start it, correct the address, or leave it out: Shoal brings a server of its own.",
        ) from error
    finally:
        store.close()
    return False


def check_port(what: str, address: str, port: int, key: str) -> None:
    """A port we are going to listen on must be free.

    Raises:
        ProcessError: it is taken; names the config key that chooses another.
    """
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise ProcessError(
                f"{what} cannot listen on {address}:{port}: {error.strerror}.",
                fix=f"Stop what uses that port, or choose another with {key}.",
                exit_code=CONFIG,
            ) from error
