"""From a file of any format to what plays on Discord (``spec/outbound.md`` 3.15)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import requests

from shoal.state.steps import Commit
from tests.workers.delivery.conftest import PostOffice
from tests.workers.media.support.sounds import decoded, heights, likeness, peaks, recording
from workers.delivery.outgoing import Outgoing
from workers.media.paths import Places


def never(*_args: Any, **_more: Any) -> Any:
    raise AssertionError("nothing is fetched here")


@pytest.mark.parametrize("ending", ["wav", "mp3", "flac", "ogg"])
def test_what_discord_got_plays_like_the_file(post: PostOffice, tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"sound.{ending}"
    path.write_bytes(recording(ending, stereo=ending == "mp3"))
    places = Places((tmp_path,), tmp_path / "state")
    used = Outgoing("default", places, never, lambda _url: False, post.store.blobs, 10_000_000, tier=0)
    post.push(post.request("", files=(used.load_voice(path.name),)))
    assert isinstance(post.work(), Commit)
    [message] = post.control.messages(post.channel, author="bot")
    [file] = message["attachments"]
    before, after = decoded(path.read_bytes()), decoded(requests.get(file["url"], timeout=5).content)
    assert message["flags"] == 8192
    assert likeness(before[2_000:10_000], after[2_000:10_000]) > 0.98
    assert file["duration_secs"] == pytest.approx(len(before) / 8_000, rel=0.01)
    assert file["duration_secs"] == round(file["duration_secs"], 2)
    drawn, wanted = heights(file["waveform"]), peaks(before)
    assert all(abs(a - b) <= 3 for a, b in zip(drawn[:24], wanted[:24], strict=True))
