"""What an address says by itself, before anybody is asked."""

from __future__ import annotations

import ipaddress

__all__ = ["is_loopback"]


def is_loopback(host: str, *, below: bool = False) -> bool:
    """Whether a host is this machine by its very name: ``localhost`` or an address of the loopback.

    Args:
        below: names below ``.localhost`` count as well. They are reserved for this machine, but a resolver
            may ask others for them: not where a secret would travel in the clear.
    """
    name = host.strip("[]").lower()
    if name == "localhost" or (below and name.endswith(".localhost")):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
