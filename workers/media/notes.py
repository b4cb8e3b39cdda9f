"""What a model reads about files: note lines, and the words of recordings (``spec/inbound.md`` 6.11.6).

Names, types and addresses come from strangers, so each is one line without brackets. Of a file that is
here the signature of its address is left out: it is a secret that ends, and nobody needs it. Of one that is
not here it stays, since it is all there is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from workers.media.files import MediaFile
from workers.media.words import SAID
from workers.sessions.untrusted import header_value

__all__ = ["media_notes", "spoken"]

_MIME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}/[a-z0-9][a-z0-9.+-]{0,100}", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"(<media:[a-z]+> \(\d+ [a-z]+\)\n?)+")
_WHOSE = {
    "forwarded": ", forwarded",
    "quoted": ", of the message answered to",
    "earlier": ", of the chat history",
}
MAX_TRANSCRIPT = 16_000
"""Characters kept of one recording."""
MAX_LINE = 1_200


def media_notes(files: Sequence[MediaFile], *, signed: bool = True) -> str:
    """A line per file, a line before them if there are several; recordings that were heard are left out.

    Args:
        signed: the address of a file that is not here keeps its signature.
    """
    listed = [file for file in files if not file.transcript]
    if len(listed) == 1:
        return f"[media attached: {_about(listed[0], signed)}]"
    lines = [f"[media attached: {len(listed)} files]"] if listed else []
    lines += [
        f"[media attached {number}/{len(listed)}: {_about(file, signed)}]"
        for number, file in enumerate(listed, 1)
    ]
    return "\n".join(lines)


def spoken(text: str, files: Sequence[MediaFile]) -> str:
    """The body of a message with what its recordings say; unchanged if nothing was heard."""
    heard = [file for file in files if file.transcript]
    if not heard:
        return text
    typed = "" if _PLACEHOLDER.fullmatch(text) else text
    parts = []
    for number, file in enumerate(heard, 1):
        count = f" {number}/{len(heard)}" if len(heard) > 1 else ""
        whose = {"forwarded": " (forwarded)", "quoted": " (of the message answered to)"}.get(file.origin, "")
        head = f"[Audio{count}]{whose}"
        said = f"Transcript:\n{file.transcript[:MAX_TRANSCRIPT]}"
        parts.append(f"{head}\nUser text:\n{typed}\n{said}" if typed and number == 1 else f"{head}\n{said}")
    return "\n\n".join(parts)


def _about(file: MediaFile, signed: bool) -> str:
    kind = file.mime if _MIME.fullmatch(file.mime) else "unknown type"
    whose = _WHOSE.get(file.origin, "")
    if file.path:
        return f"{_line(file.path)} ({kind}{whose}) | {_line(file.url.partition('?')[0])}"
    reason = SAID.get(file.error, "for an unknown reason")
    told = f" | not fetched: {reason}" if file.error else ""
    url = file.url if signed else file.url.partition("?")[0]
    return f"{_line(url) or 'no address'} ({kind}{whose}){told}"


def _line(text: str) -> str:
    """A path or an address as one word without brackets, whoever wrote it."""
    return header_value(text, MAX_LINE).replace(" ", "%20")
