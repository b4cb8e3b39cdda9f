"""One send of the message tool, made ready: what is said, with what, and where (``spec/outbound.md`` 7.3).

Nothing is sent here. What comes out is the record for the destination's delivery lane and what is remembered
of its controls; both are written by the checkpoint that parks the turn. Identities derive from the turn and
the call, so a send exists once however often it is made ready.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from shoal.base.ids import MessageId
from shoal.base.logging import get_logger
from shoal.state.effects import Effect
from workers.actions.extras import Extras, check_gates, check_voice, read_extras, reply_to_of
from workers.agent.aloud import Heard
from workers.agent.sanitize import Cleaned, clean_answer
from workers.agent.tools.acting import DiscordActions
from workers.agent.tools.arguments import listed, text_of
from workers.agent.tools.crossing import MessageRules, check_crossing, marked
from workers.agent.tools.files import LoadFile, load_files
from workers.agent.tools.read_aloud import ReadAloud
from workers.agent.tools.registry import ToolContext, ToolError
from workers.agent.tools.underway import Underway, wake_key
from workers.components.encode import Origin
from workers.components.sending import ComponentSettings, Made, make_components, make_presentation
from workers.delivery.posts import is_forum, post_problem
from workers.delivery.records import SaidThere, SendRequest, send_push
from workers.sessions.keys import channel_key
from workers.sessions.records import TurnRequest
from workers.sessions.said import described

__all__ = ["Ready", "SendParts", "Words", "read_send"]

MAX_CHARS = 24_000

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SendParts:
    """What sends are made with.

    Attributes:
        components: settings of buttons and forms, per account.
        rules: ``tools.message`` of the agent of a turn.
        acting: gates of actions; none lets everything pass.
        load: reads files to attach; without it none can be.
        aloud: reads sends aloud; without it none is.
    """

    components: Callable[[str], ComponentSettings]
    rules: Callable[[TurnRequest], MessageRules]
    acting: DiscordActions | None = None
    load: LoadFile | None = None
    aloud: ReadAloud | None = None

    def allows(self, request: TurnRequest) -> Callable[[str], bool]:
        """Whether a gate of ``channels.discord.actions`` is open."""
        acting = self.acting
        return lambda gate: acting is None or acting.allows(request.account, gate)


@dataclass(frozen=True, slots=True)
class Ready:
    """A send that only has to be written, and what a parked turn remembers of it."""

    send: SendRequest
    underway: Underway

    @property
    def effects(self) -> tuple[Effect, ...]:
        """What writes it."""
        return (send_push(self.send),)

    @property
    def shown(self) -> dict[str, Any]:
        """What would be sent (``dryRun``), as a result."""
        send, poll = self.send, {"poll": self.send.poll} if self.send.poll is not None else {}
        request = {
            "channelId": send.channel_id,
            "message": send.text,
            **({"replyTo": send.reply_to} if send.reply_to else {}),
            **({"components": list(send.components)} if send.components else {}),
            **({"embeds": list(send.embeds)} if send.embeds else {}),
            **({"files": [file.filename for file in send.files]} if send.files else {}),
            **({"stickerId": list(send.sticker_ids)} if send.sticker_ids else {}),
            **poll,
        }
        warning = {"warning": self.underway.warning} if self.underway.warning else {}
        return {"ok": True, "dryRun": True, "request": request, **warning}


@dataclass(frozen=True, slots=True)
class Words:
    """The arguments of a send, read and checked; whatever the place."""

    args: Mapping[str, Any]
    cleaned: Cleaned
    extras: Extras
    parts: SendParts
    context: ToolContext

    def to(self, channel_id: str, step: str) -> Ready:
        """The send to one place, as ``step`` of the turn.

        Raises:
            RequestError: it may not go there, or not like this.
        """
        request, extras, rules = self.context.request, self.extras, self.parts.rules(self.context.request)
        check_crossing(channel_id, request, rules)
        text, made = self._body(channel_id, step)
        if made is not None and made.flags and (extras.poll is not None or extras.stickers):
            raise ToolError(
                "A message with components can have neither a poll nor stickers. Send them apart."
            )
        words = not (made or extras.any)
        heard, unheard = self._heard(text) if words and channel_id == request.channel_id else (None, "")
        if words and not (text or heard):
            text = self.cleaned.speech.hidden
        parent = _forum(channel_id, made, extras.poll is not None, self.context)
        if channel_id != request.channel_id:
            accent, cards = self.parts.components(request.account).accent_color, parent is None
            text, made = marked(text, made, extras, request, rules, accent=accent, cards=cards)
        files, made = load_files(extras, made, self.parts.load, self.context)
        send = SendRequest(
            account=request.account,
            channel_id=channel_id,
            cause=self.context.cause,
            step=step,
            text=text,
            guild_id=request.guild_id,
            reply_to=reply_to_of(self.args) or _tagged(self.cleaned, self.context),
            reply_scope="all",
            components=made.components if made is not None else (),
            controls=made.controls if made is not None else None,
            flags=made.flags if made is not None else 0,
            embeds=extras.beside(made),
            files=files,
            sticker_ids=extras.stickers,
            poll=extras.poll,
            silent=extras.silent,
            suppress_embeds=extras.suppress_embeds,
            post=parent is not None,
            archive_minutes=int(parent.get("default_auto_archive_duration") or 0) if parent else 0,
            said=self._said(channel_id, [file.filename for file in files]),
        )
        if heard is not None:
            send = heard.with_text(send, read=bool(text))
        rename = str(self.args.get("threadName") or "").strip()[:100]
        return _ready(send, made, extras, rename, unheard)

    def _heard(self, text: str) -> tuple[Heard | None, str]:
        """The send as it is heard, or why it is not though it should be."""
        if self.parts.aloud is None:
            return None, ""
        return self.parts.aloud(self.context, text, self.cleaned.speech)

    def _said(self, channel_id: str, files: list[str]) -> SaidThere | None:
        """What the agent's conversation there is told; none where that is the one of this turn (2.5)."""
        request, extras = self.context.request, self.extras
        key = channel_key(request.agent_id, channel_id)
        if not request.guild_id or key == request.session_key:
            return None  # private messages of others are written to by nobody (rule R16)
        question = str((extras.poll or {}).get("question", {}).get("text") or "")
        words = described(self.cleaned.text, files=files, poll=question, stickers=len(extras.stickers))
        return SaidThere(key, words or "[a card]")

    def _body(self, channel_id: str, step: str) -> tuple[str, Made | None]:
        """Text and components; clicks on these go back to the conversation of the turn."""
        args, text, request = self.args, self.cleaned.text, self.context.request
        card, raw = args.get("presentation"), args.get("components")
        if not card and not raw:
            return text, None
        if card and raw:
            raise ToolError("A message has components or a presentation, not both.")
        origin = Origin(
            self.context.cause, step, request.account, channel_id, request.session_key, request.agent_id
        )
        settings = self.parts.components(request.account)
        if card:
            made = make_presentation(card, origin, settings, text=text)
        else:
            made = make_components(raw, origin, settings, text=text, with_file=bool(self.extras.media))
        return (text if made.flags else made.text), made


