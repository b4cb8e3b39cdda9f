"""Lanes as plain Python: what the scripts must agree with. Time stands still in it."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Head:
    """What is known of the head besides its record."""

    step: int = 0
    journal: list[tuple[int, bytes]] = field(default_factory=list)
    absorbed: list[str] = field(default_factory=list)
    tries: int = 0
    suspects: list[str] = field(default_factory=list)
    excused: int = 0
    infra: int = 0
    quarantine: bool = False
    waits: bool = False
    parked: frozenset[str] | None = None
    wake_on_push: bool = False

    def in_work(self) -> bool:
        """Whether a push to the front must stay behind it."""
        return bool(
            self.step
            or self.absorbed
            or self.tries
            or self.suspects
            or self.excused
            or self.infra
            or self.parked is not None
        )


@dataclass
class Lane:
    """One lane."""

    records: list[str] = field(default_factory=list)
    delayed: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    token: str | None = None
    held: bool = False
    head: Head = field(default_factory=Head)

    def state(self) -> str:
        """Where the lane stands; the words of ``overview``, and ``missing``."""
        if self.token:
            return "taken"
        if self.held:
            return "held"
        if not self.records:
            return "missing"
        if self.head.parked is not None:
            return "parked"
        if self.head.waits or self.records[0] in self.delayed:
            return "waiting"
        return "ready"

    def push(self, identity: str, front: bool, delayed: bool, keep: bool = False) -> bool:
        """Add a record; False if the lane knows it."""
        if identity in self.records or (identity in self.gone and not keep):
            return False
        if front and self.records:
            at = 1 if self.token or self.head.in_work() else 0
            self.records.insert(at, identity)
        else:
            self.records.append(identity)
        (self.delayed.add if delayed else self.delayed.discard)(identity)
        if self.head.parked is not None and self.head.wake_on_push:
            self.head.parked = None
        return True

    def pop(self) -> str:
        """Take the head out, remembering it."""
        identity = self.records.pop(0)
        self.gone.add(identity)
        self.head = Head()
        return identity

    def drop(self, identity: str) -> None:
        """Take a record behind the head out."""
        self.records.remove(identity)
        self.gone.add(identity)

    def refusal(self, quarantine: bool) -> str | None:
        """Why an acquire is refused, or None."""
        if not self.records:
            return "empty"
        state = self.state()
        if state != "ready":
            return state
        return "quarantined" if self.head.quarantine and not quarantine else None

    def takeable(self) -> bool:
        """Whether a commit may go on with the next head."""
        return bool(self.records) and not self.held and self.records[0] not in self.delayed
