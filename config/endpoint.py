"""Which server is Discord: the real one, or one that speaks like it (decision 55)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from config.paths import env_value
from shoal.base.errors import ConfigIssue
from shoal.base.net import is_loopback

__all__ = ["api_url", "pluralkit_url"]


def api_url(env: Mapping[str, str], issues: list[ConfigIssue]) -> str | None:
    """``SHOAL_DISCORD_API_URL``: REST base of a Discord-compatible server, version included (decision 55)."""
    name = "SHOAL_DISCORD_API_URL"
    text = env_value(env, "DISCORD_API_URL")
    if text is None:
        name = "DISCORD_API_URL"
        text = env.get(name, "").strip() or None
    like = '"https://discord.example/api/v10" or "http://127.0.0.1:8080/api/v10"'
    return _checked(name, text, like, issues)


def pluralkit_url(env: Mapping[str, str], issues: list[ConfigIssue]) -> str | None:
    """``SHOAL_PLURALKIT_API_URL``: base of another PluralKit API, version included; for tests and mirrors."""
    like = '"https://api.pluralkit.me/v2" or "http://127.0.0.1:8080/pluralkit/v2"'
    return _checked("SHOAL_PLURALKIT_API_URL", env_value(env, "PLURALKIT_API_URL"), like, issues)


def _checked(name: str, text: str | None, like: str, issues: list[ConfigIssue]) -> str | None:
    """A base URL of the environment: https, or http on loopback; no credentials, no query."""
    if text is None:
        return None
    problem = ""
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        if parts.scheme not in {"http", "https"} or not host:
            problem = "this is no http or https URL"
        elif parts.username is not None or parts.password is not None:
            problem = "the URL must hold no credentials"
        elif parts.query or parts.fragment:
            problem = "the URL must hold no query"
        elif parts.scheme == "http" and not is_loopback(host):
            problem = "plain http is for loopback only"
        elif parts.port == 0:
            problem = "port 0 is no port"
    except ValueError:
        problem = "this is no URL"
    if problem:
        issues.append(ConfigIssue(f"env:{name}", problem, allowed=f"like {like}"))
        return None
    return text.rstrip("/")
