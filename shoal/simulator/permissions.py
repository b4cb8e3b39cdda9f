"""Who may do what in the simulated Discord: the bit algorithm and the implicit rules of the documentation.

Kept apart from the permission code of the product on purpose: the simulator is what that code is tested
against, and must not share its mistakes.
"""

from __future__ import annotations

import datetime as dt

from shoal.simulator.errors import forbidden
from shoal.simulator.model import Channel, Guild, Member
from shoal.simulator.world import World

__all__ = [
    "ADD_REACTIONS",
    "ATTACH_FILES",
    "BAN_MEMBERS",
    "CREATE_EVENTS",
    "CREATE_EXPRESSIONS",
    "CREATE_PRIVATE_THREADS",
    "CREATE_PUBLIC_THREADS",
    "EMBED_LINKS",
    "KICK_MEMBERS",
    "MANAGE_CHANNELS",
    "MANAGE_MESSAGES",
    "MANAGE_ROLES",
    "MANAGE_THREADS",
    "MANAGE_WEBHOOKS",
    "MENTION_EVERYONE",
    "MODERATE_MEMBERS",
    "PIN_MESSAGES",
    "READ_HISTORY",
    "SEND",
    "SEND_IN_THREADS",
    "VIEW",
    "can_see",
    "compute",
    "need",
]

KICK_MEMBERS = 1 << 1
BAN_MEMBERS = 1 << 2
ADMINISTRATOR = 1 << 3
MANAGE_CHANNELS = 1 << 4
ADD_REACTIONS = 1 << 6
VIEW = 1 << 10
SEND = 1 << 11
MANAGE_MESSAGES = 1 << 13
EMBED_LINKS = 1 << 14
ATTACH_FILES = 1 << 15
READ_HISTORY = 1 << 16
MENTION_EVERYONE = 1 << 17
MANAGE_ROLES = 1 << 28
MANAGE_WEBHOOKS = 1 << 29
MANAGE_THREADS = 1 << 34
CREATE_PUBLIC_THREADS = 1 << 35
CREATE_PRIVATE_THREADS = 1 << 36
SEND_IN_THREADS = 1 << 38
MODERATE_MEMBERS = 1 << 40
CREATE_EXPRESSIONS = 1 << 43
CREATE_EVENTS = 1 << 44
SEND_VOICE_MESSAGES = 1 << 46
PIN_MESSAGES = 1 << 51
ALL = (1 << 53) - 1
DM_PERMISSIONS = ALL & ~(MANAGE_MESSAGES | MANAGE_CHANNELS | MANAGE_ROLES | MANAGE_THREADS | MANAGE_WEBHOOKS)


def _timed_out(member: Member) -> bool:
    until = member.communication_disabled_until
    return until is not None and dt.datetime.fromisoformat(until) > dt.datetime.now(tz=dt.UTC)


def _base(guild: Guild, member: Member) -> int:
    if guild.owner_id == member.user_id:
        return ALL
    bits = guild.roles[guild.id].permissions
    for role_id in member.roles:
        role = guild.roles.get(role_id)
        bits |= role.permissions if role is not None else 0
    return ALL if bits & ADMINISTRATOR else bits


def compute(world: World, channel: Channel, user_id: str) -> int:
    """The bits ``user_id`` has in a channel; 0 for people who are not in it."""
    guild = world.guild_of(channel)
    if guild is None:
        return DM_PERMISSIONS if user_id in channel.recipients else 0
    member = guild.members.get(user_id)
    if member is None:
        return 0
    bits = _base(guild, member)
    if bits == ALL:
        return ALL
    place = world.channels.get(channel.parent_id or "", channel) if channel.is_thread else channel
    overwrites = {str(o["id"]): (int(o["allow"]), int(o["deny"])) for o in place.overwrites}
    allow, deny = overwrites.get(guild.id, (0, 0))
    bits = bits & ~deny | allow
    role_pairs = [overwrites[r] for r in member.roles if r in overwrites]
    for _, denied in role_pairs:
        bits &= ~denied
    for allowed, _ in role_pairs:
        bits |= allowed
    allow, deny = overwrites.get(user_id, (0, 0))
    bits = bits & ~deny | allow
    if not bits & VIEW:
        return 0
    if _timed_out(member):
        bits &= VIEW | READ_HISTORY
    speak = SEND_IN_THREADS if channel.is_thread else SEND
    return bits if bits & speak else bits & ~(MENTION_EVERYONE | ATTACH_FILES | EMBED_LINKS)


def can_see(world: World, channel: Channel, user_id: str) -> bool:
    """Whether events of a channel reach a user; private threads need membership or MANAGE_THREADS."""
    bits = compute(world, channel, user_id)
    if channel.guild_id is None:
        return user_id in channel.recipients
    if channel.type == 12 and user_id not in channel.members and not bits & MANAGE_THREADS:
        return False
    return bool(bits & VIEW)


def need(world: World, channel: Channel, user_id: str, *bits: int) -> None:
    """Raise 50001 when the channel is hidden from a user, 50013 when one of ``bits`` is missing."""
    if not can_see(world, channel, user_id):
        raise forbidden(50001)
    have = compute(world, channel, user_id)
    for bit in bits:
        if not have & bit:
            raise forbidden(50013)
