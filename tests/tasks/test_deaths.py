"""A turn that dies says so where people look, once."""

from __future__ import annotations

import msgspec
import pytest

from shoal.base.ids import new_token
from shoal.state.records import Failure, Grant, Record
from shoal.state.store import Store
from tasks.deaths import tell_of_the_dead
from workers.delivery.records import decode_send
from workers.delivery.settling import Settle
from workers.sessions.records import KIND, TurnRequest, encode

LANE = "session:agent:main:main"


def die(store: Store, body: bytes, kind: str = KIND) -> None:
    record = Record("default.900", kind, body, account="default", message_id="900")
    store.lanes.push(LANE, record)
    for _ in range(3):
        grant = store.lanes.acquire(LANE, new_token())
        assert isinstance(grant, Grant)
        store.lanes.fail(grant, Failure.HANDLED, code="internal", reason="It broke.", delay_ms=0)
    assert store.lanes.depth(LANE) == 0


@pytest.mark.parametrize(("text", "said"), [("hello", "Something went wrong"), ("你好", "出了点问题")])
def test_a_dead_turn_leaves_one_notice_in_its_conversation(store: Store, text: str, said: str) -> None:
    turn = TurnRequest(
        account="default",
        channel_id="77",
        message_id="900",
        author_id="5",
        author_name="ada",
        chat_type="direct",
        agent_id="main",
        session_key="agent:main:main",
        text=text,
    )
    die(store, encode(turn))
    assert tell_of_the_dead(store) == 1
    assert tell_of_the_dead(store) == 0
    grant = store.lanes.acquire("delivery:default:77", new_token())
    assert isinstance(grant, Grant)
    notice = decode_send(grant.head.body)
    assert said in notice.text
    assert notice.reply_to == "900"
    assert store.lanes.depth("delivery:default:77") == 1
    explained = store.ledger.explain("default", "900")
    assert explained is not None
    assert explained.outcome == "dead"


def test_a_dead_turn_leaves_no_state_on_its_message(store: Store) -> None:
    """``spec/inbound.md`` 7.5: only the acknowledgement may stay."""
    turn = TurnRequest(
        account="default",
        channel_id="77",
        message_id="900",
        author_id="5",
        author_name="ada",
        chat_type="channel",
        agent_id="main",
        session_key="agent:main:main",
        text="hi",
        ack="👀",
    )
    die(store, encode(turn))
    tell_of_the_dead(store, ("🤔", "🔥"))
    grant = store.lanes.acquire("reaction:default:900", new_token())
    assert isinstance(grant, Grant)
    wanted = msgspec.json.decode(grant.head.body, type=Settle)
    assert (wanted.states, wanted.ack, wanted.remove) == (("🤔", "🔥"), "👀", ())


def test_an_unreadable_record_is_told_in_the_log_only(store: Store) -> None:
    die(store, b"\xff not json")
    assert tell_of_the_dead(store) == 1
    assert tell_of_the_dead(store) == 0
