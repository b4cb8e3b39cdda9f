"""``media.fetch`` between front and turns: files hold up their author alone, and never before access.

Real store, real CDN (the simulator), tasks called as a worker calls them. Spec: inbound 4.1, 6.11; R18, R25.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import celery._state
import pytest
from celery import Celery

import config
from shoal.base.errors import ShoalError
from shoal.simulator.control import Control
from shoal.simulator.models import ModelServer
from shoal.simulator.server import Simulator
from shoal.state.keys import CELERY_PREFIX
from shoal.state.store import Store
from tasks import registry
from tasks.homes import SHARED
from tasks.media import fetch, prune, prune_everywhere
from tasks.runtime import Runtime
from tasks.slots import Slots
from tasks.stopping import Stopping
from tests.conftest import RedisServer
from tests.tasks.support.front import ANN, BOB, GUILD, Front, hold_of
from tests.workers.media.support.samples import ogg, png

CLOSED = {"guilds": {GUILD: {"users": [ANN, BOB]}}}
NAMED = {"messages": {"groupChat": {"mentionPatterns": [r"\bshoal\b"]}}}


class Back:
    """A back worker's process, without its loop: works off what front has sent."""

    def __init__(
        self, store: Store, url: str, folder: Path, discord: Simulator, models: ModelServer | None
    ) -> None:
        tools: dict[str, Any] = {}
        if models is not None:
            model = {"baseUrl": models.base_url, "apiKey": "test-key-of-no-value", "model": "whisper-1"}
            tools = {"media": {"audio": {"models": [model]}}}
        self.token = discord.control.state()["bots"][0]["token"]
        path = folder / "back.json"
        path.write_text(json.dumps({"channels": {"discord": {"token": self.token}}, "tools": tools}))
        env = {"SHOAL_DISCORD_API_URL": f"{discord.url}/api/v10"}
        self.tools = tools
        self.runtime = Runtime(
            loaded=config.load(path, env=env, state_dir=folder / "back"),
            store=store,
            app=Celery("none", set_as_current=False),
            kind="back",
            index=1,
            home="here",
            stopping=Stopping(leave=lambda _code: None),
            renewals=store,
            store_url=url,
        )
        self.store, self.slots = store, Slots()

    def waiting(self) -> list[tuple[str, str]]:
        """(lane, identity) of every ``media.fetch`` on the queue; they leave it."""
        found = []
        while (raw := self.store.redis.lpop(f"{CELERY_PREFIX}upkeep")) is not None:
            message = json.loads(raw)
            assert "http" not in json.dumps(message["headers"].get("argsrepr", "")), "an address in a task"
            if message["headers"]["task"] == "media.fetch":
                body = message["body"]
                args = json.loads(body if isinstance(body, str) and body.startswith("[") else "null") or body
                found.append(tuple(args[0]))
        return list(reversed(found))

    def work(self) -> list[str]:
        """Do what waits."""
        return [fetch(self.runtime, self.slots, lane, identity) for lane, identity in self.waiting()]


@pytest.fixture
def discord() -> Iterator[Simulator]:
    simulator = Simulator(port=0).start()
    yield simulator
    simulator.stop()


@pytest.fixture
def models() -> Iterator[ModelServer]:
    with ModelServer(port=0) as server:
        yield server


@pytest.fixture
def back(
    store: Store, redis_server: RedisServer, tmp_path: Path, discord: Simulator, models: ModelServer
) -> Back:
    return Back(store, redis_server.url, tmp_path, discord, models)


@pytest.fixture
def front(store: Store, redis_server: RedisServer, tmp_path: Path, back: Back) -> Front:
    """One with the same transcriber as ``back``."""
    return Front(store, redis_server.url, tmp_path, tools=back.tools, discord=CLOSED, **NAMED)


def uploaded(discord: Simulator, *files: tuple[str, bytes]) -> list[dict[str, Any]]:
    """Attachments as Discord would describe them, behind real addresses."""
    said = Control(discord.url).say("general", "x", files=files)
    found: list[dict[str, Any]] = said["attachments"]
    return found


def cdn(discord: Simulator) -> int:
    return len(Control(discord.url).requests(route="GET /cdn/attachments"))


