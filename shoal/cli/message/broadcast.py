"""``shoal message broadcast``: one message to several places, each sent and told on its own (section 10)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shoal.base.errors import ProcessError, ShoalError
from shoal.base.exits import FAILED, USAGE
from shoal.cli.message.run import Operator
from shoal.cli.message.sending import send
from workers.actions.dry import Shown
from workers.delivery.targets import split_targets

__all__ = ["broadcast", "failure_of", "lines_of"]

Json = dict[str, Any]
AT_ONCE = 8


def broadcast(values: Json, who: Operator, timeout: float) -> Json:
    """Send to every target; what becomes of one does not touch the others.

    Raises:
        ProcessError: it is switched off, or names no target.
    """
    message = who.loaded.agent().tools.message
    if message is not None and not message.broadcast.enabled:
        raise ProcessError(
            "Broadcast is switched off.", fix="Set tools.message.broadcast.enabled to true.", exit_code=USAGE
        )
    targets = split_targets(values.pop("targets", None))
    if not targets:
        raise ProcessError("A broadcast needs targets.", fix="Give --targets for each.", exit_code=USAGE)

    def one(target: str) -> Json:
        try:
            return {"target": target, **send({**values, "target": target}, who, timeout)}
        except Shown as shown:
            return {"target": target, "ok": True, "dryRun": True, "request": shown.request}
        except ShoalError as error:
            return {"target": target, "ok": False, "error": f"{error.message} {error.fix}".strip()}

    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="broadcast") as pool:
        results = list(pool.map(one, targets))
    return {"ok": all(line["ok"] for line in results), "results": results}


def lines_of(result: Json) -> list[str]:
    """A line for each target."""
    return [_line(one) for one in result["results"]]


def failure_of(result: Json) -> ProcessError | None:
    """How the command ends where a target failed."""
    failed = sum(not one["ok"] for one in result.get("results", ()))
    if not failed:
        return None
    return ProcessError(
        f"{failed} of {len(result['results'])} targets failed.",
        fix="The others have the message: send again to those that failed only.",
        exit_code=FAILED,
    )


def _line(one: Json) -> str:
    target = one["target"]
    if not one["ok"]:
        return f"{target}: failed: {one['error']}"
    if one.get("dryRun"):
        return f"{target}: not sent: {one['request']['path']}"
    if "thread" in one:
        return f"{target}: made post {one['thread'].get('id')}"
    inner = one["result"]
    if "messageId" not in inner:
        return f"{target}: queued for channel {inner['channelId']} ({one['note']})"
    return f"{target}: sent message {inner['messageId']} to channel {inner['channelId']}"
