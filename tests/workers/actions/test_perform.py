"""What the person who asked must be allowed to do himself (``spec/outbound.md`` 7.5)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.discord.permissions import Permission
from tests.workers.actions.conftest import Doer
from workers.actions.base import ActionError
from workers.actions.table import ACTIONS

ASKING = sorted(name for name, action in ACTIONS.items() if action.asks is not None)


def arguments(name: str, doer: Doer, target: str) -> dict[str, Any]:
    """Arguments that would be enough."""
    return {
        "userId": target, "roleId": doer.guild, "channelId": doer.channel, "name": "x", "eventName": "x",
        "categoryId": doer.channel, "startTime": "2030-01-01T10:00:00Z", "position": 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", ASKING)
def test_without_the_permission_nothing_is_changed(doer: Doer, name: str) -> None:
    target, plain = doer.member("target"), doer.member("plain")
    with pytest.raises(ActionError, match="Sender does not have required permissions"):
        doer.as_member(plain).do(name, **arguments(name, doer, target))
    assert {line["method"] for line in doer.requests()} <= {"GET"}


def test_every_change_asks_for_the_permission_discord_asks_people_for() -> None:
    """All of them: an action that lost its permission would be missing here."""
    asked = {name: action.asks for name, action in ACTIONS.items() if action.asks is not None}
    channels = ("channel-create", "channel-edit", "channel-delete", "channel-move")
    categories = ("category-create", "category-edit", "category-delete")
    roles = ("role-add", "role-remove", "channel-permission-set", "channel-permission-remove")
    assert asked == {
        "timeout": Permission.MODERATE_MEMBERS, "kick": Permission.KICK_MEMBERS,
        "ban": Permission.BAN_MEMBERS, "event-create": Permission.CREATE_EVENTS,
        **dict.fromkeys(roles, Permission.MANAGE_ROLES),
        **dict.fromkeys((*channels, *categories), Permission.MANAGE_CHANNELS),
        **dict.fromkeys(("pin", "unpin"), Permission.PIN_MESSAGES),
        **dict.fromkeys(("emoji-upload", "sticker-upload"), Permission.CREATE_GUILD_EXPRESSIONS),
    }  # fmt: skip


def test_a_gate_nobody_spoke_of_is_closed(doer: Doer) -> None:
    with pytest.raises(ActionError, match="disabled"):
        doer.do("channel-list", {})


@pytest.mark.parametrize(
    "name", ["read", "fetch-message", "list-pins", "reactions", "permissions", "channel-info"]
)
def test_what_may_not_be_read_is_read_by_no_action(doer: Doer, name: str) -> None:
    """Rule R16: another channel of the same server, which the person cannot see."""
    other = str(doer.control.add_channel(doer.guild, "other")["id"])
    message = str(doer.control.say(other, "secret", user=doer.owner)["id"])
    asking = doer.as_member(doer.member("ann"), may_read=lambda _channel: False)
    with pytest.raises(ActionError, match="not allowed"):
        asking.do(name, target=other, messageId=message)
    if name == "fetch-message":
        link = f"https://discord.com/channels/{doer.guild}/{other}/{message}"
        with pytest.raises(ActionError, match="not allowed"):
            asking.do(name, messageLink=link)


def test_ones_own_message_is_deleted_unless_others_wrote_along(doer: Doer) -> None:
    ann, bob = doer.member("ann"), doer.member("bob")
    first, second = (str(doer.control.say(doer.channel, "x", user=ann)["id"]) for _ in range(2))
    assert doer.as_member(ann).do("delete", messageId=first) == {"ok": True}
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(ann, others=(bob,)).do("delete", messageId=second)


def test_not_everybody_archives_a_thread(doer: Doer) -> None:
    """Opening it again is for all who may write there; closing it is not (7.5)."""
    thread = str(doer.do("thread-create", target=doer.channel, threadName="plan")["thread"]["id"])
    ann = doer.member("ann", Permission.SEND_MESSAGES_IN_THREADS)
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(ann).do("channel-edit", threadId=thread, archived=True)


def test_with_the_permission_it_is_done_to_those_below(doer: Doer) -> None:
    below, mod, above = (
        doer.member("below"),
        doer.member("mod", Permission.KICK_MEMBERS),
        doer.member("above"),
    )
    asking = doer.as_member(mod)
    assert asking.do("kick", userId=below) == {"ok": True}
    peer = doer.member("peer")
    doer.control.edit_member(doer.guild, peer, roles=doer.rest.get_guild_member(doer.guild, mod)["roles"])
    for user in (above, peer):
        with pytest.raises(ActionError, match="not below them"):
            asking.do("kick", userId=user)
    with pytest.raises(ActionError, match="owner of the server"):
        asking.do("kick", userId=doer.owner)
    assert doer.as_member(doer.owner).do("kick", userId=above) == {"ok": True}


def test_roles_are_given_below_the_own_role_only(doer: Doer) -> None:
    target = doer.member("target")
    low = str(doer.control.add_role(doer.guild, "low")["id"])
    mod = doer.member("mod", Permission.MANAGE_ROLES)
    high = str(doer.control.add_role(doer.guild, "high")["id"])
    asking = doer.as_member(mod)
    assert asking.do("role-add", userId=target, roleId=low) == {"ok": True}
    with pytest.raises(ActionError, match="not below their own"):
        asking.do("role-add", userId=target, roleId=high)
    with pytest.raises(ActionError, match="not below their own"):
        asking.do("role-add", userId=mod, roleId=high)


def test_the_own_role_is_not_below_and_neither_is_who_has_a_higher_one(doer: Doer) -> None:
    low = str(doer.control.add_role(doer.guild, "low")["id"])
    below, mod = doer.member("below"), doer.member("mod", Permission.MANAGE_ROLES)
    own = str(doer.rest.get_guild_member(doer.guild, mod)["roles"][0])
    above = doer.member("above")
    asking = doer.as_member(mod)
    with pytest.raises(ActionError, match="not below their own"):
        asking.do("role-add", userId=below, roleId=own)
    for name in ("userId", "user"):
        with pytest.raises(ActionError, match="member who is not below"):
            asking.do("role-add", roleId=low, **{name: above})
    assert asking.do("role-add", userId=mod, roleId=low) == {"ok": True}  # to himself


def test_nobody_borrows_the_powers_of_who_wrote_beside_him(doer: Doer) -> None:
    """Rule R7: everybody who wrote into the turn must be allowed it, whoever of them asked."""
    below, ann = doer.member("below"), doer.member("ann")
    mod = doer.member("mod", Permission.KICK_MEMBERS)
    for asking, other in ((mod, ann), (ann, mod)):
        with pytest.raises(ActionError, match="required permissions"):
            doer.as_member(asking, others=(other,)).do("kick", userId=below)
    assert doer.as_member(mod, others=(mod,)).do("kick", userId=below) == {"ok": True}


def test_who_is_no_member_is_refused(doer: Doer) -> None:
    stranger = str(doer.control.add_user("stranger")["id"])
    with pytest.raises(ActionError, match="trusted Discord sender identity"):
        doer.as_member(stranger).do("ban", userId=doer.member("target"))


def test_permission_in_one_server_changes_nothing_in_another(doer: Doer) -> None:
    """The server asked about is the channel's, whatever guildId the model writes."""
    mod = doer.member("mod", Permission.ADMINISTRATOR)
    bot = doer.simulator.bot_id
    foreign = str(doer.control.add_guild("Other", owner=doer.owner, members=[bot, mod])["id"])
    victim = str(doer.control.add_channel(foreign, "victim")["id"])
    asking = doer.as_member(mod)
    for name, place in (
        ("channel-delete", {"channelId": victim}),
        ("channel-edit", {"target": f"channel:{victim}", "name": "x"}),
        ("category-delete", {"categoryId": victim}),
        ("category-edit", {"categoryId": victim, "name": "x"}),
    ):
        with pytest.raises(ActionError):
            asking.do(name, **place)
        with pytest.raises(ActionError, match="different servers"):
            asking.do(name, guildId=doer.guild, **place)
    assert doer.rest.get_channel(victim)["name"] == "victim"


