"""What the model server says aloud: real recordings whose sound follows from the text alone.

Every letter is a note of 40 ms, so that a test can tell what was spoken from what was heard. ``wav`` and
``pcm`` are always there; other formats where PyAV is installed.
"""

from __future__ import annotations

import io
import math
import wave
from array import array
from typing import Any

from shoal.simulator.model_formats import Refused

__all__ = ["RATE", "encoded", "recorded", "spoken"]

RATE = 24_000
NOTE_S = 0.04
MOST_NOTES = 3_000
_OTHERS = {
    "mp3": ("mp3", "libmp3lame", "audio/mpeg"),
    "opus": ("ogg", "libopus", "audio/ogg"),
    "flac": ("flac", "flac", "audio/flac"),
    "aac": ("adts", "aac", "audio/aac"),
}


def spoken(text: str, rate: int = RATE) -> array[int]:
    """Mono samples of 16 bits; a text that is not empty sounds for a quarter of a second at least."""
    letters = (text[:MOST_NOTES] + " " * 7)[: max(7, min(len(text), MOST_NOTES))]
    size = int(rate * NOTE_S)
    sound = array("h")
    for letter in letters:
        height = 200 + 15 * (ord(letter) % 60)
        loud = 0 if letter.isspace() else 16_000
        sound.extend(int(loud * math.sin(2 * math.pi * height * n / rate)) for n in range(size))
    return sound


def recorded(text: str, form: str) -> tuple[str, bytes]:
    """(MIME type, file) of a spoken text.

    Raises:
        Refused: there is no such format here.
    """
    if form == "pcm":
        return "audio/pcm", spoken(text).tobytes()
    if form == "wav":
        return "audio/wav", _wav(spoken(text))
    if form not in _OTHERS:
        raise Refused(f"Invalid value: {form!r}. Supported values are: wav, pcm, {', '.join(_OTHERS)}.")
    return _OTHERS[form][2], _encoded(text, form)


def _wav(sound: array[int]) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(sound.tobytes())
    return out.getvalue()


def _encoded(text: str, form: str) -> bytes:
    container, codec, _ = _OTHERS[form]
    rate = 48_000 if codec == "libopus" else RATE
    try:
        return encoded(spoken(text, rate), container, codec, rate)
    except ImportError:
        raise Refused(f"{form} needs PyAV here; ask for wav.") from None


def encoded(sound: array[int], container: str, codec: str, rate: int, *, layout: str = "mono") -> bytes:
    """A file with mono samples of 16 bits.

    Raises:
        ImportError: PyAV is not installed.
    """
    import av

    out = io.BytesIO()
    with av.open(out, "w", format=container) as file:
        stream: Any = file.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, len(sound), 960):
            part = sound[start : start + 960]
            frame = av.AudioFrame(format="s16", layout="mono", samples=len(part))
            frame.sample_rate, frame.pts = rate, start
            frame.planes[0].update(part.tobytes())
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return out.getvalue()
