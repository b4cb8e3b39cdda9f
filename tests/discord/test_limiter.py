"""The limiter against a model of Discord's limits, in virtual time on a real Redis."""

from __future__ import annotations

import heapq
import random
import re
import threading
from collections import defaultdict, deque
from typing import Any

import pytest

from shoal.base.clock import VirtualClock
from shoal.base.errors import StateConflict, StoreUnavailable
from shoal.discord.errors import RateWait
from shoal.discord.limiter import (
    Answer,
    Booking,
    Limiter,
    Priority,
    Scope,
)
from shoal.discord.routes import Route
from shoal.state.families import FAMILIES
from shoal.state.keys import PREFIX
from shoal.state.store import Store
from tests.discord.support.limiting import NOW, SCOPE, B, Bench, C, edit, rate, send


def test_an_unknown_route_is_probed_by_one_request(bench: Bench) -> None:
    first = bench.now(send(1))
    assert first
    assert bench.wait(send(1)).reason == "probe"
    assert bench.now(send(2))  # another channel is another bucket
    bench.settle(send(1), first, headers=rate(left=4))
    assert bench.take(send(1)) == 4
    assert bench.wait(send(1)).reason == "bucket"


def test_a_learned_bucket_is_known_for_the_next_channel(bench: Bench) -> None:
    bench.learn(send(1))
    assert bench.take(send(2)) == 5


def test_routes_that_share_a_bucket_share_its_tokens(bench: Bench) -> None:
    bench.learn(send(1))
    bench.learn(edit(1), left=3)
    assert bench.take(send(1)) == 3
    assert bench.now(edit(1)) is None


def test_a_bucket_is_full_again_after_its_reset(bench: Bench) -> None:
    bench.learn(send(1))
    assert bench.take(send(1)) == 4
    wait = bench.wait(send(1)).retry_after
    assert 5.0 < wait < 5.1
    bench.clock.advance(wait + 15)  # those in flight are forgotten by then
    assert bench.take(send(1)) == 5


def test_requests_in_flight_count_into_the_next_window(bench: Bench) -> None:
    bench.learn(send(1), left=4)
    assert bench.take(send(1)) == 4
    bench.clock.advance(5.1)
    assert bench.take(send(1)) == 1


def test_a_late_answer_of_an_earlier_window_changes_nothing(bench: Bench) -> None:
    bench.learn(send(1))
    late = bench.now(send(1))
    assert late
    bench.clock.advance(5.1)
    fresh = bench.now(send(1))
    assert fresh
    bench.settle(send(1), fresh, headers=rate(left=4))
    bench.settle(send(1), late, headers=rate(left=0, after=0.01))
    assert bench.take(send(1)) >= 3


def test_waiters_are_spread_over_the_windows_to_come(bench: Bench) -> None:
    bench.learn(send(1))
    bench.take(send(1))
    waits = [bench.wait(send(1)).retry_after for _ in range(12)]
    assert waits == sorted(waits)
    assert waits[4] - waits[3] > 4.9  # with take's own try it is the sixth: a window later
    assert 0 < waits[1] - waits[0] < 0.01


def test_a_lost_worker_leaks_nothing(bench: Bench) -> None:
    assert bench.now(send(1))  # never settled
    assert bench.now(send(1)) is None
    bench.clock.advance(14.9)
    assert bench.now(send(1)) is None
    bench.clock.advance(0.2)
    assert bench.now(send(1))


def test_what_was_never_sent_is_given_back(bench: Bench) -> None:
    bench.learn(send(1), left=1)
    booking = bench.now(send(1))
    assert booking
    bench.settle(send(1), booking, status=-1)
    assert bench.now(send(1))


def test_a_reserve_that_arrives_twice_books_once(bench: Bench) -> None:
    bench.learn(send(1))
    script = bench.store.script("limiter_reserve")
    common = bench.limiter._common(SCOPE, send(1), NOW, "same")
    answers = [script(*common, "t1", 400, 50) for _ in range(3)]
    assert answers[0] == answers[1] == answers[2] == [b"booked", b"0"]
    assert bench.take(send(1)) == 3