def test_reads_stay_in_the_server_of_the_conversation(doer: Doer) -> None:
    bot = doer.simulator.bot_id
    foreign = str(doer.control.add_guild("Other", owner=doer.owner, members=[bot])["id"])
    asking = doer.as_member(doer.member("ann"))
    for name in ("channel-list", "role-info", "event-list", "emoji-list", "thread-list"):
        with pytest.raises(ActionError, match="not allowed"):
            asking.do(name, guildId=foreign)
        assert asking.do(name)["ok"] is True
        assert doer.as_member(doer.owner, by_owner=True).do(name, guildId=foreign)["ok"] is True


def test_others_messages_are_deleted_by_those_who_may(doer: Doer) -> None:
    ann, mod = doer.member("ann"), doer.member("mod", Permission.MANAGE_MESSAGES)
    theirs, own = doer.say("theirs"), doer.rest.create_message(doer.channel, content="bot", nonce=None)["id"]
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(ann).do("delete", messageId=theirs)
    assert doer.as_member(ann).do("delete", messageId=own) == {"ok": True}
    assert doer.as_member(mod).do("delete", messageId=theirs) == {"ok": True}


@pytest.mark.parametrize("denied", [Permission.VIEW_CHANNEL, Permission.MANAGE_CHANNELS])
def test_what_a_channel_takes_from_a_moderator_the_bot_does_not_do_for_him(
    doer: Doer, denied: Permission
) -> None:
    mod = doer.member("mod", Permission.MANAGE_CHANNELS)
    kept_out = [{"id": mod, "type": 1, "allow": "0", "deny": str(int(denied))}]
    closed = str(doer.control.add_channel(doer.guild, "closed", overwrites=kept_out)["id"])
    below = doer.do("thread-create", target=closed, threadName="below")["thread"]["id"]
    asking = doer.as_member(mod)
    for name, place in (
        ("channel-edit", {"channelId": closed, "topic": "x"}),
        ("channel-edit", {"threadId": below, "name": "x"}),
        ("channel-delete", {"target": closed}),
        ("category-delete", {"categoryId": closed}),
    ):
        with pytest.raises(ActionError, match="required permissions"):
            asking.do(name, **place)
    assert asking.do("channel-edit", topic="fine")["ok"] is True
    assert doer.as_member(doer.owner).do("channel-delete", channelId=closed)["ok"] is True


