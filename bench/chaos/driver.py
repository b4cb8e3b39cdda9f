"""Runs a fleet, talks to it, hurts it, and leaves logs for the checker."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.chaos.broker import Broker
from bench.chaos.injuries import Injurer, draw
from bench.fleet import FleetUnderTest

__all__ = ["Options", "run"]

QUIET_S = 60.0
"""The run ends when nothing was answered for so long."""
PER_CHANNEL = 4
"""Messages of one conversation that may wait at once; so that there is an order to keep."""
SLOW_SHARE = 0.03
REFUSED_SHARE = 0.003
"""Answers that Discord refuses for good: what becomes of them must be a dead letter."""
SCRIPT = [
    {"match": r"slow.*?\b(m-\d{6})\b", "text": "answer to {1} after thinking", "delay": 1.5},
    {"match": r"\b(m-\d{6})\b", "text": "answer to {1}", "delay": 0.05, "chunk_delay": 0.01},
]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is.

    Attributes:
        folder: for logs and the fleet's state.
        minutes: after so long no more is said, done or not.
        calm: share of the messages said before the first injury.
        window: messages that wait for an answer at once.
        every_s: mean seconds between injuries.
        mode: ``messages.queue.mode``.
        small: fewer kinds of injury, one worker of each kind.
    """

    folder: Path
    seed: int
    channels: int = 200
    messages: int = 10_000
    minutes: float = 14.0
    calm: float = 0.15
    window: int = 120
    every_s: float = 6.0
    mode: str = "followup"
    small: bool = False
    turns: int = 2


def config(options: Options, people: list[str], guild: str) -> dict[str, Any]:
    """Of the fleet under chaos: everybody here may talk, no mention needed, every message is answered."""
    return {
        "channels": {
            "discord": {
                "allowFrom": people,
                "groupPolicy": "allowlist",
                "guilds": {guild: {"users": people, "requireMention": False}},
                "replyToMode": "all",
            }
        },
        "messages": {
            "groupChat": {"visibleReplies": "automatic"},
            "queue": {"mode": options.mode, "debounceMs": 0, "cap": 100},
        },
    }


