"""Accounts: ids, listing, inheritance, tokens, duplicates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.accounts import application_id_of, clean_token, normalise_id
from shoal.base.errors import ConfigError
from shoal.base.redact import redactor
from tests.config.conftest import OTHER_TOKEN, TOKEN, LoadText
from tests.config.wrong_files import discord


@given(st.text(max_size=100))
def test_ids_are_always_usable_and_stable(text: str) -> None:
    once = normalise_id(text)
    assert 0 < len(once) <= 64
    assert set(once) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    assert normalise_id(once) == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [(" Work ", "work"), ("Ops Team!", "ops-team"), ("", "default"), ("a" * 80, "a" * 64)],
)
def test_ids(text: str, expected: str) -> None:
    assert normalise_id(text) == expected


@pytest.mark.parametrize("text", [f"Bot {TOKEN}", f"  bot   {TOKEN}\n", TOKEN])
def test_bot_prefix_goes(text: str) -> None:
    assert clean_token(text) == TOKEN


def test_application_id_is_read_from_the_token() -> None:
    assert application_id_of(TOKEN) == "111111111111111111"
    for text in ("", "abc", "abc.123", "!!!.x.y", "YWJj.x.y"):
        assert application_id_of(text) is None


def test_without_a_file_the_environment_is_enough(load_text: LoadText) -> None:
    loaded = load_text("{}", {"DISCORD_BOT_TOKEN": f"Bot {TOKEN}"})
    account = loaded.account("default")
    assert account.token.get_secret_value() == TOKEN
    assert account.token_source == "env"
    assert account.discord.group_policy == "allowlist"
    assert any("no such section" in issue.message for issue in loaded.warnings)


def test_missing_section_ignores_open_default(load_text: LoadText) -> None:
    text = '{ channels: { defaults: { groupPolicy: "open" } } }'
    assert (
        load_text(text, {"DISCORD_BOT_TOKEN": TOKEN}).account("default").discord.group_policy == "allowlist"
    )
    text = '{ channels: { defaults: { groupPolicy: "disabled" }, discord: {} } }'
    assert load_text(text, {"DISCORD_BOT_TOKEN": TOKEN}).account("default").discord.group_policy == "disabled"


# token of account, token of channel, environment → state, source, value
TOKENS = [
    (None, None, None, "missing", "none", ""),
    (None, None, TOKEN, "ready", "env", TOKEN),
    (None, TOKEN, OTHER_TOKEN, "ready", "config", TOKEN),
    (OTHER_TOKEN, TOKEN, None, "ready", "config", OTHER_TOKEN),
    ("", TOKEN, TOKEN, "missing", "none", ""),  # explicitly empty: nothing stands in for it
    ("   ", TOKEN, TOKEN, "missing", "none", ""),
    ("REF", TOKEN, TOKEN, "unavailable", "config", ""),
    (None, "REF", TOKEN, "unavailable", "config", ""),
    (None, "", TOKEN, "ready", "env", TOKEN),
]


@pytest.mark.parametrize(("own", "channel", "env", "state", "source", "value"), TOKENS)
def test_token_of_the_default_account(
    load_text: LoadText,
    own: str | None,
    channel: str | None,
    env: str | None,
    state: str,
    source: str,
    value: str,
) -> None:
    def written(token: str | None) -> str:
        if token is None:
            return ""
        return 'token: { source: "env", id: "NOWHERE" },' if token == "REF" else f'token: "{token}",'

    text = discord(f"{written(channel)} accounts: {{ default: {{ {written(own)} }} }}")
    loaded = load_text(text, {"DISCORD_BOT_TOKEN": env} if env else {})
    (found,) = loaded.account_states
    assert (found.state, found.token_source) == (state, source)
    if state == "ready":
        assert loaded.account("default").token.get_secret_value() == value
    else:
        assert found.reason
        assert found.fix
        with pytest.raises(ConfigError, match="cannot run"):
            loaded.account("default")


def test_environment_token_is_for_default_only(load_text: LoadText) -> None:
    loaded = load_text(discord("accounts: { work: {} }"), {"DISCORD_BOT_TOKEN": TOKEN})
    states = {state.id: state.state for state in loaded.account_states}
    assert states == {"work": "missing", "default": "ready"}
    assert loaded.default_account_id == "default"


def test_null_is_not_written(load_text: LoadText) -> None:
    loaded = load_text(
        discord(f'token: "{TOKEN}", proxy: "http://p:1", accounts: {{ a: {{ token: null, proxy: null }} }}')
    )
    account = loaded.account("a")
    assert account.token.get_secret_value() == TOKEN
    assert account.proxy is not None


def test_same_token_runs_once_and_the_named_account_wins(load_text: LoadText) -> None:
    loaded = load_text(discord(f'token: "{TOKEN}", accounts: {{ b: {{}}, a: {{ proxy: "http://p:1" }} }}'))
    states = {state.id: (state.state, state.reason) for state in loaded.account_states}
    assert states["a"][0] == "ready"
    assert states["b"] == ("duplicate", 'duplicate bot token; using account "a"')
    assert states["default"] == ("duplicate", 'duplicate bot token; using account "a"')
    assert loaded.account_ids() == ["a"]
    assert loaded.default_account_id == "a"


def test_same_token_config_beats_environment(load_text: LoadText) -> None:
    loaded = load_text(
        discord(f'accounts: {{ zed: {{ token: "{TOKEN}" }} }}'), {"DISCORD_BOT_TOKEN": f"bot {TOKEN}"}
    )
    assert loaded.account_ids() == ["zed"]


def test_a_disabled_account_owns_no_token(load_text: LoadText) -> None:
    text = discord(f'accounts: {{ a: {{ token: "{TOKEN}", enabled: false }}, b: {{ token: "{TOKEN}" }} }}')
    loaded = load_text(text)
    assert {state.id: state.state for state in loaded.account_states} == {"a": "disabled", "b": "ready"}


def test_disabled_channel_disables_all(load_text: LoadText) -> None:
    loaded = load_text(discord(f'enabled: false, token: "{TOKEN}", accounts: {{ a: {{ enabled: true }} }}'))
    assert loaded.account_ids() == []
    assert {state.state for state in loaded.account_states} == {"disabled"}


def test_default_account(load_text: LoadText) -> None:
    both = f'accounts: {{ B: {{ token: "{TOKEN}" }}, a: {{ token: "{OTHER_TOKEN}" }} }}'
    assert load_text(discord(both)).default_account_id == "a"
    assert any("named default" in issue.message for issue in load_text(discord(both)).warnings)
    loaded = load_text(discord(both + ', defaultAccount: "b"'))
    assert loaded.default_account_id == "b"
    loaded = load_text(discord(both + ', defaultAccount: "c"'))
    assert loaded.default_account_id == "a"
    assert any(issue.path == "channels.discord.defaultAccount" for issue in loaded.warnings)


def test_what_an_account_inherits(load_text: LoadText) -> None:
    loaded = load_text(
        discord(
            """
            token: "a.b.c", allowFrom: ["1"], historyLimit: 7, dm: { groupEnabled: true },
            guilds: { "10": {} }, retry: { attempts: 5, minDelayMs: 1 },
            agentComponents: { enabled: false }, actions: { polls: false }, heartbeat: { showOk: true },
            applicationId: "111",
            accounts: {
              default: { allowFrom: ["2"] },
              own: {
                token: "d.e.f", guilds: { "20": {} }, dm: { enabled: false }, retry: { attempts: 2 },
                agentComponents: { ttlMs: 1000 }, actions: { roles: true }, heartbeat: { showAlerts: false },
                historyLimit: 0, applicationId: "222",
              },
            },
            """
        )
    )
    own = loaded.account("own").discord
    assert own.allow_from == ["1"]  # of the channel, never of accounts.default
    assert loaded.account("default").discord.allow_from == ["2"]
    assert list(own.guilds or {}) == ["20"]  # replaced as a whole
    assert (own.dm.enabled, own.dm.group_enabled) == (False, False)
    assert (own.retry.attempts, own.retry.min_delay_ms) == (2, 500)
    assert (own.agent_components.enabled, own.agent_components.ttl_ms) == (False, 1000)  # key by key
    assert (own.actions.polls, own.actions.roles, own.actions.pins) == (False, True, True)
    assert (own.heartbeat.show_ok, own.heartbeat.show_alerts) == (True, False)
    assert own.history_limit == 0
    assert loaded.account("own").application_id == "222"
    assert loaded.account("default").application_id == "111"


# account, channel → list in force
DM_LISTS = [
    ('dm: { allowFrom: ["a-old"] }', 'allowFrom: ["c-new"]', ["a-old"]),  # account before channel
    ('allowFrom: ["a-new"], dm: { allowFrom: ["a-old"] }', "", ["a-new"]),  # present form before old
    ("", 'allowFrom: ["c-new"], dm: { allowFrom: ["c-old"] }', ["c-new"]),
    ("", 'dm: { allowFrom: ["c-old"] }', ["c-old"]),
    ("dm: { enabled: true }", 'dm: { allowFrom: ["c-old"] }', ["c-old"]),
    ("allowFrom: []", 'allowFrom: ["c-new"]', []),  # empty is written
    ("", "", None),
]


@pytest.mark.parametrize(("account", "channel", "expected"), DM_LISTS)
def test_which_dm_list_counts(
    load_text: LoadText, account: str, channel: str, expected: list[str] | None
) -> None:
    comma = "," if channel else ""
    loaded = load_text(discord(f'{channel}{comma} accounts: {{ x: {{ token: "{TOKEN}", {account} }} }}'))
    assert loaded.account("x").discord.allow_from == expected


def test_what_lies_under_the_channel(load_text: LoadText) -> None:
    loaded = load_text(
        """{
          messages: {
            groupChat: { historyLimit: 3 }, responsePrefix: "P", ackReaction: "👍", ackReactionScope: "all",
          },
          session: { threadBindings: { idleHours: 1, maxAgeHours: 2 } },
          channels: {
            defaults: {
              contextVisibility: "allowlist", heartbeat: { showOk: true, useIndicator: false },
              botLoopProtection: { windowSeconds: 5 },
            },
            discord: {
              token: "a.b.c", heartbeat: { useIndicator: true }, threadBindings: { maxAgeHours: 9 },
              accounts: { default: { ackReaction: "" } },
            },
          },
        }""",
        {"OPENCLAW_DISCORD_READY_TIMEOUT_MS": "99", "SHOAL_DISCORD_GATEWAY_INFO_TIMEOUT_MS": "oops"},
    )
    found = loaded.account("default").discord
    assert found.history_limit == 3
    assert found.response_prefix == "P"
    assert (found.ack_reaction, found.ack_reaction_scope) == ("", "all")  # "" is written: no reaction
    assert (found.thread_bindings.idle_hours, found.thread_bindings.max_age_hours) == (1, 9)
    assert found.context_visibility == "allowlist"
    assert (found.heartbeat.show_ok, found.heartbeat.use_indicator) == (True, True)
    assert found.bot_loop_protection.window_seconds == 5
    assert found.gateway_ready_timeout_ms == 99
    assert found.gateway_info_timeout_ms == 30_000
    assert any("GATEWAY_INFO_TIMEOUT_MS" in issue.path for issue in loaded.warnings)


def test_voice_is_opt_in(load_text: LoadText) -> None:
    for text, enabled, intent in (
        ("", False, False),
        ("voice: {}", True, True),
        ("voice: { enabled: false }", False, False),
        ("intents: { voiceStates: true }", False, True),
        ("voice: {}, intents: { voiceStates: false }", True, False),
    ):
        found = load_text(discord(f'token: "{TOKEN}", {text}')).account("default").discord
        assert (found.voice_enabled, found.voice_states_intent) == (enabled, intent)


def test_tokens_are_known_to_the_redactor_and_hidden_in_repr(load_text: LoadText) -> None:
    token = "not-the-usual-shape-0123456789"
    loaded = load_text(discord(f'token: "Bot {token}"'))
    assert redactor.mask(f"x {token} y") == "x *** y"
    assert token not in repr(loaded)
    assert token not in str(loaded.root.model_dump(mode="json"))


def test_unknown_account_names_the_known_ones(load_text: LoadText) -> None:
    with pytest.raises(ConfigError, match="configured: default"):
        load_text("{}").account("nobody")


@pytest.mark.parametrize(
    ("url", "good"),
    [
        ("https://discord.example/api/v10/", True),
        ("http://127.0.0.1:8080/api/v10", True),
        ("http://localhost:1/x", True),
        ("http://[::1]:1/x", True),
        ("http://discord.example/api", False),
        ("https://u:p@host/api", False),
        ("https://host/api?x=1", False),
        ("ftp://host", False),
        ("nonsense", False),
    ],
)
@pytest.mark.parametrize("name", ["SHOAL_DISCORD_API_URL", "DISCORD_API_URL", "OPENCLAW_DISCORD_API_URL"])
def test_other_server(load_text: LoadText, name: str, url: str, good: bool) -> None:
    env = {"DISCORD_BOT_TOKEN": TOKEN, name: url}
    if good:
        assert load_text("{}", env).account("default").api_url == url.rstrip("/")
    else:
        with pytest.raises(ConfigError) as caught:
            load_text("{}", env)
        assert "DISCORD_API_URL" in caught.value.issues[0].path
        assert "u:p" not in str(caught.value)


def test_another_pluralkit(load_text: LoadText) -> None:
    """For tests and mirrors: same rules as for another Discord; the public one without it."""
    env = {"DISCORD_BOT_TOKEN": TOKEN}
    name = "SHOAL_PLURALKIT_API_URL"
    assert load_text("{}", env).account("default").pluralkit_url is None
    other = load_text("{}", {**env, name: "http://127.0.0.1:8060/pluralkit/v2/"}).account("default")
    assert other.pluralkit_url == "http://127.0.0.1:8060/pluralkit/v2"
    with pytest.raises(ConfigError) as caught:
        load_text("{}", {**env, name: "http://pk.example/v2"})
    assert name in caught.value.issues[0].path
