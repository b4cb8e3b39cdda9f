"""Bots, sibling bots, webhooks, PluralKit's webhooks, and bots that go round in circles (3.11, 3.12)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.workers.access.support import BORN, BOT, CHANNEL, DM, ROOM, Counting, facts, one
from workers.access.decide import decide
from workers.access.decision import Decision, Mark
from workers.access.facts import MentionFacts, SenderFacts, Surface
from workers.access.needs import PluralKitNeeded
from workers.access.patterns import Patterns
from workers.access.settings import AccessSettings

OTHER = SenderFacts("5", "helper", bot=True)
HOOK = SenderFacts("300", "Lou", bot=True, webhook=True)


def read(section: dict[str, Any], **more: Any) -> AccessSettings:
    return AccessSettings.read("default", section, **more)


def test_a_sibling_is_a_bot_whatever_the_event_says() -> None:
    """3.11; ``spec/inbound.md`` 10, row 17: our other accounts do not talk to each other by accident."""
    sibling = facts(ROOM, sender=SenderFacts("901"), mentions=MentionFacts(explicit=True))
    assert decide(sibling, read(one({}), siblings=["901"])).reason == "bot-author"
    assert decide(sibling, read(one({}), siblings=["902"])).allowed
    quiet = read(one({"requireMention": False}, allowBots="mentions"), siblings=["901"])
    assert decide(facts(ROOM, sender=SenderFacts("901")), quiet).reason == "bot-author"


def test_a_pattern_calls_for_a_bot_too() -> None:
    """3.11: with ``allowBots: "mentions"``."""
    told = read(one({"requireMention": False}, allowBots="mentions", botLoopProtection={"enabled": False}))
    named = facts(ROOM, sender=OTHER, text="claw!", patterns=Patterns.compile(["claw"]))
    assert decide(named, told).mentioned_by == "pattern"
    assert decide(replace(named, text="crab!"), told).reason == "bot-author"


# -- PluralKit's webhooks -----------------------------------------------------------------------------------


def test_a_webhook_may_be_a_person_and_has_to_be_asked_about() -> None:
    """3.12: J looks up webhook messages too; who speaks is known before anything is decided."""
    told = read(one({"requireMention": False}, pluralkit={"enabled": True}))
    message = facts(ROOM, sender=HOOK, message_id="8")
    asked = decide(message, told)
    assert (asked.reason, asked.needs) == ("sender-unknown", {PluralKitNeeded("8")})
    plain = decide(message.learned(unproxied=True), told)
    assert (plain.reason, plain.needs) == ("webhook-author", frozenset())
    assert decide(message, read(one({}))).reason == "webhook-author"


def test_nobody_is_asked_about_webhooks_where_we_do_not_serve() -> None:
    """3.12: a look-up is made where its answer matters."""
    told = read(one({"channels": {"9": {}}}, pluralkit={"enabled": True}))
    decision = decide(facts(ROOM, sender=HOOK, message_id="8"), told)
    assert (decision.reason, decision.needs) == ("channel-not-listed", frozenset())


def test_a_webhook_stays_closed_where_pluralkit_does_not_answer_even_with_bots_allowed() -> None:
    """3.12: identity decides access, so what is not known is closed."""
    told = read(one({"requireMention": False}, pluralkit={"enabled": True}, allowBots=True))
    assert decide(facts(ROOM, sender=HOOK, message_id="8"), told).reason == "sender-unknown"


# -- loops -----------------------------------------------------------------------------------------------


class Loop(Counting):
    """Messages of one bot to us, each a second after the other."""

    def __init__(self, **protection: Any) -> None:
        super().__init__(read(one({"requireMention": False}, allowBots=True, botLoopProtection=protection)))

    def say(self, surface: Surface = ROOM, after_ms: int = 1_000, **more: Any) -> Decision:
        return super().say(surface, after_ms, **{"sender": OTHER, **more})

    def reasons(self, count: int, **more: Any) -> list[str]:
        return [self.say(**more).reason for _ in range(count)]


def test_the_budget_of_a_pair_of_bots_and_its_rest() -> None:
    """3.11: 20 in 60 s; one more, and the pair rests for 60 s, counted from what was one too many."""
    loop = Loop()
    assert loop.reasons(20) == [""] * 20
    assert loop.reasons(60) == ["bot-loop"] * 60
    assert loop.say().reason == ""


def test_a_slow_pair_is_left_alone() -> None:
    """3.11: the window slides."""
    assert Loop().reasons(200, after_ms=3_200) == [""] * 200


def test_the_numbers_are_the_files() -> None:
    """3.11: ``maxEventsPerWindow``, ``windowSeconds``, ``cooldownSeconds``; here the rest is the shorter."""
    loop = Loop(maxEventsPerWindow=2, windowSeconds=100, cooldownSeconds=10)
    assert loop.reasons(3) == ["", "", "bot-loop"]
    assert loop.reasons(9) == ["bot-loop"] * 9
    # what came before the rest is not held against the pair again
    assert loop.reasons(3) == ["", "", "bot-loop"]


def test_people_other_bots_and_other_channels_are_not_affected() -> None:
    """3.11."""
    loop = Loop(maxEventsPerWindow=1)
    assert loop.reasons(2) == ["", "bot-loop"]
    assert loop.say(sender=SenderFacts("6", bot=True)).allowed
    assert loop.say(surface=replace(ROOM, channel_id="66")).allowed
    assert loop.say(sender=SenderFacts("1")).allowed
    assert loop.say().reason == "bot-loop"


def test_the_guard_can_be_switched_off_and_is_off_where_no_bot_is_heard() -> None:
    """3.11."""
    assert Loop(enabled=False, maxEventsPerWindow=1).reasons(5) == [""] * 5
    assert not read({}).loop_guard.enabled
    assert read({"allowBots": "mentions"}).loop_guard.enabled


def test_what_a_bot_says_is_counted_by_pair_in_either_order() -> None:
    """3.11: the pair is unordered."""
    decision = Loop().say()
    assert decision.marks == (Mark(f"loop.{CHANNEL}.5.{BOT}", 60_000),)


def test_a_bot_that_is_refused_is_not_counted() -> None:
    """3.11: a message that starts no turn is no part of a loop."""
    loop = Loop(maxEventsPerWindow=1)
    loop.settings = read(one({}, allowBots=True, botLoopProtection={"maxEventsPerWindow": 1}))
    assert loop.reasons(5) == ["mention-required"] * 5
    assert loop.marks == {}


def test_without_a_count_the_guard_is_closed() -> None:
    """What was not looked up counts against the sender."""
    told = read(one({"requireMention": False}, allowBots=True))
    decision = decide(facts(ROOM, sender=OTHER, message_id="8", born_ms=BORN), told)
    assert decision.reason == "bot-loop"
    assert decision.needs


def test_a_direct_message_of_a_bot_has_its_own_count() -> None:
    """3.11."""
    told = read({"allowBots": True, "allowFrom": ["5"]})
    loop = Loop()
    loop.settings = told
    assert loop.say(surface=DM).marks == (Mark(f"loop.70.5.{BOT}", 60_000),)
