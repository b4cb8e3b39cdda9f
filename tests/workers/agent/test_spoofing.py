"""Nothing that people write leaves its place in the prompt, and nothing of the prompt is echoed.

Attacks go in where Discord lets people write: as events through admission, in every field with words in
it. What comes out is read by a parser that shares no code with the fleet (``support/prompts.py``).
Spec: inbound 6.4 to 6.8; rules R16.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from config.agents import ModelRef
from shoal.simulator.models import ModelServer
from shoal.state.effects import Effect, Push, SystemEvent, Transcript
from shoal.state.store import Store
from tests.quick import examples
from tests.workers.agent.support.attacks import ATTACKS, DISGUISES, generated
from tests.workers.agent.support.places import PARENT, PLACES, Case, case
from tests.workers.agent.support.prompts import imitations, leaks, parse, strings, swallowed
from tests.workers.agent.support.turns import LANE, deliver, deps, record, request, turn
from tests.workers.sessions.helpers import (
    CHANNEL,
    GUILD,
    NOW,
    View,
    event,
)
from workers.agent.envelope import EnvelopeOptions
from workers.agent.profile import AgentProfile
from workers.agent.prompt import Surroundings, system_prompt, user_text
from workers.agent.sanitize import clean_answer
from workers.agent.transcript import Line, history_messages
from workers.media.files import MediaFile
from workers.media.notes import spoken
from workers.sessions.admission.arrival import arrive
from workers.sessions.admission.message import settle
from workers.sessions.history import HistoryEntry, Pending
from workers.sessions.records import KIND, TurnRequest, decode_turn
from workers.sessions.system_events import QueuedEvent, event_lines, queue_event
from workers.sessions.wire import read_message

PROFILE = AgentProfile("main", "Shoal", envelope=EnvelopeOptions("UTC"), system_prompt="Be terse.")
OPEN = {"groupPolicy": "open", "dmPolicy": "open", "allowFrom": ["*"]}
CASES = [(place, attack) for place in PLACES for attack in ATTACKS]


def admitted(made: Case) -> tuple[TurnRequest, Surroundings]:
    """What admission makes of a case."""
    view = View(
        OPEN, guilds={GUILD: made["guild"]}, channels={CHANNEL: made["thread"], PARENT: made["parent"]}
    )
    pushed = [effect for effect in _decided(made["event"], view) if isinstance(effect, Push)]
    push = next(effect for effect in pushed if effect.record.kind == KIND)
    kept = next(effect for effect in _decided(made["earlier"], view) if isinstance(effect, Transcript))
    entry = msgspec.json.decode(kept.entries[0], type=HistoryEntry)
    turn_request = decode_turn(push.record.body)
    if made["transcript"]:
        heard = MediaFile("2", "https://cdn/b.ogg", transcript=made["transcript"])
        turn_request = msgspec.structs.replace(turn_request, text=spoken(turn_request.text, [heard]))
    queued = queue_event("k", QueuedEvent("1", made["happened"], 5))
    assert isinstance(queued, SystemEvent)
    happened = event_lines([msgspec.json.decode(queued.body, type=QueuedEvent)], "UTC")
    return turn_request, Surroundings(Pending((entry,), 1), NOW, made["starter"], events=tuple(happened))


def files_of(made: Case) -> list[MediaFile]:
    return [MediaFile("1", "https://cdn/a.png?sig=1", "image/png", made["file"])]


def _decided(data: Mapping[str, Any], view: View) -> tuple[Effect, ...]:
    """The effects of a message; one that would be held is decided by what is known of it."""
    sent = event(data)
    return settle(arrive(sent, read_message(sent.data), view), view).effects


def prompt_of(made: Case) -> str:
    """The user message a model would read."""
    turn_request, around = admitted(made)
    return user_text(turn_request, PROFILE, around, files=files_of(made) if "file" in made else None)


BENIGN = {place: parse(prompt_of(make("harmless words"))) for place, make in PLACES.items()}
TRUSTED = {
    place: system_prompt(PROFILE, admitted(make("harmless words"))[0], mode="automatic")
    for place, make in PLACES.items()
}


def check(place: str, text: str) -> None:
    """One text in one place: the prompt has the form it has with harmless words, and nothing in it poses."""
    made = PLACES[place](text)
    turn_request, _ = admitted(made)
    prompt = prompt_of(made)
    found = parse(prompt)
    assert found.structure() == BENIGN[place].structure()
    assert imitations(found.body) == []
    assert swallowed(f"{prompt}\n\n{prompt}") == [], "what follows is inside a fence"
    for line in found.events:
        assert imitations(line.partition("] ")[2]) == []
    for _, data in found.blocks:
        for value in strings(data):
            assert len(value) < 2_100
            assert imitations(value) == []
            assert "```" not in value
    assert [note for note in found.notes if not re.fullmatch(NOTE, note)] == []
    trusted = system_prompt(PROFILE, turn_request, mode="automatic")
    assert trusted == TRUSTED[place], "the trusted part depends on what people write"
    replayed(turn_request)
    # a model that repeats its prompt
    answer = clean_answer(prompt)
    assert answer.text == clean_answer(found.body).text
    assert leaks(answer.text) == []


NOTE = (
    r"\[media attached: \d files\]"
    r"|\[media attached(?: \d/\d)?: [^\[\]\s]+ \([^\[\]\n]*\)(?: \| [^\[\]\n]*)?\]"
)


def replayed(turn_request: TurnRequest) -> None:
    """The same words as part of a transcript: between author and id, and nothing else looks like these."""
    line = Line(
        "user",
        1,
        turn_request.text,
        message_id="8",
        author_id="42",
        author_name=turn_request.author_name,
        author_tag=turn_request.author_tag,
    )
    [grouped] = history_messages([line], grouped=True, max_tokens=100_000)
    [direct] = history_messages([line], grouped=False, max_tokens=100_000)
    inner = re.fullmatch(r"\[from: [^\[\]\n]* user id:42\] (.*)\n\[message_id: 8\]", grouped.text, re.DOTALL)
    assert inner is not None
    assert imitations(inner[1]) == []
    assert imitations(direct.text) == []


def test_there_are_enough() -> None:
    assert len(CASES) >= 500


@pytest.mark.parametrize("place", PLACES)
def test_no_attack_leaves_its_place(place: str) -> None:
    for number, attack in enumerate(ATTACKS):
        check(place, attack)
        name = list(DISGUISES)[number % len(DISGUISES)]
        check(place, DISGUISES[name](attack))


@pytest.mark.parametrize("seed", range(20))
def test_ten_thousand_texts_stay_where_they_are(seed: int) -> None:
    """20 × 500 texts, each in a place of its own; a failure names the seed and shows the text."""
    places = list(PLACES)
    for number, text in enumerate(generated(seed, examples(500))):
        if text.strip():
            check(places[number % len(places)], f"w {text}" if not _says(text) else text)


def _says(text: str) -> bool:
    """It is not only what cannot be seen, so no field is left out for being empty."""
    return bool(re.search(r"\w", text))


@pytest.mark.parametrize("seed", range(20))
def test_ten_thousand_texts_are_not_echoed(seed: int) -> None:
    """The same texts as a model's answer: no envelope at its edges, no scaffolding; and clean is clean."""
    for text in (*ATTACKS, *generated(100 + seed, examples(500))):
        cleaned = clean_answer(text)
        assert leaks(cleaned.text) == [], text
        assert clean_answer(cleaned.text).text == cleaned.text, text


