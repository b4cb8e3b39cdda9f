"""Lanes: ordered mailboxes with at most one holder (the one primitive of the fleet).

A *lane* holds records in order. A worker *acquires* it with a fresh random token and gets
the head; whatever it does to shared state goes through fenced calls that compare that
token; *commit* pops the head together with its effects. A holder that dies leaves its
record at the head: the lease ends, a sweep hints again, another worker goes on from the
journal. So "in flight" is "still stored", and there is no second list to recover.

Where a lane is, and who makes it move on (every lane that is not empty has exactly one
entry in ``due:<class>``, whose score says when somebody must look at it):

    taken     a token and a lease            due = end of the lease, then suspect + 1 (lua/_dead.lua)
    held      hold(lane, deadline)           due = the deadline
    parked    park(..., wake keys)           due = the deadline; wake(key) comes earlier
    waiting   delayed head or back-off       due = that time
    ready     none of these; a hint is out   due = now + nudge: the hint is repeated if the
                                             queue holds fewer hints than lanes are ready

Only Redis' clock is asked. Every script may arrive twice (R4): push is told by identity,
acquire by its token, checkpoint by (token, step), and each call that ends a grant leaves
its answer in ``did:<token>`` for a minute. A token must never be used again after its
grant ended. Theory and experiments: rules R1–R8, R13, R23, R26, R33, R35.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from shoal.base.errors import StaleGrant, StateConflict
from shoal.base.ids import check_name
from shoal.state.effects import Effect, encode_effects
from shoal.state.queues import CLASSES, check_lane
from shoal.state.records import (
    Failed,
    Failure,
    Grant,
    Limit,
    Pushed,
    Record,
    Refused,
    Swept,
    parse_frame,
    parse_records,
)
from shoal.state.views import LaneViews

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["LEASE_MS", "MAX_ABSORBED", "Lanes", "born_before"]

LEASE_MS = 5000
"""Length of a lease; renewers call about every third of it."""
MAX_ABSORBED = 64
MAX_JOURNAL = 256 * 1024
"""Bytes of one journal entry."""


class Lanes(LaneViews):
    """The verbs of the lanes. Thread-safe; holds nothing but the store.

    All calls raise :class:`~shoal.base.errors.StoreUnavailable` when Redis does not answer, and
    :class:`~shoal.base.errors.InvalidName` for names that must not become part of a key. Fenced calls
    (those that take a grant) raise :class:`~shoal.base.errors.StaleGrant` when the lane is no longer
    the caller's, and :class:`~shoal.base.errors.StateConflict` when the script refuses; nothing is
    written then.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    # -- pushing ---------------------------------------------------------------------------------

    def push(self, lane: str, record: Record, *, delay_ms: int = 0, front: bool = False) -> Pushed:
        """Put a record at the end (or the front, but never before a head in work) of a lane.

        Never refused, not even by a held lane. A lane is strictly in order: a delayed record at
        the head delays those behind it. A push to a parked lane wakes it if its park said so.
        """
        reply = self._call(
            "lane_push", check_lane(lane), record.identity, record.frame(), int(delay_ms), int(front)
        )
        return Pushed(new=reply[0] == b"new", depth=int(reply[1]))

    def hold(self, lane: str, *, deadline_ms: int) -> None:
        """Hand nothing out of the lane until :meth:`unhold` or for ``deadline_ms`` from now.

        An empty lane can be held too. A new hold replaces the deadline of an older one. A grant
        that is out goes on; its commit will not get a next head.
        """
        self._call("lane_hold", check_lane(lane), int(deadline_ms))

    def unhold(self, lane: str) -> None:
        """End a hold now; without a hold nothing happens."""
        self._call("lane_hold", check_lane(lane), 0)

    # -- the grant -------------------------------------------------------------------------------

    def acquire(
        self,
        lane: str,
        token: str,
        *,
        ttl_ms: int = LEASE_MS,
        reads: tuple[int, int] = (1, 1),
        limit: Limit | None = None,
        quarantine: bool = False,
        by: str = "",
    ) -> Grant | Refused:
        """Take the lane for ``token`` (fresh from ``new_token()``) and get its head.

        Args:
            ttl_ms: lease length, 100 ms to 10 min.
            reads: lowest and highest record version the caller reads; a newer head is refused without a try.
            limit: a fleet-wide cap on grants of one kind.
            quarantine: True in the quarantine process only; others are refused quarantined heads.
            by: ``<host>:<run>`` of the caller's fleet (:meth:`~shoal.state.processes.Processes.begin`); a
                holder that goes down with its whole fleet is no suspect.
        """
        asked_at = time.monotonic()
        name, cap = (check_name(limit.name, "limit"), int(limit.cap)) if limit else ("", 0)
        reply = self._call(
            "lane_acquire",
            check_lane(lane),
            check_name(token, "token"),
            int(ttl_ms),
            int(reads[0]),
            int(reads[1]),
            name,
            cap,
            int(quarantine),
            by and check_name(by, "holder"),
        )
        if reply[0] == b"refused":
            return Refused(reply[1].decode())
        return _grant(lane, token, reply, asked_at)

    def checkpoint(
        self, grant: Grant, step: int, effects: Sequence[Effect] = (), *, journal: bytes | None = None
    ) -> None:
        """A commit that pops nothing: apply ``effects``, append ``journal``, remember ``step``.

        ``step`` is the last step + 1; the last one again is "already done" and does nothing.

        Raises:
            StaleGrant: the lane is somebody else's.
            StateConflict: the step does not follow, an effect was refused, or the journal is full.
        """
        if journal is not None and len(journal) > MAX_JOURNAL:
            raise StateConflict(f"journal entry of {len(journal)} bytes, at most {MAX_JOURNAL}", grant.lane)
        args = (int(step), int(journal is not None), journal or b"", *encode_effects(effects))
        self._fenced("lane_checkpoint", grant, *args)

    def behind(self, grant: Grant, limit: int = 32) -> list[Record]:
        """Records behind the head that carry a mode, are due and not absorbed yet, oldest first (a peek)."""
        return parse_records(self._fenced("lane_behind", grant, int(limit), 0)[2:])

    def gathering(self, grant: Grant, limit: int = 64) -> list[tuple[Record, int]]:
        """As :meth:`behind`, with those that are not due: (record, milliseconds until it is due, or 0)."""
        reply = self._fenced("lane_behind", grant, int(limit), 1)
        now = int(reply[1])
        return [(record, max(0, record.not_before - now)) for record in parse_records(reply[2:])]

    def absorb(self, grant: Grant, identities: Sequence[str]) -> None:
        """Make records behind the head part of this turn; commit will pop them with the head.

        They stay stored. All must have the head's scope. Absorbing twice is once.

        Raises:
            StateConflict: unknown identity, other scope, or more than 64 in all.
        """
        names = [check_name(identity, "identity") for identity in identities]
        if names:
            self._fenced("lane_absorb", grant, len(names), *names)

    def commit(self, grant: Grant, effects: Sequence[Effect] = (), *, take_next: bool = True) -> Grant | None:
        """Pop the head and what it absorbed, apply ``effects``, drop the journal.

        Args:
            take_next: True gives the next head to the same token if it may be handed out now; False
                releases the lane, with a hint if more is due (one turn = one task).

        Returns:
            The grant for the next head, or None: the lane is released (and gone if empty).
        """
        asked_at = time.monotonic()
        reply = self._fenced("lane_commit", grant, int(take_next), *encode_effects(effects))
        return _grant(grant.lane, grant.token, reply, asked_at) if reply[0] == b"grant" else None

    def park(
        self, grant: Grant, *, delay_ms: int, wake_on: Sequence[str] = (), wake_on_push: bool = True
    ) -> None:
        """Give up the lane but keep its head, until ``delay_ms`` have passed or a wake key fires.

        A key that fired within the last ten minutes wakes at once, so a wake that comes before its
        park is not lost: park only on what is still missing. Not a try.

        Args:
            wake_on: at most 64 keys.
            wake_on_push: a new record in the lane also wakes it (R8).
        """
        keys = [check_name(key, "wake key") for key in wake_on]
        if len(keys) > 64:
            raise StateConflict(f"{len(keys)} wake keys, at most 64", grant.lane)
        self._fenced("lane_park", grant, int(delay_ms), int(wake_on_push), len(keys), *keys)

    def wake(self, key: str) -> int:
        """Make the lanes parked on ``key`` due; the number of them."""
        return int(self._call("lane_wake", check_name(key, "wake key"))[1])

    def move(self, grant: Grant, other_lane: str, *, delay_ms: int = 0) -> None:
        """Take the head out of this lane and put it at the end of another, unchanged; releases.

        ``delay_ms`` delays it there (for windows that later records prolong use :meth:`hold`).

        Raises:
            StateConflict: after the first checkpoint or absorb, or to the lane itself.
        """
        self._fenced("lane_move", grant, check_lane(other_lane), int(delay_ms))

    def yield_(self, grant: Grant, *, delay_ms: int = 0) -> None:
        """Release with head, journal and absorbed kept: shutdown, fairness, rate wait. Not a try."""
        self._fenced("lane_yield", grant, int(delay_ms))

    def fail(
        self, grant: Grant, failure: Failure, *, code: str, reason: str, delay_ms: int | None = None
    ) -> Failed:
        """End the grant over a failure (R13) and say what became of the head.

        Args:
            code: stable word for programs.
            reason: one sentence for people, masked, no content; kept with a dead record.
            delay_ms: back-off to use instead of our own (a provider's ``retry_after``).
        """
        reply = self._fenced(
            "lane_fail",
            grant,
            failure.value,
            check_name(code, "code"),
            reason[:2000],
            -1 if delay_ms is None else int(delay_ms),
        )
        return Failed(reply[1].decode())

    def renew(self, tokens: Mapping[str, str], *, ttl_ms: int = LEASE_MS) -> set[str]:
        """Prolong the leases of ``{lane: token}``; the lanes that were lost (stop that work)."""
        lost: set[str] = set()
        pairs = [(check_lane(lane), check_name(token, "token")) for lane, token in tokens.items()]
        for start in range(0, len(pairs), 256):
            flat = [part for pair in pairs[start : start + 256] for part in pair]
            lost.update(name.decode() for name in self._call("lane_renew", int(ttl_ms), *flat)[1:])
        return lost

    def alive(self, grant: Grant) -> bool:
        """Say that the holder of a lost lease lives: it did not die of the head (R13).

        To be called when the work has ended: a lease that nobody has taken yet ends with this.

        Returns:
            True: it was counted as dead, or would have been, and is not now. At most four times per record.
        """
        names = (check_lane(grant.lane), check_name(grant.token, "token"), grant.head.identity)
        return bool(self._call("lane_alive", *names)[1] == b"excused")

    # -- stop ------------------------------------------------------------------------------------

    def stop(
        self, session_lane: str, bound_born_ms: int, bound_id: str = "", *, reason: str = "", place: str = ""
    ) -> None:
        """Everything of the lane born before (``bound_born_ms``, ``bound_id``) is to end as ``stopped``.

        The bound lives ten minutes, only ever moves forward, and never touches what is born later
        (R7). It wakes the lane; holders learn of it by :meth:`halted`, later ones by ``grant.stopped``.

        Args:
            reason: a word for the outcomes, where no person stopped it (``thread-archived``, …).
            place: ``account|channel|``, where only that ends what came from this place (of a session that
                several people share); such a stop has no reason.
        """
        for name, value in (("bound id", bound_id), ("reason", reason)):
            if value:
                check_name(value, name)
        self._call("lane_stop", check_lane(session_lane), int(bound_born_ms), bound_id, reason, place)

    def stop_reason(self, session_lane: str) -> str:
        """Why the stop in force was written; empty for a person's."""
        reason: bytes | None = self._store.redis.hget(
            self._store.keys.stop(check_lane(session_lane)), "reason"
        )
        return (reason or b"").decode()

    def stop_bound(self, session_lane: str, scope: str) -> tuple[int, str] | None:
        """The bound in force for records of a scope, be it that they are not in the lane yet (admission)."""
        values: list[bytes | None] = self._store.redis.hmget(
            self._store.keys.stop(check_lane(session_lane)), _stop_fields(scope)
        )
        return _furthest(values)

    def abort(self, lane: str, head: str, *, grace_ms: int, ends: bool = True) -> bool:
        """The turn at the head of a lane has stood still for too long.

        Its holder learns of it by :meth:`halted` and ends the head. One that does not look has its lease
        let run out after ``grace_ms``; whoever takes the lane next finds ``grant.aborted``.

        Args:
            ends: False only takes the lane from its holder; the head goes on elsewhere.

        Returns:
            False: another head is there by now, and nothing was done.
        """
        reply = self._call("lane_abort", check_lane(lane), check_name(head, "head"), int(grace_ms), int(ends))
        return bool(reply[1] == b"aborting")

    def halted(self, grant: Grant) -> Literal["", "stopped", "stuck"]:
        """Why the head of this grant must not go on. Cheap; ask at every await point."""
        keys = self._store.keys
        pipeline = self._store.redis.pipeline(transaction=False)
        pipeline.hmget(keys.stop(check_lane(grant.lane)), _stop_fields(grant.head.scope))
        pipeline.get(keys.abort(grant.lane))
        values, abort = pipeline.execute()
        bound = _furthest(values)
        if bound is not None and born_before(grant.head, bound):
            return "stopped"
        word = (abort or b"").decode().split(" ")
        return "stuck" if len(word) == 3 and word[0] == grant.head.identity and word[2] == "1" else ""

    def given_way(self, lane: str, place: str) -> list[bytes]:
        """Lines about messages of a place that gave way in this lane and were not told of yet."""
        lines: list[bytes] = self._store.redis.lrange(self._store.keys.over(check_lane(lane), place), 0, -1)
        return lines

    # -- looking after the lanes -----------------------------------------------------------------

    def sweep(self, cls: str, limit: int = 100) -> Swept:
        """Look at the lanes of a class whose time has come: ended leases, delays, lost hints."""
        if cls not in CLASSES:
            raise StateConflict(f"no lane class {cls!r}", "sweep")
        reply = self._call("lane_sweep", cls, int(limit))
        return Swept(*(int(part) for part in reply[1:6]))

    def depth(self, lane: str) -> int:
        """Records in the lane, the head included."""
        return int(self._store.redis.llen(self._store.keys.lane_order(check_lane(lane))))

    def _call(self, script: str, *args: bytes | str | int) -> list[Any]:
        reply: list[Any] = self._store.script(script)(*args)
        if reply[0] == b"conflict":
            raise StateConflict(reply[1].decode(), script)
        return reply

    def _fenced(self, script: str, grant: Grant, *args: bytes | str | int) -> list[Any]:
        names = (check_lane(grant.lane), check_name(grant.token, "token"), grant.head.identity)
        reply = self._call(script, *names, *args)
        if reply[0] == b"stale":
            raise StaleGrant(grant.lane)
        return reply


