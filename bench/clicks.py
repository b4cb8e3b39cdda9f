"""People who click while a fleet is busy: buttons, every kind of menu, forms opened and handed in.

Discord gives three seconds from ``INTERACTION_CREATE`` to the answer, and so does the simulator (10062 after
that). The agents' own turns are kept busy by a model that takes long, so that what answers a click is never
the worker that will work on it.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.fleet import FleetUnderTest
from bench.watch import Speaker
from shoal.simulator.model import Interaction

__all__ = ["BOARD", "SELECTS", "ClickLoad", "Pressed", "by_kind", "controls_of"]

Json = dict[str, Any]

SELECTS = ("string", "user", "role", "mentionable", "channel")
BOARD: Json = {
    "reusable": True,
    "text": "Press what you like",
    "blocks": [
        {"type": "actions", "buttons": [{"label": "Yes", "style": "success"}, {"label": "No"}]},
        {"type": "actions", "select": {"type": "string", "placeholder": "string", "options": [
            {"label": "A", "value": "a"}, {"label": "B", "value": "b"}]}},
        *({"type": "actions", "select": {"type": kind, "placeholder": kind}} for kind in SELECTS[1:]),
    ],
    "modal": {"title": "Details", "triggerLabel": "Fill in", "fields": [{"type": "text", "label": "Name"}]},
}  # fmt: skip
"""A message with everything that can be pressed, again and again."""

KINDS = ("button", *SELECTS, "form")
MODAL, DEFERRED_UPDATE = 9, 6
_SELECT_TYPES = {3: "string", 5: "user", 6: "role", 7: "mentionable", 8: "channel"}


def controls_of(components: Sequence[Json]) -> Iterator[Json]:
    """Everything in a message that can be clicked, in order."""
    for component in components:
        if "custom_id" in component:
            yield component
        yield from controls_of(component.get("components", []))
        if isinstance(component.get("accessory"), dict):
            yield from controls_of([component["accessory"]])


@dataclass(frozen=True, slots=True)
class Pressed:
    """One interaction: what it was (``button``, a kind of menu, ``form`` opened, ``submit``), and when."""

    id: str
    kind: str
    at: float


@dataclass
class ClickLoad:
    """A board in each of some channels, and people who press its controls.

    Args:
        fleet: started, with a model server nobody else scripts.
        channels: how many conversations.
        think_s: how long the agents' own turns take meanwhile.

    Attributes:
        boards: (channel, message, components) of each board.
        pressed: what was pressed so far.
        again: forms that could not be opened, so that the person had to press again.
    """

    fleet: FleetUnderTest
    channels: int
    think_s: float
    seed: int = 0
    pressed: list[Pressed] = field(default_factory=list)
    again: int = 0

    def __post_init__(self) -> None:
        self._dice = random.Random(self.seed)
        self._speaker = Speaker(self.fleet, self.channels, "click")
        self.boards: list[tuple[str, str, list[Json]]] = []
        self._open: list[str] = []
        guild = str(self.fleet.guild["id"])
        role = str(self.fleet.control.add_role(guild, "helpers")["id"])
        self._values = {
            "string": ["a", "b"],
            "user": [str(self.fleet.person["id"])],
            "role": [role],
            "mentionable": [role, str(self.fleet.person["id"])],
            "channel": self._speaker.channels,
        }

    def offer(self) -> None:
        """Let the agent of every channel send its board."""
        call = {"action": "send", "components": BOARD}
        self.fleet.models.script([
            {"match": "think hard", "text": "NO_REPLY", "delay": self.think_s},
            {"match": "offer", "tool_calls": [{"name": "message", "arguments": call}]},
            {"after_tool": ".", "text": "NO_REPLY"},
            {"match": r'"message_id": "(\d+)"', "text": "done {1}"},
        ])  # fmt: skip
        asked = len(self.fleet.models.requests())
        for channel in self._speaker.channels:
            said = self._speaker.say(channel, "offer it")
            message = self.fleet.control.wait_for_message(channel, after=said, timeout=60)
            self.boards.append((channel, str(message["id"]), message["components"]))
        self.fleet.models.wait_for_requests(asked + 2 * self.channels, timeout=60)

    def keep_busy(self, slots: int) -> None:
        """A long turn in each of ``slots`` channels; returns when all of them wait for their model."""
        asked = len(self.fleet.models.requests())
        for channel in self._speaker.channels[:slots]:
            self._speaker.say(channel, "think hard")
        self.fleet.models.wait_for_requests(asked + slots, timeout=60)

    def press(self, rate: float, seconds: float, each: Callable[[float], None] = lambda _now: None) -> None:
        """``rate`` interactions a second, of every kind in turn.

        Args:
            each: called before each of them with the seconds since the start; does harm.
        """
        kinds = itertools.cycle(KINDS)
        began = time.monotonic()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            time.sleep(max(0.0, due - time.monotonic()))
            each(time.monotonic() - began)
            if not self._hand_in():
                self._press(next(kinds))

    def settle(self, timeout: float) -> None:
        """Hand in the forms that are open still, then wait until every click that counts has its turn.

        Raises:
            TimeoutError: not all were.
        """
        deadline = time.monotonic() + timeout
        while self._open and time.monotonic() < deadline:
            self._hand_in()
            time.sleep(0.05)
        wanted = {one.id for one in self.turns}
        while wanted - self.answers().keys():
            if time.monotonic() > deadline:
                missing = sorted(wanted - self.answers().keys())
                raise TimeoutError(f"{len(missing)} of {len(wanted)} clicks without a turn: {missing[:5]}")
            time.sleep(0.5)
        time.sleep(3.0)  # a second answer would come now

    # -- what came of it ---------------------------------------------------------------------------------

    @property
    def turns(self) -> list[Pressed]:
        """What must become a turn each: all but the buttons that open a form."""
        return [one for one in self.pressed if one.kind != "form"]

    def states(self) -> dict[str, Interaction]:
        """What the simulator knows of each, by id."""
        known = self.fleet.simulator.core.world.interactions
        return {one.id: known[one.id] for one in self.pressed}

    def latencies(self) -> list[float]:
        """Seconds from ``INTERACTION_CREATE`` to the answer, of those that were answered."""
        taken = (state.answered_after_ms for state in self.states().values())
        return [ms / 1000 for ms in taken if ms is not None]

    def unanswered(self) -> list[Pressed]:
        """Interactions that Discord ended with "This interaction failed"."""
        states = self.states()
        return [one for one in self.pressed if states[one.id].callback_type is None]

    def answers(self) -> Counter[str]:
        """How many messages were written for each click."""
        counts: Counter[str] = Counter()
        for channel in self._speaker.channels:
            for message in self.fleet.simulator.core.world.messages[channel].copy().values():
                if message.content.startswith("done "):
                    counts[message.content.removeprefix("done ")] += 1
        return counts

    # -- acting ------------------------------------------------------------------------------------------

    def _press(self, kind: str) -> None:
        channel, message, components = self._dice.choice(self.boards)
        control = self._dice.choice(by_kind(components)[kind])
        values = [self._dice.choice(self._values[kind])] if kind in self._values else []
        made = self.fleet.control.click(channel, message, control["custom_id"], values=values)
        self.pressed.append(Pressed(str(made["id"]), kind, time.time()))
        if kind == "form":
            self._open.append(str(made["id"]))

    def _hand_in(self) -> bool:
        """Hand in the form that opened first, if one did."""
        known = self.fleet.simulator.core.world.interactions
        for opened in self._open.copy():
            state = known[opened]
            if state.callback_type is None:
                if time.monotonic() - state.born > 5.0:
                    self._open.remove(opened)
                continue
            self._open.remove(opened)
            if state.callback_type != MODAL:
                self.again += 1
                continue
            [name] = _inputs(state.modal or {})
            made = self.fleet.control.submit_modal(opened, {name: "Ann"})
            self.pressed.append(Pressed(str(made["id"]), "submit", time.time()))
            return True
        return False


def by_kind(components: Sequence[Json]) -> dict[str, list[Json]]:
    """The controls of a message: ``button``, those of :data:`SELECTS`, ``form`` for what opens one."""
    found: dict[str, list[Json]] = {kind: [] for kind in KINDS}
    for control in controls_of(components):
        kind = _SELECT_TYPES.get(control["type"])
        if kind is None:
            kind = "form" if ";mid=" in control["custom_id"] else "button"
        found[kind].append(control)
    return found


def _inputs(modal: Json) -> list[str]:
    return [str(label["component"]["custom_id"]) for label in json.loads(json.dumps(modal["components"]))]
