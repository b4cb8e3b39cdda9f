"""Answers under an agent's own name, through a webhook (``spec/outbound.md`` 3.14, 9.9).

Discord knows no nonce here, so every part is journalled before it is sent, and one that may be out is looked
for among the messages of its webhook:

    it is there                            that is the part
    the look was complete, some time later  it is sent again
    the look cannot tell                    the send ends as *marked* (rules, promise 4): never doubled

What surely was not sent (a refusal, no way to Discord for 15 s) is said by the bot itself from that part on;
the log and the story of the message tell why.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shoal.base.errors import ShoalError
from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.discord.codes import UNKNOWN_WEBHOOK, WRONG_WEBHOOK_TOKEN
from shoal.discord.errors import Forbidden, NotFound, RateLimited, RateWait, Unauthorized
from shoal.discord.rest import Rest
from shoal.discord.webhooks import WebhookCalls
from shoal.state.personas import Persona, Webhook
from shoal.state.store import Store
from workers.delivery.creating import priority_of
from workers.delivery.endings import story
from workers.delivery.finding import Sought, Unknowable, look_for
from workers.delivery.records import PartReceipt, SendRequest
from workers.delivery.spread import is_voice
from workers.delivery.trail import Trail
from workers.delivery.verdicts import NotYet, Rejected, is_about_discord
from workers.delivery.webhooks import webhook_of

__all__ = ["PersonaLook", "PersonaWay", "may_be_persona", "username"]

DEADLINE_MS = 15_000
"""For so long a part is tried through the webhook; then the bot says it."""
SETTLE_MS = 5_000
"""A request that was lost may arrive for so long; a look before that proves nothing."""
MAX_NAME = 80

_FORBIDDEN = re.compile(r"discord|clyde", re.IGNORECASE)
_UNFIT = re.compile(r"[\x00-\x1f\x7f\s]+")

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class PersonaLook:
    """``identity`` of an agent. ``avatar`` counts only where it is an address."""

    name: str = ""
    avatar: str = ""


def may_be_persona(request: SendRequest) -> bool:
    """Whether a send is plain words of an agent: files, references and all else go through the bot.

    So does the voice message of an answer that is read aloud, whose words have the agent's name.
    """
    files = request.files and not (request.read_aloud and is_voice(request))
    more = (
        files or request.components or request.embeds or request.sticker_ids or request.poll
        or request.reply_to or request.post or request.pairing or request.flags
    )  # fmt: skip
    return not (more or request.silent or request.plain) and bool(request.text.strip())


def username(look: PersonaLook, persona: Persona) -> str:
    """The name people see: the agent's, else ``🤖 <label or agent>``, as far as Discord takes it."""
    own, bound = _fit(look.name), _fit(persona.label) or _fit(persona.agent_id) or "agent"
    name = own or f"🤖 {bound}"
    return name.encode("utf-16-le")[: 2 * MAX_NAME].decode("utf-16-le", "ignore").strip()


def _fit(name: str) -> str:
    """Without the words Discord takes in no webhook's name."""
    while _FORBIDDEN.search(name):  # what is left may join to one of them
        name = _FORBIDDEN.sub("", name)
    return _UNFIT.sub(" ", name).strip()


