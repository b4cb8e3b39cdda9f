"""Receiving the files of a message from a real CDN: what comes, what does not, and what is known of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.simulator.control import Control
from shoal.simulator.server import Simulator
from shoal.state.media import Heard, Saved
from shoal.state.store import Store
from tests.workers.media.support.samples import ogg, png
from workers.media.files import file_key, files_of, look
from workers.media.notes import media_notes, spoken
from workers.media.receive import Interrupted, Receiver
from workers.media.shelf import Shelf
from workers.sessions.admission.request import attachments_of
from workers.sessions.records import Attachment, QuotedMessage, TurnRequest
from workers.sessions.wire import read_message

Make = Callable[..., Receiver]


class Scene:
    """A simulated Discord with one bot, and a transport of that bot's account."""

    def __init__(self, settings: dict[str, Any] | None = None) -> None:
        self.simulator = Simulator(port=0, settings=settings or {}).start()
        self.control = Control(self.simulator.url)
        self.bot = self.control.state()["bots"][0]
        self.transport = Transport(
            "default",
            SecretStr(self.bot["token"]),
            limiter=Unlimited(),
            api_url=f"{self.simulator.url}/api/v10",
        )

    def message(self, *files: tuple[str, bytes], quoted: tuple[Attachment, ...] = ()) -> TurnRequest:
        """A person sends files; the request admission makes of it."""
        import msgspec

        said = self.control.say("general", "look", files=files)
        message = read_message(msgspec.json.encode(said))
        return TurnRequest(
            account="default",
            channel_id=message.channel_id,
            message_id=message.id,
            author_id=message.author.id,
            author_name="Ann",
            chat_type="channel",
            agent_id="main",
            session_key="agent:main:discord:channel:1",
            text="look",
            attachments=attachments_of(message),
            quoted=QuotedMessage("1", "2", "Bob", "old", attachments=quoted) if quoted else None,
        )

    def cdn(self) -> int:
        """Requests to the CDN so far."""
        return len(self.control.requests(route="GET /cdn/attachments"))


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    made.transport.close()
    made.simulator.stop()


@pytest.fixture
def make(scene: Scene, store: Store, tmp_path: Path) -> Make:
    """Receivers on this host."""

    def receiver(**options: Any) -> Receiver:
        values: dict[str, Any] = {
            "account": "default",
            "host": "here",
            "media": store.media,
            "shelf": Shelf(tmp_path / "inbound"),
            "download": scene.transport.files.fetch,
            "max_bytes": 1_000_000,
        }
        return Receiver(**{**values, **options})

    return receiver


def of(request: TurnRequest) -> tuple[str, str, list[Attachment]]:
    """What a receiver is given of a request."""
    return request.channel_id, request.message_id, [item for _, item in files_of(request)]


def seen(
    store: Store, request: TurnRequest, *, host: str = "here", transcribes: bool = False
) -> tuple[Any, Any]:
    files = files_of(request)
    facts = store.media.facts("default", [file_key(item) for _, item in files])
    return look(files, facts, host=host, transcribes=transcribes)


def test_files_come_to_disk_and_are_known(scene: Scene, store: Store, make: Make) -> None:
    request = scene.message(("photo.jpg", png()), ("voice.ogg", ogg()))
    files, awaited = seen(store, request)
    assert [file.error for file in files] == ["pending", "pending"]
    assert awaited == [file.key for file in files]
    assert make().receive(*of(request)).summary == "2 fetched"
    files, awaited = seen(store, request)
    assert awaited == []
    assert [(file.mime, file.size) for file in files] == [
        ("image/png", len(png())),
        ("audio/ogg", len(ogg())),
    ]
    assert [Path(file.path).read_bytes() for file in files] == [png(), ogg()]
    notes = media_notes(files)
    assert notes.splitlines()[0] == "[media attached: 2 files]"
    assert f"[media attached 1/2: {files[0].path} (image/png) | " in notes
    assert "hm=" not in notes, "a signature is nobody's business once the file is here"
    # again: nothing is fetched twice
    assert make().receive(*of(request)).summary == "2 known"
    assert scene.cdn() == 2


def test_forwarded_files_and_those_of_the_answered_message_come_too(
    scene: Scene, store: Store, make: Make
) -> None:
    old = scene.message(("old.png", png())).attachments
    request = scene.message(("new.png", png()), quoted=old)
    assert make().receive(*of(request)).fetched == 2
    files, _ = seen(store, request)
    assert [file.origin for file in files] == ["own", "quoted"]
    assert "(image/png, of the message answered to)" in media_notes(files)


