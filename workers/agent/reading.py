"""What the models of a turn are given to read: instructions, the past, what happened around, the turn so far.

It is put together anew for each question, from the session, the journal and the request as it is by then.
What grows too long for a model is summed up once in a turn, or shown in part (:mod:`workers.agent.past`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

from config.agents import ModelRef
from shoal.base.logging import get_logger
from workers.agent.calls import MAX_ROUNDS
from workers.agent.compaction import summarise
from workers.agent.context import TurnContext
from workers.agent.entries import Compacted
from workers.agent.finish import Ending
from workers.agent.journal import Journal
from workers.agent.kept import said_lines
from workers.agent.models import GUIDE, MODEL_STEP_S
from workers.agent.past import Past
from workers.agent.pictures import blinded, pictures_of
from workers.agent.profile import AgentProfile
from workers.agent.prompt import Surroundings, system_prompt, user_text
from workers.agent.providers.base import Message, ModelRequest
from workers.agent.results import TurnDeps
from workers.agent.tools.registry import Tool
from workers.agent.transcript import history_messages
from workers.agent.workspace import workspace_files
from workers.sessions.history import pending
from workers.sessions.opened import OpenedSession
from workers.sessions.system_events import event_lines

__all__ = ["Reading"]

SAID_TOKENS = 16_000
"""Of what the agent had said here unasked, by estimate; :mod:`workers.sessions.said` keeps less than that."""
CUT_OFF = (
    "[Your answer above was cut off there, and people have read it. Go on exactly behind its last word;"
    " repeat nothing and say nothing about this.]"
)
"""To a model that goes on with an answer of which blocks are out."""

log = get_logger(__name__)


class Reading:
    """What one turn reads under one grant. Its request is that of its ``ending``, which edits change.

    Args:
        refs: models of the turn, in the order they are asked.
        tools: what it may call.
    """

    def __init__(
        self,
        deps: TurnDeps,
        refs: Sequence[ModelRef],
        profile: AgentProfile,
        session: OpenedSession,
        journal: Journal,
        context: TurnContext,
        ending: Ending,
        tools: Sequence[Tool],
    ) -> None:
        self._deps = deps
        self._refs = refs
        self._profile = profile
        self._session = session
        self._journal = journal
        self._context = context
        self._ending = ending
        self._tools = tools

    def request(self, ref: ModelRef) -> ModelRequest:
        """The next question, for one of the models."""
        request, profile = self._ending.request, self._profile
        messages = self._turn_messages()
        return ModelRequest(
            model=ref.model,
            system=system_prompt(
                profile,
                request,
                mode=self._ending.mode,
                activation=self._session.state.activation,
                tools=[tool.name for tool in self._tools],
                files=workspace_files(profile, request),
            ),
            messages=(*self._past.messages(), *(messages if profile.sees(ref) else blinded(messages))),
            tools=tuple(tool.spec(request) for tool in self._tools),
            params=profile.params.get(str(ref), {}),
            said=self._said(),
        )

    def fit(self, *, force: bool = False) -> bool:
        """Sum up the older part of a conversation that is too long, once in a turn; false: nothing done.

        Args:
            force: a model has said that it is too much.

        Raises:
            TurnInterrupted: while a model wrote the summary.
        """
        if self._journal.state.compacted is not None or self._refs[0] == GUIDE:
            return False
        part = self._past.to_compact(force=force)
        if part is None:
            return False
        request, policy = self._ending.request, self._profile.compaction
        with self._context.step("compaction", MODEL_STEP_S):
            answer = summarise(
                self._deps.models,
                self._refs,
                policy,
                self._past.summary,
                part.old,
                account=request.account,
                watch=self._context.watch,
            )
        if answer is None:
            return False
        self._journal.write(Compacted(self._journal.now_ms(), answer.text, part.kept_from, answer.usage))
        self._past.compacted(answer.text, part.kept_from)
        log.info("conversation summed up", session=request.session_key, lines=len(part.old))
        return True

    def shorten(self) -> bool:
        """A model has said that it is too much: show less of the past; false when none is left to leave out.

        Raises:
            TurnInterrupted: as :meth:`fit`.
        """
        return self.fit(force=True) or self._past.cut()

    # -- parts -------------------------------------------------------------------------------------

    @cached_property
    def _past(self) -> Past:
        """Read at the first question: the opening of the turn may have given it a past."""
        past = Past(
            self._deps.store.sessions,
            self._remembered,
            self._profile.compaction,
            grouped=self._ending.request.chat_type != "direct",
            max_turns=self._profile.history_turns,
        )
        done = self._journal.state.compacted
        if done is not None:
            past.compacted(done.summary, done.kept_from)
        return past

    @property
    def _remembered(self) -> str:
        """The transcript that is shown; none for a conversation that begins with this turn."""
        opened = self._journal.state.opened
        forked = opened is not None and opened.forked
        return self._session.session_id if forked or not self._session.fresh else ""

    def _turn_messages(self) -> list[Message]:
        """The message that is answered, and what the turn has done since."""
        state = self._journal.state
        files = state.files.get(self._ending.grant.head.identity)
        text = user_text(self._ending.request, self._profile, self._surroundings(), files=files)
        own = said_lines(state.said, self._profile.envelope.timezone)
        messages = history_messages(own, grouped=False, max_tokens=SAID_TOKENS)
        messages.append(Message("user", text=text, pictures=pictures_of(files or ())))
        messages.extend(state.messages)
        if state.told:
            out = state.told + "".join(f"\nMEDIA: {name}" for name in state.told_media)
            messages += [Message("assistant", text=out), Message("user", text=CUT_OFF)]
        if state.answers >= MAX_ROUNDS:
            messages.append(Message("user", text="[Tool limit reached. Answer now, without tools.]"))
        return messages

    def _surroundings(self) -> Surroundings:
        profile, sessions, state = self._profile, self._deps.store.sessions, self._journal.state
        return Surroundings(
            history=pending(sessions, self._ending.request, profile.history_limit, profile.context),
            since_ms=0 if self._session.fresh else self._session.state.last_ms,
            events=tuple(event_lines(state.heard, profile.envelope.timezone)),
            thread_starter=state.opened.starter if state.opened is not None else "",
        )

    def _said(self) -> str:
        """The words of the newest message."""
        latest = list(self._ending.absorbed.values())[-1:]
        return latest[0].text if latest else self._ending.request.text
