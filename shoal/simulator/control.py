"""The Python client of the simulator's control API: play the people, read what the bot did, switch faults.

    control = Control("http://127.0.0.1:8060")
    said = control.say("general", "hello <@BOT>")
    answer = control.wait_for_message("general", after=said["id"], timeout=10)

Channels, users, bots, guilds and roles are given by id or, where only one has it, by name. A user left out
means the first human of the default world, a bot left out its bot. Ids are strings. Every method raises
:class:`~shoal.simulator.errors.ControlError` when the simulator refuses or does not answer, and every
``wait_for_…`` raises ``TimeoutError`` with what it saw instead. The HTTP side is ``docs/simulator.md``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from shoal.simulator.control_acting import Acting
from shoal.simulator.control_calls import Json
from shoal.simulator.control_watching import Watching

__all__ = ["Control"]


class Control(Acting, Watching):
    """A blocking client of ``/control``. Safe to use from several threads.

    Its arguments are those of :class:`~shoal.simulator.control_calls.Calls`. Here are the world and the
    switches.
    """

    # -- the world -------------------------------------------------------------------------------

    def state(self) -> Json:
        """Everything there is: users, bots (with tokens), guilds, channels, sessions, settings, faults."""
        return self._one("GET", "/state")

    def add_user(self, username: str, *, global_name: str | None = None, guilds: Iterable[str] = ()) -> Json:
        """Make a human and put them into ``guilds``; returns the user."""
        return self._one("POST", "/users", username=username, global_name=global_name, guilds=list(guilds))

    def add_bot(self, username: str, *, guilds: Iterable[str] = (), disallowed_intents: int = 0) -> Json:
        """Make a bot: ``{id, application_id, token, user}``. ``disallowed_intents`` bits answer 4014."""
        return self._one(
            "POST", "/bots", username=username, guilds=list(guilds), disallowed_intents=disallowed_intents
        )

    def add_guild(
        self,
        name: str,
        *,
        owner: str | None = None,
        members: Iterable[str] = (),
        features: Iterable[str] = (),
    ) -> Json:
        """Make a guild with an ``@everyone`` role and no channel; members (bots too) join it.

        ``features`` are Discord's, like ``VERIFIED``.
        """
        return self._one(
            "POST", "/guilds", name=name, owner=owner, members=list(members), features=list(features)
        )

    def delete_guild(self, guild: str, *, unavailable: bool = False) -> Json:
        """Remove the bots from a guild, or announce an outage of it (``unavailable``)."""
        return self._one("POST", f"/guilds/{guild}/delete", unavailable=unavailable)

    def restore_guild(self, guild: str) -> Json:
        """End an outage begun with ``delete_guild(unavailable=True)``."""
        return self._one("POST", f"/guilds/{guild}/restore")

    def add_channel(self, guild: str, name: str, **fields: Any) -> Json:
        """Make a channel. ``fields``: type (0), parent, topic, nsfw, position, overwrites, available_tags."""
        return self._one("POST", f"/guilds/{guild}/channels", name=name, **fields)

    def edit_channel(self, channel: str, **fields: Any) -> Json:
        """Change a channel (name, topic, overwrites, archived, locked, …); bots get CHANNEL_UPDATE."""
        return self._one("PATCH", f"/channels/{channel}", **fields)

    def delete_channel(self, channel: str) -> Json:
        """Delete a channel or thread."""
        return self._one("DELETE", f"/channels/{channel}")

    def add_webhook(self, channel: str, name: str, *, bot: str | None = None) -> Json:
        """Make a webhook as a person, or as the application of ``bot``: ``{id, token, …}``."""
        return self._one("POST", f"/channels/{channel}/webhooks", name=name, bot=bot)

    def delete_webhook(self, webhook: str) -> Json:
        """Delete a webhook, as somebody does in the channel's settings."""
        return self._one("DELETE", f"/webhooks/{webhook}")

    def add_role(self, guild: str, name: str, *, permissions: int = 0, mentionable: bool = False) -> Json:
        """Make a role at the top of the list; ``permissions`` are Discord's bits."""
        return self._one(
            "POST", f"/guilds/{guild}/roles", name=name, permissions=permissions, mentionable=mentionable
        )

    def edit_role(self, guild: str, role: str, **fields: Any) -> Json:
        """Change a role (name, permissions, mentionable)."""
        return self._one("PATCH", f"/guilds/{guild}/roles/{role}", **fields)

    def add_member(
        self, guild: str, user: str, *, roles: Iterable[str] = (), nick: str | None = None
    ) -> Json:
        """Put a user or bot into a guild."""
        return self._one("POST", f"/guilds/{guild}/members", user=user, roles=list(roles), nick=nick)

    def edit_member(self, guild: str, user: str, **fields: Any) -> Json:
        """Change a member: roles (list), nick, communication_disabled_until (ISO time or None)."""
        return self._one("PATCH", f"/guilds/{guild}/members/{user}", **fields)

    def remove_member(self, guild: str, user: str) -> Json:
        """Take a user or bot out of a guild."""
        return self._one("DELETE", f"/guilds/{guild}/members/{user}")

    def set_voice(self, guild: str, user: str, channel: str | None) -> Json:
        """Put a user into a voice channel as REST shows it, or out of it (no event is sent)."""
        return self._one("PATCH", f"/guilds/{guild}/voice/{user}", channel=channel)

    def edit_user(self, user: str, *, dms: bool) -> Json:
        """Open or close somebody's direct messages (closed: the bot gets 50007)."""
        return self._one("PATCH", f"/users/{user}", dms=dms)

    # -- switches --------------------------------------------------------------------------------

    def gateway(self, action: str, *, bot: str | None = None, **fields: Any) -> Json:
        """Do something to open sessions now: close (code), cut, reconnect, invalidate (resumable), forget."""
        return self._one("POST", "/gateway", action=action, bot=bot, **fields)

    def fault(self, kind: str, **fields: Any) -> Json:
        """Add a fault (kinds and fields: ``docs/simulator.md``); returns it with its id."""
        return self._one("POST", "/faults", kind=kind, **fields)

    def faults(self) -> list[Json]:
        """Faults that are set, with how often each fired."""
        return self._many("/faults")

    def remove_fault(self, fault: int) -> Json:
        """Take one fault away; one that is used up is fine."""
        return self._one("DELETE", f"/faults/{fault}")

    def clear_faults(self) -> Json:
        """Remove all faults."""
        return self._one("DELETE", "/faults")

    def configure(self, **settings: Any) -> Json:
        """Change settings (nonce_window_s, rate_limits, rate_scale, heartbeat_interval_ms, …)."""
        return self._one("PATCH", "/settings", **settings)
