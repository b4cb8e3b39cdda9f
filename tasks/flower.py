"""Flower, started in code: loopback, always behind a password, read-only by default.

Flower shows what a task name, its arguments and its returned line say; those hold lane
names and short outcomes, never content. Its ``/metrics`` page ignores the password, so it
is left out of the routes here: queue depths come from ``shoal status``.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
from pathlib import Path
from types import FrameType
from typing import Any

from config import Loaded
from config.secrets import SecretUnavailable
from shoal.base import exits
from shoal.base.errors import ProcessError
from shoal.base.logging import get_logger
from shoal.base.redact import redactor
from tasks.runtime import open_runtime

__all__ = ["FLOWER_USER", "flower_password", "password_in_force", "run"]

FLOWER_USER = "shoal"
DEFAULT_PORT = 5555
OPEN_ROUTES = ("/metrics",)

log = get_logger(__name__)


def flower_password(state_dir: Path) -> str:
    """The password of the monitoring page; made once, kept in ``flower.password`` (0600)."""
    path = state_dir / "flower.password"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        password = path.read_text().strip()
    else:
        password = secrets.token_urlsafe(18)
        with os.fdopen(descriptor, "w") as file:
            file.write(password + "\n")
    redactor.register(password)
    return password


def password_in_force(loaded: Loaded) -> tuple[str, str]:
    """The password in force, and where it stands.

    Raises:
        ProcessError: ``fleet.flower.password`` names a secret that cannot be had.
    """
    file = str(loaded.state_dir / "flower.password")
    written = loaded.root.fleet.flower.password
    if written is None or loaded.secrets is None:
        return flower_password(loaded.state_dir), file
    try:
        secret = loaded.secrets.plain(written)
    except SecretUnavailable as error:
        raise ProcessError(
            f"fleet.flower.password: {error.message}", fix=error.fix, exit_code=exits.CONFIG
        ) from error
    password = secret.get_secret_value().strip() if secret is not None else ""
    if not password:
        return flower_password(loaded.state_dir), file
    redactor.register(password)
    return password, "config:fleet.flower.password"


def run(loaded: Loaded, *, port: int = DEFAULT_PORT, address: str = "127.0.0.1") -> int:
    """Serve the monitoring page until SIGTERM; returns the exit code.

    Raises:
        ProcessError: the port is taken, or the password cannot be had.
    """
    from flower import app as flower_app
    from flower.options import default_options as options
    from flower.urls import handlers, settings

    password, place = password_in_force(loaded)
    runtime = open_runtime(loaded, "flower")
    options.basic_auth = [f"{FLOWER_USER}:{password}"]
    options.address = address
    options.port = port
    options.read_only = True
    options.max_tasks = 10_000
    options.enable_events = True
    logging.getLogger("tornado.access").propagate = False
    # it asks before the first worker is there, and warns each time; who answers is said by `shoal status`
    logging.getLogger("flower.inspector").setLevel(logging.ERROR)
    flower_app.default_handlers = [route for route in handlers if not _is_open(route)]
    page = flower_app.Flower(capp=runtime.app, options=options, **settings)

    def stop(_signum: int, _frame: FrameType | None) -> None:
        page.io_loop.add_callback_from_signal(page.io_loop.stop)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    try:
        bound = page.start_http_server()
    except OSError as error:
        raise ProcessError(
            f"Flower cannot listen on {address}:{port}: {error.strerror}.",
            fix="Stop what uses that port, or choose another with fleet.flower.port.",
        ) from error
    log.info(
        "Flower is ready",
        url=f"http://{address}:{bound}",
        user=FLOWER_USER,
        password=place,
    )
    page.start()
    runtime.close()
    return 0


def _is_open(route: Any) -> bool:
    pattern = route[0] if isinstance(route, tuple) else route.regex.pattern
    return str(pattern).rstrip("$") in OPEN_ROUTES
