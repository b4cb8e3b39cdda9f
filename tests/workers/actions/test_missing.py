"""A refusal names the permission (``spec/outbound.md`` 1.7)."""

from __future__ import annotations

import pytest

from shoal.discord.errors import MissingPermissions
from shoal.discord.permissions import Permission
from tests.workers.actions.conftest import Doer


@pytest.mark.parametrize(
    ("action", "values", "lacking"),
    [
        ("pin", {}, "Pin Messages"),
        ("channel-edit", {"topic": "x"}, "Manage Channels"),
        ("delete", {}, "Manage Messages"),
        ("thread-create", {"threadName": "x"}, "Create Public Threads"),
    ],
)
def test_what_the_bot_lacks_is_named(doer: Doer, action: str, values: dict[str, str], lacking: str) -> None:
    everyone = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
    for role in doer.rest.get_guild(doer.guild)["roles"]:
        doer.control.edit_role(doer.guild, role["id"], permissions=int(everyone))
    message = doer.say()
    with pytest.raises(MissingPermissions) as refused:
        doer.do(action, target=doer.channel, **(values or {"messageId": message}))
    assert refused.value.missing == (lacking,)
    assert f"discord missing permissions in channel {doer.channel}: {lacking}" in str(refused.value)
