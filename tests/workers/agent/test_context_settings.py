"""How the config reaches a prompt: systemPrompt, envelopes, contextVisibility, history limits (inbound 6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.workers.agent.test_profiles import REQUESTED, loaded
from workers.access.facts import SenderFacts
from workers.access.visibility import SHOW_ALL
from workers.agent.envelope import EnvelopeOptions
from workers.agent.profiles import profile_of


def guild(**channels: Any) -> dict[str, Any]:
    return {
        "guilds": {"9": {"channels": {name.removeprefix("c"): entry for name, entry in channels.items()}}}
    }


@pytest.mark.parametrize(
    ("channels", "prompt"),
    [
        ({"c777": {"systemPrompt": " Be kind. "}}, "Be kind."),
        ({"c777": {"systemPrompt": "Own."}, "*": {"systemPrompt": "All."}}, "Own."),
        ({"c777": {}, "*": {"systemPrompt": "All."}}, "All."),
        # what is written lies over "*", an empty text too (decision 6)
        ({"c777": {"systemPrompt": ""}, "*": {"systemPrompt": "All."}}, ""),
        ({"c777": {"systemPrompt": "  "}}, ""),
        ({"c777": {}}, ""),
        ({"c778": {"systemPrompt": "Other."}}, ""),
    ],
)
def test_the_prompt_of_a_channel_is_that_of_its_entry(
    tmp_path: Path, channels: dict[str, Any], prompt: str
) -> None:
    config = loaded(tmp_path, {"discord": guild(**channels)})
    assert profile_of(config, REQUESTED).system_prompt == prompt


def test_a_thread_has_the_prompt_of_its_parent_and_a_dm_has_none(tmp_path: Path) -> None:
    config = loaded(
        tmp_path, {"discord": guild(c777={"systemPrompt": "Own."}, **{"*": {"systemPrompt": "All."}})}
    )
    # a thread is let in by its parent's entry
    thread = msgspec.structs.replace(REQUESTED, channel_id="1", parent_id="777", is_thread=True)
    assert profile_of(config, thread).system_prompt == "Own."
    direct = msgspec.structs.replace(REQUESTED, chat_type="direct", guild_entry="", channel_entry="")
    assert profile_of(config, direct).system_prompt == ""


def test_workspace_bounds_and_instructions_come_from_the_agent_over_the_defaults(tmp_path: Path) -> None:
    """6.13."""
    usual = profile_of(loaded(tmp_path, {"discord": {}}), REQUESTED)
    assert (usual.file_chars, usual.files_chars, usual.instructions) == (12_000, 60_000, "")
    defaults = {
        "bootstrapMaxChars": 300,
        "bootstrapTotalMaxChars": 900,
        "additionalSystemPrompt": " Be kind. ",
    }
    agents = {"defaults": defaults, "list": [{"id": "main", "bootstrapMaxChars": 200}]}
    own = profile_of(loaded(tmp_path, {"agents": agents}), REQUESTED)
    assert (own.file_chars, own.files_chars, own.instructions) == (200, 900, "Be kind.")


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ({}, EnvelopeOptions("local")),
        ({"userTimezone": "Europe/Berlin"}, EnvelopeOptions("Europe/Berlin")),
        ({"userTimezone": "Europe/Berlin", "envelopeTimezone": "utc"}, EnvelopeOptions("UTC")),
        ({"userTimezone": "Europe/Berlin", "envelopeTimezone": "local"}, EnvelopeOptions("local")),
        ({"userTimezone": "Europe/Berlin", "envelopeTimezone": "user"}, EnvelopeOptions("Europe/Berlin")),
        ({"envelopeTimezone": "user"}, EnvelopeOptions("local")),
        ({"envelopeTimezone": "Asia/Tokyo"}, EnvelopeOptions("Asia/Tokyo")),
        (
            {"envelopeTimestamp": "off", "envelopeElapsed": "off"},
            EnvelopeOptions("local", timestamp=False, elapsed=False),
        ),
        ({"envelopeTimestamp": "on", "timeFormat": "12"}, EnvelopeOptions("local", hours=12)),
        ({"timeFormat": "auto"}, EnvelopeOptions("local", hours=24)),
    ],
)
def test_envelope_options(tmp_path: Path, written: dict[str, Any], options: EnvelopeOptions) -> None:
    config = loaded(tmp_path, {"agents": {"defaults": written}})
    assert profile_of(config, REQUESTED).envelope == options


LISTED = {"guilds": {"9": {"users": ["1"], "channels": {"777": {}}}}}


@pytest.mark.parametrize(
    ("discord", "defaults", "mode"),
    [
        ({}, {}, "all"),
        ({}, {"contextVisibility": "allowlist"}, "allowlist"),
        ({"contextVisibility": "allowlist_quote"}, {"contextVisibility": "allowlist"}, "allowlist_quote"),
        (
            {"contextVisibility": "all", "accounts": {"default": {"contextVisibility": "allowlist"}}},
            {},
            "allowlist",
        ),
    ],
)
def test_context_visibility_of_account_channel_defaults(
    tmp_path: Path, discord: dict[str, Any], defaults: dict[str, Any], mode: str
) -> None:
    config = loaded(tmp_path, {"discord": {**LISTED, **discord}, "channels": {"defaults": defaults}})
    found = profile_of(config, REQUESTED).context
    assert found.mode == mode
    assert found.shows("history", SenderFacts("2")) is (mode == "all")
    assert found.shows("history", SenderFacts("1"))
    direct = msgspec.structs.replace(REQUESTED, chat_type="direct")
    assert profile_of(config, direct).context == SHOW_ALL


@pytest.mark.parametrize(
    ("discord", "messages", "limit"),
    [
        ({}, {}, 20),
        ({}, {"groupChat": {"historyLimit": 5}}, 5),
        ({"historyLimit": 7}, {"groupChat": {"historyLimit": 5}}, 7),
        ({"historyLimit": 7, "accounts": {"default": {"historyLimit": 0}}}, {}, 0),
    ],
)
def test_history_limit_of_account_channel_messages(
    tmp_path: Path, discord: dict[str, Any], messages: dict[str, Any], limit: int
) -> None:
    config = loaded(tmp_path, {"discord": discord, "messages": messages})
    assert profile_of(config, REQUESTED).history_limit == limit
