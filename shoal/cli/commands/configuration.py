"""``shoal config``: look at the config file. Nothing here writes."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from shoal.base.errors import ConfigError
from shoal.base.exits import CONFIG
from shoal.cli.options import AsJson, ConfigPath, StateDir

__all__ = ["register"]

config_app = typer.Typer(
    rich_markup_mode=None, no_args_is_help=True, help="Look at the config file: validate, schema, get, file."
)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(config_app, name="config")


@config_app.command()
def validate(config: ConfigPath = None, state_dir: StateDir = None, as_json: AsJson = False) -> None:
    """Check the file; every problem at once. Exit code 78 if there is one."""
    import config as configuration

    try:
        loaded = configuration.load(config, state_dir=state_dir)
    except ConfigError as error:
        if not as_json:
            raise
        issues = [{"path": issue.path, "problem": str(issue)} for issue in error.issues]
        print(json.dumps({"valid": False, "error": error.message, "issues": issues}, ensure_ascii=False))
        sys.exit(CONFIG)
    warnings = [str(issue) for issue in loaded.warnings]
    where = str(loaded.path) if loaded.path else None
    if as_json:
        accounts = loaded.account_ids()
        print(
            json.dumps(
                {"valid": True, "file": where, "accounts": accounts, "warnings": warnings}, ensure_ascii=False
            )
        )
        return
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{where or 'No config file; defaults apply'}: valid.")
    for state in loaded.account_states:
        word = "can run" if state.id in loaded.account_ids() else state.trouble
        print(f"  account {state.id}: {word}")


@config_app.command()
def schema() -> None:
    """Print the JSON schema of the config file."""
    import config as configuration

    print(json.dumps(configuration.json_schema(), indent=2, ensure_ascii=False))


@config_app.command()
def file(config: ConfigPath = None, state_dir: StateDir = None) -> None:
    """Print the path of the config file, whether it exists or not."""
    import os

    from config.paths import find_paths

    print(find_paths(os.environ, path=config, state_dir=state_dir).config)


@config_app.command()
def get(
    path: Annotated[str, typer.Argument(help="Such as channels.discord.proxy or agents.list[0].id.")],
    config: ConfigPath = None,
    state_dir: StateDir = None,
) -> None:
    """Print one value as JSON, defaults included. Secrets are masked."""
    import config as configuration

    loaded = configuration.load(config, state_dir=state_dir)
    value: Any = loaded.root.model_dump(mode="json", by_alias=True)
    for step in path.replace("[", ".").replace("]", "").split("."):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            known = ", ".join(value) if isinstance(value, dict) else "nothing below"
            raise ConfigError(f"{path}: there is no {step!r} here.", fix=f"Known: {known}.") from None
    print(json.dumps(value, indent=2, ensure_ascii=False))
