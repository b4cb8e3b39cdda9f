"""The locks, the entry points of a newcomer, the package layout."""

from __future__ import annotations

import importlib.metadata
import os
import re
import stat
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
OURS = ("config", "gateway", "tasks", "workers", "shoal")


def locked(name: str) -> dict[str, str]:
    """Name → version of a lock, for this machine."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if line and not line.startswith((" ", "#")):
            requirement = Requirement(line.rstrip("\\ "))
            if requirement.marker is None or requirement.marker.evaluate():
                found[canonicalize_name(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_locks_have_hashes_and_name_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"://|--(?:extra-)?index|--find-links|file:", text)
    for block in re.split(r"\n(?=[a-zA-Z])", text):
        if not block.startswith("#"):
            assert re.match(r"\S+==\S+", block), block
            assert "--hash=sha256:" in block, block


def test_everything_declared_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    declared = [
        *project["project"]["dependencies"],
        *project["project"]["optional-dependencies"]["anthropic"],
        *project["dependency-groups"]["build"],
        *project["build-system"]["requires"],
    ]
    versions = locked("requirements.lock")
    for text in declared:
        requirement = Requirement(text)
        version = versions[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), f"{text} is locked at {version}"


def test_the_locks_agree() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-dev.lock").items()


def test_no_locked_distribution_ships_a_package_named_like_ours() -> None:
    owners = importlib.metadata.packages_distributions()
    names = locked("requirements-dev.lock")
    for package in OURS:
        others = {canonicalize_name(owner) for owner in owners.get(package, ())} - {"shoal"}
        assert not others & names.keys(), f"{package} also comes with {others}"


def test_nothing_locked_brings_a_second_json5() -> None:
    assert not {"json5", "json-five"} <= locked("requirements.lock").keys()


def test_the_build_entry_is_there() -> None:
    path = ROOT / ".ci" / "run"
    assert os.access(path, os.X_OK)
    text = path.read_text()
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "make test" in text


def test_scripts_are_not_writable_by_others() -> None:
    assert not stat.S_IMODE((ROOT / ".ci" / "run").stat().st_mode) & 0o002


@pytest.mark.parametrize("target", ["run", "test", "check", "lint", "docs", "lock", "clean"])
def test_make_targets(target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)
