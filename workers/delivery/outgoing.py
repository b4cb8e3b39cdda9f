"""A file that is to be sent: from the address or path somebody named to a blob (``spec/outbound.md`` 3.10).

Read at the checkpoint that pushes the send, so that what is sent is what was there then, and every retry has
the same bytes (rule R25). Addresses are fetched through the account's transport and its guard; paths
are opened by :func:`workers.media.paths.open_local` alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

import msgspec

from shoal.base.errors import ProxyError, RequestError, TransportError
from shoal.base.logging import get_logger
from shoal.discord.addresses import UrlRefused
from shoal.discord.errors import DiscordError, TooLarge
from shoal.discord.fetch import Limits, Policy
from shoal.state.blobs import MAX_BLOB, Blobs
from workers.delivery.records import TURN_ANSWER_MAX_AGE_S, SendFile, Voice
from workers.media.kinds import EXTENSIONS, HEAD_BYTES, OTHER, kind_of
from workers.media.paths import PathRefused, Places, open_local
from workers.media.receive import Download
from workers.media.recoding import recode
from workers.media.shrinking import ENDINGS, MOST, shrink
from workers.media.voice import MIME, NO_ADDRESS, VOICE_NAME, MadeVoice, VoiceError, is_address

__all__ = [
    "FileRefused",
    "FileTooLarge",
    "Outgoing",
    "Put",
    "Raw",
    "distinct",
    "fetch_file",
    "file_name",
    "fitting",
    "is_url",
    "keep_file",
    "keep_voice",
    "too_large",
    "upload_limit",
]

MIB = 1024 * 1024
IDLE_S = 15.0
TOTAL_S = 90.0
BLOB_TTL_S = TURN_ANSWER_MAX_AGE_S + 600
MAX_NAME = 100
_TIERS = {0: 10, 1: 10, 2: 50, 3: 100}
"""Upload limits in MiB by the server's boost level."""
_URL = re.compile(r"https?://", re.IGNORECASE)
_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\:*?\"<>|\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


log = get_logger(__name__)

Put = Callable[[bytes, int], str]
"""Keeps bytes for so many seconds and names them: :meth:`shoal.state.blobs.Blobs.put`."""


class FileRefused(RequestError):
    """A file that is not sent; the message is for the model or the user and names no folder of ours."""

    code = "file-refused"
    misused = True


class FileTooLarge(FileRefused):
    """It has more bytes than it may; :func:`too_large` says how many those are."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A file as it was read.

    Attributes:
        ending: what its name must end in, where it has become another kind of file.
    """

    data: bytes
    name: str
    mime: str
    ending: str = ""