def read_send(args: Mapping[str, Any], parts: SendParts, context: ToolContext) -> Words:
    """Read the arguments of a send.

    Raises:
        RequestError: nothing to send, too much, a wrong argument, or a gate that is closed.
    """
    cleaned = clean_answer(text_of(args))
    extras = read_extras({**args, "media": [*cleaned.media, *listed(args.get("media"))]})
    check_gates(extras, parts.allows(context.request))
    controls = bool(args.get("components") or args.get("presentation"))
    check_voice(extras, cleaned.text, components=controls)
    if cleaned.voice and extras.media and not controls and not extras.more:
        extras = replace(extras, voice=True)  # as in an answer: the text follows the recording
    if not (cleaned.text or cleaned.speech.hidden or controls or extras.any):
        _log_nothing(cleaned, context)
        raise ToolError(
            "The argument message is empty."
            if not cleaned.stripped
            else "Nothing was sent: the message held only metadata of the prompt or text of a tool call."
        )
    if len(cleaned.text) > MAX_CHARS:
        raise ToolError(f"The message has {len(cleaned.text)} characters; at most {MAX_CHARS} can be sent.")
    return Words(args, cleaned, extras, parts, context)


def _ready(send: SendRequest, made: Made | None, extras: Extras, rename: str, unheard: str) -> Ready:
    send = msgspec.structs.replace(send, wake=(wake_key(send.identity),))
    warnings = (extras.warning(made), f"It is not read aloud: {unheard}" if unheard else "")
    underway = Underway(
        send.lane, send.identity, send.channel_id, send.text or send.spoken,
        warning=" ".join(filter(None, warnings)),
        components=made is not None and bool(made.components), poll=extras.poll is not None, rename=rename,
        voice=extras.voice or bool(send.spoken and send.files[0].voice),
    )  # fmt: skip
    return Ready(send, underway)


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


def _tagged(cleaned: Cleaned, context: ToolContext) -> MessageId | None:
    """The message a reply tag in the text names."""
    named = context.request.answers_to if cleaned.reply_to == "current" else MessageId(cleaned.reply_to)
    return named or None


def _log_nothing(cleaned: Cleaned, context: ToolContext) -> None:
    log.info(
        "nothing to send",
        session=context.request.session_key,
        message_id=context.request.message_id,
        reason="stripped" if cleaned.stripped else "no-reply" if cleaned.silent else "empty",
    )
