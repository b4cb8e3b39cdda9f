"""What ``shoal status`` knows and how it reads."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shoal.cli.egress import proxy_report, render_proxies
from shoal.cli.pairing.listing import waiting, waiting_words
from shoal.cli.standings import standing_words, standings

if TYPE_CHECKING:
    from config import Loaded
    from shoal.state.records import DeadRecord
    from shoal.state.store import Store

__all__ = ["collect", "render"]

DEAD_SHOWN = 10
DEAD_LINES = 3
OLD_MS = 60_000


def collect(loaded: Loaded, store: Store) -> dict[str, Any]:
    """The state of the fleet as plain data; the ``--json`` form.

    Raises:
        StoreUnavailable, StoreUnsuitable: about Redis.
    """
    redis = store.check()
    now = store.now_ms()
    running = loaded.account_ids()
    lanes = store.lanes.overview()
    standing = standings(loaded.accounts, store)
    return {
        "state_dir": str(loaded.state_dir),
        "config": str(loaded.path) if loaded.path else None,
        "revision": loaded.revision,
        "redis": {
            "embedded": loaded.redis_url is None,
            "server": f"{redis.server} {redis.version}",
            "appendfsync": redis.appendfsync if redis.aof else None,
            "used_memory": redis.used_memory,
            "maxmemory": redis.maxmemory,
        },
        "accounts": [
            {"id": state.id, "can_run": state.id in running, "reason": state.reason}
            for state in loaded.account_states
        ],
        "proxies": proxy_report(loaded),
        "limits": {
            account: {**asdict(one), "words": standing_words(one)} for account, one in standing.items()
        },
        "processes": [
            {
                "kind": process.kind,
                "host": process.host,
                "pid": process.pid,
                "seen_ms_ago": max(0, now - process.at_ms),
                "info": process.info,
            }
            for process in store.processes.living()
        ],
        "lanes": [
            {
                "lane": lane.lane,
                "state": lane.state,
                "depth": lane.depth,
                "age_ms": lane.age_ms,
                "tries": lane.tries,
                "suspects": lane.suspects,
                "quarantine": lane.quarantine,
            }
            for lane in lanes
        ],
        "pairing": waiting(store, [state.id for state in loaded.account_states]),
        "dead": {
            "count": store.lanes.dead_count(),
            "newest": [_death(one) for one in store.lanes.dead_list(DEAD_SHOWN)],
        },
        "refused": _refused(loaded, store),
        "warnings": [*(str(issue) for issue in loaded.warnings), *redis.warnings, *_unseen(loaded, store)],
    }


def _death(dead: DeadRecord) -> str:
    return f"{dead.lane}: {dead.code}: {dead.reason}" if dead.reason else f"{dead.lane}: {dead.code}"


def _refused(loaded: Loaded, store: Store) -> list[dict[str, Any]]:
    """Channels in which Discord lets the bot write nothing."""
    from workers.delivery.refused import refusals

    now = store.now_ms()
    return [
        {"account": state.id, "channel": channel, "code": one.code, "why": one.why, "ms_ago": now - one.at_ms}
        for state in loaded.account_states
        for channel, one in sorted(refusals(store, state.id).items())
    ]


def _unseen(loaded: Loaded, store: Store) -> list[str]:
    """Answers that people who named the bot did not see, where no owner could be told in private."""
    from workers.agent.hints import UNSEEN, silence_finding

    unseen = sum(store.ledger.counted(account, UNSEEN) for account in loaded.account_ids())
    finding = silence_finding(loaded.root.messages, unseen)
    return [f"{finding.found} {finding.fix}"] if finding is not None else []


def render(report: dict[str, Any]) -> str:
    """The report for people."""
    redis = report["redis"]
    memory = f"{redis['used_memory'] / 1e6:.0f} MB"
    where = "embedded" if redis["embedded"] else "configured"
    lines = [
        f"State dir  {report['state_dir']}",
        f"Config     {report['config'] or 'no file, defaults'}",
        f"Redis      {redis['server']}, {where}, {memory}, appendfsync {redis['appendfsync'] or 'off'}",
        "Accounts   "
        + (
            ", ".join(
                account["id"] + ("" if account["can_run"] else f" (cannot run: {account['reason']})")
                for account in report["accounts"]
            )
            or "none"
        ),
        *(
            f"Limits     {account}: {word}"
            for account, one in report["limits"].items()
            for word in one["words"]
        ),
        *render_proxies(report["proxies"]),
        "Processes",
    ]
    for process in report["processes"]:
        info = " ".join(f"{key}={value}" for key, value in process["info"].items())
        lines.append(
            f"  {process['kind']:10} {process['host']} pid {process['pid']}, "
            f"seen {process['seen_ms_ago'] / 1000:.0f} s ago  {info}".rstrip()
        )
    if not report["processes"]:
        lines.append("  none: no worker and no gateway is alive")
    waiting = report["lanes"]
    oldest = max((lane["age_ms"] for lane in waiting), default=0)
    lines.append(
        f"Lanes      {len(waiting)} with work" + (f", oldest {oldest / 1000:.0f} s" if waiting else "")
    )
    lines.extend(
        f"  {lane['lane']} {lane['state']}, {lane['depth']} records, {lane['age_ms'] / 1000:.0f} s old"
        for lane in waiting
        if lane["age_ms"] >= OLD_MS and not lane["quarantine"]
    )
    lines.extend(
        f"Quarantine {lane['lane']}: {lane['suspects']} processes died with its next record; "
        "it runs alone in a `chores` worker"
        for lane in waiting
        if lane["quarantine"]
    )
    lines.extend(waiting_words(report["pairing"]))
    dead = report["dead"]
    lines.append(f"Dead       {dead['count']}" + (" (see `shoal dead list`)" if dead["count"] else ""))
    lines.extend(f"  {one}" for one in dead["newest"][:DEAD_LINES])
    for one in report["refused"]:
        where = f"{one['account']}, channel {one['channel']}, {one['ms_ago'] // 60_000} min ago"
        lines.append(f"Refused    {where}: {one['why']}")
    lines.extend(f"Warning    {warning}" for warning in report["warnings"])
    return "\n".join(lines)
