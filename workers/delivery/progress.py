"""How far a send has come: its journal, and the rules for a part whose fate is unknown.

Journal entries, one per checkpoint:

    {"plan": [...], "at": ms}      the parts, and that part 0 is about to be sent
    {"plan": […], "edit": id, …}   the same, and part 0 is the edit of this preview
    {"fresh": true}                that edit failed: part 0 is a message of its own
    {"next": k, "at": ms}          part k is about to be sent (with the receipt of k - 1, or on its own
                                   after a look that found nothing)
    {"next": 0, "at": 0}           a post (which has no nonce) was surely not made
    {"rejected": code, "why": …}   Discord refused; nothing more is sent

A part that is "about to be sent" and has no receipt may exist. Within Discord's nonce window
it is simply sent again: the same nonce gives the same message. Past the window the channel is
looked at first (``spec/fleet.md`` 4; :mod:`workers.delivery.finding`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
    fresh: bool = False
    rejected: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """The journal, summed up. ``started`` maps a part to the time its present try began; ``edit`` is the
    preview that becomes the answer, or empty."""

    plan: list[str] | None = None
    started: dict[int, int] | None = None
    rejected: str = ""
    why: str = ""
    edit: str = ""


def read_progress(journal: Iterable[tuple[int, bytes]]) -> Progress:
    """Sum up a journal.

    Raises:
        msgspec.DecodeError: an entry is none of ours.
    """
    plan: list[str] | None = None
    started: dict[int, int] = {}
    rejected = why = edit = ""
    for _, raw in journal:
        entry = msgspec.json.decode(raw, type=Entry)
        if entry.plan is not None:
            plan, edit = entry.plan, entry.edit
            started[0] = entry.at
        if entry.fresh:
            edit = ""
        if entry.next is not None:
            started[entry.next] = entry.at
        if entry.rejected:
            rejected, why = entry.rejected, entry.why
    return Progress(plan, started, rejected, why, edit)


def nonce_of(request: SendRequest, part: int) -> str:
    """The nonce of a part: the same for ever, in every process (rule R1)."""
    return derive_nonce(request.cause, request.step, part)