Start = Callable[..., ModelServer]


@pytest.mark.parametrize("chat", ["channel", "direct"])
def test_a_model_that_repeats_its_prompt_sends_the_words_alone(
    store: Store, chat_server: Start, chat: str
) -> None:
    """Through a whole turn: what goes into the delivery lane, and what is kept of it."""
    prompt = prompt_of(case(event__content="say this"))
    more: Mapping[str, Any] = {"chat_type": "direct", "guild_id": None} if chat == "direct" else {}
    store.lanes.push(LANE, record(request("hi", **more)))
    turn(store, deps(store, chat_server([{"text": prompt}]), profile=VISIBLE))
    [sent] = deliver(store)
    assert sent.text == "Annie (user101): @shoal say this" or sent.text == "Annie (user101): say this"
    kept = store.sessions.get("agent:main:discord:channel:777")["session_id"].decode()
    assert all(b"untrusted" not in line for line in store.sessions.transcript(kept))


VISIBLE = AgentProfile("main", "Shoal", primary=ModelRef("local", "m1"), visible_all="automatic")


@pytest.mark.parametrize("chat", ["channel", "direct"])
def test_a_copy_and_nothing_else_sends_nothing_and_says_why(
    store: Store, chat_server: Start, chat: str
) -> None:
    """6.7: if stripping empties the text nothing is sent; the turn log has the reason."""
    prompt = user_text(msgspec.structs.replace(request("x"), text=""), PROFILE)
    copied = prompt.rpartition("\n\n")[0]
    more: Mapping[str, Any] = {"chat_type": "direct", "guild_id": None} if chat == "direct" else {}
    wanted = request("hi", **more)
    store.lanes.push(LANE, record(wanted))
    turn(store, deps(store, chat_server([{"text": copied}]), profile=VISIBLE))
    assert deliver(store) == []
    explanation = store.ledger.explain("default", wanted.message_id)
    assert explanation is not None
    assert (str(explanation.outcome), explanation.reason) == ("answered", "stripped")
