"""One request: what leaves, what comes back, what is tried again, what stays in doubt."""

from __future__ import annotations

import gzip
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

import shoal
from shoal.base.clock import VirtualClock
from shoal.base.errors import ConfigError, ProxyError, TransportError
from shoal.base.redact import redactor
from shoal.base.stamp import stamped
from shoal.discord.addresses import UrlRefused
from shoal.discord.errors import (
    BadRequest,
    Forbidden,
    NotFound,
    RateLimited,
    RateWait,
    ServerError,
    TokenLatched,
    TooLarge,
    Unauthorized,
)
from shoal.discord.limiter import NEVER_SENT, Answer, Booking, Limiter, Unlimited
from shoal.discord.origins import Origins
from shoal.discord.retry import NO_RETRY, RetryPolicy, Safety, may_retry
from shoal.discord.routes import Route
from shoal.discord.transport import File, Transport, bot_id_of
from shoal.state.store import Store
from tests.discord.conftest import TOKEN
from tests.discord.support.files import fetch
from tests.discord.support.rest import Reply, RestServer, Seen
from workers.agent.context import LeaseLost, TurnContext

ME = Route("GET", "/users/@me")
SEND = Route("POST", "/channels/{channel_id}/messages", channel_id=5)

MakeTransport = Callable[..., Transport]


@pytest.fixture
def transport(rest_server: RestServer, make_transport: MakeTransport) -> Transport:
    return make_transport(api_url=rest_server.base)


# -- what leaves ---------------------------------------------------------------------------------


def test_headers_are_discords(transport: Transport, rest_server: RestServer) -> None:
    transport.request(ME)
    headers = rest_server.seen[0].headers
    assert headers["authorization"] == f"Bot {TOKEN}"
    assert headers["user-agent"].startswith("DiscordBot (https://")
    assert f", {shoal.__version__})" in headers["user-agent"]
    assert "cookie" not in headers


def test_a_token_may_be_typed_with_its_prefix(rest_server: RestServer, make_transport: MakeTransport) -> None:
    from pydantic import SecretStr

    with_prefix = Transport("a", SecretStr(f"Bot {TOKEN}"), limiter=Unlimited(), api_url=rest_server.base)
    with_prefix.request(ME)
    with_prefix.close()
    assert rest_server.seen[0].headers["authorization"] == f"Bot {TOKEN}"
    assert bot_id_of(TOKEN) == "123456789012345678" == with_prefix.scope.bot
    assert bot_id_of("what.ever") is None


def test_routes_that_hold_a_token_get_no_authorization(transport: Transport, rest_server: RestServer) -> None:
    template = "/interactions/{interaction_id}/{interaction_token}/callback"
    transport.request(Route("POST", template, interaction_id=1, interaction_token="tok"), json={"type": 5})
    assert "authorization" not in rest_server.seen[0].headers


def test_paths_queries_and_reasons_are_encoded(transport: Transport, rest_server: RestServer) -> None:
    emoji = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"
    transport.request(Route("PUT", emoji, channel_id=1, message_id=2, emoji="👍🏽"), reason="Grüße an alle\n")
    transport.request(ME, query={"a": True, "b": ["1", "2"], "c": None, "d": "x y"})
    assert rest_server.seen[0].path.endswith("/reactions/%F0%9F%91%8D%F0%9F%8F%BD/@me")
    assert rest_server.seen[0].headers["x-audit-log-reason"] == "Gr%C3%BC%C3%9Fe an alle"
    assert rest_server.seen[1].path == "/api/v10/users/@me?a=true&b=1&b=2&d=x+y"
    for wrong in ("", "..", "."):
        with pytest.raises(ValueError, match="channel_id"):
            Route("GET", "/channels/{channel_id}", channel_id=wrong)
    assert Route("GET", "/channels/{channel_id}", channel_id="1/../2?x").path == "/channels/1%2F..%2F2%3Fx"


