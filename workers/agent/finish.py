"""How a turn ends: the effects of its commit, and the one line that says why.

Whatever the end, the commit settles every message of the turn (the absorbed ones, and the head's
unless an answer is on its way: that one's outcome comes with its delivery), appends the transcript,
and leaves a ``turn`` note for ``shoal explain`` with model, tokens, tools, time and, where nothing
was shown, the reason. Here it is put together; what goes into it is found in

    closing        the facts of the end, which the others work on
    kept           the entries of the transcript
    outcomes       what becomes of the other messages of the turn
    report         what explain, the log and the lane are told
    own_sends      the answer itself
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec

from shoal.base.logging import get_logger
from shoal.state.effects import Effect, Note, Outcome, Push, SessionPut, Transcript
from shoal.state.ledger import Outcome as Verdict
from shoal.state.records import Grant
from shoal.state.steps import Commit
from workers.agent.aloud import Aloud, Heard, carry_recording
from workers.agent.blocks import BlockRules, rest_of
from workers.agent.closing import Closing
from workers.agent.drafts import tool_title
from workers.agent.entries import Answered
from workers.agent.final_files import FinalFiles
from workers.agent.journal import Journal
from workers.agent.kept import kept_lines
from workers.agent.models import AllModelsFailedError
from workers.agent.outcomes import all_dropped, others_settled
from workers.agent.own_sends import OwnSends
from workers.agent.presence import Ended
from workers.agent.profile import AgentProfile
from workers.agent.providers.base import ModelError
from workers.agent.report import turn_facts, turn_note, turn_summary
from workers.agent.sanitize import Cleaned, clean_answer
from workers.agent.silence import silence_kind, silence_policy
from workers.agent.speech_tags import SpeechTags, hidden_text, take_speech_tags, with_tags
from workers.agent.streaming import StreamSettings
from workers.agent.texts import model_failure
from workers.agent.transcript import fit
from workers.agent.visibility import Final, ReplyMode, Unshown, failure_is_told, final_of
from workers.delivery.records import NOTICE_MAX_AGE_S, SendFile, SendOutcome, SendRequest
from workers.delivery.texts import language_of, say
from workers.sessions.history import cleared
from workers.sessions.opened import OpenedSession, Used, session_fields
from workers.sessions.records import TurnRequest
from workers.sessions.said import words_forgotten, words_told
from workers.sessions.send_policy import may_send
from workers.sessions.system_events import forget_events, heard_events

__all__ = ["Ending"]

TRANSCRIPT_BYTES = 110 * 1024
"""Of one turn; with the answer itself the commit stays below its 256 kB."""
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
        *,
        hint: Callable[[TurnRequest], list[Effect]],
        files: FinalFiles,
        aloud: Aloud,
    ) -> None:
        self.grant = grant
        self.request = request
        self.profile = profile
        self.mode = mode
        self.session = session
        self.journal = journal
        self.absorbed = dict(absorbed)
        self.hint = hint
        self.aloud = aloud
        self.sends = OwnSends(grant, profile, journal, files)
        self.may_send = may_send(profile.shown.send_policy, request, override=session.state.send)
        self.seen = Ended()

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

    @property
    def keeps_draft(self) -> bool:
        """A draft stays beside the word of an error: it says what the turn was doing (4.5)."""
        settings = self.stream_settings
        told = self.seen.state == "error" and bool(self.seen.send)
        return told and settings is not None and settings.mode == "progress"

    @property
    def block_rules(self) -> BlockRules | None:
        """How finished blocks of an answer are sent before its end; ``None``: they are not (4.6)."""
        automatic = self.mode == "automatic" and self.may_send
        shown = automatic and self.request.origin in ("message", "command")
        return self.profile.shown.blocks if shown else None

    def preview_reply_to(self) -> str | None:
        """What a preview answers to: the same as the answer it may become."""
        return self.sends.reply_to(self.request)[0]

    @property
    def called(self) -> bool:
        """Somebody in a room named the bot, or answered it."""
        return self.request.chat_type != "direct" and self.request.mentioned_by in CALLED

    def answered(self, final: Answered) -> Commit:
        """The model has finished: show its text, or say why not."""
        cleaned = clean_answer(final.text)
        said = cleaned.text or cleaned.speech.hidden
        if final.stop == "refused" and not said and not self.sends.tool_texts(self.request):
            return self._tell(say("refused", language_of(self.request.text)), "model-refused")
        state = self.journal.state
        last = final_of(
            cleaned,
            media=[name for name in cleaned.media if name not in state.told_media],
            heard=bool(cleaned.speech.hidden),
            mode=self.mode,
            silence=self.profile.shown.silence or silence_policy(None, silence_kind(self.request)),
            talked=[*self.sends.tool_texts(self.request), *state.told_before],
            may_send=self.may_send,
            tool_failed=bool(state.tool_failed) and self.profile.shown.tool_errors,
        )
        silent = str(last.unshown or "")
        send, shown = (None, last.text) if silent else self._sent(final, cleaned, last)
        closing = Closing(send, silent=silent, length=len(cleaned.text), shown=shown, unheard=self.aloud.why)
        ended = self._commit(closing)
        if last.unshown is Unshown.PRIVATE_FINAL and self.called and not self.journal.state.sent:
            return replace(ended, effects=[*ended.effects, *self.hint(self.request)])
        return ended

    def _sent(self, final: Answered, cleaned: Cleaned, last: Final) -> tuple[SendRequest | None, str]:
        """What of an answer is still to be sent, if anything is; and all of it as people read it."""
        state, text = self.journal.state, last.text
        if last.filler:
            named = {"tool": tool_title(state.tool_failed)} if last.filler == "tool-failed" else {}
            text = say(last.filler, language_of(self.request.text), **named)
        files: tuple[SendFile, ...] = ()
        heard, shown = None, text
        if last.media:
            files, text, shown = self.sends.files(self.request, text, last.media, voice=cleaned.voice)
        elif not (last.filler or cleaned.media):
            words = rest_of(text, state.told) if self.profile.speech.every else text
            tags = with_tags(take_speech_tags(state.told_tags)[1], cleaned.speech)
            heard = self._heard_as(words, tags, final.at_ms, step="speech")
            text = text or ("" if heard else tags.hidden)
            shown = text or hidden_text(tags)
        rest = rest_of(text, state.told)
        if not (rest or files or heard):
            return None, shown
        reply_to, scope = self.sends.reply_to(self.request, cleaned.reply_to)
        send = self.sends.send(self.request, rest, reply_to=reply_to, scope=scope, model=final.model)
        send = msgspec.structs.replace(send, files=files)
        if heard is not None:
            send = heard.with_text(send, read=bool(text))
        if rest != text:
            send = self.sends.paced(send)
        own = not (cleaned.reply_to or files or self.sends.tool_texts(self.request))
        if own and state.previewed:
            send = msgspec.structs.replace(send, preview=self.grant.head.identity)
        return send, shown

    def _heard_as(self, text: str, tags: SpeechTags, since_ms: int, *, step: str = "") -> Heard | None:
        """The answer as it is heard, if it is (``messages.tts.auto``)."""
        requests = [self.request, *self.absorbed.values()]
        files = [file for files in self.journal.state.files.values() for file in files]
        recorded = carry_recording(requests, files)
        return self.aloud.read(self.request, text, tags, recorded=recorded, since_ms=since_ms, step=step)

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
        said = f"{partial} [{why}]" if partial else ""
        return self._commit(
            Closing(None, silent="stopped", verdict=Verdict.STOPPED, reason=reason, partial=said)
        )

    def dropped(self, reason: str) -> Commit:
        """Nothing is answered: deleted before the turn began (decision 52), or answered under another id."""
        return Commit(all_dropped(self.request, reason), f"dropped · {reason}")

    def begun(self) -> Commit:
        """A bare ``/new``: the conversation begins afresh; its sender reads so, and a chosen model."""
        request, language = self.request, language_of(self.request.text)
        chosen = request.model_override
        text = say("session-new-model", language, model=chosen) if chosen else say("session-new", language)
        told = SendOutcome(request.message_id, str(Verdict.COMMAND), "new")
        send = msgspec.structs.replace(
            self.sends.send(self.request, text, plain=True),
            reply_to=request.message_id,
            max_age_s=NOTICE_MAX_AGE_S,
            outcomes=(told,),
        )
        fields = session_fields(self.session, request, Used())
        effects: list[Effect] = [
            SessionPut(request.session_key, {**fields, "turns": "0"}),
            self.sends.push(request, send),
            *self._forgotten(),
        ]
        return Commit(effects, "command · new")

    def told(self, name: str) -> Commit:
        """The turn ends with a text of ours that people read in rooms, too: nothing else tells them.

        Args:
            name: of the text, and the reason: ``stuck`` (a watch ended the turn), ``acp`` (decision 49).
        """
        text = say(name, language_of(self.request.text))
        send = self.sends.send(self.request, text, plain=True) if self.may_send else None
        silent = "" if send is not None else name
        return self._commit(Closing(send, silent=silent, length=len(text), shown=text, reason=name))

    def _tell(self, text: str, code: str) -> Commit:
        half = bool(self.journal.state.told)  # of an answer is out: people see that it stopped
        quiet = not ((failure_is_told(self.request) or half) and self.may_send)
        send = None if quiet else self.sends.send(self.request, text, plain=True)
        silent = code if quiet else ""
        return self._commit(Closing(send, silent=silent, length=len(text), shown=text, reason=code))

    def block(
        self,
        number: int,
        text: str,
        cleaned: Cleaned,
        *,
        model: str,
        media: Sequence[str],
        since_ms: int,
    ) -> Push:
        """The effect that sends a finished block; see :class:`workers.agent.block_stream.MakeBlock`."""
        heard, tags = None, cleaned.speech
        if self.profile.speech.every and not (media or tags.hidden or tags.part):
            heard = self._heard_as(text, tags, since_ms)
        return self.sends.block(
            self.request, number, text, reply_to=cleaned.reply_to, model=model, media=media, heard=heard
        )

    # -- the commit -------------------------------------------------------------------------------------

    def _commit(self, closing: Closing) -> Commit:
        request, state, now = self.request, self.journal.state, self.journal.now_ms()
        note = turn_note(request, self.profile, state, closing, now)
        effects: list[Effect] = [
            self._settled(closing),
            *others_settled(
                request, self.grant.head, self.absorbed, merged=set(state.merged), stopped=closing.stopped
            ),
            self._transcript(closing, now),
            self._session(),
            *self._forgotten(),
            *self._heard(),
            Note(request.account, request.message_id, "turn", note),
            *self._cleared(closing),
            *self._on_its_way(closing),
        ]
        self.seen = self._ended(closing, now)
        log.info("turn ended", **turn_facts(request, state, closing))
        return Commit(effects, turn_summary(state, closing, now))

    def _settled(self, closing: Closing) -> Effect:
        """The answer, or the outcome of a message that gets none."""
        request, send = self.request, closing.send
        if send is None and self.journal.state.blocks and not closing.stopped:
            send = self.sends.send(request, "", plain=True)  # it arrives when the blocks have
        if send is None:
            reason = closing.reason or closing.silent
            return Outcome(request.account, request.message_id, str(closing.verdict), reason)
        # shown or not is for the delivery to say: it writes the outcome, and a send that Discord
        # refuses makes the message dead instead of "answered"
        settled = SendOutcome(request.message_id, str(closing.verdict), closing.reason)
        send = msgspec.structs.replace(send, outcomes=(settled,), wake=self.sends.wake(send))
        return self.sends.push(request, send)

    def _transcript(self, closing: Closing, now: int) -> Transcript:
        requests = {self.grant.head.identity: self.request, **self.absorbed}
        timezone = self.profile.envelope.timezone
        lines = kept_lines(requests, self.journal.state, closing, timezone=timezone, now=now)
        return Transcript(self.session.session_id, fit(lines, TRANSCRIPT_BYTES))

    def _session(self) -> SessionPut:
        state = self.journal.state
        used = Used(str(state.model or ""), state.usage.input, state.usage.output)
        return SessionPut(self.request.session_key, session_fields(self.session, self.request, used))

    def _forgotten(self) -> list[Effect]:
        """What the system had to tell was about the transcript that ended (``spec/inbound.md`` 5.11)."""
        key = self.request.session_key
        effects = [forget_events(key)] if self.session.rolled else []
        return [*effects, words_forgotten(key, self.request.born_ms)] if self.session.forgets else effects

    def _heard(self) -> list[Effect]:
        """System events and its own words are heard once a model has answered to them."""
        state = self.journal.state
        if not state.answers:
            return []
        key, effects = self.request.session_key, list[Effect]()
        if state.heard:
            effects.append(heard_events(key, [event.id for event in state.heard]))
        if state.said:
            effects.append(words_told(key, state.said))
        return effects

    def _cleared(self, closing: Closing) -> list[Effect]:
        """A turn that failed or was stopped clears nothing of the room's history (R21)."""
        answered = closing.verdict == Verdict.ANSWERED and not closing.reason
        return [cleared(self.request)] if answered and self.request.chat_type != "direct" else []

    def _on_its_way(self, closing: Closing) -> list[Effect]:
        """Where ``shoal explain`` finds the delivery."""
        if closing.send is None:
            return []
        value = f"{closing.send.lane} {closing.send.identity}"
        return [Note(self.request.account, self.request.message_id, "delivery", value)]

    def _newest_send(self, closing: Closing) -> str:
        """The newest thing people will see of the turn, if it sends any."""
        if closing.send is not None:
            return closing.send.identity
        blocks = self.journal.state.blocks
        return self.sends.block_identity(blocks) if blocks and not closing.stopped else ""

    def _ended(self, closing: Closing, now: int) -> Ended:
        return Ended(
            state=None if closing.stopped else "error" if closing.reason else "done",
            talked=self.talked,
            send=self._newest_send(closing),
            acked=(self.request, *self.absorbed.values()),
            at_ms=now,
        )
