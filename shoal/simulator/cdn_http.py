"""The CDN's HTTP side: attachments and stickers are read, signed uploads are put; faults strike here too."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tornado.iostream import StreamClosedError
from tornado.web import RequestHandler

from shoal.simulator.faults import Fault
from shoal.simulator.rest.web import cut

if TYPE_CHECKING:
    from shoal.simulator.core import Core

__all__ = ["CdnHandler", "StickerHandler", "UploadHandler"]

PIECE = 64 * 1024
_STICKERS = {
    "png": (
        "image/png",
        base64.b64decode(
            "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
        ),
    ),
    "gif": ("image/gif", base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")),
    "json": ("application/json", b'{"v":"5.5.2","w":160,"h":160,"layers":[]}'),
}


class _Logged(RequestHandler):
    """A handler that writes a request line."""

    core: Core

    def initialize(self, core: Core) -> None:
        """Given by the route table."""
        self.core = core

    def note(self, route: str, status: int, size: int) -> None:
        """One line; ``size`` is the number of bytes moved."""
        self.core.log.write(
            "request",
            method=self.request.method,
            path=self.request.path,
            query="",
            route=route,
            bot="",
            source=str(self.request.remote_ip),
            body=None,
            files=[],
            status=status,
            answer=None,
            lost="",
            size=size,
            seconds=0.0,
        )

    async def serve(self, route: str, found: tuple[str, bytes] | None) -> None:
        """Answer with a file, or 404 with Discord's text; unless a fault strikes."""
        fault = self.core.faults.take(
            "refuse", "status", "delay", "cut_answer", "slow_answer", "redirect", route=route
        )
        kind = fault.kind if fault is not None else ""
        if kind == "delay" and fault is not None:
            await asyncio.sleep(float(fault.fields["seconds"]))
        if kind in ("refuse", "status", "redirect") and fault is not None:
            self._strike(route, fault)
            return
        if found is None:
            self.note(route, 404, 0)
            self.set_status(404)
            self.set_header("Content-Type", "text/plain;charset=UTF-8")
            self.finish("This content is no longer available.")
            return
        self.note(route, 200, len(found[1]))
        self.set_header("Content-Type", found[0])
        self.set_header("Content-Length", str(len(found[1])))
        rate = float(fault.fields["bytes_per_s"]) if kind == "slow_answer" and fault is not None else 0.0
        await self._send(found[1], rate=rate, half=kind == "cut_answer")

    def _strike(self, route: str, fault: Fault) -> None:
        if fault.kind == "refuse":
            self.note(route, 0, 0)
            cut(self.request)
            return
        status = int(fault.fields["status"])
        self.note(route, status, 0)
        self.set_status(status)
        if fault.kind == "redirect":
            self.set_header("Location", str(fault.fields["location"]))
        self.finish()

    async def _send(self, data: bytes, *, rate: float, half: bool) -> None:
        """The bytes, in pieces: a large file is never copied whole."""
        ends = len(data) // 2 if half else len(data)
        piece = max(1, min(PIECE, int(rate / 10))) if rate else PIECE
        view = memoryview(data)
        with contextlib.suppress(StreamClosedError):
            for start in range(0, ends, piece):
                self.write(bytes(view[start : min(ends, start + piece)]))
                await self.flush()
                if rate:
                    await asyncio.sleep(piece / rate)
            if half:
                cut(self.request)
            else:
                self.finish()


class CdnHandler(_Logged):
    """Serves attachments whose address is signed and has not ended."""

    async def get(self, channel_id: str, file_id: str, _name: str) -> None:
        """The bytes; 404 with Discord's text when the address is wrong or has ended."""
        query = {key: self.get_query_argument(key, "") for key in ("ex", "is", "hm")}
        good = self.core.signer.check(channel_id, file_id, query["ex"], query["is"], query["hm"])
        await self.serve("GET /cdn/attachments", self._find(channel_id, file_id) if good else None)

    def _find(self, channel_id: str, file_id: str) -> tuple[str, bytes] | None:
        for message in self.core.world.messages.get(channel_id, {}).values():
            for file in message.attachments:
                if file.id == file_id:
                    return file.content_type, file.data
        return None


class StickerHandler(_Logged):
    """Serves stickers: a picture of any id, but of none that is asked for by size (Lottie has none)."""

    async def get(self, _sticker_id: str, ending: str) -> None:
        """The picture or the drawing."""
        lottie = ending == "png" and self.get_query_argument("size", "")
        await self.serve("GET /cdn/stickers", None if lottie else _STICKERS[ending])


class UploadHandler(_Logged):
    """Takes the bytes of a signed upload; the address is the proof, no token is asked."""

    def put(self, key: str) -> None:
        """Keep the body; unless a fault strikes."""
        fault = self.core.faults.take("refuse", "status", route="PUT /cdn/upload")
        if fault is not None:
            self._strike("PUT /cdn/upload", fault)
            return
        upload = self.core.world.uploads.get(unquote(key))
        status = 200 if upload is not None else 404
        if upload is not None:
            upload.data = bytes(self.request.body)
            upload.content_type = self.request.headers.get("Content-Type", upload.content_type)
        self.note("PUT /cdn/upload", status, len(self.request.body))
        self.set_status(status)
        self.finish()
