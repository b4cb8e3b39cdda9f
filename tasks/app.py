"""The Celery app: one factory, no global.

Celery carries wake-ups and gives us processes, pools, queues, remote control, Flower and
beat. It never carries the record itself: kombu's Redis transport pops a message before it
is safe, so an ordered piece of work lives in a lane and a message only says "look there".

Settings follow ``spec`` experience with Celery 5.7 on Redis: JSON only, no
acknowledgements (``tasks.consuming``: a lost or doubled hint is harmless), no prefetch (a busy
worker must not hoard hints while others idle), tuned socket options (a half-open broker socket heals in
seconds, not minutes).
"""

from __future__ import annotations

import ssl
import warnings
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from celery import Celery, signals
from celery.platforms import SecurityWarning
from kombu.connection import Connection
from kombu.entity import Queue
from pydantic import SecretStr

from shoal.base.errors import ProcessError
from shoal.state import keys

__all__ = [
    "QUEUE_PREFIX",
    "WORK_QUEUES",
    "QuickConnection",
    "broker_url",
    "build_app",
    "configure_beat",
    "transport_options",
]

QUEUE_PREFIX = keys.CELERY_PREFIX
"""Everything kombu writes lives below this prefix, in the same Redis."""

WORK_QUEUES = frozenset({"upkeep"})
"""Queues of plain tasks, settled when the task says so; the others carry hints, which need no settling."""

QUEUES = ("interactive", "inbound", "delivery", "upkeep", "turns", "chores", "voice")


def transport_options() -> dict[str, Any]:
    """Broker socket options: every wait is bounded, dead sockets are noticed within seconds.

    A socket that went silent is given up after 1 s + 2 × ``health_check_interval`` where it waits for tasks,
    after three intervals where it listens for remote control, and after ``socket_timeout`` elsewhere.
    """
    return {
        "global_keyprefix": QUEUE_PREFIX,
        "visibility_timeout": 3600,
        "health_check_interval": 2,
        "socket_timeout": 4,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "queue_order_strategy": "priority",
        # plain JSON bodies: the hint template is filled in by a script inside Redis
        "body_encoding": None,
    }


def broker_url(store_url: str, password: SecretStr | None = None) -> str:
    """Our store URL in kombu's words (``unix:`` is ``redis+socket:`` there), with its password.

    Raises:
        ProcessError: a scheme that kombu's Redis transport does not speak.
    """
    scheme = urlsplit(store_url).scheme
    if scheme in ("redis", "rediss", "sentinel"):
        return _with_login(store_url, password, scheme)
    if scheme == "unix":
        return _with_login(store_url, password, "redis+socket")
    raise ProcessError(
        f"The Redis URL has the scheme {scheme!r}, which the task queue cannot use.",
        fix="Use redis://, rediss://, unix:// or sentinel://.",
    )


def _with_login(store_url: str, password: SecretStr | None, scheme: str) -> str:
    parts = urlsplit(store_url)
    secret = password.get_secret_value() if password else unquote(parts.password or "")
    user = quote(unquote(parts.username or ""), safe="")
    login = f"{user}:{quote(secret, safe='')}@" if secret else ""
    address = parts.netloc.rpartition("@")[2]
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{login}{address}{parts.path}{query}"


RECONNECT_FIRST_S = 0.2
RECONNECT_MAX_S = 1.0


class QuickConnection(Connection):
    """Comes back to a broker that was away within a second.

    Celery asks kombu to try again after 2, 4, 6, … 30 seconds and offers no setting for it; a Redis that is
    restarted is there again after one.
    """

    def ensure_connection(self, *args: Any, **kwargs: Any) -> Any:
        """As kombu's, with pauses of our own."""
        pauses = {"interval_start": RECONNECT_FIRST_S, "interval_step": 0.2, "interval_max": RECONNECT_MAX_S}
        again = super().ensure_connection
        return again(*args, **{**pauses, **kwargs})  # type: ignore[no-untyped-call]


def _keep_logging(**_: object) -> None:
    """Logging is set up by :mod:`shoal.base.logging`."""


def tls_options(store_url: str, ca_file: str | None) -> dict[str, Any]:
    """How the task queue speaks TLS; empty without TLS. Left to itself, kombu would verify nothing (R30)."""
    if urlsplit(store_url).scheme != "rediss":
        return {}
    authorities = {"ssl_ca_certs": ca_file} if ca_file else {}
    return {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": True, **authorities}


def build_app(store_url: str, password: SecretStr | None = None, ca_file: str | None = None) -> Celery:
    """A configured app for this process. Tasks are added by :func:`tasks.registry.register`.

    Args:
        ca_file: PEM bundle of the authorities trusted for ``rediss:``; none takes the system's.

    Raises:
        ProcessError: the URL is none that the task queue speaks.
    """
    broker = broker_url(store_url, password)
    # a receiver is all Celery wants to see in order to leave logging alone
    signals.setup_logging.connect(_keep_logging, weak=False)
    warnings.filterwarnings("ignore", category=SecurityWarning)
    app = Celery("shoal", set_as_current=True)
    app.amqp.Connection = QuickConnection
    options = transport_options()
    app.conf.update(
        broker_url=broker,
        broker_transport_options=options,
        broker_use_ssl=tls_options(store_url, ca_file) or None,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=False,
        task_track_started=True,
        task_send_sent_event=False,
        task_serializer="json",
        event_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        result_accept_content=["json"],
        task_create_missing_queues=False,
        task_queues=[Queue(name, routing_key=name) for name in QUEUES],
        task_default_queue="upkeep",
        task_default_delivery_mode="transient",
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        worker_consumer="tasks.consuming:FleetConsumer",
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_send_task_events=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_soft_shutdown_timeout=0.0,
        worker_proc_alive_timeout=20,
        worker_enable_remote_control=True,
        control_queue_ttl=60,
        enable_utc=True,
        timezone="UTC",
    )
    return app


def configure_beat(
    app: Celery, store_url: str, password: SecretStr | None = None, ca_file: str | None = None
) -> None:
    """Settings of beat alone. Workers must not have them: anybody who may look at a worker's settings
    (Flower does) would read the password in ``redbeat_redis_url``, which Celery does not know to mask.
    """
    app.conf.update(
        redbeat_redis_url=_with_login(store_url, password, urlsplit(store_url).scheme),
        # without a bound a silent socket would hold beat for ever
        redbeat_redis_options={"socket_timeout": 4, "health_check_interval": 15},
        redbeat_redis_use_ssl=tls_options(store_url, ca_file) or None,
        redbeat_key_prefix=keys.PREFIX + "beat:",
        redbeat_lock_timeout=25,
        beat_max_loop_interval=5,
    )
