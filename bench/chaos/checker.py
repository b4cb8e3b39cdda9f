"""The judge of a chaos run: reads logs, imports nothing of the product, and says what was broken.

``python -m bench.chaos.checker <log dir>``; exit code 1 if anything was. What each line of its table means
stands in ``docs/chaos.md``.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bench.chaos.logs import Create, Facts, Injury, Made, read

__all__ = ["Verdict", "judge", "main"]

WOKEN_S = 2.0
"""A holder that was frozen may finish the one effect it had begun, so soon after it wakes (rule R14)."""
RECOVERY_S = 10.0
HALF_OPEN_S = 20.0
RECOVERY_SHARE = 0.01
"""Share of recoveries that may take longer."""
MIN_RATIO = 0.5
LIMITED_SHARE = 0.01
"""A process that was frozen sends what it was allowed earlier all at once; so not zero here."""
BUCKETS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
FINAL = {"answered", "merged", "steered"}
REFUSED = (400, 403, 404)


@dataclass(slots=True)
class Check:
    """One line of the table. ``exact``: a promise, not a figure that depends on the machine."""

    name: str
    broken: list[str] = field(default_factory=list)
    note: str = ""
    exact: bool = True


@dataclass(slots=True)
class Verdict:
    """Everything found."""

    checks: list[Check] = field(default_factory=list)
    figures: list[tuple[str, str]] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether any promise was."""
        return any(check.broken for check in self.checks)

    def check(self, name: str) -> Check:
        """A line by its name."""
        return next(check for check in self.checks if check.name == name)

    def render(self) -> str:
        """The table."""
        lines = []
        for check in self.checks:
            word = "BROKEN" if check.broken else "ok"
            lines.append(f"{check.name:38} {word:7} {len(check.broken):6}  {check.note}".rstrip())
            lines.extend(f"    {text}" for text in check.broken[:10])
            if len(check.broken) > 10:
                lines.append(f"    … and {len(check.broken) - 10} more")
        lines.append("")
        lines.extend(f"{name:38} {value}" for name, value in self.figures)
        return "\n".join(lines)


def judge(facts: Facts) -> Verdict:
    """All checks over the facts of one run."""
    verdict = Verdict()
    view = _View(facts)
    rules: list[tuple[str, Callable[[_View, Check], None]]] = [
        ("lost", _lost),
        ("answered twice", _twice),
        ("exactly one outcome per message", _one_outcome),
        ("effects out of order", _order),
        ("older grant after a newer one", _grants),
        ("dead letters without a fault", _dead),
        ("unknowns", _unknowns),
        ("creates without enforced nonce", _nonces),
        ("mistakes of the judge's own tools", _bugs),
    ]
    for name, rule in rules:
        check = Check(name)
        rule(view, check)
        verdict.checks.append(check)
    _recovery(view, verdict)
    _throughput(view, verdict)
    _limits(view, verdict)
    return verdict


