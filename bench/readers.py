"""Who reads the stream: our gateway's parts, and discord.py."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from urllib.parse import urlsplit

from bench.stream import BOT, GUILD, StreamServer, guild
from gateway.buffer import Buffer, Item, sort
from gateway.decode import Frame, decode_frame
from gateway.events import Origin
from gateway.intake import Writer
from gateway.session import SessionState
from gateway.socket import GatewaySocket
from shoal.base.ids import new_token
from shoal.discord.origins import Endpoint, Origins
from shoal.state.store import Store

__all__ = ["discord_py", "our_decoding", "our_intake"]

ACCOUNT = "default"


class _Direct:
    """A dialler without a proxy."""

    def gateway_endpoint(self, url: str) -> Endpoint:
        """Where the stream server is."""
        return Origins(f"http://127.0.0.1:{urlsplit(url).port}/api/v10").gateway(url)

    def open_socket(self, host: str, port: int, *, tls: bool = True, timeout: float = 10.0) -> socket.socket:
        """Connect."""
        assert not tls
        return socket.create_connection((host, port), timeout)


def _items(server: StreamServer, session_id: str) -> Iterator[Item]:
    """Receive, inflate, parse, route: what the reader of a shard does with each frame."""
    stream = GatewaySocket.open(server.url, _Direct(), "zlib-stream")
    try:
        follows = 0
        for _ in range(server.count):
            frame = decode_frame(stream.receive())
            assert isinstance(frame, Frame), frame
            assert frame.s is not None, frame
            item = Item(session_id, follows, frame.s, received=time.monotonic())
            sort(item, frame, Origin(ACCOUNT, 0, session_id, frame.s, BOT, int(time.time() * 1000)))
            follows = frame.s
            yield item
    finally:
        stream.release()


def our_decoding(server: StreamServer) -> float:
    """Events per second from the socket to routed items, without Redis."""
    began = time.perf_counter()
    routed = sum(item.kept is not None for item in _items(server, "bench"))
    assert routed == server.count
    return server.count / (time.perf_counter() - began)


class _Holder:
    def __init__(self, token: str) -> None:
        self.token = token

    def reacquire(self) -> bool:
        """It does not run out here."""
        return True


class _Listener:
    def restore(self, state: SessionState | None) -> None:
        """The store does not go back here."""
        raise AssertionError(f"asked to go back to {state}")


def our_intake(server: StreamServer, store: Store) -> float:
    """Events per second from the socket to durable records: cursor, dedup, lane, hint."""
    store.redis.flushall()
    token, session_id = new_token(), f"bench{new_token()[:8]}"
    assert store.intake.holder_acquire(ACCOUNT, token, 600_000)
    cursor = store.intake.begin_session(ACCOUNT, 0, session_id, "", 0, token=token)
    buffer = Buffer(10_000)
    writer = Writer(
        store, ACCOUNT, 0, _Holder(token), buffer, _Listener(),
        confirmed=cursor, me=BOT, concurrency=50, budget_s=600,
    )  # fmt: skip
    thread = threading.Thread(target=writer.run)
    thread.start()
    began = time.perf_counter()
    for item in _items(server, session_id):
        buffer.put(item)
    buffer.close()
    thread.join()
    took = time.perf_counter() - began
    stored = store.intake.cursor(ACCOUNT, 0)
    assert stored is not None
    assert stored.seq == server.count
    return server.count / took


class _Zlib:
    """What discord.py does for zlib-stream; it leaves its own class out where it has zstd."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._context = zlib.decompressobj()

    def decompress(self, data: bytes, /) -> str | None:
        """One message, or None for a part of one."""
        self._buffer.extend(data)
        if len(data) < 4 or data[-4:] != b"\x00\x00\xff\xff":
            return None
        text = self._context.decompress(self._buffer)
        self._buffer = bytearray()
        return text.decode("utf-8")


def discord_py(server: StreamServer) -> float:
    """Events per second of discord.py: socket, inflate, parse (orjson), its state, an empty handler."""
    return asyncio.run(_discord_py(server))


async def _discord_py(server: StreamServer) -> float:
    import aiohttp
    import discord
    from discord.gateway import DiscordWebSocket
    from discord.utils import HAS_ORJSON

    assert HAS_ORJSON, "discord.py is to be compared at its best"
    seen = 0
    finished = asyncio.Event()
    client = discord.Client(intents=discord.Intents.all(), max_messages=1000)

    @client.event
    async def on_message(_message: discord.Message) -> None:
        nonlocal seen
        seen += 1
        if seen == server.count:
            finished.set()

    await client._async_setup_hook()
    state = client._connection
    me = {"id": BOT, "username": "bench", "discriminator": "0", "avatar": None, "bot": True}
    state.user = discord.ClientUser(state=state, data=me)  # type: ignore[arg-type]
    state._add_guild(discord.Guild(data=guild(), state=state))  # type: ignore[arg-type]
    assert state._get_guild(int(GUILD)) is not None
    async with aiohttp.ClientSession() as session:
        began = time.perf_counter()
        socket_ = await session.ws_connect(server.url, max_msg_size=0, autoclose=False)
        ws = DiscordWebSocket(socket_, loop=asyncio.get_running_loop())
        # as DiscordWebSocket.from_client sets it up, without HELLO and IDENTIFY
        ws._connection = state
        ws._discord_parsers = state.parsers
        ws._dispatch = client.dispatch
        ws.call_hooks = state.call_hooks
        ws.shard_id = None
        ws._max_heartbeat_timeout = 60.0
        ws._decompressor = _Zlib()  # type: ignore[assignment]
        for _ in range(server.count):
            await ws.poll_event()
        await finished.wait()
        took = time.perf_counter() - began
        await socket_.close()
    return server.count / took
