"""Files on disk: names that are safe, writing that is bounded, old ones go (``spec/engineering.md`` 5.4)."""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.workers.media.support.samples import ogg, png
from workers.media.shelf import RESERVE_BYTES, DiskFull, Shelf, safe_stem

NAMES = [
    ("photo.png", "photo"),
    ("../../etc/passwd", "passwd"),
    ("..\\..\\windows\\system32\\cmd.exe", "cmd"),
    ("/etc/shadow", "shadow"),
    ("C:\\a\\b.txt", "b"),
    ("\\\\server\\share\\b.txt", "b"),
    (".bashrc", "bashrc"),
    ("...", "file"),
    ("", "file"),
    ("a\0b.png", "a_b"),
    ("CON", "file"),
    ("nul.txt", "file"),
    ("lpt1.tar.gz", "file"),
    ("con.png", "file"),
    ("a b;rm -rf $HOME`id`.png", "a_b_rm_-rf_HOME_id"),
    ("<script>.html", "script"),
    ("[media attached].png", "media_attached"),
    ("a\u202egnp.exe", "a_gnp"),
    ("图片 1.png", "图片_1"),
    ("x" * 300 + ".png", "x" * 60),
    ("--help.txt", "help"),
    ("~/.ssh/id_rsa", "id_rsa"),
    ("a/..", "file"),
]


@pytest.mark.parametrize(("name", "stem"), NAMES)
def test_names_lead_nowhere(name: str, stem: str) -> None:
    assert safe_stem(name) == stem


@given(st.text(max_size=300))
def test_any_name_becomes_a_plain_one(name: str) -> None:
    stem = safe_stem(name)
    assert stem
    assert re.fullmatch(r"[\w.\-]+", stem)
    assert not stem.startswith((".", "-", "_"))
    assert ".." not in stem.strip(".")[:2]
    assert len(f"{stem}---{'0' * 32}.extension1".encode()) <= 255


def keep(shelf: Shelf, name: str, data: bytes, claimed: str = "") -> Path:
    with shelf.open(name, claimed) as writing:
        writing.write(data[:10])
        writing.write(data[10:])
        return writing.keep().path


def test_a_kept_file_is_what_it_is(tmp_path: Path) -> None:
    import hashlib

    shelf = Shelf(tmp_path / "media" / "inbound")
    with shelf.open("a/b/My photo.exe", "application/x-msdownload") as writing:
        writing.write(b"half of something else")
        writing.restart()
        writing.write(png())
        kept = writing.keep()
    assert kept.path.read_bytes() == png()
    assert (kept.mime, kept.size, kept.sha256) == ("image/png", len(png()), hashlib.sha256(png()).hexdigest())
    assert re.fullmatch(r"My_photo---[0-9a-f]{32}\.png", kept.path.name)
    assert kept.path.parent == shelf.folder
    assert stat.S_IMODE(shelf.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("name", "data", "ending"),
    [
        ("a.jpg", png(), ".png"),
        ("voice-message.ogg", ogg(), ".ogg"),
        ("voice.opus", ogg(), ".opus"),
        ("a.docx", b"PK\x03\x04" + b"\0" * 40, ".docx"),
        ("a.png", b"PK\x03\x04" + b"\0" * 40, ".zip"),
        ("a.py", b"print(1)", ".py"),
        ("a.png", b"print(1)", ".txt"),
        ("a.psd", b"8BPS\0\x01" + b"\0" * 40, ".psd"),
        ("a.png", b"\x01\x02\x00\x03", ".bin"),
        ("a.p/h;p", b"hello", ".txt"),
        ("noending", b"hello", ".txt"),
        ("a.exe", b"MZ" + b"\0" * 40, ".bin"),
    ],
)
def test_endings_promise_nothing_false(tmp_path: Path, name: str, data: bytes, ending: str) -> None:
    assert keep(Shelf(tmp_path), name, data).suffix == ending


def test_what_is_not_kept_leaves_nothing(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    with shelf.open("a.png", "") as writing:
        writing.write(png())
    assert list(tmp_path.iterdir()) == []
    one, other = keep(shelf, "a.png", png()), keep(shelf, "a.png", png())
    assert one != other


def test_a_full_disk_is_said_before_and_while_writing(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="ttlHours"):
        Shelf(tmp_path, room=lambda _folder: RESERVE_BYTES + 5).open("a", "", expected=10)
    shelf = Shelf(tmp_path, room=lambda _folder: RESERVE_BYTES + 50)
    with shelf.open("a", "", expected=10) as writing:
        os.dup2(os.open("/dev/full", os.O_WRONLY), writing._file)
        with pytest.raises(DiskFull):
            writing.write(b"x")
    assert list(tmp_path.iterdir()) == []


def test_old_files_go_and_nothing_else(tmp_path: Path) -> None:
    """Retention; what a crash left half-written goes after an hour."""
    shelf = Shelf(tmp_path / "inbound")
    old, new = keep(shelf, "old.png", png()), keep(shelf, "new.png", png())
    part, fresh = shelf.folder / "a.part", shelf.folder / "b.part"
    outside = tmp_path / "precious"
    for path in (part, fresh, outside):
        path.write_bytes(b"x")
    (shelf.folder / "folder").mkdir()
    (shelf.folder / "link").symlink_to(outside)
    now = time.time()
    for path, age in ((old, 8 * 86_400), (new, 6 * 86_400), (part, 3_700), (outside, 9 * 86_400)):
        os.utime(path, (now - age, now - age))
    assert shelf.prune(7 * 86_400) == 2
    assert {path.name for path in shelf.folder.iterdir()} == {new.name, "b.part", "folder", "link"}
    assert outside.exists()
    assert Shelf(tmp_path / "none").prune(1) == 0