class _View:
    """The facts, joined: which message of the bot answers which message of a person."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.by_id = {said.id: said for said in facts.said}
        self.by_tag = {said.tag: said for said in facts.said}
        self.outcomes: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.notes: dict[str, list[str]] = defaultdict(list)
        for told in facts.outcomes:
            if told.known and told.outcome:
                self.outcomes[told.id].append((told.outcome, told.reason))
            self.notes[told.id].extend(f"{name} {value}" for name, value in told.notes)
        self.answers: dict[str, list[Made]] = defaultdict(list)
        self.strange: list[Made] = []
        for made in facts.made.values():
            said = self._answered(made)
            if said is None:
                self.strange.append(made)
            else:
                self.answers[said].append(made)
        self.creates = sorted(facts.creates, key=lambda create: create.start)
        self.refused = {said for said in map(self._refused, facts.creates) if said}
        self.dead = {str(line.get("message_id") or "") for line in facts.dead}

    def _answered(self, made: Made) -> str | None:
        if made.reference in self.by_id:
            return made.reference
        tagged = [self.by_tag[tag].id for tag in made.tags if tag in self.by_tag]
        return tagged[-1] if tagged else None

    def _refused(self, create: Create) -> str:
        if create.status not in REFUSED or create.code in (0, 50035):
            return ""
        return create.reference if create.reference in self.by_id else ""


def _lost(view: _View, check: Check) -> None:
    """A message that was said, and nothing answers it, and nothing accounts for that."""
    for said in view.facts.said:
        outcomes = [outcome for outcome, _ in view.outcomes.get(said.id, [])]
        if not outcomes:
            check.broken.append(
                f"{said.tag} {said.id}: no outcome; {len(view.answers.get(said.id, []))} answers"
            )
        elif "answered" in outcomes and not view.answers.get(said.id, []) and said.id not in view.dead:
            check.broken.append(f"{said.tag} {said.id}: counted as answered, but no message is there")
    check.note = f"of {len(view.facts.said)} messages"


def _twice(view: _View, check: Check) -> None:
    """More than one message for one; or messages nobody asked for."""
    for said, made in view.answers.items():
        if len(made) > 1:
            tag = view.by_id[said].tag
            check.broken.append(f"{tag} {said}: {len(made)} answers: {', '.join(one.id for one in made)}")
    for one in view.strange:
        check.broken.append(f"{one.id} in {one.channel} answers nothing that was said")
    check.note = f"{len(view.facts.made)} messages of the bot"


def _one_outcome(view: _View, check: Check) -> None:
    """One line, one word of those that can be; absorbed messages name an answered one."""
    listed: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    for told in view.facts.outcomes:
        listed[told.id] += 1
    for said in view.facts.said:
        found = view.outcomes.get(said.id, [])
        for outcome, _ in found:
            counts[outcome] += 1
        if listed[said.id] != 1 or len(found) > 1:
            check.broken.append(f"{said.tag} {said.id}: {listed[said.id]} lines, outcomes {found}")
        for outcome, reason in found:
            if outcome not in FINAL and not (outcome == "dead" and said.id in view.refused):
                check.broken.append(f"{said.tag} {said.id}: {outcome} ({reason})")
            if outcome in ("merged", "steered") and not _absorbed(view, reason):
                check.broken.append(f"{said.tag} {said.id}: {outcome} {reason}, which was not answered")
    check.note = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _absorbed(view: _View, reason: str) -> bool:
    into = reason.removeprefix("into.")
    return any(outcome == "answered" for outcome, _ in view.outcomes.get(into, []))


def _order(view: _View, check: Check) -> None:
    """In each channel the answers are in the order of the messages they answer."""
    lanes: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for said, made in view.answers.items():
        first = min(int(one.id) for one in made)
        lanes[view.by_id[said].channel].append((first, said))
    for channel, pairs in lanes.items():
        newest = 0
        for answer, said in sorted(pairs):
            if int(said) < newest:
                check.broken.append(f"channel {channel}: {answer} answers {said} after {newest} was answered")
            newest = max(newest, int(said))
    check.note = f"in {len(lanes)} conversations"


def _grants(view: _View, check: Check) -> None:
    """Per conversation, each grant's effects are one run: none after the first of a later grant."""
    lanes: dict[str, list[tuple[float, str, str]]] = defaultdict(list)
    bare = 0
    for call in view.facts.calls:
        said = view.by_tag.get(call.tag)
        if said is None:
            check.broken.append(
                f"a model call at {call.time:.3f} belongs to no message ({call.tag or 'no tag'})"
            )
            continue
        bare += not call.stamp
        lanes[f"session {said.channel}"].append((call.time, call.stamp, call.tag))
    for create in view.creates:
        bare += not create.stamp
        lanes[f"delivery {create.channel}"].append((create.start, create.stamp, create.reference))
    if bare:
        check.broken.append(f"{bare} effects without the stamp of a grant")
    wakings = sorted(i.healed for i in view.facts.injuries if i.what == "freeze")
    grants = zombies = 0
    for lane, effects in lanes.items():
        late, seen = _late(sorted(effects), wakings)
        grants += seen
        zombies += sum(1 for _, allowed in late if allowed)
        check.broken.extend(f"{lane}: {text}" for text, allowed in late if not allowed)
    check.note = f"{grants} grants; {zombies} effects finished by a holder that was frozen in them"


def _late(effects: list[tuple[float, str, str]], wakings: list[float]) -> tuple[list[tuple[str, bool]], int]:
    """(effects of overtaken grants, whether each is the one a frozen holder may finish), and grants seen."""
    overtaken: dict[str, int] = {}
    current, found = "", []
    for moment, stamp, what in effects:
        if stamp == current:
            continue
        if stamp in overtaken:
            place = bisect_left(wakings, moment - WOKEN_S)
            woken = place < len(wakings) and wakings[place] <= moment
            overtaken[stamp] += 1
            found.append(
                (f"grant {stamp} at {moment:.3f} ({what}) after {current}", woken and overtaken[stamp] == 1)
            )
            continue
        if current:
            overtaken[current] = 0
        current = stamp
    return found, len(overtaken) + bool(current)


def _dead(view: _View, check: Check) -> None:
    """Dead exactly where the simulator refused for good."""
    dead = view.dead | {
        i for i, found in view.outcomes.items() if any(outcome == "dead" for outcome, _ in found)
    }
    for message in sorted(dead - view.refused):
        why = next((line.get("code") for line in view.facts.dead if line.get("message_id") == message), "")
        check.broken.append(
            f"{message or 'a record without a message'} is dead without a fault that says so ({why})"
        )
    for message in sorted(view.refused - dead):
        check.broken.append(f"{message} was refused for good and is not dead")
    check.note = f"{len(dead)} dead, {len(view.refused)} refused by Discord for good"


