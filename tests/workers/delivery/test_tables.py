"""Pipe tables become what Discord can show (``spec/outbound.md`` 3.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wcwidth import wcswidth

from workers.delivery.records import SendRequest
from workers.delivery.render import DeliverySettings, plan_of
from workers.delivery.tables import render_tables

TABLE = "before\n\n| Name | Age |\n|:-----|----:|\n| **Ann** | 7 |\n| 张伟 | 42 |\n| 🐟 `x` | |\n\nafter"


def test_a_table_of_fixed_width() -> None:
    assert render_tables(TABLE, "code") == (
        "before\n\n```\n"
        "| Name | Age |\n"
        "| ---- | --- |\n"
        "| Ann  |   7 |\n"
        "| 张伟 |  42 |\n"
        "| 🐟 x |     |\n"
        "```\n\nafter"
    )


def test_bullets() -> None:
    assert render_tables(TABLE, "bullets") == (
        "before\n\n**Ann**\n- Age: 7\n\n**张伟**\n- Age: 42\n\n**🐟 `x`**\n\nafter"
    )


def test_off_leaves_it() -> None:
    assert render_tables(TABLE, "off") == TABLE


@pytest.mark.parametrize(
    "text",
    [
        "a | b",
        "a | b\nc | d",
        "||spoiler||\nand more",
        "a | b\n---\nc",
        "| a | b |\n|---|\n",
        f"```\n{TABLE}\n```",
        f"~~~~md\n{TABLE}\n```\n~~~~",
        "    | a | b |\n    |---|---|",
        "__bold__ stays | as it is",
    ],
)
def test_what_is_no_table_stays(text: str) -> None:
    assert render_tables(text, "code") == text


def test_ragged_rows_escaped_pipes_and_a_fence_right_after() -> None:
    text = "a | b\n--|--\n1\\|2 | x | lost\n| 3\n```\ncode | x\n```"
    assert render_tables(text, "code") == (
        "```\n| a   | b   |\n| --- | --- |\n| 1|2 | x   |\n| 3   |     |\n```\n```\ncode | x\n```"
    )


def test_a_cell_cannot_end_the_fence() -> None:
    text = "| a | b |\n|---|---|\n| ``` | [t](https://e.example/x) |"
    assert render_tables(text, "code").count("```") == 2
    assert "t (https://e.example/x)" in render_tables(text, "code")


@given(st.lists(st.lists(st.text(alphabet="ab 张漢字🐟é-", max_size=8), min_size=3, max_size=3), min_size=1))
def test_all_lines_are_equally_wide(rows: list[list[str]]) -> None:
    body = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    lines = render_tables(f"| a | b | c |\n|---|:-:|--:|\n{body}", "code").split("\n")
    assert lines[0] == lines[-1] == "```"
    assert len({wcswidth(line) for line in lines[1:-1]}) == 1
    assert len(lines) == len(rows) + 4


def test_before_the_cut_and_by_the_accounts_setting() -> None:
    rows = "\n".join(f"| {number} | x |" for number in range(40))
    request = SendRequest("default", "5", "c", "1", f"| a | b |\n|---|---|\n{rows}")
    plan = plan_of(request, DeliverySettings())
    assert len(plan) > 1
    assert all(part.startswith("```") and part.endswith("```") for part in plan)
    assert "```" not in plan_of(request, DeliverySettings(tables="off"))[0]
    ours = SendRequest("default", "5", "c", "1", TABLE, plain=True)
    assert plan_of(ours, DeliverySettings()) == [TABLE]
