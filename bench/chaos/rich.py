"""The checks of a run with rich answers: every piece once, in order, nothing left behind.

What must be there is said by :mod:`bench.chaos.forms`; what is there, by ``seen.jsonl``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

from bench.chaos.forms import FORMS, Form
from bench.chaos.logs import Said
from bench.chaos.verdict import Check, View

__all__ = ["RULES"]

ACK = "👀"
PRESSED = ("k", "r")
"""Pieces that answer a press of a button."""


def _form(said: Said) -> Form:
    return FORMS[said.form]


def _expected(view: View, said: Said) -> tuple[str, ...]:
    if said.id in view.refused or said.id in view.unknown:
        return ()
    return _form(said).pieces


def _lost(view: View, check: Check) -> None:
    """Something of an answer is missing, and nothing accounts for that."""
    parts = missing = 0
    for said in view.facts.said:
        outcomes = [outcome for outcome, _ in view.outcomes.get(said.id, [])]
        if not outcomes:
            check.broken.append(f"{said.tag} {said.id} ({said.form}): no outcome")
        expected = _expected(view, said)
        parts += len(expected)
        gone = [piece for piece in expected if not view.pieces[said.tag][piece]]
        if gone and said.tag in view.excused and gone != list(expected):
            missing += len(gone)
        elif gone:
            check.broken.append(f"{said.tag} {said.id} ({said.form}): {', '.join(gone)} missing")
    check.note = f"of {len(view.facts.said)} messages, {parts} parts; {missing} the model was told of"


def _twice(view: View, check: Check) -> None:
    """A part that is there more than once, be it a text, a file, a poll, or a preview beside its final."""
    count = 0
    for said in view.facts.said:
        for piece, seen in view.pieces[said.tag].items():
            count += 1
            if piece not in PRESSED and len(seen) > 1:
                ids = ", ".join(message.id for message in seen)
                check.broken.append(f"{said.tag}#{piece} ({said.form}) is there {len(seen)} times: {ids}")
    check.note = f"{count} parts"


def _left(view: View, check: Check) -> None:
    """Previews and drafts that nobody took away; words nobody asked for; what should have been deleted."""
    messages = 0
    for message in view.facts.seen:
        if not message.bot:
            said = view.by_id.get(message.id)
            # where nothing was answered, it stays
            if said is not None and ACK in message.reactions and _expected(view, said):
                check.broken.append(f"{said.tag} {message.id}: the acknowledgement is still there")
            continue
        messages += 1
        if not message.pieces:
            check.broken.append(f"{message.id} in {message.channel} holds nothing of any answer")
        for tag, piece in message.pieces:
            said = view.by_tag.get(tag)
            known = said is not None and (
                piece in _form(said).pieces or (piece in PRESSED and _form(said).buttons)
            )
            if not known and tag not in view.excused:
                check.broken.append(f"{tag}#{piece} in {message.id} should not be there")
    check.note = f"{messages} messages of the bot are to be seen"


def _order(view: View, check: Check) -> None:
    """Within an answer the parts are in order; in a channel, the answers as the messages were said."""
    channels: dict[str, list[tuple[Said, str]]] = defaultdict(list)
    for message in view.facts.seen:
        for tag, piece in message.pieces if message.bot else ():
            said = view.by_tag.get(tag)
            if said is not None and piece in _form(said).pieces:
                channels[message.channel].append((said, piece))
    for channel, found in channels.items():
        newest, place = 0, {name: {p: n for n, p in enumerate(form.pieces)} for name, form in FORMS.items()}
        at: dict[str, int] = {}
        for said, piece in found:
            if int(said.id) < newest:
                check.broken.append(
                    f"channel {channel}: {said.tag}#{piece} comes after {newest} was answered"
                )
            newest = max(newest, int(said.id))
            number = place[said.form][piece]
            if number < at.get(said.tag, -1):
                check.broken.append(f"channel {channel}: {said.tag}#{piece} is out of place in its answer")
            at[said.tag] = max(at.get(said.tag, -1), number)
    check.note = f"in {len(channels)} channels and threads"


def _threads(view: View, check: Check) -> None:
    """One thread per message where every message gets one; one of each name the agent made."""
    auto = set(view.facts.run.get("threaded") or ())
    made = {thread.id: thread for thread in view.facts.threads}
    wanted = 0
    for said in view.facts.said:
        form = _form(said)
        if said.channel in auto and form.pieces and _expected(view, said):
            wanted += 1
            if said.id not in made:
                check.broken.append(f"{said.tag} {said.id}: no thread was made of it")
            places = {seen.channel for piece in form.pieces for seen in view.pieces[said.tag][piece]}
            if places - {said.id}:
                check.broken.append(f"{said.tag} {said.id}: answered in {sorted(places)}, not in its thread")
        if form.thread:
            wanted += 1
            name = form.thread.replace("{1}", said.tag)
            count = sum(1 for thread in view.facts.threads if thread.name == name)
            if count > 1 or (count == 0 and said.tag not in view.excused):
                check.broken.append(f"{said.tag} {said.id}: {count} threads of the name {name}")
    for thread in view.facts.threads:
        if thread.parent in auto and thread.id not in view.by_id:
            check.broken.append(f"thread {thread.id} ({thread.name}) belongs to no message")
    check.note = f"{len(made)} threads, {wanted} asked for"


def _reactions(view: View, check: Check) -> None:
    """Reactions of the agent are on their messages."""
    seen = {message.id: message for message in view.facts.seen}
    asked = [said for said in view.facts.said if _form(said).reaction and said.tag not in view.excused]
    for said in asked:
        message = seen.get(said.id)
        if message is None or _form(said).reaction not in message.reactions:
            check.broken.append(f"{said.tag} {said.id}: {_form(said).reaction} is not there")
    check.note = f"{len(asked)} asked for"


def _clicks(view: View, check: Check) -> None:
    """One outcome per press; of those of a one-shot button exactly one wins, and it is answered once."""
    presses = [click for click in view.facts.clicks if click.id]
    lines = Counter(told.id for told in view.facts.outcomes)
    won: dict[str, list[str]] = defaultdict(list)
    pressed: dict[str, bool] = {}
    for click in presses:
        found = view.outcomes.get(click.id, [])
        pressed[click.tag] = click.reusable
        if lines[click.id] != 1 or len(found) != 1:
            check.broken.append(
                f"{click.tag}: press {click.id} has {lines[click.id]} lines, outcomes {found}"
            )
        for outcome, reason in found:
            if outcome == "answered":
                won[click.tag].append(click.id)
            elif click.reusable or (outcome, reason) != ("dropped", "component-expired"):
                check.broken.append(f"{click.tag}: press {click.id} was {outcome} ({reason})")
    for tag, reusable in pressed.items():
        answers = len(view.pieces[tag]["r" if reusable else "k"])
        if not reusable and len(won[tag]) != 1:
            check.broken.append(f"{tag}: {len(won[tag])} presses of a one-shot button won: {won[tag]}")
        if answers != len(won[tag]):
            check.broken.append(f"{tag}: {len(won[tag])} presses counted, {answers} were answered")
    shut = len(view.facts.clicks) - len(presses)
    check.note = f"{len(presses)} presses of {len(pressed)} messages, {shut} on buttons already greyed out"


def _refused(view: View, check: Check) -> None:
    """Requests that Discord would not take: a wrong body, something that is not there, no permission."""
    counts: Counter[str] = Counter()
    for create in view.facts.creates:
        if 400 <= create.status < 500 and create.status != 429 and not create.by_fault:
            check.broken.append(
                f"create {create.n} for {create.reference}: {create.status}, code {create.code}"
            )
    for sent in view.facts.sent:
        if not 400 <= sent.status < 500 or sent.status == 429 or not sent.code:
            continue
        if sent.code in _harmless(sent.route):
            counts[f"{sent.code}"] += 1
        else:
            check.broken.append(
                f"request {sent.n} {sent.route}: {sent.status}, code {sent.code} {sent.answer}"
            )
    what = ", ".join(f"{count}× {code}" for code, count in sorted(counts.items()))
    check.note = f"{len(view.facts.creates) + len(view.facts.sent)} that write; harmless: {what or 'none'}"


def _harmless(route: str) -> Iterable[int]:
    """Answers that a repeated or a late request gets: it was done already, or the time was over."""
    if route.startswith("POST /interactions/"):
        return (10062, 40060)
    if route.startswith(("DELETE ", "PATCH ")):
        return (10008, 10014, 10015)
    return (160004,) if route.endswith("/threads") else ()


RULES = [
    ("lost", _lost),
    ("doubled", _twice),
    ("previews left behind", _left),
    ("effects out of order", _order),
    ("threads", _threads),
    ("reactions", _reactions),
    ("one winner per button", _clicks),
    ("requests Discord refused", _refused),
]
"""Name and rule, beside those of every run."""
