"""``messages.tts`` and an agent's ``tts``: who speaks what agents say (decision 23).

Off unless something is written there: what is spoken goes to a service, and that is the operator's choice.
The named provider is asked first, then the others of ``providers``, until one answers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import SecretStr

from config.agents import AgentSettings, ModelRef, ProviderConfig
from config.places import KeyPath, show_path
from config.schema.voice import Tts, TtsOverrides, TtsProvider
from config.secrets import Secrets
from config.services import ServiceKind
from config.speech_prefs import Prefs, read_prefs
from shoal.base.errors import ConfigIssue
from shoal.base.proxy import Proxy

__all__ = ["AUTO", "Auto", "Choice", "Speaker", "Speech", "SpeechApi", "resolve_speech"]

SpeechApi = Literal["openai", "elevenlabs", "deepgram"]
Auto = Literal["off", "always", "inbound", "tagged"]
"""Which answers are read aloud: none, all, those to a recording, those whose model asks for it."""
AUTO: tuple[Auto, ...] = get_args(Auto)
Choice = Literal["text", "provider", "voice", "model", "settings", "normalization", "seed"]
"""What a model may choose for what it says (``modelOverrides``)."""

MAX_CHARS = 4_096
"""What OpenAI takes at once; others take less or more and say so."""
READ_CHARS = 1_500
"""An answer that is read aloud is shortened to so much, unless ``maxTextLength`` says otherwise."""
TIMEOUT_S = 30.0
_KIND = ServiceKind(
    what="speech",
    called="speech provider",
    addresses={
        "openai": "https://api.openai.com/v1",
        "elevenlabs": "https://api.elevenlabs.io/v1",
        "deepgram": "https://api.deepgram.com/v1",
    },
    served="name openai, elevenlabs, deepgram, or a provider with the baseUrl of an OpenAI-compatible server",
    variables={"elevenlabs": ("ELEVENLABS_API_KEY", "XI_API_KEY")},
)
_MODELS = {
    "openai": "gpt-4o-mini-tts",
    "elevenlabs": "eleven_multilingual_v2",
    "deepgram": "aura-2-thalia-en",
}
_VOICES = {"openai": "alloy", "elevenlabs": "21m00Tcm4TlvDq8ikWAM"}
ALL_CHOICES: frozenset[Choice] = frozenset(get_args(Choice)) - {"provider"}
"""Another service is another company that hears what is said: only where the operator allows it."""


@dataclass(frozen=True, slots=True)
class Speaker:
    """One service that speaks.

    Attributes:
        api: how it is asked.
        base_url: its API, without ``/audio/speech`` and the like.
        voice: name or id of a voice; empty where the model is the voice.
        proxy: the provider's own; none takes the account's.
        more: further fields of the request, in the service's own words.
    """

    provider: str
    api: SpeechApi
    base_url: str
    model: str
    voice: str
    api_key: SecretStr | None = None
    headers: Mapping[str, SecretStr] = field(default_factory=dict)
    proxy: Proxy | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Speech:
    """What is in force for one agent.

    Attributes:
        speakers: in the order in which they are asked; none: it cannot speak.
        max_chars: of one text the agent says with its tool.
        timeout_s: of one text, all tries together.
        choices: what the model may choose; empty where its ``[[tts…]]`` tags do not count.
        auto: which of its answers are read aloud.
        read_chars: a longer answer is read aloud in short.
        summary: who sums it up; ``None``: the models of the agent.
        in_short: a model sums it up at all; else it is cut.
        every: blocks and sends of the agent's tool are read aloud as well, not its last words alone.
    """

    speakers: tuple[Speaker, ...] = ()
    max_chars: int = MAX_CHARS
    timeout_s: float = TIMEOUT_S
    choices: frozenset[Choice] = ALL_CHOICES
    auto: Auto = "off"
    read_chars: int = READ_CHARS
    summary: ModelRef | None = None
    in_short: bool = True
    every: bool = False


def resolve_speech(
    agents: Mapping[str, AgentSettings],
    providers: Mapping[str, ProviderConfig],
    env: Mapping[str, str],
    secrets: Secrets,
    folder: Path,
) -> tuple[dict[str, Speech], list[ConfigIssue]]:
    """The speech of each agent, and why a speaker that is named cannot speak (each reason once).

    Args:
        folder: where a relative ``prefsPath`` starts.
    """
    found: dict[str, Speech] = {}
    warnings: dict[str, ConfigIssue] = {}
    for agent_id, agent in agents.items():
        prefs, unread = _prefs(agent.tts, folder)
        speech, issues = _speech(agent, prefs, providers, env, secrets)
        issues += unread
        found[agent_id] = speech
        warnings |= {str(issue): issue for issue in issues}
    return found, list(warnings.values())


def _prefs(tts: Tts, folder: Path) -> tuple[Prefs, list[ConfigIssue]]:
    """What OpenClaw's own file says besides, or why it cannot be read."""
    if not tts.prefs_path:
        return Prefs(), []
    try:
        return read_prefs(folder / Path(tts.prefs_path).expanduser()), []
    except ValueError as error:
        path = show_path(("messages", "tts", "prefsPath"))
        return Prefs(), [ConfigIssue(path, f"these preferences do not count: {error}", found=tts.prefs_path)]


