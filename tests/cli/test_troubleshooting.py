"""docs/troubleshooting.md has a section for each heading of the manuals, naming checks that exist "
"(decision 46)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shoal.cli.doctor.examine import CHECKS
from shoal.discord.codes import CODES
from tests.cli.helpers import Shoal

DOCS = Path(__file__).parents[2] / "docs" / "troubleshooting.md"
MAY = (
    "Used disallowed intents or bot sees no guild messages",
    "Guild messages blocked unexpectedly",
    "Mention not required but still blocked",
    "Long-running turns or duplicate replies",
    "Gateway metadata lookup timeout warnings",
    "Gateway READY timeout restarts",
    "Permission audit mismatches",
    "DM and pairing issues",
    "Bot to bot loops",
    "Voice STT drops with DecryptionFailed",
)
"""The ten headings of the manual of May 2026, in its order."""
JANUARY = (
    "First: run doctor",
    "Used disallowed intents",
    "Bot connects but does not reply in servers",
    "requireMention false but still no reply",
    "requireMention in the wrong place",
    "Permission checks take numeric ids only",
    "Private messages do not work",
)
"""The seven of the manual of January 2026."""
OURS = "Errors of Discord"


def sections() -> dict[str, str]:
    parts = re.split(r"^## (.+)$", DOCS.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_each_heading_of_the_manuals_has_its_section_in_their_order() -> None:
    assert tuple(sections()) == (*MAY, *JANUARY, OURS)


def test_the_section_about_errors_names_the_codes_and_checks_that_exist() -> None:
    text = sections()[OURS]
    codes = {int(code) for code in re.findall(r"\b(\d{5,6})\b", text)}
    assert {10003, 20028, 40005, 50001, 50007, 50013, 50035, 50083, 160005} <= codes <= set(CODES)
    named = re.search(r"^Checks?: (.+)\.$", text, flags=re.MULTILINE)
    assert named
    assert set(re.findall(r"`([a-z-]+)`", named[1])) <= {check.id for check in CHECKS}


@pytest.mark.parametrize("heading", [*MAY, *JANUARY])
def test_each_section_names_the_checks_that_answer_it(heading: str) -> None:
    line = re.search(r"^Checks?: (.+)\.$", sections()[heading], flags=re.MULTILINE)
    assert line, heading
    named = set(re.findall(r"`([a-z-]+)`", line[1]))
    answering = {check.id for check in CHECKS if heading in check.headings}
    assert named == answering


def test_checks_answer_known_headings_and_have_names_of_their_own() -> None:
    assert {heading for check in CHECKS for heading in check.headings} == {*MAY, *JANUARY}
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", check.id) and check.looks_at for check in CHECKS)


def test_the_readme_links_it() -> None:
    assert "docs/troubleshooting.md" in (DOCS.parents[1] / "README.md").read_text()


@pytest.mark.parametrize("line", ["doctor", "doctor --fix", "security audit", "pairing list discord"])
def test_the_lines_of_the_manuals_work_with_nothing_set_up(shoal: Shoal, line: str) -> None:
    """``openclaw doctor``, ``openclaw doctor --fix``, ``openclaw security audit``: never a usage "
    "error or a bug."""
    done = shoal.run(*line.split())
    assert done.returncode in (0, 1), done.stderr
    assert done.stdout
    assert "Traceback" not in done.stderr
