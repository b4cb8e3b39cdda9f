"""Polls and stickers of a message as Discord sends them back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from shoal.simulator.model import Json

__all__ = ["poll_out", "sticker_items"]

PNG, LOTTIE = 1, 3
DAY_H = 24


def poll_out(poll: Json, timestamp: str) -> Json:
    """A poll as it stands in its message: numbered answers, its end, nobody has voted.

    Args:
        poll: as it was sent; ``duration`` is in hours.
        timestamp: of the message, ISO.
    """
    hours = int(poll.get("duration") or DAY_H)
    return {
        "question": {"text": poll["question"]["text"]},
        "answers": [
            {"answer_id": number, "poll_media": dict(answer["poll_media"])}
            for number, answer in enumerate(poll["answers"], 1)
        ],
        "expiry": (datetime.fromisoformat(timestamp) + timedelta(hours=hours)).isoformat(),
        "allow_multiselect": bool(poll.get("allow_multiselect")),
        "layout_type": int(poll.get("layout_type") or 1),
        "results": {"is_finalized": False, "answer_counts": []},
    }


def sticker_items(ids: Sequence[Any], known: Sequence[Json]) -> list[Json]:
    """The stickers of a message: those of its server by their names, all others as Discord's own."""
    named = {str(one["id"]): one for one in known}
    return [
        {"id": one, "name": named[one]["name"], "format_type": named[one].get("format_type", PNG)}
        if one in named
        else {"id": one, "name": f"sticker {one}", "format_type": LOTTIE}
        for one in map(str, ids)
    ]
