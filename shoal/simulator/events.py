"""Gateway events: what each looks like and which bots hear of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

from shoal.simulator.hub import Hub, Session
from shoal.simulator.model import Channel, Guild, Interaction, Json, Member, Message, Role
from shoal.simulator.payloads import Payloads
from shoal.simulator.permissions import can_see
from shoal.simulator.world import World

__all__ = ["Events"]

MESSAGE_CONTENT = 1 << 15

_Build: TypeAlias = Callable[[Session], Json | None]


class Events:
    """Announces changes of the world to the sessions that may see them."""

    def __init__(self, world: World, payloads: Payloads, hub: Hub) -> None:
        self.world = world
        self.payloads = payloads
        self.hub = hub

    # -- start of a session ----------------------------------------------------------------------

    def start(self, session: Session, resume_url: str) -> None:
        """READY and a GUILD_CREATE for each guild of the shard."""
        guilds = [
            g for g in self.world.guilds.values() if session.bot_id in g.members and session.covers(g.id)
        ]
        application = self.payloads.application(self.world.applications[session.bot_id])
        ready: Json = {
            "v": 10,
            "user_settings": {},
            "user": self.payloads.me(self.world.users[session.bot_id]),
            "session_type": "normal",
            "session_id": session.id,
            "resume_gateway_url": resume_url,
            "relationships": [],
            "private_channels": [],
            "presences": [],
            "guilds": [{"unavailable": True, "id": guild.id} for guild in guilds],
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": ["us-west"],
            "game_relationships": [],
            "auth": {},
            "application": {"id": application["id"], "flags": application["flags"]},
            "_trace": ['["simulator",{"micros":0}]'],
            "shard": list(session.shard),
        }
        self.hub.send(session, "READY", ready)
        for guild in guilds:
            if not session.wants("GUILD_CREATE", dm=False):
                break
            if guild.unavailable:
                self.hub.send(session, "GUILD_DELETE", {"id": guild.id, "unavailable": True})
            else:
                self.hub.send(session, "GUILD_CREATE", self.guild_create(guild, session.bot_id))

    def guild_create(self, guild: Guild, viewer: str) -> Json:
        """A whole guild as a bot sees it."""
        world, payloads = self.world, self.payloads
        threads = [t for t in world.channels_of(guild.id, threads=True) if not t.archived]
        return {
            **payloads.guild(guild),
            "joined_at": guild.members[viewer].joined_at,
            "large": False,
            "unavailable": False,
            "geo_restricted": False,
            "version": int(time.time() * 1000),
            "lazy": True,
            "member_count": len(guild.members),
            "voice_states": [],
            "members": [payloads.member(member) for member in guild.members.values()],
            "channels": [payloads.channel(channel, viewer) for channel in world.channels_of(guild.id)],
            "threads": [payloads.thread(t, viewer) for t in threads if can_see(world, t, viewer)],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": guild.scheduled,
            "soundboard_sounds": [],
            "activity_instances": [],
            "embedded_activities": [],
            "application_command_counts": {},
            "guild_hashes": {},
        }

    # -- messages --------------------------------------------------------------------------------

    def message_event(self, event: str, message: Message) -> None:
        """MESSAGE_CREATE or MESSAGE_UPDATE."""
        channel = self.world.channel(message.channel_id)
        if message.visible_to is not None:
            self._ephemeral(event, message, channel)
            return
        self._to_channel(event, channel, lambda session: self.message_data(message, channel, session))

    def message_data(self, message: Message, channel: Channel, session: Session) -> Json:
        """A message as one session sees it: member, and content only where the intent allows it."""
        data = self.payloads.message(message, session.bot_id)
        data["channel_type"] = channel.type
        guild = self.world.guild_of(channel)
        if guild is None:
            return data
        data["guild_id"] = guild.id
        author = guild.members.get(message.author_id)
        if author is not None and message.webhook_name is None:
            data["member"] = self.payloads.member(author, with_user=False)
        for user in data["mentions"]:
            member = guild.members.get(user["id"])
            if member is not None:
                user["member"] = self.payloads.member(member, with_user=False)
        own = message.author_id == session.bot_id or session.bot_id in message.mentions
        if not own and not session.intents & MESSAGE_CONTENT:
            data |= {"content": "", "embeds": [], "attachments": [], "components": []}
        return data

    def _ephemeral(self, event: str, message: Message, channel: Channel) -> None:
        """Ephemeral messages: to the application itself, under the intent of direct messages."""
        for session in self.hub.of_bot(message.author_id):
            if session.wants(event, dm=True) and session.covers(channel.guild_id):
                data = self.payloads.message(message, session.bot_id)
                data["channel_type"] = channel.type
                if channel.guild_id:
                    data["guild_id"] = channel.guild_id
                self.hub.send(session, event, data)

    def message_delete(self, message: Message) -> None:
        """MESSAGE_DELETE."""
        channel = self.world.channel(message.channel_id)
        data: Json = {"id": message.id, "channel_id": channel.id}
        self._to_channel("MESSAGE_DELETE", channel, lambda _: _with_guild(data, channel))

    def bulk_delete(self, channel: Channel, ids: list[str]) -> None:
        """MESSAGE_DELETE_BULK."""
        data: Json = {"ids": ids, "channel_id": channel.id}
        self._to_channel("MESSAGE_DELETE_BULK", channel, lambda _: _with_guild(data, channel))

    def pins(self, channel: Channel) -> None:
        """CHANNEL_PINS_UPDATE."""
        data: Json = {"channel_id": channel.id, "last_pin_timestamp": channel.last_pin_timestamp}
        self._to_channel("CHANNEL_PINS_UPDATE", channel, lambda _: _with_guild(data, channel))

    def reaction(self, event: str, message: Message, emoji: Json | None, user_id: str | None) -> None:
        """MESSAGE_REACTION_ADD, _REMOVE, _REMOVE_ALL and _REMOVE_EMOJI."""
        channel = self.world.channel(message.channel_id)
        data: Json = {"channel_id": channel.id, "message_id": message.id}
        if emoji is not None:
            data["emoji"] = emoji
        if user_id is not None:
            data |= {"user_id": user_id, "type": 0, "burst": False}
        guild = self.world.guild_of(channel)
        if event == "MESSAGE_REACTION_ADD":
            data["message_author_id"] = message.author_id
            member = guild.members.get(user_id or "") if guild is not None else None
            if member is not None:
                payload = self.payloads.member(member)
                user = self.world.users[member.user_id]
                payload["user"] |= {"bot": user.bot, "display_name": user.global_name}
                data["member"] = payload
        self._to_channel(event, channel, lambda _: _with_guild(data, channel))

    def typing(self, channel: Channel, user_id: str) -> None:
        """TYPING_START."""
        data: Json = {"channel_id": channel.id, "user_id": user_id, "timestamp": int(time.time())}
        guild = self.world.guild_of(channel)
        if guild is not None and user_id in guild.members:
            data["member"] = self.payloads.member(guild.members[user_id])
        self._to_channel("TYPING_START", channel, lambda _: _with_guild(data, channel))

    # -- channels, threads, guilds ---------------------------------------------------------------

    def channel(self, event: str, channel: Channel) -> None:
        """CHANNEL_CREATE, _UPDATE, _DELETE."""
        self._to_channel(event, channel, lambda s: self.payloads.channel(channel, s.bot_id), hidden=True)

    def webhooks(self, channel: Channel) -> None:
        """WEBHOOKS_UPDATE: one of a channel was made, changed or deleted."""
        ids = {"guild_id": channel.guild_id, "channel_id": channel.id}
        self._to_channel("WEBHOOKS_UPDATE", channel, lambda _session: ids)

    def thread(self, event: str, thread: Channel, *, newly_created: bool = False) -> None:
        """THREAD_CREATE and THREAD_UPDATE."""

        def build(session: Session) -> Json:
            data = self.payloads.thread(thread, session.bot_id)
            if event == "THREAD_CREATE" and newly_created:
                data["newly_created"] = True
            return data

        self._to_channel(event, thread, build)

    def thread_delete(self, thread: Channel) -> None:
        """THREAD_DELETE, which says four things only."""
        data: Json = {
            "id": thread.id,
            "guild_id": thread.guild_id,
            "parent_id": thread.parent_id,
            "type": thread.type,
        }
        self._to_channel("THREAD_DELETE", thread, lambda _: data)

    def thread_members(self, thread: Channel, added: list[str], removed: list[str]) -> None:
        """THREAD_MEMBERS_UPDATE; without the members intent a bot hears of itself only."""

        def build(session: Session) -> Json | None:
            everyone = bool(session.intents & 1 << 1)
            mine = [u for u in added if everyone or u == session.bot_id]
            gone = [u for u in removed if everyone or u == session.bot_id]
            if not mine and not gone:
                return None
            data: Json = {
                "id": thread.id,
                "guild_id": thread.guild_id,
                "member_count": min(50, len(thread.members)),
                "member_ids_preview": list(thread.members)[:50],
            }
            if mine:
                guild = self.world.guild(str(thread.guild_id))
                data["added_members"] = [
                    {
                        **self.payloads.thread_member(thread, user_id),
                        "member": self.payloads.member(guild.members[user_id]),
                        "presence": None,
                    }
                    for user_id in mine
                    if user_id in guild.members
                ]
            if gone:
                data["removed_member_ids"] = gone
            return data

        self._to_channel("THREAD_MEMBERS_UPDATE", thread, build)

    def guild_joined(self, guild: Guild, bot_id: str) -> None:
        """GUILD_CREATE to a bot that joined, or that hears of a guild again."""
        self.hub.broadcast(
            "GUILD_CREATE", lambda _: self.guild_create(guild, bot_id), guild_id=guild.id, only=bot_id
        )

    def guild_gone(self, guild: Guild, bot_id: str, *, unavailable: bool) -> None:
        """GUILD_DELETE: removed from it, or an outage (``unavailable``)."""
        data: Json = {"id": guild.id, **({"unavailable": True} if unavailable else {})}
        self.hub.broadcast("GUILD_DELETE", lambda _: data, guild_id=guild.id, only=bot_id)

    def member(self, event: str, guild: Guild, member: Member) -> None:
        """GUILD_MEMBER_ADD, _UPDATE, _REMOVE; a bot always hears of its own update."""
        data: Json = {"guild_id": guild.id, "user": self.payloads.user(self.world.users[member.user_id])}
        if event != "GUILD_MEMBER_REMOVE":
            data |= self.payloads.member(member)
        for session_id in list(self.hub.sessions):
            session = self.hub.live(session_id)
            if session is None or session.bot_id not in guild.members or not session.covers(guild.id):
                continue
            own = event == "GUILD_MEMBER_UPDATE" and session.bot_id == member.user_id
            if own or session.wants(event, dm=False):
                self.hub.send(session, event, data)

    def role(self, event: str, guild: Guild, role: Role) -> None:
        """GUILD_ROLE_CREATE, _UPDATE, _DELETE."""
        key: Json = (
            {"role_id": role.id} if event == "GUILD_ROLE_DELETE" else {"role": self.payloads.role(role)}
        )
        self._to_guild(event, guild, {"guild_id": guild.id, **key})

    def expressions(self, guild: Guild) -> None:
        """GUILD_EMOJIS_UPDATE and GUILD_STICKERS_UPDATE, each with all there are."""
        self._to_guild("GUILD_EMOJIS_UPDATE", guild, {"guild_id": guild.id, "emojis": guild.emojis})
        self._to_guild("GUILD_STICKERS_UPDATE", guild, {"guild_id": guild.id, "stickers": guild.stickers})

    def scheduled(self, guild: Guild, event: Json) -> None:
        """GUILD_SCHEDULED_EVENT_CREATE."""
        self._to_guild("GUILD_SCHEDULED_EVENT_CREATE", guild, event)

    def interaction(self, interaction: Interaction, data: Json) -> None:
        """INTERACTION_CREATE to the application's sessions; without one it is lost, as with Discord."""
        self.hub.broadcast(
            "INTERACTION_CREATE",
            lambda _: data,
            guild_id=interaction.guild_id,
            only=interaction.application_id,
        )

    # -- audience --------------------------------------------------------------------------------

    def _to_guild(self, event: str, guild: Guild, data: Json) -> None:
        self.hub.broadcast(event, lambda s: data if s.bot_id in guild.members else None, guild_id=guild.id)

    def _to_channel(self, event: str, channel: Channel, build: _Build, *, hidden: bool = False) -> None:
        guild = self.world.guild_of(channel)

        def look(session: Session) -> Json | None:
            if guild is not None and hidden:
                return build(session) if session.bot_id in guild.members else None
            if guild is not None and guild.unavailable:
                return None
            return build(session) if can_see(self.world, channel, session.bot_id) else None

        self.hub.broadcast(event, look, guild_id=channel.guild_id)


def _with_guild(data: Json, channel: Channel) -> Json:
    return {**data, "guild_id": channel.guild_id} if channel.guild_id else dict(data)
