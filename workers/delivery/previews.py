"""Previews: the message that is created and edited while a turn runs (``spec/outbound.md`` 4, rule R9).

A preview has one owner, the delivery lane of its channel, and one state machine. The turn only says what
is to be seen, with the effect ``Slot`` (a record of kind ``slot``, of which the newest counts); and with
the commit that ends it, whatever the end, it closes the slot and pushes a record of kind ``preview-end``:

    slot ─▶ no receipt: create with nonce ─▶ receipt      preview-end ─▶ delete each message that has a
            receipt:    edit                              receipt and did not become the answer

So nothing comes after the end, and nothing stays. Several messages may follow each other in one turn:
*generations*, numbered from 1. An edit or a create that Discord refuses ends the previews of that turn; the
answer never depends on one.

Receipts are kept under ``<cause>.preview``: part *n* is the message of generation *n*, part ``GONE + n``
says that it was taken away before the end, part ``STOP`` that nothing more is shown, a part from ``BEGUN`` on
that one was about to be made. One that was begun and has no message may exist all the same: its holder died,
and the slot was closed before another came. The end looks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from shoal.base.errors import ShoalError
from shoal.base.ids import derive_nonce
from shoal.base.logging import get_logger
from shoal.base.stamp import before_sending
from shoal.discord.errors import DiscordError, NotFound, RateLimited, RateWait
from shoal.discord.limiter import Priority
from shoal.discord.mentions import NO_MENTIONS
from shoal.discord.wire import MessageFlags
from shoal.state.effects import Effect, Receipt
from shoal.state.records import Failure, Grant
from shoal.state.steps import Commit, Fail, Park, Step
from shoal.state.store import Store
from workers.delivery.finding import Sought, Unknowable, came_back, look_for
from workers.delivery.preview_records import PreviewEnd, PreviewReceipt, PreviewUpdate, preview_identity
from workers.delivery.progress import NONCE_WINDOW_MS
from workers.delivery.records import delivery_lane
from workers.delivery.refused import standing
from workers.delivery.verdicts import is_about_discord, later, rate_yield, reference_refused

__all__ = [
    "PreviewDeps",
    "begun",
    "end_preview",
    "previews_of",
    "show_preview",
]

GONE = 10_000
BEGUN, TRY, VOID = 50_000, 1_000, 500
"""Try *t* of generation *n* is part ``BEGUN + t * TRY + n``; ``VOID`` more: it surely made nothing."""
MOST_TRIES = 38
STOP = 90_000
PATIENCE_MS = 2_000
"""A preview waits so long for a rate limit, and only while nothing stands behind it."""
DOUBT_MS = 15_000
"""For so long a create whose answer was lost is tried again; then the answer behind it goes first."""
GIVE_UP_MS = 10 * 60_000

log = get_logger(__name__)


class PreviewApi(Protocol):
    """The calls of :class:`shoal.discord.rest.Rest` that previews need."""

    def create_message(self, channel_id: str, *, nonce: str | None, **fields: Any) -> dict[str, Any]:
        """See :meth:`shoal.discord.rest.Rest.create_message`."""

    def edit_message(self, channel_id: str, message_id: str, **fields: Any) -> dict[str, Any]:
        """See :meth:`shoal.discord.rest.Rest.edit_message`."""

    def delete_message(self, channel_id: str, message_id: str) -> None:
        """See :meth:`shoal.discord.rest.Rest.delete_message`."""


class PreviewDeps(Protocol):
    """The parts of :class:`workers.delivery.deps.DeliveryDeps` that previews need."""

    @property
    def store(self) -> Store:
        """Receipts, echoes and lanes."""

    @property
    def rest(self) -> Callable[[str], Any]:
        """REST calls of an account."""

    @property
    def bot_id(self) -> Callable[[str], str | None]:
        """Our user id on an account."""


def begun(store: Store, end: PreviewEnd) -> bool:
    """Whether the turn of ``end`` has written a preview: for one that died, whose journal is gone."""
    identity = preview_identity(end.cause)
    slot = store.keys.slot(delivery_lane(end.account, end.channel_id), identity)
    return bool(store.redis.exists(slot, store.keys.receipts(identity)))


def previews_of(store: Store, cause: str) -> tuple[dict[int, PreviewReceipt], bool]:
    """The previews of a turn that were made and not taken away, and whether no more are to be shown."""
    return _made_in(store.receipts.receipt(preview_identity(cause)))


def _made_in(stored: Mapping[int, bytes]) -> tuple[dict[int, PreviewReceipt], bool]:
    """As :func:`previews_of`, of the receipts of a turn's previews."""
    made = {
        part: msgspec.json.decode(value, type=PreviewReceipt)
        for part, value in stored.items()
        if part < GONE and GONE + part not in stored
    }
    return made, STOP in stored


