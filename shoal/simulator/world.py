"""Who and what exists in the simulated Discord, and how to find it.

The world is only ever touched from the simulator's event loop. It knows nothing of sockets: changes that
clients must hear of go through :mod:`shoal.simulator.actions`.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable

from shoal.base.ids import snowflake_at
from shoal.simulator.errors import ApiError, ControlError, unknown
from shoal.simulator.model import (
    Application,
    Channel,
    Guild,
    Interaction,
    Json,
    Member,
    Message,
    Role,
    Upload,
    User,
    Webhook,
    make_token,
)

__all__ = [
    "DEFAULT_BOT_ID",
    "DEFAULT_CHANNEL_ID",
    "DEFAULT_GUILD_ID",
    "DEFAULT_TOKEN",
    "DEFAULT_USER_ID",
    "World",
    "iso",
]

DEFAULT_GUILD_ID = "1300000000000000001"
DEFAULT_CHANNEL_ID = "1300000000000000002"
DEFAULT_USER_ID = "1300000000000000003"
DEFAULT_BOT_ID = "1300000000000000004"
DEFAULT_TOKEN = make_token(DEFAULT_BOT_ID)

EVERYONE_PERMISSIONS = (
    1 << 0 | 1 << 6 | 1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 20 | 1 << 21 | 1 << 25
    | 1 << 26 | 1 << 31 | 1 << 35 | 1 << 36 | 1 << 37 | 1 << 38 | 1 << 46 | 1 << 49
)  # fmt: skip
"""What a fresh guild gives everybody: see, send, react, threads, files; no moderation, no @everyone."""


def iso(seconds: float | None = None) -> str:
    """A time in Discord's form, ``2026-01-05T00:49:53.676000+00:00``; now if left out."""
    moment = dt.datetime.fromtimestamp(time.time() if seconds is None else seconds, tz=dt.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "000+00:00")


