"""Identities: what makes a record, a grant and an outgoing message the same one twice.

Nothing here counts. A counter can repeat after a lost write or a restore, and then a
nonce made from it names an older message (rule R1). Grants are random; nonces and
receipts are derived from what caused them.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import NewType

from shoal.base.errors import InvalidName

__all__ = [
    "NAME_PATTERN",
    "USER_MENTION",
    "MessageId",
    "ThreadId",
    "check_name",
    "derive_nonce",
    "fold_id",
    "new_token",
    "snowflake_at",
    "snowflake_ms",
    "starter_of",
]

MessageId = NewType("MessageId", str)
"""Id of a message."""
ThreadId = NewType("ThreadId", str)
"""Id of a thread. Some share it with a message (:func:`starter_of`); otherwise the two are not mixed."""

DISCORD_EPOCH_MS = 1_420_070_400_000
"""First millisecond of 2015, the zero of Discord's snowflakes."""

USER_MENTION = re.compile(r"<@!?(\d{1,20})>")
"""``<@id>`` as Discord writes it, and ``<@!id>`` as it once did."""

NAME_PATTERN = re.compile(r"[a-z0-9:_.\-]{1,200}")
"""What may become part of a Redis key: lane names, identities, wake keys."""

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def new_token() -> str:
    """A fresh 128-bit grant token as 32 hex digits."""
    return secrets.token_hex(16)


def check_name(value: str, what: str = "name") -> str:
    """Return ``value`` if it may be part of a key.

    Raises:
        InvalidName: it is empty, too long, or has a character outside ``[a-z0-9:_.-]``.
    """
    if not NAME_PATTERN.fullmatch(value):
        raise InvalidName(what, value)
    return value


def fold_id(text: str, blank: str) -> str:
    """An id as people write it in the form keys take: lower case, ``a-z0-9_-``, at most 64.

    Args:
        blank: what stands for an id of which nothing is left.
    """
    return re.sub(r"[^a-z0-9_-]+", "-", text.strip().lower()).strip("-")[:64] or blank


def starter_of(thread: ThreadId) -> MessageId:
    """The message a thread was made of, or the first of a forum post: it has the thread's id."""
    return MessageId(thread)


def derive_nonce(cause: str, step: str | int, part: int) -> str:
    """The nonce of one part of one outgoing message: 22 base62 characters.

    Equal inputs give equal nonces on every retry and in every process, which is what
    lets Discord (``enforce_nonce``, at most 25 characters) recognise a repeat.
    """
    seed = f"{cause}\x00{step}\x00{part}".encode()
    number = int.from_bytes(hashlib.blake2b(seed, digest_size=16).digest(), "big")
    digits = []
    for _ in range(22):
        number, rest = divmod(number, 62)
        digits.append(_BASE62[rest])
    return "".join(reversed(digits))


def snowflake_ms(snowflake: str | int) -> int:
    """Milliseconds since the Unix epoch at which a Discord id was made."""
    return (int(snowflake) >> 22) + DISCORD_EPOCH_MS


def snowflake_at(unix_ms: int) -> int:
    """The smallest Discord id of that millisecond; for comparing and for paging."""
    return max(0, unix_ms - DISCORD_EPOCH_MS) << 22
