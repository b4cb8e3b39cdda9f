"""What a session lane's record says: one message, or one batch of them, that wants a turn.

The struct is the ``body`` of a record of kind ``turn``. It holds what was true when the
message was admitted, so that the turn needs no look-up to know who said what, where, and
with which authority. Fields are only ever added, with a default: a worker of yesterday
ignores what it does not know, a worker of tomorrow finds a default (rule R26).

Everything an author can write (text, names, titles) is untrusted: it goes into fenced
blocks of the prompt, never into its trusted part.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Literal

import msgspec

from shoal.base.ids import MessageId, ThreadId
from workers.access.decision import MentionedBy

__all__ = [
    "KIND",
    "RANK",
    "Attachment",
    "Authority",
    "AutoThread",
    "ChatType",
    "ForwardedFrom",
    "Origin",
    "QueueMode",
    "QuotedMessage",
    "Reset",
    "ToolLimits",
    "TurnRequest",
    "decode_turn",
    "encode",
]

KIND = "turn"
"""``Record.kind`` of a session lane's record whose body is a :class:`TurnRequest`."""

ChatType = Literal["direct", "channel", "group"]
"""A DM, a guild channel or thread, a group DM."""

Authority = Literal["owner", "trusted", "guest"]
"""What the author may cause, from strong to weak. A turn has that of its weakest message (R7)."""

RANK: Mapping[str, int] = {"guest": 0, "trusted": 1, "owner": 2}
"""Authorities as numbers, the stronger the larger."""

QueueMode = Literal["steer", "queue", "followup", "collect", "steer-backlog", "interrupt"]
"""What happens to a message that finds a turn running; see :mod:`workers.sessions.queueing`."""

Reset = Literal["", "new", "soft"]
"""A turn that begins its conversation afresh (``new``), or was asked to keep it (``soft``)."""


Origin = Literal["message", "command", "heartbeat", "cron", "event", "internal"]
"""What a turn is for: something a person wrote, a slash command, or nobody who waits for it."""