def test_files_travel_as_payload_json_and_numbered_parts(
    transport: Transport, rest_server: RestServer
) -> None:
    files = [
        File("a.txt", b"one", "text/plain", {"description": "first"}),
        File('ö".bin', b"\r\n--two\x00"),
    ]
    body = {"content": "x", "attachments": [{"id": "99"}]}
    transport.request(SEND, json=body, files=files, safety=Safety.CREATE)
    seen = rest_server.seen[0]
    parts = seen.parts()
    assert list(parts) == ["payload_json", "files[0]", "files[1]"]
    assert "application/json" in parts["payload_json"][0]
    assert seen.json()["attachments"] == [
        {"id": "99"},
        {"id": "0", "filename": "a.txt", "description": "first"},
        {"id": "1", "filename": 'ö".bin'},
    ]
    assert parts["files[0]"][1] == b"one"
    assert "text/plain" in parts["files[0]"][0]
    assert b"\r\n--two\x00" in seen.body
    assert body == {"content": "x", "attachments": [{"id": "99"}]}  # the caller's body is left alone


# -- what comes back -----------------------------------------------------------------------------


def test_answers_are_json_text_or_nothing(transport: Transport, rest_server: RestServer) -> None:
    zipped = gzip.compress(b'{"a": 1}')
    rest_server.replies += [
        Reply(200, b'{"id": "1"}'),
        Reply(204),
        Reply(200, b"not json"),
        Reply(200, zipped, {"Content-Encoding": "gzip"}),
        Reply(200, b"2\r\n{}\r\n0\r\n\r\n", {"Transfer-Encoding": "chunked"}),
    ]
    assert transport.request(ME).data == {"id": "1"}
    assert transport.request(ME).data is None
    assert transport.request(ME).data == "not json"
    assert transport.request(ME).data == {"a": 1}
    assert transport.request(ME).data == {}
    assert len(rest_server.sources) == 1  # every body was read to its end


def test_redirects_are_never_followed(transport: Transport, rest_server: RestServer) -> None:
    rest_server.replies.append(Reply(302, b"", {"Location": f"{rest_server.base}/elsewhere"}))
    with pytest.raises(BadRequest, match="302"):
        transport.request(ME)
    assert len(rest_server.seen) == 1


def test_a_body_that_is_too_large_is_cut_off(transport: Transport, rest_server: RestServer) -> None:
    bomb = gzip.compress(b"0" * 30_000_000)
    rest_server.replies += [
        Reply(200, b"", {"Content-Length": "99999999"}),
        Reply(200, bomb, {"Content-Encoding": "gzip"}),
    ]
    for _ in range(2):
        with pytest.raises(TooLarge):
            transport.request(ME)


def test_an_answer_that_drips_does_not_hold_a_thread(transport: Transport, rest_server: RestServer) -> None:
    rest_server.replies.append(Reply(200, b"x" * 2000, fault="drip"))
    started = time.monotonic()
    with pytest.raises(TransportError, match="slowly") as caught:
        transport.request(ME, timeout=0.3, retry=NO_RETRY)
    rest_server.release.set()
    assert caught.value.ambiguous
    assert time.monotonic() - started < 5


def test_connections_are_kept_and_threads_share_them(
    rest_server: RestServer, make_transport: MakeTransport
) -> None:
    transport = make_transport(api_url=rest_server.base, threads=4)
    threads = [threading.Thread(target=lambda: [transport.request(ME) for _ in range(10)]) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rest_server.seen) == 120
    assert len(rest_server.sources) <= 4


# -- tried again ---------------------------------------------------------------------------------

OK = Reply.of(200, {"id": "1"})
BAD_GATEWAY = Reply(502, b"<html>bad gateway</html>", {"Content-Type": "text/html"})
RESET = Reply(fault="reset")
CUT = Reply(200, b'{"id": "12345"}', fault="cut")


