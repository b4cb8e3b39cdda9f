"""A message on its way through admission: what it says, where, and what access says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from shoal.base.aborts import is_stop_command
from shoal.base.ids import snowflake_ms
from shoal.discord.wire import MessageType
from shoal.state.effects import Tally
from shoal.state.lookups import Asked
from shoal.state.records import InboundEvent
from workers.access.decision import Decision
from workers.access.facts import MentionFacts, MessageFacts, SenderFacts, Surface
from workers.access.needs import MemberNeeded
from workers.access.pairing import may_be_paired
from workers.access.visibility import ContextFilter
from workers.sessions.admission.asking import ask
from workers.sessions.identity import Identity, identity_of, member_identity
from workers.sessions.place import Conversation, conversation_of, surface_of
from workers.sessions.text import message_text
from workers.sessions.text_commands import TextCommand, command_text, read_command
from workers.sessions.view import AdmissionView
from workers.sessions.wire import WireMessage, read_roles, user_tag

__all__ = [
    "COMMAND_ECHOES",
    "ORDINARY",
    "Arrival",
    "Part",
    "arrive",
    "author_facts",
    "counted",
    "may_forward",
]

ORDINARY = frozenset({MessageType.DEFAULT, MessageType.REPLY})
"""Message types a person writes: default and reply."""
COMMAND_ECHOES = frozenset({MessageType.CHAT_INPUT_COMMAND, MessageType.CONTEXT_MENU_COMMAND})
"""What Discord shows of a slash or context-menu command; the interaction itself comes apart."""


@dataclass(frozen=True, slots=True)
class Part:
    """One message of a batch: what it says for itself."""

    message: WireMessage
    text: str


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message with everything admission knows of it; or several of one author that became one.

    Attributes:
        parts: the messages of a batch, oldest first (``message`` is made of all); empty for a single one.
        answers: what was looked up because of it, by question.
    """

    event: InboundEvent
    message: WireMessage
    text: str
    facts: MessageFacts
    decision: Decision
    conversation: Conversation
    context: ContextFilter
    """Whose words may be shown besides the sender's."""
    command: TextCommand | None = None
    """The text command the message is, where text commands are on."""
    parts: tuple[Part, ...] = ()
    answers: Mapping[Asked, bytes] = field(default_factory=dict)

    @property
    def sender(self) -> Identity:
        """Who speaks: the author, or the PluralKit member behind a webhook's copy."""
        member = self.facts.sender.pluralkit
        if member is not None:
            return member_identity(member)
        return identity_of(self.message.author, self.message.nick)

    @property
    def said(self) -> tuple[Part, ...]:
        """Every message this stands for, oldest first."""
        return self.parts or (Part(self.message, self.text),)


def arrive(
    event: InboundEvent,
    message: WireMessage,
    view: AdmissionView,
    *,
    parts: tuple[Part, ...] = (),
    answers: Mapping[Asked, bytes] | None = None,
) -> Arrival:
    """Gather the facts of a message and ask access."""
    text = "\n".join(part.text for part in parts) if parts else message_text(message)
    command = _command(message, view)
    surface = surface_of(message, view)
    message = _with_member(message, surface, view)
    conversation = conversation_of(message, surface, view.settings)
    facts, decision = ask(_facts(message, text, command, conversation, view), view)
    context = _context_of(decision, view)
    if not parts and not may_forward(message, context):
        text = message_text(message, with_forwarded=False)
    return Arrival(
        event, message, text, facts, decision, conversation, context, command, parts, answers or {}
    )


def counted(arrival: Arrival) -> tuple[Tally, ...]:
    """What to count now that the message becomes what its decision says."""
    account, facts = arrival.event.account, arrival.facts
    return tuple(
        Tally(account, mark.name, facts.message_id, facts.born_ms, mark.ttl_ms)
        for mark in arrival.decision.marks
    )