@pytest.mark.parametrize(
    ("wanted", "name", "values"),
    [
        (Permission.MANAGE_MESSAGES, "delete", {}),
        (Permission.PIN_MESSAGES, "pin", {}),
        (Permission.MANAGE_THREADS, "channel-edit", {"locked": True}),
        (Permission.SEND_MESSAGES_IN_THREADS, "channel-edit", {"archived": False}),
        (Permission.CREATE_EVENTS, "event-create", {"eventName": "x", "startTime": "2030-01-01T10:00:00Z"}),
    ],
)
def test_overwrites_count_for_all_that_a_channel_can_take(
    doer: Doer, wanted: Permission, name: str, values: dict[str, Any]
) -> None:
    """Allowed in the server and denied in the channel is denied, for others than channels, too."""
    mod = doer.member("mod", wanted)
    denied = [{"id": mod, "type": 1, "allow": "0", "deny": str(int(wanted))}]
    kind = 2 if name == "event-create" else 0
    places = [
        str(doer.control.add_channel(doer.guild, "x", type=kind, overwrites=o)["id"]) for o in (denied, [])
    ]
    closed, opened = ({"channelId": place, **values} for place in places)
    for call, place in zip((closed, opened), places, strict=True):
        if name == "channel-edit":
            call["channelId"] = doer.do("thread-create", target=place, threadName="x")["thread"]["id"]
        elif kind == 0:
            call["messageId"] = str(doer.control.say(place, "theirs", user=doer.owner)["id"])
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(mod, channel_id=places[0]).do(name, **closed)
    assert doer.as_member(mod, channel_id=places[1]).do(name, **opened)["ok"] is True


def test_a_channel_gives_nobody_what_he_may_not_in_the_server(doer: Doer) -> None:
    """Named beside another action, a channel of one's own would open the whole server."""
    ann = doer.member("ann")
    given = [{"id": ann, "type": 1, "allow": str(int(Permission.MANAGE_CHANNELS)), "deny": "0"}]
    hers = str(doer.control.add_channel(doer.guild, "hers", overwrites=given)["id"])
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(ann).do("channel-create", name="x", channelId=hers)
