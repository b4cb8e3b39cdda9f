"""PluralKit as bots see it: a member's message replaced by a webhook copy, and the look-up of who spoke.

``GET /pluralkit/v2/messages/{id}`` takes the id of the copy, or for 30 minutes that of the original.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import orjson
from tornado.web import RequestHandler

from shoal.base.ids import snowflake_ms
from shoal.simulator.control_api import Ask, on
from shoal.simulator.model import Json

if TYPE_CHECKING:
    from shoal.simulator.core import Core

__all__ = ["PluralKitHandler"]

ORIGINAL_MS = 30 * 60_000


@on("POST", "channels/*/messages/*/proxy")
def _proxy(ask: Ask) -> Json:
    """Write the webhook copy, keep who it was, delete the original: events in that order."""
    original, channel = ask.message(), ask.channel()
    name = str(ask.body.get("name") or "Member")
    copy = ask.core.actions.create(
        channel,
        original.author_id,
        {"content": str(ask.body.get("content") or original.content)},
        webhook_id=ask.core.world.new_id(),
        webhook_name=name,
    )
    record: Json = {
        "timestamp": original.timestamp,
        "id": copy.id,
        "original": original.id,
        "sender": original.author_id,
        "channel": channel.id,
        "guild": channel.guild_id,
        "system": {
            "id": "exmpl",
            "uuid": "00000000-0000-0000-0000-000000000001",
            "name": "System",
            "tag": None,
        },
        "member": {
            "id": "membr",
            "uuid": "00000000-0000-0000-0000-000000000002",
            "name": name,
            "display_name": None,
            "avatar_url": None,
            "proxy_tags": [],
        },
    }
    ask.core.world.proxied[copy.id] = ask.core.world.proxied[original.id] = record
    ask.core.actions.delete(original)
    return ask.core.payloads.message(copy)


class PluralKitHandler(RequestHandler):
    """The look-up."""

    core: Core

    def initialize(self, core: Core) -> None:
        """Given by the route table."""
        self.core = core

    async def get(self, message_id: str) -> None:
        """The record of a proxied message, 404 for any other."""
        settings = self.core.settings
        if settings.pluralkit_delay_s > 0:
            await asyncio.sleep(settings.pluralkit_delay_s)
        record = self.core.world.proxied.get(message_id)
        if record is not None and message_id == record["original"]:
            age_ms = time.time() * 1000 - snowflake_ms(message_id)
            record = record if age_ms < ORIGINAL_MS else None
        agent = self.request.headers.get("User-Agent", "")
        status, body = (
            (200, record) if record is not None else (404, {"message": "Message not found.", "code": 20006})
        )
        if not agent:
            status, body = 400, {"message": "User-Agent header is required.", "code": 0}
        if settings.pluralkit_status:
            status, body = settings.pluralkit_status, {"message": "As told.", "code": 0}
        self.core.log.write(
            "request",
            method="GET",
            path=self.request.path,
            query=self.request.query,
            route="GET /pluralkit/messages/{message_id}",
            bot="",
            source=str(self.request.remote_ip),
            user_agent=agent,
            body=None,
            files=[],
            status=status,
            answer=body,
            lost="",
            seconds=0.0,
        )
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        for name, value in (
            ("Limit", "10"),
            ("Remaining", "9"),
            ("Reset", str(int(time.time() * 1000) + 1000)),
        ):
            self.set_header(f"X-RateLimit-{name}", value)
        self.finish(orjson.dumps(body))
