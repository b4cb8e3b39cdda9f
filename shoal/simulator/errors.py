"""Errors of the simulator: those a client sees (Discord's error JSON) and those of its own control API."""

from __future__ import annotations

from typing import Any, ClassVar

from shoal.base.errors import ShoalError

__all__ = ["ApiError", "ControlError", "SimulatorError", "forbidden", "invalid_form", "unknown"]


class SimulatorError(ShoalError):
    """The simulator cannot start or was used wrongly."""

    code: ClassVar[str] = "simulator"


class ControlError(SimulatorError):
    """The control API refused a call. ``status`` is its HTTP status, 0 when nothing answered."""

    code: ClassVar[str] = "simulator-control"

    def __init__(self, message: str, *, status: int = 0, fix: str = "") -> None:
        self.status = status
        super().__init__(message, fix=fix)


class ApiError(Exception):
    """An answer of the simulated Discord that is an error: HTTP ``status`` and the JSON error body."""

    def __init__(self, status: int, code: int, message: str, errors: dict[str, Any] | None = None) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.errors = errors
        super().__init__(f"{status} {code} {message}")

    def body(self) -> dict[str, Any]:
        """The JSON body Discord sends with this error."""
        body: dict[str, Any] = {"message": self.message, "code": self.code}
        if self.errors:
            body["errors"] = self.errors
        return body


_UNKNOWN = {
    "application": (10002, "Unknown Application"),
    "channel": (10003, "Unknown Channel"),
    "guild": (10004, "Unknown Guild"),
    "member": (10007, "Unknown Member"),
    "message": (10008, "Unknown Message"),
    "role": (10011, "Unknown Role"),
    "user": (10013, "Unknown User"),
    "emoji": (10014, "Unknown Emoji"),
    "webhook": (10015, "Unknown Webhook"),
    "interaction": (10062, "Unknown interaction"),
    "command": (10063, "Unknown application command"),
    "voice state": (10065, "Unknown Voice State"),
    "overwrite": (10009, "Unknown Overwrite"),
    "ban": (10026, "Unknown Ban"),
}


def unknown(what: str) -> ApiError:
    """404 for a thing that is not there; ``what`` is one of channel, guild, message, …"""
    code, message = _UNKNOWN[what]
    return ApiError(404, code, message)


def forbidden(code: int = 50013) -> ApiError:
    """403: 50013 a permission is missing, 50001 the place cannot be seen at all."""
    messages = {
        50013: "Missing Permissions",
        50001: "Missing Access",
        50007: "Cannot send messages to this user",
    }
    return ApiError(403, code, messages.get(code, "Forbidden"))


def invalid_form(errors: dict[str, Any], code: int = 50035, message: str = "Invalid Form Body") -> ApiError:
    """400 with the nested ``errors`` of a wrong request body."""
    return ApiError(400, code, message, errors)
