"""Sends to other places: whether, how marked, and many at once (``spec/outbound.md`` 7.5; decision 37)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeGuard

import msgspec
import pytest

from config.schema.tools import MessageTool as Section
from shoal.base.errors import RequestError
from shoal.simulator.models import ModelServer
from shoal.state.effects import Effect, Push
from shoal.state.store import Store
from tests.workers.agent.support.turns import deliver, request
from tests.workers.components.conftest import fits as fits
from workers.agent.context import TurnContext
from workers.agent.tools.broadcast import MOST_TARGETS, is_broadcast
from workers.agent.tools.crossing import MessageRules
from workers.agent.tools.message import MessageTool
from workers.agent.tools.registry import ToolContext, ToolError, ToolResult, Wait
from workers.components.encode import DEFAULT_ACCENT
from workers.components.sending import ComponentSettings
from workers.delivery.outgoing import Raw, keep_file
from workers.delivery.records import KIND, SendFile, SendRequest, decode_send
from workers.sessions.records import TurnRequest

Start = Callable[..., ModelServer]
HERE, THERE, FORUM = "777", "88888", "99999"


def rules(**written: Any) -> MessageRules:
    return MessageRules.of(Section.model_validate(written))


@pytest.fixture
def place(store: Store) -> Store:
    """A guild with two channels and a forum."""
    for channel, kind in ((HERE, 0), (THERE, 0), (FORUM, 15), ("66666", 0)):
        store.facts.put_channel("default", {"id": channel, "type": kind, "name": f"c{channel}"}, "9")
    store.facts.put_channel("default", {"id": "55555", "type": 0}, "8")
    return store


class Turn:
    """A turn that calls the tool."""

    def __init__(self, store: Store, wanted: MessageRules, turn: TurnRequest | None = None) -> None:
        def load(
            _turn: TurnRequest, source: str, *, filename: str, check: Callable[[], None], voice: bool = False
        ) -> SendFile:
            assert not voice
            del check
            return keep_file(store.blobs.put, Raw(b"x", source, "text/plain"), filename=filename)

        self.tool = MessageTool(
            components=lambda _account: ComponentSettings(), rules=lambda _request: wanted, load=load
        )
        self.request = turn or request(authority="owner")
        self.context = ToolContext(self.request, "msg:default:1", "t1", store, TurnContext())

    def call(self, **arguments: Any) -> Wait | ToolResult:
        return self.tool.run(arguments, self.context)

    def send(self, **arguments: Any) -> SendRequest:
        """The one send of a call."""
        [send] = self.sends(**arguments)
        return send

    def sends(self, **arguments: Any) -> list[SendRequest]:
        done = self.call(**arguments)
        assert isinstance(done, Wait), done
        return pushed(done.effects)


def _is_send(effect: Effect) -> TypeGuard[Push]:
    return isinstance(effect, Push) and effect.record.kind == KIND


def pushed(effects: Any) -> list[SendRequest]:
    found: list[Effect] = list(effects)
    return [decode_send(effect.record.body) for effect in found if _is_send(effect)]


# -- whether ----------------------------------------------------------------------------------------


def test_by_default_other_channels_may_be_written_to_and_other_networks_not(place: Store) -> None:
    turn = Turn(place, rules())
    assert turn.send(message="x", target=f"channel:{THERE}").channel_id == THERE
    with pytest.raises(ToolError, match="allowAcrossProviders"):
        turn.call(message="x", channel="telegram", target="5")
    with pytest.raises(ToolError, match="serves Discord only"):
        Turn(place, rules(crossContext={"allowAcrossProviders": True})).call(message="x", channel="telegram")
    assert turn.send(message="x", channel="Discord").channel_id == HERE


def test_it_can_be_switched_off(place: Store) -> None:
    turn = Turn(place, rules(crossContext={"allowWithinProvider": False}))
    for action in ("send", "poll", "sticker", "upload-file", "reply"):
        with pytest.raises(ToolError, match="allowWithinProvider"):
            turn.call(
                action=action, message="x", target=THERE, pollQuestion="?" if action == "poll" else None,
                pollOption=["a", "b"] if action == "poll" else None, media="a.txt", stickerId=["1"],
            )  # fmt: skip
    assert turn.send(message="x").channel_id == HERE


def test_a_thread_elsewhere_is_another_place_too(place: Store) -> None:
    turn = Turn(place, rules(crossContext={"allowWithinProvider": False}))
    with pytest.raises(ToolError, match="allowWithinProvider"):
        turn.call(action="thread-create", threadName="x", target=THERE)
    with pytest.raises(ToolError, match="no action"):  # here it could be made, if this tool had actions
        turn.call(action="thread-create", threadName="x", target=HERE)


def test_only_these_actions_where_that_is_written(place: Store) -> None:
    """``tools.message.actions.allow``, by any of an action's names."""
    turn = Turn(place, rules(actions={"allow": ["sendMessage", "upload-file"]}))
    offered = turn.tool.spec(turn.request).parameters["properties"]["action"]["enum"]  # type: ignore[index]
    assert offered == ["send", "upload-file"]
    assert turn.send(message="x")
    with pytest.raises(ToolError, match="no action 'poll'"):
        turn.call(action="poll", pollQuestion="?", pollOption=["a", "b"])


