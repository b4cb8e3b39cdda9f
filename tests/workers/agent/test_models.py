"""Fallbacks, rests, and the words of the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from config.agents import ModelRef
from shoal.state.families import family_of
from shoal.state.store import Store
from workers.agent.context import TurnContext, TurnStopped
from workers.agent.models import (
    GUIDE,
    AllModelsFailedError,
    Answer,
    Cooldowns,
    Models,
    candidates,
)
from workers.agent.providers.base import (
    AuthError,
    BadRequestError,
    BillingError,
    ContextOverflowError,
    Done,
    Event,
    ModelError,
    ModelRequest,
    OverloadedError,
    ProviderMissingError,
    RateLimitError,
    TextDelta,
    Watch,
)
from workers.agent.texts import model_failure

A, B = ModelRef("one", "a"), ModelRef("two", "b")


class Scripted:
    """A provider whose models answer or fail as told; counts its calls."""

    def __init__(self, id: str, *outcomes: type[ModelError] | str, retry_after: float | None = None) -> None:
        self.id = id
        self.outcomes = list(outcomes)
        self.retry_after = retry_after
        self.calls = 0

    def stream(self, request: ModelRequest, watch: Watch) -> Iterator[Event]:
        watch()
        self.calls += 1
        outcome = self.outcomes[min(self.calls, len(self.outcomes)) - 1]
        if not isinstance(outcome, str):
            yield TextDelta("void")
            raise outcome("it failed", provider=self.id, model=request.model, retry_after=self.retry_after)
        yield TextDelta(outcome)
        yield Done("end")

    def close(self) -> None:
        return


def ask(store: Store, refs: Sequence[ModelRef], *providers: Scripted, **options: Any) -> Answer:
    known = {provider.id: provider for provider in providers}
    models = Models(lambda provider_id, _account: known[provider_id], Cooldowns(store))
    options.setdefault("watch", lambda: None)
    return models.answer(refs, lambda ref: ModelRequest(ref.model, "", ()), account="default", **options)


@pytest.mark.parametrize("error", [AuthError, BillingError, RateLimitError, OverloadedError, BadRequestError])
def test_the_next_model_is_asked(store: Store, error: type[ModelError]) -> None:
    seen: list[str] = []
    answer = ask(
        store,
        [A, B],
        Scripted("one", error),
        Scripted("two", "yes"),
        on_text=seen.append,
        on_restart=seen.clear,
    )
    assert (answer.model, answer.text) == (B, "yes")
    assert seen == ["yes"]


def test_a_too_long_conversation_is_no_reason_for_another_model(store: Store) -> None:
    second = Scripted("two", "yes")
    with pytest.raises(ContextOverflowError):
        ask(store, [A, B], Scripted("one", ContextOverflowError), second)
    assert second.calls == 0


def test_a_model_that_failed_rests_for_the_fleet(store: Store) -> None:
    first, second = Scripted("one", OverloadedError), Scripted("two", "yes")
    ask(store, [A, B], first, second)
    ask(store, [A, B], first, second)
    assert (first.calls, second.calls) == (1, 2)
    rest, code = Cooldowns(store).resting(A)
    assert 50 < rest <= 60
    assert code == OverloadedError.code
    assert all(family_of(key.decode()) for key in store.redis.keys("*"))


@pytest.mark.parametrize(
    ("error", "rests"),
    [(RateLimitError, [60, 300, 1500, 3600, 3600]), (BillingError, [18_000, 36_000, 72_000, 86_400])],
)
def test_rests_grow(store: Store, error: type[ModelError], rests: list[int]) -> None:
    cooldowns = Cooldowns(store)
    failure = error("x", provider="one", model="a")
    assert [cooldowns.failed(A, failure) for _ in rests] == rests
    cooldowns.succeeded(A)
    assert cooldowns.resting(A) == (0.0, "")
    assert cooldowns.failed(A, failure) == rests[0]


def test_a_billing_problem_rests_the_whole_provider(store: Store) -> None:
    Cooldowns(store).failed(A, BillingError("x", provider="one", model="a"))
    assert Cooldowns(store).resting(ModelRef("one", "other"))[0] > 17_000
    assert Cooldowns(store).resting(B)[0] == 0


def test_what_the_provider_asks_for_is_respected(store: Store) -> None:
    wait = RateLimitError("x", provider="one", model="a", retry_after=200)
    assert Cooldowns(store).failed(A, wait) == 200


@pytest.mark.parametrize("error", [BadRequestError, ProviderMissingError])
def test_a_wrong_request_rests_nobody(store: Store, error: type[ModelError]) -> None:
    assert Cooldowns(store).failed(A, error("x", provider="one", model="a")) == 0
    assert Cooldowns(store).resting(A) == (0.0, "")


def test_the_only_model_is_asked_although_it_rests(store: Store) -> None:
    only = Scripted("one", OverloadedError, "back")
    with pytest.raises(AllModelsFailedError) as caught:
        ask(store, [A], only)
    assert caught.value.retryable
    assert ask(store, [A], only).text == "back"


def test_the_only_model_is_not_asked_without_credit(store: Store) -> None:
    only = Scripted("one", BillingError, "back")
    for _ in range(2):
        with pytest.raises(AllModelsFailedError):
            ask(store, [A], only)
    assert only.calls == 1


def test_the_summary_names_all_and_the_soonest(store: Store) -> None:
    with pytest.raises(AllModelsFailedError) as caught:
        ask(store, [A, B], Scripted("one", RateLimitError), Scripted("two", BillingError))
    error = caught.value
    assert [ref for ref, _, _ in error.attempts] == [A, B]
    assert error.soonest == 60
    assert "1 min" in str(error)
    assert model_failure(error, like="hi").startswith("My model is getting too many requests")


def test_a_stop_is_no_failure_of_the_model(store: Store) -> None:
    context = TurnContext()
    context.cancel()
    with pytest.raises(TurnStopped):
        ask(store, [A, B], Scripted("one", "x"), Scripted("two", "y"), watch=context.check)
    assert Cooldowns(store).resting(A) == (0.0, "")


def test_candidates_are_each_once_and_the_guide_where_there_is_none() -> None:
    assert candidates(A, [B, A]) == [A, B]
    assert candidates(None) == [GUIDE]


def test_an_answer_without_an_end_is_none(store: Store) -> None:
    class Endless(Scripted):
        def stream(self, request: ModelRequest, watch: Watch) -> Iterator[Event]:
            del request, watch
            yield TextDelta("half")

    with pytest.raises(AllModelsFailedError):
        ask(store, [A], Endless("one"))
