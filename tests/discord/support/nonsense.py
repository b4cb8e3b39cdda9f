"""A server that answers with anything, and the hypothesis strategies for what it says."""

from __future__ import annotations

import gzip
import json
import os
import socket
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.discord.support.net import SERVER_ADDRESS, TcpServer
from tests.quick import examples

FULL = int(os.environ.get("SHOAL_MALFORMED", "0"))
"""``SHOAL_MALFORMED=10000``: so many malformed answers; `make test` takes 400, `make check` a fifth."""


def profile(share: float) -> settings:
    """Settings of a test that takes ``share`` of all malformed answers."""
    return settings(
        max_examples=max(10, round((FULL or examples(400)) * share)),
        deadline=None,
        derandomize=not FULL,
        suppress_health_check=list(HealthCheck),
    )


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    body: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class RawServer(TcpServer):
    """Answers each request with the bytes of ``answer`` and closes, or, with ``hold``, says nothing more."""

    def __init__(self) -> None:
        self.answer: Callable[[Request], bytes] = lambda _request: b""
        self.hold = False
        super().__init__(SERVER_ADDRESS)

    @property
    def base(self) -> str:
        """REST base."""
        return f"http://{self.host}:{self.port}/api/v10"

    def serve(self, sock: socket.socket) -> None:
        """One request; reading on would let a client that reuses the connection hang on us."""
        stream = sock.makefile("rb")
        line = stream.readline()
        if not line:
            return
        method, path, _ = line.decode().split(" ")
        length = 0
        while (header := stream.readline().decode("latin-1").strip()) != "":
            name, _, value = header.partition(":")
            if name.lower() == "content-length":
                length = int(value)
        request = Request(method, path, stream.read(length))
        sock.sendall(self.answer(request))
        if self.hold:
            sock.settimeout(10)
            sock.recv(1)


def ok(data: Any, **headers: str) -> bytes:
    """A sane answer."""
    return whole(200, json.dumps(data).encode(), {"Content-Type": "application/json", **headers})


def whole(status: Any, body: bytes, headers: dict[str, str], *, close: bool = True) -> bytes:
    """An answer put together as it is told; a length unless one is among ``headers``.

    ``close``: say that the connection ends now, as it does; else the client may try it once more in vain.
    """
    if close:
        headers = {**headers, "Connection": "close"}
    named = {name.lower() for name in headers}
    if not named & {"content-length", "transfer-encoding"}:
        headers = {**headers, "Content-Length": str(len(body))}
    lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


MESSAGE = {
    "id": "1300000000000000009",
    "channel_id": "5",
    "content": "hi",
    "author": {"id": "123456789012345678", "username": "bot"},
    "nonce": "n",
    "code": 0,
    "message": "what",
    "retry_after": 1.5,
    "global": False,
    "errors": {"content": {"_errors": [{"code": "X", "message": "y"}]}},
    "url": "wss://gateway.discord.gg",
    "shards": 1,
    "session_start_limit": {"total": 1000, "remaining": 9, "reset_after": 1000, "max_concurrency": 1},
}
BOMB = gzip.compress(b"\0" * 30_000_000, 9)
DEEP = b'{"errors":' + b'{"0":' * 900 + b"1" + b"}" * 901