@pytest.mark.parametrize("safety", [Safety.IDEMPOTENT, Safety.NONCE_CREATE])
@pytest.mark.parametrize("first", [BAD_GATEWAY, RESET, CUT, Reply(408), Reply(500)], ids=str)
def test_safe_requests_are_tried_again_with_the_same_bytes(
    transport: Transport, rest_server: RestServer, safety: Safety, first: Reply
) -> None:
    rest_server.replies += [first, OK]
    answer = transport.request(SEND, json={"nonce": "n"}, safety=safety)
    assert answer.data == {"id": "1"}
    assert answer.attempts == 2
    assert len({seen.body for seen in rest_server.seen}) == 1


@pytest.mark.parametrize("first", [BAD_GATEWAY, RESET, CUT], ids=str)
def test_an_unsafe_create_in_doubt_is_not_tried_again(
    transport: Transport, rest_server: RestServer, first: Reply
) -> None:
    rest_server.replies += [first, OK]
    with pytest.raises((TransportError, ServerError)) as caught:
        transport.request(SEND, json={}, safety=Safety.CREATE)
    assert caught.value.ambiguous
    assert len(rest_server.seen) == 1


def test_an_unsafe_create_goes_on_after_a_429(transport: Transport, rest_server: RestServer) -> None:
    rest_server.replies += [Reply.of(429, {"retry_after": 0.01, "message": "slow"}), OK]
    assert transport.request(SEND, json={}, safety=Safety.CREATE).data == {"id": "1"}


def test_a_request_without_answer_is_in_doubt(transport: Transport, rest_server: RestServer) -> None:
    rest_server.replies.append(Reply(fault="hang"))
    with pytest.raises(TransportError) as caught:
        transport.request(SEND, json={}, safety=Safety.CREATE, timeout=0.3)
    rest_server.release.set()
    assert caught.value.ambiguous
    assert caught.value.leg == "read"
    assert "in time" in str(caught.value)
    assert "without a proxy" in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405])
def test_refusals_are_final(transport: Transport, rest_server: RestServer, status: int) -> None:
    rest_server.replies.append(Reply.of(status, {"code": 0, "message": "no"}))
    with pytest.raises((BadRequest, Unauthorized, Forbidden, NotFound)) as caught:
        transport.request(ME)
    assert caught.value.status == status
    assert not caught.value.ambiguous
    assert len(rest_server.seen) == 1


def test_doubt_stays_on_the_error_whatever_a_later_try_says(
    transport: Transport, rest_server: RestServer
) -> None:
    rest_server.replies += [RESET, Reply.of(403, {"code": 50013, "message": "Missing Permissions"})]
    with pytest.raises(Forbidden) as caught:
        transport.request(SEND, json={"nonce": "n"}, safety=Safety.NONCE_CREATE)
    assert caught.value.ambiguous


def test_tries_are_counted_and_waits_double(rest_server: RestServer, make_transport: MakeTransport) -> None:
    clock = VirtualClock()
    policy = RetryPolicy(attempts=4, min_delay_ms=500, max_delay_ms=1500, jitter=0.0)
    transport = make_transport(api_url=rest_server.base, clock=clock, retry=policy)
    rest_server.replies += [BAD_GATEWAY] * 9
    with pytest.raises(ServerError):
        transport.request(ME)
    assert len(rest_server.seen) == 4
    assert clock.monotonic() == pytest.approx(0.5 + 1.0 + 1.5)


def test_the_servers_wait_counts_and_too_long_a_wait_ends_it(
    rest_server: RestServer, make_transport: MakeTransport
) -> None:
    clock = VirtualClock()
    transport = make_transport(api_url=rest_server.base, clock=clock)
    rest_server.replies += [Reply.of(429, {"retry_after": 7.5}), OK]
    transport.request(ME)
    assert clock.monotonic() == pytest.approx(7.5)
    rest_server.replies += [Reply.of(429, {"retry_after": 31, "global": True})]
    with pytest.raises(RateLimited) as caught:
        transport.request(ME)
    assert caught.value.scope == "global"
    assert caught.value.retry_after == 31
    rest_server.replies += [Reply.of(429, {"retry_after": 5}, x_ratelimit_scope="shared")]
    with pytest.raises(RateWait) as late:
        transport.request(ME, max_wait=0.05)
    assert late.value.reason == "shared"
    assert clock.monotonic() == pytest.approx(7.5)


