"""Finding out what a held message waits for: on a real store and a real HTTP server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from shoal.base.clock import VirtualClock
from shoal.discord.limiter import Unlimited
from shoal.discord.pluralkit import PluralKit, Proxied
from shoal.discord.rest import Rest
from shoal.discord.retry import RetryPolicy
from shoal.discord.transport import Transport
from shoal.state.circuits import MANY, PAUSES_S
from shoal.state.lookups import Asked
from shoal.state.store import Store
from tests.discord.support.rest import Reply, RestServer
from workers.sessions.enrichment import SLOW_S, Enrichment, LookupFailedError

MEMBER = Asked("default", "member", "5.101")
MESSAGE = Asked("default", "message", "77")
SPEAKER = Asked("default", "pluralkit", "77")
PROXIED = {
    "id": "77",
    "original": "66",
    "sender": "101",
    "system": {"id": "abcde", "name": "The Reef"},
    "member": {"id": "louee", "name": "lou", "display_name": "Lou"},
}


@pytest.fixture
def server() -> Iterator[RestServer]:
    opened = RestServer()
    yield opened
    opened.close()


@pytest.fixture
def enrichment(store: Store, server: RestServer) -> Iterator[Enrichment]:
    """Look-ups that have more tries before them."""
    transport = Transport("default", SecretStr("a.b.c"), limiter=Unlimited(), api_url=server.base)
    rest = Rest(transport).limited(retry=RetryPolicy(attempts=1))
    kit = PluralKit(transport, base=f"http://{server.host}:{server.port}/pk/v2")
    yield Enrichment(store, "default", rest, kit)
    transport.close()


def last(enrichment: Enrichment) -> Enrichment:
    """The same at its last try."""
    return Enrichment(enrichment.store, "default", enrichment.rest, enrichment.pluralkit, last=True)


def kept(store: Store, asked: Asked) -> Any:
    raw = store.lookups.get(asked)
    return None if raw is None else msgspec.json.decode(raw)


def test_a_member_is_kept_for_a_minute(store: Store, server: RestServer, enrichment: Enrichment) -> None:
    server.usual = Reply.of(200, {"roles": ["7"], "user": {"id": "101"}})
    assert enrichment.member("5", "101") == "member · found"
    assert server.seen[0].path == "/api/v10/guilds/5/members/101"
    assert kept(store, MEMBER)["roles"] == ["7"]
    ttl_ms = store.redis.pttl(store.keys.lookup("default", "member", "5.101"))
    assert 0 < ttl_ms <= 60_000
    assert enrichment.member("5", "101") == "member · known"
    assert len(server.seen) == 1


def test_paths_of_the_others(server: RestServer, enrichment: Enrichment) -> None:
    server.usual = Reply.of(200, {"id": "77"})
    enrichment.message("600", "77")
    enrichment.thread_member("650", "101")
    server.usual = Reply.of(404, {})
    enrichment.speaker("77")
    paths = [seen.path for seen in server.seen]
    assert paths == [
        "/api/v10/channels/600/messages/77",
        "/api/v10/channels/650/thread-members/101",
        "/pk/v2/messages/77",
    ]


def test_no_is_an_answer(store: Store, server: RestServer, enrichment: Enrichment) -> None:
    server.usual = Reply.of(404, {"code": 10007, "message": "Unknown Member"})
    assert enrichment.member("5", "101") == "member · none"
    assert store.lookups.get(MEMBER) == b"null"


def test_a_copy_tells_of_its_original_and_of_its_account(
    store: Store, server: RestServer, enrichment: Enrichment
) -> None:
    server.usual = Reply.of(200, PROXIED)
    assert enrichment.speaker("77") == "pluralkit · found"
    found = msgspec.json.decode(store.lookups.get(SPEAKER) or b"", type=Proxied)
    assert (found.name, found.system_name, found.original_id) == ("Lou", "The Reef", "66")
    assert kept(store, Asked("default", "pkuser", "101")) == 1
    assert kept(store, Asked("default", "replaced", "66")) == "77"


def test_what_may_pass_is_tried_again_and_then_counts_as_no(
    store: Store, server: RestServer, enrichment: Enrichment
) -> None:
    """Nobody waits longer than the answer takes; the failure is remembered for half a minute only."""
    server.usual = Reply.of(503, {"message": "away"})
    with pytest.raises(LookupFailedError) as caught:
        enrichment.message("600", "77")
    assert caught.value.delay_s > 0
    assert store.lookups.get(MESSAGE) is None
    assert last(enrichment).message("600", "77").startswith("message · failed")
    assert store.lookups.get(MESSAGE) == b"null"
    assert 0 < store.redis.pttl(store.keys.lookup("default", "message", "77")) <= 30_000


@pytest.mark.parametrize("status", [401, 403, 400])
def test_what_cannot_pass_counts_as_no_at_once(
    store: Store, server: RestServer, enrichment: Enrichment, status: int
) -> None:
    server.usual = Reply.of(status, {"code": 50001, "message": "Missing Access"})
    assert enrichment.member("5", "101").startswith("member · failed")
    assert store.lookups.get(MEMBER) == b"null"


def test_pluralkit_says_when_to_come_again(server: RestServer, enrichment: Enrichment) -> None:
    server.usual = Reply.of(429, {"message": "slow down", "retry_after": 1200})
    with pytest.raises(LookupFailedError) as caught:
        enrichment.speaker("77")
    assert caught.value.delay_s == pytest.approx(1.2)


def ask_each(enrichment: Enrichment, ids: range) -> list[str]:
    return [last(enrichment).speaker(str(number)) for number in ids]


def pause_ends(store: Store) -> None:
    """What Redis does by itself, later."""
    assert store.redis.delete(store.keys.circuit("default", "pluralkit")) == 1


@pytest.mark.parametrize(
    ("reply", "why"),
    [(Reply.of(503, {}), "status 503"), (Reply(fault="reset"), "transport")],
    ids=["an error", "no answer"],
)
def test_a_dead_pluralkit_is_not_asked_for_a_while(
    store: Store, server: RestServer, enrichment: Enrichment, reply: Reply, why: str
) -> None:
    """Nobody waits for it any more, until a trial after the pause is answered."""
    server.usual = reply
    said = ask_each(enrichment, range(1, MANY + 3))
    assert len(server.seen) == MANY
    assert said[MANY:] == [f"pluralkit · not asked: {why}"] * 2
    assert kept(store, Asked("default", "pluralkit", str(MANY + 1))) is None
    assert store.lookups.get(Asked("default", "pluralkit", str(MANY + 1))) == b"null"
    pause = store.keys.circuit("default", "pluralkit")
    assert PAUSES_S[0] * 900 < store.redis.pttl(pause) <= PAUSES_S[0] * 1000

    pause_ends(store)
    ask_each(enrichment, range(10, 12))  # the trial, which fails, and one that is not asked
    assert len(server.seen) == MANY + 1
    assert store.redis.pttl(pause) > PAUSES_S[0] * 1000

    pause_ends(store)
    server.usual = Reply.of(200, PROXIED)
    assert set(ask_each(enrichment, range(20, 30))) == {"pluralkit · found"}
    server.usual = reply
    ask_each(enrichment, range(40, 40 + MANY - 1))
    assert store.redis.get(pause) is None  # the row had begun anew


def test_a_slow_pluralkit_counts_as_a_dead_one(
    store: Store, server: RestServer, enrichment: Enrichment
) -> None:
    clock = VirtualClock()

    def slowly(_seen: object) -> Reply:
        clock.advance(SLOW_S + 0.1)
        return Reply.of(200, PROXIED)

    server.handler = slowly
    slow = replace(enrichment, clock=clock)
    assert [slow.speaker(str(number)) for number in range(MANY)] == ["pluralkit · found"] * MANY
    assert slow.speaker("77") == "pluralkit · not asked: slow"


def test_an_answer_that_says_no_opens_no_circuit(server: RestServer, enrichment: Enrichment) -> None:
    for number, status in enumerate((404, 401, 403, 429, 400) * 3):
        server.usual = Reply.of(status, {})
        last(enrichment).speaker(str(number))
    assert len(server.seen) == 15


def test_without_pluralkit_nothing_is_asked(store: Store, server: RestServer, enrichment: Enrichment) -> None:
    off = Enrichment(store, "default", enrichment.rest, None)
    assert off.speaker("77") == "pluralkit · switched off"
    assert server.seen == []


def test_an_error_names_no_content_and_no_secret(server: RestServer, enrichment: Enrichment) -> None:
    server.usual = Reply.of(502, {"message": "a secret text"})
    with pytest.raises(LookupFailedError) as caught:
        enrichment.message("600", "77")
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
