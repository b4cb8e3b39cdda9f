"""Our reactions, and everybody's (``spec/outbound.md`` 7.3, 7.4)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.workers.actions.conftest import Doer
from workers.actions.base import ActionError

CUSTOM = "1234567890"


def ours(doer: Doer, message: str) -> set[str]:
    found = doer.rest.get_message(doer.channel, message).get("reactions") or []
    return {str(one["emoji"]["name"]) for one in found if one["me"]}


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("👍", "👍"), ("❤️", "❤"), (f"<:party_blob:{CUSTOM}>", f"party_blob:{CUSTOM}"),
        (f"<a:wave:{CUSTOM}>", f"wave:{CUSTOM}"), (f"ok:{CUSTOM}", f"ok:{CUSTOM}"),
    ],
)  # fmt: skip
def test_emoji_are_written_in_many_ways(doer: Doer, written: str, asked: str) -> None:
    place = {"target": doer.channel, "messageId": doer.say()}
    assert doer.do("react", emoji=written, **place) == {"ok": True, "added": asked}
    assert doer.do("react", emoji=written, remove=True, **place) == {"ok": True, "removed": asked}
    assert ours(doer, place["messageId"]) == set()


def test_an_empty_emoji_takes_all_of_ours_away(doer: Doer) -> None:
    message = doer.say()
    place: dict[str, Any] = {"target": doer.channel, "messageId": message}
    for emoji in ("👍", "🎉", f"ok:{CUSTOM}"):
        doer.do("react", emoji=emoji, **place)
    doer.control.react(doer.channel, message, "👍", user=doer.owner)
    done = doer.do("react", emoji="", **place)
    assert sorted(done["removed"]) == sorted(["👍", "🎉", f"ok:{CUSTOM}"])
    assert ours(doer, message) == set()
    assert doer.do("reactions", **place)["reactions"][0]["count"] == 1
    for values, said in (({"emoji": "", "remove": True}, "Give the emoji"), ({}, "emoji is missing")):
        with pytest.raises(ActionError, match=said):
            doer.do("react", **place, **values)
    with pytest.raises(ActionError, match="knows no emoji 'thumbsup'"):
        doer.do("react", emoji="thumbsup", **place)


def test_the_message_that_asked_is_meant_where_none_is_named(doer: Doer) -> None:
    """The first message of a thread is in the channel above."""
    message = doer.say("let us talk")
    thread = doer.do("thread-create", target=doer.channel, threadName="T", messageId=message)["thread"]["id"]
    asking = doer.as_member(
        doer.owner, channel_id=str(thread), message_id=message, message_channel_id=doer.channel
    )
    assert asking.do("react", emoji="👀")["added"] == "👀"
    assert ours(doer, message) == {"👀"}


def test_users_are_their_private_messages(doer: Doer) -> None:
    dm = str(doer.control.open_dm(doer.owner)["id"])
    message = str(doer.control.say(dm, "psst", user=doer.owner)["id"])
    for target in (f"user:{doer.owner}", f"<@{doer.owner}>", f"discord:{doer.owner}", f"@{doer.owner}"):
        assert doer.do("react", target=target, messageId=message, emoji="👍")["added"] == "👍"
    with pytest.raises(ActionError, match="Only this conversation"):
        doer.as_member(doer.owner).do("react", target=f"user:{doer.owner}", messageId=message, emoji="👍")
    doer.context.facts.put_dm_channel("default", doer.owner, dm)
    inside = doer.as_member(doer.owner, channel_id=dm, guild_id=None)
    assert inside.do("react", target=f"user:{doer.owner}", messageId=message, emoji="🎉")["added"] == "🎉"
    with pytest.raises(ActionError, match="channel id, not a user"):
        doer.do("reactions", target=f"user:{doer.owner}", messageId=message)
