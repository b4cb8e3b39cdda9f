"""Old shapes of the file, read as their present form (decision 16; spec: inbound 1.10).

The file is not changed: :func:`modernise` works on plain data after reading. Each change is
noted, so that doctor can offer to write it, and each moved value keeps the path it was
written at, so that an error in it names the place the reader knows.

Precedence inside one level: where the present key and the old one both stand, the present
one wins.
"""

from __future__ import annotations

from typing import Any

from config.places import KeyPath, show_path
from shoal.base.errors import ConfigIssue

__all__ = ["Modernised", "modernise"]

Json = dict[str, Any]
_TTS_PROVIDERS = ("openai", "elevenlabs", "microsoft", "edge", "deepgram", "google", "minimax", "azure")


class Modernised:
    """The data in its present form.

    Attributes:
        data: changed copy; the input stays as it was.
        notes: one entry for each old shape.
        moved: present path → path as written.
        renamed: every old key that was carried over: path as written → present path.
        dropped: old keys that say nothing any more, because the present one is written too.
        warnings: old shapes that could not be carried over.
    """

    def __init__(self, data: Json) -> None:
        self.data = data
        self.notes: list[ConfigIssue] = []
        self.warnings: list[ConfigIssue] = []
        self.moved: dict[KeyPath, KeyPath] = {}
        self.renamed: dict[KeyPath, KeyPath] = {}
        self.dropped: list[KeyPath] = []

    def note(self, old: KeyPath, new: KeyPath) -> None:
        """Remember that ``old`` was read as ``new``."""
        self.notes.append(ConfigIssue(show_path(old), f"old form of {show_path(new)}"))
        self.moved[new] = old
        self.renamed[old] = new

    def move(self, box: Json, old: str, target: Json, new: str, at: KeyPath, to: KeyPath) -> None:
        """Move ``box[old]`` to ``target[new]`` unless something stands there already."""
        if old not in box:
            return
        value = box.pop(old)
        if new in target:
            self.dropped.append((*at, old))
            if target[new] != value:
                self.notes.append(
                    ConfigIssue(
                        show_path((*at, old)), f"ignored, because {show_path((*to, new))} is written too"
                    )
                )
            return
        target[new] = value
        self.note((*at, old), (*to, new))


def modernise(data: Json) -> Modernised:
    """Read old shapes as present ones."""
    result = Modernised(_copy(data))
    root = result.data
    discord = _box(root, "channels", "discord")
    if discord is not None:
        at: KeyPath = ("channels", "discord")
        _account(result, discord, at, account_id="*")
        accounts = discord.get("accounts")
        if isinstance(accounts, dict):
            for name, account in accounts.items():
                if isinstance(account, dict):
                    _account(result, account, (*at, "accounts", name), account_id=name)
    messages = root.get("messages")
    if isinstance(messages, dict):
        _tts(result, messages.get("tts"), ("messages", "tts"))
        _queue(messages.get("queue"))
    agents = _box(root, "agents")
    entries = agents.get("list") if agents is not None else None
    if isinstance(entries, list):
        for index, entry in enumerate(entries):
            if isinstance(entry, dict):
                _tts(result, entry.get("tts"), ("agents", "list", index, "tts"))
    session = root.get("session")
    if isinstance(session, dict):
        _thread_bindings(result, session.get("threadBindings"), ("session", "threadBindings"))
        by_type = session.get("resetByType")
        if isinstance(by_type, dict):
            here: KeyPath = ("session", "resetByType")
            result.move(by_type, "dm", by_type, "direct", here, here)
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _box(data: Any, *path: str) -> Json | None:
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else None


def _account(result: Modernised, account: Json, at: KeyPath, *, account_id: str) -> None:
    dm = account.get("dm")
    if isinstance(dm, dict):
        result.move(dm, "policy", account, "dmPolicy", (*at, "dm"), at)
        result.move(dm, "allowFrom", account, "allowFrom", (*at, "dm"), at)
    _streaming(result, account, at)
    _thread_bindings(result, account.get("threadBindings"), (*at, "threadBindings"))
    voice = account.get("voice")
    if isinstance(voice, dict):
        _tts(result, voice.get("tts"), (*at, "voice", "tts"))
    guilds = account.get("guilds")
    if isinstance(guilds, dict):
        for guild_key, guild in guilds.items():
            channels = guild.get("channels") if isinstance(guild, dict) else None
            if not isinstance(channels, dict):
                continue
            for channel_key, channel in channels.items():
                if isinstance(channel, dict):
                    here = (*at, "guilds", guild_key, "channels", channel_key)
                    result.move(channel, "allow", channel, "enabled", here, here)
                    _channel_agent(result, channel, here, guild_key, channel_key, account_id)


