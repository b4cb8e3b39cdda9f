"""From a send request to the parts that are sent: prefix, cut, and what goes with which part.

Sanitising what a model wrote is the turn's work; this is about form. The result is the
*plan* of a send. It is journalled before the first request, so that a send that is resumed
after a crash, or after the config changed, still has the same parts (and nonces).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from config.accounts import Account
from shoal.discord.origins import Origins
from shoal.discord.proxy import proxy_for
from shoal.discord.wire import MessageFlags
from workers.delivery.aliases import with_mentions
from workers.delivery.chunks import DISCORD_LIMIT, MAX_LINES, chunk_text
from workers.delivery.mentions import MentionPolicy, allowed_for
from workers.delivery.records import SendRequest
from workers.delivery.spread import is_voice, with_files
from workers.delivery.tables import render_tables

__all__ = [
    "TOO_LARGE_NOTICE",
    "DeliverySettings",
    "message_fields",
    "plan_of",
    "too_large_fields",
    "with_prefix",
]

TOO_LARGE_NOTICE = "[Attachment skipped: Discord rejected the file as too large.]"

_HEARTBEAT_OK = "HEARTBEAT_OK"


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """The part of an account's config that delivery needs."""

    limit: int = DISCORD_LIMIT
    max_lines: int = MAX_LINES
    by_paragraph: bool = False
    suppress_embeds: bool = False
    tables: str = "code"
    """How pipe tables are shown, see :mod:`workers.delivery.tables`."""
    mentions: MentionPolicy = field(default_factory=MentionPolicy)
    aliases: dict[str, str] = field(default_factory=dict)
    proxied: bool = False
    """Requests go through a proxy: only for the log."""

    @classmethod
    def of(cls, account: Account) -> DeliverySettings:
        """Compile the settings of an account."""
        discord = account.discord
        wanted = discord.allowed_mentions
        origin = Origins(account.api_url)
        return cls(
            limit=discord.text_chunk_limit,
            max_lines=discord.max_lines_per_message,
            by_paragraph=discord.streaming.chunk_mode == "newline",
            tables=discord.markdown.tables,
            suppress_embeds=discord.suppress_embeds,
            mentions=MentionPolicy(wanted.users, wanted.roles, wanted.everyone),
            aliases={name.lstrip("@").lower(): user for name, user in discord.mention_aliases.items()},
            proxied=proxy_for(origin.host, origin.port, account.proxy) is not None,
        )


def plan_of(request: SendRequest, settings: DeliverySettings) -> list[str]:
    """The contents of the messages to send, in order; empty if there is nothing to send at all."""
    if request.flags & MessageFlags.IS_COMPONENTS_V2:
        return [""] if request.components else []
    limit = settings.limit
    if request.files and not is_voice(request):
        # where Discord refuses the file, a notice takes its place in the same message
        limit = min(limit, DISCORD_LIMIT - len(TOO_LARGE_NOTICE) - 2)
    text = request.text.replace("\r\n", "\n")
    if not request.plain:
        text = with_prefix(text.strip(), request.prefix)
        text = render_tables(text, settings.tables)
        text = with_mentions(text, settings.aliases)
    parts = chunk_text(text, limit=limit, max_lines=settings.max_lines, by_paragraph=settings.by_paragraph)
    rest = request.embeds or request.files or request.components or request.sticker_ids or request.poll
    return with_files(request, parts or ([""] if rest else []))


def with_prefix(text: str, prefix: str | None) -> str:
    """``<prefix> <text>``, once; not on nothing, on ``HEARTBEAT_OK``, or on a text that begins with it."""
    if not prefix or not text or text == _HEARTBEAT_OK or text.startswith(prefix):
        return text
    return f"{prefix} {text}"


def message_fields(
    request: SendRequest, settings: DeliverySettings, plan: list[str], part: int
) -> dict[str, Any]:
    """The fields of one part's create, without nonce, files and reference target."""
    first, last = part == 0, part == len(plan) - 1
    v2 = bool(request.flags & MessageFlags.IS_COMPONENTS_V2)
    fields: dict[str, Any] = {
        "allowed_mentions": allowed_for(
            settings.mentions, request.allowed_mentions, is_reply=replies(request, part)
        )
    }
    if plan[part] and not v2:
        fields["content"] = plan[part]
    embeds = list(request.embeds) if first and not v2 else []
    if embeds:
        fields["embeds"] = embeds
    if last and request.components:
        fields["components"] = list(request.components)
    if first and not v2 and request.sticker_ids:
        fields["sticker_ids"] = list(request.sticker_ids)
    if first and not v2 and request.poll is not None:
        fields["poll"] = request.poll
    flags = request.flags
    if request.silent:
        flags |= MessageFlags.SUPPRESS_NOTIFICATIONS
    wanted = settings.suppress_embeds if request.suppress_embeds is None else request.suppress_embeds
    if wanted and not embeds and not v2:
        flags |= MessageFlags.SUPPRESS_EMBEDS
    if flags:
        fields["flags"] = int(flags)
    return fields


def too_large_fields(request: SendRequest, fields: dict[str, Any]) -> dict[str, Any]:
    """A part whose file Discord refuses: its text alone, with a notice (``spec/outbound.md`` 1.7)."""
    kept = {name: value for name, value in fields.items() if name not in ("components", "embeds")}
    kept["flags"] = fields.get("flags", 0) & ~int(MessageFlags.IS_COMPONENTS_V2)
    text = fields.get("content", "")
    if request.flags & MessageFlags.IS_COMPONENTS_V2:
        text = request.text[: DISCORD_LIMIT - len(TOO_LARGE_NOTICE) - 2]
    kept["content"] = f"{text}\n\n{TOO_LARGE_NOTICE}".strip()
    return kept


def replies(request: SendRequest, part: int) -> bool:
    """Whether this part carries the reference (``spec/outbound.md`` 3.9)."""
    return request.reply_to is not None and (part == 0 or request.reply_scope == "all")
