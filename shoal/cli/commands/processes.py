"""Single processes of the fleet: what ``shoal up``, a systemd unit or a container starts."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from shoal.base.errors import ProcessError
from shoal.base.exits import USAGE
from shoal.cli.fleet.plan import WORKERS
from shoal.cli.options import ConfigPath, StateDir

__all__ = ["register", "run_gateway"]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(worker)
    app.command()(beat)
    app.command()(flower)
    app.command()(redis)


def worker(
    kind: Annotated[str, typer.Argument(help="front, back, turns or chores.")],
    index: Annotated[int, typer.Option(min=1, help="Number among several of this kind on this host.")] = 1,
    config: ConfigPath = None,
    state_dir: StateDir = None,
) -> None:
    """Run one worker process of the fleet."""
    if kind not in WORKERS:
        raise ProcessError(
            f"There is no worker kind {kind!r}.", fix=f"Use one of: {', '.join(WORKERS)}.", exit_code=USAGE
        )
    from shoal.cli.prologue import enter

    loaded = enter(kind, config=config, state_dir=state_dir, index=index)
    from tasks.worker import run

    sys.exit(run(kind, loaded, index=index))


def beat(config: ConfigPath = None, state_dir: StateDir = None) -> None:
    """Run the clock that keeps schedules alive. Several may run; one is active."""
    from shoal.cli.prologue import enter

    loaded = enter("beat", config=config, state_dir=state_dir)
    from tasks.beat import run

    sys.exit(run(loaded))


def flower(
    address: Annotated[str, typer.Option(help="Address to listen on; others than loopback need a guard.")] = (
        "127.0.0.1"
    ),
    config: ConfigPath = None,
    state_dir: StateDir = None,
) -> None:
    """Run Flower, the page that shows workers and tasks, behind a password."""
    from shoal.cli.prologue import enter

    loaded = enter("flower", config=config, state_dir=state_dir)
    from tasks.flower import run

    sys.exit(run(loaded, port=loaded.root.fleet.flower.port, address=address))


def redis(config: ConfigPath = None, state_dir: StateDir = None) -> None:
    """Run the embedded Redis server in the foreground, its data below the state dir."""
    import os

    from shoal.cli.prologue import enter

    loaded = enter("redis", config=config, state_dir=state_dir)
    from shoal.state.embedded import EmbeddedServer

    bound = loaded.root.fleet.redis.max_memory_mb
    argv = EmbeddedServer(loaded.state_dir, maxmemory=bound * 1024**2 if bound else None).command()
    os.execv(argv[0], argv)  # noqa: S606 - no shell; the server takes our place and dies with our supervisor


def run_gateway(
    account: str | None,
    *,
    force: bool,
    standby: bool,
    config: ConfigPath,
    state_dir: StateDir,
) -> None:
    """Listen to Discord for one account; ends the process.

    Raises:
        ProcessError: several accounts and none named.
    """
    from shoal.cli.prologue import enter

    loaded = enter("gateway", config=config, state_dir=state_dir, account=account)
    if account is None:
        ids = loaded.account_ids()
        if len(ids) > 1:
            raise ProcessError(
                f"There are {len(ids)} accounts: {', '.join(ids)}.",
                fix="Name one with --account; each needs a gateway of its own.",
                exit_code=USAGE,
            )
        account = ids[0] if ids else loaded.default_account_id
    loaded.account(account)
    from gateway.listener import run

    sys.exit(run(loaded, account, force=force, standby=standby))
