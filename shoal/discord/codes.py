"""What Discord's failures mean and what to do: the one table behind every sentence about them.

:mod:`shoal.discord.errors` makes its errors of it, so tools, commands, notices, ``shoal explain``, ``shoal
status`` and the log say the same; ``docs/troubleshooting.md`` is checked against it. Source: Discord
documentation, topics "Opcodes and Status Codes" (REST JSON error codes).
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "ALREADY_ACKNOWLEDGED",
    "CODES",
    "CONDITIONS",
    "NO_ACCESS",
    "NO_DIRECT_MESSAGES",
    "NO_HISTORY",
    "NO_PERMISSION",
    "OF_MESSAGE",
    "OF_PLACE",
    "TOO_LARGE",
    "UNKNOWN_CHANNEL",
    "UNKNOWN_INTERACTION",
    "UNKNOWN_MESSAGE",
    "UNKNOWN_WEBHOOK",
    "UPLOAD_GONE",
    "WRONG_WEBHOOK_TOKEN",
    "JsonCode",
    "failure_for",
]

UNKNOWN_CHANNEL = 10003
UNKNOWN_MESSAGE = 10008
UNKNOWN_WEBHOOK = 10015
WRONG_WEBHOOK_TOKEN = 50027
UNKNOWN_INTERACTION = 10062
"""An interaction that is older than Discord waits, or was never ours."""
ALREADY_ACKNOWLEDGED = 40060
"""Somebody answered the interaction before."""


NO_ACCESS = 50001
NO_PERMISSION = 50013
NO_DIRECT_MESSAGES = frozenset({50007, 50278})
"""This person takes none from the bot."""
TOO_LARGE = frozenset({40005, 50045})
OF_PLACE = frozenset({UNKNOWN_CHANNEL, 10004, NO_ACCESS, 50008, 50009, 50024, 50083, 160005})
"""What would come for any message there."""
OF_MESSAGE = frozenset({20009, 50006, 50035, 50046, 200000, 240000})
"""Discord refused what was said, not where."""
UPLOAD_GONE = 50146
"""What was uploaded is used up or too old."""
NO_HISTORY = 160002
"""A reply to a message that the bot may not read."""


class JsonCode(NamedTuple):
    """One code. ``fix`` is a sentence for people, empty where nobody can do anything."""

    meaning: str
    fix: str = ""
    retryable: bool = False


RESET = (
    "Make a new token in the Developer Portal (Bot → Reset Token), put it into channels.discord.token "
    "or DISCORD_BOT_TOKEN, and restart."
)
PERMISSION_FIX = (
    "Give the bot's role that permission; look at overrides of the channel or thread, an archived thread, "
    "whether the message replied to is visible, and the position of the bot's role."
)
SMALLER = "Send a smaller file, or a link to it."
_SEE = "Check that it still exists and that the bot can see it."
_LATER = "Try again later; Discord does not allow more of this for now."
_LIMIT = "Remove some first; this is a fixed limit of Discord."
_BUG = "This is a mistake in what was sent; please report it with the field named above."

CODES: dict[int, JsonCode] = {
    0: JsonCode("a general error"),
    10002: JsonCode("unknown application", "Check applicationId in the config."),
    10003: JsonCode("unknown channel", "The channel was deleted or the id is wrong; " + _SEE.lower()),
    10004: JsonCode("unknown guild", "The bot is not in that server, or the id is wrong."),
    10005: JsonCode("unknown integration", _SEE),
    10006: JsonCode("unknown invite", "The invite has expired or was revoked; make a new one."),
    10007: JsonCode("unknown member", "The user is not in that server."),
    10008: JsonCode("unknown message", "The message was deleted, or is in another channel."),
    10009: JsonCode("unknown overwrite", "That role or member has no overwrite in this channel."),
    10011: JsonCode("unknown role", _SEE),
    10012: JsonCode("unknown token", _SEE),
    10013: JsonCode("unknown user", "Check the user id."),
    10014: JsonCode("unknown emoji", "Use a Unicode emoji, or name:id of one the bot can use."),
    10015: JsonCode("unknown webhook",
                    "The webhook was deleted, or the interaction is older than 15 minutes."),
    10020: JsonCode("unknown session"),
    10026: JsonCode("unknown ban", "That user is not banned."),
    10029: JsonCode("unknown entitlement", _SEE),
    10057: JsonCode("unknown guild template", _SEE),
    10060: JsonCode("unknown sticker", "Check the sticker id."),
    10061: JsonCode("unknown sticker pack", "Check the id of the pack."),
    10062: JsonCode("unknown interaction",
                    "It was not answered within 3 seconds, or somebody else answered it; do it again."),
    10063: JsonCode("unknown command", "It was removed or made anew; choose it from the list again."),
    10065: JsonCode("unknown voice state", "That user is in no voice channel."),
    10066: JsonCode("unknown permissions of a command"),
    10067: JsonCode("unknown stage instance", "The stage is over."),
    10070: JsonCode("unknown scheduled event", "The event was deleted or is over."),
    10071: JsonCode("unknown user of a scheduled event"),
    10087: JsonCode("unknown forum tag", "Use a tag that the forum has."),
    10097: JsonCode("unknown sound", "Check the id of the sound."),
    20001: JsonCode("bots may not do this"),
    20002: JsonCode("only bots may do this"),
    20009: JsonCode("the recipient takes no explicit content", "Leave the picture out."),
    20012: JsonCode("not authorised on this application", "Check applicationId: the token is another bot's."),
    20016: JsonCode("slowmode", _LATER, retryable=True),
    20022: JsonCode("edit limit of announcements", _LATER, retryable=True),
    20028: JsonCode("write limit of the channel", _LATER, retryable=True),
    20029: JsonCode("write limit of the server", _LATER, retryable=True),
    20031: JsonCode("words that are not allowed in names", "Choose another name."),
    20035: JsonCode("the server's boost level is too low", "It needs more boosts."),
    30001: JsonCode("100 servers joined", _LIMIT),
    30003: JsonCode("250 messages are pinned", "Unpin some first."),
    30005: JsonCode("250 roles", _LIMIT),
    30007: JsonCode("15 webhooks in the channel", _LIMIT),
    30008: JsonCode("all places for emoji are taken", _LIMIT),
    30010: JsonCode("20 different reactions on the message", _LIMIT),
    30013: JsonCode("500 channels", _LIMIT),
    30015: JsonCode("10 attachments are the limit", "Send fewer files at once."),
    30016: JsonCode("1,000 invites", _LIMIT),
    30018: JsonCode("all places for animated emoji are taken", _LIMIT),
    30030: JsonCode("5 server categories", _LIMIT),
    30032: JsonCode("too many application commands", "Register fewer commands."),
    30033: JsonCode("1,000 people in the thread", _LIMIT),
    30034: JsonCode("200 command creates a day", _LATER),
    30038: JsonCode("100 events that are not over", _LIMIT),
    30039: JsonCode("all places for stickers are taken", _LIMIT),
    30040: JsonCode("too many requests to prune", _LATER),
    30045: JsonCode("all places for sounds are taken", _LIMIT),
    30046: JsonCode("too many edits of messages older than an hour", "Send a new message instead."),
    30047: JsonCode("pinned posts of the forum are the limit", "Unpin one first."),
    30048: JsonCode("20 tags in the forum", _LIMIT),
    30052: JsonCode("the bitrate is too high for this server", "Choose a lower one."),
    30056: JsonCode("all places for premium emoji are taken", _LIMIT),
    30058: JsonCode("1,000 webhooks in the server", _LIMIT),
    30060: JsonCode("1,000 overwrites in the channel", _LIMIT),
    40001: JsonCode("unauthorised", "Check the bot's token, and that it was invited with the scopes bot and "
                    "applications.commands."),
    40002: JsonCode("the account must be verified", "Verify the bot's account in the Developer Portal."),
    40003: JsonCode("opening direct messages too fast", _LATER, retryable=True),
    40004: JsonCode("sending is switched off for now", "Try again later.", retryable=True),
    40005: JsonCode("request entity too large", SMALLER),
    40006: JsonCode("this is switched off for now", "Try again later.", retryable=True),
    40007: JsonCode("the user is banned", "Lift the ban first."),
    40009: JsonCode("only one channel may change its parent at once", "Move them one by one."),
    40032: JsonCode("that user is in no voice channel"),
    40033: JsonCode("already published", "Nothing to do."),
    40041: JsonCode("a command of this name is there already", "Choose another name."),
    40043: JsonCode("the interaction could not be sent", "Try again."),
    40058: JsonCode("a forum takes posts, not messages", "Create a post (thread) in the forum instead."),
    40060: JsonCode("interaction already acknowledged",
                    "Nothing to do: it has its answer, from another process or an earlier try."),
    40061: JsonCode("tags must have different names", "Choose another name."),
    40062: JsonCode("the resource is limited", _LATER, retryable=True),
    40066: JsonCode("no tag of this forum can be set without Manage Threads",
                    "Give the bot Manage Threads, or add a tag that everybody may set."),
    40067: JsonCode("the forum wants a tag", "Give the post one of the forum's tags."),
    40094: JsonCode("no more followups for this interaction", "Send an ordinary message."),
    40333: JsonCode("the User-Agent was refused", "Update Shoal; nothing may change its User-Agent."),
    50001: JsonCode("missing access",
                    "Give the bot's role View Channel there, or add the bot to the private thread."),
    50003: JsonCode("not possible in a direct message", "Do it in a channel of a server."),
    50005: JsonCode("another's message cannot be edited", "Send a new message instead."),
    50006: JsonCode("the message is empty", "Send text, an embed, a file, a sticker or components."),
    50007: JsonCode("this user cannot be messaged",
                    "Ask the user to allow direct messages: server → Privacy Settings → Direct Messages, and "
                    "to unblock the bot."),
    50008: JsonCode("not a text channel", "Choose a text channel or a thread."),
    50009: JsonCode("the server's verification level is too high for the bot",
                    "Give the bot a role, or lower the verification level."),
    50013: JsonCode("missing permissions", PERMISSION_FIX),
    50014: JsonCode("invalid token", RESET),
    50015: JsonCode("the reason is too long", "Use at most 512 characters."),
    50016: JsonCode("bulk delete wants 2 to 100 messages", "Name 2 to 100 of them."),
    50019: JsonCode("a message can be pinned in its own channel only"),
    50021: JsonCode("not possible on a system message"),
    50024: JsonCode("not possible in this kind of channel", "Choose a channel of another kind."),
    50025: JsonCode("invalid OAuth2 token"),
    50026: JsonCode("a scope is missing",
                    "Invite the bot again with the scopes bot and applications.commands."),
    50027: JsonCode("invalid webhook token",
                    "The webhook was renewed, or the interaction is older than 15 minutes."),
    50028: JsonCode("invalid role", "Check the role id."),
    50033: JsonCode("invalid recipients", "Check the user id; a bot cannot message itself."),
    50034: JsonCode("a message is older than 14 days", "Delete older messages one by one."),
    50035: JsonCode("invalid form body", _BUG),
    50036: JsonCode("an invite was accepted to a server the bot is not in"),
    50041: JsonCode("invalid API version",
                    "Check SHOAL_DISCORD_API_URL: it must end in a version, like /api/v10."),
    50045: JsonCode("the file is too large", SMALLER),
    50046: JsonCode("invalid file", "Send it in another format."),
    50055: JsonCode("invalid server", "Check the id of the server."),
    50068: JsonCode("not possible with this kind of message"),
    50073: JsonCode("a system webhook cannot be used"),
    50074: JsonCode("a channel that community servers need cannot be deleted"),
    50080: JsonCode("stickers cannot be edited in a message"),
    50081: JsonCode("invalid sticker", "Use a sticker of this server or one of Discord's own."),
    50083: JsonCode("the thread is archived", "Unarchive the thread first."),
    50085: JsonCode("`before` is earlier than the thread", "Leave it out."),
    50101: JsonCode("the server needs more boosts for this"),
    50109: JsonCode("the body is no JSON", _BUG),
    50110: JsonCode("invalid file", "Send it in another format."),
    50123: JsonCode("a file of the wrong kind", "Send it in another format."),
    50124: JsonCode("the sound is longer than 5.2 seconds", "Shorten it."),
    50138: JsonCode("the picture could not be shrunk below 256 kB", "Use a smaller one."),
    50146: JsonCode("the uploaded file was not found", "Upload it again."),
    50159: JsonCode("a voice message holds nothing but sound", "Send the text as a message of its own."),
    50160: JsonCode("a voice message is one recording", "Send exactly one."),
    50161: JsonCode("a voice message needs its length and waveform", _BUG),
    50162: JsonCode("a voice message cannot be edited", "Send a new one."),
    50173: JsonCode("no voice messages here", "Choose another channel, or send the sound as a file."),
    50192: JsonCode("the recording has no length", "Send it in another format."),
    50278: JsonCode("no server in common with this user", "Invite the bot to a server the user is in."),
    50600: JsonCode("this sticker may not be sent here", "Use a sticker of this server."),
    60003: JsonCode("two-factor authentication is required",
                    "The owner of the bot must switch on two-factor authentication."),
    90001: JsonCode("the user blocked reactions of the bot"),
    90002: JsonCode("bots have no super reactions"),
    110000: JsonCode("the search index is not ready", "Try again in a few seconds.", retryable=True),
    130000: JsonCode("the API is overloaded", "Try again later.", retryable=True),
    150006: JsonCode("the stage is open already"),
    160002: JsonCode("replies need Read Message History",
                     "Give the bot Read Message History in that channel."),
    160004: JsonCode("the message has a thread already", "Use that thread: its id is the message's."),
    160005: JsonCode("the thread is locked", "Unlock the thread first, or give the bot Manage Threads."),
    160006: JsonCode("too many active threads", "Archive some threads."),
    160007: JsonCode("too many active announcement threads", "Archive some threads."),
    160014: JsonCode("a message that cannot be read cannot be forwarded",
                     "Give the bot View Channel and Read Message History where it was written."),
    180000: JsonCode("the event is over"),
    180002: JsonCode("the stage of the event could not be opened"),
    200000: JsonCode("AutoMod of the server blocked the message",
                     "Change the text, or the server's AutoMod rules."),
    200001: JsonCode("AutoMod of the server blocked the title",
                     "Change the title, or the server's AutoMod rules."),
    220001: JsonCode("a webhook in a forum needs a thread"),
    220002: JsonCode("a webhook in a forum takes a new or an old thread, not both"),
    220003: JsonCode("a webhook makes threads in forums only"),
    220004: JsonCode("this webhook cannot be used in a forum"),
    240000: JsonCode("the message has a harmful link", "Remove the link."),
    350000: JsonCode("the server's onboarding needs more"),
    350001: JsonCode("the server's onboarding needs more"),
    400001: JsonCode("uploads are limited in this server", "Send a link to the file."),
    500000: JsonCode("nobody could be banned"),
    520000: JsonCode("the poll takes no votes"),
    520001: JsonCode("the poll is over"),
    520002: JsonCode("no polls in this kind of channel", "Choose a text channel or a thread."),
    520003: JsonCode("a poll cannot be edited", "Make a new one."),
    520004: JsonCode("a poll may not use this emoji", "Use another emoji."),
    520006: JsonCode("that message is no poll"),
}  # fmt: skip

CONDITIONS: dict[str, JsonCode] = {
    "unauthorized": JsonCode("Discord refused the bot token (401)", RESET),
    "rate-limited": JsonCode("too many requests (429)",
                             "Nothing to do: it waits as long as Discord asks.", True),
    "forbidden": JsonCode("Discord does not allow it (403)"),
    "not-found": JsonCode("it is gone, or the bot cannot see it (404)", _SEE),
    "too-large": JsonCode("request entity too large (413)", SMALLER),
    "server-error": JsonCode("Discord has trouble (5xx)",
                             "Nothing to do: it is tried again; see discordstatus.com.", True),
    "address-banned": JsonCode(
        "rate limited by Discord upstream: this address is blocked for a while (Cloudflare 1015)",
        "Wait; then look for what sends so many refused requests (401, 403, 429) from this address, "
        "or use another proxy or address.", True),
    "user-agent": CODES[40333],
    "web-page": JsonCode("a web page came back instead of JSON",
                         "Something in between answers instead of Discord: look at the proxy, or a captive "
                         "portal."),
    "redirect": JsonCode("a redirect",
                         "Redirects are not followed; look at SHOAL_DISCORD_API_URL and the proxy."),
}  # fmt: skip
"""What goes wrong without a number of Discord's."""

_CLASSES = {
    "discord-unauthorized": "unauthorized",
    "discord-token-latched": "unauthorized",
    "discord-rate-limited": "rate-limited",
    "discord-forbidden": "forbidden",
    "discord-not-found": "not-found",
    "discord-too-large": "too-large",
    "discord-server-error": "server-error",
    "discord-cloudflare": "address-banned",
}


def failure_for(word: str) -> JsonCode | None:
    """The row for the word under which a failure is stored: ``discord-dm-blocked-50007``."""
    name, _, number = word.rpartition("-")
    if number.isdigit() and name.startswith("discord"):
        return CODES.get(int(number)) or CONDITIONS.get(_CLASSES.get(name, ""))
    return CONDITIONS.get(_CLASSES.get(word, ""))
