"""Sending a voice message, and what stands in for it if Discord refuses it (``spec/outbound.md`` 3.15).

    slot ─▶ the bytes are PUT there ─▶ journalled ─▶ message: flags 8192, length, waveform, nonce

A send that is resumed goes on from the journalled upload. Where Discord surely did not take the voice
message, the recording goes as an ordinary file; where it does not take that either, the words go as text, if
the recording was made of a text. The part keeps its nonce, so a voice message that exists after all is not
doubled. An answer that is only read aloud besides (``messages.tts.auto``) needs no such stand-in: its text is
there, and waits for no upload that does not come to an end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.discord.codes import NO_ACCESS, UNKNOWN_CHANNEL, UPLOAD_GONE
from shoal.discord.errors import DiscordError, DMBlocked, NotFound, TooLarge
from shoal.discord.limiter import Priority
from shoal.discord.transport import File
from shoal.discord.uploads import upload_slot
from shoal.discord.wire import MessageFlags
from workers.delivery.creating import Calls, file_of_blob, priority_of
from workers.delivery.progress import Instead, Progress, nonce_of
from workers.delivery.records import SendFile, SendRequest
from workers.delivery.render import replies
from workers.delivery.verdicts import BLOB_GONE, Rejected, reference_refused

__all__ = ["VoiceWay", "next_instead", "stand_in", "voice_fields"]

log = get_logger(__name__)

UPLOAD_S = 120.0
PATIENCE_MS = 10_000
"""For so long the text of an answer waits for what it sounds like."""
_NO_WAY = frozenset({UNKNOWN_CHANNEL, NO_ACCESS})
"""Nothing else would arrive there either."""


def voice_fields(request: SendRequest, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Of a part's fields those a voice message may have."""
    flags = MessageFlags.IS_VOICE_MESSAGE
    if request.silent:
        flags |= MessageFlags.SUPPRESS_NOTIFICATIONS
    return {"allowed_mentions": fields.get("allowed_mentions"), "flags": int(flags)}


def next_instead(request: SendRequest, now: Instead, error: Exception) -> Instead:
    """What is tried next when the voice message (``now`` empty), or what stood in for it, was refused.

    Returns:
        Empty where nothing is left, or the refusal is none of the recording.
    """
    if getattr(error, "ambiguous", False):
        return ""
    gone = isinstance(error, Rejected) and error.code == BLOB_GONE
    if not gone and not isinstance(error, DiscordError if not request.read_aloud else ShoalError):
        return ""
    words, hopeless = request.spoken or request.read_aloud, gone or isinstance(error, TooLarge)
    if isinstance(error, DMBlocked) or getattr(error, "json_code", 0) in _NO_WAY:
        if not request.read_aloud:
            return ""
        hopeless = True
    if not now and not (hopeless and words):
        return "" if gone else "file"
    return "text" if now != "text" and words else ""


def stand_in(request: SendRequest, instead: Instead) -> SendRequest:
    """The send without its voice message."""
    if instead == "file":
        return msgspec.structs.replace(
            request, files=(msgspec.structs.replace(request.files[0], voice=None), *request.files[1:])
        )
    if instead == "text":
        spoken = "" if request.read_aloud else request.spoken
        text = "\n\n".join(filter(None, (spoken, request.text)))
        return msgspec.structs.replace(request, files=request.files[1:], text=text)
    return request


