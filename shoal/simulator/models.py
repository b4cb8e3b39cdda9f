"""A scripted model server: OpenAI chat completions, Anthropic messages, and what goes wrong with both.

    with ModelServer(script=[{"match": "weather", "tool_calls": [{"name": "look", "arguments": {}}]},
                             {"after_tool": ".", "text": "It rains."}]) as models:
        client = OpenAI(base_url=models.base_url, api_key="any")

Rules are described in :mod:`shoal.simulator.model_script`. The log has two JSON lines per request, ``start``
with the body and ``end`` with the outcome (done, error, cut, gone), each with its time: a checker sees which
turns ran at once and which were asked for twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import orjson
from tornado.httpserver import HTTPServer
from tornado.iostream import StreamClosedError
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from shoal.simulator.errors import SimulatorError
from shoal.simulator.log import EventLog
from shoal.simulator.model_formats import Anthropic, Format, OpenAI, Refused
from shoal.simulator.model_script import Reply, Script
from shoal.simulator.rest.web import cut

__all__ = ["ModelServer"]

Rules = Path | Sequence[Mapping[str, Any]] | None


class _State:
    """What the handlers share."""

    def __init__(self, script: Script, log: EventLog, models: Sequence[str], api_key: str | None) -> None:
        self.script = script
        self.log = log
        self.models = tuple(models)
        self.api_key = api_key
        self.served = 0


class _Completion(RequestHandler):
    """One request for an answer."""

    state: _State
    form: Format

    def initialize(self, state: _State, form: Format) -> None:
        """Given by the route table."""
        self.state = state
        self.form = form
        self.number = 0
        self.gone = asyncio.Event()

    def on_connection_close(self) -> None:
        """The client left before the end."""
        self.gone.set()

    async def post(self) -> None:
        """Answer as the script says."""
        self.state.served += 1
        self.number = self.state.served
        try:
            body = orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            body = None
        self.state.log.write(
            "start",
            request=self.number,
            path=self.request.path,
            body=body,
            source=str(self.request.remote_ip),
            stamp=self.request.headers.get("X-Shoal-Grant", ""),
        )
        if not self._trusted():
            self._fail({"status": 401, "message": "Incorrect API key provided."})
            return
        try:
            if not isinstance(body, dict):
                raise Refused("We could not parse the JSON body of your request.")
            asked = self.form.read(body)
        except Refused as problem:
            self._fail({"status": 400, "message": str(problem)})
            return
        await self._serve(self.state.script.answer(asked), body)

    def _trusted(self) -> bool:
        given = self.request.headers.get("x-api-key") or self.request.headers.get("Authorization", "")
        return self.state.api_key is None or given.removeprefix("Bearer ") == self.state.api_key

    async def _serve(self, reply: Reply, body: dict[str, Any]) -> None:
        if await self._left_within(reply.delay):
            return
        if reply.hang is not None:
            if not await self._left_within(reply.hang):
                self._end("cut")
                cut(self.request)
        elif reply.error is not None:
            self._fail(reply.error)
        elif body.get("stream"):
            await self._stream(reply, body)
        elif reply.cut_after is not None:
            self._end("cut")
            cut(self.request)
        else:
            if await self._left_within(reply.chunk_delay * len(reply.chunks)):
                return
            self._end("done")
            self.set_header("Content-Type", "application/json")
            self.finish(self.whole_answer(reply, body))

    def whole_answer(self, reply: Reply, body: dict[str, Any]) -> bytes:
        """The answer without streaming."""
        return orjson.dumps(self.form.whole(reply, body, self.number))

    async def _stream(self, reply: Reply, body: dict[str, Any]) -> None:
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("Cache-Control", "no-cache")
        sent = 0
        for event in self.form.events(reply, body, self.number):
            if reply.cut_after is not None and sent >= reply.cut_after:
                self._end("cut", chunks=sent)
                cut(self.request)
                return
            if sent and await self._left_within(reply.chunk_delay):
                return
            self.write(event)
            try:
                await self.flush()
            except StreamClosedError:
                self._end("gone", chunks=sent)
                return
            sent += 1
        self._end("done", chunks=sent)
        self.finish()

    async def _left_within(self, seconds: float) -> bool:
        """Wait; true (and logged) when the client left meanwhile."""
        if seconds > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.gone.wait(), seconds)
        if self.gone.is_set():
            self._end("gone")
        return self.gone.is_set()

    def _fail(self, error: Mapping[str, Any]) -> None:
        status = int(error["status"])
        self._end("error", status=status)
        self.set_status(status)
        if error.get("retry_after") is not None:
            self.set_header("Retry-After", str(error["retry_after"]))
        self.set_header("Content-Type", "application/json")
        message = str(error.get("message") or f"Scripted error {status}.")
        self.finish(orjson.dumps(self.form.error(status, message, error.get("type"))))

    def _end(self, outcome: str, **noted: Any) -> None:
        self.state.log.write("end", request=self.number, outcome=outcome, **noted)


class _Transcription(_Completion):
    """One recording: a multipart form with ``file`` and ``model``, answered with ``{"text": …}``."""

    async def post(self) -> None:
        """Answer as the script says."""
        self.state.served += 1
        self.number = self.state.served
        file = next(iter(self.request.files.get("file", [])), None)
        fields = {
            name: values[-1].decode("utf-8", "replace") for name, values in self.request.arguments.items()
        }
        told: dict[str, Any] = dict(fields)
        if file is not None:
            digest = hashlib.sha256(file.body).hexdigest()
            told["file"] = {
                "name": file.filename,
                "type": file.content_type,
                "size": len(file.body),
                "sha256": digest,
            }
        self.state.log.write(
            "start",
            request=self.number,
            path=self.request.path,
            body=told,
            source=str(self.request.remote_ip),
            stamp=self.request.headers.get("X-Shoal-Grant", ""),
        )
        if not self._trusted():
            self._fail({"status": 401, "message": "Incorrect API key provided."})
        elif file is None or not fields.get("model") or "." not in file.filename:
            self._fail({"status": 400, "message": "file (with an ending) and model are required"})
        elif not file.body:
            self._fail({"status": 400, "message": "The audio file could not be decoded."})
        else:
            await self._serve(self.state.script.hear(fields["model"], file.filename), {})

    def whole_answer(self, reply: Reply, body: dict[str, Any]) -> bytes:
        """``{"text": …}``."""
        del body
        return orjson.dumps({"text": "".join(reply.chunks), "usage": {"type": "duration", "seconds": 1}})


def _quiet(_handler: RequestHandler) -> None:
    """Requests are in the log of our own."""


class _Models(RequestHandler):
    """``/v1/models``."""

    def initialize(self, state: _State) -> None:
        """Given by the route table."""
        self.state = state

    def get(self) -> None:
        """The list."""
        made = int(time.time())
        listed = [
            {"id": m, "object": "model", "created": made, "owned_by": "simulator"} for m in self.state.models
        ]
        self.set_header("Content-Type", "application/json")
        self.finish(orjson.dumps({"object": "list", "data": listed}))


class _Script(RequestHandler):
    """``PUT /control/script`` replaces the rules, so that another process can script too."""

    def initialize(self, state: _State) -> None:
        """Given by the route table."""
        self.state = state

    def put(self) -> None:
        """A JSON list of rules."""
        try:
            self.state.script = Script.of(orjson.loads(self.request.body))
        except (SimulatorError, ValueError) as error:
            self.set_status(400)
            self.finish({"error": str(error)})
            return
        self.finish({})


class ModelServer:
    """The server in a thread of its own.

    Args:
        port: 0 takes a free one.
        script: rules, or a JSON file with them; see :mod:`shoal.simulator.model_script`.
        log: file for the JSON lines; None keeps them in memory only.
        host: a loopback address.
        models: names that ``/v1/models`` lists; any name is answered.
        api_key: refuse other keys with 401; None takes any.

    Raises:
        SimulatorError: the script is wrong or the port is taken.
    """

    def __init__(
        self,
        port: int = 0,
        script: Rules = None,
        *,
        log: Path | None = None,
        host: str = "127.0.0.1",
        models: Sequence[str] = ("scripted",),
        api_key: str | None = None,
    ) -> None:
        self._state = _State(Script.of(script), EventLog(log), models, api_key)
        self._host, self._port = host, port
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._started = threading.Event()
        self._failure: OSError | None = None
        self.url = ""

    @property
    def base_url(self) -> str:
        """What an OpenAI client wants; an Anthropic client wants :attr:`url`."""
        return f"{self.url}/v1"

    def script(self, rules: Rules) -> None:
        """Replace the rules."""
        self._state.script = Script.of(rules)

    def requests(self) -> list[dict[str, Any]]:
        """One entry per request so far: ``{request, body, started, ended, outcome}``, oldest first."""
        ends = {line["request"]: line for line in self._state.log.select("end")}
        return [
            {
                "request": line["request"],
                "path": line["path"],
                "body": line["body"],
                "started": line["time"],
                "ended": ends.get(line["request"], {}).get("time"),
                "outcome": ends.get(line["request"], {}).get("outcome"),
            }
            for line in self._state.log.select("start")
        ]

    def sources(self) -> list[str]:
        """The address each request so far came from."""
        return [line["source"] for line in self._state.log.select("start")]

    def wait_for_requests(self, count: int, *, timeout: float = 10.0) -> list[dict[str, Any]]:
        """The requests once there are ``count``.

        Raises:
            TimeoutError: fewer came.
        """
        deadline = time.monotonic() + timeout
        while len(self.requests()) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self.requests())} of {count} model requests within {timeout:g} s")
            time.sleep(0.01)
        return self.requests()

    def start(self) -> ModelServer:
        """Listen; returns once requests are served."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="models", daemon=True)
        self._thread.start()
        self._started.wait()
        if self._failure is not None:
            raise SimulatorError(f"The model server cannot listen on port {self._port}: {self._failure}.")
        return self

    def stop(self) -> None:
        """Close everything; a second call does nothing."""
        if self._thread is None or self._loop is None or self._end is None:
            return
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._thread = None

    def __enter__(self) -> ModelServer:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        given = {"state": self._state}
        application = Application(
            [
                (r"/v1/chat/completions", _Completion, {**given, "form": OpenAI()}),
                (r"/v1/messages", _Completion, {**given, "form": Anthropic()}),
                (r"/v1/audio/transcriptions", _Transcription, {**given, "form": OpenAI()}),
                (r"/v1/models", _Models, given),
                (r"/control/script", _Script, given),
            ],
            log_function=_quiet,
        )
        try:
            sockets = bind_sockets(self._port, self._host)
        except OSError as error:
            self._failure = error
            self._started.set()
            return
        self.url = f"http://{self._host}:{sockets[0].getsockname()[1]}"
        server = HTTPServer(application)
        server.add_sockets(sockets)
        self._started.set()
        await self._end.wait()
        server.stop()
        await server.close_all_connections()
        self._state.log.close()
