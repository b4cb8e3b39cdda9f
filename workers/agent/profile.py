"""What a turn needs to know of the agent that answers: plain data, read once per turn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.agents import ModelRef
from config.speech import Speech
from workers.access.tool_policy import ToolPolicy
from workers.access.visibility import SHOW_ALL, ContextFilter
from workers.agent.compaction import CompactionPolicy
from workers.agent.envelope import UTC, EnvelopeOptions
from workers.agent.shown import ShownSettings
from workers.sessions.lifecycle import ResetPolicy

__all__ = ["FILES_CHARS", "FILE_CHARS", "AgentProfile"]

FILE_CHARS = 12_000
FILES_CHARS = 60_000


@dataclass(frozen=True, slots=True)
class AgentProfile:
    """Settings of one agent for one conversation.

    Attributes:
        agent_id: id in the config.
        name: what it calls itself.
        primary, fallbacks: models to ask; none means the built-in guide.
        utility: a small model for short work beside the turn (``utilityModel``), or none.
        params: request parameters per model, ``"provider/model"`` → mapping.
        system_prompt: the operator's text for this channel; trusted.
        timezone: the user's zone, IANA name or ``local``.
        envelope: how times in prompts are written.
        context: whose words may be shown besides the sender's.
        shown: what people see besides the answer, and what becomes of a silent one.
        visible_group: ``messages.groupChat.visibleReplies``, or none if not written.
        visible_all: ``messages.visibleReplies``, or none if not written.
        response_prefix: ``responsePrefix`` after its cascade, or none.
        reply_to_mode: ``off``, ``first``, ``all`` or ``batched``.
        history_turns: how many user turns of the transcript the model sees; none is all that fits.
        history_limit: how many unanswered messages of the channel are quoted; 0 for none.
        instructions: the operator's text for the agent everywhere (``additionalSystemPrompt``); trusted.
        workspace: folder with AGENTS.md and the like, or none.
        file_chars, files_chars: characters shown of one of these, and of all of them.
        timeout_s: longest life of a turn.
        acp: the agent is a coding agent behind ACP, which is not served here yet.
        compaction: how much of a long conversation its model is shown, and what becomes a summary.
        reset: when its conversations of this kind start afresh by themselves.
        thread_starter: the first turn in a thread is told how it began (``includeThreadStarter``).
        inherit_parent: a new thread begins with its parent's transcript (``thread.inheritParent``).
        parent_fork_max_tokens: unless that is longer.
        queue_cap: so many collected messages are answered at once, quiet or not.
        tools: which tools the agent has anywhere; none is all.
        sees: whether a model takes pictures.
        speech: who speaks for it, and which of its answers are read aloud.
    """

    agent_id: str
    name: str = ""
    primary: ModelRef | None = None
    fallbacks: tuple[ModelRef, ...] = ()
    utility: ModelRef | None = None
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    system_prompt: str = ""
    timezone: str = "UTC"
    envelope: EnvelopeOptions = UTC
    context: ContextFilter = SHOW_ALL
    shown: ShownSettings = field(default_factory=ShownSettings)
    visible_group: str | None = None
    visible_all: str | None = None
    response_prefix: str | None = None
    reply_to_mode: str = "off"
    history_turns: int | None = None
    history_limit: int = 20
    instructions: str = ""
    workspace: Path | None = None
    file_chars: int = FILE_CHARS
    files_chars: int = FILES_CHARS
    timeout_s: float = 172_800.0
    acp: bool = False
    compaction: CompactionPolicy = field(default_factory=CompactionPolicy)
    tools: ToolPolicy | None = None
    reset: ResetPolicy = field(default_factory=ResetPolicy)
    queue_cap: int = 20
    sees: Callable[[ModelRef], bool] = lambda _ref: False
    thread_starter: bool = True
    inherit_parent: bool = False
    parent_fork_max_tokens: int = 100_000
    speech: Speech = field(default_factory=Speech)