def _begun_only(stored: Mapping[int, bytes]) -> list[tuple[int, PreviewReceipt]]:
    """Previews that were about to be made, and nobody wrote down what became of them; one for each text."""
    return [
        (generation, msgspec.json.decode(value, type=PreviewReceipt))
        for part, value in sorted(stored.items())
        if BEGUN <= part < STOP and (generation := (part - BEGUN) % TRY) < VOID
        if generation not in stored and part + VOID not in stored
    ]


def show_preview(grant: Grant, deps: PreviewDeps, alive: Callable[[], None]) -> Step:
    """Make what people see what the head of kind ``slot`` says.

    Raises:
        StaleGrant: the lane is somebody else's now.
        StoreUnavailable: Redis is away. Whatever ``alive`` raises.
    """
    try:
        update = msgspec.json.decode(grant.head.body, type=PreviewUpdate)
    except msgspec.DecodeError as error:
        return Commit((), f"preview unreadable: {type(error).__name__}")
    return _Shown(grant, update, deps, alive).run()


def end_preview(grant: Grant, deps: PreviewDeps, alive: Callable[[], None]) -> Step:
    """Take away what a turn has shown besides its answer. May be done twice.

    Where an answer did not arrive, what people have seen of it is all there is: it stays (4.5).

    Raises:
        StaleGrant, StoreUnavailable: as :func:`show_preview`.
    """
    end = msgspec.json.decode(grant.head.body, type=PreviewEnd)
    stored = deps.store.receipts.receipt(preview_identity(end.cause))
    made, _ = _made_in(stored)
    answer = deps.store.receipts.receipt(end.answer) if end.answer else {}
    if end.keep or (end.answer and not answer):
        return Commit((), "previews stay: an error" if end.keep else "previews stay: no answer arrived")
    kept = {msgspec.json.decode(value).get("message_id") for value in answer.values()}
    age_ms = deps.store.now_ms() - grant.head.born
    taken = 0
    try:
        for generation, receipt in [*sorted(made.items()), *_begun_only(stored)]:
            if receipt.message_id not in kept:
                alive()
                taken += _take_away(end, generation, receipt, deps)
    except ShoalError as error:
        again = later(error, age_ms=age_ms, patience_ms=GIVE_UP_MS)
        if again is not None:
            return again
        log.warning("a preview could not be removed", channel=end.channel_id, cause=end.cause, error=error)
        return Commit((), f"preview stays: {error.code}")
    return Commit((), f"previews removed: {taken}")


