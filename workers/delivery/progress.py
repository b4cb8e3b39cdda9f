"""How far a send has come: its journal, and the rules for a part whose fate is unknown.

Journal entries, one per checkpoint:

    {"plan": [...], "at": ms}      the parts, and that part 0 is about to be sent
    {"plan": […], "edit": id, …}   the same, and part 0 is the edit of this preview
    {"plan": […], "webhook": id}   the same, and the parts go through this webhook
    {"fresh": true}                that edit failed: part 0 is a message of its own
    {"next": k, "bot": true, …}    the webhook could not be used: the bot says this part and all that follow
    {"next": k, "at": ms}          part k is about to be sent (with the receipt of k - 1, or on its own
                                   after a look that found nothing)
    {"next": k, "at": 0}           a post or a webhook's part (which has no nonce) was surely not made
    {"rejected": code, "why": …}   Discord refused; nothing more is sent

A part that is "about to be sent" and has no receipt may exist. Within Discord's nonce window
it is simply sent again: the same nonce gives the same message. Past the window the channel is
looked at first (``spec/fleet.md`` 4; :mod:`workers.delivery.finding`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from shoal.base.ids import derive_nonce
from workers.delivery.records import SendRequest

__all__ = ["CLOCK_SLACK_MS", "NONCE_WINDOW_MS", "Entry", "Progress", "nonce_of", "read_progress"]

NONCE_WINDOW_MS = 120_000
"""How long a nonce is relied on. Discord says "a few minutes" and keeps the figure to itself."""
CLOCK_SLACK_MS = 60_000
"""How far the clocks of two hosts and of Discord may be apart."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One journal entry."""

    plan: list[str] | None = None
    next: int | None = None
    at: int = 0
    edit: str = ""
    webhook: str = ""
    fresh: bool = False
    bot: bool = False
    rejected: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """The journal, summed up.

    Attributes:
        started: part → the time its present try began; 0: no try can have made it.
        since: part → the time its first try began.
        edit: the preview that becomes the answer, or empty.
        webhook: the webhook its parts go through, or empty.
    """

    plan: list[str] | None = None
    started: dict[int, int] | None = None
    rejected: str = ""
    why: str = ""
    edit: str = ""
    webhook: str = ""
    since: dict[int, int] = field(default_factory=dict)


def read_progress(journal: Iterable[tuple[int, bytes]]) -> Progress:
    """Sum up a journal.

    Raises:
        msgspec.DecodeError: an entry is none of ours.
    """
    plan: list[str] | None = None
    started: dict[int, int] = {}
    since: dict[int, int] = {}
    rejected = why = edit = webhook = ""
    for _, raw in journal:
        entry = msgspec.json.decode(raw, type=Entry)
        if entry.plan is not None:
            plan, edit, webhook = entry.plan, entry.edit, entry.webhook
            started[0] = since[0] = entry.at
        if entry.fresh:
            edit = ""
        if entry.bot:
            webhook = ""
        if entry.next is not None:
            started[entry.next] = entry.at
            since.setdefault(entry.next, entry.at)
        if entry.rejected:
            rejected, why = entry.rejected, entry.why
    return Progress(plan, started, rejected, why, edit, webhook, since)


def nonce_of(request: SendRequest, part: int) -> str:
    """The nonce of a part: the same for ever, in every process (rule R1)."""
    return derive_nonce(request.cause, request.step, part)
