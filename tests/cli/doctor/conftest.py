"""What ``shoal doctor`` looks at, and the look itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal.base.findings import Finding
from shoal.cli.doctor import probes
from shoal.cli.doctor.examine import examine, patient
from shoal.simulator.server import Simulator
from shoal.state.embedded import EmbeddedServer
from shoal.state.store import Store
from tests.cli.doctor.support import Examine


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    """One simulated Discord, for everybody who asks."""
    with Simulator(settings={"rate_limits": False}) as simulator:
        yield simulator


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Examine:
    """``look({config}, probe=…, api=…)`` → findings by id, as ``shoal doctor`` makes them."""
    for name in list(__import__("os").environ):
        if name.startswith(("SHOAL_", "DISCORD_", "OPENCLAW_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(probes, "TIMEOUT_S", 1.0)
    monkeypatch.chdir(tmp_path)
    state_dir = tmp_path / "state"
    state_dir.mkdir(mode=0o700)

    def run(config: Any = None, *, probe: bool = False, api: str = "") -> dict[str, Finding]:
        path = state_dir / "shoal.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config or {}))
        path.chmod(0o600)
        if api:
            monkeypatch.setenv("SHOAL_DISCORD_API_URL", api)
        with patient(path, state_dir, probe=probe) as one:
            return {each.id: each for each in examine(one)}

    return run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Store]:
    """The state dir's own Redis, running."""
    embedded = EmbeddedServer(tmp_path / "state")
    (tmp_path / "state").mkdir(mode=0o700, exist_ok=True)
    embedded.start()
    store = Store.open(embedded.url(), client_name="test")
    yield store
    store.close()
    embedded.stop()
