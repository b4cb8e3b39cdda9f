"""From any recording to what Discord plays as a voice message: Ogg/Opus, its length, its waveform.

Needs PyAV (extra ``audio``), no program of the system (decision 36). It is work for the processor on what
strangers may have made, so nobody calls :func:`make_voice` in a process of the fleet:
:mod:`workers.media.recoding` runs it in one of its own.

Sources: ``spec/outbound.md`` 3.15; waveform ``spec/voice.md`` 4 (decision 36): one byte for each tenth of a
second, at most 256 of them, the loudest is 255 and none is 0.
"""

from __future__ import annotations

import base64
import io
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

from shoal.base.errors import ShoalError

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.resampler import AudioResampler

__all__ = [
    "MAX_SECONDS",
    "MIME",
    "NO_ADDRESS",
    "NO_RECORDING",
    "NO_TEXT",
    "VOICE_NAME",
    "MadeVoice",
    "VoiceError",
    "is_address",
    "make_voice",
    "missing_extra",
    "waveform",
]

NO_RECORDING = (
    "Voice messages require a media file reference: name a sound file in media (or path, filePath)."
)
NO_TEXT = (
    "Voice messages cannot include text content (Discord limitation). Leave message out, or send the text "
    "as a message of its own."
)
NO_ADDRESS = "Voice messages need a local file path; URLs are refused."

VOICE_NAME = "voice-message.ogg"
MIME = "audio/ogg"
RATE = 48_000
FRAME = 960
"""Samples in 20 ms, which is what Opus takes."""
BIT_RATE = 64_000
MAX_SECONDS = 1_200
"""What is longer is cut there."""
PEAK_RATE = 8_000
"""The waveform is looked at in so many samples a second."""
PEAK_SAMPLES = PEAK_RATE // 10
MAX_PEAKS = 256
MAX_BROKEN = 0.5
"""A larger part of broken packets is no recording any more."""

_FORMATS = (
    "aac", "ac3", "aiff", "amr", "asf", "au", "avi", "caf", "flac", "flv", "matroska", "mov", "mp3", "mpegts",
    "ogg", "w64", "wav", "webm",
)  # fmt: skip
_GUARDED = {"format_whitelist": ",".join(_FORMATS), "protocol_whitelist": "none"}
"""No play lists: they name other files and addresses, and the reader would open them."""


class VoiceError(ShoalError):
    """No voice message can be made of this; ``step`` is where it ended: ``open``, ``decode``, …"""

    code = "voice"

    def __init__(self, step: str, message: str, *, fix: str = "") -> None:
        self.step = step
        super().__init__(message, fix=fix)


@dataclass(frozen=True, slots=True)
class MadeVoice:
    """A voice message. ``seconds`` to two decimals; ``waveform`` in base64; ``cut``: it was longer."""

    data: bytes
    seconds: float
    waveform: str
    cut: bool = False


def make_voice(source: BinaryIO) -> MadeVoice:
    """Read a recording and write it as a voice message.

    An Ogg/Opus recording with nothing else in it keeps its bytes. ``source`` can be read from any place.

    Raises:
        VoiceError: it holds no sound that can be read, or PyAV is not there.
    """
    try:
        import av
    except ImportError:
        raise missing_extra() from None

    try:
        recording = av.open(source, options=_GUARDED)
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise VoiceError("open", f"The recording cannot be opened: {_why(error)}.") from None
    with recording:
        stream = next(iter(recording.streams.audio), None)
        if stream is None:
            raise VoiceError("open", "The file holds no sound.")
        as_it_is = _plays_as_it_is(recording, stream)
        seconds, cut, sound = 0.0, False, _Sound()
        ear, writer = _Ear(), None if as_it_is else _Writer()
        for frame in _frames(recording, stream):
            if cut := seconds + frame.samples / frame.sample_rate > MAX_SECONDS:
                break
            seconds += frame.samples / frame.sample_rate
            _pass_on(sound.put(frame), ear, writer)
        _pass_on(sound.put(None), ear, writer)
    if not seconds:
        raise VoiceError("decode", "Failed to get audio duration: no sound of it can be decoded.")
    if writer is not None:
        data = writer.close()
    else:
        source.seek(0)
        data = source.read()
    return MadeVoice(data, round(seconds, 2), waveform(ear.close()), cut)


def is_address(text: str) -> bool:
    """Whether this names something that is not on our disk: ``https:``, ``data:``, …"""
    return re.match(r"(?!file:)[a-z][a-z0-9+.\-]*:", text.strip(), re.IGNORECASE) is not None


def missing_extra() -> VoiceError:
    """What is said where PyAV is not installed."""
    return VoiceError(
        "extra",
        "Voice messages need the extra `audio`, which is not installed.",
        fix="Install it with: pip install 'shoal[audio]'",
    )


