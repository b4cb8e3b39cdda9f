"""Receiving the files of one message: each is fetched to disk, and its words are written down if it is heard.

Done as soon as the message was let in, since signed addresses end (``spec/inbound.md`` 6.11.9). What came of
each file is a fact in Redis; nothing here decides about the message. Doing all of it twice is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from shoal.base.audit import audit
from shoal.base.clock import Clock, SystemClock
from shoal.base.errors import ShoalError, StateError
from shoal.base.ids import MessageId, new_token
from shoal.base.logging import get_logger
from shoal.discord.fetch import Fetched, Limits, Policy, Sink
from shoal.state.media import Heard, Media, Saved
from workers.media.files import file_key
from workers.media.kinds import is_audio
from workers.media.shelf import Shelf
from workers.media.words import word_of
from workers.sessions.records import Attachment

__all__ = ["Download", "Interrupted", "Received", "Receiver", "Transcribe"]

IDLE_S = 60.0
TOTAL_S = 120.0
MAX_RECORDINGS = 4
"""Recordings of one message that are transcribed; each may cost money."""
CLAIM_EVERY_S = 2.0

log = get_logger(__name__)


class Interrupted(ShoalError):
    """This process is leaving; another one will do it."""

    code = "interrupted"
    retryable = True


class Download(Protocol):
    """Fetches a URL into a sink, as :meth:`shoal.discord.fetch.Fetcher.fetch` does."""

    def __call__(
        self, url: str, sink: Sink, limits: Limits, *, policy: Policy, check: Callable[[], None] | None = None
    ) -> Fetched:
        """What came."""
        ...


class Transcribe(Protocol):
    """Writes down what is said in a file. Never raises for a recording's sake: the error is in the answer."""

    def __call__(self, path: Path, mime: str, *, check: Callable[[], None]) -> Heard:
        """The words, or why there are none."""
        ...


@dataclass(frozen=True, slots=True)
class Received:
    """What came of a message's files; ``summary`` is for Flower."""

    fetched: int = 0
    failed: int = 0
    heard: int = 0
    others: int = 0
    """Files that were there already."""
    open: int = 0
    """Files that somebody else fetches or hears: more will be known. He may have died: ask again."""

    @property
    def summary(self) -> str:
        """``2 fetched · 1 failed``."""
        counts = {"fetched": self.fetched, "failed": self.failed, "heard": self.heard, "known": self.others}
        counts["in hand"] = self.open
        return " · ".join(f"{number} {what}" for what, number in counts.items() if number) or "no files"


