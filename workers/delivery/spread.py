"""Which file goes with which message of a send (``spec/outbound.md`` 3.10).

One file per message. The first goes with the first text; each further one is a message of its own, after
all texts. A video never carries text: Discord shows it above its caption, so the text goes first and
the video follows alone. A voice message carries no text either and comes first (3.15), unless a preview
becomes the text: then the recording follows it (14.8). Computed from the request and its journalled plan, so
a resumed send agrees. Components can show files of their own message only, so with them all go at once.
"""

from __future__ import annotations

import msgspec

from shoal.discord.wire import MessageFlags
from workers.delivery.records import SendFile, SendRequest

__all__ = ["file_of", "files_of", "heard_behind", "is_video", "is_voice", "texts_of", "with_files"]

_VIDEO_ENDINGS = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".webm")


def is_video(file: SendFile) -> bool:
    """A file that Discord shows as a film."""
    return file.filename.lower().endswith(_VIDEO_ENDINGS) or file.content_type.startswith("video/")


def is_voice(request: SendRequest) -> bool:
    """A send that begins with a voice message."""
    return bool(request.files) and request.files[0].voice is not None


def with_files(request: SendRequest, texts: list[str]) -> list[str]:
    """The contents of all messages: the texts, then an empty one per file that goes alone."""
    if request.post:  # the post is text alone; files come in its thread, the first with the next text
        thread = msgspec.structs.replace(request, post=False)
        return [*(texts[:1] or [""]), *with_files(thread, texts[1:])]
    if not request.files:
        return texts
    if is_voice(request):
        return ["", *filter(None, texts), *[""] * (len(request.files) - 1)]
    texts = texts or [""]
    return texts + [""] * _alone(request, texts)


def texts_of(request: SendRequest, plan: list[str]) -> list[str]:
    """The parts of a plan that are there for what they say, and not for a recording of it."""
    return [text for text in plan if text] if request.read_aloud else plan


def heard_behind(request: SendRequest, texts: list[str]) -> list[str]:
    """The contents of all messages where the recording of the texts follows them."""
    return [*texts, *[""] * len(request.files)] if request.read_aloud else texts


def files_of(request: SendRequest, plan: list[str], part: int) -> tuple[SendFile, ...]:
    """The files of a part."""
    if _shown_by_components(request):
        return request.files
    file = file_of(request, plan, part)
    return (file,) if file is not None else ()


def _shown_by_components(request: SendRequest) -> bool:
    """A message of components v2, which is one part with all there is."""
    return bool(request.flags & MessageFlags.IS_COMPONENTS_V2)


def file_of(request: SendRequest, plan: list[str], part: int) -> SendFile | None:
    """The file of a part, or none; where there are several, the first."""
    if not request.files:
        return None
    if _shown_by_components(request):
        return request.files[0]
    if request.post:
        thread = msgspec.structs.replace(request, post=False)
        return file_of(thread, plan[1:], part - 1) if part else None
    if request.read_aloud:  # a part without words is the recording; else it goes with the first
        return request.files[0] if part == (plan.index("") if "" in plan else 0) else None
    if is_voice(request) and part == 0:
        return request.files[0]
    alone = _alone(request, plan)
    first_alone = len(plan) - alone
    if part >= first_alone:
        return request.files[part - first_alone + len(request.files) - alone]
    return request.files[0] if part == 0 and alone < len(request.files) else None


def _alone(request: SendRequest, texts: list[str]) -> int:
    """How many files are messages of their own, behind the texts."""
    if is_voice(request):
        return len(request.files) - 1
    captioned_video = bool(texts[0].strip()) and is_video(request.files[0])
    return len(request.files) if captioned_video else len(request.files) - 1
