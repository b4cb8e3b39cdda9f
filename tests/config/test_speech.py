"""``messages.tts``: both shapes, keys, who is asked in which order (decision 23)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from config.loaded import Loaded
from config.speech import Speech
from tests.config.conftest import LoadText

KEYS = {
    "OPENAI_API_KEY": "test-key-one",
    "ELEVENLABS_API_KEY": "test-key-two",
    "DEEPGRAM_API_KEY": "test-key-3",
}


def speech(loaded: Loaded, agent: str = "main") -> Speech:
    return loaded.speech_of(agent)


@pytest.mark.parametrize(
    "text",
    [
        '{ messages: { tts: { provider: "openai", openai: { voice: "onyx" } } } }',
        '{ messages: { tts: { provider: "openai", providers: { openai: { voice: "onyx" } } } } }',
    ],
)
def test_both_shapes_are_one(load_text: LoadText, text: str) -> None:
    [speaker] = speech(load_text(text, KEYS)).speakers
    assert (speaker.provider, speaker.api, speaker.voice, speaker.model) == (
        "openai", "openai", "onyx", "gpt-4o-mini-tts",
    )  # fmt: skip
    assert speaker.base_url == "https://api.openai.com/v1"
    assert speaker.api_key is not None
    assert speaker.api_key.get_secret_value() == "test-key-one"


def test_nothing_written_sends_no_word_to_anybody(load_text: LoadText) -> None:
    assert speech(load_text("{}", KEYS)) == Speech()
    assert (
        speech(load_text("{ messages: { tts: { enabled: false, provider: 'openai' } } }", KEYS)) == Speech()
    )


@pytest.mark.parametrize(
    ("written", "auto"),
    [
        ({"provider": "openai"}, "off"),
        ({"auto": "always"}, "always"),
        ({"auto": "inbound"}, "inbound"),
        ({"auto": "tagged"}, "tagged"),
        ({"auto": "off", "enabled": True}, "off"),
        ({"enabled": True}, "always"),
        ({"auto": "always", "enabled": False}, "off"),
    ],
)
def test_which_answers_are_read_aloud(load_text: LoadText, written: dict[str, Any], auto: str) -> None:
    """``enabled`` is the boolean of before ``auto``."""
    loaded = load_text(json.dumps({"messages": {"tts": written}}), KEYS)
    assert speech(loaded).auto == auto
    assert not [path for path in loaded.unserved if "tts" in path]


def test_who_sums_answers_up(load_text: LoadText) -> None:
    """An alias, or provider/model; what is neither is named, and answers are cut."""
    tts = {"provider": "openai", "mode": "all", "summaryModel": "Small"}
    models = {"openai/gpt-small": {"alias": "small"}}
    file = {"messages": {"tts": tts}, "agents": {"defaults": {"models": models}}}
    loaded = load_text(json.dumps(file), KEYS)
    assert (str(speech(loaded).summary), speech(loaded).every) == ("openai/gpt-small", True)
    assert not [path for path in loaded.unserved if "tts" in path]
    wrong = load_text(json.dumps({"messages": {"tts": {**tts, "summaryModel": "nobody"}}}), KEYS)
    assert speech(wrong).summary is None
    assert "there is no such model" in str(wrong.warnings)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, ("inbound", 900, True, "openai")),
        ('{"tts": {"auto": "tagged", "maxLength": 300, "provider": "deepgram"}}',
         ("tagged", 300, True, "deepgram")),
        ('{"tts": {"enabled": false, "maxLength": 5000, "summarize": false}}', ("off", 900, False, "openai")),
        ('{"tts": {"auto": "sometimes", "maxLength": true}}', ("inbound", 900, True, "openai")),
        ("[]", ("inbound", 900, True, "openai")),
    ],
)  # fmt: skip
def test_openclaws_own_file_lies_over_the_config(
    load_text: LoadText, tmp_path: Path, text: str | None, found: tuple[str, int, bool, str]
) -> None:
    """``prefsPath``: what its ``/tts`` had been told. There is none before the first."""
    path = tmp_path / "prefs" / "tts.json"
    path.parent.mkdir()
    if text is not None:
        path.write_text(text)
    tts = {"auto": "inbound", "provider": "openai", "maxTextLength": 900, "prefsPath": str(path)}
    loaded = load_text(json.dumps({"messages": {"tts": tts}}), KEYS)
    used = speech(loaded)
    assert (used.auto, used.read_chars, used.in_short, used.speakers[0].provider) == found
    assert not [path for path in loaded.unserved if "tts" in path]
    assert not loaded.warnings


def test_preferences_that_cannot_be_read_are_named(load_text: LoadText, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("no json")
    loaded = load_text(json.dumps({"messages": {"tts": {"auto": "always", "prefsPath": str(path)}}}), KEYS)
    assert speech(loaded).auto == "always"
    assert "these preferences do not count: it is no JSON" in str(loaded.warnings)


@pytest.mark.parametrize(
    ("written", "choices"),
    [
        (None, {"text", "voice", "model", "settings", "normalization", "seed"}),
        ({"enabled": False, "allowProvider": True}, set()),
        ({"allowProvider": True, "allowSeed": False, "allowNormalization": False},
         {"text", "provider", "voice", "model", "settings"}),
        ({"allowText": False, "allowModelId": False, "allowVoiceSettings": False},
         {"voice", "normalization", "seed"}),
    ],
)  # fmt: skip
def test_what_a_model_may_choose(load_text: LoadText, written: Any, choices: set[str]) -> None:
    """All but the provider, where nothing is written."""
    tts = {"provider": "openai"} | ({"modelOverrides": written} if written else {})
    loaded = load_text(json.dumps({"messages": {"tts": tts}}), KEYS)
    assert speech(loaded).choices == choices
    assert not [path for path in loaded.unserved if "tts" in path]


def test_the_named_provider_is_asked_first_then_the_others(load_text: LoadText) -> None:
    loaded = load_text(
        """{ messages: { tts: {
          provider: "elevenlabs", maxTextLength: 900, timeoutMs: 9000, modelOverrides: { allowVoice: false },
          providers: {
            openai: { enabled: false },
            deepgram: {},
            local: { baseUrl: "http://127.0.0.1:9/v1/", model: "kokoro", voice: "af", responseFormat: "wav" },
            elevenlabs: { voiceId: "v1", modelId: "m1", voiceSettings: { stability: 0.4 }, seed: 7 },
          } } } }""",
        KEYS,
    )
    found = speech(loaded)
    assert [(one.provider, one.api, one.model, one.voice) for one in found.speakers] == [
        ("elevenlabs", "elevenlabs", "m1", "v1"),
        ("deepgram", "deepgram", "aura-2-thalia-en", ""),
        ("local", "openai", "kokoro", "af"),
    ]
    assert found.speakers[0].more == {"voice_settings": {"stability": 0.4}, "seed": 7}
    assert (found.speakers[2].more, found.speakers[2].base_url) == (
        {"response_format": "wav"}, "http://127.0.0.1:9/v1",
    )  # fmt: skip
    assert (found.max_chars, found.read_chars, found.timeout_s) == (900, 900, 9.0)
    assert found.choices == {"text", "model", "settings", "normalization", "seed"}


def test_a_model_provider_lends_its_address_and_key(load_text: LoadText) -> None:
    loaded = load_text(
        """{ models: { providers: { local: { baseUrl: "http://127.0.0.1:9/v1", apiKey: "test-key-4",
             models: [{ id: "m" }] } } },
             messages: { tts: { provider: "local", providers: { local: { model: "x" } } } } }"""
    )
    [speaker] = speech(loaded).speakers
    assert (speaker.base_url, speaker.model) == ("http://127.0.0.1:9/v1", "x")
    assert speaker.api_key is not None


def test_an_agent_has_a_voice_of_its_own(load_text: LoadText) -> None:
    loaded = load_text(
        """{ messages: { tts: { provider: "openai", openai: { voice: "onyx", speed: 1.1 } } },
             agents: { list: [ { id: "main" },
               { id: "ops", tts: { providers: { openai: { voice: "ash" } } } } ] } }""",
        KEYS,
    )
    assert [speech(loaded, each).speakers[0].voice for each in ("main", "ops")] == ["onyx", "ash"]
    assert speech(loaded, "ops").speakers[0].more == {"speed": 1.1}


@pytest.mark.parametrize(
    ("tts", "env", "said"),
    [
        ({"provider": "openai"}, {}, "the speech provider openai has no key"),
        ({"provider": "elevenlabs"}, {}, "set ELEVENLABS_API_KEY"),
        ({"provider": "microsoft"}, KEYS, "no address for the speech provider 'microsoft'"),
        ({"provider": "anthropic"}, {**KEYS, "ANTHROPIC_API_KEY": "test-key-5"}, "has no speech here"),
    ],
)
def test_who_cannot_speak_is_named_once(
    load_text: LoadText, tts: dict[str, Any], env: dict[str, str], said: str
) -> None:
    agents = {"list": [{"id": "main"}, {"id": "ops"}]}
    loaded = load_text(json.dumps({"messages": {"tts": tts}, "agents": agents}), env)
    assert speech(loaded).speakers == ()
    assert len([str(issue) for issue in loaded.warnings if said in str(issue)]) == 1
