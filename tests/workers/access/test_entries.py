"""What may be written into lists, and what it matches (``spec/inbound.md`` 3.2, 3.4, 3.7, 3.8)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers.access.support import ANN, BOB, CHANNEL, GUILD, ROOM, facts, one, settings
from workers.access.decide import decide
from workers.access.entries import AllowList, Match, read_groups
from workers.access.facts import MentionFacts, PluralKitSender, SenderFacts, Surface
from workers.access.guilds import role_ids
from workers.access.slugs import KeyIndex, display_slug, key_matches, match_slug

ID = "123456789012345678"


@pytest.mark.parametrize(
    ("entry", "ids", "names"),
    [
        (ID, {ID}, set()),
        (7, {"7"}, set()),
        (f" {ID} ", {ID}, set()),
        (f"<@{ID}>", {ID}, set()),
        (f"<@!{ID}>", {ID}, set()),
        (f"user:{ID}", {ID}, set()),
        (f"discord:{ID}", {ID}, set()),
        (f"discord:user:{ID}", {ID}, set()),
        ("discord:abcde", {"abcde"}, set()),  # the rest of a prefix is verbatim
        ("pk:abcde", {"pk:abcde"}, set()),
        ("discord:pk:abcde", {"pk:abcde"}, set()),
        ("User:5", set(), {"user-5"}),  # prefixes are case-sensitive
        ("@Ann", set(), {"ann"}),
        ("Ann#1234", set(), {"ann-1234"}),
        ("role:7", set(), set()),
        ("channel:7", set(), set()),
        ("guild:7", set(), set()),
        ("accessGroup:nobody-knows", set(), set()),
        ("", set(), set()),
        ("   ", set(), set()),
    ],
)
def test_entry_forms(entry: str | int, ids: set[str], names: set[str]) -> None:
    """3.2."""
    read = AllowList.parse([entry])
    assert read is not None
    assert (read.ids, read.names, read.wildcard) == (ids, names, False)


def test_absent_and_empty_lists_differ() -> None:
    """Decision 1."""
    assert AllowList.parse(None) is None
    empty = AllowList.parse([])
    assert empty is not None
    assert empty.empty
    assert empty.match("1") is None


def test_match_order_is_wildcard_id_name_tag() -> None:
    """3.2: the match says which entry it was."""
    everyone = AllowList.parse(["*", "1"])
    listed = AllowList.parse(["1", "ann", "bob#7"])
    assert everyone is not None and listed is not None  # noqa: PT018
    assert everyone.match("1") == Match("*", "wildcard")
    assert listed.match("1", username="ann", tag="ann", by_name=True) == Match("1", "id")
    assert listed.match("9", username="ann", tag="bob#7", by_name=True) == Match("ann", "name")
    assert listed.match("9", username="bob", tag="bob#7", by_name=True) == Match("bob-7", "tag")
    assert listed.match("9", username="ann", tag="bob#7") is None


def test_what_people_call_themselves_never_matches() -> None:
    """3.2, 3.8: neither a display name nor an id in somebody's name."""
    listed = AllowList.parse(["ann", ID])
    assert listed is not None
    assert listed.match("9", username=ID, tag=ID, by_name=True) is None
    assert listed.match("", username="", tag="", by_name=True) is None


@pytest.mark.parametrize(("by_name", "reason"), [(False, "pairing-required"), (True, "")])
def test_names_count_only_with_the_dangerous_flag(by_name: bool, reason: str) -> None:
    """3.8."""
    section = {"allowFrom": ["user1"], "dangerouslyAllowNameMatching": by_name}
    assert decide(facts(), settings(section)).reason == reason


# -- PluralKit ------------------------------------------------------------------------------------------

LOU = PluralKitSender("abcde", "Lou 🌙", "lou", "Moon", account_id=ANN)
PROXIED = SenderFacts("300", "Lou 🌙", bot=True, webhook=True).spoken_by(LOU)


