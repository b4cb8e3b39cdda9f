"""What people see of a fleet, through discord.py: an independent client reads every event as it was meant.

One fleet, one observer, everything an agent can show. discord.py knows neither the simulator nor Shoal: what
it cannot parse, or parses as something else, is wrong on the wire.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.fleet import FleetUnderTest
from tests.integration.observer import Observer
from tests.workers.components.test_spec import MANUAL
from tests.workers.media.support.samples import png

pytestmark = pytest.mark.slow

Json = dict[str, Any]
WORDS = [f"Word {number} of a slow answer. " for number in range(16)]
DONE = {"after_tool": ".", "text": "NO_REPLY"}
ELSE = {"match": ".", "text": "NO_REPLY"}


class Stage:
    """A fleet with an agent that does as it is told, and who watches."""

    def __init__(self, fleet: FleetUnderTest, observer: Observer, help_channel: str) -> None:
        self.fleet, self.observer, self.help = fleet, observer, help_channel
        self.general = next(
            str(one["id"]) for one in fleet.control.state()["channels"] if one["name"] == "general"
        )

    def ask(self, text: str, rule: Json, channel: str = "general") -> Json:
        """Somebody asks; the model answers that by a rule."""
        self.fleet.models.script([DONE, {**rule, "match": re.escape(text)}, ELSE])
        return self.fleet.control.say(channel, f"<@{self.fleet.bot['id']}> {text}")

    def act(self, text: str, **call: Any) -> Json:
        """Somebody asks, and the agent uses the message tool."""
        return self.ask(text, {"tool_calls": [{"name": "message", "arguments": call}]})

    def message(self, fits: Callable[[Json], bool]) -> Json:
        """The first message of the bot that fits, as discord.py saw it."""
        return self.observer.wait("message", lambda one: one["by"] == "shoal" and fits(one))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    (workspace / "square.png").write_bytes(png())
    channels: list[str] = []

    def configure(fleet: FleetUnderTest) -> Json:
        guild = str(fleet.guild["id"])
        channels.append(str(fleet.control.add_channel(guild, "help")["id"]))
        rules = {"general": {}, "help": {"autoThread": True, "requireMention": True}}
        return {
            "channels": {
                "discord": {
                    "replyToMode": "first",
                    "streaming": {"mode": "partial"},
                    "guilds": {guild: {"channels": rules}},
                }
            },
            "messages": {"groupChat": {"visibleReplies": "automatic"}},
            "agents": {"defaults": {"workspace": str(workspace)}},
        }

    fleet = FleetUnderTest(tmp_path, settings={"rate_scale": 20})
    fleet.configure = configure
    fleet.start()
    observer = None
    try:
        bot = fleet.control.add_bot("observer", guilds=[str(fleet.guild["id"])])
        simulator = fleet.simulator
        observer = Observer(simulator.api_url, simulator.gateway_url, bot["token"])
        observer.wait("ready")
        yield Stage(fleet, observer, channels[0])
    finally:
        if observer is not None:
            observer.stop()
        fleet.stop()


@pytest.mark.timeout(400)
def test_everything_an_agent_shows_is_seen_as_it_was_meant(stage: Stage) -> None:
    """``spec/outbound.md`` 3 to 5 and 7.3, on the wire."""
    _an_answer_replies_and_mentions(stage)
    _a_preview_becomes_the_answer(stage)
    _an_answer_gets_a_thread_of_its_own(stage)
    _a_thread_is_made(stage)
    _components_are_laid_out(stage)
    _polls_files_stickers_and_embeds(stage)
    _a_message_is_reacted_to_edited_and_deleted(stage)
    assert [one for one in stage.observer.seen if one["what"] == "error"] == []
    assert stage.observer.errors == ""


def _an_answer_replies_and_mentions(stage: Stage) -> None:
    person = stage.fleet.person
    asked = stage.ask("who am I?", {"text": f"You are <@{person['id']}>, and **this** is a reply."})
    stage.observer.wait("typing", lambda one: one["by"] == "shoal")
    # a preview names nobody; one that came first is taken away when the answer is there (decision 31)
    seen = stage.message(lambda one: one["reference"] == asked["id"] and one["mentions"])
    assert seen["type"] == "reply"
    assert seen["answers"] == asked["content"], "the reply holds what it answers"
    assert seen["mentions"] == [person["username"]]
    assert seen["content"] == f"You are <@{person['id']}>, and **this** is a reply."
    assert seen["clean"].startswith("You are @")
    assert (seen["v2"], seen["silent"], seen["embeds"]) == (False, False, [])


def _a_preview_becomes_the_answer(stage: Stage) -> None:
    stage.ask("tell slowly", {"text": WORDS, "chunk_delay": 0.3})
    first = stage.message(lambda one: one["content"].startswith("Word 0"))
    answer = "".join(WORDS).strip()
    last = stage.observer.wait("edit", lambda one: one["id"] == first["id"] and one["content"] == answer)
    assert last["edited_at"] is not None
    edits = [one for one in stage.observer.seen if one["what"] == "edit" and one["id"] == first["id"]]
    texts = [first["content"], *(one["content"] for one in edits)]
    assert len(texts) > 1
    assert all(answer.startswith(text.rstrip("… ")) for text in texts), "it only grows"
    assert texts.count(answer) == 1


def _an_answer_gets_a_thread_of_its_own(stage: Stage) -> None:
    asked = stage.ask("plan the party", {"text": "Cake first."}, channel=stage.help)
    thread = stage.observer.wait("thread", lambda one: one["parent"] == stage.help)
    assert (thread["id"], thread["name"], thread["kind"]) == (asked["id"], "plan the party", "public_thread")
    seen = stage.message(lambda one: one["content"] == "Cake first.")
    assert (seen["channel"], seen["place"]) == (thread["id"], "public_thread")


def _a_thread_is_made(stage: Stage) -> None:
    stage.act("make a thread", action="thread-create", threadName="Plans", message="Here we go.")
    thread = stage.observer.wait("thread", lambda one: one["name"] == "Plans")
    assert thread["parent"] == stage.general
    assert stage.message(lambda one: one["content"] == "Here we go.")["channel"] == thread["id"]


def _components_are_laid_out(stage: Stage) -> None:
    once = {**MANUAL, "container": {"accentColor": "#00ff88"}, "reusable": False}
    once["blocks"] = [{"type": "actions", "buttons": [{"label": "Approve"}, {"label": "Decline"}]},
                      MANUAL["blocks"][1]]  # fmt: skip
    stage.act("offer it", action="send", components=once)
    seen = stage.message(lambda one: one["v2"])
    [container] = seen["components"]
    assert (container["kind"], container["accent"]) == ("container", 0x00FF88)
    text, buttons, menu, opener = container["children"]
    assert (text["kind"], text["content"]) == ("text_display", "Choose a path")
    assert [(one["label"], one["disabled"]) for one in buttons["children"]] == [
        ("Approve", False), ("Decline", False)]  # fmt: skip
    assert [one["options"] for one in menu["children"]] == [["Option A", "Option B"]]
    assert [one["label"] for one in opener["children"]] == ["Open form"]
    assert seen["view"].count("Button") == 3
    assert {"Container", "TextDisplay", "ActionRow", "Select"} <= set(seen["view"])
    stage.fleet.control.click("general", seen["id"], buttons["children"][0]["custom_id"])
    grey = stage.observer.wait("edit", lambda one: one["id"] == seen["id"])
    _, *rows = grey["components"][0]["children"]
    assert all(one["disabled"] for row in rows for one in row["children"]), "used up"


def _polls_files_stickers_and_embeds(stage: Stage) -> None:
    stage.act("poll", action="poll", pollQuestion="Lunch?", pollOption=["Pizza", "Soup"], pollMulti=True,
              pollDurationHours=48)  # fmt: skip
    poll = stage.message(lambda one: one["poll"])["poll"]
    assert poll == {"question": "Lunch?", "answers": ["Pizza", "Soup"], "multiple": True, "hours": 48}
    stage.act("picture", action="send", message="Look.", media="square.png", silent=True)
    seen = stage.message(lambda one: one["attachments"])
    assert seen["attachments"] == [
        {"name": "square.png", "type": "image/png", "size": len(png()), "bytes": len(png())}]  # fmt: skip
    assert (seen["content"], seen["silent"]) == ("Look.", True)
    stage.act("sticker", action="sticker", stickerId=["749054660769218631"])
    [sticker] = stage.message(lambda one: one["stickers"])["stickers"]
    assert sticker["id"] == "749054660769218631"
    fields = [{"name": "a", "value": "1"}]
    embed = {"title": "Report", "description": "All well.", "color": 255, "fields": fields}
    stage.act("embed", action="send", message="See:", embeds=[embed])
    [told] = stage.message(lambda one: one["embeds"])["embeds"]
    assert {name: told[name] for name in ("title", "description", "color")} == {
        "title": "Report", "description": "All well.", "color": 255}  # fmt: skip
    assert [(one["name"], one["value"]) for one in told["fields"]] == [("a", "1")]


def _a_message_is_reacted_to_edited_and_deleted(stage: Stage) -> None:
    asked = stage.act("react", action="react", emoji="🎉")
    seen = stage.observer.wait("reaction", lambda one: one["emoji"] == "🎉")
    assert (seen["message"], seen["by"], seen["count"]) == (asked["id"], "shoal", 1)
    stage.act("send", action="send", message="To be changed")
    sent = stage.message(lambda one: one["content"] == "To be changed")
    stage.act("edit", action="edit", messageId=sent["id"], message="Changed")
    edit = stage.observer.wait("edit", lambda one: one["id"] == sent["id"])
    assert (edit["before"], edit["content"]) == ("To be changed", "Changed")
    stage.act("delete", action="delete", messageId=sent["id"])
    gone = stage.observer.wait("delete", lambda one: one["id"] == sent["id"])
    assert gone["content"] == "Changed"
    stage.act("unreact", action="react", emoji="🎉", messageId=asked["id"], remove=True)
    taken = stage.observer.wait("unreaction", lambda one: one["emoji"] == "🎉")
    assert (taken["message"], taken["by"]) == (asked["id"], "shoal")
    time.sleep(0.5)
