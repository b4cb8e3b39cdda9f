"""The parts together: proxy, limiter, retries and nonces against the simulated Discord's true limits."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from shoal.base.ids import derive_nonce
from shoal.base.proxy import parse_proxy
from shoal.discord.errors import DiscordError
from shoal.discord.limiter import Limiter
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.store import Store
from tests.discord.support.net import PROXY_ADDRESS
from tests.discord.support.proxies import ProxyServer

CREATE = "POST /channels/{channel_id}/messages"


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """Limits on, five times as quick."""
    with Simulator(settings={"rate_scale": 5.0}) as running:
        yield running


@pytest.fixture
def make_rest(
    simulator: Simulator, store: Store, make_proxy: Callable[..., ProxyServer]
) -> Iterator[Callable[[], Rest]]:
    """REST calls of one more process of the fleet."""
    proxy = parse_proxy(make_proxy("http", user="u", password="p").url(user="u", password="p"))
    opened: list[Transport] = []

    def make() -> Rest:
        token = SecretStr(simulator.token)
        transport = Transport(
            "default", token, limiter=Limiter(store), proxy=proxy, api_url=simulator.api_url
        )
        opened.append(transport)
        return Rest(transport)

    yield make
    for transport in opened:
        transport.close()


def creates(simulator: Simulator) -> list[dict[str, object]]:
    return [line for line in simulator.core.log.select("request") if line["route"] == CREATE]


@pytest.mark.waits
def test_a_fleet_sends_everything_once_and_meets_no_429(
    simulator: Simulator, make_rest: Callable[[], Rest]
) -> None:
    channels = [simulator.channel_id]
    for name in ("one", "two", "three"):
        channels.append(str(simulator.control.add_channel(simulator.guild_id, name)["id"]))
    processes = [make_rest() for _ in range(3)]
    failures: list[BaseException] = []

    def work(number: int) -> None:
        rest = processes[number % 3]
        try:
            for part in range(6):
                cause = f"{number}.{part}"
                nonce = derive_nonce(cause, "send", 0)
                rest.create_message(channels[(number + part) % 4], content=cause, nonce=nonce)
        except DiscordError as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    statuses = Counter(line["status"] for line in creates(simulator))
    assert statuses == {200: 72}
    assert {line["source"] for line in creates(simulator)} == {PROXY_ADDRESS}


@pytest.mark.parametrize("fault", ["drop_answer", "cut_answer", "status_after", "status", "refuse"])
def test_a_create_whose_answer_is_lost_appears_once(
    fault: str, simulator: Simulator, make_rest: Callable[[], Rest]
) -> None:
    rest = make_rest()
    simulator.core.faults.add({"kind": fault, "route": CREATE})
    made = rest.create_message(simulator.channel_id, content="once", nonce=derive_nonce("c", "s", 0))
    found = [message for message in rest.get_messages(simulator.channel_id) if message["content"] == "once"]
    assert [message["id"] for message in found] == [made["id"]]
    assert len(creates(simulator)) == 2
