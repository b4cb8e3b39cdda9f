"""Permissions: Discord's algorithm as tables, and against a second implementation."""

from __future__ import annotations

import datetime as dt
from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.discord.permissions import (
    ALL,
    Permission,
    base_permissions,
    channel_permissions,
    missing_names,
    overwritten,
    parse_permissions,
    permissions_in,
    timed_out,
)
from shoal.discord.wire import ChannelType

P = Permission
GUILD = {"id": "1", "owner_id": "100"}
BASIC = P.VIEW_CHANNEL | P.SEND_MESSAGES | P.EMBED_LINKS | P.ATTACH_FILES | P.MENTION_EVERYONE
NONE = P(0)


def role(role_id: str, permissions: int) -> dict[str, str]:
    return {"id": role_id, "permissions": str(int(permissions))}


def over(target: str, *, allow: int = 0, deny: int = 0, member: bool = False) -> dict[str, Any]:
    return {"id": target, "type": int(member), "allow": str(int(allow)), "deny": str(int(deny))}


def test_the_flags_are_discords() -> None:
    ours = {flag.name.lower(): int(flag) for flag in P if flag.name}
    renamed = {
        "view_channel": "read_messages",
        "manage_guild_expressions": "manage_expressions",
        "use_external_emojis": "external_emojis",
        "use_external_stickers": "external_stickers",
        "moderate_members": "moderate_members",
        "use_vad": "use_voice_activation",
        "view_guild_insights": "view_guild_insights",
        "manage_roles": "manage_roles",
        "create_guild_expressions": "create_expressions",
        "send_polls": "create_polls",
    }
    theirs = dict(discord.Permissions.VALID_FLAGS)
    same = 0
    for name, value in ours.items():
        known = theirs.get(renamed.get(name, name))
        if known is not None:
            assert known == value, name
            same += 1
    assert same >= 45
    assert len(ours) == 52


@pytest.mark.parametrize(
    ("user", "roles", "expected"),
    [
        ("100", [], ALL),
        ("2", [], BASIC),
        ("2", ["10"], BASIC | P.MANAGE_MESSAGES),
        ("2", ["10", "11"], ALL),
        ("2", ["unknown"], BASIC),
        ("", [], BASIC),
    ],
)
def test_base(user: str, roles: list[str], expected: Permission) -> None:
    known = [role("1", BASIC), role("10", P.MANAGE_MESSAGES), role("11", P.ADMINISTRATOR)]
    assert base_permissions(GUILD, known, user, roles) == expected
    assert base_permissions({"id": "1"}, known, "", []) == BASIC  # no owner known: nobody is


@pytest.mark.parametrize(
    ("overwrites", "expected"),
    [
        ([], BASIC),
        ([over("1", deny=P.SEND_MESSAGES)], BASIC & ~P.SEND_MESSAGES),
        ([over("1", deny=P.SEND_MESSAGES), over("10", allow=P.SEND_MESSAGES)], BASIC),
        ([over("10", allow=P.SEND_MESSAGES), over("11", deny=P.SEND_MESSAGES)], BASIC),
        ([over("10", deny=P.SEND_MESSAGES), over("2", allow=P.SEND_MESSAGES, member=True)], BASIC),
        ([over("10", allow=P.CONNECT), over("2", deny=P.CONNECT, member=True)], BASIC),
        ([over("12", deny=ALL)], BASIC),
        ([over("3", deny=ALL, member=True)], BASIC),
        ([over("2", deny=ALL)], BASIC),  # a role that happens to have the member's id
        ([{"id": "1", "type": "role", "allow": "0", "deny": str(1 << 11)}], BASIC & ~P.SEND_MESSAGES),
        ([{"id": "1", "allow": None, "deny": "odd"}], BASIC),
    ],
)
def test_overwrites(overwrites: list[dict[str, Any]], expected: Permission) -> None:
    assert overwritten(BASIC, overwrites, "1", "2", ["10", "11"]) == expected
    assert overwritten(ALL, overwrites, "1", "2", ["10", "11"]) == ALL


def compute(kind: int, overwrites: list[dict[str, Any]], base: Permission = BASIC, **more: Any) -> Permission:
    channel = {"type": kind, "permission_overwrites": overwrites}
    return channel_permissions(base, channel, "1", "2", ["10"], **more)


def test_a_channel_that_cannot_be_seen_allows_nothing() -> None:
    assert compute(0, [over("1", deny=P.VIEW_CHANNEL)]) == NONE
    assert compute(0, [over("1", deny=P.VIEW_CHANNEL)], base=ALL) == ALL


def test_without_send_there_are_no_files_embeds_or_mass_mentions() -> None:
    assert compute(0, [over("1", deny=P.SEND_MESSAGES)]) == P.VIEW_CHANNEL