def _speech(
    agent: AgentSettings,
    prefs: Prefs,
    providers: Mapping[str, ProviderConfig],
    env: Mapping[str, str],
    secrets: Secrets,
) -> tuple[Speech, list[ConfigIssue]]:
    tts = agent.tts
    if tts == Tts() or tts.enabled is False:
        return Speech(), []
    speakers, issues = _speakers(tts, prefs, providers, env, secrets)
    summary = None
    if tts.summary_model:
        summary = ModelRef.parse(tts.summary_model, agent.aliases, providers)
        if summary is None or summary.provider not in providers:
            issues.append(_no_model(tts.summary_model, providers))
            summary = None
    most = tts.max_text_length
    preferred = next((mode for mode in AUTO if mode == prefs.auto), None)
    speech = Speech(
        speakers=tuple(speakers),
        max_chars=most or MAX_CHARS,
        timeout_s=tts.timeout_ms / 1000 if tts.timeout_ms else TIMEOUT_S,
        choices=_choices(tts.model_overrides or TtsOverrides()),
        auto=preferred or tts.auto or ("always" if tts.enabled else "off"),
        read_chars=min(most or MAX_CHARS, prefs.max_chars or most or READ_CHARS),
        in_short=prefs.in_short,
        summary=summary,
        every=tts.mode == "all",
    )
    return speech, issues


def _speakers(
    tts: Tts,
    prefs: Prefs,
    providers: Mapping[str, ProviderConfig],
    env: Mapping[str, str],
    secrets: Secrets,
) -> tuple[list[Speaker], list[ConfigIssue]]:
    """Who speaks, in the order they are asked, and why somebody who is named cannot."""
    named = prefs.provider or (tts.provider or "").strip().lower()
    names = dict.fromkeys([*([named] if named else []), *tts.providers])
    if not names:
        names = dict.fromkeys(
            name for name in _KIND.addresses if _KIND.key_of(name, env, secrets) is not None
        )
        names = names or {"openai": None}
    speakers, issues = list[Speaker](), list[ConfigIssue]()
    for name in names:
        written = tts.providers.get(name) or TtsProvider()
        if written.enabled is False:
            continue
        outcome = _speaker(name, written, providers.get(name), env, secrets)
        if isinstance(outcome, Speaker):
            speakers.append(outcome)
        else:
            issues.append(outcome)
    return speakers, issues


def _no_model(written: str, providers: Mapping[str, ProviderConfig]) -> ConfigIssue:
    return ConfigIssue(
        show_path(("messages", "tts", "summaryModel")),
        "there is no such model: the agent's own sums up what is too long to be heard",
        found=repr(written),
        hint=f'like "openai/gpt-5.4-mini", or an alias; known providers are {", ".join(sorted(providers))}',
    )


def _choices(written: TtsOverrides) -> frozenset[Choice]:
    """What is not written is allowed, but for the provider."""
    if written.enabled is False:
        return frozenset()
    keys: dict[Choice, bool | None] = {
        "text": written.allow_text,
        "provider": written.allow_provider,
        "voice": written.allow_voice,
        "model": written.allow_model_id,
        "settings": written.allow_voice_settings,
        "normalization": written.allow_normalization,
        "seed": written.allow_seed,
    }
    return frozenset(
        choice for choice, allowed in keys.items() if (choice in ALL_CHOICES if allowed is None else allowed)
    )


def _speaker(
    name: str,
    written: TtsProvider,
    known: ProviderConfig | None,
    env: Mapping[str, str],
    secrets: Secrets,
) -> Speaker | ConfigIssue:
    path: KeyPath = ("messages", "tts", "providers", name)
    api: SpeechApi = "elevenlabs" if name == "elevenlabs" else "deepgram" if name == "deepgram" else "openai"
    reached = _KIND.reach(
        name,
        show_path(path),
        url=written.base_url,
        keys=[written.api_key],
        known=known,
        env=env,
        secrets=secrets,
    )
    if isinstance(reached, ConfigIssue):
        return reached
    model = written.model or written.model_id or _MODELS[api]
    voice = written.voice or written.voice_id or _VOICES.get(api, "")
    fields = {"speed": written.speed, "instructions": written.instructions, **(written.model_extra or {})}
    return Speaker(
        provider=name,
        api=api,
        base_url=reached.base_url,
        model=model,
        voice=voice,
        api_key=reached.api_key,
        headers=dict(known.headers) if known else {},
        proxy=known.proxy if known else None,
        more={_snake(key): value for key, value in fields.items() if value is not None},
    )


def _snake(key: str) -> str:
    """The service's spelling of a key: ``voiceSettings`` is ``voice_settings``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda hit: "_" + hit.group(1).lower(), key)