def _with_member(message: WireMessage, surface: Surface, view: AdmissionView) -> WireMessage:
    """A message whose event carried no member (rule R19), with the roles that decide where it goes, as far
    as somebody asked for them. Roles that decide who may talk are found by :func:`ask`."""
    guild_id = surface.guild_id
    if message.roles is not None or guild_id is None or not _routed_by_roles(message, surface, view):
        return message
    member = view.facts.member(MemberNeeded(guild_id, message.author.id))
    return message if member is None else replace(message, roles=read_roles(member) or ())


def _routed_by_roles(message: WireMessage, surface: Surface, view: AdmissionView) -> bool:
    return message.webhook_id is None and view.settings.routing.by_roles(
        view.settings.account, surface.guild_id
    )


def _command(message: WireMessage, view: AdmissionView) -> TextCommand | None:
    if not view.settings.access.text_commands:
        return None
    return read_command(message.body.content, view.bot_id, view.settings.reset_triggers)


def _context_of(decision: Decision, view: AdmissionView) -> ContextFilter:
    """Whose words may be shown beside those of the sender (``spec/inbound.md`` 6.9)."""
    settings = view.settings
    return ContextFilter.of(settings.context_visibility, settings.access, decision.guild, decision.channel)


def author_facts(message: WireMessage) -> SenderFacts:
    """An author as access sees them, without what the store knows of them."""
    return SenderFacts(
        id=message.author.id,
        username=message.author.username,
        tag=user_tag(message.author),
        bot=message.author.bot,
        webhook=message.webhook_id is not None,
        # a webhook is no member of anything: there is nothing to ask
        roles=() if message.webhook_id is not None else message.roles,
    )


def may_forward(message: WireMessage, context: ContextFilter) -> bool:
    """Whether what the message forwards may be shown; Discord's snapshots have no author (closed)."""
    if context.mode == "all":
        return True
    if not message.snapshots and message.referenced is not None:
        return context.shows("forwarded", author_facts(message.referenced))
    return context.shows("forwarded", None)


def _facts(
    message: WireMessage,
    text: str,
    command: TextCommand | None,
    conversation: Conversation,
    view: AdmissionView,
) -> MessageFacts:
    bot_id = view.bot_id
    said = command_text(message.body.content)
    surface = conversation.surface
    named = {user.id for user in message.mentions}
    answered = message.referenced
    is_reply = message.type == MessageType.REPLY and answered is not None
    return MessageFacts(
        sender=_sender(message, surface.kind, view),
        surface=surface,
        mentions=MentionFacts(
            explicit=bot_id is not None and bot_id in named,
            reply_to_bot=is_reply and answered is not None and bot_id is not None
            and answered.author.id == bot_id and answered.webhook_id is None,
            others=bool(named - {bot_id}) or bool(message.mention_roles),
            mass=message.mention_everyone,
        ),
        bot_id=bot_id,
        has_content=bool(text),
        service=message.type not in ORDINARY and message.type not in COMMAND_ECHOES,
        command=command is not None
        or (view.settings.access.text_commands and is_stop_command(said, bot_id)),
        text=message.body.content,
        audio=any(file.content_type.startswith("audio/") for file in message.body.attachments),
        patterns=view.settings.access.mention_patterns.of(
            conversation.agent_id, surface.channel_id, surface.parent_id
        ),
        message_id=message.id,
        born_ms=snowflake_ms(message.id),
        session_key=conversation.session_key,
        routed_by_roles=_routed_by_roles(message, surface, view),
    )  # fmt: skip


def _sender(message: WireMessage, kind: str, view: AdmissionView) -> SenderFacts:
    """Who wrote. The store is asked only where its answer can matter."""
    access = view.settings.access
    sender = author_facts(message)
    return replace(
        sender,
        ours=message.webhook_id is not None and view.own_webhook(message.webhook_id),
        paired=may_be_paired(kind, access) and view.paired(sender.id),
        first_owner=not access.owned and view.first_owner == sender.id,
    )
