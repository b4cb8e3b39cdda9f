"""Reaching Discord once, the way the fleet does: REST and the gateway's websocket, through the proxy.

A handful of requests per account, outside the fleet's rate limiter and without retries. Nobody
logs in: the websocket is opened and closed again, so no IDENTIFY is used up.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from shoal.base.errors import ShoalError

if TYPE_CHECKING:
    from config import Account, Loaded
    from shoal.discord.bodies import Response
    from shoal.discord.transport import Transport

__all__ = ["Probe", "probe_all"]

TIMEOUT_S = 6.0


@dataclass(frozen=True, slots=True)
class Probe:
    """What one account met.

    Attributes:
        user: our own user object, if REST answered.
        application: our application, with the intents it was given.
        gateway: the answer of ``/gateway/bot``.
        skew_s: how far this machine's clock is ahead of Discord's.
        rest_error: why REST does not work.
        gateway_error: why the websocket does not open.
    """

    user: dict[str, Any] | None = None
    application: dict[str, Any] | None = None
    gateway: dict[str, Any] = field(default_factory=dict)
    skew_s: float | None = None
    rest_error: ShoalError | None = None
    gateway_error: ShoalError | None = None


def probe_all(loaded: Loaded) -> dict[str, Probe]:
    """Every account that can run, all at once."""
    accounts = loaded.accounts
    with ThreadPoolExecutor(max(1, min(8, len(accounts)))) as pool:
        return dict(zip((account.id for account in accounts), pool.map(_probe, accounts), strict=True))


def _probe(account: Account) -> Probe:
    from shoal.discord.connect import open_transport
    from shoal.discord.limiter import Unlimited

    try:
        transport = open_transport(account, Unlimited(), threads=2)
    except ShoalError as error:
        return Probe(rest_error=error, gateway_error=error)
    try:
        with ThreadPoolExecutor(1) as aside:
            # the websocket's address is known without REST, so both are tried even where one fails
            socket = aside.submit(_websocket, transport, account)
            answers, skew, rest_error = _rest(transport)
            return Probe(
                answers.get("user"),
                answers.get("application"),
                answers.get("gateway", {}),
                skew,
                rest_error,
                socket.result(),
            )
    finally:
        transport.close()


def _rest(transport: Transport) -> tuple[dict[str, dict[str, Any]], float | None, ShoalError | None]:
    from shoal.discord.answers import object_in

    found: dict[str, dict[str, Any]] = {}
    skew: float | None = None
    paths = {"user": "/users/@me", "gateway": "/gateway/bot", "application": "/applications/@me"}
    for name, path in paths.items():
        try:
            answer = _get(transport, path)
        except ShoalError as error:
            return found, skew, error
        found[name] = object_in(answer)
        skew = _skew(answer.headers.get("date", "")) if skew is None else skew
    return found, skew, None


def _get(transport: Transport, path: str) -> Response:
    from shoal.discord.rest import Rest
    from shoal.discord.retry import NO_RETRY
    from shoal.discord.routes import Route

    return Rest(transport, max_wait=0.0, retry=NO_RETRY).call(Route("GET", path), timeout=TIMEOUT_S)


def _skew(date: str) -> float | None:
    """Seconds by which this clock is ahead of the moment an answer was made (which has whole seconds)."""
    try:
        return time.time() - parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None


def _websocket(transport: Transport, account: Account) -> ShoalError | None:
    from gateway.lookup import FALLBACK_URL
    from gateway.socket import GatewaySocket

    try:
        url = FALLBACK_URL
        if account.api_url:  # another server names its address itself (decision 55)
            named = _get(transport, "/gateway/bot").data
            url = str(named.get("url")) if isinstance(named, dict) else ""
        socket = GatewaySocket.open(url, transport, "none", timeout=TIMEOUT_S)
    except ShoalError as error:
        return error
    socket.close(4000, "doctor")
    socket.release()
    return None
