"""A hundred and twenty cuts of all kinds: a session is given up after three failed RESUMEs, never later,
and the day's IDENTIFYs are never used up."""

from __future__ import annotations

import json
import random
import sys
import time
from collections import Counter
from collections.abc import Callable

import pytest

import gateway.lookup
import gateway.session
import gateway.socket
from shoal.state.store import Store
from tests.gateway.conftest import Running, Start, depth, eventually
from tests.gateway.support.server import ScriptedGateway, message

CUTS = 120
BUDGET = 80
CODES = [1000, 1001, None, 4000, 4001, 4002, 4003, 4005, 4007, 4008, 4009]
"""4004 ends the process and 4006 is no code of the gateway's."""


def kinds(server: ScriptedGateway) -> dict[str, Callable[[], None]]:
    """Every way to lose a connection, by name; each is undone by :func:`mend`."""
    script = server.script

    def no_hello() -> None:
        script.hello = False
        server.cut()

    def no_ack() -> None:
        script.ack = False

    def resumes_refused() -> None:
        script.close_on_resume = 4000
        server.cut()

    def resumes_unanswered() -> None:
        script.refuse_resume = True
        server.cut()

    def invalid(resumable: bool) -> None:
        server.raw(json.dumps({"op": 9, "d": resumable}))

    ways: dict[str, Callable[[], None]] = {
        "FIN": server.half_close,
        "RST": server.reset,
        "1006": server.cut,
        "half open": server.silence,
        "op 7": lambda: server.raw(json.dumps({"op": 7, "d": None})),
        "op 9 true": lambda: invalid(True),
        "op 9 false": lambda: invalid(False),
        "no HELLO": no_hello,
        "no ACK": no_ack,
        "garbage": lambda: server.garble(b"\x78\x9c\xff\xff garbage \x00\x00\xff\xff"),
        "RESUME refused": resumes_refused,
        "RESUME answered by op 9 true": resumes_unanswered,
    }
    ways |= {f"close {code or 1005}": (lambda code=code: server.close(code)) for code in CODES}  # type: ignore[misc]
    return ways


RARE = {"op 9 true": 3, "op 9 false": 3, "RESUME refused": 1, "RESUME answered by op 9 true": 1}
"""Kinds whose recovery takes seconds by design: a pause of 1 to 5 s, or a back-off that grows."""


class Hasty(random.Random):
    """Takes the shortest pause of every range, so that the test does not spend its time waiting."""

    def uniform(self, a: float, b: float) -> float:
        return min(a, b)


def mend(server: ScriptedGateway) -> None:
    server.script.hello = server.script.ack = True
    server.script.close_on_resume = server.script.refuse_resume = None


def plan(names: list[str], rng: random.Random) -> list[str]:
    chosen = [name for name, number in RARE.items() for _ in range(number)]
    often = [name for name in names if name not in RARE]
    chosen += [often[number % len(often)] for number in range(CUTS - len(chosen))]
    rng.shuffle(chosen)
    return chosen


def failed_in_a_row(server: ScriptedGateway) -> int:
    """The longest run of RESUMEs without a RESUMED or an IDENTIFY between them."""
    longest = run = 0
    for kind, what in server.notes:
        if kind == "frame" and what["op"] == 6:
            run += 1
            longest = max(longest, run)
        elif kind == "resumed" or (kind == "frame" and what["op"] == 2):
            longest, run = max(longest, run - (kind == "resumed")), 0
    return longest


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_hundred_and_twenty_cuts(
    server: ScriptedGateway, store: Store, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway.session, "GOOD_S", 0.05)  # else each cut adds to the back-off of the next
    monkeypatch.setattr(gateway.lookup, "IDENTIFY_SPACING_MS", 200)
    monkeypatch.setattr(gateway.socket, "CLOSE_S", 0.2)
    seed = random.randrange(1 << 30)
    rng = random.Random(seed)
    server.script.interval_ms = 300
    server.script.remaining = BUDGET
    patience = {"gatewayReadyTimeoutMs": 1000, "gatewayRuntimeReadyTimeoutMs": 1000}
    running = start(discord=patience)
    running.gateway.shard._machine.rng = Hasty(seed)
    server.wait_frames(2)
    eventually(lambda: running.gateway.shard.live)
    ways = kinds(server)
    told: Counter[str] = Counter()
    begun_at = time.monotonic()
    for number, name in enumerate(plan(list(ways), rng), 1):
        begun = running.gateway.shard.closes, server.count("open")
        ways[name]()
        if name in ("no HELLO", "RESUME refused", "RESUME answered by op 9 true"):
            wanted = 2 if name == "no HELLO" else 4
            server.wait(lambda: server.count("open") >= begun[1] + wanted, 60.0)  # noqa: B023
        else:
            server.wait(lambda: server.count("open") > begun[1], 30.0)  # noqa: B023
        mend(server)
        told[name] += 1
        flows(server, store, running, number)
    worst = failed_in_a_row(server)
    identifies = len(server.frames(2))
    sys.stdout.write(
        f"seed {seed}: {sum(told.values())} cuts of {len(told)} kinds, {len(server.frames(6))} RESUMEs, "
        f"{identifies} IDENTIFYs of {BUDGET}, at most {worst} RESUMEs failed in a row, "
        f"{time.monotonic() - begun_at:.0f} s\n"
    )
    assert sum(told.values()) == CUTS
    assert worst <= 3
    assert server.script.remaining >= 1
    assert running.error is None
    assert store.lanes.dead_list(10) == []


def flows(server: ScriptedGateway, store: Store, running: Running, number: int) -> None:
    """A message that is said after the cut arrives."""
    eventually(lambda: running.gateway.shard.live, 60.0)
    time.sleep(0.06)
    server.dispatch("MESSAGE_CREATE", message(number))
    eventually(lambda: depth(store) == number, 60.0)
