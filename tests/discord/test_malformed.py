"""Whatever a server answers: an error of ours or a value, in time, and no limit poisoned for long.

``SHOAL_MALFORMED=10000`` takes so many malformed answers in all (with the deliveries' share in
``tests/workers/delivery/test_malformed_answers.py``); the normal run takes a few hundred. What was found
is kept below as a test of its own.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lookup import GatewayInfo, IdentifyGate, Lookup
from shoal.base.errors import ShoalError, TransportError
from shoal.discord.errors import BadRequest, DiscordError, RateLimited, ServerError, error_from
from shoal.discord.interactions import InteractionCalls
from shoal.discord.limiter import Limiter, Priority
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY, Safety
from shoal.discord.routes import Route
from shoal.discord.transport import Transport
from shoal.state.store import Store
from tests.discord.support.nonsense import BOMB, DEEP, RawServer, answers, ok, profile, whole

MakeTransport = Callable[..., Transport]
CHANNEL = Route("POST", "/channels/{channel_id}/messages", channel_id="5")
HOUR_MS = 3_600_000
DAY_S = 86_400.0
IN_TIME_S = 8.0
"""Far more than a request on this machine, far less than the 15 s a silent server may take."""

CALLS: dict[str, Callable[[Rest], Any]] = {
    "me": lambda rest: rest.get_current_user(),
    "application": lambda rest: rest.get_application(),
    "create": lambda rest: rest.create_message("5", nonce="n", content="x"),
    "edit": lambda rest: rest.edit_message("5", "6", content="x"),
    "delete": lambda rest: rest.delete_message("5", "6"),
    "read": lambda rest: rest.get_message("5", "6"),
    "list": lambda rest: rest.get_messages("5"),
    "typing": lambda rest: rest.trigger_typing("5"),
    "react": lambda rest: rest.create_reaction("5", "6", "x"),
    "dm": lambda rest: rest.create_dm("7"),
    "channels": lambda rest: rest.get_guild_channels("8"),
    "member": lambda rest: rest.get_guild_member("8", "7"),
    "defer": lambda rest: InteractionCalls(rest).create_interaction_response("9", "t", type=5),
    "followup": lambda rest: InteractionCalls(rest).create_followup("9", "t", {"content": "x"}),
}


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as opened:
        assert isinstance(opened, RawServer)
        yield opened


@pytest.fixture
def limited(server: RawServer, store: Store, make_transport: MakeTransport) -> Transport:
    """A transport with the fleet's limiter."""
    return make_transport(api_url=server.base, limiter=Limiter(store), retry=NO_RETRY)


@pytest.fixture
def free(server: RawServer, make_transport: MakeTransport) -> Transport:
    return make_transport(api_url=server.base, retry=NO_RETRY)


def told(call: Callable[[], Any]) -> Any:
    """The value, or the error of ours; anything else fails the test, and so does waiting."""
    began = time.monotonic()
    try:
        result: Any = call()
    except ShoalError as error:
        result = error
    if isinstance(result, ShoalError):
        assert 0 < len(str(result)) < 3000
    assert time.monotonic() - began < IN_TIME_S
    return result


def assert_sane(store: Store, transport: Transport) -> None:
    """No limit reaches further than an hour, every key ends by itself, and the next request knows when."""
    now = store.now_ms()
    for key in store.redis.keys("*:rl:*"):
        left = store.redis.pttl(key)
        assert 0 < left <= (8 * 24 * HOUR_MS if key.endswith(b":routes") else HOUR_MS + 120_000), key
        if store.redis.type(key) == b"hash" and b":b:" in key:
            fields = {name.decode(): float(value) for name, value in store.redis.hgetall(key).items()}
            ends = [fields[name] for name in fields if name in ("reset", "block") or name.startswith("rb.")]
            assert all(0 <= end <= now + HOUR_MS + 1000 for end in ends), fields
            assert 0 <= fields.get("left", 0) <= 1_000_000
            assert 0 <= fields.get("flying", 0) <= 1
            assert 1 <= fields.get("limit", 1) <= 1_000_000
    for _ in range(3):
        result = told(
            lambda: Limiter(store).acquire(transport.scope, CHANNEL, Priority.INTERACTIVE, max_wait=0.0)
        )
        assert getattr(result, "retry_after", 0.0) <= 3700


@profile(0.35)
@given(answer=answers(), safety=st.sampled_from(list(Safety)))
def test_any_answer_is_a_value_or_an_error_of_ours(
    server: RawServer, limited: Transport, store: Store, answer: bytes, safety: Safety
) -> None:
    store.redis.flushall()
    server.answer = lambda _request: answer
    result = told(
        lambda: limited.request(CHANNEL, json={"content": "x"}, safety=safety, timeout=5.0, max_wait=0.0)
    )
    if isinstance(result, TransportError):
        assert result.ambiguous  # it was sent: whoever repeats it must know
    assert_sane(store, limited)


@profile(0.3)
@given(answer=answers(), call=st.sampled_from(sorted(CALLS)))
def test_any_answer_to_any_call(server: RawServer, free: Transport, answer: bytes, call: str) -> None:
    server.answer = lambda _request: answer
    result = told(lambda: CALLS[call](Rest(free)))
    if isinstance(result, DiscordError) and result.retry_after is not None:
        assert 0 <= result.retry_after <= DAY_S
    if call in ("create", "dm", "followup") and not isinstance(result, ShoalError):
        assert str(result["id"]).isdecimal()


