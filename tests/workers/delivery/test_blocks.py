"""Blocks in their lane: pauses between them, and what a stop takes back (``spec/outbound.md`` 4.6, R7)."""

from __future__ import annotations

from shoal.state.records import Grant, Record, Refused
from shoal.state.steps import Commit, Yield
from tests.workers.delivery.conftest import PostOffice
from workers.delivery.records import SendOutcome, SendRequest, send_identity
from workers.delivery.send import deliver


def block(post: PostOffice, number: int, **fields: object) -> SendRequest:
    """A block that keeps 2 s to the one before it."""
    after = send_identity(post.cause, f"b{number - 1}") if number > 1 else ""
    return post.request(
        f"block {number}",
        **{"step": f"b{number}", "after": after, "pause_ms": 2000 if after else 0, **fields},
    )


def test_the_first_goes_at_once_and_the_next_keeps_its_distance(post: PostOffice) -> None:
    post.push(block(post, 1))
    post.push(block(post, 2))
    assert isinstance(post.work(), Commit)
    step = post.work()
    assert isinstance(step, Yield)
    assert 1900 <= step.delay_ms <= 2000
    post.clock.advance(1.5)
    step = post.work()
    assert isinstance(step, Yield)
    assert step.delay_ms <= 500
    post.clock.advance(0.5)
    assert isinstance(post.work(), Commit)
    assert post.sent() == ["block 1", "block 2"]


def test_a_block_that_took_longer_than_the_pause_is_not_held_up(post: PostOffice) -> None:
    post.push(block(post, 1))
    post.work()
    post.clock.advance(2.0)
    post.push(block(post, 2))
    assert isinstance(post.work(), Commit)


def test_no_distance_to_a_block_that_never_arrived(post: PostOffice) -> None:
    post.push(block(post, 2))
    assert isinstance(post.work(), Commit)


def test_the_lane_waits_and_no_other(post: PostOffice) -> None:
    """The pause is a time of the lane: nobody holds it meanwhile, and other channels' lanes are free."""
    post.push(block(post, 1))
    post.push(block(post, 2))
    post.work()
    grant = post.take()
    step = deliver(grant, post.deps, lambda: None)
    assert isinstance(step, Yield)
    post.store.lanes.yield_(grant, delay_ms=step.delay_ms)
    refused = post.store.lanes.acquire(grant.lane, "another-worker")
    assert isinstance(refused, Refused)
    assert refused.reason == "waiting"
    other = "delivery:default:4242"
    post.store.lanes.push(other, Record("elsewhere", "send", b"{}"))
    assert isinstance(post.store.lanes.acquire(other, "one-more-worker"), Grant)


def test_a_stop_takes_back_what_was_pushed_before_it(post: PostOffice) -> None:
    """Its turn's message is stopped then; what is pushed later belongs to a later turn."""
    lane = f"session:{post.cause}"
    told = (SendOutcome("4711", "answered"),)
    post.push(block(post, 1, of_turn=lane, outcomes=told))
    post.store.lanes.stop(lane, post.store.now_ms() + 1)
    step = post.work()
    assert isinstance(step, Commit)
    known = post.store.ledger.explain("default", "4711")
    assert known is not None
    assert known.outcome == "stopped"
    post.clock.advance(0.01)
    while post.store.now_ms() <= (post.store.lanes.stop_bound(lane, "") or (0, ""))[0]:
        pass
    post.push(block(post, 2, of_turn=lane, after=""))
    post.work()
    assert post.sent() == ["block 2"]


def test_a_stop_does_not_cut_a_block_that_has_begun(post: PostOffice) -> None:
    """Half a message is worse than a whole one: its parts all go."""
    lane = f"session:{post.cause}"
    text = "\n".join(f"line {number}" for number in range(30))
    post.push(post.request(text, step="b1", of_turn=lane))
    grant = post.take()
    sent = 0

    def alive() -> None:
        nonlocal sent
        sent += 1
        if sent == 2:
            post.store.lanes.stop(lane, post.store.now_ms() + 1000)

    assert isinstance(post.work(grant, alive), Commit)
    assert "\n".join(post.sent()) == text
