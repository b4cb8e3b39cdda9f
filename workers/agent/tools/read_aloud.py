"""Sends of the message tool that are read aloud: where they are what people hear of an agent at all.

In rooms whose final answers are private the agent answers with its message tool: what it sends there, text
and nothing else, is its answer, and is heard as one (``messages.tts.auto``). Elsewhere its sends are heard
with ``messages.tts.mode: "all"``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workers.agent.aloud import Aloud, Heard, carry_recording, speech_in
from workers.agent.models import Models, candidates
from workers.agent.profile import AgentProfile
from workers.agent.providers.voices import Voices
from workers.agent.speech_tags import SpeechTags
from workers.agent.tools.registry import ToolContext
from workers.agent.visibility import reply_mode
from workers.sessions.records import TurnRequest
from workers.sessions.state import SessionState

__all__ = ["ReadAloud"]


@dataclass(frozen=True, slots=True)
class ReadAloud:
    """Makes the recordings of sends.

    Attributes:
        profile: settings of the agent of a turn.
        voices: asks speech services, for an account.
        models: sum up what is too long.
    """

    profile: Callable[[TurnRequest], AgentProfile]
    voices: Callable[[str], Voices]
    models: Models

    def __call__(self, context: ToolContext, text: str, tags: SpeechTags) -> tuple[Heard | None, str]:
        """The recording of a send into the conversation of the turn, if it is to be heard, and why it is not.

        Raises:
            TurnInterrupted, StateError: as :meth:`workers.agent.aloud.Aloud.read`.
        """
        request = context.request
        profile = self.profile(request)
        private = reply_mode(request, profile, tool_available=True) == "message_tool_only"
        if not (profile.speech.speakers and (private or profile.speech.every)):
            return None, ""
        state = SessionState.read(context.store.sessions.get(request.session_key))
        aloud = Aloud(
            speech_in(profile.speech, state),
            self.voices,
            context.store.blobs.put,
            context.turn,
            models=self.models,
            refs=candidates(profile.primary, profile.fallbacks),
        )
        recorded = carry_recording([request, *context.joined])
        since_ms = int(context.turn.clock.now() * 1000)
        return aloud.read(request, text, tags, recorded=recorded, since_ms=since_ms), aloud.why