class _Memory:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.data = bytearray()

    def restart(self) -> None:
        self.data.clear()

    def write(self, data: bytes) -> None:
        self.data += data


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Reads files for one conversation.

    Attributes:
        account: for the audit trail.
        places: local folders whose files may be sent.
        download: through the account's transport.
        own: whether an address is Discord's file server.
        max_bytes: ``mediaMaxMb``.
        tier: boost level of the server, if the conversation is in one and it is known.
    """

    account: str
    places: Places
    download: Download
    own: Callable[[str], bool]
    blobs: Blobs
    max_bytes: int
    tier: int | None = None

    def load(self, source: str, *, filename: str = "", check: Callable[[], None] = lambda: None) -> SendFile:
        """The file at an address or path, as a blob.

        Args:
            filename: what it is called on Discord; else what it is called where it comes from.
            check: called between pieces; what it raises ends the reading.

        Raises:
            FileRefused: it cannot be sent; the message says why and what the limit is.
        """
        raw = self.read(source, check=check)
        return self.keep(raw, filename=filename)

    def load_voice(self, source: str, *, check: Callable[[], None] = lambda: None) -> SendFile:
        """The recording at a path, made a voice message, as a blob (3.15, decision 36).

        It is read from the disk while it is converted, so it may be larger than what is sent.

        Raises:
            FileRefused: it is an address, or no voice message can be made of it; names the step.
        """
        source = source.strip()
        if is_address(source):
            raise FileRefused(NO_ADDRESS, fix="Save it into the workspace first.")
        try:
            with open_local(source, self.places, max_bytes=self.max_bytes, account=self.account) as local:
                made = recode(local.file, check=check)
        except PathRefused as refusal:
            if refusal.reason == "too-large":
                raise too_large(self.max_bytes, "channels.discord.mediaMaxMb") from None
            raise FileRefused(refusal.message, fix=refusal.fix) from None
        except VoiceError as error:
            raise FileRefused(
                f"No voice message can be made of it (step {error.step}): {error.message}", fix=error.fix
            ) from None
        return self.keep_voice(made)

    def keep_voice(self, made: MadeVoice) -> SendFile:
        """A voice message that was made, as a blob.

        Raises:
            FileRefused: it is too large for this place.
        """
        most, whose = self._limit()
        if len(made.data) > most:
            raise too_large(most, whose)
        return keep_voice(self.blobs.put, made)

    def keep(self, raw: Raw, *, filename: str = "") -> SendFile:
        """A file that was read, as a blob."""
        return keep_file(self.blobs.put, raw, filename=filename)

    def read(
        self,
        source: str,
        *,
        kinds: Sequence[str] = (),
        check: Callable[[], None] = lambda: None,
        limit: tuple[int, str] | None = None,
    ) -> Raw:
        """The bytes of a file. Raises as :meth:`load`. A picture that is too large is made smaller (3.10).

        Args:
            limit: bytes it may have and who says so, where it is not to be a file of a message.
        """
        source = source.strip()
        most, whose = limit or self._limit()

        def bounded(most: int) -> Raw:
            return self._read(source, most, whose, kinds, check)

        return bounded(most) if limit is not None else fitting(source, most, bounded, check)

    def _read(
        self, source: str, most: int, whose: str, kinds: Sequence[str], check: Callable[[], None]
    ) -> Raw:
        try:
            if is_url(source):
                return fetch_file(source, self.download, self.own, (most, whose), check)
            return self._open(source, most, kinds)
        except PathRefused as refusal:
            if refusal.reason == "too-large":
                raise too_large(most, whose) from None
            raise FileRefused(refusal.message, fix=refusal.fix) from None

    def _limit(self) -> tuple[int, str]:
        """The smallest of the limits, and whose it is."""
        limits = [(self.max_bytes, "channels.discord.mediaMaxMb"), (MAX_BLOB, "Shoal's largest upload")]
        if self.tier is not None:
            limits.append((upload_limit(self.tier), "this server's upload limit"))
        return min(limits)

    def _open(self, path: str, most: int, kinds: Sequence[str]) -> Raw:
        with open_local(path, self.places, max_bytes=most, kinds=kinds, account=self.account) as local:
            data = local.file.read(most + 1)
        if len(data) > most:  # it grew since it was measured
            raise PathRefused("too-large")
        return Raw(data, local.name, local.mime)


def is_url(source: str) -> bool:
    """Whether a source is an address and no path."""
    return _URL.match(source.strip()) is not None


def fitting(
    source: str, most: int, read: Callable[[int], Raw], check: Callable[[], None] = lambda: None
) -> Raw:
    """The file at an address or path in at most ``most`` bytes: a picture that has more is made smaller.

    Args:
        read: reads it, where it has at most so many bytes.
        check: called while a picture is made smaller; what it raises ends that.

    Raises:
        FileTooLarge: it has more, and is no picture or cannot be made so small. What ``read`` raises.
    """
    try:
        return read(most)
    except FileTooLarge:
        small = _smaller(source, most, read, check)
        if small is None:
            raise
        return small


def _smaller(source: str, most: int, read: Callable[[int], Raw], check: Callable[[], None]) -> Raw | None:
    if not urlsplit(source).path.lower().endswith(ENDINGS):
        return None
    try:
        whole = read(MOST)
    except FileTooLarge:
        return None
    made = shrink(whole.data, whole.mime, most, check=check)
    if made is None:
        return None
    data, mime = made
    log.info("a picture was made smaller to fit", before=len(whole.data), after=len(data), most=most)
    return Raw(data, whole.name, mime, ending=EXTENSIONS[mime][0])


def fetch_file(
    url: str,
    download: Download,
    own: Callable[[str], bool],
    limit: tuple[int, str],
    check: Callable[[], None] = lambda: None,
) -> Raw:
    """The file at an address, through the account's transport and its guard.

    Args:
        own: whether an address is Discord's file server.
        limit: bytes it may have, and who says so.

    Raises:
        FileRefused: it cannot be fetched, or is too large.
    """
    most, whose = limit
    sink = _Memory()
    policy: Policy = "cdn" if own(url) else "public"
    try:
        came = download(url.strip(), sink, Limits(most, IDLE_S, TOTAL_S), policy=policy, check=check)
    except TooLarge as error:
        if error.status:  # the server's own word about the request
            raise FileRefused(f"The file cannot be fetched: {error.message}") from None
        raise too_large(most, whose) from None
    except (DiscordError, TransportError, ProxyError, UrlRefused) as error:
        raise FileRefused(f"The file cannot be fetched: {error.message}") from None
    if not sink.data:
        raise FileRefused("The file at this address is empty.")
    data = bytes(sink.data)
    name = PurePosixPath(unquote(urlsplit(came.url).path)).name
    return Raw(data, name, kind_of(data[:HEAD_BYTES], came.content_type))


def keep_file(put: Put, raw: Raw, *, filename: str = "") -> SendFile:
    """A file as a record names it; ``put`` keeps its bytes.

    Args:
        filename: what it is called on Discord; else what it is called where it comes from.
    """
    wanted = filename or raw.name
    if raw.ending:
        wanted = f"{wanted.rpartition('.')[0] or wanted}.{raw.ending}"
    return SendFile(put(raw.data, BLOB_TTL_S), file_name(wanted, raw.mime), raw.mime)


def distinct(files: Sequence[SendFile]) -> tuple[SendFile, ...]:
    """Files under names that are all different: components call them by these."""
    taken: set[str] = set()
    found = []
    for file in files:
        name, number = file.filename, 1
        while name in taken:
            number += 1
            stem, dot, ending = file.filename.rpartition(".")
            name = f"{stem or ending}-{number}{dot and f'.{ending}'}"
        taken.add(name)
        found.append(msgspec.structs.replace(file, filename=name))
    return tuple(found)


def keep_voice(put: Put, made: MadeVoice) -> SendFile:
    """A voice message as a record names it; ``put`` keeps its bytes."""
    return SendFile(put(made.data, BLOB_TTL_S), VOICE_NAME, MIME, voice=Voice(made.seconds, made.waveform))


def upload_limit(tier: int) -> int:
    """Bytes that one file may have on a server of this boost level."""
    return _TIERS.get(tier, 10) * MIB


def file_name(wanted: str, mime: str) -> str:
    """A name Discord takes: one word without folders; ``upload`` with the usual ending if there is none."""
    ending = EXTENSIONS.get(mime, ())[:1]
    name = _UNFIT.sub("", wanted.strip().rpartition("/")[2]).strip(". ")
    name = re.sub(r"\s+", "_", name)
    if not name:
        return f"upload.{ending[0]}" if ending else "upload"
    stem, dot, tail = name.rpartition(".")
    if not dot and ending and mime != OTHER:
        stem, dot, tail = name, ".", ending[0]
    if not dot:
        return name[:MAX_NAME]
    return f"{stem[: MAX_NAME - len(tail) - 1]}.{tail[:20]}"


def too_large(most: int, whose: str) -> FileTooLarge:
    """The refusal of a file with more than ``most`` bytes; ``whose`` limit it is."""
    return FileTooLarge(
        f"The file exceeds the {most / MIB:g} MB limit ({whose}).",
        fix="Send a smaller file, or a link to it.",
    )
