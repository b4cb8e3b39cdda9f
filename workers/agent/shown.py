"""What people see of a turn besides its answer, from the config (``spec/inbound.md`` 7.4 to 7.6, 9)."""

from __future__ import annotations

from dataclasses import dataclass

from config.agents import AgentSettings
from config.loaded import Loaded
from config.schema.agents import HumanDelay, TypingMode
from config.schema.messages import StatusReactions
from config.schema.session import SendPolicy
from workers.agent.blocks import BlockRules
from workers.agent.silence import SilencePolicy, silence_kind, silence_policy
from workers.agent.streaming import StreamSettings
from workers.delivery.chunks import DISCORD_LIMIT
from workers.delivery.reactions import StatusSettings
from workers.delivery.typing import INTERVAL_S
from workers.sessions.ack import plain_emoji
from workers.sessions.records import TurnRequest

__all__ = [
    "ShownSettings",
    "block_rules",
    "shown_settings",
    "status_settings",
    "stream_settings",
    "typing_mode",
]

NATURAL_MS = (800, 2500)
"""``humanDelay: natural``, and what ``custom`` leaves out."""


@dataclass(frozen=True, slots=True)
class ShownSettings:
    """For one agent and conversation.

    Attributes:
        typing_mode: as written; ``None`` derives it from the message.
        typing_interval_s: seconds between two requests.
        status: states shown as reactions; ``None`` unless ``statusReactions.enabled`` is true.
        remove_ack: ``messages.removeAckAfterReply``.
        silence: what a silent answer becomes here; ``None`` is what is usual for the conversation.
        send_policy: ``session.sendPolicy``.
        tool_errors: a failed tool is told where nothing else is (``messages.suppressToolErrors``).
        stream: previews; ``None`` shows none.
        blocks: finished blocks are sent while an answer grows; ``None``: they are not.
    """

    typing_mode: TypingMode | None = None
    typing_interval_s: float = INTERVAL_S
    status: StatusSettings | None = None
    remove_ack: bool = False
    silence: SilencePolicy | None = None
    send_policy: SendPolicy | None = None
    tool_errors: bool = True
    stream: StreamSettings | None = None
    blocks: BlockRules | None = None


def shown_settings(loaded: Loaded, agent: AgentSettings, request: TurnRequest) -> ShownSettings:
    """The settings in force for ``request``. For typing ``session`` wins over the agent."""
    session, messages = loaded.root.session, loaded.root.messages
    interval = session.typing_interval_seconds or agent.settings.typing_interval_seconds
    return ShownSettings(
        typing_mode=session.typing_mode or agent.settings.typing_mode,
        typing_interval_s=float(interval or INTERVAL_S),
        status=status_settings(messages.status_reactions),
        remove_ack=messages.remove_ack_after_reply,
        silence=silence_policy(loaded.root, silence_kind(request)),
        send_policy=session.send_policy,
        tool_errors=not messages.suppress_tool_errors,
        stream=stream_settings(loaded, agent, request.account),
        blocks=block_rules(loaded, agent, request.account),
    )


def sends_blocks(loaded: Loaded, account: str) -> bool:
    """Whether an account sends finished blocks: its own key, else ``blockStreamingDefault``."""
    written = loaded.account(account).discord.streaming.block.enabled
    return loaded.root.agents.defaults.block_streaming_default == "on" if written is None else written


def block_rules(loaded: Loaded, agent: AgentSettings, account: str) -> BlockRules | None:
    """Block streaming of an agent on an account (``spec/outbound.md`` 4.1), if it is on."""
    if not sends_blocks(loaded, account):
        return None
    discord, defaults = loaded.account(account).discord, loaded.root.agents.defaults
    own, shared = discord.streaming.block.coalesce, defaults.block_streaming_coalesce

    def join(name: str) -> int | None:
        """The account's key where it is written, else the agents', else the account's default."""
        written = None if name in own.model_fields_set else getattr(shared, name, None)
        value = getattr(own, name) if written is None else written
        return None if value is None else int(value)

    limit = min(int(discord.text_chunk_limit), DISCORD_LIMIT)
    join_max = min(join("max_chars") or limit, limit)
    chunk = defaults.block_streaming_chunk
    largest = min(int(chunk.max_chars), join_max)
    return BlockRules(
        min_chars=min(int(chunk.min_chars), largest),
        max_chars=largest,
        prefer=chunk.break_preference,
        join_min=min(join("min_chars") or 1, join_max),
        join_max=join_max,
        idle_s=(join("idle_ms") or 0) / 1000,
        at_end=defaults.block_streaming_break == "message_end",
        pause_ms=_pause_ms(agent.settings.human_delay),
    )


def _pause_ms(written: HumanDelay | None) -> tuple[int, int] | None:
    """Shortest and longest pause between blocks."""
    if written is None or written.mode in (None, "off"):
        return None
    if written.mode == "natural":
        return NATURAL_MS
    least = NATURAL_MS[0] if written.min_ms is None else int(written.min_ms)
    most = NATURAL_MS[1] if written.max_ms is None else int(written.max_ms)
    return least, max(least, most)


def stream_settings(loaded: Loaded, agent: AgentSettings, account: str) -> StreamSettings | None:
    """``streaming`` of an account for an agent. Where finished blocks are sent there is no preview (4.2)."""
    discord = loaded.account(account).discord
    written = discord.streaming
    if sends_blocks(loaded, account) or written.mode == "off":
        return None
    limit = min(int(discord.text_chunk_limit), DISCORD_LIMIT)
    chunk, progress = written.preview.chunk, written.progress
    largest = min(int(chunk.max_chars), limit)
    return StreamSettings(
        mode=written.mode,
        limit=limit,
        label=progress.label,
        labels=progress.labels,
        max_lines=int(progress.max_lines),
        max_line_chars=int(progress.max_line_chars),
        draft_lines=progress.tool_progress,
        raw=progress.command_text == "raw",
        tool_lines=written.preview.tool_progress,
        preview_raw=written.preview.command_text == "raw",
        whole=agent.settings.tool_progress_detail == "raw",
        commentary=progress.commentary,
        narration=progress.narration,
        block_min=min(int(chunk.min_chars), largest),
        block_max=largest,
        block_break=chunk.break_preference,
    )


def status_settings(written: StatusReactions) -> StatusSettings | None:
    """``messages.statusReactions``: they are opt-in, so ``enabled`` has to be true."""
    if written.enabled is not True:
        return None
    emojis = {
        name: plain_emoji(emoji)
        for name, emoji in written.emojis.model_dump(by_alias=True).items()
        if isinstance(emoji, str) and emoji.strip()
    }
    timing = written.timing
    return StatusSettings(
        emojis=emojis,
        debounce_s=timing.debounce_ms / 1000,
        stall_soft_s=timing.stall_soft_ms / 1000,
        stall_hard_s=timing.stall_hard_ms / 1000,
        done_hold_s=timing.done_hold_ms / 1000,
        error_hold_s=timing.error_hold_ms / 1000,
    )


def typing_mode(request: TurnRequest, written: TypingMode | None) -> TypingMode:
    """When typing begins: never for what no person waits for; in DMs and for who named the bot, at once."""
    if request.origin not in ("message", "command"):
        return "never"
    if written is not None:
        return written
    called = request.chat_type == "direct" or bool(request.mentioned_by)
    return "instant" if called else "message"
