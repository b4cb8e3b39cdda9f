"""A small TCP relay between the fleet and Redis that can swallow connections without closing them.

``python -m bench.chaos.relay <listen port> <server port>``; one command per line on standard input:

    halfopen N     N connections at random go silent: bytes of both sides vanish, nobody is told
    cut N          N connections at random are closed

Each is answered by one JSON line: ``{"hit": n, "open": m}``. It ends when its input ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import sys

__all__ = ["Relay", "main"]


class _End(asyncio.Protocol):
    """One side of a connection; what it hears goes to its peer, with back-pressure."""

    def __init__(self, relay: Relay, peer: _End | None = None) -> None:
        self.relay = relay
        self.peer = peer
        self.silent = False
        self.transport: asyncio.Transport | None = None
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came, or the server was reached."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if self.peer is None:
            self.relay.clients.add(self)
            asyncio.get_running_loop().create_task(self.relay.connect(self))

    def data_received(self, data: bytes) -> None:
        """Pass it on, unless this connection was swallowed."""
        if self.silent:
            return
        if self.peer is None or self.peer.transport is None:
            self.early.append(data)
        else:
            self.peer.transport.write(data)

    def pause_writing(self) -> None:
        """We are full: the peer must not be read from."""
        if self.peer is not None and self.peer.transport is not None:
            with contextlib.suppress(RuntimeError):
                self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        """There is room again."""
        if self.peer is not None and self.peer.transport is not None:
            with contextlib.suppress(RuntimeError):
                self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        """This side ended; a silent connection does not tell the other one."""
        del exc
        self.relay.clients.discard(self)
        if not self.silent and self.peer is not None and self.peer.transport is not None:
            self.peer.transport.close()


class Relay:
    """All connections of one server."""

    def __init__(self, listen_port: int, server_port: int, seed: int = 0) -> None:
        self._listen_port, self._server_port = listen_port, server_port
        self._random = random.Random(seed)
        self.clients: set[_End] = set()

    async def connect(self, client: _End) -> None:
        """Reach the server for a client; without a server the client is closed."""
        assert client.transport is not None
        try:
            _, server = await asyncio.get_running_loop().create_connection(
                lambda: _End(self, client), "127.0.0.1", self._server_port
            )
        except OSError:
            client.transport.close()
            return
        client.peer = server
        assert server.transport is not None
        for data in client.early:
            server.transport.write(data)
        client.early.clear()
        if client.transport.is_closing():
            server.transport.close()

    async def run(self) -> None:
        """Relay until standard input ends."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _End(self), "127.0.0.1", self._listen_port, backlog=512)
        lines = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
        while line := await lines.readline():
            print(json.dumps(self._obey(line.decode().split())), flush=True)
        server.close()

    def _obey(self, words: list[str]) -> dict[str, int]:
        whole = [end for end in self.clients if end.peer is not None and not end.silent]
        chosen = self._random.sample(whole, min(int(words[1]), len(whole)))
        for end in chosen:
            if words[0] == "halfopen":
                end.silent = True
                if end.peer is not None:
                    end.peer.silent = True
            elif end.transport is not None:
                end.transport.abort()
        return {"hit": len(chosen), "open": len(whole)}


def main(argv: list[str]) -> None:
    """See the module."""
    relay = Relay(int(argv[1]), int(argv[2]), int(argv[3]) if len(argv) > 3 else 0)
    asyncio.run(relay.run())


if __name__ == "__main__":
    main(sys.argv)
