"""What is done to a fleet, and when: a schedule drawn from a seed before the run begins."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.chaos.broker import Broker
from bench.fleet import FleetUnderTest

__all__ = ["VICTIMS", "Injurer", "Plan", "draw"]

VICTIMS: dict[str, tuple[str, ...]] = {
    "gateway": ("gateway", "--listener-only"),
    "front": ("worker front",),
    "back": ("worker back",),
    "turns": ("worker turns",),
    "chores": ("worker chores",),
    "beat": ("shoal.cli beat",),
    "flower": ("shoal.cli flower",),
    "supervisor": ("shoal.cli.fleet.supervise",),
}
"""Words of the command line of each kind of process."""

WORKERS = ("front", "back", "turns", "chores")

ALONE_GRACE_S = 4.0
"""How long a process of which there is only one takes to be there again: its supervisor, its imports."""

WEIGHTS: dict[tuple[str, str], float] = {
    ("kill", "turns"): 6,
    ("kill", "back"): 5,
    ("kill", "front"): 5,
    ("kill", "gateway"): 5,
    ("kill", "chores"): 1,
    ("kill", "beat"): 0.5,
    ("kill", "flower"): 0.5,
    ("kill", "supervisor"): 0.5,
    ("kill", "redis"): 2,
    ("freeze", "turns"): 3,
    ("freeze", "back"): 2,
    ("freeze", "front"): 2,
    ("freeze", "gateway"): 1.5,
    ("freeze", "redis"): 1,
    ("slow-disk", "redis"): 1.5,
    ("half-open", "broker"): 3,
    ("cut", "broker"): 2,
    ("cut", "websocket"): 3,
    ("rest", "drop_answer"): 3,
    ("rest", "cut_answer"): 2,
    ("rest", "status_after"): 2,
    ("rest", "status"): 3,
    ("rest", "rate_limit"): 3,
    ("rest", "refuse"): 2,
    ("rest", "delay_answer"): 2,
}
SMALL = frozenset(
    {("kill", "turns"), ("kill", "back"), ("kill", "front"), ("kill", "gateway"), ("rest", "drop_answer")}
)
"""What the small version in the test suite does."""


ROUTES = (
    "POST /channels/{channel_id}/messages",
    "POST /channels/{channel_id}/messages",
    "PATCH /channels/{channel_id}/messages/{message_id}",
    "DELETE /channels/{channel_id}/messages/{message_id}",
    "PUT /channels/{channel_id}/messages/*",
    "POST /channels/*/threads",
    "POST /interactions/*",
)
"""Requests whose answers get lost; of plain answers only the first kind."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One injury: ``at`` seconds after the chaos began."""

    at: float
    what: str
    victim: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def draw(seed: int, seconds: float, every_s: float, *, small: bool = False, rich: bool = False) -> list[Plan]:
    """The injuries of a run; the same for the same arguments. ``rich``: answers of all requests get lost."""
    dice = random.Random(seed)
    kinds = [kind for kind in WEIGHTS if not small or kind in SMALL]
    weights = [WEIGHTS[kind] for kind in kinds]
    plans: list[Plan] = []
    at = every_s / 2
    rounds = list(kinds)  # each kind once, in random order, before chance decides
    dice.shuffle(rounds)
    while at < seconds:
        what, victim = rounds.pop() if rounds else dice.choices(kinds, weights)[0]
        plans.append(Plan(at, what, victim, _fields(dice, what, victim, rich)))
        at += every_s * dice.uniform(0.5, 1.5)
    return plans


def _fields(dice: random.Random, what: str, victim: str, rich: bool) -> dict[str, Any]:
    if what == "freeze":
        return {"seconds": round(dice.uniform(1.5, 3.5) if victim == "redis" else dice.uniform(6, 9), 2)}
    if what == "slow-disk":
        return {"seconds": 4.0, "ms": dice.choice((100, 300, 1000)), "kill": dice.random() < 0.6}
    if what in ("half-open", "cut") and victim == "broker":
        return {"share": round(dice.uniform(0.1, 0.5), 2)}
    if victim == "websocket":
        return dice.choice(
            (
                {"action": "cut"},
                {"action": "close", "code": dice.choice((4000, 1001, 1006, 4008))},
                {"action": "reconnect"},
                {"action": "stall", "seconds": 2.0},
            )
        )
    if what == "rest":
        return _rest_fault(dice, victim, rich)
    return {}


def _rest_fault(dice: random.Random, kind: str, rich: bool) -> dict[str, Any]:
    fault: dict[str, Any] = {"kind": kind, "route": "POST /channels/*", "count": dice.randint(1, 6)}
    if kind in ("drop_answer", "cut_answer", "status_after"):
        fault["route"] = dice.choice(ROUTES) if rich else ROUTES[0]
    elif rich:
        fault["route"] = dice.choice(("POST /channels/*", "* /channels/*", "POST /interactions/*"))
    if kind == "status":
        fault |= {"status": dice.choice((500, 502, 503, 504)), "html": dice.random() < 0.5}
    elif kind == "rate_limit":
        fault |= {
            "scope": dice.choice(("user", "shared", "global")),
            "retry_after": dice.choice((0.3, 1.0, 2.0)),
        }
    elif kind == "delay_answer":
        fault |= {"seconds": dice.choice((1.0, 3.0))}
    return fault


