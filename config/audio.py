"""``tools.media.audio``: who writes down what people say in recordings (decision 23).

Off unless a model is named or ``enabled`` is true. Models are asked in order until one answers. A model is
an OpenAI-compatible one (``provider`` of ``models.providers``, or its own ``baseUrl``); a program
(``type: "cli"``) is not run: it would decode what strangers send, outside the jail that commands run in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from config.agents import ProviderConfig
from config.places import KeyPath, show_path
from config.schema.root import Root
from config.schema.tools import MediaModel, MediaUnderstanding
from config.secrets import Secrets
from config.services import ServiceKind
from shoal.base.errors import ConfigIssue
from shoal.base.proxy import Proxy
from shoal.base.redact import redactor

__all__ = ["AudioSettings", "Listener", "resolve_audio"]

MAX_BYTES = 20 * 1024 * 1024
TIMEOUT_S = 60.0
ECHO_FORMAT = '📝 "{transcript}"'
_MODELS = {"openai": "gpt-4o-mini-transcribe", "groq": "whisper-large-v3-turbo"}
_KIND = ServiceKind(
    what="transcription",
    called="provider",
    addresses={"openai": "https://api.openai.com/v1", "groq": "https://api.groq.com/openai/v1"},
    served="name an OpenAI-compatible provider of models.providers, or give its baseUrl",
)


@dataclass(frozen=True, slots=True)
class Listener:
    """One model that transcribes; sizes in bytes, times in seconds.

    Attributes:
        base_url: its API, without ``/audio/transcriptions``.
        proxy: the provider's own; none takes the account's.
        language: ISO-639-1 code of what is spoken, or none.
        prompt: words that help it, or none.
        max_chars: of the text that is kept, or none.
    """

    provider: str
    model: str
    base_url: str
    api_key: SecretStr | None = None
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    proxy: Proxy | None = None
    language: str | None = None
    prompt: str | None = None
    max_bytes: int = MAX_BYTES
    max_chars: int | None = None
    timeout_s: float = TIMEOUT_S

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class AudioSettings:
    """What is in force. ``echo`` shows people what was heard, ``{transcript}`` in it; none shows nothing."""

    listeners: tuple[Listener, ...] = ()
    echo: str | None = None
    warnings: tuple[ConfigIssue, ...] = ()


def resolve_audio(
    root: Root, providers: Mapping[str, ProviderConfig], env: Mapping[str, str], secrets: Secrets
) -> AudioSettings:
    """The models that transcribe. One that cannot be used is a warning: the next is asked."""
    written = root.tools.media.audio or MediaUnderstanding()
    if written.enabled is False:
        return AudioSettings()
    path: KeyPath = ("tools", "media", "audio", "models")
    entries = [((*path, index), entry) for index, entry in enumerate(written.models)]
    if not entries:
        entries = [
            (("tools", "media", "models", index), entry)
            for index, entry in enumerate(root.tools.media.models)
            if entry.capabilities and "audio" in entry.capabilities
        ]
    if not entries and written.enabled:
        entries = [(("tools", "media", "audio"), MediaModel(provider="openai"))]
    found: list[Listener] = []
    warnings: list[ConfigIssue] = []
    for place, entry in entries:
        outcome = _listener(place, entry, written, providers, env, secrets)
        if isinstance(outcome, Listener):
            found.append(outcome)
        else:
            warnings.append(outcome)
    echo = (written.echo_format or ECHO_FORMAT) if written.echo_transcript else None
    return AudioSettings(tuple(found), echo, tuple(warnings))


def _listener(
    place: KeyPath,
    entry: MediaModel,
    shared: MediaUnderstanding,
    providers: Mapping[str, ProviderConfig],
    env: Mapping[str, str],
    secrets: Secrets,
) -> Listener | ConfigIssue:
    where = show_path(place)
    if entry.type == "cli" or (entry.type is None and entry.command):
        return ConfigIssue(
            where,
            "programs are not run to transcribe recordings",
            hint="serve the model at an OpenAI-compatible address and give provider, model and baseUrl",
        )
    name = (entry.provider or ("custom" if entry.base_url else "openai")).strip().lower()
    known = providers.get(name)
    reached = _KIND.reach(
        name,
        where,
        url=entry.base_url or shared.base_url,
        keys=[entry.api_key, shared.api_key],
        known=known,
        env=env,
        secrets=secrets,
    )
    if isinstance(reached, ConfigIssue):
        return reached
    model = entry.model or _MODELS.get(name)
    if model is None:
        return ConfigIssue(where, "no model is named", hint='add model, like "whisper-1"')
    headers = {**(shared.headers or {}), **(entry.headers or {})}
    for value in headers.values():
        redactor.register(value)
    return Listener(
        provider=name,
        model=model,
        base_url=reached.base_url,
        api_key=reached.api_key,
        headers={**(known.headers if known else {}), **{k: SecretStr(v) for k, v in headers.items()}},
        proxy=known.proxy if known else None,
        language=entry.language or shared.language,
        prompt=entry.prompt or shared.prompt,
        max_bytes=entry.max_bytes or shared.max_bytes or MAX_BYTES,
        max_chars=entry.max_chars or shared.max_chars,
        timeout_s=float(entry.timeout_seconds or shared.timeout_seconds or TIMEOUT_S),
    )