class Driver:
    """One run."""

    def __init__(self, options: Options) -> None:
        self.options = options
        options.folder.mkdir(parents=True, exist_ok=True)
        self._log = (options.folder / "driver.jsonl").open("w", buffering=1)
        self._lock = threading.Lock()
        self._dice = random.Random(options.seed)
        self.waiting: dict[str, deque[tuple[str, float]]] = {}
        self.said: list[str] = []
        self.moved = time.monotonic()
        self._hurting = False
        self._people: list[str] = []
        self._channels: list[str] = []

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
                **{k: str(v) if k == "folder" else v for k, v in _fields(options)},
                slow_disk=broker.slow_disk,
            )
            fleet = FleetUnderTest(
                options.folder, workers=options.turns, seed=options.seed, redis_url=broker.url
            )
            fleet.configure = self._populate
            stack.callback(fleet.stop)
            fleet.start()
            fleet.models.script(SCRIPT)
            self._talk(fleet, broker)
            self._ask_for_outcomes(fleet)
            code = fleet.down()
            self.note("down", code=code)
            return code or 0

    def _populate(self, fleet: FleetUnderTest) -> dict[str, Any]:
        """People and channels, before the fleet starts."""
        guild = str(fleet.guild["id"])
        people = [fleet.person["id"]]
        people += [fleet.control.add_user(f"person{n}", guilds=[guild])["id"] for n in range(4)]
        self._people = [str(person) for person in people]
        for number in range(self.options.channels):
            made = fleet.control.add_channel(guild, f"talk-{number:03}")
            self._channels.append(str(made["id"]))
            self.waiting[str(made["id"])] = deque()
            self.note("channel", id=str(made["id"]))
        return config(self.options, self._people, guild)

    # -- talking -------------------------------------------------------------------------------------

    def _talk(self, fleet: FleetUnderTest, broker: Broker) -> None:
        options = self.options
        tail = _Tail(options.folder / "simulator.jsonl", self._answered)
        speaker = _Speaker(fleet.simulator.url)
        ends = time.monotonic() + options.minutes * 60
        calm = int(options.messages * options.calm)
        warm = min(calm // 3, options.channels)
        self.note("phase", name="warm")
        self._say_until(warm, speaker, tail, ends)
        self.note("phase", name="calm")
        self._say_until(calm, speaker, tail, ends)
        plans = draw(options.seed, options.minutes * 60, options.every_s, small=options.small)
        injurer = Injurer(fleet, broker, plans, options.seed, self.note)
        self.note("phase", name="chaos")
        self._hurting = True
        injurer.start()
        try:
            self._say_until(options.messages, speaker, tail, ends)
            self.note("phase", name="drain")
        finally:
            injurer.stop()
        self.moved = time.monotonic()
        while any(self.waiting.values()) and time.monotonic() - self.moved < QUIET_S:
            tail.read()
            self._forget_absorbed()
            time.sleep(0.1)
        time.sleep(3)  # a second answer would come now
        self.note("phase", name="end")
        if injurer.trouble is not None:
            raise injurer.trouble

    def _say_until(self, total: int, speaker: _Speaker, tail: _Tail, ends: float) -> None:
        while len(self.said) < total and time.monotonic() < ends:
            tail.read()
            room = self.options.window - sum(map(len, self.waiting.values()))
            if room <= 0:
                self._forget_absorbed()
                time.sleep(0.01)
                continue
            channel = self._dice.choice(self._channels)
            burst = min(room, total - len(self.said), PER_CHANNEL - len(self.waiting[channel]))
            for _ in range(min(burst, self._dice.randint(1, 3))):
                self._say(channel, speaker)

    def _say(self, channel: str, speaker: _Speaker) -> None:
        tag = f"m-{len(self.said):06}"
        slow = "think slow, " if self._dice.random() < SLOW_SHARE else ""
        refused = self._hurting and self._dice.random() < REFUSED_SHARE
        if refused:
            speaker.refuse(tag)
        said = speaker.say(channel, f"{slow}please answer {tag}", self._dice.choice(self._people))
        self.said.append(said)
        if not refused:
            self.waiting[channel].append((said, time.monotonic()))
        self.note("say", id=said, channel=channel, tag=tag)

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
            while waiting and time.monotonic() - waiting[0][1] > 10:
                waiting.popleft()

    def _ask_for_outcomes(self, fleet: FleetUnderTest) -> None:
        folder = self.options.folder
        told = fleet.shoal("explain", "--json", "-", stdin="\n".join(self.said), timeout=300)
        (folder / "outcomes.jsonl").write_text(told.stdout)
        dead = fleet.shoal("dead", "list", "--json", "--limit", "1000", timeout=60)
        lines = json.loads(dead.stdout) if dead.returncode == 0 else [{"trouble": dead.stderr}]
        (folder / "dead.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def _fields(options: Options) -> list[tuple[str, Any]]:
    return [(name, getattr(options, name)) for name in options.__dataclass_fields__]


class _Speaker:
    """Writes as people, over one kept connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=30)

    def say(self, channel: str, content: str, user: str) -> str:
        """Returns the id."""
        return str(self._post(f"/control/channels/{channel}/messages", content=content, user=user)["id"])

    def refuse(self, tag: str) -> None:
        """Let every message with this tag be refused."""
        body = {"message": "Missing Permissions", "code": 50013}
        route = "POST /channels/{channel_id}/messages"
        self._post(
            "/control/faults", kind="status", status=403, body=body, route=route, contains=tag, count=None
        )

    def _post(self, path: str, **fields: Any) -> dict[str, Any]:
        self._connection.request("POST", path, json.dumps(fields))
        answer = self._connection.getresponse()
        data: dict[str, Any] = json.loads(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"the simulator refused {path}: {data}")
        return data


class _Tail:
    """Follows the simulator's log for answers of the bot."""

    MARK = b'"route":"POST /channels/{channel_id}/messages"'

    def __init__(self, path: Path, answered: Any) -> None:
        self._file = path.open("rb")
        self._answered = answered
        self._rest = b""

    def read(self) -> None:
        """What came since."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            if self.MARK not in line or b'"status":200' not in line:
                continue
            fields = json.loads(line)
            reference = ((fields["body"] or {}).get("message_reference") or {}).get("message_id")
            if reference:
                self._answered(fields["path"].split("/channels/")[1].split("/")[0], str(reference))


def run(options: Options) -> int:
    """See :class:`Driver`."""
    return Driver(options).run()
