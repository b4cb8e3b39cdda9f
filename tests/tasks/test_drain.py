"""The drain loop on a real Valkey: what each ending of a handler does to its lane."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from shoal.base import exits
from shoal.base.errors import ShoalError, StaleGrant
from shoal.base.ids import new_token
from shoal.base.stamp import check_fence
from shoal.state.effects import Effect, Push, Transcript
from shoal.state.records import MAX_BODY, Failure, Grant, Record
from shoal.state.steps import Commit, Fail, Park, Step, Yield
from shoal.state.store import Store
from tasks.drain import Drain
from tasks.keeper import Keeper
from tasks.stopping import Stopping
from workers.agent.context import LeaseLost, TurnContext

LANE = "inbound:default:1"


def record(identity: str) -> Record:
    return Record(identity=identity, kind="test", body=b"{}")


@pytest.fixture
def drain(store: Store) -> Drain:
    stopping = Stopping(leave=lambda _code: None)
    return Drain(store.lanes, Keeper(store.lanes, on_leak=stopping.request), stopping)


def fill(store: Store, *identities: str) -> None:
    for identity in identities:
        store.lanes.push(LANE, record(identity))


def test_works_off_in_order_up_to_the_batch(store: Store, drain: Drain) -> None:
    fill(store, "a", "b", "c")
    seen: list[str] = []

    def handler(grant: Grant, _context: TurnContext) -> Step:
        seen.append(grant.head.identity)
        return Commit((), "admitted")

    assert drain.run(LANE, handler, max_records=2) == "2 records: 2 × admitted"
    assert seen == ["a", "b"]
    assert store.lanes.depth(LANE) == 1
    assert drain.run(LANE, handler, max_records=2) == "admitted"
    assert drain.run(LANE, handler) == "nothing to do: empty"


@pytest.mark.parametrize(
    ("module", "own"), [("workers.delivery.send", True), ("config", True), ("av", False)]
)
def test_files_that_change_under_a_process_cost_no_record(
    store: Store, drain: Drain, module: str, own: bool
) -> None:
    """An update in place: the process leaves, its successor does the work. What is ours is always there."""
    fill(store, "a")

    def handler(_grant: Grant, _context: TurnContext) -> Step:
        raise ImportError("cannot import name", name=module)

    code = "files-changed" if own else "internal"
    assert drain.run(LANE, handler) == f"retried: {code}"
    assert (drain.stopping.requested, drain.stopping.code) == ((True, exits.BUG) if own else (False, 0))
    if own:
        assert drain.run(LANE, handler) == "stopping", "it takes nothing more"


def test_what_follows_a_commit_finds_it_done_and_cannot_undo_it(store: Store, drain: Drain) -> None:
    fill(store, "a", "b")
    other = "delivery:default:1"
    seen: list[int] = []

    def afterwards() -> None:
        seen.append(store.lanes.depth(other))
        raise KeyError("nobody hears the knock")

    push = Push(other, record("x"))
    assert drain.run(LANE, lambda _g, _c: Commit([push], "done", afterwards)) == "done"
    assert (seen, store.lanes.depth(LANE)) == ([1], 1)


def test_effects_come_with_the_commit(store: Store, drain: Drain) -> None:
    fill(store, "a")
    other = "delivery:default:1"
    drain.run(LANE, lambda _g, _c: Commit([Push(other, record("x"))]))
    assert store.lanes.depth(other) == 1


@pytest.mark.parametrize(
    "step",
    [
        Yield(60_000, "later"),
        Park(("receipt.x",), 60_000, "parked"),
        Fail(Failure.INFRASTRUCTURE, "proxy", "The proxy is away."),
        Fail(Failure.HANDLED, "internal", "A bug."),
    ],
)
def test_what_is_not_committed_stays_at_the_head(store: Store, drain: Drain, step: Step) -> None:
    fill(store, "a", "b")
    drain.run(LANE, lambda _g, _c: step)
    assert store.lanes.depth(LANE) == 2


@pytest.mark.waits
def test_handled_failures_end_in_dead_after_three_tries(store: Store, drain: Drain) -> None:
    fill(store, "a")

    def broken(_grant: Grant, _context: TurnContext) -> Step:
        raise ShoalError("This record cannot be handled.")

    said = []
    for _ in range(200):
        said.append(drain.run(LANE, broken))
        if store.lanes.depth(LANE) == 0:
            break
        threading.Event().wait(0.05)
    assert said[-1] == "dead: error"
    assert sum(1 for line in said if not line.startswith("nothing")) == 3


def test_a_bug_is_a_try_and_its_text_stays_inside(store: Store, drain: Drain) -> None:
    fill(store, "a")

    def bug(_grant: Grant, _context: TurnContext) -> Step:
        raise RuntimeError("secret-content-of-a-message")

    assert drain.run(LANE, bug) == "retried: internal"


@pytest.mark.parametrize("error", [StaleGrant(LANE), LeaseLost("gone")])
def test_a_lost_lane_is_left_alone(store: Store, drain: Drain, error: Exception) -> None:
    fill(store, "a")

    def loser(_grant: Grant, _context: TurnContext) -> Step:
        raise error

    assert drain.run(LANE, loser) == "lost"
    assert store.lanes.depth(LANE) == 1


def test_requests_of_a_handler_are_fenced_by_its_lease(store: Store, drain: Drain) -> None:
    """R14: who was frozen sends nothing under a lane that may be another's by now."""
    fill(store, "a")

    def frozen(_grant: Grant, context: TurnContext) -> Step:
        check_fence()
        context.lose()
        check_fence()
        return Commit([], "never")

    assert drain.run(LANE, frozen) == "lost"
    check_fence()


