"""Discord's REST calls, one method each; thin over :class:`~shoal.discord.transport.Transport`.

Objects go in and out as Discord has them (dicts). What is decided here, once: the safety
class of each call, a nonce with ``enforce_nonce`` on message creates, and the priority of the
request; :mod:`shoal.discord.mentions` decides whom a text may ping. Answers to interactions are in
:mod:`shoal.discord.interactions`, threads in :mod:`shoal.discord.threads`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shoal.base.ids import MessageId
from shoal.discord.answers import Json, list_in, made_in, object_in
from shoal.discord.errors import NotFound
from shoal.discord.limiter import Priority
from shoal.discord.retry import RetryPolicy, Safety
from shoal.discord.routes import Route
from shoal.discord.transport import File, Response, Transport

__all__ = ["UNSET", "Rest"]

_CHANNEL = "/channels/{channel_id}"
_MESSAGES = "/channels/{channel_id}/messages"
_MESSAGE = "/channels/{channel_id}/messages/{message_id}"
_REACTION = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}"


class _Unset:
    """Marks "leave as it is" where ``None`` means "empty it"."""

    def __repr__(self) -> str:
        return "UNSET"


UNSET = _Unset()


class Rest:
    """REST calls of one account.

    Every method may raise what :meth:`Transport.request` raises. How long a call may wait for the
    rate limit, how often it is tried and who goes first is chosen for all methods at once by
    :meth:`limited`.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        max_wait: float | None = None,
        retry: RetryPolicy | None = None,
        priority: Priority | None = None,
    ) -> None:
        self.transport = transport
        self._max_wait = max_wait
        self._retry = retry
        self._priority = priority

    def limited(
        self,
        *,
        max_wait: float | None = None,
        retry: RetryPolicy | None = None,
        priority: Priority | None = None,
    ) -> Rest:
        """The same calls with another patience: a caller that yields its lane passes ``max_wait=0.05``.

        ``priority`` counts for every call, whatever is usual for it.
        """
        return Rest(
            self.transport,
            max_wait=max_wait,
            retry=retry or self._retry,
            priority=self._priority if priority is None else priority,
        )

    def call(
        self,
        route: Route,
        *,
        json: Any = None,
        files: Sequence[File] = (),
        query: Mapping[str, Any] | None = None,
        reason: str | None = None,
        priority: Priority = Priority.INTERACTIVE,
        safety: Safety = Safety.IDEMPOTENT,
        timeout: float = 15.0,
        most_wait: float | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Response:
        """Any route, with this object's patience; for calls that have no method yet.

        ``most_wait`` bounds that patience further, for what is worth nothing later.
        """
        waits = [wait for wait in (self._max_wait, most_wait) if wait is not None]
        return self.transport.request(
            route,
            json=json,
            files=files,
            query=query,
            reason=reason,
            priority=priority if self._priority is None else self._priority,
            safety=safety,
            timeout=timeout,
            max_wait=min(waits) if waits else None,
            retry=self._retry,
            form=form,
        )

    def upload(self, url: str, data: bytes, *, content_type: str, timeout: float = 60.0) -> None:
        """PUT bytes to an address of :func:`shoal.discord.uploads.upload_slot`, with this object's tries.

        Raises:
            DiscordError, TransportError: as :meth:`Transport.upload`.
        """
        self.transport.upload(url, data, content_type=content_type, timeout=timeout, retry=self._retry)

    # -- ourselves ---------------------------------------------------------------------------

    def get_current_user(self) -> Json:
        """The bot's user (``GET /users/@me``)."""
        return object_in(self.call(Route("GET", "/users/@me")))

    def get_user(self, user_id: str) -> Json:
        """Any user."""
        return object_in(self.call(Route("GET", "/users/{user_id}", user_id=user_id)))

    def get_application(self) -> Json:
        """The bot's application (``GET /applications/@me``)."""
        return object_in(self.call(Route("GET", "/applications/@me")))

    def get_gateway_bot(self, *, timeout: float = 15.0) -> Json:
        """Gateway address, recommended shards, ``session_start_limit`` (``GET /gateway/bot``)."""
        return object_in(self.call(Route("GET", "/gateway/bot"), timeout=timeout))

    # -- messages ----------------------------------------------------------------------------

    def create_message(
        self,
        channel_id: str,
        *,
        nonce: str | None,
        content: str | None = None,
        reply_to: MessageId | None = None,
        allowed_mentions: Mapping[str, Any] | None = None,
        components: Sequence[Mapping[str, Any]] | None = None,
        embeds: Sequence[Mapping[str, Any]] | None = None,
        sticker_ids: Sequence[str] | None = None,
        poll: Mapping[str, Any] | None = None,
        attachments: Sequence[Mapping[str, Any]] | None = None,
        files: Sequence[File] = (),
        flags: int = 0,
        tts: bool = False,
        priority: Priority = Priority.INTERACTIVE,
        timeout: float = 15.0,
    ) -> Json:
        """Create a message and return it.

        Args:
            nonce: from :func:`shoal.base.ids.derive_nonce`; the same text sent twice with it appears once.
                ``None`` only where a second message would do no harm: it is then not retried when in doubt.
            reply_to: message to answer; if it is gone, the message is sent without the reference.
            allowed_mentions: from :mod:`shoal.discord.mentions`; None = all that the account's policy allows.
            attachments: files uploaded before (:mod:`shoal.discord.uploads`); ``files`` bring theirs.
            flags: :class:`shoal.discord.wire.MessageFlags`.
        """
        body: Json = {}
        optional: Json = {
            "allowed_mentions": allowed_mentions,
            "content": content,
            "components": components,
            "embeds": embeds,
            "sticker_ids": sticker_ids,
            "poll": poll,
            "attachments": attachments,
        }
        body.update({name: _plain(value) for name, value in optional.items() if value is not None})
        if reply_to:
            body["message_reference"] = {"message_id": reply_to, "fail_if_not_exists": False}
        if flags:
            body["flags"] = int(flags)
        if tts:
            body["tts"] = True
        if nonce is not None:
            body |= {"nonce": nonce, "enforce_nonce": True}
        safety = Safety.CREATE if nonce is None else Safety.NONCE_CREATE
        route = Route("POST", _MESSAGES, channel_id=channel_id)
        answer = self.call(route, json=body, files=files, safety=safety, priority=priority, timeout=timeout)
        return made_in(answer, route, "message")

    def edit_message(
        self,
        channel_id: str,
        message_id: MessageId,
        *,
        content: str | _Unset | None = UNSET,
        components: Sequence[Mapping[str, Any]] | _Unset | None = UNSET,
        embeds: Sequence[Mapping[str, Any]] | _Unset | None = UNSET,
        attachments: Sequence[Mapping[str, Any]] | _Unset | None = UNSET,
        allowed_mentions: Mapping[str, Any] | None = None,
        files: Sequence[File] = (),
        flags: int | None = None,
        priority: Priority = Priority.INTERACTIVE,
        timeout: float = 15.0,
    ) -> Json:
        """Edit one of our messages and return it. What is not given stays; ``None`` empties.

        ``Priority.EDIT`` is meant for the edits of a streamed preview.
        """
        body = _edit_body(content, components, embeds, attachments, allowed_mentions, flags)
        route = Route("PATCH", _MESSAGE, channel_id=channel_id, message_id=message_id)
        return object_in(self.call(route, json=body, files=files, priority=priority, timeout=timeout))

    def delete_message(self, channel_id: str, message_id: MessageId, *, reason: str | None = None) -> None:
        """Delete a message. A message that was gone before raises NotFound (10008)."""
        try:
            self.call(Route("DELETE", _MESSAGE, channel_id=channel_id, message_id=message_id), reason=reason)
        except NotFound as error:
            if not error.ambiguous:  # else an earlier try of ours deleted it and its answer was lost
                raise

    def get_message(self, channel_id: str, message_id: MessageId) -> Json:
        """One message."""
        return object_in(self.call(Route("GET", _MESSAGE, channel_id=channel_id, message_id=message_id)))

    def get_messages(
        self,
        channel_id: str,
        *,
        limit: int = 50,
        after: MessageId | None = None,
    ) -> list[Json]:
        """Up to 100 messages, newest first; or those that come next ``after`` one."""
        query = {"limit": max(1, min(100, limit)), **({"after": after} if after is not None else {})}
        route = Route("GET", _MESSAGES, channel_id=channel_id)
        return list_in(self.call(route, query=query), route)

    def trigger_typing(self, channel_id: str) -> None:
        """Show the bot typing for 10 seconds, if the rate limit has room for it at once.

        It never waits: under load, one typing for each answer would take half of the global limit.

        Raises:
            RateWait: there is no room now; it was not sent. Others as :meth:`call`.
        """
        route = Route("POST", _CHANNEL + "/typing", channel_id=channel_id)
        self.call(route, priority=Priority.EDIT, most_wait=0.0, timeout=5.0)

    # -- reactions ---------------------------------------------------------------------------

    def create_reaction(self, channel_id: str, message_id: MessageId, emoji: str) -> None:
        """Add the bot's reaction. ``emoji``: a Unicode emoji, or ``name:id`` of a custom one."""
        ids = {"channel_id": channel_id, "message_id": message_id, "emoji": emoji}
        self.call(Route("PUT", _REACTION + "/@me", **ids))

    def delete_own_reaction(self, channel_id: str, message_id: MessageId, emoji: str) -> None:
        """Take the bot's reaction away."""
        ids = {"channel_id": channel_id, "message_id": message_id, "emoji": emoji}
        self.call(Route("DELETE", _REACTION + "/@me", **ids))

    # -- channels, guilds --------------------------------------------------------------------

    def create_dm(self, user_id: str) -> Json:
        """The direct-message channel with a user, opened if need be."""
        route = Route("POST", "/users/@me/channels")
        return made_in(self.call(route, json={"recipient_id": user_id}), route, "channel")

    def get_channel(self, channel_id: str) -> Json:
        """A channel or thread."""
        return object_in(self.call(Route("GET", _CHANNEL, channel_id=channel_id)))

    def get_guild(self, guild_id: str) -> Json:
        """A server with its roles."""
        return object_in(self.call(Route("GET", "/guilds/{guild_id}", guild_id=guild_id)))

    def get_guild_channels(self, guild_id: str) -> list[Json]:
        """Channels of a server, threads not included."""
        route = Route("GET", "/guilds/{guild_id}/channels", guild_id=guild_id)
        return list_in(self.call(route), route)

    def get_guild_member(self, guild_id: str, user_id: str) -> Json:
        """A member of a server."""
        return object_in(
            self.call(
                Route("GET", "/guilds/{guild_id}/members/{user_id}", guild_id=guild_id, user_id=user_id)
            )
        )


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, tuple) else value


def _edit_body(
    content: str | _Unset | None,
    components: Sequence[Mapping[str, Any]] | _Unset | None,
    embeds: Sequence[Mapping[str, Any]] | _Unset | None,
    attachments: Sequence[Mapping[str, Any]] | _Unset | None,
    allowed_mentions: Mapping[str, Any] | None,
    flags: int | None,
) -> Json:
    """Body of an edit."""
    body: Json = {} if allowed_mentions is None else {"allowed_mentions": dict(allowed_mentions)}
    optional = {
        "content": content,
        "components": components,
        "embeds": embeds,
        "attachments": attachments,
    }
    body.update({name: _plain(value) for name, value in optional.items() if not isinstance(value, _Unset)})
    if flags is not None:
        body["flags"] = int(flags)
    return body
