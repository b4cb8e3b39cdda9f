"""The driver's mouth and ear: people who speak and press buttons, and the simulator's log as it grows."""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.chaos.forms import TAG

__all__ = ["CREATE", "Pressers", "Speaker", "Tail"]

Json = dict[str, Any]

CREATE = "POST /channels/{channel_id}/messages"


class Speaker:
    """Acts as people, over one kept connection."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=30)

    def say(self, channel: str, content: str, user: str) -> str:
        """Returns the id."""
        return str(self._post(f"/control/channels/{channel}/messages", content=content, user=user)["id"])

    def press(self, channel: str, message: str, custom_id: str, user: str) -> str:
        """Returns the id of the interaction; empty where the button was greyed out already."""
        path = f"/control/channels/{channel}/messages/{message}/click"
        return str(self._post(path, (404, 409), custom_id=custom_id, user=user).get("id") or "")

    def refuse(self, tag: str) -> None:
        """Let every message with this tag be refused."""
        body = {"message": "Missing Permissions", "code": 50013}
        self.fault("status", status=403, body=body, route=CREATE, contains=tag, count=None)

    def fault(self, kind: str, **fields: Any) -> int:
        """Set a fault; returns its number."""
        return int(self._post("/control/faults", kind=kind, **fields)["id"])

    def _post(self, path: str, accepted: tuple[int, ...] = (), **fields: Any) -> Json:
        self._connection.request("POST", path, json.dumps(fields))
        answer = self._connection.getresponse()
        data: Json = json.loads(answer.read())
        if answer.status in accepted:
            return {}
        if answer.status != 200:
            raise RuntimeError(f"the simulator refused {path}: {data}")
        return data


class Tail:
    """Follows the simulator's log: messages of the bot that were written or changed."""

    MARKS = (
        b'"route":"POST /channels/{channel_id}/messages"',
        b'"route":"PATCH /channels/{channel_id}/messages/{message_id}"',
    )

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._rest = b""

    def read(self) -> Iterator[Json]:
        """The requests that came since and were done."""
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            done = b'"status":200' in line or b'"done":true' in line
            if done and any(mark in line for mark in self.MARKS):
                yield json.loads(line)


class Pressers:
    """People who press what they are offered: nobody, one, two at once, one who comes late.

    Args:
        note: writes a line of the driver's log.
    """

    def __init__(self, dice: random.Random, people: list[str], note: Callable[..., None]) -> None:
        self._dice, self._people, self._note = dice, people, note
        self._seen: set[str] = set()
        self._due: list[tuple[float, Json, Json]] = []
        self.pressed: list[str] = []
        """Ids of the interactions so far."""

    @property
    def busy(self) -> bool:
        """Somebody is about to press something."""
        return bool(self._due)

    def offer(self, message: Json) -> None:
        """A message of the bot that may have buttons."""
        buttons = list(_buttons(message.get("components") or []))
        if not buttons or message["id"] in self._seen:
            return
        self._seen.add(message["id"])
        dice, now = self._dice, time.monotonic()
        first = now + dice.uniform(0.1, 3.0)
        times = dice.choice(([], [first], [first, first], [first, first], [first, first, first + 3.0]))
        for moment in times:
            self._due.append((moment, message, dice.choice(buttons)))

    def press(self, speaker: Speaker) -> None:
        """What is due."""
        now = time.monotonic()
        due = [each for each in self._due if each[0] <= now]
        self._due = [each for each in self._due if each[0] > now]
        for _, message, button in due:
            label = str(button["label"])
            pressed = speaker.press(
                message["channel_id"], message["id"], button["custom_id"], self._dice.choice(self._people)
            )
            if pressed:
                self.pressed.append(pressed)
            self._note(
                "click",
                id=pressed,
                message=message["id"],
                tag=TAG.findall(label)[0],
                label=label,
                reusable=label.startswith("More"),
            )


def _buttons(components: list[Json]) -> Iterator[Json]:
    for component in components:
        if component.get("type") == 2 and "custom_id" in component and not component.get("disabled"):
            yield component
        yield from _buttons(component.get("components") or [])
