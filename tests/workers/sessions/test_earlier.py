"""Pictures of before go with the turn that may quote them (``spec/inbound.md`` 4.6, 6.8, 6.11)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shoal.state.effects import Push, Transcript
from tests.workers.sessions.helpers import ANN, BOB, CHANNEL, GUILD, NOW, View, event, in_guild, message
from workers.sessions.admission import admit
from workers.sessions.history import HistoryEntry
from workers.sessions.keys import channel_key, session_lane
from workers.sessions.records import Attachment, TurnRequest, decode_turn

OPEN: dict[str, Any] = {"guilds": {GUILD: {}}, "dmPolicy": "open", "allowFrom": ["*"]}
CAT = Attachment("901", "cat.png", "https://cdn/cat.png?hm=1", 100, "image/png")


def entry(number: int, *files: Attachment, sender: str = BOB) -> HistoryEntry:
    return HistoryEntry(str(NOW - 100 + number), "Bob", sender, 1, "look", files=files)


def asked(view: View, data: dict[str, Any] | None = None) -> tuple[TurnRequest, bool]:
    """The request of a message, and whether its files are to be fetched at once."""
    admission = admit(event(data or in_guild("what is that?")), view)
    [push] = [effect for effect in admission.effects if isinstance(effect, Push)]
    return decode_turn(push.record.body), admission.files is not None


def pictures(view: View, data: dict[str, Any] | None = None) -> list[str]:
    return [file.id for file in asked(view, data)[0].earlier]


def seeing(*noted: HistoryEntry, **more: Any) -> View:
    return View(more.pop("section", OPEN), noted=noted, seeing=frozenset({"main"}), **more)


def test_who_asks_about_a_picture_of_before_is_shown_it() -> None:
    assert asked(seeing(entry(1, CAT)))[0].earlier == (CAT,)
    assert asked(seeing(entry(1, CAT)))[1], "it is fetched at once"
    assert not asked(seeing(entry(1)))[1]


def test_the_newest_four_that_a_model_can_take() -> None:
    files = [Attachment(str(number), "a.png", "u", 9, "image/png") for number in range(6)]
    assert pictures(seeing(entry(1, *files[:3]), entry(2, *files[3:]))) == ["2", "3", "4", "5"]
    odd = [
        msgspec.structs.replace(CAT, content_type="video/mp4"),
        msgspec.structs.replace(CAT, content_type=""),
        msgspec.structs.replace(CAT, size=11 * 1024 * 1024),
        msgspec.structs.replace(CAT, url=""),
    ]
    assert pictures(seeing(entry(1, *odd))) == []


@pytest.mark.parametrize(
    "view",
    [
        View(OPEN, noted=[entry(1, CAT)]),
        seeing(entry(1, CAT), history_limit=0),
        seeing(entry(1, CAT), depths={session_lane(channel_key("main", CHANNEL)): 1}),
        seeing(entry(1, CAT), section={"guilds": {GUILD: {"channels": {"*": {"autoThread": True}}}}}),
        seeing(
            entry(1, CAT),
            section={"guilds": {GUILD: {"users": [ANN]}}},
            context_visibility="allowlist",
        ),
    ],
    ids=["a model without eyes", "no history", "it waits behind another", "autoThread", "contextVisibility"],
)
def test_nobody_else_is(view: View) -> None:
    assert pictures(view) == []


def test_a_direct_message_has_no_pictures_of_a_channel() -> None:
    assert pictures(seeing(entry(1, CAT)), message("and?")) == []


def test_what_came_with_an_unanswered_message_is_noted() -> None:
    """6.8: the words alone would not tell that there is a picture."""
    raw = [{"id": str(number), "filename": "a.png", "url": "https://cdn/a.png"} for number in range(6)]
    data = in_guild("look at this", mention=False, attachments=raw)
    admission = admit(event(data), View(OPEN, history_limit=20))
    [kept] = [effect for effect in admission.effects if isinstance(effect, Transcript)]
    noted = msgspec.json.decode(kept.entries[0], type=HistoryEntry)
    assert (noted.body, [file.id for file in noted.files]) == ("look at this", ["0", "1", "2", "3"])
