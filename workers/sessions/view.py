"""What admission may look at: settings compiled from the config, and facts in Redis.

:class:`Settings` is made once per account and config revision; :class:`AdmissionView` adds
what is true now (our own id, facts, how busy a session is). Everything behind the view is
at most a Redis read (rule R18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import msgspec

from config.agents import normal_agent_id
from config.loaded import Loaded
from config.schema.discord import ContextVisibility, DiscordConfig
from config.speech import Auto
from shoal.state.effects import Effect, SessionPut
from shoal.state.ledger import Outcome
from shoal.state.lookups import Asked
from shoal.state.records import Record
from shoal.state.store import Store
from workers.access.names import NO_NAMES, Names
from workers.access.needs import ChannelNeeded, MemberNeeded, ThreadMemberNeeded
from workers.access.owners import pinned_owner
from workers.access.reactions import ReactionMode
from workers.access.settings import AccessSettings
from workers.access.visibility import ContextFilter
from workers.sessions.access_settings import access_of
from workers.sessions.ack import AckSettings
from workers.sessions.chosen_model import ModelNames, model_names
from workers.sessions.history import Pending, pending
from workers.sessions.holds import HoldReader, StoreHolds
from workers.sessions.keys import DmScope
from workers.sessions.questions import asked_of
from workers.sessions.queueing import QueueSettings
from workers.sessions.records import KIND as TURN
from workers.sessions.records import TurnRequest
from workers.sessions.routing import Routing
from workers.sessions.state import SessionState
from workers.sessions.text_commands import RESET_TRIGGERS
from workers.sessions.wire import read_user, user_tag

__all__ = ["AdmissionView", "FactsReader", "Settings", "StoreView", "settings_of"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The part of the config that admission needs, compiled."""

    account: str
    access: AccessSettings
    routing: Routing = field(default_factory=Routing)
    dm_scope: DmScope = "main"
    identity_links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queue: QueueSettings = field(default_factory=QueueSettings)
    history_limit: int = 20
    debounce_ms: int = 0
    """How long one author's messages are gathered into one; 0 is not at all."""
    ack: AckSettings = field(default_factory=AckSettings)
    reactions: Mapping[str, ReactionMode] = field(default_factory=dict)
    """Key of a ``guilds`` entry → its ``reactionNotifications``, where that is not ``own``."""
    context_visibility: ContextVisibility = "all"
    reset_triggers: tuple[str, ...] = RESET_TRIGGERS
    """Whole messages, or beginnings of messages, that start a conversation afresh."""
    pinned_owner: str | None = None
    """The one person of the DM list, where DMs share a session and the list names exactly one."""
    bot_id: str | None = None
    """Our own user id as the token tells it."""
    language: Literal["en", "zh"] = "en"
    fetches: bool = False
    """Files are fetched before the message is decided, so that nobody else waits for them."""
    transcribes: bool = False
    """Recordings get their words."""
    models: ModelNames = field(default_factory=ModelNames)
    """What may stand behind ``/new``."""
    seeing: frozenset[str] = frozenset()
    """Agents whose first model takes pictures."""
    heard: Mapping[str, Auto] = field(default_factory=dict)
    """Agents that can speak → which of their answers are read aloud, where ``/tts`` says nothing."""


def settings_of(loaded: Loaded, account_id: str, names: Names = NO_NAMES) -> Settings:
    """Compile the settings of an account.

    Args:
        names: what the names in its section were found to mean.

    Raises:
        ConfigError: there is no such account that can run.
    """
    account = loaded.account(account_id)
    root = loaded.root
    guilds, inbound = account.discord.guilds or {}, root.messages.inbound
    access, triggers = access_of(loaded, account_id, names), root.session.reset_triggers
    return Settings(
        account=account_id,
        access=access,
        routing=Routing.read(
            [binding.model_dump(by_alias=True) for binding in root.bindings],
            list(loaded.agents),
            default_agent=loaded.default_agent_id,
            default_account=loaded.default_account_id,
        ),
        dm_scope=root.session.dm_scope,
        identity_links={name: tuple(ids) for name, ids in root.session.identity_links.items()},
        queue=QueueSettings.of(root.messages.queue),
        history_limit=account.discord.history_limit,
        debounce_ms=inbound.by_channel.get("discord", inbound.debounce_ms),
        ack=_ack(loaded, account.discord, names),
        reactions={key: entry.reaction_notifications for key, entry in guilds.items()},
        context_visibility=account.discord.context_visibility,
        reset_triggers=RESET_TRIGGERS if triggers is None else tuple(triggers),
        pinned_owner=pinned_owner(access, root.session.dm_scope),
        bot_id=account.bot_user_id,
        language=root.messages.language,
        fetches=True,
        transcribes=bool(loaded.audio.listeners),
        models=model_names(loaded),
        seeing=frozenset(
            normal_agent_id(name)
            for name, agent in loaded.agents.items()
            if agent.primary and loaded.sees(agent.primary)
        ),
        heard={
            normal_agent_id(name): speech.auto for name, speech in loaded.speech.items() if speech.speakers
        },
    )


