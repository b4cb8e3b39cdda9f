"""``shoal workers``: asks running workers something, or tells them to do it, on whatever machine they are.

A thin layer over Celery's remote control (:mod:`tasks.control`): who lives is known from the heartbeats in
Redis, so an answer is waited for no longer than it takes everybody asked to give it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoal.base.errors import ProcessError
from shoal.base.exits import UNAVAILABLE, USAGE
from shoal.cli.options import AsJson, ConfigPath, StateDir

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["register"]

KINDS = frozenset({"front", "back", "turns", "chores"})

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="A kind (turns), a host (@box) or one worker (turns@box). Default: all.", metavar="NAMES"
    ),
]
Timeout = Annotated[float, typer.Option(min=0.2, max=60.0, help="Seconds to wait for the answers.")]


def register(app: typer.Typer) -> None:
    """Add the command group to ``app``."""
    group = typer.Typer(
        rich_markup_mode=None, no_args_is_help=True, help="Ask running workers, or tell them what to do."
    )
    group.command()(turns)
    group.command()(lanes)
    group.command("log-level")(log_level)
    group.command()(drain)
    app.add_typer(group, name="workers")


def turns(
    names: Names = None,
    timeout: Timeout = 3.0,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What is in hand: lane, step, seconds since it was taken."""
    told = _ask("turns", names, timeout=timeout, config=config, state_dir=state_dir)
    if as_json:
        print(json.dumps(told))
        return
    for node, held in told.items():
        if isinstance(held, dict):
            print(f"{node}  {held['error']}")
            continue
        print(node if held else f"{node}  idle")
        for one in held:
            print(f"  {one['age_s']:>8.1f} s  {one['lane']}  {one['step']}")


def lanes(
    timeout: Timeout = 3.0,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Lanes that hold something, and how many are due, per class."""
    told = _ask("lanes", None, timeout=timeout, config=config, state_dir=state_dir)
    counts = next((answer for answer in told.values() if "error" not in answer), None)  # all see one Redis
    if counts is None:
        node, answer = next(iter(told.items()))
        raise ProcessError(f"{node}: {answer['error']}", fix="Look at `shoal status`.", exit_code=UNAVAILABLE)
    if as_json:
        print(json.dumps(counts))
        return
    if not counts:
        print("No lane holds anything.")
    for name, numbers in sorted(counts.items()):
        print(f"{name:<12} {numbers['lanes']:>7} lanes  {numbers['due']:>7} due")


def log_level(
    level: Annotated[str, typer.Argument(help="DEBUG, INFO, WARNING or ERROR.", metavar="LEVEL")],
    names: Names = None,
    timeout: Timeout = 3.0,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Change how much workers log, until they are started again."""
    told = _ask("log_level", names, {"level": level}, timeout=timeout, config=config, state_dir=state_dir)
    _say(told, as_json)


def drain(
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="All workers of the fleet.")] = False,
    timeout: Timeout = 3.0,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Let workers give back what they hold and leave; their supervisor starts them afresh.

    Nothing is lost: what they held goes on elsewhere, or with the next process.
    """
    if not names and not every:
        raise ProcessError("No worker was named.", fix="Name some, or all with --all.", exit_code=USAGE)
    told = _ask("drain", names, timeout=timeout, config=config, state_dir=state_dir)
    _say(told, as_json)


def _say(told: Mapping[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(told))
    else:
        for node, answer in told.items():
            print(f"{node}  {answer.get('ok') or answer.get('error')}")
    refused = [node for node, answer in told.items() if "error" in answer]
    if refused:
        raise ProcessError(f"Refused by {', '.join(refused)}.", exit_code=USAGE)


def _ask(
    command: str,
    names: Sequence[str] | None,
    arguments: Mapping[str, Any] | None = None,
    *,
    timeout: float,
    config: Path | None,
    state_dir: Path | None,
) -> dict[str, Any]:
    """Node name → answer of the workers asked, by name.

    Raises:
        ProcessError: there is no such worker, or none answered in time.
        StoreUnavailable: no fleet runs here, or Redis is away.
    """
    import config as configuration
    from shoal.cli.store import opened
    from shoal.state.embedded import EmbeddedServer
    from tasks.app import build_app

    loaded = configuration.load(config, state_dir=state_dir)
    with opened(loaded) as store:
        alive = [process for process in store.processes.living() if process.kind in KINDS]
    nodes = sorted({_node(process.kind, process.host, process.info) for process in alive})
    wanted = [node for node in nodes if not names or any(_means(name, node) for name in names)]
    if not wanted:
        known = f"Alive are: {', '.join(nodes)}." if nodes else "Start the fleet with `shoal up`."
        asked = f"There is no living worker {', '.join(names)}." if names else "No worker is alive."
        raise ProcessError(asked, fix=known, exit_code=UNAVAILABLE)
    url = loaded.redis_url or EmbeddedServer(loaded.state_dir).url()
    app = build_app(url, loaded.redis.password, loaded.redis.ca_file)
    replies = app.control.broadcast(
        command,
        arguments=dict(arguments or {}),
        destination=wanted,
        reply=True,
        timeout=timeout,
        limit=len(wanted),
    )
    told = {node: answer for reply in replies or () for node, answer in reply.items()}
    if not told:
        raise ProcessError(
            f"No worker answered within {timeout:g} s.", fix="Look at `shoal status`.", exit_code=UNAVAILABLE
        )
    for node in wanted:
        told.setdefault(node, {"error": f"no answer within {timeout:g} s"})
    return dict(sorted(told.items()))


def _node(kind: str, host: str, info: Mapping[str, Any]) -> str:
    """As :attr:`tasks.runtime.Runtime.node_name`."""
    index = int(info.get("index", 1))
    return f"{kind}@{host}" if index == 1 else f"{kind}.{index}@{host}"


def _means(name: str, node: str) -> bool:
    """``turns``, ``turns.2``, ``@box`` and ``turns@box`` all name ``turns.2@box`` or a part of it."""
    kind, at, host = name.partition("@")
    here, _, there = node.partition("@")
    return (not kind or kind in (here, here.partition(".")[0])) and (not at or host == there)
