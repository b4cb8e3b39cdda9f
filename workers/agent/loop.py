"""The loop of a turn: ask the model, run its tools, until it has nothing left to ask for.

Every finished step is in the journal before the next begins (see ``workers.agent.journal``).
A resumed turn comes in at the top with the state its journal gives, which is why each pass
only looks at that state and does the next thing:

    stopped?          → end as stopped
    a call is open    → run, resume, or report "interrupted, outcome unknown"
    a final answer    → finish
    else              → absorb what came in meanwhile, then ask the model

What a model is asked with is made in :mod:`workers.agent.reading`.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from config.agents import ModelRef
from shoal.base.errors import StateConflict
from shoal.base.logging import get_logger
from shoal.state.records import Grant
from shoal.state.steps import Commit, Park, Step, Yield
from workers.agent.aloud import Aloud, speech_in
from workers.agent.attached import Attached
from workers.agent.block_stream import Blocks
from workers.agent.calls import MAX_ROUNDS, Calls, bounded_calls
from workers.agent.context import TurnContext, TurnOverdue, TurnStopped, TurnStuck
from workers.agent.entries import Answered, Edited, Heard, Refused
from workers.agent.final_files import final_files, without_files
from workers.agent.finish import Ending
from workers.agent.incoming import Incoming
from workers.agent.journal import Journal
from workers.agent.models import MODEL_STEP_S, AllModelsFailedError, Answer, candidates
from workers.agent.narration import Narrate, narrate_with
from workers.agent.opening import open_turn, placed, with_model
from workers.agent.presence import Presence, left_behind
from workers.agent.providers.base import ContextOverflowError, ModelError, ModelRequest, ToolCall
from workers.agent.reading import Reading
from workers.agent.results import TurnDeps
from workers.agent.streaming import Stream, ended_preview
from workers.agent.visibility import reply_mode
from workers.sessions.canonical import DUPLICATE_REASON, is_spoken_for
from workers.sessions.changes import DELETED_REASON
from workers.sessions.opened import open_session
from workers.sessions.records import TurnRequest, decode_turn
from workers.sessions.said import words_waiting
from workers.sessions.state import SessionState
from workers.sessions.system_events import pending_events

__all__ = ["TurnLoop"]

GRACE_ROUNDS = 2
ANSWER_CHARS = 24_000
RETRY_DELAYS_MS = (2_000, 8_000, 20_000)
"""Parks between attempts when no model answers; after the last the user is told."""

log = get_logger(__name__)


class TurnLoop:
    """One turn under one grant."""

    def __init__(self, grant: Grant, request: TurnRequest, deps: TurnDeps, context: TurnContext) -> None:
        request = placed(request, grant.lane)
        fields = deps.store.sessions.get(request.session_key)
        request = with_model(request, SessionState.read(fields), deps.store)
        self.grant = grant
        self.deps = deps
        self.context = context
        self.profile = deps.profile(request)
        self.journal = Journal(grant, deps.store.lanes, context)
        tools = deps.tools.for_turn(request, self.profile.tools)
        mode = reply_mode(request, self.profile, tool_available=any(tool.name == "message" for tool in tools))
        self.session = open_session(fields, request, self.profile.reset, cause=grant.head.identity)
        heard = speech_in(self.profile.speech, self.session.state)
        self.profile = replace(self.profile, speech=heard)
        edited = self.journal.state.edited
        if edited is not None:
            request = _with(request, edited)
        self._calls = Calls(grant.head.identity, deps, self.journal, context, self.profile.tools)
        self._files = Attached(grant, deps.store, self.journal, deps.files)
        self._partial: list[str] = []
        context.limit(self.profile.timeout_s)
        self._ending = Ending(
            grant, request, self.profile, mode, self.session, self.journal, self.requests(), hint=deps.hint,
            files=without_files if deps.load is None else final_files(deps.load, context),
            aloud=Aloud(
                self.profile.speech, deps.voices, deps.store.blobs.put, context,
                models=deps.models, refs=self.refs,
            ),
        )  # fmt: skip
        self._incoming = Incoming(
            grant, deps.store.lanes, self.journal, self.profile, self._ending, self._files
        )
        self._reading = Reading(
            deps, self.refs, self.profile, self.session, self.journal, context, self._ending, tools
        )
        self.presence = Presence.none(request)
        self.stream: Stream | Blocks = Stream(grant.head.identity, request, None, self.journal, context)

    @property
    def request(self) -> TurnRequest:
        """The request as it is now: edits from while it waited are in it."""
        return self._ending.request

    @property
    def refs(self) -> list[ModelRef]:
        """Models to ask, in order."""
        return candidates(self.profile.primary, self.profile.fallbacks)

    def requests(self) -> dict[str, TurnRequest]:
        """The absorbed messages by identity."""
        return {
            record.identity: self._files.told(record.identity, decode_turn(record.body))
            for record in self.grant.absorbed
        }

    def run(self) -> Step:
        """Work until the turn ends, parks or is interrupted.

        Raises:
            TurnInterrupted: of the kinds shutdown and lost lease.
        """
        try:
            step = self._whole()
        finally:
            self.stream.close()
        if not isinstance(step, Commit):
            return step
        before, after = ended_preview(
            self.grant.head.identity,
            self.request,
            self.journal,
            self._ending.seen.send,
            keep=self._ending.keeps_draft,
        )
        return replace(step, effects=[*before, *step.effects, *after])

    def _whole(self) -> Step:
        if self.grant.stopped:
            return self._unseen(self._ending.stopped(reason=self._stop_reason()))
        if self.grant.aborted:
            return self._unseen(self._ending.told("stuck"))
        if self.journal.step == 0 and self._answered_already():
            return self._ending.dropped(DUPLICATE_REASON)
        if self.journal.state.untouched and not self._incoming.take_changes():
            return self._ending.dropped(DELETED_REASON)
        if self.profile.acp or self.request.coding:
            return self._ending.told("acp")
        if self.request.reset == "new" and not self.request.text:
            return self._ending.begun()
        quiet_ms = self._incoming.waited(self.session.state.queue_cap or self.profile.queue_cap)
        if quiet_ms:
            return Yield(quiet_ms, "yielded: collecting")
        ended = self._opening()
        if ended is not None:
            return ended
        self._show()
        with self.presence:
            self._hear()
            step = self._to_the_end()
            if isinstance(step, Park):
                self.presence.parked()
            elif isinstance(step, Commit):
                left = self.presence.ended(self._ending.seen)
                step = replace(step, effects=[*step.effects, *left])
            return step

    def _show(self) -> None:
        """Let people see that the turn works."""
        blocks = self._ending.block_rules
        if blocks is not None:
            self.stream = Blocks(blocks, self.journal, self.context, self._ending.block)
        else:
            self.stream = Stream(
                self.grant.head.identity,
                self.request,
                self._ending.stream_settings,
                self.journal,
                self.context,
                reply_to=self._ending.preview_reply_to,
                narrate=self._narrate(),
            )
        if self.deps.presences is not None:
            self.presence = self.deps.presences.open(
                self.grant.head.identity,
                self.request,
                self.profile.shown,
                self.context,
                resumed=self.grant.step > 0,
                spoken=self._ending.talked,
                quiet=not self._ending.may_send,
            )

    def _narrate(self) -> Narrate | None:
        """Who says what the turn does, where such a model is configured."""
        ref = self.profile.utility
        return None if ref is None else narrate_with(self.deps.models, ref, self.request)

    def _unseen(self, step: Commit) -> Commit:
        """A turn that was stopped while it waited: what it had shown must not stay."""
        if self.journal.step == 0:
            return step
        left = left_behind(
            self.grant.head.identity, self.request, self.profile.shown, self._ending.seen, arrived=True
        )
        return replace(step, effects=[*step.effects, *left])

    def _hear(self) -> None:
        """Read once what happened around the conversation since its last turn (R21)."""
        state = self.journal.state
        if state.heard or state.said or state.answers:
            return
        sessions, key = self.deps.store.sessions, self.request.session_key
        # what happened was about the transcript that ended; what the agent said may outlive it (2.5)
        events = [] if self.session.rolled else pending_events(sessions, key)
        said = words_waiting(sessions, key, since_ms=self.request.born_ms if self.session.forgets else 0)
        if events or said:
            self.journal.write(Heard(self.journal.now_ms(), tuple(events), said))

    def _to_the_end(self) -> Step:
        try:
            return self._run()
        except TurnStopped:
            partial = self.stream.partial("".join(self._partial))[:ANSWER_CHARS]
            return self._ending.stopped(partial, self._stop_reason())
        except TurnStuck:
            return self._ending.told("stuck")
        except TurnOverdue:
            return self._ending.trouble("overdue", code="overdue")
        except StateConflict as error:
            # nothing of that step was written; most likely the journal is full
            log.error("turn cannot go on", session=self.request.session_key, error=error)
            return self._ending.trouble("other", code="state-conflict")

    def _stop_reason(self) -> str:
        return self.deps.store.lanes.stop_reason(self.grant.lane)

    def _opening(self) -> Step | None:
        return open_turn(
            self.grant, self.request, self.deps, self.profile, self.session, self.journal, self.context
        )

    def _answered_already(self) -> bool:
        """Its canonical id was answered: PluralKit replaced the message after its turn had begun."""
        if not self.request.original_id:
            return False
        return is_spoken_for(self.deps.store.ledger.explain(self.request.account, self.request.original_id))

    def _run(self) -> Step:
        state = self.journal.state
        waiting = self._incoming.take_files()
        if waiting is not None:
            return waiting
        while True:
            self.context.check()
            if state.pending:
                parked = self._call(state.pending[0])
                if parked is not None:
                    return parked
            elif state.final is not None:
                return self._ending.answered(state.final)
            elif len(state.results) and state.answers >= MAX_ROUNDS + GRACE_ROUNDS:
                return self._ending.trouble("rounds", code="tool-rounds")
            else:
                self.presence.took_in(self._incoming.absorb())
                self._reading.fit()
                ended = self._ask()
                if ended is not None:
                    return ended

    def _call(self, call: ToolCall) -> Park | None:
        """Bring one call to its result, or park, in sight of people."""
        state = self.journal.state
        if state.waiting is None:
            self.stream.using(call.name, call.arguments)
        spoken = len(state.sent)
        parked = self._calls.work(call, self.request, self.presence, self._incoming.joined())
        if any(sent.channel_id == self.request.channel_id for sent in state.sent[spoken:]):
            self.stream.spoke()
        return parked

    # -- the model -----------------------------------------------------------------------------

    def _ask(self) -> Step | None:
        """One answer into the journal, or how the turn ends or waits without one."""
        try:
            answer = self._answer()
        except ModelError as error:
            return self._no_answer(error)
        entry, blocks = self.stream.answered(
            Answered(
                self.journal.now_ms(),
                str(answer.model),
                answer.text[:ANSWER_CHARS],
                bounded_calls(answer.calls, self.journal.step + 1),
                answer.usage,
                answer.stop,
                int(answer.seconds * 1000),
            )
        )
        self.journal.write(entry, blocks)
        return None

    def _answer(self) -> Answer:
        while True:
            try:
                self._partial.clear()
                self.presence.asking()
                self.stream.asking()
                with self.context.step(f"model {self.refs[0]}", MODEL_STEP_S):
                    return self.deps.models.answer(
                        self.refs,
                        self._question,
                        account=self.request.account,
                        watch=self.context.watch,
                        on_text=self._streamed,
                        on_thinking=self._thinks,
                        on_restart=self._restarted,
                    )
            except ContextOverflowError:
                if not self._reading.shorten():
                    raise

    def _question(self, ref: ModelRef) -> ModelRequest:
        self.stream.asked(ref)
        return self._reading.request(ref)

    def _thinks(self) -> None:
        self.context.progress()
        self.presence.reasoning()

    def _streamed(self, text: str) -> None:
        self.context.progress()
        self._partial.append(text)
        self.presence.said(text)
        self.stream.said(text)

    def _restarted(self) -> None:
        self._partial.clear()
        self.stream.restarted()

    def _no_answer(self, error: ModelError) -> Step:
        log.warning("no model answered", code=error.code, session=self.request.session_key, error=error)
        refused = self.journal.state.refused_in_row
        if not error.retryable or refused >= len(RETRY_DELAYS_MS):
            return self._ending.model_failed(error)
        self.journal.write(Refused(self.journal.now_ms(), error.code))
        delay = RETRY_DELAYS_MS[refused]
        if error.retry_after is not None:
            delay = max(delay, min(int(error.retry_after * 1000), 30_000))
        return Park((), delay, f"parked: {_main_code(error)}", wake_on_push=False)


def _with(request: TurnRequest, edited: Edited) -> TurnRequest:
    return msgspec.structs.replace(
        request,
        text=edited.text,
        message_id=edited.message_ids[-1] if edited.message_ids else request.message_id,
        message_ids=edited.message_ids,
        edited=edited.text != request.text,
    )


def _main_code(error: ModelError) -> str:
    main = error.main if isinstance(error, AllModelsFailedError) else None
    return main.code if main is not None else error.code
