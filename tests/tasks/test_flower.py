"""The monitoring page's password: the config's, else one of its own in a file for the owner only."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest

import config
from shoal.base import exits
from shoal.base.errors import ProcessError
from tasks.flower import password_in_force


def loaded(folder: Path, password: Any, **env: str) -> config.Loaded:
    flower = {} if password is None else {"password": password}
    (folder / "shoal.json").write_text(json.dumps({"fleet": {"flower": flower, "host": "Box-7.example"}}))
    return config.load(folder / "shoal.json", env={"HOME": str(folder), **env}, state_dir=folder)


def test_the_password_of_the_config_is_used(tmp_path: Path) -> None:
    assert password_in_force(loaded(tmp_path, "a-written-password")) == (
        "a-written-password",
        "config:fleet.flower.password",
    )
    reference = {"source": "env", "provider": "default", "id": "FLOWER_WORD"}
    assert password_in_force(loaded(tmp_path, reference, FLOWER_WORD="from-the-env"))[0] == "from-the-env"
    assert not (tmp_path / "flower.password").exists()


def test_without_one_it_is_made_once(tmp_path: Path) -> None:
    made, place = password_in_force(loaded(tmp_path, None))
    assert len(made) > 20
    assert place == str(tmp_path / "flower.password")
    assert stat.S_IMODE(Path(place).stat().st_mode) == 0o600
    assert password_in_force(loaded(tmp_path, None)) == (made, place)


def test_a_secret_that_cannot_be_had_is_no_reason_for_another_password(tmp_path: Path) -> None:
    reference = {"source": "env", "provider": "default", "id": "FLOWER_WORD"}
    with pytest.raises(ProcessError, match=r"fleet\.flower\.password") as caught:
        password_in_force(loaded(tmp_path, reference))
    assert caught.value.exit_code == exits.CONFIG


def test_this_machine_is_called_as_the_config_says(tmp_path: Path) -> None:
    """An agent's ``home`` names it; the system's name may be a container's (rule R25)."""
    assert loaded(tmp_path, None).host == "box-7"