def test_what_cannot_be_had_has_a_reason_and_keeps_its_address(
    scene: Scene, store: Store, make: Make, tmp_path: Path
) -> None:
    """``spec/inbound.md`` 6.11.4: failure keeps the URL, so that the model still sees it."""
    request = scene.message(("large.bin", b"x" * 2_000), ("gone.png", png()), ("empty.txt", b""))
    elsewhere = Attachment("77", "a.png", "https://evil.example.com/a.png", 3, "image/png")
    gone = request.attachments[1]
    lost = Attachment(gone.id, gone.filename, gone.url.replace("hm=", "hm=0"), gone.size, gone.content_type)
    import msgspec

    attachments = (request.attachments[0], lost, request.attachments[2], elsewhere)
    request = msgspec.structs.replace(request, attachments=attachments)
    with capture_logs() as lines:
        assert make(max_bytes=1_000).receive(*of(request)).summary == "4 failed"
    files, awaited = seen(store, request)
    assert awaited == []
    assert [file.error for file in files] == ["too-large", "expired", "empty", "refused"]
    audited = [(line["kind"], line["reason"]) for line in lines if line["event"] == "audit"]
    assert audited == [
        ("media", "too-large"),
        ("media", "expired"),
        ("media", "empty"),
        ("url", "not-discord"),
    ]
    assert "hm=" not in str(lines)
    notes = media_notes(files)
    assert "too large to fetch" in notes
    assert all(file.url in notes for file in files)
    assert not list((tmp_path / "inbound").glob("*"))


def test_a_cap_holds_whatever_discord_says_of_the_size(scene: Scene, store: Store, make: Make) -> None:
    import msgspec

    request = scene.message(("a.bin", b"x" * 5_000))
    lying = msgspec.structs.replace(request.attachments[0], size=10)
    request = msgspec.structs.replace(request, attachments=(lying,))
    make(max_bytes=1_000).receive(*of(request))
    assert seen(store, request)[0][0].error == "too-large"
    assert scene.cdn() == 1
    honest = scene.message(("b.bin", b"x" * 5_000))
    make(max_bytes=1_000).receive(*of(honest))
    assert seen(store, honest)[0][0].error == "too-large"
    assert scene.cdn() == 1, "what says that it is too large is not even begun"


def test_an_address_that_has_ended_is_asked_for_again(store: Store, tmp_path: Path) -> None:
    """``spec/inbound.md`` 10 row 12: the queue was long, the signed address is over."""
    scene = Scene({"url_life_s": 2})  # whole seconds: the new address lives at least one
    try:
        request = scene.message(("a.png", png()))
        time.sleep(2.1)
        rest = Rest(scene.transport)

        def fresh(channel_id: str, message_id: str) -> dict[str, str]:
            message = rest.get_message(channel_id, message_id)
            return {item["id"]: item["url"] for item in message["attachments"]}

        receiver = Receiver(
            account="default",
            host="here",
            media=store.media,
            shelf=Shelf(tmp_path),
            download=scene.transport.files.fetch,
            max_bytes=1_000,
            fresh=fresh,
        )
        assert receiver.receive(*of(request)).summary == "1 fetched"
    finally:
        scene.transport.close()
        scene.simulator.stop()


def test_a_full_disk_is_a_reason_and_no_crash(scene: Scene, store: Store, make: Make, tmp_path: Path) -> None:
    request = scene.message(("a.png", png()), ("b.png", png()))
    assert (
        make(shelf=Shelf(tmp_path / "full", room=lambda _folder: 0)).receive(*of(request)).summary
        == "2 failed"
    )
    files, _ = seen(store, request)
    assert [file.error for file in files] == ["disk-full", "disk-full"]
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where the folder should be")
    request = scene.message(("a.png", png()))
    assert make(shelf=Shelf(blocked / "inbound")).receive(*of(request)).summary == "1 failed"
    assert seen(store, request)[0][0].error == "disk"


def test_a_file_counts_on_its_own_disk_only(scene: Scene, store: Store, make: Make, tmp_path: Path) -> None:
    """Rule R25: what another host fetched is not here; a disk that both see is."""
    request = scene.message(("a.png", png()))
    key = file_key(request.attachments[0])
    store.media.save("default", key, "there", Saved(path="/nowhere/a.png", size=len(png())))
    assert seen(store, request)[1] == [key]
    assert make().receive(*of(request)).fetched == 1
    assert seen(store, request)[1] == []
    path = Path(seen(store, request)[0][0].path)
    assert seen(store, request, host="third")[0][0].path == str(path)
    path.unlink()
    assert seen(store, request)[1] == [key], "a file that is gone is fetched again"
    assert make().receive(*of(request)).fetched == 1


