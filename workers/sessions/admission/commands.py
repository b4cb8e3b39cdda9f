"""Text commands that need no model: ``/new``, ``/reset``, ``/activation``, ``/queue``, ``/send``,
``/tts``, ``/status``, ``/whoami``, ``/help`` (``spec/inbound.md`` 3.9, 4.4, 5.11, 8.3).

They are decided here, ahead of what runs or waits in the conversation. Only ``/new`` and
``/reset`` go into its lane, behind a stop for all that is older: a transcript is changed by
nobody but the holder of its lane.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec

from config.speech import AUTO
from shoal.state.effects import Effect, Note, Outcome, SessionPut
from workers.sessions.admission.arrival import ORDINARY, Arrival
from workers.sessions.admission.request import turn_request
from workers.sessions.admission.results import Admission, Notice, record_identity
from workers.sessions.admission.stop import stop_place
from workers.sessions.admission.turns import push_turn
from workers.sessions.keys import session_lane
from workers.sessions.queueing import MODES, read_options
from workers.sessions.text import message_text
from workers.sessions.text_commands import TextCommand
from workers.sessions.view import AdmissionView
from workers.sessions.wire import user_label, user_tag

__all__ = ["find_command"]


def find_command(arrival: Arrival, view: AdmissionView) -> Admission | None:
    """What a text command does; ``None``: the message is something else, or access has its own word for it.

    Access refuses whoever may not command here (:func:`workers.access.decide.decide`), and an authorized
    command that names somebody else is not for us.
    """
    command = arrival.command
    if command is None or arrival.message.type not in ORDINARY or not arrival.decision.allowed:
        return None
    return _COMMANDS[command.name](arrival, command, view)


# -- starting afresh ---------------------------------------------------------------------------------


def _reset(arrival: Arrival, command: TextCommand, view: AdmissionView) -> Admission:
    """``/new [model] [message]``, ``/reset [model] [message]``, ``/reset soft [message]``.

    What ran or waited is stopped: who starts afresh does not wait for yesterday's answer. Where DMs share a
    session, only an owner ends what others have asked.
    """
    soft = command.name == "reset" and command.args.split(maxsplit=1)[:1] == ["soft"]
    conversation = arrival.conversation
    chosen, said = None, command.args[4:].strip() if soft else command.args
    if not soft:
        chosen, said = view.settings.models.split(conversation.agent_id, said)
    message = arrival.message
    text = message_text(replace(message, body=replace(message.body, content=said)))
    if soft and not text:
        return _reply(arrival, view, "reset", "session-soft")
    request = msgspec.structs.replace(
        turn_request(arrival, view, mode="followup"), text=text, reset="soft" if soft else "new"
    )
    admission = push_turn(request, stops=not soft, stop_place=stop_place(arrival))
    if chosen is None:
        return admission
    put = SessionPut(conversation.session_key, {"model_override": chosen or None})
    return replace(admission, effects=(put, *admission.effects))


# -- settings of a conversation ----------------------------------------------------------------------


def _activation(arrival: Arrival, command: TextCommand, view: AdmissionView) -> Admission:
    """``/activation mention|always``: whether this conversation asks for a mention (decision 28)."""
    if arrival.conversation.chat_type == "direct":
        return _reply(arrival, view, "activation", "activation-direct")
    mode = command.args.lower()
    key = arrival.conversation.session_key
    if mode not in ("mention", "always"):
        return _reply(arrival, view, "activation", "activation-usage", mode=_activation_of(arrival, view))
    put = SessionPut(key, {"activation": mode})
    return _reply(arrival, view, "activation", "activation-set", put, mode=mode)


def _activation_of(arrival: Arrival, view: AdmissionView) -> str:
    own = view.session(arrival.conversation.session_key).activation
    return own or ("mention" if arrival.decision.mention_required else "always")


def _send(arrival: Arrival, command: TextCommand, view: AdmissionView) -> Admission:
    """``/send on|off|inherit``: whether answers are delivered here, whatever ``session.sendPolicy`` says.

    For owners only (``spec/inbound.md`` 8.3): it silences the bot for everybody in the conversation.
    """
    key, mode = arrival.conversation.session_key, command.args.lower()
    if mode not in ("on", "off", "inherit"):
        return _reply(arrival, view, "send", "send-usage", mode=view.session(key).send or "inherit")
    if not arrival.decision.owner:
        return _reply(arrival, view, "send", "send-owner")
    put = SessionPut(key, {"send": None if mode == "inherit" else mode})
    return _reply(arrival, view, "send", f"send-{mode}", put)


def _tts(arrival: Arrival, command: TextCommand, view: AdmissionView) -> Admission:
    """``/tts on|off|inbound|tagged|default``: which answers of this conversation are heard."""
    conversation = arrival.conversation
    configured = view.settings.heard.get(conversation.agent_id)
    if configured is None:
        return _reply(arrival, view, "tts", "tts-nobody")
    key, said = conversation.session_key, command.args.lower().removeprefix("chat ").strip()
    if said in ("default", "inherit"):
        return _reply(arrival, view, "tts", "tts-set", SessionPut(key, {"tts": None}), mode=configured)
    mode = "always" if said == "on" else said
    if mode not in AUTO:
        return _reply(arrival, view, "tts", "tts-usage", mode=view.session(key).tts or configured)
    return _reply(arrival, view, "tts", "tts-set", SessionPut(key, {"tts": mode}), mode=mode)


def _queue(arrival: Arrival, command: TextCommand, view: AdmissionView) -> Admission:
    """``/queue``: shows, sets or clears how this conversation queues."""
    key = arrival.conversation.session_key
    modes = ", ".join(MODES)
    if not command.args:
        settings = view.settings.queue.within(view.session(key))
        return _reply(arrival, view, "queue", "queue-show", settings=str(settings), modes=modes)
    try:
        fields = read_options(command.args)
    except ValueError as error:
        return _reply(arrival, view, "queue", "queue-unknown", word=repr(str(error)[:40]), modes=modes)
    state = replace(
        view.session(key),
        **{name: _typed(name, value) for name, value in fields.items()},  # type: ignore[arg-type]
    )
    settings = view.settings.queue.within(state)
    cleared = all(value is None for value in fields.values())
    text = "queue-cleared" if cleared else "queue-set"
    return _reply(arrival, view, "queue", text, SessionPut(key, fields), settings=str(settings))


def _typed(name: str, value: str | None) -> str | int | None:
    if name in ("queue_debounce_ms", "queue_cap"):
        return None if value is None else int(value)
    return value or ""


# -- asking ------------------------------------------------------------------------------------------


def _status(arrival: Arrival, command: TextCommand, view: AdmissionView) -> Admission:
    """``/status``: answered here, never by a model."""
    del command
    conversation = arrival.conversation
    state = view.session(conversation.session_key)
    direct = conversation.chat_type == "direct"
    return _reply(
        arrival,
        view,
        "status",
        "status",
        agent=conversation.agent_id,
        session=conversation.session_key,
        model=state.model_override or state.model or "-",
        turns=str(state.turns),
        tokens_in=str(state.tokens_in),
        tokens_out=str(state.tokens_out),
        settings=str(view.settings.queue.within(state)),
        waiting=str(view.depth(session_lane(conversation.session_key))),
        activation="-" if direct else _activation_of(arrival, view),
    )


def _whoami(arrival: Arrival, command: TextCommand, view: AdmissionView) -> Admission:
    """``/whoami``: the sender's ids."""
    del command
    author, decision = arrival.message.author, arrival.decision
    return _reply(
        arrival,
        view,
        "whoami",
        "whoami",
        name=user_label(author, arrival.message.nick),
        id=author.id,
        tag=user_tag(author),
        channel=arrival.message.channel_id,
        authority="owner" if decision.owner else "trusted" if decision.authorized else "guest",
    )


def _help(arrival: Arrival, command: TextCommand, view: AdmissionView) -> Admission:
    """``/help``: the list of these."""
    del command
    return _reply(arrival, view, "help", "help")


def _reply(
    arrival: Arrival, view: AdmissionView, done: str, text: str, /, *effects: Effect, **values: str
) -> Admission:
    """The command is done with ``effects``, and its sender reads ``text``."""
    account, message = view.settings.account, arrival.message
    return Admission(
        effects=(
            *effects,
            Outcome(account, message.id, "command", done),
            Note(account, message.id, "session", arrival.conversation.session_key),
        ),
        summary=f"command · {done}",
        notice=Notice(
            account,
            message.channel_id,
            message.guild_id,
            message.id,
            record_identity(account, message.id),
            text,
            view.settings.language,
            values,
        ),
    )


_COMMANDS: dict[str, Callable[[Arrival, TextCommand, AdmissionView], Admission]] = {
    "new": _reset,
    "reset": _reset,
    "activation": _activation,
    "queue": _queue,
    "send": _send,
    "tts": _tts,
    "status": _status,
    "whoami": _whoami,
    "help": _help,
}
