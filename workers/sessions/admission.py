"""Admission: what becomes of one event from Discord.

    event ─▶ read ─▶ access ─▶ stop? ─▶ route ─▶ push into the session's lane
                        └─▶ refused: an outcome with its reason; history where quotable

Pure but for the Redis reads behind the view (rule R18). The answer is a list of effects for
the commit of the inbound lane, and at most one stop that is written before it. Equal input
gives equal effects, so an admission that is repeated after a crash does nothing twice.

Every message gets its outcome here or takes it along: a record pushed into a session lane
carries account and message id, and whoever ends that record writes the outcome.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import msgspec

from shoal.base.aborts import is_abort_word, is_stop_command
from shoal.base.errors import InvalidName
from shoal.base.ids import check_name, snowflake_ms
from shoal.discord.wire import MessageType
from shoal.state.effects import Effect, Note, Outcome, Push
from shoal.state.records import InboundEvent, Record
from workers.access.decide import decide
from workers.access.decision import Decision, Reason
from workers.access.facts import MentionFacts, MessageFacts, SenderFacts
from workers.sessions import changes, history
from workers.sessions.keys import session_lane
from workers.sessions.place import Conversation, conversation_of, conversation_of_channel, surface_of
from workers.sessions.records import KIND, Authority, QuotedMessage, TurnRequest, encode
from workers.sessions.text import attachments_of, message_text
from workers.sessions.view import AdmissionView
from workers.sessions.wire import (
    Malformed,
    WireMessage,
    read_ids,
    read_message,
    user_label,
    user_tag,
)

__all__ = ["Admission", "Notice", "StopBound", "admit", "record_identity"]

ORDINARY = frozenset({MessageType.DEFAULT, MessageType.REPLY})
"""Message types a person writes: default and reply."""
MAX_QUOTE = 2_000
"""Characters kept of the message that is answered to."""
COMMAND_ECHOES = frozenset({MessageType.CHAT_INPUT_COMMAND, MessageType.CONTEXT_MENU_COMMAND})
"""What Discord shows of a slash or context-menu command; the interaction itself comes apart."""


MISSED = "missed-too-long-ago"
"""Reason of a message that was fetched after a gap and is too old to be answered."""
GONE = frozenset({"CHANNEL_DELETE", "THREAD_DELETE"})


@dataclass(frozen=True, slots=True)
class StopBound:
    """A stop to write (``Lanes.stop``) before the commit: all of the lane born earlier ends (R7)."""

    lane: str
    born_ms: int
    message_id: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A short text of our own to send: ``text`` names an entry of the catalogue."""

    account: str
    channel_id: str
    guild_id: str | None
    reply_to: str
    cause: str
    text: str
    language: Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Admission:
    """What to do about an event. ``summary`` is for Flower and the log: words and ids, no content."""

    effects: tuple[Effect, ...] = ()
    summary: str = "ignored"
    stop: StopBound | None = None
    notice: Notice | None = None


def record_identity(account: str, message_id: str) -> str:
    """Identity of a message's record in a session lane: two accounts may share a lane."""
    return check_name(f"{account}.{message_id}", "message identity")


class _Shut(msgspec.Struct):
    archived: bool | None = None
    locked: bool | None = None


class _Thread(msgspec.Struct):
    thread_metadata: _Shut = msgspec.field(default_factory=_Shut)


def admit(event: InboundEvent, view: AdmissionView, *, fast: bool = False) -> Admission:
    """Decide about one event.

    Args:
        event: body of the head of an inbound, hold or fast lane.
        view: settings and facts of the event's account.
        fast: the event came by the fast lane for abort words: only a stop is looked for; the ordered
            record closes the ledger.
    """
    if event.event == "MESSAGE_CREATE":
        return _create(event, view, fast=fast)
    if event.event == "MESSAGE_UPDATE":
        return _update(event, view)
    if event.event in ("MESSAGE_DELETE", "MESSAGE_DELETE_BULK"):
        return _delete(event, view)
    if event.event in GONE or (event.event == "THREAD_UPDATE" and _shut(event)):
        return _gone(event, view)
    # reactions, interactions, pins, …: none of them makes a message of ours that could be explained
    return Admission(summary=f"ignored · {event.event.lower().replace('_', '-')}")


def _create(event: InboundEvent, view: AdmissionView, *, fast: bool) -> Admission:
    try:
        message = read_message(event.data)
    except Malformed as error:
        ids = read_ids(event.data, "id")
        effects = (Outcome(event.account, ids[0], "dropped", "malformed-event"),) if ids and not fast else ()
        return Admission(effects, f"dropped · malformed-event ({error})")
    text = message_text(message)
    facts = _facts(message, text, view)
    decision = decide(facts, view.settings.access)
    if event.history:
        return _refused(event.account, message, text, _noted(decision), view)
    conversation = conversation_of(message, facts.surface, view.settings)
    stop = _stop(message, facts, decision, conversation, view)
    if fast:
        return stop if stop is not None and stop.stop is not None else Admission(summary="fast · no stop")
    if stop is not None:
        return stop
    if not decision.allowed:
        return _refused(event.account, message, text, decision, view)
    if message.type not in ORDINARY:
        reason = "command-echo" if message.type in COMMAND_ECHOES else "service-message"
        return _dropped(event.account, message.id, reason)
    try:
        return _turn(event, message, text, decision, conversation, view)
    except InvalidName:
        return _dropped(event.account, message.id, "session-key-invalid")


