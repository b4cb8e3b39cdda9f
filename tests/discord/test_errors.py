"""What an HTTP answer becomes: the class, the numbers, and a sentence that helps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shoal.discord.errors import (
    BadRequest,
    CloudflareBlocked,
    DiscordError,
    DMBlocked,
    Forbidden,
    MissingPermissions,
    NotFound,
    RateLimited,
    ServerError,
    TooLarge,
    Unauthorized,
    error_from,
)
from shoal.discord.troubles import TROUBLES, trouble_for

ROUTE = "POST /channels/{channel_id}/messages"


def error(status: int, body: Any, **headers: str) -> DiscordError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return error_from(status, {"content-type": "application/json", **named}, raw, ROUTE)


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (401, 0, Unauthorized, "Reset Token"),
        (401, 50027, NotFound, "15 minutes"),
        (403, 50013, MissingPermissions, "overrides of the channel"),
        (403, 50001, MissingPermissions, "bot's role"),
        (403, 50007, DMBlocked, "Privacy Settings"),
        (403, 40001, Forbidden, "applications.commands"),
        (403, 160002, Forbidden, "Read Message History"),
        (404, 10003, NotFound, "deleted or the id is wrong"),
        (404, 10008, NotFound, "message was deleted"),
        (404, 10062, NotFound, "3 seconds"),
        (400, 50006, BadRequest, "Send text"),
        (400, 40060, BadRequest, "what Discord says"),
        (413, 40005, TooLarge, "smaller file"),
        (400, 50045, TooLarge, "smaller file"),
        (413, 0, TooLarge, "smaller file"),
        (400, 160005, BadRequest, "Unlock"),
        (400, 200000, BadRequest, "AutoMod"),
        (400, 240000, BadRequest, "link"),
        (418, 0, BadRequest, "418"),
    ],
)
def test_each_refusal_has_its_class_and_names_the_fix(
    status: int, code: int, kind: type[DiscordError], words: str
) -> None:
    found = error(status, {"code": code, "message": "what Discord says"})
    assert type(found) is kind
    assert words in str(found)
    assert (found.status, found.json_code, found.route) == (status, code, ROUTE)
    assert not found.retryable
    assert not found.ambiguous


def test_dm_blocked_keeps_the_sentence_people_search_for() -> None:
    found = error(403, {"code": 50007, "message": "Cannot send messages to this user"})
    assert "discord dm failed: user blocks dms or privacy settings disallow it (code=50007)" in str(found)


def test_missing_permissions_can_be_named() -> None:
    found = error(403, {"code": 50013, "message": "Missing Permissions"})
    assert isinstance(found, MissingPermissions)
    text = str(found.with_missing(("Send Messages", "Attach Files"), channel_id="77"))
    assert "discord missing permissions in channel 77: Send Messages, Attach Files" in text
    assert "(code=50013 status=403)" in text
    assert "archived thread" in text
    assert "look complete" in str(found.with_missing(()))


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_server_errors_may_have_worked(status: int) -> None:
    for body in (b"", b"<html>502 Bad Gateway</html>", {"code": 0, "message": "x"}):
        found = error(status, body)
        assert isinstance(found, ServerError)
        assert found.retryable
        assert found.ambiguous


def test_overload_codes_may_be_tried_again() -> None:
    for status, code in ((403, 40004), (400, 130000), (400, 20016)):
        found = error(status, {"code": code, "message": "later"})
        assert found.retryable
        assert not found.ambiguous


def test_wrong_fields_are_named_with_their_path() -> None:
    leaf = {"_errors": [{"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 100 or fewer in length."}]}
    errors = {"components": {"0": {"components": {"1": {"custom_id": leaf}}}}, "content": leaf}
    found = error(400, {"code": 50035, "message": "Invalid Form Body", "errors": errors})
    assert [path for path, _, _ in found.fields] == ["components[0].components[1].custom_id", "content"]
    assert "components[0].components[1].custom_id: Must be 100 or fewer in length." in str(found)
    deep: Any = leaf
    for _ in range(100):
        deep = {"0": {"x": deep}}
    assert isinstance(error(400, {"code": 50035, "message": "m", "errors": deep}), BadRequest)
    wide = {str(n): {"x": leaf} for n in range(5_000)}
    assert len(error(400, {"code": 50035, "message": "m", "errors": wide}).fields) <= 50


@pytest.mark.parametrize(
    ("body", "headers", "scope", "wait"),
    [
        ({"retry_after": 1.5, "global": False}, {"x_ratelimit_scope": "user"}, "user", 1.5),
        ({"retry_after": "2.5"}, {"x_ratelimit_scope": "shared"}, "shared", 2.5),
        ({"retry_after": 3, "global": True}, {}, "global", 3.0),
        ({}, {"x_ratelimit_global": "true", "retry_after": "4"}, "global", 4.0),
        ({"retry_after": None}, {}, "user", 1.0),
        ({"retry_after": -5}, {"retry_after": "soon"}, "user", 1.0),
        ({"retry_after": 1e12}, {}, "user", 1.0),
        ({"retry_after": 1}, {"x_ratelimit_scope": "nonsense"}, "user", 1.0),
    ],
)
def test_rate_limits_say_how_long_and_whose(
    body: dict[str, Any], headers: dict[str, str], scope: str, wait: float
) -> None:
    found = error(429, body, **headers)
    assert isinstance(found, RateLimited)
    assert (found.scope, found.retry_after, found.retryable) == (scope, wait, True)


def test_cloudflares_pages_are_recognised_and_stripped() -> None:
    page = b"<!doctype html><style>x{}</style><script>alert(1)</script><h1>Error 1015</h1><p>rate limited"
    found = error(429, page, content_type="text/html; charset=UTF-8", retry_after="77")
    assert isinstance(found, CloudflareBlocked)
    assert (found.retry_after, found.retryable) == (77.0, True)
    assert "rate limited by Discord upstream" in str(found)
    assert "<" not in found.detail
    assert "alert" not in found.detail
    assert "Error 1015" in found.detail
    refused = error(403, {"code": 40333, "message": "internal network error"})
    assert isinstance(refused, CloudflareBlocked)
    assert not refused.retryable
    assert "User-Agent" in str(refused)
    portal = error(403, b"<html>Please log in to the network</html>", content_type="text/html")
    assert isinstance(portal, CloudflareBlocked)
    assert not portal.retryable
    assert "captive portal" in str(portal)


def test_bodies_are_masked_and_cut() -> None:
    token = "MTIzNDU2Nzg5MDEyMzQ1Njc4.GabcDE.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
    found = error(400, {"code": 1, "message": f"{token} " + "x" * 10_000})
    assert token not in str(found)
    assert len(found.detail) <= 240
    assert len(str(found)) < 600


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"\xff\xfe", b'{"code": "x"}', b'{"code": true, "message": 5}', b"{"]
)
def test_odd_bodies_are_survived(body: bytes) -> None:
    found = error(400, body)
    assert isinstance(found, BadRequest)
    assert found.json_code == 0


def test_every_row_of_the_proxy_guides_error_table_is_explained() -> None:
    names = {row.name for row in TROUBLES}
    assert names >= {
        "fetch failed",
        "ECONNREFUSED",
        "ETIMEDOUT",
        "ENOTFOUND",
        "Failed to connect to Discord gateway",
        "Disconnected with code 1006",
        "Request timeout",
    }
    assert all(row.meaning and row.fix and row.key for row in TROUBLES)
    for leg in (
        "proxy-dns",
        "proxy-connect",
        "proxy-auth",
        "proxy-refused",
        "proxy-tls",
        "tls",
        "dns",
        "read",
    ):
        assert trouble_for(leg), leg
