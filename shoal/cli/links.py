"""Message ids as people have them: the id, or the link that Discord copies."""

from __future__ import annotations

import re

from shoal.base.errors import ProcessError
from shoal.base.exits import USAGE

__all__ = ["message_id"]

_LINK = re.compile(
    r"^https?://(?:\w+\.)?discord(?:app)?\.com/channels/(?:\d+|@me)/\d+/(?P<message>\d{5,20})/?$"
)
_ID = re.compile(r"^(?:\d{5,20}-)?(?P<message>\d{5,20})$")


def message_id(text: str) -> str:
    """The message id in a link, an id, or Discord's ``channel-message`` form.

    Raises:
        ProcessError: it is none of these (exit code 2).
    """
    match = _LINK.match(text.strip()) or _ID.match(text.strip())
    if match is None:
        raise ProcessError(
            f"{text!r} is neither a message id nor a link to a message.",
            fix="In Discord: right-click the message, then Copy Message Link.",
            exit_code=USAGE,
        )
    return match["message"]