class _Shown:
    """One update of a preview, under one grant."""

    def __init__(
        self, grant: Grant, update: PreviewUpdate, deps: PreviewDeps, alive: Callable[[], None]
    ) -> None:
        self.grant = grant
        self.update = update
        self.deps = deps
        self.alive = alive
        self.identity = preview_identity(update.cause)
        self.stored = deps.store.receipts.receipt(self.identity)
        self.made, self.stopped = _made_in(self.stored)
        self.api: PreviewApi = deps.rest(update.account)
        self.age_ms = deps.store.now_ms() - grant.head.born
        self.effects: list[Effect] = []
        self.tried = 0
        """The part that says that this holder began the message."""

    def run(self) -> Step:
        update = self.update
        known = self.made.get(update.generation)
        try:
            for generation, receipt in sorted(self.made.items()):
                if generation < update.first:
                    self.alive()
                    _take_away(update, generation, receipt, self.deps)
                    self.effects.append(Receipt(self.identity, GONE + generation, b"1"))
            if self.stopped or not update.text or update.generation < update.first:
                return Commit(self.effects, "preview: nothing to show")
            self.alive()
            return self._edit(known.message_id) if known is not None else self._create()
        except (RateWait, RateLimited) as wait:
            return self._no_room(wait)
        except ShoalError as error:
            if not is_about_discord(error):
                raise
            return self._failed(error, editing=known is not None)

    def _no_room(self, wait: RateWait | RateLimited) -> Step:
        """Previews go last to Discord; what stands behind one does not wait for it: it may be the answer."""
        void: list[Effect] = []
        if self.tried and not wait.ambiguous:
            void.append(Receipt(self.identity, self.tried + VOID, b"1"))
        pause, lanes = rate_yield(wait), self.deps.store.lanes
        if pause.delay_ms > PATIENCE_MS or self.age_ms >= DOUBT_MS or lanes.depth(self.grant.lane) > 1:
            return Commit([*self.effects, *void], "preview skipped: rate limit")
        if void:
            lanes.checkpoint(self.grant, self.grant.step + 2, void, journal=b"void")
        return Park((), pause.delay_ms, "preview waits: rate limit")

    def _create(self) -> Step:
        update = self.update
        if self.age_ms > NONCE_WINDOW_MS:
            # too old to be of use; but an earlier holder may have made it
            found = _find(update, update.generation, self.grant.head.born, update.text, self.deps)
            if found is None:
                return Commit(self.effects, "preview skipped: too old")
            return self._made(found)
        refusal, stands = standing(self.deps.store, update.account, update.channel_id)
        if refusal is not None and stands:
            return Commit(self.effects, "preview skipped: refused here")
        if self._tries() > MOST_TRIES:
            return Commit(self.effects, "preview skipped: tried too often")
        with before_sending(self._begin):
            message = self._post(update.reply_to)
        self._made(str(message["id"]))
        if str(message.get("content") or "").strip() != update.text.strip():
            # a message an earlier holder made with an older text: the nonce gave it back
            try:
                self._patch(str(message["id"]))
            except ShoalError as error:
                log.info("a preview shows an older text", code=error.code)
        return Commit(self.effects, "preview shown")

    def _begin(self) -> None:
        """From here on the message may exist. Raises StaleGrant where the lane is somebody else's."""
        update = self.update
        open_tries = _begun_only(self.stored)
        mine = [receipt.text for generation, receipt in open_tries if generation == update.generation]
        if update.text not in mine and update.generation < VOID and not self.tried:
            doubt = PreviewReceipt(doubt=True, born_ms=self.grant.head.born, text=update.text)
            self.tried = BEGUN + self._tries() * TRY + update.generation
            effect = Receipt(self.identity, self.tried, msgspec.json.encode(doubt))
            self.deps.store.lanes.checkpoint(self.grant, self.grant.step + 1, [effect], journal=b"begun")
            self.alive()

    def _tries(self) -> int:
        """How often this generation was begun."""
        parts = (part - BEGUN for part in self.stored if BEGUN <= part < STOP)
        return sum(part % TRY == self.update.generation for part in parts)

    def _post(self, reply_to: str | None) -> dict[str, Any]:
        update = self.update
        try:
            return self.api.create_message(
                update.channel_id,
                nonce=_nonce(update.cause, update.generation),
                content=update.text,
                reply_to=reply_to,
                allowed_mentions=NO_MENTIONS,
                flags=int(MessageFlags.SUPPRESS_EMBEDS),
                priority=Priority.EDIT,
            )
        except DiscordError as error:
            if reply_to is not None and reference_refused(error):
                return self._post(None)
            raise

    def _made(self, message_id: str) -> Commit:
        receipt = PreviewReceipt(message_id, self.update.reply_to)
        self.effects.append(Receipt(self.identity, self.update.generation, msgspec.json.encode(receipt)))
        return Commit(self.effects, "preview found")

    def _edit(self, message_id: str) -> Step:
        if message_id:
            self._patch(message_id)
        return Commit(self.effects, "preview edited")

    def _patch(self, message_id: str) -> None:
        self.api.edit_message(
            self.update.channel_id,
            message_id,
            content=self.update.text,
            allowed_mentions=NO_MENTIONS,
            flags=int(MessageFlags.SUPPRESS_EMBEDS),
            priority=Priority.EDIT,
        )

    def _failed(self, error: ShoalError, *, editing: bool) -> Step:
        """Nothing of a preview is worth a failure: it is shown no more, or later."""
        if error.retryable and editing:
            return Commit(self.effects, f"preview skipped: {error.code}")
        if error.retryable and self.age_ms < DOUBT_MS:
            return Fail(Failure.INFRASTRUCTURE, error.code, str(error), delay_ms=500)
        log.warning(f"no preview is shown any more: {error}", code=error.code, channel=self.update.channel_id)
        if error.retryable or getattr(error, "ambiguous", False):
            born, text = self.grant.head.born, self.update.text
            doubt = msgspec.json.encode(PreviewReceipt(doubt=True, born_ms=born, text=text))
            self.effects.append(Receipt(self.identity, self.update.generation, doubt))
        self.effects.append(Receipt(self.identity, STOP, b"1"))
        return Commit(self.effects, f"preview stopped: {error.code}")


def _take_away(
    about: PreviewUpdate | PreviewEnd, generation: int, receipt: PreviewReceipt, deps: PreviewDeps
) -> bool:
    """Delete one preview; false: there was none."""
    message_id: str | None = receipt.message_id
    if receipt.doubt:
        message_id = _find(about, generation, receipt.born_ms, receipt.text, deps)
    if not message_id:
        return False
    try:
        deps.rest(about.account).delete_message(about.channel_id, message_id)
    except NotFound:
        return False  # it was gone already, or its channel is
    return True


def _find(
    about: PreviewUpdate | PreviewEnd, generation: int, since_ms: int, text: str, deps: PreviewDeps
) -> str | None:
    """A preview whose create was never answered: as the gateway saw it, else by a look at the channel."""
    nonce = _nonce(about.cause, generation)
    sought = Sought(about.account, about.channel_id, nonce, content=text, since_ms=since_ms)
    rest, bot_id = deps.rest(about.account), deps.bot_id(about.account)
    try:
        return came_back(sought, deps.store) or look_for(sought, rest, bot_id)
    except Unknowable as why:
        log.warning(f"a preview may stay: {why}", channel=about.channel_id, cause=about.cause)
        return None


def _nonce(cause: str, generation: int) -> str:
    return derive_nonce(cause, "preview", generation)
