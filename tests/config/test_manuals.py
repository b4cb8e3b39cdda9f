"""Every config block of the manuals loads, and means what the manual says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config import validate_file
from config.json5 import parse, to_python
from config.loaded import Loaded
from config.places import parse_path
from config.schema.bindings import AudienceGroup, SendersGroup
from config.schema.walk import models_at
from tests.config.conftest import TOKEN, LoadText

FOLDER = Path(__file__).parent / "manuals"
NO_CONFIG = {"002-05-components-payload", "002-voice-call"}
BLOCKS = sorted(path for path in FOLDER.glob("*.json5") if path.stem not in NO_CONFIG)
ENV = {"DISCORD_BOT_TOKEN": TOKEN}
GUILD = "123456789012345678"

Block = Callable[[str], Loaded]


def name_of_later(name: str) -> bool:
    """Whether a key is reported because its part is not built yet, not because nobody serves it."""
    *above, key = parse_path(name)
    return any(key in model.LATER for model in models_at(tuple(above)))


@pytest.fixture
def block(load_text: LoadText) -> Block:
    """Load a block by the start of its file name."""

    def load(prefix: str) -> Loaded:
        (path,) = FOLDER.glob(f"{prefix}-*.json5")
        return load_text(path.read_text(encoding="utf-8"), ENV)

    return load


def test_all_blocks_are_here() -> None:
    assert len([path for path in BLOCKS if path.stem.startswith("002")]) == 27
    assert len([path for path in BLOCKS if path.stem.startswith("004")]) == 5


@pytest.mark.parametrize("path", BLOCKS, ids=lambda path: path.stem)
def test_block_loads_without_a_word(path: Path, load_text: LoadText) -> None:
    loaded = load_text(path.read_text(encoding="utf-8"), ENV)
    expected = {
        # the manual's own examples leave these things open
        "002-02-two-accounts": ["default"],
        "002-27-bots": ["default"],
        "002-17-proxy-of-account": ["default"],
        "002-19-mention-aliases": ["default"],
        "002-25-voice": [],
        "004-04-everything": ["twice"],
        "002-10-role-bindings": [],
    }
    assert not [name for name in loaded.unserved if not name_of_later(name)]
    said = [str(issue) for issue in loaded.warnings if "have no effect here" not in issue.message]
    for word in expected.get(path.stem, []):
        said = [text for text in said if word not in text]
    if "channels:" not in path.read_text(encoding="utf-8"):
        said = [text for text in said if "no such section" not in text]
    assert said == []


@pytest.mark.parametrize("prefix", ["002-00", "002-01"])
def test_token_is_a_reference_to_the_environment(block: Block, prefix: str) -> None:
    account = block(prefix).account("default")
    assert account.token.get_secret_value() == TOKEN
    assert account.token_source == "config"
    assert account.application_id == "111111111111111111"


def test_reference_that_does_not_resolve_stops_the_account(load_text: LoadText) -> None:
    text = (FOLDER / "002-00-token-patch.json5").read_text()
    loaded = load_text(text, {})
    (state,) = loaded.account_states
    assert state.state == "unavailable"
    assert "DISCORD_BOT_TOKEN" in state.reason
    assert loaded.account_ids() == []


def test_two_accounts(load_text: LoadText) -> None:
    text = (FOLDER / "002-02-two-accounts.json5").read_text()
    loaded = load_text(text, {"DISCORD_PERSONAL_TOKEN": "aaa.bbb.ccc", "DISCORD_WORK_TOKEN": "ddd.eee.fff"})
    assert loaded.account_ids() == ["personal", "work"]
    assert loaded.account("personal").application_id == "111111111111111111"
    assert loaded.account("work").token.get_secret_value() == "ddd.eee.fff"


def test_guild_allowlist(block: Block) -> None:
    discord = block("002-03").account("default").discord
    assert discord.group_policy == "allowlist"
    assert discord.guilds is not None
    assert discord.guilds[GUILD].require_mention is True
    assert discord.guilds[GUILD].users == ["987654321098765432"]
    assert discord.guilds[GUILD].channels is None
    assert discord.guilds[GUILD].reaction_notifications == "own"


def test_no_mention_needed(block: Block) -> None:
    guilds = block("002-04").account("default").discord.guilds
    assert guilds is not None
    assert guilds[GUILD].require_mention is False


def test_placeholder_as_it_stands_in_the_manual_is_a_key(load_text: LoadText) -> None:
    loaded = load_text(
        "{ channels: { discord: { guilds: { YOUR_SERVER_ID: { requireMention: false } } } } }", ENV
    )
    guilds = loaded.account("default").discord.guilds
    assert guilds is not None
    assert list(guilds) == ["YOUR_SERVER_ID"]


def test_groups_of_senders(block: Block) -> None:
    loaded = block("002-06")
    group = loaded.root.access_groups["operators"]
    assert isinstance(group, SendersGroup)
    assert group.for_discord() == ["global-owner-id", "discord:123456789012345678"]
    discord = loaded.account("default").discord
    assert discord.dm_policy == "allowlist"
    assert discord.allow_from == ["accessGroup:operators"]


def test_groups_of_a_channel(block: Block) -> None:
    for prefix in ("002-07", "002-08"):
        group = block(prefix).root.access_groups["maintainers"]
        assert isinstance(group, AudienceGroup)
        assert (group.guild_id, group.channel_id) == ("1456350064065904867", "1456744319972282449")
        assert group.membership == "canViewChannel"
    assert block("002-08").account("default").discord.allow_from == [
        "accessGroup:maintainers",
        "discord:123456789012345678",
    ]


def test_guild_policy(block: Block) -> None:
    guilds = block("002-09").account("default").discord.guilds
    assert guilds is not None
    guild = guilds[GUILD]
    assert guild.ignore_other_mentions is True
    assert guild.roles == ["123456789012345678"]
    assert guild.channels is not None
    assert guild.channels["general"].enabled is True
    assert guild.channels["help"].require_mention is True


def test_bindings_by_role(block: Block) -> None:
    first, second = block("002-10").root.bindings
    assert (first.agent_id, first.match.guild_id, first.match.roles) == (
        "opus",
        GUILD,
        ["111111111111111111"],
    )
    assert (second.agent_id, second.match.roles) == ("sonnet", None)
    assert first.type == "route"


def test_streaming(block: Block) -> None:
    streaming = block("002-11").account("default").discord.streaming
    assert (streaming.mode, streaming.progress.label, streaming.progress.max_lines) == ("progress", "auto", 8)
    assert streaming.progress.tool_progress is True
    assert streaming.progress.command_text == "raw"
    assert block("002-12").account("default").discord.streaming.progress.command_text == "status"


def test_thread_bindings(block: Block) -> None:
    bindings = block("002-13").account("default").discord.thread_bindings
    assert bindings.enabled is True
    assert (bindings.idle_hours, bindings.max_age_hours) == (24, 0)
    assert (bindings.spawn_sessions, bindings.default_spawn_context) == (True, "fork")


def test_acp_binding(block: Block) -> None:
    loaded = block("002-14")
    (binding,) = loaded.root.bindings
    assert (binding.type, binding.match.account_id) == ("acp", "default")
    assert binding.acp is not None
    assert binding.acp.label == "codex-main"
    agent = loaded.agent("codex")
    assert agent.acp
    assert agent.default
    assert agent.settings.runtime is not None
    assert agent.settings.runtime.acp is not None
    assert agent.settings.runtime.acp.cwd == "/workspace/openclaw"


@pytest.mark.parametrize("prefix", ["002-15", "004-01"])
def test_config_writes(block: Block, prefix: str) -> None:
    assert block(prefix).account("default").discord.config_writes is False


def test_proxy(block: Block) -> None:
    proxy = block("002-16").account("default").proxy
    assert proxy is not None
    assert (proxy.scheme, proxy.host, proxy.port) == ("http", "proxy.example", 8080)
    assert proxy.source == "config:channels.discord.proxy"


def test_proxy_of_an_account(load_text: LoadText) -> None:
    text = (
        (FOLDER / "002-17-proxy-of-account.json5")
        .read_text()
        .replace("proxy:", 'token: "aaa.bbb.ccc", proxy:')
    )
    loaded = load_text(text)
    proxy = loaded.account("primary").proxy
    assert proxy is not None
    assert proxy.source == "config:channels.discord.accounts.primary.proxy"
    assert loaded.default_account_id == "primary"


def test_pluralkit(block: Block) -> None:
    account = block("002-18").account("default")
    assert account.discord.pluralkit.enabled
    assert account.pluralkit_token is not None
    assert account.pluralkit_token.get_secret_value() == "pk_live_..."


def test_mention_aliases(block: Block) -> None:
    loaded = block("002-19")
    assert loaded.account("default").discord.mention_aliases == {"Vladislava": "123456789012345678"}
    assert loaded.discord_settings["ops"].mention_aliases == {"OpsLead": "234567890123456789"}


def test_presence(block: Block) -> None:
    assert block("002-20").account("default").discord.status == "idle"
    focus = block("002-21").account("default").discord
    assert (focus.activity, focus.activity_type) == ("Focus time", 4)
    live = block("002-22").account("default").discord
    assert (live.activity_type, live.activity_url) == (1, "https://twitch.tv/openclaw")
    auto = block("002-23").account("default").discord.auto_presence
    assert auto.enabled
    assert (auto.interval_ms, auto.min_update_interval_ms) == (30_000, 15_000)
    assert auto.exhausted_text == "token exhausted"


def test_accent_color(block: Block) -> None:
    assert block("002-24").account("default").discord.ui.components.accent_color == "#5865F2"


def test_voice(block: Block) -> None:
    discord = block("002-25").account("default").discord
    voice = discord.voice
    assert voice is not None
    assert discord.voice_enabled
    assert discord.voice_states_intent
    assert voice.model == "openai/gpt-5.4-mini"
    assert [(place.guild_id, place.channel_id) for place in voice.auto_join] == [
        (GUILD, "234567890123456789")
    ]
    assert (voice.dave_encryption, voice.decryption_failure_tolerance) == (True, 24)
    assert (voice.connect_timeout_ms, voice.reconnect_grace_ms) == (30_000, 15_000)
    assert voice.capture_silence_grace_ms == 2500
    assert voice.tts is not None
    assert voice.tts.provider == "openai"
    assert voice.tts.providers["openai"].voice == "onyx"


def test_event_queue_of_an_account(block: Block) -> None:
    queue = block("002-26").account("default").discord.event_queue
    assert (queue.listener_timeout, queue.max_queue_size, queue.max_concurrency) == (120_000, 10_000, 50)


def test_bots(block: Block) -> None:
    loaded = block("002-27")
    assert loaded.discord_settings["mantis"].allow_bots == "mentions"
    assert loaded.discord_settings["molty"].allow_bots is True
    assert loaded.discord_settings["molty"].mention_aliases == {"Mantis": "345678901234567890"}


@pytest.mark.parametrize("prefix", ["004-00", "004-02"])
def test_plain_token(block: Block, prefix: str) -> None:
    account = block(prefix).account("default")
    assert account.token_source == "config"
    assert TOKEN not in repr(account)


def test_only_me_and_only_help(block: Block) -> None:
    discord = block("004-03").account("default").discord
    assert discord.dm.enabled is False
    assert discord.guilds is not None
    guild = discord.guilds[GUILD]
    assert guild.users == ["987654321098765432"]
    assert guild.channels is not None
    assert guild.channels["help"].enabled is True
    retry = discord.retry
    assert (retry.attempts, retry.min_delay_ms, retry.max_delay_ms, retry.jitter) == (3, 500, 30_000, 0.1)


def test_everything_of_january(block: Block) -> None:
    loaded = block("004-04")
    discord = loaded.account("default").discord
    # guilds stands twice: the last one counts, and it says so
    assert discord.guilds is not None
    assert list(discord.guilds) == ["*", GUILD]
    assert discord.guilds["*"].channels is None
    assert any(
        issue.path == "channels.discord.guilds" and "twice" in issue.message for issue in loaded.warnings
    )
    assert discord.dm_policy == "pairing"
    assert discord.allow_from == ["123456789012345678", "steipete"]
    assert (discord.dm.group_enabled, discord.dm.group_channels) == (False, ["clawd-dm"])
    assert discord.media_max_mb == 8
    assert (discord.actions.roles, discord.actions.moderation, discord.actions.presence) == (
        False,
        False,
        False,
    )
    assert discord.actions.voice_status is True
    guild = discord.guilds[GUILD]
    assert (guild.slug, guild.require_mention) == ("friends-of-clawd", False)
    assert guild.channels is not None
    help_channel = guild.channels["help"]
    assert help_channel.skills == ["search", "docs"]
    assert help_channel.system_prompt == "Keep answers short."
    old = {issue.path for issue in loaded.legacy}
    assert "channels.discord.dm.policy" in old
    assert f'channels.discord.guilds["{GUILD}"].channels.help.allow' in old


def test_yaml_of_the_proxy_report_gets_json5_instead(tmp_path: Path) -> None:
    text = (FOLDER / "000-00-proxy.yaml").read_text(encoding="utf-8")
    for name in ("shoal.json", "shoal.yaml"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        issues, _, loaded = validate_file(path, env={}, state_dir=tmp_path / "state")
        assert loaded is None
        (issue,) = issues
        assert "JSON5, like this" in issue.message
        assert "channels: {" in issue.message


def test_payload_and_voice_call_are_json5() -> None:
    payload = to_python(parse((FOLDER / "002-05-components-payload.json5").read_text()))
    assert [block["type"] for block in payload["components"]["blocks"]] == ["actions", "actions"]
    assert payload["components"]["modal"]["fields"][1]["options"][1] == {"label": "High", "value": "high"}
    call = to_python(parse((FOLDER / "002-voice-call.json5").read_text()))
    assert call["asVoice"] is True
