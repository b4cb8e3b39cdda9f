"""What every action has in common: its name and gate, whom it asks for permission, how it reads arguments."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from shoal.base.errors import RequestError
from shoal.base.ids import MessageId, snowflake_ms
from shoal.discord.errors import NotFound
from shoal.discord.permissions import ALL, Permission
from shoal.discord.rest import Rest
from shoal.discord.retry import Safety
from shoal.discord.routes import Route
from shoal.discord.transport import File
from shoal.state.facts import Facts
from workers.delivery.outgoing import Raw
from workers.delivery.targets import Target, TargetError, parse_target

__all__ = [
    "ARCHIVE_MINUTES",
    "PLACES",
    "Action",
    "ActionContext",
    "ActionError",
    "Args",
    "ArgumentError",
    "Json",
    "ReadFile",
    "ask",
    "reason_of",
    "stamped",
]

Json = dict[str, Any]

PLACES = ("channelId", "categoryId", "target", "to", "threadId")
"""Arguments that name a channel, a category or a thread."""

ARCHIVE_MINUTES = (60, 1440, 4320, 10080)
"""How long without a message until a thread is archived; Discord takes no other values."""

_ID = re.compile(r"\d{5,25}")
_LINK = re.compile(r"https://(?:\w+\.)?discord(?:app)?\.com/channels/(\d+|@me)/(\d+)/(\d+)")


class ActionError(RequestError):
    """The action was not done: switched off, not allowed, or not possible now."""

    code = "action-error"


class ArgumentError(ActionError):
    """An argument is missing or wrong."""

    code = "bad-argument"
    misused = True


class ReadFile(Protocol):
    """Reads the file at an address or path somebody named."""

    def __call__(self, source: str, *, most: int, whose: str) -> Raw:
        """The file.

        Args:
            most: bytes it may have. whose: who says so, for the error.

        Raises:
            FileRefused: it cannot be used.
        """
        ...


def _no_files(source: str, *, most: int, whose: str) -> Raw:
    del source, most, whose
    raise ActionError("Files cannot be read here.")


@dataclass(frozen=True, slots=True)
class ActionContext:
    """Where an action happens, and for whom.

    Attributes:
        account: whose bot acts, by ``rest``.
        facts: what is known of guilds, channels and roles.
        channel_id, guild_id, message_id: the conversation and the message that asked; empty for an operator.
        message_channel_id: where that message is; a thread's first one is in its parent.
        sender_id: who asked; ``None`` is the operator at the command line, whom nothing is refused.
        may_read: whether the config lets a channel be read.
        presence: hands a gateway command on (``set-presence``).
        demand: raises :class:`ActionError` unless the one who asked has a permission here.
        by_owner: everybody who wrote into the turn owns the bot.
        others: who else wrote into the same turn. What the one who asked must be allowed, they must be,
            too: nobody borrows a moderator's powers by writing into his turn.
        read: reads files for uploads, with the folders and the guard of the conversation.
        born_ms: when the message that asked was made, Unix ms; 0 for an operator.
        again: the action was begun before, by a worker that did not finish it.
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
    read: ReadFile = _no_files
    message_channel_id: str = ""
    born_ms: int = 0
    again: bool = False


Run = Callable[["Args", ActionContext], Json]


