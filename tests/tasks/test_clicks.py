"""A click through the task of ``front``, and what its answer meets (``spec/outbound.md`` 5.5, rule R10)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shoal.base.ids import new_token
from shoal.state.records import Grant, Record
from shoal.state.store import Store
from tasks.interaction import WHISPERING, ack_lane
from tests.conftest import RedisServer
from tests.discord.support.rest import Reply, RestServer, Seen
from tests.tasks.support.front import ANN, BOB, BOT, CHANNEL, GUILD, Front
from workers.components.encode import Origin
from workers.components.sending import ComponentSettings, make_components
from workers.delivery.controls import remembered

KEY = f"agent:main:discord:channel:{CHANNEL}"
MESSAGE = "1500000000000000009"
BUTTONS = [{"label": "Go"}, {"label": "Stay", "allowedUsers": [BOB]}]
SPEC = {
    "blocks": [{"type": "actions", "buttons": BUTTONS}],
    "modal": {"title": "Form", "fields": [{"type": "text", "label": "Name"}]},
}
GO, STAY, FORM = range(3)


class Clicks:
    """A message with two buttons and a form, and a Discord that answers as it is told."""

    def __init__(self, front: Front, server: RestServer) -> None:
        self.front, self.server, self.store = front, server, front.store
        made = make_components(SPEC, Origin("c", "1", "default", CHANNEL, KEY, "main"), ComponentSettings())
        assert made.controls is not None
        self.store.lanes.push("session:s", Record("offer", "turn", b"{}"))
        grant = self.store.lanes.acquire("session:s", new_token())
        assert isinstance(grant, Grant)
        self.store.lanes.commit(grant, [remembered("default", made.controls)], take_next=False)
        self.components = list(made.components)
        self._ids = [one["custom_id"] for row in _rows(self.components) for one in row["components"]]
        self._number = 1500000000000001000

    def press(self, which: int, *replies: Reply, user: str = ANN) -> tuple[str, str]:
        """(interaction id, what the task said)."""
        interaction = self.pressed(which, user)
        return interaction, self.answer(interaction, *replies)

    def answer(self, interaction: str, *replies: Reply) -> str:
        """What the task said."""
        self.server.replies.extend(replies)
        return ack_lane(self.front.runtime, f"interaction:default:{interaction}")

    def holder(self, interaction: str) -> Grant:
        """The first holder of the click's lane."""
        grant = self.store.lanes.acquire(f"interaction:default:{interaction}", new_token())
        assert isinstance(grant, Grant)
        return grant

    def pressed(self, which: int, user: str = ANN) -> str:
        """Its interaction waits in its lane."""
        self._number += 1
        self.front.event(
            "INTERACTION_CREATE",
            {
                "id": str(self._number),
                "type": 3,
                "token": "tok",
                "application_id": BOT,
                "channel_id": CHANNEL,
                "guild_id": GUILD,
                "member": {"user": {"id": user, "username": f"u{user}"}, "roles": []},
                "data": {"custom_id": self._ids[which], "component_type": 2},
                "message": {"id": MESSAGE, "components": self.components},
            },
        )
        return str(self._number)

    def sent(self) -> list[tuple[str, str, Any]]:
        """(method, path behind the API's base, body) of every request since the last look."""
        seen, self.server.seen = self.server.seen, []
        return [(one.method, one.path.partition("/api/v10")[2], _body(one)) for one in seen]

    def noted(self, interaction: str) -> list[str]:
        """What ``shoal explain`` says of the answer."""
        return [value for name, value in self.front.story(interaction).notes if name == "interaction"]


