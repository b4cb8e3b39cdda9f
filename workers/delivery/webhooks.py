"""The one webhook of ours in a channel: known, found, or made (``spec/outbound.md`` 9.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import SecretStr

from shoal.base.logging import get_logger
from shoal.discord.errors import BadRequest, Forbidden, NotFound
from shoal.discord.rest import Rest
from shoal.discord.webhooks import WebhookCalls
from shoal.state.personas import Personas, Webhook
from workers.delivery.verdicts import NotYet

__all__ = ["NAME", "webhook_of"]

NAME = "Shoal Agents"
_INCOMING = 1
_BUSY_MS = 500

log = get_logger(__name__)


def webhook_of(
    account: str, channel_id: str, personas: Personas, rest: Rest, bot_id: Callable[[str], str | None]
) -> Webhook | None:
    """Our webhook of a channel; none where there can be none, which is said in the log once an hour.

    Made by one process at a time, and looked for before: a create whose answer was lost is found again.

    Args:
        bot_id: our user id on an account, if it is known.

    Raises:
        NotYet: somebody else is making it.
        DiscordError, TransportError, RateWait: Discord does not answer now.
    """
    known = personas.webhook(account, channel_id)
    if known is not None or personas.refused(account, channel_id):
        return known
    if not personas.claim(account, channel_id):
        raise NotYet(_BUSY_MS, "waiting: webhook")
    try:
        calls = WebhookCalls(rest)
        found = _ours(calls.of_channel(channel_id), bot_id(account)) or _read(calls.create(channel_id, NAME))
    except (Forbidden, NotFound, BadRequest) as error:
        if personas.refuse(account, channel_id, error.code):
            log.warning(
                "an agent speaks as the bot: a webhook of its own needs Manage Webhooks in the channel",
                account=account,
                channel=channel_id,
                code=error.code,
                error=str(error),
            )
        return None
    finally:
        personas.release(account, channel_id)
    if found is not None:
        personas.keep(account, channel_id, found)
    return found


def _ours(webhooks: Iterable[Mapping[str, Any]], bot_id: str | None) -> Webhook | None:
    """The oldest that our application owns: those of others have no token, and those of people are theirs."""
    mine = [
        one
        for one in webhooks
        if one.get("type") == _INCOMING
        and one.get("token")
        and bot_id is not None
        and bot_id in (str(one.get("application_id")), str((one.get("user") or {}).get("id")))
    ]
    return _read(min(mine, key=lambda one: int(one["id"]))) if mine else None


def _read(made: Mapping[str, Any]) -> Webhook | None:
    token = made.get("token")
    return Webhook(str(made["id"]), SecretStr(str(token))) if token else None
