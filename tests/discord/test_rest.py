"""REST calls: bodies against Discord's own OpenAPI file, nonces, mentions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from shoal.base.ids import derive_nonce
from shoal.discord.errors import NotFound, RateWait
from shoal.discord.interactions import InteractionCalls
from shoal.discord.limiter import Booking, Priority, Unlimited
from shoal.discord.mentions import NO_MENTIONS, MentionPolicy, allowed_mentions
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.transport import File, Transport
from shoal.discord.wire import InteractionCallback, MessageFlags
from tests.discord.support.rest import Reply, RestServer, Seen

ROOT = Path(__file__).parents[2]
EVERYONE_SAFE = {"parse": ["users"], "replied_user": True}


@cache
def openapi() -> dict[str, Any]:
    """Discord's OpenAPI file, which lies beside the repository."""
    folder = Path(os.environ.get("SHOAL_DISCORD_REFERENCE") or ROOT.parent / "shared" / "discord")
    path = folder / "openapi.json"
    assert path.exists(), f"{path} is missing; set SHOAL_DISCORD_REFERENCE to the folder that holds it"
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def check(seen: Seen, path: str) -> None:
    """The request's body fits the schema of ``method path``."""
    operation = openapi()["paths"][path][seen.method.lower()]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": openapi()["components"]})
    problems = [
        f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(seen.json())
    ]
    assert problems == []


@pytest.fixture
def rest(rest_server: RestServer, make_transport: Callable[..., Transport]) -> Rest:
    rest_server.usual = Reply.of(200, {"id": "9"})
    return Rest(make_transport(api_url=rest_server.base))


MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"


def test_creates_carry_a_nonce_and_safe_mentions(rest: Rest, rest_server: RestServer) -> None:
    nonce = derive_nonce("123", "send", 0)
    rest_server.replies.append(Reply.of(200, {"id": "9", "nonce": nonce}))
    made = rest.create_message(
        "5", content="hi @everyone", nonce=nonce, reply_to="77", flags=MessageFlags.SUPPRESS_EMBEDS
    )
    assert made["id"] == "9"
    seen = rest_server.seen[0]
    check(seen, MESSAGES)
    assert seen.json() == {
        "content": "hi @everyone",
        "nonce": nonce,
        "enforce_nonce": True,
        "allowed_mentions": EVERYONE_SAFE,
        "message_reference": {"message_id": "77", "fail_if_not_exists": False},
        "flags": 4,
    }


def test_every_shape_of_create_fits_discords_schema(
    rest_server: RestServer, make_transport: Callable[..., Transport]
) -> None:
    mentions = MentionPolicy(roles=True, everyone=True)
    rest = Rest(make_transport(api_url=rest_server.base, mentions=mentions))
    rest_server.usual = Reply.of(200, {"id": "9"})
    button = {"type": 2, "style": 1, "label": "Yes", "custom_id": "a"}
    shapes: list[dict[str, Any]] = [
        {"components": [{"type": 1, "components": [button]}], "content": "x"},
        {"components": [{"type": 17, "components": [{"type": 10, "content": "x"}]}], "flags": 1 << 15},
        {"embeds": ({"title": "t", "color": 1},)},
        {"sticker_ids": ["749054660769218631"]},
        {"poll": {"question": {"text": "?"}, "answers": [{"poll_media": {"text": "a"}}], "duration": 1}},
        {"content": "x", "tts": True, "allowed_mentions": NO_MENTIONS},
        {
            "content": "x",
            "allowed_mentions": allowed_mentions(users=["80351110224678912"], roles=True, everyone=True),
        },
    ]
    for number, shape in enumerate(shapes):
        rest.create_message("5", nonce=derive_nonce("c", number, 0), **shape)
    for seen in rest_server.seen:
        check(seen, MESSAGES)
        assert "allowed_mentions" in seen.json()
    assert [seen.json()["allowed_mentions"]["parse"] for seen in rest_server.seen[-2:]] == [
        [],
        ["roles", "everyone"],
    ]


def test_files_fit_discords_schema(rest: Rest, rest_server: RestServer) -> None:
    rest.create_message(
        "5",
        nonce="n",
        files=[File("a.ogg", b"OggS", "audio/ogg", {"duration_secs": 1.5, "waveform": "AA=="})],
    )
    check(rest_server.seen[0], MESSAGES)
    assert rest_server.seen[0].parts()["files[0]"][1] == b"OggS"


def test_a_create_without_nonce_is_not_repeated_in_doubt(rest: Rest, rest_server: RestServer) -> None:
    from shoal.base.errors import TransportError

    rest_server.replies.append(Reply(fault="reset"))
    with pytest.raises(TransportError):
        rest.create_message("5", content="x", nonce=None)
    assert len(rest_server.seen) == 1
    assert "enforce_nonce" not in rest_server.seen[0].json()


def test_edits_touch_only_what_is_given_and_always_say_who_is_pinged(
    rest: Rest, rest_server: RestServer
) -> None:
    rest.edit_message("5", "6", content="new")
    rest.edit_message(
        "5", "6", content=None, embeds=[], components=[], attachments=[], flags=4, priority=Priority.EDIT
    )
    for seen in rest_server.seen:
        assert (seen.method, seen.path) == ("PATCH", "/api/v10/channels/5/messages/6")
        check(seen, MESSAGE)
    assert rest_server.seen[0].json() == {"content": "new", "allowed_mentions": EVERYONE_SAFE}
    assert rest_server.seen[1].json()["content"] is None


