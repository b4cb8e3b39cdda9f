"""Every field a real bot was sent is in our events too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shoal.simulator.server import Simulator
from tests.simulator.conftest import Rest, reference
from tests.simulator.wire import Wire

RECORDED = json.loads(reference("recorded/replay-2026-01.json").read_text(encoding="utf-8"))
BUTTON = {"type": 1, "components": [{"type": 2, "style": 1, "label": "Hi", "custom_id": "hello"}]}
OPTIONAL = {"nonce"}
"""Fields that stand in an event only when the message has them."""


def missing(recorded: Any, ours: Any, path: str = "") -> list[str]:
    """Paths of fields that the recording has and our payload lacks; lists by their first item."""
    if isinstance(recorded, dict) and isinstance(ours, dict):
        lacking = [f"{path}.{key}" for key in recorded if key not in ours]
        for key in recorded:
            if key in ours:
                lacking += missing(recorded[key], ours[key], f"{path}.{key}")
        return lacking
    if isinstance(recorded, list) and isinstance(ours, list) and recorded and ours:
        return missing(recorded[0], ours[0], f"{path}[0]")
    if (recorded is None) != (ours is None) and isinstance(recorded, str | None) and "id" not in path:
        return []  # a name or picture that one of the two does not have
    return []


def event(wire: Wire, name: str) -> dict[str, Any]:
    return wire.wait(name)["d"]


def test_messages(simulator: Simulator) -> None:
    with Wire(simulator) as wire:
        role = simulator.control.add_role(simulator.guild_id, "helpers", mentionable=True)
        simulator.control.say("general", f"<@{simulator.bot_id}> Hey")
        assert missing(RECORDED["gatewayMention"]["data"], event(wire, "MESSAGE_CREATE")) == []
        simulator.control.say("general", f"<@&{role['id']}> Still there?")
        assert missing(RECORDED["gatewayRoleMention"]["data"], event(wire, "MESSAGE_CREATE")) == []


def test_thread_and_what_is_said_in_it(simulator: Simulator, rest: Rest) -> None:
    with Wire(simulator) as wire:
        said = simulator.control.say("general", "start")
        wire.wait("MESSAGE_CREATE")
        rest("POST", f"/channels/{simulator.channel_id}/messages/{said['id']}/threads", {"name": "Thread"})
        made = event(wire, "THREAD_CREATE")
        assert missing(RECORDED["gatewayThreadCreate"]["data"], made) == []
        assert made["newly_created"] is True
        assert made["id"] == said["id"]
        simulator.control.say(made["id"], "Hey")
        assert missing(RECORDED["gatewaySubscribedMessage"]["data"], event(wire, "MESSAGE_CREATE")) == []
        embed = {
            "title": "W",
            "description": "d",
            "color": 1,
            "fields": [{"name": "n", "value": "v", "inline": True}],
        }
        rest(
            "POST",
            f"/channels/{made['id']}/messages",
            {"content": "hi", "embeds": [embed], "components": [BUTTON]},
        )
        assert missing(RECORDED["gatewayBotWelcome"]["data"], event(wire, "MESSAGE_CREATE")) == []


def test_reaction(simulator: Simulator, rest: Rest) -> None:
    with Wire(simulator) as wire:
        made = rest("POST", f"/channels/{simulator.channel_id}/messages", {"content": "x"}).json()
        simulator.control.react("general", made["id"], "👍")
        added = event(wire, "MESSAGE_REACTION_ADD")
        assert missing(RECORDED["gatewayReactionAdd"]["data"], added) == []
        assert added["message_author_id"] == simulator.bot_id


@pytest.mark.parametrize("name", ["buttonClickHello", "differentUser"])
def test_click_in_a_thread(simulator: Simulator, rest: Rest, name: str) -> None:
    with Wire(simulator) as wire:
        thread = simulator.control.create_thread("general", "thread")
        rest("PUT", f"/channels/{thread['id']}/thread-members/@me")
        embed = {
            "title": "W",
            "description": "d",
            "color": 1,
            "fields": [{"name": "n", "value": "v", "inline": True}],
        }
        body = {"content": "hi", "embeds": [embed], "components": [BUTTON]}
        made = rest("POST", f"/channels/{thread['id']}/messages", body).json()
        simulator.control.click(thread["id"], made["id"], "hello")
        assert missing(RECORDED[name], event(wire, "INTERACTION_CREATE")) == []


def test_click_in_a_dm(simulator: Simulator, rest: Rest) -> None:
    with Wire(simulator) as wire:
        channel = simulator.control.open_dm()
        made = rest(
            "POST", f"/channels/{channel['id']}/messages", {"content": "x", "components": [BUTTON]}
        ).json()
        simulator.control.click(channel["id"], made["id"], "hello")
        clicked = event(wire, "INTERACTION_CREATE")
        assert missing(RECORDED["dmButtonClick"], clicked) == []
        assert "guild_id" not in clicked
        assert "member" not in clicked


def test_a_missing_field_is_found() -> None:
    recorded = RECORDED["gatewayMention"]["data"]
    poorer = {**recorded, "author": {k: v for k, v in recorded["author"].items() if k != "clan"}}
    assert missing(recorded, poorer) == [".author.clan"]
