"""The audit names what a config opens without saying so (spec/inbound.md 1.11; decisions 4, 14, 20, "
"50, 51)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.audit import audit
from shoal.base.findings import Finding
from tests.config.conftest import OTHER_TOKEN, TOKEN, LoadText

GUILD = "1456350064065904867"
Audit = dict[str, Finding]


def audited(
    load_text: LoadText, discord: dict[str, Any], paired: dict[str, int] | None = None, **root: Any
) -> Audit:
    config = {"channels": {"discord": {"token": TOKEN, **discord}}, **root}
    found = audit(load_text(json.dumps(config)), paired)
    return {each.id: each for each in found}


@pytest.mark.parametrize(
    ("discord", "root", "expected"),
    [
        ({"dmPolicy": "open", "allowFrom": ["*"]}, {}, {"dm-open": "warn", "dm-shared-session": "critical"}),
        (
            {"dmPolicy": "open", "allowFrom": ["*"]},
            {"session": {"dmScope": "per-channel-peer"}},
            {"dm-open": "warn"},
        ),
        ({"dmPolicy": "allowlist", "allowFrom": ["1", "2"]}, {}, {"dm-shared-session": "warn"}),
        ({"dmPolicy": "allowlist", "allowFrom": ["1"]}, {}, {}),
        ({"dmPolicy": "disabled"}, {}, {"dm-disabled": "info"}),
        ({"dm": {"enabled": False}}, {}, {"dm-disabled": "info"}),
        ({"groupPolicy": "open"}, {}, {"group-policy-open": "warn"}),
        (
            {"groupPolicy": "open", "guilds": {GUILD: {"users": ["1"]}}},
            {},
            {"group-policy-open": "warn", "group-policy-mixture": "info"},
        ),
        ({"groupPolicy": "open", "guilds": {"*": {"users": ["1"]}}}, {}, {"group-policy-open": "warn"}),
        ({"groupPolicy": "allowlist"}, {}, {"no-guild-listed": "warn"}),
        ({"groupPolicy": "disabled", "guilds": {GUILD: {}}}, {}, {"guilds-without-effect": "warn"}),
        ({"guilds": {GUILD: {"users": ["1"], "channels": {}}}}, {}, {"channel-map-empty": "warn"}),
        ({"guilds": {GUILD: {"users": ["1"], "channels": {"5": {}}}}}, {}, {"channel-map-closes": "info"}),
        ({"guilds": {GUILD: {"users": []}}}, {}, {"sender-list-empty": "warn"}),
        (
            {"guilds": {GUILD: {"users": ["1"], "channels": {"*": {}, "5": {"users": []}}}}},
            {},
            {"sender-list-empty": "warn"},
        ),
        ({"dm": {"groupEnabled": True}}, {}, {"group-dm-closed": "warn"}),
        ({"dm": {"groupEnabled": True}, "allowFrom": ["1"]}, {}, {}),
        (
            {"dm": {"groupEnabled": True}, "allowFrom": ["1"], "dmPolicy": "disabled"},
            {},
            {"group-dm-closed": "warn", "dm-disabled": "info"},
        ),
        ({"guilds": {"reef": {"users": ["1"]}}}, {}, {"places-by-name": "info"}),
        ({"guilds": {GUILD: {"users": ["1", "ann"]}}}, {}, {"name-entries": "warn"}),
        (
            {"guilds": {GUILD: {"users": ["1", "ann"]}}, "dangerouslyAllowNameMatching": True},
            {},
            {"name-entries": "info", "name-matching-on": "warn"},
        ),
        ({"guilds": {GUILD: {"users": ["1"], "roles": ["mods"]}}}, {}, {"role-names": "warn"}),
        (
            {"guilds": {GUILD: {}}},
            {"commands": {"useAccessGroups": False}},
            {"native-commands-unrestricted": "critical"},
        ),
        ({"guilds": {GUILD: {}}}, {"commands": {"native": False, "useAccessGroups": False}}, {}),
        ({"guilds": {GUILD: {}}}, {}, {"native-commands-without-list": "warn"}),
        ({"guilds": {GUILD: {}}, "allowFrom": ["1"]}, {}, {}),
        (
            {"allowBots": True, "guilds": {GUILD: {"requireMention": False, "channels": {"*": {}}}}},
            {"commands": {"ownerAllowFrom": ["discord:1"]}},
            {"bots-unrestricted": "warn"},
        ),
        (
            {"allowBots": True, "guilds": {GUILD: {"requireMention": False, "users": ["1"]}}},
            {},
            {},
        ),
        (
            {"allowBots": "mentions", "guilds": {GUILD: {"requireMention": False, "users": ["1"]}}},
            {},
            {},
        ),
        (
            {"execApprovals": {"target": "both"}, "dmPolicy": "allowlist", "allowFrom": ["1"]},
            {},
            {"approvals-in-channel": "warn"},
        ),
        (
            {"execApprovals": {"enabled": False, "target": "both"}, "guilds": {GUILD: {"users": ["1"]}}},
            {},
            {},
        ),
        ({"allowFrom": ["1"]}, {"tools": {"exec": {"security": "full"}}}, {"exec-mode": "critical"}),
        ({"allowFrom": ["1"]}, {"tools": {"exec": {"mode": "full", "ask": "always"}}}, {"exec-mode": "warn"}),
        ({"allowFrom": ["1"]}, {"tools": {"exec": {"mode": "allowlist"}}}, {"exec-mode": "warn"}),
        ({"allowFrom": ["1"]}, {"commands": {"ownerAllowFrom": ["*"]}}, {"owner-wildcard": "warn"}),
        ({"allowFrom": ["1"]}, {"commands": {"ownerAllowFrom": ["ann"]}}, {"owner-by-name": "warn"}),
        ({"allowFrom": ["1"]}, {"commands": {"ownerAllowFrom": ["telegram:9", "<@1>"]}}, {}),
    ],
)
def test_each_finding(
    load_text: LoadText, discord: dict[str, Any], root: dict[str, Any], expected: dict[str, str]
) -> None:
    found = audited(load_text, discord, **root)
    usual = {"no-owner", "no-guild-listed"} - expected.keys()
    assert {name: each.severity for name, each in found.items() if name not in usual} == expected
    assert all(each.fix for each in found.values())


def test_a_second_person_by_pairing_counts(load_text: LoadText) -> None:
    """Decision 51: proposed as soon as a second DM user is allowed."""
    discord = {"allowFrom": ["1"], "guilds": {GUILD: {"users": ["1"]}}}
    assert "dm-shared-session" not in audited(load_text, discord)
    found = audited(load_text, discord, {"default": 1})["dm-shared-session"]
    assert "2 people" in found.found
    assert "per-channel-peer" in found.fix
    assert "dm-shared-session" not in audited(load_text, {**discord, "dmPolicy": "allowlist"}, {"default": 5})


def test_two_accounts_on_one_agent_share_a_memory(load_text: LoadText) -> None:
    """Decision 20."""
    accounts = {"one": {"token": TOKEN}, "two": {"token": OTHER_TOKEN}}
    config: dict[str, Any] = {"channels": {"discord": {"accounts": accounts}}}

    def ids() -> set[str]:
        return {each.id for each in audit(load_text(json.dumps(config)))}

    assert "accounts-share-sessions" in ids()
    config["agents"] = {"list": [{"id": "main"}, {"id": "helper"}]}
    config["bindings"] = [{"agentId": "helper", "match": {"channel": "discord", "accountId": "two"}}]
    assert "accounts-share-sessions" not in ids()
    config["bindings"][0]["match"]["guildId"] = GUILD  # that server only: elsewhere they still share
    assert "accounts-share-sessions" in ids()


def test_one_application_for_several_bots_is_told(load_text: LoadText) -> None:
    accounts = {"one": {"token": TOKEN}, "two": {"token": OTHER_TOKEN}}
    found = audited(load_text, {"accounts": accounts, "applicationId": "111111111111111111"})
    assert "application-id-shared" in found


@pytest.mark.parametrize(
    ("discord", "said"),
    [
        ({}, "by pairing owns the bot"),
        ({"dmPolicy": "allowlist", "allowFrom": ["1"]}, "pairing, which would make an owner, is off"),
        ({"dm": {"enabled": False}}, "pairing, which would make an owner, is off"),
        (
            {"dmPolicy": "allowlist", "allowFrom": ["1"], "accounts": {"b": {"dmPolicy": "pairing"}}},
            "by pairing",
        ),
    ],
)
def test_only_pairing_makes_an_owner(load_text: LoadText, discord: dict[str, Any], said: str) -> None:
    assert said in audited(load_text, discord)["no-owner"].found


def test_five_examples_at_most(load_text: LoadText) -> None:
    users = [f"name{number}" for number in range(9)]
    found = audited(load_text, {"guilds": {GUILD: {"users": users}}})["name-entries"].found
    assert "'name4'" in found
    assert "'name5'" not in found
    assert "and 4 more" in found


def test_disabled_accounts_are_not_looked_at(load_text: LoadText) -> None:
    off = {
        "token": OTHER_TOKEN,
        "enabled": False,
        "groupPolicy": "open",
        "guilds": {"reef": {"users": ["x"]}},
    }
    found = audited(load_text, {"accounts": {"off": off}, "guilds": {GUILD: {"users": ["1"]}}})
    assert not [each for each in found.values() if "off" in each.where]
