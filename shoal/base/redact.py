"""Secrets never reach a log, a task argument, an error text or a prompt (promise 8).

Two nets: exact values that were registered when they were resolved, and patterns for
the shapes secrets have (Discord tokens, webhook URLs, keys, URL credentials).
"""

from __future__ import annotations

import re
import threading
from urllib.parse import quote

__all__ = ["MASK", "Redactor", "mask_url", "redactor"]

MASK = "***"

_PATTERNS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    # each behind a piece of text it cannot do without: most lines are never searched
    # Discord bot token: base64(id) . timestamp . signature
    (".", re.compile(r"[A-Za-z0-9_\-]{18,30}\.[A-Za-z0-9_\-]{4,8}\.[A-Za-z0-9_\-]{20,50}"), MASK),
    ("/webhooks/", re.compile(r"(/webhooks/\d{5,25}/)[A-Za-z0-9_.\-]{8,}"), rf"\1{MASK}"),
    ("/interactions/", re.compile(r"(/interactions/\d{5,25}/)[A-Za-z0-9_.\-]{8,}"), rf"\1{MASK}"),
    ("sk-", re.compile(r"\b(sk-(?:ant-|proj-)?)[A-Za-z0-9_\-]{12,}"), rf"\1{MASK}"),
    ("", re.compile(r"(?i)\b(bearer|bot)\s+[A-Za-z0-9_.\-]{16,}"), rf"\1 {MASK}"),
    ("://", re.compile(r"([a-z][a-z0-9+.\-]*://)[^/\s:@]*:[^/\s@]+@"), rf"\1{MASK}@"),
    ("=", re.compile(r"([?&](?:hm|ex|is)=)[0-9a-f]{6,}"), rf"\1{MASK}"),
)


class Redactor:
    """Masks registered values and known shapes. Thread-safe; values are kept in memory only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: tuple[str, ...] = ()

    def register(self, value: str) -> None:
        """Remember a secret of six or more characters, as written and percent-encoded."""
        if len(value) < 6:
            return
        with self._lock:
            known = {*self._values, value, quote(value, safe="")}
            # longest first, so that a secret inside another one leaves no tail
            self._values = tuple(sorted(known, key=len, reverse=True))

    def mask(self, text: str) -> str:
        """``text`` with every secret replaced by ``***``."""
        for value in self._values:
            if value in text:
                text = text.replace(value, MASK)
        for needed, pattern, replacement in _PATTERNS:
            if needed in text:
                text = pattern.sub(replacement, text)
        return text


redactor = Redactor()
"""The process's redactor: the one place where "all secrets of this process" is a set."""


def mask_url(url: str) -> str:
    """A URL without its credentials, for logs: ``http://***@host:1`` becomes ``http://host:1``."""
    return re.sub(r"://[^/@\s]*@", "://", url)
