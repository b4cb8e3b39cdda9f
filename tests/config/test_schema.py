"""The schema itself: every key of the manuals is in it, and the JSON schema says the same as the loader."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema_rs
import pytest

import config
from config.json5 import parse, to_python
from config.schema.base import names
from config.schema.discord import DiscordConfig
from config.schema.walk import is_secret, known_keys, places_of
from tests.config.conftest import TOKEN, LoadText
from tests.config.wrong_files import discord

FOLDER = Path(__file__).parent / "manuals"

DISCORD_KEYS = names(
    """
    name enabled capabilities markdown token applicationId proxy gatewayInfoTimeoutMs
    gatewayReadyTimeoutMs gatewayRuntimeReadyTimeoutMs allowBots botLoopProtection
    dangerouslyAllowNameMatching mentionAliases mentionPatterns groupPolicy contextVisibility
    historyLimit dmHistoryLimit dms textChunkLimit maxLinesPerMessage suppressEmbeds streaming
    mediaMaxMb retry actions replyToMode thread dmPolicy allowFrom defaultTo dm guilds heartbeat
    healthMonitor execApprovals agentComponents ui slashCommand commands threadBindings intents voice
    pluralkit responsePrefix ackReaction ackReactionScope activity status activityType activityUrl
    autoPresence inboundWorker eventQueue configWrites defaultAccount accounts wakeOnMassMentions
    allowedMentions proxyCaFile proxyDns
    """
)


def test_every_discord_key_is_known() -> None:
    assert not DISCORD_KEYS - set(known_keys(("channels", "discord")))
    account = set(known_keys(("channels", "discord", "accounts", "x")))
    assert DISCORD_KEYS - account == {"accounts", "defaultAccount"}


OLD_SHAPES = [
    ('streamMode: "block"', "streaming.mode", "block"),
    ("streaming: true", "streaming.mode", "partial"),
    ("streaming: false", "streaming.mode", "off"),
    ('streaming: "progress"', "streaming.mode", "progress"),
    ("streaming: {}", "streaming.mode", "progress"),
    ('streaming: { preview: { commandText: "status" } }', "streaming.mode", "progress"),
    ('streaming: { mode: "off" }, streamMode: "block"', "streaming.mode", "off"),
    ('chunkMode: "newline"', "streaming.chunk_mode", "newline"),
    ("blockStreaming: true", "streaming.block.enabled", True),
    ("blockStreamingCoalesce: { idleMs: 5 }", "streaming.block.coalesce.idle_ms", 5),
    ('draftChunk: { minChars: 9, breakPreference: "sentence" }', "streaming.preview.chunk.min_chars", 9),
    (
        "threadBindings: { spawnSubagentSessions: true, spawnAcpSessions: false }",
        "thread_bindings.spawn_sessions",
        False,
    ),
    ("threadBindings: { spawnAcpSessions: true }", "thread_bindings.spawn_sessions", True),
    ("threadBindings: { ttlHours: 3 }", "thread_bindings.idle_hours", 3),
    ('dm: { policy: "disabled" }', "dm_policy", "disabled"),
    ('dmPolicy: "disabled", dm: { policy: "open" }', "dm_policy", "disabled"),
    ("allowFrom: [123, ' bob ']", "allow_from", ["123", "bob"]),
    ('voice: { tts: { provider: "edge", edge: { voice: "v" } } }', "voice.tts.providers", {"microsoft"}),
    ("textChunkLimit: 9999", "text_chunk_limit", 2000),
    (
        'guilds: { "1": { channels: { a: { autoArchiveDuration: "1440" } } } }',
        "guilds.1.channels.a.auto_archive_duration",
        1440,
    ),
    (
        'guilds: { "1": { channels: { a: { allow: true, enabled: false } } } }',
        "guilds.1.channels.a.enabled",
        False,
    ),
    ('guilds: { "1": { channels: {} } }', "guilds.1.channels", {}),
    ('guilds: { "1": {} }', "guilds.1.channels", None),
]


@pytest.mark.parametrize(("text", "path", "expected"), OLD_SHAPES)
def test_shapes(load_text: LoadText, text: str, path: str, expected: object) -> None:
    value: object = load_text(discord(f'token: "{TOKEN}", {text}')).account("default").discord
    for part in path.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    assert (set(value) if isinstance(expected, set) and isinstance(value, dict) else value) == expected


def test_defaults_of_the_manuals() -> None:
    found = DiscordConfig()
    assert (found.dm_policy, found.group_policy, found.reply_to_mode) == ("pairing", "allowlist", "off")
    assert (found.text_chunk_limit, found.max_lines_per_message, found.media_max_mb) == (2000, 17, 100)
    assert (found.history_limit, found.streaming.mode) == (20, "progress")
    actions = found.actions.model_dump()
    assert {name for name, on in actions.items() if not on} == {"roles", "moderation", "presence"}
    assert len(actions) == 19
    assert found.agent_components.ttl_ms == 30 * 60 * 1000
    assert (found.allowed_mentions.users, found.allowed_mentions.roles, found.allowed_mentions.everyone) == (
        True,
        False,
        False,
    )


def test_json_schema_is_valid_and_takes_the_manuals() -> None:
    schema = config.json_schema()
    jsonschema_rs.meta.validate(schema)
    validator = jsonschema_rs.validator_for(schema)
    for path in sorted(FOLDER.glob("002-*.json5")):
        if path.stem in {
            "002-05-components-payload",
            "002-voice-call",
            "002-25-voice",
            "002-09-guild-policy",
        }:
            continue  # no config, and two that hold old shapes
        errors = [error.message for error in validator.iter_errors(to_python(parse(path.read_text())))]
        assert not errors, path.stem


@pytest.mark.parametrize(
    "text",
    [
        discord('dmPolicy: "opne"'),
        discord("enabled: 1"),
        discord("unknown: 1"),
        discord("retry: { attempts: 99 }"),
        "{ agents: { list: [{}] } }",
        discord('token: { source: "vault", id: "x" }'),
    ],
)
def test_json_schema_refuses_what_the_loader_refuses(text: str) -> None:
    validator = jsonschema_rs.validator_for(config.json_schema())
    assert not validator.is_valid(to_python(parse(text)))


def test_json_schema_marks_what_has_no_effect() -> None:
    schema = config.json_schema()
    assert schema["properties"]["plugins"]["x-served"] is False
    assert schema["$defs"]["AgentDefaults"]["properties"]["sandbox"]["x-served"] is False
    assert json.dumps(schema)


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (("channels", "discord", "token"), True),
        (("channels", "discord", "accounts", "a", "proxy"), True),
        (("channels", "discord", "pluralkit", "token"), True),
        (("models", "providers", "x", "headers", "Any"), True),
        (("models", "providers", "x", "apiKey"), True),
        (("secrets", "providers", "x", "env", "A"), True),
        (("plugins", "x", "clientSecret"), True),
        (("channels", "discord", "guilds", "1", "slug"), False),
        (("agents", "list", 0, "contextTokens"), False),
        (("session", "parentForkMaxTokens"), False),
    ],
)
def test_what_is_secret(path: tuple[str | int, ...], secret: bool) -> None:
    assert is_secret(path) is secret


def test_places() -> None:
    assert (
        places_of("requireMention", ("channels", "discord"))[0] == "channels.discord.guilds.*.requireMention"
    )
    assert places_of("dmScope", ("channels", "discord")) == ["session.dmScope"]
    assert places_of("nothing", ()) == []


def test_import_costs_next_to_nothing() -> None:
    code = "import sys, config; config.__all__; sys.exit('pydantic' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], check=False, cwd=Path(config.__file__).parents[1]
        ).returncode
        == 0
    )


def test_every_public_name_can_be_had_in_any_order() -> None:
    code = "import config, sys; assert not any(hasattr(getattr(config, n), '__file__') for n in sys.argv[1:])"
    for order in (config.__all__, list(reversed(config.__all__))):
        run = subprocess.run(
            [sys.executable, "-c", code, *order],
            check=False,
            cwd=Path(config.__file__).parents[1],
        )
        assert run.returncode == 0