def _channel_agent(
    result: Modernised, channel: Json, at: KeyPath, guild_key: str, channel_key: str, account_id: str
) -> None:
    """``agentId`` of a channel entry is a binding of that channel, unless there is one."""
    if "agentId" not in channel:
        return
    agent_id = channel.pop("agentId")
    bindings = result.data.setdefault("bindings", [])
    if not channel_key.isdigit() or not isinstance(bindings, list):
        result.warnings.append(
            ConfigIssue(
                show_path((*at, "agentId")),
                "an agent can be tied to a channel by its id only; this key has no effect",
                hint='write a binding: bindings: [{ agentId, match: { channel: "discord", peer: … } }]',
            )
        )
        return
    match: Json = {
        "channel": "discord",
        "accountId": account_id,
        "peer": {"kind": "channel", "id": channel_key},
    }
    if guild_key.isdigit():
        match["guildId"] = guild_key
    for binding in bindings:
        peer = _box(binding, "match", "peer")
        if peer is not None and str(peer.get("id")) == channel_key:
            return
    new: KeyPath = ("bindings", len(bindings), "agentId")
    bindings.append({"agentId": agent_id, "match": match, "comment": f"from {show_path(at)}"})
    result.note((*at, "agentId"), new)


def _streaming(result: Modernised, account: Json, at: KeyPath) -> None:
    here = (*at, "streaming")
    written = account.get("streaming")
    if isinstance(written, bool | str):
        account["streaming"] = {"mode": _mode(written)}
        result.note(here, (*here, "mode"))
    old = {
        "streamMode",
        "chunkMode",
        "blockStreaming",
        "blockStreamingCoalesce",
        "draftChunk",
    } & account.keys()
    streaming = account.get("streaming")
    if not old or not (streaming is None or isinstance(streaming, dict)):
        return
    if streaming is None:
        streaming = account["streaming"] = {}
    if "streamMode" in account:
        account["streamMode"] = _mode(account["streamMode"])
    result.move(account, "streamMode", streaming, "mode", at, here)
    result.move(account, "chunkMode", streaming, "chunkMode", at, here)
    for key, group, name in (
        ("blockStreaming", "block", "enabled"),
        ("blockStreamingCoalesce", "block", "coalesce"),
        ("draftChunk", "preview", "chunk"),
    ):
        if key in account:
            box = streaming.setdefault(group, {})
            if isinstance(box, dict):
                result.move(account, key, box, name, at, (*here, group))


def _mode(value: Any) -> Any:
    return ("partial" if value else "off") if isinstance(value, bool) else value


def _thread_bindings(result: Modernised, box: Any, at: KeyPath) -> None:
    if not isinstance(box, dict):
        return
    result.move(box, "ttlHours", box, "idleHours", at, at)
    old = [key for key in ("spawnSubagentSessions", "spawnAcpSessions") if key in box]
    values = [box.pop(key) for key in old]
    if not old:
        return
    if "spawnSessions" in box:
        result.dropped += [(*at, key) for key in old]
        if any(value != box["spawnSessions"] for value in values):
            result.notes.append(
                ConfigIssue(
                    show_path((*at, old[0])),
                    f"ignored, because {show_path((*at, 'spawnSessions'))} is written",
                )
            )
        return
    # where the two old keys disagree, the careful reading counts
    box["spawnSessions"] = all(values) if all(isinstance(value, bool) for value in values) else values[0]
    for key in old:
        result.note((*at, key), (*at, "spawnSessions"))


def _tts(result: Modernised, box: Any, at: KeyPath) -> None:
    if not isinstance(box, dict):
        return
    for key in [name for name in _TTS_PROVIDERS if isinstance(box.get(name), dict)]:
        providers = box.setdefault("providers", {})
        if isinstance(providers, dict):
            name = "microsoft" if key == "edge" else key
            result.move(box, key, providers, name, at, (*at, "providers"))
    if box.get("provider") == "edge":
        box["provider"] = "microsoft"


def _queue(box: Any) -> None:
    if not isinstance(box, dict):
        return
    if box.get("mode") == "steer+backlog":
        box["mode"] = "steer-backlog"
    by_channel = box.get("byChannel")
    if isinstance(by_channel, dict):
        for key, mode in by_channel.items():
            if mode == "steer+backlog":
                by_channel[key] = "steer-backlog"
