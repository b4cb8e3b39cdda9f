"""Messages that no person wrote: our own, other bots', webhooks' (``spec/inbound.md`` 3.11, 3.12)."""

from __future__ import annotations

from workers.access.decision import Decision, Reason
from workers.access.facts import MessageFacts
from workers.access.needs import PluralKitNeeded
from workers.access.policy import decide_room
from workers.access.settings import AccessSettings

__all__ = ["is_machine", "refuse_before_policy", "refuse_unmentioned_bot"]


def is_machine(facts: MessageFacts, settings: AccessSettings) -> bool:
    """Whether a bot or a webhook wrote it; the fleet's other bots are bots whatever the event says."""
    return facts.sender.machine or facts.sender.id in settings.siblings


def refuse_before_policy(facts: MessageFacts, settings: AccessSettings) -> Decision | None:
    """Why this author is not even looked at, or ``None``. Our own messages never pass.

    With PluralKit a webhook message may be a person's: who it is has to be known first, where the place
    itself is served at all.
    """
    sender = facts.sender
    if sender.ours or (facts.bot_id is not None and sender.id == facts.bot_id):
        return Decision.refuse(Reason.OWN_MESSAGE)
    if settings.pluralkit and sender.webhook and facts.message_id and not facts.known.unproxied:
        room = decide_room(facts.surface, settings)
        needs = frozenset({PluralKitNeeded(facts.message_id)})
        return Decision.refuse(Reason.SENDER_UNKNOWN, needs=needs) if room.allowed else room
    if not is_machine(facts, settings) or settings.allow_bots:
        return None
    return Decision.refuse(Reason.WEBHOOK_AUTHOR if sender.webhook else Reason.BOT_AUTHOR)


def refuse_unmentioned_bot(facts: MessageFacts, settings: AccessSettings, mentioned_by: str) -> bool:
    """With ``allowBots: "mentions"`` a bot is heard only in DMs, when it names us or answers us.

    ``@everyone`` by a bot names nobody.
    """
    if settings.allow_bots != "mentions" or not is_machine(facts, settings):
        return False
    return facts.surface.kind != "direct" and mentioned_by not in ("explicit", "reply", "pattern")
