"""From an account's settings to its transport: one place, so that no leg forgets the proxy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pydantic import SecretStr

from shoal.base.clock import Clock
from shoal.base.proxy import Proxy
from shoal.discord.limiter import LimiterLike
from shoal.discord.mentions import MentionPolicy
from shoal.discord.retry import RetryPolicy
from shoal.discord.transport import Transport

__all__ = ["AccountLike", "MentionsLike", "RetryLike", "open_transport"]


class RetryLike(Protocol):
    """Numbers of ``channels.discord.retry``."""

    @property
    def attempts(self) -> int: ...
    @property
    def min_delay_ms(self) -> int: ...
    @property
    def max_delay_ms(self) -> int: ...
    @property
    def jitter(self) -> float: ...


class MentionsLike(Protocol):
    """``channels.discord.allowedMentions``."""

    @property
    def users(self) -> bool: ...
    @property
    def roles(self) -> bool | Sequence[str]: ...
    @property
    def everyone(self) -> bool: ...


class AccountLike(Protocol):
    """What of an account decides how its traffic leaves; ``config.Account`` is one."""

    @property
    def id(self) -> str: ...
    @property
    def token(self) -> SecretStr: ...
    @property
    def proxy(self) -> Proxy | None: ...
    @property
    def proxy_ca_file(self) -> str | None: ...
    @property
    def api_url(self) -> str | None: ...
    @property
    def retry(self) -> RetryLike: ...
    @property
    def mentions(self) -> MentionsLike: ...


def open_transport(
    account: AccountLike, limiter: LimiterLike, *, clock: Clock | None = None, threads: int = 16
) -> Transport:
    """The transport of an account.

    Raises:
        ConfigError: its API address, CA file or proxy cannot be used.
    """
    retry, mentions = account.retry, account.mentions
    return Transport(
        account.id,
        account.token,
        limiter=limiter,
        proxy=account.proxy,
        api_url=account.api_url,
        ca_file=account.proxy_ca_file,
        retry=RetryPolicy(retry.attempts, retry.min_delay_ms, retry.max_delay_ms, retry.jitter),
        clock=clock,
        threads=threads,
        mentions=MentionPolicy(mentions.users, mentions.roles, mentions.everyone),
    )