@dataclass(frozen=True, slots=True)
class Action:
    """One action. What an interrupted one did is found or does no harm twice (:mod:`workers.actions.making`).

    Attributes:
        name: kebab-case, as the manuals have it.
        gate: key of ``channels.discord.actions``.
        help: one line for the model.
        asks: what the person who asked must be allowed to do himself.
        users: a user among its targets means the private messages with him.
        asks_here: the same where it depends on the place (a thread, a channel); ``asks`` stands for the rest.
    """

    name: str
    gate: str
    help: str
    run: Run
    asks: Permission | None = None
    users: bool = False
    asks_here: Callable[[Args, ActionContext], Permission] | None = None

    def wanted(self, args: Args, context: ActionContext) -> Permission | None:
        """What is asked of the person for this call."""
        return self.asks_here(args, context) if self.asks_here is not None else self.asks


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
                raise ArgumentError(f"The argument {names[0]} is missing.")
            return ""
        text = str(value)
        if len(text) > most:
            raise ArgumentError(f"{names[0]} has {len(text)} characters; at most {most} are possible.")
        return text

    def id(self, *names: str, default: str = "") -> str:
        """A Discord id."""
        value = str(self.raw(*names) or default)
        if not _ID.fullmatch(value):
            raise ArgumentError(
                f"{names[0]} {value[:60]!r} is no id." if value else f"{names[0]} is missing."
            )
        return value

    def ids(self, *names: str) -> list[str]:
        """A list of ids, or one."""
        value = self.raw(*names)
        values = value if isinstance(value, list) else [] if value is None else [value]
        return [Args({names[0]: one}).id(names[0]) for one in values]

    def at(self, channel_id: str) -> Args:
        """The same in this channel, whatever place was named."""
        kept = {name: value for name, value in self._values.items() if name not in PLACES}
        return Args({**kept, "channelId": channel_id})

    def user(self, *names: str) -> str:
        """A user, as id, ``user:<id>`` or mention."""
        value = str(self.raw(*names) or "").strip()
        if not value:
            raise ArgumentError(f"{names[0]} is missing.")
        found = _target(value, "user")
        if found is None or found.kind != "user":
            raise ArgumentError(f"{names[0]} {value[:60]!r} is no user id.")
        return found.id

    def private(self) -> bool:
        """Whether the named place is a user: the private messages with him."""
        found = _target(str(self.raw(*PLACES) or ""), "channel")
        return found is not None and found.kind == "user"

    def channel(self, context: ActionContext, *names: str) -> str:
        """A channel or thread, as id, ``channel:<id>`` or mention; else the conversation."""
        value = str(self.raw(*(names or PLACES)) or "").strip()
        if value in ("", "current", "here"):
            if context.channel_id:
                return context.channel_id
            raise ArgumentError("The target is missing.", fix='Name one: "channel:<id>".')
        found = _target(value, "channel")
        if found is None:
            raise ArgumentError(f"{value[:60]!r} is no channel id.", fix='Use "channel:<id>".')
        if found.kind == "user":
            raise ArgumentError("This needs a channel id, not a user.", fix='Use "channel:<id>".')
        return found.id

    def guild(self, context: ActionContext) -> str:
        """A server: as named, else of the named channel, else of the conversation."""
        named = self.raw("guildId", "serverId")
        if named is not None and self.raw(*PLACES) is None:
            return self.id("guildId", "serverId")
        if self.raw(*PLACES) is not None:
            home = self._home(context)
            if named is not None and home and home != self.id("guildId", "serverId"):
                raise ArgumentError("guildId and the channel belong to different servers.")
            if named is not None or home:
                return home or self.id("guildId", "serverId")
        if context.guild_id:
            return context.guild_id
        raise ArgumentError("guildId is missing.", fix="Name the server.")

    def _home(self, context: ActionContext) -> str:
        """The server of the named channel. Never taken from the call: permission is asked for there."""
        channel_id = self.channel(context)
        known = context.facts.channel(context.account, channel_id) or context.rest.get_channel(channel_id)
        return str(known.get("guild_id") or "")

    def message(self, context: ActionContext) -> MessageId:
        """A message: as named, else the one that asked."""
        return MessageId(self.id("messageId", default=context.message_id))

    def named_message(self) -> MessageId:
        """A message that has to be named."""
        return MessageId(self.id("messageId"))

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
            raise ArgumentError(f"{names[0]} {str(value)[:40]!r} is no number.") from None
        if not least <= number <= most:
            raise ArgumentError(f"{names[0]} must be between {least} and {most}.")
        return number

    def flag(self, *names: str, default: bool = False) -> bool:
        """A boolean; words count as well."""
        value = self.raw(*names)
        if value is None:
            return default
        return value if isinstance(value, bool) else str(value).strip().lower() in ("1", "true", "yes", "on")

    def archive_minutes(self) -> int | None:
        """``autoArchiveMin``: minutes until a thread is archived."""
        minutes = self.number("autoArchiveMin", "autoArchiveDuration", least=1, most=10_080)
        if minutes is not None and minutes not in ARCHIVE_MINUTES:
            raise ArgumentError(f"autoArchiveMin must be one of {', '.join(map(str, ARCHIVE_MINUTES))}.")
        return minutes

    def bits(self, *names: str) -> Permission:
        """Permissions: a bit field as digits, or names (``SEND_MESSAGES``), several with commas between."""
        value = self.raw(*names)
        words = value if isinstance(value, list) else str(value or "").replace(",", " ").split()
        total = Permission(0)
        for word in map(str, words):
            if word.isascii() and word.isdigit() and int(word) <= int(ALL):
                total |= Permission(int(word))
            elif word.upper() in Permission.__members__:
                total |= Permission[word.upper()]
            else:
                raise ArgumentError(f"{names[0]} {word[:40]!r} is no permission.")
        return total

    def moment(self, *names: str) -> dt.datetime:
        """A moment in ISO 8601; without a time zone it is UTC."""
        text = self.text(*names, most=40).strip()
        try:
            found = dt.datetime.fromisoformat(text)
        except ValueError:
            raise ArgumentError(
                f"{names[0]} {text!r} is no ISO 8601 time.", fix="Write 2030-01-31T18:00:00Z."
            ) from None
        return found if found.tzinfo is not None else found.replace(tzinfo=dt.UTC)

    def objects(self, *names: str, most: int) -> list[Json]:
        """A list of objects."""
        value = self.raw(*names)
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise ArgumentError(f"{names[0]} must be a list of objects.")
        if len(value) > most:
            raise ArgumentError(f"{names[0]} has {len(value)} entries; at most {most} are possible.")
        return value

    def has(self, name: str) -> bool:
        """Whether it was given at all, if only to empty something."""
        return self._values.get(name) is not None


