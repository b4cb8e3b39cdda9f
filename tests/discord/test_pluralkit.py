"""PluralKit look-ups (spec/inbound.md 3.12): what is asked, what it means, and that no token leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from shoal.base.errors import TransportError
from shoal.base.proxy import parse_proxy
from shoal.discord.pluralkit import PluralKit, PluralKitError
from shoal.discord.transport import USER_AGENT, Transport
from shoal.simulator.server import Simulator
from tests.discord.conftest import TOKEN
from tests.discord.support.net import PROXY_ADDRESS
from tests.discord.support.proxies import ProxyServer
from tests.discord.support.rest import Reply, RestServer

ANSWER = {
    "id": "20",
    "original": "10",
    "sender": "101",
    "system": {"id": "ABCDE", "name": "The Reef"},
    "member": {"id": "LOUEE", "name": "lou", "display_name": "Lou ✨"},
}


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


def client(transport: Transport, server: RestServer, token: str | None = None) -> PluralKit:
    base = f"http://{server.host}:{server.port}/v2/"
    return PluralKit(transport, base=base, token=SecretStr(token) if token else None)


def test_the_answer_says_who_spoke(rest_server: RestServer, make_transport: Callable[..., Transport]) -> None:
    rest_server.usual = Reply.of(200, ANSWER)
    found = client(make_transport(), rest_server).message("20")
    assert found is not None
    assert (found.message_id, found.original_id, found.sender_id) == ("20", "10", "101")
    assert (found.member_id, found.member_name) == ("louee", "lou")
    assert found.label == "Lou ✨ (PK:The Reef)"
    assert rest_server.seen[0].path == "/v2/messages/20"


def test_the_bots_token_stays_at_home(
    rest_server: RestServer, make_transport: Callable[..., Transport]
) -> None:
    rest_server.usual = Reply.of(404, {"message": "Message not found.", "code": 20006})
    assert client(make_transport(), rest_server).message("20") is None
    assert client(make_transport(), rest_server, "pk-token-of-a-system").message("20") is None
    plain, with_token = rest_server.seen
    assert "authorization" not in plain.headers
    assert plain.headers["user-agent"] == USER_AGENT
    assert with_token.headers["authorization"] == "pk-token-of-a-system"
    assert all(TOKEN not in str(seen.headers) for seen in rest_server.seen)


@pytest.mark.parametrize(
    ("changes", "label"),
    [
        ({"member": {"id": "a", "name": "lou", "display_name": None}}, "lou (PK:The Reef)"),
        ({"system": None}, "Lou ✨ (PK)"),
        ({"system": {"id": "x", "name": None}}, "Lou ✨ (PK)"),
    ],
)
def test_a_missing_name_has_its_replacement(
    rest_server: RestServer,
    make_transport: Callable[..., Transport],
    changes: dict[str, object],
    label: str,
) -> None:
    rest_server.usual = Reply.of(200, {**ANSWER, **changes})
    found = client(make_transport(), rest_server).message("20")
    assert found is not None
    assert found.label == label


@pytest.mark.parametrize("member", [None, {}, {"id": "a"}, {"name": "lou"}, {"id": 5, "name": "lou"}, []])
def test_nobody_can_be_said_to_speak_without_id_and_name(
    rest_server: RestServer, make_transport: Callable[..., Transport], member: object
) -> None:
    rest_server.usual = Reply.of(200, {**ANSWER, "member": member})
    assert client(make_transport(), rest_server).message("20") is None


@pytest.mark.parametrize(
    ("reply", "status", "retryable", "after"),
    [
        (Reply.of(429, {"message": "slow", "retry_after": 1500}), 429, True, 1.5),
        (Reply.of(502, {}), 502, True, None),
        (Reply.of(403, {}), 403, False, None),
        (Reply(200, b"<html>"), 200, False, None),
    ],
)
def test_other_answers_are_errors(
    rest_server: RestServer,
    make_transport: Callable[..., Transport],
    reply: Reply,
    status: int,
    retryable: bool,
    after: float | None,
) -> None:
    rest_server.usual = reply
    with pytest.raises(PluralKitError) as caught:
        client(make_transport(), rest_server).message("20")
    assert (caught.value.status, caught.value.retryable) == (status, retryable)
    assert caught.value.retry_after == after


def test_a_server_that_says_nothing_is_given_up(
    rest_server: RestServer, make_transport: Callable[..., Transport]
) -> None:
    rest_server.usual = Reply(fault="hang")
    with pytest.raises(TransportError):
        client(make_transport(), rest_server).message("20", timeout=0.3)


def test_only_ids_become_part_of_an_address(
    rest_server: RestServer, make_transport: Callable[..., Transport]
) -> None:
    with pytest.raises(PluralKitError):
        client(make_transport(), rest_server).message("../systems/@me")
    assert rest_server.seen == []


def test_it_goes_through_the_accounts_proxy(
    simulator: Simulator, make_transport: Callable[..., Transport], make_proxy: Callable[..., ProxyServer]
) -> None:
    said = simulator.control.say("general", "L: hello")
    copy = simulator.control.proxy("general", said["id"], "Lou")
    transport = make_transport(proxy=parse_proxy(make_proxy("http").url()), ca_file=None)
    kit = PluralKit(transport, base=f"{simulator.url}/pluralkit/v2")
    for message_id in (said["id"], copy["id"]):
        found = kit.message(message_id)
        assert found is not None
        assert (found.name, found.original_id, found.sender_id) == ("Lou", said["id"], simulator.user_id)
    assert kit.message("1") is None
    asked = [line for line in simulator.core.log.select("request") if "/pluralkit/" in line["path"]]
    assert {line["source"] for line in asked} == {PROXY_ADDRESS}


def test_the_simulated_one_can_be_slow_and_broken(
    simulator: Simulator, make_transport: Callable[..., Transport]
) -> None:
    kit = PluralKit(make_transport(ca_file=None), base=f"{simulator.url}/pluralkit/v2")
    simulator.control.configure(pluralkit_status=503)
    with pytest.raises(PluralKitError):
        kit.message("1")
    simulator.control.configure(pluralkit_status=0, pluralkit_delay_s=5.0)
    with pytest.raises(TransportError):
        kit.message("1", timeout=0.3)
