"""Pairing at admission (spec/inbound.md 3.1, 3.3): who is asked to pair, and what an approval opens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from shoal.base.ids import new_token
from shoal.state.effects import Effect, Outcome
from shoal.state.records import Grant, Record, encode_event
from shoal.state.store import Store
from tests.workers.sessions.helpers import (
    ANN,
    BOB,
    BOT,
    CHANNEL,
    DM,
    GUILD,
    NOW,
    View,
    event,
    in_guild,
    message,
)
from workers.access.settings import AccessSettings
from workers.delivery.pairing import pair_effect
from workers.delivery.records import decode_send
from workers.sessions.admission import admit
from workers.sessions.admission.arrival import Part, arrive
from workers.sessions.admission.pairing import find_knock
from workers.sessions.records import decode_turn
from workers.sessions.view import Settings, StoreView
from workers.sessions.wire import read_message

PAIRING: dict[str, Any] = {"dmPolicy": "pairing", "guilds": {GUILD: {}}}


def view_on(store: Store, section: dict[str, Any], account: str = "default", **commands: Any) -> StoreView:
    store.facts.put_me(account, {"id": BOT, "username": "shoal"})
    return StoreView(Settings(account, AccessSettings.read(account, section, commands)), store)


def work(store: Store, view: StoreView, data: dict[str, Any], name: str = "MESSAGE_CREATE") -> str:
    """Push an event into its inbound lane and admit it, as the task does."""
    account = view.settings.account
    found = event(data, name, account)
    lane = f"inbound:{account}:{data['channel_id']}"
    store.lanes.push(lane, Record(f"{new_token()}", name, encode_event(found)))
    grant = store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    admission = admit(found, view)
    effects: list[Effect] = list(admission.effects)
    if admission.knock is not None:
        effects.append(pair_effect(admission.knock))
    store.lanes.commit(grant, effects, take_next=False)
    told = store.ledger.explain(account, data["id"])
    return f"{told.outcome} {told.reason}".strip() if told is not None and told.outcome else admission.summary


def told_to(store: Store, channel: str = DM, account: str = "default") -> list[str]:
    """Texts that wait for a channel."""
    lane = f"delivery:{account}:{channel}"
    found = []
    while store.lanes.depth(lane):
        grant = store.lanes.acquire(lane, new_token())
        assert isinstance(grant, Grant)
        found.append(decode_send(grant.head.body).text)
        store.lanes.commit(grant, take_next=False)
    return found


@pytest.mark.parametrize(
    ("section", "data"),
    [
        ({"dmPolicy": "allowlist", "allowFrom": [ANN]}, message(author=BOB)),
        ({"dmPolicy": "open", "allowFrom": [ANN]}, message(author=BOB)),
        ({"dmPolicy": "disabled"}, message(author=BOB)),
        ({"dm": {"enabled": False}}, message(author=BOB)),
        ({"dm": {"groupEnabled": True}}, message(author=BOB, channel_type=3)),
        (PAIRING, in_guild(author=BOB, guild_id="501")),
        ({**PAIRING, "guilds": {GUILD: {"users": [ANN]}}}, in_guild(author=BOB)),
        (PAIRING, message(author=BOB, type=6)),
        (PAIRING, message(author=BOB, type=20)),
        (PAIRING, message(author=BOB, webhook_id=BOB)),
        ({**PAIRING, "allowBots": True}, message(author=BOB, webhook_id=BOB)),
        (PAIRING, message(author=BOT)),
    ],
)
def test_only_a_stranger_in_private_under_pairing_is_asked(
    section: dict[str, Any], data: dict[str, Any]
) -> None:
    admission = admit(event(data), View(section))
    assert admission.knock is None
    assert admission.effects


def test_what_comes_back_too_late_asks_for_nothing() -> None:
    late = msgspec.structs.replace(event(message(author=BOB)), history=True)
    assert admit(late, View(PAIRING)).knock is None


def test_equal_input_gives_an_equal_request() -> None:
    one, two = (admit(event(message(author=BOB)), View(PAIRING)) for _ in range(2))
    assert one == two
    assert one.knock is not None
    assert pair_effect(one.knock) == pair_effect(one.knock)  # the codes are random and no part of it


@pytest.mark.parametrize(("language", "words"), [("en", "Your Discord user id: 102"), ("zh", "配对码")])
def test_a_stranger_is_asked_once(store: Store, language: str, words: str) -> None:
    settings = replace(view_on(store, PAIRING).settings, language=language)  # type: ignore[arg-type]
    view = StoreView(settings, store)
    assert work(store, view, message(author=BOB)) == "pairing requested"
    assert work(store, view, message("hello?", author=BOB, id=str(NOW + 1))) == "pairing waiting"
    (text,) = told_to(store)
    assert words in text
    assert "shoal pairing approve discord {code}" in text  # the code itself is put in when it is sent
    request = store.pairing.request("default", BOB)
    assert request is not None
    assert request.code not in text
    assert request.meta == {"tag": "user102", "name": "user102", "channel": DM}


def test_the_same_event_again_asks_nothing_again(store: Store) -> None:
    view = view_on(store, PAIRING)
    for _ in range(3):
        assert work(store, view, message(author=BOB)) == "pairing requested"
    assert len(told_to(store)) == 1


def approve(store: Store, sender: str, account: str = "default", *, may_own: bool = False) -> None:
    request = store.pairing.request(account, sender)
    assert request is not None
    assert store.pairing.approve(request.code, [account], may_own=may_own).outcome == "approved"


def test_an_approval_opens_the_dm_at_once_and_a_revocation_closes_it(store: Store) -> None:
    view = view_on(store, PAIRING)
    work(store, view, message(author=BOB))
    approve(store, BOB)
    assert work(store, view, message(author=BOB, id=str(NOW + 1))) == "admitted · main"
    store.pairing.revoke("default", BOB)
    assert work(store, view, message(author=BOB, id=str(NOW + 2))) == "pairing requested"


@pytest.mark.parametrize(
    ("section", "data", "expected"),
    [
        (PAIRING, in_guild(author=BOB, guild_id="501"), "dropped guild-not-listed"),
        ({**PAIRING, "guilds": {GUILD: {"users": [ANN]}}}, in_guild(author=BOB), "dropped sender-not-listed"),
        (
            {**PAIRING, "guilds": {GUILD: {"channels": {"9": {}}}}},
            in_guild(author=BOB),
            "dropped channel-not-listed",
        ),
        (PAIRING, in_guild("/stop", author=BOB), "dropped command-unauthorized"),
        ({**PAIRING, "dmPolicy": "allowlist"}, message(author=BOB), "dropped not-allowlisted"),
        (
            {**PAIRING, "dmPolicy": "open", "allowFrom": [ANN]},
            message(author=BOB),
            "dropped not-allowlisted",
        ),
        ({**PAIRING, "dmPolicy": "disabled"}, message(author=BOB), "dropped dm-policy"),
        ({**PAIRING, "dm": {"groupEnabled": True}}, message(author=BOB, channel_type=3), "dropped"),
    ],
)
def test_an_approval_opens_nothing_but_the_dm(
    store: Store, section: dict[str, Any], data: dict[str, Any], expected: str
) -> None:
    """No guild, no commands there, no group DM, no other policy."""
    store.pairing.take_over("m", "default", [BOB])
    assert work(store, view_on(store, PAIRING), message(author=BOB, id=str(NOW + 9))) == "admitted · main"
    assert work(store, view_on(store, section), data).startswith(expected)


def test_an_approval_on_one_account_is_none_on_another(store: Store) -> None:
    store.pairing.take_over("m", "work", [BOB])
    assert work(store, view_on(store, PAIRING, "work"), message(author=BOB)) == "admitted · main"
    assert work(store, view_on(store, PAIRING), message(author=BOB)) == "pairing requested"


def authority(store: Store, view: StoreView, data: dict[str, Any]) -> str:
    assert work(store, view, data).startswith("admitted")
    lane = f"session:agent:main:{'discord:channel:' + CHANNEL if 'guild_id' in data else 'main'}"
    grant = store.lanes.acquire(lane, new_token())
    assert isinstance(grant, Grant)
    request = decode_turn(grant.head.body)
    store.lanes.commit(grant, take_next=False)
    return str(request.authority)


def test_the_first_approved_owns_the_bot_while_the_config_names_nobody(store: Store) -> None:
    for number, commands in enumerate(({}, {"ownerAllowFrom": []}, {"ownerAllowFrom": None})):
        store.redis.flushall()
        view = view_on(store, PAIRING, **commands)
        work(store, view, message(author=BOB))
        approve(store, BOB, may_own=True)
        assert authority(store, view, message(author=BOB, id=str(NOW + 10 + number))) == "owner"
        store.pairing.take_over("m", "default", [ANN])
        assert authority(store, view, message(author=ANN, id=str(NOW + 20 + number))) == "trusted"
        assert authority(store, view, in_guild(author=BOB, id=str(NOW + 30 + number))) == "owner"


@pytest.mark.parametrize("owners", [[ANN], ["telegram:9"], ["*"]])
def test_owners_of_the_config_stand_above_the_first_approved(store: Store, owners: list[str]) -> None:
    view = view_on(store, PAIRING, ownerAllowFrom=owners)
    work(store, view, message(author=BOB))
    approve(store, BOB, may_own=True)
    assert authority(store, view, message(author=BOB, id=str(NOW + 1))) == "trusted"


def test_no_guild_message_costs_a_look_into_the_store(store: Store) -> None:
    """A plain guild message must stay cheap; only DMs under pairing are looked up."""
    view = view_on(store, PAIRING, ownerAllowFrom=[ANN])
    asked: list[str] = []
    view.paired = lambda sender: bool(asked.append(sender))  # type: ignore[method-assign]
    admit(event(in_guild(author=BOB)), view)
    admit(event(message(author=BOB)), view_on(store, {"dmPolicy": "allowlist"}))
    assert asked == []
    admit(event(message(author=BOB)), view)
    assert asked == [BOB]


def test_of_a_batch_one_message_asks_and_none_is_forgotten(store: Store) -> None:
    """Somebody whose approval was taken back while their messages were gathered."""
    view = view_on(store, PAIRING)
    found = event(message("one\ntwo", author=BOB, id=str(NOW + 1)))
    whole = read_message(found.data)
    parts = (Part(replace(whole, id=str(NOW)), "one"), Part(whole, "two"))
    admission = find_knock(arrive(found, whole, view, parts=parts), view)
    assert admission is not None
    assert admission.effects == (Outcome("default", str(NOW), "pairing", "waiting"),)
    assert admission.knock is not None
    assert admission.knock.message_id == str(NOW + 1)
