"""Which processes a fleet has. Plain data; nothing is started here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["GROUPS", "WORKERS", "Program", "plan"]

GROUPS = {"redis": 100, "fleet": 500, "gateway": 900}
"""Group → priority. Started from low to high; stopped from high to low, each group only when the one
before it has left. So on the way out the gateway stops listening first and Redis goes last."""


WORKERS = ("front", "turns", "back", "chores")
"""Worker kinds, in the order in which a first message needs them."""


@dataclass(frozen=True, slots=True)
class Program:
    """One process: its name in logs, the arguments after ``python -P``, the group it stops with."""

    name: str
    args: tuple[str, ...]
    group: str


def _shoal(name: str, group: str, *words: str) -> Program:
    return Program(name, ("-m", "shoal.cli", *words), group)


def plan(
    accounts: Sequence[str],
    *,
    workers: Mapping[str, int] | None = None,
    embedded_redis: bool = True,
    flower: bool = True,
    force: bool = False,
) -> list[Program]:
    """Every process of a fleet on one machine.

    Args:
        accounts: bot accounts to listen for; one gateway process each.
        workers: processes per worker kind; one of each where nothing is said.
        embedded_redis: whether our own Redis server is one of the processes.
        flower: whether the monitoring page is.
        force: gateways take their account from a living holder elsewhere.
    """
    programs: list[Program] = []
    if embedded_redis:
        programs.append(_shoal("redis", "redis", "redis"))
    for kind in WORKERS:
        count = (workers or {}).get(kind, 1)
        for index in range(1, count + 1):
            name = kind if count == 1 else f"{kind}.{index}"
            number = () if index == 1 else ("--index", str(index))
            programs.append(_shoal(name, "fleet", "worker", kind, *number))
    programs.append(_shoal("beat", "fleet", "beat"))
    if flower:
        programs.append(_shoal("flower", "fleet", "flower"))
    for account in accounts:
        listen = ("gateway", "--listener-only", "--account", account)
        words = (*listen, "--force") if force else listen
        programs.append(_shoal(f"gateway.{account}", "gateway", *words))
    return programs
