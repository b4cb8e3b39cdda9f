"""A conversation as one turn finds it, and what that turn leaves in its record.

The turn does not write before its commit, so a turn that is resumed elsewhere opens the
same conversation: the same transcript goes on, or the same new one begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from workers.access.slugs import display_slug
from workers.sessions.lifecycle import ResetPolicy, Roll, derived_session_id, roll
from workers.sessions.records import TurnRequest
from workers.sessions.state import SessionState

__all__ = ["Fields", "OpenedSession", "Used", "display_name", "open_session", "session_fields"]

Fields = dict[str, bytes | str | None]


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """The session of one turn.

    Attributes:
        state: its record as it was when the turn opened it.
        session_id: the transcript this turn reads and appends to.
        began: why the transcript begins with this turn: ``first`` for a conversation without one, or
            what ended the old one; empty where it goes on.
    """

    state: SessionState
    session_id: str
    began: Roll | Literal["first"] = ""

    @property
    def fresh(self) -> bool:
        """The transcript begins with this turn: there is nothing to remember."""
        return bool(self.began)

    @property
    def rolled(self) -> bool:
        """An older transcript ends with this turn."""
        return bool(self.began) and self.began != "first"

    @property
    def forgets(self) -> bool:
        """It ends because somebody wanted it to, so that nothing of before may come up again."""
        return self.began in ("command", "archived")


@dataclass(frozen=True, slots=True)
class Used:
    """What a turn used: ``model`` is ``provider/model``, or empty if none answered."""

    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0


def open_session(
    fields: Mapping[str, bytes], request: TurnRequest, policy: ResetPolicy, *, cause: str
) -> OpenedSession:
    """The session of a turn.

    Args:
        fields: its record, empty where there is none.
        cause: identity of the record the turn answers; it names a transcript that begins now.
    """
    state = SessionState.read(fields)
    began: Roll | Literal["first"]
    if request.reset == "new":
        began = "command"
    else:
        began = roll(state, policy, request.born_ms) if state.session_id else "first"
    if not began:
        return OpenedSession(state, state.session_id)
    return OpenedSession(state, derived_session_id(request.session_key, cause), began)


def session_fields(opened: OpenedSession, request: TurnRequest, used: Used) -> Fields:
    """What the record says after the turn. Settings of the conversation outlive its transcripts."""
    before = SessionState() if opened.fresh else opened.state
    fields: Fields = {
        "session_id": opened.session_id,
        "agent_id": request.agent_id,
        "chat_type": request.chat_type,
        "display_name": display_name(request),
        "last_ms": str(max(before.last_ms, request.born_ms)),
        "last_message_id": request.message_id,
        "last_author_id": request.author_id,
        "turns": str(before.turns + 1),
        "tokens_in": str(before.tokens_in + used.tokens_in),
        "tokens_out": str(before.tokens_out + used.tokens_out),
    }
    if used.model:
        fields["model"] = used.model
    if opened.fresh:
        fields["started_ms"] = str(request.born_ms)
        fields["began"] = opened.began
        fields["previous_session_id"] = opened.state.session_id or None
    if request.updates_route:
        fields["route_channel"] = "discord"
        fields["route_account"] = request.account
        fields["route_to"] = route_to(request)
    return fields


def route_to(request: TurnRequest) -> str:
    """Where announcements for the conversation go: ``user:<id>`` or ``channel:<id>``."""
    return f"user:{request.author_id}" if request.chat_type == "direct" else f"channel:{request.channel_id}"


def display_name(request: TurnRequest) -> str:
    """What people call the conversation: ``discord:<guild>#<channel>``, the person's name in a DM."""
    if request.chat_type == "direct":
        return f"discord:{request.author_tag or request.author_id}"
    place = display_slug(request.channel_name) or request.channel_id
    if request.guild_id is None:
        return f"discord:g-{place}"
    return f"discord:{request.guild_slug or display_slug(request.guild_name) or request.guild_id}#{place}"
