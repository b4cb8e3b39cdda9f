"""REST: bodies, errors, nonces, multipart, permissions, as Discord answers them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import requests

from shoal.simulator.server import Simulator
from tests.simulator.conftest import Rest
from tests.simulator.wire import Wire


def leaf(errors: dict[str, Any], *path: str) -> str:
    """The code at a path of a nested error."""
    for key in path:
        errors = errors[key]
    return str(errors["_errors"][0]["code"])


def button(custom_id: str = "a", **fields: Any) -> dict[str, Any]:
    return {"type": 2, "style": 1, "label": "A", "custom_id": custom_id, **fields}


def row(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": 1, "components": list(parts)}


@pytest.fixture
def send(simulator: Simulator, rest: Rest):
    """Create a message in #general."""
    return lambda body, **more: rest("POST", f"/channels/{simulator.channel_id}/messages", body, **more)


def test_a_bad_token_is_401(simulator: Simulator, rest: Rest) -> None:
    for header in ("Bot nonsense", f"Bot {simulator.token}x", ""):
        answer = rest("GET", "/users/@me", headers={"Authorization": header})
        assert (answer.status_code, answer.json()) == (401, {"message": "401: Unauthorized", "code": 0})


def test_unknown_places_and_versions(simulator: Simulator, rest: Rest) -> None:
    cases = {
        "/channels/1": (404, 10003),
        f"/channels/{simulator.channel_id}/messages/1": (404, 10008),
        "/guilds/1": (404, 10004),
        f"/guilds/{simulator.guild_id}/members/1": (404, 10007),
        "/users/1": (404, 10013),
        "/nowhere": (404, 0),
    }
    for path, expected in cases.items():
        answer = rest("GET", path)
        assert (answer.status_code, answer.json()["code"]) == expected, path
    assert rest("PUT", "/users/@me").status_code == 405
    old = requests.get(simulator.url + "/api/v6/gateway", timeout=5)
    assert old.json()["code"] == 50041


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"content": "x" * 2001}, ["content"], "BASE_TYPE_MAX_LENGTH"),
        ({"content": "x", "nonce": "n" * 26}, ["nonce"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"title": "x" * 257}]}, ["embeds", "0", "title"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "x" * 3500}] * 2}, ["embeds"], "MAX_EMBED_SIZE_EXCEEDED"),
        ({"embeds": [{"title": "t", "url": "ftp://x"}]}, ["embeds", "0", "url"], "URL_TYPE_INVALID_SCHEME"),
        ({"embeds": [{"color": "red"}]}, ["embeds", "0", "color"], "NUMBER_TYPE_COERCE"),
        ({"embeds": "none"}, ["embeds"], "LIST_TYPE_CONVERT"),
        ({"content": "x", "tts": "maybe"}, ["tts"], "BOOLEAN_TYPE_CONVERT"),
        ({"components": [button()]}, ["components", "0", "type"], "UNION_TYPE_CHOICES"),
        ({"components": [row()]}, ["components", "0", "components"], "BASE_TYPE_BAD_LENGTH"),
        ({"components": [row(button()), row(button())]},
         ["components", "1", "components", "0", "custom_id"], "COMPONENT_CUSTOM_ID_DUPLICATED"),
        ({"components": [row(button("x" * 101))]},
         ["components", "0", "components", "0", "custom_id"], "BASE_TYPE_BAD_LENGTH"),
        ({"components": [row(button(style=5))]},
         ["components", "0", "components", "0", "url"], "BASE_TYPE_REQUIRED"),
        ({"components": [row(button(url="https://x.y"))]},
         ["components", "0", "components", "0", "url"], "BUTTON_COMPONENT_FIELD_NOT_ALLOWED"),
        ({"components": [row(*(button(str(n)) for n in range(6)))]},
         ["components", "0", "components"], "BASE_TYPE_BAD_LENGTH"),
        ({"components": [row(button(str(n))) for n in range(6)]}, ["components"], "BASE_TYPE_BAD_LENGTH"),
        ({"components": [{"type": 10, "content": "x"}]}, ["components", "0", "type"], "UNION_TYPE_CHOICES"),
        ({"flags": 1 << 15, "content": "x", "components": [{"type": 10, "content": "x"}]},
         ["content"], "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"),
        ({"flags": 1 << 15, "components": [{"type": 10, "content": "x"}] * 41},
         ["components"], "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED"),
        ({"flags": 1 << 15, "components": [{"type": 10, "content": "x" * 2100}] * 2},
         ["components"], "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED"),
        ({"flags": 1 << 15, "components": [{"type": 13, "file": {"url": "attachment://no.txt"}}]},
         ["components", "0", "file", "url"], "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND"),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}},
         ["allowed_mentions"], "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"),
        ({"content": "x", "message_reference": {"message_id": "1"}},
         ["message_reference"], "REPLIES_UNKNOWN_MESSAGE"),
        ({"content": "x", "attachments": [{"id": 0}]}, ["attachments", "0", "id"], "ATTACHMENT_NOT_FOUND"),
    ],
)  # fmt: skip
def test_wrong_messages_get_nested_errors(
    send: Any, body: dict[str, Any], path: list[str], code: str
) -> None:
    answer = send(body)
    assert answer.status_code == 400
    assert answer.json()["code"] == 50035
    assert leaf(answer.json()["errors"], *path) == code


