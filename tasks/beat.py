"""Beat: celery-redbeat with one reconciling tick a minute.

Announcements never hang on beat: a fire is a delayed lane record. The tick only reseeds
what a crash may have cut, so the seconds a standby needs to take over move nothing. Several
beats may run; one holds redbeat's lock.
"""

from __future__ import annotations

import signal
from types import FrameType

from celery.beat import Service
from redis.exceptions import LockError, RedisError

from config import Loaded
from shoal.base import exits
from shoal.base.errors import ProcessError, StoreUnavailable
from shoal.base.logging import get_logger
from tasks.app import configure_beat
from tasks.periodic import PERIODIC
from tasks.runtime import open_runtime

__all__ = ["run"]

log = get_logger(__name__)


def run(loaded: Loaded) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code.

    Raises:
        ProcessError: somebody else ticks now.
        StoreUnavailable, StoreUnsuitable: Redis is away or must not be used as it is.
    """
    runtime = open_runtime(loaded, "beat")
    configure_beat(runtime.app, runtime.store_url, loaded.redis.password, loaded.redis.ca_file)
    runtime.app.conf.beat_schedule = PERIODIC
    service = Service(app=runtime.app, scheduler_cls="redbeat.RedBeatScheduler")

    def stop(_signum: int, _frame: FrameType | None) -> None:
        service.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    log.info("beat is ready", ticks=sorted(PERIODIC))
    try:
        service.start()
    except LockError as error:
        raise ProcessError(
            "Beat has lost its lock: it stood still for too long, or Redis' clock jumped.",
            fix="Nothing to do: its supervisor starts it again, and another beat may tick meanwhile.",
            exit_code=exits.UNAVAILABLE,
        ) from error
    except RedisError as error:
        raise StoreUnavailable(f"Beat cannot reach Redis: {type(error).__name__}.") from error
    runtime.close()
    return 0
