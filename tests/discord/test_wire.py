"""Numbers on the wire against another library's."""

from __future__ import annotations

import discord

from shoal.discord.wire import (
    ChannelType,
    ComponentType,
    Intents,
    MessageFlags,
    MessageType,
    is_thread,
)


def test_channel_types_agree_with_discord_py() -> None:
    theirs = {kind.value for kind in discord.ChannelType}
    assert theirs <= {int(kind) for kind in ChannelType}
    assert [int(kind) for kind in ChannelType if is_thread(kind)] == [10, 11, 12]


def test_message_types_agree_with_discord_py() -> None:
    theirs = {kind.value for kind in discord.MessageType}
    assert {int(kind) for kind in MessageType} <= theirs


def test_intents_agree_with_discord_py() -> None:
    theirs = discord.Intents.VALID_FLAGS
    compared = 0
    for flag in Intents:
        name = (flag.name or "").lower()
        for candidate in (name.replace("direct_", "dm_"), name, name.removeprefix("guild_")):
            if candidate in theirs:
                assert theirs[candidate] == int(flag), flag
                compared += 1
                break
    assert compared == 15


def test_component_types_agree_with_discord_py() -> None:
    theirs = {kind.name: kind.value for kind in discord.ComponentType}
    same = {kind.name.lower() for kind in ComponentType} & theirs.keys()
    assert {"action_row", "button", "section", "text_display", "file", "separator", "container"} <= same
    assert all(theirs[kind.name.lower()] == kind for kind in ComponentType if kind.name.lower() in same)


def test_message_flags_agree_with_discord_py() -> None:
    theirs = discord.MessageFlags.VALID_FLAGS
    assert MessageFlags.EPHEMERAL == theirs["ephemeral"] == 64
    assert theirs["suppress_embeds"] == MessageFlags.SUPPRESS_EMBEDS
    assert theirs["suppress_notifications"] == MessageFlags.SUPPRESS_NOTIFICATIONS
    assert theirs["voice"] == MessageFlags.IS_VOICE_MESSAGE
    assert theirs["components_v2"] == MessageFlags.IS_COMPONENTS_V2
