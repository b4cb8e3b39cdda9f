"""Everything that can happen to messages: each action changes the world and announces it.

REST handlers and the control API both act through here, so that a person and a bot cause the same events.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from shoal.simulator.components_out import finish_components
from shoal.simulator.errors import ApiError, unknown
from shoal.simulator.events import Events
from shoal.simulator.extras_out import poll_out, sticker_items
from shoal.simulator.mentions import find_mentions, spoken_text
from shoal.simulator.model import Attachment, Channel, Json, Message
from shoal.simulator.settings import Settings
from shoal.simulator.world import World, iso

__all__ = ["Actions", "parse_emoji"]

HAS_THREAD = 1 << 5


def parse_emoji(word: str) -> tuple[str, Json]:
    """(key, payload) of an emoji as it stands in a path: ``👍`` or ``name:id``.

    Raises:
        ApiError: 10014 for plain words, which Discord answers to a wrongly encoded emoji too.
    """
    name, _, emoji_id = word.removeprefix("a:").partition(":")
    if emoji_id.isdigit():
        return emoji_id, {"id": emoji_id, "name": name}
    if not word or emoji_id or word.isascii():
        raise unknown("emoji")
    return word, {"id": None, "name": word}


class Actions:
    """Messages, reactions, threads."""

    def __init__(self, world: World, events: Events, settings: Settings) -> None:
        self.world = world
        self.events = events
        self.settings = settings
        self._nonces: dict[tuple[str, str], tuple[float, Message]] = {}

    # -- messages --------------------------------------------------------------------------------

    def repeated(self, author_id: str, nonce: str | int | None) -> Message | None:
        """The message this author made with this nonce within the window."""
        self._nonces = {
            key: entry
            for key, entry in self._nonces.items()
            if time.monotonic() - entry[0] < self.settings.nonce_window_s
        }
        entry = self._nonces.get((author_id, str(nonce)))
        return entry[1] if entry is not None and nonce is not None else None

    def store_files(
        self, channel_id: str, files: Sequence[tuple[str, str, bytes]], notes: list[Json]
    ) -> list[Attachment]:
        """Keep uploads (name, content type, bytes) with what ``attachments`` says of them."""
        stored = []
        for index, (name, kind, data) in enumerate(files):
            note = next((n for n in notes if str(n.get("id")) == str(index)), {})
            fields: Json = {
                k: note[k] for k in ("title", "description", "duration_secs", "waveform") if k in note
            }
            if note.get("is_spoiler") or name.startswith("SPOILER_"):
                fields["flags"] = 8
            filename = str(note.get("filename") or name)
            stored.append(Attachment(self.world.new_id(), channel_id, filename, data, kind, fields))
        return stored

    def create(
        self,
        channel: Channel,
        author_id: str,
        body: Json,
        *,
        files: Sequence[tuple[str, str, bytes]] = (),
        default_mentions: tuple[str, ...] = ("roles", "users", "everyone"),
        born_ms: int | None = None,
        message_id: str | None = None,
        **fields: Any,
    ) -> Message:
        """Make a message of a checked body and announce it.

        Args:
            channel: where.
            author_id: the user, or the webhook's owner.
            body: cleaned by :func:`shoal.simulator.wire.messages.check_message`.
            files: uploads as (name, content type, bytes).
            default_mentions: what ``parse`` is without ``allowed_mentions``.
            born_ms: Unix ms to make the id from, for messages of the past.
            message_id: the id, for the first message of a post, which has that of its thread.
            fields: further fields of :class:`~shoal.simulator.model.Message`.
        """
        moment = None if born_ms is None else born_ms / 1000
        message = Message(message_id or self.world.new_id(born_ms), channel.id, author_id, iso(moment))
        message.content = str(body.get("content") or "").strip()
        message.tts = bool(body.get("tts"))
        message.flags = int(body.get("flags") or 0)
        message.nonce = body.get("nonce")
        message.embeds = self._embeds(body.get("embeds") or [])
        message.components = finish_components(body.get("components") or [])
        message.attachments = self.store_files(channel.id, files, body.get("attachments") or [])
        if body.get("poll"):
            message.extra["poll"] = poll_out(body["poll"], message.timestamp)
        if body.get("sticker_ids"):
            guild = self.world.guild_of(channel)
            known = guild.stickers if guild is not None else ()
            message.extra["sticker_items"] = sticker_items(body["sticker_ids"], known)
        for name, value in fields.items():
            setattr(message, name, value)
        if body.get("poll"):
            message.extra["poll"] = _poll(body["poll"], moment)
        self._refer(channel, message, body)
        self._mention(channel, message, body.get("allowed_mentions"), default_mentions)
        self._file(channel, message)
        if body.get("enforce_nonce") and message.nonce is not None:
            self._nonces[author_id, str(message.nonce)] = (time.monotonic(), message)
        self.events.message_event("MESSAGE_CREATE", message)
        return message

    def _embeds(self, embeds: list[Json]) -> list[Json]:
        return [
            {**embed, "type": "rich", "id": self.world.new_id(), "content_scan_version": 0}
            for embed in embeds
        ]

    def _refer(self, channel: Channel, message: Message, body: Json) -> None:
        reference = body.get("message_reference")
        if not reference:
            return
        source = self.world.channels.get(str(reference.get("channel_id") or channel.id), channel)
        target = self.world.messages[source.id].get(str(reference["message_id"]))
        message.reference = {
            "type": reference.get("type", 0),
            "channel_id": source.id,
            "message_id": str(reference["message_id"]),
        }
        if source.guild_id:
            message.reference["guild_id"] = source.guild_id
        if reference.get("type") == 1 and target is not None:
            message.flags |= 1 << 14
            message.extra["message_snapshots"] = [{"message": self._snapshot(target)}]
        elif target is not None:
            message.type = 19 if message.type == 0 else message.type

    def _snapshot(self, target: Message) -> Json:
        full = self.events.payloads.message(target, nested=True)
        keys = (
            "type",
            "content",
            "embeds",
            "attachments",
            "timestamp",
            "edited_timestamp",
            "flags",
            "mentions",
        )
        return {key: full[key] for key in (*keys, "mention_roles", "components")}

    def _mention(
        self, channel: Channel, message: Message, allowed: Json | None, default: tuple[str, ...]
    ) -> None:
        text = spoken_text(message.content, message.components)
        found = find_mentions(self.world, channel, message.author_id, text, allowed, default=default)
        message.mentions, message.mention_roles = found.users, found.roles
        message.mention_everyone = found.everyone
        if message.type == 19 and message.reference is not None:
            target = self.world.messages[channel.id].get(message.reference["message_id"])
            ping = allowed is None or allowed.get("replied_user", False)
            if target is not None and ping and target.webhook_name is None:
                message.mentions = list(dict.fromkeys([*message.mentions, target.author_id]))

    def _file(self, channel: Channel, message: Message) -> None:
        """Put a message into its channel; a thread counts it, wakes up and takes the author in."""
        self.world.messages[channel.id][message.id] = message
        if message.visible_to is not None:
            return
        if channel.last_message_id is None or int(message.id) > int(channel.last_message_id):
            channel.last_message_id = message.id
        if not channel.is_thread:
            return
        message.position = channel.total_message_sent
        channel.message_count += 1
        channel.total_message_sent += 1
        if channel.archived and not channel.locked:
            channel.archived, channel.archive_timestamp = False, iso()
            self.events.thread("THREAD_UPDATE", channel)
        if message.webhook_name is None and message.author_id not in channel.members:
            channel.members[message.author_id] = iso()
            self.events.thread_members(channel, [message.author_id], [])

    def edit(
        self,
        message: Message,
        body: Json,
        *,
        files: Sequence[tuple[str, str, bytes]] = (),
        silent: bool = False,
    ) -> Message:
        """Change a message; ``silent`` keeps ``edited_timestamp`` (a first answer to a deferral)."""
        channel = self.world.channel(message.channel_id)
        if "content" in body:
            message.content = str(body["content"] or "").strip()
        if "embeds" in body:
            message.embeds = self._embeds(body["embeds"] or [])
        if "components" in body:
            message.components = finish_components(body["components"] or [])
        if "flags" in body:
            message.flags = int(body["flags"])
        notes = body.get("attachments")
        if notes is not None:
            kept = {str(note.get("id")) for note in notes}
            message.attachments = [a for a in message.attachments if a.id in kept]
        message.attachments = [*message.attachments, *self.store_files(channel.id, files, notes or [])]
        if {"content", "components"} & set(body):
            self._mention(channel, message, body.get("allowed_mentions"), ("roles", "users", "everyone"))
        if not silent:
            message.edited_timestamp = iso()
        self.events.message_event("MESSAGE_UPDATE", message)
        return message

    def delete(self, message: Message) -> None:
        """Delete a message; one that nobody but its reader saw goes without an event."""
        self.world.messages[message.channel_id].pop(message.id, None)
        channel = self.world.channel(message.channel_id)
        if channel.is_thread:
            channel.message_count = max(0, channel.message_count - 1)
        if message.visible_to is None:
            self.events.message_delete(message)

    # -- reactions -------------------------------------------------------------------------------

    def react(self, message: Message, user_id: str, emoji: str) -> None:
        """Add a reaction; a second time changes nothing."""
        key, payload = parse_emoji(emoji)
        entry = message.reactions.get(key)
        if entry is None:
            if len(message.reactions) >= 20:
                raise ApiError(400, 30010, "Maximum number of reactions reached (20)")
            entry = message.reactions[key] = {"emoji": payload, "users": []}
        if user_id not in entry["users"]:
            entry["users"].append(user_id)
            self.events.reaction("MESSAGE_REACTION_ADD", message, payload, user_id)

    def unreact(self, message: Message, user_id: str, emoji: str) -> None:
        """Take a reaction away; one that is not there changes nothing."""
        key, payload = parse_emoji(emoji)
        entry = message.reactions.get(key)
        if entry is None or user_id not in entry["users"]:
            return
        entry["users"].remove(user_id)
        if not entry["users"]:
            del message.reactions[key]
        self.events.reaction("MESSAGE_REACTION_REMOVE", message, payload, user_id)

    def clear_reactions(self, message: Message, emoji: str | None = None) -> None:
        """Remove all reactions, or all with one emoji."""
        if emoji is None:
            message.reactions.clear()
            self.events.reaction("MESSAGE_REACTION_REMOVE_ALL", message, None, None)
            return
        key, payload = parse_emoji(emoji)
        if message.reactions.pop(key, None) is not None:
            self.events.reaction("MESSAGE_REACTION_REMOVE_EMOJI", message, payload, None)

    # -- threads ---------------------------------------------------------------------------------

    def start_thread(
        self, parent: Channel, owner_id: str, body: Json, *, message: Message | None = None
    ) -> Channel:
        """Make a thread (of a message, alone, or a forum post) and announce it."""
        kind = int(body.get("type") or (10 if parent.type == 5 else 11 if message or parent.is_forum else 12))
        now = iso()
        thread = Channel(
            message.id if message is not None else self.world.new_id(),
            kind,
            guild_id=parent.guild_id,
            name=str(body["name"]),
            parent_id=parent.id,
            owner_id=owner_id,
            rate_limit_per_user=int(body.get("rate_limit_per_user") or 0),
            auto_archive_duration=int(body.get("auto_archive_duration") or 1440),
            archive_timestamp=now,
            create_timestamp=now,
            invitable=bool(body.get("invitable", True)),
            applied_tags=list(body.get("applied_tags") or []),
        )
        self.world.add_channel(thread)
        if message is not None:
            message.thread_id = thread.id
            message.flags |= HAS_THREAD
            thread.members[message.author_id] = now
        thread.members[owner_id] = now
        self.events.thread("THREAD_CREATE", thread, newly_created=True)
        if message is not None:
            self.events.message_event("MESSAGE_UPDATE", message)
        return thread

    def join(self, thread: Channel, user_id: str) -> None:
        """Add a member to a thread."""
        if user_id not in thread.members:
            thread.members[user_id] = iso()
            self.events.thread("THREAD_CREATE", thread)
            self.events.thread_members(thread, [user_id], [])

    def leave(self, thread: Channel, user_id: str) -> None:
        """Take a member out of a thread."""
        if thread.members.pop(user_id, None) is not None:
            self.events.thread_members(thread, [], [user_id])

    def delete_channel(self, channel: Channel) -> None:
        """Delete a channel with its threads, or a thread."""
        if channel.is_thread:
            self.events.thread_delete(channel)
        else:
            self.events.channel("CHANNEL_DELETE", channel)
            for thread in [
                c for c in self.world.channels.values() if c.parent_id == channel.id and c.is_thread
            ]:
                self.world.channels.pop(thread.id)
        self.world.channels.pop(channel.id, None)


def _poll(wanted: Json, moment: float | None) -> Json:
    """A poll nobody has voted in yet, as it is shown with its message."""
    ends = (time.time() if moment is None else moment) + 3600 * int(wanted.get("duration") or 24)
    return {
        "question": wanted["question"],
        "answers": [{**answer, "answer_id": number} for number, answer in enumerate(wanted["answers"], 1)],
        "expiry": iso(ends),
        "allow_multiselect": bool(wanted.get("allow_multiselect")),
        "layout_type": int(wanted.get("layout_type") or 1),
        "results": {"answer_counts": [], "is_finalized": False},
    }
