"""Tools of a place and of a sender (``spec/inbound.md`` 3.10)."""

from __future__ import annotations

from typing import Any

import pytest

from workers.access.tool_policy import ToolPolicy, ToolRules, tool_policy

NONE, ONE, TWO = {"deny": ["*"]}, {"allow": ["one"]}, {"allow": ["two"]}


@pytest.mark.parametrize(
    ("guild", "channel", "allow"),
    [
        ({}, {}, None),
        ({"tools": ONE}, {}, ("one",)),
        ({"tools": ONE}, {"tools": TWO}, ("two",)),
        ({"toolsBySender": {"id:5": ONE}}, {"tools": TWO}, ("two",)),
        ({"tools": TWO, "toolsBySender": {"id:5": ONE}}, {}, ("one",)),
        ({"toolsBySender": {"5": ONE}}, {}, ("one",)),
        ({"toolsBySender": {"username:@Ann": ONE}}, {}, ("one",)),
        ({"toolsBySender": {"name:Ann A": ONE}}, {}, ("one",)),
        ({"toolsBySender": {"e164:+5": ONE, "*": TWO}}, {}, ("two",)),
        ({"toolsBySender": {"*": TWO, "id:5": ONE}}, {}, ("one",)),
        ({"toolsBySender": {"id:6": ONE}, "tools": TWO}, {}, ("two",)),
        ({"tools": ONE}, {"toolsBySender": {"id:6": TWO}}, ("one",)),
    ],
)
def test_channel_before_guild_and_sender_before_everyone(
    guild: dict[str, Any], channel: dict[str, Any], allow: Any
) -> None:
    found = tool_policy(
        ToolRules.read(guild), ToolRules.read(channel), sender_id="5", username="ann", name="Ann A"
    )
    assert (found.allow if found is not None else None) == allow


@pytest.mark.parametrize(
    ("policy", "names", "admitted"),
    [
        ({}, ("exec",), True),
        ({"allow": ["message"]}, ("exec",), False),
        ({"allow": ["message"]}, ("message", "discord"), True),
        ({"allow": ["Discord"]}, ("message", "discord"), True),
        ({"allow": []}, ("message",), False),
        ({"allow": ["message"], "alsoAllow": ["exec"]}, ("exec",), True),
        ({"deny": ["exec"]}, ("exec",), False),
        ({"deny": ["exec"]}, ("message",), True),
        ({"allow": ["*"], "deny": ["memory_*"]}, ("memory_get",), False),
        ({"allow": ["*"]}, ("anything",), True),
        (NONE, ("message",), False),
    ],
)
def test_deny_wins_over_allow(policy: dict[str, Any], names: tuple[str, ...], admitted: bool) -> None:
    assert ToolPolicy.read(policy).admits(*names) is admitted
