"""Discord's OpenAPI file as a judge of what we put on the wire."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def fits() -> Callable[[str, Any], list[str]]:
    """``fits(schema name, value)``: what Discord's file says against it."""
    folder = Path(os.environ.get("SHOAL_DISCORD_REFERENCE") or ROOT.parent / "shared" / "discord")
    spec = json.loads((folder / "openapi.json").read_text("utf-8"))
    made: dict[str, Any] = {}

    def problems(name: str, value: Any) -> list[str]:
        if name not in made:
            schema = {"$ref": f"#/components/schemas/{name}", "components": spec["components"]}
            made[name] = jsonschema_rs.Draft202012Validator(schema)
        return [f"{list(error.instance_path)}: {error.message}" for error in made[name].iter_errors(value)]

    return problems
