"""How a turn closes: the facts its commit, its transcript and ``shoal explain`` are made from."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.state.ledger import Outcome as Verdict
from workers.delivery.records import SendRequest

__all__ = ["Closing"]


@dataclass(frozen=True, slots=True)
class Closing:
    """What became of a turn.

    Attributes:
        send: what is on its way to Discord, or none.
        silent: why nothing is; empty where something is.
        length: of the last words, shown or not.
        shown: the last words as people read them, for the transcript.
        verdict: the outcome of the message.
        reason: why there is no proper answer: an error, a stop; empty where there is one.
        partial: what the model had said when it was stopped.
        unheard: why an answer that was to be read aloud is not; empty where all is well.
    """

    send: SendRequest | None
    silent: str = ""
    length: int = 0
    shown: str = ""
    verdict: Verdict = Verdict.ANSWERED
    reason: str = ""
    partial: str = ""
    unheard: str = ""

    @property
    def stopped(self) -> bool:
        """A stop ended it."""
        return self.verdict == Verdict.STOPPED
