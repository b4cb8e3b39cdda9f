"""Acting as people: the part of :class:`~shoal.simulator.control.Control` that speaks, reacts and clicks."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from shoal.simulator.control_calls import Calls, Json

__all__ = ["Acting"]


class Acting(Calls):
    """What a person does on Discord. ``user`` is who does it; left out, the first human."""

    def open_dm(self, user: str | None = None, bot: str | None = None) -> Json:
        """The direct-message channel of a user and a bot, made on first use."""
        return self._one("POST", "/dms", user=user, bot=bot)

    def create_thread(
        self, channel: str, name: str, *, user: str | None = None, message: str | None = None, **fields: Any
    ) -> Json:
        """Start a thread as a user; ``fields``: type, content (first message of a forum post)."""
        return self._one(
            "POST", f"/channels/{channel}/threads", name=name, user=user, message=message, **fields
        )

    def say(
        self,
        channel: str,
        content: str = "",
        *,
        user: str | None = None,
        reply_to: str | None = None,
        files: Sequence[tuple[str, bytes | int]] = (),
        **fields: Any,
    ) -> Json:
        """Write a message as a user; mentions are worked out from the text.

        ``files`` are (name, bytes), or (name, size) for so many zeros. ``fields``: nonce, type, flags,
        webhook (name to speak as a webhook), embeds, timestamp_ms (age of the id), author payload overrides.
        """
        packed = [
            {"filename": name, "size": data}
            if isinstance(data, int)
            else {"filename": name, "data": base64.b64encode(data).decode()}
            for name, data in files
        ]
        return self._one(
            "POST",
            f"/channels/{channel}/messages",
            content=content,
            user=user,
            reply_to=reply_to,
            files=packed,
            **fields,
        )

    def dm(self, content: str, *, user: str | None = None, bot: str | None = None, **fields: Any) -> Json:
        """Write to a bot in private."""
        return self.say(str(self.open_dm(user, bot)["id"]), content, user=user, **fields)

    def edit(self, channel: str, message: str, content: str | None = None, **fields: Any) -> Json:
        """Edit a message as its author.

        ``fields``: embeds, and ``silent=True`` for what Discord changes by itself (a link's embed): then
        MESSAGE_UPDATE comes without a new ``edited_timestamp``.
        """
        if content is not None:
            fields["content"] = content
        return self._one("PATCH", f"/channels/{channel}/messages/{message}", **fields)

    def delete(self, channel: str, message: str) -> Json:
        """Delete a message."""
        return self._one("DELETE", f"/channels/{channel}/messages/{message}")

    def proxy(self, channel: str, message: str, name: str) -> Json:
        """Let PluralKit replace a message: the webhook copy comes, then the original is deleted."""
        return self._one("POST", f"/channels/{channel}/messages/{message}/proxy", name=name)

    def react(self, channel: str, message: str, emoji: str, *, user: str | None = None) -> Json:
        """Add a reaction (``"👍"`` or ``"name:id"``)."""
        return self._one("POST", f"/channels/{channel}/messages/{message}/reactions", emoji=emoji, user=user)

    def unreact(self, channel: str, message: str, emoji: str, *, user: str | None = None) -> Json:
        """Take a reaction away."""
        return self._one(
            "POST", f"/channels/{channel}/messages/{message}/reactions", emoji=emoji, user=user, remove=True
        )

    def typing(self, channel: str, *, user: str | None = None) -> Json:
        """Show a user as typing."""
        return self._one("POST", f"/channels/{channel}/typing", user=user)

    def click(
        self,
        channel: str,
        message: str,
        custom_id: str,
        *,
        user: str | None = None,
        values: Sequence[str] = (),
    ) -> Json:
        """Press a button, or choose ``values`` in a select; returns the interaction (id, token, state)."""
        return self._one(
            "POST",
            f"/channels/{channel}/messages/{message}/click",
            custom_id=custom_id,
            user=user,
            values=list(values),
        )

    def command(
        self,
        channel: str,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        user: str | None = None,
        **more: Any,
    ) -> Json:
        """Use a slash command (``"vc join"`` for a sub-command).

        ``more``: bot, locale, focused (name of the option being completed), target.
        """
        return self._one(
            "POST", f"/channels/{channel}/commands", name=name, options=dict(options or {}), user=user, **more
        )

    def submit_modal(self, interaction: str, values: Mapping[str, Any], *, user: str | None = None) -> Json:
        """Fill in the modal that answered ``interaction`` (custom_id → value or values) and send it."""
        return self._one("POST", f"/interactions/{interaction}/submit", values=dict(values), user=user)