# -- the mark ---------------------------------------------------------------------------------------


def test_a_message_from_elsewhere_is_a_card_that_says_where_from(place: Store, fits: Any) -> None:
    send = Turn(place, rules()).send(message="News!", target=THERE)
    assert send.flags == 1 << 15
    [box] = send.components
    words, line, note = box["components"]
    assert (words["content"], line["type"], note["content"]) == ("News!", 14, f"-# From <#{HERE}>")
    assert box["accent_color"] == DEFAULT_ACCENT
    assert fits("MessageCreateRequest", {"flags": send.flags, "components": list(send.components)}) == []


def test_what_stays_here_has_no_mark(place: Store) -> None:
    for target in (None, "current", HERE):
        send = Turn(place, rules()).send(message="News!", target=target)
        assert (send.text, send.components, send.flags) == ("News!", (), 0)


def test_the_mark_can_be_switched_off(place: Store) -> None:
    send = Turn(place, rules(crossContext={"marker": {"enabled": False}})).send(message="x", target=THERE)
    assert (send.text, send.components) == ("x", ())


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ({"prefix": "[via {channel}] "}, f"[via <#{HERE}>] hi"),
        ({"suffix": " — from {channel}"}, f"hi — from <#{HERE}>"),
        ({"prefix": "(", "suffix": ")"}, "(hi)"),
        ({"prefix": ""}, "hi"),
    ],
)
def test_words_of_the_operator_stand_for_the_card(place: Store, marker: dict[str, str], text: str) -> None:
    send = Turn(place, rules(crossContext={"marker": marker})).send(message="hi", target=THERE)
    assert (send.text, send.components) == (text, ())


@pytest.mark.parametrize(
    "more",
    [
        {"media": "a.txt"},
        {"action": "poll", "pollQuestion": "?", "pollOption": ["a", "b"]},
        {"action": "sticker", "stickerId": ["1"]},
        {"embeds": [{"title": "x"}]},
        {"target": FORUM},
        {"message": "hi " * 2000},
    ],
)
def test_where_no_card_can_be_words_say_it(place: Store, more: dict[str, Any]) -> None:
    send = Turn(place, rules()).send(**{"message": "hi", "target": THERE, **more})
    assert send.text.startswith(f"[from <#{HERE}>] hi")
    assert not send.flags


def test_components_get_a_line_at_their_end(place: Store, fits: Any) -> None:
    card = {"title": "T", "blocks": [{"type": "buttons", "buttons": [{"label": "Go"}]}]}
    for more in ({"presentation": card}, {"components": [{"type": 10, "content": "raw"}]}):
        send = Turn(place, rules()).send(target=THERE, **more)
        last = send.components[-1]
        note = last["components"][-1] if last["type"] == 17 else last
        assert note == {"type": 10, "content": f"-# From <#{HERE}>"}
        assert fits("MessageCreateRequest", {"flags": send.flags, "components": list(send.components)}) == []
    full = {"blocks": [{"type": "separator"}] * 39}
    with pytest.raises(ToolError, match="leave no room"):
        Turn(place, rules()).call(target=THERE, components=full)