class Injurer:
    """Does what the schedule says, on a thread of its own, and notes it in the driver's log.

    Args:
        note: writes a line of the driver's log.
    """

    def __init__(
        self, fleet: FleetUnderTest, broker: Broker, plans: list[Plan], seed: int, note: Callable[..., None]
    ) -> None:
        self._fleet, self._broker, self._plans, self._note = fleet, broker, plans, note
        self._dice = random.Random(seed + 1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="injurer")
        self._frozen: set[int] = set()
        self.trouble: BaseException | None = None

    def start(self) -> None:
        """The chaos begins now."""
        self._thread.start()

    def stop(self) -> None:
        """No more injuries; what is frozen thaws, what is slow is quick again."""
        self._stop.set()
        self._thread.join()
        for fault in self._fleet.control.faults():
            if "contains" not in fault:  # those that refuse one message for good stay
                self._fleet.control.remove_fault(fault["id"])

    def _run(self) -> None:
        begun = time.monotonic()
        try:
            for plan in self._plans:
                if self._stop.wait(max(0.0, begun + plan.at - time.monotonic())):
                    return
                self._do(plan)
        except BaseException as error:
            self.trouble = error
            raise
        finally:
            self._thaw(list(self._frozen))
            self._broker.drag(0)

    def _do(self, plan: Plan) -> None:
        began = time.time()
        about: dict[str, Any] = {}
        if plan.victim == "redis":
            about = self._hurt_redis(plan)
        elif plan.victim == "supervisor":
            about = self._hurt_supervisor()
        elif plan.what in ("kill", "freeze"):
            about = self._hurt_process(plan)
        elif plan.victim == "broker":
            count = max(1, int(40 * float(plan.fields["share"])))
            about = self._broker.relay(plan.what.replace("-", ""), count)
        elif plan.victim == "websocket":
            about = self._fleet.control.gateway(**plan.fields)
        elif plan.what == "rest":
            about = {"fault": self._fleet.control.fault(**plan.fields)["id"]}
        line = {"healed": time.time(), "alone": False, **dict(plan.fields), **about}
        line.pop("kind", None)
        self._note("injury", what=plan.what, victim=plan.victim, time=began, **line)

    def _hurt_process(self, plan: Plan) -> dict[str, Any]:
        """One process of the kind; of several, one at random."""
        pids = sorted(_leaders(self._fleet.pids(*VICTIMS[plan.victim])))
        if not pids:
            return {"pids": [], "missed": True}
        pid = self._dice.choice(pids)
        alone = len(pids) == 1
        if plan.what == "kill":
            _signal(pid, signal.SIGKILL)
            grace = ALONE_GRACE_S if alone else 0.0
            return {"pids": [pid], "alone": alone, "healed": time.time() + grace}
        seconds = float(plan.fields["seconds"])
        self._frozen.add(pid)
        _signal(pid, signal.SIGSTOP)
        healed = time.time() + seconds
        self._stop.wait(seconds)
        self._thaw([pid])
        return {"pids": [pid], "alone": alone, "healed": min(healed, time.time())}

    def _hurt_redis(self, plan: Plan) -> dict[str, Any]:
        if plan.what == "freeze":
            pid = self._broker.pid
            self._frozen.add(pid)
            _signal(pid, signal.SIGSTOP)
            self._stop.wait(float(plan.fields["seconds"]))
            self._thaw([pid])
            return {"alone": True, "healed": time.time()}
        if plan.what == "slow-disk":
            if not self._broker.slow_disk:
                return {"missed": True}
            self._broker.drag(int(plan.fields["ms"]))
            self._stop.wait(float(plan.fields["seconds"]))
            if plan.fields["kill"]:
                self._broker.kill()
            self._broker.drag(0)
            if not plan.fields["kill"]:
                return {"alone": True, "healed": time.time()}
        else:
            self._broker.kill()
        self._stop.wait(self._dice.uniform(0.2, 1.0))
        self._broker.restart()
        return {"alone": True, "healed": time.time()}

    def _hurt_supervisor(self) -> dict[str, Any]:
        """The one process that somebody else must restart: here that is us."""
        pids = self._fleet.pids(*VICTIMS["supervisor"])
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        if self._fleet.process is not None:
            self._fleet.process.wait(timeout=30)
        said = (self._fleet.folder / "up.out").stat().st_size
        self._fleet.up()
        self._fleet.wait_online(60)
        self._wait_for_workers(said)
        return {"pids": pids, "alone": True, "healed": time.time()}

    def _wait_for_workers(self, said: int) -> None:
        """Till each worker has said that it is ready.

        On a busy machine the gateway is online long before; and without workers there is no free slot.
        """
        until = time.monotonic() + 60
        while time.monotonic() < until and not self._stop.wait(0.2):
            wanted = sum(len(_leaders(self._fleet.pids(*VICTIMS[kind]))) for kind in WORKERS)
            with (self._fleet.folder / "up.out").open("rb") as out:
                out.seek(said)
                if wanted and out.read().count(b"worker is ready") >= wanted:
                    return

    def _thaw(self, pids: list[int]) -> None:
        for pid in pids:
            _signal(pid, signal.SIGCONT)
            self._frozen.discard(pid)


def _leaders(pids: list[int]) -> list[int]:
    """Without children of others in the list (a prefork pool looks like its parent)."""
    parents = {pid: _parent(pid) for pid in pids}
    return [pid for pid in pids if parents[pid] not in parents]


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it had gone by itself
