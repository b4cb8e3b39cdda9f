"""From a config file to profiles and providers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from config import load
from config.agents import ModelRef
from config.loaded import Loaded
from shoal.base.proxy import Proxy
from tests.workers.agent.test_sanitize import REQUEST
from workers.agent.models import GUIDE, candidates
from workers.agent.profile import AgentProfile
from workers.agent.profiles import profile_of
from workers.agent.providers.anthropic import AnthropicProvider
from workers.agent.providers.base import AuthError, ProviderMissingError
from workers.agent.providers.openai import OpenAIProvider
from workers.agent.providers.pool import ProviderPool, goes_direct
from workers.agent.response_prefix import response_prefix
from workers.agent.tools.message import MessageTool
from workers.agent.tools.registry import ToolRegistry
from workers.agent.visibility import reply_mode

TOKEN = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcdE." + "x" * 38
REQUESTED = msgspec.structs.replace(REQUEST, guild_entry="9", channel_entry="777")


def loaded(tmp_path: Path, file: dict[str, Any], **env: str) -> Loaded:
    discord = {"token": TOKEN, **file.pop("discord", {})}
    path = tmp_path / "shoal.json"
    channels = {"discord": discord, **file.pop("channels", {})}
    path.write_text(json.dumps({"channels": channels, **file}))
    return load(path, env={"HOME": str(tmp_path), **env}, state_dir=tmp_path / "state")


def test_nothing_configured_means_the_guide_and_it_always_shows_its_answer(tmp_path: Path) -> None:
    profile = profile_of(loaded(tmp_path, {}), REQUESTED)
    assert candidates(profile.primary, profile.fallbacks) == [GUIDE]
    assert reply_mode(REQUESTED, profile, tool_available=True) == "automatic"


def test_a_file_decides_models_prompt_and_visibility(tmp_path: Path) -> None:
    file = {
        "agents": {
            "defaults": {
                "model": {"primary": "openai/gpt-x", "fallbacks": ["anthropic/claude-x"]},
                "models": {"openai/gpt-x": {"alias": "fast", "params": {"temperature": 0.1}}},
                "userTimezone": "Europe/Berlin",
            }
        },
        "discord": {
            "replyToMode": "first",
            "responsePrefix": "auto",
            "historyLimit": 7,
            "guilds": {"9": {"channels": {"777": {"systemPrompt": " Be kind. "}}}},
        },
    }
    profile = profile_of(loaded(tmp_path, file, OPENAI_API_KEY="sk-abcdefghijkl"), REQUESTED)
    assert profile.primary == ModelRef("openai", "gpt-x")
    assert profile.fallbacks == (ModelRef("anthropic", "claude-x"),)
    assert profile.params["openai/gpt-x"] == {"temperature": 0.1}
    assert (profile.system_prompt, profile.timezone) == ("Be kind.", "Europe/Berlin")
    assert (profile.reply_to_mode, profile.response_prefix, profile.history_limit) == ("first", "auto", 7)
    assert reply_mode(REQUESTED, profile, tool_available=True) == "message_tool_only"
    assert reply_mode(REQUESTED, profile, tool_available=False) == "automatic"
    direct = msgspec.structs.replace(REQUESTED, chat_type="direct")
    assert reply_mode(direct, profile, tool_available=True) == "automatic"


@pytest.mark.parametrize(
    ("written", "prefix"),
    [
        ("", None),
        ("auto", "[{model} of Reef]"),
        ("[{model}|{MODELFULL}|{provider}]", "[gpt-x|openai/maker/gpt-x-20260101|openai]"),
        ("{identity.name} {identityName}:", "{model} of Reef {model} of Reef:"),
        ("{mood} {model", "{mood} {model"),
    ],
)
def test_the_prefix_names_the_model_that_answered(written: str, prefix: str | None) -> None:
    """``spec/outbound.md`` 3.8; what stands for a variable is no template itself."""
    profile = AgentProfile("main", "{model} of Reef", response_prefix=written)
    assert response_prefix(profile, "openai/maker/gpt-x-20260101") == prefix


def test_a_channel_may_have_a_model_of_its_own(tmp_path: Path) -> None:
    """The thread's, its parent's, that of all channels, the agent's own (``spec/outbound.md`` 8.1)."""
    models = {"777": "fast", "778": "OpenAI/gpt-y", "*": "anthropic/any"}
    file = {
        "agents": {
            "defaults": {"model": "openai/gpt-x", "models": {"anthropic/claude-y": {"alias": "Fast"}}},
        },
        "channels": {"modelByChannel": {"discord": models}},
    }
    config = loaded(tmp_path, file, OPENAI_API_KEY="sk-abcdefghijkl")
    assert profile_of(config, REQUESTED).primary == ModelRef("anthropic", "claude-y")
    thread = msgspec.structs.replace(REQUESTED, channel_id="1", parent_id="778")
    assert profile_of(config, thread).primary == ModelRef("openai", "gpt-y")
    elsewhere = msgspec.structs.replace(REQUESTED, channel_id="1", parent_id=None)
    assert profile_of(config, elsewhere).primary == ModelRef("anthropic", "any")


