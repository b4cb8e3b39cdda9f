"""``shoal channels list`` and ``status``: what the accounts are, whether they run, what Discord says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shoal.base.errors import ShoalError
from shoal.cli.channels.probe import audit, probe
from shoal.discord.connect import open_transport
from shoal.discord.limiter import Limiter, LimiterLike, Unlimited
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY

if TYPE_CHECKING:
    from config import AccountState, Loaded
    from shoal.state.store import Store

__all__ = ["accounts_of", "collect", "failed", "render", "render_list"]

Json = dict[str, Any]
_UNCONFIGURED = ("missing", "unavailable")
CHANNELS_SHOWN = 10


def accounts_of(loaded: Loaded) -> list[Json]:
    """Every account the config knows or implies."""
    return [_account(state) for state in loaded.account_states]


def _account(state: AccountState) -> Json:
    return {
        "accountId": state.id,
        "name": state.name,
        "enabled": state.enabled,
        "configured": state.state not in _UNCONFIGURED,
        "canRun": state.state == "ready",
        "tokenSource": state.token_source,
        "reason": state.reason,
        "fix": state.fix,
    }


def collect(loaded: Loaded, store: Store | None, *, asks: bool, timeout_ms: int) -> Json:
    """The accounts, with the gateway's word about each, and with ``asks`` Discord's.

    Args:
        store: where a fleet runs.
        timeout_ms: for the probe of an account, and again for its audit.
    """
    gateways = _gateways(store)
    accounts = accounts_of(loaded)
    for account in accounts:
        running = gateways.get(account["accountId"])
        account["running"] = running is not None
        account["connected"] = bool(running and running.get("connected"))
        if asks and account["canRun"]:
            account |= _asked(loaded, account["accountId"], store, timeout_ms)
    return {
        "gatewayReachable": bool(gateways),
        "channelOrder": ["discord"],
        "channelAccounts": {"discord": accounts},
    }


def _gateways(store: Store | None) -> dict[str, Json]:
    """What living gateways say, by account."""
    if store is None:
        return {}
    living = [one for one in store.processes.living() if one.kind == "gateway"]
    return {str(one.info.get("account")): dict(one.info) for one in living}


def _asked(loaded: Loaded, account_id: str, store: Store | None, timeout_ms: int) -> Json:
    limiter: LimiterLike = Limiter(store) if store is not None else Unlimited()
    served = loaded.account(account_id)
    try:
        transport = open_transport(served, limiter)
    except ShoalError as error:
        return {"probe": {"ok": False, "error": error.message, "fix": error.fix, "elapsedMs": 0}}
    try:
        rest = Rest(transport, retry=NO_RETRY)
        found: Json = {"probe": probe(rest, timeout_ms)}
        if found["probe"]["ok"]:
            found["audit"] = audit(rest, served.discord, timeout_ms)
        return found
    finally:
        transport.close()


def failed(report: Json) -> bool:
    """Whether a probe or an audit found something wrong."""
    accounts = report["channelAccounts"]["discord"]
    return any(not one.get(part, {"ok": True})["ok"] for one in accounts for part in ("probe", "audit"))


def render_list(accounts: list[Json], *, everything: bool) -> str:
    """For people. Without ``everything`` only accounts that can run are shown."""
    shown = [one for one in accounts if everything or one["canRun"]]
    lines = [f"- {_name(one)}: {'. '.join([', '.join(_words(one)), *_why(one)])}" for one in shown]
    if not shown:
        lines = ["No Discord account can run."]
        lines += [f"  {one['accountId']}: {' '.join(_why(one))}".rstrip(": ") for one in accounts]
    hidden = len(accounts) - len(shown)
    if hidden and shown:
        lines.append(f"{hidden} more cannot run; --all shows why.")
    return "\n".join(lines)


def render(report: Json) -> str:
    """For people: a line for each account, and below it what is wrong."""
    lines = []
    if not report["gatewayReachable"]:
        lines.append("No gateway is running; this is what the config says. Start it with `shoal up`.")
    for account in report["channelAccounts"]["discord"]:
        words = _words(account)
        if account["configured"] and account["enabled"]:
            words.append("running" if account["running"] else "stopped")
        if account["running"]:
            words.append("connected" if account["connected"] else "not connected")
        words += _verdicts(account)
        lines.append(f"- {_name(account)}: {'. '.join([', '.join(words), *_why(account)])}")
        lines += [f"    {line}" for line in _details(account)]
    if len(lines) == (0 if report["gatewayReachable"] else 1):
        lines.append("No Discord account is configured.")
    return "\n".join(lines)


def _name(account: Json) -> str:
    called = account["name"]
    name = f"Discord {account['accountId']}"
    return f"{name} ({called})" if called and called != account["accountId"] else name


def _words(account: Json) -> list[str]:
    words = ["enabled" if account["enabled"] else "disabled"]
    words.append("configured" if account["configured"] else "not configured")
    if account["tokenSource"] != "none":
        words.append(f"token from {account['tokenSource']}")
    return words


def _why(account: Json) -> list[str]:
    """Why it cannot run and what to do, as one text; empty where it can."""
    reason = account["reason"].rstrip(".")
    return [f"{reason}. {account['fix']}".rstrip()] if reason else []


def _verdicts(account: Json) -> list[str]:
    words = []
    if "probe" in account:
        words.append("works" if account["probe"]["ok"] else "probe failed")
    if "audit" in account:
        words.append("audit ok" if account["audit"]["ok"] else "audit failed")
    return words


def _details(account: Json) -> list[str]:
    found, lines = account.get("probe"), []
    if found is not None and not found["ok"]:
        lines.append(f"{found['error']} {found.get('fix', '')}".rstrip())
    elif found is not None:
        intents = found["application"]["intents"]
        bot = found["bot"]
        lines.append(f"bot {bot['username']} ({bot['id']}), {found['elapsedMs']} ms")
        lines.append("intents: " + ", ".join(f"{name} {state}" for name, state in intents.items()))
    audited = account.get("audit")
    if audited is not None:
        bad = [one for one in audited["channels"] if not one["ok"]]
        lines += [_lacking(one) for one in bad[:CHANNELS_SHOWN]]
        if len(bad) > CHANNELS_SHOWN:
            lines.append(f"and {len(bad) - CHANNELS_SHOWN} more; --json has all")
        if audited["unresolvedChannels"]:
            lines.append(
                f"{audited['unresolvedChannels']} channels are named by name and were not looked at; "
                "`shoal channels resolve` tells their ids"
            )
    return lines


def _lacking(row: Json) -> str:
    place = f"#{row['name']} ({row['channelId']})" if row.get("name") else f"channel {row['channelId']}"
    return f"{place}: {row['error']}" if "error" in row else f"{place}: missing {', '.join(row['missing'])}"
