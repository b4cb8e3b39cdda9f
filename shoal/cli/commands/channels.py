"""``shoal channels``: accounts and what Discord says of them; what names become (decision 47)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from enum import Enum
from typing import TYPE_CHECKING, Annotated

import typer

from shoal.base.errors import StoreUnavailable
from shoal.cli.options import AsJson, ConfigPath, StateDir

if TYPE_CHECKING:
    from config import Loaded
    from shoal.state.store import Store
    from workers.access.lookup import Found

__all__ = ["register"]

channels_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Guilds, channels and people as Discord has them."
)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(channels_app, name="channels")


class Kind(Enum):
    """What entries may be."""

    AUTO = "auto"
    USER = "user"
    GROUP = "group"


Account = Annotated[str | None, typer.Option(help="Bot account that is asked. Default: the default one.")]
Channel = Annotated[str, typer.Option("--channel", help="discord is the only one; all means it too.")]


@channels_app.command("list")
def list_(
    everything: Annotated[
        bool, typer.Option("--all", help="Those that cannot run as well, and why.")
    ] = False,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Bot accounts of the config: enabled, configured, where the token comes from. Asks nobody."""
    import config as configuration
    from shoal.cli.channels.status import accounts_of, render_list

    accounts = accounts_of(configuration.load(config, state_dir=state_dir))
    if as_json:
        shown = [one for one in accounts if everything or one["canRun"]]
        print(json.dumps({"chat": {"discord": shown}}, ensure_ascii=False))
    else:
        print(render_list(accounts, everything=everything))


@channels_app.command()
def status(
    channel: Channel = "discord",
    probe: Annotated[
        bool,
        typer.Option(
            "--probe", help="Ask Discord: does the token work, intents, permissions in the channels."
        ),
    ] = False,
    timeout: Annotated[int, typer.Option(min=1, max=600_000, help="Milliseconds for each account.")] = 10_000,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Which accounts run, and with --probe what Discord says. Exit code 1 if a probe or an audit fails.

    The audit looks at the channels that the config names by id, and at those where voice joins by itself.
    """
    import config as configuration
    from shoal.cli.channels.status import collect, failed, render
    from shoal.cli.egress import guard_egress

    _check_channel(channel)
    loaded = configuration.load(config, state_dir=state_dir)
    if probe:
        guard_egress(loaded, loaded.account_ids(), process="channels")
    with _store(loaded) as store:
        report = collect(loaded, store, asks=probe, timeout_ms=timeout)
    print(json.dumps(report, ensure_ascii=False) if as_json else render(report))
    sys.exit(1 if failed(report) else 0)


@channels_app.command()
def logs(
    channel: Annotated[str, typer.Option("--channel", help="discord, or all for every process.")] = "discord",
    lines: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest.")] = 200,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """The last lines of the log about Discord, oldest first. Secrets are masked when they are written."""
    import config as configuration
    from shoal.cli.channels.logs import last_lines

    _check_channel(channel)
    folder = configuration.load(config, state_dir=state_dir).state_dir / "logs"
    found = last_lines(folder, lines, everything=channel.strip().lower() == "all")
    if as_json:
        print(json.dumps({"file": str(folder / "shoal.log"), "channel": channel, "lines": found}))
    else:
        print("\n".join(found) if found else f"No log lines in {folder / 'shoal.log'}.")


def _check_channel(channel: str) -> None:
    from shoal.cli.message.run import check_channel

    if channel.strip().lower() != "all":
        check_channel(channel)


@channels_app.command()
def resolve(
    entries: Annotated[
        list[str],
        typer.Argument(
            help="Ids, @name, <@id>, <#id>, a guild, Guild/#channel, #channel; - reads them from standard "
            "input, one a line."
        ),
    ],
    kind: Annotated[Kind, typer.Option(help="auto, user (people only) or group (places only).")] = Kind.AUTO,
    channel: Annotated[str, typer.Option("--channel", help="discord is the only one.")] = "discord",
    account: Account = None,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Ask Discord what entries mean, and print their ids. Exit code 1 if one of them is not found.

    Ids are what belongs into allow-lists: names change, and a stranger may take one.
    """
    from shoal.cli.message.run import check_channel, operator
    from shoal.discord.directory import RestDirectory
    from workers.access.lookup import find_entry

    check_channel(channel)
    wanted = [word for text in entries for word in (sys.stdin.read().splitlines() if text == "-" else [text])]
    with operator(config, state_dir, account) as who:
        directory = RestDirectory(who.rest)
        found = [find_entry(entry, directory, kind.value) for entry in wanted if entry.strip()]
    if as_json:
        print(json.dumps([asdict(one) | {"found": bool(one.id)} for one in found], ensure_ascii=False))
    else:
        print("\n".join(_line(one) for one in found))
    sys.exit(0 if all(one.id for one in found) else 1)


@contextmanager
def _store(loaded: Loaded) -> Iterator[Store | None]:
    """The fleet's store where a fleet runs; a Redis that does not answer is a fleet that is away."""
    from shoal.cli.store import opened

    with ExitStack() as stack:
        store: Store | None = None
        with suppress(StoreUnavailable):
            store = stack.enter_context(opened(loaded))
        yield store


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
    account: Account = None,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What the bot may do: its intents, and with --target what it lacks there for text, voice, files, …."""
    from shoal.cli.channels.capabilities import of_account, of_channel, render
    from shoal.cli.message.run import check_channel, operator

    check_channel(channel)
    with operator(config, state_dir, account) as who:
        report = of_account(who)
        if target is not None:
            report["channel"] = of_channel(who, target)
    print(json.dumps(report, ensure_ascii=False) if as_json else render(report))