def test_a_direct_message_is_not_named(place: Store) -> None:
    owner = request(authority="owner", guild_id=None, chat_type="direct")
    with pytest.raises(ToolError, match="Only this conversation"):
        Turn(place, rules(), owner).call(message="x", target=THERE)


def test_another_bot_account_is_refused(place: Store) -> None:
    """``accountId`` (7.1): a conversation has one bot."""
    assert Turn(place, rules()).send(message="x", accountId="Default").text == "x"
    for action in ("send", "react"):
        with pytest.raises(ToolError, match="Here the bot account default speaks"):
            Turn(place, rules()).call(action=action, message="x", accountId="other")


# -- dryRun ------------------------------------------------------------------------------------------


def test_a_send_that_is_only_shown_is_not_sent(place: Store) -> None:
    """``dryRun`` (7.1) is a parameter of every action."""
    done = Turn(place, rules()).call(message="look", dryRun=True, components={"blocks": [ROW]}, media="a.txt")
    assert isinstance(done, ToolResult)
    told = json.loads(done.text)
    assert (told["ok"], told["dryRun"], told["request"]["channelId"]) == (True, True, HERE)
    assert (told["request"]["message"], told["request"]["files"]) == ("look", ["a.txt"])
    assert done.sent == ()
    with pytest.raises(ToolError, match="is empty"):
        Turn(place, rules()).call(message=" ", dryRun=True)


def test_a_broadcast_that_is_only_shown_goes_nowhere(place: Store) -> None:
    done = Turn(place, rules()).call(action="broadcast", message="x", targets=[THERE, "5"], dryRun="true")
    assert isinstance(done, ToolResult)
    first, second = json.loads(done.text)["results"]
    assert (first["dryRun"], first["request"]["channelId"]) == (True, THERE)
    assert second["ok"] is False


# -- presentation and files -------------------------------------------------------------------------


def test_a_presentation_is_sent_with_its_controls(place: Store) -> None:
    card = {"title": "T", "blocks": [{"type": "buttons", "buttons": [{"label": "Go", "value": "go"}]}]}
    done = Turn(place, rules()).call(message="lead", presentation=card)
    assert isinstance(done, Wait)
    [send] = pushed(done.effects)
    assert send.controls is not None
    assert len(send.controls.controls) == 1
    assert [one["type"] for one in send.components[0]["components"]] == [10, 10, 1]
    with pytest.raises(ToolError, match="not both"):
        Turn(place, rules()).call(presentation=card, components={"text": "x"})
    with pytest.raises(RequestError, match=r"presentation.blocks\[0\].type"):
        Turn(place, rules()).call(presentation={"blocks": [{"type": "x"}]})


def test_a_presentation_too_large_is_sent_as_text(place: Store) -> None:
    send = Turn(place, rules()).send(presentation={"blocks": [{"type": "text", "text": "x" * 2500}]})
    assert (send.text, send.flags, send.components) == ("x" * 2500, 0, ())


ROW = {"type": "actions", "buttons": [{"label": "Go"}]}


def test_a_file_without_a_block_is_shown_at_the_end(place: Store) -> None:
    """``spec/outbound.md`` 5.2: the block is added, named as the file is."""
    turn = Turn(place, rules())
    send = turn.send(message="x", media="a.txt", components={"blocks": [ROW]})
    assert send.components[0]["components"][-1] == {"type": 13, "file": {"url": "attachment://a.txt"}}
    named = turn.send(message="x", media="a.txt", filename="b.txt", components={"blocks": [ROW]})
    assert named.components[0]["components"][-1]["file"]["url"] == "attachment://b.txt"
    assert named.files[0].filename == "b.txt"
    shown = {"type": "file", "file": "attachment://c.txt"}
    own = turn.send(media="a.txt", components={"blocks": [ROW, shown]})
    assert [one["type"] for one in own.components[0]["components"]].count(13) == 1
    assert own.files[0].filename == "c.txt"
    picture = {"type": "media-gallery", "items": [{"url": "attachment://d.png"}]}
    gallery = turn.send(media="a.txt", components={"blocks": [picture]})
    assert ([one["type"] for one in gallery.components[0]["components"]], gallery.files[0].filename) == (
        [12],
        "d.png",
    )


