"""What is a text command (``spec/inbound.md`` 8.3), and what each does at admission (3.9, 4.4, 5.11)."""

from __future__ import annotations

from typing import Any

import pytest

from config.agents import ModelRef
from shoal.base.aborts import is_abort_word, is_stop_command
from shoal.state.effects import Outcome, Push, SessionPut
from tests.workers.sessions.helpers import ANN, BOB, BOT, CHANNEL, GUILD, NOW, View, event, in_guild, message
from workers.sessions.admission import Admission, admit
from workers.sessions.chosen_model import ModelNames
from workers.sessions.queueing import QueueSettings, read_options
from workers.sessions.records import TurnRequest, decode_turn
from workers.sessions.state import SessionState
from workers.sessions.text_commands import TextCommand, read_command

OPEN: dict[str, Any] = {"allowFrom": [ANN], "guilds": {GUILD: {}}}
KEY = f"agent:main:discord:channel:{CHANNEL}"


@pytest.mark.parametrize(
    ("content", "name", "args"),
    [
        ("/new", "new", ""),
        ("  /NEW  ", "new", ""),
        ("/new@shoal", "new", ""),
        ("/new: hello", "new", "hello"),
        ("/new:hello", "new", "hello"),
        ("/new hello there", "new", "hello there"),
        ("/new\nhello", "new", "hello"),
        (f"<@{BOT}> /reset", "reset", ""),
        (f"<@!{BOT}>, /reset soft", "reset", "soft"),
        ("/whoami", "whoami", ""),
        ("/id", "whoami", ""),
        ("/status", "status", ""),
        ("/queue collect cap:5", "queue", "collect cap:5"),
        ("/activation always", "activation", "always"),
        ("/send off", "send", "off"),
        ("/tts chat on", "tts", "chat on"),
        ("/help", "help", ""),
    ],
)
def test_commands(content: str, name: str, args: str) -> None:
    assert read_command(content, BOT) == TextCommand(name, args)


@pytest.mark.parametrize(
    "content",
    [
        "new", "/newer", "/unknown", "please /new", "/status of things", "/help me", "", "/", f"<@{BOT}>",
        "<@19001> /new", "//new", "/stop", "/new-thing",
    ],
)  # fmt: skip
def test_what_is_none(content: str) -> None:
    assert read_command(content, BOT) is None


def test_reset_triggers_of_the_config() -> None:
    triggers = ("/fresh", "start over")
    assert read_command("/fresh hi", BOT, triggers) == TextCommand("reset", "hi")
    assert read_command("Start Over", BOT, triggers) == TextCommand("reset")
    assert read_command("start over: hi", BOT, triggers) is None
    assert read_command("start overly", BOT, triggers) is None
    assert read_command("/new", BOT, triggers) is None
    assert read_command("/new", BOT, ()) is None


@pytest.mark.parametrize("content", ["/stop", "/STOP!", f"<@{BOT}> /stop", "/stop@shoal", "/stop。"])
def test_stop_commands(content: str) -> None:
    assert is_stop_command(content, BOT)


@pytest.mark.parametrize(
    "content",
    [
        *("stop", "esc", "abort", "wait", "exit", "interrupt", "halt", "detente", "deten", "detén"),
        *("arrete", "arrête", "停止", "やめて", "止めて", "रुको", "توقف", "стоп", "остановись"),
        *("останови", "остановить", "прекрати", "anhalten", "aufhören", "hoer auf", "stopp", "pare"),
        *("stop openclaw", "stop action", "stop current action", "stop run", "stop current run"),
        *("stop agent", "stop the agent", "stop doing anything", "stop don't do anything"),
        *("stop dont do anything", "stop do not do anything", "openclaw stop", "do not do that"),
        *("please stop", "stop please"),
        # written as people write
        *("STOP!!!", "Stop。", "停止！", "stop”", "stop)", "  stop   the\nagent ", "stop don’t do anything"),
        *(f"<@{BOT}> stop", f"<@!{BOT}> stop.", f"stop <@{BOT}>"),
    ],
)  # fmt: skip
def test_abort_words(content: str) -> None:
    """The whole list of ``spec/inbound.md`` 5.4."""
    assert is_abort_word(content, BOT)


@pytest.mark.parametrize("content", ["stop it now", "wait for me", "<@19001> stop", "stop <@102>", "nonstop"])
def test_what_stops_nothing(content: str) -> None:
    assert not is_abort_word(content, BOT)


def pushed(admission: Admission) -> TurnRequest:
    [push] = [effect for effect in admission.effects if isinstance(effect, Push)]
    return decode_turn(push.record.body)


def outcome(admission: Admission) -> tuple[str, str] | None:
    found = [effect for effect in admission.effects if isinstance(effect, Outcome)]
    return (found[0].outcome, found[0].reason) if found else None


