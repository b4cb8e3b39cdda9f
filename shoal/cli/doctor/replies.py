"""Why an answer is not seen, and what the log says about the gateway."""

from __future__ import annotations

from collections.abc import Iterator

from config.schema.voice import Tts
from shoal.base.findings import Finding
from shoal.cli.doctor.check import Check, Patient

__all__ = ["CHECKS"]


_DAY_MS = 86_400_000
_BLOCKED = {
    "guild-not-listed": "the server is not under channels.discord.guilds",
    "guild-policy": "groupPolicy is disabled",
    "channel-not-listed": "the channel is not in the server's channels",
    "channel-disabled": "the channel's entry is switched off",
    "sender-not-listed": "users or roles of the channel or server do not name the sender",
    "command-unauthorized": "the sender may not use commands",
    "not-allowlisted": "allowFrom does not name the sender",
    "pairing-full": "three people wait for pairing already",
}
"""Reasons of ``shoal explain`` an operator can change, and what they mean."""


def _private(patient: Patient) -> Iterator[Finding]:
    """In servers the final text is private unless the config says otherwise (``spec/inbound.md`` 9.1)."""
    loaded = patient.loaded
    if loaded is None:
        return
    messages = loaded.root.messages
    wanted = messages.group_chat.visible_replies or messages.visible_replies or "message_tool"
    serving = [each for each in loaded.accounts if each.discord.group_policy == "open" or each.discord.guilds]
    # the built-in guide always shows its answers
    if (
        wanted != "message_tool"
        or not serving
        or all(agent.primary is None for agent in loaded.agents.values())
    ):
        return
    unseen = sum(count.get("answered.private-final", 0) for count in _counted(patient).values())
    told = f"In the last two days {unseen} turns ended with words that nobody saw: in" if unseen else "In"
    yield Finding(
        "private-replies",
        "warn" if unseen else "info",
        f"{told} servers only what the agent sends with the message tool is shown "
        "(messages.groupChat.visibleReplies is message_tool). A model that does not call tools "
        "reliably types "
        "and then says nothing; the log has didSendViaMessagingTool: false.",
        'Use a model that calls tools well, or set messages.groupChat.visibleReplies: "automatic".',
        "messages.groupChat.visibleReplies",
    )


def _blocked(patient: Patient) -> Iterator[Finding]:
    """Messages that went no further, by reason: what people call "blocked unexpectedly"."""
    for account, counts in _counted(patient).items():
        found = {reason: number for reason in _BLOCKED if (number := counts.get(f"dropped.{reason}", 0))}
        if found:
            listed = "; ".join(
                f"{number} × {reason} ({_BLOCKED[reason]})" for reason, number in found.items()
            )
            yield Finding(
                "messages-blocked",
                "info",
                f"In the last two days account {account} left messages unanswered: {listed}.",
                "Correct the lists if that was not meant; `shoal explain <message link>` tells about "
                "one message.",
                f"account {account}",
            )


def _counted(patient: Patient) -> dict[str, dict[str, int]]:
    """Account → outcomes of today and yesterday, by name."""
    if patient.store is None or patient.loaded is None:
        return {}
    today = patient.store.now_ms() // _DAY_MS
    found: dict[str, dict[str, int]] = {}
    for account in patient.loaded.account_ids():
        total: dict[str, int] = {}
        for day in (today - 1, today):
            for name, number in patient.store.ledger.counters(account, day).items():
                total[name] = total.get(name, 0) + number
        found[account] = total
    return found


def _unseen(patient: Patient) -> Iterator[Finding]:
    """What was counted: people named the bot and saw nothing."""
    from workers.agent.hints import UNSEEN, silence_finding

    if patient.loaded is None or patient.store is None:
        return
    unseen = sum(patient.store.ledger.counted(account.id, UNSEEN) for account in patient.accounts)
    finding = silence_finding(patient.loaded.root.messages, unseen)
    if finding is not None:
        yield finding


def _times(patient: Patient, words: str) -> tuple[int, str]:
    """How often the last day's log says it, and when last."""
    found = [line for line in patient.log if words in line.text]
    return len(found), f"{found[-1].at:%H:%M}" if found else ""


def _turns(patient: Patient) -> Iterator[Finding]:
    slow, last = _times(patient, "Slow listener detected")
    if slow:
        yield Finding(
            "slow-listener",
            "warn",
            f"Taking events in was slow {slow} times in the last 24 hours, last at {last}: Redis or "
            "this machine "
            "is busy. Nothing is lost; events wait.",
            "Look at Redis' latency. channels.discord.eventQueue.listenerTimeout only changes when "
            "it is told.",
        )
    stuck, last = _times(patient, "stuck session: sessionKey=")
    if stuck:
        yield Finding(
            "stuck-session",
            "warn",
            f"A conversation was stuck {stuck} times in the last 24 hours, last at {last}.",
            "See the log for its sessionKey; /stop ends a turn, `shoal dead list` shows what gave up.",
        )


