"""What a prompt says of a message besides its words (spec/inbound.md 6.3 to 6.6, 6.8, 6.10, 6.12)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.workers.agent.support.prompts import HEADINGS, parse
from workers.access.facts import Activation
from workers.agent.envelope import UTC, EnvelopeOptions, elapsed, stamp
from workers.agent.profile import AgentProfile
from workers.agent.prompt import Surroundings, system_prompt, user_text
from workers.sessions.history import HistoryEntry, Pending
from workers.sessions.records import Attachment, ForwardedFrom, QuotedMessage, TurnRequest

NIGHT = 1_700_000_000_000
"""Tue 2023-11-14 22:13:20 UTC."""
CHANNEL = TurnRequest(
    account="default",
    channel_id="777",
    message_id="888",
    author_id="42",
    author_name="Ann",
    author_tag="ann_x",
    author_username="ann_x",
    author_label="Ann (ann_x)",
    chat_type="channel",
    agent_id="main",
    session_key="k",
    text="the words",
    guild_id="9",
    guild_name="Home",
    channel_name="Bug Reports 频道",
    born_ms=NIGHT,
)
PROFILE = AgentProfile("main", "Shoal")


def changed(**changes: Any) -> TurnRequest:
    return msgspec.structs.replace(CHANNEL, **changes)


def blocks(request: TurnRequest, around: Surroundings | None = None, **options: Any) -> dict[str, Any]:
    profile = AgentProfile("main", "Shoal", envelope=EnvelopeOptions("UTC", **options))
    return dict(parse(user_text(request, profile, around or Surroundings())).blocks)


def test_a_plain_guild_message_has_two_blocks_without_empty_fields() -> None:
    found = blocks(CHANNEL)
    assert list(found) == [HEADINGS[0], HEADINGS[1]]
    assert found[HEADINGS[0]] == {
        "chat_id": "channel:777",
        "message_id": "888",
        "sender_id": "42",
        "conversation_label": "Home #Bug Reports 频道 channel id:777",
        "sender": "Ann (ann_x)",
        "timestamp": "Tue 2023-11-14 22:13:20 UTC",
        "group_subject": "Bug Reports 频道",
        "group_channel": "#bug-reports-频道",
        "group_space": "9",
        "is_group_chat": True,
    }
    assert found[HEADINGS[1]] == {
        "label": "Ann (ann_x)",
        "id": "42",
        "name": "Ann",
        "username": "ann_x",
        "tag": "ann_x",
    }


def test_a_direct_message_names_the_person_and_no_group() -> None:
    request = changed(chat_type="direct", guild_id=None, guild_name="", channel_name="")
    info = blocks(request)[HEADINGS[0]]
    assert info["conversation_label"] == "ann_x user id:42"
    assert info["chat_id"] == "channel:777"
    assert "is_group_chat" not in info
    assert parse(user_text(request, PROFILE)).body == "the words"


def test_a_thread_and_a_group_dm_say_what_they_are() -> None:
    thread = blocks(changed(is_thread=True, channel_name="crash on start", parent_name="Bug Reports"))
    assert thread[HEADINGS[0]]["thread_label"] == "Discord thread #bug-reports › crash on start"
    assert thread[HEADINGS[0]]["conversation_label"] == "crash on start"
    assert thread[HEADINGS[0]]["topic_id"] == "777"
    group = blocks(changed(chat_type="group", guild_id=None, guild_name="", channel_name="friends"))
    assert group[HEADINGS[0]]["conversation_label"] == "Group DM #friends"


def test_all_blocks_stand_in_their_order_with_all_their_fields() -> None:
    request = changed(
        topic="Be kind",
        was_mentioned=True,
        quoted=QuotedMessage("5", "6", "Bob", "an old text", author_label="Bob (bob)"),
        has_forwarded=True,
        forwarded=ForwardedFrom("Cid", "cid", "601", "general", 17),
    )
    entries = (HistoryEntry("1", "Bob (bob)", "6", 3, "earlier"),)
    around = Surroundings(Pending(entries, 4), NIGHT - 300_000, "how it began")
    found = blocks(request, around)
    assert list(found) == list(HEADINGS)
    info = found[HEADINGS[0]]
    assert info["reply_to_id"] == "5"
    assert info["elapsed"] == "+5m"
    for name in ("was_mentioned", "has_reply_context", "has_forwarded_context", "has_thread_starter"):
        assert info[name] is True
    assert (info["history_count"], info["history_truncated"]) == (1, True)
    assert list(found.values())[2:] == [
        {"body": "how it began"},
        {"sender_label": "Bob (bob)", "message_id": "5", "body": "an old text"},
        {"from": "Cid", "type": "user", "username": "cid", "title": "#general", "date_ms": 17},
        {
            "label": "Discord channel metadata",
            "source": "discord",
            "type": "channel_metadata",
            "payload": {"topic": "Be kind"},
        },
        [{"message_id": "1", "sender": "Bob (bob)", "sender_id": "6", "timestamp_ms": 3, "body": "earlier"}],
    ]


def test_an_entry_of_the_history_names_its_files() -> None:
    """6.8: words like "look at this" are no use without them."""
    file = Attachment("9", "cat [1].png", "https://cdn/cat.png?hm=1", 5, "image/png")
    entry = HistoryEntry("1", "Bob", "6", 3, "look", files=(file, Attachment("8", "notes", "u")))
    [told] = blocks(CHANNEL, Surroundings(Pending((entry,), 1)))[HEADINGS[6]]
    assert told["files"] == ["cat (1).png (image/png)", "notes"]


def test_a_forward_whose_author_discord_does_not_tell_names_its_channel() -> None:
    found = blocks(
        changed(has_forwarded=True, forwarded=ForwardedFrom(channel_id="601", channel_name="general"))
    )
    assert found[HEADINGS[4]] == {"from": "#general", "type": "channel", "title": "#general"}


def test_a_message_that_joins_a_turn_is_told_briefly() -> None:
    prompt = user_text(changed(topic="Be kind"), PROFILE, brief=True)
    assert [heading for heading, _ in parse(prompt).blocks] == [HEADINGS[0]]


def test_history_is_bounded_as_a_whole_and_the_oldest_go() -> None:
    entries = tuple(HistoryEntry(str(number), "B", "6", 3, "x" * 2_000) for number in range(1, 101))
    found = blocks(CHANNEL, Surroundings(Pending(entries, 100)))
    shown = found[HEADINGS[6]]
    assert len(shown) == found[HEADINGS[0]]["history_count"] == 30
    assert shown[-1]["message_id"] == "100"
    assert found[HEADINGS[0]]["history_truncated"] is True


def test_every_string_is_bounded() -> None:
    quoted = QuotedMessage("5", "6", "B" * 5_000, "q" * 5_000)
    request = changed(text="w" * 50_000, topic="t" * 5_000, author_label="n" * 5_000, quoted=quoted)
    prompt = user_text(request, PROFILE)
    assert "… [cut, 3000 characters more]" in prompt
    assert "… [cut, 18000 characters more]" in prompt
    assert len(prompt) < 32_000 + 7 * 2_100
    assert len(parse(prompt).body.split(":")[0]) <= 120


# -- times (6.4) ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (EnvelopeOptions("UTC"), "Tue 2023-11-14 22:13:20 UTC"),
        (EnvelopeOptions("Asia/Shanghai"), "Wed 2023-11-15 06:13:20 CST"),
        (EnvelopeOptions("UTC", hours=12), "Tue 2023-11-14 10:13:20 PM UTC"),
        (EnvelopeOptions("Asia/Shanghai", hours=12), "Wed 2023-11-15 6:13:20 AM CST"),
        (EnvelopeOptions("Mars/Olympus"), "Tue 2023-11-14 22:13:20 UTC"),
        (EnvelopeOptions("UTC", timestamp=False), ""),
    ],
)
def test_a_time_is_written_as_wanted(options: EnvelopeOptions, text: str) -> None:
    assert stamp(NIGHT, options) == text


def test_local_is_the_zone_of_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert stamp(NIGHT, EnvelopeOptions("local")) == "Wed 2023-11-15 07:13:20 JST"
        assert "Time zone: JST." in system_prompt(
            AgentProfile("main", timezone="local"), CHANNEL, mode="automatic"
        )
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "+0s"), (59, "+59s"), (60, "+1m"), (3_700, "+1h"), (200_000, "+2d"), (-5, "")]
)
def test_elapsed_is_short(seconds: int, text: str) -> None:
    assert elapsed(NIGHT + seconds * 1000, NIGHT, UTC) == text


def test_elapsed_and_time_can_be_switched_off_and_a_first_message_has_no_elapsed() -> None:
    around = Surroundings(since_ms=NIGHT - 1_000)
    assert blocks(CHANNEL, around)[HEADINGS[0]]["elapsed"] == "+1s"
    assert "elapsed" not in blocks(CHANNEL)[HEADINGS[0]]
    off = blocks(CHANNEL, around, elapsed=False, timestamp=False)[HEADINGS[0]]
    assert "elapsed" not in off
    assert "timestamp" not in off


# -- the system part (6.6.1, 6.12, 9.1) ----------------------------------------------------------------


def test_the_trusted_block_is_the_same_for_everybody_in_a_place() -> None:
    text = system_prompt(PROFILE, CHANNEL, mode="automatic")
    block = text.partition("Inbound context (trusted metadata):\n```json\n")[2].partition("\n```")[0]
    assert msgspec.json.decode(block) == {
        "schema": "openclaw.inbound_meta.v2",
        "account_id": "default",
        "channel": "discord",
        "provider": "discord",
        "surface": "discord",
        "chat_type": "channel",
        "response_format": "discord-markdown",
        "reply_delivery": "automatic",
    }


@pytest.mark.parametrize("chat_type", ["channel", "group"])
def test_the_intro_of_a_group_tells_its_manners(chat_type: str) -> None:
    text = system_prompt(PROFILE, changed(chat_type=chat_type), mode="automatic")
    for words in ("not addressed", "Name people when it helps", "no tables", "Wrap several links in <…>"):
        assert words in text


@pytest.mark.parametrize(
    ("session", "required", "always"),
    [
        ("", True, False),
        ("", False, True),
        ("always", True, True),
        ("always", False, True),
        ("mention", True, False),
        ("mention", False, False),
    ],
)
def test_the_intro_of_a_channel_follows_the_activation_in_force(
    session: Activation, required: bool, always: bool
) -> None:
    """What ``/activation`` says in the session, else the config (decision 28)."""
    request = changed(mention_required=required)
    text = system_prompt(PROFILE, request, mode="automatic", activation=session)
    assert ("Activation: always" in text) is always
    assert ("Activation: mention" in text) is not always
    assert ("answer with NO_REPLY and nothing else" in text) is always


def test_a_group_dm_asks_for_no_mention_and_a_dm_knows_no_activation() -> None:
    group = system_prompt(PROFILE, changed(chat_type="group"), mode="automatic", activation="mention")
    assert "Activation: always" in group
    direct = system_prompt(PROFILE, changed(chat_type="direct"), mode="automatic")
    assert "Activation" not in direct
    assert "NO_REPLY" not in direct


def test_a_private_final_is_explained() -> None:
    text = system_prompt(PROFILE, CHANNEL, mode="message_tool_only")
    assert "Your final text is private" in text
    assert '`message` with action "send"' in text
    assert "silence" in text


def test_an_agent_is_told_how_mentions_and_replies_are_written() -> None:
    """Manual 002, "Mentions" and "Reply tags": who is not told cannot do it (``spec/outbound.md`` 3.3)."""
    shown = system_prompt(PROFILE, CHANNEL, mode="automatic")
    for form in (
        "<@USER_ID>",
        "<#CHANNEL_ID>",
        "<@&ROLE_ID>",
        "[[reply_to_current]]",
        "[[reply_to:MESSAGE_ID]]",
    ):
        assert form in shown
    private = system_prompt(PROFILE, CHANNEL, mode="message_tool_only")
    assert "<@USER_ID>" in private
    assert "[[reply_to" not in private, "nobody sees that text"


def test_the_operators_words_stand_in_the_trusted_part() -> None:
    profile = AgentProfile("main", "Shoal", instructions="Be kind.", system_prompt="Be terse.")
    assert (
        "Instructions of the operator:\nBe kind.\n\nInstructions of the operator for this channel:\nBe terse."
    ) in system_prompt(profile, CHANNEL, mode="automatic")
    assert "Instructions of the operator" not in system_prompt(PROFILE, CHANNEL, mode="automatic")
