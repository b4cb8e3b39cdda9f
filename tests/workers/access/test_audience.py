"""Who can see a channel: ``discord.channelAudience`` (``spec/inbound.md`` 3.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from shoal.discord.permissions import Permission
from workers.access.audience import can_view
from workers.access.facts import SenderFacts, Surface
from workers.access.needs import AudienceNeeded, ChannelNeeded, MemberNeeded, ThreadMemberNeeded

GUILD, ROOM, THREAD, ANN, OWNER, MODS, STAFF = "50", "60", "61", "1", "2", "7", "8"
VIEW = Permission.VIEW_CHANNEL
DM, HERE = Surface("direct", "70"), Surface("channel", "66", guild_id=GUILD)


def role(role_id: str, allowed: int) -> dict[str, str]:
    return {"id": role_id, "permissions": str(int(allowed))}


def over(target: str, *, allow: int = 0, deny: int = 0, member: bool = False) -> dict[str, Any]:
    return {"id": target, "type": int(member), "allow": str(int(allow)), "deny": str(int(deny))}


class Directory:
    """A guild in which everyone sees everything, changed as a test wants it."""

    def __init__(self, *overwrites: dict[str, Any], everyone: int = VIEW) -> None:
        self.guilds: dict[str, dict[str, Any]] = {GUILD: {"id": GUILD, "owner_id": OWNER}}
        self.channels: dict[str, dict[str, Any]] = {
            ROOM: {"id": ROOM, "type": 0, "guild_id": GUILD, "permission_overwrites": list(overwrites)},
        }
        self.listed = [role(GUILD, everyone), role(MODS, 0), role(STAFF, 0)]
        self.members: dict[object, dict[str, Any]] = {MemberNeeded(GUILD, ANN): {"roles": [MODS]}}

    def guild(self, guild_id: str) -> Mapping[str, Any] | None:
        return self.guilds.get(guild_id)

    def place(self, channel_id: str) -> Mapping[str, Any] | None:
        return self.channels.get(channel_id)

    def roles(self, guild_id: str) -> Sequence[Mapping[str, Any]]:
        return self.listed if guild_id == GUILD else ()

    def member(self, need: MemberNeeded | ThreadMemberNeeded) -> Mapping[str, Any] | None:
        return self.members.get(need)

    def thread(self, kind: int = 11, **more: Any) -> Directory:
        self.channels[THREAD] = {"id": THREAD, "type": kind, "guild_id": GUILD, "parent_id": ROOM, **more}
        return self


def seen(
    directory: Directory,
    channel: str = ROOM,
    *,
    sender: SenderFacts | None = None,
    here: Surface = DM,
    user: str = ANN,
    guild: str = GUILD,
) -> Any:
    need = AudienceNeeded(guild, channel, user)
    return can_view(need, directory, sender=sender or SenderFacts(user), here=here)


@pytest.mark.parametrize(
    ("overwrites", "everyone", "expected"),
    [
        ((), VIEW, True),
        ((), 0, False),
        ((), Permission.ADMINISTRATOR, True),
        ((over(GUILD, deny=VIEW),), Permission.ADMINISTRATOR, True),
        ((over(GUILD, deny=VIEW),), VIEW, False),
        ((over(GUILD, allow=VIEW),), 0, True),
        # roles together: an allow beats a deny, whatever the order
        ((over(GUILD, deny=VIEW), over(MODS, allow=VIEW)), VIEW, True),
        ((over(MODS, deny=VIEW),), VIEW, False),
        ((over(MODS, deny=VIEW), over(STAFF, allow=VIEW)), VIEW, False),
        # the member's own overwrite comes last
        ((over(MODS, deny=VIEW), over(ANN, allow=VIEW, member=True)), VIEW, True),
        ((over(MODS, allow=VIEW), over(ANN, deny=VIEW, member=True)), VIEW, False),
        ((over("99", deny=VIEW, member=True),), VIEW, True),
    ],
)
def test_overwrites(overwrites: tuple[dict[str, Any], ...], everyone: int, expected: bool) -> None:
    """3.4, steps 3 to 5."""
    assert seen(Directory(*overwrites, everyone=everyone)) is expected


def test_roles_together_let_the_allow_win() -> None:
    """3.4, step 4."""
    directory = Directory(over(MODS, deny=VIEW), over(STAFF, allow=VIEW))
    directory.members[MemberNeeded(GUILD, ANN)] = {"roles": [MODS, STAFF]}
    assert seen(directory) is True


def test_the_owner_of_the_guild_sees_everything() -> None:
    """3.4, step 3."""
    directory = Directory(over(GUILD, deny=VIEW), everyone=0)
    directory.members[MemberNeeded(GUILD, OWNER)] = {"roles": []}
    assert seen(directory, user=OWNER) is True


def test_who_is_no_member_sees_nothing() -> None:
    """3.4, step 2: 404."""
    directory = Directory()
    directory.members[MemberNeeded(GUILD, ANN)] = {}
    assert seen(directory) is False


def test_who_is_not_known_has_to_be_asked_for() -> None:
    """3.4: in DMs Discord tells nothing of a member."""
    directory = Directory()
    directory.members.clear()
    assert seen(directory) == {MemberNeeded(GUILD, ANN)}


def test_the_event_tells_of_its_own_guild() -> None:
    """3.4: the roles in the event serve, and only for its guild and its sender."""
    directory = Directory(over(GUILD, deny=VIEW), over(STAFF, allow=VIEW))
    directory.members.clear()
    sender = SenderFacts(ANN, roles=(STAFF,))
    assert seen(directory, sender=sender, here=HERE) is True
    assert seen(directory, sender=SenderFacts(ANN, roles=()), here=HERE) is False
    assert seen(directory, sender=SenderFacts(ANN, roles=None), here=HERE) == {MemberNeeded(GUILD, ANN)}
    elsewhere = Surface("channel", "66", guild_id="51")
    assert seen(directory, sender=sender, here=elsewhere) == {MemberNeeded(GUILD, ANN)}


def test_a_channel_of_another_guild_is_no_way_in() -> None:
    """3.4, step 1: the cross-guild spoof guard."""
    directory = Directory()
    directory.guilds["51"] = {"id": "51", "owner_id": ANN}
    directory.members[MemberNeeded("51", ANN)] = {"roles": []}
    assert seen(directory, guild="51") is False
    directory.channels[ROOM]["guild_id"] = None
    assert seen(directory) is False


def test_what_is_not_known_is_closed() -> None:
    """3.4: fail closed."""
    directory = Directory()
    assert seen(directory, guild="52") is False
    assert seen(directory, "99") == {ChannelNeeded("99")}
    directory.listed = []
    assert seen(directory) is False
    directory.members[MemberNeeded(GUILD, ANN)] = {"roles": "broken"}
    assert seen(directory) is False


def test_a_thread_is_seen_with_its_parents_rules() -> None:
    """3.4, step 6: a thread has no overwrites of its own."""
    directory = Directory(over(GUILD, deny=VIEW)).thread()
    assert seen(directory, THREAD) is False
    assert seen(Directory().thread(), THREAD) is True
    orphan = Directory().thread(parent_id="98")
    assert seen(orphan, THREAD) == {ChannelNeeded("98")}
    assert seen(Directory().thread(parent_id=None), THREAD) is False
    foreign = Directory().thread()
    foreign.channels[ROOM]["guild_id"] = "51"
    assert seen(foreign, THREAD) is False


def test_a_private_thread_is_for_its_members() -> None:
    """3.4, step 6."""
    directory = Directory().thread(12)
    asked = ThreadMemberNeeded(THREAD, ANN)
    assert seen(directory, THREAD) == {asked}
    directory.members[asked] = {}
    assert seen(directory, THREAD) is False
    directory.members[asked] = {"user_id": ANN}
    assert seen(directory, THREAD) is True
    moderator = Directory(everyone=VIEW | Permission.MANAGE_THREADS).thread(12)
    assert seen(moderator, THREAD) is True
    inside = Surface("channel", THREAD, guild_id=GUILD, is_thread=True)
    assert seen(Directory().thread(12), THREAD, here=inside, sender=SenderFacts(ANN, roles=())) is True
    hidden = Directory(over(GUILD, deny=VIEW)).thread(12)
    hidden.members[asked] = {"user_id": ANN}
    assert seen(hidden, THREAD) is False


def test_time_outs_play_no_part() -> None:
    """3.4, step 5."""
    directory = Directory()
    directory.members[MemberNeeded(GUILD, ANN)]["communication_disabled_until"] = "2099-01-01T00:00:00+00:00"
    assert seen(directory) is True
