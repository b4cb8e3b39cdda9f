"""Messages, reactions, pins, search, permissions as actions (``spec/outbound.md`` 7.3, 7.4)."""

from __future__ import annotations

import pytest

from shoal.base.ids import snowflake_ms
from shoal.discord.errors import NotFound
from shoal.discord.permissions import Permission
from tests.workers.actions.conftest import Doer
from workers.actions.base import ActionError


def test_reading_is_newest_first_and_tells_the_time(doer: Doer) -> None:
    first, second = doer.say("one"), doer.say("two")
    done = doer.do("readMessages", target=f"channel:{doer.channel}", limit=2)
    assert done["ok"] is True
    assert done["channelId"] == doer.channel
    assert [one["content"] for one in done["messages"]] == ["two", "one"]
    newest = done["messages"][0]
    assert newest["id"] == second
    assert newest["timestampMs"] == snowflake_ms(second)
    assert newest["timestampUtc"].endswith("Z")
    assert newest["timestamp"]
    older = doer.do("read", target=doer.channel, before=second)["messages"]
    assert [one["id"] for one in older] == [first]
    around = doer.do("read", target=doer.channel, around=first, limit=1)["messages"]
    assert [one["id"] for one in around] == [first]


@pytest.mark.parametrize("limit", [0, 101, "many"])
def test_limits_of_reading_are_named(doer: Doer, limit: object) -> None:
    with pytest.raises(ActionError, match="limit"):
        doer.do("read", target=doer.channel, limit=limit)


def test_a_message_is_fetched_by_link(doer: Doer) -> None:
    message = doer.say("here")
    link = f"https://discord.com/channels/{doer.guild}/{doer.channel}/{message}"
    done = doer.do("fetchMessage", messageLink=link)
    assert (done["messageId"], done["channelId"], done["message"]["content"]) == (
        message,
        doer.channel,
        "here",
    )


def test_own_messages_are_edited_and_deleted(doer: Doer) -> None:
    own = doer.rest.create_message(doer.channel, content="old", nonce=None)["id"]
    done = doer.do("editMessage", target=doer.channel, messageId=own, message="new")
    assert done["message"]["content"] == "new"
    assert doer.do("deleteMessage", target=doer.channel, messageId=own) == {"ok": True}
    with pytest.raises(NotFound) as gone:
        doer.do("delete", target=doer.channel, messageId=own)
    assert gone.value.json_code == 10008
    with pytest.raises(ActionError, match="messageId"):
        doer.do("delete", target=doer.channel)
    with pytest.raises(ActionError, match="channel id, not a user"):
        doer.do("delete", target="user:12345", messageId="12345")


def test_pins(doer: Doer) -> None:
    message = doer.say("keep")
    assert doer.do("pinMessage", target=doer.channel, messageId=message) == {"ok": True}
    pins = doer.do("listPins", target=doer.channel)["pins"]
    assert [pin["message"]["id"] for pin in pins] == [message]
    assert pins[0]["message"]["timestampMs"] == snowflake_ms(message)
    assert doer.do("unpinMessage", target=doer.channel, messageId=message) == {"ok": True}
    assert doer.do("list-pins", target=doer.channel) == {"ok": True, "pins": []}


def test_reactions_name_who_reacted(doer: Doer) -> None:
    message = doer.say()
    doer.control.react(doer.channel, message, "👍", user=doer.owner)
    (reaction,) = doer.do("reactions", target=doer.channel, messageId=message)["reactions"]
    assert reaction["count"] == 1
    assert reaction["emoji"] == {"id": None, "name": "👍", "raw": "👍"}
    assert [user["id"] for user in reaction["users"]] == [doer.owner]


def test_search_finds_by_text_and_channel(doer: Doer) -> None:
    other = str(doer.control.add_channel(doer.guild, "other")["id"])
    found = doer.say("coral news")
    doer.say("nothing")
    doer.control.say(other, "coral too", user=doer.owner)
    results = doer.do("searchMessages", guildId=doer.guild, query="coral")["results"]
    assert results["total_results"] == 2
    only = doer.do("search", guildId=doer.guild, query="coral", channelIds=[doer.channel])["results"]
    assert [[one["id"] for one in group] for group in only["messages"]] == [[found]]
    with pytest.raises(ActionError, match="query"):
        doer.do("search", guildId=doer.guild)


def test_search_shows_only_what_may_be_read(doer: Doer) -> None:
    found = doer.say("coral")
    other = doer.control.add_channel(doer.guild, "other")["id"]
    doer.control.say(other, "coral in secret", user=doer.owner)
    asking = doer.as_member(doer.member("ann"), may_read=lambda channel: False)
    results = asking.do("search", query="coral")["results"]
    assert [[one["id"] for one in group] for group in results["messages"]] == [[found]], "the conversation's"
    assert results["total_results"] == 1, "a count would tell what is said elsewhere"
    assert asking.do("search", query="secret")["results"] == {"total_results": 0, "messages": []}
    with pytest.raises(ActionError, match="Discord read target channel is not allowed"):
        asking.do("read", target=f"channel:{other}")
    assert asking.do("read")["messages"], "the own conversation can always be read"


def test_permissions_are_worked_out(doer: Doer) -> None:
    shown = doer.do("permissions", target=doer.channel)["permissions"]
    assert shown["channelId"] == doer.channel
    assert shown["guildId"] == doer.guild
    assert "SEND_MESSAGES" in shown["permissions"]
    assert shown["permissions"] == sorted(shown["permissions"])
    assert shown["isDm"] is False
    direct = str(doer.rest.create_dm(doer.owner)["id"])
    assert doer.do("permissions", target=direct)["permissions"]["isDm"] is True


def test_writing_stays_in_the_conversation(doer: Doer) -> None:
    """Rule R16: others than owners change nothing elsewhere."""
    other = str(doer.control.add_channel(doer.guild, "other")["id"])
    own = doer.rest.create_message(other, content="old", nonce=None)["id"]
    asking = doer.as_member(doer.member("ann", Permission.ADMINISTRATOR))
    for name, values in (
        ("edit", {"messageId": own, "message": "x"}),
        ("delete", {"messageId": own}),
        ("pin", {"messageId": own}),
        ("thread-create", {"threadName": "x"}),
    ):
        with pytest.raises(ActionError, match="Only this conversation"):
            asking.do(name, target=f"channel:{other}", **values)