@pytest.mark.parametrize(
    ("users", "by_name", "reason"),
    [
        (["pk:abcde"], False, ""),
        (["pk:ABCDE"], False, "sender-not-listed"),
        ([ANN], False, "sender-not-listed"),  # the account behind it is not who speaks
        (["abcde"], False, "sender-not-listed"),
        (["discord:abcde"], False, "sender-not-listed"),
        (["Lou"], False, "sender-not-listed"),
        (["Lou 🌙"], True, ""),
        (["lou"], True, ""),
        (["*"], False, ""),
    ],
)
def test_members_of_pluralkit_are_compared_by_their_own_id(
    users: list[str], by_name: bool, reason: str
) -> None:
    """3.2, 3.12."""
    section = one({"users": users, "requireMention": False}, dangerouslyAllowNameMatching=by_name)
    assert decide(facts(ROOM, sender=PROXIED), settings(section)).reason == reason


def test_a_member_of_pluralkit_has_no_roles_of_the_webhook() -> None:
    """3.12: a role rule cannot be met by who has no roles, and nobody is asked for them."""
    decision = decide(facts(ROOM, sender=PROXIED), settings(one({"roles": ["7"]})))
    assert (decision.reason, decision.needs) == ("sender-not-listed", frozenset())


def test_the_label_tells_the_system() -> None:
    """3.12."""
    assert LOU.label == "Lou 🌙 (PK:Moon)"
    assert PluralKitSender("abcde", "Lou").label == "Lou (PK)"


# -- fixed groups -----------------------------------------------------------------------------------------

TEAM = {
    "team": {"type": "message.senders", "members": {"*": ["3"], "discord": [ANN, "accessGroup:other"]}},
    "other": {"type": "message.senders", "members": {"discord": [BOB]}},
    "all": {"type": "message.senders", "members": {"discord": ["*"]}},
    "phone": {"type": "message.senders", "members": {"telegram": [ANN]}},
    "odd": {"type": "message.readers", "members": {"discord": [ANN]}},
    "wrong": {"type": "discord.channelAudience", "guildId": "5", "channelId": "6", "membership": "canSend"},
}


@pytest.mark.parametrize(
    ("entries", "author", "reason"),
    [
        (["accessGroup:team"], ANN, ""),
        (["accessGroup:team"], "3", ""),
        (["accessGroup:team"], BOB, "not-allowlisted"),  # groups in groups are not followed
        (["accessGroup: team"], ANN, ""),
        (["accessGroup:phone"], ANN, "not-allowlisted"),
        (["accessGroup:odd"], ANN, "not-allowlisted"),
        (["accessGroup:wrong"], ANN, "not-allowlisted"),
        (["accessGroup:nobody"], ANN, "not-allowlisted"),
        (["accessGroup:all"], ANN, "not-allowlisted"),  # * in a group names nobody
        (["accessGroup:nobody", BOB], BOB, ""),  # a group that leads nowhere does not poison the list
    ],
)
def test_fixed_groups(entries: list[str], author: str, reason: str) -> None:
    """3.4."""
    section = {"dmPolicy": "allowlist", "allowFrom": entries}
    assert decide(facts(author=author), settings(section, TEAM)).reason == reason


def test_a_group_does_not_open_an_open_policy() -> None:
    """3.4: only a literal ``*`` does."""
    section = {"dmPolicy": "open", "allowFrom": ["accessGroup:all"]}
    assert decide(facts(), settings(section, TEAM)).reason == "not-allowlisted"


@pytest.mark.parametrize("where", ["guild", "channel"])
def test_groups_work_in_users_of_guilds_and_channels(where: str) -> None:
    """3.4: a sensible extension; upstream has dead entries there."""
    listed = {"users": ["accessGroup:team"]}
    guild = listed if where == "guild" else {"channels": {CHANNEL: listed}}
    told = settings(one({"requireMention": False, **guild}), TEAM)
    decision = decide(facts(ROOM), told)
    assert decision.match == Match("accessGroup:team", "group")
    assert decide(facts(ROOM, BOB), told).reason == "sender-not-listed"


def test_a_group_never_makes_an_owner() -> None:
    """3.4, 3.9."""
    told = settings(one({"users": ["accessGroup:team"]}), TEAM, ownerAllowFrom=["accessGroup:team", BOB])
    decision = decide(facts(ROOM, mentions=MentionFacts(explicit=True)), told)
    assert (decision.allowed, decision.owner, decision.owner_hint) == (True, False, "")