def test_parameters_of_an_agent_lie_over_those_of_the_model(tmp_path: Path) -> None:
    file = {
        "agents": {
            "defaults": {
                "model": "openai/gpt-x",
                "params": {"temperature": 0.1, "seed": 1, "top_p": 0.5},
                "models": {"openai/gpt-x": {"params": {"temperature": 0.2, "seed": 2}}},
            },
            "list": [{"id": "main", "params": {"temperature": 0.3}}],
        }
    }
    profile = profile_of(loaded(tmp_path, file, OPENAI_API_KEY="sk-abcdefghijkl"), REQUESTED)
    assert profile.params["openai/gpt-x"] == {"temperature": 0.3, "seed": 2, "top_p": 0.5}


def test_tools_taken_away_by_the_file_are_not_there(tmp_path: Path) -> None:
    """``tools.deny`` of the file, ``tools`` of an agent, and what a place takes away come together."""
    registry = ToolRegistry.of([MessageTool()])
    allowed: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"tools": {"deny": ["message"]}}, False),
        ({"tools": {"deny": ["discord"]}}, False),  # its other name
        ({"tools": {"allow": ["skill"]}}, False),
        ({"tools": {"allow": ["skill"], "alsoAllow": ["mess*"]}}, True),
        ({"agents": {"list": [{"id": "main", "tools": {"deny": ["*"]}}]}}, False),
    ]
    for file, there in allowed:
        profile = profile_of(loaded(tmp_path, file), REQUESTED)
        found = registry.find("message", REQUESTED, profile.tools)
        assert (found is not None) is there, file


def test_dm_history_limits(tmp_path: Path) -> None:
    file = {"discord": {"dmHistoryLimit": 5, "dms": {"42": {"historyLimit": 2}}}}
    config = loaded(tmp_path, file)
    direct = msgspec.structs.replace(REQUESTED, chat_type="direct")
    assert profile_of(config, direct).history_turns == 2
    assert profile_of(config, msgspec.structs.replace(direct, author_id="1")).history_turns == 5
    assert profile_of(config, REQUESTED).history_turns is None


def test_providers_of_a_file(tmp_path: Path) -> None:
    file = {
        "models": {
            "providers": {
                "local": {"baseUrl": "http://127.0.0.1:9/v1"},
                "odd": {
                    "baseUrl": "http://127.0.0.1:9/v1",
                    "api": "google-generative-ai",
                    "apiKey": "abcdefgh",
                },
            }
        }
    }
    config = loaded(tmp_path, file, ANTHROPIC_API_KEY="sk-ant-abcdefgh")
    pool = ProviderPool(lambda: config)
    assert isinstance(pool("anthropic", "default"), AnthropicProvider)
    assert isinstance(pool("local", "default"), OpenAIProvider)
    assert pool("local", "default") is pool("local", "default")
    assert pool("guide", "default").id == "guide"
    with pytest.raises(AuthError, match="OPENAI_API_KEY"):
        pool("openai", "default")
    with pytest.raises(ProviderMissingError):
        pool("nowhere", "default")
    with pytest.raises(ProviderMissingError, match="openai-completions"):
        pool("odd", "default")
    pool.close()


@pytest.mark.parametrize(
    ("url", "direct"),
    [
        ("http://127.0.0.1:11434/v1", True),
        ("http://[::1]:11434/v1", True),
        ("http://localhost/v1", True),
        ("https://api.openai.com/v1", False),
        ("http://192.168.1.5/v1", False),
        ("https://models.corp.example/v1", True),
        (None, False),
    ],
)
def test_what_goes_around_the_account_proxy(url: str | None, direct: bool) -> None:
    proxy = Proxy("http", "p", 1, no_proxy=("corp.example",))
    assert goes_direct(url, proxy) is direct
