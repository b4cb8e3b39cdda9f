"""What the limiter makes of refusals: 429 of each scope, 401, Cloudflare, too many of them."""

from __future__ import annotations

import itertools

import pytest

from shoal.discord.errors import TokenLatched
from shoal.discord.limiter import (
    Scope,
)
from shoal.discord.routes import Route
from shoal.state.keys import PREFIX
from tests.discord.support.limiting import NOW, SCOPE, B, Bench, C, E, edit, rate, send


def test_a_429_of_the_bucket_empties_it(bench: Bench) -> None:
    bench.learn(send(1))
    booking = bench.now(send(1))
    assert booking
    bench.settle(send(1), booking, 429, rate(left=0, after=2), retry_after=7.5, scope="user")
    assert 7.4 < bench.wait(send(1)).retry_after < 7.6
    assert bench.now(send(2))


def test_a_shared_429_blocks_that_bucket_only_and_is_no_invalid_request(bench: Bench) -> None:
    bench.learn(send(1))
    booking = bench.now(send(1))
    assert booking
    bench.settle(send(1), booking, 429, rate(left=3), retry_after=600, scope="shared")
    refused = bench.wait(send(1))
    assert refused.reason == "shared"
    assert refused.retry_after == pytest.approx(600, abs=1)
    assert bench.now(send(2))
    assert bench.store.redis.exists(f"{PREFIX}rl:e.e1:bad") == 0


def test_a_sub_limit_blocks_its_route_not_the_bucket(bench: Bench) -> None:
    bench.learn(send(1))
    bench.learn(edit(1), left=3)
    booking = bench.now(edit(1))
    assert booking
    bench.settle(edit(1), booking, 429, rate(left=2), retry_after=30, scope="user")
    assert bench.wait(edit(1)).reason == "route"
    assert bench.now(send(1))


def test_a_global_429_stops_all_but_interactions(bench: Bench) -> None:
    booking = bench.now(send(1))
    assert booking
    bench.settle(send(1), booking, 429, retry_after=3, scope="global")
    assert bench.wait(send(2)).reason == "global"
    followup = Route(
        "POST", "/webhooks/{application_id}/{interaction_token}", application_id=1, interaction_token="x"
    )
    assert bench.now(followup, C)
    assert bench.now(send(2), scope=Scope("2", "e1", "t2"))  # another bot
    bench.clock.advance(3.1)
    assert bench.now(send(2))


def test_a_global_429_widens_the_window_and_time_narrows_it(bench: Bench) -> None:
    """Booked over 1.04 s, arrived within one: a stall on the way. It shall not happen again at once."""

    channels = itertools.count(1000)

    def seconds_for(count: int) -> float:
        begun = bench.clock.now()
        for _ in range(count):
            bench.limiter.acquire(SCOPE, send(next(channels)), NOW)
        return bench.clock.now() - begun

    assert seconds_for(101) == pytest.approx(2.08, abs=0.02)
    bench.clock.advance(3)
    bookings = [(channel, bench.now(send(channel))) for channel in range(3)]
    for channel, booking in bookings:  # of one moment: they count once
        bench.settle(send(channel), booking, 429, retry_after=0.1, scope="global")
        bench.clock.advance(0.2)
    bench.clock.advance(3)
    assert seconds_for(101) == pytest.approx(2.18, abs=0.02)
    bench.clock.advance(400)
    assert seconds_for(101) == pytest.approx(2.08, abs=0.02)


def test_a_route_without_headers_is_free_until_it_surprises(bench: Bench) -> None:
    route = Route("GET", "/gateway/bot")
    booking = bench.now(route)
    assert booking
    bench.settle(route, booking)
    assert bench.take(route) >= 30
    bench.clock.advance(2)
    booking = bench.now(route)
    assert booking
    bench.settle(route, booking, 429, retry_after=4, scope="user")
    assert 3.9 < bench.wait(route).retry_after < 4.1


def test_a_refused_token_is_not_used_again_until_it_changes(bench: Bench) -> None:
    booking = bench.now(send(1))
    assert booking
    bench.settle(send(1), booking, 401)
    with pytest.raises(TokenLatched) as caught:
        bench.now(send(2))
    assert "DISCORD_BOT_TOKEN" in caught.value.fix
    assert bench.now(send(2), scope=Scope("1", "e1", "new"))
    for pause in (30, 60, 120, 240, 480, 600, 600):
        with pytest.raises(TokenLatched):
            bench.now(send(2))
        bench.clock.advance(pause + 1)  # one more try, in case Discord was wrong
        booking = bench.now(send(2))
        assert booking
        bench.settle(send(2), booking, 401)


def test_a_single_401_is_forgotten_with_the_next_success(bench: Bench) -> None:
    for _ in range(3):
        booking = bench.now(send(1))
        assert booking
        bench.settle(send(1), booking, 401)
        bench.clock.advance(31)
        booking = bench.now(send(1))
        assert booking
        bench.settle(send(1), booking, 200)


def test_a_401_of_a_webhook_latches_nothing(bench: Bench) -> None:
    booking = bench.now(send(1))
    assert booking
    bench.settle(send(1), booking, 401, authorized=False)
    assert bench.now(send(2))


def test_too_many_refusals_stop_background_then_everything_on_that_address(bench: Bench) -> None:
    key = f"{PREFIX}rl:e.e1:bad"
    minute = int(bench.clock.now() // 60)
    other = Scope("2", "e2", "t2")
    bench.store.redis.hset(key, minute - 5, 4_999)
    assert bench.now(send(1), B)
    booking = bench.now(send(2))
    assert booking
    bench.settle(send(2), booking, 403)
    assert bench.wait(send(3), B).reason == "breaker"
    assert bench.wait(send(3), E).reason == "breaker"
    assert bench.now(send(3))
    bench.store.redis.hset(key, minute - 5, 8_000)
    assert bench.wait(send(4)).reason == "breaker"
    assert bench.wait(send(4), scope=Scope("2", "e1", "t2")).reason == "breaker"  # all bots of the address
    assert bench.now(send(4), scope=other)
    bench.clock.advance(600)
    assert bench.now(send(4))


def test_cloudflares_block_stops_the_address(bench: Bench) -> None:
    booking = bench.now(send(1))
    assert booking
    bench.settle(send(1), booking, 429, retry_after=90, cloudflare=True)
    assert bench.wait(send(2), scope=Scope("2", "e1", "t2")).reason == "cloudflare"
    assert bench.now(send(2), scope=Scope("2", "e2", "t2"))