def test_one_host_fetches_a_file_once_at_a_time(scene: Scene, store: Store, make: Make) -> None:
    request = scene.message(("a.png", png()))
    assert store.media.claim("default", file_key(request.attachments[0]), "here", "somebody")
    assert make().receive(*of(request)).summary == "1 in hand"
    assert scene.cdn() == 0


def test_a_process_that_leaves_hands_on(scene: Scene, store: Store, make: Make, tmp_path: Path) -> None:
    request = scene.message(("a.bin", b"x" * 500_000))
    with pytest.raises(Interrupted):
        make(stopping=lambda: True).receive(*of(request))
    assert seen(store, request)[1]
    assert list((tmp_path / "inbound").iterdir()) == []
    assert make().receive(*of(request)).fetched == 1


def test_recordings_are_heard_once_and_only_what_is_one(scene: Scene, store: Store, make: Make) -> None:
    heard: list[str] = []

    def transcribe(path: Path, mime: str, *, check: Callable[[], None]) -> Heard:
        check()
        heard.append(mime)
        return Heard(f"words {len(heard)}", "local/whisper") if len(heard) < 3 else Heard(error="no-answer")

    files = (("a.ogg", ogg()), ("b.ogg", b"#EXTM3U\nfile:///etc/passwd"), ("c.png", png()), ("d.ogg", ogg()))
    request = scene.message(*files)
    assert seen(store, request, transcribes=True)[1]
    assert make(transcribe=transcribe).receive(*of(request)).summary == "4 fetched · 2 heard"
    assert heard == ["audio/ogg", "audio/ogg"]
    known, awaited = seen(store, request, transcribes=True)
    assert awaited == []
    assert [file.transcript for file in known] == ["words 1", "", "", "words 2"]
    assert make(transcribe=transcribe).receive(*of(request)).heard == 0
    text = spoken("look", known)
    assert text == "[Audio 1/2]\nUser text:\nlook\nTranscript:\nwords 1\n\n[Audio 2/2]\nTranscript:\nwords 2"
    assert "a---" not in media_notes(known)
    request = scene.message(("a.ogg", ogg()))
    make(transcribe=transcribe).receive(*of(request))
    known, awaited = seen(store, request, transcribes=True)
    assert (known[0].transcript, awaited) == ("", [])
    assert "(audio/ogg)" in media_notes(known)


def test_a_recording_that_another_process_hears_is_waited_for(scene: Scene, store: Store, make: Make) -> None:
    request = scene.message(("a.ogg", ogg()))
    make().receive(*of(request))
    known, awaited = seen(store, request, transcribes=True)
    assert known[0].path
    assert awaited == [known[0].key]
    assert seen(store, request, transcribes=False)[1] == []


def test_stickers_are_tried_in_turn(scene: Scene, store: Store, make: Make) -> None:
    """PNG, GIF and Lottie, of which Discord may have no picture (``spec/inbound.md`` 6.11.5)."""
    import msgspec

    items = [{"id": "11", "name": "a", "format_type": 1}, {"id": "12", "name": "b", "format_type": 4},
             {"id": "13", "name": "c", "format_type": 3}]  # fmt: skip
    said = {**scene.control.say("general", "look"), "sticker_items": items}
    message = read_message(msgspec.json.encode(said))
    request = msgspec.structs.replace(scene.message(), attachments=attachments_of(message))
    assert make().receive(*of(request)).summary == "3 fetched"
    files, _ = seen(store, request)
    assert [file.mime for file in files] == ["image/png", "image/gif", "application/json"]
    assert [Path(file.path).suffix for file in files] == [".png", ".gif", ".json"]


@pytest.mark.parametrize(
    ("fault", "summary"),
    [
        ({"kind": "refuse"}, "1 fetched"),
        ({"kind": "status", "status": 503}, "1 fetched"),
        ({"kind": "cut_answer"}, "1 fetched"),
        ({"kind": "delay", "seconds": 0.2}, "1 fetched"),
        ({"kind": "status", "status": 503, "count": None}, "1 failed"),
        ({"kind": "redirect", "location": "http://169.254.169.254/latest/meta-data/"}, "1 failed"),
        ({"kind": "redirect", "location": "https://cdn.discordapp.com.evil.org/a.png"}, "1 failed"),
    ],
)
def test_a_cdn_that_stumbles(
    scene: Scene, store: Store, make: Make, fault: dict[str, Any], summary: str
) -> None:
    request = scene.message(("a.bin", b"x" * 200_000))
    scene.control.fault(route="GET /cdn/attachments", **fault)
    assert make().receive(*of(request)).summary == summary
