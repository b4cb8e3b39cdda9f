"""A message that shows its own files is greyed out against the simulator's rules, and keeps them."""

from __future__ import annotations

from typing import Any

from pydantic import SecretStr

from shoal.discord.bodies import File
from shoal.discord.limiter import Unlimited
from shoal.discord.rest import Rest
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from workers.components.encode import Origin
from workers.components.greying import greyed
from workers.components.sending import ComponentSettings, make_components

SPEC: dict[str, Any] = {
    "blocks": [
        {"type": "file", "file": "attachment://a b.txt"},
        {"type": "media-gallery", "items": [{"url": "attachment://c.png"}, {"url": "https://x.org/d.png"}]},
        {"type": "actions", "buttons": [{"label": "Go"}, {"label": "Docs", "url": "https://x.org"}]},
    ]
}


def test_files_stay_where_they_are_when_a_message_is_greyed_out() -> None:
    """A file block takes a file's name only; Discord sends its address back (50035 otherwise)."""
    made = make_components(
        SPEC, Origin("c", "1", "default", "7", "agent:main:main", "main"), ComponentSettings()
    )
    with Simulator(settings={"rate_limits": False}) as simulator:
        transport = Transport(
            "default", SecretStr(simulator.token), limiter=Unlimited(), api_url=simulator.api_url
        )
        rest = Rest(transport)
        files = [File("a b.txt", b"abc"), File("c.png", b"png")]
        sent = rest.create_message(
            simulator.channel_id, nonce="n", components=made.components, flags=made.flags, files=files
        )
        shown = rest.get_message(simulator.channel_id, sent["id"])["components"]
        rest.edit_message(simulator.channel_id, sent["id"], components=[greyed(one) for one in shown])
        after = rest.get_message(simulator.channel_id, sent["id"])
        transport.close()
    file, gallery, row = after["components"][0]["components"]
    before, *_ = shown[0]["components"]
    assert file["file"]["url"].split("?")[0] == before["file"]["url"].split("?")[0]
    assert gallery["items"][0]["media"]["attachment_id"] == after["attachments"][1]["id"]
    assert gallery["items"][1]["media"]["url"] == "https://x.org/d.png"
    assert [bool(one.get("disabled")) for one in row["components"]] == [True, False]
    assert len(after["attachments"]) == 2
