"""Recordings become voice messages that sound the same (``spec/outbound.md`` 3.15, ``spec/voice.md`` 4)."""

from __future__ import annotations

import io
import random
import sys
import tempfile
import threading
import time
import wave
from pathlib import Path

import pytest

from tests.workers.media.support.sounds import decoded, heights, likeness, melody, peaks, recording
from workers.media.recoding import recode, recode_bytes
from workers.media.voice import MAX_SECONDS, VoiceError, make_voice, waveform


@pytest.mark.parametrize("stereo", [False, True])
@pytest.mark.parametrize("ending", ["wav", "mp3", "flac", "m4a", "mka"])
def test_any_format_becomes_opus_that_sounds_the_same(ending: str, stereo: bool) -> None:
    source = recording(ending, stereo=stereo)
    made = make_voice(io.BytesIO(source))
    assert made.data[:4] == b"OggS"
    assert b"OpusHead" in made.data[:64]
    before, after = decoded(source), decoded(made.data)
    assert likeness(before[4_000:12_000], after[4_000:12_000]) > 0.98
    assert made.seconds == pytest.approx(2.4, rel=0.01)
    assert len(after) / 8_000 == pytest.approx(made.seconds, rel=0.01)
    wanted, drawn = peaks(before), heights(made.waveform)
    assert abs(len(drawn) - len(wanted)) <= 1
    assert all(abs(a - b) <= 3 for a, b in zip(wanted[:24], drawn[:24], strict=True))


def test_ogg_opus_keeps_its_bytes() -> None:
    source = recording("ogg")
    made = make_voice(io.BytesIO(source))
    assert made.data == source
    assert made.seconds == pytest.approx(2.4, abs=0.005)


@pytest.mark.parametrize(
    ("heard", "drawn"),
    [
        ([], [1]),
        ([0, 0], [1, 1]),
        ([100, 50, 0], [255, 128, 1]),
        ([*range(300), 3_000], None),
        ([7] * 256, [255] * 256),
        ([7] * 12_000, [255] * 256),
    ],
)
def test_waveforms(heard: list[int], drawn: list[int] | None) -> None:
    """At most 256 bytes, the loudest 255, none 0 (decision 36)."""
    found = heights(waveform(heard))
    assert len(found) == min(256, max(1, len(heard)))
    assert max(found) == (255 if any(heard) else 1)
    assert drawn is None or found == drawn


def _damaged(source: bytes) -> bytes:
    noise = random.Random(7)
    return source[:200] + bytes(noise.randrange(256) for _ in source[200:])


@pytest.mark.parametrize(
    ("source", "step"),
    [
        (b"", "open"),
        (b"hello " * 400, "open"),
        (b"#EXTM3U\n#EXTINF:3,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n", "open"),
        (b"ffconcat version 1.0\nfile /etc/hostname\n", "open"),
        (b"OggS\0\x02" + bytes(20) + b"\x01\x13OpusHead\x01\x01" + bytes(400), "open"),
        (recording("flac")[:120], "open"),
        (_damaged(recording("flac")), "decode"),
    ],
)
def test_what_is_no_recording_names_the_step(source: bytes, step: str) -> None:
    with pytest.raises(VoiceError) as caught:
        make_voice(io.BytesIO(source))
    assert caught.value.step == step
    assert caught.value.message


def test_a_broken_place_is_left_out() -> None:
    source = bytearray(recording("mp3"))
    middle = len(source) // 2
    source[middle : middle + 800] = bytes(800)
    made = make_voice(io.BytesIO(bytes(source)))
    assert made.seconds == pytest.approx(2.4, abs=0.25)


def test_a_play_list_reads_no_other_file(tmp_path: Path) -> None:
    """What a stranger made names neither our files nor addresses."""
    (tmp_path / "real.wav").write_bytes(recording("wav"))
    for name, text in (
        ("list.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\n{tmp_path}/real.wav\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", f"ffconcat version 1.0\nfile '{tmp_path}/real.wav'\n"),
    ):
        (tmp_path / name).write_text(text)
        with (tmp_path / name).open("rb") as file, pytest.raises(VoiceError):
            make_voice(file)


def test_without_the_extra_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decision 36."""
    monkeypatch.setitem(sys.modules, "av", None)
    for make in (lambda: make_voice(io.BytesIO(b"x")), lambda: recode_bytes(b"x")):
        with pytest.raises(VoiceError, match="extra `audio`") as caught:
            make()
        assert "pip install 'shoal[audio]'" in caught.value.fix


# -- in a process of its own ----------------------------------------------------------------------


def test_the_child_gives_what_it_made_and_why_it_could_not(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(recording("wav"))
    with path.open("rb") as file:
        made = recode(file)
    assert made.seconds == 2.4
    assert likeness(decoded(made.data)[4_000:8_000], decoded(path.read_bytes())[4_000:8_000]) > 0.98
    with pytest.raises(VoiceError) as caught:
        recode_bytes(b"hello")
    assert (caught.value.step, caught.value.message[:34]) == ("open", "The recording cannot be opened: In")


def test_who_must_leave_does_not_wait_for_the_child() -> None:
    """A stop, a shutdown or a lost lease ends it (rule R24)."""
    running = threading.Event()

    def leave() -> None:
        running.set()
        raise InterruptedError("leaving")

    began = time.monotonic()
    with pytest.raises(InterruptedError):
        recode_bytes(recording("wav", seconds=30.0), check=leave)
    assert running.is_set()
    assert time.monotonic() - began < 20


@pytest.mark.slow
def test_what_is_too_long_is_cut_at_twenty_minutes() -> None:
    with tempfile.TemporaryFile() as file:
        with wave.open(file, "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8_000)
            sound.writeframes(melody(8_000, 2.0).tobytes() * (MAX_SECONDS // 2 + 5))
        file.seek(0)
        made = recode(file)
    assert made.cut
    assert made.seconds == pytest.approx(MAX_SECONDS, abs=1)
    assert len(made.data) < 10 * 1024 * 1024
    assert len(heights(made.waveform)) == 256
