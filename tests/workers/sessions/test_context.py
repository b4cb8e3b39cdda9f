"""What admission keeps of what is around a message: senders, quotes, forwards (inbound 6.3 to 6.10)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.state.effects import Push, Transcript
from shoal.state.lookups import Asked
from tests.workers.sessions.helpers import ANN, BOB, BOT, CHANNEL, GUILD, NOW, View, event, in_guild, message
from workers.sessions.admission import admit
from workers.sessions.admission.arrival import arrive
from workers.sessions.admission.message import settle
from workers.sessions.admission.results import Admission
from workers.sessions.history import HistoryEntry
from workers.sessions.identity import identity_of
from workers.sessions.records import KIND, TurnRequest, decode_turn
from workers.sessions.text import WITHHELD
from workers.sessions.wire import User, read_message

FILE = {"id": "1", "filename": "a.png", "url": "https://cdn/a.png", "content_type": "image/png"}


def decided(data: dict[str, Any], view: View) -> Admission:
    sent = event(data)
    return settle(arrive(sent, read_message(sent.data), view), view)


def request_of(data: dict[str, Any], view: View) -> TurnRequest:
    pushed = [effect for effect in decided(data, view).effects if isinstance(effect, Push)]
    return decode_turn(next(effect for effect in pushed if effect.record.kind == KIND).record.body)


def room(mode: str = "all", **entry: Any) -> View:
    section = {"groupPolicy": "allowlist", "guilds": {GUILD: entry}}
    return View(section, context_visibility=mode, channels={CHANNEL: {"name": "general", "guild_id": GUILD}})


def reply(author: str = BOB, **fields: Any) -> dict[str, Any]:
    quoted = message("quoted words", author, id=str(NOW - 1)) | fields
    made = in_guild("hello", type=19, referenced_message=quoted)
    return made | {"message_reference": {"message_id": quoted["id"]}}


def forward(**fields: Any) -> dict[str, Any]:
    snapshot = {"content": "their words", "attachments": [FILE]}
    made = in_guild(
        "look",
        message_reference={"type": 1, "message_id": str(NOW - 1), "channel_id": CHANNEL},
        message_snapshots=[{"message": snapshot}],
    )
    return made | fields


# -- senders (6.3) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("user", "nick", "label", "tag"),
    [
        (User("1", "ann"), "", "ann", "ann"),
        (User("1", "ann", "Ann A"), "", "Ann A (ann)", "ann"),
        (User("1", "ann", "Ann A"), "Annie", "Annie (ann)", "ann"),
        (User("1", "ann", discriminator="1234"), "", "ann (ann#1234)", "ann#1234"),
        (User("1", "ann", discriminator="0"), "ann", "ann", "ann"),
        (User("1"), "", "1", ""),
    ],
)
def test_a_sender_is_called_by_nick_global_name_or_username(
    user: User, nick: str, label: str, tag: str
) -> None:
    found = identity_of(user, nick)
    assert (found.label, found.tag) == (label, tag)


def test_a_turn_knows_its_sender_and_their_roles() -> None:
    data = in_guild("hello", member={"nick": "Annie", "roles": ["7", "8"]})
    data["author"]["global_name"] = "Ann A"
    found = request_of(data, room())
    assert (found.author_id, found.author_name, found.author_username) == (ANN, "Annie", f"user{ANN}")
    assert (found.sender, found.author_tag) == (f"Annie (user{ANN})", f"user{ANN}")
    assert found.member_roles == ("7", "8")


def test_what_is_kept_for_later_says_who_wrote_it_with_which_roles() -> None:
    data = in_guild("by the way", BOB, mention=False, member={"nick": "Bobby", "roles": ["7"]})
    kept = next(effect for effect in decided(data, room()).effects if isinstance(effect, Transcript))
    entry = msgspec.json.decode(kept.entries[0], type=HistoryEntry)
    assert (entry.sender, entry.sender_id, entry.body) == (f"Bobby (user{BOB})", BOB, "by the way")
    assert (entry.username, entry.roles) == (f"user{BOB}", ("7",))


# -- quotes (6.10) ---------------------------------------------------------------------------------------


def test_the_answered_message_is_told_with_its_author() -> None:
    found = request_of(reply(member={"nick": "Bobby", "roles": []}), room()).quoted
    assert found is not None
    assert (found.message_id, found.text, found.author_id) == (str(NOW - 1), "quoted words", BOB)
    assert (found.author_label, found.is_quote) == (f"Bobby (user{BOB})", False)


@pytest.mark.parametrize(
    "data",
    [
        in_guild("hello", type=19, referenced_message=None),
        reply(content=""),
        forward(referenced_message=message("theirs", BOB)),
    ],
)
def test_without_author_or_text_there_is_no_quote(data: dict[str, Any]) -> None:
    assert request_of(data, room()).quoted is None


# -- whose words (6.9) -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "entry", "member", "shown"),
    [
        ("all", {"users": [ANN]}, {}, True),
        ("allowlist", {"users": [ANN]}, {}, False),
        ("allowlist", {"users": [ANN, BOB]}, {}, True),
        ("allowlist", {"users": [ANN], "roles": ["7"]}, {"member": {"roles": ["7"]}}, True),
        ("allowlist", {"users": [ANN], "roles": ["7"]}, {"member": {"roles": ["8"]}}, False),
        ("allowlist", {}, {}, True),
        ("allowlist_quote", {"users": [ANN]}, {}, True),
    ],
)
def test_a_quote_is_shown_by_its_author(
    mode: str, entry: dict[str, Any], member: dict[str, Any], shown: bool
) -> None:
    assert (request_of(reply(**member), room(mode, **entry)).quoted is not None) is shown


def test_roles_of_a_quoted_author_are_looked_up_and_not_waited_for_in_vain() -> None:
    """Discord sends no member along; the message is held until somebody has asked."""
    view = room("allowlist", users=[ANN], roles=["7"])
    assert admit(event(reply()), view).summary == "held · member"
    asked = Asked("default", "member", f"{GUILD}.{BOB}")
    for roles, shown in ((["7"], True), (["8"], False)):
        view.looked_up[asked] = {"roles": roles}
        pushed = [one for one in admit(event(reply()), view).effects if isinstance(one, Push)]
        found = decode_turn(next(one for one in pushed if one.record.kind == KIND).record.body)
        assert (found.quoted is not None) is shown
    assert request_of(reply(), room("allowlist", users=[ANN], roles=["7"])).quoted is None


@pytest.mark.parametrize(
    ("mode", "entry", "author"),
    [
        ("all", {"roles": ["7"], "users": [ANN]}, BOB),
        ("allowlist_quote", {"roles": ["7"], "users": [ANN]}, BOB),
        ("allowlist", {"users": [ANN]}, BOB),
        ("allowlist", {"roles": ["7"], "users": [ANN, BOB]}, BOB),
        ("allowlist", {"roles": ["7"], "users": [ANN]}, BOT),
    ],
)
def test_nobody_is_asked_where_it_does_not_matter(mode: str, entry: dict[str, Any], author: str) -> None:
    assert not admit(event(reply(author)), room(mode, **entry)).summary.startswith("held")


def test_our_own_words_are_always_shown() -> None:
    found = request_of(reply(BOT), room("allowlist", users=[ANN])).quoted
    assert found is not None


def test_in_a_dm_everything_is_shown() -> None:
    data = message("hello", type=19, referenced_message=message("quoted words", BOB))
    view = View({"dmPolicy": "open", "allowFrom": ["*"]}, context_visibility="allowlist")
    assert request_of(data, view).quoted is not None


@pytest.mark.parametrize("mode", ["allowlist", "allowlist_quote"])
def test_a_forward_by_nobody_knows_whom_is_not_shown_where_lists_count(mode: str) -> None:
    found = request_of(forward(), room(mode, users=[ANN]))
    assert found.text == f"@shoal look\n{WITHHELD}"
    assert found.attachments == ()
    assert (found.has_forwarded, found.forwarded) == (True, None)
    free = request_of(forward(), room(mode))
    assert free.text == "@shoal look\n[Forwarded message]\ntheir words"
    assert [file.forwarded for file in free.attachments] == [True]


def test_a_forward_by_a_known_author_follows_the_list() -> None:
    data = forward(message_snapshots=[], referenced_message=message("their words", BOB))
    assert WITHHELD in request_of(data, room("allowlist", users=[ANN])).text
    assert "their words" in request_of(data, room("allowlist", users=[ANN, BOB])).text


def test_where_a_forward_comes_from_is_told_as_far_as_it_is_ours_to_know() -> None:
    found = request_of(forward(), room()).forwarded
    assert found is not None
    assert (found.channel_id, found.channel_name) == (CHANNEL, "general")
    assert found.timestamp_ms == (NOW - 1 >> 22) + 1_420_070_400_000
    foreign = room()
    foreign.channels[CHANNEL] = {"name": "secret", "guild_id": "999"}
    hidden = request_of(forward(), foreign).forwarded
    assert hidden is not None
    assert hidden.channel_name == ""


# -- content that does not come (6.1) --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "contentless"),
    [
        (in_guild("", mention=False), True),
        (in_guild("", mention=False, attachments=[FILE]), False),
        (in_guild("words", mention=False), False),
        (in_guild("", mention=False, type=7), False),
        (in_guild("", mention=False) | {"author": {"id": BOB, "username": "b", "bot": True}}, False),
    ],
)
def test_a_message_without_any_content_is_a_sign(data: dict[str, Any], contentless: bool) -> None:
    assert decided(data, room()).contentless == ("default" if contentless else "")
