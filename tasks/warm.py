"""What the first turn of a process would have to wait for is done while nobody waits.

Model SDKs take most of a second to import, and a TLS context some more. A thread of the
``turns`` workers does both once the worker consumes; a turn that comes earlier does it
itself, as before.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from celery import signals

from config import Loaded
from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from workers.agent.models import GUIDE
from workers.agent.providers.base import Provider

__all__ = ["warm_up", "warm_up_when_ready"]

log = get_logger(__name__)


def warm_up_when_ready(loaded: Loaded, provider: Callable[[str, str], Provider]) -> None:
    """Prepare the providers of the configured models as soon as the worker consumes."""

    def begin(**_: object) -> None:
        threading.Thread(target=warm_up, args=(loaded, provider), name="warm-up", daemon=True).start()

    signals.worker_ready.connect(begin, weak=False)


def warm_up(loaded: Loaded, provider: Callable[[str, str], Provider]) -> None:
    """Prepare every provider that the first choice of some agent needs, for every account."""
    names = {agent.primary.provider for agent in loaded.agents.values() if agent.primary}
    for name in sorted(names - {GUIDE.provider}):
        for account in loaded.account_ids():
            try:
                provider(name, account).prepare()
            except ShoalError as error:
                log.warning("a model provider cannot be used", provider=name, account=account, error=error)
