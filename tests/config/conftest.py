"""Loading configs from text, away from the machine's own files and variables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

import config
from config.loaded import Loaded
from shoal.base.errors import ConfigError, ConfigIssue

TOKEN = "MTExMTExMTExMTExMTExMTEx.Gabcde.abcdefghijklmnopqrstuvwxyz0"  # of application 111111111111111111
OTHER_TOKEN = "MjIyMjIyMjIyMjIyMjIyMjIy.Gabcde.zyxwvutsrqponmlkjihgfedcba1"  # of 222222222222222222

LoadText = Callable[..., Loaded]
LoadIssues = Callable[..., list[ConfigIssue]]


@pytest.fixture
def load_text(tmp_path: Path) -> LoadText:
    """Write a config and load it: ``load_text("{…}", env={…}, name="shoal.json")``."""

    def load(text: str, env: Mapping[str, str] | None = None, name: str = "shoal.json") -> Loaded:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return config.load(path, env=env or {}, state_dir=tmp_path / "state")

    return load


@pytest.fixture
def issues_of(load_text: LoadText) -> LoadIssues:
    """The issues of a config that must not load."""

    def issues(
        text: str, env: Mapping[str, str] | None = None, name: str = "shoal.json"
    ) -> list[ConfigIssue]:
        with pytest.raises(ConfigError) as caught:
            load_text(text, env, name)
        assert caught.value.issues, "an error without issues tells nobody anything"
        return list(caught.value.issues)

    return issues


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may read the config of whoever runs it."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