def test_new_stops_what_is_older_and_goes_into_the_lane() -> None:
    admission = admit(event(message("/new")), View(OPEN, depths={"session:agent:main:main": 2}))
    request = pushed(admission)
    assert (request.reset, request.text, request.mode) == ("new", "", "followup")
    assert admission.stop is not None
    assert (admission.stop.lane, admission.stop.message_id) == ("session:agent:main:main", str(NOW))
    assert outcome(admission) is None  # its turn writes it


def test_what_follows_new_is_the_first_message() -> None:
    data = message("/new hey <@103>", mentions=[{"id": "103", "username": "cem"}])
    assert pushed(admit(event(data), View(OPEN))).text == "hey @cem"


def test_a_soft_reset_keeps_the_conversation() -> None:
    alone = admit(event(message("/reset soft")), View(OPEN))
    assert (outcome(alone), alone.stop) == (("command", "reset"), None)
    assert alone.notice is not None
    assert alone.notice.text == "session-soft"
    followed = admit(event(message("/reset soft and go on")), View(OPEN))
    assert (pushed(followed).reset, pushed(followed).text, followed.stop) == ("soft", "and go on", None)


def test_in_guilds_an_authorized_command_needs_no_mention() -> None:
    section = {"allowFrom": [ANN], "guilds": {GUILD: {}}}
    admission = admit(event(in_guild("/new", mention=False)), View(section))
    assert pushed(admission).reset == "new"
    # whoever names somebody else does not mean us
    other = in_guild("/new", mention=False, mentions=[{"id": BOB, "username": "bob"}])
    assert outcome(admit(event(other), View(section))) == ("history", "mention-required")


@pytest.mark.parametrize("mention", [True, False])
@pytest.mark.parametrize("text", ["/new", "/status", "/queue collect", "/activation always"])
def test_who_may_not_command_is_refused_before_the_mention_gate(text: str, mention: bool) -> None:
    admission = admit(event(in_guild(text, BOB, mention=mention)), View(OPEN))
    assert outcome(admission) == ("dropped", "command-unauthorized")
    assert admission.notice is None
    assert not [effect for effect in admission.effects if isinstance(effect, Push | SessionPut)]


def test_a_stranger_learns_nothing() -> None:
    admission = admit(event(message("/status", BOB)), View(OPEN))
    assert admission.knock is not None  # asked to pair, like with any other word
    assert (admission.notice, admission.effects) == (None, ())


def test_without_text_commands_they_are_words() -> None:
    view = View(OPEN, commands={"text": False})
    assert pushed(admit(event(message("/status")), view)).text == "/status"


def test_activation_is_kept_with_the_conversation() -> None:
    """Decision 28."""
    admission = admit(event(in_guild("/activation always")), View(OPEN))
    assert SessionPut(KEY, {"activation": "always"}) in admission.effects
    assert outcome(admission) == ("command", "activation")
    wrong = admit(event(in_guild("/activation sometimes")), View(OPEN))
    assert wrong.notice is not None
    assert (wrong.notice.text, wrong.notice.values) == ("activation-usage", {"mode": "mention"})
    direct = admit(event(message("/activation always")), View(OPEN))
    assert direct.notice is not None
    assert direct.notice.text == "activation-direct"


@pytest.mark.parametrize(("mode", "kept"), [("on", "on"), ("OFF", "off"), ("inherit", None)])
def test_an_owner_says_whether_answers_are_delivered(mode: str, kept: str | None) -> None:
    """8.3 and 9.1 item 6."""
    view = View(OPEN, commands={"ownerAllowFrom": [f"discord:{ANN}"]})
    admission = admit(event(in_guild(f"/send {mode}")), view)
    assert SessionPut(KEY, {"send": kept}) in admission.effects
    assert outcome(admission) == ("command", "send")
    assert admission.notice is not None
    assert admission.notice.text == f"send-{mode.lower()}"
    asked = admit(event(in_guild("/send")), View(OPEN, sessions={KEY: SessionState(send="off")}))
    assert asked.notice is not None
    assert (asked.notice.text, asked.notice.values) == ("send-usage", {"mode": "off"})


@pytest.mark.parametrize(
    ("said", "kept", "mode"),
    [
        ("on", "always", "always"),
        ("OFF", "off", "off"),
        ("inbound", "inbound", "inbound"),
        ("chat tagged", "tagged", "tagged"),
        ("default", None, "inbound"),
    ],
)
def test_which_answers_are_heard_is_said_for_a_conversation(said: str, kept: str | None, mode: str) -> None:
    """8.3; what is said outlives the transcript, as the other settings do."""
    view = View(OPEN, heard={"main": "inbound"}, sessions={KEY: SessionState(tts="tagged")})
    admission = admit(event(in_guild(f"/tts {said}")), view)
    assert SessionPut(KEY, {"tts": kept}) in admission.effects
    assert outcome(admission) == ("command", "tts")
    assert admission.notice is not None
    assert (admission.notice.text, admission.notice.values) == ("tts-set", {"mode": mode})


