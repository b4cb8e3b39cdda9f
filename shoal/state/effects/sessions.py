"""Effects on sessions: their records, their transcripts, and what their next turn is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shoal.base.ids import check_name
from shoal.state.scripts import Args

__all__ = ["Fork", "SessionPut", "SystemEvent", "SystemEventsDone", "Transcript"]


@dataclass(frozen=True, slots=True)
class SessionPut:
    """Set fields of a session record; ``updated_at`` is set by Redis' clock. A None value removes."""

    session_key: str
    fields: Mapping[str, bytes | str | None] = field(default_factory=dict)

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.session_key, "session key")
        gone = [check_name(name, "session field") for name, value in self.fields.items() if value is None]
        kept: Args = []
        for name, value in self.fields.items():
            if value is not None:
                kept += (check_name(name, "session field"), value)
        return ["session", self.session_key, len(kept) // 2, *kept, len(gone), *gone]


@dataclass(frozen=True, slots=True)
class Transcript:
    """Append entries (opaque bytes, one JSON line each) to a transcript.

    ``keep``: only the newest so many entries stay, and all go after 30 days without a new one; 0 keeps
    everything (R27: what grows with every message needs a bound where it is written).
    """

    session_id: str
    entries: Sequence[bytes]
    keep: int = 0

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.session_id, "session id")
        return ["transcript", self.session_id, int(self.keep), len(self.entries), *self.entries]


@dataclass(frozen=True, slots=True)
class Fork:
    """A transcript begins as a copy of another one's hot part. One that is there already stays as it is."""

    session_id: str
    copy_id: str

    def args(self) -> Args:
        """Verb and arguments."""
        return ["fork", check_name(self.session_id, "session id"), check_name(self.copy_id, "session id")]


@dataclass(frozen=True, slots=True)
class SystemEvent:
    """Something the next turn of a session is told (``spec/inbound.md`` 7.3).

    At most 20 wait, the oldest goes; one that says the same as the newest is not queued, one about the same
    thing with the same words replaces the older. ``text`` and ``about`` are digests of what is compared,
    ``body`` (4 kB) is opaque.
    """

    session_key: str
    event_id: str
    text: str
    about: str
    body: bytes

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.session_key, "session key")
        check_name(self.event_id, "event id")
        return ["event", self.session_key, self.event_id, self.text, self.about, self.body]


@dataclass(frozen=True, slots=True)
class SystemEventsDone:
    """These events were told and go; what came later stays. ``None``: all of them (a session begins anew)."""

    session_key: str
    event_ids: Sequence[str] | None = None

    def args(self) -> Args:
        """Verb and arguments."""
        check_name(self.session_key, "session key")
        if self.event_ids is None:
            return ["heard", self.session_key, "*"]
        names = [check_name(event_id, "event id") for event_id in self.event_ids]
        return ["heard", self.session_key, len(names), *names]
