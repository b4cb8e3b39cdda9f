"""Every line of ``shoal message`` against the simulator, without a fleet (``spec/outbound.md`` 10)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config import load
from shoal.base.errors import RequestError, ShoalError
from shoal.cli.exits import exit_code
from shoal.cli.message.run import Operator, act
from shoal.cli.message.table import COMMANDS, LISTS, Line, camel
from shoal.cli.message.telling import Telling
from shoal.discord.limiter import Unlimited
from shoal.discord.permissions import Permission
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from tests.workers.agent.test_every_action import CHANNEL, SENT, STAMPED, problems
from tests.workers.media.test_shrinking import noise
from workers.actions.dry import Showing, Shown

Json = dict[str, Any]
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
SOON, LATER = "2030-01-01T10:00:00Z", "2030-01-01T12:00:00Z"
CONFIG = "{ channels: { discord: { mediaMaxMb: 0.2, actions: { moderation: true, roles: true } } } }"


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    with Simulator(settings={"rate_limits": False}) as running:
        yield running


class World:
    """A server of its own, and an operator of its bot."""

    def __init__(self, discord: Simulator, folder: Path, transport: Transport) -> None:
        self.control, self.folder = discord.control, folder
        self.ann = str(self.control.add_user("ann")["id"])
        self.guild = str(self.control.add_guild("Reef", members=[discord.bot_id, self.ann])["id"])
        role = self.control.add_role(self.guild, "bots", permissions=int(Permission.ADMINISTRATOR))
        self.control.edit_member(self.guild, discord.bot_id, roles=[role["id"]])
        self.role = str(self.control.add_role(self.guild, "reader")["id"])
        self.channel = str(self.control.add_channel(self.guild, "talk")["id"])
        self.voice = str(self.control.add_channel(self.guild, "Lounge", type=2)["id"])
        self.thread = str(self.control.create_thread(self.channel, "plan", user=self.ann)["id"])
        self.said = str(self.control.say(self.channel, "fish", user=self.ann)["id"])
        (folder / "a.png").write_bytes(PNG)
        (folder / "shoal.json").write_text(CONFIG)
        loaded = load(folder / "shoal.json", state_dir=folder)
        self.who = Operator(loaded, loaded.account("default"), Rest(transport), None)
        self.own = str(self.who.rest.create_message(self.channel, content="mine", nonce=None)["id"])

    def run(self, words: str, flags: str = "", **texts: str) -> Json:
        """A line as it is typed: its words, its flags, and longer values by name."""
        [line] = [one for one in COMMANDS if " ".join(one.words) == words]
        return act(line, self.values(line, flags, texts), self.who, 1.0)

    def values(self, line: Line, flags: str, texts: dict[str, str]) -> Json:
        """What Typer makes of flags."""
        values: Json = {}
        for word in [*flags.split(), *(f"{name}={text}" for name, text in texts.items())]:
            name, _, value = word.removeprefix("--").partition("=")
            assert name in line.flags, f"{line.words} has no --{name}"
            if name in LISTS:
                values.setdefault(camel(name), []).append(value)
            else:
                values[camel(name)] = value or True
        return values


@pytest.fixture
def world(discord: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv("DISCORD_BOT_TOKEN", discord.token)
    transport = Transport("default", SecretStr(discord.token), limiter=Unlimited(), api_url=discord.api_url)
    yield World(discord, tmp_path, transport)
    transport.close()


OK: Json = {"ok": True}
Flags = Callable[[World], str]
ROWS: dict[str, tuple[Flags, Json]] = {
    "send": (lambda w: f"--target=channel:{w.channel} --message=hi --media={w.folder}/a.png --silent --pin",
             {**SENT, "pinned": True}),
    "poll": (lambda w: f"--target={w.channel} --poll-question=? --poll-option=a --poll-option=b --poll-multi "
             "--poll-duration-hours=2", {**SENT, "messageId": str, "channelId": str}),
    "edit": (lambda w: f"--target={w.channel} --message-id={w.own} --message=new", {"message": STAMPED}),
    "delete": (lambda w: f"--target={w.channel} --message-id={w.own}", OK),
    "react": (lambda w: f"--target={w.channel} --message-id={w.said} --emoji=👍", {"added": "👍"}),
    "reactions": (lambda w: f"--target={w.channel} --message-id={w.said}", {"reactions": []}),
    "read": (lambda w: f"--target={w.channel} --limit=2", {"messages": [STAMPED]}),
    "pin": (lambda w: f"--target={w.channel} --message-id={w.said}", OK),
    "unpin": (lambda w: f"--target={w.channel} --message-id={w.said}", OK),
    "pins": (lambda w: f"--target={w.channel}", {"pins": []}),
    "permissions": (lambda w: f"--target={w.channel}", {"permissions": {"channelId": str, "raw": str}}),
    "search": (lambda w: f"--guild-id={w.guild} --query=fish --channel-id={w.channel} --author-id={w.ann}",
               {"results": {"total_results": 1, "messages": [[STAMPED]]}}),
    "thread create": (lambda w: f"--target={w.channel} --thread-name=New --message=hi --auto-archive-min=60",
                      {"thread": {"id": str}, "initialMessageDelivery": {"delivered": 1}}),
    "thread list": (lambda w: f"--guild-id={w.guild}", {"threads": [{"id": str}], "source": "active"}),
    "thread reply": (lambda w: f"--thread-id={w.thread} --message=hi", SENT),
    "emoji list": (lambda w: f"--guild-id={w.guild} --limit=5", {"emojis": []}),
    "emoji upload": (lambda w: f"--guild-id={w.guild} --emoji-name=blob --media={w.folder}/a.png "
                     f"--role-ids={w.role}", {"emoji": {"id": str, "name": "blob", "roles": [str]}}),
    "sticker send": (lambda w: f"--target={w.channel} --sticker-id=749054660769218631 --message=hi", SENT),
    "sticker upload": (lambda w: f"--guild-id={w.guild} --sticker-name=wave --sticker-desc=hello "
                       f"--sticker-tags=👋 --media={w.folder}/a.png", {"sticker": {"id": str, "tags": "👋"}}),
    "member info": (lambda w: f"--guild-id={w.guild} --user-id={w.ann}", {"member": {"user": {"id": str}}}),
    "role info": (lambda w: f"--guild-id={w.guild}", {"roles": [{"id": str}]}),
    "role add": (lambda w: f"--guild-id={w.guild} --user-id={w.ann} --role-id={w.role} --reason=x", OK),
    "role remove": (lambda w: f"--guild-id={w.guild} --user-id={w.ann} --role-id={w.role}", OK),
    "channel info": (lambda w: f"--target={w.channel}", CHANNEL),
    "channel list": (lambda w: f"--guild-id={w.guild}", {"channels": [{"id": str}]}),
    "voice status": (lambda w: f"--guild-id={w.guild} --user-id={w.ann}", {"voice": {"absent": True}}),
    "event list": (lambda w: f"--guild-id={w.guild}", {"events": []}),
    "event create": (lambda w: f"--guild-id={w.guild} --event-name=Beach --start-time={SOON} "
                     f"--end-time={LATER} --desc=All --location=Pier --event-type=external "
                     f"--image={w.folder}/a.png", {"event": {"id": str, "image": str}}),
    "timeout": (lambda w: f"--guild-id={w.guild} --user-id={w.ann} --duration-min=5 --reason=x",
                {"member": {"communication_disabled_until": str}}),
    "kick": (lambda w: f"--guild-id={w.guild} --user-id={w.ann}", OK),
    "ban": (lambda w: f"--guild-id={w.guild} --user-id={w.ann} --delete-days=1", OK),
}  # fmt: skip


@pytest.mark.parametrize("words", ROWS)
def test_every_line_does_what_it_says(world: World, words: str) -> None:
    flags, shape = ROWS[words]
    assert list(problems({**OK, **shape}, world.run(words, flags(world)), words)) == []


def test_no_line_is_left_out() -> None:
    """Those of the specification; ``broadcast`` is a command of its own."""
    spec = """
        send|poll|react|reactions|read|edit|delete|pin|unpin|pins|permissions|search|thread create|
        thread list|thread reply|emoji list|emoji upload|sticker send|sticker upload|role info|role add|
        role remove|channel info|channel list|member info|voice status|event list|event create|timeout|kick|
        ban
    """
    assert {" ".join(word.split()) for word in spec.split("|")} == set(ROWS)
    assert set(ROWS) <= {" ".join(line.words) for line in COMMANDS}
    flags = """
        message media reply-to thread-id silent delivery pin message-id emoji remove limit before after around
        query guild-id channel-id channel-ids author-id author-ids thread-name auto-archive-min
        include-archived poll-question poll-option poll-multi poll-duration-hours sticker-id emoji-name
        sticker-name sticker-desc sticker-tags role-ids user-id role-id event-name start-time end-time desc
        location event-type duration-min until reason delete-days target
    """
    assert set(flags.split()) <= {flag for line in COMMANDS for flag in line.flags}


def test_a_picture_that_is_too_large_is_made_smaller(world: World) -> None:
    """``spec/outbound.md`` 3.10, as for agents; other files are refused."""
    (world.folder / "big.png").write_bytes(noise())
    (world.folder / "big.txt").write_bytes(bytes(300_000))
    world.run("send", f"--target={world.channel} --media={world.folder}/big.png")
    [file] = world.control.messages(world.channel, author="bot")[-1]["attachments"]
    assert (file["filename"], file["content_type"]) == ("big.jpg", "image/jpeg")
    assert file["size"] <= 0.2 * 1024 * 1024
    with pytest.raises(ShoalError, match=r"exceeds the 0\.2 MB limit"):
        world.run("send", f"--target={world.channel} --media={world.folder}/big.txt")


def test_long_texts_and_several_files_go_as_an_answer_goes(world: World) -> None:
    """Cut, one file per message, the reference on every part (3.3, 3.9, 3.10)."""
    (world.folder / "b.txt").write_text("notes")
    flags = f"--target={world.channel} --reply-to={world.said} --media={world.folder}/a.png"
    done = world.run("send", f"{flags} --media={world.folder}/b.txt", message="x" * 2500)
    said = world.control.messages(world.channel, author="bot")[1:]
    assert [one["id"] for one in said] == done["result"]["messageIds"]
    assert "".join(one["content"] for one in said) == "x" * 2500
    assert [[file["filename"] for file in one["attachments"]] for one in said] == [["a.png"], [], ["b.txt"]]
    assert {one["message_reference"]["message_id"] for one in said} == {world.said}


def test_a_file_opens_no_forum_post_but_follows_in_its_thread(world: World) -> None:
    """2.6; without any text the post is called by its time."""
    forum = str(world.control.add_channel(world.guild, "ideas", type=15)["id"])
    post = world.run("send", f"--target={forum} --media={world.folder}/a.png", message=r"\n Title \nBody")
    said = world.control.messages(post["thread"]["id"], author="bot")
    assert (post["thread"]["name"], said[0]["content"]) == ("Title", "Title \nBody")
    assert [len(one["attachments"]) for one in said] == [0, 1]
    bare = world.run("send", f"--target={forum} --media={world.folder}/a.png")["thread"]
    assert bare["name"][:2] == "20"
    assert len(bare["name"]) == len("2030-01-01T10:00")


@pytest.mark.parametrize(
    ("words", "flags", "said"),
    [
        ("send", "--target=channel:{channel}", "nothing to send"),
        ("send", "--target=channel:{channel} --media=/nowhere.png", "There is no file"),
        ("send", "--target=channel:{channel} --media=http://127.0.0.1:9/x", "cannot be fetched"),
        ("send", "--target=channel:{channel} --message=x --delivery=pin", "--delivery takes only pin"),
        ("poll", "--target=channel:{channel}", "question and 2 to 10 answers"),
        ("poll", "--target=channel:{channel} --poll-question=? --poll-option=a", "2 to 10 answers"),
        ("poll", "--target=channel:{channel} --poll-question=? --poll-option=a --poll-option=b "
                 "--poll-duration-hours=769", "from 1 to 768"),
        ("sticker send", "--target=channel:{channel}", "At least one sticker id"),
        ("send", "--target=channel:{tags} --message=x", "Posts need a tag here"),
        ("poll", "--target=channel:{forum} --poll-question=? --poll-option=a --poll-option=b",
         "cannot begin with a poll"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_said_before_anything_is(
    world: World, words: str, flags: str, said: str
) -> None:
    places = {
        "channel": world.channel,
        "forum": world.control.add_channel(world.guild, "ideas", type=15)["id"],
        "tags": world.control.add_channel(world.guild, "bugs", type=15, flags=16)["id"],
    }
    before = len(world.control.requests())
    with pytest.raises(ShoalError, match=said) as refused:
        world.run(words, flags.format(**places))
    assert exit_code(refused.value) == 2
    assert {line["method"] for line in world.control.requests()[before:]} <= {"GET"}


@pytest.mark.parametrize(
    ("gate", "words", "flags"),
    [
        ("messages", "send", "--message=x"),
        ("polls", "poll", "--poll-question=? --poll-option=a --poll-option=b"),
        ("stickers", "sticker send", "--sticker-id=749054660769218631"),
        ("threads", "thread reply", "--message=x"),
    ],
)
def test_gates_hold_at_the_command_line_too(world: World, gate: str, words: str, flags: str) -> None:
    text = json.dumps({"channels": {"discord": {"actions": {gate: False}}}})
    (world.folder / "shut.json").write_text(text)
    loaded = load(world.folder / "shut.json", state_dir=world.folder)
    world.who = replace(world.who, loaded=loaded, account=loaded.account("default"))
    with pytest.raises(RequestError, match="are disabled") as refused:
        world.run(words, f"{flags} --target={world.channel}")
    assert (exit_code(refused.value), f"actions.{gate}" in refused.value.fix) == (1, True)


def test_pinning_that_fails_leaves_the_message(world: World) -> None:
    world.control.fault(
        "status", route="PUT /channels/{channel_id}/messages/pins/{message_id}", status=403, count=1
    )
    done = world.run("send", f"--target={world.channel} --message=hi", delivery='{"pin": true}')
    assert (done["ok"], done["pinned"]) == (True, False)
    assert "not pinned" in done["warning"]
    assert done["result"]["messageId"]


def test_dry_runs_show_and_verbose_ones_tell(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    dry = replace(world.who, rest=Showing(world.who.rest.transport))
    [line] = [one for one in COMMANDS if one.words == ("emoji", "upload")]
    values = world.values(
        line, f"--guild-id={world.guild} --emoji-name=blob --media={world.folder}/a.png", {}
    )
    with pytest.raises(Shown) as shown:
        act(line, values, dry, 1.0)
    assert shown.value.request["body"]["name"] == "blob"
    world.who = replace(world.who, rest=Telling(world.who.rest.transport))
    world.run("pins", f"--target={world.channel}")
    told = capsys.readouterr().err
    assert told.startswith(f"GET /channels/{world.channel}/messages/pins: 200 in ")
