"""The pairing store on a real server (spec/inbound.md 3.3): cap, life, races, approval, revocation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from shoal.base.errors import StateConflict
from shoal.base.ids import new_token
from shoal.state.effects import Effect, Pair, PairReply
from shoal.state.pairing import ALPHABET, LIFE_MS, Request, new_codes
from shoal.state.records import Grant, Record
from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.state.support import MESSAGE

ANN, BOB, CAT, DAN = "101", "102", "103", "104"


def message_id(number: int) -> str:
    return str(int(MESSAGE) + number)


def knock(sender: str, number: int, *, account: str = "default", codes: tuple[str, ...] = ()) -> Pair:
    """The effect of a stranger's message."""
    lane = f"delivery:{account}:7{sender}"
    notice = Record(f"{account}.{message_id(number)}.notice-pairing", "send", b"{}")
    return Pair(
        account,
        sender,
        f'{{"name":"user{sender}"}}',
        message_id(number),
        lane,
        notice,
        codes=codes or new_codes(),
    )


def apply(store: Store, *effects: Effect) -> None:
    """Commit effects as an admission does."""
    lane = f"inbound:default:{new_token()[:8]}"
    store.lanes.push(lane, Record("m:1", "MESSAGE_CREATE", b"{}"))
    grant = store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    store.lanes.commit(grant, list(effects), take_next=False)


def outcome(store: Store, number: int, account: str = "default") -> tuple[str, str]:
    told = store.ledger.explain(account, message_id(number))
    assert told is not None
    return str(told.outcome), told.reason


def replies(store: Store, sender: str, account: str = "default") -> int:
    return store.lanes.depth(f"delivery:{account}:7{sender}")


def age(store: Store, sender: str, by_ms: int, account: str = "default") -> None:
    """Make a request older."""
    key = store.keys.pairing(account)
    created, rest = store.redis.hget(key, sender).split(b" ", 1)
    store.redis.hset(key, sender, str(int(created) - by_ms).encode() + b" " + rest)


def code_of(store: Store, sender: str, account: str = "default") -> str:
    request = store.pairing.request(account, sender)
    assert request is not None
    return request.code


def test_codes_are_eight_of_thirty_two_symbols() -> None:
    assert len(set(ALPHABET)) == 32
    assert set("IO01").isdisjoint(ALPHABET)
    codes = [code for _ in range(200) for code in new_codes()]
    assert all(re.fullmatch(f"[{ALPHABET}]{{8}}", code) for code in codes)
    assert len(set(codes)) == len(codes)


def test_a_stranger_gets_one_request_one_reply_and_keeps_the_code(store: Store) -> None:
    apply(store, knock(ANN, 1))
    code = code_of(store, ANN)
    apply(store, knock(ANN, 2))
    assert code_of(store, ANN) == code
    assert replies(store, ANN) == 1
    assert outcome(store, 1) == ("pairing", "requested")
    assert outcome(store, 2) == ("pairing", "waiting")
    assert store.pairing.waiting(["default"])[0].meta == {"name": "user101"}


def test_an_event_that_comes_again_makes_nothing_twice(store: Store) -> None:
    """Even after the request is over: the message has its outcome."""
    apply(store, knock(ANN, 1))
    apply(store, knock(ANN, 1))
    assert replies(store, ANN) == 1
    age(store, ANN, LIFE_MS)
    apply(store, knock(ANN, 1))
    assert replies(store, ANN) == 1
    assert store.pairing.waiting(["default"]) == []


def test_a_request_lives_an_hour_from_its_creation(store: Store) -> None:
    apply(store, knock(ANN, 1))
    code = code_of(store, ANN)
    age(store, ANN, LIFE_MS - 5_000)
    apply(store, knock(ANN, 2))  # not refreshed by a later message
    age(store, ANN, 5_000)
    assert store.pairing.request("default", ANN) is None
    assert store.pairing.approve(code, ["default"]).outcome == "unknown"
    assert not store.pairing.has("default", ANN)
    apply(store, knock(ANN, 3))
    assert code_of(store, ANN) != code
    assert replies(store, ANN) == 2


def test_three_wait_and_the_fourth_gets_nothing(store: Store) -> None:
    for number, sender in enumerate((ANN, BOB, CAT, DAN)):
        apply(store, knock(sender, number))
    assert outcome(store, 3) == ("dropped", "pairing-full")
    assert replies(store, DAN) == 0
    assert [request.sender for request in store.pairing.waiting(["default"])] == [ANN, BOB, CAT]
    apply(store, knock(ANN, 5))
    assert outcome(store, 5) == ("pairing", "waiting")
    age(store, BOB, LIFE_MS)
    apply(store, knock(DAN, 6))  # a place is free again
    assert outcome(store, 6) == ("pairing", "requested")


