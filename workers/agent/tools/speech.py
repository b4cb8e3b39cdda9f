"""The ``tts`` tool: an agent says something aloud, as a voice message or as a file (decision 23).

The text goes to the speakers of ``messages.tts``; the recording is sent like every other file, through the
delivery lane of the conversation. Interrupted before that, the text is spoken again; Discord sees one
message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from config.speech import Speech
from workers.actions.extras import check_gate
from workers.agent.aloud import keep_recording
from workers.agent.providers.base import ToolSpec
from workers.agent.providers.voices import NoSpeech, Voices
from workers.agent.speakable import speakable
from workers.agent.speech_tags import chosen_speakers
from workers.agent.tools.registry import ToolContext, ToolError, ToolResult, Wait
from workers.agent.tools.underway import Underway, arrived, wait_for, wake_key
from workers.delivery.records import SendRequest, send_identity, send_push
from workers.sessions.records import TurnRequest

__all__ = ["TtsTool"]


class TtsTool:
    """See the module.

    Args:
        speech: how the agent of a turn speaks.
        voices: asks the services, for an account.
        allows: whether a gate of ``channels.discord.actions`` is open for a turn.
    """

    name = "tts"
    aliases: tuple[str, ...] = ()
    idempotent = True
    limit_s = 30.0

    def __init__(
        self,
        speech: Callable[[TurnRequest], Speech],
        voices: Callable[[str], Voices],
        allows: Callable[[TurnRequest, str], bool] = lambda _request, _gate: True,
    ) -> None:
        self._speech = speech
        self._voices = voices
        self._allows = allows

    def available(self, request: TurnRequest) -> bool:
        """Where the agent has somebody to speak for it."""
        return bool(self._speech(request).speakers)

    def spec(self, request: TurnRequest) -> ToolSpec:
        """Schema."""
        properties: dict[str, object] = {
            "text": {"type": "string", "description": "What to say: plain words, no Markdown, no addresses."},
            "asVoice": {
                "type": "boolean",
                "description": "false sends an ordinary sound file. Default: a voice message.",
            },
            "silent": {"type": "boolean", "description": "Notify nobody."},
        }
        if "voice" in self._speech(request).choices:
            properties["voice"] = {"type": "string", "description": "Another voice of the provider."}
        return ToolSpec(
            self.name,
            "Say something aloud in this conversation. People hear it at once: do not write the same words "
            "again; if there is nothing to add, answer NO_REPLY.",
            {"type": "object", "properties": properties, "required": ["text"], "additionalProperties": False},
        )

    def run(self, args: Mapping[str, object], context: ToolContext) -> ToolResult | Wait:
        """Speak and send.

        Raises:
            ToolError: nothing to say, too much, or nobody speaks.
            ActionError: it may not be sent.
        """
        request, speech = context.request, self._speech(context.request)
        check_gate("messages", lambda gate: self._allows(request, gate))
        text = speakable(str(args.get("text") or ""))
        if not text:
            raise ToolError("The argument text has no words to say.")
        if len(text) > speech.max_chars:
            raise ToolError(f"The text has {len(text)} characters; at most {speech.max_chars} can be spoken.")
        speakers = chosen_speakers(speech, {"voice": str(args.get("voice") or "").strip()})
        try:
            recorded = self._voices(request.account)(
                speakers, text, timeout_s=speech.timeout_s, check=context.turn.watch
            )
            file, warning = keep_recording(
                recorded,
                context.store.blobs.put,
                check=context.turn.moved,
                as_voice=args.get("asVoice") is not False,
            )
        except NoSpeech as error:
            raise ToolError(f"It could not be spoken: {error.message}") from error
        send = SendRequest(
            account=request.account,
            channel_id=request.channel_id,
            cause=context.cause,
            step=context.step,
            guild_id=request.guild_id,
            files=(file,),
            spoken=text,
            silent=bool(args.get("silent")),
            wake=(wake_key(send_identity(context.cause, context.step)),),
        )
        return _on_its_way(send, text, warning)

    def resume(self, state: bytes, context: ToolContext) -> ToolResult | Wait:
        """Look whether it is through.

        Raises:
            ToolError: Discord did not take it.
        """
        return arrived(state, context)


def _on_its_way(send: SendRequest, text: str, warning: str) -> Wait:
    voice = send.files[0].voice is not None
    push = send_push(send)
    return wait_for(
        Underway(send.lane, send.identity, send.channel_id, text, warning=warning, voice=voice), push
    )
