"""Which messages behind the head join a turn, and how the model reads them (``spec/inbound.md`` 5.4, R7).

Only those of the head's own scope: account, place and authority. The others wait.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from shoal.state.lanes import born_before
from shoal.state.records import Record
from workers.agent.context_blocks import block
from workers.agent.profile import AgentProfile
from workers.agent.prompt import user_text
from workers.media.files import MediaFile
from workers.sessions.envelopes import GIVEN_WAY
from workers.sessions.records import TurnRequest, decode_turn
from workers.sessions.untrusted import field_text, header_value

__all__ = [
    "collected_text",
    "first_of_each",
    "given_way_text",
    "joins",
    "quiet_in_ms",
    "settleable",
    "steered_text",
    "tells",
]

Files = Mapping[str, Sequence[MediaFile] | None]
"""What is known of the files of messages, by message id."""

MAX_MESSAGES = 32
"""Messages behind all that is absorbed; each gets its outcome with the commit, which holds 64 effects."""


def joins(record: Record, head: Record, *, answers: int, collecting: bool) -> bool:
    """Whether a record becomes part of the turn of ``head``.

    Args:
        answers: how often the model has answered in this turn.
        collecting: the turn answers what was collected.
    """
    if record.scope != head.scope or record.kind != head.kind:
        return False
    if record.mode == "collect":
        return collecting and not answers
    return record.mode in ("steer", "queue")


def first_of_each(records: Sequence[Record]) -> list[Record]:
    """The records of one boundary: of those in mode ``queue`` only one."""
    kept: list[Record] = []
    queued = False
    for record in records:
        if record.mode == "queue":
            if queued:
                continue
            queued = True
        kept.append(record)
    return kept


def tells(record: Record, head: Record, *, answers: int, steered: Collection[str]) -> bool:
    """Whether a running turn is told of a record that will have a turn of its own (``steer-backlog``)."""
    same = record.scope == head.scope and record.kind == head.kind
    return same and record.mode == "steer-backlog" and answers > 0 and record.identity not in steered


def quiet_in_ms(gathered: Iterable[tuple[Record, int]], head: Record, *, cap: int) -> int:
    """How long what is collected behind ``head`` still gathers; 0: it is answered now.

    Args:
        gathered: records behind the head, with the milliseconds until each is due: a collected message
            becomes due when it has been quiet since for long enough.
        cap: so many are answered at once, quiet or not.
    """
    times = [left for record, left in gathered if joins(record, head, answers=0, collecting=True)]
    return 0 if len(times) + 1 >= cap else max(times, default=0)


def steered_text(requests: Iterable[TurnRequest], profile: AgentProfile, files: Files) -> str:
    """Messages that came in meanwhile, one after the other; ``files`` by message id."""
    return "\n\n".join(
        user_text(request, profile, brief=True, files=files.get(request.message_id)) for request in requests
    )


def collected_text(requests: Sequence[TurnRequest], profile: AgentProfile, files: Files) -> str:
    """What was collected behind the head: a header, then numbered items with their senders."""
    total = len(requests) + 1
    parts = [f"[Queued messages while you were busy: {total} in all. #1 is the message above.]"]
    for number, request in enumerate(requests, 2):
        sender = header_value(request.sender)
        item = user_text(request, profile, brief=True, files=files.get(request.message_id))
        parts.append(f"[Queued #{number} of {total}, from {sender}, user id:{request.author_id}]\n{item}")
    return "\n\n".join(parts)


def given_way_text(lines: Sequence[bytes]) -> str:
    """What the next turn is told of messages that gave way because too many waited."""
    told = [field_text(line.decode("utf-8", "replace")) for line in lines]
    return block(GIVEN_WAY, {"dropped": len(told), "summary": told[-20:]})


def settleable(
    fresh: Sequence[Record],
    known: Iterable[TurnRequest],
    request: TurnRequest,
    bound: tuple[int, str] | None,
) -> list[Record]:
    """As many of ``fresh`` as one commit can give an outcome; a batch stands for many messages.

    Left where they are, for a turn of their own: what a stop covers although it came into the lane
    after the stop, and the copy PluralKit made of a message that is part of this turn.

    Args:
        known: what is absorbed already.
        request: the head.
        bound: the stop in force in the lane.
    """
    ids = set(request.all_message_ids)
    count = 0
    for other in known:
        ids.update(other.all_message_ids)
        count += len(other.all_message_ids)
    taken: list[Record] = []
    for record in fresh:
        own = decode_turn(record.body)
        if (bound is not None and born_before(record, bound)) or own.original_id in ids:
            continue
        count += len(own.all_message_ids)
        if count > MAX_MESSAGES:
            break
        taken.append(record)
    return taken
