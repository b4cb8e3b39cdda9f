"""Memory: what is found in an agent's notes, and what can never be read (``spec/inbound.md`` 6.13)."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from shoal.state.store import Store
from tests.workers.agent.support.turns import request
from workers.agent.context import TurnContext
from workers.agent.memory.files import memory_files, memory_path, passages
from workers.agent.memory.index import MemoryIndex
from workers.agent.tools.memory import MemoryGet, MemorySearch
from workers.agent.tools.registry import ToolContext, ToolError, ToolResult

NOTES = """# People

Ann likes green tea and hates coffee.

# 服务器

生产服务器的管理员是王小明，密码在保险箱里。

# Deploy

Run the release script on Friday, never on Monday.
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "memory" / "2026").mkdir(parents=True)
    (folder / "MEMORY.md").write_text(NOTES, encoding="utf-8")
    (folder / "memory" / "2026-11-01.md").write_text("We met the Finnish team in Oulu.\n")
    (folder / "memory" / "2026" / "trip.md").write_text("今天天气很好，我们去公园。\n", encoding="utf-8")
    (folder / "AGENTS.md").write_text("secret rules about tea")
    return folder


def index(workspace: Path) -> MemoryIndex:
    return MemoryIndex(workspace, workspace.parent / "state" / "memory" / "main.sqlite")


@pytest.mark.parametrize(
    ("query", "path", "line"),
    [
        ("what does ann drink, TEA or coffee?", "MEMORY.md", 1),
        ("release friday", "MEMORY.md", 9),
        ("谁是生产服务器的管理员", "MEMORY.md", 5),
        ("天气", "memory/2026/trip.md", 1),
        ("公园", "memory/2026/trip.md", 1),
        ("oulu", "memory/2026-11-01.md", 1),
    ],
)
def test_words_and_chinese_runs_are_found_with_their_lines(
    workspace: Path, query: str, path: str, line: int
) -> None:
    best = index(workspace).search(query)[0]
    assert (best.path, best.first) == (path, line)


def test_only_notes_are_searched_and_nothing_is_found_for_nothing(workspace: Path) -> None:
    assert {hit.path for hit in index(workspace).search("secret rules tea")} == {"MEMORY.md"}
    assert index(workspace).search("") == []
    assert index(workspace).search('"; DROP TABLE notes; -- * (') == index(workspace).search(
        "drop table notes"
    )
    assert index(workspace).search("zebra") == []


def test_the_index_follows_the_files(workspace: Path) -> None:
    found = index(workspace)
    assert found.search("coffee")
    (workspace / "MEMORY.md").write_text("Ann drinks cocoa now.\n")
    assert not found.search("coffee")
    assert found.search("cocoa")[0].last == 1
    (workspace / "MEMORY.md").unlink()
    assert not found.search("cocoa")


def test_a_broken_index_is_made_anew(workspace: Path) -> None:
    found = index(workspace)
    assert found.search("coffee")
    database = workspace.parent / "state" / "memory" / "main.sqlite"
    for ending in ("-wal", "-shm"):
        database.with_name(database.name + ending).unlink(missing_ok=True)
    database.write_bytes(b"this is no database at all" * 400)
    assert found.search("coffee")


def test_many_threads_share_one_index(workspace: Path) -> None:
    for number in range(60):
        (workspace / "memory" / f"note-{number}.md").write_text(f"# Note\n\nnumber{number} is here\n")
    failures: list[BaseException] = []

    def look(number: int) -> None:
        try:
            assert index(workspace).search(f"number{number}")[0].path == f"memory/note-{number}.md"
        except BaseException as error:  # noqa: BLE001 - told to the test
            failures.append(error)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_links_out_of_the_workspace_are_no_notes(workspace: Path) -> None:
    outside = workspace.parent / "outside.md"
    outside.write_text("the launch code is 0000")
    (workspace / "memory" / "link.md").symlink_to(outside)
    assert Path("memory/link.md") not in memory_files(workspace)
    assert not index(workspace).search("launch code")


@pytest.mark.parametrize(
    "wanted",
    ["../outside.md", "memory/../../outside.md", "/etc/passwd", "AGENTS.md", "memory/link.md",
     "memory/x\x00.md", "memory/../AGENTS.md", "memory", "", "memory\\..\\..\\outside.md",
     "file:///etc/passwd", "memory/gone.md"],
)  # fmt: skip
def test_no_other_file_can_be_named(workspace: Path, wanted: str) -> None:
    (workspace.parent / "outside.md").write_text("x")
    (workspace / "AGENTS.md").write_text("x")
    (workspace / "memory" / "link.md").symlink_to(workspace.parent / "outside.md")
    assert memory_path(workspace, wanted) is None


def test_passages_cover_every_line_that_says_something() -> None:
    text = "\n".join(f"line {number} " + "x" * (number % 90) for number in range(500))
    parts = list(passages(text))
    assert [number for part in parts for number in range(part.first, part.last + 1)] == list(range(1, 501))
    assert all(len(part.text) <= 1_400 for part in parts)


@pytest.fixture
def call(workspace: Path, store: Store) -> Any:
    def run(tool: str, **args: object) -> dict[str, Any]:
        kind = {"memory_search": MemorySearch, "memory_get": MemoryGet}[tool]
        used = kind(lambda _request: workspace, workspace.parent / "state")
        asked = request()
        assert used.available(asked)
        assert used.spec(asked).name == tool
        result = used.run(args, ToolContext(asked, "cause", "1", store, TurnContext()))
        return cast("dict[str, Any]", json.loads(cast(ToolResult, result).text))

    return run


def test_the_tools_answer_with_paths_and_lines(call: Any) -> None:
    found = call("memory_search", query="管理员", maxResults=1)["results"]
    assert [one["path"] for one in found] == ["MEMORY.md"]
    read = call("memory_get", path="MEMORY.md", **{"from": found[0]["startLine"], "lines": 3})
    assert "王小明" in read["text"]
    assert (read["total"], read["truncated"]) == (11, True)


def test_wrong_calls_are_told_to_the_model(call: Any) -> None:
    for args in ({}, {"query": " "}, {"query": 3}):
        with pytest.raises(ToolError, match="query"):
            call("memory_search", **args)
    with pytest.raises(ToolError, match="no note"):
        call("memory_get", path="../x.md")


def test_a_place_that_cannot_be_written_is_an_error_for_the_model(workspace: Path, store: Store) -> None:
    blocked = workspace.parent / "blocked"
    blocked.write_text("a file where a folder should be")
    used = MemorySearch(lambda _request: workspace, blocked)
    with pytest.raises(ToolError, match="cannot be searched"):
        used.run({"query": "tea"}, ToolContext(request(), "cause", "1", store, TurnContext()))


def test_no_workspace_no_tools(tmp_path: Path) -> None:
    for workspace in (None, tmp_path / "missing"):
        tool = MemorySearch(lambda _request, folder=workspace: folder, tmp_path)
        assert not tool.available(request())
