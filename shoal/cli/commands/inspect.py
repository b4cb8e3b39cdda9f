"""Looking into a running fleet: ``status``, ``explain``, ``dead``, ``version``."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoal.base.errors import ProcessError
from shoal.cli.options import AsJson, ConfigPath, StateDir

if TYPE_CHECKING:
    from shoal.state.ledger import Explanation
    from shoal.state.records import DeadRecord
    from shoal.state.store import Store

__all__ = ["register"]

dead_app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Records that could not be handled: list, show, retry, drop.",
)
EXPLAINED_AT_ONCE = 250
DeadIds = Annotated[list[str], typer.Argument(help="Ids as `shoal dead list` shows them.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.command()(status)
    app.command()(explain)
    app.add_typer(dead_app, name="dead")
    app.command()(version)


def status(
    here: Annotated[
        bool, typer.Option("--here", help="Exit code 1 unless a process on this host is alive.")
    ] = False,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """Who is alive, what waits, what has failed."""
    import config as configuration
    from shoal.cli.status import collect, render
    from shoal.cli.store import opened

    loaded = configuration.load(config, state_dir=state_dir)
    with opened(loaded) as store:
        report = collect(loaded, store)
    print(json.dumps(report, ensure_ascii=False) if as_json else render(report))
    if here and loaded.host not in {process["host"] for process in report["processes"]}:
        raise ProcessError(f"No process of the fleet on {loaded.host} is alive.")


def explain(
    messages: Annotated[
        list[str], typer.Argument(help="Message links or ids; - reads them from standard input.")
    ],
    account: Annotated[str | None, typer.Option(help="Account that got the message. Default: any.")] = None,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """What became of a message, and why. Exit code 1 if nothing is known about one of them.

    With --json one line per message.
    """
    import config as configuration
    from shoal.cli.links import message_id
    from shoal.cli.store import opened

    loaded = configuration.load(config, state_dir=state_dir)
    words = [word for text in messages for word in (sys.stdin.read().split() if text == "-" else [text])]
    ids = [message_id(text) for text in words]
    known = [state.id for state in loaded.account_states] or [loaded.default_account_id]
    accounts = [account] if account else known
    unknown = 0
    with opened(loaded) as store:
        for start in range(0, len(ids), EXPLAINED_AT_ONCE):
            part = ids[start : start + EXPLAINED_AT_ONCE]
            columns = [_stories(store, name, part) for name in accounts]
            for wanted, row in zip(part, zip(*columns, strict=True), strict=True):
                found = [story for story in row if story is not None]
                unknown += not found
                print(_story_json(wanted, found) if as_json else _story_text(wanted, found))
    sys.exit(1 if unknown else 0)


def _stories(store: Store, account: str, ids: list[str]) -> list[Explanation | None]:
    """What is known of messages. One that nobody has looked at yet has no story: it waits in a lane."""
    from shoal.state.ledger import Explanation

    found = store.ledger.explain_all(account, ids)
    unknown = {f"m:{account}:{one}": one for one, story in zip(ids, found, strict=True) if story is None}
    waits = store.lanes.lanes_of(list(unknown), ["inbound"])
    lanes = {unknown[identity]: lane for identity, lane in waits.items()}
    return [
        Explanation(account, one, None, "", 0, [("waits", lanes[one])]) if one in lanes else story
        for one, story in zip(ids, found, strict=True)
    ]


def _story_json(wanted: str, found: list[Explanation]) -> str:
    if not found:
        return json.dumps({"message_id": wanted, "known": False})
    stories = [
        {
            "account": story.account,
            "outcome": str(story.outcome) if story.outcome else None,
            "reason": story.reason,
            **({"failure": meant} if (meant := _meaning(story)) else {}),
            "at_ms": story.at_ms,
            "notes": [{"name": name, "value": value} for name, value in story.notes],
        }
        for story in found
    ]
    return json.dumps(
        {"message_id": wanted, "known": True, **stories[0], "accounts": stories}, ensure_ascii=False
    )


def _story_text(wanted: str, found: list[Explanation]) -> str:
    if not found:
        return (
            f"{wanted}: nothing is known. It never arrived, is older than 7 days, "
            "or was one of very many that were only counted."
        )
    lines = []
    for story in found:
        end = str(story.outcome) if story.outcome else "still on its way"
        reason = f" ({story.reason})" if story.reason else ""
        meant = _meaning(story)
        moment = f" at {when(story.at_ms)}" if story.at_ms else ""
        lines.append(f"{wanted}: {end}{reason}{moment}, account {story.account}")
        lines.extend(f"  {name}: {value}" for name, value in story.notes)
        lines.extend([f"  failure: {meant}"] if meant else [])
    return "\n".join(lines)


def _meaning(story: Explanation) -> str:
    """What a reason of Discord's means, where the story does not say it already."""
    from shoal.discord.codes import failure_for

    known = failure_for(story.reason)
    if known is None or any(name == "failure" for name, _ in story.notes):
        return ""
    return f"{known.meaning}. {known.fix}".strip()


