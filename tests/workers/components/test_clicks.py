"""Clicks decided on a real store: who may, who was first, what is shown (``spec/outbound.md`` 5.5)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

import config
from shoal.base.ids import new_token, snowflake_at
from shoal.state.effects import Outcome, Push
from shoal.state.records import Grant, InboundEvent, Record
from shoal.state.store import Store
from tests.workers.components.test_spec import MANUAL
from workers.components.clicks import ClickAnswer, answer_click
from workers.components.encode import Origin
from workers.components.greying import greyed
from workers.components.interaction import read_interaction
from workers.components.reader import SpecError
from workers.components.sending import ComponentSettings, Made, make_components
from workers.delivery.controls import remembered
from workers.sessions.records import TurnRequest, decode_turn
from workers.sessions.system_events import pending_events
from workers.sessions.view import StoreView, settings_of

ANN, BOB, BOT, GUILD, CHANNEL = "111111", "222222", "900000", "555555", "777777"
KEY = "agent:ops:main"
"""Of the message's conversation; a new message here would go to the agent ``main``."""
ORIGIN = Origin("default.1", "1", "default", CHANNEL, KEY, "ops")


@pytest.fixture
def view(tmp_path: Path, store: Store) -> StoreView:
    path = tmp_path / "shoal.json"
    discord = {
        "token": "OTAw.abcdef.abc",
        "guilds": {GUILD: {"users": [ANN, BOB], "requireMention": True}},
        "ackReaction": "👀",
        "ackReactionScope": "all",
    }
    path.write_text(json.dumps({"channels": {"discord": discord}}))
    store.facts.put_me("default", {"id": BOT, "username": "shoal"})
    return StoreView(settings_of(config.load(path, env={}, state_dir=tmp_path), "default"), store)


def remember(store: Store, components: dict[str, Any], **settings: Any) -> Made:
    made = make_components(components, ORIGIN, ComponentSettings(**settings))
    assert made.controls is not None
    store.lanes.push("session:s", Record("r" + new_token(), "turn", b"{}"))
    grant = store.lanes.acquire("session:s", new_token())
    assert isinstance(grant, Grant)
    store.lanes.commit(grant, [remembered("default", made.controls)], take_next=False)
    return made


def custom_ids(components: Any) -> list[str]:
    found: list[str] = []
    for component in components:
        found += [component["custom_id"]] if "custom_id" in component else []
        found += custom_ids(component.get("components", []))
    return found


def click(view: StoreView, store: Store, made: Made, number: int, **fields: Any) -> ClickAnswer:
    ids = custom_ids(made.components)
    enabled = fields.pop("enabled", True)
    user = fields.pop("user", ANN) if isinstance(fields.get("user", ANN), str) else ANN
    data: dict[str, Any] = {
        "id": str(snowflake_at(store.now_ms()) + int(fields.pop("nth", 1))),
        "type": 3,
        "token": "secret",
        "application_id": BOT,
        "channel_id": CHANNEL,
        "guild_id": GUILD,
        "member": {"user": {"id": user, "username": f"u{user}"}, "roles": []},
        "data": {"custom_id": ids[number], "component_type": 2},
        "message": {"id": "9", "components": list(made.components)},
        **fields,
    }
    event = InboundEvent("default", 0, "INTERACTION_CREATE", 0, msgspec.Raw(json.dumps(data).encode()))
    interaction = read_interaction(event.data)
    assert interaction is not None
    assert "secret" not in repr(interaction)
    answer = answer_click(event, interaction, view, store.controls, enabled=enabled)
    assert answer is not None
    return answer


def turn_of(answer: ClickAnswer) -> TurnRequest:
    [push] = [effect for effect in answer.admission.effects if isinstance(effect, Push)]
    return decode_turn(push.record.body)


ONCE = {name: value for name, value in MANUAL.items() if name != "reusable"}
OPEN = json.loads(json.dumps(ONCE).replace('"allowedUsers": ["123456789012345678"]', '"allowedUsers": []'))


def test_a_click_is_a_turn_in_the_conversation_of_its_message(view: StoreView, store: Store) -> None:
    made = remember(store, OPEN)
    answer = click(view, store, made, 0)
    turn = turn_of(answer)
    assert (turn.text, turn.session_key, turn.agent_id) == ('Clicked "Approve".', KEY, "ops")
    assert (turn.clicked_on, turn.answers_to, turn.author_id) == ("9", "9", ANN)
    assert turn.was_mentioned
    assert turn.ack == "", "an interaction is no message: Discord has nothing to put a reaction on"
    assert answer.type == 7
    assert answer.data is not None
    greyed = answer.data["components"][0]["components"]
    assert all(one["disabled"] for row in greyed if row["type"] == 1 for one in row["components"])


