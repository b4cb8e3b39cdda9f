"""Lanes whose work fails: back-off, death, quarantine."""

from __future__ import annotations

import pytest

from shoal.base.errors import StaleGrant
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
    for _ in range(3):
        take(store, quarantine=True)
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


def test_two_dead_holders_mean_quarantine_and_two_more_are_proof(store: Store) -> None:
    put_hints(store)
    store.lanes.push(SESSION, record("m:1"))
    assert _dies(store) == (1, 0, 0)
    assert _dies(store) == (1, 1, 0)
    assert hinted(store, "session.chores") == [SESSION]
    assert refused(store) == "quarantined"
    assert _dies(store, quarantine=True) == (1, 0, 0), "one death alone may be bad luck"
    assert refused(store) == "quarantined"
    assert _dies(store, quarantine=True) == (1, 0, 1)
    (dead,) = store.lanes.dead_list()
    assert (dead.code, dead.suspects) == ("suspect", 4)
    assert refused(store) == "empty"


def test_a_frozen_holder_that_comes_back_is_no_suspect(store: Store) -> None:
    """Rule R13: the lease of a stopped process ends as that of a dead one does."""
    store.lanes.push(SESSION, record("m:1"))
    frozen = take(store)
    end_lease(store)
    assert store.lanes.sweep("session").expired == 1
    assert _dies(store) == (1, 1, 0)
    assert store.lanes.alive(frozen)
    assert not store.lanes.alive(frozen), "once"
    again = take(store)
    assert (again.quarantine, again.suspects) == (False, 2), "who sends must still look before"
    assert not store.lanes.alive(frozen)
    assert store.lanes.commit(again) is None


def test_who_comes_back_before_anybody_looked_gives_the_lane_back(store: Store) -> None:
    put_hints(store)
    store.lanes.push(SESSION, record("m:1"))
    holder = take(store)
    assert store.lanes.alive(holder)
    assert hinted(store, "session")[-1] == SESSION
    with pytest.raises(StaleGrant):
        store.lanes.commit(holder)
    following = take(store)
    assert following.suspects == 1
    assert store.lanes.alive(holder) is False, "the lane is somebody else's by now"
    assert store.lanes.renew({SESSION: following.token}) == set()


def test_a_holder_of_another_head_excuses_nothing(store: Store) -> None:
    for name in ("m:1", "m:2"):
        store.lanes.push(SESSION, record(name))
    first = take(store)
    assert store.lanes.commit(first, take_next=False) is None
    second = take(store)
    end_lease(store)
    store.lanes.sweep("session")
    assert not store.lanes.alive(first)
    assert store.lanes.alive(second)


def test_who_goes_down_with_the_whole_fleet_is_no_suspect(store: Store) -> None:
    """Rule R13: the supervisor was killed and took every process along; the fleet has begun anew since."""
    store.lanes.push(SESSION, record("m:1"))
    for number in range(4):
        by = store.processes.begin("Some Host", f"run{number}")
        assert by == f"some-host:run{number}"
        take(store, by=by)
        end_lease(store)
        store.processes.begin("Some Host", f"run{number + 1}")
        assert store.lanes.sweep("session").quarantined == 0
    again = take(store, by="some-host:run4")
    assert (again.suspects, again.quarantine) == (4, False)


def test_another_hosts_new_fleet_explains_no_death(store: Store) -> None:
    store.lanes.push(SESSION, record("m:1"))
    by = store.processes.begin("one", "run1")
    store.processes.begin("other", "run1")
    for new in ("run2", "run3"):
        take(store, by=by)
        store.processes.begin("other", new)
        end_lease(store)
        store.lanes.sweep("session")
    assert refused(store) == "quarantined"
    assert store.processes.begin("one", "") == "", "without a supervisor nothing is known"


def test_what_is_always_excused_ends_all_the_same(store: Store) -> None:
    """A record that freezes every holder, or takes each fleet down with it, dies at the eighth."""
    store.lanes.push(SESSION, record("m:1"))
    for number in range(8):
        assert store.lanes.dead_list() == []
        by = store.processes.begin("host", f"run{number}")
        holder = take(store, quarantine=True, by=by)
        if number % 2:
            store.processes.begin("host", f"run{number + 1}")
        end_lease(store)
        store.lanes.sweep("session")
        store.lanes.alive(holder)
    (dead,) = store.lanes.dead_list()
    assert (dead.code, dead.suspects) == ("suspect", 4)


def _dies(store: Store, *, quarantine: bool = False) -> tuple[int, int, int]:
    """A holder takes the lane and dies; what the sweep found: expired, quarantined, dead."""
    take(store, quarantine=quarantine)
    end_lease(store)
    swept = store.lanes.sweep("session")
    return swept.expired, swept.quarantined, swept.dead


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
