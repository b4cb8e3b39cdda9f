"""What a failed call means for work that nobody waits for (``spec/outbound.md`` 1.4; rule R13)."""

from __future__ import annotations

import pytest

from shoal.base.errors import ShoalError, StaleGrant, StoreUnavailable, TransportError
from shoal.discord.errors import NotFound, RateWait, ServerError
from shoal.state.records import Failure
from shoal.state.steps import Fail, Yield
from workers.delivery.verdicts import later

AWAY = [
    ServerError("down", status=503, route="GET x", retryable=True),
    TransportError("no way", leg="connect"),
]


@pytest.mark.parametrize("error", AWAY)
def test_what_may_pass_is_waited_for_and_not_for_ever(error: ShoalError) -> None:
    again = later(error, age_ms=1_000, patience_ms=1_000)
    assert isinstance(again, Fail)
    assert again.failure is Failure.INFRASTRUCTURE
    assert later(error, age_ms=1_001, patience_ms=1_000) is None


def test_a_rate_limit_only_ever_delays() -> None:
    wait = RateWait(2.0, reason="bucket", route="GET x")
    assert later(wait, age_ms=10, patience_ms=1) == Yield(2_001, "rate limit")


def test_a_refusal_ends_it_at_once() -> None:
    refused = NotFound("gone", status=404, route="GET x", json_code=10003)
    assert later(refused, age_ms=0, patience_ms=1_000) is None


@pytest.mark.parametrize("error", [StoreUnavailable("away"), StaleGrant("lost")])
def test_a_trouble_of_our_own_is_no_verdict_of_discord(error: ShoalError) -> None:
    """Else a lost lease would be written down as work that was given up."""
    with pytest.raises(type(error)):
        later(error, age_ms=10, patience_ms=1)
