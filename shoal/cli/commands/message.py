"""``shoal message …``: built from the table in :mod:`shoal.cli.message.table`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from shoal.cli.message.table import COMMANDS, FLAGS, LISTS, SWITCHES, Line, camel
from shoal.cli.options import AsJson, ConfigPath, StateDir

__all__ = ["register"]

GROUPS = {
    "thread": "Threads and forum posts.",
    "emoji": "Custom emoji.",
    "sticker": "Stickers.",
    "member": "Members.",
    "role": "Roles.",
    "channel": "Channels.",
    "voice": "Voice states.",
    "event": "Scheduled events.",
}
SENDING = ("send", "broadcast", "poll", "sticker", "thread-reply")
"""Actions whose sends a fleet may have to come to first."""
_COMMON: dict[str, tuple[Any, Any]] = {
    "channel": (Annotated[str, typer.Option("--channel", help="discord is the only one.")], "discord"),
    "account": (Annotated[str | None, typer.Option(help="Bot account. Default: the default one.")], None),
    "dry_run": (Annotated[bool, typer.Option("--dry-run", help="Show the request, do not send it.")], False),
    "verbose": (
        Annotated[bool, typer.Option("--verbose", help="Show each request on standard error.")],
        False,
    ),
    "timeout": (
        Annotated[float, typer.Option(help="Seconds to wait for the fleet to have sent it.")],
        30.0,
    ),
    "config": (ConfigPath, None),
    "state_dir": (StateDir, None),
    "as_json": (AsJson, False),
}


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    root = typer.Typer(
        rich_markup_mode=None, no_args_is_help=True, help="Act on Discord as the bot: send, read, moderate, …"
    )
    groups = {
        name: typer.Typer(rich_markup_mode=None, no_args_is_help=True, help=text)
        for name, text in GROUPS.items()
    }
    for line in COMMANDS:
        place = groups[line.words[0]] if len(line.words) == 2 else root
        place.command(line.words[-1], help=line.help)(_command(line))
    for name, group in groups.items():
        root.add_typer(group, name=name)
    app.add_typer(root, name="message")


def _command(line: Line) -> Callable[..., None]:
    """A function whose signature has the flags of the line, as Typer reads it."""
    wanted = {camel(flag): _flag(flag) for flag in line.flags} | _COMMON
    if line.action not in SENDING:
        del wanted["timeout"]

    def run(**values: Any) -> None:
        from shoal.base.logging import setup_logging
        from shoal.cli.message.run import run_line

        common = {name: values.pop(name) for name in _COMMON if name in values}
        given = {name: value for name, value in values.items() if value not in (None, False)}
        setup_logging("message", level="INFO" if common["verbose"] else "WARNING")
        run_line(line, given, **common)

    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in wanted.items()
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {name: kind for name, (kind, _) in wanted.items()}
    return run


def _flag(flag: str) -> tuple[Any, Any]:
    option = typer.Option(f"--{flag}", help=FLAGS[flag])
    if flag in SWITCHES:
        return Annotated[bool, option], False
    if flag in LISTS:
        return Annotated[list[str] | None, option], None
    return Annotated[str | None, option], None
