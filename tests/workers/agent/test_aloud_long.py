"""Long answers and answers in blocks, read aloud (``messages.tts.summaryModel``, ``mode``; 3.15.7, 4.6)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from config.agents import ModelRef
from config.speech import Speech
from shoal.simulator.models import ModelServer
from shoal.state.steps import Commit, Yield
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import settle
from tests.workers.agent.test_aloud import ask, texts, used, voices
from tests.workers.agent.test_blocks import ANSWER, PARAGRAPHS, SLOW, TOKENS, blocks
from tests.workers.agent.test_streaming import Make, Stage, discord, make_stage
from tests.workers.agent.test_tts import speaker
from workers.agent.context import TurnContext, TurnShutdown
from workers.agent.providers.voices import Voices
from workers.agent.results import TurnDeps
from workers.agent.speech_tags import SpeechTags, take_speech_tags, written
from workers.agent.turn import run_turn

__all__ = ["discord", "make_stage", "used", "voices"]

Start = Callable[..., ModelServer]
LONG = "A long story about fish. " * 9
SMALL = ModelRef("local", "small")


@pytest.fixture(autouse=True)
def as_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recordings stay as they are: how they are converted is tested elsewhere."""
    monkeypatch.setitem(sys.modules, "av", None)


# -- in short --------------------------------------------------------------------------------------


def test_a_long_answer_is_heard_in_short(store: Store, chat_server: Start, used: Any) -> None:
    """People read all of it."""
    server = chat_server([{"text": LONG}, {"text": "**Fish**, in short.", "times": 1}])
    _, [send] = ask(store, used(server, read_chars=60, summary=SMALL))
    assert (send.text, send.spoken) == (LONG.strip(), "Fish, in short.")
    assert texts(server) == ["Fish, in short."]
    asked = [body for body in bodies(server) if "messages" in body][-1]
    assert asked["model"] == "small"
    assert "at most 60 characters" in asked["messages"][0]["content"]
    assert asked["messages"][1]["content"] == LONG.strip()


def test_without_a_model_for_it_the_agents_own_is_asked(store: Store, chat_server: Start, used: Any) -> None:
    server = chat_server([{"text": LONG}, {"text": "Fish, in short."}])
    ask(store, used(server, read_chars=60))
    assert [body["model"] for body in bodies(server) if "messages" in body] == ["m1", "m1"]
    assert texts(server) == ["Fish, in short."]


@pytest.mark.parametrize(
    "rule",
    [{"error": {"status": 400, "message": "no"}}, {"hang": True}, {"text": "NO_REPLY"}, {"text": "```x```"}],
)
def test_where_no_model_says_it_it_is_cut(
    store: Store, chat_server: Start, used: Any, rule: dict[str, Any]
) -> None:
    """There is time left to speak it."""
    server = chat_server([{"text": LONG}, {"times": 1, **rule}])
    _, [send] = ask(store, used(server, read_chars=60, timeout_s=1.5))
    assert texts(server) == ["A long story about fish. A long story about fish."]
    assert len(send.files) == 1


def test_a_summary_that_is_too_long_is_cut_as_well(store: Store, chat_server: Start, used: Any) -> None:
    server = chat_server([{"text": LONG}, {"text": "Too many words about all those fish. " * 3}])
    ask(store, used(server, read_chars=60))
    assert texts(server) == ["Too many words about all those fish."]


# -- in blocks -------------------------------------------------------------------------------------


def speaking(stage: Stage, server: ModelServer, heard: Voices, **speech: Any) -> TurnDeps:
    """An agent that sends blocks and speaks."""
    spoken = Speech(**{"speakers": (speaker(server),), "auto": "always", "timeout_s": 5.0, **speech})
    return replace(blocks(stage, server, speech=spoken), voices=lambda _account: heard)


def sounds(stage: Stage) -> list[int]:
    """How many recordings each message of the bot has."""
    return [len(one["attachments"]) for one in stage.control.messages(stage.channel, author="bot")]


def test_an_answer_in_blocks_is_heard_once_behind_them(
    make_stage: Make, chat_server: Start, voices: Voices
) -> None:
    """Mode ``final``: whole, although most of it is out."""
    stage, server = make_stage(), chat_server([SLOW])
    stage.ask()
    stage.drive(speaking(stage, server, voices))
    assert texts(server) == [ANSWER]
    assert stage.shown() == PARAGRAPHS
    assert sounds(stage) == [0] * 5 + [1]


def test_each_block_is_heard_where_all_is(make_stage: Make, chat_server: Start, voices: Voices) -> None:
    stage, server = make_stage(), chat_server([SLOW])
    stage.ask()
    stage.drive(speaking(stage, server, voices, every=True))
    assert texts(server) == PARAGRAPHS
    assert stage.shown() == PARAGRAPHS
    assert sounds(stage) == [1] * 6


def test_a_service_that_is_down_is_asked_once_in_a_turn(
    make_stage: Make, chat_server: Start, voices: Voices
) -> None:
    """Blocks do not wait for it again and again."""
    stage = make_stage()
    server = chat_server([SLOW, {"speech": True, "times": 9, "error": {"status": 401}}])
    stage.ask()
    stage.drive(speaking(stage, server, voices, every=True))
    assert len(texts(server)) == 1
    assert stage.shown() == PARAGRAPHS
    assert sounds(stage) == [0] * 6


def test_what_is_only_heard_is_heard_once(make_stage: Make, chat_server: Start, voices: Voices) -> None:
    stage = make_stage()
    server = chat_server([{**SLOW, "text": ["[[tts:text]]Hear me, Ann![[/tts:text]]", *TOKENS]}])
    stage.ask()
    stage.drive(speaking(stage, server, voices, every=True))
    assert texts(server) == ["Hear me, Ann!"]
    assert stage.shown() == PARAGRAPHS


def test_who_goes_on_with_an_answer_knows_its_tags(
    make_stage: Make, chat_server: Start, voices: Voices
) -> None:
    """They are not in what is out: the journal keeps them."""
    stage = make_stage()
    tagged = {**SLOW, "text": ["[[tts:voice=ash]]", *TOKENS], "times": 1}
    server = chat_server([tagged, {"text": ANSWER}])
    stage.ask()
    made = speaking(stage, server, voices, auto="tagged")

    class Leaving(TurnContext):
        def progress(self) -> None:
            if stage.shown():
                raise TurnShutdown("leaving")
            super().progress()

    grant = stage.take()
    step = run_turn(grant, made, Leaving())
    assert isinstance(step, Yield)
    settle(stage.store, grant, step)
    assert isinstance(stage.drive(made), Commit)
    assert texts(server) == [ANSWER]
    assert [body["voice"] for body in bodies(server) if "voice" in body] == ["ash"]
    assert stage.shown() == PARAGRAPHS


@pytest.mark.parametrize(
    "tags",
    [
        SpeechTags(),
        SpeechTags(True),
        SpeechTags(True, hidden="Hear me,\n\nAnn!"),
        SpeechTags(True, wishes={"voice": "Ann Lee", "speed": "1.1", "use_speaker_boost": "true"}),
    ],
)
def test_tags_survive_in_a_journal(tags: SpeechTags) -> None:
    assert take_speech_tags(written(tags)) == ("", tags)
