"""Owners, and whose commands count (``spec/inbound.md`` 3.9, 8.4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers.access.support import ANN, BOB, CHANNEL, DM, GUILD, ROOM, facts, one, settings
from workers.access.commands import decide_command
from workers.access.decide import decide
from workers.access.facts import MentionFacts, Surface
from workers.access.needs import AudienceNeeded
from workers.access.owners import pinned_owner

NAMED = MentionFacts(explicit=True)
GROUP = Surface("group", "80", "gang")


def authorized(section: dict[str, Any], surface: Surface = ROOM, author: str = ANN, **commands: Any) -> bool:
    decision = decide(facts(surface, author, mentions=NAMED), settings(section, **commands))
    assert decision.allowed, decision.reason
    return decision.authorized


@pytest.mark.parametrize(
    ("entries", "owner"),
    [
        ([ANN], True),
        ([f"discord:{ANN}"], True),
        ([f"user:{ANN}"], True),
        ([f"<@{ANN}>"], True),
        ([f"telegram:{ANN}"], False),
        (["*"], False),
        (["user1"], False),
        ([BOB], False),
        ([], False),
    ],
)
def test_the_owner_list(entries: list[str], owner: bool) -> None:
    """3.9: prefixes of other channels are not ours, a wildcard makes nobody an owner."""
    told = settings({"allowFrom": [ANN]}, ownerAllowFrom=entries)
    assert decide(facts(), told).owner is owner


def test_owners_may_be_named_with_the_dangerous_flag() -> None:
    """3.8."""
    told = settings({"allowFrom": [ANN], "dangerouslyAllowNameMatching": True}, ownerAllowFrom=["user1"])
    assert decide(facts(), told).owner


@pytest.mark.parametrize(
    ("guild", "hint"),
    [
        ({"users": [ANN]}, ANN),
        ({"users": ["*", ANN]}, ANN),
        ({"users": ["*"]}, ""),
        ({"roles": ["*"]}, ""),
        ({}, ""),
        ({"users": [BOB], "channels": {CHANNEL: {"users": [ANN]}}}, ANN),
    ],
)
def test_a_specific_entry_of_users_is_a_hint_and_no_owner(guild: dict[str, Any], hint: str) -> None:
    """3.9: the implicit hint."""
    decision = decide(facts(ROOM, mentions=NAMED), settings(one(guild)))
    assert decision.allowed
    assert (decision.owner_hint, decision.owner) == (hint, False)


@pytest.mark.parametrize(
    ("entries", "scope", "pinned"),
    [
        ([ANN], "main", ANN),
        ([f"<@{ANN}>", f"discord:{ANN}"], "main", ANN),
        ([ANN, "ann"], "main", ANN),  # a name is a dead letter
        ([ANN], "per-peer", None),
        ([ANN, BOB], "main", None),
        ([ANN, "*"], "main", None),
        ([ANN, "accessGroup:team"], "main", None),
        (["pk:abcde"], "main", None),
        ([], "main", None),
        (None, "main", None),
    ],
)
def test_the_pinned_owner_of_the_main_session(entries: Any, scope: str, pinned: str | None) -> None:
    """3.9."""
    groups = {"team": {"type": "message.senders", "members": {"discord": ["5"]}}}
    section = {} if entries is None else {"allowFrom": entries}
    assert pinned_owner(settings(section, groups), scope) == pinned


@pytest.mark.parametrize(
    ("section", "commands", "surface", "expected"),
    [
        # DMs: whoever may talk may command
        ({"allowFrom": [ANN]}, {}, DM, True),
        ({"dmPolicy": "open", "allowFrom": ["*"]}, {}, DM, True),
        # elsewhere: a configured authorizer has to match
        (one({}), {}, ROOM, False),
        (one({}, allowFrom=[ANN]), {}, ROOM, True),
        (one({}, allowFrom=["*"]), {}, ROOM, False),
        (one({}, allowFrom=[BOB]), {}, ROOM, False),
        (one({"users": [ANN]}), {}, ROOM, True),
        (one({"users": ["*"]}), {}, ROOM, True),
        (one({"users": [ANN]}, allowFrom=[BOB]), {}, ROOM, True),
        (one({}), {"ownerAllowFrom": [ANN]}, ROOM, True),
        # useAccessGroups: false lifts it where nothing is configured, and only there
        (one({}), {"useAccessGroups": False}, ROOM, True),
        (one({}, allowFrom=["*"]), {"useAccessGroups": False}, ROOM, True),
        (one({}, allowFrom=[BOB]), {"useAccessGroups": False}, ROOM, False),
        ({"dm": {"groupEnabled": True}, "allowFrom": [ANN]}, {}, GROUP, True),
        ({"dm": {"groupEnabled": True}, "allowFrom": ["*"]}, {}, GROUP, False),
        # commands.allowFrom alone decides, DMs included
        (one({}), {"allowFrom": {"discord": [ANN]}}, ROOM, True),
        (one({}, allowFrom=[ANN]), {"allowFrom": {"discord": [BOB]}}, ROOM, False),
        (one({"users": [ANN]}), {"allowFrom": {"discord": []}}, ROOM, False),
        ({"allowFrom": [ANN]}, {"allowFrom": {"discord": [BOB]}}, DM, False),
        (one({}), {"allowFrom": {"*": [ANN]}}, ROOM, True),
        (one({}), {"allowFrom": {"*": [ANN], "discord": [BOB]}}, ROOM, False),
        (one({}, allowFrom=[ANN]), {"allowFrom": {"telegram": [BOB]}}, ROOM, True),
        (one({}), {"allowFrom": {"discord": ["*"]}}, ROOM, True),
        (one({}), {"allowFrom": {"discord": [f"guild:{GUILD}"]}}, ROOM, True),
        (one({}), {"allowFrom": {"discord": ["guild:51"]}}, ROOM, False),
        (
            one({}, dangerouslyAllowNameMatching=True),
            {"allowFrom": {"discord": ["user1"]}},
            ROOM,
            False,
        ),
        (one({}), {"allowFrom": {"discord": [BOB]}, "ownerAllowFrom": [ANN]}, ROOM, False),
        # enforceOwnerForCommands leaves owners only
        (one({}, allowFrom=[ANN], commands={"enforceOwnerForCommands": True}), {}, ROOM, False),
        (
            one({}, commands={"enforceOwnerForCommands": True}),
            {"ownerAllowFrom": [ANN]},
            ROOM,
            True,
        ),
        ({"allowFrom": [ANN], "commands": {"enforceOwnerForCommands": True}}, {}, DM, False),
        (
            one({}, commands={"enforceOwnerForCommands": True}),
            {"allowFrom": {"discord": [ANN]}},
            ROOM,
            False,
        ),
    ],
)
def test_whose_commands_count(
    section: dict[str, Any], commands: dict[str, Any], surface: Surface, expected: bool
) -> None:
    """3.9 with J's reading of OR."""
    assert authorized(section, surface, **commands) is expected


