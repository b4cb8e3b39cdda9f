"""``shoal up`` and its other names."""

from __future__ import annotations

from typing import Annotated

import typer

from shoal.cli.options import ConfigPath, StateDir

__all__ = ["register"]

Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=1, max=64, help="Processes that run agent turns; beats the config's number."
    ),
]
NoFlower = Annotated[bool, typer.Option("--no-flower", help="Leave the monitoring page out.")]

gateway_app = typer.Typer(rich_markup_mode=None, help="The whole fleet, or the bare listener.")


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(up)
    app.command("start", hidden=True)(up)
    app.add_typer(gateway_app, name="gateway")


def up(
    workers: Workers = None,
    no_flower: NoFlower = False,
    force: Annotated[bool, typer.Option("--force", help="Take accounts from a gateway elsewhere.")] = False,
    config: ConfigPath = None,
    state_dir: StateDir = None,
) -> None:
    """Run the whole fleet on this machine. Ctrl-C lets it finish what it is doing and stops it."""
    from shoal.cli.fleet.up import run_up

    run_up(workers=workers, flower=not no_flower, force=force, config=config, state_dir=state_dir)


@gateway_app.callback(invoke_without_command=True)
def gateway(
    context: typer.Context,
    listener_only: Annotated[
        bool, typer.Option("--listener-only", help="Only listen to Discord; workers run elsewhere.")
    ] = False,
    account: Annotated[str | None, typer.Option(help="Account to listen for, with --listener-only.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Take the account from a living gateway.")] = False,
    standby: Annotated[
        bool, typer.Option("--standby", help="With --listener-only: wait until nobody has the account.")
    ] = False,
    workers: Workers = None,
    no_flower: NoFlower = False,
    config: ConfigPath = None,
    state_dir: StateDir = None,
) -> None:
    """The whole fleet, as `shoal up`; with --listener-only the bare Discord listener."""
    if context.invoked_subcommand is not None:
        return
    if listener_only:
        from shoal.cli.commands.processes import run_gateway

        run_gateway(account, force=force, standby=standby, config=config, state_dir=state_dir)
    up(workers=workers, no_flower=no_flower, force=force, config=config, state_dir=state_dir)


gateway_app.command("run")(up)