class World:
    """All state. Dictionaries are by id; lookups raise the error Discord answers."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.applications: dict[str, Application] = {}
        self.guilds: dict[str, Guild] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, dict[str, Message]] = {}
        self.webhooks: dict[str, Webhook] = {}
        self.interactions: dict[str, Interaction] = {}
        self.tokens: dict[str, str] = {}
        self.uploads: dict[str, Upload] = {}
        self.proxied: dict[str, Json] = {}
        self._last_id = 0

    @classmethod
    def default(cls) -> World:
        """Guild "Shoal Demo" with #general, a human "ada" who owns it, a bot "shoal" with a known token."""
        world = cls()
        world.add_user("ada", global_name="Ada", user_id=DEFAULT_USER_ID)
        world.add_bot("shoal", bot_id=DEFAULT_BOT_ID)
        world.add_guild("Shoal Demo", DEFAULT_USER_ID, (DEFAULT_BOT_ID,), guild_id=DEFAULT_GUILD_ID)
        channel = Channel(DEFAULT_CHANNEL_ID, 0, guild_id=DEFAULT_GUILD_ID, name="general")
        world.add_channel(channel)
        return world

    # -- making ----------------------------------------------------------------------------------

    def new_id(self, unix_ms: int | None = None) -> str:
        """A fresh snowflake; always larger than the one before unless a time is given."""
        if unix_ms is not None:
            candidate = snowflake_at(unix_ms)
            while str(candidate) in self.users or any(str(candidate) in m for m in self.messages.values()):
                candidate += 1
            return str(candidate)
        self._last_id = max(self._last_id + 1, snowflake_at(int(time.time() * 1000)))
        return str(self._last_id)

    def add_user(self, username: str, *, global_name: str | None = None, user_id: str | None = None) -> User:
        """A new human."""
        user = User(user_id or self.new_id(), username, global_name)
        self.users[user.id] = user
        return user

    def add_bot(
        self,
        username: str,
        *,
        owner_id: str | None = None,
        bot_id: str | None = None,
        disallowed_intents: int = 0,
    ) -> Application:
        """A new bot user with its application and token."""
        identity = bot_id or self.new_id()
        self.users[identity] = User(
            identity,
            username,
            None,
            bot=True,
            discriminator=f"{int(identity) % 9000 + 1000}",
            public_flags=524288,
        )
        owner = owner_id or next((user.id for user in self.users.values() if not user.bot), identity)
        application = Application(identity, username, owner, make_token(identity), disallowed_intents)
        self.applications[identity] = application
        self.tokens[application.token] = identity
        return application

    def add_guild(
        self, name: str, owner_id: str, members: Iterable[str], *, guild_id: str | None = None
    ) -> Guild:
        """A guild with ``@everyone``; the owner and ``members`` are in it."""
        guild = Guild(guild_id or self.new_id(), name, owner_id)
        guild.roles[guild.id] = Role(guild.id, guild.id, "@everyone", EVERYONE_PERMISSIONS, 0)
        self.guilds[guild.id] = guild
        for user_id in dict.fromkeys((owner_id, *members)):
            self.add_member(guild, user_id)
        return guild

    def add_member(self, guild: Guild, user_id: str) -> Member:
        """Put a user into a guild; a bot gets its managed role, as Discord makes one on install."""
        user = self.user(user_id)
        member = Member(user_id, guild.id, iso())
        guild.members[user_id] = member
        if user.bot and user_id in self.applications:
            role = Role(
                self.new_id(),
                guild.id,
                user.username,
                0,
                len(guild.roles),
                managed=True,
                tags={"bot_id": user_id},
            )
            guild.roles[role.id] = role
            member.roles.append(role.id)
        return member

    def add_channel(self, channel: Channel) -> Channel:
        """File a channel."""
        self.channels[channel.id] = channel
        self.messages.setdefault(channel.id, {})
        return channel

    # -- finding (errors are Discord's) ----------------------------------------------------------

    def user(self, user_id: str) -> User:
        """A user or 10013."""
        user = self.users.get(user_id)
        if user is None:
            raise unknown("user")
        return user

    def guild(self, guild_id: str) -> Guild:
        """A guild or 10004."""
        guild = self.guilds.get(guild_id)
        if guild is None:
            raise unknown("guild")
        return guild

    def channel(self, channel_id: str) -> Channel:
        """A channel, DM or thread, or 10003."""
        channel = self.channels.get(channel_id)
        if channel is None:
            raise unknown("channel")
        return channel

    def member(self, guild_id: str, user_id: str) -> Member:
        """A member or 10007."""
        member = self.guild(guild_id).members.get(user_id)
        if member is None:
            raise unknown("member")
        return member

    def message(self, channel_id: str, message_id: str) -> Message:
        """A message or 10008."""
        message = self.messages.get(channel_id, {}).get(message_id)
        if message is None:
            raise unknown("message")
        return message

    def guild_of(self, channel: Channel) -> Guild | None:
        """The guild a channel is in, None for DMs."""
        return self.guilds.get(channel.guild_id) if channel.guild_id else None

    def channels_of(self, guild_id: str, *, threads: bool = False) -> list[Channel]:
        """Channels of a guild (or its threads), in order."""
        found = [c for c in self.channels.values() if c.guild_id == guild_id and c.is_thread is threads]
        return sorted(found, key=lambda c: (c.position, int(c.id)))

    def dm_of(self, one: str, other: str) -> Channel:
        """The DM channel of two users, made on first use."""
        for channel in self.channels.values():
            if channel.type == 1 and set(channel.recipients) == {one, other}:
                return channel
        return self.add_channel(Channel(self.new_id(), 1, recipients=[one, other]))

    # -- finding by word, for the control API ----------------------------------------------------

    def find_user(self, word: str | None, *, bot: bool = False) -> User:
        """By id or username; None is the first human (or bot)."""
        for user in self.users.values():
            if (word is None and user.bot == bot) or word in (user.id, user.username):
                return user
        raise ControlError(f"No {'bot' if bot else 'user'} {word!r} here.", status=404)

    def find_guild(self, word: str) -> Guild:
        """By id or name."""
        for guild in self.guilds.values():
            if word in (guild.id, guild.name):
                return guild
        raise ControlError(f"No guild {word!r} here.", status=404)

    def find_channel(self, word: str) -> Channel:
        """By id or name (with or without ``#``); a name that several have is refused."""
        if word in self.channels:
            return self.channels[word]
        found = [c for c in self.channels.values() if c.name == word.removeprefix("#")]
        if len(found) != 1:
            raise ControlError(f"{'Several' if found else 'No'} channels {word!r}; use the id.", status=404)
        return found[0]

    def find_role(self, guild: Guild, word: str) -> Role:
        """By id or name."""
        for role in guild.roles.values():
            if word in (role.id, role.name):
                return role
        raise ControlError(f"No role {word!r} in {guild.name}.", status=404)

    def authorize(self, token: str) -> Application:
        """The application a bot token belongs to, or 401."""
        bot_id = self.tokens.get(token)
        if bot_id is None:
            raise ApiError(401, 0, "401: Unauthorized")
        return self.applications[bot_id]

    def snapshot(self) -> Json:
        """Ids and names of everything, for the control API. Tokens included: they are of no use elsewhere."""
        return {
            "users": [{"id": u.id, "username": u.username, "bot": u.bot} for u in self.users.values()],
            "bots": [{"id": a.id, "username": a.name, "token": a.token} for a in self.applications.values()],
            "guilds": [
                {
                    "id": g.id,
                    "name": g.name,
                    "owner_id": g.owner_id,
                    "roles": [
                        {"id": r.id, "name": r.name, "permissions": str(r.permissions)}
                        for r in g.roles.values()
                    ],
                    "members": [
                        {"id": m.user_id, "roles": m.roles, "nick": m.nick} for m in g.members.values()
                    ],
                }
                for g in self.guilds.values()
            ],
            "channels": [
                {
                    "id": c.id,
                    "type": c.type,
                    "name": c.name,
                    "guild_id": c.guild_id,
                    "parent_id": c.parent_id,
                    "recipients": c.recipients,
                    "messages": len(self.messages.get(c.id, {})),
                }
                for c in self.channels.values()
            ],
        }
