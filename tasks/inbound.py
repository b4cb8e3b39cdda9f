"""``inbound.admit``: what becomes of the events of one channel.

Quick work only: Redis reads, one decision, one commit per event (rule R18). What needs more time
stands in the hold lane of its author, which is looked at by the same task: each look decides over
what is at its head, or parks until something comes, an answer is there, or a time has passed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kombu.exceptions import OperationalError

from shoal.base.logging import get_logger
from shoal.state.lookups import Asked
from shoal.state.queues import lane_class
from shoal.state.records import Grant, event_of
from shoal.state.steps import Commit, Park, Step
from tasks.early import waiting_turns
from tasks.enrich import ask
from tasks.media import ask_for_files
from tasks.runtime import Runtime
from workers.delivery.notices import notice_push
from workers.delivery.pairing import pair_effect
from workers.sessions.admission import Admission, admit
from workers.sessions.admission.holding import Wait, look
from workers.sessions.view import StoreView

__all__ = ["BATCH", "admit_lane", "commit_admission"]

BATCH = 50
"""Events of one channel worked off by one task before others get their turn."""
BEHIND = 64
"""Records of a hold lane that one look takes in."""
FILES_AGAIN_MS = 4_000
"""How long files may take before they are asked for again. Whoever fetches them says so meanwhile; should he
die, that lapses within 6 s, so that somebody else has taken over 10 s after a death."""
ADMIT_MS = 10_000
"""How long what was gathered waits, beyond its window, for what came in before the window's end."""
ADMIT_AGAIN_MS = 100
FACTS_S = 0.2
"""How long what was read about guild and channel serves the next events of the same batch."""

log = get_logger(__name__)


def admit_lane(runtime: Runtime, lane: str) -> str:
    """Work off an inbound, hold or fast lane."""
    handlers = {"hold": _look_at_held, "fast": _admit_fast}
    handle = handlers.get(lane_class(lane), _admit)
    views = _Views(runtime)
    return runtime.drain.run(lane, lambda grant, _context: handle(runtime, grant, views), max_records=BATCH)


def _admit(runtime: Runtime, grant: Grant, views: _Views) -> Step:
    event = event_of(grant.head)
    view = views.of(event.account)
    admission = admit(event, view)
    step = commit_admission(runtime, admission)
    view.wrote(step.effects)
    return step


def _admit_fast(runtime: Runtime, grant: Grant, views: _Views) -> Step:
    event = event_of(grant.head)
    return commit_admission(
        runtime, replace(admit(event, views.of(event.account), fast=True), notice=None, knock=None)
    )


def _look_at_held(runtime: Runtime, grant: Grant, views: _Views) -> Step:
    """One look into a hold lane."""
    lanes = runtime.store.lanes
    _, account, channel_id, _ = grant.lane.split(":", 3)
    now_ms = runtime.store.now_ms()
    found = look(grant.head, grant.absorbed, lanes.behind(grant, BEHIND), views.of(account), now_ms)
    if isinstance(found, Wait):
        _ask(runtime, grant, channel_id, found.ask, now_ms)
        delay_ms = found.until_ms - now_ms
        if any(asked.kind == "files" for asked in found.ask):
            delay_ms = min(delay_ms, FILES_AGAIN_MS)
        return Park(found.wake_on, max(1, delay_ms), found.summary)
    if _not_admitted_yet(runtime, account, channel_id, found.gathered_until_ms, now_ms):
        return Park((), ADMIT_AGAIN_MS, "holding · what came meanwhile is not admitted yet")
    lanes.absorb(grant, found.absorb)
    return commit_admission(runtime, found.admission)


def _not_admitted_yet(runtime: Runtime, account: str, channel_id: str, until_ms: int, now_ms: int) -> bool:
    """Whether events of the channel that came in before ``until_ms`` still wait to be admitted: more of
    what was written, an edit or a deletion of it. After a death of ``front`` they do."""
    if not until_ms or now_ms > until_ms + ADMIT_MS:
        return False
    came = runtime.store.lanes.oldest(f"inbound:{account}:{channel_id}")
    return came is not None and came.born <= until_ms


def _ask(runtime: Runtime, grant: Grant, channel_id: str, questions: Sequence[Asked], now_ms: int) -> None:
    """Send for what is not known, each question once for this head; the journal says what was asked.

    Files, which may take minutes, are asked for again: whoever fetches them may have died.
    """
    asked = {key for _, entry in grant.journal for key in entry.decode().split()}
    again = (now_ms - grant.head.born) // FILES_AGAIN_MS
    marks = {one: f"{one.wake_key}+{again}" if one.kind == "files" else one.wake_key for one in questions}
    fresh = [one for one in questions if marks[one] not in asked]
    if not fresh:
        return
    try:
        ask(runtime.app, channel_id, [one for one in fresh if one.kind != "files"])
        for one in fresh:
            if one.kind == "files":
                ask_for_files(runtime, grant.lane, f"m:{one.account}:{one.name}")
    except OperationalError as error:
        # the broker is the same Redis: it will be back, or the deadline passes
        log.warning("nobody could be sent to look up", lane=grant.lane, error=str(error))
        return
    keys = " ".join(marks[one] for one in fresh)
    runtime.store.lanes.checkpoint(grant, grant.step + 1, journal=keys.encode())


def commit_admission(runtime: Runtime, admission: Admission, summary: str = "") -> Commit:
    """What an admission asks for: its stops now, its effects with the commit, the rest after it."""
    if admission.contentless and runtime.once(f"contentless:{admission.contentless}"):
        log.warning(
            "messages arrive without content; switch on the Message Content intent of the application "
            "in the Discord developer portal",
            account=admission.contentless,
        )
    for stop in admission.stops:
        # a bound only ever moves forward, so writing it before the commit may be repeated
        runtime.store.lanes.stop(
            stop.lane, stop.born_ms, stop.message_id, reason=stop.reason, place=stop.place
        )
    effects = [*admission.effects]
    if admission.notice is not None:
        effects.append(notice_push(admission.notice))
    if admission.knock is not None:
        effects.append(pair_effect(admission.knock))
    return Commit(effects, summary or admission.summary, _afterwards(runtime, admission))


def _afterwards(runtime: Runtime, admission: Admission) -> Callable[[], None] | None:
    """Files are fetched once their message was let in, not before (R18); who has to wait sees that."""
    wanted, waiting = admission.files, waiting_turns(admission.effects)
    if wanted is None and not waiting:
        return None

    def follow() -> None:
        if waiting:
            runtime.early.offer(waiting)
        if wanted is not None:
            ask_for_files(runtime, wanted.lane, wanted.identity)

    return follow


class _Views:
    """Views for the events of one lane, which are all about one channel: its facts are read once for a batch
    that is worked off in a moment, not once per event."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._made: dict[str, tuple[float, StoreView]] = {}

    def of(self, account: str) -> StoreView:
        """The view for an event of ``account``."""
        now = self._runtime.clock.monotonic()
        made = self._made.get(account)
        if made is None or now - made[0] > FACTS_S:
            view = StoreView(self._runtime.admission_settings(account), self._runtime.store)
            made = self._made[account] = (now, view)
        return made[1]
