"""The agent's components: read, refused with their path, put on the wire (``spec/outbound.md`` 5.1–5.3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.simulator.wire.components import check_components
from shoal.simulator.wire.forms import Problems
from tests.quick import examples
from workers.components.custom_ids import (
    ControlId,
    component_id,
    control_id,
    group_of,
    message_group,
    parse_control,
    reserved_ids,
)
from workers.components.encode import DEFAULT_ACCENT, Encoded, Origin, encode_spec, modal_data
from workers.components.entries import ControlEntry, FormEntry, decode_entry, encode_entry
from workers.components.parse import parse_spec
from workers.components.reader import SpecError
from workers.components.spec import Spec

Fits = Callable[[str, Any], list[str]]
ORIGIN = Origin("default.1", "1", "default", "7", "agent:main:discord:channel:7", "main")

MANUAL: dict[str, Any] = {
    "reusable": True,
    "text": "Choose a path",
    "blocks": [
        {
            "type": "actions",
            "buttons": [
                {"label": "Approve", "style": "success", "allowedUsers": ["123456789012345678"]},
                {"label": "Decline", "style": "danger"},
            ],
        },
        {
            "type": "actions",
            "select": {
                "type": "string",
                "placeholder": "Pick an option",
                "options": [{"label": "Option A", "value": "a"}, {"label": "Option B", "value": "b"}],
            },
        },
    ],
    "modal": {
        "title": "Details",
        "triggerLabel": "Open form",
        "fields": [
            {"type": "text", "label": "Requester"},
            {
                "type": "select",
                "label": "Priority",
                "options": [{"label": "Low", "value": "low"}, {"label": "High", "value": "high"}],
            },
        ],
    },
}
"""The payload of the manual of May 2026."""

EVERYTHING: dict[str, Any] = {
    "container": {"accentColor": "#00ff88", "spoiler": True},
    "blocks": [
        {"type": "text", "text": "# Title"},
        {
            "type": "section",
            "texts": ["a", "b"],
            "accessory": {"type": "thumbnail", "url": "https://x.org/a.png"},
        },
        {
            "type": "section",
            "text": "c",
            "accessory": {"type": "button", "button": {"label": "Go", "url": "https://x.org"}},
        },
        {"type": "separator", "spacing": "large", "divider": False},
        {
            "type": "row",
            "buttons": [{"label": "One", "emoji": {"name": "🔥"}}, {"label": "Two", "disabled": True}],
        },
        {"type": "actions", "select": {"type": "user", "minValues": 0, "maxValues": 3}},
        {"type": "actions", "select": {"type": "role"}},
        {"type": "actions", "select": {"type": "mentionable"}},
        {"type": "actions", "select": {"type": "channel", "placeholder": "where"}},
        {
            "type": "media-gallery",
            "items": [{"url": "https://x.org/b.png", "description": "b", "spoiler": True}],
        },
        {"type": "file", "file": "attachment://report.pdf", "spoiler": True},
    ],
    "modal": {
        "title": "All fields",
        "triggerStyle": "secondary",
        "fields": [
            {
                "type": "text",
                "label": "Text",
                "style": "paragraph",
                "minLength": 1,
                "maxLength": 200,
                "placeholder": "p",
            },
            {
                "type": "checkbox",
                "label": "Boxes",
                "options": [{"label": "X"}, {"label": "Y"}],
                "maxValues": 2,
            },
            {
                "type": "radio",
                "label": "One",
                "options": [{"label": "X"}, {"label": "Y"}],
                "description": "pick",
            },
            {"type": "role-select", "label": "Roles", "required": False, "minValues": 0},
            {"type": "user-select", "label": "Users", "name": "who"},
        ],
    },
}


def button(**more: Any) -> dict[str, Any]:
    return {"blocks": [{"type": "actions", "buttons": [{"label": "Go", **more}]}]}


def select(**fields: Any) -> dict[str, Any]:
    return {"blocks": [{"type": "actions", "select": fields}]}


def field(**fields: Any) -> dict[str, Any]:
    return {"modal": {"title": "T", "fields": [{"label": "L", **fields}]}}


def encoded(raw: Any, **options: Any) -> Encoded:
    return encode_spec(parse_spec(raw), ORIGIN, **options)


def wire_problems(components: list[dict[str, Any]]) -> Any:
    problems = Problems()
    check_components(components, problems, v2=True)
    return problems.tree()


@pytest.mark.parametrize("raw", [MANUAL, EVERYTHING, {"text": "hi"}, json.dumps(MANUAL)])
def test_discord_takes_what_is_made(raw: Any, fits: Fits) -> None:
    made = encoded(raw)
    body = {"flags": 32768, "components": made.components}
    assert fits("MessageCreateRequest", body) == []
    assert not wire_problems(made.components)
    for entry in made.entries:
        assert decode_entry(encode_entry(entry)) == entry
        if isinstance(entry, FormEntry):
            assert fits("ModalInteractionCallbackRequestData", modal_data(entry)) == []


def test_the_manuals_payload_is_one_container_with_its_controls() -> None:
    made = encoded(MANUAL, accent=0x123456)
    (box,) = made.components
    assert (box["type"], box["accent_color"]) == (17, 0x123456)
    text, row, menu, trigger = box["components"]
    assert text == {"type": 10, "content": "Choose a path"}
    assert [button["style"] for button in row["components"]] == [3, 4]
    assert menu["components"][0]["options"][1] == {"label": "Option B", "value": "b"}
    assert trigger["components"][0]["label"] == "Open form", "a select leaves no room in its row"
    approve, decline, select, form, opener = made.entries
    assert isinstance(approve, ControlEntry)
    assert approve.allowed_users == ("123456789012345678",)
    assert isinstance(select, ControlEntry)
    assert select.options == {"a": "Option A", "b": "Option B"}
    assert isinstance(form, FormEntry)
    assert [(field.name, field.type) for field in form.fields] == [("field_1", "text"), ("field_2", "select")]
    assert isinstance(opener, ControlEntry)
    assert (opener.kind, opener.form) == ("form-trigger", form.id)
    assert len({entry.group for entry in made.entries}) == 1
    assert all(entry.reusable for entry in made.entries)
    assert isinstance(decline, ControlEntry)


def test_a_button_may_be_more_or_less_reusable_than_its_message() -> None:
    buttons = [{"label": "a", "reusable": True}, {"label": "b"}]
    made = encoded({"blocks": [{"type": "actions", "buttons": buttons}]})
    assert [entry.reusable for entry in made.entries] == [True, False]
    made = encoded(
        {"reusable": True, "blocks": [{"type": "actions", "buttons": [{"label": "a", "reusable": False}]}]}
    )
    assert [entry.reusable for entry in made.entries] == [False]


def test_the_trigger_joins_a_row_of_buttons_that_has_room() -> None:
    form = {"title": "T", "fields": [{"label": "L"}]}

    def rows(count: int) -> list[int]:
        buttons = [{"label": str(number)} for number in range(count)]
        made = encoded({"blocks": [{"type": "actions", "buttons": buttons}], "modal": form})
        return [len(row["components"]) for row in made.components[0]["components"] if row["type"] == 1]

    assert rows(4) == [5]
    assert rows(5) == [5, 1]


def test_the_row_that_the_trigger_joins_is_the_last_wherever_it_stands() -> None:
    """``spec/outbound.md`` 5.1: the last action row, if it has buttons and room."""
    row, menu = (
        {"type": "actions", "buttons": [{"label": "a"}]},
        {"type": "actions", "select": {"type": "user"}},
    )
    form, words = {"title": "T", "fields": [{"label": "L"}]}, {"type": "text", "text": "below"}
    shapes = {
        (10, 1, 10): ([words, row, words], {1: 2}),
        (1, 1, 10, 1): ([row, menu, words], {0: 1, 1: 1, 3: 1}),
    }
    for kinds, (blocks, counts) in shapes.items():
        inner = encoded({"blocks": blocks, "modal": form}).components[0]["components"]
        assert tuple(part["type"] for part in inner) == kinds
        assert {place: len(inner[place]["components"]) for place in counts} == counts


def test_colours_and_leading_text() -> None:
    assert encoded({"text": "x"}).components[0]["accent_color"] == DEFAULT_ACCENT
    assert (
        encoded({"text": "x", "container": {"accentColor": "#000001"}}, accent=5).components[0][
            "accent_color"
        ]
        == 1
    )
    only_blocks = {"blocks": [{"type": "separator"}]}
    assert encoded(only_blocks, text="fallback").components[0]["components"][0]["content"] == "fallback"
    assert encoded({"text": "own"}, text="fallback").components[0]["components"] == [
        {"type": 10, "content": "own"}
    ]


def test_ids_are_the_same_for_ever_and_differ_between_sends() -> None:
    again = encode_spec(parse_spec(MANUAL), ORIGIN)
    assert again == encoded(MANUAL)
    other = encode_spec(parse_spec(MANUAL), Origin("default.2", "1", "default", "7", "k", "main"))
    assert not {entry.id for entry in other.entries} & {entry.id for entry in again.entries}


BUTTON = {"label": "x"}
WRONG: list[tuple[Any, str]] = [
    ({}, "components must include at least one block, text, or modal trigger"),
    ([], "components must be an object"),
    ("{", "components is no JSON"),
    ({"text": 1.5}, "components.text must be a string"),
    ({"text": "x" * 4001}, "components.text has 4001 characters"),
    ({"blocks": {}}, "components.blocks must be an array"),
    ({"blocks": ["x"]}, "components.blocks[0] must be an object"),
    ({"blocks": [{}]}, "components.blocks[0].type is required"),
    ({"blocks": [{"type": "video"}]}, "components.blocks[0].type must be one of text, section"),
    ({"blocks": [{"type": "text", "text": " "}]}, "components.blocks[0].text cannot be empty"),
    (
        {"blocks": [{"type": "section", "texts": ["a"] * 4}]},
        "components.blocks[0].texts supports up to 3 text displays",
    ),
    (
        {"blocks": [{"type": "section", "text": "a"}]},
        "components.blocks[0].accessory is required",
    ),
    (
        {"blocks": [{"type": "separator", "spacing": "huge"}]},
        "components.blocks[0].spacing must be one of small, large",
    ),
    ({"blocks": [{"type": "actions"}]}, "components.blocks[0] requires buttons or select"),
    (
        {"blocks": [{"type": "actions", "buttons": [BUTTON] * 6}]},
        "components.blocks[0].buttons supports up to 5 buttons",
    ),
    (
        {"blocks": [{"type": "actions", "buttons": [BUTTON], "select": {"type": "user"}}]},
        "components.blocks[0] cannot include both buttons and select",
    ),
    ({"blocks": [{"type": "actions", "buttons": [{}]}]}, "components.blocks[0].buttons[0].label is required"),
    (
        {"blocks": [{"type": "actions", "buttons": [{"label": "x" * 81}]}]},
        "components.blocks[0].buttons[0].label has 81",
    ),
    (
        {"blocks": [{"type": "actions", "buttons": [{"label": "x", "style": "link"}]}]},
        "components.blocks[0].buttons[0].url is required for link buttons",
    ),
    (
        {"blocks": [{"type": "actions", "buttons": [{"label": "x", "url": "javascript:1"}]}]},
        "components.blocks[0].buttons[0].url must begin with https://",
    ),
    (
        {"blocks": [{"type": "actions", "buttons": [{"label": "x", "style": "loud"}]}]},
        "components.blocks[0].buttons[0].style must be one of primary",
    ),
    (
        {"blocks": [{"type": "actions", "select": {}}]},
        "select.options is required: string select menus require options",
    ),
    (
        {"blocks": [{"type": "actions", "select": {"type": "user", "options": [{"label": "x"}]}}]},
        "select.options goes with string select menus only",
    ),
    (
        {"blocks": [{"type": "actions", "select": {"options": [{"label": "x"}], "maxValues": 2}}]},
        "select.maxValues exceeds the 1 options",
    ),
    (
        {"blocks": [{"type": "actions", "select": {"options": [{"label": "x"}], "minValues": 26}}]},
        "select.minValues must be between 0 and 25",
    ),
    (
        {"blocks": [{"type": "actions", "select": {"options": [{"label": "x"}, {"label": "x"}]}}]},
        "select.options[1].value 'x' is used twice",
    ),
    ({"blocks": [{"type": "media-gallery", "items": []}]}, "components.blocks[0].items cannot be empty"),
    (
        {"blocks": [{"type": "file", "file": "report.pdf"}]},
        "components.blocks[0].file must start with attachment://",
    ),
    (
        {"blocks": [{"type": "file", "file": "attachment://a"}, {"type": "file", "file": "attachment://b"}]},
        "components.blocks support a single file. Use media-gallery",
    ),
    ({"text": "x", "container": {"accentColor": "red"}}, "components.container.accentColor must be a colour"),
    ({"text": "x", "reusable": "yes"}, "components.reusable must be true or false"),
    ({"modal": {"fields": []}}, "components.modal.fields cannot be empty"),
    (
        {"modal": {"title": "T", "fields": [{"label": "x"}] * 6}},
        "components.modal.fields supports up to 5 inputs",
    ),
    ({"modal": {"fields": [{"label": "x"}]}}, "components.modal.title is required"),
    (
        {"modal": {"title": "T", "fields": [{"label": "x", "type": "radio"}]}},
        "fields[0].options is required for radio",
    ),
    (
        {
            "modal": {
                "title": "T",
                "fields": [
                    {
                        "label": "x",
                        "type": "radio",
                        "options": [{"label": "a"}, {"label": "b"}],
                        "minValues": 1,
                    }
                ],
            }
        },
        "minValues/maxValues are not supported for radio fields",
    ),
    (
        {"modal": {"title": "T", "fields": [{"label": "x", "minLength": 9, "maxLength": 2}]}},
        "must not exceed maxLength",
    ),
    (
        {"modal": {"title": "T", "fields": [{"label": "x", "name": "n"}, {"label": "y", "name": "n"}]}},
        "fields[1].name 'n' is used twice",
    ),
    (
        {"modal": {"title": "T", "fields": [{"label": "x", "type": "user-select", "minValues": 0}]}},
        "must be at least 1 unless required is false",
    ),
    (
        {"blocks": [{"type": "text", "text": "x" * 3000}, {"type": "text", "text": "y" * 3000}]},
        "has 6000 characters of text",
    ),
    (
        select(options=[{"label": "a", "default": True}, {"label": "b", "default": True}]),
        "select.options has 2 defaults; 1 may be chosen",
    ),
    (
        field(type="radio", options=[{"label": "a", "default": True}, {"label": "b", "default": True}]),
        "fields[0].options has 2 defaults",
    ),
    (field(type="select", options=[{"label": "a"}, {"label": "a"}]), "options[1].value 'a' is used twice"),
    (button(emoji=":smile:"), "buttons[0].emoji ':smile:' is no emoji"),
    (button(emoji={"name": "smile"}), "buttons[0].emoji.name 'smile' is no emoji"),
    (button(emoji="1"), "buttons[0].emoji '1' is no emoji"),
    ({"blocks": [{"type": "separator"}] * 40}, "makes 41 components; Discord shows at most 40"),
]


@pytest.mark.parametrize(("raw", "said"), WRONG, ids=[said[:60] for _, said in WRONG])
def test_a_mistake_names_its_path(raw: Any, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(raw)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("🔥", {"name": "🔥"}),
        ("1️⃣", {"name": "1️⃣"}),
        ("<:blob:123456789012345678>", {"id": "123456789012345678", "name": "blob"}),
        ("<a:blob:123456789012345678>", {"id": "123456789012345678", "name": "blob", "animated": True}),
        ("blob:123456789012345678", {"id": "123456789012345678", "name": "blob"}),
        ({"id": "123456789012345678"}, {"id": "123456789012345678"}),
    ],
)
def test_emoji_as_models_write_them(written: Any, sent: Any) -> None:
    [row] = encoded(button(emoji=written)).components[0]["components"]
    assert row["components"][0]["emoji"] == sent


def test_what_has_no_meaning_is_named() -> None:
    """A mistyped key must not cost a button in silence."""
    raw = {
        "text": "x",
        "blokcs": [{"type": "text", "text": "y"}],
        "blocks": [{"type": "actions", "buttons": [{"label": "Go", "allowedUser": ["1"]}]}],
        "modal": {"title": "T", "fields": [{"label": "L", "choices": []}]},
    }
    assert parse_spec(raw).ignored == (
        "components.blokcs",
        "components.blocks[0].buttons[0].allowedUser",
        "components.modal.fields[0].choices",
    )
    assert parse_spec(MANUAL).ignored == parse_spec(EVERYTHING).ignored == ()


scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.floats(allow_nan=False)
names = st.sampled_from(
    [
        "type",
        "text",
        "texts",
        "blocks",
        "buttons",
        "select",
        "options",
        "label",
        "value",
        "url",
        "modal",
        "fields",
        "title",
        "accessory",
        "button",
        "items",
        "file",
        "style",
        "container",
        "accentColor",
        "emoji",
        "name",
        "id",
    ]
)
words = st.sampled_from(
    ["text", "section", "actions", "row", "separator", "media-gallery", "file", "string", "user", "link"]
)
anything = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=5),
    max_leaves=25,
)


@settings(max_examples=examples(400), deadline=None)
@given(st.dictionaries(names, anything, max_size=5))
def test_whatever_a_model_writes_is_taken_by_discord_or_refused_with_a_path(
    fits: Fits, raw: dict[str, Any]
) -> None:
    try:
        spec = parse_spec(raw)
    except SpecError as error:
        named = error.path.startswith("components")
        assert named
        return
    assert isinstance(spec, Spec)
    made = encode_spec(spec, ORIGIN)
    assert fits("MessageCreateRequest", {"flags": 32768, "components": made.components}) == []
    assert not wire_problems(made.components)


@given(
    st.text(st.characters(codec="ascii", exclude_characters="="), min_size=1, max_size=20),
    st.text("ab%;3B25", max_size=20),
)
def test_custom_ids_are_read_as_they_were_written(component: str, form: str) -> None:
    control = ControlId(component, form)
    assert parse_control(control_id(control)) == control


def test_other_ids_are_not_ours_and_system_ids_are_found_wherever_they_hide() -> None:
    for other in (
        "",
        "yes",
        "occomp",
        "occomp:",
        "occomp:mid=x",
        "ocmodal:cid=x",
        "execapproval:id=1",
        "x" * 101,
    ):
        assert parse_control(other) is None
    with pytest.raises(ValueError, match="characters"):
        control_id(ControlId("x" * 120))
    hidden = [
        {
            "type": 17,
            "components": [
                {"type": 1, "components": [{"type": 2, "custom_id": "ExecApproval:id=1;action=allow-once"}]}
            ],
        },
        {"type": 9, "accessory": {"type": 2, "custom_id": " occomp:cid=1"}, "components": []},
        {"type": 1, "components": [{"type": 2, "custom_id": "mine"}]},
    ]
    assert list(reserved_ids(hidden)) == ["ExecApproval:id=1;action=allow-once", " occomp:cid=1"]
    group = message_group("a", "1")
    assert group_of(component_id("btn", group, 3)) == group
    assert group_of("btn_x-1") is None
