"""Broker sockets that go silent: how soon does each kind of process consume again, and is anything lost?

A relay stands between a whole fleet and its Redis. A cut swallows the bytes of some or all of the
connections in both directions and closes nothing, as a firewall that forgot a connection does. People
keep writing all the time. What is measured does not go through the relay: Celery's events (who took
a task when), remote control (who answers a ping when) and beat's lock (when it was last extended).

    python -m bench.half_open [--cuts 15] [--seed 1] [folder]

How to read it: one line per cut, seconds from the cut until each kind did its work again. ``lost`` is the
number of messages without an answer at the end, ``twice`` of those with more than one; both must be 0.
Bare Celery, tuned, loses one message per cut of a consumer: the server hands it to the silent socket.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celery import Celery

from bench.chaos.broker import Broker
from bench.fleet import FleetUnderTest
from shoal.state import keys
from shoal.state.store import Store
from tasks.app import build_app

__all__ = ["HEALED_WITHIN_S", "KINDS", "Cut", "Outcome", "run"]

HEALED_WITHIN_S = 20.0
KINDS = ("front", "turns", "back", "chores")
CHANNELS = 6
SAY_EVERY_S = 0.4
PATIENCE_S = 45.0
"""How long a cut is watched before it counts as never healed."""
SHARES = (1.0, 0.5, 0.34)
SETTLE_S = 0.3
"""What a worker had in its own buffers when the cut came is not counted as consuming."""


@dataclass
class Cut:
    """One cut: how many connections of how many, and the seconds until each kind worked again."""

    hit: int
    of: int
    consuming: dict[str, float] = field(default_factory=dict)
    control: dict[str, float] = field(default_factory=dict)
    beat: float | None = None
    answered: float | None = None
    """A message written after the cut had its answer."""

    @property
    def worst(self) -> float:
        """Seconds until every kind took tasks again; infinite if one did not."""
        missing = [kind for kind in KINDS if kind not in self.consuming]
        return float("inf") if missing else max(self.consuming.values())

    def line(self) -> str:
        """For people."""
        took = " ".join(f"{kind} {self.consuming.get(kind, float('inf')):.1f}" for kind in KINDS)
        ping = " ".join(f"{kind} {seconds:.1f}" for kind, seconds in sorted(self.control.items()))
        beat = "-" if self.beat is None else f"{self.beat:.1f}"
        said = "-" if self.answered is None else f"{self.answered:.1f}"
        return f"{self.hit:3}/{self.of:<3} consuming: {took} | answer {said} | beat {beat} | ping: {ping}"


@dataclass
class Outcome:
    """A run. ``answers``: message id → number of answers."""

    cuts: list[Cut]
    answers: dict[str, int]
    said: str = ""

    @property
    def lost(self) -> list[str]:
        """Messages that nobody answered."""
        return [message for message, count in self.answers.items() if not count]

    @property
    def twice(self) -> list[str]:
        """Messages with more than one answer."""
        return [message for message, count in self.answers.items() if count > 1]


class _Witness:
    """Sees the fleet from the other side of the relay."""

    def __init__(self, url: str) -> None:
        self._app: Celery = build_app(url)
        self._store = Store.open(url, client_name="witness")
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.taken: list[tuple[float, str]] = []
        self.pinged: list[tuple[float, str]] = []
        self.locked: list[float] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(body,), daemon=True)
            for body in (self._events, self._knock, self._ping, self._watch_beat)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def wait_for_all(self, timeout: float = 60) -> None:
        """Every kind of worker answers; beat holds its lock."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            taken, pinged, locked = self.after(0)
            if set(KINDS) <= set(pinged) and "chores" in taken and locked is not None:
                return
            time.sleep(0.2)
        raise RuntimeError("the fleet did not come up")

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(5)
        self._store.close()

    def _guarded(self, body: Any) -> None:
        while not self._stop.is_set():
            try:
                body()
            except Exception as error:  # noqa: BLE001 - told, and begun again: a witness must not go blind
                if not self._stop.is_set():
                    print(f"witness: {type(error).__name__}: {error}", file=sys.stderr)
                    self._stop.wait(0.2)

    def _events(self) -> None:
        def took(event: dict[str, Any]) -> None:
            with self._lock:
                self.taken.append((event["timestamp"], event["hostname"].split("@")[0]))

        with self._app.connection_for_read() as connection:
            receiver = self._app.events.Receiver(connection, handlers={"task-received": took})
            while not self._stop.is_set():
                with contextlib.suppress(TimeoutError):
                    receiver.capture(limit=None, timeout=1.0, wakeup=False)

    def _knock(self) -> None:
        """The quarantine has no traffic of its own: knock at a lane where nothing waits."""
        while not self._stop.wait(0.5):
            self._app.send_task("inbound.admit", args=("inbound:nobody:1",), queue="chores")

    def _ping(self) -> None:
        while not self._stop.wait(0.5):
            for answer in self._app.control.ping(timeout=0.5):
                with self._lock:
                    self.pinged += [(time.time(), node.split("@")[0]) for node in answer]

    def _watch_beat(self) -> None:
        last = 0
        while not self._stop.wait(0.1):
            left = int(self._store.redis.pttl(f"{keys.PREFIX}beat::lock"))
            if left > last:
                self.locked.append(time.time())
            last = left

    def after(self, when: float) -> tuple[dict[str, float], dict[str, float], float | None]:
        """First sign of each kind after ``when``: tasks taken, pings answered, beat's lock extended."""
        with self._lock:
            taken, pinged = list(self.taken), list(self.pinged)
        locked = next((at - when for at in list(self.locked) if at > when + SETTLE_S), None)
        return _first(taken, when), _first(pinged, when), locked


