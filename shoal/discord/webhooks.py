"""Webhooks: found and made with the bot's token, spoken through with their own (``discord/facts.md`` 13).

Discord takes neither a nonce nor a reference here, so a send that was lost may be out: the caller has to
look before it sends again. The token of a webhook is a secret like the bot's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from shoal.discord.answers import Json, list_in, made_in
from shoal.discord.limiter import Priority
from shoal.discord.rest import Rest
from shoal.discord.retry import Safety
from shoal.discord.routes import Route

__all__ = ["WebhookCalls"]

_OF_CHANNEL = "/channels/{channel_id}/webhooks"
_TOKEN = "/webhooks/{webhook_id}/{webhook_token}"  # noqa: S105 - a route template


class WebhookCalls:
    """Calls of one account, with the patience of its :class:`Rest`.

    Every method may raise what :meth:`Transport.request` raises.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def of_channel(self, channel_id: str, *, timeout: float = 15.0) -> list[Json]:
        """Webhooks of a channel (needs Manage Webhooks); only our own have a ``token``.

        Args:
            timeout: as :meth:`Transport.request`: seconds of silence; a whole answer may take twice.
        """
        route = Route("GET", _OF_CHANNEL, channel_id=channel_id)
        return list_in(self._rest.call(route, timeout=timeout), route)

    def create(self, channel_id: str, name: str, *, timeout: float = 15.0) -> Json:
        """Make a webhook of a channel. Never repeated when in doubt: look for it first.

        ``timeout`` as :meth:`of_channel`.
        """
        route = Route("POST", _OF_CHANNEL, channel_id=channel_id)
        made = self._rest.call(route, json={"name": name}, safety=Safety.CREATE, timeout=timeout)
        return made_in(made, route, "webhook")

    def execute(
        self,
        webhook_id: str,
        token: SecretStr,
        body: Mapping[str, Any],
        *,
        thread_id: str | None = None,
        priority: Priority = Priority.INTERACTIVE,
        timeout: float = 15.0,
    ) -> Json:
        """Say something and return the message (``wait=true``).

        Args:
            body: with ``allowed_mentions``, from :mod:`shoal.discord.mentions`.
            thread_id: a thread of the webhook's channel; none speaks in the channel.
            timeout: seconds for all of it.
        """
        route = Route("POST", _TOKEN, webhook_id=webhook_id, webhook_token=token.get_secret_value())
        query = {"wait": True} | ({"thread_id": thread_id} if thread_id else {})
        answer = self._rest.call(
            route, json=dict(body), query=query, safety=Safety.CREATE, priority=priority, timeout=timeout / 2
        )  # an answer may take twice the time-out, which is between two bytes
        return made_in(answer, route, "message")
