"""A scripted model server: OpenAI chat completions, Anthropic messages, speech, and what goes wrong.

    with ModelServer(script=[{"match": "weather", "tool_calls": [{"name": "look", "arguments": {}}]},
                             {"after_tool": ".", "text": "It rains."}]) as models:
        client = OpenAI(base_url=models.base_url, api_key="any")

Rules are described in :mod:`shoal.simulator.model_script`. The log has two JSON lines per request, ``start``
with the body and ``end`` with the outcome (done, error, cut, gone), each with its time: a checker sees which
turns ran at once and which were asked for twice.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from shoal.simulator.log import EventLog
from shoal.simulator.model_formats import Anthropic, OpenAI
from shoal.simulator.model_handlers import (
    Completion,
    Models,
    ScriptControl,
    Speech,
    State,
    Transcription,
    quiet,
)
from shoal.simulator.model_script import Script
from shoal.simulator.served import Served

__all__ = ["ModelServer"]

Rules = Path | Sequence[Mapping[str, Any]] | None


class ModelServer(Served):
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

    title = "The model server"

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
        self._state = State(Script.of(script), EventLog(log), models, api_key)
        super().__init__(host, port, self._state.log)
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

    def _listen(self) -> HTTPServer:
        given = {"state": self._state}
        application = Application(
            [
                (r"/v1/chat/completions", Completion, {**given, "form": OpenAI()}),
                (r"/v1/messages", Completion, {**given, "form": Anthropic()}),
                (r"/v1/audio/transcriptions", Transcription, {**given, "form": OpenAI()}),
                (r"/v1/audio/speech", Speech, {**given, "form": OpenAI()}),
                (
                    r"/v1/text-to-speech/([^/]+)",
                    Speech,
                    {**given, "form": OpenAI(), "service": "elevenlabs"},
                ),
                (r"/v1/speak", Speech, {**given, "form": OpenAI(), "service": "deepgram"}),
                (r"/v1/models", Models, given),
                (r"/control/script", ScriptControl, given),
            ],
            log_function=quiet,
        )
        sockets = bind_sockets(self._port, self._host)
        self.url = f"http://{self._host}:{sockets[0].getsockname()[1]}"
        server = HTTPServer(application)
        server.add_sockets(sockets)
        return server
