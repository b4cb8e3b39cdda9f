"""``shoal channels``: what the names in a config, or those one means to write, become (decision 47)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from shoal.base.errors import StoreUnavailable
from shoal.cli.options import AsJson, ConfigPath, StateDir

if TYPE_CHECKING:
    from config import Loaded
    from shoal.discord.limiter import LimiterLike
    from workers.access.lookup import Found

__all__ = ["register"]

channels_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Guilds, channels and people as Discord has them."
)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(channels_app, name="channels")


@channels_app.command()
def resolve(
    entries: Annotated[
        list[str],
        typer.Argument(
            help="Ids, @name, <@id>, <#id>, a guild, Guild/#channel, #channel; - reads them from standard "
            "input, one a line."
        ),
    ],
    account: Annotated[
        str | None, typer.Option(help="Bot account that is asked. Default: the default one.")
    ] = None,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask Discord what entries mean, and print their ids. Exit code 1 if one of them is not found.

    Ids are what belongs into allow-lists: names change, and a stranger may take one.
    """
    import config as configuration
    from shoal.cli.egress import guard_egress
    from shoal.discord.connect import open_transport
    from shoal.discord.directory import RestDirectory
    from shoal.discord.rest import Rest
    from workers.access.lookup import find_entry

    loaded = configuration.load(config, state_dir=state_dir)
    served = loaded.account(account or loaded.default_account_id)
    guard_egress(loaded, [served.id], process="channels")
    wanted = [word for text in entries for word in (sys.stdin.read().splitlines() if text == "-" else [text])]
    with _limiter(loaded) as limiter:
        directory = RestDirectory(Rest(open_transport(served, limiter)))
        found = [find_entry(entry, directory) for entry in wanted if entry.strip()]
    if as_json:
        print(json.dumps([asdict(one) | {"found": bool(one.id)} for one in found], ensure_ascii=False))
    else:
        print("\n".join(_line(one) for one in found))
    sys.exit(0 if all(one.id for one in found) else 1)


@contextmanager
def _limiter(loaded: Loaded) -> Iterator[LimiterLike]:
    """The fleet's rate limiter where a fleet runs; before the first start there is none to share."""
    from shoal.cli.store import opened
    from shoal.discord.limiter import Limiter, Unlimited

    with ExitStack() as stack:
        limiter: LimiterLike = Unlimited()
        try:
            limiter = Limiter(stack.enter_context(opened(loaded)))
        except StoreUnavailable:
            if loaded.redis_url is not None:
                raise
        yield limiter


def _line(found: Found) -> str:
    if not found.id:
        return f"{found.entry}: not found. {found.note}"
    name = {"user": f"@{found.name}", "guild": found.name}.get(found.kind, f"#{found.name}")
    where = f" in {found.guild_name} ({found.guild_id})" if found.kind in ("channel", "thread") else ""
    note = f" [{found.note}]" if found.note else ""
    return f"{found.entry}: {found.kind} {found.id} {name}{where}{note}"


@channels_app.command()
def capabilities(
    target: Annotated[
        str | None, typer.Option(help="Channel or thread to look at: channel:<id>, #name, Guild/#name.")
    ] = None,
    channel: Annotated[str, typer.Option("--channel", help="discord is the only one.")] = "discord",
    account: Annotated[
        str | None, typer.Option(help="Bot account that is asked. Default: the default one.")
    ] = None,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What the bot may do: its intents, and with --target what it lacks there for text, voice, files, …."""
    from shoal.cli.message.capabilities import of_account, of_channel, render
    from shoal.cli.message.run import check_channel, operator

    check_channel(channel)
    with operator(config, state_dir, account) as who:
        report = of_account(who)
        if target is not None:
            report["channel"] = of_channel(who, target)
    print(json.dumps(report, ensure_ascii=False) if as_json else render(report))
