"""One part, made by the bot itself: the post that begins a thread, a voice message, or a message.

This is what a worker's delivery and ``shoal message`` without a fleet have in common.
"""

from __future__ import annotations

from collections.abc import Callable

from shoal.base.ids import starter_of
from shoal.discord.threads import create_post
from workers.delivery.creating import Calls, create_part, priority_of
from workers.delivery.posts import post_body
from workers.delivery.records import PartReceipt, SendRequest
from workers.delivery.render import DeliverySettings, message_fields
from workers.delivery.spread import file_of
from workers.delivery.voice import VoiceWay

__all__ = ["make_part"]


def make_part(
    request: SendRequest,
    settings: DeliverySettings,
    plan: list[str],
    part: int,
    *,
    voice: VoiceWay,
    calls: Calls,
    left_out: Callable[[str], None] = lambda _name: None,
) -> PartReceipt:
    """Make one part; its receipt. Of a post, which has no nonce, a second call makes a second one.

    Args:
        left_out: called with the name of a file that was too large for Discord; its text goes alone.

    Raises:
        Rejected: its file is gone.
        DiscordError, TransportError, RateWait: as it came; ``ambiguous`` where it may be out.
    """
    if request.post and part == 0:
        body = post_body(request, plan[0], message_fields(request, settings, plan, 0))
        thread = create_post(calls.rest, request.channel_id, body, priority=priority_of(request))
        return PartReceipt(starter_of(thread), thread)
    file = file_of(request, plan, part)
    if file is not None and file.voice is not None:
        made = voice.create(request, part, file, message_fields(request, settings, plan, part), calls)
    else:
        made = create_part(request, settings, plan, part, calls=calls, left_out=left_out)
    return PartReceipt(made, calls.channel_id, note=voice.take_note())