def test_files_hold_their_author_and_nobody_else(front: Front, back: Back, discord: Simulator) -> None:
    picture = front.say("look", mention=True, attachments=uploaded(discord, ("a.png", png())))
    after = front.say("what is it?", mention=True)
    other = front.say("hello", BOB, mention=True)
    front.work()
    assert [turn.message_id for turn in front.turns()] == [other]
    assert front.store.lanes.depth(hold_of(ANN)) == 2
    assert "files" in dict(front.story(picture).notes)["hold"]
    assert back.work() == ["1 fetched"]
    front.work()
    assert [turn.message_id for turn in front.turns()] == [other, picture, after], "in the author's order"
    assert back.waiting() == [], "nobody asks for what is there"
    key = front.turns()[1].attachments[0].id
    saved = front.store.media.facts("default", [key])[key].saved[SHARED]
    assert Path(saved.path).read_bytes() == png()


def test_nothing_is_fetched_for_who_may_not_talk(front: Front, back: Back, discord: Simulator) -> None:
    """Never before access is granted (rule R18); nor for who is not meant, nor for commands."""
    files = uploaded(discord, ("a.png", png()), ("v.ogg", ogg()))
    stranger = front.say("look", "999", mention=True, attachments=files)
    unmeant = front.say("look", attachments=files)
    command = front.say("/status", mention=True, attachments=files)
    front.work()
    assert back.waiting() == []
    assert cdn(discord) == 0
    assert front.outcome(stranger)[0] == "dropped"
    assert front.outcome(unmeant) == ("history", "mention-required")
    assert front.outcome(command)[0] == "command"


