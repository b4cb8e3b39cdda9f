"""Pictures of before: somebody posts one, and then asks the bot about it (``spec/inbound.md`` 4.6, 6.11).

What is quoted of a channel is words, and words do not show a picture. So the newest pictures among what a
turn may quote go with it like files of its own, for models that see. Only a turn that begins at once has
them: whoever waits behind another finds the history told.
"""

from __future__ import annotations

from workers.access.visibility import ContextFilter
from workers.sessions.records import Attachment, TurnRequest
from workers.sessions.view import AdmissionView

__all__ = ["MOST", "earlier_pictures"]

MOST = 4
MOST_BYTES = 10 * 1024 * 1024
"""Of one picture."""


def earlier_pictures(
    request: TurnRequest, view: AdmissionView, context: ContextFilter
) -> tuple[Attachment, ...]:
    """The newest pictures that a turn is shown besides those of its message, oldest first.

    Args:
        context: whose words may be shown; their pictures may, too.
    """
    if request.agent_id not in view.settings.seeing or request.chat_type == "direct":
        return ()
    quoted = view.pending(request, view.settings.history_limit, context)
    found = [file for entry in quoted.entries for file in entry.files if _fits(file)]
    return tuple(found[-MOST:])


def _fits(file: Attachment) -> bool:
    return file.content_type.startswith("image/") and 0 < file.size <= MOST_BYTES and bool(file.url)
