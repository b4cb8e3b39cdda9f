"""What the message tool sends besides text; ``MEDIA:`` lines of answers (``spec/outbound.md`` 3.7-3.13)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shoal.base.errors import RequestError
from shoal.simulator.models import ModelServer
from shoal.state.store import Store
from tests.workers.agent.support.files import Used, call, rules, told, with_files
from tests.workers.agent.support.turns import request
from tests.workers.components.conftest import fits as fits
from workers.actions.extras import read_extras
from workers.agent.context import TurnContext
from workers.agent.directives import take_directives
from workers.agent.sanitize import clean_answer
from workers.agent.tools.acting import DiscordActions
from workers.agent.tools.message import MessageTool
from workers.agent.tools.registry import ToolContext
from workers.delivery.records import SendRequest
from workers.delivery.render import DeliverySettings, message_fields, plan_of

Start = Callable[..., ModelServer]
OPEN = {"messages": True, "polls": True, "stickers": True}
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)


def no_context(*_: Any) -> Any:
    raise AssertionError("nothing is done here")


@pytest.fixture
def used(store: Store, tmp_path: Path) -> Used:
    """Turn dependencies whose agent has a workspace with files."""
    work = tmp_path / "workspace"
    work.mkdir()
    for name in ("a.png", "b.png"):
        (work / name).write_bytes(PNG)
    (work / "big.bin").write_bytes(bytes(2048))
    return with_files(store, work, tmp_path / "state", most_bytes=1024)


@pytest.mark.parametrize("name", ["media", "path", "filePath"])
def test_a_file_goes_along(store: Store, chat_server: Start, used: Any, name: str) -> None:
    sent = call(store, chat_server(rules(message="see", filename="graph.png", **{name: "a.png"})), used)
    [send] = [one for one in sent if one.files]
    [file] = send.files
    assert (send.text, file.filename, file.content_type) == ("see", "graph.png", "image/png")
    assert store.blobs.get(file.blob) == PNG


def test_several_files_and_no_text(store: Store, chat_server: Start, used: Any) -> None:
    sent = call(store, chat_server(rules(media=["a.png", "b.png", "a.png"])), used)
    assert [file.filename for file in sent[0].files] == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"media": "big.bin"}, "exceeds the"),
        ({"media": "/etc/passwd"}, "cannot be used"),
        ({"media": "gone.png"}, "cannot be used (missing)"),
        ({"media": 5}, "must be a path or URL"),
        ({"media": [f"{n}.png" for n in range(11)]}, "at most 10"),
        ({"stickerId": []}, "At least one sticker id is required"),
        ({"stickerId": ["1", "2", "3", "4"]}, "up to 3 stickers per message"),
        ({"stickerId": ["wave"]}, "no sticker id"),
        ({"pollQuestion": "?", "pollOption": ["one"]}, "2 to 10 answers"),
        ({"pollQuestion": "?", "pollOption": [str(n) for n in range(11)]}, "2 to 10 answers"),
        ({"pollOption": ["a", "b"]}, "pollQuestion is missing"),
        ({"pollQuestion": "?", "pollOption": ["a", "b"], "pollDurationHours": 769}, "from 1 to 768"),
        ({"pollQuestion": "?", "pollOption": ["a", "b"], "pollDurationHours": 0}, "from 1 to 768"),
        ({"pollQuestion": "?", "pollOption": ["a", "b"], "durationSeconds": 5}, "use pollDurationHours"),
        ({"embeds": "x"}, "list of objects"),
    ],
)
def test_wrong_arguments_say_what_is_wrong(
    store: Store, chat_server: Start, used: Any, arguments: dict[str, Any], said: str
) -> None:
    server = chat_server(rules(message="x", **arguments))
    assert call(store, server, used) == []
    assert said in told(server)


def test_a_file_block_names_the_file(store: Store, chat_server: Start, used: Any) -> None:
    spec = {"text": "see", "blocks": [{"type": "file", "file": "attachment://report.png"}]}
    [send] = call(store, chat_server(rules(media="a.png", components=spec)), used)
    assert [file.filename for file in send.files] == ["report.png"]


def fields(send: SendRequest) -> dict[str, Any]:
    settings = DeliverySettings()
    return message_fields(send, settings, plan_of(send, settings), 0)


def test_words_of_models_mean_what_they_say() -> None:
    """Numbers and booleans come as text as well; "false" is not true."""
    args = {"pollQuestion": "?", "pollOption": ["a", "b"], "pollMulti": "false", "pollDurationHours": "2"}
    extras = read_extras({**args, "silent": "false", "suppressEmbeds": "true"})
    assert extras.poll is not None
    assert (extras.poll["allow_multiselect"], extras.poll["duration"]) == (False, 2)
    assert (extras.silent, extras.suppress_embeds) == (False, True)


def test_a_poll(store: Store, chat_server: Start, used: Any, fits: Any) -> None:
    arguments = {"pollQuestion": "Lunch?", "pollOption": ["Soup", "Rice"], "pollMulti": True}
    [send] = call(store, chat_server(rules(action="poll", pollDurationHours=768, **arguments)), used)
    body = fields(send)
    assert fits("MessageCreateRequest", body) == []
    assert body["poll"] == {
        "question": {"text": "Lunch?"},
        "answers": [{"poll_media": {"text": "Soup"}}, {"poll_media": {"text": "Rice"}}],
        "duration": 768,
        "allow_multiselect": True,
        "layout_type": 1,
    }


def test_a_poll_lasts_a_day_if_nothing_is_said(store: Store, chat_server: Start, used: Any) -> None:
    [send] = call(store, chat_server(rules(pollQuestion="?", pollOption=["a", "b"])), used)
    assert send.poll is not None
    assert (send.poll["duration"], send.poll["allow_multiselect"]) == (24, False)


def test_stickers_embeds_and_quiet(store: Store, chat_server: Start, used: Any, fits: Any) -> None:
    wanted = {"stickerId": ["123456", "234567"], "embeds": [{"title": "T"}], "silent": True}
    [send] = call(store, chat_server(rules(suppressEmbeds=False, **wanted)), used)
    body = fields(send)
    assert fits("MessageCreateRequest", body) == []
    assert (body["sticker_ids"], body["embeds"], body["flags"]) == (
        ["123456", "234567"],
        [{"title": "T"}],
        4096,
    )
    assert send.suppress_embeds is False


def test_embeds_give_way_to_components(store: Store, chat_server: Start, used: Any) -> None:
    """Decision 33."""
    spec = {"text": "x", "blocks": [{"type": "text", "text": "y"}]}
    server = chat_server(rules(components=spec, embeds=[{"title": "T"}]))
    [send] = call(store, server, used)
    assert send.embeds == ()
    assert "embeds were left out" in told(server)


@pytest.mark.parametrize(
    ("closed", "arguments", "said"),
    [
        ("messages", {"message": "x"}, "Discord message sends are disabled."),
        ("polls", {"pollQuestion": "?", "pollOption": ["a", "b"]}, "Discord polls are disabled."),
        ("stickers", {"stickerId": "1"}, "Discord stickers are disabled."),
    ],
)
def test_a_closed_gate_is_named(store: Store, closed: str, arguments: dict[str, Any], said: str) -> None:
    tool = MessageTool(acting=DiscordActions(lambda _account: {**OPEN, closed: False}, no_context))
    context = ToolContext(request(), "c", "s", store, TurnContext())
    with pytest.raises(RequestError, match=said):
        tool.run({"action": "send", **arguments}, context)


# -- answers --------------------------------------------------------------------------------------


def test_an_answer_with_files(store: Store, chat_server: Start, used: Any) -> None:
    [send] = call(store, chat_server([{"text": "Here it is.\nMEDIA:a.png\nMEDIA: b.png\n"}]), used)
    assert send.text == "Here it is."
    assert [file.filename for file in send.files] == ["a.png", "b.png"]


def test_an_answer_that_is_only_a_file(store: Store, chat_server: Start, used: Any) -> None:
    [send] = call(store, chat_server([{"text": "NO_REPLY\nMEDIA:a.png"}]), used)
    assert (send.text, [file.filename for file in send.files]) == ("", ["a.png"])


def test_people_read_why_a_file_is_missing(store: Store, chat_server: Start, used: Any) -> None:
    [send] = call(store, chat_server([{"text": "Two.\nMEDIA:a.png\nMEDIA:/etc/passwd"}]), used)
    assert [file.filename for file in send.files] == ["a.png"]
    assert send.text == "Two.\n\n[Attachment passwd skipped: This file cannot be used (system)]"


@pytest.mark.parametrize(
    ("text", "left", "media", "voice"),
    [
        ("MEDIA:a.png", "", ("a.png",), False),
        ('x\n  MEDIA: "/w/my file.png"  \ny', "x\ny", ("/w/my file.png",), False),
        ("MEDIA:<https://e.example/a?b=c>", "", ("https://e.example/a?b=c",), False),
        ("MEDIA:a.png\nMEDIA:a.png", "", ("a.png",), False),
        ("[[audio_as_voice]]\nMEDIA:a.ogg", "\n", ("a.ogg",), True),
        ("MEDIA: the press wrote", "MEDIA: the press wrote", (), False),
        ("MEDIA:nothing", "MEDIA:nothing", (), False),
        ("say `MEDIA:a.png`", "say `MEDIA:a.png`", (), False),
        ("```\nMEDIA:a.png\n```", "```\nMEDIA:a.png\n```", (), False),
        ("a MEDIA:a.png", "a MEDIA:a.png", (), False),
    ],
)
def test_directives(text: str, left: str, media: tuple[str, ...], voice: bool) -> None:
    found = take_directives(text)
    assert (found.text, found.media, found.voice) == (left, media, voice)


def test_a_thought_sends_no_file() -> None:
    assert clean_answer("<think>MEDIA:a.png</think>ok").media == ()
