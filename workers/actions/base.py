"""What every action has in common: its name and gate, whom it asks for permission, how it reads arguments."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shoal.base.errors import ShoalError
from shoal.base.ids import snowflake_ms
from shoal.discord.permissions import Permission
from shoal.discord.rest import Rest
from shoal.discord.retry import Safety
from shoal.discord.routes import Route
from shoal.state.facts import Facts

__all__ = ["PLACES", "Action", "ActionContext", "ActionError", "Args", "Json", "ask", "stamped"]

Json = dict[str, Any]

PLACES = ("channelId", "categoryId", "target", "to", "threadId")
"""Arguments that name a channel, a category or a thread."""

_ID = re.compile(r"\d{5,25}")
_CHANNEL = re.compile(r"(?:discord:)?(?:channel:)?(\d{5,25})|<#(\d{5,25})>")
_USER = re.compile(r"(?:discord:)?(?:user:)?(\d{5,25})|<@!?(\d{5,25})>")
_LINK = re.compile(r"https://(?:\w+\.)?discord(?:app)?\.com/channels/(\d+|@me)/(\d+)/(\d+)")


class ActionError(ShoalError):
    """The action was not done; the text is for the one who asked for it."""

    code = "action-error"


@dataclass(frozen=True, slots=True)
class ActionContext:
    """Where an action happens, and for whom.

    Attributes:
        account: whose bot acts, by ``rest``.
        facts: what is known of guilds, channels and roles.
        channel_id, guild_id, message_id: the conversation and the message that asked; empty for an operator.
        sender_id: who asked; ``None`` is the operator at the command line, whom nothing is refused.
        may_read: whether the config lets a channel be read.
        presence: hands a gateway command on (``set-presence``).
        demand: raises :class:`ActionError` unless the one who asked has a permission here.
        by_owner: everybody who wrote into the turn owns the bot.
        others: who else wrote into the same turn. What the one who asked must be allowed, they must be,
            too: nobody borrows a moderator's powers by writing into his turn.
    """

    account: str
    rest: Rest
    facts: Facts
    channel_id: str = ""
    guild_id: str | None = None
    message_id: str = ""
    sender_id: str | None = None
    may_read: Callable[[str], bool] = lambda _channel: True
    command: Callable[[bytes], None] = lambda _payload: None
    demand: Callable[[Permission], None] = lambda _permission: None
    by_owner: bool = False
    others: tuple[str, ...] = ()


Run = Callable[["Args", ActionContext], Json]


@dataclass(frozen=True, slots=True)
class Action:
    """One action.

    Attributes:
        name: kebab-case, as the manuals have it.
        gate: key of ``channels.discord.actions``.
        help: one line for the model.
        repeatable: doing it twice does no harm; an interrupted one is done again, others are reported.
        asks: what the person who asked must be allowed to do himself.
    """

    name: str
    gate: str
    help: str
    run: Run
    repeatable: bool = True
    asks: Permission | None = None


class Args:
    """The arguments of a call, read with clear errors. Names are tried in order."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def raw(self, *names: str) -> Any:
        """The first of these that is there."""
        return next((self._values[name] for name in names if self._values.get(name) not in (None, "")), None)

    def text(self, *names: str, required: bool = True, most: int = 4_000) -> str:
        """A text."""
        value = self.raw(*names)
        if value is None:
            if required:
                raise ActionError(f"The argument {names[0]} is missing.")
            return ""
        text = str(value)
        if len(text) > most:
            raise ActionError(f"{names[0]} has {len(text)} characters; at most {most} are possible.")
        return text

    def id(self, *names: str, default: str = "") -> str:
        """A Discord id."""
        value = str(self.raw(*names) or default)
        if not _ID.fullmatch(value):
            raise ActionError(f"{names[0]} {value[:60]!r} is no id." if value else f"{names[0]} is missing.")
        return value

    def ids(self, *names: str) -> list[str]:
        """A list of ids, or one."""
        value = self.raw(*names)
        values = value if isinstance(value, list) else [] if value is None else [value]
        return [Args({names[0]: one}).id(names[0]) for one in values]

    def user(self, *names: str) -> str:
        """A user, as id, ``user:<id>`` or mention."""
        value = str(self.raw(*names) or "").strip()
        match = _USER.fullmatch(value)
        if match is None:
            raise ActionError(
                f"{names[0]} {value[:60]!r} is no user id." if value else f"{names[0]} is missing."
            )
        return match.group(1) or match.group(2)

    def channel(self, context: ActionContext, *names: str) -> str:
        """A channel or thread, as id, ``channel:<id>`` or mention; else the conversation."""
        value = str(self.raw(*(names or PLACES)) or "").strip()
        if value in ("", "current", "here"):
            if context.channel_id:
                return context.channel_id
            raise ActionError("The target is missing.", fix='Name one: "channel:<id>".')
        if value.startswith(("user:", "<@")):
            raise ActionError("This needs a channel id, not a user.", fix='Use "channel:<id>".')
        match = _CHANNEL.fullmatch(value)
        if match is None:
            raise ActionError(f"{value[:60]!r} is no channel id.", fix='Use "channel:<id>".')
        return match.group(1) or match.group(2)

    def guild(self, context: ActionContext) -> str:
        """A server: as named, else of the named channel, else of the conversation."""
        named = self.raw("guildId", "serverId")
        if named is not None and self.raw(*PLACES) is None:
            return self.id("guildId", "serverId")
        if self.raw(*PLACES) is not None:
            home = self._home(context)
            if named is not None and home and home != self.id("guildId", "serverId"):
                raise ActionError("guildId and the channel belong to different servers.")
            if named is not None or home:
                return home or self.id("guildId", "serverId")
        if context.guild_id:
            return context.guild_id
        raise ActionError("guildId is missing.", fix="Name the server.")

    def _home(self, context: ActionContext) -> str:
        """The server of the named channel. Never taken from the call: permission is asked for there."""
        channel_id = self.channel(context)
        known = context.facts.channel(context.account, channel_id) or context.rest.get_channel(channel_id)
        return str(known.get("guild_id") or "")

    def message(self, context: ActionContext) -> str:
        """A message: as named, else the one that asked."""
        return self.id("messageId", default=context.message_id)

    def link(self, *names: str) -> tuple[str, str] | None:
        """Channel and message of a message link."""
        match = _LINK.search(str(self.raw(*names) or ""))
        return (match.group(2), match.group(3)) if match else None

    def number(self, *names: str, least: int, most: int, default: int | None = None) -> int | None:
        """An integer within bounds."""
        value = self.raw(*names)
        if value is None:
            return default
        try:
            number = int(str(value))
        except ValueError:
            raise ActionError(f"{names[0]} {str(value)[:40]!r} is no number.") from None
        if not least <= number <= most:
            raise ActionError(f"{names[0]} must be between {least} and {most}.")
        return number

    def flag(self, *names: str, default: bool = False) -> bool:
        """A boolean; words count as well."""
        value = self.raw(*names)
        if value is None:
            return default
        return value if isinstance(value, bool) else str(value).strip().lower() in ("1", "true", "yes", "on")

    def given(self, **fields: str) -> Json:
        """``{wire name: value}`` of the arguments that are there: ``given(parentId="parent_id")``."""
        return {
            wire: self._values[name] for name, wire in fields.items() if self._values.get(name) is not None
        }


def stamped(message: Mapping[str, Any]) -> Json:
    """A message with the times the manuals promise: ``timestampMs`` and ``timestampUtc``."""
    made = dict(message)
    message_id = str(made.get("id") or "")
    if message_id.isdigit():
        ms = snowflake_ms(message_id)
        made["timestampMs"] = ms
        made["timestampUtc"] = dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat().replace("+00:00", "Z")
    return made


def ask(context: ActionContext, method: str, path: str, *, reason: str = "", **values: Any) -> Any:
    """One request; ``json`` and ``query`` among the values are its body and query."""
    json, query = values.pop("json", None), values.pop("query", None)
    safety = Safety.CREATE if method == "POST" else Safety.IDEMPOTENT
    answer = context.rest.call(
        Route(method, path, **values), json=json, query=query, reason=reason or None, safety=safety
    )
    return answer.data if answer.data is not None else {}
