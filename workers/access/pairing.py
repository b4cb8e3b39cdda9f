"""Pairing as access sees it: who was let in, and who may ask (``spec/inbound.md`` 3.3).

An approved sender may write in private while ``dmPolicy`` is ``pairing``, and that is all: no
guild, no group DM and no other policy looks at the store.
"""

from __future__ import annotations

from workers.access.decision import Decision, Reason
from workers.access.facts import MessageFacts
from workers.access.settings import AccessSettings

__all__ = ["asks_for_pairing", "let_in", "may_be_paired"]


def may_be_paired(kind: str, settings: AccessSettings) -> bool:
    """Whether the store decides about senders at this kind of place (a :class:`Surface`'s)."""
    return kind == "direct" and settings.dm_enabled and settings.dm_policy == "pairing"


def let_in(facts: MessageFacts, settings: AccessSettings) -> bool:
    """Whether this sender comes in because somebody approved them."""
    return facts.sender.paired and may_be_paired(facts.surface.kind, settings)


def asks_for_pairing(facts: MessageFacts, decision: Decision, settings: AccessSettings) -> bool:
    """Whether this refused message is a stranger's knock. Notices of Discord and bots do not knock."""
    return (
        not decision.allowed
        and decision.reason == Reason.PAIRING_REQUIRED
        and may_be_paired(facts.surface.kind, settings)
        and not facts.service
        and not facts.sender.bot
        and not facts.sender.webhook
    )