def test_other_wrong_bodies(simulator: Simulator, rest: Rest, send: Any) -> None:
    for body in ({}, {"content": "  \n "}, {"embeds": []}):
        assert send(body).json()["code"] == 50006
    path = f"{rest.base}/channels/{simulator.channel_id}/messages"
    broken = requests.post(
        path, data=b"{", headers={**rest.headers, "Content-Type": "application/json"}, timeout=5
    )
    assert broken.json()["code"] == 50109
    plain = requests.post(path, data=b"x", headers={**rest.headers, "Content-Type": "text/plain"}, timeout=5)
    assert plain.json()["code"] == 50035
    gone = send({"content": "x", "message_reference": {"message_id": "1", "fail_if_not_exists": False}})
    assert gone.status_code == 200
    forum = simulator.control.add_channel("Shoal Demo", "forum", type=15)
    assert rest("POST", f"/channels/{forum['id']}/messages", {"content": "x"}).json()["code"] == 40058


def test_length_counts_code_points(send: Any) -> None:
    assert send({"content": "🐟" * 2000}).status_code == 200
    assert send({"content": "🐟" * 2001}).status_code == 400


def test_a_poll_is_shown_with_its_message(simulator: Simulator, send: Any) -> None:
    media = [{"poll_media": {"text": word}} for word in ("yes", "no")]
    poll = {"question": {"text": "Or not?"}, "answers": media, "duration": 1}
    made = send({"poll": poll}).json()["poll"]
    assert made["question"] == {"text": "Or not?"}
    assert [answer["answer_id"] for answer in made["answers"]] == [1, 2]
    assert made["results"] == {"answer_counts": [], "is_finalized": False}
    assert simulator.control.messages("general")[-1]["poll"] == made


def test_a_nonce_is_kept_for_its_window_only(simulator: Simulator, send: Any) -> None:
    body = {"content": "once", "nonce": "abc", "enforce_nonce": True}
    with Wire(simulator) as wire:
        first, second = send(body), send({**body, "content": "other"})
        assert first.status_code == second.status_code == 200
        assert first.json()["id"] == second.json()["id"]
        assert second.json()["content"] == "once"
        assert wire.wait("MESSAGE_CREATE")["d"]["nonce"] == "abc"
        assert send({"content": "loose", "nonce": "abc"}).json()["id"] != first.json()["id"]
        assert len(simulator.control.messages("general")) == 2
        simulator.control.configure(nonce_window_s=0.05)
        time.sleep(0.1)
        assert send(body).json()["id"] != first.json()["id"]


