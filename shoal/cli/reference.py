"""Writes the reference pages of ``docs/`` from the code: commands, config, Redis keys, errors of Discord.

``python -m shoal.cli.reference docs`` writes them; a test compares them with what would be written.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["cli_page", "config_page", "errors_page", "main", "pages", "state_page"]

_NOTE = "<!-- Made by `make docs`; changes here are lost. -->\n"


def pages() -> dict[str, str]:
    """File name → text of every page that is made."""
    return {
        "cli.md": cli_page(),
        "configuration.md": config_page(),
        "discord-errors.md": errors_page(),
        "state.md": state_page(),
    }


# -- errors of Discord -------------------------------------------------------------------------------


def errors_page() -> str:
    """Every code of Discord's that Shoal has a sentence for, and what goes wrong without one."""
    from shoal.discord.codes import CODES, CONDITIONS

    lines = [
        _NOTE,
        "# What Discord refuses, and what to do",
        "",
        "Tool results, `shoal message`, `shoal explain`, `shoal status`, the owner's notices and the log say "
        "these sentences, with what is known besides: the permissions that are missing, the field that is "
        "wrong (`embeds[0].title`), how long to wait. What is done about them: "
        "[trouble-shooting](troubleshooting.md#errors-of-discord).",
        "",
        "| without a code | what to do |",
        "|---|---|",
        *(f"| {row.meaning} | {row.fix} |" for row in CONDITIONS.values()),
        "",
        "| code | what it means | what to do |",
        "|---|---|---|",
        *(f"| {code} | {row.meaning} | {row.fix} |" for code, row in CODES.items() if code),
    ]
    return "\n".join(lines) + "\n"


# -- commands ----------------------------------------------------------------------------------------


def cli_page() -> str:
    """Every command with its options, and the exit codes."""
    import typer

    from shoal.base import exits
    from shoal.cli.main import app

    codes = (exits.__doc__ or "").split("\n\n")[1]
    lines = [
        _NOTE,
        "# The `shoal` command",
        "",
        "Data goes to stdout, everything else to stderr. An error is one line: what, where, and what to do.",
        'With `--json` it is on stdout as well: `{"ok": false, "error": {code, message, fix, …}}`.',
        "",
        "## Exit codes",
        "",
        "| code | meaning |",
        "|---|---|",
    ]
    for line in codes.splitlines():
        code, _, meaning = line.strip().partition(" ")
        lines.append(f"| {code} | {meaning.strip()} |")
    lines += [
        "",
        "A supervisor must not start a process again that left with 78; all other codes may pass.",
        "",
    ]
    for name, command in _commands("shoal", typer.main.get_command(app)):
        lines += _command(name, command)
    return "\n".join(lines).rstrip() + "\n"


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    children: Mapping[str, Any] = getattr(command, "commands", {})
    if not children or command.params:
        yield name, command
    for child, inner in children.items():
        if not inner.hidden:
            yield from _commands(f"{name} {child}", inner)


def _command(name: str, command: Any) -> list[str]:
    lines = [f"## `{name}`", "", *_paragraphs(command.help or ""), ""]
    rows = []
    for param in command.params:
        if param.name in ("help",) or param.hidden:
            continue
        label = ", ".join(param.opts) if param.param_type_name == "option" else _argument(param)
        default = param.default
        shown = "" if default in (None, False, ()) or callable(default) else f"`{default}`"
        rows.append(f"| `{label}` | {param.help or ''} | {shown} |")
    if rows:
        lines += ["| argument or option | meaning | default |", "|---|---|---|", *rows, ""]
    return lines


def _argument(param: Any) -> str:
    return str(param.metavar or param.name).upper()


def _paragraphs(text: str) -> list[str]:
    return [line.strip() for line in text.strip().splitlines()]


# -- config ------------------------------------------------------------------------------------------


