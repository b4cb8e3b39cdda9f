"""One process of four that send as much as the limiter lets them.

``python -m bench.senders API_URL REDIS_URL TOKEN SECONDS BACKGROUND CHANNEL…``: twelve threads of background
traffic (``paced``, or ``unpaced``: with the priority of people) and two of a person's. Prints, as JSON, how
long each of the person's requests waited for the limiter.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time

from pydantic import SecretStr

from shoal.base.errors import ShoalError
from shoal.base.logging import setup_logging
from shoal.discord.limiter import Booking, Limiter, Priority, Scope
from shoal.discord.rest import Rest
from shoal.discord.routes import Route
from shoal.discord.transport import Transport
from shoal.state.store import Store

BACKGROUND = 12
PEOPLE = 2
PERSON_PAUSE_S = 0.4
"""Between two requests of a person: eight of them ask for a share of the limit, not for all of it."""


class TimedLimiter(Limiter):
    """Notes how long interactive requests waited."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.mine = threading.local()

    def acquire(
        self, scope: Scope, route: Route, priority: Priority, *, max_wait: float | None = None
    ) -> Booking:
        """As the limiter; the time goes to the calling thread."""
        began = time.monotonic()
        try:
            return super().acquire(scope, route, priority, max_wait=max_wait)
        finally:
            self.mine.waited = time.monotonic() - began


def main() -> None:
    """Send until the time is over."""
    api_url, redis_url, token, seconds, mode, *channels = sys.argv[1:]
    setup_logging("sender", level="WARNING")
    store = Store.open(redis_url, client_name="bench-sender")
    limiter = TimedLimiter(store)
    rest = Rest(Transport("default", SecretStr(token), limiter=limiter, api_url=api_url, threads=20))
    ends = time.monotonic() + float(seconds)
    waits: list[float] = []
    errors: list[str] = []

    def background() -> None:
        priority = Priority.BACKGROUND if mode == "paced" else Priority.INTERACTIVE
        while time.monotonic() < ends:
            send(random.choice(channels), priority)

    def person() -> None:
        while time.monotonic() < ends:
            if send(random.choice(channels), Priority.INTERACTIVE):
                waits.append(limiter.mine.waited)
            time.sleep(PERSON_PAUSE_S * random.uniform(0.5, 1.5))

    def send(channel: str, priority: Priority) -> bool:
        try:
            rest.create_message(channel, nonce=None, content="x", priority=priority)
        except ShoalError as error:
            errors.append(error.code)
            return False
        return True

    threads = [threading.Thread(target=background) for _ in range(BACKGROUND)]
    threads += [threading.Thread(target=person) for _ in range(PEOPLE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"waits": waits, "errors": errors}))


if __name__ == "__main__":
    main()
