"""Holds on a real store (rule R18, spec/inbound.md 4.8): who waits, who passes, and that nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.tasks.support.front import ANN, SESSION, Front, hold_of

MakeFront = Callable[..., Front]
LONG = {"inbound": {"byChannel": {"discord": 600_000}}}
"""A window that does not end while a test runs."""
SHORT = {"inbound": {"debounceMs": 300}}


@pytest.fixture
def make_front(store: Store, redis_server: RedisServer, tmp_path: Path) -> MakeFront:
    """Front workers on one store."""

    def make(**options: Any) -> Front:
        return Front(store, redis_server.url, tmp_path, **options)

    return make


def texts(front: Front) -> list[str]:
    return [turn.text for turn in front.turns()]


# -- debounce ----------------------------------------------------------------------------------------


def test_what_one_author_writes_in_a_row_is_one_turn(make_front: MakeFront) -> None:
    front = make_front(messages=SHORT)
    ids = [front.say("hi", mention=True), front.say("please"), front.say("hurry")]
    front.work_until_quiet()
    [turn] = front.turns()
    assert turn.text == "@shoal hi\nplease\nhurry"
    assert turn.message_ids == tuple(ids)
    assert turn.message_id == ids[-1]
    assert turn.mentioned_by == "explicit"
    for message_id in ids:
        notes = dict(front.story(message_id).notes)
        assert notes["session"] == SESSION.removeprefix("session:")
        assert notes["hold"].startswith(hold_of(ANN))
