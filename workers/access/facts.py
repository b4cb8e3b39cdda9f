"""What access decisions are made of: plain facts about one message, no Discord objects."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MentionFacts", "MessageFacts", "SenderFacts", "Surface"]


@dataclass(frozen=True, slots=True)
class SenderFacts:
    """Who wrote.

    Attributes:
        roles: ids; ``None`` where the event carried no member (rule R19).
        paired: was approved by pairing; asked only where that can matter.
        first_owner: owns the bot because nobody else does (``spec/inbound.md`` 3.3).
        pluralkit: ``id`` is that of a PluralKit member, not of a Discord user.
    """

    id: str
    username: str = ""
    tag: str = ""
    bot: bool = False
    webhook: bool = False
    roles: tuple[str, ...] | None = ()
    paired: bool = False
    first_owner: bool = False
    pluralkit: bool = False


@dataclass(frozen=True, slots=True)
class Surface:
    """Where it was written.

    Attributes:
        kind: ``direct``, ``group`` (group DM) or ``channel`` (guild channel or thread).
        topic: the channel's topic (of a thread: its parent's); context, never a reason.
        thread_owner_id: who made the thread, where it is one and that is known.
    """

    kind: str
    channel_id: str
    channel_name: str = ""
    guild_id: str | None = None
    guild_name: str = ""
    parent_id: str | None = None
    parent_name: str = ""
    is_thread: bool = False
    thread_owner_id: str | None = None
    topic: str = ""


@dataclass(frozen=True, slots=True)
class MentionFacts:
    """Whom the message names (``spec/inbound.md`` 4.1).

    Attributes:
        explicit: the bot's own id is among the mentioned users.
        reply_to_bot: it answers a message of the bot.
        others: it names some user who is not the bot, or a role.
        mass: ``@everyone`` or ``@here``.
    """

    explicit: bool = False
    reply_to_bot: bool = False
    others: bool = False
    mass: bool = False


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """One message as access sees it.

    Attributes:
        bot_id: our own user id, or ``None`` before the first READY.
        has_content: there is something to answer: text, file, sticker, embed, forward.
        service: a notice of Discord (pin, join, …): no mention gate (``spec/decisions.md`` 26).
        command: the text is one of our text commands or an abort word.
    """

    sender: SenderFacts
    surface: Surface
    mentions: MentionFacts = MentionFacts()
    bot_id: str | None = None
    has_content: bool = True
    service: bool = False
    command: bool = False
