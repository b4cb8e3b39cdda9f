"""How a turn ends: the effects of its commit, and the one line that says why.

Whatever the end, the commit settles every message of the turn (the absorbed ones, and the head's
unless an answer is on its way: that one's outcome comes with its delivery), appends the transcript,
and leaves a ``turn`` note for ``shoal explain`` with model, tokens, tools, time and, where nothing
was shown, the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from shoal.base.durations import format_duration
from shoal.base.logging import get_logger
from shoal.state.effects import Effect, Note, Outcome, Push, SessionPut, Transcript
from shoal.state.ledger import Outcome as Verdict
from shoal.state.records import Grant, Record
from shoal.state.steps import Commit
from workers.agent.attached import notes_of
from workers.agent.final_files import FinalFiles, without_files
from workers.agent.journal import Answered, Journal
from workers.agent.models import AllModelsFailedError, candidates
from workers.agent.presence import Ended
from workers.agent.profile import AgentProfile
from workers.agent.providers.base import ModelError
from workers.agent.sanitize import clean_answer
from workers.agent.silence import silence_kind, silence_policy
from workers.agent.streaming import StreamSettings
from workers.agent.texts import model_failure
from workers.agent.transcript import Line, fit
from workers.agent.visibility import ReplyMode, Unshown, failure_is_told, final_of
from workers.delivery.records import (
    KIND,
    NOTICE_MAX_AGE_S,
    SendFile,
    SendOutcome,
    SendRequest,
    encode,
)
from workers.delivery.settling import delivered_key
from workers.delivery.texts import language_of, say
from workers.media.files import MediaFile
from workers.sessions.changes import DELETED_REASON
from workers.sessions.envelopes import strip_envelopes
from workers.sessions.history import cleared
from workers.sessions.opened import OpenedSession, Used, session_fields
from workers.sessions.records import TurnRequest, decode_turn
from workers.sessions.send_policy import may_send
from workers.sessions.system_events import event_lines, forget_events, heard_events

__all__ = ["Ending"]

TRANSCRIPT_BYTES = 110 * 1024
"""Of one turn; with the answer itself the commit stays below its 256 kB."""
MAX_SETTLED = 20
"""Earlier messages of a batch that get an outcome with the commit."""
FINAL_STEP = "final"
CALLED = frozenset({"explicit", "reply", "pattern"})
"""What in a message makes people expect an answer they can see."""

log = get_logger(__name__)


class Ending:
    """Makes the result of a turn that is over."""

    def __init__(
        self,
        grant: Grant,
        request: TurnRequest,
        profile: AgentProfile,
        mode: ReplyMode,
        session: OpenedSession,
        journal: Journal,
        absorbed: dict[str, TurnRequest],
    ) -> None:
        self.grant = grant
        self.request = request
        self.profile = profile
        self.mode = mode
        self.session = session
        self.journal = journal
        self.absorbed = dict(absorbed)
        self.hint: Callable[[TurnRequest], list[Effect]] = lambda _request: []
        self.files: FinalFiles = without_files
        self.may_send = may_send(profile.shown.send_policy, request, override=session.state.send)
        self.seen = Ended()
        self._partial = ""

    @property
    def talked(self) -> bool:
        """Something the agent sent here with the message tool was delivered."""
        here = self.request.channel_id
        return any(sent.channel_id == here and sent.message_ids for sent in self.journal.state.sent)

    @property
    def stream_settings(self) -> StreamSettings | None:
        """How the turn may show itself while it runs; ``None``: not at all (decision 31)."""
        settings = self.profile.shown.stream
        if settings is None or not self.may_send or self.request.origin not in ("message", "command"):
            return None
        private = self.mode == "message_tool_only" and settings.mode != "progress"
        return None if private else settings

    def preview_reply_to(self) -> str | None:
        """What a preview answers to: the same as the answer it may become."""
        return self._reply_to("")[0]

    @property
    def called(self) -> bool:
        """Somebody in a room named the bot, or answered it."""
        return self.request.chat_type != "direct" and self.request.mentioned_by in CALLED

    def answered(self, final: Answered) -> Commit:
        """The model has finished: show its text, or say why not."""
        cleaned = clean_answer(final.text)
        if final.stop == "refused" and not cleaned.text and not self._sent_here():
            return self._tell(say("refused", language_of(self.request.text)), "model-refused")
        last = final_of(
            cleaned,
            media=cleaned.media,
            mode=self.mode,
            silence=self.profile.shown.silence or silence_policy(None, silence_kind(self.request)),
            talked=self._sent_here(),
            may_send=self.may_send,
        )
        text = say(last.filler, language_of(self.request.text)) if last.filler else last.text
        silent = str(last.unshown or "")
        reply_to, scope = self._reply_to(cleaned.reply_to)
        files: tuple[SendFile, ...] = ()
        shown = text
        if last.media:
            files, text, shown = self.files(self.request, text, last.media)
        send = None if silent else self._send(text, reply_to=reply_to, scope=scope, model=final.model)
        if send is not None and files:
            send = msgspec.structs.replace(send, files=files)
        own = not (cleaned.reply_to or files or self._sent_here())
        if send is not None and own and self.journal.state.previewed:
            send = msgspec.structs.replace(send, preview=self.grant.head.identity)
        ended = self._commit(send, silent=silent, length=len(cleaned.text), shown=shown)
        if last.unshown is Unshown.PRIVATE_FINAL and self.called and not self.journal.state.sent:
            return replace(ended, effects=[*ended.effects, *self.hint(self.request)])
        return ended

    def model_failed(self, error: ModelError) -> Commit:
        """No model could answer: tell people where they expect an answer."""
        main = error.main if isinstance(error, AllModelsFailedError) and error.main is not None else error
        return self._tell(model_failure(error, like=self.request.text), main.code)

    def trouble(self, name: str, *, code: str) -> Commit:
        """The turn ended without an answer; ``name`` is a text of ``workers.agent.texts``."""
        return self._tell(say(name, language_of(self.request.text)), code)

    def stopped(self, partial: str = "", reason: str = "") -> Commit:
        """A stop covers this turn: nothing more is sent.

        Args:
            partial: what the model had said so far.
            reason: why, where no person stopped it.
        """
        why = f"stopped: {reason}" if reason else "stopped by the user"
        self._partial = f"{partial} [{why}]" if partial else ""
        return self._commit(None, silent="stopped", length=0, verdict=Verdict.STOPPED, reason=reason)

    def dropped(self, reason: str) -> Commit:
        """Nothing is answered: deleted before the turn began (decision 52), or answered under another id."""
        request = self.request
        effects: list[Effect] = [
            Outcome(request.account, known, str(Verdict.DROPPED), reason)
            for known in request.all_message_ids[:MAX_SETTLED]
        ]
        return Commit(effects, f"dropped · {reason}")

    def begun(self) -> Commit:
        """A bare ``/new``: the conversation begins afresh, and its sender reads so."""
        request = self.request
        told = SendOutcome(request.message_id, str(Verdict.COMMAND), "new")
        send = msgspec.structs.replace(
            self._send(say("session-new", language_of(request.text)), plain=True),
            reply_to=request.message_id,
            max_age_s=NOTICE_MAX_AGE_S,
            outcomes=(told,),
        )
        fields = session_fields(self.session, request, Used())
        record = Record(
            send.identity, KIND, encode(send), account=request.account, message_id=request.message_id
        )
        effects: list[Effect] = [
            SessionPut(request.session_key, {**fields, "turns": "0"}),
            Push(send.lane, record),
            *self._forgotten(),
        ]
        return Commit(effects, "command · new")

    def _forgotten(self) -> list[Effect]:
        """What the system had to tell was about the transcript that ended (``spec/inbound.md`` 5.11)."""
        return [forget_events(self.request.session_key)] if self.session.rolled else []

    def told(self, name: str) -> Commit:
        """The turn ends with a text of ours that people read in rooms, too: nothing else tells them.

        Args:
            name: of the text, and the reason: ``stuck`` (a watch ended the turn), ``acp`` (decision 49).
        """
        text = say(name, language_of(self.request.text))
        send = self._send(text, plain=True) if self.may_send else None
        silent = "" if send is not None else name
        return self._commit(send, silent=silent, length=len(text), shown=text, reason=name)

    def _tell(self, text: str, code: str) -> Commit:
        quiet = not (failure_is_told(self.request) and self.may_send)
        send = None if quiet else self._send(text, plain=True)
        return self._commit(send, silent=code if quiet else "", length=len(text), shown=text, reason=code)

    # -- parts ------------------------------------------------------------------------------------------

    def _sent_here(self) -> list[str]:
        return [sent.text for sent in self.journal.state.sent if sent.channel_id == self.request.channel_id]

    def _reply_to(self, wanted: str) -> tuple[str | None, str]:
        if self.request.trigger_channel_id and wanted in ("", "current", self.request.message_id):
            return None, "first"  # the message is in another channel, where no answer can point to
        if wanted == "current":
            return self.request.answers_to, "all"
        if wanted:
            return wanted, "all"
        mode = self.profile.reply_to_mode
        first = not self._sent_here()
        if mode == "all":
            return self.request.answers_to, "all"
        if first and (mode == "first" or (mode == "batched" and len(self.request.message_ids) > 1)):
            return self.request.answers_to, "first"
        return None, "first"

    def _send(
        self,
        text: str,
        *,
        reply_to: str | None = None,
        scope: str = "first",
        model: str = "",
        plain: bool = False,
    ) -> SendRequest:
        return SendRequest(
            account=self.request.account,
            channel_id=self.request.channel_id,
            cause=self.grant.head.identity,
            step=FINAL_STEP,
            text=text,
            guild_id=self.request.guild_id,
            reply_to=reply_to,
            reply_scope="all" if scope == "all" else "first",
            prefix=None if plain else _prefix(self.profile, model),
            plain=plain,
        )

    def _commit(
        self,
        send: SendRequest | None,
        *,
        silent: str,
        length: int,
        shown: str = "",
        verdict: Verdict = Verdict.ANSWERED,
        reason: str = "",
    ) -> Commit:
        state = self.journal.state
        effects: list[Effect] = []
        if send is not None:
            # shown or not is for the delivery to say: it writes the outcome, and a send that Discord
            # refuses makes the message dead instead of "answered"
            settled = SendOutcome(self.request.message_id, str(verdict), reason)
            wake = (*send.wake, delivered_key(send.identity)) if self.profile.shown.remove_ack else send.wake
            send = msgspec.structs.replace(send, outcomes=(settled,), wake=wake)
            record = Record(
                send.identity,
                KIND,
                encode(send),
                account=self.request.account,
                message_id=self.request.message_id,
            )
            effects.append(Push(send.lane, record))
        else:
            effects.append(
                Outcome(self.request.account, self.request.message_id, str(verdict), reason or silent)
            )
        effects.extend(self._settle_others(verdict))
        lines = self._lines(shown if send is not None else "", silent, verdict)
        effects.append(Transcript(self.session.session_id, fit(lines, TRANSCRIPT_BYTES)))
        used = Used(str(state.model or ""), state.usage.input, state.usage.output)
        effects.append(SessionPut(self.request.session_key, session_fields(self.session, self.request, used)))
        effects.extend(self._forgotten())
        if state.heard and state.answers:
            effects.append(heard_events(self.request.session_key, [event.id for event in state.heard]))
        effects.append(
            Note(self.request.account, self.request.message_id, "turn", self._note(silent, length))
        )
        if verdict == Verdict.ANSWERED and not reason and self.request.chat_type != "direct":
            effects.append(cleared(self.request))  # a turn that failed or was stopped clears nothing (R21)
        if send is not None:
            value = f"{send.lane} {send.identity}"
            effects.append(Note(self.request.account, self.request.message_id, "delivery", value))
        took = max(0, self.journal.now_ms() - (state.began_ms or self.journal.now_ms()))
        stopped, failed = verdict == Verdict.STOPPED, bool(reason)
        self.seen = Ended(
            state=None if stopped else "error" if failed else "done",
            talked=self.talked,
            send=send.identity if send is not None else "",
            acked=(self.request, *self.absorbed.values()),
            at_ms=self.journal.now_ms(),
        )
        log.info(
            "turn ended",
            session=self.request.session_key,
            message_id=self.request.message_id,
            outcome=str(verdict),
            model=str(state.model or ""),
            tokens_in=state.usage.input,
            tokens_out=state.usage.output,
            didSendViaMessagingTool=bool(state.sent),
            silent=silent,
            text_length=length,
        )
        return Commit(effects, self._summary(verdict, silent, send, took))

    def _settle_others(self, verdict: Verdict) -> list[Effect]:
        """Outcomes of the messages that went into this turn besides the one it answers."""
        account, message_id = self.request.account, self.request.message_id
        effects: list[Effect] = []
        earlier = [known for known in self.request.all_message_ids if known != message_id]
        rest = Verdict.STOPPED if verdict == Verdict.STOPPED else Verdict.MERGED
        effects.extend(
            Outcome(account, known, str(rest), f"into.{message_id}") for known in earlier[:MAX_SETTLED]
        )
        kept = set(self.request.all_message_ids)
        effects.extend(
            Outcome(account, known, str(Verdict.DROPPED), DELETED_REASON)
            for known in decode_turn(self.grant.head.body).all_message_ids[:MAX_SETTLED]
            if known not in kept
        )
        merged = set(self.journal.state.merged)
        for identity, request in self.absorbed.items():
            how = Verdict.MERGED if identity in merged else Verdict.STEERED
            word = Verdict.STOPPED if verdict == Verdict.STOPPED else how
            effects.extend(
                Outcome(request.account, known, str(word), f"into.{message_id}")
                for known in request.all_message_ids
            )
        return effects

    def _note(self, silent: str, length: int) -> str:
        state = self.journal.state
        model = state.model or candidates(self.profile.primary, self.profile.fallbacks)[0]
        data: dict[str, object] = {
            "session": self.request.session_key,
            "model": str(model),
            "in": state.usage.input,
            "out": state.usage.output,
            "tools": state.tools[:20],
            "ms": max(0, self.journal.now_ms() - state.began_ms) if state.began_ms else 0,
            "didSendViaMessagingTool": bool(state.sent),
        }
        if silent:
            data["silent"] = silent
            data["length"] = length
        if state.final is not None and state.final.stop not in ("end", "tools"):
            data["stop"] = state.final.stop  # what was shown is not all, or not an answer
        if state.refusals:
            data["refusals"] = state.refusals
        return msgspec.json.encode(data).decode()

    def _summary(self, verdict: Verdict, silent: str, send: SendRequest | None, took_ms: int) -> str:
        state = self.journal.state
        parts = [str(verdict)]
        if state.tools:
            parts.append(f"{len(state.tools)} tool{'s' if len(state.tools) > 1 else ''}")
        messages = len(state.sent) + (send is not None)
        parts.append(f"{messages} message{'s' if messages != 1 else ''}")
        if silent and silent != str(verdict):
            parts.append(silent)
        parts.append(format_duration(took_ms / 1000))
        return " · ".join(parts)

    def _lines(self, shown: str, silent: str, verdict: Verdict) -> list[Line]:
        now = self.journal.now_ms()
        model = str(self.journal.state.model or "")
        files = self.journal.state.files
        told = tuple(event_lines(self.journal.state.heard, self.profile.envelope.timezone))
        first = _user_line(self.request, now, files.get(self.grant.head.identity))
        lines = [msgspec.structs.replace(first, events=told)]
        for message in self.journal.state.messages:
            if message.role == "user":
                continue
            lines.append(
                Line(
                    message.role,
                    now,
                    # what is kept is shown to people and read again by models
                    strip_envelopes(message.text) if message.role == "assistant" else message.text,
                    message.calls,
                    message.call_id,
                    message.error,
                    model=model if message.role == "assistant" else "",
                )
            )
        lines[1:1] = [
            _user_line(request, now, files.get(identity)) for identity, request in self.absorbed.items()
        ]
        final = lines[-1]
        if verdict == Verdict.STOPPED:
            partial = clean_answer(self._partial).text
            if partial:
                lines.append(Line("assistant", now, partial, model=model))
            lines.append(Line("note", now, "stopped"))
        elif final.role == "assistant" and not final.calls:
            private = silent == "private-final"
            lines[-1] = msgspec.structs.replace(final, text=shown or final.text, private=private)
        elif shown:
            lines.append(Line("note", now, shown))
        done = self.journal.state.compacted
        if done is not None:
            lines.insert(0, Line("summary", now, done.summary, kept_from=done.kept_from))
        return lines


def _user_line(request: TurnRequest, now: int, files: Sequence[MediaFile] | None) -> Line:
    return Line(
        "user",
        request.born_ms or now,
        request.text[:32_000],
        message_id=request.message_id,
        channel_id=request.channel_id,
        author_id=request.author_id,
        author_name=request.author_name,
        author_tag=request.author_tag,
        notes=notes_of(request, files, signed=False),
    )


def _prefix(profile: AgentProfile, model: str) -> str | None:
    """``responsePrefix``, its variables filled from the model that answered (``spec/outbound.md`` 3.8)."""
    wanted = profile.response_prefix
    if not wanted:
        return None
    if wanted == "auto":
        return f"[{profile.name}]" if profile.name else None
    provider, _, name = model.partition("/")
    values: Sequence[tuple[str, str]] = (
        ("{model}", _short_model(name)),
        ("{modelFull}", model),
        ("{provider}", provider),
        ("{identity.name}", profile.name),
        ("{identityName}", profile.name),
    )
    for variable, value in values:
        wanted = wanted.replace(variable, value)
    return wanted


def _short_model(name: str) -> str:
    name = name.rsplit("/", 1)[-1].removesuffix("-latest")
    head, _, tail = name.rpartition("-")
    return head if head and len(tail) == 8 and tail.isdigit() else name