def test_endless_429s_end(transport: Transport, rest_server: RestServer) -> None:
    rest_server.handler = lambda _: Reply.of(429, {"retry_after": 0.001})
    with pytest.raises(RateLimited):
        transport.request(ME)
    assert len(rest_server.seen) == 6


def test_jitter_spreads_and_never_shortens_the_servers_wait() -> None:
    policy = RetryPolicy(jitter=0.1)
    assert policy.delay_s(1, rng=lambda: 0.0) == pytest.approx(0.45)
    assert policy.delay_s(1, rng=lambda: 1.0) == pytest.approx(0.55)
    assert policy.delay_s(9, rng=lambda: 1.0) == 30.0
    assert policy.server_delay_s(10, rng=lambda: 0.0) == 10
    assert policy.server_delay_s(10, rng=lambda: 1.0) == 11
    assert policy.server_delay_s(30.1) is None


def test_safety_classes() -> None:
    before = ProxyError("x", leg="proxy-connect")
    during = TransportError("x", leg="read", ambiguous=True)
    final = BadRequest("x", status=400)
    for error, expected in [(before, (1, 1, 1)), (during, (1, 1, 0)), (final, (0, 0, 0))]:
        classes = (Safety.IDEMPOTENT, Safety.NONCE_CREATE, Safety.CREATE)
        assert tuple(may_retry(error, safety) for safety in classes) == tuple(map(bool, expected))


# -- with the fleet's limiter --------------------------------------------------------------------


def test_what_an_answer_says_holds_for_the_next_process(
    store: Store, rest_server: RestServer, make_transport: MakeTransport
) -> None:
    one = make_transport(api_url=rest_server.base, limiter=Limiter(store))
    two = make_transport(api_url=rest_server.base, limiter=Limiter(store))
    headers = {
        "x_ratelimit_bucket": "b",
        "x_ratelimit_limit": "1",
        "x_ratelimit_remaining": "0",
        "x_ratelimit_reset_after": "30",
    }
    rest_server.replies.append(Reply.of(200, {}, **headers))
    one.request(SEND, json={})
    with pytest.raises(RateWait):
        two.request(SEND, json={}, max_wait=0.05)
    assert len(rest_server.seen) == 1


def test_a_401_stops_the_token_everywhere(
    store: Store, rest_server: RestServer, make_transport: MakeTransport
) -> None:
    one = make_transport(api_url=rest_server.base, limiter=Limiter(store))
    two = make_transport(api_url=rest_server.base, limiter=Limiter(store))
    rest_server.replies.append(Reply.of(401, {"code": 0, "message": "401: Unauthorized"}))
    with pytest.raises(Unauthorized):
        one.request(ME)
    with pytest.raises(TokenLatched):
        two.request(SEND, json={})
    assert len(rest_server.seen) == 1