_odd_numbers = st.sampled_from(
    [
        "-1",
        "0",
        "1",
        "0.5",
        "1e308",
        "1e309",
        "-1e308",
        "nan",
        "inf",
        "-inf",
        "31536000000",
        "86399",
        "soon",
        "",
        " ",
        "²",
        "1_0",
        "0x10",
        "1;2",
    ]
) | st.sampled_from(["9" * 30, "9" * 5000, "Wed, 21 Oct 3015 07:28:00 GMT"])
_leaf = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.sampled_from([10**400, "", "0", "-1", "NaN", "\xb2", "9" * 5000, "1e309", "\x00", "a" * 3000, "<b>"])
    | st.text(max_size=6)
)
_junk = st.recursive(
    _leaf,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*MESSAGE, "0"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def _mutated(draw: st.DrawFn) -> Any:
    """A sane object with fields missing or replaced."""
    data: dict[str, Any] = dict(MESSAGE)
    for name in draw(st.lists(st.sampled_from(sorted(data)), max_size=4, unique=True)):
        if draw(st.booleans()):
            del data[name]
        else:
            data[name] = draw(_junk)
    return draw(st.sampled_from([data, [data], [data, data], [[data]], {"data": data}]))


def _text(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


_bodies = (
    (_junk | _mutated()).map(_text)
    | _mutated().map(_text).flatmap(lambda raw: st.integers(0, len(raw)).map(lambda end: raw[:end]))
    | st.binary(max_size=40)
    | st.sampled_from(
        [b"", b"null", b"[]", b"{}", b"\xef\xbb\xbf{}", b"[" * 2000, DEEP, b"<html>error 1015</html>"]
    )
    | st.sampled_from([b"<!doctype html><script>x</script>" * 300, b'{"id": 1e999}', b'{"id":"\\ud800"}'])
)
_header_names = st.sampled_from(
    [
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset-After",
        "X-RateLimit-Reset",
        "Retry-After",
    ]
)
_headers = st.dictionaries(_header_names, _odd_numbers, max_size=4)
_others = st.fixed_dictionaries(
    {},
    optional={
        "X-RateLimit-Bucket": st.sampled_from(["abc", "", "A B", "\xff" * 300, "a:b", "x" * 5000]),
        "X-RateLimit-Scope": st.sampled_from(["user", "shared", "global", "galaxy", ""]),
        "X-RateLimit-Global": st.sampled_from(["true", "TRUE", "no"]),
        "Content-Type": st.sampled_from(
            ["application/json", "text/html", "", "\xff", "application/json; charset=x"]
        ),
        "Location": st.sampled_from(
            ["/elsewhere", "http://[", "http://127.0.0.3:1/", "\xff\xfe", "//", "x" * 9000]
        ),
        "Set-Cookie": st.sampled_from(["a=b", "=;=;", "a=b; expires=yesterday; domain=\xff"]),
    },
)
_statuses = st.sampled_from(
    [200] * 6
    + [201, 204, 206, 226, 301, 302, 304, 307, 308, 400, 400, 401, 403, 403, 404, 405, 408, 409, 413]
    + [
        418,
        422,
        429,
        429,
        429,
        500,
        502,
        503,
        504,
        520,
        599,
        101,
        102,
        199,
        299,
        600,
        999,
        0,
        1000,
        -5,
        "abc",
        "",
    ]
)


def _chunked(body: bytes, size: str) -> bytes:
    return f"{size}\r\n".encode("latin-1") + body + b"\r\n0\r\n\r\n"


@st.composite
def answers(draw: st.DrawFn, statuses: st.SearchStrategy[Any] = _statuses) -> bytes:
    """The bytes of one malformed answer (now and then a sane one)."""
    status, body = draw(statuses), draw(_bodies)
    headers = {**draw(_headers), **draw(_others)}
    match draw(st.sampled_from(["plain"] * 6 + ["length", "chunk", "packed", "bomb", "cut", "raw"])):
        case "length":
            headers["Content-Length"] = draw(_odd_numbers | st.integers(0, 10**9).map(str))
        case "chunk":
            headers["Transfer-Encoding"] = draw(st.sampled_from(["chunked", "gzip, chunked", "Chunked", "x"]))
            sizes = [
                f"{len(body):x}",
                f"{len(body) + 5:x}",
                "-5",
                "zz",
                "",
                "f" * 40,
                "0",
                f"{len(body):x};a=b",
            ]
            body = _chunked(body, draw(st.sampled_from(sizes)))
        case "packed":
            headers["Content-Encoding"] = draw(
                st.sampled_from(
                    ["gzip", "deflate", "br", "zstd", "gzip, gzip", "gzip," * 40, "x", "identity"]
                )
            )
            body = draw(
                st.sampled_from([body, gzip.compress(body), zlib.compress(body), gzip.compress(body)[:-6]])
            )
        case "bomb":
            headers["Content-Encoding"], body = "gzip", BOMB
        case "cut":
            answer = whole(status, body, headers, close=False)
            return answer[: draw(st.integers(0, len(answer)))]
        case "raw":
            return draw(st.binary(max_size=60))
    return whole(status, body, headers, close=draw(st.booleans()))