def test_multipart_chunked_and_the_cdn(simulator: Simulator, rest: Rest) -> None:
    path = f"/channels/{simulator.channel_id}/messages"
    payload = {
        "content": "files",
        "attachments": [{"id": 1, "description": "second"}, {"id": "0", "filename": "renamed.txt"}],
        "embeds": [{"image": {"url": "attachment://b.bin"}}],
    }
    files = [
        ("payload_json", (None, json.dumps(payload), "application/json")),
        ("files[0]", ("a.txt", b"first", "text/plain")),
        ("files[1]", ("b.bin", b"\x00\x01", "application/octet-stream")),
    ]
    made = rest("POST", path, files=files)
    assert made.status_code == 200, made.text
    one, two = made.json()["attachments"]
    assert (one["filename"], one["size"], one["content_type"]) == ("renamed.txt", 5, "text/plain")
    assert two["description"] == "second"
    assert made.json()["embeds"][0]["image"]["url"] == two["url"]
    assert requests.get(one["url"], timeout=5).content == b"first"
    assert requests.get(one["url"].split("?")[0], timeout=5).status_code == 404
    simulator.control.configure(url_life_s=0)
    short = rest("GET", f"{path}/{made.json()['id']}").json()["attachments"][0]["url"]
    time.sleep(1.1)
    assert requests.get(short, timeout=5).status_code == 404
    kept = rest("PATCH", f"{path}/{made.json()['id']}", {"attachments": [{"id": two["id"]}]}).json()
    assert [a["filename"] for a in kept["attachments"]] == ["b.bin"]

    raw = json.dumps({"content": "chunked"}).encode()
    headers = {**rest.headers, "Content-Type": "application/json"}
    chunked = requests.post(rest.base + path, data=iter([raw[:5], raw[5:]]), headers=headers, timeout=5)
    assert chunked.json()["content"] == "chunked"


def test_voice_messages_need_their_fields(simulator: Simulator, rest: Rest) -> None:
    path = f"/channels/{simulator.channel_id}/messages"

    def voice(payload: dict[str, Any]) -> requests.Response:
        parts = [("payload_json", (None, json.dumps(payload))), ("files[0]", ("v.ogg", b"x", "audio/ogg"))]
        return rest("POST", path, files=parts)

    assert voice({"flags": 8192, "attachments": [{"id": 0}]}).json()["code"] == 50161
    note = {"id": 0, "duration_secs": 1.5, "waveform": "AAA="}
    assert voice({"flags": 8192, "attachments": [note], "content": "x"}).json()["code"] == 50159
    made = voice({"flags": 8192, "attachments": [note]}).json()
    assert made["attachments"][0]["duration_secs"] == 1.5
    assert rest("PATCH", f"{path}/{made['id']}", {"content": "x"}).json()["code"] == 50162


def test_mentions_follow_allowed_mentions(simulator: Simulator, send: Any) -> None:
    role = simulator.control.add_role("Shoal Demo", "helpers", mentionable=True)
    text = f"<@{simulator.user_id}> <@&{role['id']}> @everyone"
    said = simulator.control.say("general", "q")
    cases: list[tuple[dict[str, Any], tuple[int, int, bool]]] = [
        ({}, (1, 1, False)),
        ({"allowed_mentions": {"parse": []}}, (0, 0, False)),
        ({"allowed_mentions": {"parse": ["users"]}}, (1, 0, False)),
        ({"allowed_mentions": {"parse": [], "roles": [role["id"]]}}, (0, 1, False)),
        ({"allowed_mentions": {"parse": ["everyone"]}}, (0, 0, False)),
    ]
    for extra, expected in cases:
        made = send({"content": text, **extra}).json()
        assert (len(made["mentions"]), len(made["mention_roles"]), made["mention_everyone"]) == expected, (
            extra
        )
    simulator.control.edit_role("Shoal Demo", "shoal", permissions=1 << 17)
    assert send({"content": "@everyone"}).json()["mention_everyone"] is True
    reply = {"content": "a", "message_reference": {"message_id": said["id"]}}
    assert [m["id"] for m in send(reply).json()["mentions"]] == [simulator.user_id]
    quiet = send({**reply, "allowed_mentions": {"parse": [], "replied_user": False}}).json()
    assert quiet["mentions"] == []
    assert quiet["referenced_message"]["id"] == said["id"]


def test_editing_and_deleting(simulator: Simulator, rest: Rest, send: Any) -> None:
    path = f"/channels/{simulator.channel_id}/messages"
    mine, theirs = (
        send({"content": "a", "embeds": [{"title": "t"}]}).json(),
        simulator.control.say("general", "b"),
    )
    edited = rest("PATCH", f"{path}/{mine['id']}", {"content": "c"}).json()
    assert edited["edited_timestamp"] is not None
    assert len(edited["embeds"]) == 1
    assert rest("PATCH", f"{path}/{mine['id']}", {"content": "", "embeds": []}).json()["code"] == 50006
    assert rest("PATCH", f"{path}/{theirs['id']}", {"content": "x"}).json()["code"] == 50005
    assert rest("DELETE", f"{path}/{theirs['id']}").json()["code"] == 50013
    assert rest("DELETE", f"{path}/{mine['id']}").status_code == 204
    assert rest("DELETE", f"{path}/{mine['id']}").json()["code"] == 10008
    simulator.control.edit_role("Shoal Demo", "shoal", permissions=1 << 13)
    assert rest("DELETE", f"{path}/{theirs['id']}").status_code == 204


