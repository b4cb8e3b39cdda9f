"""Real recordings in any format, and whether two of them sound the same. Needs PyAV."""

from __future__ import annotations

import base64
import io
import math
from array import array
from collections.abc import Sequence

import av

from shoal.simulator.model_speech import encoded

FORMATS = {
    "wav": ("wav", "pcm_s16le"),
    "mp3": ("mp3", "libmp3lame"),
    "flac": ("flac", "flac"),
    "ogg": ("ogg", "libopus"),
    "m4a": ("ipod", "aac"),
    "mka": ("matroska", "flac"),
}
"""Ending → container and codec."""


def melody(rate: int, seconds: float = 2.4) -> array[int]:
    """Six notes, each of its own height and loudness: no part of it is like another."""
    notes = ((330, 0.3), (523, 0.9), (262, 0.5), (659, 0.2), (392, 0.7), (440, 0.4))
    count = int(rate * seconds)
    sound = array("h")
    for n in range(count):
        height, loud = notes[min(len(notes) - 1, n * len(notes) // count)]
        sound.append(int(30_000 * loud * math.sin(2 * math.pi * height * n / rate)))
    return sound


def recording(ending: str, *, rate: int = 44_100, seconds: float = 2.4, stereo: bool = False) -> bytes:
    """The melody as a file of this kind."""
    container, codec = FORMATS[ending]
    if codec == "libopus":
        rate = 48_000
    sound = melody(rate, seconds)
    return encoded(sound, container, codec, rate, layout="stereo" if stereo else "mono")


def decoded(data: bytes, rate: int = 8_000) -> array[int]:
    """Mono samples of a recording."""
    sound = array("h")
    resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
    with av.open(io.BytesIO(data)) as file:
        for frame in [*file.decode(audio=0), None]:
            for ready in resampler.resample(frame):
                sound.frombytes(bytes(ready.planes[0])[: 2 * ready.samples])
    return sound


def likeness(one: Sequence[int], other: Sequence[int], *, shift: int = 40) -> float:
    """How alike two sounds are, 1 at most: their correlation where they fit best, up to 5 ms apart."""
    best = 0.0
    for lag in range(-shift, shift + 1):
        left, right = one[max(0, lag) :], other[max(0, -lag) :]
        pairs = min(len(left), len(right))
        left, right = left[:pairs], right[:pairs]
        power = math.sqrt(sum(a * a for a in left) * sum(b * b for b in right)) or 1.0
        best = max(best, sum(a * b for a, b in zip(left, right, strict=True)) / power)
    return best


def peaks(sound: Sequence[int], rate: int = 8_000) -> list[int]:
    """Heights of a waveform, one for each tenth of a second, the loudest 255: as Discord draws it."""
    step = rate // 10
    heard = [max(abs(one) for one in sound[at : at + step]) for at in range(0, len(sound) - step + 1, step)]
    return [round(255 * peak / max(heard)) for peak in heard]


def heights(waveform: str) -> list[int]:
    """The bytes of a waveform."""
    return list(base64.b64decode(waveform, validate=True))
