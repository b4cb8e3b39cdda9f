"""What a reaction event does not say, asked of Discord (``spec/inbound.md`` 7.1, rule R18).

Only what :func:`workers.sessions.admission.reactions.needs_of` names is asked, and an answer is kept for
a while: who wrote a message never changes, and people who react once do so again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from shoal.base.ids import MessageId
from shoal.discord.errors import Forbidden, NotFound
from shoal.state.lookups import Asked, Lookups
from shoal.state.records import InboundEvent
from workers.sessions.admission.reactions import Found, needs_of
from workers.sessions.view import AdmissionView
from workers.sessions.wire import User, read_id, read_roles, read_user

__all__ = ["ReactionRest", "find_out"]

MEMBER_S = 300
"""How long a member's roles are believed."""
NAME_S = 86_400
GONE_S = 300


class ReactionRest(Protocol):
    """The calls of :class:`shoal.discord.rest.Rest` that are needed."""

    def get_guild_member(self, guild_id: str, user_id: str) -> dict[str, Any]:
        """A member with its user and roles."""
        ...

    def get_user(self, user_id: str) -> dict[str, Any]:
        """A user."""
        ...

    def get_message(self, channel_id: str, message_id: MessageId) -> dict[str, Any]:
        """A message."""
        ...


class _Ids(msgspec.Struct):
    user_id: str | int
    channel_id: str | int
    message_id: str | int
    guild_id: str | int | None = None


def find_out(event: InboundEvent, view: AdmissionView, lookups: Lookups, rest: ReactionRest) -> Found:
    """Look up what is needed to decide about a reaction; nothing for one that is ignored anyway.

    Raises:
        DiscordError, TransportError, RateWait: no answer now; ask again.
    """
    found = Found()
    needs = needs_of(event, view, found)
    if not needs:
        return found
    ids = msgspec.json.decode(event.data, type=_Ids)
    ask = _Asker(event.account, lookups)
    user, guild = read_id(ids.user_id), read_id(ids.guild_id)
    message, channel = read_id(ids.message_id), read_id(ids.channel_id)
    gone: set[str] = set()
    person: User | None = None
    roles: tuple[str, ...] | None = None
    if needs.member:
        member = ask("member", f"{guild}.{user}", MEMBER_S, lambda: rest.get_guild_member(guild, user))
        if isinstance(member, dict):
            person, roles = read_user(member.get("user")), read_roles(member) or ()
        else:
            roles = ()  # left the server: nobody's role, but still somebody with a name
    if (needs.user or needs.member) and person is None:
        person = read_user(ask("user", user, NAME_S, lambda: rest.get_user(user)))
        gone |= {"user"} if person is None else set()
    author = None
    if needs.author:
        author = ask(
            "author", message, NAME_S, lambda: _author(rest.get_message(channel, MessageId(message)))
        )
        gone |= {"author"} if not author else set()
    return Found(person, roles, author or None, frozenset(gone))


class _Asker:
    """Asks Redis first, then Discord, and remembers."""

    def __init__(self, account: str, lookups: Lookups) -> None:
        self._account = account
        self._lookups = lookups

    def __call__(self, kind: Any, name: str, keep_s: float, ask: Callable[[], Any]) -> Any:
        asked = Asked(self._account, kind, name)
        known = self._lookups.get(asked)
        if known is not None:
            return msgspec.json.decode(known)
        try:
            answer = ask()
        except (NotFound, Forbidden):
            answer = None
        self._lookups.put(asked, answer, ttl_s=GONE_S if answer is None else keep_s)
        return answer


def _author(message: dict[str, Any]) -> str | None:
    author = message.get("author")
    return read_id(author.get("id")) or None if isinstance(author, dict) else None
