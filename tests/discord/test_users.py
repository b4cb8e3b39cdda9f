"""The forms in which people name a user (``spec/inbound.md`` 3.2)."""

from __future__ import annotations

import pytest

from shoal.discord.users import user_id_of, user_ids


@pytest.mark.parametrize(
    "entry", ["12", 12, " 12 ", "<@12>", "<@!12>", "user:12", "discord:12", "discord:user:12"]
)
def test_every_form_of_an_id_is_known(entry: str | int) -> None:
    assert user_id_of(entry) == "12"


@pytest.mark.parametrize(
    "entry", ["*", "ann", "ann#0001", "@ann", "pk:abcde", "user:ann", "<@ann>", "", "１２"]
)
def test_what_names_no_id_is_nobody(entry: str) -> None:
    assert user_id_of(entry) is None


def test_ids_of_a_list_are_each_once_and_in_order() -> None:
    assert user_ids(["*", "<@2>", "ann", "1", "discord:2"]) == ("2", "1")
