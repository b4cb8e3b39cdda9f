"""One way to log: structlog, masked, to stderr for people and to ``logs/shoal.log``.

Every process calls :func:`setup_logging` once. Bind what a line is about
(``account``, ``channel``, ``message_id``, ``session``, ``task_id``); never message text
above DEBUG.
"""

from __future__ import annotations

import fcntl
import logging
import logging.handlers
import sys
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from shoal.base.redact import redactor

# structlog loads rich for coloured tracebacks, which we must not use (they show local variables); without
# it each process of the fleet is 4 MB smaller and starts 60 ms earlier
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]
try:
    import structlog
finally:
    if _rich is None:
        del sys.modules["rich"]
    else:
        sys.modules["rich"] = _rich

__all__ = ["get_logger", "setup_logging"]

LOG_FILE_BYTES = 20 * 1024 * 1024
LOG_FILE_COUNT = 5


def _masked(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = redactor.mask(value)
        elif isinstance(value, BaseException):
            event[key] = redactor.mask(f"{type(value).__name__}: {value}")
    return event


class _SharedRotatingFile(logging.handlers.WatchedFileHandler):
    """One log file for many processes: whoever finds it too large renames it, under a lock."""

    def emit(self, record: logging.LogRecord) -> None:
        self._rotate_if_large()
        super().emit(record)

    def _rotate_if_large(self) -> None:
        path = Path(self.baseFilename)
        try:
            if path.stat().st_size < LOG_FILE_BYTES:
                return
            with path.with_suffix(".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                if path.stat().st_size < LOG_FILE_BYTES:
                    return  # another process was first
                for index in range(LOG_FILE_COUNT - 1, 0, -1):
                    older = path.with_name(f"{path.name}.{index}")
                    if older.exists():
                        older.replace(path.with_name(f"{path.name}.{index + 1}"))
                path.replace(path.with_name(f"{path.name}.1"))
        except FileNotFoundError:
            return  # renamed a moment ago; the watched handler opens the new one


class _MaskedFormatter(structlog.stdlib.ProcessorFormatter):
    """Masks the finished line too: tracebacks and foreign loggers pass here."""

    def format(self, record: logging.LogRecord) -> str:
        return redactor.mask(super().format(record))


def setup_logging(
    process: str, *, level: str = "INFO", state_dir: Path | None = None, json: bool = False
) -> None:
    """Send this process's logs to stderr and, with a state dir, to its rotated log file.

    Args:
        process: name shown on every line, ``kind`` or ``kind@host``.
        level: lowest level shown.
        state_dir: where ``logs/shoal.log`` lives; none writes no file.
        json: JSON lines on stderr instead of text for people.
    """

    def named(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("process", process)
        return event

    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        named,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%dT%H:%M:%S.%f", utc=False),
        _masked,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Any = structlog.processors.JSONRenderer() if json else _console(colors=sys.stderr.isatty())
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if state_dir is not None:
        folder = state_dir / "logs"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handlers.append(_SharedRotatingFile(folder / "shoal.log"))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    plain = _console(colors=False)
    # the console renderer writes tracebacks itself, JSON needs them as text
    tracebacks: list[Any] = [structlog.processors.format_exc_info] if json else []
    for index, handler in enumerate(handlers):
        handler.setFormatter(
            _MaskedFormatter(
                foreign_pre_chain=shared,
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    *(tracebacks if index == 0 else []),
                    renderer if index == 0 else plain,
                ],
            )
        )
        root.addHandler(handler)
    root.setLevel(level.upper())
    for noisy in ("urllib3", "httpx2", "httpcore2", "openai", "anthropic", "tornado.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _console(*, colors: bool) -> structlog.dev.ConsoleRenderer:
    # a traceback must never show local variables: they hold what people wrote, and secrets
    return structlog.dev.ConsoleRenderer(
        colors=colors, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for a module; pass ``__name__``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
