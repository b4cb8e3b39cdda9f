"""The manuals' lines about messages and channels, with ``shoal`` in place of the name (decision 44)."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from bench.openapi import reference
from shoal.simulator.server import Simulator
from tests.cli.helpers import Shoal

LINES = {
    "002:170": "message thread create",
    "002:172": "message send --channel discord --target channel:<forumId> "
    r'--message "Topic title\nBody of the post"',
    "002:175": "message thread create --channel discord --target channel:<forumId> "
    '--thread-name "Topic title" --message "Body of the post"',
    "002:728": "channels capabilities --channel discord --target channel:<voice-channel-id>",
    "002:790": "channels status --probe",
    "002:897": "channels status --probe",
    "004:184": "channels status --probe",
}


@pytest.fixture(scope="module")
def discord() -> Iterator[Simulator]:
    with Simulator(settings={"permissions": False}) as running:
        yield running


def test_these_are_the_lines_of_the_manuals() -> None:
    """Where the manuals lie beside the repository."""
    folder = reference("../manuals")
    assert folder is not None, "the manuals are missing beside the repository"
    found = {}
    for path in sorted(folder.glob("*.txt")):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(lines):
            for hit in re.finditer(r"(?:openclaw|clawdbot|moltbot) ((?:message|channels) .*)", line):
                text = hit[1]
                if text.endswith("\\"):
                    text = text[:-1] + lines[number + 1]
                words = re.match(r"[\x20-\x7e]+", text.replace("`", "\0"))
                assert words is not None
                found[f"{path.name[:3]}:{number + 1}"] = " ".join(words[0].split())
    assert found == {place: " ".join(line.split()) for place, line in LINES.items()}


@pytest.mark.slow
@pytest.mark.parametrize("line", sorted(set(LINES.values())))
def test_each_line_works(shoal: Shoal, discord: Simulator, line: str) -> None:
    forum = str(discord.control.add_channel(discord.guild_id, "ideas", type=15)["id"])
    voice = str(discord.control.add_channel(discord.guild_id, "Lounge", type=2)["id"])
    words = shlex.split(line.replace("<forumId>", forum).replace("<voice-channel-id>", voice))
    env = {"DISCORD_BOT_TOKEN": discord.token, "SHOAL_DISCORD_API_URL": discord.api_url}
    done = shoal.run(*words, env=env)
    if line == "message thread create":  # named in a sentence, without what it needs
        assert (done.returncode, "recipient is required" in done.stderr) == (2, True), done.stderr
        return
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    if line.startswith("message"):
        said = discord.control.messages(done.stdout.split()[2], author="bot")
        assert done.stdout.startswith("Made thread ")
        assert said[0]["content"] in ("Topic title\nBody of the post", "Body of the post")
