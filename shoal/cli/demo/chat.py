"""The person's side of a demo: say something in private, wait for the end of its turn, read the answer.

When is a message answered? Not when the first line appears: an answer may have several
parts. So we ask the ledger for the message's outcome and then wait until the delivery lane
of the conversation is empty.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoal.simulator.control import Control
    from shoal.state.store import Store

__all__ = ["Answer", "Chat"]

_ANSWERED = frozenset({"answered", "merged", "steered", "command", "control"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one message. ``reason`` says why nothing did."""

    answered: bool
    texts: list[str]
    reason: str = ""


class Chat:
    """A private conversation with the bot of the simulated Discord.

    Args:
        control: the simulator.
        person: id of the user who speaks.
        state_dir: where the demo's embedded Redis is.
        alive: raises when the fleet has given up.
        timeout_s: how long to wait for an answer.
    """

    def __init__(
        self,
        control: Control,
        person: str,
        state_dir: Path,
        *,
        alive: Callable[[], None],
        timeout_s: float,
    ) -> None:
        from shoal.state.embedded import EmbeddedServer
        from shoal.state.store import Store

        self._control = control
        self._person = person
        self._alive = alive
        self._timeout_s = timeout_s
        self._channel = str(control.open_dm(person)["id"])
        self._store: Store = Store.open(EmbeddedServer(state_dir).url(), client_name="shoal-demo")

    def close(self) -> None:
        """Close the connection to Redis."""
        self._store.close()

    def say(self, text: str) -> Answer:
        """Write ``text`` to the bot; returns when its turn and every delivery are done, or time is up."""
        said = self._control.dm(text, user=self._person)
        deadline = time.monotonic() + self._timeout_s
        outcome, reason = "", f"nothing came within {self._timeout_s:g} s"
        while time.monotonic() < deadline:
            self._alive()
            outcome, told = self._outcome(str(said["id"]))
            if outcome and (outcome not in _ANSWERED or self._delivered()):
                reason = told or outcome
                break
            time.sleep(0.05)
        texts = [
            _text(message)
            for message in self._control.messages(self._channel, after=said["id"], author="bot")
        ]
        if outcome in _ANSWERED and not texts:
            return Answer(False, [], f"the turn ended ({outcome}) without a visible message")
        return Answer(outcome in _ANSWERED, texts, reason)

    def _outcome(self, message_id: str) -> tuple[str, str]:
        explanation = self._store.ledger.explain("default", message_id)
        if explanation is None or explanation.outcome is None:
            return "", ""
        return str(explanation.outcome), explanation.reason

    def _delivered(self) -> bool:
        return self._store.lanes.depth(f"delivery:default:{self._channel}") == 0


def _text(message: dict[str, Any]) -> str:
    """A message as a line for the terminal: its text, else what its embeds and components say."""
    parts = [str(message.get("content") or "")]
    for embed in message.get("embeds") or ():
        parts.extend(str(embed[key]) for key in ("title", "description") if embed.get(key))
    if message.get("components"):
        parts.append("[with buttons or other components]")
    return "\n".join(part for part in parts if part)
