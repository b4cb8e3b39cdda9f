"""The way to Discord: proxies, the guard, and every row of the proxy guide's error table (decision 46)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from shoal.base.errors import ShoalError, TransportError
from shoal.base.findings import Finding
from shoal.cli.doctor.check import Check, Patient
from shoal.discord.troubles import TROUBLES, Trouble, trouble_for

if TYPE_CHECKING:
    from shoal.cli.doctor.probes import Probe

__all__ = ["CHECKS"]

_ROWS = {row.key: row for row in TROUBLES}
OFTEN = 5
"""Cuts a day from which on they are worth a word."""


def _connection(patient: Patient) -> Iterator[Finding]:
    for account, probe in patient.probes.items():
        yield from _reached(account, probe)


def _reached(account: str, probe: Probe) -> Iterator[Finding]:
    rest, socket = _lost(probe.rest_error), _lost(probe.gateway_error)
    if rest is not None and socket is not None:
        yield _finding(account, trouble_for(rest.leg) or _ROWS["fetch-failed"], rest)
    elif rest is not None:
        yield _finding(account, _ROWS["fetch-failed"], rest)
    elif socket is not None:
        yield _finding(account, _ROWS["gateway"], socket)


def _lost(error: ShoalError | None) -> TransportError | None:
    return error if isinstance(error, TransportError) else None


def _finding(account: str, row: Trouble, error: TransportError) -> Finding:
    own = trouble_for(error.leg)
    more = f" ({own.name}: {own.meaning})" if own is not None and own is not row else ""
    fix = error.fix if row.fix in error.fix else f"{row.fix} {error.fix}".strip()
    return Finding(
        f"connection-{row.key}",
        "critical",
        f"{row.name}: {error.message}{more} {row.meaning}",
        fix,
        f"account {account}",
    )


def _cuts(patient: Patient) -> Iterator[Finding]:
    """Connections that ended without a close frame: 1006 in other clients' words."""
    cuts = [
        line
        for line in patient.log
        if "gateway connection ended" in line.text
        and ("close_code=None" in line.text or "close_code=1006" in line.text)
    ]
    if len(cuts) >= OFTEN:
        row = _ROWS["closed-1006"]
        yield Finding(
            "connection-closed-1006",
            "warn",
            f"{row.name}: {len(cuts)} times in the last 24 hours, last at {cuts[-1].at:%H:%M}. {row.meaning}",
            row.fix,
        )


def _slow(patient: Patient) -> Iterator[Finding]:
    """Requests that left and got no answer."""
    found = [
        line for line in patient.log if "no answer in time" in line.text or "Request timeout" in line.text
    ]
    if len(found) >= OFTEN:
        row = _ROWS["request-timeout"]
        yield Finding(
            "connection-request-timeout",
            "warn",
            f"{row.name}: {len(found)} times in the last 24 hours, last at {found[-1].at:%H:%M}. "
            f"{row.meaning}",
            row.fix,
        )


def _guard(patient: Patient) -> Iterator[Finding]:
    """What goes around a proxy, and what tried to."""
    from shoal.cli.egress import proxy_report

    if patient.loaded is None:
        return
    report = proxy_report(patient.loaded)
    for account, way in report["accounts"].items():
        if way["proxy"] is not None and way["direct"]:
            yield Finding(
                "proxy-exempt",
                "warn",
                f"NO_PROXY sends {', '.join(way['direct'])} of account {account} around the proxy "
                f"{way['proxy']}.",
                "Take Discord's hosts out of NO_PROXY, or write the proxy into channels.discord.proxy.",
                f"account {account}",
            )
    if report["why_not"]:
        yield Finding(
            "egress-unguarded",
            "warn",
            f"Workers have no guard against connections around the proxy: {report['why_not']}.",
            "Give every account a proxy.",
        )
    if report["refused"]:
        last = report["last_refused"] or {}
        yield Finding(
            "egress-refused",
            "warn",
            f"{report['refused']} connections around the proxy were refused, the last to "
            f"{last.get('target', '?')} "
            f"by {last.get('process', '?')}.",
            "See logs/egress.jsonl; remove the file when that is explained.",
        )


CHECKS = (
    Check(
        "connection",
        "REST and the gateway's websocket, through the proxy where there is one",
        ("Used disallowed intents or bot sees no guild messages", "First: run doctor"),
        _connection,
    ),
    Check("connection-cuts", "gateway connections that were cut without a word", (), _cuts),
    Check("connection-slow", "requests without an answer", (), _slow),
    Check("egress", "what goes around a proxy", (), _guard),
)
