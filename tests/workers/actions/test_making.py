"""What an interrupted try made is found, not made again (promise 4, rule R1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shoal.discord.errors import NotFound
from tests.workers.actions.conftest import Doer, Files
from tests.workers.actions.test_expressions import PNG, SOON

Made = tuple[str, dict[str, Any], str]


def making(doer: Doer, files: Files) -> list[Made]:
    """Every action that makes something: name, arguments, key of the thing."""
    media, server = files.put("a.png", PNG), {"guildId": doer.guild}
    forum = str(doer.control.add_channel(doer.guild, "ideas", type=15)["id"])
    return [
        ("emoji-upload", {**server, "emojiName": "blob", "media": media}, "emoji"),
        ("sticker-upload", {**server, "stickerName": "wave", "stickerTags": "x", "media": media}, "sticker"),
        ("event-create", {**server, "eventName": "Beach", "startTime": SOON, "eventType": "external",
                          "endTime": "2030-02-01", "location": "Pier"}, "event"),
        ("channel-create", {**server, "name": "faq"}, "channel"),
        ("category-create", {**server, "name": "Docs"}, "category"),
        ("thread-create", {"target": doer.channel, "threadName": "Plan", "message": "b" * 2500}, "thread"),
        ("thread-create", {"target": doer.channel, "threadName": "Of it", "messageId": doer.say(),
                           "message": "hi"}, "thread"),
        ("thread-create", {"target": forum, "threadName": "Idea", "message": "c" * 2500}, "thread"),
    ]  # fmt: skip


def posts(doer: Doer) -> int:
    return sum(line["method"] == "POST" and line["status"] < 300 for line in doer.requests())


def test_begun_by_a_worker_that_died(doer: Doer, files: Files) -> None:
    """Done, but nobody kept the answer: the next worker finds it by name, maker and time."""
    for name, values, key in making(doer, files):
        first = doer.do(name, **values)
        made = posts(doer)
        doer.context = replace(doer.context, again=True)
        second = doer.do(name, **values)
        doer.context = replace(doer.context, again=False)
        assert second[key]["id"] == first[key]["id"], name
        assert posts(doer) == made, name
        assert second.get("initialMessageDelivery") == first.get("initialMessageDelivery")


def test_begun_but_never_done(doer: Doer, files: Files) -> None:
    doer.context = replace(doer.context, again=True)
    for name, values, key in making(doer, files):
        assert doer.do(name, **values)[key]["id"], name


def test_an_answer_that_was_lost(doer: Doer, files: Files) -> None:
    routes = {
        "emoji-upload": "POST /guilds/{guild_id}/emojis",
        "sticker-upload": "POST /guilds/{guild_id}/stickers",
        "event-create": "POST /guilds/{guild_id}/scheduled-events",
        "channel-create": "POST /guilds/{guild_id}/channels",
        "category-create": "POST /guilds/{guild_id}/channels",
    }  # fmt: skip
    for name, values, key in making(doer, files):
        route = routes.get(name, "POST /channels/{channel_id}/threads")
        if "messageId" in values:
            route = "POST /channels/{channel_id}/messages/{message_id}/threads"
        doer.control.fault("drop_answer", route=route, count=1)
        assert doer.do(name, **values)[key]["id"], name
        told = [line for line in doer.requests() if line["route"] == route and line["status"] in (200, 201)]
        assert len(told) == len({line["answer"]["id"] for line in told})
    assert len(doer.rest.get_guild_channels(doer.guild)) == 4  # talk, ideas, faq, Docs


def test_an_older_one_of_that_name_is_another(doer: Doer, files: Files) -> None:
    first = doer.do("channel-create", guildId=doer.guild, name="faq")["channel"]["id"]
    doer.context = replace(doer.context, again=True, born_ms=(int(first) >> 22) + 1_420_070_400_000 + 600_000)
    assert doer.do("channel-create", guildId=doer.guild, name="faq")["channel"]["id"] != first


@pytest.mark.parametrize("again", [True, False])
def test_what_is_gone_was_deleted_by_the_try_before(doer: Doer, again: bool) -> None:
    user, message = doer.member("ann"), doer.rest.create_message(doer.channel, content="x", nonce=None)["id"]
    channel = str(doer.control.add_channel(doer.guild, "old")["id"])
    calls: list[tuple[str, dict[str, Any]]] = [
        ("kick", {"guildId": doer.guild, "userId": user}),
        ("delete", {"target": doer.channel, "messageId": message}),
        ("channel-delete", {"channelId": channel}),
    ]
    for name, values in calls:
        doer.do(name, **values)
    doer.context = replace(doer.context, again=again)
    for name, values in calls:
        do: Callable[[], Any] = lambda name=name, values=values: doer.do(name, **values)  # noqa: E731
        if again:
            assert do()["ok"] is True
        else:
            with pytest.raises(NotFound):
                do()
