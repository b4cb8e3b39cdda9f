"""``tools.media.audio`` (decision 23) and which models take pictures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.agents import ModelRef
from tests.config.conftest import LoadText


def audio(load_text: LoadText, written: Any, *, env: dict[str, str] | None = None, **more: Any) -> Any:
    data = {"tools": {"media": {"audio": written, **more.pop("media", {})}}, **more}
    loaded = load_text(json.dumps(data), env)
    return loaded.audio, [str(warning) for warning in loaded.warnings]


def test_it_is_off_until_a_model_is_named(load_text: LoadText) -> None:
    key = {"OPENAI_API_KEY": "sk-0123456789"}
    assert load_text("{}", key).audio.listeners == ()
    assert audio(load_text, {}, env=key)[0].listeners == ()
    assert (
        audio(load_text, {"enabled": False, "models": [{"model": "whisper-1"}]}, env=key)[0].listeners == ()
    )
    [listener] = audio(load_text, {"enabled": True}, env=key)[0].listeners
    assert (listener.name, listener.base_url) == (
        "openai/gpt-4o-mini-transcribe",
        "https://api.openai.com/v1",
    )
    assert (listener.max_bytes, listener.timeout_s) == (20 * 1024 * 1024, 60.0)


def test_an_entry_lies_over_what_is_shared(load_text: LoadText) -> None:
    settings, warnings = audio(
        load_text,
        {
            "language": "de",
            "prompt": "names",
            "maxBytes": 100,
            "timeoutSeconds": 9,
            "echoTranscript": True,
            "models": [
                {"provider": "openai", "model": "gpt-4o-mini-transcribe"},
                {"type": "provider", "provider": "groq", "apiKey": "gsk_0123456789", "language": "en"},
                {
                    "baseUrl": "http://127.0.0.1:9/v1/",
                    "model": "base",
                    "maxBytes": 7,
                    "headers": {"X-A": "b"},
                },
                {"provider": "local", "model": "w"},
            ],
        },
        env={"OPENAI_API_KEY": "sk-0123456789"},
        models={
            "providers": {"local": {"baseUrl": "http://127.0.0.1:8/v1", "request": {"proxy": "http://p:1"}}}
        },
    )
    assert warnings == []
    one, two, three, four = settings.listeners
    assert (one.language, one.prompt, one.max_bytes, one.timeout_s) == ("de", "names", 100, 9.0)
    assert one.api_key.get_secret_value() == "sk-0123456789"
    assert (two.language, two.base_url, two.model) == (
        "en",
        "https://api.groq.com/openai/v1",
        "whisper-large-v3-turbo",
    )
    assert (three.base_url, three.max_bytes, three.headers["X-A"].get_secret_value()) == (
        "http://127.0.0.1:9/v1",
        7,
        "b",
    )
    assert four.proxy is not None
    assert settings.echo == '📝 "{transcript}"'


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"type": "cli", "command": "whisper", "args": ["{{MediaPath}}"]}, "programs are not run"),
        ({"command": "/usr/bin/whisper"}, "programs are not run"),
        ({"provider": "anthropic"}, "speaks anthropic-messages"),
        ({"provider": "deepgram", "model": "nova-3"}, "no address for the provider 'deepgram'"),
        ({"provider": "openai"}, "has no key"),
        ({"baseUrl": "http://127.0.0.1:9/v1"}, "no model is named"),
        ({"baseUrl": "file:///etc/passwd", "model": "x"}, "no address"),
        (
            {"provider": "openai", "apiKey": {"source": "env", "provider": "default", "id": "NOT_THERE"}},
            "unavailable",
        ),
    ],
)
def test_what_cannot_be_used_is_said_with_its_place_and_the_next_is_asked(
    load_text: LoadText, entry: dict[str, Any], words: str
) -> None:
    good = {"baseUrl": "http://127.0.0.1:9/v1", "model": "base"}
    settings, warnings = audio(load_text, {"models": [entry, good]})
    assert [listener.model for listener in settings.listeners] == ["base"]
    [warning] = [warning for warning in warnings if "tools.media.audio.models[0]" in warning]
    assert words in warning


def test_shared_models_that_can_hear_are_used(load_text: LoadText) -> None:
    shared = [
        {"baseUrl": "http://127.0.0.1:9/v1", "model": "eyes", "capabilities": ["image"]},
        {"baseUrl": "http://127.0.0.1:9/v1", "model": "ears", "capabilities": ["image", "audio"]},
    ]
    settings, _ = audio(load_text, {"enabled": True}, media={"models": shared})
    assert [listener.model for listener in settings.listeners] == ["ears"]


@pytest.mark.parametrize(
    ("ref", "sees"),
    [
        ("local/eyes", True),
        ("local/blind", False),
        ("local/unsaid", False),
        ("local/unknown", False),
        ("nobody/eyes", False),
        ("openai/gpt-4o-mini", True),
        ("openai/gpt-5.4-mini", True),
        ("openai/o3-mini", False),
        ("openai/gpt-4o-mini-transcribe", False),
        ("openai/gpt-4", False),
        ("openai/listed", True),
        ("openai/gpt-4o", False),
        ("anthropic/claude-sonnet-4-5", True),
        ("anthropic/claude-2.1", False),
    ],
)
def test_a_model_sees_if_its_entry_or_its_name_says_so(load_text: LoadText, ref: str, sees: bool) -> None:
    models = [
        {"id": "eyes", "input": ["text", "image"]},
        {"id": "blind", "input": ["text"]},
        {"id": "unsaid"},
    ]
    openai = [{"id": "listed", "input": ["image"]}, {"id": "gpt-4o", "input": ["text"]}]
    local = {"baseUrl": "http://127.0.0.1:9/v1", "models": models}
    loaded = load_text(json.dumps({"models": {"providers": {"local": local, "openai": {"models": openai}}}}))
    provider, _, model = ref.partition("/")
    assert loaded.sees(ModelRef(provider, model)) is sees


def test_received_files_stay_a_week_or_as_told(load_text: LoadText) -> None:
    assert load_text("{}").root.media.ttl_hours == 168
    assert load_text('{"media": {"ttlHours": 24, "preserveFilenames": true}}').root.media.ttl_hours == 24
