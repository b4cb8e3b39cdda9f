"""Threads and forum posts as actions (``spec/outbound.md`` 2.6, 2.7; decision 35)."""

from __future__ import annotations

import pytest

from tests.workers.actions.conftest import Doer
from workers.actions.base import ActionError


def test_a_thread_gets_its_first_messages(doer: Doer) -> None:
    done = doer.do(
        "threadCreate", target=doer.channel, threadName="Plan", message="a" * 2500, autoArchiveMin=60
    )
    thread = done["thread"]
    assert (thread["name"], thread["type"], thread["thread_metadata"]["auto_archive_duration"]) == (
        "Plan",
        11,
        60,
    )
    assert done["initialMessageDelivery"]["delivered"] == 2
    said = doer.control.messages(thread["id"], author="bot")
    assert "".join(one["content"] for one in said) == "a" * 2500
    with pytest.raises(ActionError, match="autoArchiveMin must be one of 60, 1440, 4320, 10080"):
        doer.do("thread-create", target=doer.channel, threadName="x", autoArchiveMin=90)


@pytest.mark.parametrize("kind", [0, 15])
def test_threads_are_archived_as_their_channel_has_it(doer: Doer, kind: int) -> None:
    """Discord leaves that to its clients (2.6, 2.7)."""
    place = str(doer.control.add_channel(doer.guild, "slow", type=kind)["id"])
    channel = {"id": place, "type": kind, "guild_id": doer.guild, "default_auto_archive_duration": 10080}
    doer.context.facts.put_channel("default", channel)
    usual = doer.do("thread-create", target=place, threadName="a")["thread"]
    own = doer.do("thread-create", target=place, threadName="b", autoArchiveMin=60)["thread"]
    assert [one["thread_metadata"]["auto_archive_duration"] for one in (usual, own)] == [10080, 60]


def test_a_thread_of_a_message_has_its_id(doer: Doer) -> None:
    message = doer.say("let us talk")
    assert (
        doer.do("thread-create", target=doer.channel, threadName="T", messageId=message)["thread"]["id"]
        == message
    )


def test_a_thread_without_its_message_is_kept_and_said(doer: Doer) -> None:
    doer.control.fault("status", route="POST /channels/{channel_id}/messages", status=403, count=1)
    done = doer.do("thread-create", target=doer.channel, threadName="T", message="hi")
    assert (done["ok"], done["partial"]) == (True, True)
    assert done["initialMessageDelivery"]["delivered"] == 0
    assert "403" in done["initialMessageError"]


def test_forum_posts(doer: Doer) -> None:
    forum = str(doer.control.add_channel(doer.guild, "ideas", type=15)["id"])
    before = len(doer.requests())
    with pytest.raises(ActionError, match="no messages to make a thread of"):
        doer.do("thread-create", target=forum, threadName="x", messageId="123456")
    assert not [line for line in doer.requests()[before:] if line["method"] == "POST"], (
        "refused before asking"
    )
    done = doer.do("thread-create", target=forum, threadName="Idea", message="b" * 2100)
    said = doer.control.messages(done["thread"]["id"], author="bot")
    assert "".join(one["content"] for one in said) == "b" * 2100
    bare = doer.do("thread-create", target=forum, threadName="Only a title")["thread"]
    assert [one["content"] for one in doer.control.messages(bare["id"])] == ["Only a title"]


def test_a_forum_that_wants_tags_says_which(doer: Doer) -> None:
    tag = {"id": "555555", "name": "bug"}
    forum = str(doer.control.add_channel(doer.guild, "bugs", type=15, flags=16, available_tags=[tag])["id"])
    with pytest.raises(ActionError) as refused:
        doer.do("thread-create", target=forum, threadName="x")
    assert "bug (555555)" in refused.value.fix
    post = doer.do("thread-create", target=forum, threadName="x", appliedTags=["555555"])["thread"]
    assert post["applied_tags"] == ["555555"]


def test_lists(doer: Doer) -> None:
    thread = str(doer.do("thread-create", target=doer.channel, threadName="A")["thread"]["id"])
    active = doer.do("threadList", guildId=doer.guild)
    assert [one["id"] for one in active["threads"]] == [thread]
    assert (active["complete"], active["hasMore"], active["returnedCount"]) == (True, False, 1)
    doer.do("channel-edit", channelId=thread, archived=True)
    assert doer.do("thread-list", channelId=doer.channel)["threads"] == []
    old = doer.do("thread-list", channelId=doer.channel, includeArchived=True)
    assert [one["id"] for one in old["threads"]] == [thread]
    assert old["source"] == "archived"
    hidden = doer.as_member(doer.member("ann"), may_read=lambda channel: False)
    other = str(doer.control.add_channel(doer.guild, "other")["id"])
    with pytest.raises(ActionError, match="not allowed"):
        hidden.do("thread-list", channelId=other, includeArchived=True)


def test_private_threads_are_known_to_those_who_may_read_them(doer: Doer) -> None:
    """A thread of the conversation's channel is shown, unless people were asked into it."""
    shown = str(doer.do("thread-create", target=doer.channel, threadName="open")["thread"]["id"])
    made = doer.do("thread-create", target=doer.channel, threadName="secret", type=12)["thread"]
    private = str(made["id"])
    hidden = doer.as_member(doer.member("ann"), may_read=lambda channel: False)
    assert [one["id"] for one in hidden.do("thread-list")["threads"]] == [shown]
    assert hidden.do("channel-info", target=shown)["channel"]["name"] == "open"
    with pytest.raises(ActionError, match="not allowed"):
        hidden.do("channel-info", target=private)
    inside = doer.as_member(doer.member("bob"), may_read=lambda channel: False, channel_id=private)
    assert inside.do("channel-info")["channel"]["name"] == "secret"
    moderator = doer.as_member(doer.member("mo"), may_read=lambda channel: channel == private)
    assert {one["id"] for one in moderator.do("thread-list")["threads"]} == {shown, private}
