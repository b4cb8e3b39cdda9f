"""What deliveries of one process share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shoal.base.clock import Clock, SystemClock
from shoal.discord.rest import Rest
from shoal.state.store import Store
from workers.delivery.persona import PersonaLook
from workers.delivery.render import DeliverySettings

__all__ = ["DeliveryDeps"]


@dataclass(frozen=True, slots=True)
class DeliveryDeps:
    """What deliveries of one process share.

    Attributes:
        store: lanes, receipts and blobs.
        rest: REST calls of an account with ``max_wait`` ≤ 0.05 s and a single try (the lane is the retry).
        settings: delivery settings of an account.
        bot_id: our user id on an account, for finding our own messages.
        owner_dm: DM channel of somebody who owns the bot, if one is known, for what an owner must hear.
        look: name and picture of an agent, for conversations in which it speaks under its own name.
        clock: wall clock for ages.
    """

    store: Store
    rest: Callable[[str], Rest]
    settings: Callable[[str], DeliverySettings]
    bot_id: Callable[[str], str | None]
    owner_dm: Callable[[str], str | None] = lambda _account: None
    look: Callable[[str], PersonaLook] = lambda _agent: PersonaLook()
    clock: Clock = field(default_factory=SystemClock)