def test_accounts_have_lists_of_their_own(store: Store) -> None:
    for number, sender in enumerate((ANN, BOB, CAT)):
        apply(store, knock(sender, number))
    apply(store, knock(ANN, 1, account="work"))
    assert outcome(store, 1, "work") == ("pairing", "requested")
    done = store.pairing.approve(code_of(store, ANN, "work"), ["default", "work"])
    assert (done.outcome, done.account) == ("approved", "work")
    assert store.pairing.has("work", ANN)
    assert not store.pairing.has("default", ANN)


def test_a_code_of_another_account_is_unknown_here(store: Store) -> None:
    apply(store, knock(ANN, 1, account="work"))
    code = code_of(store, ANN, "work")
    assert store.pairing.approve(code, ["default"]).outcome == "unknown"
    assert store.pairing.approve(f" {code.lower()} ", ["work"]).outcome == "approved"


def test_a_taken_code_is_not_given_again(store: Store) -> None:
    apply(store, knock(ANN, 1, codes=("AAAAAAAA",)))
    apply(store, knock(BOB, 2, codes=("AAAAAAAA", "BBBBBBBB")))
    assert code_of(store, BOB) == "BBBBBBBB"
    with pytest.raises(StateConflict, match="no free code"):
        apply(store, knock(CAT, 3, codes=("AAAAAAAA", "BBBBBBBB")))


def test_the_same_code_in_two_accounts_asks_for_the_account(store: Store) -> None:
    apply(store, knock(ANN, 1, codes=("AAAAAAAA",)))
    apply(store, knock(BOB, 2, account="work", codes=("AAAAAAAA",)))
    unsure = store.pairing.approve("AAAAAAAA", ["default", "work"])
    assert (unsure.outcome, unsure.accounts) == ("ambiguous", ("default", "work"))
    assert store.pairing.approve("AAAAAAAA", ["work"]).sender == BOB


def test_a_code_works_once(store: Store) -> None:
    apply(store, knock(ANN, 1))
    code = code_of(store, ANN)
    assert store.pairing.approve(code, ["default"]).outcome == "approved"
    assert store.pairing.revoke("default", ANN).approved
    assert store.pairing.approve(code, ["default"]).outcome == "unknown"
    assert not store.pairing.has("default", ANN)


def test_five_wrong_codes_lock_the_door_for_right_ones_too(store: Store) -> None:
    apply(store, knock(ANN, 1))
    left = [store.pairing.approve("ZZZZZZZZ", ["default"]).guesses_left for _ in range(5)]
    assert left == [4, 3, 2, 1, 0]
    locked = store.pairing.approve(code_of(store, ANN), ["default"])
    assert locked.outcome == "locked"
    assert 0 < locked.locked_ms <= 600_000
    store.redis.delete("shoal:1:pairtries")
    assert store.pairing.approve(code_of(store, ANN), ["default"]).outcome == "approved"


@pytest.mark.parametrize("sender", ["*", "Ann", "a b", "", "x" * 201])
def test_what_is_no_sender_is_never_stored(store: Store, sender: str) -> None:
    """``*`` can never be paired."""
    from shoal.base.errors import InvalidName

    with pytest.raises((StateConflict, InvalidName)):
        apply(store, knock(sender, 1))
    with pytest.raises(StateConflict):
        store.pairing.take_over("m", "default", [sender])
    assert store.redis.keys("shoal:1:pair*") == []


def test_the_first_who_is_approved_owns_what_nobody_owns(store: Store) -> None:
    for number, sender in enumerate((ANN, BOB)):
        apply(store, knock(sender, number))
    assert store.pairing.first_owner() is None
    assert not store.pairing.approve(code_of(store, ANN), ["default"], may_own=False).became_owner
    assert store.pairing.first_owner() is None
    assert store.pairing.approve(code_of(store, BOB), ["default"], may_own=True).became_owner
    owner = store.pairing.first_owner()
    assert owner is not None
    assert (owner.sender, owner.account) == (BOB, "default")
    apply(store, knock(CAT, 3))
    assert not store.pairing.approve(code_of(store, CAT), ["default"], may_own=True).became_owner
    assert store.pairing.revoke("default", BOB).owner
    assert store.pairing.first_owner() is None


def test_revoking_elsewhere_leaves_the_owner(store: Store) -> None:
    apply(store, knock(ANN, 1))
    store.pairing.approve(code_of(store, ANN), ["default"], may_own=True)
    answer = store.pairing.revoke("work", ANN)
    assert (answer.approved, answer.waiting, answer.owner) == (False, False, False)
    assert store.pairing.first_owner() is not None


def test_revoking_one_who_waits_ends_the_request(store: Store) -> None:
    apply(store, knock(ANN, 1))
    assert store.pairing.revoke("default", ANN).waiting
    assert store.pairing.waiting(["default"]) == []


