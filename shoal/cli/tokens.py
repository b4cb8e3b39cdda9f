"""Bot tokens the fleet has set aside because Discord refused them: for ``shoal status`` and doctor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from config import Account
    from shoal.state.store import Store

__all__ = ["latched"]


def latched(accounts: Iterable[Account], store: Store) -> dict[str, float]:
    """Account → seconds for which its token is not used any more."""
    from shoal.base.errors import ShoalError
    from shoal.discord.connect import open_transport
    from shoal.discord.latch import latched_s
    from shoal.discord.limiter import Unlimited

    found = {}
    for account in accounts:
        try:
            transport = open_transport(account, Unlimited(), threads=1)
        except ShoalError:  # its proxy cannot be used: another check says so
            continue
        seconds = latched_s(store, transport.scope)
        transport.close()
        if seconds > 0:
            found[account.id] = seconds
    return found
