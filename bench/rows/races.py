"""Two people press two one-shot buttons of one message at once, ten thousand times: one of them wins."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.clicks import controls_of
from bench.fleet import FleetUnderTest
from bench.table import Row
from bench.watch import wait_workers
from shoal.base.ids import new_token
from shoal.simulator.model import Interaction
from shoal.state.embedded import EmbeddedServer
from shoal.state.records import Grant, Record
from shoal.state.store import Store
from workers.components.encode import Origin
from workers.components.sending import ComponentSettings, make_components
from workers.delivery.controls import remembered
from workers.sessions.keys import session_lane

FRONTS = 2
PROCESSES = FRONTS + 1
"""What answers clicks: ``front`` twice, and ``back``."""
BUTTONS = {"text": "Who is first?", "blocks": [
    {"type": "actions", "buttons": [{"label": "Mine"}, {"label": "No, mine"}]}]}  # fmt: skip
WINDOW = 24
"""Clicks that may wait for their answer at once."""
PATIENCE_S = 20.0
LATE = "This component has expired."

Json = dict[str, Any]


@dataclass
class Races:
    """What came of a number of double clicks.

    Attributes:
        run: pairs that both came before the first answer (a disabled button cannot be pressed).
        won: pairs with exactly one winner, who alone got a turn.
        told: pairs whose loser, and nobody else, read in private that the component has expired.
        odd: what was neither, as sentences.
    """

    run: int = 0
    won: int = 0
    told: int = 0
    odd: list[str] = field(default_factory=list)


def measure(folder: Path, quick: bool) -> list[Row]:
    """10,000 double clicks; quick: 200."""
    races = run(folder / "fleet", 200 if quick else 10_000)
    return [
        Row("races-won", f"double clicks on one-shot buttons, {PROCESSES} processes: exactly one wins",
            races.won / races.run, 1, ">=", ours=str(races.won), theirs=str(races.run)),
        Row("races-told", "the same: the loser alone is told that it has expired",
            races.told / races.run, 1, ">=", ours=str(races.told), theirs=str(races.run)),
    ]  # fmt: skip


def run(folder: Path, wanted: int) -> Races:
    """A fleet without turn workers: what a click makes of itself stays where it can be counted."""
    folder.mkdir(parents=True, exist_ok=True)
    fleet = FleetUnderTest(folder, workers=0, settings={"rate_limits": False})
    people: list[str] = []

    def configure(fleet: FleetUnderTest) -> Json:
        guild = str(fleet.guild["id"])
        people.extend([str(fleet.person["id"]), str(fleet.control.add_user("bob", guilds=[guild])["id"])])
        return {
            "channels": {"discord": {"guilds": {guild: {"users": people}}}},
            "fleet": {"workers": {"front": {"processes": FRONTS}, "turns": {"processes": 0}}},
        }

    fleet.configure = configure
    try:
        fleet.start()
        wait_workers(fleet, PROCESSES + 1)  # chores too
        with closing(Store.open(EmbeddedServer(fleet.state_dir).url(), client_name="bench")) as store:
            return _Track(fleet, store, people).race(wanted)
    finally:
        fleet.stop()


@dataclass(frozen=True, slots=True)
class _Pair:
    """One message with two buttons, and the two clicks on it."""

    session_key: str
    clicks: list[str]


class _Track:
    """Makes messages, lets two people press, and looks what came of it."""

    def __init__(self, fleet: FleetUnderTest, store: Store, people: list[str]) -> None:
        self._fleet, self._store, self._people = fleet, store, people
        self._known = fleet.simulator.core.world.interactions
        self._channel = str(fleet.control.add_channel(str(fleet.guild["id"]), "races")["id"])
        self._address = urlsplit(fleet.simulator.url)
        self._hands = [self._connect() for _ in people]
        self._bot = self._connect()
        self._stamp = new_token()[:8]

    def race(self, wanted: int) -> Races:
        """``wanted`` double clicks."""
        races = Races()
        waiting: list[_Pair] = []
        with ThreadPoolExecutor(len(self._people)) as pool:
            for number in range(wanted):
                pair = self._double_click(number, pool)
                if len(pair.clicks) < len(self._people):
                    continue  # the first answer greyed the second button before it was pressed
                waiting.append(pair)
                waiting = self._judge_until(WINDOW // 2, waiting, races)
            waiting = self._judge_until(0, waiting, races)
        races.run += len(waiting)
        races.odd += [f"{pair.session_key}: not settled" for pair in waiting]
        return races

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=30)

    def _double_click(self, number: int, pool: ThreadPoolExecutor) -> _Pair:
        key = f"agent:main:race:{self._stamp}:{number}"
        message = self._offer(key, number)
        controls = [str(one["custom_id"]) for one in controls_of(message["components"])]
        path = f"/control/channels/{self._channel}/messages/{message['id']}/click"

        def press(hand: http.client.HTTPConnection, person: str, control: str) -> str | None:
            status, made = _post(hand, path, {"custom_id": control, "user": person})
            return str(made["id"]) if status == 200 else None

        made = pool.map(press, self._hands, self._people, controls)
        return _Pair(key, [one for one in made if one is not None])

    def _offer(self, key: str, number: int) -> Json:
        """A message of the bot with two one-shot buttons, remembered as a turn's commit remembers them."""
        origin = Origin(f"race.{self._stamp}.{number}", "1", "default", self._channel, key, "main")
        made = make_components(BUTTONS, origin, ComponentSettings())
        lane, token = f"session:{key}:offer", new_token()
        self._store.lanes.push(lane, Record(f"offer.{number}", "turn", b"{}"))
        assert made.controls is not None
        grant = self._store.lanes.acquire(lane, token)
        assert isinstance(grant, Grant), grant
        self._store.lanes.commit(grant, [remembered("default", made.controls)], take_next=False)
        status, message = _post(
            self._bot,
            f"/api/v10/channels/{self._channel}/messages",
            {"components": list(made.components), "flags": made.flags},
            Authorization=f"Bot {self._fleet.bot['token']}",
        )
        assert status == 200, message
        return message

    def _judge_until(self, most: int, waiting: list[_Pair], races: Races) -> list[_Pair]:
        """Count what is settled until at most so many pairs are left, or nothing was settled for long."""
        ends = time.monotonic() + PATIENCE_S
        while len(waiting) > most and time.monotonic() < ends:
            left = self._judge(waiting, races)
            if len(left) < len(waiting):
                ends = time.monotonic() + PATIENCE_S
            waiting = left
        return waiting

    def _judge(self, waiting: list[_Pair], races: Races) -> list[_Pair]:
        """Count what is settled; the pairs that are not."""
        time.sleep(0.002)
        left = []
        for pair in waiting:
            states = [self._known[one] for one in pair.clicks]
            lanes = (f"interaction:default:{state.id}" for state in states if state.callback_type)
            if sum(self._store.lanes.depth(lane) == 0 for lane in lanes) < len(states):
                left.append(pair)
                continue
            turns = self._store.lanes.depth(session_lane(pair.session_key))
            losers = [state for state in states if state.message_ids]
            races.run += 1
            races.won += turns == 1 and len(losers) == 1
            races.told += len(losers) == 1 and self._said_to(losers[0]) == (LATE, losers[0].user_id)
            if turns != 1 or len(losers) != 1:
                races.odd.append(f"{pair.session_key}: {turns} turns, {len(losers)} losers")
        return left

    def _said_to(self, loser: Interaction) -> tuple[str, str | None]:
        message = self._fleet.simulator.core.world.messages[self._channel][loser.message_ids[0]]
        return message.content, message.visible_to


def _post(connection: http.client.HTTPConnection, path: str, body: Json, **headers: str) -> tuple[int, Json]:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())
