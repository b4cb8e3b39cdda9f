"""Writing the first owner into the config file (``spec/inbound.md`` 3.3)."""

from __future__ import annotations

from config.edit import append_item, render, set_value
from config.loaded import Loaded
from config.writing import read_text, write_text
from shoal.base.errors import ConfigError

__all__ = ["write_owner"]


def write_owner(loaded: Loaded, sender: str) -> None:
    """Put a sender on ``commands.ownerAllowFrom`` of the file, which names nobody so far.

    Args:
        sender: a user id, or ``pk:<member>``.

    Raises:
        ConfigError: there is no file, it cannot be written, or the list stands in an included file.
    """
    if loaded.path is None:
        raise ConfigError("There is no config file.")
    if len(loaded.files) > 1:
        raise ConfigError(f"{loaded.path} includes other files.")
    entry = sender if sender.startswith("pk:") else f"discord:{sender}"
    path = ("commands", "ownerAllowFrom")
    before = read_text(loaded.path)
    try:
        written = loaded.root.commands.owner_allow_from is not None
        after = (
            append_item(before.text, path, render(entry))
            if written
            else set_value(before.text, path, [entry])
        )
    except ValueError as error:  # Json5Error included
        raise ConfigError(f"{loaded.path} cannot be edited ({error}).") from None
    write_text(before, after, env=loaded.env, state_dir=loaded.state_dir)
