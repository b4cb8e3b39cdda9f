"""Calls that answer an interaction: its token authorises them, not the bot's.

They go before everything else, because a person waits and Discord does so for three seconds only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shoal.discord.answers import Json, made_in, object_in
from shoal.discord.limiter import Priority
from shoal.discord.rest import Rest
from shoal.discord.retry import Safety
from shoal.discord.routes import Route
from shoal.discord.transport import File

__all__ = ["InteractionCalls"]

_TOKEN = "/webhooks/{application_id}/{interaction_token}"  # noqa: S105 - a route template
FOLLOW_S = 15.0
"""For what follows an answer."""


class InteractionCalls:
    """Answers to interactions of one account, with the patience of its :class:`Rest`.

    Every method may raise what :meth:`Transport.request` raises.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    def create_interaction_response(
        self,
        interaction_id: str,
        interaction_token: str,
        *,
        type: int,
        data: Mapping[str, Any] | None = None,
        files: Sequence[File] = (),
        timeout: float = 2.5,
    ) -> None:
        """Answer or defer an interaction: within 3 s, once. 40060 means that somebody else did.

        Args:
            type: :class:`shoal.discord.wire.InteractionCallback`.
            data: of the answer, for types that have one.
        """
        body: Json = {"type": int(type)}
        if data is not None:
            body["data"] = dict(data)
        route = Route(
            "POST",
            "/interactions/{interaction_id}/{interaction_token}/callback",
            interaction_id=interaction_id,
            interaction_token=interaction_token,
        )
        self._rest.call(
            route, json=body, files=files, priority=Priority.CALLBACK, timeout=timeout, most_wait=2.0
        )

    def create_followup(self, application_id: str, interaction_token: str, body: Mapping[str, Any]) -> Json:
        """A further message for an interaction. Discord has no nonce here: never retried when in doubt."""
        route = Route("POST", _TOKEN, application_id=application_id, interaction_token=interaction_token)
        answer = self._rest.call(
            route, json=dict(body), priority=Priority.CALLBACK, safety=Safety.CREATE, timeout=FOLLOW_S
        )
        return made_in(answer, route, "message")

    def get_original_response(self, application_id: str, interaction_token: str) -> Json:
        """The answer that is there; after a deferred update, the message the control is on."""
        return object_in(self._rest.call(_original("GET", application_id, interaction_token),
                                         priority=Priority.CALLBACK, timeout=FOLLOW_S))  # fmt: skip

    def edit_original_response(
        self, application_id: str, interaction_token: str, body: Mapping[str, Any]
    ) -> Json:
        """Edit the answer to an interaction (after a deferral: write it)."""
        route = _original("PATCH", application_id, interaction_token)
        return object_in(
            self._rest.call(route, json=dict(body), priority=Priority.CALLBACK, timeout=FOLLOW_S)
        )


def _original(method: str, application_id: str, interaction_token: str) -> Route:
    return Route(
        method,
        _TOKEN + "/messages/{message_id}",
        application_id=application_id,
        interaction_token=interaction_token,
        message_id="@original",
    )
