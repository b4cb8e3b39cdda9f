"""Which model answers: references, fallbacks and cooldowns (``spec/outbound.md`` 9.1).

A call goes to the primary model and, on errors that another model may not have, to the
fallbacks in order. A model that failed rests: 1, 5, 25 minutes, then an hour; a provider
without credit 5 hours, doubling to a day. The rests are shared by the fleet through Redis,
as keys that end by themselves, so only Redis' clock counts. A model without any alternative
is asked although it rests, unless its key or its account was refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.agents import ModelRef
from shoal.base.clock import Clock, SystemClock
from shoal.base.durations import format_duration
from shoal.base.logging import get_logger
from shoal.state.store import Store
from workers.agent.providers.base import (
    AuthError,
    BadRequestError,
    BillingError,
    Done,
    ModelError,
    ModelRequest,
    OverloadedError,
    Provider,
    ProviderMissingError,
    TextDelta,
    Thinking,
    ToolCall,
    Usage,
    Watch,
)

__all__ = [
    "GUIDE",
    "MODEL_STEP_S",
    "AllModelsFailedError",
    "Answer",
    "Cooldowns",
    "Models",
    "candidates",
]

GUIDE = ModelRef("guide", "guide")
"""The built-in agent that answers until a model is configured."""

MODEL_STEP_S = 60.0
"""Limit of a turn's step that asks a model. While it waits it looks up every quarter second; how long a model
may be silent is the provider's."""
REST_S = (60, 300, 1500, 3600)
BILLING_REST_S = (5 * 3600, 10 * 3600, 20 * 3600, 24 * 3600)
COUNT_TTL_S = 24 * 3600

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """One finished answer of a model. ``calls`` in the order the model made them."""

    model: ModelRef
    text: str
    calls: tuple[ToolCall, ...]
    usage: Usage
    stop: str
    seconds: float


class AllModelsFailedError(ModelError):
    """Every candidate failed or rests.

    Attributes:
        attempts: what happened to each, in order; the last error first in weight is ``main``.
        retryable: a later try of the same candidates may succeed.
    """

    code = "model-all-failed"

    def __init__(self, attempts: Sequence[tuple[ModelRef, ModelError | None, float]]) -> None:
        """``attempts`` holds (model, its error or none if it only rests, seconds it rests)."""
        self.attempts = tuple(attempts)
        errors = [error for _, error, _ in attempts if error is not None]
        self.main: ModelError | None = errors[0] if errors else None
        rests = [rest for _, _, rest in attempts if rest > 0]
        self.soonest = min(rests, default=0.0)
        self.retryable = not errors or any(error.retryable for error in errors)
        said = "; ".join(
            str(error) if error is not None else f"{ref} rests" for ref, error, _ in self.attempts
        )
        wait = f" The next can be asked in {format_duration(self.soonest)}." if self.soonest else ""
        first = attempts[0][0]
        super().__init__(
            f"No model could answer: {said}{wait}",
            provider=first.provider,
            model=first.model,
            retry_after=self.main.retry_after if self.main else self.soonest,
        )


def candidates(primary: ModelRef | None, fallbacks: Sequence[ModelRef] = ()) -> list[ModelRef]:
    """The models to ask, in order and without repeats; the guide where none is configured."""
    wanted = [ref for ref in (primary, *fallbacks) if ref is not None]
    return list(dict.fromkeys(wanted)) or [GUIDE]


