"""From an SDK's exception to our :class:`ModelError`: what happened and what may help.

Both SDKs share the shape (``status_code``, ``body``, ``response.headers``), so one reading
serves both. Texts of providers are kept short and masked; they may quote our request.
"""

from __future__ import annotations

import re
from typing import Any

from shoal.base.errors import TransportError
from shoal.base.redact import redactor
from workers.agent.providers.base import (
    AuthError,
    BadRequestError,
    BillingError,
    ContextOverflowError,
    ModelError,
    ModelTimeoutError,
    OverloadedError,
    RateLimitError,
)

__all__ = ["from_sdk"]

_OVERFLOW = re.compile(
    r"context[ _]length|context window|maximum context|prompt is too long|too many (?:input )?tokens"
    r"|input is too long|exceeds the (?:model'?s )?(?:maximum|context)",
    re.IGNORECASE,
)
_BILLING = re.compile(
    r"insufficient[_ ]quota|insufficient[_ ](?:balance|credit|funds)|billing|credit balance"
    r"|payment required|exceeded your current quota",
    re.IGNORECASE,
)
_OVERLOADED = re.compile(r"overloaded|over capacity|temporarily unavailable|server[_ ]error", re.IGNORECASE)


def from_sdk(error: Exception, *, provider: str, model: str) -> ModelError:
    """The error of ours for an exception of the ``openai`` or ``anthropic`` package."""
    status = getattr(error, "status_code", None)
    where: dict[str, Any] = {
        "provider": provider,
        "model": model,
        "status": status,
        "retry_after": _retry_after(error),
    }
    name = f"{provider}/{model}"
    said = _said(error)
    if status is None:
        return _without_status(error, name, said, where)
    code = str(getattr(error, "code", "") or getattr(error, "type", "") or "")
    evidence = f"{code} {said}"
    if status in (400, 413) and _OVERFLOW.search(evidence):
        return ContextOverflowError(f"{name}: the conversation is too long for it.", **where)
    if status == 402 or (status in (400, 403, 429) and _BILLING.search(evidence)):
        return BillingError(
            f"{name}: no credit left ({said}).", fix="Top up the account or set another model.", **where
        )
    if status in (401, 403):
        return AuthError(
            f"{name}: the key was refused ({said}).",
            fix=f"Check models.providers.{provider}.apiKey.",
            **where,
        )
    if status == 429:
        return RateLimitError(f"{name}: too many requests ({said}).", **where)
    if status == 408:
        return ModelTimeoutError(f"{name}: the provider timed out.", **where)
    if status >= 500 or status == 409:
        return OverloadedError(f"{name}: the provider failed with {status} ({said}).", **where)
    fix = "Check the model's name with the provider." if status == 404 else ""
    return BadRequestError(f"{name}: the request was refused with {status} ({said}).", fix=fix, **where)


def _without_status(error: Exception, name: str, said: str, where: dict[str, Any]) -> ModelError:
    dialled = _dialled(error)
    if dialled is not None:
        return ModelTimeoutError(f"{name}: no connection. {dialled.message}", fix=dialled.fix, **where)
    if "Timeout" in type(error).__name__:
        return ModelTimeoutError(f"{name}: nothing came for too long.", **where)
    if _OVERFLOW.search(said):
        return ContextOverflowError(f"{name}: the conversation is too long for it.", **where)
    if _BILLING.search(said):
        return BillingError(f"{name}: no credit left ({said}).", **where)
    if _OVERLOADED.search(said):  # an error event inside a stream that began with 200
        return OverloadedError(f"{name}: {said}.", **where)
    return ModelTimeoutError(
        f"{name}: no connection, or it broke ({said}).",
        fix="Check the address, the proxy and the network.",
        **where,
    )


def _dialled(error: BaseException) -> TransportError | None:
    """Our dialler's own error below the layers of SDK and client: it says which leg failed."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, TransportError):
        cause = cause.__cause__
    return cause


def _said(error: Exception) -> str:
    cause = error.__cause__
    text = str(getattr(error, "message", "") or error)
    if cause is not None and getattr(error, "status_code", None) is None:
        text = f"{text} {type(cause).__name__}: {cause}"
    return redactor.mask(" ".join(text.split()))[:300]


def _retry_after(error: Exception) -> float | None:
    headers = getattr(getattr(error, "response", None), "headers", None)
    if headers is None:
        return None
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(headers[name]) * scale
        except (KeyError, ValueError):
            continue  # absent, or a date: the cooldown table decides then
    return None
