"""Doctor about speech: a provider without a key, the extra that voice messages need (decisions 23, 36)."""

from __future__ import annotations

import sys

import pytest

from tests.cli.doctor.support import Examine

KEYLESS = {"messages": {"tts": {"provider": "elevenlabs"}}}


def test_a_speech_provider_without_key(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ELEVENLABS_API_KEY", "XI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    finding = look(KEYLESS)["speech-nobody"]
    assert "nobody can speak for main" in finding.found
    assert "ELEVENLABS_API_KEY" in finding.fix
    monkeypatch.setenv("ELEVENLABS_API_KEY", "test-key-of-no-value")
    assert "speech-nobody" not in look(KEYLESS)


def test_a_missing_extra(look: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    assert look({})["audio-extra"].severity == "info"
    finding = look(KEYLESS)["audio-extra"]
    assert finding.severity == "warn"
    assert "pip install 'shoal[audio]'" in finding.fix
