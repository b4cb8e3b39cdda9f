"""Names in the config and what they mean (``spec/inbound.md`` 3.13, decision 47)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.workers.access.support import ANN, BOB, GUILD, ROOM, facts
from workers.access.decide import decide
from workers.access.facts import MentionFacts, SenderFacts, Surface
from workers.access.lookup import find_entry, look_up
from workers.access.names import Names, wanted_names
from workers.access.settings import AccessSettings

NAMED = MentionFacts(explicit=True)


class Directory:
    """Discord, as a few lists."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = [
            {"id": GUILD, "name": "My Guild"},
            {"id": "51", "name": "频道服务器"},
            {"id": "52", "name": "Twin"},
            {"id": "53", "name": "Twin"},
        ]
        self.inside: dict[str, list[dict[str, Any]]] = {
            GUILD: [
                {"id": "60", "name": "help-desk", "type": 0},
                {"id": "61", "name": "General", "type": 4},
                {"id": "62", "name": "general", "type": 0},
                {"id": "63", "name": "lounge", "type": 0},
                {"id": "64", "name": "lounge", "type": 2},
                {"id": "65", "name": "same", "type": 0},
                {"id": "66", "name": "same", "type": 0},
                {"id": "67", "name": "old talk", "type": 11, "thread_metadata": {"archived": True}},
            ],
            "51": [{"id": "70", "name": "聊天", "type": 0}],
        }
        self.people = {
            GUILD: [
                {"user": {"id": ANN, "username": "ann"}, "nick": "boss"},
                {"user": {"id": "9", "username": "eve"}, "nick": "ann"},
                {"user": {"id": "5", "username": "old", "discriminator": "0042"}},
            ],
            "51": [{"user": {"id": ANN, "username": "ann"}}, {"user": {"id": BOB, "username": "Bob"}}],
        }
        self.asked: list[str] = []

    def guilds(self) -> Sequence[Mapping[str, Any]]:
        self.asked.append("guilds")
        return self.listed

    def channels(self, guild_id: str) -> Sequence[Mapping[str, Any]]:
        self.asked.append(f"channels {guild_id}")
        return self.inside.get(guild_id, [])

    def channel(self, channel_id: str) -> Mapping[str, Any] | None:
        for guild_id, channels in self.inside.items():
            for channel in channels:
                if channel["id"] == channel_id:
                    return {**channel, "guild_id": guild_id}
        return None

    def members(self, guild_id: str, name: str) -> Sequence[Mapping[str, Any]]:
        def begins(member: Mapping[str, Any]) -> bool:
            names = (member["user"]["username"], member.get("nick") or "")
            return any(known.lower().startswith(name.lower()) for known in names)

        return [member for member in self.people.get(guild_id, []) if begins(member)]

    def user(self, user_id: str) -> Mapping[str, Any] | None:
        for members in self.people.values():
            for member in members:
                if member["user"]["id"] == user_id:
                    return dict(member["user"])
        return None

    def emojis(self, guild_id: str) -> Sequence[Mapping[str, Any]]:
        self.asked.append(f"emojis {guild_id}")
        blob = {"id": f"8{guild_id}", "name": "blob"}
        return {
            GUILD: [blob, {"id": "81", "name": "wave", "animated": True}],
            "51": [blob | {"id": "82"}],
        }.get(guild_id, [])


SECTION: dict[str, Any] = {
    "allowFrom": ["ann", "Bob", "old#0042", "nobody", "7", "<@8>", "pk:abcde", "accessGroup:x", "*"],
    "dangerouslyAllowNameMatching": True,
    "guilds": {
        "my-guild": {
            "users": ["@ann"],
            "channels": {
                **{name: {} for name in ("#help desk", "general", "lounge", "same", "old talk", "60", "*")}
            },
        },
        "频道服务器": {"channels": {"聊天": {"users": ["Bob"]}}},
        "Twin": {},
        "99": {},
        "*": {"channels": {"general": {}}},
    },
}  # fmt: skip


