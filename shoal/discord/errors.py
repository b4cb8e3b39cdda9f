"""Errors of Discord: what an HTTP answer means, for programs and for people.

    ShoalError
    ├── TransportError              no answer (shoal.base.errors); ``ProxyError`` below it
    ├── RateWait                    our own limiter: not now; nothing was sent
    └── DiscordError                status, code, route, body (masked), retryable, ambiguous
        ├── Unauthorized            401: the token
        │   └── TokenLatched        our own limiter: a 401 was seen before; nothing was sent
        ├── Forbidden               403
        │   ├── MissingPermissions  50013, 50001: with the permissions that are missing, if known
        │   └── DMBlocked           50007
        ├── NotFound                404, codes 10xxx
        ├── RateLimited             429: retry_after, scope
        ├── BadRequest              400 and other 4xx: with the path of each wrong field
        │   └── TooLarge            413, 40005, 50045
        ├── ServerError             408, 5xx, an answer without sense: may have worked
        └── CloudflareBlocked       HTML instead of JSON: the address or the User-Agent is blocked

``str(error)`` names what to do. Bodies are masked and cut; they never hold what we sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from shoal.base.errors import ShoalError
from shoal.base.redact import redactor
from shoal.discord.codes import (
    CODES,
    CONDITIONS,
    NO_ACCESS,
    NO_DIRECT_MESSAGES,
    NO_PERMISSION,
    TOO_LARGE,
    WRONG_WEBHOOK_TOKEN,
    JsonCode,
)

__all__ = [
    "BadRequest",
    "CloudflareBlocked",
    "DMBlocked",
    "DiscordError",
    "Forbidden",
    "MissingPermissions",
    "NotFound",
    "RateLimited",
    "RateWait",
    "ServerError",
    "TokenLatched",
    "TooLarge",
    "Unauthorized",
    "error_from",
    "field_errors",
    "nonsense",
    "plain_text",
]

_MAX_BODY = 240


class RateWait(ShoalError):
    """The rate limit's wait is longer than the caller wants to wait. Nothing was sent; yield the lane.

    Attributes:
        retry_after: seconds after which it is worth asking again.
        reason: ``bucket``, ``global``, ``shared``, ``route``, ``breaker``, ``cloudflare`` or ``pace``.
        route: ``METHOD /template``.
    """

    code = "rate-wait"
    retryable = True

    def __init__(self, retry_after: float, *, reason: str, route: str) -> None:
        self.retry_after = retry_after
        self.reason = reason
        self.route = route
        super().__init__(f"{route}: the rate limit asks for {retry_after:.1f} s more ({reason}).")


class DiscordError(ShoalError):
    """An HTTP answer that is an error.

    Attributes:
        status: HTTP status.
        json_code: Discord's number, 0 if there was none.
        route: ``METHOD /template``; holds no ids and no tokens.
        detail: what Discord said, masked, at most 240 characters.
        fields: ``(path, code, text)`` of each wrong field of a 50035.
        retry_after: seconds, where Discord said so.
    """

    code = "discord"

    def __init__(
        self,
        message: str,
        *,
        status: int,
        json_code: int = 0,
        route: str = "",
        detail: str = "",
        fields: tuple[tuple[str, str, str], ...] = (),
        retry_after: float | None = None,
        retryable: bool = False,
        ambiguous: bool = False,
        fix: str = "",
    ) -> None:
        self.status = status
        self.json_code = json_code
        self.route = route
        self.detail = detail
        self.fields = fields
        self.retry_after = retry_after
        self.retryable = retryable
        self.ambiguous = ambiguous
        super().__init__(message, fix=fix)


class Unauthorized(DiscordError):
    """401: the token is wrong or was reset. The fleet stops using it (latch)."""

    code = "discord-unauthorized"


class TokenLatched(Unauthorized):
    """A 401 was seen with this token not long ago; the request was not sent."""

    code = "discord-token-latched"

    def __init__(self, route: str, retry_after: float) -> None:
        super().__init__(
            "Discord refused this bot token (401), so it is not used for now.",
            status=401,
            route=route,
            retry_after=retry_after,
            fix=CONDITIONS["unauthorized"].fix,
        )


class Forbidden(DiscordError):
    """403."""

    code = "discord-forbidden"


class MissingPermissions(Forbidden):
    """50013 or 50001. What lacks is there where somebody worked it out.

    Attributes:
        missing: names of the permissions.
        timed_out: the bot is in time-out until then (ISO 8601), or empty.
    """

    code = "discord-missing-permissions"
    missing: tuple[str, ...] = ()
    timed_out: str = ""

    def with_missing(
        self, missing: Iterable[str], *, channel_id: str = "", timed_out: str = ""
    ) -> MissingPermissions:
        """The same error saying what is missing in which channel (spec: outbound 1.7)."""
        self.missing, self.timed_out = tuple(missing), timed_out
        place = f" in channel {channel_id}" if channel_id else ""
        if timed_out:
            what = f"discord missing permissions{place}: the bot is in time-out until {timed_out}"
            self.fix = "A moderator of the server can end the time-out; else wait."
        elif self.missing:
            what = f"discord missing permissions{place}: {', '.join(self.missing)}"
        else:
            what = f"discord missing permissions{place}; the permissions themselves look complete"
        self.message = f"{what} (code={self.json_code} status={self.status})."
        return self


class DMBlocked(Forbidden):
    """50007 (and 50278): this user does not take direct messages from the bot."""

    code = "discord-dm-blocked"


class NotFound(DiscordError):
    """404: it is gone, or the bot cannot see it. Not asked again."""

    code = "discord-not-found"

    def with_guess(self, given: str) -> NotFound:
        """The same error where ``given``, a bare number, was taken for a channel (outbound 11 row 22)."""
        self.fix = f'A bare number is a channel; a user is "user:{given}". {self.fix}'.strip()
        return self


class RateLimited(DiscordError):
    """429. ``scope`` is ``user``, ``shared`` or ``global``."""

    code = "discord-rate-limited"
    scope: str = "user"


class BadRequest(DiscordError):
    """400 and other refusals of what we sent: a bug of ours, or of who wrote the text."""

    code = "discord-bad-request"


class TooLarge(BadRequest):
    """413, 40005, 50045: the file or the body is too large for this place."""

    code = "discord-too-large"


class ServerError(DiscordError):
    """408, 5xx, or an answer that makes no sense: it may have worked."""

    code = "discord-server-error"


class CloudflareBlocked(DiscordError):
    """HTML from the network in front of Discord: address blocked (1015) or User-Agent refused (40333)."""

    code = "discord-cloudflare"


def field_errors(errors: Any, path: str = "") -> tuple[tuple[str, str, str], ...]:
    """Leaves of a 50035's ``errors``: ``(path, code, text)`` with paths like ``embeds[0].title``."""
    if not isinstance(errors, Mapping):
        return ()
    found: list[tuple[str, str, str]] = []
    for key, value in list(errors.items())[:50]:
        if key == "_errors" and isinstance(value, list):
            for leaf in value[:5]:
                if isinstance(leaf, Mapping):
                    text = redactor.mask(str(leaf.get("message", "")))[:120]
                    found.append((path or "(body)", str(leaf.get("code", ""))[:60], text))
        elif isinstance(value, Mapping) and len(found) < 50 and path.count(".") + path.count("[") < 12:
            step = f"[{key}]" if str(key).isdigit() else f".{str(key)[:60]}"
            found.extend(field_errors(value, f"{path}{step}".lstrip(".")))
    return tuple(found[:50])