@pytest.mark.parametrize(
    ("heard", "state", "text", "values"),
    [
        ({"main": "inbound"}, SessionState(), "tts-usage", {"mode": "inbound"}),
        ({"main": "off"}, SessionState(tts="always"), "tts-usage", {"mode": "always"}),
        ({}, SessionState(), "tts-nobody", {}),
    ],
)
def test_what_is_in_force_is_told(heard: Any, state: SessionState, text: str, values: Any) -> None:
    view = View(OPEN, heard=heard, sessions={KEY: state})
    notice = admit(event(in_guild("/tts")), view).notice
    assert notice is not None
    assert (notice.text, dict(notice.values)) == (text, values)


def test_nobody_else_silences_the_bot() -> None:
    admission = admit(event(in_guild("/send off")), View(OPEN))
    assert admission.notice is not None
    assert admission.notice.text == "send-owner"
    assert not [effect for effect in admission.effects if isinstance(effect, SessionPut)]


MODELS = ModelNames({"main": {"fast": ModelRef("local", "m2")}}, frozenset({"local", "openrouter"}))


@pytest.mark.parametrize(
    ("said", "model", "text"),
    [
        ("/new fast", "local/m2", ""),
        ("/new Fast tell me a story", "local/m2", "tell me a story"),
        ("/reset local/m3 hi", "local/m3", "hi"),
        ("/new OpenRouter/maker/model", "openrouter/maker/model", ""),
        ("/new default", None, ""),
    ],
)
def test_what_follows_new_may_be_a_model(said: str, model: str | None, text: str) -> None:
    """8.3: "model / message"."""
    admission = admit(event(message(said)), View(OPEN, models=MODELS))
    assert SessionPut("agent:main:main", {"model_override": model}) in admission.effects
    assert (pushed(admission).reset, pushed(admission).text) == ("new", text)


@pytest.mark.parametrize("said", ["faster", "unknown/m1 hi", "a/b test", "default settings", "and/or", ""])
def test_what_names_no_model_is_the_first_message(said: str) -> None:
    admission = admit(event(message(f"/new {said}")), View(OPEN, models=MODELS))
    assert pushed(admission).text == said
    assert not [effect for effect in admission.effects if isinstance(effect, SessionPut)]


def test_a_soft_reset_chooses_no_model() -> None:
    admission = admit(event(message("/reset soft fast")), View(OPEN, models=MODELS))
    assert pushed(admission).text == "fast"
    assert not [effect for effect in admission.effects if isinstance(effect, SessionPut)]


def test_queue_settings_of_a_conversation() -> None:
    """``/queue`` over byChannel over mode over the default (5.4)."""
    admission = admit(event(in_guild("/queue collect debounce:2s cap:5 drop:old")), View(OPEN))
    assert (
        SessionPut(
            KEY, {"queue_mode": "collect", "queue_debounce_ms": "2000", "queue_cap": "5", "queue_drop": "old"}
        )
        in admission.effects
    )
    state = SessionState(queue_mode="collect", queue_debounce_ms=2000, queue_cap=5, queue_drop="old")
    view = View(OPEN, sessions={KEY: state}, depths={f"session:{KEY}": 1})
    said = admit(event(in_guild("hello")), view)
    assert pushed(said).mode == "collect"
    assert said.effects[0].delay_ms == 2000  # type: ignore[union-attr]
    shown = admit(event(in_guild("/queue")), view)
    assert shown.notice is not None
    assert shown.notice.values["settings"] == "collect, debounce 2000 ms, cap 5, drop old"
    cleared = admit(event(in_guild("/queue default")), view)
    assert cleared.notice is not None
    assert cleared.notice.text == "queue-cleared"
    assert cleared.notice.values["settings"] == str(QueueSettings())


@pytest.mark.parametrize(
    "word", ["fast", "cap:0", "cap:x", "debounce:soon", "debounce:2h", "drop:all", "cap"]
)
def test_a_wrong_queue_option_is_named(word: str) -> None:
    with pytest.raises(ValueError, match=word):
        read_options(f"collect {word}")
    admission = admit(event(in_guild(f"/queue {word}")), View(OPEN))
    assert admission.notice is not None
    assert admission.notice.values["word"] == repr(word)
    assert not [effect for effect in admission.effects if isinstance(effect, SessionPut)]


@pytest.mark.parametrize("mode", ["steer", "queue", "followup", "collect", "steer-backlog", "interrupt"])
def test_every_queue_mode_can_be_set(mode: str) -> None:
    assert read_options(mode) == {"queue_mode": mode}
    assert read_options("steer+backlog") == {"queue_mode": "steer-backlog"}


def test_status_and_whoami_are_answered_without_a_model() -> None:
    view = View(OPEN, sessions={KEY: SessionState("s", 1, 1, turns=3, model="local/m1")})
    status = admit(event(in_guild("/status")), view)
    assert outcome(status) == ("command", "status")
    assert status.notice is not None
    assert (status.notice.values["model"], status.notice.values["turns"]) == ("local/m1", "3")
    who = admit(event(message("/id")), View(OPEN))
    assert who.notice is not None
    assert (who.notice.values["id"], who.notice.values["authority"]) == (ANN, "trusted")
