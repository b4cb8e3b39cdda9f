"""What doctor says of the config and of files (decision 46)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.doctor.support import TOKEN, Examine, bot


@pytest.mark.parametrize(
    ("text", "found", "where"),
    [
        ("{ channels: { discord: { token: ", "config-invalid", ""),
        (
            '{channels: {discord: {dmPolicy: "open", allowFrom: ["5"]}}}',
            "dm-open-without-wildcard",
            "allowFrom",
        ),
        ('{channels: {discord: {dmPolicy: "allowlist"}}}', "dm-allowlist-empty", "allowFrom"),
        ("{channels: {discord: {allowFrom: [123456789012345678]}}}", "id-lost-digits", "allowFrom"),
        ("{channels: {discord: {dmPolicy: 'sometimes'}}}", "config-invalid", "dmPolicy"),
    ],
)
def test_a_file_that_does_not_load_is_told_problem_by_problem(
    look: Examine, text: str, found: str, where: str
) -> None:
    finding = look(text)[found]
    assert finding.severity == "critical"
    assert where in finding.where


def test_a_mention_rule_in_the_wrong_place_names_the_right_one(look: Examine) -> None:
    finding = look(bot(requireMention=False))["require-mention-place"]
    assert finding.severity == "warn"
    assert "guilds" in finding.fix


def test_old_shapes_are_offered_to_be_rewritten(look: Examine) -> None:
    finding = look(bot(dm={"policy": "disabled"}))["config-legacy"]
    assert "channels.discord.dmPolicy" in finding.found
    assert "doctor --fix" in finding.fix


def test_accounts_that_cannot_run(look: Examine) -> None:
    assert look({})["account-missing"].severity == "critical"
    two = {"channels": {"discord": {"accounts": {"a": {"token": TOKEN}, "b": {"token": ""}}}}}
    assert look(two)["account-missing"].severity == "warn"
    assert look(bot(token="client-secret"))["token-shape"].severity == "warn"


def test_files_with_secrets_that_others_may_read(look: Examine, tmp_path: Path) -> None:
    assert "file-mode" not in look(bot())
    (tmp_path / "state" / ".env").write_text("A=b")
    (tmp_path / "state" / ".env").chmod(0o644)
    assert "chmod 600" in look(bot())["file-mode"].fix


def test_the_audit_is_part_of_it(look: Examine) -> None:
    assert look(bot(groupPolicy="open"))["group-policy-open"].severity == "warn"