def test_paging(simulator: Simulator, rest: Rest) -> None:
    ids = [simulator.control.say("general", str(n))["id"] for n in range(10)]
    path = f"/channels/{simulator.channel_id}/messages"

    def page(query: str) -> list[str]:
        return [m["content"] for m in rest("GET", f"{path}?{query}").json()]

    assert page("limit=3") == ["9", "8", "7"]
    assert page(f"limit=3&before={ids[5]}") == ["4", "3", "2"]
    assert page(f"limit=3&after={ids[5]}") == ["8", "7", "6"]
    assert page(f"limit=4&around={ids[5]}") == ["6", "5", "4", "3"]
    assert rest("GET", f"{path}?limit=101").json()["code"] == 50035


def test_permissions_are_checked(simulator: Simulator, rest: Rest) -> None:
    def overwrite(deny: int, target: str = simulator.guild_id, kind: int = 0) -> list[dict[str, Any]]:
        return [{"id": target, "type": kind, "allow": "0", "deny": str(deny)}]

    control = simulator.control
    hidden = control.add_channel("Shoal Demo", "hidden", overwrites=overwrite(1 << 10))["id"]
    mute = control.add_channel("Shoal Demo", "mute", overwrites=overwrite(1 << 11, simulator.bot_id, 1))["id"]
    plain = control.add_channel("Shoal Demo", "plain", overwrites=overwrite(1 << 14))["id"]
    text = {"content": "x"}
    assert rest("POST", f"/channels/{hidden}/messages", text).json()["code"] == 50001
    assert rest("GET", f"/channels/{hidden}").json()["code"] == 50001
    assert rest("POST", f"/channels/{mute}/messages", text).json()["code"] == 50013
    assert rest("POST", f"/channels/{mute}/typing").status_code == 403
    assert rest("POST", f"/channels/{plain}/messages", text).status_code == 200
    assert rest("POST", f"/channels/{plain}/messages", {"embeds": [{"title": "t"}]}).json()["code"] == 50013
    control.edit_role("Shoal Demo", "shoal", permissions=1 << 3)
    assert rest("POST", f"/channels/{hidden}/messages", text).status_code == 200
    control.edit_role("Shoal Demo", "shoal", permissions=0)
    control.edit_member("Shoal Demo", "shoal", communication_disabled_until="2999-01-01T00:00:00+00:00")
    assert rest("POST", f"/channels/{plain}/messages", text).json()["code"] == 50013
    control.configure(permissions=False)
    assert rest("POST", f"/channels/{hidden}/messages", text).status_code == 200


def test_reactions_and_their_emoji(simulator: Simulator, rest: Rest) -> None:
    said = simulator.control.say("general", "x")
    path = f"/channels/{simulator.channel_id}/messages/{said['id']}/reactions"
    assert rest("PUT", f"{path}/%E2%9D%A4%EF%B8%8F/@me").status_code == 204
    assert rest("PUT", f"{path}/fish%3A123/@me").status_code == 204
    assert rest("PUT", f"{path}/plain/@me").json()["code"] == 10014
    shown = simulator.control.messages("general")[0]["reactions"]
    assert [r["emoji"] for r in shown] == [{"id": None, "name": "❤️"}, {"id": "123", "name": "fish"}]
    assert rest("DELETE", f"{path}/fish:123/@me").status_code == 204
    assert [u["id"] for u in rest("GET", f"{path}/%E2%9D%A4%EF%B8%8F").json()] == [simulator.bot_id]
    for number in range(19):
        rest("PUT", f"{path}/e%3A{1000 + number}/@me")
    assert rest("PUT", f"{path}/e%3A5000/@me").json()["code"] == 30010


