"""Reactions (``spec/inbound.md`` 7.1): who reacted to what is told to the conversation's next turn.

    read ─▶ a person? ─▶ mode of the guild ─▶ place (and list) ─▶ whose message? ─▶ queue an event
                                                    └─ not known here ─▶ reaction:<account>:<message>

A reaction never starts a turn. What the event does not say, and Redis does not know (who wrote an old
message, how the one is called who took a reaction away), is asked of Discord by a worker that may
wait, from a lane of the message; it decides again here with what it :class:`Found` (rule R18).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from shoal.base.errors import InvalidName
from shoal.base.ids import check_name
from shoal.state.effects import Count, Note, Push
from shoal.state.records import InboundEvent, Record, encode_event
from workers.access.decision import Reason
from workers.access.facts import MessageFacts, SenderFacts, Surface
from workers.access.pairing import may_be_paired
from workers.access.reactions import ReactionMode, decide_reaction, reaction_guild, restricted
from workers.access.slugs import name_slug
from workers.sessions.admission.asking import ask
from workers.sessions.admission.reasons import Ignored
from workers.sessions.admission.results import Admission
from workers.sessions.keys import session_lane
from workers.sessions.place import conversation_at, surface_at
from workers.sessions.system_events import QueuedEvent, queue_event
from workers.sessions.view import AdmissionView
from workers.sessions.wire import User, read_id, read_roles, read_user, user_tag

__all__ = ["KIND", "Found", "Needs", "cleared", "ignored", "needs_of", "react", "reaction", "reaction_lane"]

KIND = "reaction"
"""``Record.kind`` of a reaction that waits for an answer of Discord; its body is the event."""

_CUSTOM = re.compile(r"[^A-Za-z0-9_]+")
MAX_EMOJI = 32


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked up, ``None`` where it was not; ``gone`` names what Discord does not know.

    ``late``: it could not be looked up in time, and is not asked again.
    """

    user: User | None = None
    roles: tuple[str, ...] | None = None
    author_id: str | None = None
    gone: frozenset[str] = frozenset()
    late: bool = False


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be known before this reaction can be decided about."""

    user: bool = False
    member: bool = False
    author: bool = False

    def __bool__(self) -> bool:
        return self.user or self.member or self.author


@dataclass(frozen=True, slots=True)
class _Reaction:
    """One MESSAGE_REACTION_ADD or _REMOVE. ``user`` and ``roles`` are from the member, which adds carry."""

    added: bool
    user_id: str
    channel_id: str
    message_id: str
    guild_id: str | None
    emoji: str
    user: User | None = None
    roles: tuple[str, ...] | None = None
    author_id: str = ""


def reaction(event: InboundEvent, view: AdmissionView) -> Admission:
    """What becomes of a reaction that was added or removed."""
    return react(event, view, Found())


def cleared(event: InboundEvent, view: AdmissionView) -> Admission:
    """Somebody removed all reactions, or all with one emoji: no person took back what they said."""
    del view
    return ignored(event, Ignored.CLEARED)


def reaction_lane(account: str, message_id: str) -> str:
    """The lane of what has to be asked or done about the reactions of one message."""
    return check_name(f"reaction:{account}:{message_id}", "reaction lane")


def needs_of(event: InboundEvent, view: AdmissionView, found: Found) -> Needs:
    """What still has to be asked of Discord; nothing for a reaction that is ignored anyway."""
    read = _read(event)
    if read is None:
        return Needs()
    decided = _decide(_with(read, found), view, found)
    return decided if isinstance(decided, Needs) else Needs()


def react(event: InboundEvent, view: AdmissionView, found: Found) -> Admission:
    """Decide about a reaction with what is known of it; :class:`Found` holds what was looked up."""
    read = _read(event)
    if read is None:
        return ignored(event, Ignored.MALFORMED)
    read = _with(read, found)
    decided = _decide(read, view, found)
    if isinstance(decided, str):
        return ignored(event, decided)
    if isinstance(decided, Needs):
        return _wait(event, read)
    if found == Found() and view.depth(reaction_lane(event.account, read.message_id)) > 0:
        return _wait(event, read)  # an earlier one of this message is being asked about: keep their order
    return _tell(event, read, decided, view)


def ignored(event: InboundEvent, reason: str) -> Admission:
    """A reaction nobody is told of. Counted, not stored: there are many, and few who ask."""
    return Admission((Count(event.account, f"reaction.{reason}"),), f"ignored · reaction · {reason}")


def _decide(read: _Reaction, view: AdmissionView, found: Found) -> Surface | str | Needs:
    """Where to tell it, why not, or what is missing. What costs nothing is asked first."""
    if read.user_id == view.bot_id:
        return Ignored.OWN
    if read.user is not None and read.user.bot:
        return Ignored.BOT
    surface = surface_at(read.channel_id, read.guild_id, None, view)
    mode = _mode(surface, view)
    if mode == "off":
        return Ignored.OFF
    refused = _refused(read, surface, mode, view)
    unasked = read.roles is None and refused in (Reason.SENDER_NOT_LISTED, Reason.MEMBER_UNKNOWN)
    if refused and not unasked:
        return refused
    author = _ours(read, view, found) if mode == "own" else True
    if author is False:
        return Ignored.NOT_OURS
    needs = Needs(
        user=read.user is None and read.guild_id is None,
        # a member has name and roles in one answer
        member=read.guild_id is not None and (read.user is None or unasked),
        author=author is None,
    )
    if not needs:
        return refused or surface
    return _missing(needs, found, refused) or needs


def _missing(needs: Needs, found: Found, refused: str) -> str:
    """Why a reaction is ignored for want of an answer; empty while it can still be asked for."""
    if needs.author and "author" in found.gone:
        return Ignored.UNKNOWN_MESSAGE
    if (needs.user or needs.member) and "user" in found.gone:
        return refused or Ignored.UNKNOWN_USER
    return Ignored.TOO_LATE if found.late else ""


def _mode(surface: Surface, view: AdmissionView) -> ReactionMode:
    """``guilds.<g>.reactionNotifications``; ``own`` where no entry says otherwise, and outside guilds."""
    guild = reaction_guild(surface, view.settings.access)
    return view.settings.reactions.get(guild.key, "own") if guild is not None else "own"


def _refused(read: _Reaction, surface: Surface, mode: ReactionMode, view: AdmissionView) -> str:
    if mode == "allowlist" and not restricted(surface, view.settings.access):
        return Ignored.NO_LIST
    access = view.settings.access
    user = read.user or User(read.user_id)
    sender = SenderFacts(
        read.user_id,
        user.username,
        user_tag(user),
        roles=read.roles,
        paired=may_be_paired(surface.kind, access) and view.paired(read.user_id),
    )
    facts = MessageFacts(sender, surface, bot_id=view.bot_id)
    _, decision = ask(facts, view, lambda known, settings: decide_reaction(known, settings, mode))
    return "" if decision.allowed else decision.reason


def _ours(read: _Reaction, view: AdmissionView, found: Found) -> bool | None:
    """Whether the bot wrote the message; ``None`` where nobody here knows."""
    author = read.author_id or found.author_id
    if author:
        return author == view.bot_id
    return view.is_ours(read.message_id)


def _wait(event: InboundEvent, read: _Reaction) -> Admission:
    """To the lane of its message, where somebody may ask Discord."""
    record = Record(_identity(event, read), KIND, encode_event(event))
    return Admission(
        (Push(reaction_lane(event.account, read.message_id), record),), "waiting · reaction · look-up"
    )


def _tell(event: InboundEvent, read: _Reaction, surface: Surface, view: AdmissionView) -> Admission:
    conversation = conversation_at(surface, view.settings, read.user_id, frozenset(read.roles or ()))
    try:
        session_lane(conversation.session_key)
    except InvalidName:
        return ignored(event, Ignored.SESSION_KEY)
    what = "added" if read.added else "removed"
    told = QueuedEvent(
        id=_identity(event, read),
        text=_text(read, what, surface, view),
        at_ms=event.received_ms,
        about=f"discord:reaction:{what}:{read.message_id}:{read.user_id}:{read.emoji}",
    )
    return Admission(
        (
            queue_event(conversation.session_key, told),
            Count(event.account, "reaction.queued"),
            Note(event.account, read.message_id, "reaction", f"{what} {read.user_id} queued"),
        ),
        f"event · reaction {what}",
    )


def _text(read: _Reaction, what: str, surface: Surface, view: AdmissionView) -> str:
    """The line, as the manuals have it. Every part is an id, a slug or a name of a kind Discord bounds."""
    tag = user_tag(read.user) if read.user and read.user.username else read.user_id
    mode = _mode(surface, view)
    channel = name_slug(surface.channel_name) or surface.channel_id
    line = f"Discord reaction {what}: {read.emoji} by {_plain(tag)} on {_where(surface, view)} #{channel}"
    line += f" msg {read.message_id}"
    return f"{line} from {_plain(view.bot_tag)}" if mode == "own" and view.bot_tag else line


def _where(surface: Surface, view: AdmissionView) -> str:
    if surface.kind != "channel":
        return "dm" if surface.kind == "direct" else "group-dm"
    guild = reaction_guild(surface, view.settings.access)
    written = guild.slug if guild is not None else ""
    return name_slug(written) or name_slug(surface.guild_name) or surface.guild_id or ""


def _plain(tag: str) -> str:
    """A tag without white space and brackets: nothing that could begin something else."""
    return re.sub(r"[\s\[\]<>`]+", "_", tag)[:60]


def _identity(event: InboundEvent, read: _Reaction) -> str:
    seed = f"{read.user_id}\x00{read.emoji}\x00{read.added}\x00{event.received_ms}"
    digest = hashlib.blake2b(seed.encode("utf-8", "replace"), digest_size=8).hexdigest()
    return check_name(f"react.{event.account}.{read.message_id}.{digest}", "reaction identity")


# -- reading -----------------------------------------------------------------------------------------


def _with(read: _Reaction, found: Found) -> _Reaction:
    return replace(
        read,
        user=read.user or found.user,
        roles=read.roles if read.roles is not None else found.roles,
    )


def _read(event: InboundEvent) -> _Reaction | None:
    """The event, with patience; ``None`` without a user, an emoji, a channel or a message."""
    try:
        raw = msgspec.json.decode(event.data)
    except msgspec.DecodeError:
        return None
    if not isinstance(raw, dict):
        return None
    user_id, channel_id, message_id = (
        read_id(raw.get(name)) for name in ("user_id", "channel_id", "message_id")
    )
    emoji = _emoji(raw.get("emoji"))
    if not (user_id and channel_id and message_id and emoji):
        return None
    member = raw.get("member")
    user = read_user(member.get("user")) if isinstance(member, dict) else None
    return _Reaction(
        added=event.event == "MESSAGE_REACTION_ADD",
        user_id=user_id,
        channel_id=channel_id,
        message_id=message_id,
        guild_id=read_id(raw.get("guild_id")) or None,
        emoji=emoji,
        user=user if user is not None and user.id == user_id else None,
        roles=read_roles(member),
        author_id=read_id(raw.get("message_author_id")),
    )


def _emoji(raw: Any) -> str:
    """A Unicode emoji as it is, a custom one as ``<:name:id>``, one without a name as ``emoji:<id>``."""
    if not isinstance(raw, dict):
        return ""
    emoji_id, name = read_id(raw.get("id")), raw.get("name")
    name = name if isinstance(name, str) else ""
    if not emoji_id:
        return "".join(name.split())[:MAX_EMOJI]
    plain = _CUSTOM.sub("_", name)[:MAX_EMOJI]
    if not plain:
        return f"emoji:{emoji_id}"
    return f"<{'a' if raw.get('animated') is True else ''}:{plain}:{emoji_id}>"
