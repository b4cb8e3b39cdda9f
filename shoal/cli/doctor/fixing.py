"""``shoal doctor --fix``: old shapes of the config file, and nothing else (decision 3)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from shoal.base.errors import ConfigError

__all__ = ["Fixed", "fix"]


@dataclass(frozen=True, slots=True)
class Fixed:
    """What was done.

    Attributes:
        changes: a line for each old shape that was rewritten.
        diff: the same as a unified diff, secrets masked.
        backup: the old version, if anything was written.
        refused: why nothing was done although there are old shapes.
    """

    changes: tuple[str, ...] = ()
    diff: str = ""
    backup: Path | None = None
    refused: str = ""


def fix(config: Path | None, state_dir: Path | None) -> Fixed:
    """Rewrite the old shapes of the config file, if it loads and means the same afterwards."""
    from config.issues import mask_text
    from config.loading import validate_file
    from config.repair import repair_text
    from config.writing import difference, read_text, write_text

    issues, _, loaded = validate_file(config, state_dir=state_dir, allow_exec=True)
    if loaded is None:
        return Fixed(refused=f"the file has {len(issues)} problems; correct them first")
    if loaded.path is None:
        return Fixed()
    if len(loaded.files) > 1:
        names = ", ".join(path.name for path in loaded.files[1:])
        refused = f"it includes other files ({names}); change the old shapes there by hand"
        return Fixed(refused=refused if loaded.legacy else "")
    try:
        before = read_text(loaded.path)
        done = repair_text(before.text)
        if done.refused or not done.changes:
            return Fixed(refused=done.refused if loaded.legacy else "")
        backup = write_text(before, done.text, env={**os.environ, **loaded.env}, state_dir=loaded.state_dir)
    except (ConfigError, ValueError) as error:
        return Fixed(refused=str(error))
    lines = difference(before.text, done.text, loaded.path.name).splitlines()
    return Fixed(done.changes, "\n".join(mask_text(line) for line in lines), backup)
