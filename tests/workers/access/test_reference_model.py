"""Access against a reference model that shares no code with it (``spec/inbound.md`` 3 and 4).

A case in words is written as a config file's section and a message's facts; the code decides, the
model (:mod:`tests.workers.access.reference`) decides, and both must say the same word.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

import pytest

from config.accounts import account_raw
from config.legacy import modernise
from tests.workers.access.reference import Case, verdict
from workers.access.decide import decide
from workers.access.facts import Known, MentionFacts, MessageFacts, PluralKitSender, SenderFacts, Surface
from workers.access.patterns import NO_PATTERNS, Patterns
from workers.access.settings import AccessSettings

US, ME, OTHER, BOT, HOOK, SIBLING = "900", "101", "102", "201", "301", "901"
GUILD, CHANNEL, THREAD, ELSEWHERE, ROLE, ROLE2 = "500", "600", "700", "999", "77", "78"
MEMBER = PluralKitSender("abcde", "Ann", "ann", account_id=ME)
CLAW = Patterns.compile([r"\bclaw\b"])

DIMENSIONS: dict[str, tuple[Any, ...]] = {
    "account": ("root", "inherits", "own", "legacy"),
    "dm_policy": (None, "pairing", "allowlist", "open", "disabled"),
    "dm_on": (True, True, False),
    "allow_from": (None, "empty", "me", "other", "star", "pk", "name"),
    "group_policy": (None, "open", "allowlist", "disabled"),
    "guild": ("none", "empty", "other", "id", "id", "name", "star"),
    "channel": ("none", "empty", "other", "id", "off", "name", "star"),
    "users": (None, None, "empty", "me", "other", "star", "pk", "name"),
    "roles": (None, None, "empty", "mine", "other", "star"),
    "lists_at": ("guild", "channel"),
    "place": ("dm", "group", "channel", "channel", "thread", "own-thread"),
    "sender": ("person", "person", "bot", "hook", "pk", "us", "sibling"),
    "allow_bots": (False, True, "mentions"),
    "member": (True, True, False),
    "by_name": (False, True),
    "mention": ("none", "us", "reply", "pattern", "other", "both", "everyone"),
    "require": (None, True, False),
    "ignore_others": (False, True),
    "wake": (False, True),
    "auto_thread": (False, True),
    "activation": ("", "", "mention", "always"),
    "paired": (False, True),
    "group_on": (False, True),
    "command": (False, False, True),
    "owner": (False, False, True),
    "access_groups": (True, False),
    "empty": (False, False, True),
    "service": (False, False, True),
}
MESSAGE = frozenset({"place", "member", "mention", "activation", "paired", "command", "empty", "service"})
"""What a message says; all else is in the config. The sender stands in both: lists are written for him."""
CONFIG = tuple(name for name in DIMENSIONS if name not in MESSAGE)


def check(case: Case) -> None:
    expected = verdict(case)
    decision = decide(facts_of(case), settings_of(*(getattr(case, name) for name in CONFIG)))
    found = (decision.reason, decision.allowed, decision.history)
    assert found == (expected.reason, not expected.reason, expected.quotable), case
    if decision.allowed or decision.history:
        assert (decision.authorized, decision.owner) == (expected.authorized, expected.owner), case


# -- a case as a config and a message ------------------------------------------------------------------


def entries(word: str | None, sender: str) -> list[str] | None:
    me = {"bot": BOT, "hook": HOOK, "sibling": SIBLING}.get(sender, ME)
    names = {
        "empty": [],
        "me": [f"<@{me}>"],
        "other": [OTHER],
        "star": ["*"],
        "pk": ["pk:abcde"],
        "name": ["@Ann"],
    }
    return None if word is None else names[word]


def role_entries(word: str | None) -> list[str] | None:
    return (
        None
        if word is None
        else {"empty": [], "mine": [f"role:{ROLE}"], "other": [ROLE2], "star": ["*"]}[word]
    )


@lru_cache(maxsize=200_000)
def settings_of(*values: Any) -> AccessSettings:
    """The settings of a case, through everything a file goes through: old keys, account over root."""
    case = replace(Case(), **dict(zip(CONFIG, values, strict=True)))
    own = section_of(case)
    root: dict[str, Any] = {"channels": {"discord": own}}
    account: dict[str, Any] = {}
    if case.account in ("own", "legacy"):
        below = {"dmPolicy": "disabled", "allowFrom": [OTHER], "groupPolicy": "disabled", "guilds": {}}
        root = {"channels": {"discord": {**below, "accounts": {"work": own}}}}
    root = modernise(root).data
    if case.account in ("own", "legacy"):
        account = root["channels"]["discord"]["accounts"]["work"]
    commands: dict[str, Any] = {"useAccessGroups": case.access_groups}
    if case.owner:
        commands["ownerAllowFrom"] = [f"discord:{_id(case.sender)}"]
    return AccessSettings.read("work", account_raw(root, account, {}, []), commands, siblings=[SIBLING])


def section_of(case: Case) -> dict[str, Any]:
    legacy = case.account == "legacy"
    section: dict[str, Any] = {
        "dm": {"enabled": case.dm_on, "groupEnabled": case.group_on},
        "allowBots": case.allow_bots,
        "botLoopProtection": {"enabled": False},
        "dangerouslyAllowNameMatching": case.by_name,
        "wakeOnMassMentions": case.wake,
    }
    lists = section["dm"] if legacy else section
    if case.dm_policy is not None:
        lists["policy" if legacy else "dmPolicy"] = case.dm_policy
    if case.allow_from is not None:
        lists["allowFrom"] = entries(case.allow_from, case.sender)
    if case.group_policy is not None:
        section["groupPolicy"] = case.group_policy
    if case.guild != "none":
        key = {"id": GUILD, "name": "my-guild", "star": "*", "other": ELSEWHERE}.get(case.guild)
        section["guilds"] = {} if key is None else {key: guild_of(case)}
    return section


def guild_of(case: Case) -> dict[str, Any]:
    rules = {"requireMention": case.require, "ignoreOtherMentions": case.ignore_others}
    listed = {"users": entries(case.users, case.sender), "roles": role_entries(case.roles)}
    listed = {name: value for name, value in listed.items() if value is not None}
    guild: dict[str, Any] = {**rules, **(listed if case.lists_at == "guild" else {})}
    if case.channel == "none":
        return guild
    key = {"id": CHANNEL, "off": CHANNEL, "name": "#Help Desk", "star": "*", "other": ELSEWHERE}.get(
        case.channel
    )
    entry = {"autoThread": case.auto_thread, **(listed if case.lists_at == "channel" else {})}
    if case.channel == "off":
        entry["enabled"] = False
    return {**guild, "channels": {} if key is None else {key: entry}}


def _id(sender: str) -> str:
    return {"bot": BOT, "hook": HOOK, "pk": "pk:abcde", "us": US, "sibling": SIBLING}.get(sender, ME)


def facts_of(case: Case) -> MessageFacts:
    roles = (ROLE,) if case.member else None
    sender = {
        "bot": SenderFacts(BOT, "ann", "ann", bot=True, roles=roles),
        "sibling": SenderFacts(SIBLING, "ann", "ann", roles=roles),
        "hook": SenderFacts(HOOK, "ann", "ann", bot=True, webhook=True),
        "us": SenderFacts(US, "ann", "ann", bot=True, roles=roles),
        "pk": SenderFacts(HOOK, "x", "x", bot=True, webhook=True).spoken_by(MEMBER),
    }.get(case.sender) or SenderFacts(ME, "ann", "ann", roles=roles)
    thread = case.place in ("thread", "own-thread")
    surface = {
        "dm": Surface("direct", "800"),
        "group": Surface("group", "801", "gang"),
        "channel": Surface("channel", CHANNEL, "help-desk", GUILD, "My Guild"),
    }.get(case.place) or Surface(
        "channel", THREAD, "a thread", GUILD, "My Guild", CHANNEL, "help-desk", thread,
        US if case.place == "own-thread" else ME,
    )  # fmt: skip
    return MessageFacts(
        sender=replace(sender, paired=case.paired),
        surface=surface,
        mentions=MentionFacts(
            explicit=case.mention in ("us", "both"),
            reply_to_bot=case.mention == "reply",
            others=case.mention in ("other", "both"),
            mass=case.mention == "everyone",
        ),
        bot_id=US,
        has_content=not case.empty,
        service=case.service,
        command=case.command,
        text="hey Claw, look" if case.mention == "pattern" else "hey, look",
        patterns=CLAW if case.mention == "pattern" else NO_PATTERNS,
        session_key="agent:main:x",
        known=Known(activation=case.activation),  # type: ignore[arg-type]
    )


# -- which cases -----------------------------------------------------------------------------------------


def sample(seed: int, count: int) -> Iterator[Case]:
    """Cases from the whole space, every dimension at once; configs come back, so that they stay compiled."""
    rng = random.Random(seed)
    for _ in range(count // 4):
        config = {name: rng.choice(DIMENSIONS[name]) for name in CONFIG}
        for _ in range(4):
            rest = {name: rng.choice(words) for name, words in DIMENSIONS.items() if name not in CONFIG}
            yield Case(**config, **rest)


def product(words: dict[str, Iterable[Any]]) -> Iterator[Case]:
    for values in itertools.product(*words.values()):
        yield Case(**dict(zip(words, values, strict=True)))


def test_a_sample_of_all_that_can_be() -> None:
    for case in sample(20_260_508, 3_000):
        check(case)


@pytest.mark.slow
def test_every_combination_in_guilds() -> None:
    """3.5, 3.11, 3.12, 4.1, 4.3: policy, guild, channel, users, roles, mention, bot, thread, account."""
    count = 0
    for case in product(
        {
            "account": ("root", "own"),
            "group_policy": (None, "open", "allowlist", "disabled"),
            "guild": ("none", "other", "id", "name", "star"),
            "channel": ("none", "empty", "other", "id", "off", "name", "star"),
            "users": (None, "empty", "me", "other"),
            "roles": (None, "mine", "other"),
            "sender": ("person", "bot", "hook", "pk"),
            "allow_bots": (False, "mentions"),
            "mention": ("none", "us", "other", "everyone"),
            "place": ("channel", "thread"),
        }
    ):
        check(case)
        count += 1
    assert count >= 200_000


@pytest.mark.slow
def test_every_combination_in_direct_messages() -> None:
    """3.1, 3.2, 3.6, 3.8, 3.12: policy × list × pairing × names × sender × account."""
    count = 0
    for case in product(
        {
            "account": ("root", "inherits", "own", "legacy"),
            "place": ("dm", "group"),
            "dm_policy": (None, "pairing", "allowlist", "open", "disabled"),
            "dm_on": (True, False),
            "group_on": (True, False),
            "allow_from": (None, "empty", "me", "other", "star", "pk", "name"),
            "by_name": (False, True),
            "paired": (False, True),
            "sender": ("person", "bot", "hook", "pk", "us"),
            "allow_bots": (False, True, "mentions"),
        }
    ):
        check(case)
        count += 1
    assert count >= 50_000


@pytest.mark.slow
def test_a_large_sample_of_all_that_can_be() -> None:
    for case in sample(7, 60_000):
        check(case)
