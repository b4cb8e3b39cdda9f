"""What access decisions are made of: plain facts about one event, no Discord objects.

The same facts serve messages, reactions, service messages, clicks and slash commands; fields
that an event does not have keep their defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from workers.access.needs import AudienceNeeded, Need, TallyNeeded
from workers.access.patterns import NO_PATTERNS, Patterns

__all__ = [
    "Activation",
    "Known",
    "MentionFacts",
    "MessageFacts",
    "PluralKitSender",
    "SenderFacts",
    "Surface",
    "Tallied",
]

Activation = Literal["", "mention", "always"]
"""What ``/activation`` says in a session (decision 28); empty where nobody said anything."""


@dataclass(frozen=True, slots=True)
class PluralKitSender:
    """The member who speaks through a proxied message, as PluralKit tells (``spec/inbound.md`` 3.12).

    Attributes:
        member_id: PluralKit's id of the member, without ``pk:``.
        display_name: what people see; falls back to ``name``.
        name: the member's name.
        system: name or id of the system, for the label.
        account_id: the Discord account behind it, where PluralKit told it; for limits, never for lists.
    """

    member_id: str
    display_name: str
    name: str = ""
    system: str = ""
    account_id: str = ""

    @property
    def id(self) -> str:
        """The id lists compare: ``pk:<member id>``."""
        return f"pk:{self.member_id}"

    @property
    def label(self) -> str:
        """How the prompt names the speaker."""
        system = f"PK:{self.system}" if self.system else "PK"
        return f"{self.display_name or self.name or self.member_id} ({system})"


@dataclass(frozen=True, slots=True)
class SenderFacts:
    """Who wrote, reacted, clicked.

    Attributes:
        id: Discord user id; ``pk:<id>`` for a PluralKit member.
        roles: ids; ``None`` where the event carried no member (rule R19).
        webhook: it came through a webhook, so the id is the webhook's.
        ours: that webhook is or was ours: an agent's own words come back (``spec/outbound.md`` 3.14).
        pluralkit: the member behind a proxied message.
        paired: was approved by pairing; asked only where that can matter.
        first_owner: owns the bot because nobody else does (``spec/inbound.md`` 3.3).
    """

    id: str
    username: str = ""
    tag: str = ""
    bot: bool = False
    webhook: bool = False
    roles: tuple[str, ...] | None = ()
    pluralkit: PluralKitSender | None = None
    paired: bool = False
    first_owner: bool = False
    ours: bool = False

    def spoken_by(self, member: PluralKitSender) -> SenderFacts:
        """The sender of a proxied message: neither a bot nor a webhook, and without roles."""
        return SenderFacts(
            id=member.id,
            username=member.display_name or member.name,
            tag=member.name,
            pluralkit=member,
        )

    @property
    def machine(self) -> bool:
        """A bot or a webhook."""
        return self.bot or self.webhook


@dataclass(frozen=True, slots=True)
class Surface:
    """Where it was written.

    Attributes:
        kind: ``direct``, ``group`` (group DM) or ``channel`` (guild channel or thread).
        topic: the channel's topic (of a thread: its parent's); context, never a reason.
        thread_owner_id: who made the thread, where it is one and that is known.
        channel_type, parent_type: Discord's kinds of channel, where they are known.
        known: it is known whether it is a thread, and of which channel. Names may be missing nevertheless.
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
    channel_type: int | None = None
    parent_type: int | None = None
    known: bool = True


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
class Tallied:
    """Answer to a :class:`~workers.access.needs.TallyNeeded`: how many marks, and the newest (0: none)."""

    count: int
    newest_ms: int = 0


@dataclass(frozen=True, slots=True)
class Known:
    """What was looked up because an earlier decision needed it. ``None``: not looked up.

    Attributes:
        activation: ``/activation`` of the session.
        audiences: who can see which channel; a set says what is needed to know it.
        tallies: counts.
        unproxied: PluralKit knows nothing of this message.
        transcript: what a voice message says.
    """

    activation: Activation | None = None
    audiences: Mapping[AudienceNeeded, bool | frozenset[Need]] = field(default_factory=dict)
    tallies: Mapping[TallyNeeded, Tallied] = field(default_factory=dict)
    unproxied: bool = False
    transcript: str | None = None


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """One event as access sees it.

    Attributes:
        bot_id: our own user id, or ``None`` where even the token does not tell it.
        has_content: there is something to answer: text, file, sticker, embed, forward.
        service: a notice of Discord (pin, join, …): no mention gate (decision 26).
        command: the text is one of our text commands.
        text: what was typed, for mention patterns; without what was forwarded.
        audio: there is a voice message or an audio file.
        patterns: mention patterns of the agent the message goes to.
        message_id, born_ms: the message, and when it was written (Unix ms), for counting.
        session_key: the conversation it would go to, for ``/activation``.
        routed_by_roles: which conversation that is depends on the sender's roles.
        known: what was looked up.
    """

    sender: SenderFacts
    surface: Surface
    mentions: MentionFacts = MentionFacts()
    bot_id: str | None = None
    has_content: bool = True
    service: bool = False
    command: bool = False
    text: str = ""
    audio: bool = False
    patterns: Patterns = NO_PATTERNS
    message_id: str = ""
    born_ms: int = 0
    session_key: str = ""
    routed_by_roles: bool = False
    known: Known = Known()

    def learned(self, **more: object) -> MessageFacts:
        """The same facts with some of :class:`Known` filled in."""
        return replace(self, known=replace(self.known, **more))  # type: ignore[arg-type]
