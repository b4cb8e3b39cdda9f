"""Controls people can click: buttons, selects and forms of messages, until they are used up or expire.

They are remembered by the effect :class:`~shoal.state.effects.Controls` of whatever makes the
message, before it is sent, so a click can never be too early. Which of two clicks was first
is decided inside Redis. Bodies are opaque here (``workers.components.entries``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from shoal.base.errors import StateConflict
from shoal.base.ids import check_name

if TYPE_CHECKING:
    from shoal.state.store import Store

__all__ = ["ControlRegistry", "Taken"]


REUSABLE = b"1"
"""How the value of a control begins that answers every click (``lua/_controls.lua``)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a click: ``taken`` with the body, ``used`` up by another, or ``gone``."""

    how: Literal["taken", "used", "gone"]
    body: bytes = b""


class ControlRegistry:
    """Reads and uses up controls. All calls raise ``StoreUnavailable`` when Redis does not answer."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def look(self, account: str, group: str, control: str) -> bytes | None:
        """The body of a control, whether or not it is used up; ``None`` once it is gone."""
        key = self._store.keys.controls(account, group)
        found: bytes | None = self._store.redis.hget(key, check_name(control, "control"))
        return None if found is None else found[1:]

    def reusable(self, account: str, group: str) -> frozenset[str]:
        """The controls of a message that answer every click; none once they are gone."""
        key = self._store.keys.controls(account, group)
        found: dict[bytes, bytes] = self._store.redis.hgetall(key)
        return frozenset(name.decode() for name, value in found.items() if value.startswith(REUSABLE))

    def take(self, account: str, group: str, control: str, interaction_id: str) -> Taken:
        """Use a control up, and with it every other of its message that is not reusable.

        The same interaction may take it again. A reusable control is never used up.

        Raises:
            StateConflict: a name that may not be in a key.
        """
        reply = self._store.script("control_take")(
            check_name(account, "account"),
            check_name(group, "group"),
            check_name(control, "control"),
            check_name(interaction_id, "interaction id"),
        )
        if reply[0] == b"conflict":
            raise StateConflict(reply[1].decode(), "control_take")
        body = reply[1] if len(reply) > 1 else b""
        return Taken(reply[0].decode(), body)
