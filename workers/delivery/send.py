"""Sending: from the head of a delivery lane to messages on Discord, each created once.

    plan (journalled) ─▶ for each part: receipt? ─▶ lease? ─▶ in doubt? look ─▶ create ─▶ receipt
                                                                        the last one: with the commit

A part that has its receipt is never sent again. A part that was about to be sent when its
holder died may exist: inside Discord's nonce window it is sent again under the same nonce,
which returns the message that is there; past the window the channel is looked at first. Where
the gateway has seen it come back, that settles it. So promise 4 holds without knowing which of
the two happened; and where neither helps, the record dies as ``send-unknown``, which is listed. Agents
that speak under their own name go through webhooks, which know no nonce: :mod:`workers.delivery.persona`.

What a failed call means is said by :mod:`workers.delivery.verdicts`. A refusal is journalled, and the
record dies without another request; what may pass is bounded by ``max_age_s``.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId, starter_of
from shoal.base.logging import get_logger
from shoal.discord.errors import DiscordError, MissingPermissions, RateLimited, RateWait
from shoal.discord.mentions import NO_MENTIONS
from shoal.state.effects import Effect, Receipt
from shoal.state.records import Failure, Grant
from shoal.state.steps import Commit, Fail, Step, Yield
from workers.delivery.blocks import keep_distance, stopped, taken_back
from workers.delivery.creating import Calls
from workers.delivery.deps import DeliveryDeps
from workers.delivery.endings import (
    closing_effects,
    expired_effects,
    opening_effects,
    refused_effects,
    rejected_effects,
)
from workers.delivery.finalising import preview_to_edit
from workers.delivery.finding import Unknowable, came_back, look_for, sought_of
from workers.delivery.missing import name_missing, permissions_for
from workers.delivery.pairing import failed_effects, filled
from workers.delivery.parts import make_part
from workers.delivery.persona import PersonaWay
from workers.delivery.posts import post_title, seen_post, untitled
from workers.delivery.preview_records import END, SLOT
from workers.delivery.previews import end_preview, show_preview
from workers.delivery.progress import (
    LOOK_AFTER_MS,
    NONCE_WINDOW_MS,
    Entry,
    Progress,
    read_progress,
)
from workers.delivery.records import PartReceipt, SendRequest, decode_receipt, decode_send, encode
from workers.delivery.refused import Refusal, forget, remember, standing
from workers.delivery.render import message_fields, plan_of
from workers.delivery.spread import file_of, heard_behind, texts_of
from workers.delivery.trail import Trail
from workers.delivery.verdicts import NotYet, Rejected, verdict_on
from workers.delivery.voice import VoiceWay

__all__ = ["deliver"]

log = get_logger(__name__)

EDIT_PATIENCE_MS = 10_000
"""For so long the edit of a preview is tried; then the answer is a message of its own."""


def deliver(grant: Grant, deps: DeliveryDeps, alive: Callable[[], None]) -> Step:
    """Send what the head of a delivery lane asks for.

    Args:
        grant: on a head of kind ``send``, ``slot`` or ``preview-end``.
        deps: see :class:`DeliveryDeps`.
        alive: returns while the lease holds and the process may go on; raises otherwise (asked before
            every request, rule R14).

    Raises:
        StaleGrant: the lane is somebody else's now.
        StoreUnavailable: Redis is away. Whatever ``alive`` raises.
    """
    if grant.head.kind == SLOT:
        return show_preview(grant, deps, alive)
    if grant.head.kind == END:
        return end_preview(grant, deps, alive)
    try:
        request = decode_send(grant.head.body)
        progress = read_progress(grant.journal)
    except msgspec.DecodeError as error:  # includes ValidationError
        return Fail(Failure.HANDLED, "send-unreadable", f"The record is no send request: {error}")
    return _Delivery(grant, request, progress, deps, alive).run()


class _Delivery:
    """One head, one holder."""

    def __init__(
        self,
        grant: Grant,
        request: SendRequest,
        progress: Progress,
        deps: DeliveryDeps,
        alive: Callable[[], None],
    ) -> None:
        self.grant = grant
        self.voice = VoiceWay(progress)
        self.request = self.voice.instead_of(request)
        self.progress = progress
        self.deps = deps
        self.alive = alive
        self.settings = deps.settings(request.account)
        self.rest = deps.rest(request.account)
        self.trail = Trail(grant, progress, deps.store.lanes, deps.clock, alive)
        self.edit = progress.edit
        self.sent: dict[int, PartReceipt] = {}
        self.at = 0
        fresh, webhook = progress.plan is None, progress.webhook
        self.persona = PersonaWay.of(
            request, webhook, fresh, deps.store, self.rest, deps.look, deps.bot_id, self.trail
        )
        self.refusal: Refusal | None = None
        self.log = log.bind(account=request.account, channel=request.channel_id, cause=request.cause)

    def run(self) -> Step:
        """The parts that are missing, in order."""
        if self.progress.rejected:
            return Fail(Failure.HANDLED, self.progress.rejected, self.progress.why, delay_ms=0)
        stored = self.deps.store.receipts.receipt(self.request.identity)
        self.sent = {part: decode_receipt(value) for part, value in stored.items()}
        if self.trail.now_ms() - self.grant.head.born > self.request.max_age_s * 1000:
            return self._expired()
        plan = self.progress.plan
        while True:
            try:
                if plan is None:
                    made = self._plan()
                    if isinstance(made, Commit):
                        return made
                    plan = made
                return self._parts(plan)
            except NotYet as wait:
                return Yield(wait.wait_ms, wait.why)
            except (Rejected, ShoalError) as error:
                self._understand(error)
                result = error if isinstance(error, Rejected) else verdict_on(error)
                if result is None:
                    raise
                other = self._without_voice(plan, result, error)
                if other is not None:
                    plan = other
                    continue
                if isinstance(result, Rejected):
                    self._remember(error, result.code)
                    return self._rejected(result)
                if isinstance(result, Fail):
                    self.log.warning(f"discord final reply failed: {error}", code=result.code)
                return result

    def _understand(self, error: Exception) -> None:
        """Have a missing permission named: whoever can give it reads of it."""
        if isinstance(error, MissingPermissions):
            self.alive()
            name_missing(error, self.rest, self.channel, more=permissions_for(self.request))

    def _remember(self, error: Exception, code: str) -> None:
        """Keep what is no message's fault. Strangers are tried each time: they were told what to change."""
        if isinstance(error, ShoalError) and not self.request.pairing:
            remember(self.deps.store, self.request.account, self.channel, error, code)

    def _plan(self) -> list[str] | Commit:
        """The contents of all parts and the way they take, journalled; or the end, if there are none.

        Raises:
            NotYet: it keeps its distance to the block before it.
        """
        if taken_back(self.request, self.grant.head, self.deps.store):
            effects = closing_effects(stopped(self.request), self.grant.head, "stopped", self.sent)
            return Commit(effects, "not sent: the turn was stopped")
        self.refusal, stands = standing(self.deps.store, self.request.account, self.request.channel_id)
        if self.refusal is not None and stands and not self.request.pairing:
            return self._refused(self.refusal)
        keep_distance(self.request, self.deps.store, self.trail.now_ms())
        request = filled(self.request, self.deps.store) if self.request.pairing else self.request
        if request is None:
            return Commit(self._closing("over"), "nothing to send: the request is over")
        plan = plan_of(request, self.settings)
        if request.post and not plan[0].strip():
            plan[0] = untitled(self.deps.clock.now())
        if not plan:
            return Commit(self._closing("empty"), "nothing to send")
        if self.persona is not None:
            self.persona.open(born_ms=self.grant.head.born)
        webhook = self.persona.webhook_id if self.persona is not None else ""
        self.edit = "" if webhook else preview_to_edit(request, plan, self.deps.store)
        if self.edit:
            plan = heard_behind(request, texts_of(request, plan))
        entry = Entry(plan=plan, at=self.trail.begin(0), edit=self.edit, webhook=webhook)
        self.trail.write(entry, *opening_effects(request))
        return plan

    def _parts(self, plan: list[str]) -> Step:
        missing = [part for part in range(len(plan)) if part not in self.sent]
        for part in missing:
            self.alive()
            self.at = part
            if self.request.post and part == 0:
                receipt = self._find_post(plan) or self._post(plan)
            else:
                edits = self.edit and part == 0
                other = self._edited(plan) if edits else self._as_persona(plan, part)
                receipt = other or self._find(plan, part) or self._create(plan, part)
            receipt = msgspec.structs.replace(receipt, at_ms=self.trail.now_ms())
            self.sent[part] = receipt
            effect = Receipt(self.request.identity, part, encode(receipt))
            if part == missing[-1]:
                return Commit([effect, *self._closing("sent")], f"sent · {len(plan)} parts")
            self.trail.write(Entry(next=part + 1, at=self.trail.begin(part + 1)), effect)
        # every part had its receipt: the commit was lost, not the work
        return Commit(self._closing("sent"), f"sent · {len(plan)} parts")

    @property
    def channel(self) -> str:
        """Where parts go: the thread, once there is a post."""
        return self.sent[0].channel_id if self.request.post and 0 in self.sent else self.request.channel_id

    def _find_post(self, plan: list[str]) -> PartReceipt | None:
        """The post that an earlier try may have made. Raises what :func:`seen_post` does."""
        if 0 not in self.trail.doubtful:
            return None
        request = self.request
        found = seen_post(
            self.deps.store.facts.channels(request.account, request.guild_id or ""),
            parent_id=request.channel_id,
            title=post_title(plan[0]),
            bot_id=self.deps.bot_id(request.account),
            since_ms=self.trail.began[0],
            now_ms=self.trail.now_ms(),
        )
        return PartReceipt(starter_of(found), found, found=True)

    def _post(self, plan: list[str]) -> PartReceipt:
        """Make the post. What surely did not happen is marked so, or the next try would not dare."""
        if not self.trail.began.get(0):
            self.trail.begin_anew(0)
        try:
            made = self._made(plan, 0)
        except ShoalError as error:
            if not error.ambiguous:
                self.trail.void(0)
            raise
        self.log.info("Reply sent successfully (200 OK)", part=0, message_id=made.channel_id)
        return made

    def _edited(self, plan: list[str]) -> PartReceipt | None:
        """The preview becomes the answer; ``None``: it cannot, which is journalled. May be done twice."""
        flags = message_fields(self.request, self.settings, plan, 0).get("flags", 0)
        try:
            self.rest.edit_message(
                self.request.channel_id,
                MessageId(self.edit),
                content=plan[0],
                allowed_mentions=NO_MENTIONS,
                flags=flags,
            )
        except DiscordError as error:
            age_ms = self.trail.now_ms() - self.grant.head.born
            limited = isinstance(error, RateWait | RateLimited)
            if limited or (error.retryable and age_ms < EDIT_PATIENCE_MS):
                raise
            self.log.info("a preview cannot become the answer", code=error.code)
            self.trail.write(Entry(fresh=True, next=0, at=self.trail.begin(0)))
            self.edit = ""
            self.alive()
            return None
        self.log.info("Reply sent successfully (200 OK)", part=0, message_id=self.edit)
        return PartReceipt(MessageId(self.edit), self.request.channel_id)

    def _find(self, plan: list[str], part: int) -> PartReceipt | None:
        """A part that may exist: did it come back to the gateway? Past the nonce window: is it there?

        Asked only where an earlier try began the part; the echo first, because it costs no request.
        """
        began = self.trail.began.get(part)
        if began is None or part not in self.trail.doubtful:
            return None
        taken = [receipt.message_id for receipt in self.sent.values()]
        sought = sought_of(self.request, plan, part, channel_id=self.channel, since_ms=began, taken=taken)
        found = came_back(sought, self.deps.store)
        if found is not None:
            self.log.info("a part that was sent before came back", part=part, message_id=found)
            return PartReceipt(found, self.channel, found=True)
        relied_on = LOOK_AFTER_MS if part in self.trail.lost or self.grant.suspects else NONCE_WINDOW_MS
        if self.trail.now_ms() - began <= relied_on:
            return None
        try:
            found = look_for(sought, self.rest, self.deps.bot_id(self.request.account))
        except Unknowable as why:
            raise Rejected("send-unknown", f"It may have been sent, and is not sent again. {why}") from why
        if found is not None:
            self.log.info("found a part that was sent before", part=part, message_id=found)
            return PartReceipt(found, self.channel, found=True)
        self.trail.lost.discard(part)
        self.trail.begin_anew(part)
        return None

    def _as_persona(self, plan: list[str], part: int) -> PartReceipt | None:
        """One part through the webhook; none: the bot has to say it."""
        if self.persona is None or not self.persona.webhook_id or file_of(self.request, plan, part):
            return None
        taken = frozenset(receipt.message_id for receipt in self.sent.values())
        fields = message_fields(self.request, self.settings, plan, part)
        return self.persona.part(plan[part], part, fields, taken)

    def _create(self, plan: list[str], part: int) -> PartReceipt:
        """Raises what it raises; that an answer was lost is remembered."""
        try:
            return self._made(plan, part)
        except ShoalError as error:
            if error.ambiguous:
                self.trail.lose(part)
            raise

    def _made(self, plan: list[str], part: int) -> PartReceipt:
        """As :func:`make_part`."""
        calls = Calls(self.channel, self.rest, self.deps.store.blobs, self.alive, self._uploaded)
        return make_part(self.request, self.settings, plan, part, voice=self.voice, calls=calls)

    def _uploaded(self, name: str) -> None:
        self.trail.write(Entry(uploaded=name))

    def _without_voice(
        self, plan: list[str] | None, result: Step | Rejected, error: Exception
    ) -> list[str] | None:
        """The parts where Discord surely did not take the voice message, or took too long for an answer that
        is only read aloud besides; none: it is no matter of that."""
        age_ms = self.trail.now_ms() - self.grant.head.born
        refused = result if isinstance(result, Rejected) else self.voice.overdue(self.request, error, age_ms)
        if refused is None or not plan:
            return None
        request = self.voice.give_way(self.request, file_of(self.request, plan, self.at), refused, error)
        if request is None:
            return None
        self.request = request
        other = plan_of(request, self.settings)
        if self.at and request.read_aloud:
            other = heard_behind(request, texts_of(request, plan))
        if request.post:
            other[0] = plan[0]
        begun, instead, why = self.trail.begin(self.at), self.voice.instead, self.voice.note
        self.trail.write(Entry(plan=other, next=self.at, at=begun, instead=instead, why=why))
        return other

    # -- endings ---------------------------------------------------------------------------------

    def _closing(self, word: str) -> list[Effect]:
        if word == "sent" and self.refusal is not None:
            forget(self.deps.store, self.request.account, self.request.channel_id)
        return closing_effects(self.request, self.grant.head, word, self.sent)

    def _failed_pairing(self, code: str) -> list[Effect]:
        return failed_effects(self.request, code, self.deps.store, self.deps.owner_dm)

    def _expired(self) -> Commit:
        """Too old to be of use. What is out stays out; nothing more follows."""
        request = self.request
        self.log.warning("discord final reply failed: it is too old to be sent", age_s=request.max_age_s)
        effects = expired_effects(request, self.grant.head, self.sent)
        if request.pairing:
            effects += self._failed_pairing("too-old")
        return Commit(effects, "expired")

    def _refused(self, refusal: Refusal) -> Commit:
        """What Discord refused a moment ago it would refuse again: no request, no further dead record."""
        request = self.request
        self.log.warning(f"discord final reply failed: {refusal.why}", code=refusal.code, known=True)
        return Commit(refused_effects(request, self.grant.head, refusal.code, refusal.why), "refused here")

    def _rejected(self, rejected: Rejected) -> Commit | Fail:
        """Remember the refusal, tell who waits, and let the record die without another request."""
        self.log.error(f"discord final reply failed: {rejected.why}", code=rejected.code)
        if self.request.pairing:
            # strangers must not be able to fill the list of the dead; the request itself tells of it
            closing = self._closing(f"rejected {rejected.code}")
            return Commit([*closing, *self._failed_pairing(rejected.code)], "pairing reply rejected")
        effects = rejected_effects(self.request, self.grant.head, rejected.code, rejected.why, self.sent)
        self.trail.write(Entry(rejected=rejected.code, why=rejected.why[:400]), *effects)
        return Fail(Failure.HANDLED, rejected.code, rejected.why, delay_ms=0)
