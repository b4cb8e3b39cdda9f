"""The session machine as tables: one input after another, no clock, no socket."""

from __future__ import annotations

import json
import random
from typing import Any

import msgspec
import pytest
from pydantic import SecretStr

from gateway.actions import (
    Action,
    AskIdentify,
    Began,
    Close,
    Connect,
    Dispatch,
    Lost,
    Note,
    Resumed,
    Send,
    Stop,
)
from gateway.closing import KEEP_SESSION, stopped
from gateway.decode import BadFrame, Frame
from gateway.session import Phase, Session, SessionState, Shard

TOKEN = "not.a.token"
STORED = SessionState("abc", "wss://resume.example/", 40)
SHARD = Shard(SecretStr(TOKEN), 46_593)


def machine(state: SessionState | None = None) -> Session:
    return Session(SHARD, state, 15.0, 30.0, random.Random(1))


def frame(op: int, d: Any = None, s: int | None = None, t: str | None = None) -> Frame:
    return Frame(op, msgspec.Raw(json.dumps(d).encode()), s, t)


HELLO = frame(10, {"heartbeat_interval": 41_250})
ACK = frame(11)


def ready(seq: int = 1, session: str = "new") -> Frame:
    body = {"session_id": session, "resume_gateway_url": "wss://r.example/", "user": {"id": "1"}}
    return frame(0, body, seq, "READY")


def only(actions: list[Action], kind: type[Any]) -> Any:
    found = [action for action in actions if isinstance(action, kind)]
    assert len(found) == 1, actions
    return found[0]


def sent(action: Send) -> Any:
    return json.loads(action.body)


def live(state: SessionState | None = None, now: float = 0.0) -> Session:
    """A machine with a connection that is READY, or RESUMED when there was a session."""
    one = machine(state)
    one.start()
    one.opened(now)
    one.frame(HELLO, now)
    if state is None:
        one.identify(now)
        one.frame(ready(), now)
    else:
        one.frame(frame(0, {}, state.seq + 1, "RESUMED"), now)
    assert one.phase is Phase.LIVE
    return one


def test_first_connect_identifies_and_begins_a_session() -> None:
    one = machine()
    connect = only(one.start(), Connect)
    assert (connect.url, connect.resume, connect.delay) == (None, False, 0.0)
    assert one.opened(1.0) == []
    only(one.frame(HELLO, 1.0), AskIdentify)
    identify = only(one.identify(1.5), Send)
    body = sent(identify)
    assert body["op"] == 2
    assert body["d"]["token"] == TOKEN
    assert body["d"]["intents"] == SHARD.intents
    assert body["d"]["shard"] == [0, 1]
    assert TOKEN not in repr(identify)
    began = only(one.frame(ready(), 2.0), Began)
    assert began.state == SessionState("new", "wss://r.example/", 1)
    assert one.phase is Phase.LIVE


def test_stored_session_is_resumed_at_its_own_address() -> None:
    one = machine(STORED)
    connect = only(one.start(), Connect)
    assert (connect.url, connect.resume) == (STORED.resume_url, True)
    one.opened(0.0)
    body = sent(only(one.frame(HELLO, 0.0), Send))
    assert body == {"op": 6, "d": {"token": TOKEN, "session_id": "abc", "seq": 40}}
    replay = only(one.frame(frame(0, {}, 41, "MESSAGE_CREATE"), 0.1), Dispatch)
    assert (replay.follows, replay.seq) == (40, 41)
    resumed = one.frame(frame(0, {}, 42, "RESUMED"), 0.2)
    only(resumed, Resumed)
    assert only(resumed, Dispatch).follows == 41
    assert one.resumes == 1


def test_replayed_sequence_is_not_handed_on_twice() -> None:
    one = live(STORED)
    assert one.frame(frame(0, {}, 41, "MESSAGE_CREATE"), 1.0) == []
    assert one.frame(frame(0, {}, 12, "MESSAGE_CREATE"), 1.0) == []
    assert only(one.frame(frame(0, {}, 42, "MESSAGE_CREATE"), 1.0), Dispatch).follows == 41


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        *((code, "resume") for code in (None, 1000, 1001, 1006, 1011, 4000, 4001, 4002, 4008, 4099)),
        *((code, "identify") for code in (4003, 4005, 4007, 4009)),
        *((code, "stop") for code in (4004, 4010, 4011, 4012, 4013, 4014)),
    ],
)
def test_close_codes(code: int | None, kind: str) -> None:
    one = live(now=0.0)
    actions = one.closed(code, "because", 60.0)
    if kind == "stop":
        assert only(actions, Stop).code == code
        assert not [action for action in actions if isinstance(action, Connect)]
        assert one.phase is Phase.STOPPED
        assert one.closed(code, "", 61.0) == []
        return
    connect = only(actions, Connect)
    assert connect.resume is (kind == "resume")
    assert bool([action for action in actions if isinstance(action, Lost)]) is (kind == "identify")
    assert 0 < connect.delay <= 0.5


