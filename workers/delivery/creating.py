"""Creating one part as the bot: the request, its file, and what is left out where Discord refuses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.discord.errors import DiscordError, TooLarge
from shoal.discord.limiter import Priority
from shoal.discord.rest import Rest
from shoal.discord.transport import File
from workers.delivery.progress import nonce_of
from workers.delivery.records import SendFile, SendRequest
from workers.delivery.render import DeliverySettings, message_fields, replies, too_large_fields
from workers.delivery.spread import files_of
from workers.delivery.verdicts import BLOB_GONE, Rejected, reference_refused

__all__ = ["Calls", "Kept", "create_part", "file_of_blob", "priority_of"]

REQUEST_S = 15.0
UPLOAD_BYTES_S = 512 * 1024
"""An upload may be as slow as this; 25 MiB then take 50 s."""

log = get_logger(__name__)


class Kept(Protocol):
    """Where the bytes of files wait: the blobs of the store."""

    def get(self, blob_id: str) -> bytes | None:
        """A file, or none where it is gone."""
        ...


@dataclass(frozen=True, slots=True)
class Calls:
    """With what, and to where, a part is sent.

    Attributes:
        channel_id: the channel or thread.
        blobs: where the bytes of files wait.
        alive: asked before every request but the first.
        keep: journals what the upload of a voice message is called.
    """

    channel_id: str
    rest: Rest
    blobs: Kept
    alive: Callable[[], None] = lambda: None
    keep: Callable[[str], None] = lambda _name: None


def create_part(
    request: SendRequest,
    settings: DeliverySettings,
    plan: list[str],
    part: int,
    *,
    calls: Calls,
    left_out: Callable[[str], None] = lambda _name: None,
) -> MessageId:
    """Create one part under its nonce; the message's id.

    Args:
        left_out: called with the name of a file that was too large for Discord; its text goes alone.

    Raises:
        Rejected: its file is gone.
        DiscordError, TransportError, RateWait: as it came.
    """
    bound = log.bind(account=request.account, channel=calls.channel_id, cause=request.cause, part=part)
    fields = message_fields(request, settings, plan, part)
    files = [file_of_blob(file, calls.blobs) for file in files_of(request, plan, part)]
    reply_to = request.reply_to if replies(request, part) and not request.post else None
    bound.info("Sending reply via REST (proxied)" if settings.proxied else "Sending reply via REST")

    def call(reply_to: MessageId | None, files: Sequence[File], fields: dict[str, Any]) -> dict[str, Any]:
        return calls.rest.create_message(
            calls.channel_id,
            nonce=nonce_of(request, part),
            reply_to=reply_to,
            files=files,
            priority=priority_of(request),
            timeout=REQUEST_S + sum(len(file.data) for file in files) / UPLOAD_BYTES_S,
            **fields,
        )

    try:
        message = call(reply_to, files, fields)
    except DiscordError as error:
        if reply_to is not None and reference_refused(error):
            message = call(None, files, fields)
        elif files and isinstance(error, TooLarge):
            for file in files:  # of several, Discord does not say which
                bound.warning("a file was too large for Discord", file=file.filename)
                left_out(file.filename)
            message = call(reply_to, [], too_large_fields(request, fields))
        else:
            raise
    bound.info("Reply sent successfully (200 OK)", message_id=str(message["id"]))
    return MessageId(str(message["id"]))


def priority_of(request: SendRequest) -> Priority:
    """Who goes first: announcements wait for answers."""
    return Priority.BACKGROUND if request.priority == "background" else Priority.INTERACTIVE


def file_of_blob(item: SendFile, blobs: Kept) -> File:
    """A file with its bytes.

    Raises:
        Rejected: they are gone.
    """
    data = blobs.get(item.blob)
    if data is None:
        raise Rejected(BLOB_GONE, f"The file {item.filename} waited too long and is gone.")
    more = {"description": item.description} if item.description else {}
    kind = item.content_type or "application/octet-stream"
    return File(item.filename, data, content_type=kind, attachment=more)