def _gateway(patient: Patient) -> Iterator[Finding]:
    lookups, last = _times(patient, "gateway metadata lookup failed")
    if lookups:
        yield Finding(
            "gateway-lookup",
            "warn",
            f"/gateway/bot did not answer {lookups} times in the last 24 hours, last at {last}; the "
            "usual address "
            "was used instead.",
            "Look at the way to Discord (check connection); raise channels.discord.gatewayInfoTimeoutMs "
            "(30000) on slow lines.",
        )
    ready, last = _times(patient, "no READY in time")
    if ready:
        yield Finding(
            "gateway-ready",
            "warn",
            f"Discord did not say READY in time {ready} times in the last 24 hours, last at {last}.",
            "Raise channels.discord.gatewayReadyTimeoutMs (15000), or gatewayRuntimeReadyTimeoutMs "
            "(30000) for "
            "later connections; with several accounts they log in one after the other.",
        )


def _voice(patient: Patient) -> Iterator[Finding]:
    for account in patient.accounts:
        voice = account.discord.voice
        if voice is None or not voice.enabled:
            continue
        if not voice.dave_encryption:
            yield Finding(
                "voice-dave-off",
                "warn",
                f"voice.daveEncryption of account {account.id} is false; Discord wants it.",
                "Remove it (the default is true).",
                f"account {account.id}",
            )
        if voice.decryption_failure_tolerance != 24:
            yield Finding(
                "voice-tolerance",
                "info",
                f"voice.decryptionFailureTolerance of account {account.id} is "
                f"{voice.decryption_failure_tolerance}; the usual value is 24.",
                "Begin with 24 and change it only if failures stay.",
                f"account {account.id}",
            )


def _speech(patient: Patient) -> Iterator[Finding]:
    """Who speaks for agents, and whether recordings can become voice messages here."""
    from workers.media.recoding import has_extra

    loaded = patient.loaded
    if loaded is None:
        return
    wanted = [
        agent for agent in loaded.agents.values() if agent.tts != Tts() and agent.tts.enabled is not False
    ]
    mute = [agent.id for agent in wanted if not loaded.speech_of(agent.id).speakers]
    if mute:
        yield Finding(
            "speech-nobody",
            "warn",
            f"messages.tts is written, but nobody can speak for {', '.join(mute)}: no provider is usable, so "
            "these agents have no tts tool, and no answer is read aloud.",
            "See the warnings of `shoal config validate`: mostly the key is missing (OPENAI_API_KEY, "
            "ELEVENLABS_API_KEY, DEEPGRAM_API_KEY, or apiKey of the provider).",
            "messages.tts",
        )
    unheard, last = _times(patient, "an answer was not read aloud")
    if unheard:
        yield Finding(
            "speech-unheard",
            "warn",
            f"{unheard} answers of the last 24 hours could not be read aloud, last at {last}: people got the "
            "text alone.",
            "The log line says why, and `shoal explain <message link>` for one (`unheard`). Often the "
            "service is away, its key is refused, or messages.tts.timeoutMs is too short for it.",
            "messages.tts",
        )
    if not has_extra():
        yield Finding(
            "audio-extra",
            "warn" if wanted else "info",
            "The extra `audio` (PyAV) is not installed: no recording can become a voice message; they are "
            "sent as files.",
            "Install it where workers run: pip install 'shoal[audio]'. No ffmpeg is needed.",
        )


CHECKS = (
    Check(
        "replies",
        "whether answers in servers are seen",
        ("Mention not required but still blocked", "Bot connects but does not reply in servers"),
        _private,
    ),
    Check(
        "blocked",
        "why messages were left unanswered lately",
        (
            "Guild messages blocked unexpectedly",
            "Mention not required but still blocked",
            "Bot connects but does not reply in servers",
        ),
        _blocked,
    ),
    Check(
        "unseen-replies",
        "people who named the bot and saw no answer",
        ("Mention not required but still blocked", "Bot connects but does not reply in servers"),
        _unseen,
    ),
    Check(
        "turns", "slow intake and stuck conversations", ("Long-running turns or duplicate replies",), _turns
    ),
    Check(
        "gateway",
        "the gateway's lookups and log-ins",
        ("Gateway metadata lookup timeout warnings", "Gateway READY timeout restarts"),
        _gateway,
    ),
    Check("speech", "who speaks for agents, and voice messages", (), _speech),
    Check("voice", "voice settings", ("Voice STT drops with DecryptionFailed",), _voice),
)