@pytest.mark.parametrize("code", [4004, 4010, 4011, 4012, 4013, 4014])
def test_fatal_codes_say_what_to_do(code: int) -> None:
    error = stopped(code, account="work", token_source="env", intents="GUILDS, MESSAGE_CONTENT")
    assert error.exit_code == 78
    assert error.close_code == code
    assert "work" in str(error)
    assert error.fix
    if code == 4004:
        assert "env" in str(error)
        assert "Reset Token" in str(error)
    if code == 4014:
        for word in ("Privileged Gateway Intents", "discord.intents.guildMembers", "MESSAGE_CONTENT"):
            assert word in str(error)


def test_first_heartbeat_comes_within_the_interval_and_carries_the_sequence() -> None:
    one = machine()
    one.start()
    one.opened(100.0)
    one.frame(HELLO, 100.0)
    due = one.due()
    assert due is not None
    assert 100.0 <= due <= 141.25
    assert one.tick(due - 0.001) == []
    assert sent(only(one.tick(due), Send)) == {"op": 1, "d": None}
    one.identify(due)
    one.frame(ready(7), due)
    one.frame(ACK, due + 0.2)
    assert one.latency == pytest.approx(0.2)
    assert sent(only(one.tick(due + 41.25), Send)) == {"op": 1, "d": 7}


def test_missing_ack_ends_the_connection_and_resumes() -> None:
    one = live()
    due = one.due()
    assert due is not None
    only(one.tick(due), Send)
    later = one.due()
    assert later == due + 41.25
    actions = one.tick(later)
    close = only(actions, Close)
    assert close.code == KEEP_SESSION
    assert only(actions, Connect).resume
    assert one.tick(later + 1) == []


def test_missing_ack_proves_nothing_while_the_reader_stands_still() -> None:
    one = live()
    due = one.due()
    assert due is not None
    only(one.tick(due), Send)
    only(one.tick(due + 41.25, reading=False), Send)
    only(one.tick(due + 82.5, reading=False), Send)
    one.reading_again(due + 100.0)
    assert one.tick(due + 141.0) == []
    one.frame(ACK, due + 141.1)
    only(one.tick(due + 141.25), Send)


def test_server_heartbeat_request_is_answered_at_once() -> None:
    assert sent(only(live().frame(frame(1), 1.0), Send))["op"] == 1


def test_op7_closes_with_a_code_that_keeps_the_session() -> None:
    actions = live(now=0.0).frame(frame(7), 60.0)
    assert isinstance(actions[0], Close)
    assert actions[0].code not in (1000, 1001)
    assert only(actions, Connect).resume


def test_op7_instead_of_hello() -> None:
    one = machine(STORED)
    one.start()
    one.opened(0.0)
    assert only(one.frame(frame(7), 0.0), Connect).resume


@pytest.mark.parametrize(("resumable", "resume"), [(True, True), (False, False)])
def test_op9(resumable: bool, resume: bool) -> None:
    one = machine(STORED)
    one.start()
    one.opened(0.0)
    one.frame(HELLO, 0.0)
    actions = one.frame(frame(9, resumable), 0.1)
    connect = only(actions, Connect)
    assert connect.resume is resume
    assert 1.0 <= connect.delay <= 5.0
    assert bool([action for action in actions if isinstance(action, Lost)]) is not resume


def test_three_failed_resumes_become_an_identify() -> None:
    one = machine(STORED)
    one.start()
    outcomes = []
    for turn in range(3):
        one.opened(float(turn))
        one.frame(HELLO, float(turn))
        actions = one.closed(4000, "", float(turn))
        outcomes.append(only(actions, Connect).resume)
    assert outcomes == [True, True, False]
    only(actions, Lost)


def test_progress_of_a_replay_is_no_failed_resume() -> None:
    one = machine(STORED)
    one.start()
    for turn in range(6):
        one.opened(float(turn))
        one.frame(HELLO, float(turn))
        one.frame(frame(0, {}, 41 + turn, "MESSAGE_CREATE"), float(turn))
        assert only(one.closed(None, "", float(turn)), Connect).resume


def test_failed_dials_never_cost_the_session_and_try_the_general_address() -> None:
    one = machine(STORED)
    one.start()
    urls = []
    for turn in range(40):
        connect = only(one.failed("unreachable", float(turn)), Connect)
        assert connect.resume
        urls.append(connect.url)
    assert set(urls) == {STORED.resume_url, None}
    assert urls[:2] == [STORED.resume_url] * 2


