"""``shoal pairing revoke``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from shoal.base.errors import ProcessError
from shoal.base.exits import USAGE
from shoal.cli.pairing.common import Said

if TYPE_CHECKING:
    from config import Loaded
    from shoal.state.pairing import Revoked
    from shoal.state.store import Store

__all__ = ["revoke"]


def revoke(loaded: Loaded, store: Store, sender: str, accounts: Sequence[str]) -> Said:
    """Take somebody off, or dismiss a request.

    Raises:
        ProcessError: nobody knows the sender, or several accounts do.
    """
    places = [
        account
        for account in accounts
        if store.pairing.has(account, sender) or store.pairing.request(account, sender) is not None
    ]
    if not places:
        raise ProcessError(f"{sender} was not approved and does not wait.", fix="See `shoal pairing list`.")
    if len(places) > 1:
        raise ProcessError(
            f"{sender} is known to several accounts: {', '.join(places)}.",
            fix="Add --account.",
            exit_code=USAGE,
        )
    account = places[0]
    done = store.pairing.revoke(account, sender)
    data = {
        "account": account,
        "id": sender,
        "approved": done.approved,
        "waiting": done.waiting,
        "owner": done.owner,
    }
    return Said(data, *_revoked_words(loaded, account, sender, done))


def _revoked_words(loaded: Loaded, account: str, sender: str, done: Revoked) -> Iterator[str]:
    if done.approved:
        yield f"Revoked {sender} on account {account}: their next message is a stranger's."
    if done.waiting:
        yield f"Dismissed the request of {sender} on account {account}."
    if done.owner and not loaded.root.commands.owner_allow_from:
        yield "Nobody owns the bot now; the next approval makes an owner."
    settings = loaded.discord_settings.get(account)
    lists = {
        "channels.discord.allowFrom": (settings.allow_from if settings else None) or (),
        "commands.ownerAllowFrom": loaded.root.commands.owner_allow_from or (),
    }
    for name, entries in lists.items():
        if any(_same(entry, sender) for entry in entries):
            yield f"warning: {name} still names them; take them off there too."


def _same(entry: str, sender: str) -> bool:
    from shoal.state.pairing_files import sender_of

    return sender_of(entry) == sender
