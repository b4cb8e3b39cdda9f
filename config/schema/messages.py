"""``messages``: queueing, acknowledgement, group chat, speech (spec: inbound 4.8, 5.4, 7.4, 9)."""

from __future__ import annotations

from typing import ClassVar, Literal

from config.schema.base import NonNegative, Positive, Section, names
from config.schema.voice import Tts

__all__ = ["GroupChat", "InboundDebounce", "MessagesConfig", "Queue", "QueueMode", "StatusReactions"]

QueueMode = Literal["steer", "queue", "followup", "collect", "steer-backlog", "steer+backlog", "interrupt"]
VisibleReplies = Literal["automatic", "message_tool"]


class GroupChat(Section):
    """Group chat settings. ``mention_patterns: []`` is written and switches patterns off."""

    KEPT: ClassVar[frozenset[str]] = frozenset({"unmentionedInbound"})

    mention_patterns: list[str] | None = None
    history_limit: NonNegative | None = None
    visible_replies: VisibleReplies | None = None


class Queue(Section):
    """What happens to messages that come while a turn runs."""

    mode: QueueMode = "steer"
    by_channel: dict[str, QueueMode] = {}
    debounce_ms: NonNegative = 500
    debounce_ms_by_channel: dict[str, NonNegative] = {}
    cap: Positive = 20
    drop: Literal["old", "new", "summarize"] = "summarize"


class InboundDebounce(Section):
    """How long one author's messages are gathered into one, in milliseconds."""

    debounce_ms: NonNegative = 0
    by_channel: dict[str, NonNegative] = {}


class StatusEmojis(Section):
    """Emoji for each state of a turn."""

    queued: str | None = None
    thinking: str = "🤔"
    tool: str = "🔥"
    coding: str = "👨‍💻"
    web: str = "⚡"
    done: str = "👍"
    error: str = "😱"
    stall_soft: str = "🥱"
    stall_hard: str = "😨"
    compacting: str = "✍"


class StatusTiming(Section):
    """Milliseconds."""

    debounce_ms: NonNegative = 700
    stall_soft_ms: NonNegative = 10_000
    stall_hard_ms: NonNegative = 30_000
    done_hold_ms: NonNegative = 1_500
    error_hold_ms: NonNegative = 2_500


class StatusReactions(Section):
    """Reactions that follow a turn; opt-in."""

    enabled: bool | None = None
    emojis: StatusEmojis = StatusEmojis()
    timing: StatusTiming = StatusTiming()


class MessagesConfig(Section):
    """``messages``. ``language`` is for our own texts where Discord tells no locale."""

    LATER: ClassVar[frozenset[str]] = names("learnedMentions")

    KEPT: ClassVar[frozenset[str]] = frozenset({"messagePrefix", "usageTemplate"})

    response_prefix: str | None = None
    group_chat: GroupChat = GroupChat()
    visible_replies: VisibleReplies | None = None
    queue: Queue = Queue()
    inbound: InboundDebounce = InboundDebounce()
    ack_reaction: str | None = None
    """Emoji of the acknowledgement: Unicode, ``<:name:id>``, ``name:id``, or the name of a custom emoji of
    the server (else of another server of the bot). Empty switches it off."""
    ack_reaction_scope: Literal["group-mentions", "group-all", "direct", "all", "off", "none"] | None = None
    remove_ack_after_reply: bool = False
    suppress_tool_errors: bool = False
    status_reactions: StatusReactions = StatusReactions()
    tts: Tts = Tts()
    learned_mentions: bool = False
    language: Literal["en", "zh"] = "en"
