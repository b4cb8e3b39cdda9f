"""The one exception tree.

    ShoalError                      code, message, fix; data fields per class
    ├── InvalidName                 a value that must not become part of a key
    ├── RecordTooLarge              a record's body beyond what a lane takes
    ├── ConfigError                 every problem of a config file at once
    ├── StateError                  Redis
    │   ├── StoreUnavailable        cannot be reached; infrastructure, never a try
    │   ├── StoreUnsuitable         reachable, but eviction, version, … rule it out
    │   ├── StaleGrant              the lane belongs to somebody else now
    │   └── StateConflict           a script refused; nothing was written
    ├── TransportError              no HTTP answer from Discord
    │   └── ProxyError              the configured proxy cannot be used; never "direct"
    ├── DiscordError                an HTTP answer that is an error; see shoal.discord.errors
    ├── ModelError                  a model provider; see workers.agent.providers.base
    ├── RequestError                what somebody asked for is not done; the text is for them
    └── ProcessError                this process cannot start or go on

``str(error)`` is for people and ends with the fix. ``error.code`` is for programs.
``retryable`` says whether the same call may succeed later; ``ambiguous`` says that it
may have had its effect although it failed. Fields never hold secrets.
"""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ConfigError",
    "ConfigIssue",
    "InvalidName",
    "ProcessError",
    "ProxyError",
    "RecordTooLarge",
    "RequestError",
    "ShoalError",
    "StaleGrant",
    "StateConflict",
    "StateError",
    "StoreUnavailable",
    "StoreUnsuitable",
    "TransportError",
]


class ShoalError(Exception):
    """Root of everything Shoal raises on purpose.

    Attributes:
        code: short stable word for programs, ``kebab-case``.
        message: one sentence that says what happened, with the place and the value.
        fix: one sentence that says what to do, or empty.
        retryable: the same call may succeed later.
        ambiguous: the effect may have happened although the call failed.
    """

    code: ClassVar[str] = "error"
    retryable: bool = False
    ambiguous: bool = False

    def __init__(self, message: str, *, fix: str = "") -> None:
        self.message = message
        self.fix = fix
        super().__init__(message)

    def __str__(self) -> str:
        return f"{self.message} {self.fix}".strip() if self.fix else self.message


class InvalidName(ShoalError):
    """A value that must not become part of a Redis key."""

    code = "invalid-name"

    def __init__(self, what: str, value: str) -> None:
        self.what = what
        self.value = value
        super().__init__(f"{what} {value[:80]!r} may hold 1 to 200 of the characters a-z 0-9 : _ . - only.")


class RecordTooLarge(ShoalError, ValueError):
    """A body that does not fit into a record. ``identity`` names the record; ``size`` is in bytes."""

    code = "record-too-large"

    def __init__(self, identity: str, size: int, most: int) -> None:
        self.identity = identity
        self.size = size
        super().__init__(f"The body of {identity} has {size} bytes, at most {most}; larger ones are blobs.")


class ConfigIssue:
    """One problem in a config file: where, what was found, what is allowed."""

    __slots__ = ("allowed", "code", "found", "hint", "message", "path")

    def __init__(
        self, path: str, message: str, *, found: str = "", allowed: str = "", hint: str = "", code: str = ""
    ) -> None:
        """See the class. ``code``: a word for programs, for problems that doctor has an entry for."""
        self.path = path
        self.message = message
        self.found = found
        self.allowed = allowed
        self.hint = hint
        self.code = code

    def __str__(self) -> str:
        parts = [f"{self.path or '(root)'}: {self.message}"]
        if self.found:
            parts.append(f"found {self.found}")
        if self.allowed:
            parts.append(f"allowed: {self.allowed}")
        if self.hint:
            parts.append(self.hint)
        return "; ".join(parts)

    def __repr__(self) -> str:
        return f"ConfigIssue({str(self)!r})"


class ConfigError(ShoalError):
    """The config cannot be used. ``issues`` holds every problem found, not the first."""

    code = "config-invalid"

    def __init__(self, message: str, issues: tuple[ConfigIssue, ...] = (), *, fix: str = "") -> None:
        self.issues = issues
        super().__init__(message, fix=fix)

    def __str__(self) -> str:
        lines = [super().__str__(), *(f"  - {issue}" for issue in self.issues)]
        return "\n".join(lines)


class StateError(ShoalError):
    """Something about Redis."""

    code = "state"


class StoreUnavailable(StateError):
    """Redis cannot be reached or did not answer in time. Nothing is known about the call."""

    code = "store-unavailable"
    retryable = True
    ambiguous = True


class StoreUnsuitable(StateError):
    """Redis answers but must not be used as it is (eviction, version, no password, …)."""

    code = "store-unsuitable"


class StaleGrant(StateError):
    """A fenced call came with a token that does not hold the lane (rule R1). Stop at once."""

    code = "stale-grant"

    def __init__(self, lane: str) -> None:
        self.lane = lane
        super().__init__(f"Lane {lane} is held by somebody else now.")


class StateConflict(StateError):
    """A script checked its input and refused; nothing was written."""

    code = "state-conflict"

    def __init__(self, reason: str, where: str) -> None:
        self.reason = reason
        self.where = where
        super().__init__(f"{where}: refused ({reason}).")


class TransportError(ShoalError):
    """No HTTP answer: connect, TLS, time-out, reset. ``ambiguous`` if bytes had left."""

    code = "transport"
    retryable = True

    def __init__(self, message: str, *, leg: str, ambiguous: bool = False, fix: str = "") -> None:
        self.leg = leg
        self.ambiguous = ambiguous
        super().__init__(message, fix=fix)


class ProxyError(TransportError):
    """The configured proxy cannot be used. There is no direct fallback, ever."""

    code = "proxy"


class RequestError(ShoalError):
    """What a model or a person asked for is not done; the text is theirs to read.

    Attributes:
        misused: they have to ask in another way (a wrong argument, a target nobody understands); else
            the same words may be right elsewhere or later.
    """

    code = "request"
    misused: ClassVar[bool] = False


class ProcessError(ShoalError):
    """This process cannot start or go on; ``exit_code`` is what it leaves with."""

    code = "process"

    def __init__(self, message: str, *, fix: str = "", exit_code: int = 1) -> None:
        self.exit_code = exit_code
        super().__init__(message, fix=fix)
