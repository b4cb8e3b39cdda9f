"""Routes: what a request is for rate limits and for messages to people.

Discord's real bucket is "bucket hash + top-level resource" (docs: topics/rate-limits). A
:class:`Route` therefore keeps the template, from which the learned hash follows, apart from
the *major* part: channel, guild, or webhook with its token. Tokens in a path are secrets:
they appear neither in a key, nor in a log, nor in an error.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import quote

__all__ = ["Route"]

_HOLE = re.compile(r"\{(\w+)\}")
_MAJOR = ("channel_id", "guild_id", "webhook_id", "application_id", "interaction_id")
_SECRET = ("webhook_token", "interaction_token")


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint with its values: ``Route("GET", "/channels/{channel_id}", channel_id="1")``.

    Attributes:
        method: upper case.
        template: path below the API base with ``{names}``; starts with ``/``.
        path: the path with every value percent-encoded (an emoji, too).
        key: short digest of method and template; what a learned bucket hash is filed under.
        major: top-level resource: ``c<id>``, ``g<id>``, ``w<id>`` or ``w<id>.<digest of token>``, else ``-``.
        exempt: outside the global limit (interaction callback and followup routes).
        tokenless: needs no ``Authorization`` because the path holds a token.
    """

    method: str
    template: str
    path: str = field(init=False, repr=False)
    key: str = field(init=False)
    major: str = field(init=False)
    exempt: bool = field(init=False)
    tokenless: bool = field(init=False)

    def __init__(self, method: str, template: str, /, **values: str | int) -> None:
        names = _HOLE.findall(template)
        missing = [name for name in names if name not in values]
        unknown = [name for name in values if name not in names]
        if missing or unknown:
            raise ValueError(f"{method} {template}: missing {missing}, unknown {unknown}")
        method = method.upper()
        put = object.__setattr__
        put(self, "method", method)
        put(self, "template", template)
        put(self, "path", _HOLE.sub(lambda hole: _segment(hole[1], str(values[hole[1]])), template))
        put(self, "key", _digest(f"{method} {template}"))
        put(self, "major", _major(template, names, values))
        put(self, "tokenless", any(name in _SECRET for name in names))
        put(self, "exempt", template.startswith("/interactions/") or _is_followup(template))

    def __str__(self) -> str:
        """``METHOD /template`` without values; safe everywhere."""
        return f"{self.method} {self.template}"


def _segment(name: str, value: str) -> str:
    if not value or value in (".", ".."):
        raise ValueError(f"{name} must not be {value!r}")
    return quote(value, safe="@:")


def _is_followup(template: str) -> bool:
    return template.startswith("/webhooks/{application_id}/{interaction_token}")


def _major(template: str, names: list[str], values: dict[str, str | int]) -> str:
    first = names[0] if names else ""
    if first not in _MAJOR or not re.match(r"/(channels|guilds|webhooks|interactions)/\{", template):
        return "-"
    letter = {"channel_id": "c", "guild_id": "g"}.get(first, "w")
    major = f"{letter}{re.sub(r'[^0-9a-z]', '', str(values[first]).lower())[:32]}"
    tokens = [str(values[name]) for name in names if name in _SECRET]
    return f"{major}.{_digest(tokens[0])}" if tokens else major
