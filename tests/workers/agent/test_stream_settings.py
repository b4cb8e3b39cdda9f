"""What the config says about previews, blocks and pauses (``spec/outbound.md`` 4.1, 14.1)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from shoal.base.errors import ConfigError
from tests.workers.agent.test_profiles import REQUESTED, loaded
from workers.agent.blocks import BlockRules
from workers.agent.profiles import profile_of
from workers.agent.shown import ShownSettings
from workers.agent.streaming import StreamSettings


def shown(folder: Path, discord: dict[str, Any], **agents: Any) -> ShownSettings:
    file: dict[str, Any] = {"discord": discord, "agents": agents}
    return profile_of(loaded(folder, file), REQUESTED).shown


def rules(folder: Path, discord: dict[str, Any], **agents: Any) -> BlockRules:
    found = shown(folder, discord, **agents)
    assert found.stream is None, "never a preview and blocks"
    assert found.blocks is not None
    return found.blocks


ON: dict[str, Any] = {"streaming": {"block": {"enabled": True}}}


@pytest.mark.parametrize(
    ("discord", "default", "on"),
    [
        ({}, None, False),
        ({}, "on", True),
        ({}, "off", False),
        (ON, "off", True),
        ({"blockStreaming": True}, None, True),
        ({"blockStreaming": False}, "on", False),
        ({"accounts": {"default": {"blockStreaming": True}}}, None, True),
        ({"blockStreaming": True, "accounts": {"default": {"blockStreaming": False}}}, None, False),
    ],
)
def test_blocks_are_on_where_the_account_or_else_the_agents_say_so(
    tmp_path: Path, discord: dict[str, Any], default: str | None, on: bool
) -> None:
    defaults = {"blockStreamingDefault": default} if default else {}
    found = shown(tmp_path, discord, defaults=defaults)
    assert (found.blocks is not None) == on
    assert (found.stream is None) == on


def test_sizes_of_blocks_are_those_of_the_manuals(tmp_path: Path) -> None:
    assert rules(tmp_path, ON) == BlockRules(800, 1200, "paragraph", 1500, 2000, 1.0, at_end=False)


def test_every_key_of_blocks_changes_something(tmp_path: Path) -> None:
    discord = {
        "blockStreaming": True,
        "blockStreamingCoalesce": {"minChars": 300, "maxChars": 900, "idleMs": 50},
    }
    defaults = {
        "blockStreamingBreak": "message_end",
        "blockStreamingChunk": {"minChars": 100, "maxChars": 400, "breakPreference": "sentence"},
    }
    wanted = BlockRules(100, 400, "sentence", 300, 900, 0.05, at_end=True)
    assert rules(tmp_path, discord, defaults=defaults) == wanted


def test_how_blocks_are_put_together_is_the_accounts_then_the_agents(tmp_path: Path) -> None:
    discord = {"blockStreaming": True, "blockStreamingCoalesce": {"minChars": 300}}
    defaults = {"blockStreamingCoalesce": {"minChars": 700, "idleMs": 5, "maxChars": 1000}}
    found = rules(tmp_path, discord, defaults=defaults)
    assert (found.join_min, found.join_max, found.idle_s) == (300, 1000, 0.005)


def test_no_block_is_larger_than_a_message(tmp_path: Path) -> None:
    found = rules(tmp_path, {**ON, "textChunkLimit": 500})
    assert (found.min_chars, found.max_chars, found.join_min, found.join_max) == (500, 500, 500, 500)


@pytest.mark.parametrize(
    ("written", "pause"),
    [
        (None, None),
        ({"mode": "off", "minMs": 5}, None),
        ({"mode": "natural"}, (800, 2500)),
        ({"mode": "custom", "minMs": 10, "maxMs": 20}, (10, 20)),
        ({"mode": "custom", "minMs": 3000}, (3000, 3000)),
        ({"mode": "custom"}, (800, 2500)),
    ],
)
def test_human_delay_of_the_agent(
    tmp_path: Path, written: dict[str, Any] | None, pause: tuple[int, int] | None
) -> None:
    assert rules(tmp_path, ON, defaults={"humanDelay": written} if written else {}).pause_ms == pause
    own = {"id": "main", "humanDelay": {"mode": "custom", "minMs": 1, "maxMs": 2}}
    assert rules(tmp_path, ON, defaults={"humanDelay": {"mode": "natural"}}, list=[own]).pause_ms == (1, 2)


def test_previews_by_default_are_progress_drafts(tmp_path: Path) -> None:
    found = shown(tmp_path, {}).stream
    assert found == StreamSettings()


@pytest.mark.parametrize(
    ("discord", "changed"),
    [
        ({"streaming": "partial"}, {"mode": "partial"}),
        ({"streaming": True}, {"mode": "partial"}),
        ({"streamMode": "block"}, {"mode": "block"}),
        ({"streaming": {"preview": {"commandText": "status"}}}, {"preview_raw": False}),
        ({"streaming": {"preview": {"toolProgress": False}}}, {"tool_lines": False}),
        ({"streaming": {"progress": {"toolProgress": False}}}, {"draft_lines": False}),
        ({"streaming": {"progress": {"commandText": "status"}}}, {"raw": False}),
        ({"streaming": {"progress": {"commentary": True}}}, {"commentary": True}),
        ({"streaming": {"progress": {"narration": False}}}, {"narration": False}),
        ({"streaming": {"progress": {"label": False}}}, {"label": False}),
        ({"streaming": {"progress": {"labels": ["Busy"]}}}, {"labels": ["Busy"]}),
        ({"streaming": {"progress": {"maxLines": 3}}}, {"max_lines": 3}),
        ({"streaming": {"progress": {"maxLineChars": 60}}}, {"max_line_chars": 60}),
        (
            {"draftChunk": {"minChars": 900, "maxChars": 700, "breakPreference": "newline"}},
            {"block_min": 700, "block_max": 700, "block_break": "newline"},
        ),
        ({"textChunkLimit": 300}, {"limit": 300, "block_max": 300}),
    ],
)
def test_every_key_of_previews_changes_something(
    tmp_path: Path, discord: dict[str, Any], changed: dict[str, Any]
) -> None:
    found = shown(tmp_path, discord).stream
    assert found is not None
    assert asdict(found) == asdict(StreamSettings()) | changed


@pytest.mark.parametrize("discord", [{"streaming": "off"}, {"streaming": False}, {"streamMode": "off"}])
def test_off_shows_nothing(tmp_path: Path, discord: dict[str, Any]) -> None:
    assert shown(tmp_path, discord).stream is None


@pytest.mark.parametrize(
    ("agents", "whole"),
    [
        ({}, False),
        ({"defaults": {"toolProgressDetail": "raw"}}, True),
        (
            {
                "defaults": {"toolProgressDetail": "raw"},
                "list": [{"id": "main", "toolProgressDetail": "explain"}],
            },
            False,
        ),
    ],
)
def test_an_agent_shows_all_arguments_where_it_says_so(
    tmp_path: Path, agents: dict[str, Any], whole: bool
) -> None:
    """4.1: ``toolProgressDetail`` of the agent, else of ``agents.defaults``; ``explain`` unless written."""
    stream = shown(tmp_path, {}, **agents).stream
    assert stream is not None
    assert stream.whole is whole


@pytest.mark.parametrize(
    ("defaults", "own", "wanted"),
    [
        ({}, {}, None),
        ({"utilityModel": "openai/gpt-small"}, {}, "openai/gpt-small"),
        ({"utilityModel": "openai/gpt-small"}, {"utilityModel": "openai/other"}, "openai/other"),
        ({"utilityModel": "openai/gpt-small"}, {"utilityModel": ""}, None),
        ({"utilityModel": "tiny", "models": {"openai/gpt-x": {"alias": "Tiny"}}}, {}, "openai/gpt-x"),
    ],
)
def test_the_small_model_is_the_agents_own_else_that_of_all(
    tmp_path: Path, defaults: dict[str, Any], own: dict[str, Any], wanted: str | None
) -> None:
    """Never the model of the turn: without ``utilityModel`` there is none."""
    agents = {"defaults": {"model": "openai/gpt-main", **defaults}, "list": [{"id": "main", **own}]}
    found = profile_of(loaded(tmp_path, {"agents": agents}), REQUESTED).utility
    assert (str(found) if found is not None else None) == wanted


def test_a_small_model_that_is_none_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, {"agents": {"list": [{"id": "main", "utilityModel": "no model"}]}})
    assert "agents.list[0].utilityModel" in str(caught.value)
