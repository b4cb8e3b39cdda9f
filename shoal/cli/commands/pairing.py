"""``shoal pairing``: strangers who want to talk in private, and who was let in (``spec/inbound.md`` 3.3).

Works on the store, so it does not matter whether the fleet runs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from shoal.base.errors import ProcessError
from shoal.base.exits import USAGE
from shoal.cli.options import AsJson, ConfigPath, StateDir

if TYPE_CHECKING:
    from shoal.cli.pairing.common import Said

__all__ = ["register"]

pairing_app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Who may talk to the bot in private: list, approve, revoke.",
)
CHANNEL = "discord"
Channel = Annotated[str, typer.Option("--channel", help="The same as in front; discord is the only one.")]
Account = Annotated[str | None, typer.Option("--account", help="Bot account. Default: all of them.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(pairing_app, name="pairing")


@pairing_app.command("list")
def list_(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[CHANNEL]", help="discord; may be left out.")
    ] = None,
    channel: Channel = CHANNEL,
    account: Account = None,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Requests that wait for approval, and everybody who was approved."""
    import config as configuration
    from shoal.cli.pairing.common import open_store, served_accounts
    from shoal.cli.pairing.listing import collect, render

    _values(words or [], channel, 0, usage="shoal pairing list [discord]")
    loaded = configuration.load(config, state_dir=state_dir)
    accounts = served_accounts(loaded, account)
    with open_store(loaded) as store:
        report = collect(store, accounts)
    print(json.dumps(report, ensure_ascii=False) if as_json else render(report))


@pairing_app.command()
def approve(
    words: Annotated[list[str], typer.Argument(metavar="[CHANNEL] CODE", help="The code they were given.")],
    channel: Channel = CHANNEL,
    account: Account = None,
    notify: Annotated[bool, typer.Option("--notify", help="Tell them in Discord.")] = False,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody in. They may write to the bot in private; no server is opened by it.

    The first who is approved also owns the bot, if commands.ownerAllowFrom names nobody.
    """
    import config as configuration
    from shoal.cli.pairing import approving
    from shoal.cli.pairing.common import open_store, served_accounts
    from shoal.state.pairing import ALPHABET, CODE_LENGTH

    given = _values(words, channel, 1, usage="shoal pairing approve [discord] CODE")[0]
    code = given.strip().upper().replace("-", "")
    if len(code) != CODE_LENGTH or not set(code) <= set(ALPHABET):
        raise ProcessError(
            f"{given!r} is no pairing code.",
            fix=f"A code has {CODE_LENGTH} of the characters {ALPHABET}; see `shoal pairing list`.",
            exit_code=USAGE,
        )
    loaded = configuration.load(config, state_dir=state_dir)
    accounts = served_accounts(loaded, account)
    with open_store(loaded) as store:
        _print(approving.approve(loaded, store, code, accounts, notify=notify), as_json=as_json)


@pairing_app.command()
def revoke(
    words: Annotated[
        list[str], typer.Argument(metavar="[CHANNEL] ID", help="Their id, as the list shows it.")
    ],
    channel: Channel = CHANNEL,
    account: Account = None,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Take somebody off again, or dismiss a request. Their next message is a stranger's."""
    import config as configuration
    from shoal.cli.pairing import revoking
    from shoal.cli.pairing.common import open_store, served_accounts
    from shoal.state.pairing_files import sender_of

    given = _values(words, channel, 1, usage="shoal pairing revoke [discord] ID")[0]
    sender = sender_of(given)
    if sender is None:
        raise ProcessError(
            f"{given!r} is no id.", fix="Use the id that `shoal pairing list` shows.", exit_code=USAGE
        )
    loaded = configuration.load(config, state_dir=state_dir)
    accounts = served_accounts(loaded, account)
    with open_store(loaded) as store:
        _print(revoking.revoke(loaded, store, sender, accounts), as_json=as_json)


def _values(words: list[str], channel: str, count: int, *, usage: str) -> list[str]:
    """The arguments behind the channel, which may be left out.

    Raises:
        ProcessError: too few, too many, or a channel that is not served (exit code 2).
    """
    named = [words[0], channel] if len(words) == count + 1 else [channel]
    for name in named:
        if name.strip().lower() != CHANNEL:
            raise ProcessError(
                f"There is no channel {name!r}.", fix="Shoal serves discord only.", exit_code=USAGE
            )
    if len(words) not in (count, count + 1):
        raise ProcessError("These arguments are not understood.", fix=f"Write `{usage}`.", exit_code=USAGE)
    return words[-count:] if count else []


def _print(said: Said, *, as_json: bool) -> None:
    print(json.dumps(said.data, ensure_ascii=False) if as_json else "\n".join(said.lines))
