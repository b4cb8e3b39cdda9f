"""``presentation``: a card of components, or the same in words (end of ``spec/outbound.md`` 5.1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.simulator.wire.components import check_components
from shoal.simulator.wire.forms import Problems
from workers.components.encode import DEFAULT_ACCENT, Origin
from workers.components.entries import ControlEntry, decode_entry
from workers.components.presentation import parse_presentation
from workers.components.reader import SpecError
from workers.components.sending import ComponentSettings, Made, make_presentation

Fits = Callable[[str, Any], list[str]]
ORIGIN = Origin("default.1", "1", "default", "7", "agent:main:discord:channel:7", "main")
CARD: dict[str, Any] = {
    "title": "Deploy 42",
    "tone": "warning",
    "blocks": [
        {"type": "text", "text": "Ready to go."},
        {"type": "context", "text": "build 7f3\nby Ann"},
        {"type": "divider"},
        {
            "type": "buttons",
            "buttons": [
                {"label": "Ship", "value": "deploy:42", "style": "success"},
                {"label": "Later"},
                {"label": "Log", "url": "https://example.org/log"},
            ],
        },
        {"type": "select", "placeholder": "Where", "options": [{"label": "Europe", "value": "eu"}]},
    ],
}


def make(raw: Any, text: str = "", **settings: Any) -> Made:
    return make_presentation(raw, ORIGIN, ComponentSettings(**settings), text=text)


def inner(made: Made) -> list[dict[str, Any]]:
    [box] = made.components
    assert box["type"] == 17
    return list(box["components"])


@pytest.mark.parametrize("raw", [CARD, json.dumps(CARD)])
def test_a_card_is_one_container(raw: Any, fits: Fits) -> None:
    made = make(raw, "hello")
    lead, title, text, context, divider, row, menu = inner(made)
    assert [one["content"] for one in (lead, title, text)] == ["hello", "### Deploy 42", "Ready to go."]
    assert context["content"] == "-# build 7f3\n-# by Ann"
    assert divider == {"type": 14, "divider": True, "spacing": 1}
    assert [button["style"] for button in row["components"]] == [3, 2, 5]  # success, secondary, link
    assert menu["components"][0]["placeholder"] == "Where"
    assert made.flags == 1 << 15
    assert made.components[0]["accent_color"] == 0xFEE75C
    assert fits("MessageCreateRequest", {"flags": made.flags, "components": list(made.components)}) == []


def test_what_is_pressed_says_its_value() -> None:
    made = make(CARD)
    assert made.controls is not None
    entries = [decode_entry(control.body) for control in made.controls.controls]
    told = [(one.label, one.callback, one.options) for one in entries if isinstance(one, ControlEntry)]
    assert told == [("Ship", "deploy:42", {}), ("Later", "", {}), ("Where", "", {"eu": "Europe"})]


@pytest.mark.parametrize("tone", ["neutral", "info", None])
def test_a_quiet_tone_has_the_accounts_colour(tone: str | None) -> None:
    card = {"title": "x", "tone": tone}
    assert make(card).components[0]["accent_color"] == DEFAULT_ACCENT
    assert make(card, accent_color=0x123456).components[0]["accent_color"] == 0x123456


def test_twenty_five_buttons_in_five_rows_the_rest_in_words() -> None:
    buttons = [{"label": f"b{n}", "value": str(n)} for n in range(28)]
    parts = inner(make({"blocks": [{"type": "buttons", "buttons": buttons}]}))
    assert [len(part["components"]) for part in parts[:5]] == [5] * 5
    assert parts[5]["content"] == "- b25\n- b26\n- b27"


def test_options_beyond_discords_bounds_are_told_in_words() -> None:
    options = [{"label": f"o{n}", "value": str(n)} for n in range(27)]
    options.insert(0, {"label": "long", "value": "ü" * 51})
    menu, words = inner(make({"blocks": [{"type": "select", "options": options}]}))
    assert len(menu["components"][0]["options"]) == 25
    assert words["content"] == "- long\n- o25\n- o26"


def test_labels_are_cut() -> None:
    blocks = [
        {"type": "buttons", "buttons": [{"label": "b" * 81}]},
        {"type": "select", "options": [{"label": "o" * 101, "value": "v"}]},
    ]
    row, menu = inner(make({"blocks": blocks}))
    assert row["components"][0]["label"] == "b" * 79 + "…"
    assert menu["components"][0]["options"][0]["label"] == "o" * 99 + "…"


@pytest.mark.parametrize(
    "blocks",
    [
        [{"type": "text", "text": "x" * 2001}],
        [{"type": "text", "text": "x" * 1999}, {"type": "context", "text": "yy"}],
        [{"type": "divider"}] * 40 + [{"type": "text", "text": "end"}],
    ],
)
def test_what_does_not_fit_is_told_as_text(blocks: list[dict[str, Any]]) -> None:
    made = make({"title": "T", "blocks": blocks}, "lead")
    assert (made.components, made.flags, made.controls) == ((), 0, None)
    assert made.text.startswith("lead\n\n**T**")
    assert all(block["text"] in made.text for block in blocks if "text" in block)


def test_in_words_everything_is_said() -> None:
    assert parse_presentation(CARD).plain("hello") == (
        "hello\n\n**Deploy 42**\n\nReady to go.\n\n-# build 7f3\n-# by Ann\n\n"
        "- Ship\n- Later\n- Log: https://example.org/log\n\nWhere:\n- Europe"
    )


def test_controls_that_are_switched_off_are_told_in_words() -> None:
    """``agentComponents.enabled``: a card without controls stays one."""
    assert make(CARD, enabled=False).components == ()
    links = {"blocks": [{"type": "buttons", "buttons": [{"label": "Log", "url": "https://example.org"}]}]}
    assert make(links, enabled=False).components
    assert make({"title": "x"}, enabled=False).components


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ("[", "presentation is no JSON"),
        ([], "presentation must be an object"),
        ({}, "presentation must include a title or at least one block"),
        ({"title": "x", "tone": "loud"}, "presentation.tone must be one of neutral, info"),
        ({"blocks": "x"}, "presentation.blocks must be an array"),
        ({"blocks": [{"type": "image"}]}, "presentation.blocks[0].type must be one of text, context"),
        ({"blocks": [{"type": "text"}]}, "presentation.blocks[0].text is required"),
        ({"blocks": [{"type": "text", "text": " "}]}, "presentation.blocks[0].text cannot be empty"),
        ({"blocks": [{"type": "buttons", "buttons": []}]}, "presentation.blocks[0].buttons cannot be empty"),
        ({"blocks": [{"type": "buttons", "buttons": [{}]}]}, "buttons[0].label is required"),
        (
            {"blocks": [{"type": "buttons", "buttons": [{"label": "x", "style": "link"}]}]},
            "buttons[0].url is required for link buttons",
        ),
        (
            {"blocks": [{"type": "buttons", "buttons": [{"label": "x", "url": "ftp://x"}]}]},
            "buttons[0].url must begin with https://",
        ),
        ({"blocks": [{"type": "select", "options": []}]}, "presentation.blocks[0].options cannot be empty"),
        (
            {
                "blocks": [
                    {"type": "select", "options": [{"label": "a", "value": "1"}, {"label": "b", "value": 1}]}
                ]
            },
            "options[1].value '1' is used twice",
        ),
    ],
)
def test_a_mistake_names_its_path(raw: Any, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        make(raw)
    assert said in caught.value.message


WORDS = st.text(min_size=1, max_size=150).filter(str.strip)
BUTTON = st.fixed_dictionaries(
    {"label": WORDS},
    optional={
        "value": WORDS,
        "url": st.just("https://example.org"),
        "style": st.sampled_from(["primary", "danger"]),
    },
)
BLOCK = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["text", "context"]), "text": WORDS}),
    st.just({"type": "divider"}),
    st.fixed_dictionaries({"type": st.just("buttons"), "buttons": st.lists(BUTTON, min_size=1, max_size=30)}),
    st.fixed_dictionaries(
        {
            "type": st.just("select"),
            "options": st.lists(
                st.fixed_dictionaries({"label": WORDS, "value": WORDS}),
                min_size=1,
                max_size=30,
                unique_by=lambda option: option["value"].strip(),
            ),
        },
        optional={"placeholder": WORDS},
    ),
)


@given(st.fixed_dictionaries({"blocks": st.lists(BLOCK, min_size=1, max_size=20)}, optional={"title": WORDS}))
def test_every_card_is_one_discord_takes_or_words(card: dict[str, Any]) -> None:
    made = make(card, "lead")
    if not made.flags:
        assert made.text.startswith("lead")
        return
    problems = Problems()
    check_components(list(made.components), problems, v2=True)
    assert problems.tree() == {}
