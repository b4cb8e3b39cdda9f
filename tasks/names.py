"""``upkeep.names``: what names in the config mean is looked up, kept in Redis, and used when settings are
compiled (``spec/inbound.md`` 3.13). At first start, when the config changes, and every hour.

Never fatal: while Discord cannot be asked, names are matched by what is known of guilds and channels.
"""

from __future__ import annotations

import msgspec

from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.discord.directory import RestDirectory
from tasks.runtime import Runtime
from workers.access.lookup import look_up
from workers.access.names import Names, wanted_names
from workers.sessions.access_settings import access_section, known_names
from workers.sessions.ack import ack_emojis

__all__ = ["MAX_AGE_MS", "pin_names"]

MAX_AGE_MS = 3_600_000
AGAIN_MS = 300_000
"""How long to wait after a failure."""

log = get_logger(__name__)


def pin_names(runtime: Runtime) -> str:
    """Look up the names of every account that are not known or not fresh. Returns a line for Flower."""
    done, failed = 0, 0
    for account in runtime.loaded.account_ids():
        before, now_ms = known_names(runtime.store, account), runtime.store.now_ms()
        current = before.revision == runtime.loaded.revision
        if current and now_ms - before.at_ms < MAX_AGE_MS:
            continue
        try:
            names = _look_up(runtime, account, before if current else Names(), now_ms)
            done += 1
        except ShoalError as error:
            failed += 1
            log.warning("names in the config could not be looked up", account=account, error=error)
            # what was known stays; its age makes the next look come soon, but not every minute
            names = msgspec.structs.replace(
                before, revision=runtime.loaded.revision, at_ms=now_ms - MAX_AGE_MS + AGAIN_MS
            )
        runtime.store.facts.put(account, "names", "names", names)
    if not done + failed:
        return "names · current"
    return f"names · {done} accounts looked up" + (f", {failed} failed" if failed else "")


def _look_up(runtime: Runtime, account: str, before: Names, now_ms: int) -> Names:
    wanted = wanted_names(access_section(runtime.loaded, account), ack_emojis(runtime.loaded, account))
    if not wanted:
        return Names(runtime.loaded.revision, now_ms)
    names = look_up(
        wanted,
        RestDirectory(runtime.rest(account)),
        before=before,
        revision=runtime.loaded.revision,
        now_ms=now_ms,
    )
    if names.summary != before.summary:
        log.info(f"names of the config: {names.summary}", account=account)
    return names
