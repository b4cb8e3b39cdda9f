"""Who may talk: one table per question."""

from __future__ import annotations

from typing import Any

import pytest

from workers.access.decide import decide
from workers.access.facts import MentionFacts, MessageFacts, SenderFacts, Surface
from workers.access.settings import AccessSettings

BOT, ANN, BOB, GUILD, CHANNEL = "900", "1", "2", "50", "60"
DM = Surface("direct", "70")
ROOM = Surface("channel", CHANNEL, "help-desk", GUILD, "My Guild")
THREAD = Surface("channel", "61", "question", GUILD, "My Guild", CHANNEL, "help-desk", True)
NAMED = MentionFacts(explicit=True)


def settings(section: dict[str, Any], **commands: Any) -> AccessSettings:
    return AccessSettings.read("default", section, commands)


def facts(surface: Surface = DM, author: str = ANN, **more: Any) -> MessageFacts:
    sender = more.pop("sender", SenderFacts(author, username=f"user{author}", tag=f"user{author}"))
    return MessageFacts(sender=sender, surface=surface, bot_id=BOT, **more)


@pytest.mark.parametrize(
    ("section", "author", "reason"),
    [
        ({}, ANN, "pairing-required"),
        ({"dmPolicy": "pairing", "allowFrom": [ANN]}, ANN, ""),
        ({"dmPolicy": "pairing", "allowFrom": [ANN]}, BOB, "pairing-required"),
        ({"dmPolicy": "allowlist", "allowFrom": [ANN]}, ANN, ""),
        ({"dmPolicy": "allowlist", "allowFrom": [ANN]}, BOB, "not-allowlisted"),
        ({"dmPolicy": "allowlist", "allowFrom": []}, ANN, "not-allowlisted"),
        ({"dmPolicy": "open", "allowFrom": ["*"]}, BOB, ""),
        ({"dmPolicy": "open"}, BOB, "not-allowlisted"),
        ({"dmPolicy": "open", "allowFrom": [ANN]}, BOB, "not-allowlisted"),
        ({"dmPolicy": "disabled", "allowFrom": ["*"]}, ANN, "dm-policy"),
        ({"dm": {"enabled": False}, "allowFrom": [ANN]}, ANN, "dm-disabled"),
        ({"dm": {"policy": "allowlist", "allowFrom": [ANN]}}, ANN, ""),
        ({"dm": {"allowFrom": [BOB]}, "allowFrom": [ANN]}, BOB, "pairing-required"),
        ({"allowFrom": [f"<@!{ANN}>"]}, ANN, ""),
        ({"allowFrom": [f"discord:{ANN}"]}, ANN, ""),
        ({"allowFrom": [f" user:{ANN} "]}, ANN, ""),
        ({"allowFrom": [1]}, ANN, ""),
        ({"allowFrom": ["user1"]}, ANN, "pairing-required"),
        ({"allowFrom": ["user1"], "dangerouslyAllowNameMatching": True}, ANN, ""),
        ({"allowFrom": ["@User1"], "dangerouslyAllowNameMatching": True}, ANN, ""),
    ],
)
def test_direct_messages(section: dict[str, Any], author: str, reason: str) -> None:
    decision = decide(facts(author=author), settings(section))
    assert (decision.allowed, decision.reason) == (not reason, reason)


def one(entry: dict[str, Any], key: str = GUILD, **more: Any) -> dict[str, Any]:
    return {"guilds": {key: entry}, **more}


