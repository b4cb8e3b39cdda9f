"""Answers sent in finished blocks, on a real store and a real Discord (``spec/outbound.md`` 4.6, 3.18)."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from config.agents import ModelRef
from shoal.simulator.models import ModelServer
from shoal.state.steps import Commit
from tests.workers.agent.support.server import bodies
from tests.workers.agent.support.turns import CountingTool, crash, settle
from tests.workers.agent.test_streaming import CALL, Make, SlowTool, Stage, Start, discord, make_stage
from workers.agent.block_stream import LOOK_CHARS
from workers.agent.blocks import (
    BlockRules,
    block_end,
    block_text,
    chunk_ends,
    follows,
    rest_of,
    text_behind,
    whole_answer,
)
from workers.agent.context import TurnContext
from workers.agent.drafts import partial_text
from workers.agent.profile import AgentProfile
from workers.agent.results import TurnDeps
from workers.agent.sanitize import clean_answer
from workers.agent.silence import strip_heartbeat
from workers.agent.turn import run_turn
from workers.delivery.chunks import fenced_code, units
from workers.delivery.records import SendFile

__all__ = ["discord", "make_stage"]

RULES = BlockRules(min_chars=60, max_chars=100, join_min=60, join_max=120, idle_s=0.1)
PARAGRAPHS = [
    f"This is paragraph number {number}, and it says a thing or two about fish." for number in range(6)
]
ANSWER = "\n\n".join(PARAGRAPHS)
TOKENS = [f"{word} " for word in ANSWER.split(" ")]
SLOW = {"text": TOKENS, "chunk_delay": 0.01}


def blocks(
    stage: Stage, server: ModelServer, *tools: Any, rules: BlockRules = RULES, **profile: Any
) -> TurnDeps:
    """Turn dependencies with block streaming on."""
    used = stage.deps(server, *tools)
    known: AgentProfile = used.profile(None)  # type: ignore[arg-type]
    shown = replace(known.shown, stream=None, blocks=rules)
    changed = replace(known, shown=shown, **profile)
    return replace(used, profile=lambda _request: changed)


# -- whole turns -------------------------------------------------------------------------------------


def test_an_answer_arrives_in_blocks_while_it_is_written(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage()
    stage.ask()
    step = stage.drive(blocks(stage, chat_server([SLOW]), response_prefix="[bot]", reply_to_mode="first"))
    shown = stage.shown()
    assert shown == [f"[bot] {PARAGRAPHS[0]}", *PARAGRAPHS[1:]]
    sent = stage.control.messages(stage.channel, author="bot")
    assert [bool(message.get("message_reference")) for message in sent] == [True] + 5 * [False]
    assert "6 messages" in step.summary


def test_a_block_goes_when_nothing_comes_for_a_while(make_stage: Make, chat_server: Start) -> None:
    """``idleMs``: the model is silent until people have read the block."""
    stage = make_stage()
    stage.ask()
    used = blocks(stage, chat_server([{"text": [f"{PARAGRAPHS[0]}\n\nNow ", "the end."]}]))
    context, pieces = TurnContext(), itertools.count(1)
    progress = context.progress

    def wait() -> None:
        progress()
        if context.step_name.startswith("model") and next(pieces) == 2:
            stage.until(PARAGRAPHS[0])

    context.progress = wait  # type: ignore[method-assign]
    grant = stage.take()
    settle(stage.store, grant, run_turn(grant, used, context))
    stage.settled()
    assert stage.shown() == [PARAGRAPHS[0], "Now the end."]


@pytest.mark.parametrize("mode", ["all", "batched", "off"])
def test_the_reference_follows_the_mode(make_stage: Make, chat_server: Start, mode: str) -> None:
    stage = make_stage()
    stage.ask(message_ids=("1", "2") if mode == "batched" else ())
    stage.drive(blocks(stage, chat_server([SLOW]), reply_to_mode=mode))
    sent = stage.control.messages(stage.channel, author="bot")
    wanted = {"all": 6 * [True], "batched": [True] + 5 * [False], "off": 6 * [False]}[mode]
    assert [bool(message.get("message_reference")) for message in sent] == wanted


def test_at_message_end_nothing_is_sent_before_the_answer_is_whole(
    make_stage: Make, chat_server: Start
) -> None:
    stage = make_stage()
    stage.ask()
    used = blocks(stage, chat_server([SLOW]), rules=replace(RULES, at_end=True))
    context, early = TurnContext(), list[int]()
    progress = context.progress

    def watch() -> None:
        progress()
        if context.step_name.startswith("model"):
            early.append(stage.store.lanes.depth(f"delivery:default:{stage.channel}"))

    context.progress = watch  # type: ignore[method-assign]
    grant = stage.take()
    settle(stage.store, grant, run_turn(grant, used, context))
    stage.settled()
    assert len(early) >= len(TOKENS)
    assert not any(early)
    assert stage.shown() == PARAGRAPHS


def test_what_was_said_before_a_tool_is_out_before_it_runs(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage()
    stage.ask()
    tool = SlowTool(lambda: stage.until("Let me look."))
    server = chat_server([{"text": "Let me look.", **CALL}, {"text": "Found it."}])
    stage.drive(blocks(stage, server, tool))
    assert tool.runs == 1
    assert stage.shown() == ["Let me look.", "Found it."]


def test_the_same_words_again_are_not_sent_twice(make_stage: Make, chat_server: Start) -> None:
    """3.18: an identical final is suppressed, and its message still gets its outcome."""
    stage = make_stage()
    wanted = stage.ask()
    server = chat_server([{"text": "All done.", **CALL}, {"text": "All done."}])
    stage.drive(blocks(stage, server, SlowTool()))
    assert stage.shown() == ["All done."]
    told = stage.store.ledger.explain("default", wanted.message_id)
    assert told is not None
    assert told.outcome == "answered"


def loader(stage: Any) -> tuple[Any, list[str]]:
    """Reads any file, and what it was asked for."""
    loaded: list[str] = []

    def load(request: Any, source: str, *, filename: str, check: Any) -> SendFile:
        del request, filename, check
        loaded.append(source)
        return SendFile(stage.store.blobs.put(b"data"), Path(source).name)

    return load, loaded


def test_a_file_goes_at_once_and_only_once(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage()
    stage.ask()
    load, loaded = loader(stage)
    text = ["Here it is:\nMEDIA:/w/a", ".txt\nAnd that", " was it, more or less."]
    used = replace(blocks(stage, chat_server([{"text": text, "chunk_delay": 0.1}])), load=load)
    stage.drive(used)
    sent = stage.control.messages(stage.channel, author="bot")
    assert [(one["content"], len(one["attachments"])) for one in sent] == [
        ("Here it is:", 1),
        ("And that was it, more or less.", 0),
    ]
    assert loaded == ["/w/a.txt"]


def test_a_silent_answer_sends_nothing(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage()
    stage.ask()
    stage.drive(blocks(stage, chat_server([{"text": ["NO", "_RE", "PLY"], "chunk_delay": 0.05}])))
    assert stage.shown() == []


def test_where_only_the_message_tool_speaks_there_are_no_blocks(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage()
    stage.ask()
    stage.drive(blocks(stage, chat_server([SLOW]), visible_all="message_tool"))
    assert stage.shown() == []


def test_who_goes_on_is_told_which_files_are_out(make_stage: Make, chat_server: Start) -> None:
    """Found by a rich chaos run: of two files the second was not sent."""
    stage = make_stage()
    stage.ask()
    load, loaded = loader(stage)
    first = ["Two files:\n", "MEDIA:/w/a.txt\n", "\nThey ", "are", " for", " you."]
    server = chat_server(
        [
            {"text": first, "chunk_delay": 0.1, "cut_after": 5},
            {"text": ["\nMEDIA:/w/b.txt\n", "That is all."]},
        ]
    )
    stage.drive(replace(blocks(stage, server), load=load))
    assert str(bodies(server)[-1]["messages"][-2]["content"]).endswith("\nMEDIA: /w/a.txt")
    assert loaded == ["/w/a.txt", "/w/b.txt"]


# -- deaths, other models, stops ---------------------------------------------------------------------


class Dead(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("again", ["repeats", "goes on"])
def test_a_turn_whose_worker_dies_repeats_nothing_and_leaves_nothing_out(
    make_stage: Make, chat_server: Start, again: str
) -> None:
    """The next holder tells the model what is out; one that begins anew instead is understood, too."""
    stage = make_stage()
    stage.ask()
    # the first worker has told the first two paragraphs when it dies in the third
    rest = "\n\n".join(PARAGRAPHS[2:])
    server = chat_server([SLOW, {"text": ANSWER if again == "repeats" else rest}])
    used = blocks(stage, server)
    context = TurnContext()
    grant = stage.take()
    died = threading.Event()
    progress = context.progress

    def watch() -> None:
        progress()
        if any(PARAGRAPHS[1] in text for text in stage.shown()):
            died.set()
            raise Dead

    context.progress = watch  # type: ignore[method-assign]
    with pytest.raises(Dead):
        run_turn(grant, used, context)
    told = len(stage.shown())
    crash(stage.store, grant)
    if again == "goes on":
        server.script([{"text": "\n\n".join(PARAGRAPHS[told:])}])
    stage.drive(used)
    assert died.is_set()
    assert stage.shown() == PARAGRAPHS
    said, note = bodies(server)[-1]["messages"][-2:]
    assert said["content"].startswith(PARAGRAPHS[0])
    assert "cut off" in str(note["content"])


def test_another_model_goes_on_where_the_first_gave_up(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage()
    stage.ask()
    head = "\n\n".join(PARAGRAPHS[:4])
    first = {"text": [f"{word} " for word in head.split(" ")], "chunk_delay": 0.01, "cut_after": 50}
    server = chat_server([first, {"text": ANSWER}])
    used = blocks(stage, server, fallbacks=(ModelRef("local", "m2"),))
    stage.drive(used)
    assert stage.shown() == PARAGRAPHS


@pytest.mark.parametrize("tag", ["[[reply_to_current]]", "[[audio_as_voice]]", "<think>so far</think>"])
def test_half_a_tag_does_not_make_it_another_answer(make_stage: Make, chat_server: Start, tag: str) -> None:
    """A model that begins anew is looked at while a tag is half there: what is out is not sent again."""
    stage = make_stage()
    stage.ask()
    head = "\n\n".join(PARAGRAPHS[:4])
    first = {"text": [f"{word} " for word in head.split(" ")], "chunk_delay": 0.01, "cut_after": 50}
    at = 2 * LOOK_CHARS - 3  # so that a look falls into it
    again = f"{ANSWER[:at]}{tag}{ANSWER[at:]}"
    server = chat_server([first, {"text": list(again)}])
    used = blocks(stage, server, fallbacks=(ModelRef("local", "m2"),))
    stage.drive(used)
    assert [text for text in stage.shown() if text.startswith(PARAGRAPHS[0])] == [PARAGRAPHS[0]]


@pytest.mark.parametrize("space", ["\n", "\n\n\n", " \n\n", " "])
def test_other_white_space_does_not_make_it_another_answer(
    make_stage: Make, chat_server: Start, space: str
) -> None:
    stage = make_stage()
    stage.ask()
    head = "\n\n".join(PARAGRAPHS[:4])
    first = {"text": [f"{word} " for word in head.split(" ")], "chunk_delay": 0.01, "cut_after": 50}
    again = ANSWER.replace("\n\n", space, 1)
    used = blocks(stage, chat_server([first, {"text": again}]), fallbacks=(ModelRef("local", "m2"),))
    stage.drive(used)
    assert stage.shown() == PARAGRAPHS


def test_a_stop_takes_back_what_has_not_begun(make_stage: Make, chat_server: Start) -> None:
    """R7: after a stop nothing more is sent, also of what waits for its pause."""
    stage = make_stage()
    wanted = stage.ask()
    tool = CountingTool()
    server = chat_server([{"text": ANSWER, **CALL}, {"text": "more"}])
    used = blocks(stage, server, tool, rules=replace(RULES, pause_ms=(60_000, 60_000)))

    def stop() -> None:
        stage.until(PARAGRAPHS[0])
        bound = stage.store.now_ms() + 1000
        stage.store.lanes.stop(stage.lane, bound, wanted.message_id)

    tool.on_run = stop
    grant = stage.take()
    step = run_turn(grant, used, TurnContext())
    settle(stage.store, grant, step)
    assert isinstance(step, Commit)
    stage.settled()
    assert stage.shown() == [PARAGRAPHS[0]]
    told = stage.store.ledger.explain("default", wanted.message_id)
    assert told is not None
    assert told.outcome == "stopped"


def test_a_pause_is_between_blocks_and_not_before_the_first(make_stage: Make, chat_server: Start) -> None:
    """``humanDelay``: at least so long from one block to the next, and no thread waits meanwhile."""
    stage = make_stage()
    stage.ask()
    used = blocks(stage, chat_server([{"text": ANSWER}]), rules=replace(RULES, pause_ms=(300, 300)))
    stage.drive(used)
    sent = stage.control.messages(stage.channel, author="bot")
    assert [one["content"] for one in sent] == PARAGRAPHS
    times = [(int(one["id"]) >> 22) for one in sent]
    assert all(later - earlier >= 250 for earlier, later in itertools.pairwise(times))


# -- the text ----------------------------------------------------------------------------------------


def cut(text: str, rules: BlockRules) -> list[str]:
    """The blocks of a text that came all at once."""
    found, start = [], 0
    ends = chunk_ends(text, 0, rules, over=True)
    while end := block_end(ends, start, rules, over=True):
        found.append(block_text(text, start, end))
        ends = [one for one in ends if one > end]
        start = text_behind(text, end)
    return found


def test_a_block_ends_at_a_paragraph_else_a_line_else_a_sentence_else_a_word() -> None:
    rules = replace(RULES, min_chars=10, max_chars=40)

    def first(text: str) -> str:
        return text[: chunk_ends(text, 0, rules)[0]]

    assert first("One two three.\n\nFour five six seven. Eight nine ten eleven") == "One two three."
    assert first("One two three.\nFour five six seven. Eight nine ten eleven") == "One two three."
    assert first("One two three. Four five six seven. Eight nine ten eleven").endswith("seven.")
    assert first("一二三四五六七八九十。" * 8) == "一二三四五六七八九十。" * 3
    assert first("word " * 20) == "word word word word word word word word"
    assert first("x" * 90) == "x" * 40
    assert first("First 1. then 2. a list without an end to it") == "First 1. then 2. a list without an end"


def test_nothing_is_cut_before_its_better_place_can_come() -> None:
    rules = replace(RULES, min_chars=10, max_chars=60, join_min=10)
    assert chunk_ends("A first sentence. A second", 0, rules) == []
    assert chunk_ends("A first sentence.\n\nA second", 0, rules) == [17]


def test_blocks_are_put_together_until_no_other_fits() -> None:
    rules = replace(RULES, min_chars=10, max_chars=30, join_min=25, join_max=50)
    text = "aaaaaaaaaaaa\n\nbbbbbbbbbbbb\n\ncccccccccccc\n\ndddd"
    ends = chunk_ends(text, 0, rules)
    assert ends == [26, 40]
    ends = [12, 26, 40]
    assert block_end(ends, 0, rules) == 0, "more might fit"
    assert block_end(ends[:1], 0, rules, idle=True) == 0, "below minChars nothing goes before the end"
    assert block_end(ends[:2], 0, rules, idle=True) == 26
    assert block_end([*ends, 54], 0, rules) == 40


def test_code_stays_whole_where_it_can_and_is_closed_and_opened_again_where_not() -> None:
    rules = replace(RULES, min_chars=20, max_chars=100, join_max=100)
    code = "```py\n" + "\n".join(f"line_{number} = {number}" for number in range(5)) + "\n```"
    text = f"Some words in front of the code, so that it is not alone.\n\n{code}\n\nAnd words behind it."
    assert any(code in part for part in cut(text, rules))
    long = "```py\n" + "\n".join(f"line_{number} = {number}" for number in range(60)) + "\n```\nEnd."
    parts = cut(long, rules)
    assert all(part.startswith("```py\n") for part in parts[:-1])
    assert all(len([*fenced_code(part)]) == 1 and fenced_code(part)[0].whole for part in parts[:-1])
    assert "".join(parts).count("line_") == 60


def test_a_table_is_not_cut_between_its_rows() -> None:
    rules = replace(RULES, min_chars=20, max_chars=60, join_max=60)
    table = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |"
    assert table in cut(
        f"A line of text.\nAnother line of text.\n{table}\nThe end of it, and more words.", rules
    )


TEXTS = st.lists(
    st.sampled_from(
        ["word", "Sentence. ", "\n", "\n\n", "```", "```py\n", "| a |\n", "一。", "😀", "    x", " "]
    ),
    max_size=120,
).map("".join)


@given(TEXTS, st.integers(5, 60), st.integers(20, 200))
@example("```wordwordwordwordword", 5, 20)  # the opening line itself has to be cut
@example("```" + 40 * "word" + "\nx = 1\n```\nEnd.", 5, 20)
@example("```| a |\n| a |\n`<@123456>    x- item\n`````\n``````\n\n`<@123456>", 20, 25)
def test_blocks_hold_the_whole_text_in_order(text: str, least: int, most: int) -> None:
    """Whatever is cut where: no word is lost or doubled, and each piece moves on."""
    most = max(least, most)
    rules = replace(RULES, min_chars=least, max_chars=most, join_min=least, join_max=most)
    text = text.strip()
    ends = chunk_ends(text, 0, rules, over=True)
    assert ends == sorted(set(ends))
    assert not text or ends[-1] == len(text)
    told, start = "", 0
    while end := block_end(ends, start, rules, over=True):
        behind = text_behind(text, end)
        told += text[start:behind]
        only_fences_added(text[start:end].strip("\n"), block_text(text, start, end))
        ends = [one for one in ends if one > end]
        start = behind
    assert told == text


def only_fences_added(body: str, block: str) -> None:
    """A block says what was cut for it; added is at most a line that opens code, and one that closes it."""
    fence = "(?:`{3,}|~{3,})"
    said = rf"(?: {{0,3}}{fence}[^\n]*\n)?{re.escape(body)}(?:\n {{0,3}}{fence})?"
    closing = body.removesuffix(block).strip()  # of code, where nothing else of it is left for this block
    assert re.fullmatch(said, block) or (body.endswith(block) and set(closing) <= {"`", "~"}), (body, block)


def test_code_whose_opening_line_is_cut_is_opened_again_with_nothing_but_its_marker() -> None:
    """3.3: no word of it is said twice."""
    rules = replace(RULES, min_chars=5, max_chars=20, join_min=5, join_max=20)
    assert cut("```wordwordwordwordword", rules) == ["```wordwordwordwordw\n```", "```\nord"]


@given(TEXTS, st.integers(10, 60))
@example("```😀| a |\nword", 10)
@example("```一。| a |\nword", 10)
def test_a_growing_text_is_cut_as_it_will_stay(text: str, most: int) -> None:
    """What was cut of a beginning is a beginning of the whole: nothing told is ever taken back."""
    rules = replace(RULES, min_chars=10, max_chars=most, join_min=10, join_max=most)
    told = 0
    for length in range(len(text)):
        head = text[:length]
        ends = chunk_ends(head, told, rules)
        end = block_end(ends, told, rules, idle=True)
        if end:
            assert told < end < len(head)
            assert units(head[told:end]) >= 1
            told = text_behind(head, end)


def test_the_same_answer_again_and_the_rest_of_it_are_told_apart() -> None:
    assert whole_answer("", "abc") == "abc"
    assert whole_answer("One. ", "On") is None
    assert whole_answer("One. ", "One. Two.") == "One. Two."
    assert whole_answer("One. ", "Two.", over=True) == "One. Two."
    assert whole_answer("One. ", "Two. " * 13) == "One. " + "Two. " * 13
    assert whole_answer("One.\n\nTwo. ", "One. T") is None, "white space says nothing"
    assert whole_answer("One. Two. ", "One. [[rep") is None, "it may become a tag"
    assert whole_answer("One. Two. ", "One. [[rep", over=True) == "One. Two. One. [[rep"
    assert whole_answer("One. ", "", over=True) == "One. "
    assert rest_of("One. Two.", "One. ") == "Two."
    assert rest_of("One.", "One. ") == ""
    assert rest_of("Another.", "One. ") == "Another."
    assert rest_of("One.\n\nTwo.", "One. ") == "Two.", "a tag stood behind the space"
    assert whole_answer("One. ", "One.\n\nTwo.") == "One. Two."
    assert rest_of("Onel", "One. ") == "Onel"
    assert follows("One. Two. ", "One.\n\nTwo. Three.") == follows("", "Three.") == follows("", "") == "again"
    assert follows("One. Two. ", "One.\n") == "less"
    assert follows("One. Two. ", "Three.") == "on"


HALF = 30
"""Of the end of a growing text so much may go again; what is out twice is longer."""
PARTS = st.sampled_from(
    [
        "word ", "Hello there. ", "\n", "\n\n", "- item\n", "<@123456> ", "a < b ", "[link](http://x.y) ",
        "M", "[[wiki]] ", "[[reply_to_current]]", "[[reply_to:bad]] ", "<think>no</think>", "HEARTBEAT_OK ",
        "\nMEDIA:/tmp/a.png\n", "`x` ", "NO_REPLY ",
    ]
)  # fmt: skip


SILENT = ("HEARTBEAT_OK", "NO_REPLY")


@given(parts=st.lists(PARTS, min_size=1, max_size=40), share=st.floats(0, 1))
@example(["word ", "HEARTBEAT_OK ", "HEARTBEAT_OK ", "NO_REPLY ", "NO_REPLY "], 1.0)
def test_a_model_that_repeats_itself_is_never_taken_for_one_that_goes_on(
    parts: list[str], share: float
) -> None:
    """Whatever half of a tag it has come to: what is out is a beginning of it, or that is not said yet."""
    raw = "".join(parts)
    words = strip_heartbeat(clean_answer(raw).text)
    told = words[: int(len(words) * share)]
    assume(told.strip())
    # silent tokens go from the end, however many stand there, once half of another does not hide them
    half = HALF + sum(len(part) for part in parts if part.strip() in SILENT)
    for length in range(len(raw) + 1):
        whole = whole_answer(told, strip_heartbeat(partial_text(raw[:length])))
        shown = "".join((whole or "").split())[:-half]
        assert "".join(words.split()).startswith(shown), raw[:length]


def test_a_tag_that_is_taken_out_later_doubles_nothing(make_stage: Make, chat_server: Start) -> None:
    stage = make_stage()
    stage.ask()
    words = [f"{PARAGRAPHS[0]} [[reply_to_cur", "rent]]\n\n", PARAGRAPHS[1]]
    rules = replace(RULES, min_chars=20, join_min=20, max_chars=75, idle_s=0.05, prefer="sentence")
    stage.drive(blocks(stage, chat_server([{"text": words, "chunk_delay": 0.2}]), rules=rules))
    assert " ".join(stage.shown()).split() == f"{PARAGRAPHS[0]} {PARAGRAPHS[1]}".split()