def test_an_unauthorized_command_is_dropped_before_the_mention_gate() -> None:
    """3.9, 4.4: it never reaches the model, be the bot mentioned or not."""
    told = settings(one({"requireMention": False}))
    for mentions in (MentionFacts(), NAMED):
        decision = decide(facts(ROOM, command=True, mentions=mentions), told)
        assert (decision.reason, decision.history) == ("command-unauthorized", False)


def test_an_audience_that_may_command_has_to_be_known() -> None:
    """3.4: where a group of the account's own list authorizes commands."""
    groups = {"staff": {"type": "discord.channelAudience", "guildId": "5", "channelId": "6"}}
    told = settings(one({}, allowFrom=["accessGroup:staff"]), groups)
    asked = decide(facts(ROOM, command=True), told)
    assert (asked.reason, asked.needs) == ("command-unauthorized", {AudienceNeeded("5", "6", ANN)})
    known = facts(ROOM, command=True).learned(audiences={AudienceNeeded("5", "6", ANN): True})
    assert decide(known, told).mentioned_by == "command"
    # an ordinary message is not kept waiting for it
    assert decide(facts(ROOM, mentions=NAMED), told).needs == frozenset()


# -- slash commands and clicks -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("section", "commands", "surface", "everyone", "reason"),
    [
        (one({}), {}, ROOM, False, "command-unauthorized"),
        (one({"users": [ANN]}), {}, ROOM, False, ""),
        (one({"users": [BOB]}), {}, ROOM, False, "sender-not-listed"),
        (one({}, groupPolicy="disabled", allowFrom=[ANN]), {}, ROOM, False, "guild-policy"),
        (one({"channels": {"9": {}}}, allowFrom=[ANN]), {}, ROOM, False, "channel-not-listed"),
        (one({"channels": {CHANNEL: {"enabled": False}}}), {}, ROOM, False, "channel-disabled"),
        ({}, {}, DM, False, "pairing-required"),
        ({"dmPolicy": "allowlist", "allowFrom": [BOB]}, {}, DM, False, "not-allowlisted"),
        ({"allowFrom": [ANN]}, {}, DM, False, ""),
        # owners are written: only they, but for what is for everyone
        ({"allowFrom": [ANN]}, {"ownerAllowFrom": [BOB]}, DM, False, "command-unauthorized"),
        ({"allowFrom": [ANN]}, {"ownerAllowFrom": [BOB]}, DM, True, ""),
        ({"allowFrom": [ANN]}, {"ownerAllowFrom": [ANN]}, DM, False, ""),
        ({"allowFrom": [ANN]}, {"ownerAllowFrom": ["telegram:7"]}, DM, False, ""),
        (
            {"allowFrom": [ANN]},
            {"ownerAllowFrom": [BOB], "allowFrom": {"discord": [ANN]}},
            DM,
            False,
            "",
        ),
    ],
)
def test_slash_commands(
    section: dict[str, Any], commands: dict[str, Any], surface: Surface, everyone: bool, reason: str
) -> None:
    """8.4: the same policy, no mention gate."""
    decision = decide_command(facts(surface), settings(section, **commands), for_everyone=everyone)
    assert (decision.reason, decision.allowed) == (reason, not reason)
    assert decision.authorized is (not reason)