def test_every_name_is_looked_up_and_what_is_not_found_says_why() -> None:
    """3.13."""
    names = look_up(wanted_names(SECTION), Directory(), revision="r", now_ms=5)
    assert names.guilds == {"my-guild": GUILD, "频道服务器": "51"}
    assert names.channels == {"my-guild": {"#help desk": "60", "general": "62"}, "频道服务器": {"聊天": "70"}}
    assert names.users == {"ann": ANN, "@ann": ANN, "Bob": BOB, "old#0042": "5"}
    assert set(names.unresolved) == {
        "Twin", "99", "my-guild/lounge", "my-guild/same", "my-guild/old talk", "nobody",
    }  # fmt: skip
    assert "52, 53" in names.unresolved["Twin"]
    assert "no guild with this id" in names.unresolved["99"]
    assert "my-guild→50" in names.summary
    assert "Twin (several are called so" in names.summary


def test_users_are_looked_up_only_with_the_dangerous_flag() -> None:
    """3.13, step 3."""
    wanted = wanted_names({**SECTION, "dangerouslyAllowNameMatching": False})
    assert wanted.users == ()
    assert wanted.guilds == ("my-guild", "频道服务器", "Twin", "99")
    assert not wanted_names({})


def test_each_list_is_asked_for_once() -> None:
    """3.13."""
    directory = Directory()
    look_up(wanted_names(SECTION), directory)
    assert sorted(directory.asked) == ["channels 50", "channels 51", "guilds"]


def test_custom_emojis_are_found_by_their_names() -> None:
    """3.13, 7.4, manual 002 "Ack reactions": of each guild its own; none is asked for in vain."""
    directory = Directory()
    names = look_up(wanted_names({}, [":blob:", "wave", "👀", "", "x:123456", "lost"]), directory)
    assert names.emojis == {"blob": {GUILD: f"8{GUILD}", "51": "82"}, "wave": {GUILD: "81"}}
    assert set(names.unresolved) == {":lost:"}
    assert ":blob:→" in names.summary
    assert not look_up(wanted_names({}), directory).same_as(names)
    assert not wanted_names({}, ["👀", "x:123456", ""])


def test_what_was_pinned_stays_while_it_is_there() -> None:
    """3.13: a stranger's guild that takes the name does not come in by it."""
    directory = Directory()
    before = look_up(wanted_names(SECTION), directory)
    directory.listed[0]["name"] = "Renamed"
    directory.listed.append({"id": "54", "name": "My Guild"})
    directory.inside[GUILD][0]["name"] = "moved"
    directory.inside[GUILD].append({"id": "69", "name": "help-desk", "type": 0})
    after = look_up(wanted_names(SECTION), directory, before=before)
    assert after.same_as(before)
    directory.listed.pop(0)
    gone = look_up(wanted_names(SECTION), directory, before=before)
    assert gone.guilds["my-guild"] == "54"


# -- settings with pins ----------------------------------------------------------------------------------


def compiled(section: dict[str, Any], **pins: Any) -> AccessSettings:
    return AccessSettings.read("default", section, names=Names(**pins))


def reason(told: AccessSettings, surface: Surface, author: str = ANN) -> str:
    return decide(facts(surface, sender=SenderFacts(author), mentions=NAMED), told).reason


RENAMED = Surface("channel", "60", "moved", GUILD, "Renamed")
IMPOSTOR = Surface("channel", "60", "help-desk", "54", "My Guild")


def test_a_pinned_guild_means_its_id_and_nothing_else() -> None:
    """3.13."""
    section = {"guilds": {"my-guild": {}}}
    loose, pinned = compiled(section), compiled(section, guilds={"my-guild": GUILD})
    assert reason(loose, ROOM) == reason(pinned, ROOM) == ""
    assert (reason(loose, RENAMED), reason(pinned, RENAMED)) == ("guild-not-listed", "")
    assert (reason(loose, IMPOSTOR), reason(pinned, IMPOSTOR)) == ("", "guild-not-listed")


def test_a_pinned_channel_means_its_id_and_nothing_else() -> None:
    """3.13."""
    section = {"guilds": {GUILD: {"channels": {"help-desk": {}}}}}
    pinned = compiled(section, channels={GUILD: {"help-desk": "60"}})
    assert reason(pinned, RENAMED) == ""
    assert reason(pinned, Surface("channel", "61", "help-desk", GUILD, "My Guild")) == "channel-not-listed"
    thread = Surface("channel", "68", "t", GUILD, "Renamed", "60", "", is_thread=True)
    assert reason(pinned, thread) == ""


