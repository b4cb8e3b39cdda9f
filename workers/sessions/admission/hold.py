"""What has to wait before it is decided, for what, and where (rule R18).

Admission does no I/O but Redis. A message that needs more is put, as it came, into the lane

    hold:<account>:<channel>:<author>

Later messages of that author queue behind it; everybody else passes. It waits

* for the rest of what its author is writing: the debounce window (``messages.inbound``), which
  every further message begins anew, up to five times its length;
* for a look-up (:class:`shoal.state.lookups.Asked`): the member behind roles, the message as REST has
  it, PluralKit. Five seconds at most, then it is decided with what is known, closed on access;
* an original of somebody who uses PluralKit: for the webhook copy that may replace it, briefly;
* for its files, once it may be answered at all: two minutes at most, while everybody else in the channel
  passes. A voice message that may name the bot is listened to before that is decided.

Everything here is pure; :mod:`workers.sessions.admission.holding` looks at such a lane.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from shoal.base.aborts import is_abort_word, normal_phrase
from shoal.base.ids import check_name, snowflake_ms
from shoal.discord.pluralkit import ORIGINAL_MS
from shoal.state.effects import Note, Push
from shoal.state.lookups import Asked
from shoal.state.records import InboundEvent, Record, encode_event
from workers.access.decision import Reason
from workers.sessions.admission.arrival import ORDINARY, Arrival
from workers.sessions.admission.quoted import quote_question
from workers.sessions.admission.results import Admission
from workers.sessions.questions import questions_of
from workers.sessions.text import FORWARD, attachments_of
from workers.sessions.text_commands import read_command
from workers.sessions.view import AdmissionView
from workers.sessions.wire import WireMessage

__all__ = [
    "FLUSH",
    "LOOKUP_MS",
    "WINDOWS_MAX",
    "Waiting",
    "flush_push",
    "gathers",
    "hold",
    "hold_lane",
    "hold_push",
    "questions",
    "waits_for",
]

LOOKUP_MS = 5_000
"""Longest wait for an answer; afterwards the message is decided without it."""
FILES_MS = 120_000
"""Longest wait for files; afterwards the turn is told what is missing."""
REPLACED_MS = 2_500
"""Longest wait for the webhook copy of somebody known to use PluralKit."""
WINDOWS_MAX = 5
"""Debounce windows after which what was gathered is answered although more keeps coming."""
FLUSH = "flush"
"""``Record.kind`` of a mark that ends the gathering of what stands before it."""

NO = b"null"
"""The answer "there is no such thing"."""
_USER_TOKEN = re.compile(r"<@!?\d{1,20}>")
_ROLE_TOKEN = re.compile(r"<@&\d{1,20}>")
_CURABLE = frozenset(
    {Reason.EMPTY_MESSAGE.value, Reason.MENTION_REQUIRED.value, Reason.OTHER_MENTIONED.value}
)
"""Refusals that a message read again by REST may turn into another decision."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """One thing a message waits for: until its key fires, at most ``most_ms`` from when it was held."""

    asked: Asked
    most_ms: int
    word: str
    """For ``shoal explain``."""
    ask: bool = True
    """Somebody must be sent to find out."""


def hold_lane(account: str, message: WireMessage) -> str:
    """The hold lane of a message's author. Behind one webhook many people write: its names count, too."""
    author = message.author.id
    if message.webhook_id is not None:
        name = hashlib.blake2b(message.author.username.encode("utf-8", "replace"), digest_size=4)
        author = f"{author}.{name.hexdigest()}"
    return check_name(f"hold:{account}:{message.channel_id}:{author}", "hold lane")


def hold(arrival: Arrival, view: AdmissionView) -> Admission | None:
    """Hold a message, or ``None``: it can be decided now.

    What access refuses for good passes at once: nothing is owed to it, and a stranger costs nothing.
    """
    message, decision = arrival.message, arrival.decision
    waiting = waits_for(arrival, view)
    hopeful = decision.allowed or decision.history or decision.reason in _CURABLE
    if not hopeful and not waiting:
        return None
    lane = hold_lane(arrival.event.account, message)
    words = [one.word for one in waiting]
    if gathers(message, view):
        words.append("debounce")
    if not words and not view.holds.holding(lane):
        return None
    reason = "+".join(words) or "order"
    account = arrival.event.account
    return Admission(
        (hold_push(lane, arrival.event, message.id), Note(account, message.id, "hold", f"{lane} {reason}")),
        f"held · {reason}",
    )


def hold_push(lane: str, event: InboundEvent, message_id: str, *, kind: str = "m") -> Push:
    """Put an event into a hold lane as it came. Its birth there is Redis' clock: the beginning of the hold.

    Args:
        kind: tells the identities of a message and of what happens to it apart.
    """
    record = Record(
        identity=check_name(f"{kind}:{event.account}:{message_id}", "held identity"),
        kind=event.event,
        body=encode_event(event),
        mode="steer",  # so that it shows behind a head
        scope=lane,
        account=event.account if kind == "m" else "",
        message_id=message_id if kind == "m" else "",
    )
    return Push(lane, record)


