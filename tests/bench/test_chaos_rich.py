"""The judge of runs with rich answers, given forged logs: each kind of fault is seen, and named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.chaos.checker import judge, main
from bench.chaos.forms import FORMS
from bench.chaos.logs import read
from bench.chaos.rich import RULES
from bench.openapi import USER_AGENT
from tests.bench.test_chaos_checker import CHECKS, START, Line, Logs

ONE, THREADED = "100", "300"
DRAWN = [name for name, form in FORMS.items() if form.weight]
NAMES = {name for name, _ in RULES}


class Rich(Logs):
    """One message of each form in a channel, then some in a channel where each gets a thread of its own."""

    def __init__(self) -> None:
        super().__init__(0)
        self.driver[0]["answers"] = "rich"
        self.driver.insert(1, {"kind": "town", "time": START, "threaded": [THREADED]})
        self.number = 0
        for form in DRAWN:
            self.asked(form, ONE)
        for form in ("plain", "files", "silent"):
            self.asked(form, THREADED)
        self.asked("post", ONE, beyond=[1, 2])
        self.asked("alone", ONE, beyond=[3, 4])

    def said(self, form: str, channel: str = ONE) -> str:
        """Id of the message of that form."""
        lines = [line for line in self.driver if line["kind"] == "say"]
        return next(one["id"] for one in lines if one["form"] == form and one["channel"] == channel)

    def tag(self, form: str, channel: str = ONE) -> str:
        lines = [line for line in self.driver if line["kind"] == "say"]
        return next(one["tag"] for one in lines if one["form"] == form and one["channel"] == channel)

    def asked(self, name: str, channel: str, **more: Any) -> None:
        form, number = FORMS[name], self.number
        self.number += 1
        moment, said, tag = START + number * 0.5, 100_000 + number * 1_000, f"m-{number:06}"
        self.driver.append(
            {
                "kind": "say",
                "time": moment,
                "id": str(said),
                "channel": channel,
                "tag": tag,
                "form": name,
                **more,
            }
        )
        self.call(number, tag, f"s{number}", moment + 0.1)
        reactions = [{"emoji": {"name": form.reaction}, "count": 1}] if form.reaction else []
        self.show(str(said), channel, f"please answer {tag} as {name}", bot=False, reactions=reactions)
        place = channel
        if channel == THREADED:
            place = str(said)
            self.seen.append({"kind": "thread", "id": place, "parent_id": channel, "name": f"please {tag}"})
        if form.thread:
            self.seen.append(
                {"kind": "thread", "id": str(said + 900), "parent_id": channel, "name": f"{tag}#t"}
            )
        for at, piece in enumerate(form.pieces, 1):
            self.piece(str(said + at), place, tag, piece, f"d{number}", moment + 0.2 + at / 1000)
        if form.buttons:
            self.press(tag, str(said + 500), "answered", reusable=form.reusable)
            answer = "r" if form.reusable else "k"
            self.piece(str(said + 501), place, tag, answer, f"d{number}", moment + 0.3)
        self.outcome(str(said), "answered")

    def outcome(self, said: str, word: str, reason: str = "", notes: list[Line] | None = None) -> None:
        self.outcomes.append(
            {"message_id": said, "known": True, "outcome": word, "reason": reason, "notes": notes or []}
        )

    def press(
        self, tag: str, interaction: str, word: str, reason: str = "", *, reusable: bool = False
    ) -> None:
        self.driver.append(
            {"kind": "click", "time": START, "id": interaction, "message": "1", "tag": tag, "label": "",
             "reusable": reusable}
        )  # fmt: skip
        if interaction:
            self.outcome(interaction, word, reason)

    def piece(self, made: str, channel: str, tag: str, piece: str, stamp: str, moment: float) -> None:
        """A message with one piece, in the place where such a piece is."""
        words = f"{tag}#{piece}"
        if piece in ("f1", "f2"):
            self.show(made, channel, "", attachments=[{"filename": f"{tag}-{piece}.txt"}])
        elif piece == "v1":
            said = str(next(line["id"] for line in self.driver if line.get("tag") == tag))
            spoken = [{"filename": "voice-message.ogg", "duration_secs": 1.0}]
            self.show(
                made, channel, "", attachments=spoken, flags=8192, message_reference={"message_id": said}
            )
        elif piece == "p":
            self.show(made, channel, "", poll={"question": {"text": words}})
        elif piece == "c":
            inner = {"type": 17, "components": [{"type": 10, "content": words}]}
            self.show(made, channel, "", components=[inner])
        else:
            self.show(made, channel, f"{words} and more")
        line = self.create(channel, made, "", tag, stamp, moment)
        line["body"]["nonce"] = line["answer"]["nonce"] = f"n{made}"
        del line["body"]["message_reference"]

    def show(self, made: str, channel: str, content: str, *, bot: bool = True, **more: Any) -> Line:
        line = {"kind": "message", "bot": bot, "id": made, "channel_id": channel, "content": content, **more}
        self.seen.append(line)
        return line

    def holding(self, words: str) -> Line:
        """The message that holds a piece."""
        return next(line for line in self.seen if line.get("bot") and words in json.dumps(line))

    def forget(self, form: str, piece: str) -> None:
        self.seen.remove(self.holding(f"{self.tag(form)}{'-' if piece == 'f1' else '#'}{piece}"))

    def again(self, form: str, piece: str) -> None:
        first = self.holding(f"{self.tag(form)}{'-' if piece == 'f1' else '#'}{piece}")
        self.seen.append({**first, "id": str(int(first["id"]) + 100)})

    def told(self, form: str, result: str) -> None:
        """What a tool said in the turn of that form."""
        body = next(line for line in self.models if f"please answer {self.tag(form)}" in json.dumps(line))[
            "body"
        ]
        body["messages"] += [
            {"role": "assistant", "tool_calls": [{"id": "1"}]},
            {"role": "tool", "tool_call_id": "1", "content": result},
        ]

    def struck(self, *faults: int) -> None:
        self.simulator += [{"kind": "fault", "time": START, "fault": "drop_answer", "id": n} for n in faults]

    def marked(self, form: str) -> None:
        self.dead.append({"id": f"default.{self.said(form)}.t1", "code": "send-unknown", "message_id": ""})


def broken(logs: Rich, folder: Path) -> set[str]:
    verdict = judge(read(logs.write(folder)))
    short = {name: word for word, name in CHECKS.items()}
    exact = [check for check in verdict.checks if check.exact and check.broken]
    return {short.get(check.name, check.name) for check in exact}


def test_a_healthy_run_passes(tmp_path: Path) -> None:
    logs = Rich()
    assert broken(logs, tmp_path) == set()
    found = {check.name for check in judge(read(tmp_path)).checks}
    assert found >= NAMES


def test_an_answer_refused_in_a_thread_of_its_own_is_known_by_its_words(tmp_path: Path) -> None:
    """It points to no message; nothing but a dead letter may come of it."""
    logs = Rich()
    said, tag = logs.said("plain", THREADED), logs.tag("plain", THREADED)
    shown = logs.holding(f"{tag}#a")
    logs.seen.remove(shown)
    create = next(line for line in logs.creates() if line["answer"].get("id") == shown["id"])
    create.update(status=403, answer={"code": 50013, "message": "Missing Permissions"}, done=False)
    create["body"]["content"] = f"{tag}#a and more"
    outcome = next(line for line in logs.outcomes if line["message_id"] == said)
    outcome.update(outcome="dead", reason="discord-missing-permissions-50013")
    logs.dead.append({"id": "1", "code": "discord-missing-permissions-50013", "message_id": said})
    assert broken(logs, tmp_path) == set()


def text_missing(logs: Rich) -> None:
    logs.forget("plain", "a")


def line_in_the_middle_missing(logs: Rich) -> None:
    logs.forget("long", "l7")


def file_missing(logs: Rich) -> None:
    logs.forget("files", "f1")


def voice_missing(logs: Rich) -> None:
    logs.seen.remove(logs.holding("voice-message.ogg"))


def voice_of_nobody(logs: Rich) -> None:
    """A recording that replies to nothing that was said: one is missing, and one answers nothing."""
    logs.holding("voice-message.ogg")["message_reference"]["message_id"] = "77"


def poll_missing(logs: Rich) -> None:
    logs.forget("poll", "p")


def a_preview_stayed_instead_of_the_answer(logs: Rich) -> None:
    logs.forget("slow", "z")


def no_outcome(logs: Rich) -> None:
    logs.outcomes = [line for line in logs.outcomes if line["message_id"] != logs.said("plain")]


def all_missing_although_a_tool_failed(logs: Rich) -> None:
    logs.told("sent", "Interrupted: this was started")
    logs.forget("sent", "b")
    logs.forget("sent", "z")


def never_sent_although_it_was_promised(logs: Rich) -> None:
    logs.told("sent", '{"ok":true,"queued":true,"note":"Discord is slow; it will be sent"}')
    logs.forget("sent", "b")


def text_twice(logs: Rich) -> None:
    logs.again("plain", "a")


def file_twice(logs: Rich) -> None:
    logs.again("file", "f1")


def voice_twice(logs: Rich) -> None:
    first = logs.holding("voice-message.ogg")
    logs.seen.append({**first, "id": str(int(first["id"]) + 100)})


def poll_twice(logs: Rich) -> None:
    logs.again("poll", "p")


def a_preview_beside_its_answer(logs: Rich) -> None:
    logs.show("100999", ONE, f"{logs.tag('slow')}#a word 0 of many, word 1")


def a_draft_left_behind(logs: Rich) -> None:
    logs.show("100999", ONE, "Thinking...\n• 🧠 Memory Search")


def a_deleted_message_is_still_there(logs: Rich) -> None:
    logs.show("100999", ONE, f"{logs.tag('delete')}#b will be gone")


def the_acknowledgement_stayed(logs: Rich) -> None:
    message = next(line for line in logs.seen if line.get("id") == logs.said("plain"))
    message["reactions"] = [{"emoji": {"name": "👀"}, "count": 1}]


def silence_was_broken(logs: Rich) -> None:
    logs.show("100999", ONE, f"{logs.tag('silent')}#a")


def parts_out_of_order(logs: Rich) -> None:
    first, second = logs.holding(f"{logs.tag('sent')}#b"), logs.holding(f"{logs.tag('sent')}#z")
    first["id"], second["id"] = second["id"], first["id"]


def answers_out_of_order(logs: Rich) -> None:
    logs.holding(f"{logs.tag('plain')}#a")["id"] = "140000"


def no_thread(logs: Rich) -> None:
    logs.seen = [
        line for line in logs.seen if line.get("id") != logs.said("plain", THREADED) or "bot" in line
    ]


def two_threads(logs: Rich) -> None:
    logs.seen.append({"kind": "thread", "id": "170001", "parent_id": THREADED, "name": "please m-000019"})


def answered_beside_the_thread(logs: Rich) -> None:
    logs.holding(f"{logs.tag('plain', THREADED)}#a")["channel_id"] = THREADED


def the_agents_thread_twice(logs: Rich) -> None:
    name = f"{logs.tag('thread')}#t"
    logs.seen.append({"kind": "thread", "id": "170001", "parent_id": ONE, "name": name})


def the_agents_thread_missing(logs: Rich) -> None:
    logs.seen = [line for line in logs.seen if line.get("name") != f"{logs.tag('thread')}#t"]


def reaction_missing(logs: Rich) -> None:
    message = next(line for line in logs.seen if line.get("id") == logs.said("react"))
    message["reactions"] = []


def two_presses_won(logs: Rich) -> None:
    logs.press(logs.tag("buttons"), "190001", "answered")


def nobody_won(logs: Rich) -> None:
    tag = logs.tag("buttons")
    click = next(line for line in logs.driver if line["kind"] == "click" and line["tag"] == tag)
    told = next(line for line in logs.outcomes if line["message_id"] == click["id"])
    told |= {"outcome": "dropped", "reason": "component-expired"}


def a_press_without_outcome(logs: Rich) -> None:
    logs.press(logs.tag("buttons"), "190001", "dropped", "component-expired")
    logs.outcomes.pop()


def a_press_with_two_outcomes(logs: Rich) -> None:
    logs.press(logs.tag("buttons"), "190001", "dropped", "component-expired")
    logs.outcome("190001", "dropped", "component-expired")


def a_press_answered_twice(logs: Rich) -> None:
    logs.show("109999", ONE, f"{logs.tag('buttons')}#k taken")


def a_press_of_a_lasting_button_expired(logs: Rich) -> None:
    logs.press(logs.tag("more"), "190001", "dropped", "component-expired", reusable=True)


def a_wrong_body(logs: Rich) -> None:
    line = logs.create(ONE, "", "", "m-000000", "d99", START + 20.0)
    line |= {"status": 400, "answer": {"code": 50035, "message": "Invalid Form Body"}}


def a_wrong_edit(logs: Rich) -> None:
    logs.simulator.append(change("PATCH", "/messages/{message_id}", 400, 50035))


def an_edit_of_an_older_grant(logs: Rich) -> None:
    line = change("PATCH", "/messages/{message_id}", 200, 0)
    logs.simulator.append({**line, "time": START + 4, "stamp": "d0"})


def an_edit_without_a_grant(logs: Rich) -> None:
    logs.simulator.append({**change("PATCH", "/messages/{message_id}", 200, 0), "stamp": ""})


def change(method: str, rest: str, status: int, code: int) -> Line:
    """A request other than a create."""
    return {
        "kind": "request",
        "method": method,
        "user_agent": USER_AGENT,
        "n": 9_000,
        "time": START + 30,
        "seconds": 0.01,
        "stamp": "d-change",
        "lost": "",
        "body": {"allowed_mentions": {"parse": []}},
        "route": f"{method} /channels/{{channel_id}}{rest}",
        "path": f"/api/v10/channels/{ONE}/messages/1",
        "status": status,
        "answer": {"code": code, "message": "no"} if code else {"id": "1"},
    }


def an_answer_lost_in_silence(logs: Rich) -> None:
    logs.struck(1, 2)


def marked_for_nothing(logs: Rich) -> None:
    logs.marked("post")


def marked_although_only_the_answer_was_lost(logs: Rich) -> None:
    logs.struck(1)
    logs.marked("post")


@pytest.mark.parametrize(
    ("forge", "expected"),
    [
        (text_missing, {"lost"}),
        (line_in_the_middle_missing, {"lost"}),
        (file_missing, {"lost"}),
        (voice_missing, {"lost"}),
        (voice_of_nobody, {"lost", "previews left behind"}),
        (poll_missing, {"lost"}),
        (a_preview_stayed_instead_of_the_answer, {"lost"}),
        (no_outcome, {"lost", "outcome"}),
        (never_sent_although_it_was_promised, {"lost"}),
        (all_missing_although_a_tool_failed, {"lost"}),
        (text_twice, {"doubled"}),
        (file_twice, {"doubled", "order"}),
        (voice_twice, {"doubled", "order"}),
        (poll_twice, {"doubled", "order"}),
        (a_preview_beside_its_answer, {"doubled"}),
        (a_draft_left_behind, {"previews left behind"}),
        (a_deleted_message_is_still_there, {"previews left behind"}),
        (the_acknowledgement_stayed, {"previews left behind"}),
        (silence_was_broken, {"previews left behind"}),
        (parts_out_of_order, {"order"}),
        (answers_out_of_order, {"order"}),
        (no_thread, {"threads"}),
        (two_threads, {"threads"}),
        (answered_beside_the_thread, {"threads"}),
        (the_agents_thread_twice, {"threads"}),
        (the_agents_thread_missing, {"threads"}),
        (reaction_missing, {"reactions"}),
        (two_presses_won, {"one winner per button"}),
        (nobody_won, {"one winner per button"}),
        (a_press_without_outcome, {"one winner per button"}),
        (a_press_with_two_outcomes, {"one winner per button"}),
        (a_press_answered_twice, {"one winner per button"}),
        (a_press_of_a_lasting_button_expired, {"one winner per button"}),
        (a_wrong_body, {"requests Discord refused", "wrong"}),
        (a_wrong_edit, {"requests Discord refused", "wrong"}),
        (an_edit_of_an_older_grant, {"grants"}),
        (an_edit_without_a_grant, {"grants"}),
        (an_answer_lost_in_silence, {"unknown"}),
        (marked_for_nothing, {"unknown"}),
        (marked_although_only_the_answer_was_lost, {"unknown"}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_each_fault_is_seen(forge: Callable[[Rich], None], expected: set[str], tmp_path: Path) -> None:
    logs = Rich()
    forge(logs)
    assert broken(logs, tmp_path) == expected
    assert main(["checker", str(tmp_path)]) == 1


def test_a_part_that_the_model_was_told_about_is_not_lost(tmp_path: Path) -> None:
    logs = Rich()
    logs.told("thread", "Interrupted: this was started, its outcome is unknown.")
    the_agents_thread_missing(logs)
    logs.forget("thread", "f")
    assert broken(logs, tmp_path) == set()


def test_what_is_queued_still_cannot_be_edited(tmp_path: Path) -> None:
    """The edit asks for the id of a message that is not there yet."""
    logs = Rich()
    logs.told("edit", '{"ok":true,"queued":true,"note":"Discord is slow; it will be sent"}')
    shown = logs.holding(f"{logs.tag('edit')}#e")
    shown["content"] = f"{logs.tag('edit')}#b will be changed"
    assert broken(logs, tmp_path) == set()


@pytest.mark.parametrize(
    ("route", "path"),
    [
        ("POST /users/@me/channels", "/api/v10/users/@me/channels"),
        ("PUT /cdn/upload", "/cdn/upload/6cee/voice-message.ogg"),
    ],
)
def test_what_nobody_sees_needs_no_grant(tmp_path: Path, route: str, path: str) -> None:
    """Design 1, promise 2: a direct message opened twice is once; the bytes of a recording say nothing."""
    logs = Rich()
    method = route.partition(" ")[0]
    bare = {
        **change(method, "", 200, 0),
        "stamp": "",
        "body": {"recipient_id": "7"} if method == "POST" else None,
    }
    logs.simulator.append({**bare, "route": route, "path": path})
    assert broken(logs, tmp_path) == set()


def test_of_two_presses_at_once_the_second_expires(tmp_path: Path) -> None:
    logs = Rich()
    logs.press(logs.tag("buttons"), "190001", "dropped", "component-expired")
    logs.press(logs.tag("buttons"), "", "")  # Discord did not let him: it was grey already
    assert broken(logs, tmp_path) == set()
    note = judge(read(tmp_path)).check("one winner per button").note
    assert note == "3 presses of 2 messages, 1 on buttons already greyed out"


def test_what_only_the_one_who_pressed_sees_is_nobodys_answer(tmp_path: Path) -> None:
    logs = Rich()
    logs.show("109999", ONE, "This component has expired.", flags=64)
    logs.show("109998", ONE, f"{logs.tag('thread')}#t", type=18)
    assert broken(logs, tmp_path) == set()


def test_answers_lost_beyond_repair_are_counted_where_they_are_marked(tmp_path: Path) -> None:
    logs = Rich()
    logs.struck(1, 2, 3, 4)
    logs.marked("post")
    logs.marked("alone")
    logs.forget("alone", "b")  # nobody knows whether it is there: it may be missing
    assert broken(logs, tmp_path) == set()
    assert judge(read(tmp_path)).check("unknowns").note == "0 lost answers, 2 beyond repair, 2 marked"
