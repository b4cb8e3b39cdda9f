"""``shoal pairing approve``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shoal.base.errors import ConfigError, ProcessError
from shoal.base.exits import BUSY, USAGE
from shoal.cli.pairing.common import Said
from shoal.cli.pairing.listing import label

if TYPE_CHECKING:
    from config import Loaded
    from shoal.state.pairing import Approval
    from shoal.state.store import Store

__all__ = ["approve"]


def approve(loaded: Loaded, store: Store, code: str, accounts: Sequence[str], *, notify: bool) -> Said:
    """Let somebody in.

    Raises:
        ProcessError: no such code, several of them, or too many wrong ones.
    """
    nobody = not loaded.root.commands.owner_allow_from
    done = store.pairing.approve(code, accounts, may_own=nobody)
    if done.outcome != "approved":
        raise _refused(done)
    who = f"{label(done.meta)} ({done.sender})"
    place, owner_line = _owner(loaded, done) if done.became_owner else (None, "")
    told = _tell(store, loaded, done) if notify else None
    settings = loaded.discord_settings.get(done.account)
    policy = settings.dm_policy if settings else "pairing"
    unused = f"warning: account {done.account} has dmPolicy {policy!r}; approvals need 'pairing'."
    data = {
        "account": done.account,
        "id": done.sender,
        "meta": dict(done.meta),
        "owner": done.became_owner,
        "ownerStoredIn": place,
        "notified": told,
    }
    return Said(
        data,
        f"Approved {who} on account {done.account}: they may write to the bot in private.",
        owner_line,
        "" if told is None else _told_words(told),
        "" if policy == "pairing" else unused,
    )


def _refused(done: Approval) -> ProcessError:
    if done.outcome == "locked":
        minutes = max(1, round(done.locked_ms / 60_000))
        return ProcessError(
            f"Five wrong codes in a row: approving is locked for {minutes} min.",
            fix="Wait, and copy the code from `shoal pairing list`.",
            exit_code=BUSY,
        )
    if done.outcome == "ambiguous":
        return ProcessError(
            f"This code is known to several accounts: {', '.join(done.accounts)}.",
            fix="Add --account.",
            exit_code=USAGE,
        )
    return ProcessError(
        "There is no pending request with this code; it may be over (after an hour) or approved already.",
        fix=f"See `shoal pairing list`. {done.guesses_left} more wrong codes lock approving for ten minutes.",
    )


def _owner(loaded: Loaded, done: Approval) -> tuple[str, str]:
    """Write the first owner into the file; where that cannot be, the store has it. (Place, sentence.)"""
    from config.owner import write_owner

    first = "They own the bot now, because commands.ownerAllowFrom named nobody"
    try:
        write_owner(loaded, done.sender)
    except ConfigError as error:
        entry = done.sender if done.sender.startswith("pk:") else f"discord:{done.sender}"
        return "redis", (
            f"{first}. That is kept in Redis, not in a file: {error.message} "
            f'To have it there: commands: {{ ownerAllowFrom: ["{entry}"] }}.'
        )
    return "config", f"{first}; written to {loaded.path} (the old version is beside it, .bak)."


def _tell(store: Store, loaded: Loaded, done: Approval) -> bool:
    """Queue the message that tells them; False if no channel to them is known."""
    from workers.delivery.pairing import approved_push

    channel = done.meta.get("channel") or store.facts.dm_channel(done.account, done.sender)
    if not channel:
        return False
    cause = f"approved.{done.account}.{done.sender.replace(':', '.')}.{store.now_ms()}"
    push = approved_push(done.account, channel, cause, loaded.root.messages.language)
    store.lanes.push(push.lane, push.record)
    return True


def _told_words(told: bool) -> str:
    if told:
        return "They are told in Discord (as soon as the fleet runs)."
    return "warning: they were not told: no private channel to them is known."
