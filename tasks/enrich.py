"""``enrich.*``: plain Celery tasks that find out what held messages wait for.

Idempotent and without order, so nothing of a lane is needed: acknowledged late, tried again, given up
when nobody waits any more. Arguments are ids. They share the ``back`` workers with deliveries, so
only some run at once in a process; the others come back a moment later.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable

from celery import Celery, Task

from shoal.base.errors import InvalidName
from shoal.base.ids import check_name
from shoal.discord.pluralkit import PluralKit
from shoal.discord.retry import NO_RETRY
from shoal.state.lookups import Asked
from tasks.plain import send_plain
from tasks.runtime import Runtime
from workers.sessions.enrichment import Enrichment, LookupFailedError

__all__ = ["ENRICH_TASKS", "ask", "register_enrich"]

EXPIRES_S = 10
"""A look-up that has not begun by then comes too late for any hold."""
TRIES = 3
AT_ONCE = 6
"""Look-ups at once in one process; a slow server must not keep the threads of deliveries."""
BUSY_S = 0.2
MAX_WAIT_S = 0.05

_ID = re.compile(r"\d{1,20}")
_slots = threading.BoundedSemaphore(AT_ONCE)

ENRICH_TASKS: dict[str, Callable[..., str]] = {
    "enrich.member": lambda find, guild_id, user_id: find.member(guild_id, user_id),
    "enrich.inthread": lambda find, thread_id, user_id: find.thread_member(thread_id, user_id),
    "enrich.channel": lambda find, channel_id: find.channel(channel_id),
    "enrich.message": lambda find, channel_id, message_id: find.message(channel_id, message_id),
    "enrich.pluralkit": lambda find, message_id: find.speaker(message_id),
}
"""Task name → what it does with an :class:`Enrichment` and the ids that follow the account."""


def ask(app: Celery, channel_id: str, questions: Iterable[Asked]) -> None:
    """Send somebody to find out. The caller asks again at its next look if the message got lost.

    Raises:
        kombu.exceptions.OperationalError: the broker does not answer.
    """
    for asked in questions:
        ids = [channel_id, asked.name] if asked.kind == "message" else asked.name.split(".")
        send_plain(app, f"enrich.{asked.kind}", asked.account, *ids, expires_s=EXPIRES_S)


def register_enrich(app: Celery, runtime: Callable[[], Runtime]) -> None:
    """Add the tasks to ``app``."""
    for name, body in ENRICH_TASKS.items():
        app.task(
            name=name,
            bind=True,
            acks_late=True,
            max_retries=None,
            expires=EXPIRES_S,
        )(_enrich_task(name, body, runtime))


def _enrich_task(name: str, body: Callable[..., str], runtime: Callable[[], Runtime]) -> Callable[..., str]:
    def task(self: Task, account: str, *ids: str, tries: int = 0) -> str:
        if not all(isinstance(one, str) and _ID.fullmatch(one) for one in ids):
            raise InvalidName(f"id (for {name})", str(ids))
        check_name(account, "account")
        if not _slots.acquire(blocking=False):
            raise self.retry(countdown=BUSY_S)
        try:
            return body(_enrichment(runtime(), account, last=tries + 1 >= TRIES), *ids)
        except LookupFailedError as error:
            raise self.retry(countdown=error.delay_s, exc=error, kwargs={"tries": tries + 1}) from None
        finally:
            _slots.release()

    task.__name__ = name.replace(".", "_")
    return task


def _enrichment(runtime: Runtime, account_id: str, *, last: bool) -> Enrichment:
    account = runtime.loaded.account(account_id)
    rest = runtime.rest(account_id).limited(max_wait=MAX_WAIT_S, retry=NO_RETRY)
    kit = None
    if account.discord.pluralkit.enabled:
        kit = PluralKit(rest.transport, base=account.pluralkit_url, token=account.pluralkit_token)
    return Enrichment(runtime.store, account_id, rest, kit, last=last)