def _unknowns(view: _View, check: Check) -> None:
    """Marked unknown exactly where an answer was lost and no nonce could repair it."""
    marked = {i for i, notes in view.notes.items() if any("unknown" in note for note in notes)}
    beyond = {
        create.reference
        for create in view.facts.creates
        if create.lost in ("dropped", "cut", "fault") and not (create.enforced and create.nonce)
    }
    check.broken.extend(
        f"{i} is marked unknown, no answer was lost beyond repair" for i in sorted(marked - beyond)
    )
    check.broken.extend(
        f"{i}: the answer was lost beyond repair, nothing says so" for i in sorted(beyond - marked)
    )
    lost = sum(1 for create in view.facts.creates if create.lost in ("dropped", "cut", "fault"))
    check.note = f"{lost} lost answers, {len(beyond)} beyond repair"


def _nonces(view: _View, check: Check) -> None:
    """Every create can be recognised when it is repeated; one nonce never makes two messages."""
    made: dict[str, set[str]] = defaultdict(set)
    for create in view.facts.creates:
        if not (create.enforced and create.nonce):
            check.broken.append(f"create {create.n} for {create.reference}")
        elif create.message_id:
            made[create.nonce].add(create.message_id)
    check.broken.extend(f"nonce {nonce} made {sorted(ids)}" for nonce, ids in made.items() if len(ids) > 1)
    check.note = f"{len(view.facts.creates)} creates"


def _bugs(view: _View, check: Check) -> None:
    if view.facts.bugs:
        check.broken.append(f"{view.facts.bugs} errors inside the simulator: this run proves nothing")


# -- times -------------------------------------------------------------------------------------------


def _bar(name: str) -> Check:
    return Check(name, exact=False)


def _recovery(view: _View, verdict: Verdict) -> None:
    """From the last injury to the next effect of each conversation that was waiting for something."""
    plain, half_open = _bar(f"recovery over {RECOVERY_S:g} s"), _bar(f"half-open over {HALF_OPEN_S:g} s")
    took: dict[str, list[float]] = defaultdict(list)
    all_took: list[float] = []
    half_took: list[float] = []
    hurt = [i for i in view.facts.injuries if i.what != "rest"]
    effects, waits = _effects(view), _waits(view)
    moments = sorted(i.counts_from for i in hurt)
    for injury in hurt:
        for seconds in _recoveries(injury, moments, effects, waits):
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
    moments: list[float],
    effects: dict[str, list[float]],
    waits: dict[str, list[tuple[float, float]]],
) -> Iterable[float]:
    since = injury.counts_from
    for channel, spans in waits.items():
        if not any(begin <= since < end for begin, end in spans):
            continue
        times = effects.get(channel, [])
        place = bisect_left(times, since)
        if place == len(times):
            continue  # whatever waited for ever is counted as lost
        following = bisect_left(moments, since + 1e-6)
        if following < len(moments) and moments[following] <= times[place]:
            continue  # hurt again before it recovered: the later injury counts it
        yield times[place] - since


def _effects(view: _View) -> dict[str, list[float]]:
    effects: dict[str, list[float]] = defaultdict(list)
    for call in view.facts.calls:
        if call.tag in view.by_tag:
            effects[view.by_tag[call.tag].channel].append(call.time)
    for create in view.creates:
        effects[create.channel].append(create.start)
    return {channel: sorted(times) for channel, times in effects.items()}


def _answer_times(view: _View) -> dict[str, float]:
    """When each answered message had its answer: the first create that made it."""
    first: dict[str, float] = {}
    for create in view.creates:
        if create.message_id:
            first.setdefault(create.message_id, create.end)
    return {
        said: min(first.get(made.id, float("inf")) for made in answers)
        for said, answers in view.answers.items()
    }


def _waits(view: _View) -> dict[str, list[tuple[float, float]]]:
    times = _answer_times(view)
    waits: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for said in view.facts.said:
        if said.id in times:
            waits[said.channel].append((said.time, times[said.id]))
    return waits


def _throughput(view: _View, verdict: Verdict) -> None:
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
            latencies[name].extend(e - b for b, e in spans if begin <= b < until and e != float("inf"))
        verdict.figures.append((f"seconds from message to answer, {name}", _spread(latencies[name])))
    if len(rates) == 2 and rates["calm"] > 0:
        ratio = rates["chaos"] / rates["calm"]
        check.note = f"ratio {ratio:.2f}"
        if ratio < MIN_RATIO:
            check.broken.append(f"{rates['chaos']:.1f} of {rates['calm']:.1f} answers/s")
    verdict.checks.append(check)


def _limits(view: _View, verdict: Verdict) -> None:
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


def main(argv: list[str]) -> int:
    """Judge the logs of a folder; 0 if every promise held."""
    if len(argv) != 2:
        print("usage: python -m bench.chaos.checker <log dir>", file=sys.stderr)
        return 2
    facts = read(Path(argv[1]))
    verdict = judge(facts)
    print(f"seed {facts.run.get('seed')}, mode {facts.run.get('mode')}, {len(facts.injuries)} injuries")
    print(verdict.render())
    return 1 if verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
