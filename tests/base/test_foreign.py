"""JSON of others: whatever it is, it is a value or a ``ValueError``."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shoal.base.foreign import MAX_DEPTH, read_json
from workers.agent.sanitize import clean_answer
from workers.components.parse import parse_spec
from workers.components.presentation import parse_presentation
from workers.components.reader import SpecError

DEEP = ['{"a":' * 50_000, "[" * 50_000, "[" * 900 + "]" * 900, '{"a":' * 900 + "1" + "}" * 900]


@given(st.text() | st.binary())
@example("\ud800")
@example('"\\ud800"')
@example("1" * 6_000)
@example("NaN")
def test_it_is_a_value_that_can_be_written_or_a_value_error(text: str | bytes) -> None:
    try:
        value = read_json(text)
    except ValueError:
        return
    json.dumps(value).encode()


@pytest.mark.parametrize("text", DEEP)
def test_what_is_nested_too_deeply_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(text)
    assert read_json("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@pytest.mark.parametrize("text", DEEP)
def test_a_model_that_writes_brackets_breaks_no_answer_and_no_card(text: str) -> None:
    assert clean_answer(text).text == text
    for read in (parse_spec, parse_presentation):
        with pytest.raises(SpecError, match="nested too deeply"):
            read(text)