def test_a_reusable_control_beside_what_was_used_up_is_not_greyed_out(view: StoreView, store: Store) -> None:
    buttons = [
        {"label": "Once"},
        {"label": "Often", "reusable": True},
        {"label": "Docs", "url": "https://x.org"},
    ]
    made = remember(store, {"blocks": [{"type": "actions", "buttons": buttons}]})
    for nth in (1, 2):  # used, and then pressed by somebody who came late
        answer = click(view, store, made, 0, nth=nth)
        assert answer.data is not None
        [row] = answer.data["components"][0]["components"]
        assert [one.get("disabled", False) for one in row["components"]] == [True, False, False]
    assert click(view, store, made, 1, nth=3).type == 6
    store.redis.flushall()  # half an hour later
    gone = click(view, store, made, 1, nth=4)
    assert gone.data is not None
    [row] = gone.data["components"][0]["components"]
    assert [one.get("disabled", False) for one in row["components"]] == [True, True, False]


def test_what_shows_files_of_its_message_names_them_again() -> None:
    """Discord sends addresses back, and takes only a name for a file block (simulator: 50035)."""
    address = "https://cdn.discordapp.com/attachments/1/2/a%20b.png?ex=1&is=2&hm=3"
    stored = {"url": address, "proxy_url": address, "attachment_id": "2"}
    elsewhere = {"url": "https://x.org/c.png", "proxy_url": "https://p", "loading_state": 2}
    container = {
        "type": 17,
        "components": [
            {"type": 13, "file": {"url": address, "id": "9"}, "name": "a b.png", "size": 3},
            {"type": 12, "items": [{"media": stored}, {"media": elsewhere}]},
            {"type": 9, "components": [], "accessory": {"type": 11, "media": stored}},
        ],
    }
    file, gallery, section = greyed(container)["components"]
    assert file["file"] == {"url": "attachment://a b.png"}
    assert [one["media"]["url"] for one in gallery["items"]] == [
        "attachment://a b.png",
        "https://x.org/c.png",
    ]
    assert section["accessory"]["media"] == {"url": "attachment://a b.png"}


def test_of_two_people_the_second_is_told_that_it_has_expired(view: StoreView, store: Store) -> None:
    made = remember(store, OPEN)
    assert click(view, store, made, 0).summary == "clicked"
    late = click(view, store, made, 1, user=BOB, nth=2)
    assert (late.summary, late.type, late.whisper) == ("expired", 7, "This component has expired.")
    [ended] = late.admission.effects
    assert isinstance(ended, Outcome)
    assert (ended.outcome, ended.reason) == ("dropped", "component-expired")
    assert click(view, store, made, 1, user=BOB, nth=3, locale="zh-CN").whisper == "此组件已失效。"


def test_strangers_and_those_not_allowed_use_nothing_up(view: StoreView, store: Store) -> None:
    made = remember(store, json.loads(json.dumps(ONCE).replace("123456789012345678", BOB)))
    for user, reason in (("333333", "sender-not-listed"), (ANN, "sender-not-listed")):
        denied = click(view, store, made, 0, user=user, nth=int(user))
        assert (denied.type, denied.summary) == (4, f"denied · {reason}")
        assert denied.data is not None
        assert denied.data["flags"] == 64
    assert click(view, store, made, 0, user=BOB, nth=9).summary == "clicked"


def test_the_same_click_decided_again_is_the_same(view: StoreView, store: Store) -> None:
    made = remember(store, OPEN)
    first = click(view, store, made, 0, id="1500000000000000001")
    again = click(view, store, made, 0, id="1500000000000000001")
    assert turn_of(first) == turn_of(again)


def test_a_form_opens_often_and_is_handed_in_once(view: StoreView, store: Store) -> None:
    made = remember(store, OPEN)
    opened = click(view, store, made, 3)
    assert opened.type == 9
    assert click(view, store, made, 3, nth=2).type == 9
    assert opened.data is not None
    name, priority = (label["component"]["custom_id"] for label in opened.data["components"])
    fields = [
        {"type": 18, "component": {"type": 4, "custom_id": name, "value": "Ann"}},
        {"type": 18, "component": {"type": 3, "custom_id": priority, "values": ["high"]}},
    ]
    data = {"custom_id": opened.data["custom_id"], "components": fields}
    handed_in = click(view, store, made, 3, type=5, data=data, nth=3)
    assert turn_of(handed_in).text == 'Form "Details" submitted.\n- Requester: Ann\n- Priority: High'
    late = click(view, store, made, 3, type=5, data=data, nth=4)
    assert late.whisper == "This form has expired."


