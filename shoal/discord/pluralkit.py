"""PluralKit: who really spoke in a message that a webhook wrote (``spec/inbound.md`` 3.12).

Members of a *system* share one Discord account. PluralKit replaces what they write by a
webhook copy with the member's name and deletes the original. Its public API tells of either id
who it was; that of the original is known for 30 minutes only.

The look-up leaves through the account's :class:`~shoal.discord.transport.Transport`, so it takes the
account's proxy and passes the egress guard; Discord's token and rate limits are not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic import SecretStr

from shoal.base.errors import ShoalError
from shoal.base.redact import redactor
from shoal.discord.bodies import Raw
from shoal.discord.transport import Transport

__all__ = ["ORIGINAL_MS", "PLURALKIT_URL", "PluralKit", "PluralKitError", "Proxied"]

PLURALKIT_URL = "https://api.pluralkit.me/v2"
ORIGINAL_MS = 30 * 60_000
"""How long the id of an original is known there (decision 12)."""
MAX_BODY = 256 * 1024
MAX_NAME = 200


class PluralKitError(ShoalError):
    """PluralKit answered with an error. ``status`` is HTTP's; ``retry_after`` seconds, where it said so."""

    code = "pluralkit"

    def __init__(self, message: str, *, status: int, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.retryable = status == 429 or status >= 500


class Proxied(msgspec.Struct, frozen=True, omit_defaults=True):
    """A proxied message.

    Attributes:
        message_id: the webhook's copy.
        original_id: what the copy replaced; the canonical id of the message.
        sender_id: the Discord account behind the member.
        member_id: the member, as ``pk:<member id>`` names it in allow-lists.
        name: what people see: display name, else the member's name.
        member_name: the member's name.
        system_name: the system, "" where it is private.
    """

    message_id: str
    original_id: str
    sender_id: str
    member_id: str
    name: str
    member_name: str = ""
    system_name: str = ""

    @property
    def label(self) -> str:
        """``Lou (PK:System)``, or ``Lou (PK)``."""
        return f"{self.name} (PK:{self.system_name})" if self.system_name else f"{self.name} (PK)"


class PluralKit:
    """Look-ups of one account.

    Args:
        transport: the account's only way out.
        base: of the API, version included; another server for tests.
        token: for systems that are private to everybody else.
    """

    def __init__(
        self, transport: Transport, *, base: str | None = None, token: SecretStr | None = None
    ) -> None:
        self._transport = transport
        self._base = (base or PLURALKIT_URL).rstrip("/")
        self._headers: dict[str, str] = {"Accept": "application/json"}
        if token is not None:
            redactor.register(token.get_secret_value())
            self._headers["Authorization"] = token.get_secret_value()

    def message(self, message_id: str, *, timeout: float = 2.0) -> Proxied | None:
        """Who spoke in a message, by the id of the copy or (for 30 minutes) of the original; None: nobody.

        Raises:
            PluralKitError: another answer than yes or no.
            TransportError, ProxyError: no answer.
        """
        if not (message_id.isascii() and message_id.isdigit()):
            raise PluralKitError("PluralKit is asked for messages by their id only.", status=0)
        raw = self._transport.get_beside(
            f"{self._base}/messages/{message_id}",
            name="GET pluralkit/messages/{message_id}",
            headers=self._headers,
            timeout=timeout,
            max_bytes=MAX_BODY,
        )
        if raw.status == 404:
            return None
        if raw.status != 200:
            raise _refused(raw)
        found = raw.data()
        if not isinstance(found, Mapping):
            raise PluralKitError("PluralKit answered with something that is no message.", status=raw.status)
        return _proxied(found, message_id)


def _refused(raw: Raw) -> PluralKitError:
    after: float | None = None
    data = raw.data() if raw.status == 429 else None
    if isinstance(data, Mapping):
        wait = data.get("retry_after")  # milliseconds there
        if isinstance(wait, int | float) and not isinstance(wait, bool) and 0 <= wait < 60_000:
            after = wait / 1000
    return PluralKitError(
        f"PluralKit refused a look-up ({raw.status}).", status=raw.status, retry_after=after
    )


def _proxied(raw: Mapping[str, Any], asked: str) -> Proxied | None:
    """The answer read; None where it names no member with a name (then nobody can be said to speak)."""
    member, system = _map(raw.get("member")), _map(raw.get("system"))
    member_id, member_name = _text(member.get("id")), _text(member.get("name"))
    name = _text(member.get("display_name")) or member_name
    if not member_id or not name:
        return None
    return Proxied(
        message_id=_id(raw.get("id")) or asked,
        original_id=_id(raw.get("original")) or asked,
        sender_id=_id(raw.get("sender")),
        member_id=member_id.lower(),
        name=name,
        member_name=member_name,
        system_name=_text(system.get("name")),
    )


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value.strip()[:MAX_NAME] if isinstance(value, str) else ""


def _id(value: Any) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    return text if isinstance(text, str) and text.isascii() and text.isdigit() and len(text) <= 20 else ""
