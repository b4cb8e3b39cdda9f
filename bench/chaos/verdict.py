"""What the judge of a chaos run says, and the facts joined for it."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from dataclasses import dataclass, field

from bench.chaos.forms import FORMS
from bench.chaos.logs import Create, Facts, Made, ModelCall, Said
from bench.chaos.seen import Seen

__all__ = ["Check", "Verdict", "View"]

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


class View:
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
        self.rich = facts.run.get("answers") == "rich"
        self.pieces: dict[str, dict[str, list[Seen]]] = defaultdict(lambda: defaultdict(list))
        """Tag → piece → the messages people see it in."""
        for message in facts.seen:
            for tag, piece in message.pieces if message.bot else ():
                self.pieces[tag][piece].append(message)
        self.answers: dict[str, list[Made]] = defaultdict(list)
        """Message → what answers it; with rich answers, what holds the last piece."""
        self.strange: list[Made] = []
        if self.rich:
            for one in facts.said:
                for seen in self._last(one):
                    self.answers[one.id].append(Made(seen.id, seen.channel, one.id, (one.tag,)))
        else:
            self._join()
        self.creates = sorted(facts.creates, key=lambda create: create.start)
        self.refused = {said for said in map(self._refused, facts.creates) if said}
        self.dead = {
            str(line.get("message_id") or "") for line in facts.dead if "unknown" not in str(line.get("code"))
        }
        self.excused = {call.tag for call in facts.calls if call.failed or (call.queued and self._back(call))}
        """Tags of turns in which a tool told the model that something was not done, or perhaps not.

        What is queued will be sent: no excuse, but where a later step needs to know its message."""
        self.unknown = self._marked()
        """Messages of whose answers it is marked that nobody knows whether they are there."""

    def _marked(self) -> set[str]:
        found = {i for i, notes in self.notes.items() if any("unknown" in note for note in notes)}
        for line in self.facts.dead:
            if "unknown" in str(line.get("code")):
                # a record names its message, or is named after it
                found.update(i for i in re.findall(r"\d{5,}", json.dumps(line)) if i in self.by_id)
        return found

    def _back(self, call: ModelCall) -> bool:
        said = self.by_tag.get(call.tag)
        return said is not None and said.form in FORMS and FORMS[said.form].looks_back

    def _last(self, said: Said) -> list[Seen]:
        pieces = FORMS[said.form].pieces if said.form in FORMS else ()
        return self.pieces[said.tag][pieces[-1]] if pieces else []

    def _join(self) -> None:
        for made in self.facts.made.values():
            if made.id in self.facts.deleted:
                continue  # a preview that was taken away
            said = self._answered(made)
            if said is None:
                self.strange.append(made)
            else:
                self.answers[said].append(made)

    def _answered(self, made: Made | Create) -> str | None:
        if made.reference in self.by_id:
            return made.reference
        tagged = [self.by_tag[tag].id for tag in made.tags if tag in self.by_tag]
        return tagged[-1] if tagged else None

    def _refused(self, create: Create) -> str:
        """The message whose answer a fault had Discord refuse; what Shoal did wrong excuses nothing."""
        if create.status not in REFUSED or not create.code or not create.by_fault:
            return ""
        # in a thread of its own an answer points to nothing
        return self._answered(create) or ""
