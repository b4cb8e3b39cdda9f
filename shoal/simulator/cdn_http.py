"""The CDN's HTTP side: attachments are read, signed uploads are put."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from tornado.web import RequestHandler

if TYPE_CHECKING:
    from shoal.simulator.core import Core

__all__ = ["CdnHandler", "UploadHandler"]


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


class CdnHandler(_Logged):
    """Serves attachments whose address is signed and has not ended."""

    def get(self, channel_id: str, file_id: str, _name: str) -> None:
        """The bytes; 404 with Discord's text when the address is wrong or has ended."""
        query = {key: self.get_query_argument(key, "") for key in ("ex", "is", "hm")}
        found = self._find(channel_id, file_id)
        good = self.core.signer.check(channel_id, file_id, query["ex"], query["is"], query["hm"])
        if found is None or not good:
            self.note("GET /cdn/attachments", 404, 0)
            self.set_status(404)
            self.set_header("Content-Type", "text/plain;charset=UTF-8")
            self.finish("This content is no longer available.")
            return
        self.note("GET /cdn/attachments", 200, len(found[1]))
        self.set_header("Content-Type", found[0])
        self.finish(found[1])

    def _find(self, channel_id: str, file_id: str) -> tuple[str, bytes] | None:
        for message in self.core.world.messages.get(channel_id, {}).values():
            for file in message.attachments:
                if file.id == file_id:
                    return file.content_type, file.data
        return None


class UploadHandler(_Logged):
    """Takes the bytes of a signed upload; the address is the proof, no token is asked."""

    def put(self, key: str) -> None:
        """Keep the body."""
        upload = self.core.world.uploads.get(unquote(key))
        status = 200 if upload is not None else 404
        if upload is not None:
            upload.data = bytes(self.request.body)
            upload.content_type = self.request.headers.get("Content-Type", upload.content_type)
        self.note("PUT /cdn/upload", status, len(self.request.body))
        self.set_status(status)
        self.finish()
