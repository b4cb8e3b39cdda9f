"""What admission of one message costs (rule R18: no I/O but Redis, and little of that)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from redis.client import Pipeline, Redis

from shoal.state.store import Store
from tests.workers.sessions.helpers import ANN, BOB, NOW, event, in_guild, message
from tests.workers.sessions.stored import Admitting
from workers.sessions.admission import admit
from workers.sessions.view import StoreView


@contextmanager
def round_trips() -> Iterator[list[str]]:
    """Everything that is asked of Redis meanwhile, a pipeline as one."""
    asked: list[str] = []
    single, together = Redis.execute_command, Pipeline.execute

    def one(self: Redis, *args: Any, **options: Any) -> Any:
        asked.append(" ".join(map(str, args[:2])))
        return single(self, *args, **options)

    def several(self: Pipeline, *args: Any, **options: Any) -> Any:
        asked.append("pipeline")
        return together(self, *args, **options)

    with patch.object(Redis, "execute_command", one), patch.object(Pipeline, "execute", several):
        yield asked


@pytest.mark.parametrize(
    ("data", "first", "next_"),
    [
        (in_guild("hi"), 6, 1),
        (in_guild("hi", BOB), 6, 1),
        (in_guild("hi", mention=False), 5, 0),
        (in_guild("hi", guild_id="501"), 3, 0),
        (message("hi"), 6, 2),
        (message("hi", "4711"), 3, 1),
        (in_guild("/stop"), 5, 1),
    ],
)
def test_a_message_costs_few_reads_and_the_next_of_its_channel_fewer(
    store: Store, tmp_path: Path, data: dict[str, Any], first: int, next_: int
) -> None:
    """More than this is a decision: every message of every channel pays it."""
    admitting = Admitting(store, tmp_path, {"channels": {"discord": {"allowFrom": [ANN]}}})
    view = StoreView(admitting.settings, store)
    counts = []
    for number in range(2):
        with round_trips() as asked:
            admit(event({**data, "id": str(NOW + number)}), view)
        counts.append(len(asked))
        assert counts[-1] <= (first, next_)[number], asked
    assert counts[0] > 0