def test_effects_that_are_refused_end_with_their_own_reason(store: Store, drain: Drain) -> None:
    fill(store, "a")
    too_many = [Push("delivery:default:1", record(f"r{number}")) for number in range(65)]
    said = drain.run(LANE, lambda _g, _c: Commit(too_many))
    assert said == "retried: state-conflict"
    assert store.lanes.depth("delivery:default:1") == 0
    assert store.lanes.depth(LANE) == 1


@pytest.mark.parametrize(
    ("effect", "code"),
    [
        (Push("delivery:default:1", Record("Not A Name", "x", b"")), "invalid-name"),
        (Push("nowhere:1", Record("x", "x", b"")), "invalid-name"),
        (Push("delivery:default:1", Record("x", "x", b"\0" * (MAX_BODY + 1))), "record-too-large"),
        (Transcript("s1", [{}]), "internal"),  # type: ignore[list-item]
    ],
)
def test_effects_that_cannot_even_be_said_are_a_try_with_a_reason(
    store: Store, drain: Drain, effect: Effect, code: str
) -> None:
    """Raised out of the task they would look like a dead holder, and end in quarantine (rule R13)."""
    fill(store, "a")
    assert drain.run(LANE, lambda _g, _c: Commit([effect])) == f"retried: {code}"
    again = drain.run(LANE, lambda _g, _c: Commit())
    assert again in ("nothing to do: waiting", "done")
    assert store.lanes.dead_list(10) == []


def test_a_stale_holder_cannot_commit(store: Store, drain: Drain) -> None:
    fill(store, "a")

    def overtaken(grant: Grant, _context: TurnContext) -> Step:
        store.lanes.yield_(grant)
        assert isinstance(store.lanes.acquire(LANE, new_token()), Grant)
        return Commit((), "stolen")

    assert drain.run(LANE, overtaken) == "lost"
    assert store.lanes.depth(LANE) == 1


def test_shutdown_gives_the_lane_back_at_once(store: Store, drain: Drain) -> None:
    fill(store, "a", "b")
    steps: list[str] = []

    def handler(grant: Grant, context: TurnContext) -> Step:
        steps.append(grant.head.identity)
        drain.stopping.request(grace_s=60)
        context.check()
        return Commit()

    assert drain.run(LANE, handler, max_records=10) == "shutdown"
    assert steps == ["a"]
    assert isinstance(store.lanes.acquire(LANE, new_token()), Grant)


def test_the_keeper_renews_only_what_moves(store: Store) -> None:
    leaks: list[bool] = []
    keeper = Keeper(store.lanes, on_leak=lambda: leaks.append(True))
    lanes = [f"inbound:default:{number}" for number in (1, 2, 3)]
    grants: list[Grant] = []
    for lane in lanes:
        store.lanes.push(lane, record("a"))
        grant = store.lanes.acquire(lane, new_token(), ttl_ms=60_000)
        assert isinstance(grant, Grant)
        grants.append(grant)

    class Work:
        def __init__(self, moving: Callable[[], bool]) -> None:
            self.progressing = moving
            self.step_name = "test"
            self.quiet_s = 0.0
            self.events: list[str] = []

        def lose(self) -> None:
            self.events.append("lost")

        def renewed(self, asked_at: float) -> None:
            self.events.append("renewed")

    moving, stuck, stuck_too = Work(lambda: True), Work(lambda: False), Work(lambda: False)
    with (
        keeper.holding(grants[0], moving),
        keeper.holding(grants[1], stuck),
        keeper.holding(grants[2], stuck_too),
    ):
        keeper.renew_once()
        assert moving.events == ["renewed"]
        assert stuck.events == ["lost"]
        assert leaks, "two stuck threads must ask the process to leave"


def test_who_lost_its_lane_says_that_it_lives(store: Store, drain: Drain) -> None:
    """Rule R13: frozen until the lease had ended; what it was suspected of is taken back."""
    fill(store, "a")

    def handler(grant: Grant, _context: TurnContext) -> Step:
        _expire(store)
        assert store.lanes.overview()[0].suspects == 1
        raise LeaseLost(grant.lane)

    assert drain.run(LANE, handler) == "lost"
    assert store.lanes.overview()[0].suspects == 0


def test_while_the_store_is_away_it_says_so_later(store: Store, drain: Drain) -> None:
    """An outage longer than a lease makes nobody a suspect who outlived it."""
    fill(store, "a")

    def handler(grant: Grant, _context: TurnContext) -> Step:
        _expire(store)
        store.redis.config_set("maxmemory", 1)
        raise LeaseLost(grant.lane)

    try:
        assert drain.run(LANE, handler) == "lost"
    finally:
        store.redis.config_set("maxmemory", 0)
    assert store.lanes.overview()[0].suspects == 1
    drain.keeper.tell_once()
    assert store.lanes.overview()[0].suspects == 0
    following = store.lanes.acquire(LANE, new_token())
    drain.keeper.tell_once()
    assert isinstance(following, Grant)
    assert store.lanes.renew({LANE: following.token}) == set()


def _expire(store: Store) -> None:
    store.redis.hset(store.keys.lane(LANE), "until", 1)
    store.redis.zadd(store.keys.due("inbound"), {LANE: 1})
    assert store.lanes.sweep("inbound").expired == 1
