"""A SOCKS5 proxy that counts: where the gateway's bytes go."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading


class SocksProxy:
    """Accepts CONNECT to names and addresses without authentication; remembers the targets."""

    def __init__(self) -> None:
        self.targets: list[tuple[str, int]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with contextlib.suppress(OSError, struct.error), client:
            _, methods = client.recv(2)
            client.recv(methods)
            client.sendall(b"\x05\x00")
            _, _, _, kind = client.recv(4)
            named = kind == 3
            host = client.recv(client.recv(1)[0]).decode() if named else socket.inet_ntoa(client.recv(4))
            [port] = struct.unpack("!H", client.recv(2))
            self.targets.append((host, port))
            with socket.create_connection((host, port)) as target:
                client.sendall(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")
                back = threading.Thread(target=_pump, args=(target, client), daemon=True)
                back.start()
                _pump(client, target)
                back.join()

    def stop(self) -> None:
        self._server.close()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