def plain_text(body: bytes) -> str:
    """What an error body says, for a line of text: no tags, no secrets, at most 240 characters."""
    text = body[:8192].decode("utf-8", "replace")
    if "<" in text:
        text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", text)
        text = re.sub(r"(?s)<[^>]*>", " ", text)
    text = redactor.mask(" ".join(text.split()))
    return text if len(text) <= _MAX_BODY else text[: _MAX_BODY - 1] + "…"


def _retry_after(data: Mapping[str, Any], headers: Mapping[str, str]) -> float | None:
    """Seconds: JSON body first, then the header; None if neither says."""
    for value in (data.get("retry_after"), headers.get("retry-after")):
        try:
            seconds = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            continue
        if 0 <= seconds < 86_400:
            return seconds
    return None


def _is_html(headers: Mapping[str, str], body: bytes) -> bool:
    kind = headers.get("content-type", "").lower()
    return "html" in kind or body.lstrip()[:1] == b"<"


def error_from(status: int, headers: Mapping[str, str], body: bytes, route: str) -> DiscordError:
    """The error behind an answer with a status of 400 or more (or a redirect).

    Args:
        headers: with lower-case names.
        body: what was read of it.
        route: ``METHOD /template``.
    """
    try:
        parsed = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        parsed = None
    data: Mapping[str, Any] = parsed if isinstance(parsed, Mapping) else {}
    wait = _retry_after(data, headers)
    if parsed is None and _is_html(headers, body) and status < 500 and status != 408:
        return _cloudflare(status, body, route, wait)
    number = data.get("code")
    json_code = number if isinstance(number, int) and not isinstance(number, bool) else 0
    detail = plain_text(str(data.get("message", "")).encode()) if data else plain_text(body)
    if status == 429:
        return _rate_limited(headers, data, json_code, route, detail, wait)
    if json_code == 40333:
        return _cloudflare(status, body, route, wait)
    known = CODES.get(json_code)
    fields = field_errors(data.get("errors"))
    kind, fix, retryable, ambiguous = _classify(status, json_code, known)
    message = f"{route} failed ({status}" + (f", code {json_code})" if json_code else ")")
    meaning = known.meaning if known else ""
    if kind is DMBlocked:
        message = f"discord dm failed: user blocks dms or privacy settings disallow it (code={json_code})"
    elif detail or meaning:
        message += f": {detail or meaning}"
    if fields:
        message += "; " + "; ".join(f"{path}: {text or code}" for path, code, text in fields[:3])
    return kind(
        message.rstrip(".") + ".",
        status=status,
        json_code=json_code,
        route=route,
        detail=detail,
        fields=fields,
        retry_after=wait,
        retryable=retryable,
        ambiguous=ambiguous,
        fix=fix,
    )