def waveform(peaks: Iterable[int]) -> str:
    """The loudest samples of each tenth of a second as Discord draws them, in base64."""
    heard = list(peaks) or [0]
    count = min(len(heard), MAX_PEAKS)
    groups = [heard[n * len(heard) // count : (n + 1) * len(heard) // count] for n in range(count)]
    loudest = max(heard) or 1
    return base64.b64encode(bytes(max(1, round(255 * max(group) / loudest)) for group in groups)).decode()


def _plays_as_it_is(recording: Any, stream: Any) -> bool:
    alone = recording.format.name == "ogg" and len(recording.streams) == 1
    opus = stream.codec_context.name in ("opus", "libopus") and stream.codec_context.sample_rate == RATE
    length = recording.duration
    return alone and opus and length is not None and length <= MAX_SECONDS * 1_000_000


def _frames(recording: Any, stream: Any) -> Iterator[AudioFrame]:
    """What can be decoded; a broken packet is left out, as players do.

    Raises:
        VoiceError: too much is broken.
    """
    import av

    whole = broken = 0
    try:
        for packet in recording.demux(stream):
            try:
                frames = packet.decode()
                whole += 1
            except av.error.InvalidDataError:
                broken += 1
                continue
            yield from frames
    except av.error.FFmpegError as error:
        raise VoiceError("decode", f"The recording cannot be decoded: {_why(error)}.") from None
    if broken and broken > MAX_BROKEN * (whole - 1 + broken):  # the last packet only says that it is the end
        raise VoiceError("decode", f"The recording is damaged: {broken} of {whole - 1 + broken} parts.")


def _pass_on(sounds: list[AudioFrame], ear: _Ear, writer: _Writer | None) -> None:
    for sound in sounds:
        ear.hear(sound)
        if writer is not None:
            writer.write(sound)


class _Sound:
    """Mono samples of 16 bits at 48 kHz out of anything; what goes in may change its form on the way."""

    def __init__(self) -> None:
        self._shape: tuple[Any, ...] = ()
        self._resampler: AudioResampler | None = None

    def put(self, frame: AudioFrame | None) -> list[AudioFrame]:
        """What is ready; ``None`` gives the rest."""
        from av.audio.resampler import AudioResampler

        ready: list[AudioFrame] = []
        shape = () if frame is None else (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is not None and shape != self._shape:
            ready += self._resampler.resample(None)
            self._resampler = None
        if frame is None:
            return ready
        if self._resampler is None:
            # with a size of its own it never hands a frame of the source through
            self._resampler = AudioResampler(format="s16", layout="mono", rate=RATE, frame_size=FRAME)
            self._shape = shape
        frame.pts = None  # gaps and jumps of the source's clock are none of ours
        return ready + self._resampler.resample(frame)


class _Ear:
    """Notes how loud each tenth of a second is."""

    def __init__(self) -> None:
        from av.audio.resampler import AudioResampler

        self._peaks: list[int] = []
        self._rest: array[int] = array("h")
        self._low = AudioResampler(format="s16", layout="mono", rate=PEAK_RATE)

    def hear(self, sound: AudioFrame | None) -> None:
        """Take it in; ``None`` is the end."""
        for frame in self._low.resample(sound):
            self._rest.frombytes(bytes(frame.planes[0])[: 2 * frame.samples])
        while len(self._rest) >= PEAK_SAMPLES:
            self._peaks.append(_peak(self._rest[:PEAK_SAMPLES]))
            del self._rest[:PEAK_SAMPLES]

    def close(self) -> list[int]:
        """All peaks."""
        self.hear(None)
        if len(self._rest) > PEAK_SAMPLES // 2 or not self._peaks:
            self._peaks.append(_peak(self._rest))
        return self._peaks


class _Writer:
    """Writes Ogg/Opus into memory."""

    def __init__(self) -> None:
        import av

        self._bytes = io.BytesIO()
        self._file = av.open(self._bytes, "w", format="ogg")
        self._stream: Any = self._file.add_stream("libopus", rate=RATE, layout="mono")
        self._stream.bit_rate = BIT_RATE
        self._stream.options = {"vbr": "constrained"}  # twenty minutes must stay below 10 MiB
        self._at = 0

    def write(self, sound: AudioFrame | None) -> None:
        """Append; ``None`` is the end.

        Raises:
            VoiceError: it cannot be encoded.
        """
        import av

        if sound is not None:
            sound.pts = self._at
            self._at += sound.samples
        try:
            self._file.mux(self._stream.encode(sound))
        except (av.error.FFmpegError, ValueError) as error:
            raise VoiceError("encode", f"The recording cannot be written as Opus: {_why(error)}.") from None

    def close(self) -> bytes:
        """The whole file."""
        self.write(None)
        self._file.close()
        return self._bytes.getvalue()


def _peak(samples: array[int]) -> int:
    return max(max(samples), -min(samples)) if samples else 0


def _why(error: Exception) -> str:
    """PyAV's reason, without the name of the file."""
    return str(getattr(error, "strerror", None) or error).rstrip(".")[:120]