class VoiceWay:
    """The voice message of one send: its upload so far, and what stands in for it.

    Attributes:
        instead: what stands in for it now.
        note: what who asked is told of that, with the next receipt.
    """

    def __init__(self, progress: Progress) -> None:
        self.instead = progress.instead
        self.note = progress.why if progress.instead else ""
        self._uploaded = progress.uploaded

    def instead_of(self, request: SendRequest) -> SendRequest:
        """The send as it is by now."""
        return stand_in(request, self.instead)

    def take_note(self) -> str:
        """The note, once."""
        note, self.note = self.note, ""
        return note

    def overdue(self, request: SendRequest, error: Exception, age_ms: int) -> Rejected | None:
        """The refusal that an upload counts as which kept a text waiting for too long; ``None``: it did not.

        Once its bytes had been uploaded the message itself was tried, and may be there.
        """
        waits = request.read_aloud and request.files and age_ms > PATIENCE_MS
        if not waits or self._uploaded or not isinstance(error, ShoalError) or error.ambiguous:
            return None
        return Rejected(error.code, str(error))

    def create(
        self,
        request: SendRequest,
        part: int,
        file: SendFile,
        fields: Mapping[str, Any],
        calls: Calls,
    ) -> MessageId:
        """Create the voice message under the part's nonce; its id.

        Raises:
            Rejected: its bytes are gone. Others as they came.
        """
        voice = _Part(calls, file, self._uploaded, priority_of(request))
        refers = replies(request, part) or request.read_aloud  # behind its text it answers the same (14.8)
        reply_to = request.reply_to if refers and not request.post else None
        nonce = nonce_of(request, part)
        made = voice.create(nonce=nonce, reply_to=reply_to, fields=voice_fields(request, fields))
        log.info("Reply sent successfully (200 OK)", part=part, message_id=str(made["id"]))
        return MessageId(str(made["id"]))

    def give_way(
        self, request: SendRequest, file: SendFile | None, refused: Rejected, error: Exception
    ) -> SendRequest | None:
        """The send without what Discord refused of it; none: nothing stands in for that.

        Args:
            file: of the part that was refused.
        """
        if file is None or file is not request.files[0] or not (file.voice or self.instead):
            return None
        instead = next_instead(request, self.instead, error)
        if not instead:
            return None
        self.instead, self._uploaded = instead, ""
        self.note = f"Not sent as a voice message but as {instead}: {refused.why}"[:400]
        log.warning("a voice message gives way", send=request.identity, instead=instead, reason=refused.why)
        return stand_in(request, instead)


@dataclass
class _Part:
    """One voice message on its way; ``step`` is where it is: ``slot``, ``upload`` or ``message``."""

    calls: Calls
    file: SendFile
    uploaded: str
    priority: Priority
    step: str = "slot"

    def create(self, *, nonce: str, reply_to: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Upload what is not uploaded, and make the message; without the reference, if that is refused."""
        try:
            return self._create(nonce, reply_to, fields)
        except DiscordError as error:
            if reply_to is not None and reference_refused(error):
                return self._create(nonce, None, fields)
            log.warning("a voice message was not sent", step=self.step, code=error.code, error=error)
            raise

    @property
    def _bytes(self) -> bytes:
        return file_of_blob(self.file, self.calls.blobs).data

    def _create(self, nonce: str, reply_to: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
        before = self.uploaded
        if not before:
            self._upload()
        try:
            return self._message(nonce, reply_to, fields)
        except DiscordError as error:
            if not before or error.json_code != UPLOAD_GONE:
                raise
        self._upload()
        return self._message(nonce, reply_to, fields)

    def _upload(self) -> None:
        """Put the bytes where the message will take them from. Nobody sees that: it may be done twice."""
        try:
            self._put(self._bytes)
        except ShoalError as error:
            error.ambiguous = False
            raise

    def _put(self, data: bytes) -> None:
        calls, name = self.calls, self.file.filename
        self.step, self.uploaded = "slot", ""
        try:
            slot = upload_slot(calls.rest, calls.channel_id, name, len(data), priority=self.priority)
        except NotFound as error:
            if error.json_code:
                raise
            return  # a compatible server without slots: the bytes go with the message
        calls.alive()
        self.step = "upload"
        calls.rest.upload(slot.url, data, content_type=self.file.content_type, timeout=UPLOAD_S / 2)
        self.uploaded = slot.name
        calls.keep(slot.name)
        calls.alive()

    def _message(self, nonce: str, reply_to: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
        self.step = "message"
        assert self.file.voice is not None
        shown = {"duration_secs": self.file.voice.seconds, "waveform": self.file.voice.waveform}
        name = self.file.filename
        body: dict[str, Any] = {**fields, "reply_to": reply_to, "priority": self.priority}
        if self.uploaded:
            body["attachments"] = [{"id": "0", "filename": name, "uploaded_filename": self.uploaded, **shown}]
        else:
            body["files"] = [File(name, self._bytes, self.file.content_type, shown)]
            body["timeout"] = UPLOAD_S / 2
        return self.calls.rest.create_message(self.calls.channel_id, nonce=nonce, **body)
