"""Names of actions (decision 40) and their gates (``spec/outbound.md`` 7.2)."""

from __future__ import annotations

import pytest

from config.schema.discord_parts import Actions
from tests.workers.actions.conftest import DEFAULTS, Doer
from workers.actions.base import ActionError
from workers.actions.table import ACTIONS, action_named, offered
from workers.agent.tools.message import ACTIONS as TOOL_ACTIONS

MANUALS = {
    "reactions": "reactions", "permissions": "permissions", "readMessages": "read", "editMessage": "edit",
    "deleteMessage": "delete", "threadCreate": "thread-create", "threadList": "thread-list",
    "pinMessage": "pin", "unpinMessage": "unpin", "listPins": "list-pins", "searchMessages": "search",
    "memberInfo": "member-info", "roleInfo": "role-info", "roleAdd": "role-add",
    "roleRemove": "role-remove", "emojiList": "emoji-list", "channelInfo": "channel-info",
    "channelList": "channel-list", "voiceStatus": "voice-status", "eventList": "event-list",
    "eventCreate": "event-create", "timeout": "timeout", "kick": "kick", "ban": "ban",
    "setPresence": "set-presence", "event-create": "event-create", "fetchMessage": "fetch-message",
    "channelCreate": "channel-create", "channelEdit": "channel-edit", "channelDelete": "channel-delete",
    "channelMove": "channel-move", "categoryCreate": "category-create", "categoryEdit": "category-edit",
    "categoryDelete": "category-delete", "react": "react", "emojiUpload": "emoji-upload",
    "stickerUpload": "sticker-upload", "channelPermissionSet": "channel-permission-set",
    "channelPermissionRemove": "channel-permission-remove",
}  # fmt: skip
CLOSED = {"roles", "moderation", "presence"}


@pytest.mark.parametrize(("name", "wanted"), MANUALS.items())
def test_each_name_of_the_manuals_is_an_action_in_every_spelling(name: str, wanted: str) -> None:
    kebab = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in name)
    for spelling in (name, kebab, kebab.replace("-", "_"), name[0].upper() + name[1:]):
        action = action_named(spelling)
        assert action is not None, spelling
        assert action.name == wanted


def test_every_action_is_in_the_table_of_names() -> None:
    assert set(ACTIONS) == set(MANUALS.values())
    assert not set(ACTIONS) & set(TOOL_ACTIONS), "one name, one action"


def test_no_gate_that_acts_is_said_to_have_no_effect() -> None:
    """Manual 004 writes them all, and must not hear that some do nothing."""
    gates = {action.gate for action in (*ACTIONS.values(), *TOOL_ACTIONS.values())}
    assert gates <= {info.alias for info in Actions.model_fields.values()}
    assert not gates & Actions.LATER


def test_the_default_gates() -> None:
    shut = {action.gate for action in ACTIONS.values() if not DEFAULTS[action.gate]}
    assert shut == CLOSED
    assert {action.name for action in offered(DEFAULTS)} == {
        action.name for action in ACTIONS.values() if action.gate not in CLOSED
    }


@pytest.mark.parametrize("name", ACTIONS)
def test_a_closed_gate_stops_the_action_before_anything_is_asked(doer: Doer, name: str) -> None:
    gate = ACTIONS[name].gate
    with pytest.raises(ActionError, match=f"Discord {gate} actions are disabled") as refused:
        doer.do(name, {gate: False})
    assert refused.value.fix == f"channels.discord.actions.{gate}: true."
    assert doer.requests() == []
