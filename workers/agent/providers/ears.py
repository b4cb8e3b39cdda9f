"""Speech to text over OpenAI-compatible ``/audio/transcriptions`` (``spec/voice.md``, decision 23).

One recording, one text: the configured models are asked in order until one answers. What comes back is
what somebody said, so it is as untrusted as a message. Traffic goes as model calls do: through the
provider's proxy, else the account's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config.audio import Listener
from shoal.base.logging import get_logger
from shoal.base.proxy import Proxy
from shoal.base.stamp import stamp_headers
from shoal.state.media import Heard
from workers.agent.providers.services import (
    RETRY_STATUS,
    ServiceClients,
    ServiceFailed,
    persist,
    retry_after,
)

if TYPE_CHECKING:
    import httpx2

__all__ = ["Ears"]

MIN_BYTES = 200
"""Less is no speech."""
MAX_ANSWER = 1_000_000
TRIES = 2
MOST_WAIT_S = 10.0
"""A model that wants a longer pause gives way to the next: a person waits for the words."""

log = get_logger(__name__)


class _NoWords(ServiceFailed):
    """A model gave no transcript; ``word`` is the reason."""

    code = "no-transcript"

    def __init__(
        self, word: str, detail: str = "", *, again: bool = False, wait_s: float | None = None
    ) -> None:
        self.word = word
        super().__init__(f"{word} {detail}".strip(), again=again, wait_s=wait_s)


class Ears:
    """Transcribes for one account. Thread-safe; one connection pool per model.

    Args:
        listeners: in the order in which they are asked.
        proxy: the account's; a listener's own wins.
        ca_file: PEM bundle trusted besides the usual authorities.
    """

    def __init__(self, listeners: Sequence[Listener], *, proxy: Proxy | None, ca_file: str | None) -> None:
        self._listeners = tuple(listeners)
        self._clients = ServiceClients(proxy=proxy, ca_file=ca_file)

    def __call__(self, path: Path, mime: str, *, check: Callable[[], None]) -> Heard:
        """The words in a file, or why there are none.

        Raises:
            Exception: what ``check`` raised; it is called while a model is silent.
        """
        size = path.stat().st_size
        if size < MIN_BYTES:
            return Heard(error="too-short")
        word = "too-large"
        for listener in self._listeners:
            if size > listener.max_bytes:
                continue
            try:
                text = self._ask(listener, path, mime, check)
            except _NoWords as failure:
                word = failure.word
                log.warning("a recording was not understood", model=listener.name, reason=failure.message)
                continue
            cut = text[: listener.max_chars] if listener.max_chars else text
            return Heard(cut, listener.name) if cut else Heard(model=listener.name, error="silence")
        return Heard(error=word)

    def close(self) -> None:
        """Give up pooled connections."""
        self._clients.close()

    def _ask(self, listener: Listener, path: Path, mime: str, check: Callable[[], None]) -> str:
        ends = time.monotonic() + listener.timeout_s
        return persist(
            lambda: self._once(listener, path, mime, ends, check), ends=ends, check=check, tries=TRIES
        )

    def _once(self, listener: Listener, path: Path, mime: str, ends: float, check: Callable[[], None]) -> str:
        import httpx2

        from workers.agent.providers.http import watching

        fields = {"model": listener.model, "response_format": "json"}
        fields |= {"language": listener.language} if listener.language else {}
        fields |= {"prompt": listener.prompt} if listener.prompt else {}
        headers = {name: value.get_secret_value() for name, value in listener.headers.items()}
        if listener.api_key is not None:
            headers["Authorization"] = f"Bearer {listener.api_key.get_secret_value()}"

        def watch() -> None:
            check()
            if time.monotonic() > ends:
                raise _NoWords("no-answer", "it took too long")

        try:
            with watching(watch), path.open("rb") as file:
                client = self._clients.get(listener.base_url, listener.proxy, idle_s=listener.timeout_s)
                answer = client.post(
                    f"{listener.base_url}/audio/transcriptions",
                    data=fields,
                    files={"file": (f"audio{path.suffix}", file, mime)},
                    headers={**headers, **stamp_headers()},
                )
        except (httpx2.TimeoutException, httpx2.StreamError) as error:
            watch()
            raise _NoWords("no-answer", type(error).__name__) from None
        except httpx2.HTTPError as error:
            watch()  # the client wraps what it raised: raise it again, bare
            raise _NoWords("unreachable", str(error.__cause__ or error)[:200], again=True) from None
        if answer.status_code != 200:
            word = "refused" if answer.status_code in (401, 403) else "failed"
            again = answer.status_code in RETRY_STATUS
            wait_s = retry_after(answer) if again else None
            again = again and (wait_s or 0.0) <= MOST_WAIT_S
            raise _NoWords(word, str(answer.status_code), again=again, wait_s=wait_s)
        return _text(answer)


def _text(answer: httpx2.Response) -> str:
    """The words in an answer: ``{"text": …}``, or plain text of servers that know no other form."""
    if len(answer.content) > MAX_ANSWER:
        raise _NoWords("failed", "the answer is too large")
    try:
        data: Any = answer.json()
    except ValueError:
        data = (
            {"text": answer.text} if answer.headers.get("content-type", "").startswith("text/plain") else None
        )
    if not isinstance(data, dict) or not isinstance(data.get("text"), str):
        raise _NoWords("failed", "the answer is no transcript")
    return str(data["text"]).replace("\0", "").strip()