def when(at_ms: int) -> str:
    """A moment for people, in this machine's time zone."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


@dead_app.command("list")
def dead_list(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many, newest first.")] = 50,
    config: ConfigPath = None,
    state_dir: StateDir = None,
    as_json: AsJson = False,
) -> None:
    """List dead records: what they were, where, why they died."""
    import config as configuration
    from shoal.cli.store import opened

    with opened(configuration.load(config, state_dir=state_dir)) as store:
        dead = store.lanes.dead_list(limit)
    if as_json:
        print(json.dumps([_dead_json(record) for record in dead], ensure_ascii=False))
        return
    if not dead:
        print("Nothing is dead.")
    for record in dead:
        print(f"{record.id}  {when(record.at_ms)}  {record.lane}  {record.code}: {record.reason}")


@dead_app.command("show")
def dead_show(
    identity: Annotated[str, typer.Argument(metavar="ID", help="Id as `shoal dead list` shows it.")],
    config: ConfigPath = None,
    state_dir: StateDir = None,
) -> None:
    """Print one dead record as JSON, its body included. Bodies may hold what people wrote."""
    import config as configuration
    from shoal.cli.store import opened

    with opened(configuration.load(config, state_dir=state_dir)) as store:
        record = store.lanes.dead_show(identity)
    if record is None:
        raise _no_such(identity)
    body = record.record.body.decode(errors="replace")
    try:
        content: Any = json.loads(body)
    except ValueError:
        content = body  # not JSON: shown as text
    print(json.dumps({**_dead_json(record), "body": content}, indent=2, ensure_ascii=False))


@dead_app.command("retry")
def dead_retry(ids: DeadIds, config: ConfigPath = None, state_dir: StateDir = None) -> None:
    """Put dead records back at the end of their lanes."""
    import config as configuration
    from shoal.cli.store import opened

    with opened(configuration.load(config, state_dir=state_dir)) as store:
        for identity in ids:
            if not store.lanes.dead_retry(identity):
                raise _no_such(identity)
            print(f"{identity}: back in its lane.")


@dead_app.command("drop")
def dead_drop(ids: DeadIds, config: ConfigPath = None, state_dir: StateDir = None) -> None:
    """Forget dead records for good."""
    import config as configuration
    from shoal.cli.store import opened

    with opened(configuration.load(config, state_dir=state_dir)) as store:
        for identity in ids:
            if not store.lanes.dead_drop(identity):
                raise _no_such(identity)
            print(f"{identity}: dropped.")


def _no_such(identity: str) -> ProcessError:
    return ProcessError(f"There is no dead record {identity!r}.", fix="See `shoal dead list`.")


def _dead_json(record: DeadRecord) -> dict[str, Any]:
    return {
        "id": record.id,
        "lane": record.lane,
        "kind": record.record.kind,
        "identity": record.record.identity,
        "message_id": record.record.message_id,
        "code": record.code,
        "reason": record.reason,
        "at_ms": record.at_ms,
        "tries": record.tries,
        "suspects": record.suspects,
        "source": record.source,
    }


def version(as_json: AsJson = False) -> None:
    """Print the version."""
    import platform

    from shoal import __version__

    if as_json:
        print(json.dumps({"shoal": __version__, "python": platform.python_version()}))
    else:
        print(f"shoal {__version__} (Python {platform.python_version()})")