def test_people_roles_and_channels_are_told_by_id_and_name(view: StoreView, store: Store) -> None:
    made = remember(
        store, {"blocks": [{"type": "actions", "select": {"type": "user", "placeholder": "who"}}]}
    )
    data = {
        "custom_id": custom_ids(made.components)[0],
        "values": [BOB],
        "resolved": {"users": {BOB: {"id": BOB, "username": "bob", "global_name": "Bob"}}},
    }
    answer = click(view, store, made, 0, data=data)
    assert turn_of(answer).text == f'Selected user:{BOB} (Bob) from "who".'


def test_callback_text_stands_for_the_click(view: StoreView, store: Store) -> None:
    button = {"label": "Yes", "callbackData": "deploy it"}
    made = remember(store, {"blocks": [{"type": "actions", "buttons": [button]}]})
    assert turn_of(click(view, store, made, 0)).text == "deploy it"


def test_other_ids_are_left_to_others(view: StoreView, store: Store) -> None:
    raw = {"id": "1", "type": 3, "token": "t", "channel_id": "2", "user": {"id": ANN, "username": "ann"}}
    for custom_id in ("execapproval:id=1", ""):
        body = json.dumps({**raw, "data": {"custom_id": custom_id}}).encode()
        event = InboundEvent("default", 0, "INTERACTION_CREATE", 0, msgspec.Raw(body))
        interaction = read_interaction(event.data)
        assert interaction is not None
        assert answer_click(event, interaction, view, store.controls) is None


def test_raw_components_pass_but_never_with_ids_of_the_system() -> None:
    row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "mine"}]}
    assert make_components([row], ORIGIN, ComponentSettings()).flags == 0
    box = [{"type": 10, "content": "hi"}]
    made = make_components(json.dumps(box), ORIGIN, ComponentSettings(), text="lead")
    assert (made.flags, len(made.components), made.controls) == (32768, 2, None)
    bad = {"type": 1, "components": [{"type": 2, "custom_id": "execapproval:id=1;action=allow-once"}]}
    with pytest.raises(SpecError, match="belongs to the system"):
        make_components([bad], ORIGIN, ComponentSettings())
    with pytest.raises(SpecError, match="switched off"):
        make_components(MANUAL, ORIGIN, ComponentSettings(enabled=False))


# -- line by line (``spec/outbound.md`` 5.5) ----------------------------------------------------------


@pytest.mark.parametrize(
    "custom_id", ["occomp:cid=btn_nothex-1", "occomp:", "ocmodal:cid=x", "agent:other=1"]
)
def test_an_id_that_cannot_be_read_is_no_longer_valid(view: StoreView, store: Store, custom_id: str) -> None:
    """Item 1."""
    answer = click(view, store, remember(store, OPEN), 0, data={"custom_id": custom_id})
    assert answer.data == {"content": "This component is no longer valid.", "flags": 64}
    [ended] = answer.admission.effects
    assert isinstance(ended, Outcome)
    assert (ended.outcome, ended.reason) == ("dropped", "component-invalid")


def test_controls_that_are_switched_off_answer_to_nobody(view: StoreView, store: Store) -> None:
    """Item 12: ``agentComponents.enabled`` gates those of before, too; nothing is used up."""
    made = remember(store, OPEN)
    off = click(view, store, made, 0, enabled=False)
    assert off.data is not None
    assert off.data["content"] == "This component is no longer valid."
    assert click(view, store, made, 0, nth=2).summary == "clicked"


KINDS = [
    *[({"type": kind}, f"{kind} select") for kind in ("user", "role", "mentionable", "channel")],
    ({"options": [{"label": "A"}]}, "select menu"),
]


@pytest.mark.parametrize(("select", "word"), KINDS)
def test_a_denial_names_what_was_pressed(
    view: StoreView, store: Store, select: dict[str, Any], word: str
) -> None:
    """Items 3 and 4."""
    spec = {"blocks": [{"type": "actions", "select": {**select, "allowedUsers": [BOB]}}]}
    denied = click(view, store, remember(store, spec), 0)
    assert denied.data is not None
    assert denied.data["content"] == f"You are not authorized to use this {word}."


