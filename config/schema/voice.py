"""``channels.discord.voice`` and text to speech (spec: voice 1, decisions 13, 18, 23, 24)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from config.schema.base import NonNegative, Open, Positive, Section, Snowflake, names
from config.schema.secrets import SecretInput

__all__ = ["AutoJoin", "Tts", "TtsProvider", "Voice"]


class TtsProvider(Open):
    """Settings of one speech provider. What is not named here goes to it in its own spelling
    (``responseFormat`` as ``response_format``). ``voice_id`` and ``model_id`` are ElevenLabs' names."""

    api_key: SecretInput | None = None
    base_url: str | None = None
    model: str | None = None
    model_id: str | None = None
    voice: str | None = None
    voice_id: str | None = None
    speed: Annotated[float, Field(gt=0, le=4)] | None = None
    instructions: str | None = None
    enabled: bool | None = None


class TtsOverrides(Section):
    """What a model may choose with its ``[[tts…]]`` tags: all but the provider, if nothing is said."""

    enabled: bool | None = None
    allow_text: bool | None = None
    allow_provider: bool | None = None
    allow_voice: bool | None = None
    allow_model_id: bool | None = None
    allow_voice_settings: bool | None = None
    allow_normalization: bool | None = None
    allow_seed: bool | None = None


class Tts(Section):
    """``messages.tts``, ``voice.tts`` and an agent's ``tts``: later ones lie over earlier ones.

    The shape ``openai: {voice}`` beside ``provider`` is read as ``providers.openai``. ``enabled: true``
    without ``auto`` is ``auto: "always"``; ``enabled: false`` is no speech at all.
    """

    KEPT: ClassVar[frozenset[str]] = frozenset({"persona", "personas"})

    auto: Literal["off", "always", "inbound", "tagged"] | None = None
    enabled: bool | None = None
    mode: Literal["final", "all"] | None = None
    provider: str | None = None
    providers: dict[str, TtsProvider] = {}
    summary_model: str | None = None
    model_overrides: TtsOverrides | None = None
    prefs_path: str | None = None
    max_text_length: Positive | None = None
    timeout_ms: Annotated[int, Field(ge=1000, le=120_000)] | None = None


class AutoJoin(Section):
    """A voice channel that is joined at start."""

    guild_id: Snowflake
    channel_id: Snowflake


class Voice(Section):
    """Voice conversations. A written block switches voice on unless ``enabled`` is false.

    ``proxy: "direct"`` sends voice UDP around an http proxy, which cannot carry it; nothing else may.
    """

    KEPT: ClassVar[frozenset[str]] = names(
        """
        mode agentSession realtime followUsers followUsersEnabled allowedChannels joinTimeoutMs
        """
    )

    enabled: bool = True
    model: str | None = None
    auto_join: list[AutoJoin] = []
    dave_encryption: bool = True
    decryption_failure_tolerance: NonNegative = 24
    connect_timeout_ms: Annotated[int, Field(gt=0, le=120_000)] = 30_000
    reconnect_grace_ms: Annotated[int, Field(gt=0, le=120_000)] = 15_000
    capture_silence_grace_ms: Annotated[int, Field(gt=0, le=30_000)] = 2_500
    tts: Tts | None = None
    proxy: Literal["account", "direct"] = "account"
