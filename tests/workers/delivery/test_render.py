"""Form: prefix, aliases, whom a message pings, and what goes with which part."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from workers.delivery.mentions import MentionPolicy, allowed_for
from workers.delivery.records import (
    AllowedMentions,
    PartReceipt,
    SendRequest,
    decode_receipt,
    decode_send,
    delivery_lane,
    encode,
)
from workers.delivery.render import DeliverySettings, message_fields, plan_of, with_prefix


def request(text: str = "hi", **fields: Any) -> SendRequest:
    return SendRequest(
        **{"account": "default", "channel_id": "5", "cause": "c", "step": "1", "text": text, **fields}
    )


def test_records_survive_the_wire() -> None:
    full = request(
        reply_to="9", allowed_mentions=AllowedMentions(users=("1",)), components=({"type": 1},), wake=("w",)
    )
    assert decode_send(encode(full)) == full
    assert decode_receipt(encode(PartReceipt("1", "2", found=True))).found
    assert full.lane == delivery_lane("default", "5") == "delivery:default:5"
    assert full.identity == "c.1"


def test_a_newer_record_is_read_without_what_it_adds() -> None:
    newer = msgspec.json.encode({**msgspec.json.decode(encode(request())), "invented": 1, "v": 2})
    assert decode_send(newer).text == "hi"


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("hi", None, "hi"),
        ("hi", "", "hi"),
        ("hi", "[Bot]", "[Bot] hi"),
        ("[Bot] hi", "[Bot]", "[Bot] hi"),
        ("", "[Bot]", ""),
        ("HEARTBEAT_OK", "[Bot]", "HEARTBEAT_OK"),
    ],
)
def test_prefix(text: str, prefix: str | None, expected: str) -> None:
    assert with_prefix(text, prefix) == expected


def test_the_prefix_is_on_the_first_part_only() -> None:
    plan = plan_of(request("a\nb\nc", prefix="[Bot]"), DeliverySettings(max_lines=1))
    assert plan == ["[Bot] a", "b", "c"]
    assert plan_of(request("a", prefix="[Bot]", plain=True), DeliverySettings()) == ["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hi @Ann!", "hi <@1>!"),
        ("@ann, see", "<@1>, see"),
        ("(@ANN)", "(<@1>)"),
        ("mail a@ann.org", "mail a@ann.org"),
        ("@anna", "@anna"),
        ("@everyone", "@everyone"),
        ("@ann#1234", "<@1>"),
        ("thanks @ann.", "thanks <@1>."),
        ("`@ann` and ```\n@ann\n```", "`@ann` and ```\n@ann\n```"),
        ("~~~\n@ann\n~~~\n@ann", "~~~\n@ann\n~~~\n<@1>"),
        ("``a ` @ann`` @ann", "``a ` @ann`` <@1>"),
        ("`two\nlines @ann` @ann", "`two\nlines @ann` <@1>"),
        ("@ann `never closed @ann", "<@1> `never closed @ann"),
        (r"\`@ann\` @ann", r"\`@ann\` <@1>"),
        (r"\\`@ann` @ann", r"\\`@ann` <@1>"),
        ("`a` @ann\n```\n`\n```\n@ann", "`a` <@1>\n```\n`\n```\n<@1>"),
        ("@ann,@ann", "<@1>,<@1>"),
        ("@ann, “@ann” <@ann>", "<@1>, “@ann” <@ann>"),
    ],
)
def test_aliases(text: str, expected: str) -> None:
    settings = DeliverySettings(aliases={"ann": "1", "everyone": "2"})
    assert plan_of(request(text), settings) == [expected]


@pytest.mark.parametrize(
    ("policy", "asked", "is_reply", "expected"),
    [
        (MentionPolicy(), None, False, {"parse": ["users"], "replied_user": False}),
        (MentionPolicy(), None, True, {"parse": ["users"], "replied_user": True}),
        (MentionPolicy(users=False), None, True, {"parse": [], "replied_user": False}),
        (
            MentionPolicy(roles=True, everyone=True),
            None,
            False,
            {"parse": ["roles", "users", "everyone"], "replied_user": False},
        ),
        (
            MentionPolicy(roles=["7"]),
            None,
            False,
            {"parse": ["users"], "roles": ["7"], "replied_user": False},
        ),
        (
            MentionPolicy(roles=["7"]),
            AllowedMentions(users=("1",), roles=("7", "8"), everyone=True),
            True,
            {"parse": [], "roles": ["7"], "users": ["1"], "replied_user": False},
        ),
        (
            MentionPolicy(),
            AllowedMentions(roles=("7",), replied_user=True),
            True,
            {"parse": ["users"], "replied_user": True},
        ),
    ],
)
def test_mentions(
    policy: MentionPolicy, asked: AllowedMentions | None, is_reply: bool, expected: dict[str, Any]
) -> None:
    assert allowed_for(policy, asked, is_reply=is_reply) == expected


def test_what_goes_with_which_part() -> None:
    full = request(
        "a\nb\nc",
        embeds=({"title": "t"},),
        components=({"type": 1},),
        sticker_ids=("3",),
        poll={"question": {"text": "q"}},
    )
    settings = DeliverySettings(max_lines=1, suppress_embeds=True)
    plan = plan_of(full, settings)
    parts = [message_fields(full, settings, plan, part) for part in range(3)]
    assert [sorted(set(part) - {"allowed_mentions", "content"}) for part in parts] == [
        ["embeds", "poll", "sticker_ids"],
        ["flags"],
        ["components", "flags"],
    ]


def test_an_empty_text_with_an_embed_is_one_message() -> None:
    assert plan_of(request("", embeds=({"title": "t"},)), DeliverySettings()) == [""]
    assert plan_of(request(""), DeliverySettings()) == []
    assert plan_of(request("text", flags=1 << 15), DeliverySettings()) == []
