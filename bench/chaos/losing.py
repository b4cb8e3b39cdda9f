"""Answers that are lost beyond repair, at known places: do they end marked, and only they?

Discord forgets nonces after 20 s in such a run. Of each kind there are as many sends as asked for:

| kind | what is lost | what must come of it |
|---|---|---|
| blind | answer and echo, then nothing gets through for 30 s, and the bot may not read the channel | marked |
| sighted | the same, but the channel can be read | found, once |
| post | answer and echo of a post in a forum, which has no nonce | marked |
| named | as blind, in a message under the agent's own name, through a webhook, which has no nonce | marked |
| told | the answer of a post; the gateway sees it come back | found, once |

The faults strike before the injuries begin, so that no other fault takes their place.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from bench.chaos.talking import CREATE, Speaker
from bench.chaos.town import Town
from shoal.simulator.control import Control

__all__ = ["Losses"]

SHUT_S = 30.0
"""Longer than the nonce window."""
PATIENCE_S = 30.0
POST = "POST /channels/{channel_id}/threads"
EXECUTE = "POST /webhooks/{webhook_id}/{webhook_token}"

Ask = Callable[[str, str, Callable[[str], tuple[int, ...]]], None]


class Losses:
    """The losses of one run.

    Args:
        ask: asks for an answer: channel, form, and what sets the faults for its tag, which returns the
            numbers of those that put the answer beyond repair if all of them strike.
    """

    def __init__(self, control: Control, speaker: Speaker, ask: Ask, town: Town) -> None:
        self._control, self._speaker, self._ask, self._town = control, speaker, ask, town
        self._struck: list[int] = []
        self._shut: list[int] = []
        self._began = 0.0

    def begin(self, count: int) -> None:
        """Ask for all of them."""
        self._began = time.monotonic()
        plain = self._town.plain
        for number in range(count):
            self._ask(self._town.blind[number], "alone", self._blind)
            self._ask(self._town.sighted[number], "alone", self._sighted)
            self._ask(self._town.named[number], "alone", self._named)
        # a post nobody has seen yet keeps the forum waiting, so these come first
        for number in range(count):
            self._ask(plain[-1 - number % len(plain)], "post", self._told)
        for number in range(count):
            self._ask(plain[number % len(plain)], "post", self._post)

    def wait_struck(self, listen: Callable[[], None]) -> None:
        """Until each has struck, or it is clear that one will not."""
        while self._struck and time.monotonic() - self._began < PATIENCE_S:
            left = {fault["id"] for fault in self._control.faults()}
            if not left.intersection(self._struck):
                break
            listen()
            time.sleep(0.2)

    def end(self, listen: Callable[[], None]) -> None:
        """Let everything through again, not before the nonces are forgotten."""
        while self._shut and time.monotonic() - self._began < SHUT_S:
            listen()
            time.sleep(0.1)
        for fault in self._shut:
            self._control.remove_fault(fault)

    def _blind(self, tag: str) -> tuple[int, ...]:
        return self._lost(tag)

    def _named(self, tag: str) -> tuple[int, ...]:
        return self._lost(tag, EXECUTE)

    def _sighted(self, tag: str) -> tuple[int, ...]:
        self._lost(tag)
        return ()

    def _lost(self, tag: str, route: str = CREATE) -> tuple[int, ...]:
        words = f"{tag}#b"
        both = (
            self._speaker.fault("drop_answer", route=route, contains=words),
            self._speaker.fault("gateway_drop_event", event="MESSAGE_CREATE", contains=words),
        )
        self._struck += both
        self._shut.append(self._speaker.fault("refuse", route=route, contains=words, skip=1, count=None))
        return both

    def _post(self, tag: str) -> tuple[int, ...]:
        words = f"{tag}#b"
        both = (
            self._speaker.fault("drop_answer", route=POST, contains=words),
            self._speaker.fault("gateway_drop_event", event="THREAD_CREATE", contains=words),
        )
        self._struck += both
        return both

    def _told(self, tag: str) -> tuple[int, ...]:
        self._struck.append(self._speaker.fault("drop_answer", route=POST, contains=f"{tag}#b"))
        return ()
