"""Every reason is told by ``shoal explain`` and counted (``spec/inbound.md`` 10 row 19)."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from shoal.base.ids import new_token
from shoal.cli.commands.inspect import _story_text
from shoal.state.effects import Effect, Outcome
from shoal.state.records import Grant, Record
from shoal.state.store import Store
from tests.workers.sessions.helpers import NOW, event
from workers.access.decision import Reason
from workers.agent.visibility import Unshown
from workers.sessions.admission import reactions
from workers.sessions.admission.overflow import QUEUE_FULL
from workers.sessions.admission.reasons import AdmissionReason, Ignored
from workers.sessions.admission.service import ACTIONS
from workers.sessions.canonical import DUPLICATE_REASON
from workers.sessions.changes import DELETED_REASON

ROOT = Path(__file__).resolve().parents[2]
DROPPED = [*Reason, *AdmissionReason, QUEUE_FULL, DUPLICATE_REASON, DELETED_REASON]
ENDS = [
    *(("dropped", str(reason)) for reason in DROPPED),
    *(("history", str(reason)) for reason in (Reason.MENTION_REQUIRED, Reason.OTHER_MENTIONED)),
    *(("event", word) for word in sorted({word for word, _ in ACTIONS.values()})),
    *(("answered", str(reason)) for reason in Unshown),
]


def commit(store: Store, *effects: Effect) -> None:
    lane = f"inbound:default:{new_token()[:12]}"
    store.lanes.push(lane, Record("r.1", "x", b""))
    grant = store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    store.lanes.commit(grant, effects)


def counters(store: Store) -> dict[str, int]:
    return store.ledger.counters("default", store.now_ms() // 86_400_000)


@pytest.mark.parametrize(("outcome", "reason"), ENDS)
def test_a_reason_is_told_and_counted(store: Store, outcome: str, reason: str) -> None:
    commit(store, Outcome("default", str(NOW), outcome, reason))
    told = store.ledger.explain("default", str(NOW))
    assert told is not None
    assert f"{outcome} ({reason})" in _story_text(str(NOW), [told])
    assert counters(store)[f"{outcome}.{reason}"] == 1


@pytest.mark.parametrize("reason", [*Ignored, *Reason])
def test_a_reaction_that_is_left_out_is_counted_with_its_reason(store: Store, reason: StrEnum) -> None:
    """Reactions are no messages: they have counters and no outcome."""
    found = event({"message_id": str(NOW)}, "MESSAGE_REACTION_ADD")
    commit(store, *reactions.ignored(found, reason).effects)
    assert counters(store) == {f"reaction.{reason}": 1}


def test_admission_has_no_reasons_of_its_own_making() -> None:
    """A word in quotes would be one that this test does not walk."""
    folder = ROOT / "workers" / "sessions" / "admission"
    loose = re.compile(r'return dropped\([^\n]*"|Outcome\([^\n]*"dropped", "')
    found = [path.name for path in folder.glob("*.py") if loose.search(path.read_text("utf-8"))]
    assert found == []
