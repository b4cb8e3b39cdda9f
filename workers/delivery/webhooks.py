"""The one webhook of ours in a channel: known, found, or made (``spec/outbound.md`` 9.9)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import SecretStr

from shoal.base.clock import Clock
from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.discord.errors import BadRequest, Forbidden, NotFound
from shoal.discord.rest import Rest
from shoal.discord.webhooks import WebhookCalls
from shoal.state.personas import CLAIM_S, Personas, Webhook
from workers.delivery.verdicts import NotYet

__all__ = ["NAME", "webhook_of"]

NAME = "Shoal Agents"
_INCOMING = 1
_BUSY_MS = 500
_CALL_S = 5.0
"""Time-out of each call; its answer may take twice that."""
_SETTLE_S = 5
"""A create that was lost may arrive for so long: nobody looks before."""
_MARGIN_S = 1.0

log = get_logger(__name__)


def webhook_of(
    account: str,
    channel_id: str,
    personas: Personas,
    rest: Rest,
    bot_id: Callable[[str], str | None],
    clock: Clock,
) -> Webhook | None:
    """Our webhook of a channel; none where there can be none, which is said in the log once an hour.

    Made by one process at a time, and looked for before: a create whose answer was lost is found again.

    Args:
        bot_id: our user id on an account, if it is known.
        clock: by which the claim is measured.

    Raises:
        NotYet: somebody else is making it, or would be before this process had.
        DiscordError, TransportError, RateWait: Discord does not answer now.
    """
    known = personas.webhook(account, channel_id)
    if known is not None or personas.refused(account, channel_id):
        return known
    ends = clock.monotonic() + CLAIM_S - _MARGIN_S
    if not personas.claim(account, channel_id):
        raise NotYet(_BUSY_MS, "waiting: webhook")
    over_in_s = 0
    try:
        found = _find_or_make(channel_id, WebhookCalls(rest), bot_id(account), clock, ends)
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
    except ShoalError as error:
        over_in_s = _SETTLE_S if error.ambiguous else 0
        raise
    finally:
        if clock.monotonic() < ends:  # else it is somebody else's by now
            personas.release(account, channel_id, in_s=over_in_s)
    if found is not None:
        personas.keep(account, channel_id, found)
    return found


def _find_or_make(
    channel_id: str, calls: WebhookCalls, bot_id: str | None, clock: Clock, ends: float
) -> Webhook | None:
    """Look, then make; ``ends``: of the claim, by ``clock``."""
    found = _ours(calls.of_channel(channel_id, timeout=_CALL_S), bot_id)
    if found is not None:
        return found
    if clock.monotonic() + 2 * _CALL_S > ends:
        raise NotYet(_BUSY_MS, "waiting: webhook")
    return _read(calls.create(channel_id, NAME, timeout=_CALL_S))


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