def test_a_file_with_mere_words_needs_no_container(place: Store) -> None:
    send = Turn(place, rules()).send(
        media="a.txt", components={"text": "a", "blocks": [{"type": "text", "text": "b"}]}
    )
    assert (send.text, send.components, send.flags) == ("a\n\nb", (), 0)


FILLER = {"type": "separator"}
GALLERY = {
    "type": "media-gallery",
    "items": [
        {"url": "attachment://one.png"},
        {"url": "attachment://two.png"},
        {"url": "https://x.org/c.png"},
    ],
}


def shown(send: SendRequest) -> list[str]:
    """Addresses of all that the components show, in order."""
    return re.findall(r'"url": ?"([^"]*)"', json.dumps(send.components))


def test_several_files_go_with_a_gallery(place: Store) -> None:
    """002: "for several files use media-gallery". They are known by their names, the others in order."""
    send = Turn(place, rules()).send(components={"blocks": [GALLERY]}, media=["x/two.png", "y/photo.png"])
    assert [file.filename for file in send.files] == ["two.png", "one.png"]
    assert shown(send) == ["attachment://one.png", "attachment://two.png", "https://x.org/c.png"]


def test_the_agent_is_told_what_was_not_understood_of_its_components(place: Store) -> None:
    row = {"type": "actions", "buttons": [{"label": "Go", "allowedUsers": ["ann"]}]}
    done = Turn(place, rules()).call(components={"blocks": [row], "colour": "red"})
    assert isinstance(done, Wait)
    warning = json.loads(done.state)["warning"]
    assert "unknown, and left out: components.colour" in warning
    assert "allowedUsers has names (ann)" in warning


def test_files_that_no_block_shows_stand_below(place: Store) -> None:
    """Discord shows nothing of a file that no component names; two of one name are two files."""
    send = Turn(place, rules()).send(
        components={"blocks": [GALLERY, ROW]},
        media=["one.png", "two.png", "a/log.txt", "b/log.txt"],
    )
    assert [file.filename for file in send.files] == ["one.png", "two.png", "log.txt", "log-2.txt"]
    assert shown(send)[3:] == ["attachment://log.txt", "attachment://log-2.txt"]


