"""How far a send has come: its journal, and the rules for a part whose fate is unknown.

Journal entries, one per checkpoint:

    {"plan": [...], "at": ms}      the parts, and that part 0 is about to be sent
    {"plan": […], "edit": id, …}   the same, and part 0 is the edit of this preview
    {"plan": […], "webhook": id}   the same, and the parts go through this webhook
    {"fresh": true}                that edit failed: part 0 is a message of its own
    {"next": k, "bot": true, …}    the webhook could not be used: the bot says this part and all that follow
    {"next": k, "at": ms}          part k is about to be sent (with the receipt of k - 1, or on its own
                                   after a look that found nothing)
    {"next": k, "at": ms, "lost": true}   the same, and an answer to it was lost: Discord may have made it
    {"next": k, "at": 0}           a post or a webhook's part (which has no nonce) was surely not made
    {"uploaded": name}             the bytes of the voice message are at Discord under this name
    {"plan": […], "next": k, "instead": "file" | "text", …}   part k was to be a voice message, which Discord
                                   did not take: the parts from k on are others now
    {"rejected": code, "why": …}   Discord refused; nothing more is sent

A part that is "about to be sent" and has no receipt may exist. Within Discord's nonce window
it is simply sent again: the same nonce gives the same message. Past the window the channel is
looked at first (``spec/fleet.md`` 4; :mod:`workers.delivery.finding`). How long the window is, Discord
keeps to itself; so where an answer was lost, or a holder died, the look comes well before its end.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from shoal.base.ids import derive_nonce
from shoal.discord.retry import NONCE_WINDOW_S
from workers.delivery.records import SendRequest

__all__ = [
    "CLOCK_SLACK_MS",
    "LOOK_AFTER_MS",
    "NONCE_WINDOW_MS",
    "Entry",
    "Instead",
    "Progress",
    "nonce_of",
    "read_progress",
]

Instead = Literal["", "file", "text"]
"""What stands in for a voice message: the recording as a file, or its words."""

NONCE_WINDOW_MS = int(NONCE_WINDOW_S * 1000)
LOOK_AFTER_MS = 15_000
"""How long it is relied on where a request may have been done: a look costs little, a second message much."""
CLOCK_SLACK_MS = 60_000
"""How far the clocks of two hosts and of Discord may be apart."""


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """One journal entry."""

    plan: list[str] | None = None
    next: int | None = None
    at: int = 0
    lost: bool = False
    edit: str = ""
    webhook: str = ""
    fresh: bool = False
    bot: bool = False
    uploaded: str = ""
    instead: Instead = ""
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
        lost: parts of whose present try an answer was lost.
        uploaded: what the bytes of the voice message are called at Discord, or empty.
        instead: what stands in for the voice message; ``why`` says why.
    """

    plan: list[str] | None = None
    started: dict[int, int] | None = None
    rejected: str = ""
    why: str = ""
    edit: str = ""
    webhook: str = ""
    since: dict[int, int] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()
    uploaded: str = ""
    instead: Instead = ""


def read_progress(journal: Iterable[tuple[int, bytes]]) -> Progress:
    """Sum up a journal.

    Raises:
        msgspec.DecodeError: an entry is none of ours.
    """
    plan: list[str] | None = None
    started: dict[int, int] = {}
    since: dict[int, int] = {}
    lost: set[int] = set()
    rejected = why = edit = webhook = uploaded = ""
    instead: Instead = ""
    for _, raw in journal:
        entry = msgspec.json.decode(raw, type=Entry)
        if entry.plan is not None:
            plan, edit, webhook = entry.plan, entry.edit, entry.webhook
            started[entry.next or 0] = since[entry.next or 0] = entry.at
        if entry.fresh:
            edit = ""
        if entry.bot:
            webhook = ""
        if entry.next is not None:
            started[entry.next] = entry.at
            since.setdefault(entry.next, entry.at)
            (lost.add if entry.lost else lost.discard)(entry.next)
        uploaded = entry.uploaded or uploaded
        if entry.instead:
            instead, why = entry.instead, entry.why
        if entry.rejected:
            rejected, why = entry.rejected, entry.why
    return Progress(plan, started, rejected, why, edit, webhook, since, frozenset(lost), uploaded, instead)


def nonce_of(request: SendRequest, part: int) -> str:
    """The nonce of a part: the same for ever, in every process (rule R1)."""
    return derive_nonce(request.cause, request.step, part)
