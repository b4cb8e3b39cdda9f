"""Reading what a model wrote: every mistake names its path, what stands there and what may."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from shoal.base.errors import RequestError
from shoal.base.foreign import read_json

__all__ = ["Reader", "SpecError"]

Choice = TypeVar("Choice", bound=str)

_COLOR = re.compile(r"#?([0-9a-fA-F]{6})")


class SpecError(RequestError):
    """What a caller asked for cannot be made. ``path`` says where: ``components.blocks[0].text``."""

    code = "components-invalid"
    misused = True

    def __init__(self, path: str, problem: str) -> None:
        """``problem`` goes on from the path: "cannot be empty"."""
        self.path = path
        super().__init__(f"{path} {problem}.")


class Reader:
    """One value of the description and where it stands."""

    def __init__(self, value: Any, path: str, asked: dict[str, set[str]] | None = None) -> None:
        """``asked``: path → members that were asked for, of the whole description."""
        self.value = value
        self.path = path
        self._asked: dict[str, set[str]] = {} if asked is None else asked

    @classmethod
    def of(cls, raw: Any, path: str) -> Reader:
        """What a caller gave: an object or a list, or its JSON text.

        Raises:
            SpecError: the text is no JSON.
        """
        if not isinstance(raw, str):
            return cls(raw, path)
        try:
            return cls(read_json(raw), path)
        except ValueError as error:
            raise SpecError(path, f"is no JSON ({error})") from None

    def ignored(self) -> tuple[str, ...]:
        """Paths of members nobody has asked for, once everything has been read: most are mistyped."""
        return tuple(self._ignored(self.value, self.path))

    def _ignored(self, value: Any, path: str) -> Iterator[str]:
        if isinstance(value, list | tuple):
            for index, inner in enumerate(value):
                yield from self._ignored(inner, f"{path}[{index}]")
        elif isinstance(value, Mapping) and path in self._asked:
            for name, inner in value.items():
                known = name in self._asked[path]
                yield from self._ignored(inner, f"{path}.{name}") if known else (f"{path}.{name}",)

    def fail(self, problem: str) -> SpecError:
        """The error for this value."""
        return SpecError(self.path, problem)

    def at(self, *names: str) -> Reader:
        """The member of the first of these names that is there; absent and null are the same."""
        values: Mapping[str, Any] = self.value
        self._asked.setdefault(self.path, set()).update(names)
        name = next((name for name in names if values.get(name) is not None), names[0])
        return Reader(values.get(name), f"{self.path}.{name}", self._asked)

    @property
    def absent(self) -> bool:
        """Nothing was written."""
        return self.value is None

    def object(self) -> Reader:
        """This value, which must be an object."""
        if not isinstance(self.value, Mapping):
            raise self.fail("must be an object")
        return self

    def items(self, most: int, *, least: int = 0, too_many: str | None = None) -> list[Reader]:
        """The entries of a list; an absent list is empty."""
        if self.value is None and least == 0:
            return []
        if not isinstance(self.value, Sequence) or isinstance(self.value, str | bytes):
            raise self.fail("must be an array")
        if len(self.value) < least:
            raise self.fail("cannot be empty" if least == 1 else f"needs at least {least} entries")
        if len(self.value) > most:
            raise self.fail(too_many or f"supports up to {most} entries")
        return [Reader(entry, f"{self.path}[{index}]", self._asked) for index, entry in enumerate(self.value)]

    def text(self, most: int, *, required: bool = False) -> str:
        """A string without white space at its ends."""
        if self.value is None and not required:
            return ""
        if isinstance(self.value, int) and not isinstance(self.value, bool):
            self.value = str(self.value)
        if not isinstance(self.value, str):
            raise self.fail("must be a string" if self.value is not None else "is required")
        text = self.value.strip()
        if required and not text:
            raise self.fail("cannot be empty")
        if len(text) > most:
            raise self.fail(f"has {len(text)} characters; at most {most} are possible")
        return text

    def flag(self, default: bool = False) -> bool:
        """A boolean."""
        if self.value is None:
            return default
        if not isinstance(self.value, bool):
            raise self.fail("must be true or false")
        return self.value

    def number(self, least: int, most: int) -> int | None:
        """An integer within bounds, if there is one."""
        if self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.fail("must be an integer")
        if not least <= self.value <= most:
            raise self.fail(f"must be between {least} and {most}")
        return self.value

    def choice(self, allowed: Sequence[Choice], default: Choice) -> Choice:
        """One of some words."""
        if self.value is None:
            return default
        word = str(self.value).strip().lower()
        for known in allowed:
            if word == known:
                return known
        raise self.fail(f"must be one of {', '.join(allowed)}")

    def users(self) -> tuple[str, ...]:
        """A list of users: ids, tags or ``*``."""
        return tuple(entry.text(100, required=True) for entry in self.items(100))

    def url(self, most: int = 512, *, attachments: bool = False) -> str:
        """An http(s) address, or (where that goes) ``attachment://<name>``."""
        text = self.text(most, required=True)
        schemes = ("https://", "http://", *(("attachment://",) if attachments else ()))
        if not text.startswith(schemes) or text in schemes:
            raise self.fail(f"must begin with {' or '.join(schemes)}")
        return text

    def color(self) -> int | None:
        """A colour as ``#RRGGBB`` or a number."""
        if self.value is None:
            return None
        if isinstance(self.value, int) and not isinstance(self.value, bool) and 0 <= self.value <= 0xFFFFFF:
            return self.value
        match = _COLOR.fullmatch(self.value.strip()) if isinstance(self.value, str) else None
        if match is None:
            raise self.fail("must be a colour like #5865F2")
        return int(match.group(1), 16)
