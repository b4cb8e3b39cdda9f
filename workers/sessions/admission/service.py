"""Service messages of Discord as system events (``spec/inbound.md`` 7.2, decision 26).

A pin, a join, a poll's result mentions nobody: it passes access like any message but not the
mention gate, starts no turn, and is told to the conversation's next one.
"""

from __future__ import annotations

from shoal.base.errors import InvalidName
from shoal.base.ids import snowflake_ms
from shoal.discord.wire import MessageType
from shoal.state.effects import Note, Outcome
from workers.access.reactions import refuse_channel
from workers.sessions.admission.arrival import COMMAND_ECHOES, Arrival
from workers.sessions.admission.reasons import AdmissionReason
from workers.sessions.admission.results import Admission, dropped, record_identity
from workers.sessions.keys import session_lane
from workers.sessions.place import Conversation, conversation_of_channel
from workers.sessions.system_events import QueuedEvent, queue_event
from workers.sessions.view import AdmissionView
from workers.sessions.wire import user_tag

__all__ = ["ACTIONS", "is_own_poll", "own_poll", "service_message"]

ACTIONS: dict[int, tuple[str, str]] = {
    MessageType.RECIPIENT_ADD: ("recipient-add", "added a recipient"),
    MessageType.RECIPIENT_REMOVE: ("recipient-remove", "removed a recipient"),
    MessageType.CHANNEL_PINNED_MESSAGE: ("pin", "pinned a message"),
    MessageType.USER_JOIN: ("join", "user joined"),
    MessageType.GUILD_BOOST: ("boost", "boosted the server"),
    MessageType.GUILD_BOOST_TIER_1: ("boost", "boosted the server (Tier 1 reached)"),
    MessageType.GUILD_BOOST_TIER_2: ("boost", "boosted the server (Tier 2 reached)"),
    MessageType.GUILD_BOOST_TIER_3: ("boost", "boosted the server (Tier 3 reached)"),
    MessageType.THREAD_CREATED: ("thread-created", "created a thread"),
    MessageType.AUTO_MODERATION_ACTION: ("automod", "auto moderation action"),
    MessageType.STAGE_START: ("stage-start", "stage started"),
    MessageType.STAGE_END: ("stage-end", "stage ended"),
    MessageType.STAGE_SPEAKER: ("stage-speaker", "stage speaker updated"),
    MessageType.STAGE_TOPIC: ("stage-topic", "stage topic updated"),
    MessageType.GUILD_INCIDENT_ALERT_MODE_ENABLED: ("raid-alert-on", "raid protection enabled"),
    MessageType.GUILD_INCIDENT_ALERT_MODE_DISABLED: ("raid-alert-off", "raid protection disabled"),
    MessageType.GUILD_INCIDENT_REPORT_RAID: ("raid-report", "raid reported"),
    MessageType.GUILD_INCIDENT_REPORT_FALSE_ALARM: ("raid-false-alarm", "raid report marked false alarm"),
    MessageType.PURCHASE_NOTIFICATION: ("purchase", "purchase notification"),
    MessageType.POLL_RESULT: ("poll-result", "poll results posted"),
}
"""Message type → (reason of its outcome, what the agent reads)."""


def service_message(arrival: Arrival) -> Admission:
    """What becomes of an allowed message that no person typed."""
    event, message = arrival.event, arrival.message
    if message.type not in ACTIONS:
        echo = message.type in COMMAND_ECHOES
        reason = AdmissionReason.COMMAND_ECHO if echo else AdmissionReason.SERVICE_MESSAGE
        return dropped(event.account, message.id, reason)
    return _told(arrival, arrival.conversation)


def is_own_poll(arrival: Arrival) -> bool:
    """The result of a poll the bot made: Discord names the maker as its author."""
    return arrival.message.type == MessageType.POLL_RESULT and (
        arrival.facts.bot_id is not None and arrival.message.author.id == arrival.facts.bot_id
    )


def own_poll(arrival: Arrival, view: AdmissionView) -> Admission:
    """The result of the bot's own poll: nobody sent it, so only the place is asked about."""
    event, message = arrival.event, arrival.message
    refused = refuse_channel(arrival.facts.surface, view.settings.access)
    if refused is not None:
        return dropped(event.account, message.id, refused)
    conversation = conversation_of_channel(message.channel_id, message.guild_id, view)
    if conversation is None:
        return dropped(event.account, message.id, AdmissionReason.SERVICE_MESSAGE)
    return _told(arrival, conversation)


def _told(arrival: Arrival, conversation: Conversation) -> Admission:
    account, message = arrival.event.account, arrival.message
    word, action = ACTIONS[message.type]
    told = QueuedEvent(
        id=record_identity(account, message.id),
        text=f"Discord system: {_one_line(user_tag(message.author))} {action} in {_location(conversation)}",
        at_ms=snowflake_ms(message.id),
        about=f"discord:system:{message.channel_id}:{message.id}",
        trusted=False,  # servers and channels are called what somebody likes
    )
    try:
        session_lane(conversation.session_key)
    except InvalidName:
        return dropped(account, message.id, AdmissionReason.SESSION_KEY)
    return Admission(
        (
            queue_event(conversation.session_key, told),
            Outcome(account, message.id, "event", word),
            Note(account, message.id, "session", conversation.session_key),
        ),
        f"event · {word}",
    )


def _location(conversation: Conversation) -> str:
    surface = conversation.surface
    if surface.kind == "direct":
        return "DM"
    name = f"#{_one_line(surface.channel_name) or surface.channel_id}"
    if surface.kind == "group":
        return f"Group DM {name}"
    return f"{_one_line(surface.guild_name) or surface.guild_id} {name}"


def _one_line(text: str) -> str:
    return " ".join(text.split())[:100]
