"""Signed uploads: ask for an address, PUT the bytes there, name the upload when creating the message."""

from __future__ import annotations

import mimetypes
import secrets

from shoal.simulator.errors import error_by_code
from shoal.simulator.model import Json, Upload
from shoal.simulator.permissions import ATTACH_FILES
from shoal.simulator.rest.messages import require
from shoal.simulator.rest.router import Answer, Call, route
from shoal.simulator.wire.forms import Field, anything, integer, list_of, obj, text, validate

__all__: list[str] = []

_BODY = obj(
    {
        "files": Field(
            list_of(
                obj(
                    {
                        "filename": Field(text(1, 1024), required=True),
                        "file_size": Field(integer(1), required=True),
                        "id": Field(anything),
                    }
                ),
                10,
                1,
            ),
            required=True,
        )
    }
)


@route("POST", "/channels/{channel_id}/attachments")
def prepare(call: Call) -> Answer:
    """Addresses to PUT files to."""
    channel = call.channel()
    require(call, channel, ATTACH_FILES)
    answers: list[Json] = []
    for file in validate(_BODY, call.fields())["files"]:
        if file["file_size"] > call.core.settings.file_limit:
            raise error_by_code(40005)
        key = f"{secrets.token_hex(8)}/{file['filename']}"
        kind = mimetypes.guess_type(file["filename"])[0] or "application/octet-stream"
        call.core.world.uploads[key] = Upload(channel.id, file["filename"], kind)
        answers.append(
            {
                "id": file.get("id", 0),
                "upload_url": f"{call.core.origin}/cdn/upload/{key}",
                "upload_filename": key,
            }
        )
    return Answer(200, {"attachments": answers})
