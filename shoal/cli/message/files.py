"""Files an operator names: an address, or any file of this machine."""

from __future__ import annotations

from pathlib import Path

from shoal.discord.rest import Rest
from workers.delivery.outgoing import FileRefused, Raw, fetch_file, is_url, too_large
from workers.media.kinds import HEAD_BYTES, kind_of

__all__ = ["Reader"]


class Reader:
    """Reads files for one account; addresses go through its transport and the guard.

    It is a :class:`workers.actions.base.ReadFile`.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def __call__(self, source: str, *, most: int, whose: str) -> Raw:
        """The file at an address or path; ``~`` is the operator's home.

        Raises:
            FileRefused: there is none, it is too large, or cannot be fetched.
        """
        if not is_url(source):
            return _local(source, most, whose)
        transport = self._rest.transport
        return fetch_file(source, transport.files.fetch, transport.origins.is_file, (most, whose))


def _local(source: str, most: int, whose: str) -> Raw:
    path = Path(source.removeprefix("file://")).expanduser()
    if not path.is_file():
        raise FileRefused(
            f"There is no file {source!r}.", fix="--media takes a URL or a file of this machine."
        )
    try:
        with path.open("rb") as file:
            data = file.read(most + 1)
    except OSError as error:
        raise FileRefused(f"The file {source!r} cannot be read: {error.strerror}.") from None
    if len(data) > most:
        raise too_large(most, whose)
    return Raw(data, path.name, kind_of(data[:HEAD_BYTES]))