def test_a_delete_whose_answer_was_lost_is_done(rest: Rest, rest_server: RestServer) -> None:
    gone = Reply.of(404, {"code": 10008, "message": "Unknown Message"})
    rest_server.replies += [Reply(fault="reset"), gone]
    rest.delete_message("5", "6")
    rest_server.replies += [gone]
    with pytest.raises(NotFound):
        rest.delete_message("5", "6")


def test_reads(rest: Rest, rest_server: RestServer) -> None:
    rest_server.replies += [
        Reply.of(200, [{"id": "2"}, "odd", {"id": "1"}]),
        Reply.of(200, {"id": "1"}),
        Reply.of(200, {"url": "wss://gateway.discord.gg", "shards": 1}),
        Reply.of(200, "odd"),
    ]
    assert [message["id"] for message in rest.get_messages("5", limit=500, after="9")] == ["2", "1"]
    assert rest_server.seen[0].path.endswith("/messages?limit=100&after=9")
    assert rest.get_current_user()["id"] == "1"
    assert rest.get_gateway_bot()["shards"] == 1
    assert rest.get_application() == {}
    rest_server.replies += [Reply(), Reply(), Reply.of(200, [])]
    rest.get_channel("5")
    rest.get_guild("7")
    rest.get_guild_channels("7")
    rest.get_guild_member("7", "8")
    rest.get_message("5", "6")
    paths = [seen.path.removeprefix("/api/v10") for seen in rest_server.seen[-5:]]
    assert paths == [
        "/channels/5",
        "/guilds/7",
        "/guilds/7/channels",
        "/guilds/7/members/8",
        "/channels/5/messages/6",
    ]


def test_dms_typing_and_reactions(rest: Rest, rest_server: RestServer) -> None:
    rest.create_dm("80351110224678912")
    check(rest_server.seen[0], "/users/@me/channels")
    rest.trigger_typing("5")
    rest.create_reaction("5", "6", "👀")
    rest.delete_own_reaction("5", "6", "name:123")
    lines = [f"{seen.method} {seen.path.removeprefix('/api/v10')}" for seen in rest_server.seen[1:]]
    eyes = "%F0%9F%91%80"
    assert lines == [
        "POST /channels/5/typing",
        f"PUT /channels/5/messages/6/reactions/{eyes}/@me",
        "DELETE /channels/5/messages/6/reactions/name:123/@me",
    ]


def test_typing_waits_for_nothing(rest_server: RestServer, make_transport: Callable[..., Transport]) -> None:
    """Under load it must not stand in line with the answers."""
    asked: list[tuple[Priority, float | None]] = []

    class Busy(Unlimited):
        def acquire(self, *request: object, max_wait: float | None = None) -> Booking:
            asked.append((request[2], max_wait))  # type: ignore[arg-type]
            raise RateWait(0.3, reason="global", route="typing")

    rest = Rest(make_transport(api_url=rest_server.base, limiter=Busy()))
    with pytest.raises(RateWait):
        rest.trigger_typing("5")
    assert asked == [(Priority.EDIT, 0.0)]
    assert rest_server.seen == []


def test_interactions_fit_discords_schema(rest: Rest, rest_server: RestServer) -> None:
    calls = InteractionCalls(rest)
    callback = "/interactions/{interaction_id}/{interaction_token}/callback"
    calls.create_interaction_response(
        "1", "tok", type=InteractionCallback.CHANNEL_MESSAGE_WITH_SOURCE, data={"content": "x"}
    )
    calls.create_interaction_response("1", "tok", type=5, data={"flags": 64})
    calls.create_interaction_response("1", "tok", type=6)
    calls.create_interaction_response("1", "tok", type=8, data={"choices": []})
    for seen in rest_server.seen:
        check(seen, callback)
        assert seen.path == "/api/v10/interactions/1/tok/callback"
    assert rest_server.seen[0].json()["data"]["allowed_mentions"] == EVERYONE_SAFE
    assert rest_server.seen[1].json() == {"type": 5, "data": {"flags": 64}}
    rest_server.seen.clear()
    calls.create_followup("10", "tok", {"content": "x", "flags": 64})
    check(rest_server.seen[0], "/webhooks/{webhook_id}/{webhook_token}")
    calls.edit_original_response("10", "tok", {"content": "y"})
    check(rest_server.seen[1], "/webhooks/{webhook_id}/{webhook_token}/messages/@original")
    assert rest_server.seen[1].path == "/api/v10/webhooks/10/tok/messages/@original"
    for seen in rest_server.seen:
        assert "authorization" not in seen.headers


def test_files_of_an_interaction_are_named_in_its_data(rest: Rest, rest_server: RestServer) -> None:
    InteractionCalls(rest).create_interaction_response(
        "1", "tok", type=4, data={"content": "x"}, files=[File("a.txt", b"a")]
    )
    body = rest_server.seen[0].json()
    assert body["data"]["attachments"] == [{"id": "0", "filename": "a.txt"}]
    assert "attachments" not in body


def test_patience_is_chosen_for_all_calls(rest: Rest, rest_server: RestServer) -> None:
    from shoal.discord.errors import RateWait, ServerError

    rest_server.replies += [Reply.of(429, {"retry_after": 1}), Reply(500)]
    hasty = rest.limited(max_wait=0.05)
    with pytest.raises(RateWait):
        hasty.get_current_user()
    with pytest.raises(ServerError):
        hasty.limited(retry=NO_RETRY).get_current_user()
    assert len(rest_server.seen) == 2
