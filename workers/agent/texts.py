"""Which of our texts (:mod:`workers.delivery.texts`) tells a user that a model failed."""

from __future__ import annotations

from workers.agent.models import AllModelsFailedError
from workers.agent.providers.base import (
    AuthError,
    BillingError,
    ContextOverflowError,
    ModelError,
    ModelTimeoutError,
    OverloadedError,
    ProviderMissingError,
    RateLimitError,
)
from workers.delivery.texts import language_of, say

__all__ = ["model_failure"]


def model_failure(error: ModelError, *, like: str) -> str:
    """What to tell a user whose answer failed for this reason, in the language of ``like``, their words."""
    main: ModelError = error
    if isinstance(error, AllModelsFailedError) and error.main is not None:
        main = error.main
    name = "overloaded" if isinstance(error, AllModelsFailedError) and error.main is None else "other"
    for kind, text in (
        (AuthError, "auth"),
        (BillingError, "billing"),
        (RateLimitError, "rate-limit"),
        (OverloadedError, "overloaded"),
        (ModelTimeoutError, "timeout"),
        (ContextOverflowError, "overflow"),
        (ProviderMissingError, "missing"),
    ):
        if isinstance(main, kind):
            name = text
    return say(name, language_of(like))
