"""Polls as text: question, answers, counts (``spec/inbound.md`` 6.1, "better")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.sessions.untrusted import header_value
from workers.sessions.wire import as_map

__all__ = ["poll_result_text", "poll_text"]

MAX_QUESTION = 300
MAX_ANSWER = 80
MAX_ANSWERS = 20


def poll_text(poll: Mapping[str, Any] | None) -> str:
    """A poll with its answers, and with votes where Discord tells them. ``""`` where there is none."""
    if not poll:
        return ""
    votes = _votes(poll)
    kind = "several answers allowed" if poll.get("allow_multiselect") is True else ""
    state = "closed" if as_map(poll.get("results")).get("is_finalized") is True else ""
    notes = ", ".join(filter(None, (kind, state)))
    question = _text(as_map(poll.get("question")), MAX_QUESTION)
    lines = [f"[Poll] {question}{f' ({notes})' if notes else ''}".strip()]
    answers = poll.get("answers")
    for answer in (answers if isinstance(answers, list) else [])[:MAX_ANSWERS]:
        answer = as_map(answer)
        text = _text(as_map(answer.get("poll_media")), MAX_ANSWER)
        if text:
            lines.append(f"- {text}{_count(votes, answer.get('answer_id'))}")
    return "\n".join(lines) if len(lines) > 1 or question else ""


def poll_result_text(embed: Mapping[str, Any]) -> str:
    """How a poll ended: the embed of Discord's message of type 46."""
    given = embed.get("fields")
    fields = {
        str(field.get("name")): str(field.get("value") or "")
        for field in map(as_map, given if isinstance(given, list) else [])
    }
    question = header_value(fields.get("poll_question_text", ""), MAX_QUESTION)
    winner = header_value(fields.get("victor_answer_text", ""), MAX_ANSWER)
    emoji = header_value(fields.get("victor_answer_emoji_name", ""), MAX_ANSWER)
    total = header_value(fields.get("total_votes", ""), 12)
    lines = [f"[Poll results] {question}".strip()]
    if winner or emoji:
        votes = header_value(fields.get("victor_answer_votes", ""), 12)
        lines.append(
            f"- most votes: {' '.join(filter(None, (emoji, winner)))} ({votes or '?'} of {total or '?'})"
        )
    elif total:
        lines.append("- no votes" if total == "0" else f"- a draw, {total} votes")
    return "\n".join(lines)


def _votes(poll: Mapping[str, Any]) -> dict[Any, int] | None:
    """Answer id → votes; ``None`` where Discord did not count (an answer it leaves out has none)."""
    counts = as_map(poll.get("results")).get("answer_counts")
    if not isinstance(counts, list):
        return None
    found: dict[Any, int] = {}
    for entry in map(as_map, counts):
        count = entry.get("count")
        if isinstance(entry.get("id"), int) and isinstance(count, int):
            found[entry["id"]] = count
    return found


def _count(votes: Mapping[Any, int] | None, answer_id: Any) -> str:
    if votes is None or not isinstance(answer_id, int):
        return ""
    count = votes.get(answer_id, 0)
    return f" ({count} vote{'' if count == 1 else 's'})"


def _text(media: Mapping[str, Any], limit: int) -> str:
    emoji = as_map(media.get("emoji")).get("name")
    parts = (emoji, media.get("text"))
    return header_value(" ".join(part for part in parts if isinstance(part, str) and part), limit)