def _ack(loaded: Loaded, discord: DiscordConfig, names: Names) -> AckSettings:
    messages = loaded.root.messages
    emojis = {name: loaded.agent(name).identity_emoji for name in loaded.agents}
    return AckSettings(
        scope=discord.ack_reaction_scope or messages.ack_reaction_scope or "group-mentions",
        emojis=(discord.ack_reaction, messages.ack_reaction),
        agents={normal_agent_id(name): emoji for name, emoji in emojis.items() if emoji is not None},
        names=names.emojis,
    )


class _InGuild(msgspec.Struct):
    guild_id: str | None = None


class FactsReader(Protocol):
    """Facts of one account, as Discord sent them; ``None`` for what is not known."""

    def guild(self, guild_id: str) -> Mapping[str, Any] | None:
        """A guild object without its lists."""
        ...

    def channel(self, channel_id: str) -> Mapping[str, Any] | None:
        """A channel or thread object."""
        ...

    def place(self, channel_id: str) -> Mapping[str, Any] | None:
        """A channel or thread of a guild, be it that nobody told us of it and somebody asked."""
        ...

    def roles(self, guild_id: str) -> Sequence[Mapping[str, Any]]:
        """Roles of a guild."""
        ...

    def member(self, need: MemberNeeded | ThreadMemberNeeded) -> Mapping[str, Any] | None:
        """A member that was asked for within the last minute; empty where there is no such member."""
        ...


class AdmissionView(Protocol):
    """What :func:`workers.sessions.admission.admit` is given besides the event."""

    @property
    def settings(self) -> Settings:
        """Settings in force."""
        ...

    @property
    def facts(self) -> FactsReader:
        """Facts of the account."""
        ...

    @property
    def bot_id(self) -> str | None:
        """Our own user id, once a READY told it."""
        ...

    @property
    def bot_tag(self) -> str:
        """Our own name, ``name`` or ``name#1234``; empty before the first READY."""
        ...

    def depth(self, lane: str) -> int:
        """Records in a lane; 0 means that nothing runs or waits there."""
        ...

    def is_ours(self, message_id: str) -> bool | None:
        """Whether the bot wrote a message, as far as Redis knows (a week); ``None`` where it does not."""
        ...

    def own_webhook(self, webhook_id: str) -> bool:
        """Whether a webhook is or was one that our agents speak through."""
        ...

    def paired(self, sender: str) -> bool:
        """Whether a sender (``SenderFacts.id``) was approved by pairing."""
        ...

    @property
    def holds(self) -> HoldReader:
        """Messages that wait."""
        ...

    @property
    def first_owner(self) -> str:
        """The sender who owns the bot while the config names nobody, or empty."""
        ...

    def session(self, session_key: str) -> SessionState:
        """What is kept of a conversation; an empty state for one that has no record."""
        ...

    def known(self, session_keys: Sequence[str]) -> list[str]:
        """Those of some conversations that have a record."""
        ...

    def busy(self, lanes: Sequence[str]) -> list[str]:
        """Those of some lanes that have records."""
        ...

    def head(self, lane: str) -> Record | None:
        """The record that runs, or is next, in a lane."""
        ...

    def waiting(self, lane: str) -> list[Record]:
        """Records behind the head of a lane, oldest first."""
        ...

    def pending(self, request: TurnRequest, limit: int, context: ContextFilter) -> Pending:
        """What a turn would be shown of what was said in its channel."""
        ...

    def guild_lanes(self, guild_id: str) -> list[str]:
        """Lanes of conversations in which a message of this account, from that guild, runs or waits first."""
        ...

    def answers(self, questions: Sequence[Asked]) -> dict[Asked, bytes]:
        """What was looked up already, as JSON."""
        ...

    def tallies(self, windows: Sequence[tuple[str, int, int]]) -> list[tuple[int, int]]:
        """For each ``(name, after_ms, before_ms)`` how much was counted, and when last."""
        ...


