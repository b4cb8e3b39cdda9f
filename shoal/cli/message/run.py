"""Doing one line of ``shoal message``: the account, the target, the action, and what is printed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from config import Account, Loaded, load
from config.accounts import normalise_id
from shoal.base.errors import ProcessError, RequestError, StoreUnavailable
from shoal.base.exits import USAGE
from shoal.cli.egress import guard_egress
from shoal.cli.exits import exit_code, report
from shoal.cli.message.files import Reader
from shoal.cli.message.table import Line, camel
from shoal.cli.message.telling import Telling
from shoal.cli.store import opened
from shoal.discord.connect import open_transport
from shoal.discord.directory import RestDirectory
from shoal.discord.limiter import Limiter, LimiterLike, Unlimited
from shoal.discord.rest import Rest
from shoal.state.facts import Facts
from shoal.state.store import Store
from workers.actions.base import ActionContext
from workers.actions.dry import Showing, Shown
from workers.actions.perform import perform
from workers.actions.table import ACTIONS
from workers.delivery.missing import explained
from workers.delivery.targets import TargetError, named_target, parse_target, resolve_channel

__all__ = ["SENDS", "Operator", "act", "check_channel", "operator", "run_line"]

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody at the command line with an account's powers. ``store`` is there where a fleet runs."""

    loaded: Loaded
    account: Account
    rest: Rest
    store: Store | None

    def channel(self, target: str | None) -> str:
        """The channel of a target, of ``defaultTo`` where none is named; names are looked up (2.3).

        Raises:
            TargetError: none named, or not to be understood.
        """
        settings = self.account.discord
        given = (target or settings.default_to or "").strip()
        allowed = [str(entry) for entry in settings.allow_from or []]
        try:
            found = parse_target(given, default="channel", allow_from=allowed)
        except TargetError:
            if not given:
                raise
            found = named_target(given, RestDirectory(self.rest))
        if self.store is not None:
            return resolve_channel(found, account=self.account.id, facts=self.store.facts, rest=self.rest)
        return found.id if found.kind == "channel" else str(self.rest.create_dm(found.id)["id"])

    @property
    def read(self) -> Reader:
        """Reads the files he names."""
        return Reader(self.rest)

    def context(self) -> ActionContext:
        """For actions: the operator, whom nothing is refused."""
        facts = self.store.facts if self.store is not None else NoFacts()
        return ActionContext(self.account.id, self.rest, facts, read=self.read)


class NoFacts(Facts):
    """Nothing is known without a fleet: everything is asked of Discord."""

    def __init__(self) -> None:
        """Without a store."""

    def get(self, account: str, kind: str, fact_id: str) -> Any | None:
        """Nothing."""
        del account, kind, fact_id
        return None


@contextmanager
def operator(config: Path | None, state_dir: Path | None, account: str | None) -> Iterator[Operator]:
    """The account with its transport, and the fleet's store and rate limiter where there is one.

    Raises:
        ConfigError: the account cannot run.
        StoreUnavailable: a configured Redis does not answer.
    """
    loaded = load(config, state_dir=state_dir)
    served = loaded.account(normalise_id(account) if account else loaded.default_account_id)
    guard_egress(loaded, [served.id], process="message")
    with ExitStack() as stack:
        store: Store | None = None
        try:
            store = stack.enter_context(opened(loaded))
        except StoreUnavailable:
            if loaded.redis_url is not None:
                raise
        limiter: LimiterLike = Limiter(store) if store is not None else Unlimited()
        transport = open_transport(served, limiter)
        stack.callback(transport.close)
        yield Operator(loaded, served, Rest(transport), store)


def check_channel(channel: str) -> None:
    """``--channel`` is ``discord``.

    Raises:
        ProcessError: it is something else.
    """
    if channel.strip().lower() != "discord":
        raise ProcessError(
            f"There is no channel {channel!r}.", fix="Shoal serves discord only.", exit_code=USAGE
        )


def run_line(
    line: Line,
    values: Json,
    *,
    channel: str,
    account: str | None,
    dry_run: bool,
    verbose: bool,
    config: Path | None,
    state_dir: Path | None,
    as_json: bool,
    timeout: float = 30.0,
) -> None:
    """Do it and print the result.

    Raises:
        ShoalError: it was not done.
        typer.Exit: some of it was; it is said.
    """
    check_channel(channel)
    _check_texts(values)
    try:
        with operator(config, state_dir, account) as who:
            result = _done(line, values, who, dry_run=dry_run, verbose=verbose, timeout=timeout)
    except RequestError as error:
        error.message, error.fix = (_in_flags(text, line) for text in (error.message, error.fix))
        raise
    print(_machine(line, result, dry_run) if as_json else _human(line, result))
    if line.action == "broadcast":
        from shoal.cli.message.broadcast import failure_of

        failure = failure_of(result)
        if failure is not None:
            report(failure)
            raise typer.Exit(exit_code(failure))


