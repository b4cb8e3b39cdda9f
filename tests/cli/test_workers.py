"""``shoal workers`` where no worker can say anything."""

from __future__ import annotations

from typing import Any

import pytest

from shoal.base.errors import ProcessError
from shoal.base.exits import UNAVAILABLE
from shoal.cli.commands import workers


def test_lanes_say_why_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"back@box": {"error": "Redis is away."}, "turns@box": {"error": "no answer within 3 s"}}
    monkeypatch.setattr(workers, "_ask", lambda *_args, **_kwargs: told)
    with pytest.raises(ProcessError, match="back@box: Redis is away") as caught:
        workers.lanes()
    assert caught.value.exit_code == UNAVAILABLE


def test_lanes_are_told_by_whoever_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: dict[str, Any] = {"back@box": {"error": "no answer"}, "turns@box": {"hold": {"lanes": 2, "due": 1}}}
    monkeypatch.setattr(workers, "_ask", lambda *_args, **_kwargs: told)
    workers.lanes(as_json=True)
    assert capsys.readouterr().out == '{"hold": {"lanes": 2, "due": 1}}\n'