class Cooldowns:
    """Rests of models and providers, shared by the fleet (families ``model-rest``, ``model-fails``)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._failing: set[str] = set()
        """Models that had failures when they were last looked at: only they have something to forget."""

    def resting(self, ref: ModelRef) -> tuple[float, str]:
        """Seconds this model still rests, and the code of the error; (0, "") if it may be asked."""
        longest: tuple[float, str] = (0.0, "")
        keys = [self._store.keys.model_rest(_scope(scope)) for scope in (ref.provider, str(ref))]
        fails = [self._store.keys.model_fails(_scope(scope)) for scope in (ref.provider, str(ref))]
        pipeline = self._store.redis.pipeline(transaction=False)
        for key in keys:
            pipeline.pttl(key)
        pipeline.exists(*keys, *fails)
        *lefts, known = pipeline.execute()
        if known:
            self._failing.add(str(ref))
        for key, left in zip(keys, lefts, strict=True):
            if int(left) / 1000 > longest[0]:
                code: Any = self._store.redis.get(key)
                longest = (int(left) / 1000, (code or b"").decode())
        return longest

    def failed(self, ref: ModelRef, error: ModelError) -> float:
        """Remember a failure; the seconds this model rests from now on (0: the error is no reason to)."""
        if isinstance(error, BadRequestError | ProviderMissingError) or not error.fallback:
            return 0.0
        self._failing.add(str(ref))
        of_provider = isinstance(error, AuthError | BillingError)
        scope = _scope(ref.provider if of_provider else str(ref))
        count_key = self._store.keys.model_fails(scope)
        count = int(self._store.redis.incr(count_key))
        self._store.redis.expire(count_key, COUNT_TTL_S)
        ladder = BILLING_REST_S if isinstance(error, BillingError) else REST_S
        rest = float(ladder[min(count, len(ladder)) - 1])
        if error.retry_after is not None and not isinstance(error, BillingError):
            rest = max(rest, min(error.retry_after, REST_S[-1]))
        self._store.redis.set(self._store.keys.model_rest(scope), error.code, px=int(rest * 1000))
        return rest

    def succeeded(self, ref: ModelRef) -> None:
        """It answered: forget its failures."""
        if str(ref) not in self._failing:
            return
        self._failing.discard(str(ref))
        keys = []
        for scope in (ref.provider, str(ref)):
            name = _scope(scope)
            keys += [self._store.keys.model_rest(name), self._store.keys.model_fails(name)]
        self._store.redis.delete(*keys)


def _scope(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass
class Models:
    """Asks models on behalf of turns.

    Attributes:
        provider: gives the provider with an id for an account (its proxy), or raises ModelError.
        cooldowns: shared rests; none keeps no memory (tests, CLI).
    """

    provider: Callable[[str, str], Provider]
    cooldowns: Cooldowns | None = None
    clock: Clock = field(default_factory=SystemClock)

    def answer(
        self,
        refs: Sequence[ModelRef],
        request: Callable[[ModelRef], ModelRequest],
        *,
        account: str,
        watch: Watch,
        on_text: Callable[[str], None] = lambda _text: None,
        on_thinking: Callable[[], None] = lambda: None,
        on_restart: Callable[[], None] = lambda: None,
    ) -> Answer:
        """One answer of the first candidate that gives one.

        Args:
            refs: candidates in order, at least one.
            request: makes the request for a candidate.
            account: whose proxy is used.
            on_text: gets text as it streams.
            on_thinking: the model thinks; what it thinks is not kept.
            on_restart: what was streamed is void; another model begins.

        Raises:
            ContextOverflowError: at once; another model is no remedy.
            AllModelsFailedError: no candidate answered.
            Exception: what ``watch`` raised.
        """
        attempts: list[tuple[ModelRef, ModelError | None, float]] = []
        for ref in refs:
            rest, code = self._rest(ref)
            alone = len(refs) == 1 and code not in (AuthError.code, BillingError.code)
            if rest > 0 and not alone:
                attempts.append((ref, None, rest))
                continue
            watch()
            try:
                answer = self._ask(ref, request(ref), account, watch, on_text, on_thinking)
            except ModelError as error:
                if not error.fallback:
                    raise
                rest = self.cooldowns.failed(ref, error) if self.cooldowns else 0.0
                log.warning("model failed", model=str(ref), code=error.code, rest_s=rest, error=error)
                attempts.append((ref, error, rest))
                on_restart()
                continue
            if self.cooldowns is not None and ref != GUIDE:
                self.cooldowns.succeeded(ref)
            return answer
        raise AllModelsFailedError(attempts)

    def _rest(self, ref: ModelRef) -> tuple[float, str]:
        return self.cooldowns.resting(ref) if self.cooldowns else (0.0, "")

    def _ask(
        self,
        ref: ModelRef,
        request: ModelRequest,
        account: str,
        watch: Watch,
        on_text: Callable[[str], None],
        on_thinking: Callable[[], None],
    ) -> Answer:
        began = self.clock.monotonic()
        text: list[str] = []
        calls: list[ToolCall] = []
        usage = Usage()
        stop = ""
        for event in self.provider(ref.provider, account).stream(request, watch):
            if isinstance(event, TextDelta):
                text.append(event.text)
                on_text(event.text)
            elif isinstance(event, Thinking):
                on_thinking()
            elif isinstance(event, ToolCall):
                calls.append(event)
            elif isinstance(event, Usage):
                usage = event
            elif isinstance(event, Done):
                stop = event.stop
        if not stop:
            raise OverloadedError(f"{ref}: the answer has no end.", provider=ref.provider, model=ref.model)
        seconds = self.clock.monotonic() - began
        return Answer(ref, "".join(text), tuple(calls), usage, stop, seconds)
