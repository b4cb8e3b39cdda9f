"""Messages that no person wrote: our own, other bots', webhooks' (``spec/inbound.md`` 3.11)."""

from __future__ import annotations

from workers.access.decision import Reason
from workers.access.facts import MessageFacts
from workers.access.settings import AccessSettings

__all__ = ["refuse_before_policy", "refuse_unmentioned_bot"]


def refuse_before_policy(facts: MessageFacts, settings: AccessSettings) -> Reason | None:
    """Why this author is not even looked at, or ``None``. Our own messages never pass."""
    if facts.bot_id is not None and facts.sender.id == facts.bot_id:
        return Reason.OWN_MESSAGE
    if not (facts.sender.bot or facts.sender.webhook) or settings.allow_bots:
        return None
    return Reason.WEBHOOK_AUTHOR if facts.sender.webhook else Reason.BOT_AUTHOR


def refuse_unmentioned_bot(facts: MessageFacts, settings: AccessSettings) -> Reason | None:
    """With ``allowBots: "mentions"`` a bot is heard only in DMs, when it names us or answers us.

    ``@everyone`` by a bot names nobody.
    """
    if settings.allow_bots != "mentions" or not (facts.sender.bot or facts.sender.webhook):
        return None
    named = facts.mentions.explicit or facts.mentions.reply_to_bot
    return None if named or facts.surface.kind == "direct" else Reason.BOT_AUTHOR
