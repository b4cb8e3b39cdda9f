"""``userLimits``: turns of one person in any minute and any day (a key of our own, off by default)."""

from __future__ import annotations

from typing import Any

from tests.workers.access.support import ANN, BOB, GUILD, ROOM, Counting, facts, one, settings
from workers.access.facts import PluralKitSender, SenderFacts, Surface
from workers.access.rates import DAY_MS


class People(Counting):
    def __init__(self, section: dict[str, Any], **commands: Any) -> None:
        super().__init__(settings(section, **commands))


def free(**more: Any) -> dict[str, Any]:
    return one({"requireMention": False}, **more)


def test_nothing_is_limited_unless_it_is_written() -> None:
    people = People(free())
    assert all(people.say(after_ms=1).allowed for _ in range(100))
    assert people.marks == {}


def test_so_many_turns_in_any_minute() -> None:
    people = People(free(userLimits={"turnsPerMinute": 3}))
    assert [people.say(after_ms=10_000).reason for _ in range(6)] == ["", "", "", *["user-rate"] * 3]
    assert people.say(after_ms=10_000).allowed  # the first one is a minute old
    assert people.say(author=BOB).allowed


def test_the_notice_comes_once_per_window() -> None:
    people = People(free(userLimits={"turnsPerMinute": 1}))
    people.say()
    assert [people.say().notice for _ in range(3)] == ["user-rate", "", ""]
    assert people.say(after_ms=61_000).allowed
    assert [people.say().notice for _ in range(2)] == ["user-rate", ""]


def test_so_many_turns_in_any_day() -> None:
    people = People(free(userLimits={"turnsPerDay": 2}))
    assert [people.say(after_ms=3_600_000).reason for _ in range(4)] == ["", "", *["user-daily-cap"] * 2]
    assert people.say(after_ms=DAY_MS).allowed


def test_both_limits_together_tell_the_narrow_one_first() -> None:
    people = People(free(userLimits={"turnsPerMinute": 1, "turnsPerDay": 2}))
    assert [people.say().reason for _ in range(2)] == ["", "user-rate"]
    assert [people.say(after_ms=61_000).reason for _ in range(2)] == ["", "user-daily-cap"]


def test_owners_commands_and_notices_are_not_limited() -> None:
    limits = {"turnsPerMinute": 1}
    owner = People(free(userLimits=limits), ownerAllowFrom=[ANN])
    assert all(owner.say().allowed for _ in range(5))
    others = People(free(userLimits=limits, allowFrom=[ANN]))
    others.say()
    assert others.say(command=True).allowed
    assert others.say(service=True, has_content=False).allowed
    refused = others.say()
    assert refused.reason == "user-rate"
    assert refused.heard  # so that a stop is never too much


def test_a_guilds_numbers_lie_over_the_accounts_and_count_apart() -> None:
    section = {
        "groupPolicy": "open",
        "userLimits": {"turnsPerMinute": 1},
        "guilds": {
            GUILD: {"requireMention": False, "userLimits": {"turnsPerMinute": 2}},
            "*": {"requireMention": False},
        },
    }
    people = People(section)
    elsewhere = Surface("channel", "99", "x", "51", "Other")
    assert [people.say(elsewhere).reason, people.say(elsewhere).reason] == ["", "user-rate"]
    assert [people.say().reason for _ in range(3)] == ["", "", "user-rate"]


def test_a_member_of_pluralkit_is_limited_by_the_account_behind() -> None:
    people = People(free(userLimits={"turnsPerMinute": 1}))
    hook = SenderFacts("300", bot=True, webhook=True)
    for number, member in enumerate(("abcde", "fghij")):
        sender = hook.spoken_by(PluralKitSender(member, "x", account_id=ANN))
        assert people.say(sender=sender).allowed is (number == 0)
    assert people.say().reason == "user-rate"


def test_a_message_delivered_again_is_decided_as_before() -> None:
    people = People(free(userLimits={"turnsPerMinute": 1}))
    first = people.say()
    message = facts(ROOM, message_id="8", born_ms=people.now)
    assert people.decided(message) == first
