"""A message on its way through admission: what it says, where, and what access says about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shoal.base.aborts import is_stop_command
from shoal.discord.wire import MessageType
from shoal.state.records import InboundEvent
from workers.access.decide import decide
from workers.access.decision import Decision
from workers.access.facts import MentionFacts, MessageFacts, SenderFacts
from workers.access.pairing import may_be_paired, store_id
from workers.access.visibility import ContextFilter
from workers.sessions.place import Conversation, conversation_of, surface_of
from workers.sessions.text import message_text
from workers.sessions.text_commands import TextCommand, read_command
from workers.sessions.view import AdmissionView
from workers.sessions.wire import WireMessage, user_tag

__all__ = ["COMMAND_ECHOES", "ORDINARY", "Arrival", "arrive", "author_facts", "may_forward"]

ORDINARY = frozenset({MessageType.DEFAULT, MessageType.REPLY})
"""Message types a person writes: default and reply."""
COMMAND_ECHOES = frozenset({MessageType.CHAT_INPUT_COMMAND, MessageType.CONTEXT_MENU_COMMAND})
"""What Discord shows of a slash or context-menu command; the interaction itself comes apart."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """One message with everything admission knows of it."""

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


def arrive(event: InboundEvent, message: WireMessage, view: AdmissionView) -> Arrival:
    """Gather the facts of a message and ask access."""
    text = message_text(message)
    command = _command(message, view)
    facts = _facts(message, text, command, view)
    decision = decide(facts, view.settings.access)
    context = _context_of(decision, view)
    if not may_forward(message, context):
        text = message_text(message, with_forwarded=False)
    return Arrival(
        event,
        message,
        text,
        facts,
        decision,
        conversation_of(message, facts.surface, view.settings),
        context,
        command,
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
        roles=message.roles,
    )


def may_forward(message: WireMessage, context: ContextFilter) -> bool:
    """Whether what the message forwards may be shown; Discord's snapshots have no author (closed)."""
    if context.mode == "all":
        return True
    if not message.snapshots and message.referenced is not None:
        return context.shows("forwarded", author_facts(message.referenced))
    return context.shows("forwarded", None)


def _facts(message: WireMessage, text: str, command: TextCommand | None, view: AdmissionView) -> MessageFacts:
    bot_id = view.bot_id
    surface = surface_of(message, view)
    named = {user.id for user in message.mentions}
    answered = message.referenced
    is_reply = message.type == 19 and answered is not None
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
        or (view.settings.access.text_commands and is_stop_command(message.body.content, bot_id)),
    )  # fmt: skip


def _sender(message: WireMessage, kind: str, view: AdmissionView) -> SenderFacts:
    """Who wrote. The store is asked only where its answer can matter."""
    access = view.settings.access
    sender = author_facts(message)
    store_name = store_id(sender)
    return replace(
        sender,
        paired=may_be_paired(kind, access) and view.paired(store_name),
        first_owner=not access.owned and view.first_owner == store_name,
    )
