"""Lanes whose work fails: back-off, death, quarantine."""

from __future__ import annotations

from shoal.base.ids import new_token
from shoal.state.records import Failed, Failure, Grant
from shoal.state.store import Store
from tests.state.support import SESSION, hinted, put_hints, record
from tests.state.taking import come_due, end_lease, refused, take


def test_handled_failures_back_off_and_the_third_is_death(store: Store) -> None:
    put_hints(store)
    message = str(1 << 60)
    store.lanes.push(SESSION, record("m:1", account="default", message_id=message))
    store.lanes.push(SESSION, record("m:2"))
    for _ in range(2):
        failed = store.lanes.fail(take(store), Failure.HANDLED, code="bad", reason="it broke")
        assert failed is Failed.RETRIED
        assert refused(store) == "waiting"
        come_due(store)
    grant = take(store)
    assert grant.tries == 2
    assert store.lanes.fail(grant, Failure.HANDLED, code="bad", reason="it broke\nagain") is Failed.DEAD
    (dead,) = store.lanes.dead_list()
    assert (dead.lane, dead.code, dead.tries, dead.record.identity) == (SESSION, "bad", 3, "m:1")
    assert dead.reason == "it broke\nagain"
    explained = store.ledger.explain("default", message)
    assert explained is not None
    assert (explained.outcome, explained.reason) == ("dead", "bad")
    assert take(store).head.identity == "m:2", "the lane goes on"


def test_infrastructure_failures_are_no_tries(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    for _ in range(8):
        failed = store.lanes.fail(take(store), Failure.INFRASTRUCTURE, code="away", reason="x")
        assert failed is Failed.RETRIED
        come_due(store)
    assert take(store).tries == 0


def test_a_mark_on_a_head_that_died_does_not_reach_the_next_one(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    store.lanes.push(SESSION, record("m:2"))
    for _ in range(2):
        take(store)
        end_lease(store)
        store.lanes.sweep("session")
    assert take(store, quarantine=True).head.identity == "m:1"
    assert store.lanes.abort(SESSION, "m:1", grace_ms=0)
    end_lease(store)
    grant = take(store)
    assert [dead.record.identity for dead in store.lanes.dead_list()] == ["m:1"]
    assert grant.head.identity == "m:2"
    assert not grant.aborted
    assert store.lanes.halted(grant) == ""


def test_two_dead_holders_mean_quarantine_and_a_third_is_proof(store: Store) -> None:
    put_hints(store)
    store.lanes.push(SESSION, record("m:1"))
    take(store)
    end_lease(store)
    assert store.lanes.sweep("session").expired == 1
    take(store)
    end_lease(store)
    swept = store.lanes.sweep("session")
    assert (swept.expired, swept.quarantined, swept.dead) == (1, 1, 0)
    assert hinted(store, "session.chores") == [SESSION]
    assert refused(store) == "quarantined"
    assert take(store, quarantine=True).quarantine
    end_lease(store)
    assert store.lanes.sweep("session").dead == 1
    (dead,) = store.lanes.dead_list()
    assert dead.code == "suspect"
    assert refused(store) == "empty"


def test_what_a_dead_turn_had_absorbed_gets_its_own(store: Store) -> None:
    for name in ("m:1", "m:2"):
        store.lanes.push(SESSION, record(name, mode="steer"))
    grant = take(store)
    store.lanes.absorb(grant, ["m:2"])
    for _ in range(3):
        store.lanes.fail(grant, Failure.HANDLED, code="bad", reason="x", delay_ms=0)
        following = store.lanes.acquire(SESSION, new_token())
        assert isinstance(following, Grant)
        grant = following
    assert (grant.head.identity, grant.absorbed) == ("m:2", [])


def test_the_dead_can_be_retried_or_dropped(store: Store) -> None:
    for name in ("m:1", "m:2"):
        store.lanes.push(SESSION, record(name))
        grant = take(store)
        for _ in range(3):
            store.lanes.fail(grant, Failure.HANDLED, code="bad", reason="x", delay_ms=0)
            answer = store.lanes.acquire(SESSION, new_token())
            grant = answer if isinstance(answer, Grant) else grant
    newest, oldest = store.lanes.dead_list()
    assert [dead.id for dead in store.lanes.dead_unnoticed()] == [oldest.id, newest.id]
    store.lanes.dead_noticed(oldest.id)
    assert [dead.id for dead in store.lanes.dead_unnoticed()] == [newest.id]
    assert store.lanes.dead_retry(oldest.id)
    again = take(store)
    assert (again.head.identity, again.tries) == ("m:1", 0)
    assert store.lanes.dead_drop(newest.id)
    assert store.lanes.dead_list() == []
    assert not store.lanes.dead_drop(newest.id)
    assert store.lanes.dead_show(newest.id) is None