def test_backoff_grows_to_thirty_seconds_with_jitter_and_never_ends() -> None:
    one = machine()
    one.start()
    delays = [only(one.failed("no", 0.0), Connect).delay for _ in range(200)]
    assert delays[0] <= 0.5
    assert all(delay <= 30.0 for delay in delays)
    assert all(delay >= 15.0 for delay in delays[8:])
    assert len({round(delay, 3) for delay in delays[8:]}) > 50


def test_a_good_connection_forgets_the_failures_before_it() -> None:
    one = machine()
    one.start()
    for _ in range(6):
        one.failed("no", 0.0)
    one.opened(0.0)
    one.frame(HELLO, 0.0)
    one.identify(0.0)
    one.frame(ready(), 0.0)
    short = only(one.closed(None, "", 1.0), Connect).delay
    assert short > 5.0
    one.opened(2.0)
    one.frame(HELLO, 2.0)
    one.frame(frame(0, {}, 2, "RESUMED"), 2.0)
    assert only(one.closed(None, "", 13.0), Connect).delay <= 0.5


@pytest.mark.parametrize("stage", ["hello", "ready", "resumed"])
def test_silence_before_ready_is_not_waited_out(stage: str) -> None:
    one = machine(STORED if stage == "resumed" else None)
    one.start()
    one.opened(0.0)
    if stage != "hello":
        one.frame(frame(10, {"heartbeat_interval": 10_000_000}), 0.0)
        one.identify(0.0)
    assert one.tick(14.9) == []
    actions = one.tick(15.1)
    only(actions, Close)
    assert only(actions, Connect).resume is (stage == "resumed")


def test_a_postponed_identify_is_asked_for_again_while_heartbeats_go_on() -> None:
    one = machine()
    one.start()
    one.opened(0.0)
    one.frame(HELLO, 0.0)
    one.postpone(600.0, 0.0)
    now, beats = 0.0, 0
    while (due := one.due()) is not None and due < 600.0:
        now = due
        for action in one.tick(now):
            assert isinstance(action, Send)
            beats += 1
            one.frame(ACK, now)
    assert beats >= 14
    only(one.tick(600.0), AskIdentify)
    assert sent(only(one.identify(600.0), Send))["op"] == 2


def test_restore_resumes_from_the_stored_cursor() -> None:
    one = live(STORED)
    for seq in range(42, 60):
        one.frame(frame(0, {}, seq, "MESSAGE_CREATE"), 1.0)
    actions = one.restore(STORED)
    only(actions, Close)
    assert only(actions, Connect).resume
    one.opened(2.0)
    assert sent(only(one.frame(HELLO, 2.0), Send))["d"]["seq"] == 40
    assert only(one.frame(frame(0, {}, 41, "MESSAGE_CREATE"), 2.0), Dispatch).seq == 41


def test_restore_without_a_session_identifies() -> None:
    assert not only(live().restore(None), Connect).resume


def test_stop_keeps_the_session() -> None:
    one = live()
    assert only(one.stop(), Close).code not in (1000, 1001)
    assert one.due() is None


def test_bad_frames_cost_only_themselves() -> None:
    one = live(STORED)
    [note] = one.bad_frame(BadFrame(b"garbage", "DecodeError", None, None))
    assert isinstance(note, Note)
    [note] = one.bad_frame(BadFrame(b"garbage", "DecodeError", 4000, "MESSAGE_CREATE"))
    assert isinstance(note, Note)
    counted = only(one.bad_frame(BadFrame(b"garbage", "DecodeError", 42, "MESSAGE_CREATE")), Dispatch)
    assert (counted.follows, counted.seq) == (41, 42)
    assert only(one.frame(frame(0, {}, 43, "MESSAGE_CREATE"), 1.0), Dispatch).follows == 42


@pytest.mark.parametrize("d", [None, {}, {"heartbeat_interval": 0}, {"heartbeat_interval": "x"}, [1]])
def test_hello_without_an_interval_reconnects(d: Any) -> None:
    one = machine()
    one.start()
    one.opened(0.0)
    actions = one.frame(frame(10, d), 0.0)
    only(actions, Close)
    only(actions, Connect)


@pytest.mark.parametrize("d", [{}, {"session_id": 5}, None, []])
def test_ready_without_a_session_reconnects(d: Any) -> None:
    one = machine()
    one.start()
    one.opened(0.0)
    one.frame(HELLO, 0.0)
    one.identify(0.0)
    actions = one.frame(frame(0, d, 1, "READY"), 0.0)
    only(actions, Connect)


def test_dispatches_outside_a_session_and_unknown_opcodes_are_survived() -> None:
    one = machine()
    one.start()
    one.opened(0.0)
    one.frame(HELLO, 0.0)
    assert isinstance(one.frame(frame(0, {}, 5, "MESSAGE_CREATE"), 0.0)[0], Note)
    assert isinstance(one.frame(frame(0, {}, None, "MESSAGE_CREATE"), 0.0)[0], Note)
    assert isinstance(one.frame(frame(99), 0.0)[0], Note)
