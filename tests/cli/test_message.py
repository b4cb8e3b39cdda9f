"""``shoal message`` on the real command, without a fleet (``spec/outbound.md`` 10; decisions 35, 44)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from shoal.cli.message.run import SENDS
from shoal.cli.message.table import COMMANDS, FLAGS
from shoal.simulator.server import Simulator
from tests.cli.helpers import Shoal
from workers.actions.table import ACTIONS


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    with Simulator(settings={"permissions": False}) as running:
        yield running


class Operator:
    """Runs ``shoal message``."""

    def __init__(self, shoal: Shoal, discord: Simulator) -> None:
        self.shoal = shoal
        self.env = {"DISCORD_BOT_TOKEN": discord.token, "SHOAL_DISCORD_API_URL": discord.api_url}

    def fails(self, *args: str) -> tuple[int, str]:
        """Exit code and what is said."""
        done = self.shoal.run("message", *args, env=self.env)
        assert done.returncode != 0, done.stdout
        assert done.stdout == ""
        return done.returncode, done.stderr

    def says(self, *args: str) -> str:
        """What is printed."""
        done = self.shoal.run("message", *args, env=self.env)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def json(self, *args: str) -> dict[str, Any]:
        """What programs get."""
        loaded: dict[str, Any] = json.loads(self.says(*args, "--json"))
        assert (loaded["channel"], loaded["dryRun"]) == ("discord", "--dry-run" in args)
        payload: dict[str, Any] = loaded["payload"]
        return payload


@pytest.fixture
def message(shoal: Shoal, discord: Simulator) -> Operator:
    return Operator(shoal, discord)


def test_each_command_runs_an_action_that_exists() -> None:
    assert {line.action for line in COMMANDS} <= {*ACTIONS, *SENDS, "broadcast"}
    assert {flag for line in COMMANDS for flag in line.flags} == set(FLAGS)


@pytest.mark.slow
def test_the_lines_of_the_manual_about_forums(message: Operator, discord: Simulator) -> None:
    forum = str(discord.control.add_channel(discord.guild_id, "ideas", type=15)["id"])
    target = ("--channel", "discord", "--target", f"channel:{forum}")
    post = message.json("send", *target, "--message", r"Topic title\nBody of the post")["thread"]
    assert post["name"] == "Topic title"
    assert [one["content"] for one in discord.control.messages(post["id"])] == [
        "Topic title\nBody of the post"
    ]
    made = message.says(
        "thread", "create", *target, "--thread-name", "Topic title", "--message", "Body of the post"
    )
    assert made.startswith("Made thread ")
    assert made.endswith(" 'Topic title'.")
    code, said = message.fails("thread", "create", *target, "--thread-name", "x", "--message-id", "123456")
    assert (code, "no messages to make a thread of" in said) == (2, True)


@pytest.mark.slow
def test_a_message_is_sent_shown_reacted_to_read_edited_and_deleted(
    message: Operator, discord: Simulator
) -> None:
    channel = str(discord.control.add_channel(discord.guild_id, "cli-talk")["id"])
    dry = message.json("send", "--target", channel, "--message", "hi", "--dry-run")
    assert dry["request"]["body"]["content"] == "hi"
    assert discord.control.messages(channel) == []

    sent = message.json("send", "--target", "#cli-talk", "--message", "hi")["result"]
    assert sent["channelId"] == channel
    body = discord.control.requests(route="POST /channels/{channel_id}/messages")[-1]["body"]
    assert body["enforce_nonce"] is True

    at = ("--target", f"channel:{channel}", "--message-id", sent["messageId"])
    assert message.json("react", *at, "--emoji", "👍") == {"ok": True, "added": "👍"}
    assert message.json("reactions", *at)["reactions"][0]["count"] == 1
    assert message.json("edit", *at, "--message", "changed")["message"]["content"] == "changed"
    assert [one["content"] for one in message.json("read", *at[:2])["messages"]] == ["changed"]
    assert message.says("delete", *at) == "delete: done."
    code, said = message.fails("delete", *at)
    assert (code, "10008" in said) == (1, True)


@pytest.mark.slow
def test_what_is_wrong_is_said(message: Operator, discord: Simulator) -> None:
    assert message.fails("send", "--target", "channel:1")[0] == 2
    assert "recipient is required" in message.fails("send", "--message", "x")[1]
    code, said = message.fails("send", "--target", "#nowhere", "--message", "x")
    assert (code, "'#nowhere' was not found: no guild and no channel is called so" in said) == (1, True)
    code, said = message.fails("send", "--target", "123456789", "--message", "x")
    assert (code, 'a user is "user:123456789"' in said) == (1, True), "a bare number was taken for a channel"
    assert "serves discord only" in message.fails("send", "--channel", "irc", "--message", "x")[1]
    for wrong in (
        ("--channel", "irc"),
        ("--account", "nope"),
        ("--reply-to", "abc"),
        ("--message", "\udcff"),
        ("--presentation", "[" * 9_000),
    ):
        told = message.shoal.run(
            "message", "send", "--target", "user:1", "--message", "x", *wrong, "--json", env=message.env
        )
        assert (told.returncode != 70, json.loads(told.stdout)["ok"]) == (True, False), wrong
    assert "question and 2 to 10 answers" in message.fails("poll", "--target", "channel:1")[1]
    code, said = message.fails("kick", "--guild-id", discord.guild_id, "--user-id", discord.bot_id)
    assert (code, "Discord moderation actions are disabled" in said) == (1, True)
    assert "channels.discord.actions.moderation" in said


@pytest.mark.slow
def test_a_card_and_a_broadcast_as_typed(message: Operator, discord: Simulator) -> None:
    one, two = (str(discord.control.add_channel(discord.guild_id, name)["id"]) for name in ("b-one", "b-two"))
    card = '{"title": "News", "tone": "success", "blocks": [{"type": "text", "text": "All is well."}]}'
    said = message.says("broadcast", "--targets", "#b-one", "--targets", two, "--presentation", card)
    assert [line.split(":")[0] for line in said.splitlines()] == ["#b-one", two]
    for channel in (one, two):
        (seen,) = discord.control.messages(channel)
        assert seen["components"][0]["accent_color"] == 0x57F287
    done = message.shoal.run(
        "message", "broadcast", "--targets", f"{one},#nowhere", "--message", "x", "--json", env=message.env
    )
    assert done.returncode == 1
    assert [line["ok"] for line in json.loads(done.stdout)["payload"]["results"]] == [True, False]
    assert "1 of 2 targets failed" in done.stderr
    dry = message.json("broadcast", "--targets", one, "--message", "x", "--dry-run")
    assert dry["results"][0]["dryRun"] is True
