"""The judge of a chaos run: reads logs, imports nothing of the product, and says what was broken.

``python -m bench.chaos.checker <log dir>``; exit code 1 if anything was. What each line of its table means
stands in ``docs/chaos.md``.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from bench.chaos.figures import limits, recovery, throughput
from bench.chaos.logs import Facts, read
from bench.chaos.rich import RULES as RICH
from bench.chaos.verdict import Check, Verdict, View

__all__ = ["Verdict", "judge", "main"]

Rule = tuple[str, Callable[[View, Check], None]]

WOKEN_S = 2.0
"""A holder that was frozen may finish the one effect it had begun, so soon after it wakes (rule R14)."""
UNGRANTED = ("/reactions/", "POST /interactions/", "POST /users/@me/channels", "PUT /cdn/upload")
"""What needs no grant: reactions that show a turn runs, the gateway's deferral of a click, and what nobody
sees: opening a direct message, which twice is once, and bytes that no message names yet."""
FINAL = {"answered", "merged", "steered"}


def judge(facts: Facts) -> Verdict:
    """All checks over the facts of one run."""
    verdict = Verdict()
    view = View(facts)
    plain: list[Rule] = [("lost", _lost), ("answered twice", _twice), ("effects out of order", _order)]
    rules: list[Rule] = [
        *(RICH if view.rich else plain),
        ("exactly one outcome per message", _one_outcome),
        ("exactly one turn per message", _one_turn),
        ("older grant after a newer one", _grants),
        ("dead letters without a fault", _dead),
        ("unknowns", _unknowns),
        ("creates without enforced nonce", _nonces),
        ("requests Discord would not take", _wrong),
        ("mistakes of the judge's own tools", _bugs),
        ("a run that proves nothing", _empty),
    ]
    for name, rule in rules:
        check = Check(name)
        rule(view, check)
        verdict.checks.append(check)
    recovery(view, verdict)
    throughput(view, verdict)
    limits(view, verdict)
    return verdict


def _lost(view: View, check: Check) -> None:
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


def _twice(view: View, check: Check) -> None:
    """More than one message for one; or messages nobody asked for."""
    for said, made in view.answers.items():
        if len(made) > 1:
            tag = view.by_id[said].tag
            check.broken.append(f"{tag} {said}: {len(made)} answers: {', '.join(one.id for one in made)}")
    for one in view.strange:
        check.broken.append(f"{one.id} in {one.channel} answers nothing that was said")
    check.note = f"{len(view.facts.made)} messages of the bot"


def _one_outcome(view: View, check: Check) -> None:
    """One line, one word of those that can be; absorbed messages name an answered one."""
    newest = {said.channel: said.id for said in view.facts.said}
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
            # only a newer message interrupts
            interrupts = view.facts.run.get("mode") == "interrupt" and said.id != newest[said.channel]
            fine = outcome in FINAL or (outcome == "stopped" and interrupts)
            if not fine and not (outcome == "dead" and said.id in view.refused | view.unknown):
                check.broken.append(f"{said.tag} {said.id}: {outcome} ({reason})")
            if outcome in ("merged", "steered") and not _absorbed(view, reason):
                check.broken.append(f"{said.tag} {said.id}: {outcome} {reason}, which was not answered")
    check.note = ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))


def _one_turn(view: View, check: Check) -> None:
    """What the model was asked with: each message in one turn, and in the one its outcome names."""
    turns: dict[str, set[str]] = defaultdict(set)
    for call in view.facts.calls:
        for tag in call.asked:
            turns[tag].add(call.asked[0])
    together = 0
    for said in view.facts.said:
        heads = turns[said.tag]
        outcomes = view.outcomes.get(said.id, [])
        if len(heads) > 1 or (not heads and any(outcome == "answered" for outcome, _ in outcomes)):
            check.broken.append(f"{said.tag} {said.id}: in {len(heads)} turns: {', '.join(sorted(heads))}")
            continue
        for outcome, reason in outcomes:
            wanted = said.id if outcome not in ("merged", "steered") else reason.removeprefix("into.")
            together += wanted != said.id
            if heads and view.by_tag[next(iter(heads))].id != wanted:
                check.broken.append(f"{said.tag} {said.id}: {outcome} {reason}, but asked of with {heads}")
    check.note = (
        f"{len({head for heads in turns.values() for head in heads})} turns, {together} joined another's"
    )


def _absorbed(view: View, reason: str) -> bool:
    into = reason.removeprefix("into.")
    return any(outcome == "answered" for outcome, _ in view.outcomes.get(into, []))


def _order(view: View, check: Check) -> None:
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


def _grants(view: View, check: Check) -> None:
    """Per conversation, each grant's effects are one run: none after the first of a later grant."""
    lanes: dict[str, list[tuple[float, str, str]]] = defaultdict(list)
    sessions: dict[str, str] = {}
    threaded = set(view.facts.run.get("threaded") or ())
    bare = 0
    for call in view.facts.calls:
        said = view.by_tag.get(call.tag)
        if said is None:
            check.broken.append(
                f"a model call at {call.time:.3f} belongs to no message ({call.tag or 'no tag'})"
            )
            continue
        bare += not call.stamp
        lane = f"session {said.id if said.channel in threaded else said.channel}"
        sessions[call.stamp] = lane
        lanes[lane].append((call.time, call.stamp, call.tag))
    for create in view.creates:
        bare += not create.stamp
        # what a turn does with its own hand belongs to its conversation, wherever it is done
        lane = sessions.get(create.stamp, f"delivery {create.channel}")
        lanes[lane].append((create.start, create.stamp, create.reference or f"create {create.n}"))
    # what answers a press changes its message by the press's own lane; among messages it has no order
    presses = {sent.stamp for sent in view.facts.sent if sent.route.startswith("POST /interactions/")}
    for sent in view.facts.sent:
        bare += not sent.stamp and not any(word in sent.route for word in UNGRANTED)
        if sent.stamp and sent.place and sent.stamp not in presses:
            lane = sessions.get(sent.stamp, f"delivery {sent.place}")
            lanes[lane].append((sent.start, sent.stamp, f"{sent.n} {sent.route}"))
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


