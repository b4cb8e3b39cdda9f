"""The server side of ``/control``: people, readings, faults. See ``docs/simulator.md``."""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson
from tornado.escape import url_unescape
from tornado.web import RequestHandler

from shoal.simulator.errors import ApiError, ControlError
from shoal.simulator.model import Channel, Guild, Json, Message

if TYPE_CHECKING:
    from shoal.simulator.core import Core

__all__ = ["Ask", "ControlHandler", "on", "unpack_files"]


@dataclass(slots=True)
class Ask:
    """One control call. ``words`` are the variable parts of the path."""

    core: Core
    words: list[str]
    body: Json
    query: dict[str, str]

    def channel(self) -> Channel:
        """The channel of the path."""
        return self.core.world.find_channel(self.words[0])

    def guild(self) -> Guild:
        """The guild of the path."""
        return self.core.world.find_guild(self.words[0])

    def user(self, key: str = "user") -> str:
        """Id of the acting user."""
        return self.core.world.find_user(self.body.get(key)).id

    def message(self) -> Message:
        """The message of the path."""
        return self.core.world.message(self.channel().id, self.words[1])


_Serve: TypeAlias = "Callable[[Ask], Any]"
_SERVED: list[tuple[str, list[str], _Serve]] = []


def on(method: str, path: str) -> Callable[[_Serve], _Serve]:
    """Register a control call; ``*`` in the path is a variable part."""

    def register(serve: _Serve) -> _Serve:
        _SERVED.append((method, path.split("/"), serve))
        return serve

    return register


class ControlHandler(RequestHandler):
    """Serves ``/control/…``; refusals are ``{"error": …}``."""

    core: Core

    def initialize(self, core: Core) -> None:
        """Given by the route table."""
        self.core = core

    def serve(self, path: str) -> None:
        """Any method."""
        try:
            status, answer = 200, self._run(path)
        except ControlError as error:
            status, answer = error.status or 400, {"error": str(error)}
        except ApiError as error:
            status, answer = error.status, {"error": error.message, **error.body()}
        except (KeyError, TypeError, ValueError) as error:
            status, answer = 400, {"error": f"Wrong call of /control/{path}: {type(error).__name__} {error}."}
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(orjson.dumps(answer))

    get = post = patch = delete = serve

    def compute_etag(self) -> str | None:
        """No caching here."""
        return None

    def _run(self, path: str) -> Any:
        words = path.strip("/").split("/")
        raw = self.request.body
        body = orjson.loads(raw) if raw else {}
        query = {key: values[-1].decode() for key, values in self.request.query_arguments.items()}
        for method, names, serve in _SERVED:
            if method != self.request.method or len(names) != len(words):
                continue
            pairs = list(zip(names, words, strict=True))
            if all(name in ("*", word) for name, word in pairs):
                variable = [url_unescape(word, plus=False) for name, word in pairs if name == "*"]
                return serve(Ask(self.core, variable, body, query))
        raise ControlError(f"No control call {self.request.method} /control/{path}.", status=404)


# -- state, settings, faults ---------------------------------------------------------------------


@on("GET", "state")
def _state(ask: Ask) -> Json:
    return {
        **ask.core.world.snapshot(),
        "origin": ask.core.origin,
        "api_url": f"{ask.core.origin}/api/v10",
        "gateway_url": ask.core.gateway_url,
        "settings": ask.core.settings.as_dict(),
        "faults": [fault.as_dict() for fault in ask.core.faults.faults],
        "sessions": _sessions(ask),
    }


@on("PATCH", "settings")
def _settings(ask: Ask) -> Json:
    ask.core.settings.change(ask.body)
    return ask.core.settings.as_dict()


@on("POST", "faults")
def _add_fault(ask: Ask) -> Json:
    return ask.core.faults.add(ask.body).as_dict()


@on("GET", "faults")
def _faults(ask: Ask) -> list[Json]:
    return [fault.as_dict() for fault in ask.core.faults.faults]


@on("DELETE", "faults")
def _clear_faults(ask: Ask) -> Json:
    ask.core.faults.faults.clear()
    return {}


@on("DELETE", "faults/*")
def _remove_fault(ask: Ask) -> Json:
    ask.core.faults.remove(int(ask.words[0]))
    return {}


@on("GET", "sessions")
def _sessions(ask: Ask) -> list[Json]:
    sessions = [s for s in map(ask.core.hub.live, list(ask.core.hub.sessions)) if s is not None]
    return [
        {
            "id": session.id,
            "bot": session.bot_id,
            "bot_name": ask.core.world.users[session.bot_id].username,
            "shard": list(session.shard),
            "intents": session.intents,
            "seq": session.seq,
            "connected": session.socket is not None,
            "resumes": session.resumes,
            "identified_at": session.identified_at,
        }
        for session in sessions
    ]


@on("POST", "gateway")
def _gateway(ask: Ask) -> Json:
    """Strike the open sockets (of a bot) now; ``forget`` ends sessions without telling."""
    action, touched = ask.body.get("action"), 0
    bot = ask.core.world.find_user(ask.body["bot"], bot=True).id if ask.body.get("bot") else None
    if action == "forget":
        for session in list(ask.core.hub.sessions.values()):
            if bot in (None, session.bot_id) and session.socket is None:
                ask.core.hub.forget(session)
                touched += 1
        return {"touched": touched}
    kinds = {"close": "gateway_close", "cut": "gateway_cut", "reconnect": "gateway_reconnect",
             "invalidate": "gateway_invalid_session", "stall": "gateway_stall"}  # fmt: skip
    if action not in kinds:
        raise ControlError(
            f"No gateway action {action!r}.", status=400, fix=f"Known: forget, {', '.join(kinds)}."
        )
    fields = {"code": 4000, "resumable": False, "seconds": 5.0, **ask.body}
    for socket in list(ask.core.sockets):
        if bot is None or (socket.session is not None and socket.session.bot_id == bot):
            socket.strike(kinds[action], fields)
            touched += 1
    return {"touched": touched}


@on("GET", "requests")
def _requests(ask: Ask) -> list[Json]:
    query = dict(ask.query)
    after, route = int(query.pop("after", 0)), query.pop("route", "")
    return [line for line in ask.core.log.select("request", after, **query) if route in line["route"]]


@on("GET", "events")
def _events(ask: Ask) -> list[Json]:
    query = dict(ask.query)
    after, name = int(query.pop("after", 0)), query.pop("name", None)
    return ask.core.log.select("event", after, **query, **({"event": name} if name else {}))


@on("GET", "gateway")
def _happenings(ask: Ask) -> list[Json]:
    query = dict(ask.query)
    return ask.core.log.select("gateway", int(query.pop("after", 0)), **query)


def unpack_files(files: list[Json]) -> list[tuple[str, str, bytes]]:
    """``[{filename, data}]`` with base64 data, or ``{filename, size}`` for so many zeros, into uploads.

    Raises:
        ControlError: the data is no base64.
    """
    try:
        return [
            (
                str(file["filename"]),
                str(
                    file.get("content_type")
                    or mimetypes.guess_type(file["filename"])[0]
                    or "application/octet-stream"
                ),
                bytes(int(file["size"])) if "size" in file else base64.b64decode(file["data"], validate=True),
            )
            for file in files
        ]
    except binascii.Error as error:
        raise ControlError(f"File data is no base64: {error}.", status=400) from error
