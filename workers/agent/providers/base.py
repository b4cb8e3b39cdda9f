"""What a model provider is: messages and tools in, a stream of events out.

Messages are in a neutral form of our own; each provider translates. A call is one
request: retries, fallbacks and cooldowns belong to ``workers.agent.models``.

    for event in provider.stream(request, watch):
        TextDelta | ToolCall | Usage | Done

``watch`` is called often, also while the socket is silent; when it raises, the provider
closes its connection and lets the exception pass.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import ClassVar, Literal, Protocol

import msgspec

from shoal.base.errors import ShoalError

__all__ = [
    "AuthError",
    "BadRequestError",
    "BillingError",
    "ContextOverflowError",
    "Done",
    "Event",
    "Message",
    "ModelError",
    "ModelRequest",
    "ModelTimeoutError",
    "OverloadedError",
    "Picture",
    "Provider",
    "ProviderMissingError",
    "RateLimitError",
    "TextDelta",
    "Thinking",
    "ToolCall",
    "ToolSpec",
    "Usage",
    "Watch",
]

Watch = Callable[[], None]
"""Called while waiting; raises to end the call."""


class ToolSpec(msgspec.Struct, frozen=True):
    """A tool as the model sees it. ``parameters`` is a JSON schema of an object."""

    name: str
    description: str
    parameters: Mapping[str, object]


class ToolCall(msgspec.Struct, frozen=True):
    """The model wants a tool to run. ``arguments`` is the JSON text as the model wrote it."""

    id: str
    name: str
    arguments: str


class Picture(msgspec.Struct, frozen=True):
    """A picture on this host's disk, of a kind and size that models take; read when it is sent."""

    path: str
    mime: str

    def base64(self) -> str | None:
        """Its bytes as text, or None if it is there no more."""
        try:
            return base64.b64encode(Path(self.path).read_bytes()).decode()
        except OSError:
            return None


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of the conversation.

    ``user``: text, and pictures if the model has eyes. ``assistant``: text and/or calls. ``tool``: the
    result of ``call_id``.
    """

    role: Literal["user", "assistant", "tool"]
    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    call_id: str = ""
    error: bool = False
    pictures: tuple[Picture, ...] = ()


class ModelRequest(msgspec.Struct, frozen=True):
    """One call. ``model`` is the provider's own name, ``params`` go to the API unchanged.

    ``said`` are the user's bare words, for the built-in guide; real providers read ``messages``.
    """

    model: str
    system: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    max_tokens: int | None = None
    params: Mapping[str, object] = {}
    said: str = ""


class TextDelta(msgspec.Struct, frozen=True):
    """Some more of the answer's text."""

    text: str


class Thinking(msgspec.Struct, frozen=True):
    """The model thinks; what it thinks is neither kept nor shown."""


class Usage(msgspec.Struct, frozen=True):
    """Tokens of the call so far; the last one counts."""

    input: int = 0
    output: int = 0
    cached: int = 0


class Done(msgspec.Struct, frozen=True):
    """The answer is complete. ``stop``: ``end``, ``tools``, ``length``, ``refused``, ``other``."""

    stop: str = "end"


Event = TextDelta | Thinking | ToolCall | Usage | Done


class Provider(Protocol):
    """A place where models run."""

    id: str

    def stream(self, request: ModelRequest, watch: Watch) -> Iterator[Event]:
        """Run one call and yield its events, ``Done`` last.

        Raises:
            ModelError: the call failed; see the fields for what may help.
            Exception: whatever ``watch`` raised.
        """
        ...

    def prepare(self) -> None:
        """Load and build what the first call would have to wait for.

        Raises:
            ModelError: calls will fail for this reason.
        """
        ...

    def close(self) -> None:
        """Give up pooled connections."""
        ...


class ModelError(ShoalError):
    """A model call failed.

    Attributes:
        provider, model: whom we asked.
        status: HTTP status, or none.
        retry_after: seconds the provider asked us to wait, or none.
        fallback: whether another model may be asked instead (class attribute).
    """

    code = "model-error"
    fallback: ClassVar[bool] = True

    def __init__(
        self,
        message: str,
        *,
        provider: str,
        model: str,
        status: int | None = None,
        retry_after: float | None = None,
        fix: str = "",
    ) -> None:
        self.provider = provider
        self.model = model
        self.status = status
        self.retry_after = retry_after
        super().__init__(message, fix=fix)


class AuthError(ModelError):
    """The key is missing, wrong or not allowed to use this model."""

    code = "model-auth"


class BillingError(ModelError):
    """The account has no credit or its plan does not cover the call."""

    code = "model-billing"


class RateLimitError(ModelError):
    """Too many requests or tokens; later it works."""

    code = "model-rate-limit"
    retryable = True


class OverloadedError(ModelError):
    """The provider is down or too busy (5xx, 529)."""

    code = "model-overloaded"
    retryable = True


class ModelTimeoutError(ModelError):
    """No connection, or nothing came for too long."""

    code = "model-timeout"
    retryable = True


class ContextOverflowError(ModelError):
    """The conversation is longer than the model can read. Another model does not help by itself."""

    code = "model-context-overflow"
    fallback = False


class BadRequestError(ModelError):
    """The provider refused the request as such (unknown model, unsupported parameter)."""

    code = "model-bad-request"


class ProviderMissingError(ModelError):
    """The provider's SDK is not installed or the provider is not configured."""

    code = "model-provider-missing"
