"""Whether answers of a conversation are delivered at all (``session.sendPolicy``, ``/send``; inbound 9.1).

Where they are not, turns still run and are stored; what the agent sends by its own tool is its own act.
"""

from __future__ import annotations

from config.schema.session import SendPolicy, SendPolicyMatch
from workers.sessions.records import TurnRequest

__all__ = ["may_send"]


def may_send(policy: SendPolicy | None, request: TurnRequest, *, override: str = "") -> bool:
    """Whether the answer to ``request`` is delivered.

    Args:
        policy: ``session.sendPolicy``; ``None`` allows everything. The first rule that fits decides.
        override: what ``/send`` said in this conversation: ``on``, ``off``, or empty to follow the policy.
    """
    if override in ("on", "off"):
        return override == "on"
    if policy is None:
        return True
    for rule in policy.rules:
        if _fits(rule.match, request):
            return rule.action == "allow"
    return policy.default != "deny"


def _fits(match: SendPolicyMatch, request: TurnRequest) -> bool:
    """All fields that are written fit. ``keyPrefix`` may leave out ``agent:<id>:``, ``rawKeyPrefix`` not."""
    key = request.session_key
    bare = key.split(":", 2)[2] if key.startswith("agent:") and key.count(":") >= 2 else key
    kinds = {request.chat_type, "dm"} if request.chat_type == "direct" else {request.chat_type}
    checks = (
        match.channel is None or match.channel.strip().lower() == "discord",
        match.chat_type is None or match.chat_type.strip().lower() in kinds,
        match.key_prefix is None or key.startswith(match.key_prefix) or bare.startswith(match.key_prefix),
        match.raw_key_prefix is None or key.startswith(match.raw_key_prefix),
    )
    return all(checks)
