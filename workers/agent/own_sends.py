"""The sends of a turn's own words: its answer, blocks of it that go ahead, and texts of ours in its place.

What the agent sends with its message tool is made in :mod:`workers.agent.tools.sends`.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec

from shoal.base.ids import MessageId
from shoal.state.effects import Push
from shoal.state.records import Grant
from workers.agent.aloud import Heard
from workers.agent.final_files import FinalFiles
from workers.agent.journal import Journal
from workers.agent.profile import AgentProfile
from workers.agent.reply_target import ReplyScope, reply_target
from workers.agent.response_prefix import response_prefix
from workers.delivery.records import SendFile, SendRequest, send_identity, send_push
from workers.delivery.settling import delivered_key
from workers.sessions.records import TurnRequest

__all__ = ["OwnSends"]

FINAL_STEP = "final"
BLOCK_STEP = "b"
"""The steps of blocks are ``b1``, ``b2``, …"""


class OwnSends:
    """Makes the sends of one turn; their identities derive from its head. ``files`` reads what goes along."""

    def __init__(self, grant: Grant, profile: AgentProfile, journal: Journal, files: FinalFiles) -> None:
        self._grant = grant
        self._profile = profile
        self._journal = journal
        self.files = files

    def tool_texts(self, request: TurnRequest) -> list[str]:
        """What the agent said here with the message tool."""
        return [sent.text for sent in self._journal.state.sent if sent.channel_id == request.channel_id]

    def reply_to(
        self, request: TurnRequest, wanted: str = "", *, blocks: int | None = None
    ) -> tuple[MessageId | None, ReplyScope]:
        """What the next send answers to.

        Args:
            wanted: what the model asked for.
            blocks: how many blocks are out before it; none: all there are.
        """
        spoken = self.tool_texts(request) or (self._journal.state.blocks if blocks is None else blocks)
        return reply_target(request, self._profile.reply_to_mode, wanted, spoken=bool(spoken))

    def send(
        self,
        request: TurnRequest,
        text: str,
        *,
        reply_to: MessageId | None = None,
        scope: ReplyScope = "first",
        model: str = "",
        plain: bool = False,
        block: int = 0,
    ) -> SendRequest:
        """The answer, or the block of that number.

        Args:
            model: who said it, for the prefix.
            plain: a text of ours: no prefix, nothing is rendered.
        """
        blocks = self._journal.state.blocks
        bare = plain or (block or blocks + 1) > 1
        return SendRequest(
            account=request.account,
            channel_id=request.channel_id,
            cause=self._grant.head.identity,
            step=f"{BLOCK_STEP}{block}" if block else FINAL_STEP,
            text=text,
            guild_id=request.guild_id,
            reply_to=reply_to,
            reply_scope=scope,
            prefix=None if bare else response_prefix(self._profile, model),
            plain=plain,
            of_turn=self._grant.lane if block or blocks else "",
        )

    def block(
        self,
        request: TurnRequest,
        number: int,
        text: str,
        *,
        reply_to: str,
        model: str,
        media: Sequence[str],
        heard: Heard | None,
    ) -> Push:
        """The effect that sends a finished block; see :class:`workers.agent.block_stream.MakeBlock`."""
        files: tuple[SendFile, ...] = ()
        if media:
            files, text, _ = self.files(request, text, media)
        target, scope = self.reply_to(request, reply_to, blocks=number - 1)
        send = self.send(request, text, reply_to=target, scope=scope, model=model, block=number)
        send = msgspec.structs.replace(send, files=files, wake=self.wake(send))
        if heard is not None:
            send = heard.with_text(send, read=True)
        return self.push(request, self.paced(send, number - 1))

    def paced(self, send: SendRequest, behind: int | None = None) -> SendRequest:
        """With the pause between it and the block it follows (``humanDelay``); none: the newest."""
        behind = self._journal.state.blocks if behind is None else behind
        rules = self._profile.shown.blocks
        if not behind or rules is None or rules.pause_ms is None:
            return send
        pause_ms = random.randint(*rules.pause_ms)
        return msgspec.structs.replace(send, after=self.block_identity(behind), pause_ms=pause_ms)

    def block_identity(self, number: int) -> str:
        """Identity of a block's send."""
        return send_identity(self._grant.head.identity, f"{BLOCK_STEP}{number}")

    def wake(self, send: SendRequest) -> tuple[str, ...]:
        """What a send wakes once it has arrived: what takes the acknowledgement away waits for it."""
        return (*send.wake, delivered_key(send.identity)) if self._profile.shown.remove_ack else send.wake

    def push(self, request: TurnRequest, send: SendRequest) -> Push:
        """The effect that puts a send into its lane."""
        return send_push(send, account=request.account, message_id=request.message_id)