def test_a_reply_that_failed_is_told_and_tried_again_a_minute_later(store: Store) -> None:
    apply(store, knock(ANN, 1))
    apply(store, PairReply("default", ANN, f"default.{message_id(1)}.notice-pairing", "failed:dm-50007"))
    request = store.pairing.request("default", ANN)
    assert request is not None
    assert request.failure == "dm-50007"
    apply(store, knock(ANN, 2))
    assert replies(store, ANN) == 1
    key = store.keys.pairing("default")
    parts = store.redis.hget(key, ANN).split(b" ")
    parts[4] = str(int(parts[4]) - 60_001).encode()
    store.redis.hset(key, ANN, b" ".join(parts))
    apply(store, knock(ANN, 3))
    assert replies(store, ANN) == 2
    again = store.pairing.request("default", ANN)
    assert again is not None
    assert (again.reply, again.code) == ("queued", request.code)
    apply(store, PairReply("default", ANN, f"default.{message_id(1)}.notice-pairing", "sent"))  # of the first
    latest = store.pairing.request("default", ANN)
    assert latest is not None
    assert latest.reply == "queued"


def test_who_was_approved_meanwhile_is_decided_about_again(store: Store) -> None:
    store.pairing.take_over("m", "default", [ANN])
    with pytest.raises(StateConflict, match="approved meanwhile"):
        apply(store, knock(ANN, 1))
    assert store.ledger.explain("default", message_id(1)) is None


def test_two_front_workers_race_and_three_wait(store: Store) -> None:
    """Ten strangers in ten channels at once: exactly three requests, three replies, seven drops."""
    senders = [str(200 + number) for number in range(10)]

    def one(number: int) -> None:
        apply(store, knock(senders[number], number))

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(one, range(10)))
    outcomes = [outcome(store, number) for number in range(10)]
    assert sorted(outcomes) == [("dropped", "pairing-full")] * 7 + [("pairing", "requested")] * 3
    assert sum(replies(store, sender) for sender in senders) == 3
    assert len(store.pairing.waiting(["default"])) == 3


def test_one_stranger_in_two_lanes_at_once_gets_one_reply(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: apply(store, knock(ANN, number)), range(8)))
    outcomes = sorted(outcome(store, number) for number in range(8))
    assert outcomes == [("pairing", "requested")] + [("pairing", "waiting")] * 7
    assert replies(store, ANN) == 1


def test_a_code_approved_by_two_at_once_is_approved_once(store: Store) -> None:
    apply(store, knock(ANN, 1))
    code = code_of(store, ANN)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: store.pairing.approve(code, ["default"], may_own=True), range(4)))
    assert sorted(answer.outcome for answer in answers) == ["approved", "unknown", "unknown", "unknown"]


@pytest.fixture
def lasting(durable_server: RedisServer) -> Iterator[Store]:
    opened = Store.open(durable_server.url, client_name="test")
    yield opened
    opened.close()


def test_all_of_it_survives_a_kill_of_redis(lasting: Store, durable_server: RedisServer) -> None:
    for number, sender in enumerate((ANN, BOB)):
        apply(lasting, knock(sender, number))
    assert lasting.pairing.approve(code_of(lasting, ANN), ["default"], may_own=True).became_owner
    code = code_of(lasting, BOB)
    durable_server.kill()
    durable_server.restart()
    assert lasting.pairing.has("default", ANN)
    assert lasting.pairing.approve(code, ["default"]).sender == BOB
    owner = lasting.pairing.first_owner(max_age_s=0)
    assert owner is not None
    assert owner.sender == ANN


def imported(store: Store, sender: str, *, age_s: int, seen_s: int, code: str) -> Request:
    now = store.now_ms()
    return Request("default", sender, code, now - age_s * 1000, now - seen_s * 1000, "", "", {"tag": sender})


def test_files_are_taken_over_once_and_within_the_cap(store: Store) -> None:
    requests = [
        imported(store, "1", age_s=100, seen_s=90, code="AAAAAAAA"),
        imported(store, "2", age_s=100, seen_s=10, code="BBBBBBBB"),
        imported(store, "3", age_s=4000, seen_s=1, code="CCCCCCCC"),
        imported(store, "4", age_s=100, seen_s=20, code="DDDDDDDD"),
        imported(store, "5", age_s=100, seen_s=30, code="EEEEEEEE"),
        imported(store, ANN, age_s=100, seen_s=1, code="FFFFFFFF"),
    ]
    taken = store.pairing.take_over("file.a", "default", [ANN, BOB, ANN], requests)
    assert taken is not None
    assert (taken.approved, taken.requests) == (2, 3)
    # those seen last; not the one that is over, not the one who is approved
    assert sorted(request.sender for request in store.pairing.waiting(["default"])) == ["2", "4", "5"]
    assert store.pairing.take_over("file.a", "default", [CAT], requests) is None
    assert not store.pairing.has("default", CAT)
    assert store.pairing.approve("bbbbbbbb", ["default"]).sender == "2"
    assert [each.how for each in store.pairing.paired("default")] == ["import", "import", "cli"]
