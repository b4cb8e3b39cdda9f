"""Reading a file that is to be sent: where from, how large, under which name (``spec/outbound.md`` 3.10)."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal.state.store import Store
from tests.workers.delivery.conftest import PostOffice
from tests.workers.media.test_shrinking import noise
from workers.delivery.outgoing import FileRefused, Outgoing, file_name
from workers.media.paths import Places

PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
MIB = 1024 * 1024


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (folder / "a picture.png").write_bytes(PNG)
    (tmp_path / "secret.txt").write_text("no")
    return folder


def reader(post: PostOffice, work: Path, *, max_bytes: int = 100 * MIB, tier: int | None = None) -> Outgoing:
    transport = post.rest.transport
    return Outgoing(
        account="default",
        places=Places((work,), work.parent / "state"),
        download=transport.files.fetch,
        own=transport.origins.is_file,
        blobs=post.store.blobs,
        max_bytes=max_bytes,
        tier=tier,
    )


def test_a_path_in_the_workspace(post: PostOffice, work: Path) -> None:
    for source in ("a picture.png", str(work / "a picture.png"), f"file://{work}/a%20picture.png"):
        file = reader(post, work).load(source)
        assert (file.filename, file.content_type) == ("a_picture.png", "image/png")
        assert post.store.blobs.get(file.blob) == PNG
    ttl: int = post.store.redis.ttl(post.store.keys.blob(file.blob))
    assert 6 * 3600 < ttl <= 86_400  # as long as the send may wait


@pytest.mark.parametrize(
    "source", ["../secret.txt", "/etc/passwd", "missing.png", "data:text/plain,x", "~/x"]
)
def test_other_places_are_refused_without_a_path_of_ours(post: PostOffice, work: Path, source: str) -> None:
    with pytest.raises(FileRefused) as refused:
        reader(post, work).load(source)
    assert str(work.parent) not in refused.value.message + refused.value.fix


@pytest.mark.parametrize("url", ["http://127.0.0.1/x.png", "http://169.254.169.254/latest", "http://[::1]/x"])
def test_addresses_inside_are_refused(post: PostOffice, work: Path, url: str) -> None:
    with pytest.raises(FileRefused, match="cannot be fetched"):
        reader(post, work).load(url)


def test_an_address_of_discords_file_server(post: PostOffice, work: Path) -> None:
    said = post.control.say(post.channel, "see", files=[("photo.png", PNG)])
    [attachment] = said["attachments"]
    file = reader(post, work).load(attachment["url"])
    assert (file.filename, file.content_type) == ("photo.png", "image/png")
    assert post.store.blobs.get(file.blob) == PNG


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"max_bytes": MIB}, r"exceeds the 1 MB limit \(channels.discord.mediaMaxMb\)"),
        ({"tier": 0}, r"exceeds the 10 MB limit \(this server's upload limit\)"),
        ({}, r"exceeds the 25 MB limit"),
        ({"tier": 3}, r"exceeds the 25 MB limit"),
    ],
)
def test_too_large_names_the_limit(post: PostOffice, work: Path, limits: dict[str, int], said: str) -> None:
    with (work / "big.bin").open("wb") as file:
        file.truncate(26 * MIB)
    with pytest.raises(FileRefused, match=said):
        reader(post, work, **limits).load("big.bin")


def test_a_picture_that_is_too_large_is_made_smaller(post: PostOffice, work: Path) -> None:
    """3.10; what is no picture stays refused, and so does a picture that is none."""
    (work / "photo.large.png").write_bytes(noise())
    (work / "fake.png").write_bytes(PNG + bytes(MIB))
    small = reader(post, work, max_bytes=150_000)
    for filename, name in (("", "photo.large.jpg"), ("Holiday.PNG", "Holiday.jpg"), ("plain", "plain.jpg")):
        file = small.load("photo.large.png", filename=filename)
        assert (file.filename, file.content_type) == (name, "image/jpeg")
        assert len(post.store.blobs.get(file.blob) or bytes(MIB)) <= 150_000
    said = post.control.say(post.channel, "see", files=[("photo.png", noise())])
    assert small.load(said["attachments"][0]["url"]).filename == "photo.jpg"
    with pytest.raises(FileRefused, match=r"exceeds the 0\.14\d* MB limit \(channels.discord.mediaMaxMb\)"):
        small.load("fake.png")


def test_a_better_server_takes_more(post: PostOffice, work: Path) -> None:
    with (work / "big.bin").open("wb") as file:
        file.truncate(11 * MIB)
    assert reader(post, work, tier=2).load("big.bin").filename == "big.bin"


@pytest.mark.parametrize(
    ("wanted", "mime", "name"),
    [
        ("report.pdf", "application/pdf", "report.pdf"),
        ("my report.pdf", "application/pdf", "my_report.pdf"),
        ("", "image/png", "upload.png"),
        ("", "application/octet-stream", "upload"),
        ("photo", "image/jpeg", "photo.jpg"),
        ("../../etc/passwd", "text/plain", "passwd"),
        ("图.png", "image/png", "图.png"),
        ("a\u202egnp.exe", "", "agnp.exe"),
        ("x" * 300 + ".png", "image/png", "x" * 96 + ".png"),
    ],
)
def test_names(wanted: str, mime: str, name: str) -> None:
    assert file_name(wanted, mime) == name


def test_what_no_send_names_ends_by_itself(post: PostOffice, work: Path, store: Store) -> None:
    """A turn that is repeated reads again; the first copy is nobody's."""
    first, second = (reader(post, work).load("a picture.png") for _ in range(2))
    assert first.blob != second.blob
    assert store.redis.ttl(store.keys.blob(first.blob)) > 0