def _dead(view: View, check: Check) -> None:
    """Dead exactly where the simulator refused for good."""
    dead = view.dead | {
        i for i, found in view.outcomes.items() if any(outcome == "dead" for outcome, _ in found)
    }
    for message in sorted(dead - view.refused - view.unknown):
        why = next((line.get("code") for line in view.facts.dead if line.get("message_id") == message), "")
        check.broken.append(
            f"{message or 'a record without a message'} is dead without a fault that says so ({why})"
        )
    for message in sorted(view.refused - dead):
        check.broken.append(f"{message} was refused for good and is not dead")
    check.note = f"{len(dead)} dead, {len(view.refused)} refused by Discord for good"


def _unknowns(view: View, check: Check) -> None:
    """Marked unknown exactly where an answer was lost, and neither nonce, echo nor look could repair it."""
    lost = [create for create in view.facts.creates if create.lost in ("dropped", "cut", "fault")]
    beyond = {create.reference for create in lost if not (create.enforced and create.nonce)}
    hit = {said.id for said in view.facts.said if said.beyond and view.facts.struck.issuperset(said.beyond)}
    beyond |= hit
    check.broken.extend(
        f"{i} is marked unknown, no answer was lost beyond repair" for i in sorted(view.unknown - beyond)
    )
    check.broken.extend(
        f"{i}: the answer was lost beyond repair, nothing says so" for i in sorted(beyond - view.unknown)
    )
    check.note = f"{len(lost)} lost answers, {len(beyond)} beyond repair, {len(view.unknown)} marked"


def _nonces(view: View, check: Check) -> None:
    """Every create can be recognised when it is repeated; one nonce never makes two messages."""
    made: dict[str, set[str]] = defaultdict(set)
    for create in view.facts.creates:
        if not (create.enforced and create.nonce):
            check.broken.append(f"create {create.n} for {create.reference}")
        elif create.message_id:
            made[create.nonce].add(create.message_id)
    check.broken.extend(f"nonce {nonce} made {sorted(ids)}" for nonce, ids in made.items() if len(ids) > 1)
    check.note = f"{len(view.facts.creates)} creates"


def _wrong(view: View, check: Check) -> None:
    """Every request fits Discord's own OpenAPI file and the rules it does not know."""
    check.broken.extend(view.facts.wrong)
    note = f"{view.facts.requests} requests held against Discord's OpenAPI file"
    check.note = note if view.facts.judged else "NOT LOOKED AT: Discord's OpenAPI file is not here"


def _empty(view: View, check: Check) -> None:
    """A run in which nothing happened, or that broke off, holds every promise and shows none."""
    facts = view.facts
    there = {
        "messages that people wrote": len(facts.said),
        "requests to Discord": facts.requests,
        "messages of the bot": len(facts.made),
        "questions to the model": len(facts.calls),
        "outcomes": len(facts.outcomes),
    }
    check.broken.extend(f"no {what}" for what, count in there.items() if not count)
    missing = [name for name in ("calm", "chaos", "drain", "end") if name not in facts.phases]
    if missing:
        check.broken.append(f"the driver did not come to: {', '.join(missing)}")
    check.note = f"{len(facts.said)} messages, {len(facts.injuries)} injuries"


def _bugs(view: View, check: Check) -> None:
    if view.facts.bugs:
        check.broken.append(f"{view.facts.bugs} errors inside the simulator: this run proves nothing")


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