def _first(seen: list[tuple[float, str]], when: float) -> dict[str, float]:
    found: dict[str, float] = {}
    for at, kind in seen:
        if at > when + SETTLE_S and kind not in found:
            found[kind] = at - when
    return found


class _People:
    """Write one message after another, whatever happens."""

    def __init__(self, fleet: FleetUnderTest, channels: list[str]) -> None:
        self._fleet, self._channels = fleet, channels
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.said: list[tuple[float, str, str]] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(15)

    def _run(self) -> None:
        number = 0
        while not self._stop.wait(SAY_EVERY_S):
            channel = self._channels[number % len(self._channels)]
            message = self._fleet.control.say(channel, f"please answer m-{number:06}")
            self.said.append((time.time(), channel, str(message["id"])))
            number += 1

    def answers(self) -> dict[str, int]:
        """How often each message was answered so far."""
        counts: Counter[str] = Counter()
        for channel in self._channels:
            for answer in self._fleet.control.messages(channel, author="bot"):
                counts[_answers_to(answer)] += 1
        return {message: counts[message] for _, _, message in list(self.said)}

    def answered_after(self, when: float) -> bool:
        """Whether a message written after ``when`` has its answer."""
        fresh = next(((where, message) for at, where, message in list(self.said) if at > when), None)
        if fresh is None:
            return False
        answers = self._fleet.control.messages(fresh[0], author="bot", after=fresh[1])
        return any(_answers_to(answer) == fresh[1] for answer in answers)


def _answers_to(answer: dict[str, Any]) -> str:
    return str((answer.get("message_reference") or {}).get("message_id"))


def run(folder: Path, *, cuts: int, seed: int = 1) -> Outcome:
    """A fleet, a relay, and ``cuts`` cuts at random moments."""
    dice = random.Random(seed)
    with contextlib.ExitStack() as stack:
        broker = Broker(folder, seed)
        stack.callback(broker.stop)
        broker.start()
        fleet = FleetUnderTest(folder, redis_url=broker.url, seed=seed)
        channels: list[str] = []
        fleet.configure = lambda fleet: _populate(fleet, channels)
        stack.callback(fleet.stop)
        fleet.start()
        fleet.models.script([{"match": r"\b(m-\d{6})\b", "text": "answer to {1}", "delay": 0.4}])
        witness = _Witness(broker.direct_url)
        stack.callback(witness.stop)
        witness.start()
        witness.wait_for_all()
        people = _People(fleet, channels)
        people.start()
        done = []
        try:
            for number in range(cuts):
                time.sleep(dice.uniform(3.0, 8.0))
                done.append(_cut(broker, witness, people, SHARES[number % len(SHARES)]))
                print(done[-1].line(), flush=True)
        finally:
            people.stop()
        _wait_answered(people)
        time.sleep(3.0)  # a second answer would come now
        return Outcome(done, people.answers(), fleet.said())


def _populate(fleet: FleetUnderTest, channels: list[str]) -> dict[str, Any]:
    guild, person = str(fleet.guild["id"]), str(fleet.person["id"])
    channels += [str(fleet.control.add_channel(guild, f"talk-{n}")["id"]) for n in range(CHANNELS)]
    return {
        "channels": {
            "discord": {
                "guilds": {guild: {"users": [person], "requireMention": False}},
                "replyToMode": "all",
            }
        },
        "messages": {
            "groupChat": {"visibleReplies": "automatic"},
            "queue": {"mode": "followup", "debounceMs": 0, "cap": 100},
        },
    }


def _cut(broker: Broker, witness: _Witness, people: _People, share: float) -> Cut:
    open_now = broker.relay("halfopen", 0)["open"]
    at = time.time()
    hit = broker.relay("halfopen", max(1, round(open_now * share)))
    cut = Cut(hit["hit"], hit["open"])
    while time.time() - at < PATIENCE_S:
        cut.consuming, cut.control, cut.beat = witness.after(at)
        if cut.answered is None and people.answered_after(at):
            cut.answered = time.time() - at
        whole = len(cut.consuming) >= len(KINDS) and len(cut.control) >= len(KINDS)
        if whole and cut.answered is not None and cut.beat is not None:
            break
        time.sleep(0.1)
    return cut


def _wait_answered(people: _People) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not all(people.answers().values()):
        time.sleep(0.3)


def main(argv: list[str]) -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m bench.half_open")
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--cuts", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    folder = options.folder or Path(tempfile.mkdtemp(prefix="shoal-half-open-"))
    outcome = run(folder, cuts=options.cuts, seed=options.seed)
    worst = max((cut.worst for cut in outcome.cuts), default=0.0)
    print(f"{len(outcome.cuts)} cuts, {len(outcome.answers)} messages: slowest kind {worst:.1f} s,")
    print(f"lost {len(outcome.lost)}, twice {len(outcome.twice)}; logs in {folder}")
    return 0 if worst <= HEALED_WITHIN_S and not outcome.lost and not outcome.twice else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
