"""What a log line may show, seen from outside the process that writes it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
from shoal.base.logging import get_logger, setup_logging
from shoal.base.redact import redactor
redactor.register("hunter2-hunter2")
setup_logging("front@here", state_dir=Path(sys.argv[1]), json=sys.argv[2] == "json")
log = get_logger("test")
def fail(content):
    raise RuntimeError("proxy http://user:hunter2-hunter2@proxy:1 refused")
try:
    fail("what a person wrote")
except RuntimeError:
    log.exception("it broke", token="MTMwMDAwMDAwMDAwMDAwMDAw.Gabcde.abcdefghijklmnopqrstuvwxyz0123")
import logging
logging.getLogger("foreign").warning("password is hunter2-hunter2")
"""


def run(tmp_path: Path, form: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path), form], capture_output=True, text=True, check=True
    )
    return done.stderr + (tmp_path / "logs" / "shoal.log").read_text()


def test_no_secret_and_no_local_variable_in_any_form(tmp_path: Path) -> None:
    for form in ("json", "text"):
        said = run(tmp_path, form)
        assert "it broke" in said
        assert "Traceback" in said
        assert "front@here" in said
        assert "hunter2" not in said
        assert "abcdefghijklmnopqrstuvwxyz0123" not in said
        assert "what a person wrote" not in said.replace('fail("what a person wrote")', "")