class _Slow(Unlimited):
    """A rate limit that is waited for, which takes the lane's lease."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self.meanwhile = meanwhile
        self.settled: list[int] = []

    def acquire(self, *request: object, max_wait: float | None = None) -> Booking:
        self.meanwhile()
        return super().acquire(*request, max_wait=max_wait)

    def settle(self, *request: object) -> None:
        answer = request[-1]
        assert isinstance(answer, Answer)
        self.settled.append(answer.status)


def test_nothing_is_begun_under_a_grant_that_ended_in_a_wait(
    rest_server: RestServer, make_transport: MakeTransport
) -> None:
    """R14: who was frozen while it waited for the rate limit finds out before it sends."""
    context = TurnContext()
    limiter = _Slow(context.lose)
    transport = make_transport(api_url=rest_server.base, limiter=limiter)
    with stamped("grant", context.still_held), pytest.raises(LeaseLost) as lost:
        transport.request(SEND, json={"content": "x"})
    assert not rest_server.seen
    assert not lost.value.ambiguous
    assert limiter.settled == [NEVER_SENT]
    transport.request(SEND, json={"content": "x"})
    assert len(rest_server.seen) == 1, "outside of the grant there is no fence"


def test_a_second_try_is_fenced_too_and_stays_in_doubt(
    rest_server: RestServer, make_transport: MakeTransport
) -> None:
    context = TurnContext()
    limiter = _Slow(lambda: context.lose() if rest_server.seen else None)
    transport = make_transport(api_url=rest_server.base, limiter=limiter)
    rest_server.replies.append(Reply.of(500, {}))
    with stamped("grant", context.still_held), pytest.raises(LeaseLost) as lost:
        transport.request(SEND, json={"content": "x"}, safety=Safety.NONCE_CREATE)
    assert len(rest_server.seen) == 1
    assert lost.value.ambiguous


def test_a_grant_may_end_while_a_connection_is_made(
    rest_server: RestServer, make_transport: MakeTransport
) -> None:
    asked: list[bool] = []

    def fence() -> None:
        asked.append(True)
        if len(asked) == 2:
            raise LeaseLost("gone")

    transport = make_transport(api_url=rest_server.base)
    with stamped("grant", fence), pytest.raises(LeaseLost):
        transport.request(SEND, json={"content": "x"})
    assert not rest_server.seen


def test_a_failed_connection_costs_no_token(store: Store, make_transport: MakeTransport) -> None:
    transport = make_transport(api_url="http://127.0.0.3:9/api/v10", limiter=Limiter(store))
    for _ in range(3):
        with pytest.raises(TransportError, match="ECONNREFUSED"):
            transport.request(SEND, json={}, retry=NO_RETRY, max_wait=1.0)


def test_a_create_in_doubt_is_not_repeated_outside_the_nonce_window(
    store: Store, rest_server: RestServer, make_transport: MakeTransport
) -> None:
    clock = VirtualClock()
    limiter = Limiter(store, clock=clock, virtual=True)
    transport = make_transport(api_url=rest_server.base, limiter=limiter, clock=clock)

    def lost(_: Seen) -> Reply:
        # while the answer is lost, somebody else's request meets a long shared limit
        limiter._settle(
            *limiter._common(transport.scope, SEND, 1, "other"), "", 429, "b", "", 1, 1, 500_000, "shared", 0
        )
        return RESET

    rest_server.handler = lost
    with pytest.raises(RateWait) as caught:
        transport.request(SEND, json={"nonce": "n"}, safety=Safety.NONCE_CREATE, max_wait=9999)
    assert caught.value.ambiguous
    assert len(rest_server.seen) == 1


# -- files ---------------------------------------------------------------------------------------


def test_files_come_from_the_servers_own_origin(transport: Transport, rest_server: RestServer) -> None:
    rest_server.replies.append(Reply(200, b"\x89PNG", {"Content-Type": "image/png"}))
    origin = f"http://{rest_server.host}:{rest_server.port}"
    data, got = fetch(transport, f"{origin}/cdn/a.png?ex=1", max_bytes=10)
    assert (data, got.content_type) == (b"\x89PNG", "image/png")
    assert "authorization" not in rest_server.seen[0].headers
    rest_server.replies.append(Reply(200, b"x" * 11))
    with pytest.raises(TooLarge):
        fetch(transport, f"{origin}/cdn/a.png", max_bytes=10)
    rest_server.replies.append(Reply(404))
    with pytest.raises(NotFound):
        fetch(transport, f"{origin}/cdn/a.png", max_bytes=10)
    for elsewhere in (
        f"http://127.0.0.1:{rest_server.port}/a",
        "https://example.com/a",
        "file:///etc/passwd",
        f"http://u@{rest_server.host}:{rest_server.port}/a",
    ):
        with pytest.raises(UrlRefused):
            fetch(transport, elsewhere, max_bytes=10)
    assert len(rest_server.seen) == 3


def test_uploads_go_to_signed_addresses_only(transport: Transport, rest_server: RestServer) -> None:
    origin = f"http://{rest_server.host}:{rest_server.port}"
    transport.upload(f"{origin}/upload/1", b"OggS", content_type="audio/ogg")
    assert (rest_server.seen[0].method, rest_server.seen[0].body) == ("PUT", b"OggS")
    assert "authorization" not in rest_server.seen[0].headers
    with pytest.raises(BadRequest):
        transport.upload("https://example.org/upload", b"", content_type="audio/ogg")


# -- addresses -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://discord.example/api/v10",
        "https://user:pw@discord.example/api",
        "https://discord.example/api?x=1",
        "https://discord.example/api#x",
        "ftp://127.0.0.1/",
        "https://",
        "127.0.0.1:80",
        "https://host:99999/",
    ],
)
def test_another_server_must_be_https_or_loopback(url: str) -> None:
    with pytest.raises(ConfigError, match="SHOAL_DISCORD_API_URL") as caught:
        Origins(url)
    assert "pw" not in str(caught.value)


def test_discords_own_addresses() -> None:
    origins = Origins()
    assert origins.base == "https://discord.com/api/v10"
    endpoint = origins.gateway("wss://gateway-us-east1-b.discord.gg/?v=10&encoding=json")
    assert (endpoint.host, endpoint.port, endpoint.tls) == ("gateway-us-east1-b.discord.gg", 443, True)
    assert endpoint.path == "/?v=10&encoding=json"
    for url in (
        "ws://gateway.discord.gg",
        "wss://discord.gg.evil.org",
        "wss://evildiscord.gg",
        "wss://u@discord.gg",
    ):
        with pytest.raises(ConfigError):
            origins.gateway(url)
    assert origins.is_cdn("https://cdn.discordapp.com/attachments/1/2/a.png?ex=1")
    assert not origins.is_cdn("http://cdn.discordapp.com/a")
    assert not origins.is_cdn("https://cdn.discordapp.com.evil.org/a")
    assert origins.is_upload("https://discord-attachments-uploads-prd.storage.googleapis.com/x")
    assert not origins.is_upload("https://storage.googleapis.com.evil.org/x")


def test_another_server_stays_on_its_origin() -> None:
    origins = Origins("http://127.0.0.1:8080/api/v10/")
    assert origins.base == "http://127.0.0.1:8080/api/v10"
    assert origins.gateway("ws://127.0.0.1:8080/gateway").port == 8080
    for url in (
        "ws://127.0.0.1:8081/",
        "wss://127.0.0.1:8080/",
        "wss://gateway.discord.gg/",
        "ws://127.0.0.2:8080/",
    ):
        with pytest.raises(ConfigError):
            origins.gateway(url)


def test_no_error_shows_the_token(rest_server: RestServer, make_transport: MakeTransport) -> None:
    transport = make_transport(api_url=rest_server.base)
    secret_body = f'{{"message": "Bot {TOKEN} is wrong", "code": 0}}'.encode()
    hook = Route(
        "POST", "/webhooks/{webhook_id}/{webhook_token}", webhook_id=1, webhook_token="s3cr3t-webhook"
    )
    replies: list[Any] = [Reply(400, secret_body), Reply(401, secret_body), RESET, RESET, RESET]
    rest_server.replies += replies
    for _ in range(3):
        with pytest.raises((BadRequest, Unauthorized, TransportError)) as caught:
            transport.request(hook)
        text = f"{caught.value} {caught.value!r} {vars(caught.value)}"
        assert TOKEN not in text
        assert "s3cr3t-webhook" not in text
    assert TOKEN not in redactor.mask(f"x {TOKEN}")