def _target(value: str, bare: Literal["user", "channel"]) -> Target | None:
    """What a target means, ``bare`` being the kind of a bare id; none where it is no target."""
    try:
        return parse_target(value, default=bare)
    except TargetError:
        return None


def stamped(message: Mapping[str, Any]) -> Json:
    """A message with the times the manuals promise: ``timestampMs`` and ``timestampUtc``."""
    made = dict(message)
    message_id = str(made.get("id") or "")
    if message_id.isdigit():
        ms = snowflake_ms(message_id)
        made["timestampMs"] = ms
        made["timestampUtc"] = dt.datetime.fromtimestamp(ms / 1000, dt.UTC).isoformat().replace("+00:00", "Z")
    return made


def ask(
    context: ActionContext,
    route: Route,
    *,
    json: Any = None,
    query: Mapping[str, Any] | None = None,
    reason: str = "",
    form: Mapping[str, str] | None = None,
    file: File | None = None,
) -> Any:
    """One request. ``form`` and ``file`` instead of ``json`` make it a form (stickers).

    What a repeated action deletes may be gone: then the try before did it.
    """
    try:
        answer = context.rest.call(
            route,
            json=json,
            query=query,
            reason=reason or None,
            safety=Safety.CREATE if route.method == "POST" else Safety.IDEMPOTENT,
            form=form,
            files=(file,) if file is not None else (),
        )
    except NotFound:
        if route.method == "DELETE" and context.again:
            return {}
        raise
    return answer.data if answer.data is not None else {}


def reason_of(args: Args) -> str:
    """What the audit log is told."""
    return args.text("reason", required=False, most=512)