class Attachment(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of a message, not fetched. The URL is signed and ends; fetch through the account's transport."""

    id: str
    filename: str
    url: str
    size: int = 0
    """Bytes, as Discord says."""
    content_type: str = ""
    width: int | None = None
    height: int | None = None
    forwarded: bool = False
    alternatives: tuple[str, ...] = ()
    """Further addresses, tried in order where the first has nothing (stickers)."""


class QuotedMessage(msgspec.Struct, frozen=True, omit_defaults=True):
    """The message that is answered to, as Discord sent it along (``referenced_message``)."""

    message_id: str
    author_id: str
    author_name: str
    text: str
    timestamp_ms: int = 0
    attachments: tuple[Attachment, ...] = ()
    author_label: str = ""
    """``author_name``, and the tag where it differs."""
    is_quote: bool = False
    """Only a part was picked out; Discord's answers are to whole messages."""


class ForwardedFrom(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a forwarded message comes from, as far as Discord says: a snapshot has no author."""

    author_name: str = ""
    username: str = ""
    channel_id: str = ""
    channel_name: str = ""
    """Of a channel we know."""
    timestamp_ms: int = 0


class ToolLimits(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which tools a place leaves to a sender (``spec/inbound.md`` 3.10); the fields are the file's keys."""

    allow: tuple[str, ...] | None = None
    also_allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class AutoThread(msgspec.Struct, frozen=True, omit_defaults=True):
    """The thread a message is to be answered in, made from the message itself: its id is the message's.

    The request that carries it describes the *channel*; :mod:`workers.sessions.auto_threads` makes of it
    the request in the thread.
    """

    thread_id: ThreadId
    agent_id: str
    session_key: str
    name: str
    archive_minutes: int = 60
    generated: bool = False
    """A model finds a better title afterwards."""


class TurnRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """One admitted message (``spec/inbound.md`` 6.14).

    Attributes:
        account: bot account that received it, and whose transport answers.
        guild_id: none in DMs and group DMs.
        channel_id: channel, thread or DM channel; the destination of the answer.
        message_id: the message; of a batch, the last one.
        author_id: Discord user id.
        author_name: what people see (nick, global name, username).
        author_tag: ``username``, or ``username#1234`` for the old form; a PluralKit member's name.
        author_username: the account's name.
        author_label: name for prompts: ``author_name``, and the tag where it differs.
        is_owner: the author is on the owner list (``commands.ownerAllowFrom``).
        authority: see :data:`Authority`; ``owner`` exactly if ``is_owner``.
        chat_type: see :data:`ChatType`.
        agent_id: agent that answers.
        session_key: key of the conversation, lower case (``spec/inbound.md`` 5.2).
        text: what the author wrote, mentions resolved to ``@name``; a placeholder where
            there is only media.
        born_ms: when the message was made, from its id.
        received_ms: when the gateway received it.
    """

    account: str
    channel_id: str
    message_id: str
    author_id: str
    author_name: str
    chat_type: ChatType
    agent_id: str
    session_key: str
    text: str
    guild_id: str | None = None
    author_tag: str = ""
    author_username: str = ""
    author_label: str = ""
    is_owner: bool = False
    authority: Authority = "guest"
    command_authorized: bool = False
    """Text commands of this message count (``spec/inbound.md`` 3.9)."""
    owner_hint: str = ""
    """The entry of ``users`` that names the author himself: a hint for tools, never an owner."""
    tools: ToolLimits | None = None
    """What limits the tools here; none does where it is not set."""
    born_ms: int = 0
    received_ms: int = 0
    mode: QueueMode = "steer"
    queued: bool = False
    """Something ran or waited in the conversation when the message was admitted."""
    reset: Reset = ""
    """``new``: the message is a ``/new`` or ``/reset``; its turn begins a new transcript."""

    was_mentioned: bool = False
    """The bot's id is among the mentions, or a name pattern matched."""
    mentioned_by: MentionedBy = ""
    """What satisfied the mention gate; empty where nothing did or nothing was asked."""
    mention_required: bool = False

    updates_route: bool = True
    """The conversation's announcements follow this message (``spec/inbound.md`` 5.3)."""

    guild_name: str = ""
    guild_slug: str = ""
    """``slug`` of the guild's entry, where one is written."""
    channel_name: str = ""
    topic: str = ""
    """The channel's topic: untrusted context."""
    parent_id: str | None = None
    """Parent channel of a thread."""
    parent_name: str = ""
    is_thread: bool = False
    parent_forum: bool = False
    """The parent is a forum or media channel."""
    auto_thread: AutoThread | None = None
    trigger_channel_id: str = ""
    """Where the message itself is, if that is another channel than the one that is answered in."""
    coding: bool = False
    """The conversation belongs to a coding agent behind ACP (decision 49)."""
    model_override: str = ""
    """``provider/model`` chosen for the conversation; filled in by the turn."""
    guild_entry: str = ""
    """Key of the ``guilds`` entry that let the message in; for prompts, tools and skills of that entry."""
    channel_entry: str = ""
    """Key of the ``channels`` entry, likewise."""
    member_roles: tuple[str, ...] = ()

    attachments: tuple[Attachment, ...] = ()
    quoted: QuotedMessage | None = None
    has_forwarded: bool = False
    forwarded: ForwardedFrom | None = None
    """Where it comes from, if anything is known of that."""
    message_ids: tuple[str, ...] = ()
    """All messages of a batch, oldest first; empty for a single message."""
    part_chars: tuple[int, ...] = ()
    """Length of each of their texts; ``text`` is the texts, joined by newlines."""
    original_id: str = ""
    """The message that PluralKit replaced by this one: its canonical id (decision 12)."""
    clicked_on: str = ""
    """The message whose component was clicked; ``message_id`` is the interaction then, and no message."""
    earlier: tuple[Attachment, ...] = ()
    """Pictures among what was said before in the channel and is quoted (``spec/inbound.md`` 4.6)."""
    edited: bool = False
    """The text was replaced by a later edit before the turn began."""

    origin: Origin = "message"
    reply_mode: Literal["", "automatic", "message_tool_only"] = ""
    """How its caller (heartbeat, cron) wants the answer delivered; empty leaves it to the config."""
    ack: str = ""
    """Emoji that acknowledges the message (``spec/inbound.md`` 7.4); empty for none."""
    v: int = 1

    @property
    def all_message_ids(self) -> tuple[str, ...]:
        """Every message this record stands for, oldest first."""
        return self.message_ids or (self.message_id,)

    @property
    def scope(self) -> str:
        """What messages of one turn have in common (rule R7): account, place, authority, and the tools their
        senders have, so that nobody gets a tool by writing into somebody else's turn."""
        scope = f"{self.account}|{self.channel_id}|{self.authority}"
        if self.tools is None:
            return scope
        return f"{scope}|{hashlib.blake2b(_encoder.encode(self.tools), digest_size=8).hexdigest()}"

    @property
    def answers_to(self) -> MessageId:
        """The message a reply refers to."""
        return MessageId(self.clicked_on or self.message_id)

    @property
    def message_channel_id(self) -> str:
        """The channel the message itself is in."""
        return self.trigger_channel_id or self.channel_id

    @property
    def has_files(self) -> bool:
        """There is something to fetch: files of its own, forwarded ones, those of the answered message, or
        pictures of before."""
        quoted = self.quoted is not None and bool(self.quoted.attachments)
        return bool(self.attachments) or quoted or bool(self.earlier)

    @property
    def sender(self) -> str:
        """The author as prompts name them."""
        return self.author_label or self.author_name

    @property
    def target(self) -> str:
        """The reply target in the words of configuration and tools: ``channel:<id>``."""
        return f"channel:{self.channel_id}"


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(TurnRequest)


def encode(request: TurnRequest) -> bytes:
    """The body of a session record."""
    return _encoder.encode(request)


def decode_turn(body: bytes) -> TurnRequest:
    """The request in a record's body.

    Raises:
        msgspec.ValidationError: the body is no :class:`TurnRequest`.
    """
    return _decoder.decode(body)
