"""Bindings, webhooks and what was said through them (``spec/outbound.md`` 3.14)."""

from __future__ import annotations

from pydantic import SecretStr

from shoal.base.redact import redactor
from shoal.state.personas import Persona, Webhook
from shoal.state.store import Store

TOKEN = "a-token-nobody-must-see-0123456789"
HOOK = Webhook("300", SecretStr(TOKEN))


def test_a_binding_is_replaced_and_ends(store: Store) -> None:
    people = store.personas
    people.bind("default", "1", Persona("10", "main", "helper"))
    people.bind("default", "1", Persona("10", "coder", since_ms=5))
    assert people.bound("default", "1") == Persona("10", "coder", since_ms=5)
    assert people.bound("other", "1") is None
    assert [people.unbind("default", "1"), people.unbind("default", "1")] == [True, False]
    assert people.bound("default", "1") is None


def test_a_webhook_is_one_per_channel_and_ours_for_ever(store: Store) -> None:
    people = store.personas
    people.keep("default", "10", HOOK)
    known = people.webhook("default", "10")
    assert known == HOOK
    assert TOKEN not in repr(known)
    people.forget("default", "10", "299")  # another one: somebody has made this one meanwhile
    assert people.webhook("default", "10") == HOOK
    people.forget("default", "10", "300")
    assert people.webhook("default", "10") is None
    assert people.is_own("default", "300")
    assert not people.is_own("other", "300")


def test_its_token_is_masked_wherever_it_would_be_told(store: Store) -> None:
    store.personas.keep("default", "10", HOOK)
    assert TOKEN not in redactor.mask(f"lost: {TOKEN}")


def test_a_refusal_is_news_once_and_over_with_the_webhook(store: Store) -> None:
    people = store.personas
    assert [people.refuse("default", "10", "no-permission") for _ in range(2)] == [True, False]
    assert people.refused("default", "10") == "no-permission"
    people.keep("default", "10", HOOK)
    assert people.refused("default", "10") == ""


def test_one_at_a_time_makes_a_webhook(store: Store) -> None:
    people = store.personas
    assert [people.claim("default", "10"), people.claim("default", "10")] == [True, False]
    people.release("default", "10")
    assert people.claim("default", "10")


def test_the_last_hundred_messages_are_known_by_their_part(store: Store) -> None:
    for number in range(105):
        store.personas.say("default", "1", str(1000 + number), f"cause.1.{number}", now_ms=number)
    said = store.personas.said("default", "1")
    assert len(said) == 100
    assert said["1104"] == "cause.1.104"
    assert "1004" not in said