def _stop_fields(scope: str) -> list[str]:
    """Where the stops stand that count for a scope: of the lane, then of its place (account, channel)."""
    account, _, rest = scope.partition("|")
    channel, bar, _ = rest.partition("|")
    return ["born", "id", *([f"born {account}|{channel}|", f"id {account}|{channel}|"] if bar else [])]


def _furthest(values: Sequence[bytes | None]) -> tuple[int, str] | None:
    """Of the bounds in ``born, id, born, id`` that which reaches further."""
    found = [
        (int(born), (name or b"").decode())
        for born, name in zip(values[::2], values[1::2], strict=True)
        if born is not None
    ]
    return max(found, key=lambda bound: (bound[0], int(bound[1]) if bound[1].isdigit() else 0), default=None)


def born_before(record: Record, bound: tuple[int, str]) -> bool:
    """Whether a record is older than a stop's bound; equal times are told apart by snowflake."""
    born, bound_id = bound
    if record.born != born:
        return record.born < born
    if record.message_id.isdigit() and bound_id.isdigit():
        return int(record.message_id) < int(bound_id)
    return False


def _grant(lane: str, token: str, reply: list[Any], asked_at: float) -> Grant:
    """A grant from ``grant, identity, frame, step, tries, suspects, stopped, quarantine, ttl, journal,
    absorbed`` (the last two are lists)."""
    _, identity, frame, step, tries, suspects, stopped, quarantine, ttl, journal, absorbed = reply
    entries: list[tuple[int, bytes]] = []
    for entry in journal:
        number, _, data = entry.partition(b"\n")
        entries.append((int(number), data))
    return Grant(
        lane=lane,
        token=token,
        head=parse_frame(identity, frame),
        journal=entries,
        absorbed=parse_records(absorbed),
        step=int(step),
        tries=int(tries),
        suspects=int(suspects),
        stopped=stopped == b"1",
        aborted=stopped == b"2",
        quarantine=quarantine == b"1",
        ttl_ms=int(ttl),
        asked_at=asked_at,
    )
