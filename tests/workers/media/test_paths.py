# ruff: noqa: E501 - tables
"""300 ways to a file that must not be had, and the few that lead to one that may (``spec/engineering.md`` 5.4)."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from tests.workers.media.support.samples import ogg, png
from workers.media.paths import PathRefused, Places, open_local

MAX = 10_000


@dataclass
class Ground:
    """A state dir with secrets, a workspace with a few files and many traps."""

    base: Path
    cases: list[tuple[str, str]] = field(default_factory=list)
    """(text, reason), or an empty reason where any will do."""
    open_: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.state = self.base / "state"
        self.work = self.state / "workspace"
        self.media = self.state / "media"
        self.outside = self.base / "outside"
        for folder in (self.work / "sub", self.media / "inbound", self.outside, self.state / "redis"):
            folder.mkdir(parents=True)
        self.places = Places((self.work, self.media), self.state)
        for path in ("shoal.json", ".env", "redis.password", "redis/dump.rdb", "fleet.lock", "logs.txt"):
            (self.state / path).write_text("secret")
        (self.outside / "passwd").write_text("secret")
        (self.work / "good.png").write_bytes(png())
        (self.work / "sub" / "gut 图.ogg").write_bytes(ogg())
        (self.media / "inbound" / "a.png").write_bytes(png())

    def case(self, text: str, reason: str = "") -> None:
        self.cases.append((text, reason))

    def each_way(self, path: Path, reason: str = "") -> None:
        """A path as it is, as a URL, and as URLs of other spellings."""
        self.case(str(path), reason)
        self.case(f"file://{path}", reason)
        self.case(f"file://localhost{quote(str(path))}", reason)
        self.case(f"FILE://{quote(str(path))}", reason)


def _ours_and_the_systems(ground: Ground) -> None:
    for name in ("shoal.json", ".env", "redis.password", "redis/dump.rdb", "fleet.lock", "logs.txt"):
        ground.each_way(ground.state / name)
        ground.case(f"../{name}", "bad-path")
        ground.case(f"sub/../../{name}", "bad-path")
    for path in (
        "/etc/passwd", "/etc/shadow", "/etc/hostname", "/proc/self/environ", "/proc/1/environ", "/proc/self/mem",
        "/proc/self/fd/0", "/proc/self/cmdline", "/proc/self/root/etc/passwd", "/proc/self/cwd", "/proc/meminfo",
        "/proc/kcore", "/sys/kernel/uevent_seqnum", "/sys/class/net", "/dev/null", "/dev/zero", "/dev/random",
        "/dev/tty", "/dev/stdin", "/dev/fd/0", "/dev/shm", "/dev/full", "/run/docker.sock", "/var/run/docker.sock",
        "/run/utmp", "/boot", "/etc",
    ):  # fmt: skip
        ground.each_way(Path(path), "system")
    for path in (
        "/",
        "/tmp",
        "/root/.bashrc",
        "/usr/bin/env",
        "/bin/sh",
        "/var/log",
        "/home",
        str(ground.base),
    ):
        ground.each_way(Path(path))
    ground.each_way(ground.outside / "passwd", "outside")


def _shapes(ground: Ground) -> None:
    good = str(ground.work / "good.png")
    for text in (
        "", " ", "\0", f"{good}\0", f"{good}\0.png", "a\nb", f"{good}\nx", "a\rb", "a\tb", "a\x1bb", "a\x7fb",
        "good\u200b.png", "good\u202egnp.", "\ufeffgood.png", "..", "../", "../..", "sub/..", "sub/../..",
        "./../good.png", "sub/../good.png", f"{ground.work}/../shoal.json", f"{ground.work}/sub/../../shoal.json",
        "../" * 40 + "etc/passwd", "..\\shoal.json", "..\\..\\etc\\passwd", "sub\\good.png", "a" * 256,
        "a" * 5_000, "a/" * 600, "good\ud800.png", "C:\\Windows\\win.ini", "c:/windows/win.ini", "C:shoal.json",
        "\\\\server\\share\\a.png", "//server/share/a.png", "//etc/passwd", "///etc/passwd", "\\etc\\passwd",
        "\\\\?\\C:\\a", "\\\\.\\pipe\\docker_engine", "aux:\\a",
    ):  # fmt: skip
        ground.case(text)
    for text in ("~", "~/", "~/.ssh/id_rsa", "~root/.bashrc", "~nobody"):
        ground.case(text, "outside")
    for text in (
        "http://example.org/a.png", "https://cdn.discordapp.com/a.png", "ftp://a/b", "data:image/png;base64,AAAA",
        "javascript:alert(1)", "gopher://a/", "attachment://good.png", "concat:/etc/passwd|good.png",
        "subfile,,start,0,end,0,,:/etc/passwd", "pipe:0", "fd:3", "unix:/run/redis.sock", "jar:file:///a!/b",
        "view-source:file:///etc/passwd", "mailto:a@b", "redis://127.0.0.1/", "s3://b/k", "about:blank",
        "php://filter/resource=/etc/passwd", "crypto:/etc/passwd", "async:/etc/passwd", "cache:/etc/passwd",
    ):  # fmt: skip
        ground.case(text)
    where = quote(good)
    for text in (
        "file:", "file:/", "file://", "file:///", "file:////etc/passwd", "file://evil.org/etc/passwd",
        f"file://evil.org{where}", f"file://127.0.0.1{where}", f"file://user@localhost{where}",
        f"file://localhost:80{where}", f"file:{where[1:]}", "file:good.png", "file:../shoal.json",
        "file:///..%2fetc/passwd", "file:///%2e%2e/%2e%2e/etc/passwd", "file:///%2E%2E%2Fetc%2Fpasswd",
        "file:///%252e%252e/etc/passwd", f"file://{where}%00", f"file://{where}%2500.png", f"file://{where}?a=b",
        f"file://{where}#frag", "file:///etc%2fpasswd", "file:///%65tc/passwd", "file:///%c0%ae%c0%ae/etc/passwd",
        "file:///%e0%80%ae%e0%80%ae/etc", "file:///%ff", "file:///C:/Windows/win.ini", "file:///c|/windows/win.ini",
        "file://[::1]/etc/passwd", "file://[bad/etc", "file:\\\\etc\\passwd", "file:/\\etc/passwd",
        f"file://{ground.work}/%2e%2e/shoal.json", f"file://{ground.work}/..%2fshoal.json",
        "FILE:///ETC/PASSWD", "fIlE:///etc/passwd", "file://localhost@evil.org/etc/passwd", "file:///proc/self/environ",
        "file:///dev/zero", "file:%2f%2f%2fetc%2fpasswd", "file:///etc/./passwd", "file:///./etc/passwd",
    ):  # fmt: skip
        ground.case(text)
    for text in (
        "..%2fshoal.json", "%2e%2e/shoal.json", "%2fetc%2fpasswd", "．．/shoal.json", "․․/shoal.json", "..;/shoal.json",
        "....//shoal.json", "..././shoal.json", "/%2e%2e/etc/passwd", "good.png/", "good.png/.", "good.png/a",
        "GOOD.PNG", "good.png:stream", "good.png::$DATA", "good.pn?", "*.png", "$HOME/a", "${HOME}", "`id`", "$(id)",
        "-rf", "good.png ;id", "NUL", "CON", "COM1", "PRN.txt", "missing.png", "sub/missing.png", "sub", ".", "./",
    ):  # fmt: skip
        ground.case(text)


def _things_in_the_workspace(ground: Ground) -> None:
    work = ground.work
    links = {
        "out.png": ground.outside / "passwd", "config.png": ground.state / "shoal.json", "env.png": ground.state / ".env",
        "etc.png": Path("/etc/passwd"), "environ.png": Path("/proc/self/environ"), "dev.png": Path("/dev/zero"),
        "null.png": Path("/dev/null"), "up": Path(".."), "root": Path("/"), "state": ground.state,
        "outdir": ground.outside, "dangling.png": ground.base / "nothing", "relative.png": Path("../shoal.json"),
        "fd.png": Path("/proc/self/fd/0"), "dir.png": work / "sub", "redis": ground.state / "redis",
    }  # fmt: skip
    for name, target in links.items():
        (work / name).symlink_to(target)
    (work / "loop").symlink_to(work / "loop")
    (work / "chain").symlink_to(work / "out.png")
    (work / "chain2").symlink_to(work / "chain")
    names = [name for name in links if name not in ("up", "root", "state", "outdir", "redis")]
    for name in (*names, "loop", "chain", "chain2", "up/shoal.json", "root/etc/passwd", "root/proc/self/environ",
                 "state/shoal.json", "state/.env", "outdir/passwd", "redis/dump.rdb", "up/up/outside/passwd",
                 "up/redis.password", "root/dev/zero"):  # fmt: skip
        ground.case(name)
        ground.case(str(work / name))
        ground.case(f"file://{work / name}")
    os.mkfifo(work / "pipe.png")
    unix = ground.open_.enter_context(socket.socket(socket.AF_UNIX))
    here = Path.cwd()
    os.chdir(work)  # socket names are short
    unix.bind("socket.png")
    os.chdir(here)
    os.link(ground.state / "shoal.json", work / "hard.png")
    os.link(ground.outside / "passwd", ground.media / "hard2.png")
    (work / "empty.png").touch()
    (work / "large.png").write_bytes(b"x" * (MAX + 1))
    with (work / "sparse.png").open("wb") as sparse:
        sparse.truncate(50_000_000_000)
    for name, reason in (
        ("pipe.png", "no-file"), ("socket.png", "no-file"), ("hard.png", "hard-link"), ("empty.png", "empty"),
        ("large.png", "too-large"), ("sparse.png", "too-large"),
    ):  # fmt: skip
        ground.each_way(work / name, reason)
        ground.case(name, reason)
    ground.each_way(ground.media / "hard2.png", "hard-link")
    for name in (
        ".env", ".env.local", ".netrc", ".pgpass", ".npmrc", ".git-credentials", "id_rsa", "id_ed25519", "server.pem",
        "tls.key", "store.p12", "vault.kdbx", "authorized_keys", "shoal.json", "openclaw.json", "redis.password",
        ".ssh/config", ".aws/credentials", ".kube/config", ".docker/config.json", ".git/config", ".gnupg/pubring.kbx",
    ):  # fmt: skip
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("secret")
        ground.case(name, "secret")
        ground.case(f"file://{work / name}", "secret")


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path)
    with made.open_:
        yield made


def read(ground: Ground, text: str, *, kinds: tuple[str, ...] = (), places: Places | None = None) -> bytes:
    with open_local(text, places or ground.places, max_bytes=MAX, kinds=kinds, account="default") as local:
        return local.file.read()


def test_every_way_out_is_refused_and_audited(ground: Ground) -> None:
    _ours_and_the_systems(ground)
    _shapes(ground)
    _things_in_the_workspace(ground)
    assert len({text for text, _ in ground.cases}) >= 300
    for text, reason in ground.cases:
        with capture_logs() as lines, pytest.raises(PathRefused) as caught:
            read(ground, text)
        assert reason in ("", caught.value.reason), (text, caught.value.reason)
        assert [(line["event"], line["kind"], line["reason"]) for line in lines] == [
            ("audit", "path", caught.value.reason)
        ], text
        assert "secret" not in str(lines).replace("'secret'", "")
        assert str(ground.base) not in str(caught.value)


def test_plain_files_inside_are_had(ground: Ground) -> None:
    (ground.work / "link.png").symlink_to(ground.work / "good.png")
    (ground.work / "m").symlink_to(ground.media / "inbound")
    for text in (
        "good.png",
        "./good.png",
        str(ground.work / "good.png"),
        f"file://{ground.work}/good.png",
        f" {ground.work}/good.png ",
        str(ground.media / "inbound" / "a.png"),
        "link.png",
        "m/a.png",
    ):
        assert read(ground, text) == png(), text
    assert read(ground, "sub/gut 图.ogg", kinds=("audio/",)) == ogg()
    assert (
        read(ground, f"file://{quote(str(ground.work / 'sub' / 'gut 图.ogg'))}", kinds=("audio/",)) == ogg()
    )
    with open_local("link.png", ground.places, max_bytes=MAX) as local:
        assert (local.name, local.size, local.mime) == ("good.png", len(png()), "image/png")


@pytest.mark.parametrize(
    ("data", "kinds"),
    [(png(), ("audio/",)), (b"#EXTM3U\nfile:///etc/passwd", ("audio/", "video/")), (b"hello", ("image/",)),
     (b"PK\x03\x04" + b"\0" * 20, ("image/", "audio/")), (b"<html>", ("image/",)), (ogg(), ("image/",)),
     (b"ffconcat version 1.0", ("video/",)), (b"\x7fELF" + b"\0" * 20, ("audio/",))],
)  # fmt: skip
def test_a_false_kind_is_refused_by_its_bytes(ground: Ground, data: bytes, kinds: tuple[str, ...]) -> None:
    """A playlist called ``.mp3`` would make a decoder open what it lists."""
    (ground.work / "song.mp3").write_bytes(data)
    with capture_logs() as lines, pytest.raises(PathRefused, match="kind"):
        read(ground, "song.mp3", kinds=kinds)
    assert lines[0]["reason"] == "kind"


def test_our_state_stays_shut_however_wide_the_workspace_is(ground: Ground) -> None:
    """``workspace: "~"`` or ``"/"``: the state dir lies inside it and is out of reach all the same."""
    for roots in ((ground.base,), (Path("/"),), (ground.state,), (ground.base, ground.media)):
        places = Places(roots, ground.state)
        for name in ("shoal.json", ".env", "logs.txt", "redis/dump.rdb"):
            with pytest.raises(PathRefused):
                read(ground, str(ground.state / name), places=places)
        with pytest.raises(PathRefused, match="system"):
            read(ground, "/etc/passwd", places=places)
    assert read(
        ground,
        str(ground.media / "inbound" / "a.png"),
        places=Places((ground.base, ground.media), ground.state),
    )
    with pytest.raises(PathRefused, match="outside"):
        read(ground, "good.png", places=Places((), ground.state))
    with pytest.raises(PathRefused):
        read(ground, "good.png", places=Places((ground.base / "gone",), ground.state))


def test_a_link_that_is_swapped_in_between_gains_nothing(ground: Ground) -> None:
    """What is judged is what is open: a thread turns the name back and forth all the while."""
    name = ground.work / "turning.png"
    good, bad = ground.work / "good.png", ground.state / "shoal.json"
    name.symlink_to(good)
    stop = threading.Event()

    def turn() -> None:
        while not stop.is_set():
            for target in (bad, good):
                swap = ground.work / "swap"
                swap.symlink_to(target)
                swap.rename(name)

    turner = threading.Thread(target=turn)
    turner.start()
    seen = set()
    try:
        for _ in range(1_500):
            try:
                seen.add(read(ground, "turning.png"))
            except PathRefused as refusal:
                seen.add(refusal.reason.encode())
    finally:
        stop.set()
        turner.join()
    assert b"secret" not in seen
    assert png() in seen
    assert b"outside" in seen