def test_files_that_never_come_cost_two_minutes_at_most(
    front: Front, discord: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.sessions.admission.hold.FILES_MS", 400)
    picture = front.say("look", mention=True, attachments=uploaded(discord, ("a.png", png())))
    front.work()
    assert front.turns() == []
    front.work_until_quiet()
    assert [turn.message_id for turn in front.turns()] == [picture]


def test_a_lost_task_is_sent_again(
    front: Front, back: Back, discord: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.inbound.FILES_AGAIN_MS", 300)
    front.say("look", mention=True, attachments=uploaded(discord, ("a.png", png())))
    front.work()
    [lost] = back.waiting()
    time.sleep(0.35)
    front.store.lanes.sweep("hold")
    front.work()
    assert back.waiting() == [lost]


def test_files_of_the_answered_message_are_waited_for(front: Front, back: Back, discord: Simulator) -> None:
    [old] = uploaded(discord, ("old.png", png()))
    author = {"id": BOB, "username": "bob"}
    referenced = {"id": "5", "channel_id": "6", "author": author, "content": "see", "attachments": [old]}
    front.say(
        "what is that?", mention=True, type=19, message_reference={"type": 0}, referenced_message=referenced
    )
    front.work()
    assert front.turns() == []
    assert back.work() == ["1 fetched"]
    front.work()
    [turn] = front.turns()
    assert turn.quoted is not None
    assert [item.id for item in turn.quoted.attachments] == [old["id"]]


# -- preflight ---------------------------------------------------------------------------------------


def test_a_spoken_name_is_a_mention(
    front: Front, back: Back, discord: Simulator, models: ModelServer
) -> None:
    """``spec/inbound.md`` 4.1, 6.11.8: only then is it heard before it is decided, and only once."""
    models.script([{"transcript": "hey Shoal, are you there?"}, {"transcript": "hello everybody"}])
    named = front.say("", attachments=uploaded(discord, ("voice-message.ogg", ogg())), flags=8192)
    front.work()
    assert front.turns() == []
    assert back.work() == ["1 fetched · 1 heard"]
    front.work()
    [turn] = front.turns()
    assert (turn.message_id, turn.mentioned_by) == (named, "pattern")
    other = front.say("", attachments=uploaded(discord, ("voice-message.ogg", ogg())), flags=8192)
    front.work()
    assert back.work() == ["1 fetched · 1 heard"]
    front.work()
    assert front.outcome(other) == ("history", "mention-required")
    assert len(models.requests()) == 2


@pytest.mark.parametrize("what", [SHARED, "speech"], ids=["fetched", "heard"])
def test_what_another_process_has_in_hand_is_not_decided_without_it(
    front: Front, back: Back, discord: Simulator, models: ModelServer, what: str
) -> None:
    """Promise 3: ``back`` was killed over a voice message; that names us, once somebody else has heard it."""
    models.script([{"transcript": "hey Shoal, are you there?"}])
    [file] = uploaded(discord, ("voice-message.ogg", ogg()))
    named = front.say("", attachments=[file], flags=8192)
    front.work()
    [asked] = back.waiting()
    assert front.store.media.claim("default", file["id"], what, "who died")
    fetch(back.runtime, back.slots, *asked)
    front.work()
    assert front.turns() == []
    assert front.story(named).outcome is None, "decided before anybody had heard it"
    front.store.media.release("default", file["id"], what)
    fetch(back.runtime, back.slots, *asked)
    front.work()
    assert [turn.message_id for turn in front.turns()] == [named]


@pytest.mark.parametrize(
    ("fields", "author"),
    [
        ({"text": "listen to this"}, ANN),
        ({"text": "", "mention": False, "kind": ("a.png", png())}, ANN),
        ({"text": ""}, "999"),
    ],
    ids=["typed text", "no recording", "a stranger"],
)
def test_nothing_else_is_heard_before_it_is_decided(
    front: Front, back: Back, discord: Simulator, fields: dict[str, Any], author: str
) -> None:
    file = fields.get("kind", ("voice-message.ogg", ogg()))
    message = front.say(fields["text"], author, attachments=uploaded(discord, file))
    front.work()
    assert back.waiting() == []
    assert front.outcome(message)[0] in ("history", "dropped")


def test_without_a_transcriber_nobody_waits_for_words(
    store: Store, redis_server: RedisServer, tmp_path: Path, discord: Simulator
) -> None:
    front = Front(store, redis_server.url, tmp_path, **NAMED)
    message = front.say("", attachments=uploaded(discord, ("voice-message.ogg", ogg())), flags=8192)
    front.work()
    assert front.outcome(message) == ("history", "mention-required")


def test_a_recording_nobody_understands_is_no_mention(
    front: Front, back: Back, discord: Simulator, models: ModelServer
) -> None:
    models.script([{"transcript": "x", "error": {"status": 400}}])
    message = front.say("", attachments=uploaded(discord, ("voice-message.ogg", ogg())), flags=8192)
    front.work()
    back.work()
    front.work()
    assert front.outcome(message) == ("history", "mention-required")


# -- the task itself -----------------------------------------------------------------------------------


def test_a_message_that_has_left_needs_nothing(back: Back, discord: Simulator) -> None:
    assert (
        fetch(back.runtime, back.slots, hold_of(ANN), "m:default:1")
        == "nothing to fetch: the message has left"
    )
    assert cdn(discord) == 0


def test_a_process_that_leaves_hands_the_files_on(
    front: Front, back: Back, discord: Simulator, redis_server: RedisServer
) -> None:
    from tasks.app import build_app

    back.runtime.app = build_app(redis_server.url)
    front.say("look", mention=True, attachments=uploaded(discord, ("a.bin", b"x" * 300_000)))
    front.work()
    back.runtime.stopping.request()
    assert back.work() == ["handed on: shutdown"]
    assert len(back.waiting()) == 1
    front.work()
    assert front.turns() == []


_BUILT_IN = frozenset(celery._state._on_app_finalizers)


@pytest.mark.parametrize(
    "args",
    [
        ("delivery:default:1", "m:1"),
        ("inbound:default:1", "m:1"),
        ("hold:../../x", "m:1"),
        ("session:a", "https://evil.org/x"),
        ("session:a", ""),
        (None, "m:1"),
        ("session:a", {"url": "http://169.254.169.254/"}),
        ("http://169.254.169.254/", "m:1"),
    ],
)
def test_a_forged_message_can_only_knock(args: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(celery._state, "_on_app_finalizers", set(_BUILT_IN))
    app = Celery("test", set_as_current=False)
    asked: list[str] = []

    def runtime() -> Runtime:
        asked.append("runtime")
        raise AssertionError

    registry.register(app, runtime)
    with pytest.raises(ShoalError):
        app.tasks["media.fetch"](*args)
    assert asked == []


def test_old_files_are_removed_on_every_host(back: Back, redis_server: RedisServer) -> None:
    from tasks.app import build_app

    folder = back.runtime.media_folder
    folder.mkdir(parents=True)
    for name, days in (("old.png", 8), ("new.png", 6)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - days * 86_400,) * 2)
    assert prune(back.runtime) == "pruned · 1 files"
    assert [path.name for path in folder.iterdir()] == ["new.png"]
    back.runtime.app = build_app(redis_server.url)
    for host in ("one", "two"):
        back.store.processes.announce("back", host, 7)
    back.store.processes.announce("turns", "three", 8)
    assert prune_everywhere(back.runtime) == "asked · 2 hosts"
    queues = {key.decode() for key in back.store.redis.keys(f"{CELERY_PREFIX}upkeep.*")}
    assert queues == {f"{CELERY_PREFIX}upkeep.one", f"{CELERY_PREFIX}upkeep.two"}