def test_an_entry_that_is_written_by_id_stays_as_it_is() -> None:
    """Decision 3: a pin neither widens nor narrows what is written."""
    section = {"guilds": {"my-guild": {"users": [ANN]}, GUILD: {"users": [BOB]}}}
    pinned = compiled(section, guilds={"my-guild": GUILD})
    assert (reason(pinned, ROOM, BOB), reason(pinned, ROOM, ANN)) == ("", "sender-not-listed")


@pytest.mark.parametrize("where", ["allowFrom", "guild", "channel"])
def test_a_user_that_was_found_is_compared_by_id(where: str) -> None:
    """3.13, step 3: the name itself does not count any more."""
    guild = {
        "guild": {"users": ["ann"]},
        "channel": {"channels": {"60": {"users": ["ann"]}}},
        "allowFrom": {},
    }[where]
    section = {"dangerouslyAllowNameMatching": True, "allowFrom": ["ann"], "guilds": {GUILD: guild}}
    told = compiled(section, users={"ann": ANN})
    surface = Surface("direct", "70") if where == "allowFrom" else ROOM
    impostor = facts(surface, sender=SenderFacts("9", "ann", "ann"), mentions=NAMED)
    assert reason(told, surface) == ""
    assert not decide(impostor, told).allowed
    assert decide(impostor, compiled(section)).allowed


def test_a_pinned_key_needs_no_name() -> None:
    """3.5: nothing is unknown about a key that is an id."""
    section = {
        "guilds": {
            "my-guild": {"channels": {"help-desk": {"enabled": True}, "*": {"enabled": False}}},
            "*": {},
        }
    }
    nameless = Surface("channel", "60", "", GUILD, "")
    assert reason(compiled(section), nameless) == "guild-unknown"
    pinned = compiled(section, guilds={"my-guild": GUILD}, channels={"my-guild": {"help-desk": "60"}})
    assert reason(pinned, nameless) == ""
    assert reason(pinned, Surface("channel", "61", "", GUILD, "")) == "channel-disabled"


# -- what people ask for ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "kind", "found", "note"),
    [
        (GUILD, "guild", GUILD, ""),
        ("My Guild", "guild", GUILD, ""),
        ("频道服务器", "guild", "51", ""),
        ("60", "channel", "60", ""),
        ("<#60>", "channel", "60", ""),
        ("channel:60", "channel", "60", ""),
        ("67", "thread", "67", "archived"),
        ("My Guild/#help-desk", "channel", "60", ""),
        ("50/Help Desk", "channel", "60", ""),
        ("my-guild / general", "channel", "62", ""),
        ("My Guild/lounge", "channel", "63", "several are called so: 63, 64"),  # text before voice
        ("My Guild/old talk", "thread", "67", "archived"),
        ("My Guild/<#60>", "channel", "60", ""),
        ("#help-desk", "channel", "60", ""),
        ("聊天", "channel", "70", ""),
        ("@ann", "user", ANN, ""),
        ("@old#0042", "user", "5", ""),
        ("<@1>", "user", ANN, ""),
        ("user:2", "user", BOB, ""),
        (BOB, "user", BOB, ""),
        ("My Guild/same", "", "", "several are called so: 65, 66"),
        ("My Guild/nowhere", "", "", "there is no such channel, or the bot cannot see it"),
        ("Nowhere/general", "", "", "guild: the bot is in no guild with this name"),
        ("Twin", "", "", "several are called so: 52, 53"),
        ("@boss", "", "", "no member has this username"),  # a nick is no name
        ("@nobody", "", "", "no member has this username"),
        ("<@77>", "", "", "there is no user with this id"),
        ("<#77>", "", "", "there is no such channel, or the bot cannot see it"),
        ("#nowhere", "", "", "no guild and no channel is called so"),
    ],
)
def test_what_an_entry_becomes(entry: str, kind: str, found: str, note: str) -> None:
    """Decision 47: ids, names, mentions, ``Guild/#channel``."""
    got = find_entry(entry, Directory())
    assert (got.entry, got.kind, got.id) == (entry, kind, found)
    assert note in got.note
    if kind in ("channel", "thread"):
        assert got.guild_id in (GUILD, "51")
