"""Answers that are read aloud: ``messages.tts.auto`` (``spec/outbound.md`` 3.15.7, 14.8).

    answer ─▶ is it to be heard? ─▶ its words ─▶ a speech service ─▶ a recording ─▶ the same send as its text

The recording is made by the turn, before the commit that sends the answer: it is decided once, and whoever
sends it only uploads. The text waits for that no longer than ``messages.tts.timeoutMs`` after the model had
finished, whichever worker goes on with the turn; then it goes alone, and the log and ``shoal explain`` say
why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import msgspec

from config.agents import ModelRef
from config.speech import Speech
from shoal.base.errors import ShoalError, StateError
from shoal.base.logging import get_logger
from workers.agent.context import TurnContext, TurnInterrupted, TurnOverdue
from workers.agent.models import Models
from workers.agent.providers.voices import NoSpeech, Recorded, Voices
from workers.agent.shortening import in_short
from workers.agent.speakable import speakable
from workers.agent.speech_tags import SpeechTags, chosen_speakers
from workers.delivery.outgoing import Put, Raw, keep_file, keep_voice
from workers.delivery.records import SendFile, SendRequest
from workers.media.files import MediaFile
from workers.media.kinds import HEAD_BYTES, is_audio, kind_of
from workers.media.recoding import recode_bytes
from workers.media.voice import VoiceError
from workers.sessions.records import TurnRequest
from workers.sessions.state import SessionState

__all__ = ["Aloud", "Heard", "carry_recording", "keep_recording", "speech_in", "words_to_say"]

MIN_CHARS = 10
"""Shorter answers are not worth a recording, unless the model asked for these words."""
STEP_S = 30.0
SUMMARY_SHARE = 0.5
"""Of the time for a recording, so much may be spent on its words."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Heard:
    """A recording of an answer, and the words that are heard."""

    file: SendFile
    words: str

    def with_text(self, send: SendRequest, *, read: bool) -> SendRequest:
        """The send of an answer with its recording.

        Args:
            read: people read the answer besides; else its words stand in where no recording can be.
        """
        return msgspec.structs.replace(send, files=(self.file,), spoken=self.words, read_aloud=read)


class Aloud:
    """Reads answers of one turn aloud.

    Args:
        speech: how its agent speaks.
        voices: asks the services, for an account; without it nothing is read aloud.
        models: sum up what is too long, those of ``refs`` where the config names none.
        put: keeps the bytes of recordings.

    Attributes:
        why: why what was to be heard is not; empty where all is well. Nothing more is tried in the turn then,
            so that a service that is down keeps no text for longer than once.
    """

    def __init__(
        self,
        speech: Speech,
        voices: Callable[[str], Voices] | None,
        put: Put,
        context: TurnContext,
        *,
        models: Models,
        refs: Sequence[ModelRef],
    ) -> None:
        self.why = ""
        self._speech = speech
        self._voices = voices
        self._put = put
        self._context = context
        self._models = models
        own = [speech.summary] if speech.summary is not None else refs
        self._refs = own if speech.in_short else ()

    def read(
        self,
        request: TurnRequest,
        text: str,
        tags: SpeechTags,
        *,
        recorded: bool,
        since_ms: int,
        step: str = "",
    ) -> Heard | None:
        """The recording of an answer; ``None``: it is to be read only, or cannot be spoken (see ``why``).

        Args:
            text: as people see it.
            recorded: it answers a recording.
            since_ms: since when it waits to be sent, Unix ms.
            step: what the turn does meanwhile; empty where it is in another step.

        Raises:
            TurnInterrupted: the turn may not go on here.
            StateError: the recording could not be kept.
        """
        words = words_to_say(self._speech, text, tags, recorded=recorded)
        if not words or self._voices is None or self.why:
            return None
        try:
            with self._context.step(step, STEP_S) if step else nullcontext():
                return self._spoken(request, self._voices(request.account), words, tags, since_ms)
        except TurnOverdue:
            self.why = "The turn has no time left."  # for its answer it has
        except (StateError, TurnInterrupted):
            raise
        except ShoalError as error:
            self.why = error.message
        except Exception as error:  # a text is never lost to a bug in its recording; the log has the trace
            log.exception("speech broke", message_id=request.message_id)
            self.why = f"It failed with an internal error ({type(error).__name__})."
        log.warning("an answer was not read aloud", message_id=request.message_id, reason=self.why)
        return None

    def _spoken(
        self,
        request: TurnRequest,
        voices: Voices,
        words: str,
        tags: SpeechTags,
        since_ms: int,
    ) -> Heard:
        context, clock = self._context, self._context.clock
        waited_s = max(0.0, clock.now() - since_ms / 1000)
        left_s = self._speech.timeout_s - waited_s
        if left_s <= 0:
            raise NoSpeech(f"The text has waited for {waited_s:.0f} s already.")
        ends = clock.monotonic() + left_s

        def in_time() -> None:
            context.moved()
            if clock.monotonic() > ends:
                raise NoSpeech("The recording took too long to convert.")

        most = self._speech.read_chars
        if len(words) > most:
            words = in_short(
                self._models,
                self._refs,
                words,
                most,
                account=request.account,
                limit_s=left_s * SUMMARY_SHARE,
                check=context.watch,
            )
        left_s = max(0.0, ends - clock.monotonic())
        speakers = chosen_speakers(self._speech, tags.wishes)
        recorded = voices(speakers, words, timeout_s=left_s, check=context.watch)
        file, warning = keep_recording(recorded, self._put, check=in_time)
        if warning:
            log.warning("an answer is heard as a file", message_id=request.message_id, reason=warning)
        return Heard(file, words)


