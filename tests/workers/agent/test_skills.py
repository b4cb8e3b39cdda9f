"""Skills: found, filtered, read, and nothing beside them (decision 22, ``spec/inbound.md`` 6.12)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from config import load
from shoal.state.store import Store
from tests.workers.agent.support.turns import request
from workers.agent.context import TurnContext
from workers.agent.profiles import skills_of
from workers.agent.skills import find_skills, skill_file
from workers.agent.tools.registry import ToolContext, ToolError, ToolResult
from workers.agent.tools.skill import SkillTool

WEATHER = """---
name: Weather
description: >
  How to look up
  the weather.
metadata: {"emoji": "☔"}
---
Ask the station first.
"""


def write(root: Path, name: str, text: str) -> Path:
    folder = root / "skills" / name
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def roots(tmp_path: Path) -> tuple[Path, Path]:
    workspace, state = tmp_path / "workspace", tmp_path / "state"
    folder = write(workspace, "weather", WEATHER)
    (folder / "stations.md").write_text("Oulu: 02875")
    write(state, "weather", "---\nname: weather\ndescription: the weaker one\n---\n")
    write(state, "发票", "如何开发票。")
    (state / "skills" / "empty").mkdir()
    return workspace, state


def test_the_workspace_comes_first_and_front_matter_is_read(roots: tuple[Path, Path]) -> None:
    found = find_skills(roots)
    assert [(skill.name, skill.description) for skill in found] == [
        ("Weather", "How to look up the weather."),
        ("发票", ""),
    ]


def test_a_file_is_read_again_only_when_it_has_changed(
    roots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_skills(roots)[0].description == "How to look up the weather."
    with monkeypatch.context() as closed:
        closed.setattr(Path, "read_text", lambda *_, **__: pytest.fail("read again"))
        assert find_skills(roots)[0].description == "How to look up the weather."
    path = roots[0] / "skills" / "weather" / "SKILL.md"
    path.write_text(WEATHER.replace("the weather.", "the sky."), encoding="utf-8")
    assert find_skills(roots)[0].description == "How to look up the sky."


@pytest.mark.parametrize(
    ("allowed", "names"),
    [
        (None, ["Weather", "发票"]),
        (frozenset(), []),
        (frozenset({"WEATHER"}), ["Weather"]),
        (frozenset({"x"}), []),
    ],
)
def test_absent_is_all_and_empty_is_none(
    roots: tuple[Path, Path], allowed: frozenset[str] | None, names: list[str]
) -> None:
    assert [skill.name for skill in find_skills(roots, allowed)] == names


def test_no_file_outside_the_folder_can_be_read(roots: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("x")
    skill = find_skills(roots)[0]
    (skill.folder / "link.md").symlink_to(tmp_path / "secret.md")
    assert skill_file(skill, "stations.md") is not None
    for wanted in (
        "../weather/../../secret.md",
        "/etc/passwd",
        "link.md",
        "x\x00",
        "..\\..\\secret.md",
        "gone",
        ".",
    ):
        assert skill_file(skill, wanted) is None


def test_the_tool_lists_and_reads(roots: tuple[Path, Path], store: Store) -> None:
    tool = SkillTool(lambda _request: (roots, None))
    asked = request()
    context = ToolContext(asked, "cause", "1", store, TurnContext())

    def read(**args: object) -> str:
        return cast(ToolResult, tool.run(args, context)).text

    assert tool.available(asked)
    assert "- Weather: How to look up the weather.\n- 发票" in tool.spec(asked).description
    assert "Ask the station" in read(name="weather")
    assert read(name="Weather", file="stations.md") == "Oulu: 02875"
    with pytest.raises(ToolError, match="no skill"):
        read(name="cooking")
    with pytest.raises(ToolError, match="no file"):
        read(name="weather", file="../x")
    assert not SkillTool(lambda _request: ((), None)).available(asked)


CONFIG = """{
  agents: { list: [{ id: "main", skills: ["weather", "mail"] }] },
  channels: { discord: { token: "abc", guilds: { "9": { channels: {
    "777": { skills: ["Mail", "music"] }, "778": { skills: [] }, "779": {} } } } } },
}"""


@pytest.mark.parametrize(
    ("channel", "allowed"), [("777", {"mail"}), ("778", set()), ("779", {"weather", "mail"})]
)
def test_agent_and_channel_lists_are_laid_over_each_other(
    tmp_path: Path, channel: str, allowed: set[str]
) -> None:
    path = tmp_path / "shoal.json"
    path.write_text(CONFIG)
    loaded = load(path, state_dir=tmp_path, env={})
    changes: dict[str, Any] = {"channel_id": channel, "channel_entry": channel, "guild_entry": "9"}
    assert skills_of(loaded, request(**changes))[1] == allowed
