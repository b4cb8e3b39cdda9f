"""Discord's JSON error codes: what each means and what to do about it.

Source: Discord documentation, topics "Opcodes and Status Codes" (REST JSON error codes).
Only codes for which something particular is to be said are here; the HTTP status decides
about the rest.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "ALREADY_ACKNOWLEDGED",
    "CODES",
    "NO_ACCESS",
    "NO_HISTORY",
    "NO_PERMISSION",
    "UNKNOWN_CHANNEL",
    "UNKNOWN_INTERACTION",
    "UNKNOWN_MESSAGE",
    "UNKNOWN_WEBHOOK",
    "UPLOAD_GONE",
    "WRONG_WEBHOOK_TOKEN",
    "JsonCode",
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
UPLOAD_GONE = 50146
"""What was uploaded is used up or too old."""
NO_HISTORY = 160002
"""A reply to a message that the bot may not read."""


class JsonCode(NamedTuple):
    """One code. ``fix`` is a sentence for people, empty where nobody can do anything."""

    meaning: str
    fix: str = ""
    retryable: bool = False


_SEE = "Check that it still exists and that the bot can see it."
_LATER = "Try again later; Discord does not allow more of this for now."
_LIMIT = "Remove some first; this is a fixed limit of Discord."
_BUG = "This is a mistake in what was sent; please report it with the field named above."

CODES: dict[int, JsonCode] = {
    10002: JsonCode("unknown application", "Check applicationId in the config."),
    10003: JsonCode("unknown channel", "The channel was deleted or the id is wrong; " + _SEE.lower()),
    10004: JsonCode("unknown guild", "The bot is not in that server, or the id is wrong."),
    10007: JsonCode("unknown member", "The user is not in that server."),
    10008: JsonCode("unknown message", "The message was deleted."),
    10011: JsonCode("unknown role", _SEE),
    10013: JsonCode("unknown user", "Check the user id."),
    10014: JsonCode("unknown emoji", "Use a Unicode emoji, or name:id of one the bot can use."),
    10015: JsonCode("unknown webhook",
                    "The webhook was deleted, or the interaction is older than 15 minutes."),
    10062: JsonCode("unknown interaction",
                    "It was not answered within 3 seconds, or somebody else answered it."),
    10065: JsonCode("unknown voice state", "That user is in no voice channel."),
    10087: JsonCode("unknown forum tag", "Use a tag that the forum has."),
    20001: JsonCode("bots may not do this"),
    20012: JsonCode("not authorised on this application", "Check applicationId: the token is another bot's."),
    20016: JsonCode("slowmode", _LATER, retryable=True),
    20022: JsonCode("edit limit of announcements", _LATER, retryable=True),
    20028: JsonCode("write limit of the channel", _LATER, retryable=True),
    20029: JsonCode("write limit of the server", _LATER, retryable=True),
    30003: JsonCode("250 messages are pinned", "Unpin some first."),
    30007: JsonCode("15 webhooks in the channel", _LIMIT),
    30010: JsonCode("20 different reactions on the message", _LIMIT),
    30013: JsonCode("500 channels", _LIMIT),
    30015: JsonCode("10 attachments are the limit", "Send fewer files at once."),
    30032: JsonCode("too many application commands", "Register fewer commands."),
    30034: JsonCode("200 command creates a day", _LATER),
    30046: JsonCode("too many edits of old messages", "Send a new message instead.", retryable=False),
    40001: JsonCode("unauthorised", "Check the bot's token, and that it was invited with the scopes bot and "
                    "applications.commands."),
    40002: JsonCode("the account must be verified", "Verify the bot's account in the Developer Portal."),
    40003: JsonCode("opening direct messages too fast", _LATER, retryable=True),
    40004: JsonCode("sending is switched off for now", "Try again later.", retryable=True),
    40005: JsonCode("request entity too large", "Send a smaller file, or a link to it."),
    40006: JsonCode("this is switched off for now", "Try again later.", retryable=True),
    40007: JsonCode("the user is banned"),
    40033: JsonCode("already published"),
    40058: JsonCode("a forum takes posts, not messages", "Create a post (thread) in the forum instead."),
    40060: JsonCode("interaction already acknowledged",
                    "Nothing to do: it has its answer, from another process or an earlier try."),
    40062: JsonCode("the resource is limited", _LATER, retryable=True),
    40067: JsonCode("the forum wants a tag", "Give the post one of the forum's tags."),
    40094: JsonCode("no more followups for this interaction"),
    50001: JsonCode("missing access"),
    50003: JsonCode("not possible in a direct message"),
    50005: JsonCode("another's message cannot be edited"),
    50006: JsonCode("the message is empty", "Send text, an embed, a file, a sticker or components."),
    50007: JsonCode("this user cannot be messaged",
                    "Ask the user to allow direct messages: server → Privacy Settings → Direct Messages."),
    50008: JsonCode("not a text channel", "Choose a text channel or a thread."),
    50009: JsonCode("the server's verification level is too high for the bot"),
    50013: JsonCode("missing permissions"),
    50016: JsonCode("bulk delete wants 2 to 100 messages"),
    50024: JsonCode("not possible in this kind of channel"),
    50027: JsonCode("invalid webhook token",
                    "The webhook was renewed, or the interaction is older than 15 minutes."),
    50028: JsonCode("invalid role", "Check the role id."),
    50033: JsonCode("invalid recipients", "Check the user id; a bot cannot message itself."),
    50034: JsonCode("a message is older than 14 days", "Delete older messages one by one."),
    50035: JsonCode("invalid form body", _BUG),
    50041: JsonCode("invalid API version",
                    "Check SHOAL_DISCORD_API_URL: it must end in a version, like /api/v10."),
    50045: JsonCode("the file is too large", "Send a smaller file, or a link to it."),
    50046: JsonCode("invalid file", "Send it in another format."),
    50083: JsonCode("the thread is archived", "Unarchive the thread first."),
    50109: JsonCode("the body is no JSON", _BUG),
    50146: JsonCode("the uploaded file was not found", "Upload it again.", retryable=False),
    50159: JsonCode("a voice message carries nothing else", _BUG),
    50160: JsonCode("a voice message is exactly one recording", _BUG),
    50161: JsonCode("a voice message needs its length and waveform", _BUG),
    50162: JsonCode("voice messages cannot be edited", "Send a new message instead."),
    50173: JsonCode("no voice messages here", "Choose another channel, or send the sound as a file."),
    50278: JsonCode("no server in common with this user", "Invite the bot to a server the user is in."),
    60003: JsonCode("two-factor authentication is required",
                    "The owner of the bot must switch on two-factor authentication."),
    90001: JsonCode("the user blocked reactions of the bot"),
    110000: JsonCode("the search index is not ready", "Try again in a few seconds.", retryable=True),
    130000: JsonCode("the API is overloaded", "Try again later.", retryable=True),
    160002: JsonCode("replies need Read Message History",
                    "Give the bot Read Message History in that channel."),
    160004: JsonCode("the message has a thread already"),
    160005: JsonCode("the thread is locked", "Unlock the thread first."),
    160006: JsonCode("too many active threads", "Archive some threads."),
    200000: JsonCode("AutoMod of the server blocked the message",
                    "Change the text, or the server's AutoMod rules."),
    200001: JsonCode("AutoMod of the server blocked the title",
                    "Change the title, or the server's AutoMod rules."),
    240000: JsonCode("the message has a harmful link", "Remove the link."),
    400001: JsonCode("uploads are limited in this server"),
}  # fmt: skip
