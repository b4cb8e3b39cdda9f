"""Bodies on the wire: building a request, and one exchange with bounds on time and size."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import requests
import urllib3
from urllib3.filepost import encode_multipart_formdata

from shoal.base.clock import Clock
from shoal.base.errors import TransportError
from shoal.discord.errors import TooLarge
from shoal.discord.troubles import trouble_for

__all__ = ["Exchange", "File", "Prepared", "Raw", "Response", "prepare"]

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class File:
    """A file to upload, whole in memory so that a retry sends the same bytes.

    Attributes:
        attachment: further fields of its ``attachments`` entry: ``description``, ``duration_secs``,
            ``waveform``, ``is_spoiler``.
    """

    filename: str
    data: bytes = field(repr=False)
    content_type: str = "application/octet-stream"
    attachment: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer that is no error.

    Attributes:
        data: parsed JSON; text if it was none; None for an empty body.
        headers: names in lower case.
        attempts: tries it took.
    """

    status: int
    data: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    attempts: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request as it goes out; the same bytes on every try."""

    method: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Raw:
    """An answer as it came, body unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def data(self) -> Any:
        """JSON, else text, else None."""
        if not self.body:
            return None
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return self.body.decode("utf-8", "replace")


def prepare(
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    json: Any = None,
    files: Sequence[File] = (),
    data: bytes | None = None,
    query: Mapping[str, Any] | None = None,
    reason: str | None = None,
    form: Mapping[str, str] | None = None,
) -> Prepared:
    """Put a request together. Booleans of the query are ``true``/``false``, sequences repeat the key.

    With ``form`` each of its values is a field of its own and the file is called ``file`` (stickers).
    """
    out = dict(headers)
    if query:
        pairs = [(name, _query_value(item)) for name, value in query.items() for item in _items(value)]
        url = f"{url}?{urlencode(pairs)}"
    if reason:
        out["X-Audit-Log-Reason"] = quote(reason.strip()[:512], safe=" ").strip()
    if form is not None:
        parts: list[Any] = [*form.items(), *(("file", _part(file)) for file in files)]
        body, out["Content-Type"] = encode_multipart_formdata(parts)
        return Prepared(method, url, out, body)
    if files:
        body, out["Content-Type"] = _multipart(json, files)
        return Prepared(method, url, out, body)
    if json is not None:
        out["Content-Type"] = "application/json"
        return Prepared(method, url, out, orjson.dumps(json))
    return Prepared(method, url, out, data)


def _items(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list | tuple) else (value,)


def _query_value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _multipart(json: Any, files: Sequence[File]) -> tuple[bytes, str]:
    """``payload_json`` and ``files[n]``; entries of ``attachments`` for the files are added.

    For interaction callbacks the attachments belong into ``data``.
    """
    payload = dict(json or {})
    holder = payload
    if isinstance(payload.get("data"), Mapping) and "type" in payload:
        holder = payload["data"] = dict(payload["data"])
    kept = list(holder.get("attachments") or ())
    added = [{"id": str(n), "filename": file.filename, **file.attachment} for n, file in enumerate(files)]
    holder["attachments"] = [*kept, *added]
    fields: list[Any] = [("payload_json", (None, orjson.dumps(payload), "application/json"))]
    fields += [(f"files[{n}]", _part(file)) for n, file in enumerate(files)]
    return encode_multipart_formdata(fields)


def _part(file: File) -> tuple[str, bytes, str]:
    return file.filename, file.data, file.content_type


class Exchange:
    """Sends prepared requests and reads the answers, never more than allowed, never for ever."""

    def __init__(self, session: requests.Session, clock: Clock, way: Callable[[], str]) -> None:
        """``way`` says how the traffic goes, for messages."""
        self._session = session
        self._clock = clock
        self._way = way

    def send(self, prepared: Prepared, name: str, *, timeout: float, max_bytes: int) -> Raw:
        """One request and its answer, whatever its status; redirects are not followed.

        Raises:
            TransportError: no whole answer. ``ambiguous`` once the connection stood.
            TooLarge: the answer is larger than ``max_bytes``.
        """
        deadline = self._clock.monotonic() + 2 * timeout
        response: requests.Response | None = None
        try:
            response = self._session.request(
                prepared.method,
                prepared.url,
                data=prepared.body,
                headers=dict(prepared.headers),
                timeout=(min(timeout, 10.0), timeout),
                allow_redirects=False,
                stream=True,
            )
            headers = {key.lower(): value for key, value in response.headers.items()}
            body = self._read(response, name, max_bytes, deadline)
            return Raw(response.status_code, headers, body)
        except requests.Timeout as error:
            raise self._lost(name, "no answer in time", "read", error) from None
        except urllib3.exceptions.TimeoutError as error:
            raise self._lost(name, "no answer in time", "read", error) from None
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            # our dialler's own errors pass through untouched; what arrives here happened on a connection
            raise self._lost(name, "the connection broke", "read", error) from None
        finally:
            if response is not None:
                with contextlib.suppress(OSError):
                    response.close()

    def _read(self, response: requests.Response, name: str, max_bytes: int, deadline: float) -> bytes:
        said = response.headers.get("content-length", "")
        body = bytearray()
        # a length that is no plain number is nobody's business here: the body itself is counted
        if said.isdecimal() and said.isascii() and (len(said) > 18 or int(said) > max_bytes):
            raise _too_large(name, max_bytes)
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            body += chunk
            if len(body) > max_bytes:
                raise _too_large(name, max_bytes)
            if self._clock.monotonic() > deadline:
                raise self._lost(name, "the answer came too slowly", "read", None)
        return bytes(body)

    def _lost(self, name: str, what: str, leg: str, error: Exception | None) -> TransportError:
        row = trouble_for(leg)
        cause = f" ({_cause(error)})" if error else ""
        message = f"{name}: {what}, {self._way()}{cause}."
        return TransportError(message, leg=leg, ambiguous=True, fix=row.fix if row else "")


def _too_large(name: str, max_bytes: int) -> TooLarge:
    doubt = not name.startswith("GET ")  # what was asked for may have been done
    message = f"{name}: the answer is larger than {max_bytes} bytes."
    return TooLarge(message, status=0, route=name, retryable=doubt, ambiguous=doubt)


def _cause(error: BaseException) -> str:
    """The innermost reason, without addresses or bodies."""
    seen: BaseException = error
    for _ in range(8):
        inner = seen.__cause__ or seen.__context__ or getattr(seen, "reason", None)
        if not isinstance(inner, BaseException):
            break
        seen = inner
    return f"{type(seen).__name__}: {str(seen)[:120]}"
