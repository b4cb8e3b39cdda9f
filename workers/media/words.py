"""Why a file could not be had: from errors to words, and from words to what the model reads."""

from __future__ import annotations

from shoal.base.errors import ShoalError, TransportError
from shoal.discord.addresses import UrlRefused
from shoal.discord.errors import DiscordError, TooLarge
from workers.media.shelf import DiskFull

__all__ = ["SAID", "word_of"]

SAID: dict[str, str] = {
    "too-large": "too large to fetch",
    "too-slow": "it took too long to fetch",
    "expired": "the address has expired",
    "refused": "the address is not allowed",
    "disk-full": "no room on our disk",
    "disk": "our disk could not be written",
    "network": "the server could not be reached",
    "server": "the server refused",
    "empty": "it is empty",
    "no-address": "Discord gave no address",
    "pending": "not fetched in time",
}
"""Word → what the note says."""


def word_of(error: ShoalError | OSError) -> str:
    """The word of an error."""
    match error:
        case UrlRefused():
            return "refused"
        case TooLarge():
            return "too-large"
        case DiskFull():
            return "disk-full"
        case DiscordError(status=403 | 404 | 410):
            return "expired"
        case DiscordError():
            return "server"
        case TransportError(leg="slow"):
            return "too-slow"
        case TransportError():
            return "network"
    return "disk" if isinstance(error, OSError) else "server"
