"""What admission may look at: settings compiled from the config, and facts in Redis.

:class:`Settings` is made once per account and config revision; :class:`AdmissionView` adds
what is true now (our own id, facts, how busy a session is). Everything behind the view is
at most a Redis read (rule R18).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from config.loaded import Loaded
from shoal.state.store import Store
from workers.access.settings import AccessSettings
from workers.sessions.keys import DmScope
from workers.sessions.records import QueueMode
from workers.sessions.routing import Routing

__all__ = ["AdmissionView", "FactsReader", "Settings", "StoreView", "settings_of"]

_ACCESS_KEYS = {
    "dm_policy",
    "allow_from",
    "dm",
    "group_policy",
    "guilds",
    "allow_bots",
    "dangerously_allow_name_matching",
    "wake_on_mass_mentions",
}
_MODES: dict[str, QueueMode] = {
    "steer": "steer",
    "queue": "steer",  # the old name of one message per boundary
    "steer-backlog": "steer",
    "steer+backlog": "steer",
    "followup": "followup",
    "collect": "collect",
    "interrupt": "interrupt",
}


@dataclass(frozen=True, slots=True)
class Settings:
    """The part of the config that admission needs, compiled."""

    account: str
    access: AccessSettings
    routing: Routing = field(default_factory=Routing)
    dm_scope: DmScope = "main"
    identity_links: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    queue_mode: QueueMode = "steer"
    collect_ms: int = 500
    """Quiet time before a collected batch is answered."""
    history_limit: int = 20
    language: Literal["en", "zh"] = "en"


def settings_of(loaded: Loaded, account_id: str) -> Settings:
    """Compile the settings of an account.

    Raises:
        ConfigError: there is no such account that can run.
    """
    discord = loaded.account(account_id).discord
    root = loaded.root
    queue = root.messages.queue
    return Settings(
        account=account_id,
        access=AccessSettings.read(
            account_id,
            discord.model_dump(by_alias=True, include=_ACCESS_KEYS),
            root.commands.model_dump(
                by_alias=True, include={"owner_allow_from", "use_access_groups", "text"}
            ),
        ),
        routing=Routing.read(
            [binding.model_dump(by_alias=True) for binding in root.bindings],
            list(loaded.agents),
            default_agent=loaded.default_agent_id,
            default_account=loaded.default_account_id,
        ),
        dm_scope=root.session.dm_scope,
        identity_links={name: tuple(ids) for name, ids in root.session.identity_links.items()},
        queue_mode=_MODES[queue.by_channel.get("discord", queue.mode)],
        collect_ms=queue.debounce_ms_by_channel.get("discord", queue.debounce_ms),
        history_limit=discord.history_limit,
        language=root.messages.language,
    )


class FactsReader(Protocol):
    """Facts of one account, as Discord sent them; ``None`` for what is not known."""

    def guild(self, guild_id: str) -> Mapping[str, Any] | None:
        """A guild object without its lists."""
        ...

    def channel(self, channel_id: str) -> Mapping[str, Any] | None:
        """A channel or thread object."""
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

    def depth(self, lane: str) -> int:
        """Records in a lane; 0 means that nothing runs or waits there."""
        ...

    def paired(self, sender: str) -> bool:
        """Whether a sender (``workers.access.pairing.store_id``) was approved by pairing."""
        ...

    @property
    def first_owner(self) -> str:
        """The sender who owns the bot while the config names nobody, or empty."""
        ...


class StoreView:
    """The view of a worker for one event, or a few that come together. A fact is read once per view."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._store = store
        self._channels: dict[str, Mapping[str, Any] | None] = {}
        self._guilds: dict[str, Mapping[str, Any] | None] = {}

    @property
    def settings(self) -> Settings:
        """Settings in force."""
        return self._settings

    @property
    def facts(self) -> FactsReader:
        """Facts of the account."""
        return self

    @cached_property
    def bot_id(self) -> str | None:
        """Our own user id, once a READY told it."""
        me = self._store.facts.me(self._settings.account)
        return str(me["id"]) if me and me.get("id") else None

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

    def depth(self, lane: str) -> int:
        """Records in a lane."""
        return self._store.lanes.depth(lane)

    def paired(self, sender: str) -> bool:
        """Whether a sender was approved; read anew each time, so that a revocation counts at once."""
        return self._store.pairing.has(self._settings.account, sender)

    @property
    def first_owner(self) -> str:
        """The owner by pairing; read again after two seconds."""
        owner = self._store.pairing.first_owner()
        return owner.sender if owner is not None else ""
