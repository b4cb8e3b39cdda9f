"""The world as Discord writes it: JSON objects with every field that recordings of a real bot show.

Fields that Discord sends as null are null here, and not left out: parsers differ in what they survive.
"""

from __future__ import annotations

from shoal.simulator.cdn import Signer
from shoal.simulator.components_out import resolve_media
from shoal.simulator.guild_fields import GUILD_CONSTANTS
from shoal.simulator.model import (
    Application,
    Attachment,
    Channel,
    Guild,
    Json,
    Member,
    Message,
    Role,
    User,
    Webhook,
)
from shoal.simulator.world import World, iso

__all__ = ["Payloads"]


class Payloads:
    """Builders of payloads; one per simulator, because CDN addresses carry its origin."""

    def __init__(self, world: World, signer: Signer) -> None:
        self.world = world
        self.signer = signer

    # -- people ----------------------------------------------------------------------------------

    def user(self, user: User) -> Json:
        """A user as in events; ``bot`` only on bots, as recorded."""
        payload: Json = {
            "id": user.id,
            "username": user.username,
            "avatar": user.avatar,
            "discriminator": user.discriminator,
            "public_flags": user.public_flags,
            "flags": user.public_flags,
            "banner": None,
            "accent_color": None,
            "global_name": user.global_name,
            "avatar_decoration_data": None,
            "collectibles": None,
            "display_name_styles": None,
            "banner_color": None,
            "clan": None,
            "primary_guild": None,
        }
        if user.bot:
            payload["bot"] = True
        return payload

    def me(self, user: User) -> Json:
        """The own account (``/users/@me``, READY)."""
        return {
            **self.user(user),
            "mfa_enabled": True,
            "locale": user.locale,
            "premium_type": 0,
            "email": None,
            "verified": True,
            "bio": "",
        }

    def member(self, member: Member, *, with_user: bool = True) -> Json:
        """A guild member; messages carry it without ``user``."""
        payload: Json = {
            "avatar": None,
            "banner": None,
            "communication_disabled_until": member.communication_disabled_until,
            "flags": 0,
            "joined_at": member.joined_at,
            "nick": member.nick,
            "pending": False,
            "premium_since": None,
            "roles": list(member.roles),
            "unusual_dm_activity_until": None,
            "collectibles": None,
            "display_name_styles": None,
            "mute": False,
            "deaf": False,
        }
        if with_user:
            payload["user"] = self.user(self.world.users[member.user_id])
        return payload

    def application(self, application: Application) -> Json:
        """``/applications/@me``."""
        disallowed = application.disallowed_intents
        flags = (1 << 13 if not disallowed & 1 << 8 else 0) | (1 << 15 if not disallowed & 1 << 1 else 0)
        flags |= 1 << 19 if not disallowed & 1 << 15 else 0
        guilds = [g for g in self.world.guilds.values() if application.id in g.members]
        owner = self.world.users[application.owner_id]
        return {
            "id": application.id,
            "name": application.name,
            "icon": None,
            "description": "",
            "summary": "",
            "type": None,
            "bot": self.user(self.world.users[application.id]),
            "verify_key": "0" * 64,
            "flags": flags,
            "flags_new": str(flags),
            "redirect_uris": [],
            "interactions_endpoint_url": None,
            "role_connections_verification_url": None,
            "owner": self.user(owner),
            "approximate_guild_count": len(guilds),
            "approximate_user_install_count": 0,
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "team": None,
            "eligible_oauth2_scopes": [],
            "bot_public": True,
            "bot_require_code_grant": False,
            "integration_types_config": {"0": {}},
            "install_params": {"scopes": ["bot", "applications.commands"], "permissions": "0"},
            "tags": [],
            "event_webhooks_url": None,
            "event_webhooks_status": 1,
        }

    # -- guilds and channels ---------------------------------------------------------------------

    def role(self, role: Role) -> Json:
        """A role."""
        payload: Json = {
            "id": role.id,
            "name": role.name,
            "description": None,
            "permissions": str(role.permissions),
            "position": role.position,
            "color": role.color,
            "colors": {"primary_color": role.color, "secondary_color": None, "tertiary_color": None},
            "hoist": role.hoist,
            "managed": role.managed,
            "mentionable": role.mentionable,
            "icon": None,
            "unicode_emoji": None,
            "flags": 0,
        }
        if role.tags is not None:
            payload["tags"] = role.tags
        return payload

    def guild(self, guild: Guild) -> Json:
        """A guild as REST answers it; GUILD_CREATE adds to it."""
        return {
            **GUILD_CONSTANTS,
            "id": guild.id,
            "name": guild.name,
            "owner_id": guild.owner_id,
            "roles": [self.role(role) for role in guild.roles.values()],
            "preferred_locale": guild.preferred_locale,
            "features": guild.features,
            "emojis": guild.emojis,
            "stickers": guild.stickers,
        }

    def channel(self, channel: Channel, viewer: str | None = None) -> Json:
        """A channel, DM or thread. In a DM the viewer is not among the recipients."""
        if channel.type == 1:
            others = [self.user(self.world.users[r]) for r in channel.recipients if r != viewer]
            return {
                "id": channel.id,
                "type": 1,
                "flags": 0,
                "last_message_id": channel.last_message_id,
                "last_pin_timestamp": None,
                "recipients": others,
            }
        if channel.is_thread:
            return self.thread(channel, viewer)
        payload: Json = {
            "id": channel.id,
            "type": channel.type,
            "flags": channel.flags,
            "guild_id": channel.guild_id,
            "name": channel.name,
            "position": channel.position,
            "parent_id": channel.parent_id,
            "permission_overwrites": [dict(o) for o in channel.overwrites],
        }
        if channel.type != 4:
            payload |= {
                "topic": channel.topic,
                "nsfw": channel.nsfw,
                "last_message_id": channel.last_message_id,
                "rate_limit_per_user": channel.rate_limit_per_user,
                "icon_emoji": None,
                "theme_color": None,
            }
        if channel.type in (0, 5):
            payload["last_pin_timestamp"] = channel.last_pin_timestamp
        if channel.type in (2, 13):
            payload |= {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
        if channel.is_forum:
            payload |= {
                "available_tags": channel.available_tags,
                "default_reaction_emoji": None,
                "default_sort_order": None,
                "default_forum_layout": 0,
                "default_thread_rate_limit_per_user": 0,
                "default_auto_archive_duration": 1440,
            }
        return payload

    def thread(self, thread: Channel, viewer: str | None = None) -> Json:
        """A thread; with ``member`` when the viewer has joined."""
        metadata: Json = {
            "archived": thread.archived,
            "archive_timestamp": thread.archive_timestamp,
            "auto_archive_duration": thread.auto_archive_duration,
            "locked": thread.locked,
            "create_timestamp": thread.create_timestamp,
        }
        if thread.type == 12:
            metadata["invitable"] = thread.invitable
        payload: Json = {
            "id": thread.id,
            "type": thread.type,
            "flags": thread.flags,
            "guild_id": thread.guild_id,
            "name": thread.name,
            "parent_id": thread.parent_id,
            "owner_id": thread.owner_id,
            "last_message_id": thread.last_message_id,
            "rate_limit_per_user": thread.rate_limit_per_user,
            "thread_metadata": metadata,
            "message_count": thread.message_count,
            "member_count": min(50, len(thread.members)),
            "member_ids_preview": list(thread.members)[:50],
            "total_message_sent": thread.total_message_sent,
        }
        parent = self.world.channels.get(thread.parent_id or "")
        if parent is not None and parent.is_forum:
            payload["applied_tags"] = list(thread.applied_tags)
        if viewer in thread.members:
            payload["member"] = self.thread_member(thread, str(viewer))
        return payload

    def thread_member(self, thread: Channel, user_id: str) -> Json:
        """Membership of a user in a thread."""
        return {
            "id": thread.id,
            "user_id": user_id,
            "join_timestamp": thread.members.get(user_id, iso()),
            "flags": 0,
            "muted": False,
            "mute_config": None,
        }

    # -- messages --------------------------------------------------------------------------------

    def attachment(self, file: Attachment, *, ephemeral: bool = False) -> Json:
        """A stored file with a freshly signed address."""
        url = self.signer.sign(file)
        payload: Json = {
            "id": file.id,
            "filename": file.filename,
            "size": len(file.data),
            "url": url,
            "proxy_url": url,
            "content_type": file.content_type,
            "content_scan_version": 0,
            **{key: value for key, value in file.fields.items() if value is not None},
        }
        if ephemeral:
            payload["ephemeral"] = True
        return payload

    def author(self, message: Message) -> Json:
        """The author; for webhooks the pseudo-user made of the webhook's name."""
        if message.webhook_id is not None and message.webhook_name is not None:
            return {
                "id": message.webhook_id,
                "username": message.webhook_name,
                "avatar": message.webhook_avatar,
                "discriminator": "0000",
                "public_flags": 0,
                "flags": 0,
                "bot": True,
                "global_name": None,
                "clan": None,
                "primary_guild": None,
            }
        return self.user(self.world.users[message.author_id])

    def message(self, message: Message, viewer: str | None = None, *, nested: bool = False) -> Json:
        """A message as REST answers it; ``nested`` leaves out what a referenced message lacks."""
        hidden = bool(message.flags & 64)
        attachments = [self.attachment(file, ephemeral=hidden) for file in message.attachments]
        files = {str(attachment["filename"]): attachment for attachment in attachments}
        payload: Json = {
            "type": message.type,
            "content": message.content,
            "mentions": [self.user(self.world.users[m]) for m in message.mentions],
            "mention_roles": list(message.mention_roles),
            "attachments": attachments,
            "embeds": [_embed(embed, files) for embed in message.embeds],
            "timestamp": message.timestamp,
            "edited_timestamp": message.edited_timestamp,
            "flags": message.flags,
            "components": resolve_media(message.components, files),
            "id": message.id,
            "channel_id": message.channel_id,
            "author": self.author(message),
            "pinned": message.pinned,
            "mention_everyone": message.mention_everyone,
            "tts": message.tts,
        }
        optional = {
            "nonce": message.nonce,
            "webhook_id": message.webhook_id,
            "application_id": message.application_id,
            "interaction_metadata": message.interaction_metadata,
            "position": message.position,
        }
        payload |= {key: value for key, value in optional.items() if value is not None}
        if message.reactions:
            payload["reactions"] = [self._reaction(entry, viewer) for entry in message.reactions.values()]
        if message.reference is not None:
            payload["message_reference"] = message.reference
        if message.type in (19, 21, 23) and message.reference is not None and not nested:
            payload["referenced_message"] = self._referenced(message)
        thread = self.world.channels.get(message.thread_id or "")
        if thread is not None and not nested:
            payload["thread"] = self.thread(thread)
        return payload | message.extra

    def _referenced(self, message: Message) -> Json | None:
        reference = message.reference or {}
        channel = self.world.messages.get(str(reference.get("channel_id")), {})
        found = channel.get(str(reference.get("message_id")))
        return None if found is None else self.message(found, nested=True)

    def _reaction(self, entry: Json, viewer: str | None) -> Json:
        return {
            "emoji": entry["emoji"],
            "count": len(entry["users"]),
            "count_details": {"burst": 0, "normal": len(entry["users"])},
            "burst_colors": [],
            "me_burst": False,
            "burst_me": False,
            "me": viewer in entry["users"],
            "burst_count": 0,
        }

    def webhook(self, webhook: Webhook, *, with_user: bool = True) -> Json:
        """An incoming webhook with its token."""
        payload: Json = {
            "id": webhook.id,
            "type": 1,
            "application_id": webhook.application_id,
            "avatar": None,
            "channel_id": webhook.channel_id,
            "guild_id": webhook.guild_id,
            "name": webhook.name,
            "token": webhook.token,
            "url": f"{self.signer.origin}/api/webhooks/{webhook.id}/{webhook.token}",
        }
        if with_user:
            payload["user"] = self.user(self.world.users[webhook.creator_id])
        return payload


def _embed(embed: Json, files: dict[str, Json]) -> Json:
    """An embed with its ``attachment://`` images as addresses."""
    copy = dict(embed)
    for key in ("image", "thumbnail"):
        if key in copy:
            url = str(copy[key]["url"])
            address = files.get(url.removeprefix("attachment://"), {}).get("url", url)
            copy[key] = {"url": address, "proxy_url": address, "width": 0, "height": 0, "flags": 0}
    return copy
