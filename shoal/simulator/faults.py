"""Faults: what goes wrong on purpose, where, how often.

A fault has a kind, a pattern of where it strikes (``route``, ``bot``, ``event``, ``at``, ``contains``), and
may be limited: ``skip`` matching moments pass first, then it strikes ``count`` times (default 1, null for
ever), each time with ``probability``. The kinds with their own fields are :data:`KINDS`.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from shoal.simulator.errors import TEXTS, ControlError, SimulatorError

__all__ = ["KINDS", "Fault", "Faults"]

KINDS: dict[str, dict[str, Any]] = {
    # HTTP; ``route`` is "POST /channels/{channel_id}/messages" or a pattern with *
    "refuse": {},  # the connection is cut before anything is done
    "drop_answer": {},  # the request is done, then the connection is cut
    "cut_answer": {},  # the request is done, half of the answer is sent, then the connection is cut
    "status": {"status": 503, "body": None, "html": False},  # nothing is done, this is answered
    "status_after": {"status": 502, "body": None, "html": True},  # done, then this is answered
    "error": {"code": 0},  # nothing is done, the error of this code is answered, in Discord's own words
    "rate_limit": {"retry_after": 0.5, "scope": "user"},  # nothing is done, 429
    "delay": {"seconds": 1.0},  # waits, then does it
    "delay_answer": {"seconds": 1.0},  # does it, then waits
    # the CDN; ``route`` is "GET /cdn/attachments" or "GET /cdn/stickers"; those above strike there too
    "slow_answer": {"bytes_per_s": 100_000},  # the file comes at this pace
    "redirect": {"status": 302, "location": ""},  # this is answered
    # gateway; ``at`` is connect, identify, resume, heartbeat or event (then ``event`` may name one)
    "gateway_refuse": {"status": 503},  # the websocket handshake fails; 0 cuts the connection
    "gateway_close": {"code": 4000, "at": "event"},
    "gateway_cut": {"at": "event"},  # the TCP connection ends without a close frame
    "gateway_reconnect": {"at": "event"},  # op 7
    "gateway_invalid_session": {"resumable": False, "at": "resume"},  # op 9
    "gateway_stall": {"seconds": 5.0, "at": "event"},  # half open: nothing is sent any more, then cut
    "gateway_no_ack": {},  # a heartbeat is not acknowledged
    "gateway_drop_event": {},  # the event never reaches this bot, not even by RESUME
    "gateway_duplicate_event": {},  # the event comes twice, with two sequence numbers
    "gateway_delay_event": {"seconds": 1.0},  # this event and those behind it come later
}

_PLACES = ("route", "bot", "event", "at", "contains")
_LIMITS = ("count", "probability", "skip")


@dataclass(slots=True)
class Fault:
    """One fault that is set."""

    id: int
    kind: str
    where: dict[str, str]
    fields: dict[str, Any]
    count: int | None = 1
    probability: float = 1.0
    skip: int = 0
    fired: int = 0
    seen: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For the control API."""
        return {
            "id": self.id,
            "kind": self.kind,
            **self.where,
            **self.fields,
            "count": self.count,
            "probability": self.probability,
            "skip": self.skip,
            "fired": self.fired,
        }


@dataclass(slots=True)
class Faults:
    """The set of faults. ``seed`` makes probabilities repeatable."""

    seed: int = 0
    faults: list[Fault] = field(default_factory=list)
    _ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    @property
    def look_inside(self) -> bool:
        """Whether one of them asks what a body or an event holds."""
        return any("contains" in fault.where for fault in self.faults)

    def load(self, path: Path) -> None:
        """Read a JSON list of faults.

        Raises:
            SimulatorError: the file cannot be read or holds something else.
        """
        try:
            specs = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SimulatorError(f"Fault file {path} cannot be read: {error}.") from error
        if not isinstance(specs, list):
            raise SimulatorError(
                f"Fault file {path} holds no list.", fix='Write [{"kind": "drop_answer", …}].'
            )
        for spec in specs:
            self.add(spec)

    def add(self, spec: Mapping[str, Any]) -> Fault:
        """Set a fault from ``{kind, …}``.

        Raises:
            ControlError: the kind or a field is unknown.
        """
        kind = str(spec.get("kind"))
        if kind not in KINDS:
            raise ControlError(f"No fault {kind!r}.", status=400, fix=f"Known: {', '.join(KINDS)}.")
        own = KINDS[kind]
        strange = set(spec) - {"kind", *own, *_PLACES, *_LIMITS}
        if strange:
            raise ControlError(
                f"Fault {kind} has no field {', '.join(sorted(strange))}.",
                status=400,
                fix=f"Known: {', '.join((*own, *_PLACES, *_LIMITS))}.",
            )
        if kind == "error" and spec.get("code") not in TEXTS:
            raise ControlError(f"The words of error {spec.get('code')!r} are not known.", status=400)
        fault = Fault(
            next(self._ids),
            kind,
            {key: str(spec[key]) for key in _PLACES if spec.get(key) is not None and key not in own},
            {key: spec.get(key, default) for key, default in own.items()},
            None if "count" in spec and spec["count"] is None else int(spec.get("count", 1)),
            float(spec.get("probability", 1.0)),
            int(spec.get("skip", 0)),
        )
        self.faults.append(fault)
        return fault

    def remove(self, fault_id: int) -> None:
        """Take a fault away; an unknown number is fine."""
        self.faults = [fault for fault in self.faults if fault.id != fault_id]

    def take(self, *kinds: str, **facts: str) -> Fault | None:
        """The first fault of ``kinds`` that strikes at a moment with these facts, counted as fired."""
        for fault in self.faults:
            if fault.kind not in kinds or not self._strikes(fault, facts):
                continue
            fault.fired += 1
            if fault.count is not None and fault.fired >= fault.count:
                self.faults.remove(fault)
            return fault
        return None

    def _strikes(self, fault: Fault, facts: Mapping[str, str]) -> bool:
        if "at" in fault.fields and fault.fields["at"] != facts.get("at"):
            return False
        for key, pattern in fault.where.items():
            value = facts.get(key, "")
            if key == "contains":
                if pattern not in facts.get("body", ""):
                    return False
            elif not fnmatchcase(value, pattern):
                return False
        fault.seen += 1
        return fault.seen > fault.skip and self._random.random() < fault.probability
