"""What the checker knows: the logs of a run, boiled down to small facts. Shares no code with the product.

| file | written by | holds |
|---|---|---|
| ``driver.jsonl`` | the driver | what was said when, what was hurt when |
| ``simulator.jsonl`` | the local Discord | every request with its answer |
| ``models.jsonl`` | the local model server | every request, with the time it began |
| ``outcomes.jsonl`` | ``shoal explain --json -`` | the outcome of every message and click, and its notes |
| ``dead.jsonl`` | ``shoal dead list --json`` | dead records, one per line |
| ``seen.jsonl`` | the driver | what people see in the end: threads and messages, out of the local Discord |
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from bench.chaos.asked import ModelCall, read_calls
from bench.chaos.forms import TAG
from bench.chaos.seen import Seen, Thread, read_seen
from bench.openapi import strange, the_judge

__all__ = ["Click", "Create", "Facts", "Injury", "Made", "ModelCall", "Outcome", "Said", "Sent", "read"]

CREATE = "POST /channels/{channel_id}/messages"
WEBHOOKS = "/channels/{channel_id}/webhooks"
SPOKEN = "/webhooks/{webhook_id}/{webhook_token}"
DELETE = "DELETE /channels/{channel_id}/messages/{message_id}"


@dataclass(frozen=True, slots=True)
class Said:
    """A message the driver wrote."""

    id: str
    channel: str
    tag: str
    time: float
    form: str = ""
    beyond: tuple[int, ...] = ()
    """Faults which, if all of them strike, leave nobody who can know what became of the answer."""


@dataclass(frozen=True, slots=True)
class Click:
    """A button somebody pressed. ``id``: of the interaction; empty where Discord did not let him."""

    id: str
    message: str
    tag: str
    label: str
    reusable: bool


@dataclass(frozen=True, slots=True)
class Injury:
    """Something that was hurt. ``healed`` is when the hurt part could work again, as far as the driver knows.

    ``alone``: nobody else in the fleet does its work, so waiting until ``healed`` is not the fleet's fault.
    """

    what: str
    victim: str
    time: float
    healed: float
    alone: bool

    @property
    def counts_from(self) -> float:
        """When the time to recover starts."""
        return self.healed if self.alone else self.time


@dataclass(frozen=True, slots=True)
class Create:
    """A request to create a message, as the simulator saw it."""

    n: int
    start: float
    end: float
    channel: str
    status: int
    message_id: str
    reference: str
    tags: tuple[str, ...]
    stamp: str
    nonce: str
    enforced: bool
    lost: str
    code: int
    by_fault: bool = False


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that changes something, other than a create: ``place`` is its lane as far as a path tells."""

    n: int
    start: float
    route: str
    place: str
    status: int
    code: int
    stamp: str
    lost: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Made:
    """A message of the bot that exists. Ids grow with time, so they give the order."""

    id: str
    channel: str
    reference: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of ``shoal explain``."""

    id: str
    outcome: str
    reason: str
    notes: tuple[tuple[str, str], ...] = ()
    known: bool = True


@dataclass(slots=True)
class Facts:
    """Everything the checks look at."""

    run: dict[str, Any] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    injuries: list[Injury] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=dict)
    creates: list[Create] = field(default_factory=list)
    made: dict[str, Made] = field(default_factory=dict)
    calls: list[ModelCall] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    dead: list[dict[str, Any]] = field(default_factory=list)
    clicks: list[Click] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    threads: list[Thread] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    webhooks: dict[str, str] = field(default_factory=dict)
    """Webhook → its channel."""
    deleted: set[str] = field(default_factory=set)
    struck: set[int] = field(default_factory=set)
    """Numbers of the faults that struck."""
    requests: int = 0
    limited: int = 0
    limited_by_fault: int = 0
    bugs: int = 0
    judged: bool = False
    wrong: list[str] = field(default_factory=list)


def read(folder: Path) -> Facts:
    """The logs in ``folder``.

    Raises:
        FileNotFoundError: one of them is missing. ValueError: a line other than the last is no JSON.
    """
    facts = Facts()
    for line in _lines(folder / "driver.jsonl"):
        _driver(facts, line)
    discord = the_judge()
    facts.judged = discord is not None
    for line in _lines(folder / "simulator.jsonl"):
        _simulator(facts, line)
        if line["kind"] == "request" and strange(line):
            facts.wrong.append(f"request {line['n']}: {line['route']} by {line.get('user_agent')!r}")
        if discord is not None and line["kind"] == "request":
            facts.wrong.extend(f"request {line['n']}: {problem}" for problem in discord.problems(line))
    # a turn that was stopped leaves no answer behind which the next one would begin; and nothing joins any
    alone = facts.run.get("mode") == "interrupt"
    facts.calls.extend(read_calls(_lines(folder / "models.jsonl"), alone=alone))
    for line in _lines(folder / "outcomes.jsonl"):
        facts.outcomes.append(_outcome(line))
    facts.dead.extend(_lines(folder / "dead.jsonl"))
    facts.seen, facts.threads = read_seen(
        _lines(folder / "seen.jsonl"), {said.id: said.tag for said in facts.said}
    )
    return facts


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    broken = ""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            if broken:
                raise ValueError(broken)
            try:
                yield json.loads(raw)
            except ValueError:
                broken = f"{path}:{number} is no JSON"  # fine if it is the last one: a writer was killed


def _driver(facts: Facts, line: dict[str, Any]) -> None:
    kind = line["kind"]
    if kind == "run":
        facts.run = line
    elif kind == "say":
        beyond = tuple(line.get("beyond") or ())
        form = str(line.get("form") or "")
        facts.said.append(Said(line["id"], line["channel"], line["tag"], line["time"], form, beyond))
    elif kind == "town":
        facts.run["threaded"] = line["threaded"]
    elif kind == "click":
        facts.clicks.append(
            Click(line["id"], line["message"], line["tag"], line["label"], bool(line["reusable"]))
        )
    elif kind == "phase":
        facts.phases.setdefault(line["name"], line["time"])
    elif kind == "injury":
        healed = float(line.get("healed") or line["time"])
        facts.injuries.append(Injury(line["what"], line["victim"], line["time"], healed, bool(line["alone"])))


def _simulator(facts: Facts, line: dict[str, Any]) -> None:
    if line["kind"] == "bug":
        facts.bugs += 1
    if line["kind"] == "fault":
        facts.limited_by_fault += line.get("fault") == "rate_limit"
        facts.struck.add(int(line.get("id") or 0))
    if line["kind"] == "event" and line.get("event") == "MESSAGE_CREATE":
        if line["data"].get("author", {}).get("bot"):
            _made(facts, line["data"])
        return
    if line["kind"] != "request":
        return
    facts.requests += 1
    if line["route"].endswith(f" {WEBHOOKS}"):
        _webhooks(facts, line.get("answer"))
    facts.limited += line["status"] == 429
    if line["route"] != CREATE:
        if line["route"] == DELETE and line["status"] in (204, 404):
            facts.deleted.add(line["path"].rpartition("/")[2])
        if not line["route"].startswith("GET ") and not line["route"].endswith("/typing"):
            facts.sent.append(_sent(line, facts.webhooks))
        return
    body, answer = line.get("body"), line.get("answer")
    if isinstance(body, str):  # a fault struck before the simulator read it
        body = _json(body)
    body = body if isinstance(body, dict) else {}
    answer = answer if isinstance(answer, dict) else {}
    if "id" in answer and "channel_id" in answer:
        _made(facts, answer)
    facts.creates.append(
        Create(
            n=line["n"],
            start=line["time"] - line["seconds"],
            end=line["time"],
            channel=line["path"].split("/channels/")[1].split("/")[0],
            status=line["status"],
            message_id=str(answer.get("id") or ""),
            reference=str((body.get("message_reference") or {}).get("message_id") or ""),
            tags=tuple(TAG.findall(str(body.get("content") or ""))),
            stamp=str(line.get("stamp") or ""),
            nonce=str(body.get("nonce") or ""),
            enforced=bool(body.get("enforce_nonce")),
            lost=str(line.get("lost") or ""),
            code=int(answer.get("code") or 0),
            by_fault="done" in line,
        )
    )


def _webhooks(facts: Facts, answer: Any) -> None:
    """What was made, or listed."""
    for one in answer if isinstance(answer, list) else [answer]:
        if isinstance(one, dict) and one.get("channel_id"):
            facts.webhooks[str(one["id"])] = str(one["channel_id"])


def _spoken_in(line: dict[str, Any], webhooks: dict[str, str]) -> str:
    """Where a webhook speaks; nothing for the token of an interaction, whose path looks the same."""
    webhook = line["path"].split("/webhooks/")[1].split("/")[0]
    thread = parse_qs(str(line.get("query") or "")).get("thread_id", [""])[0]
    return (thread or webhooks[webhook]) if webhook in webhooks else ""


def _sent(line: dict[str, Any], webhooks: dict[str, str]) -> Sent:
    answer = line.get("answer") if isinstance(line.get("answer"), dict) else {}
    assert isinstance(answer, dict)
    words = line["path"].split("/")
    # opening a direct message ends in "channels"
    place = words[words.index("channels") + 1] if "channels" in words[:-1] else ""
    if SPOKEN in line["route"]:
        place = _spoken_in(line, webhooks)
    if words[-1] == "threads" and "messages" in words:
        place = f"thread of {words[words.index('messages') + 1]}"
    if "reactions" in words:
        place = f"reactions of {words[words.index('messages') + 1]}"
    return Sent(
        n=line["n"],
        start=line["time"] - line["seconds"],
        route=line["route"],
        place=place,
        status=line["status"],
        code=0 if "done" in line else int(answer.get("code") or 0),
        stamp=str(line.get("stamp") or ""),
        lost=str(line.get("lost") or ""),
        answer=json.dumps(answer.get("errors") or answer.get("message") or ""),
    )


def _json(text: str) -> Any:
    """A body that was not read: JSON, or a form with files that holds some."""
    form = re.search(r'name="payload_json".*?\r\n\r\n(\{.*?)\r\n--', text, re.DOTALL)
    try:
        return json.loads(form.group(1) if form else text)
    except ValueError:
        return None


def _made(facts: Facts, message: dict[str, Any]) -> None:
    facts.made.setdefault(
        message["id"],
        Made(
            message["id"],
            message["channel_id"],
            str((message.get("message_reference") or {}).get("message_id") or ""),
            tuple(TAG.findall(str(message.get("content") or ""))),
        ),
    )


def _outcome(line: dict[str, Any]) -> Outcome:
    notes = tuple((note["name"], note["value"]) for note in line.get("notes", ()))
    return Outcome(
        line["message_id"],
        str(line.get("outcome") or ""),
        str(line.get("reason") or ""),
        notes,
        bool(line["known"]),
    )