@pytest.mark.parametrize(("named", "called"), [("my plan.txt", "my_plan.txt"), ("plan", "plan")])
def test_a_name_that_discord_does_not_take_is_changed_in_both_places(
    place: Store, named: str, called: str
) -> None:
    block = {"type": "file", "file": f"attachment://{named}"}
    send = Turn(place, rules()).send(components={"blocks": [block]}, media="a.txt")
    assert send.files[0].filename.startswith(called)
    assert shown(send) == [f"attachment://{send.files[0].filename}"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"components": {"blocks": [{"type": "file", "file": "attachment://a"}]}}, "there is no media"),
        ({"components": {"blocks": [FILLER] * 39}, "media": "a"}, "makes 41 components with its files"),
        (
            {"components": {"blocks": [GALLERY]}, "media": ["a.png"]},
            "show attachment://two.png, and there is no media for it",
        ),
        (
            {
                "components": {"blocks": [{"type": "file", "file": "attachment://a"}]},
                "media": "a",
                "filename": "b",
            },
            "set filename to 'a'",
        ),
        ({"components": {"blocks": [ROW]}, "pollQuestion": "?", "pollOption": ["a", "b"]}, "neither a poll"),
        ({"presentation": {"title": "x"}, "stickerId": ["1"]}, "neither a poll nor stickers"),
        (
            {"components": {"blocks": [{"type": "text", "text": "x" * 3000}]}, "message": "y" * 1001},
            "4001 characters",
        ),
    ],
)
def test_files_and_components_that_do_not_go_together(place: Store, arguments: Any, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        Turn(place, rules()).call(**arguments)


# -- broadcast --------------------------------------------------------------------------------------


def finish(turn: Turn, wait: Wait | ToolResult) -> ToolResult:
    while isinstance(wait, Wait):
        assert is_broadcast(wait.state)
        wait = turn.tool.resume(wait.state, turn.context)
    return wait


def begin(turn: Turn, store: Store, **arguments: Any) -> Wait | ToolResult:
    """The call, and what its checkpoint writes."""
    done = turn.call(action="broadcast", **arguments)
    if isinstance(done, Wait):
        for effect in done.effects:
            if isinstance(effect, Push):
                store.lanes.push(effect.lane, effect.record)
    return done


def test_each_place_has_a_send_and_a_line_of_its_own(place: Store) -> None:
    turn = Turn(place, rules())
    waiting = begin(turn, place, message="All hands", targets=[THERE, "66666", "current"])
    assert isinstance(waiting, Wait)
    sends = pushed(waiting.effects)
    assert [(one.channel_id, one.identity) for one in sends] == [
        (THERE, "msg:default:1.t1.0"), ("66666", "msg:default:1.t1.1"), (HERE, "msg:default:1.t1.2"),
    ]  # fmt: skip
    assert [bool(one.flags) for one in sends] == [True, True, False]  # marked elsewhere, plain at home
    for channel in (THERE, "66666", HERE):
        deliver(place, lane=f"delivery:default:{channel}")
    result = finish(turn, waiting)
    told = msgspec.json.decode(result.text)
    assert told["ok"] is True
    assert [(line["target"], line["result"]["channelId"]) for line in told["results"]] == [
        (THERE, THERE), ("66666", "66666"), ("current", HERE),
    ]  # fmt: skip
    assert [sent.channel_id for sent in result.sent] == [THERE, "66666", HERE]


def test_a_place_that_fails_takes_no_other_with_it(place: Store) -> None:
    turn = Turn(place, rules())
    waiting = begin(turn, place, message="x", targets=f"{THERE}, 55555 nowhere {THERE} channel:{THERE}")
    assert isinstance(waiting, Wait)
    assert [send.channel_id for send in pushed(waiting.effects)] == [THERE]
    deliver(place, lane=f"delivery:default:{THERE}")
    result = finish(turn, waiting)
    told = msgspec.json.decode(result.text)
    assert (told["ok"], told["error"], result.error) == (False, "3 of 4 targets failed.", False)
    assert [line["ok"] for line in told["results"]] == [True, False, False, False]
    assert "not in this server" in told["results"][1]["error"]
    assert "named before" in told["results"][3]["error"]


def test_where_nothing_can_be_sent_that_is_an_error(place: Store) -> None:
    done = begin(Turn(place, rules()), place, message="x", targets=["55555"])
    assert isinstance(done, ToolResult)
    assert done.error


def test_broadcast_can_be_switched_off_and_has_bounds(place: Store) -> None:
    off = Turn(place, rules(broadcast={"enabled": False}))
    assert "broadcast" not in str(off.tool.spec(off.request).parameters)
    with pytest.raises(ToolError, match="no action"):
        off.call(action="broadcast", message="x", targets=[THERE])
    turn = Turn(place, rules())
    with pytest.raises(ToolError, match=f"at most {MOST_TARGETS}"):
        turn.call(action="broadcast", message="x", targets=[str(10000 + n) for n in range(21)])
    with pytest.raises(ToolError, match="targets is missing"):
        turn.call(action="broadcast", message="x")
    only_here = Turn(place, rules(crossContext={"allowWithinProvider": False}))
    done = only_here.call(action="broadcast", message="x", targets=[THERE])
    assert isinstance(done, ToolResult)
    assert "allowWithinProvider" in done.text


def test_one_text_for_many_places_is_bounded(place: Store) -> None:
    channels = [str(20000 + number) for number in range(20)]
    for channel in channels:
        place.facts.put_channel("default", {"id": channel, "type": 0}, "9")
    with pytest.raises(ToolError, match="too much"):
        Turn(place, rules()).call(action="broadcast", message="x" * 20_000, targets=channels)
