"""The ``message`` tool: what an agent does on Discord with its own hand (``spec/outbound.md`` 7).

Names: ``message``, and ``discord`` in Discord conversations; kebab-case, camelCase and
snake_case names of an action are the same action (decision 40).

A send is a record in the destination's delivery lane, pushed by the checkpoint that also parks the turn
(:mod:`workers.agent.tools.underway`). Its identity derives from the turn and the call, so it exists once
however often this is repeated. To add an action: a function and a row in ``ACTIONS``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from shoal.base.logging import get_logger
from shoal.discord.wire import is_thread
from shoal.state.effects import Push
from shoal.state.records import Record
from workers.actions.base import Action as DiscordAction
from workers.actions.table import canonical
from workers.agent.providers.base import ToolSpec
from workers.agent.sanitize import Cleaned, clean_answer
from workers.agent.tools.acting import DiscordActions
from workers.agent.tools.arguments import TARGETS, listed, reply_to_of, target_of, text_of
from workers.agent.tools.outgoing import (
    EXTRA_PROPERTIES,
    LoadFile,
    check_gate,
    check_gates,
    load_files,
    read_extras,
)
from workers.agent.tools.registry import ToolContext, ToolError, ToolResult, Wait
from workers.agent.tools.underway import Underway, arrived, wait_for, wake_key
from workers.components.encode import Origin
from workers.components.reader import SpecError
from workers.components.sending import ComponentSettings, Made, make_components
from workers.delivery.posts import is_forum, post_problem
from workers.delivery.records import (
    KIND,
    SendRequest,
    delivery_lane,
    encode,
    send_identity,
)
from workers.sessions.records import TurnRequest

__all__ = ["ACTIONS", "Action", "MessageTool"]

MAX_CHARS = 24_000

COMPONENTS_HELP = (
    "Buttons, menus and forms: {text, reusable, container: {accentColor}, blocks: [{type: text|section|"
    "separator|actions|media-gallery|file, …}], modal: {title, fields}}. An actions block has buttons "
    "[{label, style: primary|secondary|success|danger|link, url, allowedUsers}] or one select {type: string|"
    "user|role|mentionable|channel, placeholder, options: [{label, value}]}. Form fields: {type: text|"
    "checkbox|radio|select|role-select|user-select, label, options}. Clicks come back as messages."
)

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Action:
    """One action of the tool that sends.

    Attributes:
        help: what the model reads about it.
        gate: key of ``channels.discord.actions``.
        run: does it.
    """

    help: str
    gate: str
    run: Callable[[MessageTool, Mapping[str, Any], ToolContext], ToolResult | Wait]


class MessageTool:
    """See the module.

    Args:
        components: settings of buttons and forms, per account.
        acting: actions besides sending; without it there are none.
        load: reads files to attach; without it none can be.
    """

    name = "message"
    aliases: tuple[str, ...] = ("discord",)
    idempotent = True
    limit_s = 30.0

    def __init__(
        self,
        components: Callable[[str], ComponentSettings] = lambda _account: ComponentSettings(),
        acting: DiscordActions | None = None,
        load: LoadFile | None = None,
    ) -> None:
        self.components = components
        self.acting = acting
        self.load = load

    def available(self, request: TurnRequest) -> bool:
        """Everywhere."""
        del request
        return True

    def spec(self, request: TurnRequest) -> ToolSpec:
        """Schema with the actions that can be used now."""
        listed = self._listed(request)
        lines = "\n".join(f"- {name}: {help_}" for name, help_ in listed.items())
        properties: dict[str, object] = {
            "action": {"type": "string", "enum": list(listed)},
            "message": {"type": "string", "description": "Text to send, Discord Markdown."},
            "target": {
                "type": "string",
                "description": 'Where to: "channel:<id>". Leave out for this conversation.',
            },
            "replyTo": {"type": "string", "description": "Id of the message to answer to."},
            "components": {"type": "object", "description": COMPONENTS_HELP},
            **EXTRA_PROPERTIES,
        }
        if "react" in listed:
            properties["messageId"] = {
                "type": "string",
                "description": "Message that is meant; leave out for the current one.",
            }
            properties["emoji"] = {"type": "string", "description": "Emoji, or name:id of a custom one."}
            properties["remove"] = {"type": "boolean"}
        return ToolSpec(
            self.name,
            f"Act on Discord. Actions:\n{lines}",
            {
                "type": "object",
                "properties": properties,
                "required": ["action"],
                "additionalProperties": self.acting is not None,
            },
        )

    def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult | Wait:
        """Do one action.

        Raises:
            ToolError: unknown action, missing or wrong argument, refused by Discord.
        """
        name = canonical(str(args.get("action") or "send"))
        action = ACTIONS.get(_ALIASES.get(name, name))
        if action is not None:
            check_gate(action.gate, self._allows(context.request))
            return action.run(self, dict(args), context)
        done = self.acting.run(name, args, context) if self.acting is not None else None
        if done is None:
            known = ", ".join(self._listed(context.request))
            raise ToolError(f"There is no action {args.get('action')!r}; there are: {known}.")
        return done

    def resume(self, state: bytes, context: ToolContext) -> ToolResult | Wait:
        """Look whether the send is through.

        Raises:
            ToolError: Discord did not take it.
        """
        return arrived(state, context, self._rename)

    def _listed(self, request: TurnRequest) -> dict[str, str]:
        """What can be done now, with what the model reads about it. Sending is always named (7.2)."""
        allows = self._allows(request)
        own = {name: one.help for name, one in ACTIONS.items() if name in ALWAYS or allows(one.gate)}
        more: list[DiscordAction] = self.acting.offered(request) if self.acting is not None else []
        return own | {action.name: action.help for action in more}

    def _allows(self, request: TurnRequest) -> Callable[[str], bool]:
        acting = self.acting
        return lambda gate: acting is None or acting.allows(request.account, gate)

    def _rename(self, channel_id: str, name: str, context: ToolContext) -> dict[str, Any]:
        """What became of ``threadName`` of a send: the message is out, whatever comes of this."""
        done = None
        try:
            if self.acting is not None:
                values = {"channelId": channel_id, "name": name}
                done = self.acting.run("channel-edit", values, context)
        except ToolError as error:
            return {"ok": False, "error": error.message}
        return {"ok": done is not None}


def _send(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> Wait:
    cleaned = clean_answer(text_of(args))
    text = cleaned.text
    extras = read_extras({**args, "media": [*cleaned.media, *listed(args.get("media"))]})
    check_gates(extras, tool._allows(context.request))
    if not text and not args.get("components") and not extras.any:
        _log_nothing(cleaned, context)
        raise ToolError(
            "The argument message is empty."
            if not cleaned.stripped
            else "Nothing was sent: the message held only metadata of the prompt or text of a tool call."
        )
    if len(text) > MAX_CHARS:
        raise ToolError(f"The message has {len(text)} characters; at most {MAX_CHARS} can be sent.")
    channel_id = target_of(args, context)
    made = _components(tool, args, text, channel_id, context)
    parent = _forum(channel_id, made, extras.poll is not None, context)
    files = load_files(extras, made, tool.load, context)
    lane = delivery_lane(context.request.account, channel_id)
    identity = send_identity(context.cause, context.step)
    request = SendRequest(
        account=context.request.account,
        channel_id=channel_id,
        cause=context.cause,
        step=context.step,
        text=text,
        guild_id=context.request.guild_id,
        reply_to=reply_to_of(args) or _tagged(cleaned, context),
        reply_scope="all",
        components=made.components if made is not None else (),
        flags=made.flags if made is not None else 0,
        embeds=extras.beside(made),
        files=files,
        sticker_ids=extras.stickers,
        poll=extras.poll,
        silent=extras.silent,
        suppress_embeds=extras.suppress_embeds,
        post=parent is not None,
        archive_minutes=int(parent.get("default_auto_archive_duration") or 0) if parent is not None else 0,
        wake=(wake_key(identity),),
    )
    push = Push(lane, Record(identity, KIND, encode(request)))
    controls = made.controls if made is not None else None
    effects = (push,) if controls is None else (controls, push)
    underway = Underway(
        lane, identity, channel_id, text, warning=extras.warning(made), components=made is not None,
        poll=extras.poll is not None, rename=str(args.get("threadName") or "").strip()[:100],
    )  # fmt: skip
    return wait_for(underway, *effects)


def _forum(channel_id: str, made: Made | None, poll: bool, context: ToolContext) -> Mapping[str, Any] | None:
    """The channel, if it holds posts only: a send there makes one."""
    if channel_id == context.request.channel_id:
        return None  # nobody talks in a forum itself
    channel = context.store.facts.channel(context.request.account, channel_id)
    if channel is None or not is_forum(channel):
        return None
    problem = post_problem(channel, flags=made.flags if made is not None else 0, poll=poll)
    if problem:
        raise ToolError(problem)
    return channel


def _upload(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> Wait:
    if not read_extras(args).media:
        raise ToolError("The argument media is missing.")
    return _send(tool, args, context)


def _ask(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> Wait:
    if read_extras(args).poll is None:
        raise ToolError("The argument pollQuestion is missing.")
    return _send(tool, args, context)


def _stick(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> Wait:
    if not read_extras(args).stickers:
        raise ToolError("At least one sticker id is required.")
    return _send(tool, args, context)


def _components(
    tool: MessageTool, args: Mapping[str, Any], text: str, channel_id: str, context: ToolContext
) -> Made | None:
    """Buttons, menus and forms of a send; clicks go back to this conversation."""
    raw = args.get("components")
    if not raw:
        return None
    request = context.request
    origin = Origin(
        context.cause, context.step, request.account, channel_id, request.session_key, request.agent_id
    )
    try:
        return make_components(raw, origin, tool.components(request.account), text=text)
    except SpecError as error:
        raise ToolError(error.message) from error


def _tagged(cleaned: Cleaned, context: ToolContext) -> str | None:
    """The message a reply tag in the text names."""
    return context.request.answers_to if cleaned.reply_to == "current" else cleaned.reply_to or None


def _log_nothing(cleaned: Cleaned, context: ToolContext) -> None:
    log.info(
        "nothing to send",
        session=context.request.session_key,
        message_id=context.request.message_id,
        reason="stripped" if cleaned.stripped else "no-reply" if cleaned.silent else "empty",
    )


def _reply(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> Wait:
    wanted = {**args}
    if not reply_to_of(args):
        wanted["replyTo"] = str(args.get("messageId") or context.request.answers_to)
    return _send(tool, wanted, context)


def _thread_reply(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> Wait:
    """Write into a thread: the named one, else the one we are in."""
    request = context.request
    named = any(args.get(name) for name in TARGETS)
    here = None if named else context.store.facts.channel(request.account, request.channel_id)
    if not named and not is_thread(int((here or {}).get("type") or 0)):
        raise ToolError("The argument threadId is missing.")
    return _send(tool, args, context)


ALWAYS = ("send", "reply")
"""Named to the model even where the gate of messages is closed; then they say so (7.2)."""

ACTIONS: dict[str, Action] = {
    "send": Action("send a message; message, target, replyTo, media, embeds, threadName (renames the thread)",
                   "messages", _send),
    "upload-file": Action("send a file; media, message, filename, replyTo", "messages", _upload),
    "poll": Action("ask people to vote; pollQuestion, pollOption, pollMulti, pollDurationHours, message",
                   "polls", _ask),
    "sticker": Action("send stickers; stickerId, message", "stickers", _stick),
    "reply": Action("answer to a message; message, replyTo (default: the current one)", "messages", _reply),
    "thread-reply": Action("write into a thread; threadId, message, media, replyTo",
                           "threads", _thread_reply),
}  # fmt: skip
_ALIASES = {
    "send-message": "send",
    "reply-message": "reply",
    "send-poll": "poll",
    "send-sticker": "sticker",
    "sticker-send": "sticker",
}