def config_page() -> str:
    """Every key of the config file: type, default, meaning."""
    import config

    schema = config.json_schema()
    lines = [
        _NOTE,
        "# Configuration",
        "",
        "One JSON5 file, `~/.shoal/shoal.json` unless `SHOAL_CONFIG_PATH` names another; no key is required.",
        "`shoal config validate` checks a file, `shoal config schema` prints what editors need.",
        "The words are those of OpenClaw's file: such a file loads as it is. Not every key works yet;",
        "see *Not yet* in the README.",
        "Objects may hold other names where a path has `<name>`; `[]` stands for the items of a list.",
        "",
        "| key | type | default | meaning |",
        "|---|---|---|---|",
    ]
    for path, node in _keys("", schema, schema, ()):
        default = node.get("default")
        shown = "" if default is None or isinstance(default, (dict, list)) else f"`{json.dumps(default)}`"
        meaning = _plain(str(node.get("description", "")))
        if node.get("x-later"):
            meaning = f"*No effect yet.* {meaning}".strip()
        lines.append(_row(f"`{path}`", _type(node, schema), shown, meaning))
    return "\n".join(lines) + "\n"


_CITED = re.compile(r"\s*\((?:spec: [^)]*|``spec/[^)]*|decisions? [0-9][^)]*)\)")


def _plain(text: str) -> str:
    """A description for operators: in one line, without the places of the specification that code cites."""
    return " ".join(_CITED.sub("", text).split())


def _resolve(node: Mapping[str, Any], schema: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Follow references and single alternatives; returns the node and the name it was found under."""
    merged, name = dict(node), ""
    while True:
        if "$ref" in merged:
            name = merged.pop("$ref").rsplit("/", 1)[1]
            merged = {**schema["$defs"][name], **merged}
            continue
        real = [option for option in merged.get("anyOf", ()) if option.get("type") != "null"]
        if len(real) == 1:
            merged.pop("anyOf")
            merged = {**real[0], **merged}
            continue
        return merged, name


def _keys(
    path: str, node: Mapping[str, Any], schema: Mapping[str, Any], above: tuple[str, ...]
) -> Iterator[tuple[str, dict[str, Any]]]:
    found, name = _resolve(node, schema)
    if name and name in above:
        return  # a section inside itself: described where it is met first
    inside = (*above, name) if name else above
    options = [_resolve(option, schema) for option in found.get("anyOf", ())]
    branches = [
        (option, (*inside, word) if word else inside) for option, word in options if word not in above
    ]
    for branch, names in [(found, inside), *branches]:
        for key, child in branch.get("properties", {}).items():
            here = f"{path}.{key}" if path else key
            yield here, _resolve(child, schema)[0]
            yield from _keys(here, child, schema, names)
        extra = branch.get("additionalProperties")
        if isinstance(extra, dict) and extra:
            yield from _keys(f"{path}.<name>", extra, schema, names)
        items = branch.get("items")
        if isinstance(items, dict):
            yield from _keys(f"{path}[]", items, schema, names)


def _type(node: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "const" in node:
        return f"`{node['const']!r}`"
    if "enum" in node:
        return ", ".join(f"`{value}`" for value in node["enum"])
    if "anyOf" in node:
        words = [_type(_resolve(option, schema)[0], schema) for option in node["anyOf"]]
        return " or ".join(dict.fromkeys(word for word in words if word != "null"))
    kind = node.get("type", "any")
    if kind == "array":
        items = _type(_resolve(node.get("items", {}), schema)[0], schema)
        return f"list of {items}"
    return str(kind)


# -- state -------------------------------------------------------------------------------------------


def state_page() -> str:
    """The table of Redis key families."""
    from shoal.state.families import FAMILIES
    from shoal.state.keys import CELERY_PREFIX, PREFIX

    lines = [
        _NOTE,
        "# What lies in Redis",
        "",
        f"Every key of ours begins with `{PREFIX}`; below `{CELERY_PREFIX}` is Celery's own.",
        "Classes: *durable* (people would miss it; in backups), *working* (the fleet would miss it),",
        "*derived* (can be made again; pruned first).",
        "",
        "| family | key | type | class | ends | bound | bytes each | backup | holds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines.extend(
        f"| {family.name} | `{family.pattern}` | {family.type} | {family.cls} | {family.ttl} | {family.cap} "
        f"| {family.bytes} | {'yes' if family.cls == 'durable' else 'no'} | {family.note} |".replace(
            "|<slot>", "\\|<slot>"
        )
        for family in FAMILIES
    )
    return "\n".join(lines) + "\n"


def _row(*cells: str) -> str:
    """A row of a table; a bar inside a cell would end it."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def main(folder: Path) -> None:
    """Write every page into ``folder``."""
    for name, text in pages().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
