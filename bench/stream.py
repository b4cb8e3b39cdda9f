"""The same gateway traffic for everybody: one compressed stream of messages, served as fast as it is read.

``python -m bench.stream COUNT`` serves it on a free port and prints the port. Each connection gets
the whole stream from its beginning, sequence numbers from 1 on.
"""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import struct
import subprocess
import sys
import threading
import zlib
from typing import Any

import orjson

__all__ = ["BOT", "CHANNELS", "GUILD", "StreamServer", "guild"]

GUILD = "1300000000000000001"
BOT = "1300000000000000004"
FIRST_CHANNEL = 1400000000000000000
CHANNELS = 200
FIRST_MESSAGE = 1573947606378217473
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def guild() -> dict[str, Any]:
    """The guild all messages are in, as GUILD_CREATE has it."""
    channels = [
        {"id": str(FIRST_CHANNEL + n), "type": 0, "name": f"channel-{n}", "position": n,
         "permission_overwrites": [], "parent_id": None, "nsfw": False}
        for n in range(CHANNELS)
    ]  # fmt: skip
    everyone = {"id": GUILD, "name": "@everyone", "permissions": "1071698660929", "position": 0, "color": 0,
                "hoist": False, "managed": False, "mentionable": False}  # fmt: skip
    return {"id": GUILD, "name": "Bench", "owner_id": "1300000000000000003", "channels": channels,
            "roles": [everyone], "emojis": [], "stickers": [], "members": [], "threads": [], "presences": [],
            "voice_states": [], "features": [], "member_count": 50, "verification_level": 0,
            "default_message_notifications": 0, "explicit_content_filter": 0, "mfa_level": 0,
            "premium_tier": 0, "system_channel_flags": 0, "preferred_locale": "en-US"}  # fmt: skip


def message(number: int) -> dict[str, Any]:
    """A message of some 1.2 kB with every field that Discord sends."""
    author = 1300000000000001000 + number % 50
    text = f"Message {number}: " + "the quick brown fox jumps over the lazy dog; " * (number % 7 + 2)
    return {
        "id": str(FIRST_MESSAGE + number * 4194304), "type": 0, "content": text,
        "channel_id": str(FIRST_CHANNEL + number % CHANNELS), "guild_id": GUILD,
        "author": {"id": str(author), "username": f"user{author % 50}", "discriminator": "0",
                   "global_name": f"User {author % 50}", "avatar": "8342729096ea3675442027381ff50dfe",
                   "avatar_decoration_data": None, "public_flags": 0, "clan": None, "collectibles": None},
        "member": {"roles": [], "joined_at": "2024-01-01T00:00:00.000000+00:00", "deaf": False, "mute": False,
                   "nick": None, "avatar": None, "premium_since": None, "pending": False, "flags": 0,
                   "communication_disabled_until": None, "banner": None},
        "timestamp": "2026-11-22T06:23:44.668000+00:00", "edited_timestamp": None, "tts": False,
        "mention_everyone": False, "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
        "pinned": False, "flags": 0, "components": [], "nonce": str(FIRST_MESSAGE + number * 4194304 - 9),
        "referenced_message": None,
    }  # fmt: skip


def _frames(count: int) -> bytes:
    """The stream as websocket frames: zlib-stream, one message a frame."""
    deflater = zlib.compressobj()
    out = bytearray()
    for number in range(1, count + 1):
        event = {"t": "MESSAGE_CREATE", "s": number, "op": 0, "d": message(number)}
        data = deflater.compress(orjson.dumps(event)) + deflater.flush(zlib.Z_SYNC_FLUSH)
        size = len(data)
        out += bytes([0x82, size]) if size < 126 else b"\x82\x7e" + struct.pack("!H", size)
        out += data
    return bytes(out)


def _serve(client: socket.socket, stream: bytes) -> None:
    request = b""
    while b"\r\n\r\n" not in request:
        request += client.recv(4096)
    found = re.search(rb"(?i)sec-websocket-key: *(\S+)", request)
    key = found[1] if found else b""
    accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())
    client.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
    try:
        client.sendall(stream)
        while client.recv(4096):
            pass
    except OSError:
        pass  # the reader has seen enough
    client.close()


def main() -> None:
    """Serve until stdin ends."""
    stream = _frames(int(sys.argv[1]))
    server = socket.create_server(("127.0.0.1", 0))
    print(server.getsockname()[1], flush=True)

    def accept() -> None:
        while True:
            client, _ = server.accept()
            threading.Thread(target=_serve, args=(client, stream), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdin.read()


class StreamServer:
    """The server as a process of its own.

    Attributes:
        url: its websocket address.
        count: messages in the stream.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.stream", str(count)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        self.url = f"ws://127.0.0.1:{self.port}/"

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


if __name__ == "__main__":
    main()
