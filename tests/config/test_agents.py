"""Agents, their models, and the providers behind them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config.agents import ModelRef
from shoal.base.errors import ConfigError
from tests.config.conftest import LoadText
from workers.sessions.keys import agent_of, main_key


def test_without_a_list_there_is_main(load_text: LoadText, tmp_path: Path) -> None:
    loaded = load_text("{}")
    agent = loaded.agent()
    assert (agent.id, agent.default, agent.primary, agent.fallbacks) == ("main", True, None, ())
    assert agent.workspace == tmp_path / "state" / "workspace"
    assert agent.heartbeat is not None
    assert agent.heartbeat.every == "30m"
    assert agent.exec.security is None
    assert agent.mention_patterns is None


@pytest.mark.parametrize(
    ("entries", "default"),
    [('{ id: "a" }, { id: "b", default: true }', "b"), ('{ id: "A B" }, { id: "b" }', "a-b")],
)
def test_default_agent(load_text: LoadText, entries: str, default: str) -> None:
    loaded = load_text(f"{{ agents: {{ list: [{entries}] }} }}")
    assert loaded.default_agent_id == default
    assert loaded.agent().id == default
    with pytest.raises(ConfigError, match="no agent 'main'"):
        loaded.agent("main")


# agents.defaults.model, agent's model → primary, fallbacks
MODELS = [
    ('"openai/a"', None, "openai/a", ()),
    (
        '{ primary: "openai/a", fallbacks: ["openai/b", "openai/a", "openai/b"] }',
        None,
        "openai/a",
        ("openai/b",),
    ),
    ('{ primary: "openai/a", fallbacks: ["openai/b"] }', '"openai/c"', "openai/c", ()),  # strict
    (
        '{ primary: "openai/a", fallbacks: ["openai/b"] }',
        '{ primary: "openai/c", fallbacks: ["fast"] }',
        "openai/c",
        ("anthropic/h/4",),
    ),
    ('{ primary: "openai/a", fallbacks: ["openai/b"] }', "{ fallbacks: [] }", "openai/a", ()),
    (None, '"FAST"', "anthropic/h/4", ()),
]


@pytest.mark.parametrize(("shared", "own", "primary", "fallbacks"), MODELS)
def test_models(
    load_text: LoadText, shared: str | None, own: str | None, primary: str, fallbacks: tuple[str, ...]
) -> None:
    defaults = f"model: {shared}," if shared else ""
    entry = f", model: {own}" if own else ""
    loaded = load_text(
        f"""{{ agents: {{
          defaults: {{
            {defaults} models: {{ "anthropic/h/4": {{ alias: "Fast" }}, "openai/*": {{ alias: "no" }} }},
          }},
          list: [{{ id: "x"{entry} }}],
        }} }}"""
    )
    agent = loaded.agent("x")
    assert str(agent.primary) == primary
    assert tuple(str(model) for model in agent.fallbacks) == fallbacks
    assert agent.aliases == {"fast": ModelRef("anthropic", "h/4")}


def test_one_grammar_for_models() -> None:
    fast = ModelRef("anthropic", "h/4")
    assert ModelRef.parse(" FAST ", {"fast": fast}) == fast
    assert ModelRef.parse("OpenRouter/meta/llama-3") == ModelRef("openrouter", "meta/llama-3")
    assert ModelRef.parse("MyOwn/x", {}, ["MyOwn"]) == ModelRef("MyOwn", "x")
    assert [ModelRef.parse(wrong, {"fast": fast}) for wrong in ("gpt", "/x", "x/", "")] == [None] * 4


def test_the_model_of_a_channel_is_checked_with_the_file(load_text: LoadText) -> None:
    """Not by the turn that meets it, which it would kill."""
    with pytest.raises(ConfigError) as caught:
        load_text('{ channels: { modelByChannel: { discord: { "777": "gpt-x" } } } }')
    [issue] = caught.value.issues
    assert issue.path == 'channels.modelByChannel.discord["777"]'
    assert "neither provider/model nor an alias" in issue.message
    loaded = load_text('{ channels: { modelByChannel: { discord: { "777": "openai/gpt-x" } } } }')
    assert loaded.agent().channel_models == {"777": ModelRef("openai", "gpt-x")}


def test_an_alias_of_one_agent_may_name_the_model_of_a_channel(load_text: LoadText) -> None:
    loaded = load_text(
        """{
          channels: { modelByChannel: { discord: { "777": "quick" } } },
          agents: { list: [{ id: "a" }, { id: "b", models: { "openai/x": { alias: "quick" } } }] },
        }"""
    )
    assert loaded.agent("a").channel_models == {}
    assert loaded.agent("b").channel_models == {"777": ModelRef("openai", "x")}


def test_an_agent_has_one_id_everywhere(load_text: LoadText) -> None:
    """In the config, in session keys and in routes; also one of whose name nothing is left."""
    for written in ("Ops Team", "龙虾", " main ", "a" * 80):
        loaded = load_text(json.dumps({"agents": {"list": [{"id": written}]}}))
        [agent_id] = loaded.agents
        assert main_key(written) == f"agent:{agent_id}:main"
        assert agent_of(main_key(written)) == agent_id


def test_what_an_agent_inherits(load_text: LoadText, tmp_path: Path) -> None:
    loaded = load_text(
        """{
          messages: {
            groupChat: { mentionPatterns: ["hey"] }, tts: { provider: "openai", openai: { voice: "onyx" } },
          },
          tools: { exec: { security: "allowlist", ask: "always" }, deny: ["browser"] },
          agents: {
            defaults: {
              workspace: "ws", skills: ["a"], timeoutSeconds: 60, userTimezone: "Asia/Taipei", home: "shared",
              heartbeat: { target: "last", ackMaxChars: 5 }, subagents: { maxConcurrent: 2 },
            },
            list: [
              { id: "main", name: "Main", identity: { name: "Molty", emoji: "🦞" } },
              {
                id: "Ops", workspace: "/srv/ops", skills: [], timeoutSeconds: 5, home: "host-b",
                heartbeat: { every: "1h", ackMaxChars: 9 }, groupChat: { mentionPatterns: [] },
                tools: { exec: { ask: "off" }, deny: [] }, tts: { providers: { openai: { speed: 2 } } },
                subagents: { model: "openai/x" },
              },
            ],
          },
        }"""
    )
    main, ops = loaded.agent("main"), loaded.agent("ops")
    assert (main.name, main.identity_name, main.identity_emoji) == ("Main", "Molty", "🦞")
    assert (main.workspace, ops.workspace) == (tmp_path / "ws", Path("/srv/ops"))
    assert (main.skills, ops.skills) == (("a",), ())
    assert (main.timeout_seconds, ops.timeout_seconds) == (60, 5)
    assert (main.home, ops.home) == ("shared", "host-b")
    assert main.user_timezone == "Asia/Taipei"
    assert main.mention_patterns == ("hey",)
    assert ops.mention_patterns == ()  # empty is written
    assert main.heartbeat is None, "where one agent has a heartbeat of its own, only such agents beat"
    assert ops.heartbeat is not None
    assert (ops.heartbeat.every, ops.heartbeat.target, ops.heartbeat.ack_max_chars) == ("1h", "last", 9)
    assert (main.exec.security, main.exec.ask) == ("allowlist", "always")
    assert (ops.exec.security, ops.exec.ask) == ("allowlist", "off")
    assert (main.tools.deny, ops.tools.deny) == (["browser"], [])
    assert ops.tts.providers["openai"].voice == "onyx"
    assert ops.tts.providers["openai"].speed == 2
    assert ops.settings.subagents is not None
    assert (ops.settings.subagents.max_concurrent, ops.settings.subagents.model) == (2, "openai/x")


def test_second_agent_gets_a_workspace_beside_the_first(load_text: LoadText, tmp_path: Path) -> None:
    loaded = load_text('{ agents: { list: [{ id: "a" }, { id: "b" }] } }')
    assert loaded.agent("b").workspace == tmp_path / "state" / "workspace-b"


def test_binding_to_nobody_warns(load_text: LoadText) -> None:
    text = 'bindings: [{ agentId: "zed", match: { channel: "discord" } }]'
    (issue,) = load_text(f'{{ agents: {{ list: [{{ id: "a" }}] }}, {text} }}').warnings
    assert issue.path == "bindings[0].agentId"
    assert load_text(f"{{ {text} }}").warnings == ()


def test_channel_agent_of_old_files_is_a_binding(load_text: LoadText) -> None:
    loaded = load_text(
        """{
          bindings: [{ agentId: "b", match: { channel: "discord", peer: { kind: "channel", id: "22" } } }],
          channels: { discord: { guilds: { "10": { channels: {
            "21": { agentId: "a" }, "22": { agentId: "a" }, general: { agentId: "a" },
          } } } } },
        }"""
    )
    assert [binding.agent_id for binding in loaded.root.bindings] == ["b", "a"]
    match = loaded.root.bindings[1].match
    assert (match.guild_id, match.account_id) == ("10", "*")
    assert match.peer is not None
    assert match.peer.id == "21"
    assert any("general.agentId" in issue.path for issue in loaded.warnings)


# -- providers


def test_built_in_providers(load_text: LoadText) -> None:
    loaded = load_text("{}", {"OPENAI_API_KEY": "key-of-openai", "ANTHROPIC_BASE_URL": "https://a.example/"})
    openai, anthropic = loaded.model_provider("openai"), loaded.model_provider("anthropic")
    assert openai.api_key is not None
    assert (openai.api, openai.base_url) == ("openai-completions", None)
    assert openai.api_key.get_secret_value() == "key-of-openai"
    assert (anthropic.api, anthropic.base_url, anthropic.api_key) == (
        "anthropic-messages",
        "https://a.example",
        None,
    )
    assert "key-of-openai" not in repr(loaded)
    with pytest.raises(ConfigError, match="no model provider 'mistral'"):
        loaded.model_provider("mistral")


def test_written_providers(load_text: LoadText) -> None:
    loaded = load_text(
        """{ models: { proxy: "http://models:1", providers: {
          openai: { apiKey: "own-key-1", baseUrl: "https://gate/v1/", timeoutSeconds: 7 },
          "my-llm": {
            baseUrl: "http://127.0.0.1:9/v1", headers: { "X-Key": { source: "env", id: "K" } },
            request: { proxy: "socks5://own" }, models: [{ id: "m1", contextWindow: 1000, anything: 1 }],
          },
          claude: { baseUrl: "https://x", models: [{ id: "c", api: "anthropic-messages" }] },
        } } }""",
        {"OPENAI_API_KEY": "not-this", "MY_LLM_API_KEY": "key-by-name", "K": "header-value"},
    )
    openai, mine = loaded.model_provider("openai"), loaded.model_provider("my-llm")
    assert openai.api_key is not None
    assert (openai.api_key.get_secret_value(), openai.base_url) == ("own-key-1", "https://gate/v1")
    assert openai.timeout_seconds == 7
    assert openai.proxy is not None
    assert openai.proxy.source == "config:models.proxy"
    assert mine.api_key is not None
    assert mine.api_key.get_secret_value() == "key-by-name"
    assert mine.headers["X-Key"].get_secret_value() == "header-value"
    assert mine.proxy is not None
    assert mine.proxy.scheme == "socks5h"
    assert (mine.models, mine.timeout_seconds) == (("m1",), 120)
    assert loaded.model_provider("claude").api == "anthropic-messages"


def test_key_that_does_not_resolve_is_told_and_nothing_stands_in(load_text: LoadText) -> None:
    loaded = load_text(
        '{ models: { providers: { openai: { apiKey: { source: "env", id: "NOPE" } } } } }',
        {"OPENAI_API_KEY": "other-key"},
    )
    provider = loaded.model_provider("openai")
    assert provider.api_key is None
    assert "NOPE" in provider.problem
    assert [issue.path for issue in loaded.warnings] == ["models.providers.openai.apiKey"]


def test_replace_leaves_only_what_is_written(load_text: LoadText) -> None:
    loaded = load_text('{ models: { mode: "replace", providers: { x: { baseUrl: "https://x" } } } }')
    assert list(loaded.providers) == ["x"]


def test_model_of_an_unknown_provider_warns(load_text: LoadText) -> None:
    loaded = load_text('{ agents: { defaults: { model: "mistral/large" } } }')
    assert str(loaded.agent().primary) == "mistral/large"
    (issue,) = loaded.warnings
    assert "models.providers.mistral" in issue.hint
