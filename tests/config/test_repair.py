"""Old shapes are rewritten in the text; access stays exactly as it was (decision 3, spec/inbound.md 1.10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import config
from config.json5 import parse, to_python
from config.legacy import modernise
from config.repair import repair_text
from tests.config.conftest import TOKEN

MANUALS = Path(__file__).parent / "manuals"


def discord(text: str) -> Any:
    return to_python(parse(text))["channels"]["discord"]


def fixed(inner: str) -> Any:
    """The discord section after a repair, and the same again."""
    text = f"{{ channels: {{ discord: {{ {inner} }} }} }}"
    done = repair_text(text)
    assert done.refused == ""
    again = repair_text(done.text)
    assert (again.text, again.changes) == (done.text, ())
    return discord(done.text)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('dm: { policy: "open", allowFrom: ["*"] }', {"dmPolicy": "open", "allowFrom": ["*"]}),
        ('dm: { policy: "open", enabled: true }', {"dm": {"enabled": True}, "dmPolicy": "open"}),
        ('dm: { policy: "open" }, dmPolicy: "open"', {"dmPolicy": "open"}),
        ('dmPolicy: "pairing", dm: { policy: "open" }', {"dmPolicy": "pairing"}),  # the present one counts
        ('streamMode: "block"', {"streaming": {"mode": "block"}}),
        ("streaming: true", {"streaming": {"mode": "partial"}}),
        ("streaming: false", {"streaming": {"mode": "off"}}),
        ('streaming: "progress"', {"streaming": {"mode": "progress"}}),
        ("streamMode: false", {"streaming": {"mode": "off"}}),
        (
            'chunkMode: "newline", blockStreaming: true, draftChunk: { minChars: 5 }',
            {
                "streaming": {
                    "chunkMode": "newline",
                    "block": {"enabled": True},
                    "preview": {"chunk": {"minChars": 5}},
                }
            },
        ),
        (
            "threadBindings: { spawnSubagentSessions: true, spawnAcpSessions: false, ttlHours: 5 }",
            {"threadBindings": {"spawnSessions": False, "idleHours": 5}},
        ),
        (
            "threadBindings: { spawnSessions: true, spawnAcpSessions: true }",
            {"threadBindings": {"spawnSessions": True}},
        ),
        (
            'guilds: { "1": { channels: { a: { allow: true }, b: { allow: false, enabled: true } } } }',
            {"guilds": {"1": {"channels": {"a": {"enabled": True}, "b": {"enabled": True}}}}},
        ),
        (
            'voice: { tts: { provider: "openai", openai: { voice: "onyx" } } }',
            {"voice": {"tts": {"provider": "openai", "providers": {"openai": {"voice": "onyx"}}}}},
        ),
        ("allowFrom: [123, '456']", {"allowFrom": ["123", "456"]}),
        (  # the account's own dm hides that of the channel, so it stays although it is empty
            'dm: { groupEnabled: true }, accounts: { work: { dm: { policy: "disabled" } } }',
            {"dm": {"groupEnabled": True}, "accounts": {"work": {"dm": {}, "dmPolicy": "disabled"}}},
        ),
        (
            'accounts: { work: { dm: { policy: "allowlist", allowFrom: [5] } } }',
            {"accounts": {"work": {"dmPolicy": "allowlist", "allowFrom": ["5"]}}},
        ),
    ],
)
def test_each_old_shape_becomes_its_present_form(before: str, after: dict[str, Any]) -> None:
    assert fixed(before) == after


def test_the_agent_of_a_channel_becomes_a_binding() -> None:
    text = '{ channels: { discord: { guilds: { "1": { channels: { "22": { agentId: "helper" } } } } } } }'
    done = to_python(parse(repair_text(text).text))
    assert done["channels"]["discord"]["guilds"]["1"]["channels"]["22"] == {}
    (binding,) = done["bindings"]
    assert binding["agentId"] == "helper"
    assert binding["match"]["peer"] == {"kind": "channel", "id": "22"}


@pytest.mark.parametrize(
    "inner",
    [
        'dmPolicy: "open", allowFrom: ["5"]',  # no "*" is added
        'dmPolicy: "allowlist", allowFrom: []',  # nobody is let in
        'allowFrom: ["5"], accounts: { work: {} }',  # root values stay where named accounts inherit them
        'guilds: { "1": {} }',
        "allowFrom: [123456789012345678, 5]",  # one has lost digits: the list stays
        'mentionAliases: { Ann: "5" }',
    ],
)
def test_what_would_change_access_is_left_alone(inner: str) -> None:
    text = f"{{ channels: {{ discord: {{ {inner} }} }} }}"
    assert repair_text(text).text == text


def test_comments_and_layout_stay() -> None:
    text = (
        "// my bot\n{\n  channels: {\n    discord: {\n      dm: {\n        policy: 'open', // everybody\n"
        "        allowFrom: ['*', /* me */ '5'],\n      },\n      token: 'x', // secret\n    },\n  },\n}\n"
    )
    done = repair_text(text)
    assert "// my bot" in done.text
    assert "// secret" in done.text
    assert "/* me */" in done.text
    assert done.changes == (
        "channels.discord.dm.policy → channels.discord.dmPolicy",
        "channels.discord.dm.allowFrom → channels.discord.allowFrom",
    )


@pytest.mark.parametrize("path", sorted(MANUALS.glob("*.json5")), ids=lambda path: path.name)
def test_the_blocks_of_the_manuals_mean_the_same_afterwards(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    if not isinstance(to_python(parse(text)), dict):
        return
    done = repair_text(text)
    assert done.refused == ""
    assert modernise(to_python(parse(done.text))).notes == []


def test_the_effective_config_is_the_same(tmp_path: Path) -> None:
    text = f"""{{
      channels: {{ discord: {{
        token: "{TOKEN}",
        dm: {{ policy: "allowlist", allowFrom: [123, "<@456>"], groupEnabled: true, groupChannels: [7] }},
        streamMode: "off", chunkMode: "newline", blockStreaming: true,
        threadBindings: {{ ttlHours: 3, spawnAcpSessions: true }},
        guilds: {{ "1": {{ users: [9], channels: {{ "2": {{ allow: false }}, "*": {{ allow: true }} }} }} }},
        voice: {{ tts: {{ provider: "edge", edge: {{ voice: "x" }} }} }},
      }} }},
      messages: {{ tts: {{ openai: {{ voice: "onyx" }} }} }},
    }}"""
    before, after = tmp_path / "before.json5", tmp_path / "after.json5"
    before.write_text(text)
    after.write_text(repair_text(text).text)
    one, two = (config.load(path, env={}, state_dir=tmp_path) for path in (before, after))
    assert one.discord_settings == two.discord_settings
    assert one.root == two.root
    assert one.legacy
    assert two.legacy == ()
