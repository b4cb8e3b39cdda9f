"""``session.sendPolicy`` and ``/send`` (``spec/inbound.md`` 9.1 step 6)."""

from __future__ import annotations

from typing import Any

import pytest

from config.schema.session import SendPolicy
from tests.workers.agent.support.turns import request
from workers.sessions.send_policy import may_send

DIRECT = {"chat_type": "direct", "session_key": "agent:main:discord:direct:5"}


def rule(action: str, **match: str) -> dict[str, Any]:
    return {"action": action, "match": match}


@pytest.mark.parametrize(
    ("policy", "place", "expected"),
    [
        ({}, {}, True),
        ({"default": "allow"}, {}, True),
        ({"default": "deny"}, {}, False),
        ({"rules": [rule("deny", channel="discord")]}, {}, False),
        ({"rules": [rule("deny", channel="slack")]}, {}, True),
        ({"rules": [rule("deny", chatType="channel")]}, {}, False),
        ({"rules": [rule("deny", chatType="direct")]}, DIRECT, False),
        ({"rules": [rule("deny", chatType="dm")]}, DIRECT, False),
        ({"rules": [rule("deny", chatType="dm")]}, {}, True),
        ({"default": "deny", "rules": [rule("allow", keyPrefix="discord:channel:777")]}, {}, True),
        ({"default": "deny", "rules": [rule("allow", keyPrefix="agent:main:discord")]}, {}, True),
        ({"default": "deny", "rules": [rule("allow", rawKeyPrefix="discord:channel")]}, {}, False),
        ({"default": "deny", "rules": [rule("allow", rawKeyPrefix="agent:main:")]}, {}, True),
        ({"rules": [rule("allow", chatType="channel"), rule("deny", channel="discord")]}, {}, True),
        ({"rules": [rule("deny", channel="discord", chatType="direct")]}, {}, True),
    ],
)
def test_the_first_rule_that_fits_decides(
    policy: dict[str, Any], place: dict[str, Any], expected: bool
) -> None:
    assert may_send(SendPolicy.model_validate(policy), request(**place)) is expected


def test_what_was_said_in_the_conversation_wins() -> None:
    deny = SendPolicy(default="deny")
    assert may_send(deny, request(), override="on")
    assert not may_send(None, request(), override="off")
    assert may_send(None, request(), override="")
