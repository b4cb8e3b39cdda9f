"""Redis and what lies in it: the server, the fleet, what is stuck, dead, or waits for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shoal.base.errors import ShoalError, StoreUnsuitable
from shoal.base.findings import Finding
from shoal.cli.doctor.check import Check, Patient
from shoal.cli.pairing.listing import PRIVACY_HINT, label

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["CHECKS"]

STUCK_MS = 10 * 60_000
"""A turn older than this is worth a look."""
OLD_MS = 60_000
DEAD_SHOWN = 3
ADDRESS_FIX = (
    "Look in the log for what sends so many refused requests (401, 403, 429) from this address, stop it and "
    "wait; or use another proxy or address."
)


def _redis(patient: Patient) -> Iterator[Finding]:
    if patient.store is None:
        if patient.store_error is not None:
            unsuitable = isinstance(patient.store_error, StoreUnsuitable)
            embedded = patient.loaded is not None and patient.loaded.redis_url is None
            yield Finding(
                "redis-unsuitable" if unsuitable else "redis-away",
                "info" if embedded and not unsuitable else "critical",
                patient.store_error.message,
                patient.store_error.fix,
            )
        return
    try:
        report = patient.store.check()
    except ShoalError as error:
        yield Finding("redis-unsuitable", "critical", error.message, error.fix)
        return
    for warning in report.warnings:
        yield Finding(
            "redis-durability",
            "warn",
            warning,
            "Set appendonly yes and appendfsync always, and min-replicas-to-write 1 where there are "
            "replicas; "
            "give the server more memory if it is full.",
        )


def _fleet(patient: Patient) -> Iterator[Finding]:
    from shoal.cli.fleet.layout import Layout

    for fatal in Layout(patient.paths.state_dir).fatals():
        yield Finding(
            "process-gave-up",
            "critical",
            f"Process {fatal.process} gave up: {fatal.message}",
            "Correct that and start the fleet again.",
        )
    if patient.store is None:
        return
    kinds = {process.kind for process in patient.store.processes.living()}
    missing = {"gateway", "front", "turns", "back"} - kinds
    if not kinds:
        yield Finding("fleet-down", "info", "No process of the fleet is alive.", "Start it with `shoal up`.")
    elif missing:
        yield Finding(
            "process-missing",
            "critical",
            f"No process of these kinds is alive: {', '.join(sorted(missing))}.",
            "Start them: `shoal up` runs all; see `shoal status`.",
        )
    if kinds:
        yield from _hosts(patient, patient.store)


def _hosts(patient: Patient, store: Store) -> Iterator[Finding]:
    """Files lie on one host, the fleet may run on many (rule R25)."""
    from tasks.homes import SHARED, files_host

    living = store.processes.living()
    turns = {process.host for process in living if process.kind == "turns"}
    for agent, home in sorted(store.homes.all().items()):
        if home not in turns:
            yield Finding(
                "agent-home-gone",
                "critical",
                f"Agent {agent} lives on {home}, where no `turns` worker is alive: its turns wait.",
                "Start one there, or name another host in agents.list[].home. A home that is not in the "
                "config is given up after a minute.",
            )
    fetching = {process.host for process in living if process.kind == "back"}
    blind = sorted(turns - fetching)
    if blind and patient.loaded is not None and files_host(patient.loaded) != SHARED:
        yield Finding(
            "files-out-of-reach",
            "warn",
            f"Turns run on {', '.join(blind)}, but no `back` worker, which fetches the files people send.",
            'Run one there, or set agents.defaults.home to "shared" if all hosts have the same disk.',
        )


def _lanes(patient: Patient) -> Iterator[Finding]:
    if patient.store is None:
        return
    lanes = patient.store.lanes.overview()
    stuck = [lane for lane in lanes if lane.lane.startswith("session:") and lane.age_ms > STUCK_MS]
    waiting = [lane for lane in lanes if lane.state in ("ready", "waiting") and lane.age_ms > OLD_MS]
    if stuck:
        oldest = max(stuck, key=lambda lane: lane.age_ms)
        yield Finding(
            "turn-long",
            "warn",
            f"{len(stuck)} conversations have work that is older than 10 minutes; the oldest is "
            f"{oldest.lane}, "
            f"{oldest.age_ms // 60_000} min, {oldest.state}.",
            "See what it does in Flower or the log; /stop ends it. Turns have no time limit of the channel.",
        )
    if waiting:
        yield Finding(
            "lane-waiting",
            "warn",
            f"{len(waiting)} lanes wait for more than a minute, such as {waiting[0].lane} "
            f"({waiting[0].state}).",
            "See `shoal status`: a kind of worker may be missing or busy.",
        )


def _dead(patient: Patient) -> Iterator[Finding]:
    if patient.store is None:
        return
    dead = patient.store.lanes.dead_list(1000)
    if dead:
        shown = "; ".join(f"{record.lane}: {record.code}" for record in dead[:DEAD_SHOWN])
        turns = sum(record.lane.startswith("session:") for record in dead)
        sends = sum(record.lane.startswith("delivery:") for record in dead)
        yield Finding(
            "dead-records",
            "warn",
            f"{len(dead)} records could not be handled ({turns} turns, {sends} deliveries), newest: {shown}.",
            "See `shoal dead list`; then `shoal dead retry` or `shoal dead drop`.",
        )


def _limits(patient: Patient) -> Iterator[Finding]:
    """What keeps the whole fleet from sending: a refused token, a block, too many refused requests."""
    if patient.store is None:
        return
    from shoal.cli.standings import standing_words, standings
    from shoal.discord.standing import Standing

    for account, one in standings(patient.accounts, patient.store).items():
        place = f"account {account}"
        if one.latched_s > 0:
            yield Finding(
                "token-latched",
                "critical",
                f"Discord refused the bot token of account {account} (401); nothing is sent with it for "
                f"another {one.latched_s:.0f} s.",
                "Make a new token (Developer Portal → Bot → Reset Token), put it into the config, restart.",
                place,
            )
        for word in standing_words(Standing(cloudflare_s=one.cloudflare_s)):
            yield Finding("address-banned", "critical", word, ADDRESS_FIX, place)
        for word in standing_words(Standing(refused=one.refused, stops=one.stops)):
            yield Finding("refused-requests", "critical", word, ADDRESS_FIX, place)


def _pairing(patient: Patient) -> Iterator[Finding]:
    if patient.store is None or patient.loaded is None:
        return
    requests = patient.store.pairing.waiting(state.id for state in patient.loaded.account_states)
    for request in requests:
        if request.failure:
            yield Finding(
                "pairing-reply-failed",
                "warn",
                f"{label(request.meta)} ({request.sender}) asked to talk, but the reply could not be "
                "delivered: "
                f"{request.failure}.",
                PRIVACY_HINT,
                f"account {request.account}",
            )
    if requests:
        yield Finding(
            "pairing-waiting",
            "info",
            f"{len(requests)} people wait to be let in.",
            "See `shoal pairing list`; `shoal pairing approve discord CODE` lets somebody in.",
        )


CHECKS = (
    Check("redis", "the server: durability, memory, eviction, version", (), _redis),
    Check("fleet", "processes that are missing or gave up", ("First: run doctor",), _fleet),
    Check("lanes", "work that waits or takes long", ("Long-running turns or duplicate replies",), _lanes),
    Check("dead", "records that could not be handled", ("Long-running turns or duplicate replies",), _dead),
    Check("limits", "tokens and addresses that Discord refuses", (), _limits),
    Check(
        "pairing",
        "who waits to be let in",
        ("DM and pairing issues", "Private messages do not work"),
        _pairing,
    ),
)