class PersonaWay:
    """The way of one send through a webhook.

    Args:
        persona: who is bound to the conversation.
        bot_id: our user id on an account, if it is known; asked only where there is no webhook yet.
        trail: the journal of the send.

    Attributes:
        webhook_id: what its parts go through; empty: the bot says them.
    """

    def __init__(
        self,
        request: SendRequest,
        persona: Persona,
        webhook_id: str,
        look: PersonaLook,
        store: Store,
        rest: Rest,
        bot_id: Callable[[str], str | None],
        trail: Trail,
    ) -> None:
        self.request = request
        self.persona = persona
        self.webhook_id = webhook_id
        self._look = look
        self._store = store
        self._rest = rest
        self._bot_id = bot_id
        self._trail = trail
        self._log = log.bind(account=request.account, channel=request.channel_id, cause=request.cause)

    @classmethod
    def of(
        cls,
        request: SendRequest,
        webhook_id: str,
        fresh: bool,
        store: Store,
        rest: Rest,
        look: Callable[[str], PersonaLook],
        bot_id: Callable[[str], str | None],
        trail: Trail,
    ) -> PersonaWay | None:
        """The way of a send, where it has one.

        Args:
            webhook_id: the webhook it began with, if it has begun.
            fresh: it has not begun: whether an agent is bound to the conversation is asked now.
        """
        if not webhook_id and not (fresh and may_be_persona(request)):
            return None
        bound = store.personas.bound(request.account, request.channel_id)
        if bound is None and not webhook_id:
            return None
        persona = bound or Persona(request.channel_id, "")  # unbound meanwhile
        return cls(request, persona, webhook_id, look(persona.agent_id), store, rest, bot_id, trail)

    def open(self, *, born_ms: int) -> None:
        """Find or make the webhook to use; where that takes too long, the bot speaks.

        Raises:
            NotYet: somebody else is making it.
            DiscordError, TransportError, RateWait: it may be there soon.
        """
        late = self._trail.now_ms() - born_ms > DEADLINE_MS
        account, channel = self.request.account, self.persona.channel_id
        try:
            found = webhook_of(
                account, channel, self._store.personas, self._rest, self._bot_id, self._trail.clock
            )
        except (NotYet, ShoalError) as error:
            if not late or (isinstance(error, ShoalError) and error.code.startswith("store")):
                raise
            log.warning("a persona's webhook could not be had in time", account=account, channel=channel)
            return
        self.webhook_id = found.id if found is not None else ""

    def part(
        self, content: str, part: int, fields: Mapping[str, Any], taken: frozenset[str]
    ) -> PartReceipt | None:
        """Say one part; none: from this part on the bot has to.

        Args:
            content: its text.
            fields: of its message.
            taken: ids of messages that are known to be other parts.

        Raises:
            NotYet: one of before may still arrive. Rejected: whether it did cannot be told.
            DiscordError, TransportError, RateWait: as it came; ``ambiguous`` where it may be out.
        """
        trail = self._trail
        if part in trail.doubtful:
            found = self._find(content, part, since_ms=trail.began[part], taken=taken)
            if found is not None:
                self._log.info("found a part that was sent before", part=part, message_id=found.message_id)
                return found
        if part in trail.doubtful or not trail.began.get(part):
            trail.doubtful.discard(part)
            trail.begin_anew(part)
        webhook = self._known()
        if webhook is None:
            self._give_up(part, "webhook-gone")
            return None
        try:
            receipt = self._say(webhook, fields, part)
        except ShoalError as error:
            if error.ambiguous:
                raise
            if self._hopeless(error, since_ms=trail.since.get(part, trail.began[part])):
                self._give_up(part, error.code, error)
                return None
            trail.void(part)
            raise
        self._log.info("Reply sent successfully (200 OK)", part=part, message_id=receipt.message_id)
        return receipt

    def _give_up(self, part: int, code: str, error: ShoalError | None = None) -> None:
        """From this part on, which surely is not out, the bot itself speaks."""
        self._log.warning("an agent's own name could not be used: the bot speaks", code=code, error=error)
        self.webhook_id = ""
        told = story(self._trail.head, f"persona-fallback {self.request.identity} {code}")
        self._trail.begin_anew(part, *told, bot=True)

    def _known(self) -> Webhook | None:
        """The webhook the send began with, unless it was forgotten meanwhile."""
        found = self._store.personas.webhook(self.request.account, self.persona.channel_id)
        return found if found is not None and found.id == self.webhook_id else None

    def _say(self, webhook: Webhook, fields: Mapping[str, Any], part: int) -> PartReceipt:
        """Send one part.

        Raises:
            DiscordError, TransportError, RateWait: as it came; ``ambiguous`` where it may be out.
        """
        request = self.request
        body = {**fields, "username": username(self._look, self.persona)}
        if re.match(r"https?://\S+$", self._look.avatar):
            body["avatar_url"] = self._look.avatar
        in_thread = request.channel_id != self.persona.channel_id
        made = WebhookCalls(self._rest).execute(
            webhook.id,
            webhook.token,
            body,
            thread_id=request.channel_id if in_thread else None,
            priority=priority_of(request),
            timeout=DEADLINE_MS / 1000,
        )
        message_id = MessageId(str(made["id"]))
        self._store.personas.say(
            request.account, request.channel_id, message_id, self._name(part), now_ms=self._trail.now_ms()
        )
        return PartReceipt(message_id, request.channel_id)

    def _find(self, content: str, part: int, *, since_ms: int, taken: frozenset[str]) -> PartReceipt | None:
        """A part that may be out; none: it surely is not.

        Raises:
            NotYet: it may still arrive.
            Rejected: that cannot be told.
            DiscordError, TransportError, RateWait: the channel cannot be read now.
        """
        request = self.request
        said = self._store.personas.said(request.account, request.channel_id)
        mine = next((found for found, name in said.items() if name == self._name(part)), None)
        if mine is not None:
            return PartReceipt(MessageId(mine), request.channel_id, found=True)
        others = taken | said.keys()
        sought = Sought(
            request.account, request.channel_id, "", content, since_ms, taken=others, webhook=self.webhook_id
        )
        try:
            found = look_for(sought, self._rest, None)
        except (Unknowable, Forbidden, NotFound) as why:
            raise Rejected("persona-unknown", f"It may have been sent, and is not sent again. {why}") from why
        if found is not None:
            return PartReceipt(found, request.channel_id, found=True)
        wait_ms = since_ms + SETTLE_MS - self._trail.now_ms()
        if wait_ms > 0:
            raise NotYet(wait_ms, "waiting: did it arrive?")
        return None

    def _hopeless(self, error: ShoalError, *, since_ms: int) -> bool:
        """Whether the bot has to say what surely was not sent. A webhook that is gone is forgotten."""
        if isinstance(error, NotFound) and error.json_code in (UNKNOWN_WEBHOOK, WRONG_WEBHOOK_TOKEN, 0):
            self._store.personas.forget(self.request.account, self.persona.channel_id, self.webhook_id)
            return True
        if isinstance(error, RateWait | RateLimited | Unauthorized) or error.retryable:
            return self._trail.now_ms() - since_ms > DEADLINE_MS
        return is_about_discord(error)

    def _name(self, part: int) -> str:
        return f"{self.request.identity}.{part}"
