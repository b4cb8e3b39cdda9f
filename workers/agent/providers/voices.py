"""Text to speech: OpenAI-compatible ``/audio/speech``, ElevenLabs, Deepgram (``spec/voice.md`` 6).

One text, one recording: the configured speakers are asked in order until one answers (decision 23), each
again after 429 and 5xx as long as the deadline of the text allows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from config.speech import Speaker
from shoal.base.foreign import read_json
from shoal.base.logging import get_logger
from shoal.base.proxy import Proxy
from shoal.base.redact import redactor
from shoal.base.stamp import stamp_headers
from workers.agent.providers.services import (
    RETRY_STATUS,
    ServiceClients,
    ServiceFailed,
    persist,
    retry_after,
)

if TYPE_CHECKING:
    import httpx2

__all__ = ["NoSpeech", "Recorded", "Voices"]

MAX_BYTES = 24 * 1024 * 1024
MIN_BYTES = 64
"""Less is no recording."""
IDLE_S = 60.0
MAX_TOLD = 300

Check = Callable[[], None]
log = get_logger(__name__)


class NoSpeech(ServiceFailed):
    """No speaker gave a recording; the message says why and holds no secret."""

    code = "no-speech"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was spoken. ``speaker`` is ``provider/model``; ``mime`` is what the service calls it."""

    data: bytes
    mime: str
    speaker: str


class Voices:
    """Speaks for one account. Thread-safe.

    Args:
        proxy: the account's; a speaker's own wins.
        ca_file: PEM bundle trusted besides the usual authorities.
    """

    def __init__(self, *, proxy: Proxy | None, ca_file: str | None) -> None:
        self._clients = ServiceClients(proxy=proxy, ca_file=ca_file)

    def __call__(
        self,
        speakers: Sequence[Speaker],
        text: str,
        *,
        timeout_s: float,
        check: Check = lambda: None,
    ) -> Recorded:
        """The text, spoken.

        Args:
            timeout_s: all tries together.
            check: called while a service is silent; what it raises ends the call.

        Raises:
            NoSpeech: nobody spoke it.
        """
        ends, why = time.monotonic() + timeout_s, NoSpeech("No speech provider is configured.")
        for speaker in speakers:
            try:
                return self._ask(speaker, text, ends, check)
            except NoSpeech as failure:
                why = failure
                log.warning("a text was not spoken", speaker=speaker.name, reason=failure.message)
        raise why

    def close(self) -> None:
        """Give up pooled connections."""
        self._clients.close()

    def _ask(self, speaker: Speaker, text: str, ends: float, check: Check) -> Recorded:
        return persist(lambda: self._once(speaker, text, ends, check), ends=ends, check=check)

    def _once(self, speaker: Speaker, text: str, ends: float, check: Check) -> Recorded:
        import httpx2

        from workers.agent.providers.http import watching

        def watch() -> None:
            check()
            if time.monotonic() > ends:
                raise NoSpeech(f"{speaker.name} took too long.")

        url, headers, params, body = _request(speaker, text)
        client = self._clients.get(speaker.base_url, speaker.proxy, idle_s=IDLE_S)
        headers |= stamp_headers()
        try:
            with (
                watching(watch),
                client.stream("POST", url, params=params, json=body, headers=headers) as answer,
            ):
                return _recorded(answer, speaker, watch)
        except (httpx2.TimeoutException, httpx2.StreamError) as error:
            watch()
            raise NoSpeech(f"{speaker.name} did not answer ({type(error).__name__}).", again=True) from None
        except httpx2.HTTPError as error:
            watch()  # the client wraps what it raised: raise it again, bare
            why = str(error.__cause__ or error)[:MAX_TOLD]
            raise NoSpeech(f"{speaker.name} cannot be reached: {why}", again=True) from None


def _request(speaker: Speaker, text: str) -> tuple[str, dict[str, str], dict[str, str], dict[str, Any]]:
    """Address, headers, query and body."""
    key = speaker.api_key.get_secret_value() if speaker.api_key is not None else ""
    headers = {name: value.get_secret_value() for name, value in speaker.headers.items()}
    voice, more = speaker.voice, dict(speaker.more)
    if speaker.api == "elevenlabs":
        headers |= {"xi-api-key": key} if key else {}
        params = {"output_format": str(more.pop("output_format", "mp3_44100_128"))}
        speed = more.pop("speed", None)
        if speed is not None:
            more["voice_settings"] = {**(more.get("voice_settings") or {}), "speed": speed}
        url = f"{speaker.base_url}/text-to-speech/{quote(voice, safe='')}"
        return url, headers, params, {"text": text, "model_id": speaker.model, **more}
    if speaker.api == "deepgram":
        headers |= {"Authorization": f"Token {key}"} if key else {}
        form = {} if "encoding" in more else {"encoding": "opus", "container": "ogg"}
        more = {name: str(value) for name, value in more.items()}
        return (
            f"{speaker.base_url}/speak",
            headers,
            {"model": voice or speaker.model, **form, **more},
            {"text": text},
        )
    headers |= {"Authorization": f"Bearer {key}"} if key else {}
    body = {"model": speaker.model, "input": text, "voice": voice, "response_format": "opus", **more}
    return f"{speaker.base_url}/audio/speech", headers, {}, body


def _recorded(answer: httpx2.Response, speaker: Speaker, watch: Check) -> Recorded:
    """The recording in an answer.

    Raises:
        NoSpeech: it is an error, too large, or no recording.
    """
    data = bytearray()
    for piece in answer.iter_bytes():
        watch()
        data += piece
        if len(data) > MAX_BYTES:
            raise NoSpeech(f"{speaker.name}: the recording is larger than {MAX_BYTES} bytes.")
    if answer.status_code != 200:
        again = answer.status_code in RETRY_STATUS
        message = f"{speaker.name} answered {answer.status_code}: {_told(bytes(data))}".rstrip(": ")
        raise NoSpeech(message, again=again, wait_s=retry_after(answer) if again else None)
    mime = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if len(data) < MIN_BYTES or mime in ("application/json", "text/html"):
        raise NoSpeech(f"{speaker.name} answered with something that is no recording.")
    return Recorded(bytes(data), mime, speaker.name)


def _told(body: bytes) -> str:
    """What a service says of its error, in one line."""
    try:
        data: Any = read_json(body)
    except ValueError:
        return ""
    while isinstance(data, dict):
        data = data.get("error") or data.get("detail") or data.get("message") or data.get("err_msg")
    return redactor.mask(" ".join(data.split()))[:MAX_TOLD] if isinstance(data, str) else ""
