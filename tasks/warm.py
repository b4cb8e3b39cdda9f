"""What the first task of a process would have to wait for is done while nobody waits.

Model SDKs take most of a second to import, HTTP clients and TLS contexts some more. A thread
does it once the worker consumes; a task that comes earlier does it itself, as before.
"""

from __future__ import annotations

from collections.abc import Callable

from celery import signals

from config import Loaded
from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.base.threads import start_thread
from tasks.runtime import Runtime
from workers.agent.models import GUIDE
from workers.agent.providers.base import Provider

__all__ = ["warm_up_models", "warm_up_when_ready"]

CLICKS = ("front", "back")
"""Kinds of workers that answer clicks, and decide for that who may talk."""

log = get_logger(__name__)


def warm_up_when_ready(runtime: Runtime) -> None:
    """Build what the tasks of this kind use, as soon as the worker consumes."""

    def begin(**_: object) -> None:
        start_thread("warm-up", lambda: _warm_up(runtime), _not_warm)

    signals.worker_ready.connect(begin, weak=False)


def _not_warm(error: ShoalError) -> None:
    """Tasks do it themselves then, and fail with their own reason if it cannot be done."""
    log.warning("not warmed up", error=error)


def _warm_up(runtime: Runtime) -> None:
    for account in runtime.loaded.account_ids():
        try:
            runtime.rest(account)
            if runtime.kind in CLICKS:
                runtime.admission_settings(account)
        except ShoalError as error:
            log.warning("an account cannot be used", account=account, error=error)
    if runtime.kind == "back":
        _ = runtime.delivery_deps
    if runtime.kind == "turns":
        warm_up_models(runtime.loaded, runtime.turn_deps.models.provider)


def warm_up_models(loaded: Loaded, provider: Callable[[str, str], Provider]) -> None:
    """Prepare every provider that the first choice of some agent needs, for every account."""
    names = {agent.primary.provider for agent in loaded.agents.values() if agent.primary}
    for name in sorted(names - {GUIDE.provider}):
        for account in loaded.account_ids():
            try:
                provider(name, account).prepare()
            except ShoalError as error:
                log.warning("a model provider cannot be used", provider=name, account=account, error=error)
