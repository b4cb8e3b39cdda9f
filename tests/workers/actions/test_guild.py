"""Members, roles, channels, emoji, events, moderation, presence as actions (``spec/outbound.md`` 7.3)."""

from __future__ import annotations

import datetime as dt
import json

import pytest

from shoal.discord.errors import DiscordError, NotFound
from tests.workers.actions.conftest import Doer
from workers.actions.base import ActionError

SOON = "2030-01-01T10:00:00+00:00"
LATER = "2030-01-01T12:00:00+00:00"


def test_members_and_roles(doer: Doer) -> None:
    ann = doer.member("ann")
    member = doer.do("memberInfo", guildId=doer.guild, userId=f"<@{ann}>")["member"]
    assert member["user"]["id"] == ann
    doer.context.facts.put_presences("default", doer.guild, {ann: {"status": "idle", "activities": []}})
    seen = doer.do("member-info", guildId=doer.guild, userId=ann)
    assert (seen["status"], seen["activities"]) == ("idle", []), "as the gateway was told"
    roles = doer.do("roleInfo", guildId=doer.guild)["roles"]
    assert {"ann", "bots"} <= {role["name"] for role in roles}
    role = next(role["id"] for role in roles if role["name"] == "bots")
    assert doer.do("roleAdd", guildId=doer.guild, userId=ann, roleId=role) == {"ok": True}
    assert role in doer.rest.get_guild_member(doer.guild, ann)["roles"]
    assert doer.do("roleRemove", guildId=doer.guild, userId=ann, roleId=role, reason="x") == {"ok": True}
    assert role not in doer.rest.get_guild_member(doer.guild, ann)["roles"]
    with pytest.raises(NotFound):
        doer.do("member-info", guildId=doer.guild, userId="123456789")
    with pytest.raises(ActionError, match="guildId is missing"):
        doer.do("member-info", userId=ann)


def test_channels_are_made_changed_moved_and_deleted(doer: Doer) -> None:
    category = doer.do("categoryCreate", guildId=doer.guild, name="Docs")["category"]
    assert category["type"] == 4
    made = doer.do("channelCreate", guildId=doer.guild, name="faq", topic="t")["channel"]
    assert (made["name"], made["topic"]) == ("faq", "t")
    edited = doer.do(
        "channelEdit", channelId=f"channel:{made['id']}", name="help", nsfw=True, rateLimitPerUser=5
    )["channel"]
    assert (edited["name"], edited["nsfw"], edited["rate_limit_per_user"]) == ("help", True, 5)
    moved = doer.do(
        "channelMove", guildId=doer.guild, channelId=made["id"], parentId=category["id"], position=3
    )
    assert moved == {"ok": True}
    assert doer.do("channelInfo", target=made["id"])["channel"]["parent_id"] == category["id"]
    cleared = doer.do("channelEdit", channelId=made["id"], clearParent=True)["channel"]
    assert cleared["parent_id"] is None
    renamed = doer.do("categoryEdit", categoryId=category["id"], name="Papers")["category"]
    assert renamed["name"] == "Papers"
    listed = doer.do("channelList", guildId=doer.guild)["channels"]
    assert {"talk", "help", "Papers"} <= {one["name"] for one in listed}
    assert doer.do("channelDelete", channelId=made["id"]) == {"ok": True, "channelId": made["id"]}
    assert doer.do("categoryDelete", categoryId=category["id"])["channelId"] == category["id"]
    with pytest.raises(ActionError, match="nothing to change"):
        doer.do("channel-edit", channelId=doer.channel)
    with pytest.raises(ActionError, match="channelId is missing"):
        doer.as_member(doer.owner).do("channel-delete")


def test_emoji_and_voice(doer: Doer) -> None:
    assert doer.do("emojiList", guildId=doer.guild) == {"ok": True, "emojis": []}
    absent = doer.do("voiceStatus", guildId=doer.guild, userId=doer.owner)["voice"]
    assert (absent["connected"], absent["absent"]) == (False, True)
    voice = str(doer.control.add_channel(doer.guild, "Lounge", type=2)["id"])
    doer.control.set_voice(doer.guild, doer.owner, voice)
    assert doer.do("voice-status", guildId=doer.guild, userId=doer.owner)["voice"]["channel_id"] == voice