def test_groups_without_members_are_left_out() -> None:
    """3.4."""
    assert set(read_groups(TEAM)) == {"team", "other", "all", "phone"}
    assert read_groups(None) == {}


# -- slugs and keys ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "match", "display"),
    [
        ("General", "general", "general"),
        ("#help Desk!", "help-desk", "help-desk"),
        ("résumé", "r-sum", "résumé"),
        ("中文频道", "", "中文频道"),
        ("a_b  c", "a-b-c", "a-b-c"),
        ("##x", "x", "x"),
        ("🎉party", "party", "party"),
        ("---", "", ""),
    ],
)
def test_slugs(name: str, match: str, display: str) -> None:
    """3.7."""
    assert (match_slug(name), display_slug(name)) == (match, display)


@pytest.mark.parametrize(
    ("key", "name", "fits"),
    [
        ("general", "General", True),
        ("#general", "general", True),
        ("General", "🎉general", True),
        ("频道", "频道", True),
        ("频道", "別の", False),
        ("频道 general", "general", False),  # a slug must keep all that was written
        ("***", "!!!", False),
        ("", "", False),
        ("*", "*", False),  # the wildcard is looked for last, by its own rule
    ],
)
def test_keys_match_names(key: str, name: str, fits: bool) -> None:
    """Decision 9."""
    assert key_matches(key, id="5", name=name) is fits


def test_of_several_keys_the_id_wins_then_the_first() -> None:
    """3.5."""
    index = KeyIndex(["*", "help-desk", "Help Desk", "60"])
    assert index.find(id="60", name="Help Desk") == "60"
    assert index.find(id="61", name="Help Desk") == "help-desk"
    assert index.find(id="61", name="other") is None
    assert index.find(id="61", name="") is None


@pytest.mark.parametrize(
    ("entries", "roles"),
    [
        (None, None),
        ([], set()),
        (["7", "role:8", "<@&9>", "*", 5], {"7", "8", "9", "*", "5"}),
        (["Moderators", "role:Mods", "<@7>"], set()),
    ],
)
def test_role_entries_are_ids(entries: list[Any] | None, roles: set[str] | None) -> None:
    """3.5: names of roles are ignored."""
    assert role_ids(entries) == roles


def test_a_guild_that_is_known_by_name_only_is_closed_while_its_name_is_not_known() -> None:
    """3.5: ``*`` must not stand in for an entry that says less."""
    section = {"guilds": {"my-guild": {"users": [BOB]}, "*": {"requireMention": False}}}
    unknown = Surface("channel", CHANNEL, "help-desk", GUILD, "")
    decision = decide(facts(unknown), settings(section))
    assert decision.reason == "guild-unknown"
    assert decision.needs
    assert decide(facts(ROOM), settings(section)).reason == "sender-not-listed"
    assert decide(facts(unknown), settings({"guilds": {"*": {"requireMention": False}}})).allowed


NEW = Surface("channel", "61", "", GUILD, "G", known=False)
NAMELESS = Surface("channel", "61", "", GUILD, "G")


@pytest.mark.parametrize(
    ("channels", "surface", "reason"),
    [
        ({"60": {"enabled": False}, "*": {}}, NEW, "channel-unknown"),
        ({"*": {}}, NEW, ""),
        ({"61": {}, "60": {"enabled": False}}, NEW, ""),
        ({"60": {"enabled": False}, "*": {}}, NAMELESS, ""),
        ({"help-desk": {"enabled": False}, "*": {}}, NAMELESS, "channel-unknown"),
        (
            {"help-desk": {"enabled": False}, "*": {}},
            Surface("channel", "61", "t", GUILD, "G", "60", "", is_thread=True),
            "channel-unknown",
        ),
        (
            {"60": {"enabled": False}, "x": {}, "*": {}},
            Surface("channel", "61", "t", GUILD, "G", "60", "", is_thread=True),
            "channel-disabled",
        ),
    ],
)
def test_a_channel_nobody_told_of_is_closed_where_an_entry_could_be_its_own(
    channels: dict[str, Any], surface: Surface, reason: str
) -> None:
    """3.5: a thread of a disabled channel must not come in through ``*``."""
    section = one({"requireMention": False, "channels": channels})
    assert decide(facts(surface), settings(section)).reason == reason
