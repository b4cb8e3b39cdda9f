"""``reaction.work``: what has to be asked or done about one message, in its order.

Three kinds of records: a reaction of a person of which the event did not say enough, the end of our own
reactions when a turn is over, and the end of the controls of a message of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.discord.errors import RateWait
from shoal.state.records import Failure, Grant, InboundEvent, decode_event
from shoal.state.steps import Commit, Fail, Step
from tasks.runtime import Runtime
from tasks.transports import in_background
from workers.agent.context import TurnContext
from workers.components.expiring import expire
from workers.delivery.controls import EXPIRY
from workers.delivery.settling import KIND as SETTLE
from workers.delivery.settling import settle
from workers.delivery.verdicts import rate_yield
from workers.sessions.admission.reactions import Found, react
from workers.sessions.reaction_facts import ReactionRest, find_out
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

    def rest(account: str) -> Rest:
        return in_background(runtime.rest(account), max_wait=MAX_WAIT_S)

    def handle(grant: Grant, _context: TurnContext) -> Step:
        if grant.head.kind == SETTLE:
            return settle(grant, runtime.store, rest)
        if grant.head.kind == EXPIRY:
            return expire(grant, runtime.store, rest)
        event = decode_event(grant.head.body)
        return _looked_up(runtime, event, rest(event.account))

    return runtime.drain.run(lane, handle, max_records=BATCH)


def _looked_up(runtime: Runtime, event: InboundEvent, rest: ReactionRest) -> Step:
    view = StoreView(runtime.admission_settings(event.account), runtime.store)
    try:
        found = find_out(event, view, runtime.store.lookups, rest)
    except RateWait as wait:
        return rate_yield(wait)
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
