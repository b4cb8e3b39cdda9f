"""``reaction.work``: what has to be asked about the reactions of one message, in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.discord.errors import RateWait
from shoal.discord.limiter import Priority
from shoal.discord.retry import RetryPolicy
from shoal.state.records import Failure, Grant, decode_event
from shoal.state.steps import Commit, Fail, Step, Yield
from tasks.runtime import Runtime
from workers.agent.context import TurnContext
from workers.sessions.admission.reactions import Found, react
from workers.sessions.reaction_facts import find_out
from workers.sessions.view import StoreView

if TYPE_CHECKING:
    from shoal.discord.rest import Rest

__all__ = ["react_lane"]

BATCH = 20
MAX_WAIT_S = 0.05
LATE_MS = 10 * 60_000
"""After this nobody needs to know any more that somebody reacted."""

log = get_logger(__name__)


def react_lane(runtime: Runtime, lane: str) -> str:
    """Work off the lane of one message's reactions."""

    def handle(grant: Grant, _context: TurnContext) -> Step:
        return _looked_up(runtime, grant)

    return runtime.drain.run(lane, handle, max_records=BATCH)


def background_rest(runtime: Runtime, account: str) -> Rest:
    """Calls that wait for nobody: they go behind all others, and a wait goes back to the lane."""
    return runtime.rest(account).limited(
        max_wait=MAX_WAIT_S, retry=RetryPolicy(attempts=1), priority=Priority.BACKGROUND
    )


def _looked_up(runtime: Runtime, grant: Grant) -> Step:
    event = decode_event(grant.head.body)
    view = StoreView(runtime.admission_settings(event.account), runtime.store)
    try:
        found = find_out(event, view, runtime.store.lookups, background_rest(runtime, event.account))
    except RateWait as wait:
        return Yield(max(50, int((wait.retry_after or 1.0) * 1000)), "rate limit")
    except ShoalError as error:
        if not error.code.startswith("store") and runtime.store.now_ms() - event.received_ms > LATE_MS:
            log.warning("a reaction is left out: Discord did not answer", code=error.code, error=error)
            found = Found(late=True)
        elif error.retryable:
            return Fail(Failure.INFRASTRUCTURE, error.code, str(error))
        else:
            raise
    admission = react(event, view, found if found != Found() else Found(late=True))
    return Commit(admission.effects, admission.summary)