class StoreView:
    """The view of a worker for one event, or a few that come together. A fact is read once per view."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._channels: dict[str, Mapping[str, Any] | None] = {}
        self._guilds: dict[str, Mapping[str, Any] | None] = {}
        self._roles: dict[str, Sequence[Mapping[str, Any]]] = {}
        self._sessions: dict[str, SessionState] = {}
        self.holds = StoreHolds(settings.account, store)

    @property
    def settings(self) -> Settings:
        """Settings in force."""
        return self._settings

    @property
    def facts(self) -> FactsReader:
        """Facts of the account."""
        return self

    @cached_property
    def _me(self) -> Mapping[str, Any]:
        return self._store.facts.me(self._settings.account) or {}

    @property
    def bot_id(self) -> str | None:
        """Our own user id, as a READY told it, else as the token does."""
        return str(self._me["id"]) if self._me.get("id") else self._settings.bot_id

    @property
    def bot_tag(self) -> str:
        """Our own name, as a tag."""
        me = read_user(self._me)
        return user_tag(me) if me is not None else ""

    def guild(self, guild_id: str) -> Mapping[str, Any] | None:
        """A guild object without its lists."""
        if guild_id not in self._guilds:
            self._guilds[guild_id] = self._store.facts.guild(self._settings.account, guild_id)
        return self._guilds[guild_id]

    def channel(self, channel_id: str) -> Mapping[str, Any] | None:
        """A channel or thread object."""
        if channel_id not in self._channels:
            self._channels[channel_id] = self._store.facts.channel(self._settings.account, channel_id)
        return self._channels[channel_id]

    def place(self, channel_id: str) -> Mapping[str, Any] | None:
        """A channel or thread of a guild, be it that nobody told us of it and somebody asked."""
        known = self.channel(channel_id)
        if known is not None:
            return known
        asked = asked_of(ChannelNeeded(channel_id), self._settings.account)
        raw = self.answers([asked]).get(asked)
        return None if raw is None else msgspec.json.decode(raw)

    def roles(self, guild_id: str) -> Sequence[Mapping[str, Any]]:
        """Roles of a guild."""
        if guild_id not in self._roles:
            self._roles[guild_id] = self._store.facts.roles(self._settings.account, guild_id)
        return self._roles[guild_id]

    def member(self, need: MemberNeeded | ThreadMemberNeeded) -> Mapping[str, Any] | None:
        """A member that was asked for; empty where there is no such member, None where nobody asked."""
        asked = asked_of(need, self._settings.account)
        raw = self.answers([asked]).get(asked)
        return None if raw is None else msgspec.json.decode(raw) or {}

    def answers(self, questions: Sequence[Asked]) -> dict[Asked, bytes]:
        """What was looked up already."""
        return self._store.lookups.some(questions)

    def tallies(self, windows: Sequence[tuple[str, int, int]]) -> list[tuple[int, int]]:
        """What was counted."""
        return self._store.tallies.count(self._settings.account, windows)

    def depth(self, lane: str) -> int:
        """Records in a lane."""
        return self._store.lanes.depth(lane)

    def is_ours(self, message_id: str) -> bool | None:
        """Whether a message is our own: the gateway settles what comes back from us as ``own-message``."""
        settled = self._store.ledger.outcome(self._settings.account, message_id)
        return None if settled is None else settled == (Outcome.DROPPED, "own-message")

    def own_webhook(self, webhook_id: str) -> bool:
        """Whether a webhook is or was one that our agents speak through."""
        return self._store.personas.is_own(self._settings.account, webhook_id)

    def paired(self, sender: str) -> bool:
        """Whether a sender was approved; read anew each time, so that a revocation counts at once."""
        return self._store.pairing.has(self._settings.account, sender)

    @property
    def first_owner(self) -> str:
        """The owner by pairing; read again after two seconds."""
        owner = self._store.pairing.first_owner()
        return owner.sender if owner is not None else ""

    def session(self, session_key: str) -> SessionState:
        """What is kept of a conversation."""
        if session_key not in self._sessions:
            self._sessions[session_key] = SessionState.read(self._store.sessions.get(session_key))
        return self._sessions[session_key]

    def known(self, session_keys: Sequence[str]) -> list[str]:
        """Those of some conversations that have a record."""
        return self._store.sessions.known(session_keys)

    def busy(self, lanes: Sequence[str]) -> list[str]:
        """Those of some lanes that have records."""
        return self._store.lanes.busy(lanes)

    def head(self, lane: str) -> Record | None:
        """The record that runs, or is next, in a lane."""
        return self._store.lanes.oldest(lane)

    def waiting(self, lane: str) -> list[Record]:
        """Records behind the head of a lane, oldest first."""
        return self._store.lanes.waiting(lane)

    def pending(self, request: TurnRequest, limit: int, context: ContextFilter) -> Pending:
        """What a turn would be shown of what was said in its channel."""
        return pending(self._store.sessions, request, limit, context)

    def guild_lanes(self, guild_id: str) -> list[str]:
        """Lanes with work of a guild; looks at every lane of a conversation, for what happens rarely."""
        found = []
        for lane, record in self._store.lanes.heads("session"):
            if record.account != self._settings.account or record.kind != TURN:
                continue
            try:
                place = msgspec.json.decode(record.body, type=_InGuild)
            except msgspec.DecodeError:
                continue  # its turn says so
            if place.guild_id == guild_id:
                found.append(lane)
        return found

    def wrote(self, effects: Sequence[Effect]) -> None:
        """These effects are being committed: what they change is read anew for the next event."""
        for effect in effects:
            if isinstance(effect, SessionPut):
                self._sessions.pop(effect.session_key, None)
        self.holds.wrote(effects)