def test_a_settle_that_arrives_twice_counts_once(bench: Bench) -> None:
    bench.learn(send(1), left=4)
    booking, other = bench.now(send(1)), bench.now(send(1))
    assert booking
    assert other
    for _ in range(3):
        bench.settle(send(1), booking, status=-1)
    assert bench.take(send(1)) == 3
    for _ in range(3):
        bench.settle(send(1), other, status=403)
    counted = bench.store.redis.hvals(f"{PREFIX}rl:e.e1:bad")
    assert [int(count) for count in counted] == [1]


def test_no_more_than_the_global_limit_in_any_second(bench: Bench) -> None:
    grants: list[float] = []
    for channel in range(300):
        bench.limiter.acquire(SCOPE, send(channel), NOW)
        grants.append(bench.clock.now())
    for index in range(50, len(grants)):
        assert grants[index] - grants[index - 50] >= 1.0
    assert grants[-1] - grants[0] < 300 / 50 * 1.1


def test_interactive_requests_pass_a_saturating_background(bench: Bench) -> None:
    """Twelve background senders ask for all there is; an interactive one must not wait behind them."""
    rng = random.Random(7)
    start = bench.clock.now()
    waits: list[float] = []
    slots: list[float] = []
    queue = [(start + n * 0.001, n, B, f"b{n}", start) for n in range(12)]
    urgent = start
    while (urgent := urgent + rng.uniform(0.1, 0.3)) < start + 20:
        queue.append((urgent, len(queue), NOW, f"i{len(queue)}", urgent))
    heapq.heapify(queue)
    while queue and queue[0][0] < start + 20:
        when, order, priority, name, since = heapq.heappop(queue)
        bench.clock.advance(max(0.0, when - bench.clock.now()))
        kind, wait, _ = bench.limiter._ask(SCOPE, send(len(slots)), priority, f"{name}.{len(slots)}", 5.0)
        later = bench.clock.now() + wait
        if kind == "booked":
            slots.append(later)
            if priority is NOW:
                waits.append(later - since)
                continue
            later += 0.03  # sent, answered, and the next one asks
        heapq.heappush(queue, (later, order, priority, name, since))
    waits.sort()
    assert len(waits) > 90
    assert waits[int(len(waits) * 0.99)] < 0.25
    assert len(slots) / 20 > 43
    for early, late in zip(slots, slots[50:], strict=False):
        assert late - early >= 1.0


def test_edits_leave_a_part_of_the_limit(bench: Bench) -> None:
    """Their many small stalls would meet those behind them; people's requests find the rest."""
    booked = 0
    for _ in range(1040):
        bench.clock.advance(0.001)
        booked += bench.now(edit(booked), Priority.EDIT) is not None
    assert 35 <= booked <= 42
    assert all(bench.now(send(1000 + number)) for number in range(50 - booked))


def test_what_waits_for_a_slot_asks_one_after_the_other(bench: Bench) -> None:
    """A hundred previews that wait each get their turn, instead of asking at once for one slot."""
    number = 0
    while bench.now(edit(number), Priority.EDIT):
        number += 1
    waits = [bench.wait(edit(1000 + each), Priority.EDIT).retry_after for each in range(30)]
    assert waits == sorted(set(waits), key=lambda wait: wait or 0.0)
    later = [bench.wait(edit(2000 + each), Priority.EDIT).retry_after or 0 for each in range(100)]
    assert max(later) < 1.1, "some never come back: a second is the most"


@pytest.mark.parametrize(("priority", "slots"), [(Priority.EDIT, 2), (NOW, 1)])
def test_an_edit_that_missed_its_moment_books_another(store: Store, priority: Priority, slots: int) -> None:
    """A process that stood still would send what it has booked all at once; people do not wait for that."""

    class Stalling(VirtualClock):
        stalls = 1

        def sleep(self, seconds: float) -> None:
            super().sleep(seconds + 0.3 * self.stalls)
            self.stalls = 0

    limiter = Limiter(store, clock=Stalling(), virtual=True)
    limiter.acquire(SCOPE, edit(1), priority)
    [log] = store.redis.keys("*rl:*:log")
    assert store.redis.llen(log) == slots


