"""Answers of the simulator against Discord's own OpenAPI file."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shoal.simulator.server import Simulator
from tests.simulator.conftest import Rest

ROW = {
    "type": 1,
    "components": [{"type": 2, "style": 1, "label": "Yes", "custom_id": "yes"}],
}
SELECT = {
    "type": 1,
    "components": [{"type": 3, "custom_id": "pick", "options": [{"label": "A", "value": "a"}]}],
}
BOX = {
    "type": 17,
    "accent_color": 255,
    "components": [
        {"type": 10, "content": "# Title"},
        {"type": 14},
        {
            "type": 9,
            "components": [{"type": 10, "content": "text"}],
            "accessory": {"type": 2, "style": 5, "label": "Go", "url": "https://example.org"},
        },
    ],
}


def test_own_objects_and_lists_fit_the_schema(
    simulator: Simulator, rest: Rest, openapi: Callable[..., Any]
) -> None:
    control = simulator.control
    control.add_channel(simulator.guild_id, "voice", type=2)
    control.add_channel(simulator.guild_id, "forum", type=15, available_tags=[])
    control.add_channel(simulator.guild_id, "group", type=4)
    control.create_thread("general", "a thread", content="first")
    dm = control.open_dm()
    ids = {
        "user_id": simulator.user_id,
        "guild_id": simulator.guild_id,
        "channel_id": simulator.channel_id,
        "application_id": simulator.bot_id,
    }
    paths = [
        "/users/@me",
        "/users/{user_id}",
        "/users/@me/guilds",
        "/applications/@me",
        "/oauth2/applications/@me",
        "/gateway/bot",
        "/channels/{channel_id}",
        "/guilds/{guild_id}",
        "/guilds/{guild_id}/channels",
        "/guilds/{guild_id}/members",
        "/guilds/{guild_id}/members/{user_id}",
        "/guilds/{guild_id}/roles",
        "/guilds/{guild_id}/threads/active",
        "/channels/{channel_id}/messages",
        "/applications/{application_id}/commands",
    ]
    for path in paths:
        answer = rest("GET", path.format(**ids))
        assert answer.status_code == 200, (path, answer.text)
        openapi("GET", path, "200").validate(answer.json())
        assert answer.headers["Content-Type"] == "application/json"
    openapi("GET", "/channels/{channel_id}", "200").validate(rest("GET", f"/channels/{dm['id']}").json())


def test_messages_of_every_kind_fit_the_schema(
    simulator: Simulator, rest: Rest, openapi: Callable[..., Any]
) -> None:
    template = "/channels/{channel_id}/messages"
    asked = simulator.control.say("general", f"hello <@{simulator.bot_id}>", files=[("a.txt", b"a")])
    bodies: list[dict[str, Any]] = [
        {"content": "plain", "nonce": "n1", "enforce_nonce": True},
        {
            "embeds": [
                {"title": "t", "description": "d", "fields": [{"name": "n", "value": "v", "inline": True}]}
            ]
        },
        {"content": "buttons", "components": [ROW, SELECT]},
        {"flags": 1 << 15, "components": [BOX, ROW]},
        {"content": "reply", "message_reference": {"message_id": asked["id"]}},
    ]
    for body in bodies:
        openapi("POST", template, "request").validate(body)
        answer = rest("POST", f"/channels/{simulator.channel_id}/messages", body)
        assert answer.status_code == 200, answer.text
        openapi("POST", template, "200").validate(answer.json())
    rest("PUT", f"/channels/{simulator.channel_id}/messages/{asked['id']}/reactions/%F0%9F%91%8D/@me")
    listed = rest("GET", f"/channels/{simulator.channel_id}/messages").json()
    openapi("GET", template, "200").validate(listed)
    assert [m["id"] for m in listed] == sorted((m["id"] for m in listed), key=int, reverse=True)
    assert listed[-1]["reactions"][0]["me"] is True
    edited = rest("PATCH", f"/channels/{simulator.channel_id}/messages/{listed[0]['id']}", {"content": "new"})
    openapi("PATCH", template + "/{message_id}", "200").validate(edited.json())


def test_threads_webhooks_roles_and_dms_fit_the_schema(
    simulator: Simulator, rest: Rest, openapi: Callable[..., Any]
) -> None:
    simulator.control.edit_role(simulator.guild_id, "shoal", permissions=8)
    said = simulator.control.say("general", "topic")
    forum = simulator.control.add_channel(simulator.guild_id, "forum", type=15)
    cases = [
        ("/channels/{channel_id}/messages/{message_id}/threads", {"name": "t"}, "201"),
        ("/channels/{channel_id}/threads", {"name": "t", "type": 11}, "201"),
        ("/channels/{channel_id}/webhooks", {"name": "hook"}, "200"),
        ("/guilds/{guild_id}/roles", {"name": "r"}, "200"),
        ("/guilds/{guild_id}/channels", {"name": "c", "type": 0}, "201"),
        ("/users/@me/channels", {"recipient_id": simulator.user_id}, "200"),
    ]
    ids = {
        "channel_id": simulator.channel_id,
        "message_id": said["id"],
        "guild_id": simulator.guild_id,
    }
    for path, body, status in cases:
        answer = rest("POST", path.format(**ids), body)
        assert str(answer.status_code) == status, (path, answer.text)
        openapi("POST", path, status).validate(answer.json())
    post = rest("POST", f"/channels/{forum['id']}/threads", {"name": "post", "message": {"content": "first"}})
    assert post.status_code == 201, post.text
    openapi("POST", "/channels/{channel_id}/threads", "201").validate(post.json())
    assert post.json()["message"]["content"] == "first"


def test_commands_and_interactions_fit_the_schema(
    simulator: Simulator, rest: Rest, openapi: Callable[..., Any]
) -> None:
    path = f"/applications/{simulator.bot_id}/commands"
    put = rest("PUT", path, [{"name": "ask", "description": "Ask.", "options": [
        {"type": 3, "name": "text", "description": "What.", "required": True}]}])  # fmt: skip
    assert put.status_code == 200, put.text
    openapi("PUT", "/applications/{application_id}/commands", "200").validate(put.json())
    again = rest("PUT", path, [{"name": "ask", "description": "Ask more."}]).json()
    assert again[0]["id"] == put.json()[0]["id"]
    assert again[0]["version"] != put.json()[0]["version"]
    made = simulator.control.command("general", "ask", {"text": "why"})
    answer = rest(
        "POST",
        f"/interactions/{made['id']}/{made['token']}/callback?with_response=true",
        {"type": 4, "data": {"content": "because"}},
    )
    assert answer.status_code == 200, answer.text
    template = "/interactions/{interaction_id}/{interaction_token}/callback"
    openapi("POST", template, "200").validate(answer.json())