def test_pins_and_embeds_that_come_by_themselves(simulator: Simulator, rest: Rest) -> None:
    said = simulator.control.say("general", "https://example.org")
    path = f"/channels/{simulator.channel_id}/messages/pins"
    assert rest("PUT", f"{path}/{said['id']}").json()["code"] == 50013
    simulator.control.edit_role("Shoal Demo", "shoal", permissions=1 << 51)
    with Wire(simulator) as wire:
        assert rest("PUT", f"{path}/{said['id']}").status_code == 204
        pinned = wire.wait("MESSAGE_UPDATE")["d"]
        assert (pinned["pinned"], pinned["edited_timestamp"]) == (True, None)
        assert wire.wait("CHANNEL_PINS_UPDATE")["d"]["last_pin_timestamp"]
        assert [i["message"]["id"] for i in rest("GET", path).json()["items"]] == [said["id"]]
        simulator.control.edit("general", said["id"], embeds=[{"title": "Example"}], silent=True)
        unfurled = wire.wait("MESSAGE_UPDATE")["d"]
        assert (unfurled["embeds"][0]["title"], unfurled["edited_timestamp"]) == ("Example", None)


def test_threads(simulator: Simulator, rest: Rest) -> None:
    said = simulator.control.say("general", "x")
    start = f"/channels/{simulator.channel_id}/messages/{said['id']}/threads"
    with Wire(simulator) as wire:
        assert rest("POST", start, {"name": "t"}).json()["id"] == said["id"]
        wire.wait("THREAD_CREATE")
        assert wire.wait("MESSAGE_UPDATE")["d"]["flags"] & 32
        assert rest("POST", start, {"name": "t"}).json()["code"] == 160004
        thread = f"/channels/{said['id']}"
        assert rest("PATCH", thread, {"archived": True}).json()["thread_metadata"]["archived"] is True
        assert rest("PATCH", thread, {"name": "n"}).json()["code"] == 50083
        sent = rest("POST", f"{thread}/messages", {"content": "wakes it"})
        assert sent.json()["position"] == 0
        assert wire.wait("THREAD_UPDATE")["d"]["thread_metadata"]["archived"] is True
        assert wire.wait("THREAD_UPDATE")["d"]["thread_metadata"]["archived"] is False
        simulator.control.edit_channel(said["id"], locked=True)
        assert rest("POST", f"{thread}/messages", {"content": "x"}).json()["code"] == 160005
        simulator.control.delete_channel(said["id"])
        gone = wire.wait("THREAD_DELETE")["d"]
        assert set(gone) == {"id", "guild_id", "parent_id", "type"}


def test_dms_need_a_common_guild(simulator: Simulator, rest: Rest) -> None:
    stranger = simulator.control.add_user("stranger")
    friend = rest("POST", "/users/@me/channels", {"recipient_id": simulator.user_id}).json()
    again = rest("POST", "/users/@me/channels", {"recipient_id": simulator.user_id}).json()
    assert friend["id"] == again["id"]
    assert [r["id"] for r in friend["recipients"]] == [simulator.user_id]
    assert rest("POST", "/users/@me/channels", {"recipient_id": stranger["id"]}).json()["code"] == 50278
    assert rest("POST", "/users/@me/channels", {"recipient_id": "abc"}).json()["code"] == 50035


def test_webhooks(simulator: Simulator, rest: Rest) -> None:
    path = f"/channels/{simulator.channel_id}/webhooks"
    assert rest("POST", path, {"name": "w"}).json()["code"] == 50013
    simulator.control.edit_role("Shoal Demo", "shoal", permissions=1 << 29)
    assert rest("POST", path, {"name": "my Discord"}).json()["code"] == 50035
    hook = rest("POST", path, {"name": "w"}).json()
    url = f"{rest.base}/webhooks/{hook['id']}/{hook['token']}"
    assert requests.post(url, json={"content": "a"}, timeout=5).status_code == 204
    sent = requests.post(url + "?wait=true", json={"content": "b", "username": "Bob"}, timeout=5).json()
    assert (sent["webhook_id"], sent["author"]["username"], sent["author"]["bot"]) == (
        hook["id"],
        "Bob",
        True,
    )
    assert (
        requests.patch(f"{url}/messages/{sent['id']}", json={"content": "c"}, timeout=5).json()["content"]
        == "c"
    )
    assert requests.post(url + "x", json={"content": "a"}, timeout=5).json()["code"] == 50027
    assert requests.delete(url, timeout=5).status_code == 204
    assert requests.post(url, json={"content": "a"}, timeout=5).json()["code"] == 10015


