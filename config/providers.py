"""Model providers: the built-in ones, and what ``models.providers`` says of them and of others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from config.agents import ProviderConfig
from config.places import KeyPath, show_path
from config.schema.models import ModelProvider
from config.schema.root import Root
from config.schema.secrets import SecretRef
from config.secrets import Secrets, SecretUnavailable
from shoal.base.errors import ConfigError, ConfigIssue
from shoal.base.proxy import Proxy, parse_proxy

__all__ = ["BUILT_IN", "OPENAI_APIS", "Providers", "resolve_providers", "takes_pictures", "variable_of"]

BUILT_IN = {"openai": "openai-completions", "anthropic": "anthropic-messages"}
"""Providers that need no entry: a key in the environment is enough."""

OPENAI_APIS = frozenset({"openai-completions", "openai-responses", "openai"})
"""Values of ``api`` that mean an OpenAI-compatible server."""

SILENCE_SECONDS = 120.0

_WITH_EYES = {
    "openai": re.compile(r"(gpt-4o|gpt-4\.1|gpt-4\.5|gpt-5|chatgpt-4o|o1(?!-mini)|o3(?!-mini)|o4)"),
    "anthropic": re.compile(r"claude-(?!2|instant)"),
}
_WITHOUT = re.compile(r"-(audio|realtime|transcribe|tts|search|codex)\b")


@dataclass
class Providers:
    """What came of the providers."""

    providers: dict[str, ProviderConfig] = field(default_factory=dict)
    issues: list[ConfigIssue] = field(default_factory=list)
    warnings: list[ConfigIssue] = field(default_factory=list)


def takes_pictures(provider: ProviderConfig | None, model: str) -> bool:
    """Whether a model may be shown pictures: as ``input`` of its entry says; of models without an entry at
    OpenAI's and Anthropic's own addresses, as their names say."""
    if provider is None:
        return False
    listed = provider.inputs.get(model)
    if listed is not None:
        return "image" in listed
    known = _WITH_EYES.get(provider.id) if provider.base_url is None else None
    return known is not None and known.match(model) is not None and not _WITHOUT.search(model)


def variable_of(provider: str, what: str) -> str:
    """The environment variable of a provider: ``API_KEY`` of ``my-host`` is ``MY_HOST_API_KEY``."""
    stem = provider.upper().replace("-", "_").replace(".", "_")
    return f"{stem}_{what}"


def resolve_providers(root: Root, env: Mapping[str, str], secrets: Secrets) -> Providers:
    """All providers. A key that does not resolve is a warning: only turns that need it fail."""
    result = Providers()
    written = root.models.providers
    names = dict.fromkeys([*([] if root.models.mode == "replace" else BUILT_IN), *written])
    secrets.prefetch(
        value
        for provider in written.values()
        for value in (provider.api_key, *provider.headers.values(), *provider.request.headers.values())
        if isinstance(value, SecretRef)
    )
    for name in names:
        result.providers[name] = _provider(
            name, written.get(name) or ModelProvider(), root, env, secrets, result
        )
    return result


def _provider(
    name: str, written: ModelProvider, root: Root, env: Mapping[str, str], secrets: Secrets, result: Providers
) -> ProviderConfig:
    path: KeyPath = ("models", "providers", name)
    key, no_key = _key(written, path, env.get(variable_of(name, "API_KEY"), ""), secrets, result)
    headers, no_header = _headers(written, path, secrets, result)
    base_url = _base_url(name, written, path, env.get(variable_of(name, "BASE_URL"), ""), result)
    api = written.api or next((model.api for model in written.models if model.api), None)
    return ProviderConfig(
        id=name,
        api=api or BUILT_IN.get(name, "openai-completions"),
        base_url=base_url.rstrip("/") if base_url else None,
        api_key=key,
        headers=headers,
        timeout_seconds=written.timeout_seconds or SILENCE_SECONDS,
        models=tuple(model.id for model in written.models),
        inputs={model.id: tuple(model.input) for model in written.models if model.input is not None},
        proxy=_proxy(written, root, path, result),
        problem=no_key or no_header,
    )


def _key(
    written: ModelProvider, path: KeyPath, of_environment: str, secrets: Secrets, result: Providers
) -> tuple[SecretStr | None, str]:
    """The key, and why there is none although one was meant."""
    try:
        key = secrets.plain(written.api_key)
        if key is None and written.api_key is None:
            key = secrets.plain(SecretStr(of_environment))
    except SecretUnavailable as error:
        result.warnings.append(ConfigIssue(show_path((*path, "apiKey")), error.message, hint=error.fix))
        return None, error.message
    return key, ""


def _headers(
    written: ModelProvider, path: KeyPath, secrets: Secrets, result: Providers
) -> tuple[dict[str, SecretStr], str]:
    """The headers that can be had, and why the first of the others cannot."""
    headers: dict[str, SecretStr] = {}
    problem = ""
    for header, value in {**written.headers, **written.request.headers}.items():
        try:
            text = secrets.plain(value)
        except SecretUnavailable as error:
            problem = problem or error.message
            place = show_path((*path, "headers", header))
            result.warnings.append(ConfigIssue(place, error.message, hint=error.fix))
            continue
        if text is not None:
            headers[header] = text
    return headers, problem


def _base_url(
    name: str, written: ModelProvider, path: KeyPath, of_environment: str, result: Providers
) -> str | None:
    """The address as written, else of the environment for a built-in provider; ``None`` is its own."""
    base_url = written.base_url
    if base_url is None and name in BUILT_IN:
        base_url = of_environment.strip() or None
    problem: tuple[KeyPath, str] | None = None
    if base_url is None and name not in BUILT_IN:
        problem = path, "a provider that is not built in needs baseUrl"
    elif base_url is not None and not base_url.startswith(("http://", "https://")):
        problem = (*path, "baseUrl"), "this is no http or https URL"
    if problem is not None:
        place, what = problem
        result.issues.append(ConfigIssue(show_path(place), what, allowed='like "https://host/v1"'))
    return base_url


def _proxy(written: ModelProvider, root: Root, path: KeyPath, result: Providers) -> Proxy | None:
    for url, place in (
        (written.request.proxy, (*path, "request", "proxy")),
        (root.models.proxy, ("models", "proxy")),
    ):
        text = url.get_secret_value().strip() if url is not None else ""
        if not text:
            continue
        shown = show_path(place)
        try:
            return parse_proxy(text, source=f"config:{shown}")
        except ConfigError as error:
            issue = ConfigIssue(shown, error.message.removeprefix(f"{shown}: ").rstrip("."), hint=error.fix)
            if str(issue) not in {str(known) for known in result.issues}:
                result.issues.append(issue)
            return None
    return None