def flush_push(lane: str, account: str, message_id: str) -> Push:
    """The mark a stop leaves: what its author was writing is not waited for any more."""
    identity = check_name(f"flush:{account}:{message_id}", "held identity")
    return Push(lane, Record(identity, FLUSH, b"", mode="steer", scope=lane))


def gathers(message: WireMessage, view: AdmissionView) -> bool:
    """Whether a message waits for more of the same author. Files, commands and abort words do not."""
    if view.settings.debounce_ms <= 0 or message.type not in ORDINARY:
        return False
    body, content = message.body, message.body.content
    if not content.strip() or body.attachments or body.stickers or message.snapshots:
        return False
    bot_id = view.bot_id
    if is_abort_word(content, bot_id) or normal_phrase(content, bot_id).startswith("/"):
        return False
    return read_command(content, bot_id, view.settings.reset_triggers) is None


# -- questions ---------------------------------------------------------------------------------------


def questions(arrival: Arrival, view: AdmissionView) -> tuple[Asked, ...]:
    """What should be known before this message is decided, as far as it is asked of others."""
    account, message = arrival.event.account, arrival.message
    found = [
        asked
        for asked in questions_of(arrival.decision.needs, account)
        if asked.kind != "files" or view.settings.transcribes
    ]
    if _brings_files(arrival, view):
        found.append(Asked(account, "files", message.id))
    if _incomplete(arrival):
        found.append(Asked(account, "message", message.id))
    if _may_be_replaced(arrival, view):
        found += _of_an_original(account, message)
    whose = quote_question(arrival, view)
    if whose is not None and whose not in found:
        found.append(whose)
    return tuple(found)


def waits_for(arrival: Arrival, view: AdmissionView) -> list[Waiting]:
    """What of that is not answered yet and worth waiting for."""
    answers = arrival.answers
    found = [
        Waiting(asked, FILES_MS if asked.kind == "files" else LOOKUP_MS, asked.kind)
        for asked in questions(arrival, view)
        if asked not in answers and asked.kind not in ("pkuser", "replaced")
    ]
    if _may_be_replaced(arrival, view):
        _, user, replaced = _of_an_original(arrival.event.account, arrival.message)
        if answers.get(user, NO) != NO and answers.get(replaced, NO) == NO:
            found.append(Waiting(replaced, REPLACED_MS, "pluralkit-user", ask=False))
    return found


def _brings_files(arrival: Arrival, view: AdmissionView) -> bool:
    """There is something to fetch, and the message will be answered: never before access is granted."""
    message = arrival.message
    if not view.settings.fetches or not arrival.decision.allowed or arrival.command is not None:
        return False
    answered = message.referenced if message.reference_type != FORWARD else None
    return message.type in ORDINARY and bool(
        attachments_of(message) or (answered is not None and attachments_of(answered))
    )


def replaced_by_proxy(message: WireMessage, account: str, answers: Mapping[Asked, bytes]) -> bool:
    """PluralKit has put, or is about to put, a webhook copy in the place of this message (decision 12)."""
    if message.webhook_id is not None:
        return False
    found, _, replaced = _of_an_original(account, message)
    return answers.get(replaced, NO) != NO or answers.get(found, NO) != NO


def _of_an_original(account: str, message: WireMessage) -> tuple[Asked, Asked, Asked]:
    return (
        Asked(account, "pluralkit", message.id),
        Asked(account, "pkuser", message.author.id),
        Asked(account, "replaced", message.id),
    )


def _may_be_replaced(arrival: Arrival, view: AdmissionView) -> bool:
    """A message somebody wrote himself, in a guild, that would be answered, not older than 30 minutes."""
    message = arrival.message
    if not view.settings.access.pluralkit or message.guild_id is None or message.type not in ORDINARY:
        return False
    if message.webhook_id is not None or message.author.bot or not arrival.decision.allowed:
        return False
    if arrival.command is not None:
        return False
    return arrival.event.received_ms - snowflake_ms(message.id) < ORIGINAL_MS


def _incomplete(arrival: Arrival) -> bool:
    """Discord sent less than REST would tell (``spec/inbound.md`` 6.2), and it may matter."""
    message, decision = arrival.message, arrival.decision
    if message.type not in ORDINARY or arrival.command is not None:
        return False
    if not (decision.allowed or decision.reason in _CURABLE):
        return False
    if decision.reason == Reason.EMPTY_MESSAGE.value:
        return not message.body.components
    content = message.body.content
    unnamed = (not message.mentions and _USER_TOKEN.search(content) is not None) or (
        not message.mention_roles and _ROLE_TOKEN.search(content) is not None
    )
    return message.reference_missing or unnamed
