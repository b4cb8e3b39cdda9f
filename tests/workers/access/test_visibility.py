"""``contextVisibility``: whose words a turn may show (spec/inbound.md 6.9)."""

from __future__ import annotations

from typing import Any

import pytest

from workers.access.facts import SenderFacts
from workers.access.settings import AccessSettings
from workers.access.visibility import SHOW_ALL, ContextFilter, ContextKind, ContextVisibility

IN, ROLE, OUT = SenderFacts("1"), SenderFacts("2", roles=("7",)), SenderFacts("3", roles=("8",))
KINDS: tuple[ContextKind, ...] = ("quote", "thread_starter", "history", "forwarded")


def filter_of(mode: ContextVisibility, channel: str = "general", **guild: Any) -> ContextFilter:
    settings = AccessSettings.read("default", {"guilds": {"500": guild}})
    return ContextFilter.named(mode, settings, "500", channel)


def shown(found: ContextFilter, kind: ContextKind) -> list[bool]:
    return [found.shows(kind, author) for author in (IN, ROLE, OUT, None)]


@pytest.mark.parametrize("kind", KINDS)
def test_each_mode(kind: ContextKind) -> None:
    lists = {"users": ["1"], "roles": ["7"]}
    assert shown(filter_of("all", **lists), kind) == [True] * 4
    assert shown(filter_of("allowlist", **lists), kind) == [True, True, False, False]
    quotes = [True] * 4 if kind == "quote" else [True, True, False, False]
    assert shown(filter_of("allowlist_quote", **lists), kind) == quotes


def test_no_restriction_is_everybody_and_an_empty_list_is_nobody() -> None:
    assert shown(filter_of("allowlist"), "history") == [True] * 4
    assert shown(filter_of("allowlist", users=[]), "history") == [False] * 4
    assert shown(filter_of("allowlist", users=["*"]), "history") == [True, True, True, False]
    assert shown(filter_of("allowlist", roles=["*"]), "history") == [True, True, True, False]


def test_the_lists_of_the_channel_go_before_those_of_the_guild() -> None:
    channels = {"general": {"users": ["3"]}, "other": {}}
    assert shown(filter_of("allowlist", users=["1"], channels=channels), "history") == [
        False,
        False,
        True,
        False,
    ]
    assert shown(filter_of("allowlist", "other", users=["1"], channels=channels), "history")[0]


def test_roles_that_are_not_known_satisfy_no_list() -> None:
    assert not filter_of("allowlist", roles=["7"]).shows("quote", SenderFacts("2", roles=None))


def test_names_count_only_where_names_count() -> None:
    ann = SenderFacts("9", username="ann", tag="ann")
    for by_name in (True, False):
        settings = AccessSettings.read(
            "default",
            {"guilds": {"500": {"users": ["ann"]}}, "dangerouslyAllowNameMatching": by_name},
        )
        assert ContextFilter.named("allowlist", settings, "500", "").shows("history", ann) is by_name


def test_a_guild_that_was_taken_out_of_the_file_shows_nobody_and_one_without_an_entry_everybody() -> None:
    settings = AccessSettings.read("default", {"guilds": {}})
    assert shown(ContextFilter.named("allowlist", settings, "500", ""), "history") == [False] * 4
    assert ContextFilter.named("allowlist", settings, "", "") == SHOW_ALL