def test_callbacks_are_outside_the_global_limit(bench: Bench) -> None:
    for channel in range(50):
        assert bench.now(send(channel))
    assert bench.now(send(99)) is None
    for number in range(60):
        assert bench.now(
            Route(
                "POST",
                "/interactions/{interaction_id}/{interaction_token}/callback",
                interaction_id=number,
                interaction_token="tok",
            ),
            C,
        )


def test_each_webhook_has_a_bucket_of_its_own_and_its_token_is_in_no_key(bench: Bench) -> None:
    """``discord/facts.md`` 4.1: webhook id and token are the top-level resource."""
    template = "/webhooks/{webhook_id}/{webhook_token}"
    one, other, renewed = (
        Route("POST", template, webhook_id=hook, webhook_token=token)
        for hook, token in ((7, "secret-token-a"), (8, "secret-token-b"), (7, "secret-token-c"))
    )
    booking = bench.now(one)
    assert booking
    headers = {
        "x-ratelimit-bucket": "hooks",
        "x-ratelimit-limit": "5",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset-after": "2.0",
    }
    bench.limiter.settle(SCOPE, one, Priority.INTERACTIVE, booking, Answer(200, headers, authorized=False))
    assert bench.wait(one).reason == "bucket"
    assert bench.now(other)
    assert bench.now(renewed)
    assert bench.now(send(7))
    bench.clock.advance(2.2)
    assert bench.now(one)
    assert not [key for key in bench.store.redis.keys("*") if b"secret" in key]


def test_waiting_ends_with_patience(bench: Bench) -> None:
    bench.learn(send(1))
    bench.take(send(1))
    before = bench.clock.now()
    with pytest.raises(RateWait) as caught:
        bench.limiter.acquire(SCOPE, send(1), NOW, max_wait=2.0)
    assert caught.value.retry_after > 2
    assert bench.clock.now() - before <= 2.0
    bench.limiter.acquire(SCOPE, send(1), NOW, max_wait=30)
    assert 5.0 <= bench.clock.now() - before < 21


def test_hostile_names_cannot_reach_other_keys(bench: Bench) -> None:
    with pytest.raises(StateConflict):
        bench.limiter.acquire(Scope("1:x*\n", "e1", "t1"), send(1), NOW)
    booking = bench.now(send(1))
    assert booking
    bench.settle(send(1), booking, headers=rate(bucket="../ {}\r\n" * 40))
    assert bench.take(send(1)) == 4


def test_headers_that_are_no_numbers_are_survived(bench: Bench) -> None:
    booking = bench.now(send(1))
    assert booking
    wrong = {f"x-ratelimit-{name}": "nan" for name in ("limit", "remaining", "reset-after")}
    bench.settle(send(1), booking, headers={"x-ratelimit-bucket": "b", **wrong})
    assert bench.now(send(1))


def test_callbacks_go_on_without_redis_and_others_do_not() -> None:
    class Down:
        def script(self, name: str) -> Any:
            def call(*_: object) -> None:
                raise StoreUnavailable("gone")

            return call

    limiter = Limiter(Down(), clock=VirtualClock())
    booking = limiter.acquire(SCOPE, send(1), C)
    limiter.settle(SCOPE, send(1), C, booking, Answer(204, {}))
    with pytest.raises(StoreUnavailable):
        limiter.acquire(SCOPE, send(1), NOW)


def test_every_key_is_declared_with_the_type_it_has(bench: Bench) -> None:
    bench.learn(send(1))
    for status, more in ((403, {}), (429, {"scope": "global", "retry_after": 1}), (401, {})):
        booking = bench.now(send(1))
        assert booking
        bench.settle(send(1), booking, status, **more)
        bench.clock.advance(2)
    other = bench.now(send(2), scope=Scope("1", "e1", "new"))
    assert other
    bench.settle(send(2), other, 429, retry_after=90, cloudflare=True)
    ours = {family.name: family for family in FAMILIES if family.name.startswith("limiter-")}
    patterns = [(re.compile(re.sub("<[^>]+>", "[^:]+", family.pattern)), family) for family in ours.values()]
    found = set()
    for name in bench.store.redis.scan_iter(f"{PREFIX}rl:*"):
        key = name.decode().removeprefix(PREFIX)
        [family] = [family for pattern, family in patterns if pattern.fullmatch(key)]
        assert family.type == bench.store.redis.type(name).decode(), key
        assert bench.store.redis.pttl(name) > 0, key
        found.add(family.name)
    assert found == set(ours)


