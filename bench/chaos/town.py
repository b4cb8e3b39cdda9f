"""Where a run takes place: channels of several kinds, the people in them, and the config of the fleet."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench.fleet import FleetUnderTest

__all__ = ["Town", "build", "config"]

READ_HISTORY = 1 << 16
MANAGE_WEBHOOKS = 1 << 29
FORUM = 15
STREAMING = ("partial", "progress", "block", "blocks")
"""Modes of previews; with ``blocks`` there are none, and answers are sent in finished blocks."""
THREADED_SHARE, MENTIONED_SHARE = 0.15, 0.1


@dataclass(slots=True)
class Town:
    """Ids of everything.

    Attributes:
        channels: where people talk; of these ``threaded`` answer each message in a thread of its own, and in
            ``mentioned`` the bot must be named, and acknowledges what it hears.
        blind: where the bot cannot read what was written; nobody talks there but to lose an answer.
        sighted: the same, and the bot can read.
        named: blind, and the agent speaks there under a name of its own.
    """

    people: list[str]
    guild: str
    bot: str
    channels: list[str] = field(default_factory=list)
    threaded: set[str] = field(default_factory=set)
    mentioned: set[str] = field(default_factory=set)
    blind: list[str] = field(default_factory=list)
    sighted: list[str] = field(default_factory=list)
    named: list[str] = field(default_factory=list)
    forum: str = ""
    streaming: str = ""

    @property
    def plain(self) -> list[str]:
        """Where a message is answered where it was said, without being asked for by name."""
        return [one for one in self.channels if one not in self.threaded | self.mentioned]

    @property
    def everywhere(self) -> list[str]:
        """All channels with messages, threads excepted."""
        return [*self.channels, *self.blind, *self.sighted, *self.named]


def build(
    fleet: FleetUnderTest, *, seed: int, channels: int, rich: bool, beyond: int, note: Callable[..., None]
) -> Town:
    """Make the town of a run; ``beyond``: so many answers of each kind are to be lost beyond repair."""
    guild = str(fleet.guild["id"])
    people = [str(fleet.person["id"])]
    people += [str(fleet.control.add_user(f"person{n}", guilds=[guild])["id"]) for n in range(4)]
    town = Town(people, guild, str(fleet.bot["id"]))
    dice = random.Random(seed)
    for number in range(channels):
        made = str(fleet.control.add_channel(guild, f"talk-{number:03}")["id"])
        town.channels.append(made)
        note("channel", id=made)
        share = dice.random() if rich else 1.0
        if share < THREADED_SHARE:
            town.threaded.add(made)
        elif share < THREADED_SHARE + MENTIONED_SHARE:
            town.mentioned.add(made)
    if rich:
        town.streaming = STREAMING[seed % len(STREAMING)]
        town.forum = str(fleet.control.add_channel(guild, "posts", type=FORUM)["id"])
    hidden = [{"id": town.bot, "type": 1, "allow": str(MANAGE_WEBHOOKS), "deny": str(READ_HISTORY)}]
    for number in range(beyond):
        blind = fleet.control.add_channel(guild, f"blind-{number}", overwrites=hidden)
        town.blind.append(str(blind["id"]))
        named = fleet.control.add_channel(guild, f"named-{number}", overwrites=hidden)
        town.named.append(str(named["id"]))
        town.sighted.append(str(fleet.control.add_channel(guild, f"sighted-{number}")["id"]))
    return town


def config(town: Town, mode: str) -> dict[str, Any]:
    """Of the fleet: everybody here may talk, and every message is answered."""
    discord: dict[str, Any] = {
        "allowFrom": town.people,
        "groupPolicy": "allowlist",
        "guilds": {town.guild: {"users": town.people, "requireMention": False}},
        "replyToMode": "all",
    }
    messages: dict[str, Any] = {
        "groupChat": {"visibleReplies": "automatic"},
        "queue": {"mode": mode, "debounceMs": 0, "cap": 100},
    }
    made: dict[str, Any] = {"channels": {"discord": discord}, "messages": messages}
    if town.streaming:
        special = {channel: {"autoThread": True} for channel in town.threaded}
        special |= {channel: {"requireMention": True} for channel in town.mentioned}
        discord["guilds"][town.guild]["channels"] = {"*": {"enabled": True}, **special}
        if town.streaming == "blocks":
            discord["streaming"] = {"block": {"enabled": True, "coalesce": {"minChars": 200, "idleMs": 300}}}
        else:
            discord["streaming"] = {"mode": town.streaming}
        messages |= {"ackReaction": "👀", "removeAckAfterReply": True}
        made["commands"] = {"ownerAllowFrom": [f"discord:{town.people[0]}"]}
    return made