def test_events(doer: Doer) -> None:
    voice = str(doer.control.add_channel(doer.guild, "Lounge", type=2)["id"])
    made = doer.do(
        "eventCreate", guildId=doer.guild, eventName="Meet", startTime=SOON, channelId=voice, desc="All"
    )["event"]
    assert (made["entity_type"], made["privacy_level"], made["channel_id"]) == (2, 2, voice)
    assert made["description"] == "All"
    out = doer.do(
        "event-create", guildId=doer.guild, eventName="Beach", startTime=SOON, endTime=LATER,
        eventType="external", location="Pier 7",
    )["event"]  # fmt: skip
    assert out["entity_metadata"] == {"location": "Pier 7"}
    listed = doer.do("eventList", guildId=doer.guild)["events"]
    assert [one["name"] for one in listed] == ["Meet", "Beach"]
    with pytest.raises(ActionError, match="eventType"):
        doer.do("event-create", guildId=doer.guild, eventName="x", startTime=SOON, eventType="party")
    with pytest.raises(ActionError, match="location"):
        doer.do("event-create", guildId=doer.guild, eventName="x", startTime=SOON, eventType="external")


def test_time_out_kick_and_ban(doer: Doer) -> None:
    ann = doer.member("ann")
    member = doer.do("timeout", guildId=doer.guild, userId=ann, durationMin=5, reason="spam")["member"]
    until = dt.datetime.fromisoformat(member["communication_disabled_until"])
    assert 4 < (until - dt.datetime.now(dt.UTC)).total_seconds() / 60 <= 5
    cleared = doer.do("timeout", guildId=doer.guild, userId=ann)["member"]
    assert cleared["communication_disabled_until"] is None
    assert doer.do("kick", guildId=doer.guild, userId=ann) == {"ok": True}
    with pytest.raises(NotFound):
        doer.rest.get_guild_member(doer.guild, ann)
    assert doer.do("ban", guildId=doer.guild, userId=ann, deleteDays=7) == {"ok": True}
    body = next(line["body"] for line in doer.requests() if "/bans/" in line["path"])
    assert body == {"delete_message_seconds": 604_800}
    with pytest.raises(ActionError, match="deleteDays must be between 0 and 7"):
        doer.do("ban", guildId=doer.guild, userId=ann, deleteDays=8)
    with pytest.raises(DiscordError):
        doer.do("kick", guildId=doer.guild, userId=doer.owner)


def test_presence_goes_to_the_gateway(doer: Doer) -> None:
    done = doer.do("setPresence", status="dnd", activityType="watching", activityName="fish")
    assert done == {"ok": True, "status": "dnd", "activities": [{"name": "fish", "type": 3}]}
    sent = json.loads(doer.commands[0])
    assert sent["op"] == 3
    assert sent["d"]["status"] == "dnd"
    with pytest.raises(ActionError, match="status 'away' is unknown"):
        doer.do("set-presence", status="away")
    stated = doer.do("set-presence", activityType="playing", activityName="chess", activityState="move 12")
    assert stated["activities"] == [{"name": "chess", "type": 0, "state": "move 12"}]
    own = doer.do("set-presence", activityState="at lunch")
    assert own["activities"] == [{"name": "Custom Status", "type": 4, "state": "at lunch"}]
    with pytest.raises(ActionError, match="activityName is missing"):
        doer.do("set-presence", activityType="playing")
    with pytest.raises(ActionError, match="activityUrl"):
        doer.do("set-presence", activityType="streaming", activityName="x")


def test_presence_is_for_owners(doer: Doer) -> None:
    """It is seen in every server: not even who rules this one may change it."""
    with pytest.raises(ActionError, match="Only an owner of the bot"):
        doer.as_member(doer.owner).do("set-presence", status="dnd")
    assert doer.commands == []
    assert doer.as_member(doer.member("ann"), by_owner=True).do("set-presence", status="dnd")["ok"] is True
    assert len(doer.commands) == 1