@pytest.mark.parametrize(
    ("user", "may"),
    [(ANN, True), (f"<@{ANN}>", True), ("*", True), (f"u{ANN}", True), (f"@U{ANN}", True), (BOB, False),
     (f"u-{ANN}", False), ("Annie", False)],
)  # fmt: skip
def test_allowed_users_are_ids_exact_tags_or_everybody(
    view: StoreView, store: Store, user: str, may: bool
) -> None:
    """Decision 8; 002: "Discord user ids, tags or ``*``". What people call themselves is no tag."""
    made = remember(
        store, {"blocks": [{"type": "actions", "buttons": [{"label": "Go", "allowedUsers": [user]}]}]}
    )
    pressed = click(view, store, made, 0, member={
        "user": {"id": ANN, "username": f"u{ANN}", "global_name": "Annie"}, "nick": "Annie", "roles": [],
    })  # fmt: skip
    assert (pressed.summary == "clicked") is may, pressed.summary
    assert made.tags == ((user,) if user not in (ANN, BOB, "*", f"<@{ANN}>") else ())


def test_a_denied_form_and_button_are_named_too(view: StoreView, store: Store) -> None:
    form = {"title": "T", "fields": [{"label": "L"}], "allowedUsers": [BOB]}
    made = remember(store, {"modal": form})
    pressed = click(view, store, made, 0)
    assert pressed.data is not None
    assert pressed.data["content"] == "You are not authorized to use this button."
    assert click(view, store, made, 0, nth=2, locale="zh-TW").data == {
        "content": "您无权使用此按钮。",
        "flags": 64,
    }
    opened = click(view, store, made, 0, user=BOB, nth=3)
    assert opened.data is not None
    handed_in = click(view, store, made, 0, type=5, data={"custom_id": opened.data["custom_id"]}, nth=4)
    assert handed_in.data is not None
    assert handed_in.data["content"] == "You are not authorized to use this form."


def in_private(**fields: Any) -> dict[str, Any]:
    return {"guild_id": None, "member": None, "user": {"id": "333333", "username": "eve"}, **fields}


def test_a_stranger_in_private_gets_his_code(view: StoreView, store: Store) -> None:
    """Item 3: as by a message."""
    answer = click(view, store, remember(store, OPEN), 0, **in_private())
    assert answer.type == 4
    assert answer.admission.knock is not None
    assert answer.admission.knock.sender == "333333"


def test_where_private_messages_are_off_that_is_said(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "off.json"
    path.write_text(
        json.dumps({"channels": {"discord": {"token": "OTAw.abcdef.abc", "dmPolicy": "disabled"}}})
    )
    off = StoreView(settings_of(config.load(path, env={}, state_dir=tmp_path), "default"), store)
    answer = click(off, store, remember(store, OPEN), 0, **in_private())
    assert answer.data == {"content": "DM interactions are disabled.", "flags": 64}


def button(**fields: Any) -> dict[str, Any]:
    return {"blocks": [{"type": "actions", "buttons": [{"label": "Go", **fields}]}]}


def menu(**fields: Any) -> dict[str, Any]:
    options = [{"label": "Option A", "value": "a"}]
    return {"blocks": [{"type": "actions", "select": {"placeholder": "Pick", "options": options, **fields}}]}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (button(callbackData="deploy 42"), "deploy 42"),
        (button(callbackData="deploy 42", callbackDataKind="command"), "deploy 42"),
        (
            button(callbackData="deploy:42", callbackDataKind="callback"),
            'Clicked "Go".\n[callback: deploy:42]',
        ),
        (menu(callbackData="deploy:42"), 'Selected Option A from "Pick".\n[callback: deploy:42]'),
        (menu(callbackData="go on", callbackDataKind="command"), "go on"),
    ],
)
def test_kinds_of_callback_data(view: StoreView, store: Store, spec: dict[str, Any], said: str) -> None:
    """Items 8 and 9."""
    made = remember(store, spec)
    data = {"custom_id": custom_ids(made.components)[0], "values": ["a"]}
    assert turn_of(click(view, store, made, 0, data=data)).text == said


def test_callback_data_of_a_form_follows_its_answers(view: StoreView, store: Store) -> None:
    form = {"title": "T", "fields": [{"label": "L"}], "callbackData": "ticket:1"}
    made = remember(store, {"modal": form})
    opened = click(view, store, made, 0)
    assert opened.data is not None
    handed_in = click(view, store, made, 0, type=5, data={"custom_id": opened.data["custom_id"]}, nth=2)
    assert turn_of(handed_in).text == 'Form "T" submitted.\n- (no values)\n[callback: ticket:1]'


