"""Who may do what: the parts of the config audit as checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from config.audit import commands, direct, guilds, names, sharing
from config.loaded import Loaded
from shoal.base.findings import Finding
from shoal.cli.doctor.check import Check, Patient

__all__ = ["CHECKS"]

_Look = Callable[[Loaded, Mapping[str, int]], Iterable[Finding]]


def _part(look: _Look) -> Callable[[Patient], Iterable[Finding]]:
    def run(patient: Patient) -> Iterable[Finding]:
        if patient.loaded is None:
            return ()
        return look(patient.loaded, _paired(patient))

    return run


def _paired(patient: Patient) -> dict[str, int]:
    if patient.store is None or patient.loaded is None:
        return {}
    return {state.id: len(patient.store.pairing.paired(state.id)) for state in patient.loaded.account_states}


def _check(id_: str, looks_at: str, headings: tuple[str, ...], look: _Look) -> Check:
    return Check(id_, looks_at, headings, _part(look), audit=True)


CHECKS = (
    _check(
        "direct-messages",
        "who may write in private",
        ("DM and pairing issues", "Private messages do not work"),
        direct.look,
    ),
    _check(
        "servers",
        "which servers and channels are answered",
        (
            "Guild messages blocked unexpectedly",
            "Mention not required but still blocked",
            "Permission audit mismatches",
            "Bot connects but does not reply in servers",
            "requireMention false but still no reply",
            "Permission checks take numeric ids only",
        ),
        guilds.look,
    ),
    _check(
        "names",
        "people named by name instead of by id",
        ("Mention not required but still blocked", "Guild messages blocked unexpectedly"),
        names.look,
    ),
    _check("commands", "commands, approvals, bots and programs", ("Bot to bot loops",), commands.look),
    _check("sharing", "what accounts share", (), sharing.look),
)