def _rows(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (part for part in components[0]["components"] if part["type"] == 1)


def _body(seen: Seen) -> Any:
    return json.loads(seen.body) if seen.body else None


def refusal(status: int, code: int) -> Reply:
    return Reply.of(status, {"code": code, "message": "no"})


@pytest.fixture
def clicks(store: Store, redis_server: RedisServer, tmp_path: Path) -> Iterator[Clicks]:
    with RestServer() as server:
        env = {"SHOAL_DISCORD_API_URL": server.base}
        yield Clicks(Front(store, redis_server.url, tmp_path, env=env), server)


def all_grey(body: Any) -> bool:
    return all(one["disabled"] for row in _rows(body["components"]) for one in row["components"])


def test_who_was_answered_by_the_back_stop_still_gets_a_turn(clicks: Clicks) -> None:
    """40060: what was to be shown is an ordinary edit then, which outlives the interaction's token."""
    interaction, said = clicks.press(GO, refusal(400, 40060), Reply.of(200, {"id": MESSAGE}))
    assert said == "clicked · somebody else answered first (40060)"
    callback, edit = clicks.sent()
    assert callback[1] == f"/interactions/{interaction}/tok/callback"
    assert edit[:2] == ("PATCH", f"/channels/{CHANNEL}/messages/{MESSAGE}")
    assert all_grey(edit[2])
    [turn] = clicks.front.turns()
    assert (turn.text, turn.message_id, turn.answers_to) == ('Clicked "Go".', interaction, MESSAGE)
    assert clicks.noted(interaction) == ["somebody else answered first (40060)"]


def test_a_click_that_is_too_late_for_an_answer_counts(clicks: Clicks) -> None:
    """10062: its control is used up, so its turn runs; the turn answers in the channel."""
    interaction, said = clicks.press(GO, refusal(404, 10062), Reply.of(200, {"id": MESSAGE}))
    assert said == "clicked · too late to answer (10062)"
    _callback, edit = clicks.sent()
    assert edit[:2] == ("PATCH", f"/channels/{CHANNEL}/messages/{MESSAGE}")
    assert [turn.message_id for turn in clicks.front.turns()] == [interaction]
    assert clicks.noted(interaction) == ["too late to answer (10062)"]


def test_a_refusal_that_is_too_late_is_noted_and_whispers_nothing(clicks: Clicks) -> None:
    interaction, said = clicks.press(STAY, refusal(404, 10062))
    assert said == "denied · sender-not-listed · too late to answer (10062)"
    assert len(clicks.sent()) == 1
    assert clicks.front.outcome(interaction) == ("dropped", "click-sender-not-listed")
    assert clicks.front.turns() == []
    assert clicks.press(GO, Reply(204))[1] == "clicked", "a refusal uses nothing up"


def test_a_form_that_came_too_late_asks_to_press_again(clicks: Clicks) -> None:
    _, said = clicks.press(FORM, refusal(400, 40060), Reply.of(200, {"id": "1"}))
    assert said == "form shown · somebody else answered first (40060)"
    whisper = clicks.sent()[1]
    assert whisper[:2] == ("POST", f"/webhooks/{BOT}/tok")
    assert (whisper[2]["content"], whisper[2]["flags"]) == ("That took too long. Please press again.", 64)
    assert clicks.press(FORM, Reply(204))[1] == "form shown"


def test_an_ended_token_does_not_set_the_bots_own_aside(clicks: Clicks) -> None:
    """15 minutes later a whisper meets 401 (50027): no word about the bot token (limiter's latch)."""
    clicks.press(GO, Reply(204))
    clicks.sent()
    late, said = clicks.press(GO, refusal(400, 40060), Reply.of(200, {"id": MESSAGE}), refusal(401, 50027))
    assert said == "expired · somebody else answered first (40060)"
    assert [path for _, path, _ in clicks.sent()] == [
        f"/interactions/{late}/tok/callback",
        f"/channels/{CHANNEL}/messages/{MESSAGE}",
        f"/webhooks/{BOT}/tok",
    ]
    assert clicks.front.outcome(late) == ("dropped", "component-expired")
    clicks.server.replies.append(Reply.of(200, {"id": BOT}))
    assert clicks.front.runtime.rest("default").get_current_user()["id"] == BOT


def test_a_message_that_cannot_be_greyed_out_costs_no_click(clicks: Clicks) -> None:
    """Discord finds fault with the update: the click is acknowledged without it."""
    interaction, said = clicks.press(GO, refusal(400, 50035), Reply(204))
    assert said == "clicked · acknowledged without changing the message (50035)"
    assert [body["type"] for _, _, body in clicks.sent()] == [7, 6]
    assert [turn.message_id for turn in clicks.front.turns()] == [interaction]
    assert clicks.store.lanes.dead_list(10) == []


def test_an_answer_is_not_sent_again_by_who_carries_on(clicks: Clicks) -> None:
    """The first holder died between its answer and its commit: no second answer, one turn."""
    clicks.store.intake.ack("1500000000000001001", "front")
    interaction, said = clicks.press(GO)
    assert (interaction, said) == ("1500000000000001001", "clicked")
    assert clicks.sent() == []
    assert len(clicks.front.turns()) == 1


def test_a_refusal_that_was_shown_is_not_shown_again(clicks: Clicks) -> None:
    """The first holder died between its answer and its note. What is there says that it was his."""
    told = "You are not authorized to use this button."
    shown = Reply.of(200, {"id": "1", "content": told, "flags": 64})
    _, said = clicks.press(STAY, refusal(400, 40060), shown)
    assert said == "denied · sender-not-listed · somebody else answered first (40060)"
    (_, callback, body), (method, looked, _) = clicks.sent()
    assert (callback.endswith("/callback"), body["data"]["content"]) == (True, told)
    assert (method, looked) == ("GET", f"/webhooks/{BOT}/tok/messages/@original")


def test_a_refusal_whose_confirmation_was_lost_is_not_shown_twice(clicks: Clicks) -> None:
    """Discord had it; the try that follows meets 40060."""
    told = "You are not authorized to use this button."
    shown = Reply.of(200, {"id": "1", "content": told, "flags": 64})
    interaction, said = clicks.press(STAY, Reply(fault="reset"), refusal(400, 40060), shown)
    assert said == "denied · sender-not-listed · somebody else answered first (40060)"
    assert [method for method, _, _ in clicks.sent()] == ["POST", "POST", "GET"]
    assert clicks.front.outcome(interaction) == ("dropped", "click-sender-not-listed")


def test_behind_the_back_stop_a_refusal_is_whispered(clicks: Clicks) -> None:
    """What is there is the message itself then: nobody was told."""
    there = Reply.of(200, {"id": MESSAGE, "content": "", "flags": 32768})
    clicks.press(STAY, refusal(400, 40060), there, Reply.of(200, {"id": "1"}))
    _callback, _look, whisper = clicks.sent()
    assert whisper[:2] == ("POST", f"/webhooks/{BOT}/tok")
    assert whisper[2] == {
        "content": "You are not authorized to use this button.", "flags": 64,
        "allowed_mentions": whisper[2]["allowed_mentions"],
    }  # fmt: skip


def test_a_whisper_is_begun_once(clicks: Clicks) -> None:
    """The first holder died after it had begun to whisper: nobody can look for that: it is not repeated."""
    clicks.press(GO, Reply(204))
    late = clicks.pressed(GO)
    first = clicks.holder(late)
    clicks.store.lanes.checkpoint(first, first.step + 1, journal=WHISPERING)
    clicks.store.lanes.yield_(first)
    clicks.sent()
    said = clicks.answer(late, refusal(400, 40060), Reply.of(200, {"id": MESSAGE}))
    assert said == "expired · interrupted while somebody was told of it; not told again"
    assert [method for method, _, _ in clicks.sent()] == ["POST", "PATCH"]
    assert clicks.noted(late) == ["interrupted while somebody was told of it; not told again"]


def test_what_is_whispered_is_noted_before(clicks: Clicks) -> None:
    """A holder that dies in the whisper leaves word of it: his lane is taken away in the middle of it."""
    clicks.press(GO, Reply(204))
    late = clicks.pressed(GO)
    journal = clicks.store.keys.journal(f"interaction:default:{late}")
    begun: dict[str, int] = {}

    def answer(one: Seen) -> Reply:
        begun[one.path.rpartition("/")[2]] = int(clicks.store.redis.llen(journal))
        return Reply.of(200, {"id": "1"})

    clicks.server.handler = answer
    assert clicks.answer(late) == "expired"
    assert begun == {"callback": 0, "tok": 1}


def test_a_form_that_discord_does_not_take_is_told_to_the_one_who_pressed(clicks: Clicks) -> None:
    """``spec/outbound.md`` 5.5, item 6."""
    interaction, said = clicks.press(FORM, refusal(400, 50035), Reply.of(204, None))
    assert said == "form shown · the form could not be opened (50035)"
    [form, told] = clicks.sent()
    assert (form[2]["type"], told[2]["type"]) == (9, 4)
    assert told[2]["data"]["content"] == "Could not open this form. Request a new form and try again."
    assert told[2]["data"]["flags"] == 64
    assert clicks.noted(interaction) == ["the form could not be opened (50035)"]
