"""The figures of a chaos run: recovery, throughput, 429s. They depend on the machine, unlike the promises."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable

from bench.chaos.logs import Injury
from bench.chaos.verdict import Check, Verdict, View

__all__ = ["limits", "recovery", "throughput"]

RECOVERY_S = 10.0
HALF_OPEN_S = 20.0
RECOVERY_SHARE = 0.01
"""Share of recoveries that may take longer."""
MIN_RATIO = 0.5
LIMITED_SHARE = 0.01
"""A process that was frozen sends what it was allowed earlier all at once; so not zero here."""
BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


def _bar(name: str) -> Check:
    return Check(name, exact=False)


def recovery(view: View, verdict: Verdict) -> None:
    """From the last injury to the next effect of each conversation that was waiting for something."""
    plain, half_open = _bar(f"recovery over {RECOVERY_S:g} s"), _bar(f"half-open over {HALF_OPEN_S:g} s")
    took: dict[str, list[float]] = defaultdict(list)
    all_took: list[float] = []
    half_took: list[float] = []
    hurt = [i for i in view.facts.injuries if i.what != "rest"]
    effects, waits = _effects(view), _waits(view)
    for injury in hurt:
        for seconds in _recoveries(injury, hurt, effects, waits):
            took[f"{injury.what} {injury.victim}"].append(seconds)
            (half_took if injury.what == "half-open" else all_took).append(seconds)
    for check, times, bound in ((plain, all_took, RECOVERY_S), (half_open, half_took, HALF_OPEN_S)):
        late = sorted((t for t in times if t > bound), reverse=True)
        if len(late) > RECOVERY_SHARE * len(times):
            check.broken.extend(f"{t:.1f} s" for t in late)
        check.note = f"{len(times)} waiting conversations, {len(late)} later"
        verdict.checks.append(check)
    verdict.figures.append(("recovery, all but half-open", _spread(all_took)))
    verdict.figures.append(("recovery, half-open broker sockets", _spread(half_took)))
    verdict.figures.extend((f"  {name}", _spread(times)) for name, times in sorted(took.items()))
    verdict.figures.append(("histogram", _histogram(all_took + half_took)))


def _recoveries(
    injury: Injury,
    hurt: list[Injury],
    effects: dict[str, list[float]],
    waits: dict[str, list[tuple[float, float]]],
) -> Iterable[float]:
    since = injury.counts_from
    # without its supervisor a fleet does nothing from that moment on; without others the rest goes on
    again = min(
        (
            other.time if other.victim == "supervisor" else other.counts_from
            for other in hurt
            if other.counts_from > since + 1e-6
        ),
        default=float("inf"),
    )
    for channel, spans in waits.items():
        if not any(begin <= since < end for begin, end in spans):
            continue
        times = effects.get(channel, [])
        place = bisect_left(times, since)
        if place == len(times):
            continue  # whatever waited for ever is counted as lost
        if again <= times[place]:
            continue  # hurt again before it recovered: the later injury counts it
        yield times[place] - since


def _effects(view: View) -> dict[str, list[float]]:
    effects: dict[str, list[float]] = defaultdict(list)
    for call in view.facts.calls:
        if call.tag in view.by_tag:
            effects[view.by_tag[call.tag].channel].append(call.time)
    for create in view.creates:
        effects[create.channel].append(create.start)
    for channel, spans in _waits(view).items():  # an answer may also be an edit, or in a thread
        effects[channel].extend(end for _, end in spans)
    return {channel: sorted(times) for channel, times in effects.items()}


def _answer_times(view: View) -> dict[str, float]:
    """When each answered message had its answer: the first create that made it."""
    first: dict[str, float] = {}
    for create in view.creates:
        if create.message_id:
            first.setdefault(create.message_id, create.end)
    return {
        said: min(first.get(made.id, float("inf")) for made in answers)
        for said, answers in view.answers.items()
    }


def _waits(view: View) -> dict[str, list[tuple[float, float]]]:
    times = _answer_times(view)
    waits: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for said in view.facts.said:
        # one whose answer was lost beyond repair waits for nothing
        if times.get(said.id, float("inf")) != float("inf"):
            waits[said.channel].append((said.time, times[said.id]))
    return waits


def throughput(view: View, verdict: Verdict) -> None:
    """Answers per second while the driver kept the fleet busy, calm against hurt."""
    check = _bar(f"throughput below {MIN_RATIO:g} × calm")
    rates: dict[str, float] = {}
    times = sorted(t for t in _answer_times(view).values() if t != float("inf"))
    latencies: dict[str, list[float]] = defaultdict(list)
    phases = view.facts.phases
    for name, end in (("calm", "chaos"), ("chaos", "drain")):
        if name not in phases or end not in phases:
            continue
        begin, until = phases[name], phases[end]
        count = bisect_left(times, until) - bisect_left(times, begin)
        rates[name] = count / max(0.001, until - begin)
        verdict.figures.append((f"answers/s, {name}", f"{rates[name]:.1f} over {until - begin:.0f} s"))
        for spans in _waits(view).values():
            latencies[name].extend(e - b for b, e in spans if begin <= b < until)
        verdict.figures.append((f"seconds from message to answer, {name}", _spread(latencies[name])))
    if len(rates) == 2 and rates["calm"] > 0:
        ratio = rates["chaos"] / rates["calm"]
        check.note = f"ratio {ratio:.2f}"
        if ratio < MIN_RATIO:
            check.broken.append(f"{rates['chaos']:.1f} of {rates['calm']:.1f} answers/s")
    verdict.checks.append(check)


def limits(view: View, verdict: Verdict) -> None:
    """429s that no fault made: the fleet stays inside Discord's limits (promise 7)."""
    facts = view.facts
    check = _bar(f"429s over {LIMITED_SHARE:.1%} of requests")
    natural = max(0, facts.limited - facts.limited_by_fault)
    check.note = f"{natural} of {facts.requests} requests, besides {facts.limited_by_fault} by fault"
    if natural > LIMITED_SHARE * facts.requests:
        check.broken.append(f"{natural} answers of 429 that were earned")
    verdict.checks.append(check)


def _spread(times: list[float]) -> str:
    if not times:
        return "none"
    ordered = sorted(times)
    points = ((name, ordered[min(len(ordered) - 1, int(len(ordered) * q))]) for name, q in _QUANTILES)
    return (
        f"n={len(ordered)} "
        + " ".join(f"{name}={value:.2f}" for name, value in points)
        + f" max={ordered[-1]:.2f}"
    )


_QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def _histogram(times: list[float]) -> str:
    counts = [0] * (len(BUCKETS) + 1)
    for seconds in times:
        counts[bisect_left(BUCKETS, seconds)] += 1
    names = [f"≤{bound:g}s" for bound in BUCKETS] + [f">{BUCKETS[-1]:g}s"]
    return "  ".join(f"{name} {count}" for name, count in zip(names, counts, strict=True))
