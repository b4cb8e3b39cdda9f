"""What came into the lane behind the head of a turn: edits of it, messages that join it, what gave way.

The lane is looked at once before the turn begins and at each of its model boundaries (rule R7).
Which messages join, and how they are told, is decided in :mod:`workers.agent.joining`.
"""

from __future__ import annotations

from collections.abc import Sequence

from shoal.state.effects import GivenWayTold
from shoal.state.lanes import Lanes
from shoal.state.records import Grant, Record
from shoal.state.steps import Park
from workers.agent.attached import Attached
from workers.agent.entries import Edited, GaveWay, Steered
from workers.agent.finish import Ending
from workers.agent.joining import (
    collected_text,
    first_of_each,
    given_way_text,
    joins,
    quiet_in_ms,
    settleable,
    steered_text,
    tells,
)
from workers.agent.journal import Journal
from workers.agent.profile import AgentProfile
from workers.sessions.changes import apply_changes
from workers.sessions.records import TurnRequest, decode_turn

__all__ = ["Incoming"]

MAX_ABSORBED = 24
BEHIND = 32
"""Records behind the head that one look takes in; of changes, however many came since, none is missed."""


class Incoming:
    """The lane behind one head. The request of the turn is that of its ``ending``, which edits change."""

    def __init__(
        self,
        grant: Grant,
        lanes: Lanes,
        journal: Journal,
        profile: AgentProfile,
        ending: Ending,
        files: Attached,
    ) -> None:
        self._grant = grant
        self._lanes = lanes
        self._journal = journal
        self._profile = profile
        self._ending = ending
        self._files = files
        self._plain = ending.request
        self._behind: Sequence[Record] | None = None

    @property
    def request(self) -> TurnRequest:
        """The request as it is now."""
        return self._ending.request

    @property
    def collecting(self) -> bool:
        """The turn answers what gathered while another ran."""
        return self.request.mode == "collect" and self.request.queued

    def take_changes(self) -> bool:
        """Edits and deletions from while the message waited; false if nothing of it is left."""
        self._behind = self._lanes.behind(self._grant, BEHIND)
        changed = apply_changes(self._plain, self._changes(self._behind))
        if changed is None:
            return False
        if changed is not self._plain:
            self._journal.write(Edited(self._journal.now_ms(), changed.text, changed.message_ids))
            self._plain = self._ending.request = changed
        return True

    def take_files(self) -> Park | None:
        """What was sent along is known from here on, or is waited for."""
        waiting = self._files.gather(self._plain)
        self._ending.request = self._files.told(self._grant.head.identity, self._plain)
        return waiting

    def waited(self, cap: int) -> int:
        """See to what gathered while the message waited, and to what gave way meanwhile.

        Args:
            cap: so many collected messages are answered at once.

        Returns:
            Milliseconds until what is collected has been quiet for long enough; 0 to begin now.
        """
        state = self._journal.state
        if not self.request.queued or state.answers or state.steered:
            return 0
        if self.collecting:
            gathered = self._lanes.gathering(self._grant)
            quiet_ms = quiet_in_ms(gathered, self._grant.head, cap=cap)
            if quiet_ms:
                return quiet_ms
            self._behind = [record for record, _ in gathered]
        lane, place = self._grant.lane, self.request.channel_id
        lines = self._lanes.given_way(lane, place)
        if lines:
            entry = GaveWay(self._journal.now_ms(), given_way_text(lines))
            self._journal.write(entry, [GivenWayTold(lane, place, len(lines))])
        return 0

    def absorb(self) -> list[TurnRequest]:
        """Take in what was admitted since, for this conversation, and journal what the model is told.

        Returns:
            The messages that belong to the turn now and did not before.
        """
        state, head = self._journal.state, self._grant.head
        answers = state.answers
        # what was seen a moment ago, before the first question, is fresh enough
        behind = self._behind if self._behind is not None else self._lanes.behind(self._grant, BEHIND)
        changes = self._changes(behind)
        self._behind = None
        known = {record.identity: record for record in self._grant.absorbed}
        for record in self._joining(behind, changes):
            known[record.identity] = record
        unread = [record for name, record in known.items() if name not in state.steered]
        # these are told of now and stay: they have a turn of their own later
        told = [record for record in behind if tells(record, head, answers=answers, steered=state.steered)]
        if not unread and not told:
            return []
        requests = {}
        for record in (*unread, *told):
            request = decode_turn(record.body)
            requests[record.identity] = apply_changes(request, changes) or request
        self._files.settle(requests)
        requests = {name: self._files.told(name, request) for name, request in requests.items()}
        files = {request.message_id: state.files.get(name) for name, request in requests.items()}
        joined = {record.identity: requests[record.identity] for record in unread}
        self._ending.absorbed.update(joined)
        rendered = collected_text if self.collecting and not answers else steered_text
        text = rendered(list(requests.values()), self._profile, files)
        self._journal.write(Steered(self._journal.now_ms(), tuple(requests), text, first=not answers))
        return list(joined.values())

    def joined(self) -> tuple[TurnRequest, ...]:
        """Every message besides the head that the model has read, as far as it is still known."""
        absorbed = self._ending.absorbed
        told = [name for name in self._journal.state.steered if name not in absorbed]
        found = [self._lanes.find(self._grant.lane, name) for name in told]
        return (*absorbed.values(), *(decode_turn(record.body) for record in found if record is not None))

    def _changes(self, behind: Sequence[Record]) -> Sequence[Record]:
        """Where edits and deletions are looked for: in a long lane they stand far behind their message."""
        return behind if len(behind) < BEHIND else self._lanes.waiting(self._grant.lane)

    def _joining(self, behind: Sequence[Record], changes: Sequence[Record]) -> list[Record]:
        """The records that join now; they belong to the turn when this returns."""
        answers, absorbed = self._journal.state.answers, self._grant.absorbed
        # a message that was deleted meanwhile stays where it is, and is dropped when its turn comes
        fresh = [
            record
            for record in behind
            if joins(record, self._grant.head, answers=answers, collecting=self.collecting)
            and apply_changes(decode_turn(record.body), changes) is not None
        ]
        fresh = self._files.until_ready(first_of_each(fresh)[: MAX_ABSORBED - len(absorbed)])
        if fresh:
            bound = self._lanes.stop_bound(self._grant.lane, self._grant.head.scope)
            fresh = settleable(fresh, self._ending.absorbed.values(), self.request, bound)
        if fresh:
            self._lanes.absorb(self._grant, [record.identity for record in fresh])
            absorbed.extend(fresh)
        return fresh
