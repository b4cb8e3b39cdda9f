"""Why an answer is not seen, and what the log says about the gateway."""

from __future__ import annotations

from collections.abc import Iterator

from shoal.base.findings import Finding
from shoal.cli.doctor.check import Check, Patient

__all__ = ["CHECKS"]


def _private(patient: Patient) -> Iterator[Finding]:
    """In servers the final text is private unless the config says otherwise (``spec/inbound.md`` 9.1)."""
    loaded = patient.loaded
    if loaded is None:
        return
    messages = loaded.root.messages
    wanted = messages.group_chat.visible_replies or messages.visible_replies or "message_tool"
    serving = [
        account.id
        for account in loaded.accounts
        if account.discord.group_policy == "open" or account.discord.guilds
    ]
    if (
        wanted != "message_tool"
        or not serving
        or all(agent.primary is None for agent in loaded.agents.values())
    ):
        return
    yield Finding(
        "private-replies",
        "info",
        "In servers only what the agent sends with the message tool is seen; its final text stays private "
        "(messages.groupChat.visibleReplies is message_tool). A model that does not call tools "
        "reliably types "
        "and then says nothing.",
        'Use a model that calls tools well, or set messages.groupChat.visibleReplies: "automatic".',
        "messages.groupChat.visibleReplies",
    )


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


CHECKS = (
    Check(
        "replies",
        "whether answers in servers are seen",
        ("Mention not required but still blocked", "Bot connects but does not reply in servers"),
        _private,
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
    Check("voice", "voice settings", ("Voice STT drops with DecryptionFailed",), _voice),
)
