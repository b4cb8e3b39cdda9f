"""The first turn of a process finds its model's SDK loaded."""

from __future__ import annotations

from pathlib import Path

import config
from shoal.base.errors import ConfigError
from tasks.warm import warm_up_models


class Prepared:
    """A provider that remembers being prepared."""

    def __init__(self, seen: list[tuple[str, str]], place: tuple[str, str]) -> None:
        self._seen, self._place = seen, place

    def prepare(self) -> None:
        if self._place[0] == "broken":
            raise ConfigError("no key")
        self._seen.append(self._place)


def test_first_choices_are_prepared_and_a_broken_one_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "shoal.json"
    path.write_text(
        """{agents: {defaults: {model: {primary: "local/one", fallbacks: ["other/two"]}},
            list: [{id: "main"}, {id: "b", model: "broken/one"}, {id: "c", model: "third/one"}]}}"""
    )
    loaded = config.load(path, env={"DISCORD_BOT_TOKEN": "x.y.z"}, state_dir=tmp_path)
    seen: list[tuple[str, str]] = []
    warm_up_models(loaded, lambda name, account: Prepared(seen, (name, account)))
    assert seen == [("local", "default"), ("third", "default")]
