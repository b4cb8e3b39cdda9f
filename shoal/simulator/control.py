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

import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from shoal.simulator.errors import ControlError

__all__ = ["Control"]

Json = dict[str, Any]


class _From(HTTPAdapter):
    """Connects from a given address of this machine."""

    def __init__(self, source: str) -> None:
        self._from = (source, 0)
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Pools whose sockets are bound first (called by requests)."""
        super().init_poolmanager(*args, source_address=self._from, **options)


class Control:
    """A blocking client of ``/control``. Safe to use from several threads.

    Args:
        base_url: origin of the simulator, such as ``http://127.0.0.1:8060``.
        timeout: seconds one call may take (long waits are cut into several calls).
        source: address of this machine to call from, where the simulator tells callers apart.
    """

    def __init__(self, base_url: str, *, timeout: float = 10.0, source: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._source = source

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

    # -- acting as a person ----------------------------------------------------------------------

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

    def restore_guild(self, guild: str) -> Json:
        """End an outage begun with ``delete_guild(unavailable=True)``."""
        return self._one("POST", f"/guilds/{guild}/restore")

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

    def interaction(self, interaction: str) -> Json:
        """State of an interaction: type, answered, callback type, latency_ms, modal, messages."""
        return self._one("GET", f"/interactions/{interaction}")

    def wait_for_interaction(self, interaction: str, *, timeout: float = 5.0) -> Json:
        """The interaction once it was answered."""
        return self.wait_until(
            lambda: (lambda state: state if state["answered"] else None)(self.interaction(interaction)),
            timeout=timeout,
            what=f"an answer to interaction {interaction}",
        )

    # -- reading ---------------------------------------------------------------------------------

    def messages(
        self,
        channel: str,
        *,
        after: str | None = None,
        author: str | None = None,
        contains: str | None = None,
        limit: int = 1000,
    ) -> list[Json]:
        """Messages of a channel, oldest first; deleted ones are not in it. ``author="bot"``: any bot."""
        return self._many(
            f"/channels/{channel}/messages", after=after, author=author, contains=contains, limit=limit
        )

    def wait_for_message(
        self,
        channel: str,
        *,
        after: str | None = None,
        author: str = "bot",
        contains: str | None = None,
        timeout: float = 10.0,
        count: int = 1,
    ) -> Json:
        """The ``count``-th message after ``after`` by ``author`` (any bot) that holds ``contains``."""

        def look() -> Json | None:
            found = self.messages(channel, after=after, author=author, contains=contains)
            return found[count - 1] if len(found) >= count else None

        wanted = f"message {count} by {author} in {channel}"
        if contains is not None:
            wanted += f" with {contains!r}"
        return self.wait_until(look, timeout=timeout, what=wanted)

    def requests(self, *, route: str | None = None, after: int = 0, **filters: Any) -> list[Json]:
        """Requests to REST and CDN: ``{n, time, method, path, route, status, body, answer, source, bot, …}``.

        ``route`` is ``"POST /channels/{channel_id}/messages"`` or a part of it; ``after`` a number ``n``.
        """
        return self._many("/requests", route=route, after=after, **filters)

    def wait_for_request(self, route: str, *, after: int = 0, timeout: float = 10.0) -> Json:
        """The first request of ``route`` after number ``after``."""
        return self.wait_until(
            lambda: next(iter(self.requests(route=route, after=after)), None),
            timeout=timeout,
            what=f"a request {route}",
        )

    def events(self, *, name: str | None = None, after: int = 0, **filters: Any) -> list[Json]:
        """Gateway events sent: ``{n, time, bot, session, seq, event, data}``."""
        return self._many("/events", name=name, after=after, **filters)

    def sessions(self) -> list[Json]:
        """Gateway sessions: ``{id, bot, shard, seq, connected, resumes, identified_at, intents, …}``."""
        return self._many("/sessions")

    def wait_for_ready(self, bot: str | None = None, *, timeout: float = 20.0) -> Json:
        """The session of ``bot`` (any, if left out) once it is connected."""

        def look() -> Json | None:
            for session in self.sessions():
                if session["connected"] and bot in (None, session["bot"], session["bot_name"]):
                    return session
            return None

        return self.wait_until(look, timeout=timeout, what=f"a connected session of {bot or 'any bot'}")

    def wait_until(self, look: Callable[[], Json | None], *, timeout: float, what: str) -> Json:
        """Ask ``look`` every 20 ms until it returns something.

        Raises:
            TimeoutError: nothing came within ``timeout`` seconds.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = look()
            if found is not None:
                return found
            if time.monotonic() >= deadline:
                raise TimeoutError(f"no {what} within {timeout:g} s")
            time.sleep(0.02)

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

    # -- http ------------------------------------------------------------------------------------

    def _one(self, method: str, path: str, **body: Any) -> Json:
        answer = self._call(method, path, body=body)
        if not isinstance(answer, dict):
            raise ControlError(f"{method} {path} of the simulator answered no object.")
        return answer

    def _many(self, path: str, **query: Any) -> list[Json]:
        answer = self._call("GET", path, query={k: str(v) for k, v in query.items() if v is not None})
        if not isinstance(answer, list):
            raise ControlError(f"GET {path} of the simulator answered no list.")
        return answer

    def _call(
        self, method: str, path: str, *, body: Json | None = None, query: Mapping[str, str] | None = None
    ) -> Any:
        with requests.Session() as session:
            session.trust_env = False  # loopback: never through a proxy of the environment
            if self._source is not None:
                session.mount("http://", _From(self._source))
            try:
                answer = session.request(
                    method,
                    f"{self.base_url}/control{path}",
                    json=body if method != "GET" else None,
                    params=query,
                    timeout=self.timeout,
                )
            except requests.RequestException as error:
                raise ControlError(
                    f"The simulator at {self.base_url} did not answer {method} {path}: {error}.",
                    fix="Start it with `shoal simulator` and check the port.",
                ) from error
        if answer.status_code >= 400:
            raise ControlError(
                f"The simulator refused {method} {path}: {answer.text}.", status=answer.status_code
            )
        return answer.json()
