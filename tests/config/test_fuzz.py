"""Whatever stands in the file: it loads, or it is a ``ConfigError`` with issues that name places."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import config
from config.json5 import parse, to_python
from shoal.base.errors import ConfigError
from tests.config.conftest import TOKEN
from tests.quick import examples

pytestmark = pytest.mark.waits

FOLDER = Path(__file__).parent / "manuals"
TEXTS = [path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("00[24]-*.json5"))]
VALUES = [to_python(parse(text)) for text in TEXTS]
WHOLE: dict[str, Any] = {}
for _value in VALUES:
    if "channels" in _value:
        for _key, _part in _value["channels"]["discord"].items():
            WHOLE.setdefault("channels", {}).setdefault("discord", {})[_key] = _part
    if "action" not in _value:  # payloads of the message tool are no config
        WHOLE.update({key: part for key, part in _value.items() if key != "channels"})

_junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 2**64)
    | st.floats()
    | st.sampled_from(
        ["", "*", "open", "${X}", "${HOME}", "$${X}", "http://h:1", "a/b", "10m", "\x00", "中", "123"]
    )
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["token", "id", "enabled", "$include", "source", "x", "*", "1"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


def _places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    found = [path]
    if isinstance(value, dict):
        for key, item in value.items():
            found += _places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found += _places(item, (*path, index))
    return found


def _mutate(data: Any, path: tuple[str | int, ...], how: str, junk: Any) -> Any:
    if not path:
        return junk
    box = data
    for part in path[:-1]:
        box = box[part]
    last = path[-1]
    if how == "drop":
        del box[last]
    elif how == "rename" and isinstance(box, dict):
        box[str(last)[:-1] + "x"] = box.pop(last)
    elif how == "add" and isinstance(box[last], dict):
        box[last]["enabled" if junk is None else str(junk)[:12]] = junk
    else:
        box[last] = junk
    return data


def _try(path: Path) -> None:
    env = {"DISCORD_BOT_TOKEN": TOKEN, "HOME": "/nowhere"}
    issues, warnings, loaded = config.validate_file(path, env=env, state_dir=path.parent / "state")
    assert (loaded is None) == bool(issues)
    for issue in (*issues, *warnings):
        assert issue.message
        assert TOKEN not in str(issue)
    if issues:
        with pytest.raises(ConfigError) as caught:
            config.load(path, env=env, state_dir=path.parent / "state", allow_exec=False)
        assert [str(issue) for issue in caught.value.issues] == [str(issue) for issue in issues]


SHARED = [HealthCheck.function_scoped_fixture]


@settings(
    max_examples=examples(250), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.data())
def test_mutated_values(tmp_path: Path, data: st.DataObject) -> None:
    value = copy.deepcopy(data.draw(st.sampled_from([WHOLE, WHOLE, *VALUES])))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.sampled_from(_places(value)))
        how = data.draw(st.sampled_from(["set", "set", "drop", "rename", "add"]))
        value = _mutate(value, place, how, data.draw(_junk))
    path = tmp_path / "shoal.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    _try(path)


@settings(
    max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.data())
def test_mutated_texts(tmp_path: Path, data: st.DataObject) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    start = data.draw(st.integers(0, len(text)))
    end = min(len(text), start + data.draw(st.integers(0, 12)))
    junk = data.draw(
        st.sampled_from(["", "{", "}", "[", '"', "'", ":", ",", "/*", "\\", "1e999", "\x00"])
        | st.text(max_size=4)
    )
    path = tmp_path / "shoal.json"
    path.write_bytes((text[:start] + junk + text[end:]).encode("utf-8", "surrogatepass"))
    _try(path)


@settings(
    max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.binary(max_size=200))
def test_any_bytes(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "shoal.json"
    path.write_bytes(data)
    _try(path)


def test_the_whole_of_the_manuals_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "shoal.json"
    path.write_text(json.dumps(WHOLE))
    issues, _, _ = config.validate_file(path, env={"DISCORD_BOT_TOKEN": TOKEN}, state_dir=tmp_path)
    assert [str(issue) for issue in issues] == []