def speech_in(speech: Speech, state: SessionState) -> Speech:
    """The speech of an agent in a conversation, as ``/tts`` left it."""
    return replace(speech, auto=state.tts) if state.tts else speech


def words_to_say(speech: Speech, text: str, tags: SpeechTags, *, recorded: bool) -> str:
    """What of an answer is to be heard; empty: nothing.

    Args:
        text: as people see it.
        recorded: it answers a recording.
    """
    asked = tags.asked and bool(speech.choices)
    wanted = {"always": True, "inbound": recorded, "tagged": asked}.get(speech.auto, False)
    if not wanted or not speech.speakers:
        return ""
    chosen = speakable((tags.hidden if "text" in speech.choices else "") or (tags.part if asked else ""))
    words = chosen or speakable(text)
    return words if chosen or len(words) >= MIN_CHARS else ""


def carry_recording(requests: Iterable[TurnRequest], files: Iterable[MediaFile] = ()) -> bool:
    """Whether messages carry a voice message or another sound of their own; one they quote is none.

    Args:
        files: what was found of their files.
    """
    own = (file for request in requests for file in request.attachments if not file.forwarded)
    found = (file.mime for file in files if file.origin == "own")
    return any(is_audio(mime) for mime in (*(file.content_type for file in own), *found))


def keep_recording(
    recorded: Recorded, put: Put, *, check: Callable[[], None], as_voice: bool = True
) -> tuple[SendFile, str]:
    """A recording as it is sent, and why it is no voice message where it should be one.

    Args:
        put: keeps its bytes.
        check: called while it is converted; what it raises ends that.

    Raises:
        NoSpeech: it is no recording at all.
    """
    warning = ""
    if as_voice:
        try:
            return keep_voice(put, recode_bytes(recorded.data, check=check)), ""
        except VoiceError as error:
            warning = f"Sent as a file, not as a voice message: {error.message} {error.fix}".strip()
    mime = kind_of(recorded.data[:HEAD_BYTES], recorded.mime)
    if not mime.startswith("audio/"):
        raise NoSpeech(f"What {recorded.speaker} gave is no recording. {warning}".strip())
    return keep_file(put, Raw(recorded.data, "speech", mime)), warning
