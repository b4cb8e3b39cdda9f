"""The calls of a turn: what a model asked of its tools, each brought to its result once.

A call is journalled before it runs and with its result. One that a dead holder had begun is run
again only where that does no harm; else the model is told that its outcome is unknown (R6, R14). A tool that
waits for something outside parks the turn and is asked again when that has come (R8).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from shoal.base.errors import RequestError, ShoalError, StateError
from shoal.base.foreign import read_json
from shoal.base.logging import get_logger
from shoal.base.redact import redactor
from shoal.state.steps import Park
from workers.access.tool_policy import ToolPolicy
from workers.agent.context import TurnContext, TurnInterrupted
from workers.agent.entries import Finished, SentRecord, Started, Waiting
from workers.agent.journal import Journal
from workers.agent.presence import Presence
from workers.agent.providers.base import ToolCall
from workers.agent.results import TurnDeps
from workers.agent.tools.registry import Tool, ToolContext, ToolError, ToolResult, Wait
from workers.sessions.records import TurnRequest

__all__ = ["MAX_ROUNDS", "UNKNOWN_OUTCOME", "Calls", "bounded_calls"]

MAX_ROUNDS = 40
"""Model answers with tool calls before the model is told to come to an end."""
MAX_CALLS = 16
ARGUMENT_CHARS = 48_000
"""Calls of one answer that are taken, and their arguments together."""
SAME_CALL_MAX = 3
RESULT_CHARS = 16_000
UNKNOWN_OUTCOME = "Interrupted: this call was started, its outcome is unknown. Check before you repeat it."

_ID_JUNK = re.compile(r"[^A-Za-z0-9_-]")

log = get_logger(__name__)


class Calls:
    """Works off the calls of one turn.

    Args:
        cause: identity of the head record; everything a tool sends derives from it.
        policy: which tools the agent has anywhere; none is all.
    """

    def __init__(
        self,
        cause: str,
        deps: TurnDeps,
        journal: Journal,
        context: TurnContext,
        policy: ToolPolicy | None,
    ) -> None:
        self._cause = cause
        self._deps = deps
        self._journal = journal
        self._context = context
        self._policy = policy

    def work(
        self,
        call: ToolCall,
        request: TurnRequest,
        presence: Presence,
        joined: tuple[TurnRequest, ...],
    ) -> Park | None:
        """Bring one call to its result, or park."""
        state = self._journal.state
        tool = self._deps.tools.find(call.name, request, self._policy)
        if tool is None:
            names = (
                ", ".join(known.name for known in self._deps.tools.for_turn(request, self._policy)) or "none"
            )
            self._finish(call, _error(f"There is no tool {call.name!r}. Tools: {names}."))
            return None
        waiting = state.waiting if state.waiting and state.waiting.call_id == call.id else None
        interrupted = state.started == call.id
        if interrupted and not tool.idempotent:
            self._finish(call, _error(UNKNOWN_OUTCOME))
            return None
        if waiting is None and not interrupted:
            refused = self._refuse(call)
            if refused is not None:
                self._finish(call, refused)
                return None
            self._journal.write(Started(self._journal.now_ms(), call.id))
        outcome = self._run(tool, call, waiting, request, presence, joined, again=interrupted)
        if isinstance(outcome, Wait):
            entry = Waiting(self._journal.now_ms(), call.id, outcome.state)
            self._journal.write(entry, list(outcome.effects))
            return Park(outcome.wake_on, outcome.delay_ms, f"parked: {tool.name}", wake_on_push=False)
        self._finish(call, outcome)
        return None

    def _refuse(self, call: ToolCall) -> ToolResult | None:
        state = self._journal.state
        if state.answers > MAX_ROUNDS:
            return _error("The limit of tool calls is reached. Answer now, without tools.")
        same = sum(1 for name, args, _ in state.results if (name, args) == (call.name, call.arguments))
        if same >= SAME_CALL_MAX:
            return _error(f"This exact call was made {same} times already. Do something else, or answer.")
        return None

    def _run(
        self,
        tool: Tool,
        call: ToolCall,
        waiting: Waiting | None,
        request: TurnRequest,
        presence: Presence,
        joined: tuple[TurnRequest, ...],
        *,
        again: bool,
    ) -> ToolResult | Wait:
        state = self._journal.state
        context = ToolContext(
            request=request,
            cause=self._cause,
            # equal after a resume: it counts finished calls of the journal
            step=f"t{len(state.results) + 1}",
            store=self._deps.store,
            turn=self._context,
            again=again,
            joined=joined,
        )
        presence.using(tool.name)
        try:
            with self._context.step(f"tool {tool.name}", tool.limit_s):
                if waiting is not None:
                    return tool.resume(waiting.state, context)
                return tool.run(_arguments(call), context)
        except RequestError as error:
            return _error(str(error))
        except (StateError, TurnInterrupted):
            raise
        except ShoalError as error:
            log.warning("tool failed", tool=tool.name, code=error.code, error=error)
            return _error(f"{tool.name} failed: {error}")
        except Exception as error:  # a bug in a tool must not end the turn; the log has the trace
            log.exception("tool broke", tool=tool.name)
            return _error(f"{tool.name} failed with an internal error ({type(error).__name__}).")

    def _finish(self, call: ToolCall, result: ToolResult) -> None:
        text = result.text
        if len(text) > RESULT_CHARS:
            text = f"{text[:RESULT_CHARS]}… [cut, {len(text) - RESULT_CHARS} characters more]"
        sent = tuple(SentRecord(item.channel_id, item.text, item.message_ids) for item in result.sent)
        self._journal.write(Finished(self._journal.now_ms(), call.id, text, result.error, sent))


def bounded_calls(calls: Sequence[ToolCall], step: int) -> tuple[ToolCall, ...]:
    """The calls of an answer as the journal keeps them.

    Args:
        step: number of the checkpoint that keeps them.
    """
    budget = ARGUMENT_CHARS
    bounded = []
    for number, call in enumerate(calls[:MAX_CALLS]):
        fits = len(call.arguments) <= budget
        budget -= len(call.arguments) if fits else 0
        # ids must be unique within the turn; some servers number from zero in every answer
        name = f"{step}_{number}_{_ID_JUNK.sub('', call.id)}"[:40]
        bounded.append(ToolCall(name, call.name[:100], call.arguments if fits else "too long"))
    return tuple(bounded)


def _error(text: str) -> ToolResult:
    """What went wrong, for the model: a service may have put the key it was asked with into its answer."""
    return ToolResult(redactor.mask(text), error=True)


def _arguments(call: ToolCall) -> dict[str, object]:
    try:
        value = read_json(call.arguments or "{}")
    except ValueError as error:
        raise ToolError(f"The arguments are no JSON: {error}.") from None
    if not isinstance(value, dict):
        raise ToolError("The arguments must be a JSON object.")
    return value
