"""What a checkpoint or commit may do besides its own lane: a closed list of verbs (R5).

Each effect is plain data and says itself what the scripts are given for it (``args``: its verb, then its
arguments in the order ``_effects.lua`` lists). One script validates all of them and applies all of them with
the commit, or none. At most 64 effects and 256 kB per call; larger bodies are written first as blobs
(:class:`shoal.state.blobs.Blobs`) and named.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoal.base.errors import StateConflict
from shoal.state.effects.lanes import Expire, GivenWayTold, GiveWay, Push, Receipt, Slot, Wake
from shoal.state.effects.ledger import Count, Note, Outcome, Tally
from shoal.state.effects.people import Control, Controls, Pair, PairReply, Told
from shoal.state.effects.sessions import Fork, SessionPut, SystemEvent, SystemEventsDone, Transcript
from shoal.state.scripts import Args

__all__ = [
    "MAX_EFFECTS",
    "MAX_EFFECT_BYTES",
    "Control",
    "Controls",
    "Count",
    "Effect",
    "Expire",
    "Fork",
    "GiveWay",
    "GivenWayTold",
    "Note",
    "Outcome",
    "Pair",
    "PairReply",
    "Push",
    "Receipt",
    "SessionPut",
    "Slot",
    "SystemEvent",
    "SystemEventsDone",
    "Tally",
    "Told",
    "Transcript",
    "Wake",
    "encode_effects",
]

MAX_EFFECTS = 64
MAX_EFFECT_BYTES = 256 * 1024

Effect = (
    Push
    | Transcript
    | Fork
    | Receipt
    | Outcome
    | Note
    | Wake
    | Slot
    | Expire
    | SessionPut
    | SystemEvent
    | SystemEventsDone
    | GiveWay
    | GivenWayTold
    | Count
    | Told
    | Pair
    | PairReply
    | Tally
    | Controls
)


def encode_effects(effects: Sequence[Effect]) -> Args:
    """Effects as the flat argument list the scripts read (``_effects.lua``).

    Raises:
        StateConflict: more than 64 effects or 256 kB in all.
        InvalidName: a name that must not become part of a key.
    """
    if len(effects) > MAX_EFFECTS:
        raise StateConflict(f"{len(effects)} effects, at most {MAX_EFFECTS}", "effects")
    args: Args = [len(effects)]
    for effect in effects:
        args += effect.args()
    size = sum(len(part) for part in args if isinstance(part, bytes | str))
    if size > MAX_EFFECT_BYTES:
        raise StateConflict(f"{size} bytes of effects, at most {MAX_EFFECT_BYTES}; use blobs", "effects")
    return args
