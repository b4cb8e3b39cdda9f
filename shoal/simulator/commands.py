"""What a client may ask of the gateway after IDENTIFY (opcodes 3, 4, 8, 31, 43)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from shoal.simulator.hub import Session
from shoal.simulator.model import Json, Member

if TYPE_CHECKING:
    from shoal.simulator.core import Core

__all__ = ["run"]

CHUNK = 1000
REPEAT_AFTER_S = 30.0


def run(core: Core, session: Session, op: int, data: Any) -> bool:
    """Serve a gateway command; False for an opcode that does not exist or a body that is no object."""
    if op not in (3, 4, 8, 31, 43) or not isinstance(data, dict):
        return False
    if op == 8:
        _request_members(core, session, data)
    elif op == 31:
        for guild_id in data.get("guild_ids") or []:
            core.hub.send(session, "SOUNDBOARD_SOUNDS", {"guild_id": guild_id, "soundboard_sounds": []})
    elif op == 43:
        core.hub.send(session, "CHANNEL_INFO", {"guild_id": data.get("guild_id"), "channels": []})
    # 3 (presence) is logged and seen by nobody; 4 (voice) gets no answer, as in a full channel
    return True


def _request_members(core: Core, session: Session, data: Json) -> None:
    guild_id = data.get("guild_id")
    guild = core.world.guilds.get(str(guild_id[0] if isinstance(guild_id, list) and guild_id else guild_id))
    if guild is None or session.bot_id not in guild.members:
        return
    query, wanted, nonce = data.get("query"), data.get("user_ids"), data.get("nonce")
    if query == "" and not data.get("limit"):
        if not session.intents & 1 << 1:
            return
        last = core.member_requests.get((session.bot_id, guild.id), 0.0)
        left = REPEAT_AFTER_S - (time.monotonic() - last)
        if last and left > 0:
            meta: Json = {"guild_id": guild.id, **({"nonce": nonce} if nonce else {})}
            core.hub.send(session, "RATE_LIMITED", {"opcode": 8, "retry_after": left, "meta": meta})
            return
        core.member_requests[session.bot_id, guild.id] = time.monotonic()
    members, missing = _find(core, guild.members, query, wanted, int(data.get("limit") or 0))
    chunks = [members[i : i + CHUNK] for i in range(0, len(members), CHUNK)] or [[]]
    for index, chunk in enumerate(chunks):
        answer: Json = {
            "guild_id": guild.id,
            "members": [core.payloads.member(member) for member in chunk],
            "chunk_index": index,
            "chunk_count": len(chunks),
        }
        if missing:
            answer["not_found"] = missing
        if data.get("presences"):
            answer["presences"] = []
        if nonce:
            answer["nonce"] = nonce
        core.hub.send(session, "GUILD_MEMBERS_CHUNK", answer)


def _find(
    core: Core, members: dict[str, Member], query: Any, wanted: Any, limit: int
) -> tuple[list[Member], list[str]]:
    if wanted is not None:
        ids = [str(user_id) for user_id in (wanted if isinstance(wanted, list) else [wanted])][:100]
        return [members[i] for i in ids if i in members], [i for i in ids if i not in members]
    if not query:
        found = list(members.values())
        return (found[:limit] if limit else found), []
    prefix = str(query).lower()
    found = [
        member
        for member in members.values()
        if core.world.users[member.user_id].username.lower().startswith(prefix)
        or (member.nick or "").lower().startswith(prefix)
    ]
    return found[: min(limit or 100, 100)], []
