"""Reading the config: from a path to :class:`~config.loaded.Loaded`, or to every problem at once.

Steps: environment and ``.env`` files → paths → JSON5 with includes → ``${VAR}`` → old
shapes → schema → accounts, agents, providers, Redis. Problems are collected over all steps.
Where the schema finds errors, the parts that are wrong are left out and the rest is still
looked at, so that one run shows everything.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr, ValidationError

from config.agents import resolve_agents
from config.audio import resolve_audio
from config.checks import cross_checks
from config.document import Document, read_document
from config.environment import config_env, read_dotenv, substitute
from config.issues import MISSING, Findings, as_written, describe, line_at, unknown_key
from config.legacy import Modernised, modernise
from config.loaded import Loaded, RedisSettings
from config.paths import Paths, env_value, find_paths
from config.places import KeyPath, parse_path, show_path
from config.providers import resolve_providers
from config.resolve import resolve_accounts
from config.schema.root import QUIET, UNSERVED, Channels, Root
from config.schema.walk import models_at
from config.secrets import Secrets, SecretUnavailable
from config.speech import resolve_speech
from shoal.base.errors import ConfigError, ConfigIssue
from shoal.base.redact import redactor

__all__ = ["load", "validate_file"]

Json = dict[str, Any]
_REDIS_SCHEMES = {"redis", "rediss", "unix", "sentinel"}


def load(
    path: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    state_dir: Path | None = None,
    allow_exec: bool = True,
) -> Loaded:
    """Read the config.

    Args:
        path: the file; without it ``SHOAL_CONFIG_PATH``, else ``shoal.json`` in the state dir. A missing file
            means defaults.
        env: the environment; without it that of the process, over ``.env`` of the current folder.
        state_dir: without it ``SHOAL_STATE_DIR``, else ``~/.shoal``. Its ``.env`` is read in any case.
        allow_exec: whether ``exec`` secret providers may be run.

    Raises:
        ConfigError: the config cannot be used; ``issues`` holds every problem.
    """
    issues, _, loaded, where = _load(path, env, state_dir, allow_exec=allow_exec)
    if loaded is None or issues:
        count = "one problem" if len(issues) == 1 else f"{len(issues)} problems"
        raise ConfigError(f"The config {where} cannot be used; it has {count}:", tuple(issues))
    return loaded


def validate_file(
    path: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    state_dir: Path | None = None,
    allow_exec: bool = False,
) -> tuple[list[ConfigIssue], list[ConfigIssue], Loaded | None]:
    """What :func:`load` would say, without raising: ``(issues, warnings, loaded or None)``.

    Programs of ``exec`` secret providers are not run unless asked for.
    """
    issues, warnings, loaded, _ = _load(path, env, state_dir, allow_exec=allow_exec)
    return issues, warnings, None if issues else loaded


@dataclass
class _State:
    issues: list[ConfigIssue] = field(default_factory=list)
    warnings: list[ConfigIssue] = field(default_factory=list)
    unserved: list[str] = field(default_factory=list)


def _load(
    path: Path | None, env: Mapping[str, str] | None, state_dir: Path | None, *, allow_exec: bool
) -> tuple[list[ConfigIssue], list[ConfigIssue], Loaded | None, Path]:
    state = _State()
    paths, variables = _environment(path, env, state_dir, state)
    exists = paths.config.exists()
    document = read_document(paths.config, roots=[paths.state_dir]) if exists else Document(digest="defaults")
    if not exists and (path is not None or env_value(variables, "CONFIG_PATH")):
        state.warnings.append(ConfigIssue("", f"there is no file {paths.config}; defaults apply"))
    state.issues += document.issues
    state.warnings += document.warnings
    if document.issues and not document.data:
        return state.issues, state.warnings, None, paths.config
    variables = {**config_env(document.data), **variables}
    data = _substituted(document, variables, state)
    modern = modernise(data)
    state.warnings += modern.warnings
    root, pruned = _validated(modern, document, state)
    if root is None:
        return state.issues, state.warnings, None, paths.config
    _list_unserved(modern.data, state)
    loaded = _assemble(
        root, modern, document, paths, variables, state, pruned, exists=exists, allow_exec=allow_exec
    )
    return state.issues, state.warnings, loaded, paths.config


def _environment(
    path: Path | None, env: Mapping[str, str] | None, state_dir: Path | None, state: _State
) -> tuple[Paths, dict[str, str]]:
    """Paths and variables; the process beats ``.env`` of the current folder beats that of the state dir."""
    variables = dict(os.environ if env is None else env)
    if env is None:
        here, issues = read_dotenv(Path.cwd() / ".env")
        state.warnings += issues
        variables = {**here, **variables}
    paths = find_paths(variables, path=path, state_dir=state_dir)
    there, issues = read_dotenv(paths.dotenv)
    state.warnings += issues
    variables = {**there, **variables}
    return find_paths(variables, path=path, state_dir=paths.state_dir), variables


_SET_IT = "set it (the file .env in the state dir will do), or write $$"


def _substituted(document: Document, env: Mapping[str, str], state: _State) -> Json:
    """The data with variables filled in; sections without effect stay as they are."""
    missing: dict[KeyPath, list[str]] = {}
    data = {
        key: value if key in UNSERVED else substitute(value, env, (key,), missing)
        for key, value in document.data.items()
    }
    for path, names in missing.items():
        where = document.lines.get(path, "")
        for name in names:
            state.issues.append(
                ConfigIssue(
                    show_path(path),
                    f"the environment variable {name} is not set",
                    found=f"${{{name}}}",
                    hint="; ".join(
                        part for part in (f"{_SET_IT}{{{name}}} for the text itself", where) if part
                    ),
                )
            )
    for path, digits in document.long_numbers.items():
        if path[0] in UNSERVED:
            continue
        where = document.lines.get(path, "")
        state.issues.append(
            ConfigIssue(
                show_path(path),
                "this id is too long to be a number and would lose its last digits",
                found=digits[:40],
                code="id-lost-digits",
                hint="; ".join(part for part in (f'put it in quotes: "{digits[:40]}"', where) if part),
            )
        )
    return data


def _validated(modern: Modernised, document: Document, state: _State) -> tuple[Root | None, list[KeyPath]]:
    """The schema's verdict. Wrong parts are cut out and what is left is validated again.

    Returns:
        The root (of what is right) and the paths that were cut out.
    """
    pruned: list[KeyPath] = []
    findings = Findings()
    _foreign_keys(modern.data, document, findings)
    root: Root | None = None
    for _ in range(20):
        try:
            root = Root.model_validate(modern.data)
            break
        except ValidationError as error:
            details = error.errors(include_url=False)
            found = describe(details, modern.data, lines=document.lines, moved=modern.moved)
            known = {issue.path for issue in findings.issues}
            # a key that is missing now because it was wrong before has been reported
            findings.issues += [
                issue
                for issue in found.issues
                if issue.path not in known and not (issue.message == MISSING and _follows(issue, pruned))
            ]
            findings.warnings += found.warnings
            if not found.paths or () in found.paths:
                break
            for path in sorted(set(found.paths), key=_deep_and_late_first, reverse=True):
                pruned.append(as_written(path, modern.moved))
                _cut(modern, path)
    said = {issue.path for issue in state.issues}
    state.issues += [issue for issue in findings.issues if issue.path not in said]
    state.warnings += findings.warnings
    return root, pruned


def _deep_and_late_first(path: KeyPath) -> tuple[int, list[tuple[int, str]]]:
    return len(path), [(part, "") if isinstance(part, int) else (-1, part) for part in path]


def _cut(modern: Modernised, path: KeyPath) -> None:
    """Remove a value; of a required key the object around it goes. Later list items keep their old names."""
    *way, last = path
    box: Any = modern.data
    for part in way:
        try:
            box = box[part]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(box, dict):
        if last in box:
            del box[last]
        elif way:
            _cut(modern, tuple(way))
    elif isinstance(box, list) and isinstance(last, int) and last < len(box):
        for index in range(last + 1, len(box)):
            modern.moved[(*way, index - 1)] = as_written((*way, index), modern.moved)
        del box[last]


def _foreign_keys(data: Json, document: Document, findings: Findings) -> None:
    """Root keys and channels we do not know: kept, unless they look like a slip of one we serve."""
    for key in list(data):
        if key in UNSERVED or key in _served(Root):
            continue
        if unknown_key(findings, (key,), data[key], document.lines, known=_served(Root)):
            del data[key]
    channels = data.get("channels")
    if not isinstance(channels, dict):
        return
    for key in list(channels):
        if key in _served(Channels):
            continue
        looks_right = isinstance(channels[key], dict)
        if unknown_key(
            findings,
            ("channels", key),
            channels[key],
            document.lines,
            known=_served(Channels),
            strict=not looks_right,
        ):
            del channels[key]


def _served(model: type[Root] | type[Channels]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _list_unserved(data: Json, state: _State) -> None:
    """One warning for all that loads without effect."""
    sections = [key for key in data if key not in _served(Root)]
    channels = data.get("channels")
    other = [key for key in channels if key not in _served(Channels)] if isinstance(channels, dict) else []
    kept: list[str] = []
    _kept_keys(data, (), kept)
    state.unserved += [*sections, *(f"channels.{key}" for key in other), *kept]
    shown = [name for name in state.unserved if name not in QUIET]
    if shown:
        state.warnings.append(
            ConfigIssue(
                "",
                f"these parts of the file have no effect here and are kept as they are: {', '.join(shown)}",
            )
        )


def _kept_keys(value: Any, path: KeyPath, found: list[str]) -> None:
    if isinstance(value, list):
        for index, item in enumerate(value):
            _kept_keys(item, (*path, index), found)
    elif isinstance(value, dict):
        kept = {key for model in models_at(path) for key in (*model.KEPT, *model.LATER)}
        for key, item in value.items():
            if key in kept:
                found.append(show_path((*path, key)))
            elif path or key in _served(Root):
                _kept_keys(item, (*path, key), found)


def _assemble(
    root: Root,
    modern: Modernised,
    document: Document,
    paths: Paths,
    env: Mapping[str, str],
    state: _State,
    pruned: list[KeyPath],
    *,
    exists: bool,
    allow_exec: bool,
) -> Loaded | None:
    folder = paths.config.parent
    secrets = Secrets(root.secrets, env, folder, allow_exec=allow_exec)
    accounts = resolve_accounts(modern.data, env, secrets, folder, lines=document.lines, moved=modern.moved)
    providers = resolve_providers(root, env, secrets)
    agents = resolve_agents(
        root, modern.data, state_dir=paths.state_dir, folder=folder, providers=providers.providers
    )
    audio = resolve_audio(root, providers.providers, env, secrets)
    speech, unspoken = resolve_speech(agents.agents, providers.providers, env, secrets, folder)
    redis = _redis(root, env, secrets, folder, state)
    for part in (accounts, providers, agents):
        for issue in part.issues:
            _place(issue, modern, document)
            if not _follows(issue, pruned):
                state.issues.append(issue)
        if not pruned:
            state.warnings += part.warnings
    if state.issues:
        return None
    state.warnings += [*audio.warnings, *unspoken, *cross_checks(root, accounts.settings)]
    return Loaded(
        root=root,
        paths=paths,
        path=paths.config if exists else None,
        revision=document.digest,
        warnings=tuple(state.warnings),
        legacy=tuple(modern.notes),
        env=env,
        redis=redis,
        accounts=tuple(accounts.ready),
        account_states=tuple(accounts.states),
        agents=agents.agents,
        providers=providers.providers,
        audio=audio,
        speech=speech,
        default_account_id=accounts.default_id,
        default_agent_id=agents.default_id,
        discord_settings=accounts.settings,
        files=tuple(document.files),
        unserved=tuple(state.unserved),
        secrets=secrets,
    )


def _place(issue: ConfigIssue, modern: Modernised, document: Document) -> None:
    """The place as the file has it, and its line."""
    try:
        path = as_written(parse_path(issue.path), modern.moved)
    except ValueError:
        return  # not a place in the file, but a variable
    issue.path = show_path(path)
    where = line_at(path, document.lines)
    if where and where not in issue.hint:
        issue.hint = "; ".join(part for part in (issue.hint, where) if part)


def _follows(issue: ConfigIssue, pruned: list[KeyPath]) -> bool:
    """Whether an issue only exists because something wrong was left out before."""
    try:
        path = parse_path(issue.path)
    except ValueError:
        return False
    return any(cut[: len(path)] == path or path[: len(cut)] == cut for cut in pruned)


def _redis(
    root: Root, env: Mapping[str, str], secrets: Secrets, folder: Path, state: _State
) -> RedisSettings:
    """``SHOAL_REDIS_URL``, else ``fleet.redis.url``, else ``REDIS_URL``, else the embedded server."""
    settings = root.fleet.redis
    own = settings.url.get_secret_value().strip() if settings.url is not None else ""
    candidates = (
        (env_value(env, "REDIS_URL") or "", "env:SHOAL_REDIS_URL"),
        (own, "config:fleet.redis.url"),
        (env.get("REDIS_URL", "").strip(), "env:REDIS_URL"),
    )
    url, source = next(((text, place) for text, place in candidates if text), ("", "embedded"))
    if url and url.partition("://")[0] not in _REDIS_SCHEMES:
        state.issues.append(
            ConfigIssue(source, "this is no Redis URL", allowed="redis://, rediss://, unix:// or sentinel://")
        )
    credentials, at, _ = url.partition("://")[2].rpartition("@")
    if at:
        redactor.register(credentials.partition(":")[2] or credentials)
    password: SecretStr | None = None
    written = env_value(env, "REDIS_PASSWORD")
    try:
        password = secrets.plain(SecretStr(written) if written else settings.password)
    except SecretUnavailable as error:
        state.issues.append(ConfigIssue("fleet.redis.password", error.message, hint=error.fix))
    ca_file = str(folder / Path(settings.ca_file).expanduser()) if settings.ca_file else None
    return RedisSettings(url=url or None, password=password, source=source, ca_file=ca_file)
