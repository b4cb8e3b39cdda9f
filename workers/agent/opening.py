"""The first step of a turn in a thread: the thread itself, how it began, what its parent remembers.

All of it is asked once and journalled, so that a resumed turn reads the same prompt
(``spec/inbound.md`` 5.6, 5.7). A conversation that goes on has nothing to open.
"""

from __future__ import annotations

import msgspec

from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.discord.errors import RateLimited, RateWait
from shoal.state.effects import Effect, Fork, Note, Push
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit, Step
from shoal.state.store import Store
from workers.agent.context import TurnContext
from workers.agent.entries import Opened
from workers.agent.journal import Journal
from workers.agent.past import Past
from workers.agent.profile import AgentProfile
from workers.agent.results import TurnDeps
from workers.agent.threads import ThreadRefused
from workers.delivery.verdicts import rate_yield
from workers.sessions.auto_threads import in_channel, in_thread
from workers.sessions.keys import channel_key, session_lane
from workers.sessions.opened import OpenedSession
from workers.sessions.records import TurnRequest, decode_turn, encode
from workers.sessions.state import SessionState

__all__ = ["open_turn", "parent_state", "placed", "with_model"]

PATIENCE_MS = 60_000
"""So long after a message came in, a thread that still cannot be made is given up for its channel."""
OPEN_STEP_S = 30.0

log = get_logger(__name__)


def placed(request: TurnRequest, lane: str) -> TurnRequest:
    """The request as its lane says: in its own thread, or (moved there) in its channel."""
    if request.auto_thread is None:
        return request
    if lane == session_lane(request.auto_thread.session_key):
        return in_thread(request)
    return in_channel(request)


def parent_state(store: Store, request: TurnRequest) -> SessionState:
    """The session of a thread's parent channel with the same agent; empty where there is none."""
    if not request.is_thread or request.parent_id is None:
        return SessionState()
    return SessionState.read(store.sessions.get(channel_key(request.agent_id, request.parent_id)))


def with_model(request: TurnRequest, state: SessionState, store: Store) -> TurnRequest:
    """The model chosen for the conversation: its own choice, else its parent's (5.6)."""
    chosen = state.model_override or parent_state(store, request).model_override
    return msgspec.structs.replace(request, model_override=chosen) if chosen else request


def open_turn(
    grant: Grant,
    request: TurnRequest,
    deps: TurnDeps,
    profile: AgentProfile,
    session: OpenedSession,
    journal: Journal,
    context: TurnContext,
) -> Step | None:
    """Make ready what the thread of ``request`` needs; what was found is in the journal's state.

    Returns:
        How the turn ends here: given to its channel, or to be taken again; ``None``: it goes on.

    Raises:
        DiscordError, TransportError: Discord is away; it is tried again.
    """
    if journal.state.opened is not None or not request.is_thread:
        return None
    if request.auto_thread is not None:
        ended = _thread(grant, request, deps, journal, context)
        if ended is not None:
            return ended
    starter = _starter(request, deps, profile, session, context)
    parent = _inherited(request, deps.store, profile, session)
    if request.auto_thread is None and not starter and not parent:
        return None
    effects: list[Effect] = [Fork(parent, session.session_id)] if parent else []
    journal.write(Opened(journal.now_ms(), forked=bool(parent), starter=starter), effects)
    return None


def _thread(
    grant: Grant, request: TurnRequest, deps: TurnDeps, journal: Journal, context: TurnContext
) -> Step | None:
    """The thread the answer goes into exists after this; else how the turn ends here."""
    try:
        if deps.threads is None:
            raise ThreadRefused("This process makes no threads.")
        with context.step("thread", OPEN_STEP_S):
            deps.threads.open(request)
    except (RateWait, RateLimited) as error:
        return rate_yield(error)
    except ThreadRefused as error:
        return _to_channel(grant, request, error)
    except ShoalError as error:
        if not error.retryable or journal.now_ms() - request.received_ms < PATIENCE_MS:
            raise
        return _to_channel(grant, request, error)
    if deps.title is not None and request.auto_thread is not None and request.auto_thread.generated:
        deps.title(request)
    return None


def _to_channel(grant: Grant, request: TurnRequest, error: ShoalError) -> Step:
    """The message goes into the lane of its channel, before any model was asked (rule R22).

    As a commit, because its story has to say so: an edit follows a message to where it waits.
    """
    log.warning("no thread, the answer goes into the channel", session=request.session_key, error=error)
    head = grant.head
    there = msgspec.structs.replace(
        in_channel(decode_turn(head.body)),
        text=request.text,
        message_ids=request.message_ids,
        edited=request.edited,
    )
    record = Record(
        identity=head.identity,
        kind=head.kind,
        body=encode(there),
        born=head.born,
        mode=head.mode,
        scope=there.scope,
        account=head.account,
        message_id=head.message_id,
    )
    return Commit(
        [
            Push(session_lane(there.session_key), record),
            Note(there.account, there.message_id, "session", there.session_key),
        ],
        f"moved: {error.code}",
    )


def _starter(
    request: TurnRequest,
    deps: TurnDeps,
    profile: AgentProfile,
    session: OpenedSession,
    context: TurnContext,
) -> str:
    """How the thread began, for the first turn in it; empty where that is not known or not to be shown."""
    if not session.fresh or not profile.thread_starter or request.auto_thread is not None:
        return ""
    if deps.threads is None:
        return ""
    with context.step("thread", OPEN_STEP_S):
        found = deps.threads.starter(request)
    if found is None or not profile.context.shows("thread_starter", found.author):
        return ""
    return found.text


def _inherited(request: TurnRequest, store: Store, profile: AgentProfile, session: OpenedSession) -> str:
    """The parent's transcript that a new thread begins with, where it may and is not too long."""
    if not profile.inherit_parent or session.began != "first":
        return ""
    parent = parent_state(store, request).session_id
    if not parent:
        return ""
    tokens = Past(store.sessions, parent, profile.compaction, grouped=True).tokens
    if tokens > profile.parent_fork_max_tokens:
        log.info(
            "the parent's transcript is too long to begin with", session=request.session_key, tokens=tokens
        )
        return ""
    return parent
