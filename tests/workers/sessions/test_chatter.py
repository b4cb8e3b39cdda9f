"""What counts as chatter in the ledger is what access and admission know of (rule R27)."""

from __future__ import annotations

import re
from pathlib import Path

import shoal.state
from workers.access.decision import Reason
from workers.sessions.admission.reasons import AdmissionReason


def test_the_ledgers_list_of_chatter_holds_reasons_that_exist() -> None:
    source = (Path(str(shoal.state.__file__)).parent / "lua" / "_ledger.lua").read_text()
    listed = re.search(r"LEDGER_CHATTER = \{(.*?)\n\}", source, re.DOTALL)
    assert listed is not None
    words = set(re.findall(r"\['([a-z-]+)'\]", listed.group(1)))
    assert words <= {reason.value for reason in (*Reason, *AdmissionReason)}
    assert Reason.OWN_MESSAGE.value in words
    assert not words & {
        Reason.USER_RATE.value,
        Reason.NOT_ALLOWLISTED.value,
        AdmissionReason.COMPONENT_EXPIRED.value,
    }
