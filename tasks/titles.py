"""``thread.title``: a better name for a thread that was made for a message.

A plain task: unordered, idempotent, and nothing waits for it. It is asked for when the thread is
there, at least once; a thread whose task is lost keeps the name it has. The words are in a blob,
the message holds its id alone. The agent's ``utilityModel`` is asked first, if it has one.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from celery import Celery
from kombu.exceptions import OperationalError

from shoal.base.errors import ShoalError, StoreUnavailable
from shoal.base.ids import check_name
from shoal.base.logging import get_logger
from shoal.discord.threads import rename_channel
from tasks.plain import send_plain
from tasks.runtime import Runtime
from workers.agent.models import GUIDE, candidates
from workers.agent.titles import find_title
from workers.sessions.records import TurnRequest, decode_turn, encode

__all__ = ["TITLE", "ask_for_title", "register_titles", "title"]

TITLE = "thread.title"
EXPIRES_S = 300.0
RENAME_WAIT_S = 20.0

log = get_logger(__name__)


def register_titles(app: Celery, runtime: Callable[[], Runtime]) -> None:
    """Add the task to ``app``."""

    @app.task(name=TITLE, acks_late=True, autoretry_for=(StoreUnavailable,), max_retries=3, retry_backoff=1)
    def thread_title(blob_id: str) -> str:
        return title(runtime(), check_name(str(blob_id), "blob id"))


def ask_for_title(runtime: Runtime, request: TurnRequest) -> None:
    """Have a title found for the thread of a request. Losing this costs nothing but the title."""
    try:
        blob = runtime.store.blobs.put(encode(request), ttl_s=int(EXPIRES_S))
        send_plain(runtime.app, TITLE, blob, expires_s=EXPIRES_S)
    except (ShoalError, OperationalError) as error:
        log.warning("no title was asked for", session=request.session_key, error=type(error).__name__)


def title(runtime: Runtime, blob_id: str) -> str:
    """Find the title and give it to the thread; a line for Flower."""
    body = runtime.store.blobs.get(blob_id)
    if body is None:
        return "nothing to name: too late"
    try:
        request = decode_turn(body)
    except msgspec.DecodeError:
        return "nothing to name: unreadable"
    deps = runtime.turn_deps
    profile = deps.profile(request)
    wanted = candidates(profile.utility, candidates(profile.primary, profile.fallbacks))
    refs = [ref for ref in wanted if ref != GUIDE]
    if not refs:
        return "nothing to name: no model"
    try:
        found = find_title(deps.models, refs, request)
        if not found or found == request.channel_name:
            return "kept"
        rename_channel(
            runtime.rest(request.account).limited(max_wait=RENAME_WAIT_S), request.channel_id, found
        )
    except StoreUnavailable:
        raise
    except ShoalError as error:
        log.warning("a thread keeps its name", session=request.session_key, code=error.code, error=error)
        return f"kept: {error.code}"
    return "renamed"