def _facts(message: WireMessage, text: str, view: AdmissionView) -> MessageFacts:
    bot_id = view.bot_id
    named = {user.id for user in message.mentions}
    answered = message.referenced
    is_reply = message.type == 19 and answered is not None
    return MessageFacts(
        sender=SenderFacts(
            id=message.author.id,
            username=message.author.username,
            tag=user_tag(message.author),
            bot=message.author.bot,
            webhook=message.webhook_id is not None,
            roles=message.roles,
        ),
        surface=surface_of(message, view),
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
        command=view.settings.access.text_commands and is_stop_command(message.body.content, bot_id),
    )  # fmt: skip


def _stop(
    message: WireMessage,
    facts: MessageFacts,
    decision: Decision,
    conversation: Conversation,
    view: AdmissionView,
) -> Admission | None:
    """A stop, or the refusal of one, or ``None``: the message is something else.

    ``/stop`` needs no mention. A bare abort word without one is a stop only while something runs;
    people say "wait" to each other too.
    """
    content, bot_id, account = message.body.content, facts.bot_id, view.settings.account
    command = is_stop_command(content, bot_id) and view.settings.access.text_commands
    if message.type not in ORDINARY or not (command or is_abort_word(content, bot_id)):
        return None
    addressed = decision.allowed and (
        facts.surface.kind == "direct" or bool(decision.mentioned_by) or not decision.mention_required
    )
    if not addressed and not (decision.history and decision.authorized):
        return None  # not for us, or not by somebody we listen to: access has its own word for that
    if not decision.authorized:
        return _dropped(account, message.id, Reason.COMMAND_UNAUTHORIZED) if command else None
    lane = session_lane(conversation.session_key)
    busy = view.depth(lane) > 0
    if not command and not busy and not decision.mentioned_by and facts.surface.kind != "direct":
        return None
    return Admission(
        effects=(
            Outcome(account, message.id, "control", "stop"),
            Note(account, message.id, "session", conversation.session_key),
        ),
        summary="control · stop",
        stop=StopBound(lane, snowflake_ms(message.id), message.id),
        notice=Notice(
            account,
            message.channel_id,
            message.guild_id,
            message.id,
            record_identity(account, message.id),
            "stopped",
            view.settings.language,
        ),
    )


def _noted(decision: Decision) -> Decision:
    """What comes back after a gap and is too old starts nothing; who may talk may still be quoted (R19)."""
    if not decision.allowed:
        return decision
    return replace(decision, allowed=False, reason=MISSED, history=True)


def _refused(
    account: str, message: WireMessage, text: str, decision: Decision, view: AdmissionView
) -> Admission:
    """The outcome of a refusal; what may be quoted later is kept for the next turn of the channel."""
    if not (decision.history and text and view.settings.history_limit > 0):
        return _dropped(account, message.id, decision.reason)
    entry = history.HistoryEntry(
        message_id=message.id,
        sender=user_label(message.author, message.nick),
        sender_id=message.author.id,
        timestamp_ms=snowflake_ms(message.id),
        body=text,
    )
    return Admission(
        (
            history.record(account, message.channel_id, entry),
            Outcome(account, message.id, "history", decision.reason),
        ),
        f"history · {decision.reason}",
    )


def _turn(
    event: InboundEvent,
    message: WireMessage,
    text: str,
    decision: Decision,
    conversation: Conversation,
    view: AdmissionView,
) -> Admission:
    """Push the message into its session's lane. It has no outcome yet: its turn will write it."""
    settings = view.settings
    lane = session_lane(conversation.session_key)
    request = _request(event, message, text, decision, conversation, view)
    record = Record(
        identity=record_identity(event.account, message.id),
        kind=KIND,
        body=encode(request),
        born=request.born_ms,
        mode=request.mode,
        scope=f"{event.account}|{message.channel_id}|{request.authority}",
        account=event.account,
        message_id=message.id,
    )
    # interrupt is "stop everything older" and an ordinary message
    stop = None
    if request.mode == "interrupt":
        stop = StopBound(lane, request.born_ms, message.id)
    delay_ms = settings.collect_ms if request.mode == "collect" and view.depth(lane) > 0 else 0
    return Admission(
        (
            Push(lane, record, delay_ms=delay_ms),
            Note(event.account, message.id, "session", conversation.session_key),
        ),
        f"admitted · {conversation.agent_id}",
        stop=stop,
    )


