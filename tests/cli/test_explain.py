"""``shoal explain`` of what nobody has looked at yet (design 1, promise 1)."""

from __future__ import annotations

from shoal.cli.commands.inspect import _stories, _story_text
from shoal.state.records import Record
from shoal.state.store import Store


def test_a_message_that_waits_to_be_admitted_is_not_called_unknown(store: Store) -> None:
    store.lanes.push("inbound:default:7", Record("m:default:112233445566778899", "MESSAGE_CREATE", b"{}"))
    there, elsewhere = _stories(store, "default", ["112233445566778899", "112233445566778800"])
    assert there is not None
    assert elsewhere is None
    said = _story_text("112233445566778899", [there])
    assert "still on its way" in said
    assert "waits: inbound:default:7" in said
    assert _stories(store, "other", ["112233445566778899"]) == [None]
