"""One turn: from the record at the head of a session lane to what its lane is to do next.

    grant ─▶ run_turn ─▶ Commit, Park, Yield or Fail

The drain loop of ``tasks`` makes that one lane call; everything before went through
checkpoints, so a crash at any point leaves a journal that the next holder goes on from.
"""

from __future__ import annotations

import msgspec

from shoal.base.errors import ConfigError
from shoal.state.records import Failure, Grant
from shoal.state.steps import Commit, Fail, Step, Yield
from workers.agent.context import TurnContext, TurnShutdown
from workers.agent.loop import TurnLoop
from workers.agent.results import TurnDeps
from workers.sessions import changes
from workers.sessions.records import decode_turn

__all__ = ["run_turn"]


def run_turn(grant: Grant, deps: TurnDeps, context: TurnContext) -> Step:
    """Answer the head of a session lane.

    Raises:
        StaleGrant, LeaseLost: the lane is somebody else's; stop, and touch it no more.
        StoreUnavailable: Redis is away; the journal holds what was finished.
        NewerJournal: a newer release has begun this turn; infrastructure, no try (rule R26).
    """
    context.granted(grant.asked_at, grant.ttl_ms / 1000)
    context.watch_stop(lambda: deps.store.lanes.halted(grant))
    if grant.head.kind == changes.KIND:
        return Commit([], "change: nothing left to change")
    try:
        request = decode_turn(grant.head.body)
        loop = TurnLoop(grant, request, deps, context)
    except msgspec.DecodeError as error:
        return _failed("turn-unreadable", f"record or journal cannot be read: {error}")
    except ConfigError as error:
        return _failed("config", error.message)
    try:
        return loop.run()
    except TurnShutdown:
        return Yield(0, "yielded: shutdown")


def _failed(code: str, reason: str) -> Fail:
    return Fail(Failure.HANDLED, code, reason)