class FakeDiscord:
    """True limits: fixed windows per channel that start with the first request, 50 in any second."""

    def __init__(self, limit: int, window: float) -> None:
        self.limit, self.window = limit, window
        self.windows: dict[str, tuple[float, int]] = {}
        self.recent: deque[float] = deque()
        self.refused: dict[str, int] = defaultdict(int)
        self.served = 0

    def answer(self, channel: str, now: float) -> Answer:
        while self.recent and self.recent[0] <= now - 1:
            self.recent.popleft()
        if len(self.recent) >= 50:
            self.refused["global"] += 1
            return Answer(429, {}, retry_after=self.recent[0] + 1 - now, scope="global")
        self.recent.append(now)
        start, used = self.windows.get(channel, (now, 0))
        if now >= start + self.window:
            start, used = now, 0
        after = start + self.window - now
        if used >= self.limit:
            self.refused["user"] += 1
            return Answer(429, rate(limit=self.limit, left=0, after=after), retry_after=after, scope="user")
        self.windows[channel] = (start, used + 1)
        self.served += 1
        return Answer(200, rate(limit=self.limit, left=self.limit - used - 1, after=after))


@pytest.mark.parametrize(("channels", "goal"), [(8, 0.85), (200, 0.85)], ids=["buckets", "global"])
def test_a_fleet_meets_no_429_and_uses_what_there_is(store: Store, channels: int, goal: float) -> None:
    """Discrete events: 40 senders that share nothing but Redis, latency 30 to 150 ms, virtual time."""
    clock = VirtualClock()
    limiter = Limiter(store, clock=clock, virtual=True)
    discord = FakeDiscord(5, 5.0)
    rng = random.Random(1)
    start = clock.now()
    seconds = 30
    queue: list[tuple[float, int, int, Any]] = []
    order = 0

    def at(when: float, sender: int, step: Any) -> None:
        nonlocal order
        order += 1
        heapq.heappush(queue, (when, order, sender, step))

    def ask(sender: int) -> None:
        route = send(rng.randrange(channels))
        try:
            booking = limiter.acquire(SCOPE, route, NOW, max_wait=0)
        except RateWait as wait:
            at(clock.now() + wait.retry_after + 0.001, sender, ask)
            return
        at(clock.now() + rng.uniform(0.015, 0.075), sender, lambda who: arrive(who, route, booking))

    def arrive(sender: int, route: Route, booking: Booking) -> None:
        answer = discord.answer(route.major, clock.now())
        at(clock.now() + rng.uniform(0.015, 0.075), sender, lambda who: back(who, route, booking, answer))

    def back(sender: int, route: Route, booking: Booking, answer: Answer) -> None:
        limiter.settle(SCOPE, route, NOW, booking, answer)
        ask(sender)

    for sender in range(40):
        at(start + sender * 0.001, sender, ask)
    while queue and queue[0][0] < start + seconds:
        when, _, sender, step = heapq.heappop(queue)
        clock.advance(max(0.0, when - clock.now()))
        step(sender)
    possible = min(50.0, channels * 5 / 5.0) * seconds
    assert dict(discord.refused) == {}
    assert discord.served > possible * goal


def test_threads_share_one_limiter(store: Store) -> None:
    """Real time, real threads: never more than the bucket allows in one window."""
    limiter = Limiter(store)
    route = send(1)
    booking = limiter.acquire(SCOPE, route, NOW)
    limiter.settle(SCOPE, route, NOW, booking, Answer(200, rate(limit=5, left=4, after=30)))
    granted: list[Booking] = []

    def work() -> None:
        try:
            granted.append(limiter.acquire(SCOPE, route, NOW, max_wait=0.5))
        except RateWait:
            return

    threads = [threading.Thread(target=work) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(granted) == 4
