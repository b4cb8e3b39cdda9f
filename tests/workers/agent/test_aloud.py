"""Answers that are read aloud: ``messages.tts.auto`` (``spec/outbound.md`` 3.15.7, 14.8; decision 23)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.agents import ModelRef
from config.speech import ALL_CHOICES, Speech
from shoal.base.clock import VirtualClock
from shoal.simulator.models import ModelServer
from shoal.state.effects import SessionPut
from shoal.state.steps import Commit, Yield
from shoal.state.store import Store
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import (
    LANE,
    deliver,
    deps,
    drive,
    note,
    record,
    request,
    take,
    turn,
)
from tests.workers.agent.test_attached import Desk
from tests.workers.agent.test_tts import speaker, speeches
from workers.agent.aloud import carry_recording, words_to_say
from workers.agent.context import TurnContext, TurnShutdown
from workers.agent.drafts import partial_text
from workers.agent.profile import AgentProfile
from workers.agent.prompt import system_prompt
from workers.agent.providers.voices import Voices
from workers.agent.results import TurnDeps
from workers.agent.sanitize import clean_answer
from workers.agent.scaffolding import code_spans
from workers.agent.shortening import cut as cut_text
from workers.agent.speech_tags import SpeechTags, chosen_speakers, take_speech_tags
from workers.delivery.records import SendRequest
from workers.media.files import MediaFile, Origin
from workers.sessions.records import Attachment, QuotedMessage, TurnRequest

Start = Callable[..., ModelServer]
ANSWER = "Good morning, dear Ann."
VOICE = Attachment("1", "voice-message.ogg", "https://cdn.example/1", content_type="audio/ogg")


@pytest.fixture
def voices() -> Iterator[Voices]:
    made = Voices(proxy=None, ca_file=None)
    yield made
    made.close()


@pytest.fixture
def used(store: Store, voices: Voices) -> Callable[..., TurnDeps]:
    """Turn dependencies of an agent that speaks."""

    def make(server: ModelServer, visible: str = "automatic", **speech: Any) -> TurnDeps:
        spoken = Speech(**{"speakers": (speaker(server),), "auto": "always", "timeout_s": 5.0, **speech})
        profile = AgentProfile(
            "main", "Shoal", primary=ModelRef("local", "m1"), visible_all=visible, speech=spoken
        )
        return replace(deps(store, server, profile=profile), voices=lambda _account: voices)

    return make


def ask(store: Store, made: TurnDeps, **changes: Any) -> tuple[TurnRequest, list[SendRequest]]:
    """One message and what is sent for it."""
    asked = request(**changes)
    store.lanes.push(LANE, record(asked))
    sent: list[SendRequest] = []
    drive(store, made, sent)
    deliver(store, sent)
    return asked, sent


def texts(server: ModelServer) -> list[str]:
    """What the speech service was given to say."""
    return [str(one["input"]) for one in speeches(server)]


# -- which answers ---------------------------------------------------------------------------------


@pytest.mark.waits
def test_an_answer_is_one_send_with_its_recording(store: Store, chat_server: Start, used: Any) -> None:
    server = chat_server([{"text": f"**{ANSWER}**"}])
    asked, [send] = ask(store, used(server))
    [file] = send.files
    assert file.voice is not None
    assert (send.text, send.spoken, send.read_aloud) == (f"**{ANSWER}**", ANSWER, True)
    assert texts(server) == [ANSWER]
    assert note(store, asked)["heard"] is True


TAGGED = f"[[tts]]{ANSWER}"


@pytest.mark.parametrize(
    ("auto", "text", "files", "heard"),
    [
        ("off", TAGGED, (VOICE,), []),
        ("inbound", TAGGED, (), []),
        ("inbound", ANSWER, (VOICE,), [ANSWER]),
        ("inbound", ANSWER, (Attachment("1", "a.png", "https://x.y", content_type="image/png"),), []),
        ("tagged", ANSWER, (VOICE,), []),
        ("tagged", TAGGED, (), [ANSWER]),
        ("tagged", f"[[tts:speed=1.5]] {ANSWER}", (), [ANSWER]),
        ("tagged", f"{ANSWER} [[tts:text]]Hi![[/tts:text]]", (), ["Hi!"]),
        ("always", f"{ANSWER} [[tts:text]]Hi, Ann![[/tts:text]]", (), ["Hi, Ann!"]),
        ("always", f"{ANSWER} [[tts]]Only this one here.[[/tts]]", (), ["Only this one here."]),
        ("always", "Too short", (), []),
        ("always", "```py\nprint('a long program')\n```", (), []),
        ("always", f"{ANSWER}\nMEDIA:a.png", (), []),
        ("always", "NO_REPLY", (), []),
        ("always", "`[[tts:text]]` is how it is written", (), ["[[tts:text]] is how it is written"]),
    ],
)
def test_which_answers_are_heard_and_what_of_them(
    store: Store,
    chat_server: Start,
    used: Any,
    monkeypatch: pytest.MonkeyPatch,
    auto: Any,
    text: str,
    files: Any,
    heard: list[str],
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)  # sounds are converted elsewhere
    server = chat_server([{"text": text}])
    _, sent = ask(store, used(server, auto=auto), attachments=files)
    assert texts(server) == heard
    assert [len(send.files) for send in sent if send.read_aloud] == [1] * len(heard)
    assert all("[[tts" not in send.text for send in sent) or "`" in text


def test_a_message_that_came_in_meanwhile_counts_as_well(store: Store, chat_server: Start, used: Any) -> None:
    server = chat_server([{"text": ANSWER}])
    store.lanes.push(LANE, record(request()))
    store.lanes.push(LANE, record(request("and", 1, attachments=(VOICE,))))
    drive(store, replace(used(server, auto="inbound"), files=Desk()))
    assert texts(server) == [ANSWER]


def test_a_recording_that_is_quoted_forwarded_or_of_before_is_none() -> None:
    """Who answers to a voice message in writing reads the answer."""
    quoted = QuotedMessage("5", "6", "Bob", "", attachments=(VOICE,))
    forwarded = msgspec.structs.replace(VOICE, forwarded=True)
    assert not carry_recording([request(quoted=quoted, attachments=(forwarded,))])
    origins: tuple[Origin, ...] = ("quoted", "forwarded", "earlier")
    found = [MediaFile("1", "u", "audio/ogg", origin=origin) for origin in origins]
    assert not carry_recording([request()], found)
    assert carry_recording([request()], [*found, MediaFile("2", "u", "audio/mpeg")])


def test_texts_of_ours_are_not_read_aloud(store: Store, chat_server: Start, used: Any) -> None:
    """Errors and fillers are no words of the agent."""
    error = {"status": 400, "message": "this model does not exist at all"}
    server = chat_server([{"error": error, "times": 9}])
    _, [send] = ask(store, used(server), chat_type="direct", guild_id=None)
    assert send.text
    assert texts(server) == []


def test_a_private_answer_is_private(store: Store, chat_server: Start, used: Any) -> None:
    server = chat_server([{"text": ANSWER}])
    _, sent = ask(store, used(server, visible="message_tool"))
    assert (sent, texts(server)) == ([], [])


@pytest.mark.waits
def test_what_is_only_heard_is_sent_alone_and_remembered(store: Store, chat_server: Start, used: Any) -> None:
    """Its words stand in where no recording can be; the model reads its own tag again."""
    server = chat_server([{"text": "[[tts:text]]Hear me, Ann![[/tts:text]]"}, {"text": "again"}])
    made = used(server)
    asked, [send] = ask(store, made)
    assert (send.text, send.spoken, send.read_aloud, len(send.files)) == ("", "Hear me, Ann!", False, 1)
    assert note(store, asked).get("silent") is None
    ask(store, made, text="and now?", number=1)
    past = [str(one["content"]) for one in bodies(server)[-1]["messages"]]
    assert "[[tts:text]]Hear me, Ann![[/tts:text]]" in past


@pytest.mark.parametrize(("said", "heard"), [("off", []), ("tagged", []), ("always", [ANSWER]), ("x", [])])
def test_a_conversation_has_its_own_say(
    store: Store,
    chat_server: Start,
    used: Any,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    heard: list[str],
) -> None:
    """``/tts`` over ``messages.tts.auto``."""
    monkeypatch.setitem(sys.modules, "av", None)
    key = request().session_key
    other = record(request("first", 9))
    store.lanes.push("session:other", other)
    grant = take(store, "session:other")
    store.lanes.commit(grant, [SessionPut(key, {"tts": said})], take_next=False)
    server = chat_server([{"text": ANSWER}])
    ask(store, used(server, auto="off"))
    assert texts(server) == heard


# -- when it cannot be spoken ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ({"error": {"status": 401}}, "answered 401"),
        ({"hang": True}, "took too long"),
    ],
)
def test_the_text_goes_alone_and_people_can_find_out_why(
    store: Store, chat_server: Start, used: Any, rule: dict[str, Any], why: str
) -> None:
    """3.15.7: text goes out in time, whatever the service does."""
    server = chat_server([{"text": ANSWER}, {"speech": True, "times": 9, **rule}])
    asked, [send] = ask(store, used(server, timeout_s=0.5))
    assert (send.text, send.files, send.read_aloud) == (ANSWER, (), False)
    assert why in note(store, asked)["unheard"]


def test_words_that_were_only_to_be_heard_are_read_then(store: Store, chat_server: Start, used: Any) -> None:
    server = chat_server(
        [{"text": "[[tts:text]]Hear me, Ann![[/tts:text]]"}, {"speech": True, "error": {"status": 401}}]
    )
    _, [send] = ask(store, used(server))
    assert (send.text, send.files) == ("Hear me, Ann!", ())


def test_without_speech_they_are_read(store: Store, chat_server: Start) -> None:
    server = chat_server([{"text": "[[tts:text]]Hear me, Ann![[/tts:text]]"}])
    _, [send] = ask(store, deps(store, server))
    assert send.text == "Hear me, Ann!"


def test_a_bug_costs_the_recording_and_not_the_text(
    store: Store, chat_server: Start, used: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Voices, "__call__", lambda *_args, **_more: 1 / 0)
    _, [send] = ask(store, used(chat_server([{"text": ANSWER}])))
    assert (send.text, send.files) == (ANSWER, ())


class Leaving(TurnContext):
    """A turn whose worker leaves once it waits for the speech service."""

    def watch(self) -> None:
        if self.step_name == "speech":
            raise TurnShutdown("leaving")
        super().watch()


@pytest.mark.waits
def test_interrupted_while_it_is_spoken_it_is_spoken_again_and_sent_once(
    store: Store, chat_server: Start, used: Any
) -> None:
    server = chat_server([{"text": ANSWER}])
    made = used(server, timeout_s=60.0)
    store.lanes.push(LANE, record(request()))
    assert isinstance(turn(store, made, Leaving()), Yield)
    assert deliver(store) == []
    assert isinstance(turn(store, made), Commit)
    [send] = deliver(store)
    assert (send.text, len(send.files)) == (ANSWER, 1)
    chats = [body for body in bodies(server) if "messages" in body]
    assert len(chats) == 1


def test_who_goes_on_with_the_turn_has_only_the_time_that_is_left(
    store: Store, chat_server: Start, used: Any
) -> None:
    """The text waits for ``timeoutMs`` in all, whoever dies."""
    server = chat_server([{"text": ANSWER}])
    made = used(server, timeout_s=20.0)
    asked = request()
    store.lanes.push(LANE, record(asked))
    assert isinstance(turn(store, made, Leaving()), Yield)
    clock = VirtualClock(start=TurnContext().clock.now() + 30.0)
    assert isinstance(turn(store, made, TurnContext(clock)), Commit)
    [send] = deliver(store)
    assert (send.text, send.files) == (ANSWER, ())
    assert "waited for" in note(store, asked)["unheard"]
    assert len(speeches(server)) <= 1  # the one that was interrupted


# -- pure ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown", "said"),
    [
        ("[[tts]] Hello", " Hello", SpeechTags(True)),
        ("a [[TTS]]b[[/TTS]] c", "a b c", SpeechTags(True, part="b")),
        ("a[[tts:text]](laughs) `x` yes[[/tts:text]] c", "a c", SpeechTags(True, hidden="(laughs) `x` yes")),
        ("a [[tts:text]]still being writ", "a ", SpeechTags(True, hidden="still being writ")),
        ("a [[tts:so it is]]", "a ", SpeechTags(True, hidden="so it is")),
        (
            "[[tts:voiceId=pMs model=eleven_v3 speed=1.1 nonsense=2]]a",
            "a",
            SpeechTags(True, wishes={"voice": "pMs", "model": "eleven_v3", "speed": "1.1"}),
        ),
        ('[[tts:voice="Ann Lee"]]a', "a", SpeechTags(True, wishes={"voice": "Ann Lee"})),
        ("a [[/tts]] b", "a  b", SpeechTags()),
        ("`[[tts]]` b", "`[[tts]]` b", SpeechTags()),
        ("a [[tts voice=ash]] b [[tts:text", "a  b ", SpeechTags()),
        ("no tags [[here]]", "no tags [[here]]", SpeechTags()),
    ],
)
def test_tags_are_taken_out(text: str, shown: str, said: SpeechTags) -> None:
    assert take_speech_tags(text) == (shown, said)


@pytest.mark.parametrize(
    "tag", ["[[tts]]", "[[tts]]x[[/tts]]", "[[tts:text]]", "`[[tts:text]]`", "[[tts:", "[[/tts]][[tts]]"]
)
def test_any_number_of_tags_is_no_trouble(tag: str) -> None:
    """Answers are looked at again and again while they stream: each piece of them is copied once."""
    copied = 0

    class Counted(str):
        def __getitem__(self, key: Any) -> str:
            nonlocal copied
            piece = super().__getitem__(key)
            copied += len(piece)
            return piece

    text = Counted(tag * (24_000 // len(tag)))
    take_speech_tags(text)
    assert copied <= len(text)
    assert "[[tts" not in clean_answer(text).text or "`" in tag


PIECES = [
    "[[tts]]", "[[/tts]]", "[[tts:text]]", "[[/tts:text]]", "[[tts:voice=a]]", "word ", "`", "```\n", "\n\n",
    "[[tts", "[[", "]]", "MEDIA:a.png\n", "[[reply_to_current]]", "<think>", "</think>",
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=9))
def test_however_it_is_written_no_tag_is_seen_outside_code(pieces: list[str]) -> None:
    shown = clean_answer("".join(pieces)).text
    code = code_spans(shown)
    seen = [hit.start() for hit in re.finditer(r"\[\[\s*/?\s*tts\b", shown)]
    assert all(any(start <= at < end for start, end in code) for at in seen)
    assert clean_answer(shown).text == shown


@given(st.lists(st.sampled_from(["word ", "\n\n", "`c` ", "[[tts]] "]), max_size=4), st.integers(0, 120))
def test_no_preview_shows_what_is_only_heard(before: list[str], cut: int) -> None:
    """However much of it has come."""
    answer = "".join(before) + "[[tts:text]]SECRET `SECRET` SECRET\n\nSECRET[[/tts:text]] word"
    assert "SECR" not in partial_text(answer[:cut])


def test_what_is_heard_is_cleaned_as_what_is_read() -> None:
    """No reasoning and no copied context is spoken or shown."""
    cleaned = clean_answer("Hi [[tts:text]]<think>secret</think>Hello [[reply_to_current]]Ann[[/tts:text]]")
    assert (cleaned.text, cleaned.speech.hidden) == ("Hi", "Hello Ann")


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("Hello [[tt", "Hello"),
        ("Hello [[tts:text]]not for eye", "Hello"),
        ("Hello [[tts:text]]heard[[/tts:tex", "Hello"),
        ("Hello [[tts:text]]heard[[/tts:text]] Ann", "Hello  Ann"),
        ("see [the docs](x", "see [the docs](x"),
    ],
)
def test_a_preview_shows_no_tag_and_nothing_that_is_only_heard(raw: str, shown: str) -> None:
    assert partial_text(raw) == shown


def test_a_model_has_the_wishes_it_may_have(chat_server: Start) -> None:
    server = chat_server([])
    eleven = speaker(server, provider="elevenlabs", api="elevenlabs", more={"voice_settings": {"style": 0.1}})
    speech = Speech(speakers=(speaker(server), eleven))
    wishes = {
        "provider": "elevenlabs", "voice": "ash", "model": "m/2", "speed": "9", "stability": "0.5",
        "seed": "7", "language_code": "DE", "use_speaker_boost": "true",
    }  # fmt: skip
    first, second = chosen_speakers(speech, wishes)
    assert (first.provider, first.voice, first.model) == ("local", "ash", "m/2")
    assert first.more == {"response_format": "wav"}
    assert second == eleven
    free = replace(speech, choices=ALL_CHOICES | {"provider"})
    first, second = chosen_speakers(free, wishes)
    assert first.provider == "elevenlabs"
    assert first.more == {
        "voice_settings": {"style": 0.1, "stability": 0.5, "use_speaker_boost": True},
        "seed": 7, "language_code": "de",
    }  # fmt: skip
    assert chosen_speakers(replace(speech, choices=frozenset()), wishes) == speech.speakers
    assert chosen_speakers(speech, {"voice": "../../x?y"})[0].voice == "onyx"


def test_without_the_right_its_words_are_not_heard_instead(chat_server: Start) -> None:
    speech = Speech(speakers=(speaker(chat_server([])),), auto="tagged", choices=frozenset({"voice"}))
    tags = SpeechTags(True, hidden="something else")
    assert words_to_say(speech, ANSWER, tags, recorded=False) == ANSWER
    assert words_to_say(replace(speech, choices=frozenset()), ANSWER, tags, recorded=False) == ""


@pytest.mark.parametrize(
    ("text", "most", "short"),
    [
        ("Short enough.", 20, "Short enough."),
        ("One sentence. Another one. A third", 30, "One sentence. Another one."),
        ("one two three four five six", 20, "one two three four…"),
        ("早安，安。今天天气很好。我们去公园吧", 14, "早安，安。今天天气很好。"),
        ("x" * 50, 10, "x" * 9 + "…"),
    ],
)
def test_what_is_too_long_is_cut_where_it_hurts_least(text: str, most: int, short: str) -> None:
    assert cut_text(text, most) == short
    assert len(short) <= most


@pytest.mark.parametrize("auto", ["off", "always", "inbound", "tagged"])
def test_a_model_knows_which_answers_are_heard(chat_server: Start, auto: Any) -> None:
    speech = Speech(speakers=(speaker(chat_server([])),), auto=auto)
    prompt = system_prompt(AgentProfile("main", speech=speech), request(), mode="automatic")
    assert ("read aloud" in prompt) is (auto != "off")
    assert ("An answer with [[tts]] in it" in prompt) is (auto == "tagged")
    silent = AgentProfile("main", speech=Speech(auto=auto))
    assert "read aloud" not in system_prompt(silent, request(), mode="automatic")
