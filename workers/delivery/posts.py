"""Posts: a send to a forum or media channel makes a thread (``spec/outbound.md`` 2.6).

The first text is the post, all else follows in its thread. Discord has no nonce for posts: one whose
answer was lost may exist. It is looked for among the threads the gateway has seen, for as long as one may
still come back to it, and never made again on a mere guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from shoal.base.ids import ThreadId, snowflake_ms
from shoal.discord.wire import FORUM_NEEDS_TAG, FORUMS, MessageFlags
from workers.delivery.progress import CLOCK_SLACK_MS
from workers.delivery.records import SendRequest
from workers.delivery.verdicts import NotYet, Rejected

__all__ = ["find_post", "is_forum", "post_body", "post_problem", "post_title", "seen_post", "untitled"]

ECHO_LOOK_MS = 1_000
ECHO_MS = 20_000
"""So long a post may take to come back to the gateway, which may have been away."""

_MAX_TITLE = 100


def is_forum(channel: Mapping[str, Any] | None) -> bool:
    """A channel that holds posts only."""
    return channel is not None and channel.get("type") in FORUMS


def post_problem(channel: Mapping[str, Any], *, flags: int, poll: bool) -> str:
    """Why no post can be made there, for the model; empty if one can."""
    if int(channel.get("flags") or 0) & FORUM_NEEDS_TAG:
        return "Posts need a tag here: use thread-create with appliedTags."
    if flags & MessageFlags.IS_COMPONENTS_V2:
        return "Discord components are not supported in forum-style channels. Send them to the post's thread."
    return "A post cannot begin with a poll. Send the poll to the post's thread." if poll else ""


def untitled(now: float) -> str:
    """What stands for the text of a post without any. ``now``: Unix seconds."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M")


def post_title(text: str) -> str:
    """The first line that is not empty, at most 100 UTF-16 units of it."""
    line = next((line.strip() for line in text.split("\n") if line.strip()), "")
    return line.encode("utf-16-le")[: 2 * _MAX_TITLE].decode("utf-16-le", "ignore").strip()


def post_body(request: SendRequest, text: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the request that makes a post of a part's fields."""
    body: dict[str, Any] = {"name": post_title(text), "message": dict(fields)}
    if request.archive_minutes:
        body["auto_archive_duration"] = request.archive_minutes
    return body


def find_post(
    channels: Iterable[Mapping[str, Any]], *, parent_id: str, title: str, bot_id: str | None, since_ms: int
) -> ThreadId | None:
    """Our post of that title among a server's channels, not older than the try; none if it was not seen."""
    for channel in channels:
        ours = str(channel.get("parent_id")) == parent_id and str(channel.get("owner_id")) == bot_id
        if not ours or channel.get("name") != title:
            continue
        if snowflake_ms(str(channel["id"])) >= since_ms - CLOCK_SLACK_MS:
            return ThreadId(str(channel["id"]))
    return None


def seen_post(channels: Iterable[Mapping[str, Any]], *, since_ms: int, now_ms: int, **about: Any) -> ThreadId:
    """The post that an earlier try may have made, as the gateway saw it; ``about`` as :func:`find_post`.

    Raises:
        NotYet: it may still be seen. Rejected: it was not, and a second try might double it.
    """
    found = find_post(channels, since_ms=since_ms, **about)
    if found is not None:
        return found
    if now_ms - since_ms < ECHO_MS:
        raise NotYet(ECHO_LOOK_MS, "waiting: the gateway")
    raise Rejected("post-unknown", "The post may have been made; it is not made a second time.")
