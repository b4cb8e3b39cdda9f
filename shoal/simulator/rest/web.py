"""One tornado handler for all of REST: parse, faults, token, limits, route, log, answer."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import orjson
from tornado.httputil import HTTPServerRequest
from tornado.web import Application as WebApplication
from tornado.web import RequestHandler

from shoal.simulator.errors import ApiError, error_by_code
from shoal.simulator.faults import Fault
from shoal.simulator.ratelimits import limited_answer
from shoal.simulator.rest.router import Answer, Call, Route, major, match

if TYPE_CHECKING:
    from shoal.simulator.core import Core

__all__ = ["RestHandler", "cut"]

HTML = "<!DOCTYPE html><html><head><title>Error</title></head><body><h1>{status}</h1></body></html>"


def cut(request: HTTPServerRequest) -> None:
    """End the TCP connection of a request without an answer."""
    if request.connection is not None:
        request.connection.stream.close()  # type: ignore[attr-defined]


class RestHandler(RequestHandler):
    """Serves ``/api/v<version>/…``."""

    core: Core

    def initialize(self, core: Core) -> None:
        """Given by the route table."""
        self.core = core

    def __init__(self, application: WebApplication, request: HTTPServerRequest, **kwargs: Any) -> None:
        super().__init__(application, request, **kwargs)
        self.started = time.monotonic()
        self.bot_id = ""
        self.route_name = ""
        self.parsed: Any = None
        self.uploads: list[tuple[str, str, bytes]] = []

    def compute_etag(self) -> str | None:
        """Discord's API sends no ETag; a 304 would surprise clients."""
        return None

    def log_exception(self, typ: Any, value: Any, tb: Any) -> None:
        """A mistake of the simulator's own: into the log, so that no test takes it for a fault."""
        self.core.log.write("bug", route=self.route_name, error=repr(value))
        super().log_exception(typ, value, tb)

    async def serve(self, version: str, path: str) -> None:
        """Any method."""
        headers: dict[str, str] = {}
        ban = self.core.limits.banned(str(self.request.remote_ip))
        if ban is not None:
            self._refuse_at_the_edge(ban)
            return
        try:
            route, params = self._route(version, path)
        except ApiError as error:
            self._answer(error.status, error.body(), {})
            return
        self.route_name = route.name
        self._peek_bot()
        fault = await self._before()
        if fault is not None:
            return
        try:
            status, body, headers = self._run(route, params)
        except ApiError as error:
            status, body = error.status, error.body()
        await self._after(status, body, headers)

    get = post = put = patch = delete = serve

    def _route(self, version: str, path: str) -> tuple[Route, dict[str, str]]:
        if version not in ("9", "10"):
            raise ApiError(400, 50041, "Invalid API version provided.")
        return match(str(self.request.method), path)

    def _peek_bot(self) -> None:
        token = self.request.headers.get("Authorization", "").removeprefix("Bot ").strip()
        self.bot_id = self.core.world.tokens.get(token, "")

    # -- the request -----------------------------------------------------------------------------

    def _run(self, route: Route, params: dict[str, str]) -> tuple[int, Any, dict[str, str]]:
        bot = self.core.world.applications.get(self.bot_id)
        if bot is None and (route.auth or self.request.headers.get("Authorization")):
            raise ApiError(401, 0, "401: Unauthorized")
        self._parse()
        renames = route.name == "PATCH /channels/{channel_id}" and isinstance(self.parsed, dict)
        limited = self.core.limits.take(
            route.name,
            major(params),
            self.bot_id or str(self.request.remote_ip),
            renames=renames and bool({"name", "topic"} & set(self.parsed)),
        )
        if limited.retry_after is not None:
            body, headers = limited_answer(limited.retry_after, limited.scope)
            return 429, body, {**limited.headers, **headers}
        query = {key: [v.decode() for v in values] for key, values in self.request.query_arguments.items()}
        reason = self.request.headers.get("X-Audit-Log-Reason")
        call = Call(
            self.core, bot, params, query, self.parsed, self.uploads, unquote(reason) if reason else None
        )
        try:
            answer = route.handler(call)
        except ApiError as error:
            answer = Answer(error.status, error.body())
        return answer.status, answer.body, limited.headers

    def _parse(self) -> None:
        """The body into ``parsed`` and ``uploads``."""
        kind = self.request.headers.get("Content-Type", "").split(";")[0].strip().lower()
        raw = self.request.body
        if kind == "multipart/form-data":
            self._parse_multipart()
        elif kind == "application/x-www-form-urlencoded":
            self.parsed = {key: values[0].decode() for key, values in self.request.body_arguments.items()}
        elif raw:
            if kind != "application/json":
                raise ApiError(400, 50035, 'Expected "Content-Type" header to be one of {application/json, '
                               "application/x-www-form-urlencoded, multipart/form-data}.")  # fmt: skip
            try:
                self.parsed = orjson.loads(raw)
            except orjson.JSONDecodeError as error:
                raise ApiError(400, 50109, "The request body contains invalid JSON.") from error

    def _parse_multipart(self) -> None:
        arguments, files = self.request.body_arguments, self.request.files
        payload = arguments.get("payload_json")
        raw = payload[0] if payload else files["payload_json"][0].body if "payload_json" in files else None
        try:
            self.parsed = (
                {key: values[0].decode() for key, values in arguments.items()}
                if raw is None
                else orjson.loads(raw)
            )
        except orjson.JSONDecodeError as error:
            raise ApiError(400, 50109, "The request body contains invalid JSON.") from error
        named = sorted(
            (int(key[6:-1]), entries[0])
            for key, entries in files.items()
            if key.startswith("files[") and key[6:-1].isdigit()
        ) or [(0, files[key][0]) for key in ("file",) if key in files]
        self.uploads = [(f.filename, f.content_type, bytes(f.body)) for _, f in named]

    # -- faults ----------------------------------------------------------------------------------

    def _facts(self) -> dict[str, str]:
        return {
            "route": self.route_name,
            "bot": self.bot_id,
            "body": self.request.body.decode("utf-8", "replace") if self.request.body else "",
        }

    async def _before(self) -> Fault | None:
        """Faults that strike before anything is done; the fault if the request is over."""
        facts, faults = self._facts(), self.core.faults
        slow = faults.take("delay", **facts)
        if slow is not None:
            self._note_fault(slow)
            await asyncio.sleep(float(slow.fields["seconds"]))
        fault = faults.take("refuse", "status", "error", "rate_limit", **facts)
        if fault is None:
            return None
        self._note_fault(fault)
        if fault.kind == "refuse":
            self._record(0, None, "refused")
            cut(self.request)
        elif fault.kind == "error":
            self._answer_error(error_by_code(int(fault.fields["code"])))
        elif fault.kind == "rate_limit":
            body, headers = limited_answer(float(fault.fields["retry_after"]), str(fault.fields["scope"]))
            self._answer(429, body, headers)
        else:
            self._answer_fault(fault, done=False)
        return fault

    async def _after(self, status: int, body: Any, headers: dict[str, str]) -> None:
        facts, faults = self._facts(), self.core.faults
        slow = faults.take("delay_answer", **facts)
        if slow is not None:
            self._note_fault(slow)
            await asyncio.sleep(float(slow.fields["seconds"]))
        # what was over a limit was not done, so there is nothing these could hide
        hidden = status != 429
        fault = faults.take("drop_answer", "cut_answer", "status_after", **facts) if hidden else None
        if fault is None:
            self._answer(status, body, headers)
            return
        self._note_fault(fault)
        if fault.kind == "status_after":
            self._answer_fault(fault, done=True)
        elif fault.kind == "drop_answer":
            self._record(status, body, "dropped")
            cut(self.request)
        else:
            await self._answer_half(status, body)

    async def _answer_half(self, status: int, body: Any) -> None:
        self._record(status, body, "cut")
        text = orjson.dumps(body) if body is not None else b"{}"
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.set_header("Content-Length", str(len(text) + 1))
        self.write(text[: len(text) // 2])
        await self.flush()
        cut(self.request)

    def _answer_fault(self, fault: Fault, *, done: bool) -> None:
        status, given = int(fault.fields["status"]), fault.fields["body"]
        if fault.fields["html"]:
            self._record(status, None, "fault", done=done)
            self.set_status(status)
            self.set_header("Content-Type", "text/html")
            self.finish(HTML.format(status=status))
            return
        self._answer(
            status, given if given is not None else {"message": f"{status}: Error", "code": 0}, {}, done=done
        )

    def _answer_error(self, error: ApiError) -> None:
        """One of Discord's errors; those of limits say how long to wait, as every 429 does."""
        body = error.body()
        if error.status != 429:
            self._answer(error.status, body, {}, done=False)
            return
        limit, headers = limited_answer(0.2, "shared")
        self._answer(429, {**limit, **body}, headers, done=False)

    def _refuse_at_the_edge(self, seconds: float) -> None:
        """The ban for too many invalid requests: HTML, no ``Via``, no rate-limit headers."""
        self._record(429, None, "banned")
        self.set_status(429)
        self.set_header("Retry-After", str(int(seconds) + 1))
        self.set_header("Content-Type", "text/html")
        self.finish(HTML.format(status=429))

    def _note_fault(self, fault: Fault) -> None:
        self.core.log.write("fault", fault=fault.kind, id=fault.id, route=self.route_name)

    # -- the answer ------------------------------------------------------------------------------

    def _answer(self, status: int, body: Any, headers: dict[str, str], **noted: Any) -> None:
        self._record(status, body, "", **noted)
        scope = headers.get("X-RateLimit-Scope", "")
        self.core.limits.count_invalid(str(self.request.remote_ip), status, scope)
        self.set_status(status)
        self.set_header("Via", "1.1 simulator")
        for name, value in headers.items():
            self.set_header(name, value)
        if body is None:
            self.clear_header("Content-Type")
            self.finish()
            return
        self.set_header("Content-Type", "application/json")
        self.finish(orjson.dumps(body))

    def _record(self, status: int, body: Any, lost: str, **noted: Any) -> None:
        """One line for the request; ``lost`` says why the client may not know the answer."""
        self.core.log.write(
            "request",
            method=self.request.method,
            path=self.request.path,
            query=self.request.query,
            route=self.route_name,
            bot=self.bot_id,
            source=str(self.request.remote_ip),
            user_agent=self.request.headers.get("User-Agent", ""),
            stamp=self.request.headers.get("X-Shoal-Grant", ""),
            proxied=self.request.headers.get("Via") is not None,
            body=self.parsed if self.parsed is not None else _text(self.request.body),
            files=[
                {"filename": name, "content_type": kind, "size": len(data)}
                for name, kind, data in self.uploads
            ],
            status=status,
            answer=body,
            lost=lost,
            seconds=time.monotonic() - self.started,
            **noted,
        )


def _text(raw: bytes | None) -> str | None:
    return raw[:10_000].decode("utf-8", "replace") if raw else None
