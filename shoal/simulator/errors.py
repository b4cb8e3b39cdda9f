"""Errors of the simulator: those a client sees (Discord's error JSON) and those of its own control API."""

from __future__ import annotations

from typing import Any, ClassVar

from shoal.base.errors import ShoalError

__all__ = [
    "TEXTS",
    "ApiError",
    "ControlError",
    "SimulatorError",
    "error_by_code",
    "forbidden",
    "invalid_form",
    "unknown",
]


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


TEXTS: dict[int, tuple[int, str]] = {
    10002: (404, "Unknown Application"),
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10007: (404, "Unknown Member"),
    10008: (404, "Unknown Message"),
    10011: (404, "Unknown Role"),
    10013: (404, "Unknown User"),
    10014: (404, "Unknown Emoji"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    20009: (400, "Explicit content cannot be sent to the desired recipient(s)"),
    20016: (429, "This action cannot be performed due to slowmode rate limit"),
    20022: (429, "This message cannot be edited due to announcement rate limits"),
    20028: (429, "The channel you are writing has hit the write rate limit"),
    20029: (429, "The write action you are performing on the server has hit the write rate limit"),
    30003: (400, "Maximum number of pins reached for the channel (250)"),
    30005: (400, "Maximum number of guild roles reached (250)"),
    30007: (400, "Maximum number of webhooks reached (15)"),
    30008: (400, "Maximum number of emojis reached"),
    30010: (400, "Maximum number of reactions reached (20)"),
    30013: (400, "Maximum number of guild channels reached (500)"),
    30015: (400, "Maximum number of attachments in a message reached (10)"),
    30018: (400, "Maximum number of animated emojis reached"),
    30033: (400, "Maximum number of thread participants has been reached (1000)"),
    30038: (400, "Maximum number of uncompleted guild scheduled events reached (100)"),
    30039: (400, "Maximum number of stickers reached"),
    30046: (429, "Maximum number of edits to messages older than 1 hour reached. Try again later"),
    30047: (400, "Maximum number of pinned threads in a forum channel has been reached"),
    30058: (400, "Maximum number of webhooks per guild reached (1000)"),
    40001: (401, "Unauthorized. Provide a valid token and try again"),
    40003: (429, "You are opening direct messages too fast"),
    40004: (403, "Send messages has been temporarily disabled"),
    40005: (413, "Request entity too large. Try sending something smaller in size"),
    40058: (400, "Cannot message this thread until after the post author has sent an initial message."),
    40060: (400, "Interaction has already been acknowledged."),
    40067: (400, "A tag is required to create a forum post in this channel"),
    50001: (403, "Missing Access"),
    50003: (400, "Cannot execute action on a DM channel"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50007: (403, "Cannot send messages to this user"),
    50008: (400, "Cannot send messages in a non-text channel"),
    50009: (403, "Channel verification level is too high for you to gain access"),
    50013: (403, "Missing Permissions"),
    50024: (400, "Cannot execute action on this channel type"),
    50027: (401, "Invalid Webhook Token"),
    50045: (400, "File uploaded exceeds the maximum size"),
    50046: (400, "Invalid file uploaded"),
    50081: (400, "Invalid sticker sent"),
    50083: (400, "Thread is archived"),
    50146: (400, "Uploaded file not found."),
    50278: (403, "Cannot send messages to this user due to having no mutual guilds"),
    130000: (503, "API resource is currently overloaded. Try again a little later"),
    160002: (400, "Cannot reply without permission to read message history"),
    160004: (400, "A thread has already been created for this message"),
    160005: (400, "This thread is locked"),
    160006: (400, "Maximum number of active threads reached"),
    200000: (400, "Message was blocked by automatic moderation"),
    200001: (400, "Title was blocked by automatic moderation"),
    240000: (400, "Message blocked by harmful links filter"),
    400001: (400, "Access to file uploads has been limited for this guild"),
    520003: (400, "Cannot edit a poll message"),
}
"""Errors by their codes: HTTP status and Discord's own words, for those somebody wants to see on purpose."""


def error_by_code(code: int) -> ApiError:
    """The error Discord gives with this code.

    Raises:
        KeyError: its words are not known here.
    """
    status, message = TEXTS[code]
    return ApiError(status, code, message)


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