@dataclass(slots=True)
class Receiver:
    """Receives files of one account on one host.

    Attributes:
        download: through the account's transport.
        transcribe: none if recordings are not transcribed.
        max_bytes: ``mediaMaxMb``.
        stopping: asked often; true once the process wants to leave.
        fresh: (channel, message) → new addresses of its files by id, where the old ones have ended.
    """

    account: str
    host: str
    media: Media
    shelf: Shelf
    download: Download
    max_bytes: int
    transcribe: Transcribe | None = None
    stopping: Callable[[], bool] = lambda: False
    fresh: Callable[[str, MessageId], Mapping[str, str]] | None = None
    clock: Clock = field(default_factory=SystemClock)
    owner: str = field(default_factory=new_token)

    def receive(self, channel_id: str, message_id: str, files: Sequence[Attachment]) -> Received:
        """Fetch and hear the files of a message.

        Args:
            files: its own, forwarded ones, and those of the message it answers.

        Raises:
            Interrupted: the process is leaving; what is done is done.
            StoreUnavailable: Redis is away.
        """
        ends = self.clock.monotonic() + TOTAL_S
        items = [item for item in files if item.url]
        facts = self.media.facts(self.account, [file_key(item) for item in items])
        fetched = failed = others = in_hand = 0
        for item in items:
            known = facts[file_key(item)].saved.get(self.host)
            if known is not None and (known.error or Path(known.path).is_file()):
                others += 1
                continue
            if not self.media.claim(self.account, file_key(item), self.host, self.owner):
                in_hand += 1
                continue
            saved = self._fetch(channel_id, message_id, item, ends)
            fetched, failed = fetched + (not saved.error), failed + bool(saved.error)
        heard, unheard = self._hear(items)
        return Received(fetched, failed, heard, others, in_hand + unheard)

    # -- fetching ------------------------------------------------------------------------------------

    def _fetch(self, channel_id: str, message_id: str, item: Attachment, ends: float) -> Saved:
        key = file_key(item)
        try:
            saved = self._first(item, ends)
            if saved.error == "expired" and self.fresh is not None and item.id:
                again = self.fresh(channel_id, MessageId(message_id)).get(item.id, "")
                if again and again != item.url:
                    saved = self._one(again, item, ends)
            self.media.save(self.account, key, self.host, saved)
            return saved
        finally:
            self.media.release(self.account, key, self.host)

    def _first(self, item: Attachment, ends: float) -> Saved:
        """The first of a file's addresses that leads to something."""
        saved = Saved(error="no-address")
        for url in (item.url, *item.alternatives):
            saved = self._one(url, item, ends)
            if not saved.error:
                return saved
        return saved

    def _one(self, url: str, item: Attachment, ends: float) -> Saved:
        left = ends - self.clock.monotonic()
        try:
            if item.size > self.max_bytes:
                return self._refused(url, "too-large")
            if left <= 0:
                return self._refused(url, "too-slow")
            name = item.filename if url == item.url else urlsplit(url).path.rpartition("/")[2]
            with self.shelf.open(name, item.content_type, expected=item.size) as writing:
                fetched = self.download(
                    url,
                    writing,
                    Limits(self.max_bytes, min(IDLE_S, left), left),
                    policy="cdn",
                    check=self._checker(file_key(item), self.host),
                )
                if not fetched.size:
                    return self._refused(url, "empty")
                kept = writing.keep(fetched.content_type)
        except (Interrupted, StateError):
            raise
        except (ShoalError, OSError) as error:
            log.warning("a file was not fetched", account=self.account, file=file_key(item), error=error)
            return self._refused(url, word_of(error))
        log.info(
            "a file was fetched", account=self.account, file=file_key(item), mime=kept.mime, size=kept.size
        )
        return Saved(str(kept.path), kept.mime, kept.size, kept.sha256, at_ms=int(self.clock.now() * 1000))

    def _refused(self, url: str, word: str) -> Saved:
        if word != "refused":  # that one is in the trail already
            audit("media", word, account=self.account, host=urlsplit(url).hostname or "")
        return Saved(error=word, at_ms=int(self.clock.now() * 1000))

    def _checker(self, key: str, what: str) -> Callable[[], None]:
        """Called between pieces: may we go on, and do others know that we do? ``what`` was claimed."""
        renewed = self.clock.monotonic()

        def check() -> None:
            nonlocal renewed
            if self.stopping():
                raise Interrupted("The process is leaving.")
            now = self.clock.monotonic()
            if now - renewed > CLAIM_EVERY_S:
                renewed = now
                self.media.claim(self.account, key, what, self.owner)

        return check

    # -- hearing -------------------------------------------------------------------------------------

    def _hear(self, items: list[Attachment]) -> tuple[int, int]:
        """Write down the recordings that are here and that nobody has heard.

        Returns:
            The number of them, and of those that somebody else is listening to.
        """
        heard = in_hand = 0
        for key, saved in self._recordings(items):
            if self.transcribe is None:
                break
            if heard >= MAX_RECORDINGS:
                self.media.hear(self.account, key, Heard(error="too-many"))
                continue
            if not self.media.claim(self.account, key, "speech", self.owner):
                in_hand += 1
                continue
            try:
                words = self.transcribe(Path(saved.path), saved.mime, check=self._checker(key, "speech"))
                self.media.hear(self.account, key, words)
            finally:
                self.media.release(self.account, key, "speech")
            heard += not words.error
        return heard, in_hand

    def _recordings(self, items: list[Attachment]) -> Iterator[tuple[str, Saved]]:
        keys = [file_key(item) for item in items]
        facts = self.media.facts(self.account, keys)
        for key in keys:
            saved = facts[key].saved.get(self.host)
            if saved is not None and saved.path and is_audio(saved.mime) and facts[key].heard is None:
                yield key, saved
