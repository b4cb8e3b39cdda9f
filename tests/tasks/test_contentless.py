"""Messages that come without content: one warning that names the switch (spec/inbound.md 6.1)."""

from __future__ import annotations

from pathlib import Path

from structlog.testing import capture_logs

from shoal.state.store import Store
from tests.conftest import RedisServer
from tests.tasks.support.front import Front


def test_an_account_without_the_message_content_intent_is_told_of_once(
    store: Store, redis_server: RedisServer, tmp_path: Path
) -> None:
    front = Front(store, redis_server.url, tmp_path)
    with capture_logs() as lines:
        front.say("words")
        front.work()
        assert not [line for line in lines if "Message Content intent" in line["event"]]
        for _ in range(3):
            front.say("")
            front.work()
    warnings = [line for line in lines if "Message Content intent" in line["event"]]
    assert [(line["log_level"], line["account"]) for line in warnings] == [("warning", "default")]