@pytest.mark.parametrize(
    ("section", "surface", "reason"),
    [
        ({}, ROOM, "guild-not-listed"),
        ({"guilds": {}}, ROOM, "guild-not-listed"),
        ({"groupPolicy": "open"}, ROOM, ""),
        ({"groupPolicy": "open", "guilds": {"51": {}}}, ROOM, ""),
        (one({}, groupPolicy="disabled"), ROOM, "guild-policy"),
        (one({}, key="51"), ROOM, "guild-not-listed"),
        (one({}, key="*"), ROOM, ""),
        (one({}, key="my-guild"), ROOM, ""),
        (one({}, key="My Guild"), ROOM, ""),
        (one({}), ROOM, ""),
        (one({"channels": {}}), ROOM, "channel-not-listed"),
        (one({"channels": {"61": {}}}), ROOM, "channel-not-listed"),
        (one({"channels": {CHANNEL: {}}}), ROOM, ""),
        (one({"channels": {"#help-desk": {}}}), ROOM, ""),
        (one({"channels": {"Help Desk": {"allow": True}}}), ROOM, ""),
        (one({"channels": {CHANNEL: {"enabled": False}}}), ROOM, "channel-disabled"),
        (one({"channels": {CHANNEL: {"allow": False}}}), ROOM, "channel-disabled"),
        (one({"channels": {CHANNEL: {"allow": False, "enabled": True}}}), ROOM, ""),
        (one({"channels": {CHANNEL: {"enabled": False}}}, groupPolicy="open"), ROOM, "channel-disabled"),
        (one({"channels": {"61": {}}}, groupPolicy="open"), ROOM, "channel-not-listed"),
        (one({"channels": {"*": {}}}), ROOM, ""),
        (one({"channels": {"*": {"enabled": False}, CHANNEL: {}}}), ROOM, "channel-disabled"),
        (one({"channels": {"*": {"enabled": False}, CHANNEL: {"allow": True}}}), ROOM, ""),
        # a thread is known by its own id, or by its parent; never by its own name
        (one({"channels": {CHANNEL: {}}}), THREAD, ""),
        (one({"channels": {"61": {}}}), THREAD, ""),
        (one({"channels": {"help-desk": {}}}), THREAD, ""),
        (one({"channels": {"question": {}}}), THREAD, "channel-not-listed"),
        (one({"channels": {CHANNEL: {}, "61": {"enabled": False}}}), THREAD, "channel-disabled"),
    ],
)
def test_guild_places(section: dict[str, Any], surface: Surface, reason: str) -> None:
    decision = decide(facts(surface, mentions=NAMED), settings(section))
    assert (decision.allowed, decision.reason) == (not reason, reason)


@pytest.mark.parametrize(
    ("guild", "channel", "roles", "reason"),
    [
        ({}, {}, (), ""),
        ({"users": [ANN]}, {}, (), ""),
        ({"users": [BOB]}, {}, (), "sender-not-listed"),
        ({"users": []}, {}, (), "sender-not-listed"),
        ({"users": ["*"]}, {}, (), ""),
        ({"users": [BOB]}, {"users": [ANN]}, (), ""),
        ({"users": [ANN]}, {"users": [BOB]}, (), "sender-not-listed"),
        ({"users": [ANN]}, {"users": []}, (), "sender-not-listed"),
        ({"roles": ["7"]}, {}, ("7",), ""),
        ({"roles": ["role:7"]}, {}, ("7", "8"), ""),
        ({"roles": ["7"]}, {}, ("8",), "sender-not-listed"),
        ({"roles": ["7"]}, {}, None, "member-unknown"),
        ({"users": [ANN], "roles": ["7"]}, {}, None, ""),
        ({"users": [BOB]}, {}, None, "sender-not-listed"),
        ({"users": [BOB], "roles": ["7"]}, {}, ("7",), ""),
        # the pair moves together: the channel's list drops the guild's roles as well
        ({"roles": ["7"]}, {"users": [BOB]}, ("7",), "sender-not-listed"),
        ({"users": [ANN]}, {"roles": ["7"]}, ("8",), "sender-not-listed"),
    ],
)
def test_members(
    guild: dict[str, Any], channel: dict[str, Any], roles: tuple[str, ...] | None, reason: str
) -> None:
    section = one({**guild, "channels": {CHANNEL: channel}})
    sender = SenderFacts(ANN, roles=roles)
    assert decide(facts(ROOM, sender=sender, mentions=NAMED), settings(section)).reason == reason


def test_channel_entry_lies_over_the_wildcard_key_by_key() -> None:
    section = one({"channels": {"*": {"requireMention": False, "users": [BOB], "roles": ["7"]}, CHANNEL: {}}})
    assert decide(facts(ROOM, BOB), settings(section)).allowed
    assert decide(facts(ROOM, ANN), settings(section)).reason == "sender-not-listed"
    section = one({"channels": {"*": {"requireMention": False, "roles": ["7"]}, CHANNEL: {"users": [ANN]}}})
    with_role = SenderFacts(BOB, roles=("7",))
    assert decide(facts(ROOM, ANN), settings(section)).allowed
    assert decide(facts(ROOM, sender=with_role), settings(section)).reason == "sender-not-listed"


