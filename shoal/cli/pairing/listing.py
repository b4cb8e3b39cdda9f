"""Who waits and who was approved: for ``shoal pairing list`` and ``shoal status``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["collect", "label", "render", "waiting", "waiting_words"]

PRIVACY_HINT = (
    "They have to switch on Direct Messages in the Privacy Settings of a server they share with the bot, "
    "and write again."
)
NONE_PENDING = (
    "No pairing requests pending.\n"
    "Somebody wrote to the bot and got no reply? In a server they share with it: right-click the server → "
    "Privacy Settings → Direct Messages on; then write again."
)


def collect(store: Store, accounts: Sequence[str]) -> dict[str, Any]:
    """Who waits and who was approved, as plain data."""
    now, owner = store.now_ms(), store.pairing.first_owner()
    return {
        "channel": "discord",
        "requests": [
            {
                "account": request.account,
                "code": request.code,
                "id": request.sender,
                "meta": dict(request.meta),
                "createdAt": _iso(request.created_ms),
                "lastSeenAt": _iso(request.seen_ms),
                "age_s": (now - request.created_ms) // 1000,
                "reply": request.reply,
            }
            for request in store.pairing.waiting(accounts)
        ],
        "approved": [
            {
                "account": each.account,
                "id": each.sender,
                "meta": dict(each.meta),
                "since": _iso(each.since_ms),
                "how": each.how,
                "owner": owner is not None and (owner.account, owner.sender) == (each.account, each.sender),
            }
            for account in accounts
            for each in store.pairing.paired(account)
        ],
    }


def render(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = []
    if report["requests"]:
        rows = [("CODE", "USER ID", "NAME", "ACCOUNT", "REQUESTED", "REPLY")]
        rows += [
            (
                each["code"],
                each["id"],
                label(each["meta"]),
                each["account"],
                f"{_local(each['createdAt'])} ({each['age_s'] // 60} min ago)",
                reply_words(each["reply"]),
            )
            for each in report["requests"]
        ]
        lines += [*_table(rows), "", "Let somebody in: shoal pairing approve discord CODE"]
        if any(each["reply"].startswith("failed:") for each in report["requests"]):
            lines.append(f"A reply that failed was not seen. {PRIVACY_HINT}")
    else:
        lines.append(NONE_PENDING)
    if report["approved"]:
        people = [("APPROVED", "NAME", "ACCOUNT", "SINCE", "BY")]
        people += [
            (
                each["id"],
                label(each["meta"]),
                each["account"],
                _local(each["since"]),
                each["how"] + (", owner" if each["owner"] else ""),
            )
            for each in report["approved"]
        ]
        lines += ["", *_table(people)]
    return "\n".join(lines)


def reply_words(reply: str) -> str:
    """What became of the message with the code, for people."""
    if reply.startswith("failed:"):
        return f"FAILED ({reply.removeprefix('failed:')})"
    return {"sent": "sent", "queued": "on its way"}.get(reply, reply)


def label(meta: Mapping[str, str]) -> str:
    """The name behind an id, as far as it is known, fit for a terminal."""
    name, tag = meta.get("name", ""), meta.get("tag", "")
    text = f"{name} ({tag})" if name and tag and name != tag else name or tag or "-"
    return "".join(char if char.isprintable() else "?" for char in text)


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns of equal width on a terminal, separated by tabs in a pipe."""
    if not sys.stdout.isatty():
        return ["\t".join(row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    padded = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return ["  ".join(row).rstrip() for row in padded]


def _iso(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _local(iso: str) -> str:
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M")


def waiting(store: Store, accounts: Sequence[str]) -> list[dict[str, Any]]:
    """Requests without their codes, for ``shoal status``."""
    now = store.now_ms()
    return [
        {
            "account": request.account,
            "id": request.sender,
            "name": label(request.meta),
            "age_ms": now - request.created_ms,
            "failure": request.failure,
        }
        for request in store.pairing.waiting(accounts)
    ]


def waiting_words(requests: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of ``shoal status`` about what :func:`waiting` found."""
    if requests:
        yield f"Pairing    {len(requests)} waiting (see `shoal pairing list`)"
    for request in requests:
        if request["failure"]:
            yield (
                f"  the reply to {request['name']} ({request['id']}) could not be delivered: "
                f"{request['failure']}. {PRIVACY_HINT}"
            )
