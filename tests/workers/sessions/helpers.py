"""Events and views for admission tests."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from shoal.state.ledger import Explanation
from shoal.state.lookups import Asked
from shoal.state.records import InboundEvent, Record
from workers.access.facts import SenderFacts
from workers.access.needs import ChannelNeeded, MemberNeeded, ThreadMemberNeeded
from workers.access.settings import AccessSettings
from workers.access.visibility import ContextFilter
from workers.sessions.history import HistoryEntry, Pending
from workers.sessions.questions import asked_of
from workers.sessions.records import TurnRequest
from workers.sessions.routing import Routing
from workers.sessions.state import SessionState
from workers.sessions.view import Settings

BOT, ANN, BOB, GUILD, CHANNEL, DM = "900", "101", "102", "500", "600", "700"
NOW = 1_457_536_551_830_421_524
"""A message id of January 2026."""


def reference() -> Path:
    """Folder of the reference data; a test that needs it fails where it is missing."""
    default = Path(__file__).parents[4] / "shared" / "discord"
    folder = Path(os.environ.get("SHOAL_DISCORD_REFERENCE", default))
    assert folder.is_dir(), f"reference data about Discord is missing: {folder} (SHOAL_DISCORD_REFERENCE)"
    return folder


def recordings() -> dict[str, Any]:
    """What Discord really sent."""
    loaded: dict[str, Any] = json.loads((reference() / "recorded" / "replay-2026-01.json").read_text())
    return loaded


class Holds:
    """What waits and has waited, as given."""

    def __init__(
        self,
        *,
        held: Collection[str] = (),
        bounds: Mapping[str, tuple[int, str]] | None = None,
        stories: Mapping[str, Explanation] | None = None,
    ) -> None:
        self.held = set(held)
        self.bounds = dict(bounds or {})
        self.told = dict(stories or {})

    def holding(self, lane: str) -> bool:
        return lane in self.held

    def stop_bound(self, lane: str, scope: str) -> tuple[int, str] | None:
        del scope
        return self.bounds.get(lane)

    def stories(self, message_ids: Sequence[str]) -> list[Explanation | None]:
        return [self.told.get(name) for name in message_ids]


def told(message_id: str, *notes: tuple[str, str]) -> Explanation:
    """The story of a message without an outcome yet."""
    return Explanation("default", message_id, None, "", 0, list(notes))


class View:
    """A view without a store: facts and depths as given."""

    def __init__(
        self,
        section: Mapping[str, Any] | None = None,
        *,
        bot_id: str | None = BOT,
        guilds: Mapping[str, Any] | None = None,
        channels: Mapping[str, Any] | None = None,
        depths: Mapping[str, int] | None = None,
        commands: Mapping[str, Any] | None = None,
        account: str = "default",
        holds: Holds | None = None,
        paired: Collection[str] = (),
        first_owner: str = "",
        sessions: Mapping[str, SessionState] | None = None,
        ours: Mapping[str, bool] | None = None,
        roles: Mapping[str, Sequence[Mapping[str, Any]]] | None = None,
        answers: Mapping[Asked, Any] | None = None,
        counts: Mapping[str, Sequence[int]] | None = None,
        webhooks: Collection[str] = (),
        noted: Sequence[HistoryEntry] = (),
        groups: Mapping[str, Mapping[str, Any]] | None = None,
        **more: Any,
    ) -> None:
        self.is_ours = (ours or {}).get
        self.bot_tag = "shoal#1234"
        self.settings = Settings(
            account=account,
            access=AccessSettings.read(account, section or {}, commands, groups=groups),
            **more,
        )
        self.holds = holds or Holds()
        self.bot_id = bot_id
        self.guilds = dict(guilds or {})
        self.channels = dict(channels or {})
        self.depths = dict(depths or {})
        self.approved = paired
        self.webhooks = webhooks
        self.noted = noted
        self.first_owner = first_owner
        self.sessions = dict(sessions or {})
        self.guild_roles = dict(roles or {})
        self.looked_up = dict(answers or {})
        self.counts = dict(counts or {})

    @property
    def facts(self) -> View:
        return self

    def pending(self, request: TurnRequest, limit: int, context: ContextFilter) -> Pending:
        entries = [entry for entry in self.noted if context.shows("history", SenderFacts(entry.sender_id))]
        return Pending(tuple(entries[-limit:]) if limit else (), len(entries))

    def guild(self, guild_id: str) -> Mapping[str, Any] | None:
        return self.guilds.get(guild_id)

    def channel(self, channel_id: str) -> Mapping[str, Any] | None:
        return self.channels.get(channel_id)

    def place(self, channel_id: str) -> Mapping[str, Any] | None:
        known: Mapping[str, Any] | None = self.channel(channel_id)
        return known or self.looked_up.get(asked_of(ChannelNeeded(channel_id), self.settings.account))

    def roles(self, guild_id: str) -> Sequence[Mapping[str, Any]]:
        return self.guild_roles.get(guild_id, ())

    def member(self, need: MemberNeeded | ThreadMemberNeeded) -> Mapping[str, Any] | None:
        asked = asked_of(need, self.settings.account)
        return (self.looked_up[asked] or {}) if asked in self.looked_up else None

    def answers(self, questions: Sequence[Asked]) -> dict[Asked, bytes]:
        return {one: msgspec.json.encode(self.looked_up[one]) for one in questions if one in self.looked_up}

    def tallies(self, windows: Sequence[tuple[str, int, int]]) -> list[tuple[int, int]]:
        found = [
            [mark for mark in self.counts.get(name, ()) if after < mark < before]
            for name, after, before in windows
        ]
        return [(len(marks), max(marks, default=0)) for marks in found]

    def depth(self, lane: str) -> int:
        return self.depths.get(lane, 0)

    def own_webhook(self, webhook_id: str) -> bool:
        return webhook_id in self.webhooks

    def paired(self, sender: str) -> bool:
        return sender in self.approved

    def session(self, session_key: str) -> SessionState:
        return self.sessions.get(session_key, SessionState())

    def known(self, session_keys: Sequence[str]) -> list[str]:
        return [key for key in session_keys if key in self.sessions]

    def busy(self, lanes: Sequence[str]) -> list[str]:
        return [lane for lane in lanes if self.depth(lane)]

    def head(self, lane: str) -> Record | None:
        return None

    def waiting(self, lane: str) -> list[Record]:
        return []

    def guild_lanes(self, guild_id: str) -> list[str]:
        return [f"session:agent:main:discord:channel:{CHANNEL}"] if guild_id == GUILD else []


def event(data: Mapping[str, Any], name: str = "MESSAGE_CREATE", account: str = "default") -> InboundEvent:
    """A dispatch as the gateway stores it."""
    return InboundEvent(account, 0, name, 1_767_574_193_900, msgspec.Raw(json.dumps(data).encode()))


def message(content: str = "hello", author: str = ANN, **fields: Any) -> dict[str, Any]:
    """A DM, as Discord sends it; with ``guild_id`` a guild message."""
    data: dict[str, Any] = {
        "id": str(NOW),
        "channel_id": DM,
        "channel_type": 1,
        "author": {"id": author, "username": f"user{author}", "global_name": None, "discriminator": "0"},
        "content": content,
        "type": 0,
        "mentions": [],
        "mention_roles": [],
        "mention_everyone": False,
        "attachments": [],
        "embeds": [],
        "timestamp": "2026-01-05T00:49:53.676000+00:00",
        "edited_timestamp": None,
    }
    if "guild_id" in fields:
        data |= {"channel_id": CHANNEL, "channel_type": 0, "member": {"roles": [], "nick": None}}
    return data | fields


def in_guild(
    content: str = "hello", author: str = ANN, *, mention: bool = True, **fields: Any
) -> dict[str, Any]:
    """A guild message that mentions the bot."""
    named = [{"id": BOT, "username": "shoal", "bot": True}] if mention else []
    text = f"<@{BOT}> {content}" if mention else content
    return message(text, author, **{"guild_id": GUILD, "mentions": named, **fields})


def routing(*bindings: Mapping[str, Any], agents: tuple[str, ...] = ("main", "helper")) -> Routing:
    """Compiled bindings."""
    return Routing.read(bindings, agents)