@profile(0.15)
@given(answer=answers(st.sampled_from([200] * 8 + [429, 500])), fallback=st.booleans())
def test_any_answer_to_the_question_for_the_gateway(
    server: RawServer, free: Transport, store: Store, answer: bytes, fallback: bool
) -> None:
    store.redis.flushall()
    server.answer = lambda _request: answer
    lookup = Lookup(Rest(free).get_gateway_bot, "default", "config", fallback=fallback)
    result = told(lookup.fetch)
    if isinstance(result, GatewayInfo):
        assert result.url
        assert result.shards >= 1
        assert result.max_concurrency >= 1
        assert 0 <= told(lambda: IdentifyGate(store, "default", 0).take(result)) <= DAY_S


# -- what was found ------------------------------------------------------------------------------


def test_an_answer_that_drips_ends_in_time(server: RawServer, free: Transport) -> None:
    """Each byte of a header used to start the clock anew."""
    stop = threading.Event()

    def serve(sock: Any) -> None:
        sock.recv(65536)
        for byte in b"HTTP/1.1 200 X\r\nX-Slow: " + b"y" * 1000:
            if stop.wait(0.1):
                return
            sock.sendall(bytes([byte]))

    server.serve = serve  # type: ignore[method-assign]
    began = time.monotonic()
    with pytest.raises(TransportError) as error:
        free.request(CHANNEL, json={}, timeout=0.5)
    stop.set()
    assert error.value.ambiguous
    assert time.monotonic() - began < 5.0


def test_the_body_of_a_redirect_is_bounded_too(server: RawServer, free: Transport) -> None:
    """The HTTP library reads a redirect's body whole, allowed to follow it or not."""
    server.answer = lambda _request: whole(302, BOMB, {"Content-Encoding": "gzip", "Location": "/elsewhere"})
    assert isinstance(told(lambda: free.request(CHANNEL, json={})), BadRequest)
    server.answer = lambda _request: whole(302, b"", {"Location": "http://["})
    assert isinstance(told(lambda: free.request(CHANNEL, json={})), BadRequest)


@pytest.mark.parametrize("length", ["\xb2", "9" * 5000])
def test_a_length_that_is_no_number(server: RawServer, free: Transport, length: str) -> None:
    server.answer = lambda _request: whole(200, b"{}", {"Content-Length": length})
    told(lambda: free.request(CHANNEL, json={}))


def test_a_wait_beyond_all_numbers_is_a_second() -> None:
    body = b'{"retry_after": ' + b"9" * 400 + b"}"
    error = error_from(429, {}, body, "GET /x")
    assert isinstance(error, RateLimited)
    assert error.retry_after == 1.0


def test_wrong_fields_nested_without_end() -> None:
    assert error_from(400, {}, DEEP, "POST /x").fields == ()


@pytest.mark.parametrize("data", [{}, {"id": None}, {"id": ["5"]}, {"id": "x"}, [], None, "ok", {"id": True}])
def test_a_message_without_an_id_is_in_doubt(server: RawServer, free: Transport, data: Any) -> None:
    server.answer = lambda _request: ok(data)
    with pytest.raises(ServerError) as error:
        Rest(free).create_message("5", nonce="n", content="x")
    assert error.value.ambiguous
    assert error.value.retryable


def test_a_list_that_is_none_is_not_an_empty_channel(server: RawServer, free: Transport) -> None:
    """Whoever looks for a message of his would send it again."""
    server.answer = lambda _request: ok({})
    with pytest.raises(ServerError):
        Rest(free).get_messages("5")


def test_no_answer_blocks_a_bucket_or_the_address_for_days(
    server: RawServer, limited: Transport, store: Store
) -> None:
    headers = {"X-RateLimit-Bucket": "b", "X-RateLimit-Limit": "1", "X-RateLimit-Remaining": "0"}
    server.answer = lambda _request: ok(MESSAGE_ID, **headers, **{"X-RateLimit-Reset-After": "999999"})
    limited.request(CHANNEL, json={})
    assert_sane(store, limited)
    store.redis.flushall()
    # waiters of a bucket ask again a window apart: of a window of an hour that was days
    server.answer = lambda _request: ok(
        MESSAGE_ID, **{"X-RateLimit-Bucket": "b", "X-RateLimit-Reset-After": "86399"}
    )
    limited.request(CHANNEL, json={})
    assert_sane(store, limited)
    store.redis.flushall()
    server.answer = lambda _request: whole(429, b"<html>1015</html>", {"Retry-After": "86399"})
    told(lambda: limited.request(CHANNEL, json={}))
    assert_sane(store, limited)


MESSAGE_ID = {"id": "1300000000000000009"}


def test_one_wrong_answer_does_not_end_a_gateway(server: RawServer, free: Transport) -> None:
    """A proxy's page with status 200 is passing: the gateway asks again, or takes the well-known address."""
    server.answer = lambda _request: whole(200, b"<html>log in</html>", {"Content-Type": "text/html"})
    ask = Rest(free).get_gateway_bot
    assert Lookup(ask, "default", "config", fallback=True).fetch().fallback
    with pytest.raises(DiscordError) as error:
        Lookup(ask, "default", "config", fallback=False).fetch()
    assert error.value.retryable