@pytest.mark.parametrize(
    ("data", "outcome"),
    [("/status", ("command", "status")), ("/new", None), ("/stop", ("control", "stop"))],
)
def test_callback_data_may_be_a_command_with_the_authority_of_who_clicks(
    view: StoreView, store: Store, data: str, outcome: tuple[str, str] | None
) -> None:
    """Item 9: in the conversation of the message, not in one that is new here."""
    answer = click(view, store, remember(store, button(callbackData=data)), 0)
    ended = [effect for effect in answer.admission.effects if isinstance(effect, Outcome)]
    assert [(one.outcome, one.reason) for one in ended] == ([outcome] if outcome else [])
    if outcome is None:
        request = turn_of(answer)
        assert (request.reset, request.session_key) == ("new", KEY)
    if data == "/stop":
        assert answer.admission.stop is not None
        assert answer.admission.stop.lane == f"session:{KEY}"


@pytest.mark.parametrize("data", ["/send off", "/approve a1 allow-once", "/config set x 1"])
def test_what_speaks_for_an_owner_is_never_said_by_a_control(
    view: StoreView, store: Store, data: str
) -> None:
    """Rule R16: an agent writes what stands on a button, and somebody else presses it."""
    request = turn_of(click(view, store, remember(store, button(label="Nice!", callbackData=data)), 0))
    assert (request.text, request.reset) == (data, "")


def test_callback_data_of_the_other_kind_is_no_command(view: StoreView, store: Store) -> None:
    made = remember(store, button(callbackData="/new", callbackDataKind="callback"))
    request = turn_of(click(view, store, made, 0))
    assert (request.text, request.reset) == ('Clicked "Go".\n[callback: /new]', "")


@pytest.mark.parametrize(
    ("custom_id", "values", "line"),
    [
        ("agent:componentId=approve%201", None, f"[Discord component: approve 1 clicked by u{ANN} ({ANN})]"),
        (
            "agentsel:componentId=pick",
            ["a", "b"],
            f"[Discord select menu: pick interacted by u{ANN} ({ANN}) (selected: a, b)]",
        ),
    ],
)
def test_old_controls_tell_the_next_turn(
    view: StoreView, store: Store, custom_id: str, values: list[str] | None, line: str
) -> None:
    """Item 11: no turn starts."""
    data = {"custom_id": custom_id, **({"values": values} if values else {})}
    answer = click(view, store, remember(store, OPEN), 0, data=data)
    assert answer.data == {"content": "✓", "flags": 64}
    store.lanes.push("session:s", Record("r" + new_token(), "turn", b"{}"))
    grant = store.lanes.acquire("session:s", new_token())
    assert isinstance(grant, Grant)
    store.lanes.commit(grant, answer.admission.effects, take_next=False)
    [event] = pending_events(store.sessions, f"agent:main:discord:channel:{CHANNEL}")
    assert (event.text, event.trusted) == (line, False)
    stranger = click(view, store, remember(store, OPEN), 0, data=data, user="333333", nth=2)
    assert stranger.summary == "denied · sender-not-listed"


def test_the_life_and_colour_of_an_account(tmp_path: Path) -> None:
    """Decision 33; ``agentComponents.ttlMs``, ``ui.components.accentColor``, per account."""
    discord = {
        "ui": {"components": {"accentColor": "#112233"}},
        "agentComponents": {"ttlMs": 60_000},
        "accounts": {"a": {"token": "OTAw.abcdef.abc"}, "b": {
            "token": "OTAx.abcdef.abc", "ui": {"components": {"accentColor": "445566"}},
            "agentComponents": {"enabled": False}}},
    }  # fmt: skip
    path = tmp_path / "two.json"
    path.write_text(json.dumps({"channels": {"discord": discord}}))
    loaded = config.load(path, env={}, state_dir=tmp_path)
    one, two = (ComponentSettings.of(loaded.account(name).discord) for name in "ab")
    assert (one.enabled, one.life_ms, one.accent_color) == (True, 60_000, 0x112233)
    assert (two.enabled, two.life_ms, two.accent_color) == (False, 60_000, 0x445566)
    made = make_components(OPEN, ORIGIN, one)
    assert made.controls is not None
    assert (made.controls.life_ms, made.components[0]["accent_color"]) == (60_000, 0x112233)
