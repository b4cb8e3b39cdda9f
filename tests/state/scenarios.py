"""One scenario per way through each script: what must be there before, and the call itself.

Used to deliver every script twice, and to make each of its Redis calls fail in turn.
Everything in a scenario is the same in every run: tokens, identities, births.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from shoal.state.effects import (
    Effect,
    PairReply,
)
from shoal.state.records import Failure, Grant, Limit
from shoal.state.store import Store
from tests.state.situations import (
    NOTHING_KEPT,
    OTHER,
    after,
    approved,
    come_due,
    died,
    effects,
    event,
    expired,
    failing,
    fall_back,
    fill,
    first_click,
    given_back,
    given_up,
    guessed,
    held,
    holding,
    late,
    long_transcript,
    lost_session,
    outlived,
    overdue,
    parked_inbound,
    parked_on,
    queued,
    run_of_three,
    session_begun,
    stopped_clock,
    stranger,
    strangers,
    unpark,
    with_controls,
    working,
    younger,
)
from tests.state.support import MESSAGE, SESSION, put_hints, record, token


@dataclass(frozen=True)
class Scenario:
    """``prepare`` builds the state, ``act`` is the call under test, ``script`` the script it runs.

    ``answers``: whether the answer to the second delivery must equal the first (a push, for one,
    honestly says "known" the second time; there the state must be equal and nothing more).
    """

    name: str
    script: str
    prepare: Callable[[Store], Any]
    act: Callable[[Store, Any], Any]
    answers: bool = True


def lanes() -> list[Scenario]:
    def push(lane: str, name: str, **options: Any) -> Callable[[Store, Any], Any]:
        return lambda store, _: store.lanes.push(lane, record(name), **options)

    def acquire(**options: Any) -> Callable[[Store, Any], Any]:
        return lambda store, _: timed(store.lanes.acquire(SESSION, token(1), **options))

    return [
        Scenario("push first", "lane_push", put_hints, push(SESSION, "m:9"), answers=False),
        Scenario(
            "push after a fall", "lane_push", after(parked_on, fall_back), push(SESSION, "m:9"), answers=False
        ),
        Scenario("push behind", "lane_push", fill, push(SESSION, "m:9"), answers=False),
        Scenario("push in front", "lane_push", fill, push(SESSION, "m:9", front=True), answers=False),
        Scenario(
            "push in front of work", "lane_push", working, push(SESSION, "m:9", front=True), answers=False
        ),
        Scenario("push delayed", "lane_push", put_hints, push(SESSION, "m:9", delay_ms=9999), answers=False),
        Scenario("push to parked", "lane_push", parked_on, push(SESSION, "m:9"), answers=False),
        Scenario(
            "hold empty", "lane_hold", put_hints, lambda s, _: s.lanes.hold(SESSION, deadline_ms=60_000)
        ),
        Scenario("hold", "lane_hold", fill, lambda s, _: s.lanes.hold(SESSION, deadline_ms=60_000)),
        Scenario("unhold", "lane_hold", holding, lambda s, _: s.lanes.unhold(SESSION)),
        Scenario("acquire", "lane_acquire", fill, acquire(limit=Limit("turns", 1))),
        Scenario("acquire empty", "lane_acquire", put_hints, acquire()),
        Scenario("acquire after a death", "lane_acquire", lambda s: expired(s, 0), acquire()),
        Scenario("acquire after two", "lane_acquire", lambda s: expired(s, 1), acquire()),
        Scenario("acquire after proof", "lane_acquire", lambda s: expired(s, 3), acquire()),
        Scenario(
            "renew", "lane_renew", working, lambda s, g: s.lanes.renew({SESSION: g.token, OTHER: g.token})
        ),
        Scenario("stop", "lane_stop", working, lambda s, _: s.lanes.stop(SESSION, 5000, "7")),
        Scenario(
            "stop of a place",
            "lane_stop",
            working,
            lambda s, _: s.lanes.stop(SESSION, 5000, "7", place="a|1|"),
        ),
        Scenario("stop parked", "lane_stop", parked_on, lambda s, _: s.lanes.stop(SESSION, 5000, "7")),
        Scenario(
            "abort", "lane_abort", working, lambda s, g: s.lanes.abort(SESSION, g.head.identity, grace_ms=9)
        ),
        Scenario(
            "abort another", "lane_abort", working, lambda s, _: s.lanes.abort(SESSION, "m:99", grace_ms=9)
        ),
        Scenario(
            "renew what was given up", "lane_renew", given_up, lambda s, g: s.lanes.renew({SESSION: g.token})
        ),
        Scenario("alive in time", "lane_alive", working, lambda s, g: s.lanes.alive(g), answers=False),
        Scenario("alive after all", "lane_alive", outlived, lambda s, g: s.lanes.alive(g), answers=False),
        Scenario("acquire what is to end", "lane_acquire", given_back, acquire()),
        Scenario("wake", "lane_wake", parked_on, lambda s, _: s.lanes.wake("k:1"), answers=False),
        Scenario("sweep hints", "lane_sweep", after(fill, come_due), sweep, answers=False),
        Scenario("sweep expired", "lane_sweep", lambda s: expired(s, 0), sweep, answers=False),
        Scenario("sweep quarantine", "lane_sweep", lambda s: expired(s, 1), sweep, answers=False),
        Scenario("sweep dead", "lane_sweep", lambda s: expired(s, 3), sweep, answers=False),
        Scenario("sweep after a fall", "lane_sweep", after(parked_on, fall_back), sweep, answers=False),
        Scenario("sweep after a fall: held", "lane_sweep", after(working, fall_back), sweep, answers=False),
        Scenario("sweep parked", "lane_sweep", after(parked_on, unpark), sweep, answers=False),
        Scenario("dead retry", "lane_dead", died, lambda s, i: s.lanes.dead_retry(i), answers=False),
        Scenario("dead drop", "lane_dead", died, lambda s, i: s.lanes.dead_drop(i), answers=False),
    ]


def fenced() -> list[Scenario]:
    def fail(failure: Failure) -> Callable[[Store, Any], Any]:
        return lambda store, grant: store.lanes.fail(grant, failure, code="bad", reason="why")

    return [
        Scenario("behind", "lane_behind", working, lambda s, g: s.lanes.behind(g)),
        Scenario("absorb", "lane_absorb", working, lambda s, g: s.lanes.absorb(g, ["m:3"])),
        Scenario(
            "checkpoint", "lane_checkpoint", working,
            lambda s, g: s.lanes.checkpoint(g, 2, effects(), journal=b"second"),
        ),
        Scenario("commit", "lane_commit", working, lambda s, g: timed(s.lanes.commit(g, effects()))),
        Scenario(
            "commit and release", "lane_commit", working,
            lambda s, g: s.lanes.commit(g, effects(), take_next=False),
        ),
        Scenario("commit the last", "lane_commit", lambda s: held(s, 1), lambda s, g: s.lanes.commit(g)),
        Scenario(
            "park", "lane_park", working,
            lambda s, g: s.lanes.park(g, delay_ms=60_000, wake_on=["a", "b"]),
        ),
        Scenario(
            "park too late", "lane_park", after(working, lambda s: s.lanes.wake("a") and None),
            lambda s, g: s.lanes.park(g, delay_ms=60_000, wake_on=["a", "b"]),
        ),
        Scenario("move", "lane_move", held, lambda s, g: s.lanes.move(g, "session:elsewhere")),
        Scenario("move the last", "lane_move", lambda s: held(s, 1), lambda s, g: s.lanes.move(g, OTHER)),
        Scenario("yield", "lane_yield", working, lambda s, g: s.lanes.yield_(g)),
        Scenario("yield for a while", "lane_yield", working, lambda s, g: s.lanes.yield_(g, delay_ms=60_000)),
        Scenario("fail infrastructure", "lane_fail", working, fail(Failure.INFRASTRUCTURE)),
        Scenario("fail handled", "lane_fail", failing(1), fail(Failure.HANDLED)),
        Scenario("fail for good", "lane_fail", failing(2), fail(Failure.HANDLED)),
    ]  # fmt: skip


def others() -> list[Scenario]:
    def apply(**fields: Any) -> Callable[[Store, Any], Any]:
        return lambda store, _: store.intake.apply([event(**fields)], token=token(9))

    def holder(verb: str, *args: Any) -> Callable[[Store, Any], Any]:
        return lambda store, _: getattr(store.intake, f"holder_{verb}")("default", token(9), *args)

    return [
        Scenario("intake", "intake", session_begun, apply()),
        Scenario("intake of another kind", "intake", session_begun,
                 apply(dedup="reaction.1.2", outcome=None)),
        Scenario("intake behind others", "intake", after(session_begun, queued), apply(also=None)),
        Scenario("intake to a parked lane", "intake", after(session_begun, parked_inbound), apply(also=None)),
        Scenario(
            "intake of a repeat", "intake",
            after(session_begun, lambda s: s.intake.apply([event(2)], token=token(9)) and None), apply(seq=3),
            answers=False,
        ),
        Scenario("intake of nothing kept", "intake", session_begun,
                 lambda s, _: s.intake.apply([NOTHING_KEPT], token=token(9))),
        Scenario("run", "intake_run", session_begun, run_of_three),
        Scenario("run behind others", "intake_run", after(session_begun, queued), run_of_three),
        Scenario("run to a parked lane", "intake_run", after(session_begun, parked_inbound), run_of_three),
        Scenario("click", "control_take", with_controls,
                 lambda s, _: s.controls.take("default", "g1", "btn_g1-1", "i1")),
        Scenario("second click", "control_take", after(with_controls, first_click),
                 lambda s, _: s.controls.take("default", "g1", "btn_g1-1", "i2")),
        Scenario("skip", "intake_skip", session_begun,
                 lambda s, _: s.intake.skip(event(), "bad", token=token(9))),
        Scenario("begin", "intake_begin", session_begun,
                 lambda s, _: s.intake.begin_session("default", 0, "new", "wss://r", 1, token=token(9))),
        Scenario("gap", "intake_gap", lost_session,
                 lambda s, _: s.gaps.open("default", 0, token=token(9))),
        Scenario("late message", "intake_back", session_begun,
                 lambda s, _: s.gaps.take_in("default", 0, late(), token=token(9)), answers=False),
        Scenario("late message between others", "intake_back", younger,
                 lambda s, _: s.gaps.take_in("default", 0, late(), token=token(9)), answers=False),
        Scenario("forget", "intake_begin", session_begun,
                 lambda s, _: s.intake.forget_session("default", 0, token=token(9))),
        Scenario("holder acquire", "holder", put_hints, holder("acquire", 60_000)),
        Scenario("holder again", "holder", session_begun, holder("acquire", 60_000)),
        Scenario("holder release", "holder", session_begun, holder("release")),
        Scenario("close", "ledger_close", put_hints,
                 lambda s, _: s.ledger.close("default", MESSAGE, "dropped", "own message"), answers=False),
        Scenario("announce", "process_announce", put_hints,
                 lambda s, _: s.processes.announce("turns", "host", 7, (1, 2), {"a": 1})),
        Scenario("archive", "transcript_archive", long_transcript, lambda s, _: s.sessions.archive("s1"),
                 answers=False),
        Scenario("probe", "probe", stopped_clock, lambda s, _: s.script("probe")()[0]),
    ]  # fmt: skip


def pairing() -> list[Scenario]:
    def approve(code: str) -> Callable[[Store, Any], Any]:
        return lambda s, _: s.script("pairing_approve")(token(7), code, 1, "cli", 1, "default")

    def pair(effect: Effect) -> Callable[[Store, Any], Any]:
        return lambda s, grant: timed(s.lanes.commit(grant, [effect]))

    files = ("mark", "default", 2, "78", "{}", "80", "{}", 1, "81", 5000, 4000, "EFGHJKLM", "{}")
    return [
        Scenario("pair", "lane_commit", held, pair(stranger())),
        Scenario("pair again", "lane_commit", strangers(1), pair(stranger(offset=40))),
        Scenario("pair after a failed reply", "lane_commit", strangers(1, "failed:x"),
                 pair(stranger(offset=40))),
        Scenario("pair one too many", "lane_commit", strangers(3), pair(stranger("99"))),
        Scenario("pair beside one that is over", "lane_commit", overdue, pair(stranger("99"))),
        Scenario("pair reply", "lane_commit", strangers(1),
                 pair(PairReply("default", "77", "pair.77", "sent"))),
        Scenario("approve", "pairing_approve", strangers(2), approve("ABCDEFGH")),
        Scenario("approve nobody", "pairing_approve", guessed(0), approve("ZZZZZZZZ")),
        Scenario("approve after guesses", "pairing_approve", guessed(4), approve("ABCDEFGH")),
        Scenario("approve a second guess", "pairing_approve", guessed(1), approve("ZZZZZZZY")),
        Scenario("approve while locked", "pairing_approve", guessed(5), approve("ABCDEFGH"), answers=False),
        Scenario("revoke", "pairing_revoke", approved,
                 lambda s, _: s.script("pairing_revoke")(token(7), "default", "77")),
        Scenario("revoke one who waits", "pairing_revoke", approved,
                 lambda s, _: s.script("pairing_revoke")(token(7), "default", "78")),
        Scenario("import", "pairing_import", approved, lambda s, _: s.script("pairing_import")(*files),
                 answers=False),
    ]  # fmt: skip


def sweep(store: Store, _: Any) -> Any:
    return store.lanes.sweep("session")


def timed(answer: Any) -> Any:
    """A grant without the moment it was asked for, so that two can be compared."""
    if isinstance(answer, Grant):
        return (answer.lane, answer.token, answer.head.identity, answer.journal, answer.step, answer.tries)
    return answer


def all_scenarios() -> list[Scenario]:
    """Every scenario."""
    return [*lanes(), *fenced(), *others(), *pairing()]