def test_guild_wildcard_is_never_merged_into_a_listed_guild() -> None:
    section = {"guilds": {"*": {"requireMention": False}, GUILD: {}}}
    assert decide(facts(ROOM), settings(section)).reason == "mention-required"


@pytest.mark.parametrize("key", ["我的服务器", "频道-1"])
def test_keys_in_any_script_match_by_name(key: str) -> None:
    place = Surface("channel", CHANNEL, "频道 1", GUILD, "我的服务器")
    section = one({"channels": {"频道-1": {}}}, key="我的服务器")
    assert decide(facts(place, mentions=NAMED), settings(section)).allowed
    other = Surface("channel", CHANNEL, "別の 1", GUILD, "我的服务器")
    assert decide(facts(other, mentions=NAMED), settings(section)).reason == "channel-not-listed", key


@pytest.mark.parametrize(
    ("entry", "mentions", "reason", "by"),
    [
        ({}, MentionFacts(), "mention-required", ""),
        ({}, NAMED, "", "explicit"),
        ({}, MentionFacts(reply_to_bot=True), "", "reply"),
        ({}, MentionFacts(mass=True), "mention-required", ""),
        ({}, MentionFacts(others=True), "mention-required", ""),
        ({"wakeOnMassMentions": True}, MentionFacts(mass=True), "", "mass"),
        ({"requireMention": False}, MentionFacts(), "", ""),
        ({"requireMention": False}, MentionFacts(others=True), "", ""),
        (
            {"requireMention": False, "ignoreOtherMentions": True},
            MentionFacts(others=True),
            "other-mentioned",
            "",
        ),
        (
            {"requireMention": False, "ignoreOtherMentions": True},
            MentionFacts(others=True, explicit=True),
            "",
            "explicit",
        ),
        ({"requireMention": False, "ignoreOtherMentions": True}, MentionFacts(mass=True), "", ""),
        ({"requireMention": True, "channels": {CHANNEL: {"requireMention": False}}}, MentionFacts(), "", ""),
        (
            {"requireMention": False, "channels": {CHANNEL: {"requireMention": True}}},
            MentionFacts(),
            "mention-required",
            "",
        ),
        ({"requireMention": False, "channels": {CHANNEL: {}}}, MentionFacts(), "", ""),
    ],
)
def test_mention_gate(entry: dict[str, Any], mentions: MentionFacts, reason: str, by: str) -> None:
    decision = decide(facts(ROOM, mentions=mentions), settings(one(entry)))
    assert (decision.reason, decision.mentioned_by) == (reason, by)
    assert decision.history == (reason in ("mention-required", "other-mentioned"))


def test_a_thread_the_bot_opened_for_autothread_needs_no_mention() -> None:
    mine = Surface("channel", "61", "t", GUILD, "My Guild", CHANNEL, "help-desk", True, BOT)
    theirs = Surface("channel", "61", "t", GUILD, "My Guild", CHANNEL, "help-desk", True, ANN)
    on = settings(one({"channels": {CHANNEL: {"autoThread": True}}}))
    off = settings(one({"channels": {CHANNEL: {}}}))
    assert decide(facts(mine), on).allowed
    assert decide(facts(theirs), on).reason == "mention-required"
    assert decide(facts(mine), off).reason == "mention-required"


def test_strangers_are_never_quoted() -> None:
    decision = decide(facts(ROOM, BOB), settings(one({"users": [ANN]})))
    assert decision.reason == "sender-not-listed"
    assert not decision.history