def nonsense(status: int, route: str, wanted: str) -> ServerError:
    """The error for a success that is none: what came back is not what was asked for."""
    return ServerError(
        f"{route} was answered ({status}) with something that is no {wanted}; it may have worked.",
        status=status,
        route=route,
        retryable=True,
        ambiguous=True,
        fix="Look at the proxy, and at SHOAL_DISCORD_API_URL: something in between may answer for Discord.",
    )


def _classify(status: int, code: int, known: JsonCode | None) -> tuple[type[DiscordError], str, bool, bool]:
    """Class, fix, retryable, ambiguous."""
    fix = known.fix if known else ""
    retryable = known.retryable if known else False
    if code == WRONG_WEBHOOK_TOKEN:
        return NotFound, fix, False, False
    if status == 401:
        return Unauthorized, fix or CONDITIONS["unauthorized"].fix, False, False
    if code in (NO_PERMISSION, NO_ACCESS):
        return MissingPermissions, fix, False, False
    if code in NO_DIRECT_MESSAGES:
        return DMBlocked, fix, False, False
    if status == 413 or code in TOO_LARGE:
        return TooLarge, fix or CONDITIONS["too-large"].fix, False, False
    if status == 408 or status >= 500:
        return ServerError, fix or CONDITIONS["server-error"].fix, True, True
    if status == 403:
        return Forbidden, fix, retryable, False
    if status == 404:
        return NotFound, fix or CONDITIONS["not-found"].fix, retryable, False
    if 300 <= status < 400:
        return BadRequest, CONDITIONS["redirect"].fix, False, False
    return BadRequest, fix, retryable, False


def _rate_limited(
    headers: Mapping[str, str],
    data: Mapping[str, Any],
    json_code: int,
    route: str,
    detail: str,
    wait: float | None,
) -> RateLimited:
    is_global = data.get("global") is True or headers.get("x-ratelimit-global", "").lower() == "true"
    scope = "global" if is_global else headers.get("x-ratelimit-scope", "user").lower()
    known = CODES.get(json_code)
    seconds = 1.0 if wait is None else wait
    error = RateLimited(
        f"{route} failed (429): {detail or 'rate limited by Discord'} (retry after {seconds:g}s).",
        status=429,
        json_code=json_code,
        route=route,
        detail=detail,
        retry_after=seconds,
        retryable=True,
        fix=(known or CONDITIONS["rate-limited"]).fix,
    )
    error.scope = scope if scope in ("user", "shared", "global") else "user"
    return error


def _cloudflare(status: int, body: bytes, route: str, wait: float | None) -> CloudflareBlocked:
    detail = plain_text(body)
    banned = b"1015" in body or status == 429
    what = "user-agent" if b"40333" in body else "address-banned" if banned else "web-page"
    text, fix = CONDITIONS[what].meaning, CONDITIONS[what].fix
    return CloudflareBlocked(
        f"{route} failed ({status}): {text}" + (f": {detail}." if detail else "."),
        status=status,
        json_code=40333 if b"40333" in body else 0,
        route=route,
        detail=detail,
        retry_after=wait if wait is not None else (60.0 if banned else None),
        retryable=banned,
        fix=fix,
    )
