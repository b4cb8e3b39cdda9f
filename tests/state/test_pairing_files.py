"""OpenClaw's pairing files are read once and merged (spec/inbound.md 3.3)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from shoal.state.pairing_files import sender_of, take_over_files
from shoal.state.store import Store


def put(folder: Path, name: str, content: Any) -> None:
    (folder / "credentials").mkdir(exist_ok=True)
    (folder / "credentials" / name).write_text(
        content if isinstance(content, str) else json.dumps({"version": 1, **content})
    )


def ago(minutes: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")


def approved(store: Store, account: str = "default") -> list[str]:
    return sorted(each.sender for each in store.pairing.paired(account))


@pytest.mark.parametrize(
    ("entry", "sender"),
    [
        ("123", "123"),
        (123, "123"),
        (" <@!123> ", "123"),
        ("discord:123", "123"),
        ("user:123", "123"),
        ("discord:user:123", "123"),
        ("pk:abcde", "pk:abcde"),
        ("*", None),
        ("steipete", None),
        ("pk:", None),
        ("pk:*", None),
        ("", None),
    ],
)
def test_entries_that_name_somebody_by_id(entry: str | int, sender: str | None) -> None:
    assert sender_of(entry) == sender


def test_each_account_has_its_file_and_default_the_old_one_too(store: Store, tmp_path: Path) -> None:
    put(tmp_path, "discord-default-allowFrom.json", {"allowFrom": ["1", "2"]})
    put(tmp_path, "discord-work-allowFrom.json", {"allowFrom": ["3"]})
    put(tmp_path, "discord-allowFrom.json", {"allowFrom": ["2", "4"]})
    said = take_over_files(store, tmp_path, ["default", "work"])
    assert approved(store) == ["1", "2", "4"]
    assert approved(store, "work") == ["3"]  # never the file without an account
    assert len(said) == 3


def test_files_are_read_once(store: Store, tmp_path: Path) -> None:
    put(tmp_path, "discord-default-allowFrom.json", {"allowFrom": ["1"]})
    take_over_files(store, tmp_path, ["default"])
    store.pairing.revoke("default", "1")
    put(tmp_path, "discord-default-allowFrom.json", {"allowFrom": ["1", "2"]})
    assert take_over_files(store, tmp_path, ["default"]) == []
    assert approved(store) == []


def test_wildcards_and_names_stay_out_and_that_is_said(store: Store, tmp_path: Path) -> None:
    put(tmp_path, "discord-default-allowFrom.json", {"allowFrom": ["*", "steipete", "5"]})
    said = take_over_files(store, tmp_path, ["default"])
    assert approved(store) == ["5"]
    assert "'*', 'steipete'" in said[0]


def test_requests_keep_their_code_and_their_hour(store: Store, tmp_path: Path) -> None:
    requests = [
        {"id": "7", "code": "abcdefgh", "createdAt": ago(10), "lastSeenAt": ago(5), "meta": {"tag": "x"}},
        {"id": "8", "code": "BBBBBBBB", "createdAt": ago(61), "lastSeenAt": ago(1), "meta": {}},
        {"id": "9", "code": "CCCCCCCC", "createdAt": ago(1), "meta": {"accountId": "work"}},
        {"id": "10", "code": "DDDDDDDD", "createdAt": "yesterday"},
        {"id": "11", "createdAt": ago(2)},
    ]
    put(tmp_path, "discord-pairing.json", {"requests": requests})
    take_over_files(store, tmp_path, ["default", "work"])
    waiting = {request.sender: request for request in store.pairing.waiting(["default"])}
    assert set(waiting) == {"7", "11"}
    assert waiting["7"].code == "ABCDEFGH"
    assert waiting["7"].meta == {"tag": "x"}
    assert len(waiting["11"].code) == 8
    age_s = (store.now_ms() - waiting["7"].created_ms) / 1000
    assert 590 < age_s < 620
    assert store.pairing.approve("CCCCCCCC", ["default", "work"]).account == "work"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"allowFrom": "*"}', '{"allowFrom": [{"a": 1}]}'])
def test_a_broken_file_is_told_and_tried_again(store: Store, tmp_path: Path, text: str) -> None:
    put(tmp_path, "discord-default-allowFrom.json", text)
    (sentence,) = take_over_files(store, tmp_path, ["default"])
    assert "discord-default-allowFrom.json" in sentence
    put(tmp_path, "discord-default-allowFrom.json", {"allowFrom": ["1"]})
    take_over_files(store, tmp_path, ["default"])
    assert approved(store) == ["1"]


def test_without_files_nothing_happens(store: Store, tmp_path: Path) -> None:
    assert take_over_files(store, tmp_path, ["default"]) == []