def _in_flags(text: str, line: Line) -> str:
    """What is said of arguments, in the words of the command line: ``messageId`` is ``--message-id`` here."""
    for flag in line.flags:
        if "-" in flag:
            text = re.sub(rf"\b{camel(flag)}\b", f"--{flag}", text)
    return text


def _check_texts(values: Json) -> None:
    """What a terminal of another encoding hands over is no text; names of files may be anything."""
    for name, value in values.items():
        for text in value if isinstance(value, list | tuple) else [value]:
            if isinstance(text, str) and name not in ("media", "image") and not _is_text(text):
                raise ProcessError(f"{name} is not valid UTF-8.", fix="Write it in UTF-8.", exit_code=USAGE)


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _done(line: Line, values: Json, who: Operator, *, dry_run: bool, verbose: bool, timeout: float) -> Json:
    if verbose:
        fleet = "its fleet runs" if who.store is not None else "no fleet runs: sent from here"
        print(f"account {who.account.id}; {fleet}", file=sys.stderr)
        who = replace(who, rest=Telling(who.rest.transport))
    if dry_run:
        who = replace(who, rest=Showing(who.rest.transport), store=None)
    given = str(values.get("target") or values.get("threadId") or "")
    try:
        with explained(who.rest, "", given=given):
            return act(line, values, who, timeout)
    except Shown as shown:
        return {"ok": True, "dryRun": True, "request": shown.request}


SENDS = {
    "send": ("message", "messages"),
    "poll": ("poll", "polls"),
    "sticker": ("sticker", "stickers"),
    "thread-reply": ("message", "threads"),
}
"""What is sent by the command line itself: what there must be, and its gate."""


def act(line: Line, values: Json, who: Operator, timeout: float) -> Json:
    """Do what a line says; the result as the action has it.

    Args:
        values: its flags, in the words of actions.
        timeout: seconds a fleet is waited for.

    Raises:
        ShoalError: it was not done.
    """
    from shoal.cli.message import sending

    if line.action == "broadcast":
        from shoal.cli.message.broadcast import broadcast

        return broadcast(values, who, timeout)
    if line.action in SENDS:
        kind, gate = SENDS[line.action]
        return sending.send(values, who, timeout, kind=kind, gate=gate)
    if "message" in values:
        values["message"] = sending.text_of(values)
    if "target" in line.flags:
        values["target"] = f"channel:{who.channel(values.get('target'))}"
    gates: dict[str, bool] = who.account.discord.actions.model_dump(by_alias=True)
    return perform(ACTIONS[line.action], values, gates, who.context())


def _machine(line: Line, result: Json, dry_run: bool) -> str:
    """For programs: what was asked for, and the action's result as ``payload``."""
    told = {"action": line.action, "channel": "discord", "dryRun": dry_run, "payload": result}
    return json.dumps(told, ensure_ascii=False)


def _human(line: Line, result: Json) -> str:
    """One line, with the ids of what was made; lists in JSON below it."""
    if result.get("dryRun"):
        return "Not sent: " + json.dumps(result["request"], ensure_ascii=False)
    if line.action == "broadcast":
        from shoal.cli.message.broadcast import lines_of

        return "\n".join(lines_of(result))
    rest = {name: value for name, value in result.items() if name != "ok"}
    inner, thread = rest.get("result"), rest.get("thread")
    if isinstance(thread, dict):
        return f"Made thread {thread.get('id')} {thread.get('name')!r}.{_told(result)}"
    if isinstance(inner, dict) and "channelId" in inner:
        if "messageId" not in inner:
            return f"Queued for channel {inner['channelId']} ({result.get('note')}).{_told(result)}"
        return f"Sent message {inner['messageId']} to channel {inner['channelId']}.{_told(result)}"
    done = " ".join(line.words)
    return f"{done}: done." if not rest else f"{done}: {json.dumps(rest, ensure_ascii=False)}"


def _told(result: Json) -> str:
    """What did not go as it was asked for."""
    words = [str(result[name]) for name in ("warning", "initialMessageError") if result.get(name)]
    return " " + " ".join(words) if words else ""
