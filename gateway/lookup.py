"""Where to connect and whether IDENTIFY is allowed now.

``GET /gateway/bot`` is asked before every IDENTIFY, since Discord resets the token of a bot
that identifies more than its daily number of times; a RESUME needs neither. When the
question itself cannot be answered for a passing reason, the well-known address is used
(``spec/inbound.md`` 2.3), unless another server is configured: then we ask again.

The spacing of IDENTIFYs (one per five seconds and key, ``shard % max_concurrency``) is kept
in Redis for all gateways of an account together.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from shoal.base import exits
from shoal.base.errors import ProcessError, StoreUnavailable, TransportError
from shoal.base.logging import get_logger
from shoal.discord.errors import DiscordError, Unauthorized, nonsense
from shoal.state.store import Store

__all__ = ["GatewayInfo", "IdentifyGate", "Lookup"]

log = get_logger(__name__)

FALLBACK_URL = "wss://gateway.discord.gg/"
SAY_EVERY_S = 60.0
IDENTIFY_SPACING_MS = 5_200
DAY_S = 86_400.0
"""Discord's own period of IDENTIFYs: no answer makes us wait longer."""


@dataclass(frozen=True, slots=True)
class GatewayInfo:
    """Answer of ``/gateway/bot``. ``reset_after_s`` counts from the answer; ``fallback``: it did not come."""

    url: str
    shards: int = 1
    remaining: int = 1
    reset_after_s: float = 0.0
    max_concurrency: int = 1
    fallback: bool = False


class _Limit(msgspec.Struct):
    remaining: int = 1
    reset_after: float = 0.0
    max_concurrency: int = 1
    total: int = 1000


class _Answer(msgspec.Struct):
    url: Annotated[str, msgspec.Meta(pattern=r"^wss?://[^/]", max_length=2000)]
    shards: int = 1
    session_start_limit: _Limit = msgspec.field(default_factory=_Limit)


class Lookup:
    """Asks ``/gateway/bot`` for one account.

    Args:
        ask: sends ``GET /gateway/bot`` and returns the JSON of the answer.
        fallback: whether the well-known address may stand in (not with another server configured).
        keep_s: how long an answer serves, for shards that connect side by side.
    """

    def __init__(
        self,
        ask: Callable[[], Any],
        account: str,
        token_source: str,
        *,
        fallback: bool,
        keep_s: float = 0.0,
    ) -> None:
        self._ask = ask
        self._account = account
        self._token_source = token_source
        self._fallback = fallback
        self._said = -SAY_EVERY_S
        self._known: str | None = None
        self._keep_s = keep_s
        self._kept: tuple[float, GatewayInfo] | None = None
        self._lock = threading.Lock()
        self.recommended = 1
        """Shards of the last answer."""
        self.starts_left: int | None = None
        """Sessions that may still be begun today, as far as this process was told."""

    def fetch(self) -> GatewayInfo:
        """The present answer, or the fallback.

        Raises:
            ProcessError: 401, or another refusal: a restart will not cure it.
            TransportError, DiscordError, StoreUnavailable: passing, and there is no fallback; ask again.
        """
        with self._lock:
            if self._kept is not None and time.monotonic() - self._kept[0] < self._keep_s:
                return self._kept[1]
            info = self._fetch()
            self.recommended = info.shards
            if not info.fallback:
                self.starts_left = info.remaining
            self._kept = None if info.fallback else (time.monotonic(), info)
            return info

    def _fetch(self) -> GatewayInfo:
        try:
            raw = self._ask()
        except Unauthorized as error:
            raise ProcessError(
                f"Failed to connect to Discord gateway: Discord refused the bot token (account "
                f"{self._account}, token from {self._token_source}, 401 at /gateway/bot).",
                fix="Copy a fresh token from Developer Portal → your application → Bot → Reset Token.",
                exit_code=exits.CONFIG,
            ) from error
        except (TransportError, DiscordError, StoreUnavailable) as error:
            return self._without(error)
        return self._read(raw)

    def _read(self, raw: Any) -> GatewayInfo:
        try:
            answer = msgspec.convert(raw, _Answer)
        except msgspec.ValidationError:
            # a page of a proxy or a portal: it passes, as other failures of the way do
            return self._without(nonsense(200, "GET /gateway/bot", "gateway address"))
        self._known = answer.url
        limit = answer.session_start_limit
        return GatewayInfo(
            answer.url, max(1, answer.shards), limit.remaining, min(limit.reset_after / 1000, DAY_S),
            max(1, limit.max_concurrency),
        )  # fmt: skip

    def _without(self, error: TransportError | DiscordError | StoreUnavailable) -> GatewayInfo:
        if isinstance(error, DiscordError) and not error.retryable:
            raise ProcessError(
                f"/gateway/bot of account {self._account} failed: {error.message}",
                fix=error.fix or "Look at the answer; it will not change by itself.",
                exit_code=exits.CONFIG,
            ) from error
        url = self._known or (FALLBACK_URL if self._fallback else None)
        now = time.monotonic()
        if now - self._said >= SAY_EVERY_S:
            self._said = now
            instead = f"using {url}" if url else "asking again"
            log.warning(f"gateway metadata lookup failed; {instead}", account=self._account, error=error)
        if url is None:
            raise error
        return GatewayInfo(url, fallback=True)


class IdentifyGate:
    """The fleet's spacing of IDENTIFYs."""

    def __init__(self, store: Store, account: str, shard: int) -> None:
        self._store = store
        self._account = account
        self._shard = shard

    def take(self, info: GatewayInfo) -> float:
        """0 if IDENTIFY is allowed now (the permit is used up), else seconds to wait.

        Raises:
            StoreUnavailable: nothing is known about other gateways; wait.
        """
        if info.remaining <= 0 and info.reset_after_s > 0:
            return info.reset_after_s
        key = self._store.keys.identify(self._account, self._shard % info.max_concurrency)
        if self._store.redis.set(key, "1", nx=True, px=IDENTIFY_SPACING_MS):
            return 0.0
        left = int(self._store.redis.pttl(key))
        return max(0.05, left / 1000)