@pytest.mark.parametrize(
    ("commands", "path"),
    [
        ([{"name": "Big Name", "description": "d"}], ["0", "name"]),
        ([{"name": "a"}], ["0", "description"]),
        ([{"name": "a", "description": "d"}] * 2, ["1"]),
        ([{"name": "a", "description": "d", "options": [{"type": 3, "name": "x"}]}],
         ["0", "options", "0", "description"]),
    ],
)  # fmt: skip
def test_wrong_commands(simulator: Simulator, rest: Rest, commands: list[Any], path: list[str]) -> None:
    answer = rest("PUT", f"/applications/{simulator.bot_id}/commands", commands)
    assert answer.status_code == 400
    assert leaf(answer.json()["errors"], *path)
    assert rest("GET", "/applications/1/commands").json()["code"] == 20012


def test_what_a_webhook_may_say(simulator: Simulator, rest: Rest) -> None:
    """``discord/facts.md`` 13: names, its own threads, who may press, what pings, 15 of a channel."""
    control = simulator.control
    control.edit_role("Shoal Demo", "shoal", permissions=1 << 29 | 1 << 17)
    path = f"/channels/{simulator.channel_id}/webhooks"
    hook = rest("POST", path, {"name": "ours"}).json()
    url = f"{rest.base}/webhooks/{hook['id']}/{hook['token']}?wait=true"

    def say(body: object, where: str = url) -> dict[str, Any]:
        answer: dict[str, Any] = requests.post(where, json=body, timeout=5).json()
        return answer

    for name in ("Discordia", "CLYDE", "x" * 81, ""):
        assert say({"content": "a", "username": name})["code"] == 50035, name
    here, elsewhere = control.create_thread("general", "t"), control.add_channel("Shoal Demo", "far")
    assert say({"content": "a"}, f"{url}&thread_id={here['id']}")["channel_id"] == here["id"]
    assert say({"content": "a"}, f"{url}&thread_id={elsewhere['id']}")["code"] == 10003
    assert say({"content": "a", "thread_name": "n"}, f"{url}&thread_id={here['id']}")["code"] == 220002
    assert say({"content": "a", "thread_name": "n"})["code"] == 220003
    pinged = say({"content": f"@everyone <@{simulator.user_id}>", "avatar_url": "https://example.org/a.png"})
    assert (pinged["mention_everyone"], [m["id"] for m in pinged["mentions"]]) == (False, [simulator.user_id])
    assert say({"content": "@everyone", "allowed_mentions": {"parse": ["everyone"]}})["mention_everyone"]
    assert pinged["author"]["avatar"]

    button = {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "c"}]}
    words = {"flags": 1 << 15, "components": [{"type": 10, "content": "hello"}]}
    assert say({"content": "a", "components": [button]})["components"]
    foreign = control.add_webhook("general", "a person's")
    theirs = f"{rest.base}/webhooks/{foreign['id']}/{foreign['token']}?wait=true"
    assert say({"content": "a", "components": [button]}, theirs)["components"] == []
    assert say(words, theirs)["code"] == 50006
    assert say(words, f"{theirs}&with_components=true")["components"]
    assert say({"content": "a", "components": [button]}, f"{theirs}&with_components=true")["code"] == 50035
    for _ in range(13):
        assert rest("POST", path, {"name": "more"}).status_code == 200
    assert rest("POST", path, {"name": "one too many"}).json()["code"] == 30007


def test_webhooks_are_listed_to_those_who_manage_them(simulator: Simulator, rest: Rest) -> None:
    control = simulator.control
    other = control.add_bot("other", guilds=["Shoal Demo"])
    theirs = control.add_webhook("general", "theirs", bot=other["id"])
    path = f"/channels/{simulator.channel_id}/webhooks"
    assert rest("GET", path).json()["code"] == 50013
    assert rest("GET", f"/guilds/{simulator.guild_id}/webhooks").json()["code"] == 50013
    control.edit_role("Shoal Demo", "shoal", permissions=1 << 29)
    ours = rest("POST", path, {"name": "ours"}).json()
    listed = {one["id"]: one for one in rest("GET", path).json()}
    assert "token" in listed[ours["id"]]
    assert "token" not in listed[theirs["id"]]
    assert {one["id"] for one in rest("GET", f"/guilds/{simulator.guild_id}/webhooks").json()} == set(listed)
    assert rest("PATCH", f"/webhooks/{ours['id']}", {"name": "new"}).json()["name"] == "new"
    assert rest("DELETE", f"/webhooks/{ours['id']}").status_code == 204
    assert rest("GET", f"/webhooks/{ours['id']}").json()["code"] == 10015
    thread = control.create_thread("general", "t")
    assert rest("POST", f"/channels/{thread['id']}/webhooks", {"name": "w"}).json()["code"] == 50024
