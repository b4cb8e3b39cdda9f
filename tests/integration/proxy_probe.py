"""Every leg through one proxy, in a process of its own with the egress guard (see ``test_proxy_proof.py``).

Reads jobs as JSON from stdin: ``{"name", "config", "state_dir", "env", "account", "channel"}``. Each runs in
a fork of this process, because a guard cannot be taken back. Prints ``{name: {leg: answer}}``.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from config import load
from gateway.socket import GatewaySocket
from shoal.base.errors import ShoalError
from shoal.cli.egress import guard_egress
from shoal.discord.connect import open_transport
from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.retry import RetryPolicy
from shoal.discord.routes import Route
from shoal.discord.transport import File, Transport
from tests.discord.support.files import fetch
from workers.agent.providers.base import Message, ModelRequest, TextDelta
from workers.agent.providers.pool import ProviderPool

BYTES = bytes(range(256)) * 700
ASK = ModelRequest(model="first", system="", messages=(Message("user", text="hi"),))


def legs(job: dict[str, Any]) -> dict[str, Any]:
    """What each leg came to: ``ok``, or the leg and text of its error."""
    os.environ.clear()
    os.environ.update(job["env"])
    loaded = load(Path(job["config"]), state_dir=Path(job["state_dir"]))
    loaded.paths.logs.mkdir(parents=True, exist_ok=True)
    guard = guard_egress(loaded, process="probe")
    account = loaded.account(job["account"])
    transport = open_transport(account, Unlimited())
    rest = Rest(transport).limited(retry=RetryPolicy(attempts=1))
    told: dict[str, Any] = {}

    def leg(name: str, call: Any) -> Any:
        try:
            answer = call()
        except ShoalError as error:
            told[name] = {"leg": getattr(error, "leg", ""), "text": str(error)}
            return None
        told[name] = "ok"
        return answer

    leg("rest", rest.get_current_user)
    sent = leg(
        "upload", lambda: rest.create_message(job["channel"], nonce=None, files=[File("a.bin", BYTES)])
    )
    url = sent["attachments"][0]["url"] if sent else transport.origins.base.replace("/api/v10", "/cdn/x")
    found = leg("download", lambda: fetch(transport, url, max_bytes=len(BYTES)))
    assert found is None or found[0] == BYTES
    leg("signed upload", lambda: signed(transport, rest, job["channel"]))
    leg("gateway", lambda: hello(transport, rest))
    provider = ProviderPool(lambda: loaded)("local", job["account"])
    leg("model", lambda: [e for e in provider.stream(ASK, lambda: None) if isinstance(e, TextDelta)])
    told["proxied"] = transport.proxied
    told["guard"] = None if guard is None else [f"{one.what} {one.target}" for one in guard.refusals]
    return told


def signed(transport: Transport, rest: Rest, channel: str) -> None:
    """Ask for an upload address, as voice messages do, and use it."""
    route = Route("POST", "/channels/{channel_id}/attachments", channel_id=channel)
    wanted = {"files": [{"filename": "v.ogg", "file_size": len(BYTES), "id": "2"}]}
    answer = rest.call(route, json=wanted).data
    transport.upload(answer["attachments"][0]["upload_url"], BYTES, content_type="audio/ogg")


def hello(transport: Transport, rest: Rest) -> None:
    """Open the gateway's websocket and read the first frame."""
    try:
        url = rest.get_gateway_bot()["url"]
    except ShoalError:  # the socket has to fail by itself
        url = transport.origins.base.replace("http", "ws").replace("/api/v10", "/gateway")
    socket = GatewaySocket.open(url, transport, "zlib-stream")
    try:
        assert json.loads(socket.receive())["op"] == 10
    finally:
        socket.close(4000, "seen enough")
        socket.release()


def forked(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = legs(job)
        except BaseException:  # noqa: BLE001 - a child must not go on as its parent
            answer = {"crash": traceback.format_exc()}
        os.write(writing, json.dumps(answer).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    answer_of: dict[str, Any] = json.loads(text)
    return answer_of


if __name__ == "__main__":
    import openai  # noqa: F401 - once here instead of in each fork

    sys.stdout.write(json.dumps({job["name"]: forked(job) for job in json.load(sys.stdin)}))
