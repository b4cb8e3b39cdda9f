"""Commands of ``shoal message``: which words run which action, with which flags (``spec/outbound.md`` 10)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMMANDS", "FLAGS", "LISTS", "SWITCHES", "Line", "camel"]

LISTS = frozenset(
    {"targets", "channel-ids", "author-ids", "poll-option", "applied-tags", "media", "sticker-id", "role-ids"}
)
SWITCHES = frozenset({"as-voice", "silent", "remove", "include-archived", "poll-multi", "pin"})
FLAGS = {
    "target": "Where to: channel:<id>, user:<id>, <@id>, #name, Guild/#name. Default: defaultTo.",
    "message": "Text; \\n is a line break.",
    "media": "URL or file of this machine; for a message it may be repeated.",
    "as-voice": "Send the sound file of --media as a voice message (needs the extra audio).",
    "presentation": "A card as JSON: {title, tone, blocks}; blocks: text, context, divider, buttons, select.",
    "targets": "A target; repeat it for each, or put commas between them.",
    "reply-to": "Id of the message to answer to.",
    "thread-id": "Thread to write into instead of the target.",
    "silent": "Without a notification.",
    "message-id": "Id of a message.",
    "emoji": "Emoji, or name:id of a custom one.",
    "remove": "Take the reaction away.",
    "limit": "How many at most.",
    "before": "Only what is older than this id.",
    "after": "Only what is newer than this id.",
    "around": "What is around this id.",
    "query": "Text to search for.",
    "guild-id": "Id of the server.",
    "channel-id": "Id of the channel.",
    "channel-ids": "Only in this channel; may be repeated.",
    "author-ids": "Only of this author; may be repeated.",
    "thread-name": "Name of the thread or forum post.",
    "auto-archive-min": "60, 1440, 4320 or 10080.",
    "applied-tags": "Id of a tag of the forum; may be repeated.",
    "include-archived": "Archived threads of --channel-id instead of active ones.",
    "poll-question": "The question.",
    "poll-option": "An answer; repeat it, 2 to 10 times.",
    "poll-multi": "More than one answer may be chosen.",
    "poll-duration-hours": "1 to 768. Default: 24.",
    "pin": "Pin the message once it is sent.",
    "delivery": 'How it is delivered, as JSON: {"pin": true}.',
    "sticker-id": "Id of a sticker; may be repeated, at most 3.",
    "emoji-name": "Name of the emoji: 2 to 32 letters, digits or underscores.",
    "role-ids": "Role that may use the emoji; may be repeated. Default: everybody.",
    "sticker-name": "Name of the sticker, 2 to 30 characters.",
    "sticker-desc": "What it shows, 2 to 100 characters.",
    "sticker-tags": "Emoji or words that suggest it.",
    "image": "Cover: URL or file of this machine; png, jpg or gif up to 8 MB.",
    "author-id": "Only of this author.",
    "user-id": "Id of the user.",
    "role-id": "Id of the role.",
    "event-name": "Name of the event.",
    "start-time": "ISO 8601, like 2030-01-31T18:00:00Z.",
    "end-time": "ISO 8601.",
    "desc": "Description.",
    "location": "Place of an external event.",
    "event-type": "voice, stage or external.",
    "duration-min": "Minutes; without it and --until the time-out ends.",
    "until": "ISO 8601.",
    "reason": "For the audit log.",
    "delete-days": "Delete the user's messages of so many days, 0 to 7.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One command.

    Attributes:
        words: as typed behind ``shoal message``.
        action: name in the table of actions; those of :data:`shoal.cli.message.run.SENDS` are
            the command line's own.
        flags: names in :data:`FLAGS`.
    """

    words: tuple[str, ...]
    action: str
    help: str
    flags: tuple[str, ...]


def _line(words: str, action: str, help_: str, flags: str) -> Line:
    return Line(tuple(words.split()), action, help_, tuple(flags.split()))


_SEND = "target message media as-voice presentation reply-to thread-id silent pin delivery"
_GUILD_USER = "guild-id user-id"

COMMANDS = (
    _line("send", "send", "Send a message; to a forum: make a post.", _SEND),
    _line("broadcast", "broadcast", "Send one message to several places; each is told on its own.",
          "targets message media presentation silent"),
    _line("poll", "poll", "Send a poll.",
          "target message poll-question poll-option poll-multi poll-duration-hours reply-to thread-id "
          "silent pin"),
    _line("edit", "edit", "Change a message of the bot's.", "target message-id message"),
    _line("delete", "delete", "Delete a message.", "target message-id"),
    _line("react", "react", "Add or take away the bot's reaction.", "target message-id emoji remove"),
    _line("reactions", "reactions", "Who reacted to a message.", "target message-id limit"),
    _line("read", "read", "Read messages.", "target limit before after around"),
    _line("pin", "pin", "Pin a message.", "target message-id"),
    _line("unpin", "unpin", "Unpin a message.", "target message-id"),
    _line("pins", "list-pins", "Pinned messages.", "target"),
    _line("permissions", "permissions", "What the bot may do in a channel.", "target"),
    _line("search", "search", "Search messages of a server.",
          "guild-id query channel-id channel-ids author-id author-ids limit"),
    _line("thread create", "thread-create", "Make a thread, or a post in a forum.",
          "target thread-name message message-id auto-archive-min applied-tags"),
    _line("thread list", "thread-list", "Threads of a server or channel.",
          "guild-id channel-id include-archived before limit"),
    _line("thread reply", "thread-reply", "Write into a thread: --thread-id or --target.", _SEND),
    _line("emoji list", "emoji-list", "Custom emoji.", "guild-id limit"),
    _line("emoji upload", "emoji-upload", "Make an emoji of a png, jpg or gif up to 256 KB.",
          "guild-id emoji-name media role-ids"),
    _line("sticker send", "sticker", "Send stickers.",
          "target message sticker-id reply-to thread-id silent"),
    _line("sticker upload", "sticker-upload", "Make a sticker of a png, apng or lottie json up to 512 KB.",
          "guild-id sticker-name sticker-desc sticker-tags media"),
    _line("member info", "member-info", "A member.", _GUILD_USER),
    _line("role info", "role-info", "Roles of a server.", "guild-id"),
    _line("role add", "role-add", "Give a role.", _GUILD_USER + " role-id reason"),
    _line("role remove", "role-remove", "Take a role away.", _GUILD_USER + " role-id reason"),
    _line("channel info", "channel-info", "A channel.", "target"),
    _line("channel list", "channel-list", "Channels of a server.", "guild-id"),
    _line("voice status", "voice-status", "Whether a member is in voice.", _GUILD_USER),
    _line("event list", "event-list", "Scheduled events.", "guild-id"),
    _line("event create", "event-create", "Plan an event.", "guild-id event-name start-time end-time "
          "desc channel-id location event-type image"),
    _line("timeout", "timeout", "Time a member out.", _GUILD_USER + " duration-min until reason"),
    _line("kick", "kick", "Kick a member.", _GUILD_USER + " reason"),
    _line("ban", "ban", "Ban a user.", _GUILD_USER + " delete-days reason"),
)  # fmt: skip


def camel(flag: str) -> str:
    """``message-id`` as actions call it: ``messageId``."""
    head, *rest = flag.split("-")
    return head + "".join(part.capitalize() for part in rest)