def _request(
    event: InboundEvent,
    message: WireMessage,
    text: str,
    decision: Decision,
    conversation: Conversation,
    view: AdmissionView,
) -> TurnRequest:
    surface = conversation.surface
    authority: Authority = "owner" if decision.owner else "trusted" if decision.authorized else "guest"
    return TurnRequest(
        account=event.account,
        channel_id=message.channel_id,
        message_id=message.id,
        author_id=message.author.id,
        author_name=user_label(message.author, message.nick),
        author_tag=user_tag(message.author),
        chat_type=conversation.chat_type,
        agent_id=conversation.agent_id,
        session_key=conversation.session_key,
        text=text,
        guild_id=message.guild_id,
        is_owner=decision.owner,
        authority=authority,
        command_authorized=decision.authorized,
        born_ms=snowflake_ms(message.id),
        received_ms=event.received_ms,
        mode=view.settings.queue_mode,
        was_mentioned=decision.mentioned_by in ("explicit", "mass"),
        mentioned_by=decision.mentioned_by,
        mention_required=decision.mention_required,
        guild_name=surface.guild_name,
        channel_name=surface.channel_name,
        topic=conversation.surface.topic,
        parent_id=surface.parent_id,
        is_thread=surface.is_thread,
        guild_entry=decision.guild.key if decision.guild else "",
        channel_entry=decision.channel.key if decision.channel else "",
        member_roles=message.roles or (),
        attachments=attachments_of(message),
        quoted=_quoted(message, view),
        has_forwarded=bool(message.snapshots) or message.reference_type == 1,
    )


def _quoted(message: WireMessage, view: AdmissionView) -> QuotedMessage | None:
    """The answered message, where Discord sent it along and it says something."""
    answered = message.referenced
    if answered is None or message.reference_type == 1:
        return None
    text = message_text(replace(answered, referenced=None))
    if not text:
        return None
    return QuotedMessage(
        message_id=answered.id,
        author_id=answered.author.id,
        author_name=user_label(answered.author, answered.nick),
        text=text[:MAX_QUOTE],
        by_bot=answered.author.id == view.bot_id,
        timestamp_ms=snowflake_ms(answered.id),
    )


def _update(event: InboundEvent, view: AdmissionView) -> Admission:
    """An edit reaches a message that still waits. Updates without an edit (embeds, pins) change nothing."""
    try:
        message = read_message(event.data)
    except Malformed:
        return Admission(summary="ignored · partial message-update")
    if not message.edited or message.author.id == view.bot_id:
        return Admission(summary="ignored · message-update without an edit")
    conversation = conversation_of(message, surface_of(message, view), view.settings)
    change = changes.MessageChange(event.account, (message.id,), message_text(message))
    return _change(change, message.edited_timestamp, conversation, view)


def _delete(event: InboundEvent, view: AdmissionView) -> Admission:
    """A deleted message that still waits starts nothing. The event names only ids, so the conversation is
    found by its channel; agents chosen by the author's roles cannot be told apart here."""
    ids = read_ids(event.data, "id", "ids")
    channel = read_ids(event.data, "channel_id")
    if not ids or not channel:
        return Admission(summary="ignored · malformed message-delete")
    guild = read_ids(event.data, "guild_id")
    conversation = conversation_of_channel(channel[0], guild[0] if guild else None, view)
    if conversation is None:
        return Admission(summary="ignored · message-delete in an unknown conversation")
    return _change(changes.MessageChange(event.account, tuple(ids[:100])), ids[-1], conversation, view)


def _shut(event: InboundEvent) -> bool:
    """A thread was archived or locked."""
    try:
        thread = msgspec.json.decode(event.data, type=_Thread).thread_metadata
    except msgspec.DecodeError:
        return False
    return thread.archived is True or thread.locked is True


def _gone(event: InboundEvent, view: AdmissionView) -> Admission:
    """A place is gone or shut: what was begun there ends as stopped, nothing loops (decision 53)."""
    what = event.event.lower().replace("_", "-")
    channel, guild = read_ids(event.data, "id"), read_ids(event.data, "guild_id")
    conversation = conversation_of_channel(channel[0], guild[0], view) if channel and guild else None
    lane = session_lane(conversation.session_key) if conversation else ""
    if not lane or view.depth(lane) == 0:
        return Admission(summary=f"event · {what}")
    return Admission(summary=f"event · {what} · stopped", stop=StopBound(lane, event.received_ms, ""))


def _change(
    change: changes.MessageChange, stamp: str, conversation: Conversation, view: AdmissionView
) -> Admission:
    lane = session_lane(conversation.session_key)
    if view.depth(lane) == 0:
        return Admission(summary="ignored · the message does not wait any more")
    return Admission((Push(lane, changes.change_record(change, stamp)),), "event · message changed")


def _dropped(account: str, message_id: str, reason: str) -> Admission:
    return Admission((Outcome(account, message_id, "dropped", str(reason)),), f"dropped · {reason}")
