"""``shoal message send`` beside a fleet: its own record in the delivery lane (``spec/outbound.md`` 10)."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from config import load
from shoal.base.errors import ProcessError, RequestError, ShoalError
from shoal.cli.channels.capabilities import of_channel
from shoal.cli.message.broadcast import broadcast, failure_of, lines_of
from shoal.cli.message.run import Operator
from shoal.cli.message.sending import send
from shoal.discord.errors import NotFound
from shoal.state.personas import Persona
from tests.workers.delivery.conftest import PostOffice, discord, post
from tests.workers.media.support.sounds import recording
from workers.components.custom_ids import group_of, parse_control
from workers.components.entries import ControlEntry, decode_entry
from workers.sessions.said import words_waiting

__all__ = ["discord", "post"]


@pytest.fixture
def who(post: PostOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.setenv("DISCORD_BOT_TOKEN", post.simulator.token)
    loaded = load(None, state_dir=tmp_path)
    return Operator(loaded, loaded.account("default"), post.rest, post.store)


def work_soon(post: PostOffice) -> threading.Timer:
    """A worker that comes a moment later."""

    def work() -> None:
        lane = f"delivery:default:{post.channel}"
        ends = time.monotonic() + 10
        while not post.store.lanes.depth(lane) and time.monotonic() < ends:
            time.sleep(0.05)
        while post.store.lanes.depth(lane):
            post.work()

    timer = threading.Timer(0.3, work)
    timer.start()
    return timer


def test_the_receipts_of_the_lane_are_waited_for(post: PostOffice, who: Operator) -> None:
    timer = work_soon(post)
    values = {"target": f"channel:{post.channel}", "message": r"one\ntwo"}
    result = send(values, who, 10.0)["result"]
    timer.join()
    (seen,) = post.control.messages(post.channel, author="bot")
    assert seen["content"] == "one\ntwo"
    assert result == {"messageId": seen["id"], "messageIds": [seen["id"]], "channelId": post.channel}


def test_without_a_worker_it_is_said_to_be_queued(post: PostOffice, who: Operator) -> None:
    done = send({"target": post.channel, "message": "later"}, who, 0.2)
    assert (done["queued"], done["result"]) == (True, {"channelId": post.channel})
    post.work()
    assert post.sent() == ["later"]


def test_a_refused_message_is_an_error(post: PostOffice, who: Operator) -> None:
    refused = {"message": "Missing Permissions", "code": 50013}
    post.control.fault(
        "status", route="POST /channels/{channel_id}/messages", status=403, body=refused, count=50
    )
    timer = work_soon(post)
    with pytest.raises(ProcessError, match="was not sent"):
        send({"target": post.channel, "message": "x"}, who, 10.0)
    timer.join()


def test_files_and_posts_go_through_the_lane(post: PostOffice, who: Operator, tmp_path: Path) -> None:
    """Their bytes wait in the store, so a worker on any host can send them (rule R25)."""
    (tmp_path / "a.txt").write_text("notes")
    post.channel = str(post.control.add_channel(post.simulator.guild_id, "ideas", type=15)["id"])
    timer = work_soon(post)
    values = {
        "target": post.channel,
        "message": "Title\nbody",
        "media": [str(tmp_path / "a.txt")],
        "pin": True,
    }
    done = send(values, who, 10.0)
    timer.join()
    thread = done["thread"]["id"]
    said = post.control.messages(thread, author="bot")
    assert [one["content"] for one in said] == ["Title\nbody", ""]
    assert [file["filename"] for file in said[1]["attachments"]] == ["a.txt"]
    assert done["result"]["channelId"] == thread
    assert (done["pinned"], "Pin Messages" in done["warning"]) == (False, True), (
        "it has no permission for that"
    )


def test_what_is_still_queued_is_not_pinned_and_that_is_said(post: PostOffice, who: Operator) -> None:
    done = send({"target": post.channel, "message": "later", "pin": True}, who, 0.2)
    assert (done["queued"], done["pinned"]) == (True, False)
    assert "not sent yet" in done["warning"]


def test_a_message_nobody_knows_of_is_not_called_unsent(post: PostOffice, who: Operator) -> None:
    """Promise 4: the answer is lost, and the channel cannot be read."""
    hidden = {"id": post.simulator.bot_id, "type": 1, "allow": "0", "deny": str(1 << 16)}
    post.control.edit_channel(post.channel, overwrites=[hidden])
    post.control.fault("drop_answer", route="POST /channels/{channel_id}/messages")

    def work() -> None:
        post.work()
        post.clock.advance(30)
        while post.store.lanes.depth(f"delivery:default:{post.channel}"):
            post.work()

    timer = threading.Timer(0.3, work)
    timer.start()
    with pytest.raises(ProcessError, match="may have been sent"):
        send({"target": post.channel, "message": "x"}, who, 10.0)
    timer.join()
    assert post.sent() == ["x"]


def sound(folder: Path) -> str:
    """A recording of 1.2 seconds."""
    path = folder / "a.mp3"
    path.write_bytes(recording("mp3", seconds=1.2))
    return str(path)


@pytest.mark.parametrize("fleet", [True, False])
def test_a_file_goes_as_a_voice_message(post: PostOffice, who: Operator, tmp_path: Path, fleet: bool) -> None:
    """``--as-voice``, beside a fleet and without one (3.15)."""
    who = who if fleet else Operator(who.loaded, who.account, who.rest, None)
    values = {"target": post.channel, "media": sound(tmp_path), "asVoice": True, "silent": True}
    timer = work_soon(post) if fleet else None
    done = send(values, who, 20.0)
    if timer is not None:
        timer.join()
    [seen] = post.control.messages(post.channel, author="bot")
    [file] = seen["attachments"]
    assert (seen["flags"], file["duration_secs"]) == (12288, pytest.approx(1.2, rel=0.01))
    assert (done["voiceMessage"], done["result"]["messageId"]) == (True, seen["id"])


@pytest.mark.parametrize("fleet", [True, False])
def test_a_recording_that_is_refused_as_voice_goes_as_a_file(
    post: PostOffice, who: Operator, tmp_path: Path, fleet: bool
) -> None:
    """Beside a fleet and without one the operator is told of it (3.15); what else is refused ends there."""
    who = who if fleet else Operator(who.loaded, who.account, who.rest, None)
    values = {"target": post.channel, "media": sound(tmp_path), "asVoice": True}
    slot = "POST /channels/{channel_id}/attachments"
    post.control.fault("status", route=slot, status=403, body={"code": 50173, "message": "no"})
    timer = work_soon(post) if fleet else None
    done = send(dict(values), who, 20.0)
    if timer is not None:
        timer.join()
    [seen] = post.control.messages(post.channel, author="bot")
    assert (seen["flags"], len(seen["attachments"])) == (0, 1)
    assert (done["voiceMessage"], done["result"]["messageIds"]) == (False, [seen["id"]])
    assert done["warning"].startswith("Not sent as a voice message but as file: ")
    if not fleet:
        post.control.fault("status", route=slot, status=404, body={"code": 10003, "message": "gone"})
        with pytest.raises(NotFound):
            send(dict(values), who, 20.0)
        assert len(post.control.messages(post.channel, author="bot")) == 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "require a media file reference"),
        ({"media": "https://e.example/a.mp3"}, "URLs are refused"),
        ({"media": "/nowhere/a.mp3"}, "no file"),
        ({"media": __file__}, r"\(step open\)"),
        ({"media": __file__, "message": "hi"}, "cannot include text content"),
    ],
)
def test_what_is_no_voice_message_is_said_at_once(
    post: PostOffice, who: Operator, values: dict[str, str], said: str
) -> None:
    with pytest.raises(ShoalError, match=said):
        send({"target": post.channel, "asVoice": True, **values}, who, 1.0)


CARD = {
    "title": "Deploy",
    "blocks": [{"type": "buttons", "buttons": [{"label": "Ship", "value": "ship it"}]}],
}


def test_a_card_goes_with_its_buttons_which_are_remembered_first(post: PostOffice, who: Operator) -> None:
    """Clicks on it are the channel's agent's."""
    store = post.store
    channel = post.rest.get_channel(post.channel)
    store.facts.put_channel("default", channel, post.simulator.guild_id)
    timer = work_soon(post)
    send({"target": post.channel, "message": "lead", "presentation": json.dumps(CARD)}, who, 10.0)
    timer.join()
    [seen] = post.control.messages(post.channel, author="bot")
    lead, title, row = seen["components"][0]["components"]
    assert (lead["content"], title["content"]) == ("lead", "### Deploy")
    control = parse_control(row["components"][0]["custom_id"])
    assert control is not None
    raw = store.controls.look("default", str(group_of(control.component)), control.component)
    assert raw is not None
    entry = decode_entry(raw)
    assert isinstance(entry, ControlEntry)
    assert (entry.label, entry.callback) == ("Ship", "ship it")
    assert (entry.session_key, entry.agent_id) == (f"agent:main:discord:channel:{post.channel}", "main")


def test_a_card_without_a_fleet_may_have_links_only(post: PostOffice, who: Operator) -> None:
    alone = Operator(who.loaded, who.account, who.rest, None)
    with pytest.raises(ProcessError, match="Nobody would answer"):
        send({"target": post.channel, "presentation": json.dumps(CARD)}, alone, 1.0)
    links = {"blocks": [{"type": "buttons", "buttons": [{"label": "Log", "url": "https://example.org"}]}]}
    send({"target": post.channel, "presentation": json.dumps(links)}, alone, 1.0)
    [seen] = post.control.messages(post.channel, author="bot")
    assert seen["components"][0]["components"][0]["components"][0]["label"] == "Log"
    with pytest.raises(RequestError, match=r"presentation.blocks\[0\].type must be one of"):
        send({"target": post.channel, "presentation": '{"blocks": [{"type": "x"}]}'}, alone, 1.0)


def test_a_card_with_files_and_with_a_mistake(post: PostOffice, who: Operator, tmp_path: Path) -> None:
    """Two files of one name stand below it; what has no meaning is told."""
    (tmp_path / "a").mkdir()
    for place in (tmp_path / "log.txt", tmp_path / "a" / "log.txt"):
        place.write_text(str(place))
    card = {"title": "Logs", "colour": "red", "blocks": [{"type": "text", "text": "of today"}]}
    timer = work_soon(post)
    media = [str(tmp_path / "log.txt"), str(tmp_path / "a" / "log.txt")]
    done = send({"target": post.channel, "media": media, "presentation": json.dumps(card)}, who, 10.0)
    timer.join()
    assert done["warning"] == "unknown, and left out: presentation.colour"
    [seen] = post.control.messages(post.channel, author="bot")
    assert [one["filename"] for one in seen["attachments"]] == ["log.txt", "log-2.txt"]
    assert [one["type"] for one in seen["components"][0]["components"]] == [10, 10, 13, 13]


def test_a_card_too_large_is_sent_as_text_and_one_for_a_forum_refused(
    post: PostOffice, who: Operator
) -> None:
    timer = work_soon(post)
    long = {"blocks": [{"type": "text", "text": "x" * 2500}]}
    sent = send({"target": post.channel, "presentation": json.dumps(long)}, who, 10.0)["result"]
    timer.join()
    assert (len(sent["messageIds"]), "".join(post.sent())) == (2, "x" * 2500)
    forum = str(post.control.add_channel(post.simulator.guild_id, "cards", type=15)["id"])
    with pytest.raises(ProcessError, match="not supported in forum"):
        send({"target": forum, "presentation": '{"title": "x"}'}, who, 1.0)


def test_a_card_shows_its_file(post: PostOffice, who: Operator, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    timer = work_soon(post)
    values = {"target": post.channel, "media": [str(tmp_path / "a.txt")], "presentation": '{"title": "T"}'}
    send(values, who, 10.0)
    timer.join()
    [seen] = post.control.messages(post.channel, author="bot")
    assert [one["filename"] for one in seen["attachments"]] == ["a.txt"]
    assert [part["type"] for part in seen["components"][0]["components"]] == [10, 13]


# -- broadcast --------------------------------------------------------------------------------------


def test_each_target_is_sent_and_told_on_its_own(post: PostOffice, who: Operator) -> None:
    other = str(post.control.add_channel(post.simulator.guild_id, "other-place")["id"])
    timer = work_soon(post)
    result = broadcast(
        {"targets": [post.channel, "channel:1,#nowhere-at-all", post.channel], "message": "hi"}, who, 5.0
    )
    timer.join()
    assert [(one["target"], one["ok"]) for one in result["results"]] == [
        (post.channel, True), ("channel:1", False), ("#nowhere-at-all", False),
    ]  # fmt: skip
    assert result["ok"] is False
    assert post.sent() == ["hi"]
    first, second, third = lines_of(result)
    assert first.startswith(f"{post.channel}: sent message ")
    assert second.startswith("channel:1: failed: ")
    assert "was not found" in third
    failure = failure_of(result)
    assert failure is not None
    assert ("2 of 3 targets failed" in failure.message, failure.exit_code) == (True, 1)
    alone = Operator(who.loaded, who.account, who.rest, None)
    good = broadcast({"targets": [f"{post.channel} {other}"], "message": "to both"}, alone, 5.0)
    assert (good["ok"], failure_of(good)) == (True, None)


def test_broadcast_obeys_its_switch(post: PostOffice, tmp_path: Path, who: Operator) -> None:
    (tmp_path / "shoal.json").write_text("{tools: {message: {broadcast: {enabled: false}}}}")
    loaded = load(tmp_path / "shoal.json", state_dir=tmp_path)
    off = Operator(loaded, who.account, post.rest, None)
    with pytest.raises(ProcessError, match="switched off"):
        broadcast({"targets": [post.channel], "message": "x"}, off, 1.0)
    with pytest.raises(ProcessError, match="needs targets"):
        broadcast({"targets": [" , "], "message": "x"}, who, 1.0)


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        ("main", "agent:main:main"),
        ("per-channel-peer", "agent:main:discord:direct:{user}"),
        ("per-account-channel-peer", "agent:main:discord:default:direct:{user}"),
    ],
)
def test_the_agent_of_the_place_knows_what_was_sent_in_its_name(
    post: PostOffice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scope: str, key: str
) -> None:
    """2.5: private messages by ``session.dmScope``; a channel or thread is a conversation of its own."""
    monkeypatch.setenv("DISCORD_BOT_TOKEN", post.simulator.token)
    bindings = [
        {"agentId": "ops", "match": {"channel": "discord", "peer": {"kind": "channel", "id": "PLACE"}}}
    ]
    text = json.dumps({
        "session": {"dmScope": scope}, "agents": {"list": [{"id": "main", "default": True}, {"id": "ops"}]},
        "bindings": bindings, "channels": {"discord": {"enabled": True}},
    }).replace("PLACE", post.channel)  # fmt: skip
    (tmp_path / "shoal.json").write_text(text)
    loaded = load(None, state_dir=tmp_path)
    who = Operator(loaded, loaded.account("default"), post.rest, post.store)
    user = post.control.add_user("ann", guilds=[post.simulator.guild_id])["id"]
    for target, wanted in (
        (f"channel:{post.channel}", f"agent:ops:discord:channel:{post.channel}"),
        (f"user:{user}", key.format(user=user)),
    ):
        done = send({"target": target, "message": f"to {target}"}, who, 0.0)
        post.channel = done["result"]["channelId"]
        assert words_waiting(post.store.sessions, wanted) == ()  # it is not out yet
        post.work()
        [told] = words_waiting(post.store.sessions, wanted)
        assert told.text == f"to {target}"


def test_a_post_is_known_in_its_own_thread(post: PostOffice, who: Operator) -> None:
    """2.5, 2.6: nobody talks in a forum itself."""
    post.channel = str(post.control.add_channel(post.simulator.guild_id, "ideas", type=15)["id"])
    timer = work_soon(post)
    done = send({"target": post.channel, "message": "Title\nbody"}, who, 10.0)
    timer.join()
    [told] = words_waiting(post.store.sessions, f"agent:main:discord:channel:{done['thread']['id']}")
    assert told.text == "Title\nbody"


def test_a_bound_channel_tells_whether_webhooks_can_be_made(post: PostOffice, who: Operator) -> None:
    """3.14: ``shoal channels capabilities`` asks for Manage Webhooks only where an agent is bound."""
    assert "personas" not in of_channel(who, post.channel)["missing"]
    post.store.personas.bind("default", "601", Persona(post.channel, "scout"))
    assert of_channel(who, post.channel)["missing"]["personas"] == ["Manage Webhooks"]
    allow = [{"id": post.simulator.guild_id, "type": 0, "allow": str(1 << 29), "deny": "0"}]
    made = post.control.add_channel(post.simulator.guild_id, "open", permission_overwrites=allow)
    post.store.personas.bind("default", made["id"], Persona(made["id"], "scout"))
    assert of_channel(who, made["id"])["missing"]["personas"] == []