def test_voice_without_connect_allows_nothing_but_seeing_it() -> None:
    voice = BASIC | P.CONNECT | P.MANAGE_CHANNELS
    for kind in (ChannelType.GUILD_VOICE, ChannelType.GUILD_STAGE_VOICE):
        assert compute(kind, [], base=voice) == voice
        assert compute(kind, [over("1", deny=P.CONNECT)], base=voice) == P.VIEW_CHANNEL
    assert compute(0, [over("1", deny=P.CONNECT)], base=voice) == voice & ~P.CONNECT


def test_threads_take_their_parents_overwrites_and_a_right_of_their_own() -> None:
    parent = {
        "type": 0,
        "permission_overwrites": [over("1", deny=P.SEND_MESSAGES, allow=P.SEND_MESSAGES_IN_THREADS)],
    }
    inside = compute(11, [over("1", deny=ALL)], parent=parent)
    assert P.SEND_MESSAGES in inside
    assert P.ATTACH_FILES in inside
    assert P.SEND_MESSAGES not in compute(11, [], parent={"type": 0, "permission_overwrites": []})
    assert P.ATTACH_FILES not in compute(11, [], parent={"type": 0})
    assert compute(11, []) == NONE  # parent not known: closed
    assert compute(11, [], base=ALL) == ALL


def test_a_member_in_time_out_reads_only() -> None:
    readable = BASIC | P.READ_MESSAGE_HISTORY
    assert compute(0, [], base=readable, silenced=True) == P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY
    assert compute(0, [], base=ALL, silenced=True) == ALL


def test_everything_at_once_from_event_objects() -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    roles = [role("1", BASIC | P.READ_MESSAGE_HISTORY), role("10", 0)]
    channel = {"id": "5", "type": 0, "permission_overwrites": [over("10", deny=P.EMBED_LINKS)]}
    member = {"roles": ["10", {"odd": 1}], "communication_disabled_until": None}
    have = permissions_in(GUILD, roles, channel, member, "2", now=now)
    assert have == (BASIC | P.READ_MESSAGE_HISTORY) & ~P.EMBED_LINKS
    silenced = {**member, "communication_disabled_until": "2026-01-01T00:05:00.000000+00:00"}
    assert P.SEND_MESSAGES not in permissions_in(GUILD, roles, channel, silenced, "2", now=now)
    assert permissions_in(GUILD, roles, channel, silenced, "100", now=now) == ALL
    needed = P.SEND_MESSAGES | P.EMBED_LINKS
    assert missing_names(have, needed) == ("Embed Links",)
    assert missing_names(NONE, P.VIEW_CHANNEL | P.SEND_MESSAGES_IN_THREADS) == (
        "View Channel",
        "Send Messages In Threads",
    )


@pytest.mark.parametrize(
    ("until", "expected"),
    [
        (None, False),
        ("2026-01-01T00:00:01+00:00", True),
        ("2026-01-01T00:00:01Z", True),
        ("2026-01-01T00:00:01", True),
        ("2025-12-31T23:59:59+00:00", False),
        ("soon", False),
        (5, False),
    ],
)
def test_time_outs(until: Any, expected: bool) -> None:
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert timed_out({"communication_disabled_until": until}, now=now) is expected


def test_odd_permission_values_count_as_none() -> None:
    for value in (None, "", "x", [], {}, "1e3"):
        assert parse_permissions(value) == NONE
    assert parse_permissions("8") == P.ADMINISTRATOR
    assert parse_permissions(str(1 << 60)) == NONE


bits = st.integers(0, (1 << 53) - 1).map(lambda value: value & ~int(P.ADMINISTRATOR))


@given(
    bits,
    st.lists(
        st.tuples(st.sampled_from(["1", "10", "11", "12", "2", "3"]), bits, bits, st.booleans()), max_size=6
    ),
)
def test_overwrites_agree_with_a_second_implementation(
    base: int, rows: list[tuple[str, int, int, bool]]
) -> None:
    unique = {
        (target, member): over(target, allow=allow, deny=deny, member=member)
        for target, allow, deny, member in rows
    }
    # the same arithmetic, written from the documentation with plain integers and in its own order
    value = base
    for entry in unique.values():
        if entry["type"] == 0 and entry["id"] == "1":
            value = (value & ~int(entry["deny"])) | int(entry["allow"])
    deny = allow = 0
    for entry in unique.values():
        if entry["type"] == 0 and entry["id"] in ("10", "11"):
            deny |= int(entry["deny"])
            allow |= int(entry["allow"])
    value = (value & ~deny) | allow
    for entry in unique.values():
        if entry["type"] == 1 and entry["id"] == "2":
            value = (value & ~int(entry["deny"])) | int(entry["allow"])
    assert int(overwritten(P(base), list(unique.values()), "1", "2", ["10", "11"])) == value
