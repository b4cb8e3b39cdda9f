"""What a config allows that its writer may not have meant.

``spec/inbound.md`` 1.11, decisions 4, 14, 20, 50, 51.
Pure: from a loaded config (and who was approved by pairing) to findings. Nothing here changes
anything; ``shoal doctor`` and ``shoal security audit`` show it.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.audit import commands, direct, guilds, names, sharing
from config.loaded import Loaded
from shoal.base.findings import Finding

__all__ = ["audit"]


def audit(loaded: Loaded, paired: Mapping[str, int] | None = None) -> list[Finding]:
    """Every finding about access.

    Args:
        loaded: the config.
        paired: account → how many senders were approved by pairing, where that is known.
    """
    found: list[Finding] = []
    for part in (direct, guilds, names, commands, sharing):
        found += part.look(loaded, paired or {})
    return found
