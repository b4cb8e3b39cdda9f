"""What the commands of ``shoal pairing`` share: accounts, store, and the form of an answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shoal.base.errors import ProcessError
from shoal.base.exits import USAGE

if TYPE_CHECKING:
    from config import Loaded
    from shoal.state.store import Store

__all__ = ["Said", "open_store", "served_accounts"]


class Said:
    """What a command did: ``data`` for programs, ``lines`` for people."""

    def __init__(self, data: dict[str, Any], *lines: str) -> None:
        self.data = data
        self.lines = [line for line in lines if line]


def served_accounts(loaded: Loaded, wanted: str | None = None) -> list[str]:
    """Ids of the accounts that are meant: one, or all that are configured, whether they can run or not.

    Raises:
        ProcessError: there is no such account, or the name is blank, as of a shell variable nobody set.
    """
    from config.accounts import normalise_id

    known = [state.id for state in loaded.account_states] or [loaded.default_account_id]
    if wanted is None:
        return known
    if not wanted.strip():
        raise ProcessError("--account is empty.", fix="Name an account, or leave it out.", exit_code=USAGE)
    if normalise_id(wanted) not in known:
        raise ProcessError(
            f"There is no account {wanted!r}.", fix=f"Known: {', '.join(known)}.", exit_code=USAGE
        )
    return [normalise_id(wanted)]


@contextmanager
def open_store(loaded: Loaded) -> Iterator[Store]:
    """The store of a running or stopped fleet, OpenClaw's pairing files taken over.

    Raises:
        StoreUnavailable, ProcessError: see ``shoal.cli.store.opened_any``.
    """
    from shoal.cli.store import opened_any
    from shoal.state.pairing_files import take_over_files

    with opened_any(loaded) as store:
        for sentence in take_over_files(store, loaded.state_dir, served_accounts(loaded)):
            print(sentence, file=sys.stderr)
        yield store
