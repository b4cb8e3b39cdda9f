"""Runs a fleet, talks to it, hurts it, and leaves logs for the checker."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.chaos.broker import Broker
from bench.chaos.forms import FORMS, PIECE, draw_form, rules
from bench.chaos.injuries import Injurer, draw
from bench.chaos.losing import Losses
from bench.chaos.seen import seen_lines
from bench.chaos.talking import Pressers, Speaker, Tail
from bench.chaos.town import Town, build, config
from bench.fleet import FleetUnderTest
from shoal.simulator.model_speech import recorded
from shoal.state.personas import Persona
from shoal.state.store import Store

__all__ = ["Options", "run"]

WINDOW = 120
"""Messages that wait at once. Rich ones are half as many: each is several requests, and a wait for Discord's
50 a second would be measured as slow recovery."""
QUIET_S = 60.0
"""The run ends when nothing was answered for so long."""
PER_CHANNEL = 4
"""Messages of one conversation that may wait at once; so that there is an order to keep."""
SLOW_SHARE = 0.03
REFUSED_SHARE = 0.003
"""Answers that Discord refuses for good: what becomes of them must be a dead letter."""
FORGET_S = 25.0
"""What no answer refers to is waited for so long: it joined another message's turn, or ended with one."""
OUTCOMES_S = 60.0
"""So long after the last answer the last outcomes are waited for."""
NONCE_WINDOW_S = 20.0
"""With answers lost beyond repair, Discord forgets nonces so soon."""
SCRIPT = [
    {"match": r"slow.*?\b(m-\d{6})\b", "text": "answer to {1} after thinking", "delay": 1.5},
    {"match": r"\b(m-\d{6})\b", "text": "answer to {1}", "delay": 0.05, "chunk_delay": 0.01},
]

JOINING = [
    {
        "match": r"\b(m-\d{6})\b",
        "tool_calls": [{"name": "memory_search", "arguments": {"query": "{1}"}}],
        "delay": 0.3,
    },
    {"match": r"\b(m-\d{6})\b", "after_tool": ".", "text": "answer to {1}", "delay": 0.3},
]
"""For modes in which a running turn is told of what came: each has a boundary in its middle."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is.

    Attributes:
        folder: for logs and the fleet's state.
        minutes: after so long no more is said, done or not.
        calm: share of the messages said before the first injury.
        window: messages that wait for an answer at once; without it :data:`WINDOW`, of rich ones half.
        every_s: mean seconds between injuries.
        mode: ``messages.queue.mode``.
        rich: answers of many kinds, see :mod:`bench.chaos.forms`; else one short text each.
        beyond: so many answers of each kind are lost beyond repair (see :mod:`bench.chaos.losing`).
        small: fewer kinds of injury, one worker of each kind.
    """

    folder: Path
    seed: int
    channels: int = 200
    messages: int = 10_000
    minutes: float = 14.0
    calm: float = 0.15
    window: int = 0
    every_s: float = 6.0
    mode: str = "followup"
    rich: bool = False
    beyond: int = 0
    small: bool = False
    turns: int = 2


