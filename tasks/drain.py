"""From a hint to commits: the one loop behind every lane task.

    acquire ─▶ handler(grant, context) ─▶ Step ─▶ commit | park | yield | fail ─▶ next head

The handler decides, the loop writes. What a handler raises is sorted into the three kinds of
failure here (rule R13), in one place, so that no handler can get it wrong: infrastructure
costs no try, an error of ours is a try, and a holder that dies is counted by the sweeper. A holder
that only lost its lease (it was frozen, or cut off from Redis) says so and is counted for nothing.

A task ends with one short line without content; that line is what Flower shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from shoal.base import exits
from shoal.base.errors import ShoalError, StaleGrant, StoreUnavailable
from shoal.base.ids import new_token
from shoal.base.logging import get_logger
from shoal.base.stamp import stamped
from shoal.base.threads import Surviving
from shoal.state.lanes import LEASE_MS, Lanes
from shoal.state.records import READS, Failed, Failure, Grant, Limit, Refused
from shoal.state.steps import Commit, Fail, Move, Park, Step, Yield
from tasks.keeper import Keeper
from tasks.stopping import Stopping
from workers.agent.context import LeaseLost, TurnContext, TurnInterrupted

__all__ = ["Drain", "Handler"]

GIVE_BACK_PATIENCE_S = 3.0
"""How long a lane is tried to be given back properly while Redis is away."""
OWN_PACKAGES = frozenset({"config", "gateway", "shoal", "tasks", "workers"})

log = get_logger(__name__)


Handler = Callable[[Grant, TurnContext], Step]


@dataclass
class Drain:
    """Works lanes off for one process.

    Attributes:
        lanes: the lanes of the store.
        keeper: renews what is held here.
        stopping: true once the process wants to leave.
        quarantine: this process runs suspect records alone (queue ``chores``).
        by: whose the grants are, see :meth:`~shoal.state.processes.Processes.begin`.
    """

    lanes: Lanes
    keeper: Keeper
    stopping: Stopping
    quarantine: bool = False
    by: str = ""
    clock: Callable[[], float] = field(default=time.monotonic)

    def run(
        self,
        lane: str,
        handler: Handler,
        *,
        max_records: int = 1,
        max_s: float = 5.0,
        limit: Limit | None = None,
    ) -> str:
        """Work off up to ``max_records`` heads of ``lane`` and say in one line what happened."""
        if self.stopping.requested:
            return "stopping"  # the hint is lost, the record is not: a sweep elsewhere hints again
        token = new_token()
        try:
            grant = self.lanes.acquire(
                lane,
                token,
                ttl_ms=LEASE_MS,
                reads=READS,
                limit=limit,
                quarantine=self.quarantine,
                by=self.by,
            )
        except StoreUnavailable:
            return "store unavailable"  # the hint is lost, the record is not: a sweep hints again
        if isinstance(grant, Refused):
            return f"nothing to do: {grant.reason}"
        deadline = self.clock() + max_s
        summaries: list[str] = []
        current: Grant | None = grant
        while current is not None:
            more = len(summaries) + 1 < max_records and self.clock() < deadline
            more = more and not self.stopping.requested
            step = self._handle(current, handler)
            if step is None:
                return _joined([*summaries, "lost"])
            current, summary = self._settle(current, step, take_next=more)
            summaries.append(summary)
        return _joined(summaries)

    def _handle(self, grant: Grant, handler: Handler) -> Step | None:
        """Run the handler; None when the lane is somebody else's now."""
        context = TurnContext(lease_s=LEASE_MS / 1000, shutting_down=lambda: self.stopping.requested)
        context.granted(grant.asked_at, grant.ttl_ms / 1000)
        with stamped(grant.token, context.still_held), self.keeper.holding(grant, context):
            try:
                return handler(grant, context)
            except (StaleGrant, LeaseLost):
                log.warning("lane passed to another holder", lane=grant.lane, identity=grant.head.identity)
                self.keeper.survived(grant)
                return None
            except TurnInterrupted as interruption:
                return Yield(0, interruption.kind)
            except StoreUnavailable as error:
                return Fail(Failure.INFRASTRUCTURE, error.code, str(error))
            except ShoalError as error:
                log.error("handler failed", lane=grant.lane, identity=grant.head.identity, error=error)
                kind = Failure.INFRASTRUCTURE if error.retryable else Failure.HANDLED
                return Fail(kind, error.code, str(error))
            except ImportError as error:
                return self._unloadable(grant, error)
            except Exception as error:  # a bug: the record fails with a reason, and ends in dead letters
                log.exception("handler raised", lane=grant.lane, identity=grant.head.identity)
                return Fail(Failure.HANDLED, "internal", f"{type(error).__name__} in {grant.lane}")

    def _unloadable(self, grant: Grant, error: ImportError) -> Fail:
        """Something could not be imported. If it is of ours, the files were changed under this process (an
        update in place): that is no fault of the record, and a process that starts now has the new ones.
        """
        log.exception("handler raised", lane=grant.lane, identity=grant.head.identity)
        reason = f"{type(error).__name__} in {grant.lane}"
        if (error.name or "").partition(".")[0] not in OWN_PACKAGES:
            return Fail(Failure.HANDLED, "internal", reason)
        log.error("Shoal's own files were changed while this process ran: it leaves", module=error.name)
        self.stopping.request(exits.BUG)
        return Fail(Failure.INFRASTRUCTURE, "files-changed", reason)

    def _settle(self, grant: Grant, step: Step, *, take_next: bool) -> tuple[Grant | None, str]:
        """Write what the handler decided; (next head or None, summary)."""
        give_up = self.clock() + GIVE_BACK_PATIENCE_S
        while True:
            try:
                return self._write(grant, step, take_next=take_next)
            except StaleGrant:
                self.keeper.survived(grant)
                return None, "lost"
            except StoreUnavailable as error:
                # every call may arrive twice, so it is simply sent again for as long as the lease may live
                if self.clock() > give_up or self.stopping.wait(0.2):
                    log.warning("store away at the end of a step", lane=grant.lane, error=error)
                    self.keeper.survived(grant)
                    return None, "store unavailable"
            except Exception as error:  # what cannot be written, for whatever reason, fails like a bug above
                if isinstance(step, Fail):
                    raise
                step = _unwritable(grant, error)

    def _write(self, grant: Grant, step: Step, *, take_next: bool) -> tuple[Grant | None, str]:
        match step:
            case Commit():
                following = self.lanes.commit(grant, step.effects, take_next=take_next)
                _afterwards(step)
                return following, step.summary
            case Park():
                self.lanes.park(
                    grant, delay_ms=step.delay_ms, wake_on=step.wake_on, wake_on_push=step.wake_on_push
                )
                return None, step.summary
            case Yield():
                self.lanes.yield_(grant, delay_ms=step.delay_ms)
                return None, step.summary
            case Move():
                self.lanes.move(grant, step.lane)
                return None, step.summary
            case Fail():
                failed = self.lanes.fail(
                    grant, step.failure, code=step.code, reason=step.reason, delay_ms=step.delay_ms
                )
                if failed is Failed.DEAD:
                    log.error("record is dead", lane=grant.lane, identity=grant.head.identity, code=step.code)
                return None, f"{failed.value}: {step.code}"


def _unwritable(grant: Grant, error: Exception) -> Fail:
    """What the handler wants cannot be written, or not even be said (a name no key may have, a record too
    large, an effect too many): that is a failure of the handler, with its reason, and not of the holder.
    """
    log.error("step refused", lane=grant.lane, identity=grant.head.identity, error=error, exc_info=error)
    if isinstance(error, ShoalError):
        return Fail(Failure.HANDLED, error.code, str(error))
    # another's words may quote content
    return Fail(Failure.HANDLED, "internal", f"{type(error).__name__} at the end of a step in {grant.lane}")


def _afterwards(step: Commit) -> None:
    if step.after is None:
        return
    with Surviving("what was to follow a commit failed"):  # the commit stands, whatever becomes of this
        step.after()


def _joined(summaries: list[str]) -> str:
    """``"dropped · own-message"`` or, of many, ``"3 records: 2 × admitted, 1 × dropped"``."""
    if len(summaries) == 1:
        return summaries[0]
    counts: dict[str, int] = {}
    for summary in summaries:
        counts[summary] = counts.get(summary, 0) + 1
    listed = ", ".join(f"{number} × {summary}" for summary, number in counts.items())
    return f"{len(summaries)} records: {listed}"
