"""Pages of the scripted model server (:mod:`shoal.simulator.models`): chat, recordings in and out."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from shoal.simulator.errors import SimulatorError
from shoal.simulator.log import EventLog
from shoal.simulator.model_formats import Format, Refused
from shoal.simulator.model_script import Reply, Script
from shoal.simulator.model_speech import recorded
from shoal.simulator.rest.web import cut

__all__ = ["Completion", "Models", "ScriptControl", "Speech", "State", "Transcription", "quiet"]


class State:
    """What the handlers share."""

    def __init__(self, script: Script, log: EventLog, models: Sequence[str], api_key: str | None) -> None:
        self.script = script
        self.log = log
        self.models = tuple(models)
        self.api_key = api_key
        self.served = 0


class Completion(RequestHandler):
    """One request for an answer."""

    state: State
    form: Format
    script: Script
    kind = "application/json"

    def initialize(self, state: State, form: Format) -> None:
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
        try:
            body = orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            body = None
        if not self._begun(body):
            return
        try:
            if not isinstance(body, dict):
                raise Refused("We could not parse the JSON body of your request.")
            asked = self.form.read(body)
        except Refused as problem:
            self._fail({"status": 400, "message": str(problem)})
            return
        await self._serve(self.script.answer(asked), body)

    def _begun(self, told: Any) -> bool:
        """Note the request and what it ``told``; false (and answered) when its key is wrong.

        Its script is the one of this moment: who waited for it and then writes another does not mean it.
        """
        self.script = self.state.script
        self.state.served += 1
        self.number = self.state.served
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
            return False
        return True

    def _trusted(self) -> bool:
        headers = self.request.headers
        given = headers.get("x-api-key") or headers.get("xi-api-key") or headers.get("Authorization", "")
        key = given.removeprefix("Bearer ").removeprefix("Token ")
        return self.state.api_key is None or key == self.state.api_key

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
            self.set_header("Content-Type", self.kind)
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


class Transcription(Completion):
    """One recording: a multipart form with ``file`` and ``model``, answered with ``{"text": …}``."""

    async def post(self) -> None:
        """Answer as the script says."""
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
        if not self._begun(told):
            return
        if file is None or not fields.get("model") or "." not in file.filename:
            self._fail({"status": 400, "message": "file (with an ending) and model are required"})
        elif not file.body:
            self._fail({"status": 400, "message": "The audio file could not be decoded."})
        else:
            await self._serve(self.script.hear(fields["model"], file.filename), {})

    def whole_answer(self, reply: Reply, body: dict[str, Any]) -> bytes:
        """``{"text": …}``."""
        del body
        return orjson.dumps({"text": "".join(reply.chunks), "usage": {"type": "duration", "seconds": 1}})


class Speech(Completion):
    """One text to be spoken: answered with a recording (:mod:`shoal.simulator.model_speech`)."""

    def initialize(self, state: State, form: Format, service: str = "openai") -> None:
        """Given by the route table."""
        super().initialize(state, form)
        self.service = service
        self.sound = b""

    async def post(self, voice: str = "") -> None:
        """Answer as the script says."""
        query = {name: self.get_query_argument(name) for name in self.request.query_arguments}
        try:
            body = orjson.loads(self.request.body)
        except orjson.JSONDecodeError:
            body = {}
        told = {**query, **body, **({"voice": voice} if voice else {})}
        if not self._begun(told):
            return
        text = str(told.get("input" if self.service == "openai" else "text") or "")
        form = str(told.get("response_format") or told.get("encoding") or told.get("output_format") or "mp3")
        try:
            if not text.strip() or (
                self.service == "openai" and not (told.get("model") and told.get("voice"))
            ):
                raise Refused("Missing required parameter: input, model and voice.")
            self.kind, self.sound = recorded(text, form.partition("_")[0])
        except Refused as problem:
            self._fail({"status": 400, "message": str(problem)})
            return
        await self._serve(self.script.speak(str(told.get("model") or ""), text), {})

    def whole_answer(self, reply: Reply, body: dict[str, Any]) -> bytes:
        """The recording."""
        del reply, body
        return self.sound


def quiet(_handler: RequestHandler) -> None:
    """Requests are in the log of our own."""


class Models(RequestHandler):
    """``/v1/models``."""

    def initialize(self, state: State) -> None:
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


class ScriptControl(RequestHandler):
    """``PUT /control/script`` replaces the rules, so that another process can script too."""

    def initialize(self, state: State) -> None:
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
