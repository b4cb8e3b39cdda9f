"""``contextVisibility``: whose words may stand in a prompt besides the sender's (``spec/inbound.md`` 6.9).

A message passes access by its sender alone. What it quotes, what was said before it, how its thread
began and what it forwards may be by somebody the guild's ``users`` and ``roles`` would not let in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from config.schema.discord import ContextVisibility
from workers.access.entries import AllowList
from workers.access.facts import SenderFacts
from workers.access.guilds import ChannelEntry, GuildEntry, sender_restriction
from workers.access.settings import AccessSettings

__all__ = ["SHOW_ALL", "ContextFilter", "ContextKind"]

ContextKind = Literal["quote", "thread_starter", "history", "forwarded"]


@dataclass(frozen=True, slots=True)
class ContextFilter:
    """Which context of others a turn may show. The default shows everything, as in DMs.

    Attributes:
        mode: ``contextVisibility`` of the account, its root or ``channels.defaults``.
        users, roles: the lists of the channel or guild; ``None`` where that list is not written.
        by_name: names on the lists count (``dangerouslyAllowNameMatching``).
    """

    mode: ContextVisibility = "all"
    users: AllowList | None = None
    roles: frozenset[str] | None = None
    by_name: bool = False

    @classmethod
    def of(
        cls,
        mode: ContextVisibility,
        settings: AccessSettings,
        guild: GuildEntry | None,
        channel: ChannelEntry | None,
    ) -> ContextFilter:
        """The filter of a place, by the entries that let its message in."""
        if mode == "all" or guild is None:
            return cls()
        users, roles = sender_restriction(guild, channel)
        return cls(mode, users, roles, settings.by_name)

    @classmethod
    def named(
        cls, mode: ContextVisibility, settings: AccessSettings, guild: str, channel: str
    ) -> ContextFilter:
        """The filter of a place, by the keys of its entries, for a turn that begins later.

        Entries that are gone since let nobody in any more.
        """
        if mode == "all" or not guild:
            return cls()
        entry = settings.guilds.entries.get(guild)
        if entry is None:
            return cls(mode, users=AllowList.parse(()))
        channels = entry.channels.entries if entry.channels is not None else {}
        return cls.of(mode, settings, entry, channels.get(channel))

    def shows(self, kind: ContextKind, author: SenderFacts | None) -> bool:
        """Whether context written by ``author`` may be shown; ``None`` is an author nobody knows.

        Roles that are not known satisfy no list (closed).
        """
        if self.mode == "all" or (self.users is None and self.roles is None):
            return True
        if kind == "quote" and self.mode == "allowlist_quote":
            return True
        if author is None:
            return False
        if self.users is not None and self.users.match(
            author.id, username=author.username, tag=author.tag, by_name=self.by_name
        ):
            return True
        return self.roles is not None and ("*" in self.roles or not self.roles.isdisjoint(author.roles or ()))


SHOW_ALL = ContextFilter()
