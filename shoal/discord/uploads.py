"""Uploads by a signed address, as voice messages go: ask for a slot, put the bytes, name it in a message.

Source: Discord's clients do it so; its documentation does not have it (``spec/outbound.md`` 3.15; row 21 of
its section 11). The request for a slot is plain JSON although it has a ``files`` key.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shoal.discord.errors import ServerError
from shoal.discord.limiter import Priority
from shoal.discord.rest import Rest
from shoal.discord.routes import Route

__all__ = ["Slot", "upload_slot"]


@dataclass(frozen=True, slots=True)
class Slot:
    """Where bytes go, and what the message calls them (``uploaded_filename``)."""

    url: str = field(repr=False)
    name: str


def upload_slot(
    rest: Rest, channel_id: str, filename: str, size: int, *, priority: Priority = Priority.INTERACTIVE
) -> Slot:
    """Ask for an address to put one file of ``size`` bytes to. A slot that is not used ends by itself.

    Raises:
        DiscordError, TransportError, RateWait: as :meth:`Rest.call`.
    """
    route = Route("POST", "/channels/{channel_id}/attachments", channel_id=channel_id)
    wanted = {"files": [{"id": "0", "filename": filename, "file_size": size}]}
    answer = rest.call(route, json=wanted, priority=priority)
    listed = answer.data.get("attachments") if isinstance(answer.data, dict) else None
    first = listed[0] if isinstance(listed, list) and listed else None
    if isinstance(first, dict):
        url, name = first.get("upload_url"), first.get("upload_filename")
        if isinstance(url, str) and isinstance(name, str) and url and name:
            return Slot(url, name)
    raise ServerError("The answer holds no address to upload to.", status=answer.status, route=str(route))
