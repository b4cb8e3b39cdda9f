"""Targets, DMs, typing and our own notices."""

from __future__ import annotations

from typing import Literal

import pytest

from shoal.discord.directory import RestDirectory
from shoal.state.store import Store
from tests.workers.delivery.conftest import PostOffice
from workers.delivery.notices import notice_push
from workers.delivery.records import decode_send
from workers.delivery.targets import (
    Target,
    TargetError,
    named_target,
    parse_target,
    resolve_channel,
    split_targets,
)
from workers.sessions.admission import Notice


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("channel:5", Target("channel", "5")),
        ("user:5", Target("user", "5")),
        ("discord:channel:5", Target("channel", "5")),
        ("Discord:User:5", Target("user", "5")),
        ("discord:5", Target("user", "5")),
        ("<@5>", Target("user", "5")),
        ("<@!5>", Target("user", "5")),
        ("<#5>", Target("channel", "5")),
        ("@5", Target("user", "5")),
        ("  channel: 5 ", Target("channel", "5")),
    ],
)
def test_grammar(text: str, target: Target) -> None:
    assert parse_target(text) == target
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    "text", ["", "  ", "5", "@ann", "channel:", "channel:general", "user:ann", "general", "user:٣", "@²"]
)
def test_what_is_no_target_says_how_to_write_one(text: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(text)
    assert "user:" in str(caught.value) or "channel:" in str(caught.value)


@pytest.mark.parametrize(
    ("default", "allow_from", "kind"),
    [
        ("channel", [], "channel"),
        ("user", [], "user"),
        ("channel", ["5"], "user"),
        ("channel", ["<@5>"], "user"),
        ("channel", ["discord:user:5"], "user"),
        ("channel", ["*", "ann"], "channel"),
    ],
)
def test_bare_ids(default: Literal["user", "channel"], allow_from: list[str], kind: str) -> None:
    assert parse_target("5", default=default, allow_from=allow_from).kind == kind


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("#help", "channel"), ("help", "channel"), ("Help", "channel"), ("channel:help", "channel"),
        ("{guild}/#help", "channel"), ("@annika", "user"), ("annika", "user"), ("user:annika", "user"),
        ("discord:annika", "user"), ("{guild}/help", "channel"),
    ],
)  # fmt: skip
def test_names(post: PostOffice, text: str, kind: str) -> None:
    """A channel of that name goes before a person; each can be asked for alone (2.3)."""
    wanted = named(post)
    found = named_target(text.format(guild=wanted["guild"]), RestDirectory(post.rest))
    assert found == Target(kind, wanted[kind])  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["#annika", "channel:annika", "@help", "user:help", "nobody", "{guild}"])
def test_a_name_of_another_kind_is_refused(post: PostOffice, text: str) -> None:
    with pytest.raises(TargetError, match="was not found"):
        named_target(text.format(guild=named(post)["guild"]), RestDirectory(post.rest))


def named(post: PostOffice) -> dict[str, str]:
    """A server with a channel ``help`` and a member ``annika``, made once for all tests here."""
    if not NAMED:
        user = str(post.control.add_user("annika")["id"])
        made = str(post.control.add_guild("Harbour", members=[post.simulator.bot_id, user])["id"])
        channel = str(post.control.add_channel(made, "help")["id"])
        NAMED.update(user=user, guild="Harbour", channel=channel)
    return NAMED


NAMED: dict[str, str] = {}


@pytest.mark.parametrize(
    ("given", "targets"),
    [
        (["My Server/#news", "#b"], ["My Server/#news", "#b"]),
        (["Team 2/#news,user:5"], ["Team 2/#news", "user:5"]),
        (["11111 22222 #a <#33333> channel:4"], ["11111", "22222", "#a", "<#33333>", "channel:4"]),
        ("a, b  a", ["a", "b"]), ([" , "], []), (None, []),
    ],
)  # fmt: skip
def test_targets_of_a_broadcast(given: object, targets: list[str]) -> None:
    """Each once; a name in a list may have spaces, since servers' names do."""
    assert split_targets(given) == targets


def test_a_dm_is_opened_once_and_is_one_place(post: PostOffice, store: Store) -> None:
    user = post.simulator.user_id
    first = resolve_channel(Target("user", user), account="default", facts=store.facts, rest=post.rest)
    before = len(post.control.requests(route="POST /users/@me/channels"))
    again = resolve_channel(Target("user", user), account="default", facts=store.facts, rest=post.rest)
    assert first == again
    assert len(post.control.requests(route="POST /users/@me/channels")) == before
    assert (
        resolve_channel(Target("channel", "5"), account="default", facts=store.facts, rest=post.rest) == "5"
    )


def test_a_notice_is_a_send_in_the_users_language(post: PostOffice) -> None:
    notice = Notice("default", post.channel, None, "1", f"{post.cause}", "stopped", "zh")
    push = notice_push(notice)
    request = decode_send(push.record.body)
    assert (push.lane, request.text) == (request.lane, "⚙️ 已中止。")
    assert request.max_age_s == 300
    post.store.lanes.push(push.lane, push.record)
    post.work()
    assert post.sent() == ["⚙️ 已中止。"]
