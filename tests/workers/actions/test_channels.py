"""Overwrites of channels, threads as channels, what may be known of them (``spec/outbound.md`` 7.3, 7.5)."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.discord.errors import NotFound
from shoal.discord.permissions import Permission
from tests.workers.actions.conftest import Doer
from workers.actions.base import ActionError

P = Permission
MOD = P.MANAGE_ROLES | P.MANAGE_CHANNELS | P.SEND_MESSAGES


def overwrites(doer: Doer) -> dict[str, tuple[int, int, int]]:
    found = doer.rest.get_channel(doer.channel)["permission_overwrites"]
    return {str(one["id"]): (one["type"], int(one["allow"]), int(one["deny"])) for one in found}


def test_overwrites_are_set_and_removed(doer: Doer) -> None:
    ann = doer.member("ann")
    values = {"channelId": doer.channel, "targetId": ann, "targetType": "member"}
    assert doer.do("channelPermissionSet", allow="2048", deny="MANAGE_MESSAGES", **values) == {"ok": True}
    assert overwrites(doer) == {ann: (1, int(P.SEND_MESSAGES), int(P.MANAGE_MESSAGES))}
    assert doer.do("channelPermissionRemove", channelId=doer.channel, targetId=ann) == {"ok": True}
    assert overwrites(doer) == {}
    with pytest.raises(NotFound):
        doer.do("channel-permission-remove", channelId=doer.channel, targetId=ann)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"targetType": "group"}, "targetType 'group' is unknown"),
        ({"allow": "FLY"}, "'FLY' is no permission"),
        ({"allow": str(1 << 60)}, "is no permission"),
        ({"allow": "2048", "deny": "SEND_MESSAGES"}, "allowed and denied at once"),
        ({"targetId": "@everyone"}, "is no id"),
    ],
)
def test_wrong_overwrites_are_refused(doer: Doer, values: dict[str, Any], said: str) -> None:
    with pytest.raises(ActionError, match=said):
        doer.do("channel-permission-set", **{"channelId": doer.channel, "targetId": doer.guild, **values})
    assert overwrites(doer) == {}


def test_nobody_hands_on_what_he_does_not_have(doer: Doer) -> None:
    below, mod = doer.member("below"), doer.member("mod", MOD)
    high = str(doer.control.add_role(doer.guild, "high")["id"])
    asking = doer.as_member(mod)
    values = {"channelId": doer.channel, "targetId": below, "targetType": "member"}
    assert asking.do("channel-permission-set", allow=str(int(P.SEND_MESSAGES)), **values)["ok"]
    for bits in ({"allow": "KICK_MEMBERS"}, {"deny": "BAN_MEMBERS"}):
        with pytest.raises(ActionError, match="required permissions"):
            asking.do("channel-permission-set", **values, **bits)
    with pytest.raises(ActionError, match="not below their own"):
        asking.do("channel-permission-set", channelId=doer.channel, targetId=high, allow="2048")
    with pytest.raises(ActionError, match="owner of the server"):
        asking.do("channel-permission-set", channelId=doer.channel, targetId=doer.owner, targetType="member")
    doer.do("channel-permission-set", deny="KICK_MEMBERS", **values)
    with pytest.raises(ActionError, match="required permissions"):
        asking.do("channel-permission-remove", **values)
    with pytest.raises(ActionError, match="required permissions"):  # it would be replaced: denied no more
        asking.do("channel-permission-set", allow="SEND_MESSAGES", **values)
    assert overwrites(doer)[below] == (1, 0, int(P.KICK_MEMBERS))


def test_an_overwrite_asks_for_all_it_takes_away_and_for_channels(doer: Doer) -> None:
    """What it allowed is given up when it is replaced or taken away; both change the channel (7.5)."""
    below, mod = doer.member("below"), doer.member("mod", MOD)
    roles = doer.member("roles", P.MANAGE_ROLES | P.SEND_MESSAGES)
    values = {"channelId": doer.channel, "targetId": below, "targetType": "member"}
    changes = (("channel-permission-set", {"allow": "SEND_MESSAGES"}), ("channel-permission-remove", {}))
    for held, asking in (("KICK_MEMBERS", mod), ("SEND_MESSAGES", roles)):
        doer.do("channel-permission-set", allow=held, **values)
        for name, bits in changes:
            with pytest.raises(ActionError, match="required permissions"):
                doer.as_member(asking).do(name, **values, **bits)
        assert overwrites(doer)[below] == (1, int(P[held]), 0)
    assert doer.as_member(mod).do("channel-permission-remove", **values)["ok"] is True


def test_whoever_stands_above_is_found_however_the_overwrite_is_called(doer: Doer) -> None:
    mod, above = doer.member("mod", MOD), doer.member("above")
    asking, values = doer.as_member(mod), {"channelId": doer.channel, "targetId": above}
    doer.do("channel-permission-set", deny="SEND_MESSAGES", targetType="member", **values)
    for kind, said in (
        (None, "overwrite of a member"),
        ("role", "overwrite of a member"),
        ("member", "below"),
    ):
        for name in ("channel-permission-remove", "channel-permission-set"):
            with pytest.raises(ActionError, match=said):
                asking.do(name, targetType=kind, **values)
    assert overwrites(doer)[above] == (1, 0, int(P.SEND_MESSAGES))


def test_threads_are_changed_by_those_who_manage_threads(doer: Doer) -> None:
    thread = str(doer.do("thread-create", target=doer.channel, threadName="plan")["thread"]["id"])
    channels, threads = doer.member("channels", P.MANAGE_CHANNELS), doer.member("threads", P.MANAGE_THREADS)
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(channels).do("channel-edit", threadId=thread, name="x")
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(threads).do("channel-edit", channelId=doer.channel, topic="x")
    edited = doer.as_member(threads).do("channel-edit", threadId=thread, name="x", archived=True)["channel"]
    assert (edited["name"], edited["thread_metadata"]["archived"]) == ("x", True)
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(channels).do("channel-delete", channelId=thread)
    assert doer.as_member(threads).do("channel-delete", channelId=thread)["channelId"] == thread


def test_everybody_opens_a_thread_again_that_is_not_locked(doer: Doer) -> None:
    """Whoever may write there may (7.5)."""
    thread = str(doer.do("thread-create", target=doer.channel, threadName="plan")["thread"]["id"])
    doer.do("channel-edit", channelId=thread, archived=True)
    ann = doer.as_member(doer.member("ann"))
    opened = doer.control.edit_channel  # as a moderator's client does it
    assert ann.do("channel-edit", threadId=thread, archived=False)["channel"]["id"] == thread
    opened(thread, archived=True, locked=True)
    for values in ({"archived": False}, {"archived": False, "name": "x"}, {"archived": True}):
        with pytest.raises(ActionError, match="required permissions"):
            ann.do("channel-edit", threadId=thread, **values)


def test_who_opened_a_thread_renames_it(doer: Doer) -> None:
    ann = doer.member("ann")
    thread = str(doer.control.create_thread(doer.channel, "plan", user=ann)["id"])
    assert doer.as_member(ann).do("channel-edit", threadId=thread, name="new")["channel"]["name"] == "new"
    for values in ({"locked": True}, {"rateLimitPerUser": 5}):
        with pytest.raises(ActionError, match="required permissions"):
            doer.as_member(ann).do("channel-edit", threadId=thread, **values)
    other = doer.member("other")
    with pytest.raises(ActionError, match="required permissions"):
        doer.as_member(ann, others=(other,)).do("channel-edit", threadId=thread, name="borrowed")


def test_of_channels_he_may_not_read_nobody_is_told(doer: Doer) -> None:
    category = str(doer.do("category-create", guildId=doer.guild, name="Staff")["category"]["id"])
    hidden = str(doer.control.add_channel(doer.guild, "hidden", parent=category)["id"])
    shown = str(doer.control.add_channel(doer.guild, "shown", parent=category)["id"])
    asking = doer.as_member(doer.member("ann"), may_read=lambda channel: channel == shown)
    listed = {one["name"] for one in asking.do("channel-list")["channels"]}
    assert listed == {"talk", "shown", "Staff"}
    for name in ("channel-info", "permissions"):
        assert asking.do(name, target=shown)["ok"] is True
        with pytest.raises(ActionError, match="not allowed"):
            asking.do(name, target=hidden)
    owner = doer.as_member(doer.member("boss"), by_owner=True, may_read=lambda channel: False)
    assert "hidden" in {one["name"] for one in owner.do("channel-list")["channels"]}


def test_a_category_is_a_category(doer: Doer) -> None:
    for name, values in (("category-edit", {"name": "x"}), ("category-delete", {})):
        with pytest.raises(ActionError, match="is no category"):
            doer.do(name, categoryId=doer.channel, **values)
        with pytest.raises(ActionError, match="categoryId is missing"):
            doer.do(name, guildId=doer.guild, **values)
    assert doer.rest.get_channel(doer.channel)["name"] == "talk"


def test_words_of_models_reach_discord_as_what_they_mean(doer: Doer) -> None:
    """Models write numbers and booleans as text; Discord takes neither."""
    edited = doer.do(
        "channel-edit", channelId=doer.channel, nsfw="true", rateLimitPerUser="5", topic="hi", position="1"
    )["channel"]
    assert (edited["nsfw"], edited["rate_limit_per_user"], edited["topic"]) == (True, 5, "hi")
    assert doer.do("channel-edit", channelId=doer.channel, topic="")["channel"]["topic"] in ("", None)
    with pytest.raises(ActionError, match="rateLimitPerUser must be between 0 and 21600"):
        doer.do("channel-edit", channelId=doer.channel, rateLimitPerUser=99_999)
    with pytest.raises(ActionError, match="nowhere to move it"):
        doer.do("channel-move", channelId=doer.channel)