@pytest.mark.parametrize(
    ("allow_bots", "sender", "surface", "mentions", "reason"),
    [
        (False, SenderFacts(BOT), ROOM, NAMED, "own-message"),
        (True, SenderFacts(BOT, bot=True), ROOM, NAMED, "own-message"),
        (False, SenderFacts("5", bot=True), ROOM, NAMED, "bot-author"),
        (False, SenderFacts("5", bot=True, webhook=True), ROOM, NAMED, "webhook-author"),
        (True, SenderFacts("5", bot=True), ROOM, MentionFacts(), ""),
        ("mentions", SenderFacts("5", bot=True), ROOM, MentionFacts(), "bot-author"),
        ("mentions", SenderFacts("5", bot=True), ROOM, MentionFacts(mass=True), "bot-author"),
        ("mentions", SenderFacts("5", bot=True), ROOM, NAMED, ""),
        ("mentions", SenderFacts("5", bot=True), ROOM, MentionFacts(reply_to_bot=True), ""),
        ("mentions", SenderFacts("5", bot=True), DM, MentionFacts(), ""),
    ],
)
def test_bots(
    allow_bots: Any, sender: SenderFacts, surface: Surface, mentions: MentionFacts, reason: str
) -> None:
    section = one({"requireMention": False}, allowBots=allow_bots, allowFrom=["5"])
    assert decide(facts(surface, sender=sender, mentions=mentions), settings(section)).reason == reason


def test_a_bot_cannot_use_a_mass_mention_to_wake_us() -> None:
    section = one({"wakeOnMassMentions": True}, allowBots=True)
    sender = SenderFacts("5", bot=True)
    decision = decide(facts(ROOM, sender=sender, mentions=MentionFacts(mass=True)), settings(section))
    assert decision.reason == "mention-required"


def test_nothing_to_answer() -> None:
    allowed = settings({"allowFrom": [ANN]})
    assert decide(facts(has_content=False), allowed).reason == "empty-message"
    assert decide(facts(has_content=False, service=True), allowed).allowed


@pytest.mark.parametrize(
    ("section", "commands", "author", "authorized", "owner"),
    [
        (one({}), {}, ANN, False, False),
        (one({}, allowFrom=[ANN]), {}, ANN, True, False),
        (one({}, allowFrom=["*"]), {}, ANN, False, False),
        (one({"users": [ANN]}), {}, ANN, True, False),
        (one({}), {"ownerAllowFrom": [f"discord:{ANN}"]}, ANN, True, True),
        (one({}), {"ownerAllowFrom": ["telegram:1", "*"]}, ANN, False, False),
        (one({}), {"useAccessGroups": False}, ANN, True, False),
        (one({}, allowFrom=[BOB]), {"useAccessGroups": False}, ANN, False, False),
    ],
)
def test_commands_in_guilds(
    section: dict[str, Any], commands: dict[str, Any], author: str, authorized: bool, owner: bool
) -> None:
    decision = decide(facts(ROOM, author, mentions=NAMED), settings(section, **commands))
    assert (decision.authorized, decision.owner) == (authorized, owner)


def test_an_authorized_command_needs_no_mention_unless_it_names_somebody_else() -> None:
    allowed = settings(one({}, allowFrom=[ANN]))
    assert decide(facts(ROOM, command=True), allowed).mentioned_by == "command"
    assert decide(facts(ROOM, command=True, mentions=MentionFacts(others=True)), allowed).reason
    assert decide(facts(ROOM, BOB, command=True), allowed).reason == "command-unauthorized"


@pytest.mark.parametrize(
    ("dm", "allow", "reason"),
    [
        ({}, [ANN], "group-dm-disabled"),
        ({"groupEnabled": True}, [ANN], ""),
        ({"groupEnabled": True}, [BOB], "not-allowlisted"),
        ({"groupEnabled": True, "groupChannels": []}, [ANN], "channel-not-listed"),
        ({"groupEnabled": True, "groupChannels": ["discord:channel:80"]}, [ANN], ""),
        ({"groupEnabled": True, "groupChannels": ["<#80>"]}, [ANN], ""),
        ({"groupEnabled": True, "groupChannels": ["The Gang"]}, [ANN], ""),
        ({"groupEnabled": True, "groupChannels": ["81"]}, [ANN], "channel-not-listed"),
    ],
)
def test_group_dms(dm: dict[str, Any], allow: list[str], reason: str) -> None:
    place = Surface("group", "80", "the gang")
    assert decide(facts(place), settings({"dm": dm, "allowFrom": allow})).reason == reason