class Driver:
    """One run."""

    def __init__(self, options: Options) -> None:
        self.options = options
        options.folder.mkdir(parents=True, exist_ok=True)
        self._log = (options.folder / "driver.jsonl").open("w", buffering=1)
        self._lock = threading.Lock()
        self._dice = random.Random(options.seed)
        self._window = options.window or (WINDOW // 2 if options.rich else WINDOW)
        self.waiting: dict[str, deque[tuple[str, float]]] = {}
        self.said: list[str] = []
        self.moved = time.monotonic()
        self._hurting = False
        self.town = Town([], "", "")
        self._of_tag: dict[str, tuple[str, str, str]] = {}

    def note(self, kind: str, **fields: Any) -> None:
        """A line of the driver's log."""
        with self._lock:
            self._log.write(json.dumps({"kind": kind, "time": time.time(), **fields}) + "\n")

    def run(self) -> int:
        """The whole run; returns the exit code of the fleet's drain."""
        options = self.options
        with contextlib.ExitStack() as stack:
            stack.callback(self._log.close)
            broker = Broker(options.folder, options.seed)
            stack.callback(broker.stop)
            broker.start()
            self.note(
                "run",
                **{**asdict(options), "folder": str(options.folder)},
                answers="rich" if options.rich else "plain",
                slow_disk=broker.slow_disk,
            )
            fleet = FleetUnderTest(
                options.folder,
                workers=options.turns,
                seed=options.seed,
                redis_url=broker.url,
                settings={"nonce_window_s": NONCE_WINDOW_S} if options.beyond else None,
            )
            fleet.configure = self._populate
            stack.callback(fleet.stop)
            fleet.start()
            plain = SCRIPT if options.mode == "followup" else JOINING
            fleet.models.script(rules(self.town.forum) if options.rich else plain)
            self._name(broker.url)
            self._workspace = fleet.state_dir / "workspace"
            self._workspace.mkdir(parents=True, exist_ok=True)
            (self._workspace / "note.txt").write_text("a note")
            (self._workspace / "tone.wav").write_bytes(recorded("a tone of about a second", "wav")[1])
            self._talk(fleet, broker)
            self._ask_for_outcomes(fleet)
            self._look_around(fleet)
            code = fleet.down()
            self.note("down", code=code)
            return code or 0

    def _populate(self, fleet: FleetUnderTest) -> dict[str, Any]:
        """People and channels, before the fleet starts."""
        options = self.options
        self.town = town = build(
            fleet,
            seed=options.seed,
            channels=options.channels,
            rich=options.rich,
            beyond=options.beyond,
            note=self.note,
        )
        self.note("town", threaded=sorted(town.threaded), streaming=town.streaming, forum=town.forum)
        self.waiting = {channel: deque() for channel in town.everywhere}
        return config(town, options.mode)

    def _name(self, redis_url: str) -> None:
        """Let the agent have a name of its own where it is to have one; there is no command for that yet."""
        if not self.town.named:
            return
        with contextlib.closing(Store.open(redis_url, client_name="chaos")) as store:
            for channel in self.town.named:
                store.personas.bind("default", channel, Persona(channel, "main", label="chaos"))

    # -- talking -------------------------------------------------------------------------------------

    def _talk(self, fleet: FleetUnderTest, broker: Broker) -> None:
        options = self.options
        self._tail = Tail(options.folder / "simulator.jsonl")
        self._speaker = Speaker(fleet.simulator.url)
        self._pressers = Pressers(self._dice, self.town.people, self.note)
        losses = Losses(fleet.control, self._speaker, self._lose, self.town)
        ends = time.monotonic() + options.minutes * 60
        calm = int(options.messages * options.calm)
        warm = min(calm // 3, options.channels)
        self.note("phase", name="warm")
        self._say_until(warm, ends)
        if options.beyond:
            losses.begin(options.beyond)
        self.note("phase", name="calm")
        self._say_until(calm, ends)
        losses.wait_struck(self._listen)
        plans = draw(
            options.seed, options.minutes * 60, options.every_s, small=options.small, rich=options.rich
        )
        injurer = Injurer(fleet, broker, plans, options.seed, self.note)
        self.note("phase", name="chaos")
        self._hurting = True
        injurer.start()
        try:
            self._say_until(options.messages, ends)
            self.note("phase", name="drain")
        finally:
            injurer.stop()
        losses.end(self._listen)
        self._wait_for_the_last()
        self.note("phase", name="end")
        if injurer.trouble is not None:
            raise injurer.trouble

    def _wait_for_the_last(self) -> None:
        self.moved = time.monotonic()
        while self._pressers.busy or any(self.waiting.values()):
            if time.monotonic() - self.moved > QUIET_S:
                break
            self._listen()
            self._forget_absorbed()
            time.sleep(0.1)
        time.sleep(3)  # a second answer would come now

    def _listen(self) -> None:
        """What the bot wrote since, and what people make of it."""
        for line in self._tail.read():
            body, answer = line["body"] or {}, line["answer"] or {}
            if self.options.rich:
                self._pressers.offer(answer)
                for tag, piece in PIECE.findall(json.dumps([body, line["files"]])):
                    form = FORMS[self._of_tag[tag][2]]
                    if form.pieces and piece == form.pieces[-1]:
                        self._answered(*self._of_tag[tag][:2])
            else:
                reference = (body.get("message_reference") or {}).get("message_id")
                if reference:
                    self._answered(line["path"].split("/channels/")[1].split("/")[0], str(reference))
        self._pressers.press(self._speaker)

    def _say_until(self, total: int, ends: float) -> None:
        while len(self.said) < total and time.monotonic() < ends:
            self._listen()
            room = self._window - sum(map(len, self.waiting.values()))
            if room <= 0:
                self._forget_absorbed()
                time.sleep(0.01)
                continue
            channel = self._dice.choice(self.town.channels)
            burst = min(room, total - len(self.said), PER_CHANNEL - len(self.waiting[channel]))
            for _ in range(min(burst, self._dice.randint(1, 3))):
                self._say(channel)

    def _say(self, channel: str) -> None:
        tag = f"m-{len(self.said):06}"
        form, words = self._words(channel, tag)
        refused = self._hurting and self._dice.random() < REFUSED_SHARE and form in ("", "plain")
        if refused:
            self._speaker.refuse(tag)
        said = self._speaker.say(channel, words, self._dice.choice(self.town.people))
        self._note_said(said, channel, tag, form)
        if not refused and (not form or FORMS[form].pieces):
            self.waiting[channel].append((said, time.monotonic()))

    def _words(self, channel: str, tag: str) -> tuple[str, str]:
        """The kind of answer that is asked for, and how a person asks."""
        if not self.options.rich:
            return "", f"{'think slow, ' if self._dice.random() < SLOW_SHARE else ''}please answer {tag}"
        form = draw_form(self._dice, threads=channel in self.town.threaded)
        for name in FORMS[form].files:
            (self._workspace / name.replace("{1}", tag)).write_text(f"file of {tag}")
        mention = f"<@{self.town.bot}> " if channel in self.town.mentioned else ""
        return form, f"{mention}please answer {tag} as {form}"

    def _lose(self, channel: str, form: str, prepare: Callable[[str], tuple[int, ...]]) -> None:
        """Ask for something whose answer will be lost; ``prepare`` sets the faults for a tag."""
        tag = f"m-{len(self.said):06}"
        beyond = prepare(tag)
        said = self._speaker.say(channel, f"please answer {tag} as {form}", self.town.people[0])
        self._note_said(said, channel, tag, form, beyond=beyond)

    def _note_said(self, said: str, channel: str, tag: str, form: str, **more: Any) -> None:
        self.said.append(said)
        self._of_tag[tag] = (channel, said, form)
        self.note("say", id=said, channel=channel, tag=tag, **({"form": form} if form else {}), **more)

    def _answered(self, channel: str, reference: str) -> None:
        """An answer was written: what was said before it in this channel is settled too."""
        self.moved = time.monotonic()
        waiting = self.waiting.get(channel)
        while waiting and int(waiting[0][0]) <= int(reference):
            waiting.popleft()

    def _forget_absorbed(self) -> None:
        """With ``steer`` one answer may be for later messages too; they are not waited for long."""
        if self.options.mode == "followup":
            return
        for waiting in self.waiting.values():
            while waiting and time.monotonic() - waiting[0][1] > FORGET_S:
                waiting.popleft()

    def _ask_for_outcomes(self, fleet: FleetUnderTest) -> None:
        """Outcomes of messages and presses, once all have one; or what is known after a while."""
        folder = self.options.folder
        ids = [*self.said, *self._pressers.pressed]
        deadline = time.monotonic() + OUTCOMES_S
        while True:
            told = fleet.shoal("explain", "--json", "-", stdin="\n".join(ids), timeout=300)
            lines = [json.loads(line) for line in told.stdout.splitlines()]
            if all(line.get("outcome") for line in lines) or time.monotonic() > deadline:
                break
            time.sleep(1)
        (folder / "outcomes.jsonl").write_text(told.stdout)
        dead = fleet.shoal("dead", "list", "--json", "--limit", "1000", timeout=60)
        found = json.loads(dead.stdout) if dead.returncode == 0 else [{"trouble": dead.stderr}]
        (folder / "dead.jsonl").write_text("".join(json.dumps(line) + "\n" for line in found))

    def _look_around(self, fleet: FleetUnderTest) -> None:
        """What people see now."""
        places = set(self.town.everywhere) | {self.town.forum}
        threads = [one for one in fleet.control.state()["channels"] if one["parent_id"] in places]
        places.update(thread["id"] for thread in threads)
        places.discard("")
        with (self.options.folder / "seen.jsonl").open("w") as file:
            for line in seen_lines(threads, self._messages(fleet, sorted(places))):
                file.write(json.dumps(line) + "\n")

    @staticmethod
    def _messages(fleet: FleetUnderTest, places: list[str]) -> Iterator[dict[str, Any]]:
        for place in places:
            yield from fleet.control.messages(place, limit=100_000)


def run(options: Options) -> int:
    """See :class:`Driver`."""
    return Driver(options).run()
