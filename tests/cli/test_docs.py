"""Documents: made pages are current, links lead somewhere, commands they show exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import typer

from shoal.cli.main import app
from shoal.cli.reference import pages
from shoal.discord.troubles import TROUBLES

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
CALL = re.compile(r"(?:^|`|\| )shoal ((?:[a-z]+ ?)+)", re.M)


def documents() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    return [ROOT / name for name in listed if (ROOT / name).exists()]


@pytest.mark.parametrize("name", sorted(pages()))
def test_pages_made_from_the_code_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == pages()[name], "run `make docs`"


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    for target in LINK.findall(path.read_text()):
        if "://" in target or target.startswith(("#", "mailto:")):
            continue
        file = target.split("#")[0]
        assert (path.parent / file).exists(), f"{path.name} links to {target}"


def test_every_promise_has_its_tests() -> None:
    text = (ROOT / "README.md").read_text()
    promise = text.split("## The promise")[1].split("\n## ")[0]
    lines = [line for line in re.split(r"\n(?=\d\. )", promise) if re.match(r"\d\. ", line)]
    assert len(lines) == 8
    for line in lines:
        assert "](tests/" in line or "Not built yet" in line, line


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_documents_exist(path: Path) -> None:
    command = typer.main.get_command(app)
    for words in CALL.findall(path.read_text()):
        first = words.split()[0]
        assert first in command.commands, f"{path.name} shows `shoal {words}`"  # type: ignore[attr-defined]


def test_every_trouble_of_the_way_to_discord_is_explained() -> None:
    text = (ROOT / "docs" / "proxies.md").read_text()
    for row in TROUBLES:
        assert f"| `{row.name}` | {row.meaning} | {row.fix} |" in text


def test_operators_read_no_citations() -> None:
    """What the schema says is for people who have the program, not its specification."""
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert not re.findall(r"spec: |spec/[a-z]+\.md|\(decisions? [0-9]", text)


def test_what_the_code_cites_is_explained() -> None:
    """A number in a comment must not lead nowhere (docs/spec.md)."""
    page = (ROOT / "docs" / "spec.md").read_text()
    rows = re.findall(r"^\| ([0-9, ]+) \|", page, re.MULTILINE)
    explained = {number.strip() for row in rows for number in row.split(",")}
    cited: set[str] = set()
    for folder in ("config", "gateway", "shoal", "tasks", "workers"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            found = re.findall(r"\bdecisions? (\d+(?:, \d+)*)|decisions\.md`* (\d+)", file.read_text())
            cited.update(
                number.strip() for pair in found for part in pair for number in part.split(",") if number
            )
    assert len(cited) > 20
    assert cited <= explained, f"not in docs/spec.md: {sorted(cited - explained, key=int)}"


def test_the_packages_named_are_those_that_exist() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    table = page.split("## Packages")[1].split("\n## ")[0]
    named = {name.rstrip("/") for name in re.findall(r"^\| `([a-z/]+)` \|", table, re.MULTILINE)}
    there = {
        str(file.parent.relative_to(ROOT))
        for top in ("config", "gateway", "shoal", "tasks", "workers")
        for file in [*(ROOT / top).glob("__init__.py"), *(ROOT / top).glob("*/__init__.py")]
    }
    within = {"shoal", "config/audit", "config/schema"}  # told of in the row of what they are in
    assert named == there - within
    assert all(f"`{name.partition('/')[2]}`" in table for name in within if "/" in name)


def test_every_row_of_the_benchmarks_is_described() -> None:
    text = (ROOT / "docs" / "bench.md").read_text()
    rows = {file.stem for file in (ROOT / "bench" / "rows").glob("*.py")} - {"__init__"}
    assert {row for row in rows if f"| `{row}` |" not in text} == set()
