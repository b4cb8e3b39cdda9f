"""The back-stop for interactions (rule R10).

A front worker acknowledges each click and command. If none has done so 1.2 s after the
gateway read it, the gateway sends the deferral its type allows, because Discord tells the
user "interaction failed" after 3 s:

    slash command, modal    5   deferred reply (ephemeral where ``slashCommand.ephemeral`` says so)
    component               6   deferred update
    autocomplete            8   an empty list; cannot be deferred

Who was second gets 40060 from Discord, which is as good as a success for either. The
answer is noted in Redis after it was sent, so a worker that comes late edits instead.
"""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from gateway.events import Interaction
from shoal.base.errors import ShoalError, StoreUnavailable
from shoal.base.logging import get_logger
from shoal.base.threads import Surviving, start_thread
from shoal.discord.codes import ALREADY_ACKNOWLEDGED, UNKNOWN_INTERACTION
from shoal.discord.errors import DiscordError
from shoal.discord.wire import InteractionCallback, InteractionType, MessageFlags
from shoal.state.store import Store

__all__ = ["AFTER_S", "Backstop", "Responder", "deferral"]

log = get_logger(__name__)

AFTER_S = 1.2


class Responder(Protocol):
    """What is needed of :class:`shoal.discord.interactions.InteractionCalls`."""

    def create_interaction_response(
        self,
        interaction_id: str,
        interaction_token: str,
        *,
        type: int,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        """``POST /interactions/<id>/<token>/callback``."""
        ...


def deferral(interaction: Interaction, *, ephemeral: bool) -> tuple[int, dict[str, Any] | None] | None:
    """Type and data of the answer that buys time, or ``None`` for a kind that needs none."""
    match interaction.kind:
        case InteractionType.MESSAGE_COMPONENT:
            return InteractionCallback.DEFERRED_UPDATE_MESSAGE, None
        case InteractionType.APPLICATION_COMMAND_AUTOCOMPLETE:
            return InteractionCallback.APPLICATION_COMMAND_AUTOCOMPLETE_RESULT, {"choices": []}
        case InteractionType.MODAL_SUBMIT if interaction.of_message:
            return InteractionCallback.DEFERRED_UPDATE_MESSAGE, None
        case InteractionType.APPLICATION_COMMAND | InteractionType.MODAL_SUBMIT:
            data = {"flags": int(MessageFlags.EPHEMERAL)} if ephemeral else None
            return InteractionCallback.DEFERRED_CHANNEL_MESSAGE_WITH_SOURCE, data
    return None


class Backstop:
    """Watches interactions of one account; a thread of its own, and a few for sending."""

    def __init__(
        self,
        store: Store,
        calls: Responder,
        account: str,
        *,
        ephemeral: bool,
        on_fatal: Callable[[ShoalError], None],
    ) -> None:
        self._store = store
        self._calls = calls
        self._account = account
        self._ephemeral = ephemeral
        self._waiting: list[tuple[float, int, Interaction]] = []
        self._count = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._senders = ThreadPoolExecutor(4, thread_name_prefix="backstop")
        self._on_fatal = on_fatal
        self._thread: threading.Thread | None = None
        self.sent = 0

    def start(self) -> None:
        """Begin watching."""
        self._thread = start_thread("backstop", self._run, self._on_fatal)

    def watch(self, interaction: Interaction, received: float) -> None:
        """Look at an interaction 1.2 s after ``received`` (monotonic seconds)."""
        with self._changed:
            self._count += 1
            heapq.heappush(self._waiting, (received + AFTER_S, self._count, interaction))
            self._changed.notify()

    def stop(self) -> None:
        """Answer what is waiting at once, since nobody will look later, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(5.0)
        self._senders.shutdown(wait=True, cancel_futures=False)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._stopping:
                    self._changed.wait()
                if not self._waiting:
                    return
                due, _, interaction = self._waiting[0]
                left = due - time.monotonic()
                if left > 0 and not self._stopping:
                    self._changed.wait(left)
                    continue
                heapq.heappop(self._waiting)
            self._senders.submit(self._look, interaction)

    def _look(self, interaction: Interaction) -> None:
        # a pool keeps what its work raises to itself
        with Surviving("interaction back-stop failed", account=self._account, interaction=interaction.id):
            self._defer(interaction)

    def _defer(self, interaction: Interaction) -> None:
        try:
            if self._store.intake.acked(interaction.id) is not None:
                return
        except StoreUnavailable:
            pass  # nothing is known: two answers are harmless, none is not
        answer = deferral(interaction, ephemeral=self._ephemeral)
        if answer is None:
            return
        kind, data = answer
        try:
            self._calls.create_interaction_response(interaction.id, interaction.token, type=kind, data=data)
        except DiscordError as error:
            if error.json_code != ALREADY_ACKNOWLEDGED:
                level = log.info if error.json_code == UNKNOWN_INTERACTION else log.error
                level("interaction back-stop failed", account=self._account, interaction=interaction.id,
                      error=error)  # fmt: skip
                return
        except ShoalError as error:
            log.error("interaction back-stop failed", account=self._account, interaction=interaction.id,
                      error=error)  # fmt: skip
            return
        self._note(interaction, int(kind))

    def _note(self, interaction: Interaction, kind: int) -> None:
        self.sent += 1
        log.warning("interaction deferred by the gateway", account=self._account, interaction=interaction.id,
                    type=kind)  # fmt: skip
        try:
            self._store.intake.ack(interaction.id, f"gateway:{kind}")
        except StoreUnavailable as error:
            log.warning("deferral not noted", interaction=interaction.id, error=error)
