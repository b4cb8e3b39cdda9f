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

import msgspec

from shoal.base.errors import RequestError
from shoal.discord.wire import is_thread
from workers.actions.base import Action as DiscordAction
from workers.actions.extras import EXTRA_PROPERTIES, check_gate, flag, read_extras, reply_to_of
from workers.actions.table import canonical
from workers.agent.providers.base import ToolSpec
from workers.agent.tools.acting import DiscordActions
from workers.agent.tools.arguments import TARGETS, target_of
from workers.agent.tools.broadcast import broadcast, is_broadcast, resume_broadcast
from workers.agent.tools.crossing import MessageRules, check_crossing, check_network
from workers.agent.tools.files import LoadFile
from workers.agent.tools.read_aloud import ReadAloud
from workers.agent.tools.registry import ToolContext, ToolError, ToolResult, Wait
from workers.agent.tools.sends import SendParts, read_send
from workers.agent.tools.underway import arrived, wait_for
from workers.components.sending import ComponentSettings
from workers.sessions.records import TurnRequest

__all__ = ["ACTIONS", "Action", "MessageTool"]

COMPONENTS_HELP = (
    "Buttons, menus and forms: {text, reusable, container: {accentColor}, blocks: [{type: text|section|"
    "separator|actions|media-gallery|file, …}], modal: {title, fields}}. An actions block has buttons "
    "[{label, style: primary|secondary|success|danger|link, url, allowedUsers, callbackData: what a click "
    "says instead}] or one select {type: string|"
    "user|role|mentionable|channel, placeholder, options: [{label, value}]}. Form fields: {type: text|"
    "checkbox|radio|select|role-select|user-select, label, options}. Clicks come back as messages."
)


PRESENTATION_HELP = (
    "A card, instead of components: {title, tone: neutral|info|success|warning|danger, blocks: [{type: text, "
    "text} | {type: context, text} | {type: divider} | {type: buttons, buttons: [{label, value, url, "
    "style}]} | {type: select, placeholder, options: [{label, value}]}]}. Clicks come back as messages."
)


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
        rules: ``tools.message`` of the agent of a turn.
        aloud: reads sends aloud; without it none is.
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
        rules: Callable[[TurnRequest], MessageRules] = lambda _request: MessageRules(),
        aloud: ReadAloud | None = None,
    ) -> None:
        self.acting = acting
        self.parts = SendParts(components, rules, acting, load, aloud)

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
            "dryRun": {"type": "boolean", "description": "Only show what would be done."},
            "components": {"type": "object", "description": COMPONENTS_HELP},
            "presentation": {"type": "object", "description": PRESENTATION_HELP},
            **EXTRA_PROPERTIES,
        }
        if "react" in listed:
            properties["messageId"] = {
                "type": "string",
                "description": "Message that is meant; leave out for the current one.",
            }
            properties["emoji"] = {"type": "string", "description": "Emoji, or name:id of a custom one."}
            properties["remove"] = {"type": "boolean"}
        if "broadcast" in listed:
            properties["targets"] = {
                "type": "array",
                "items": {"type": "string"},
                "description": "Targets of a broadcast.",
            }
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
            RequestError: unknown action, missing or wrong argument, refused by Discord.
        """
        check_network(args, context.request, self.parts.rules(context.request))
        name = canonical(str(args.get("action") or "send"))
        name = _ALIASES.get(name, name)
        action, open_ = ACTIONS.get(name), self._open(name, context.request)
        if action is not None and open_:
            check_gate(action.gate, self.parts.allows(context.request))
            return action.run(self, dict(args), context)
        rules = self.parts.rules(context.request)
        if name == "thread-create" and not rules.within and any(args.get(word) for word in TARGETS):
            check_crossing(target_of(args, context), context.request, rules)
        done = self.acting.run(name, args, context) if self.acting is not None and open_ else None
        if done is None:
            known = ", ".join(self._listed(context.request))
            raise ToolError(f"There is no action {args.get('action')!r}; there are: {known}.")
        return done

    def resume(self, state: bytes, context: ToolContext) -> ToolResult | Wait:
        """Look whether the send is through.

        Raises:
            ToolError: Discord did not take it.
        """
        if is_broadcast(state):
            return resume_broadcast(state, context)
        return arrived(state, context, self._rename)

    def _listed(self, request: TurnRequest) -> dict[str, str]:
        """What can be done now, with what the model reads about it. Sending is always named (7.2)."""
        allows = self.parts.allows(request)
        own = {name: one.help for name, one in ACTIONS.items() if name in ALWAYS or allows(one.gate)}
        more: list[DiscordAction] = self.acting.offered(request) if self.acting is not None else []
        found = own | {action.name: action.help for action in more}
        return {name: help_ for name, help_ in found.items() if self._open(name, request)}

    def _open(self, name: str, request: TurnRequest) -> bool:
        """Whether ``tools.message`` leaves an action to the agent."""
        rules = self.parts.rules(request)
        if name == "broadcast" and not rules.broadcast:
            return False
        allowed = [canonical(one) for one in rules.actions] if rules.actions is not None else None
        return allowed is None or name in [_ALIASES.get(one, one) for one in allowed]

    def _rename(self, channel_id: str, name: str, context: ToolContext) -> dict[str, Any]:
        """What became of ``threadName`` of a send: the message is out, whatever comes of this."""
        done = None
        try:
            if self.acting is not None:
                values = {"channelId": channel_id, "name": name}
                done = self.acting.run("channel-edit", values, context)
        except RequestError as error:
            return {"ok": False, "error": error.message}
        return {"ok": done is not None}


def _send(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> ToolResult | Wait:
    words = read_send(args, tool.parts, context)
    ready = words.to(target_of(args, context), context.step)
    if flag(args.get("dryRun")):
        return ToolResult(msgspec.json.encode(ready.shown).decode())
    return wait_for(ready.underway, *ready.effects)


def _broadcast(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> ToolResult | Wait:
    return broadcast(args, tool.parts, context)


def _upload(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> ToolResult | Wait:
    if not read_extras(args).media:
        raise ToolError("The argument media is missing.")
    return _send(tool, args, context)


def _ask(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> ToolResult | Wait:
    if read_extras(args).poll is None:
        raise ToolError("The argument pollQuestion is missing.")
    return _send(tool, args, context)


def _stick(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> ToolResult | Wait:
    if not read_extras(args).stickers:
        raise ToolError("At least one sticker id is required.")
    return _send(tool, args, context)


def _reply(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> ToolResult | Wait:
    wanted = {**args}
    if not reply_to_of(args):
        wanted["replyTo"] = str(args.get("messageId") or context.request.answers_to)
    return _send(tool, wanted, context)


def _thread_reply(tool: MessageTool, args: Mapping[str, Any], context: ToolContext) -> ToolResult | Wait:
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
    "send": Action("send a message; message, target, replyTo, media, asVoice, embeds, threadName (new name)",
                   "messages", _send),
    "upload-file": Action("send a file; media, message, filename, replyTo", "messages", _upload),
    "poll": Action("ask people to vote; pollQuestion, pollOption, pollMulti, pollDurationHours, message",
                   "polls", _ask),
    "sticker": Action("send stickers; stickerId, message", "stickers", _stick),
    "broadcast": Action("send one message to several places; targets, message and what send has",
                        "messages", _broadcast),
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
