"""Reactions on real sockets with Discord's limits: what is on a message, and which requests that took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from pydantic import SecretStr

from shoal.discord.limiter import Limiter, Priority
from shoal.discord.rest import Rest
from shoal.discord.retry import RetryPolicy
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.store import Store
from workers.delivery.reactions import Mark, TurnReactions

REACTION = "/channels/{channel_id}/messages/{message_id}/reactions/{emoji}/@me"


class Reacting:
    """One message in a channel of its own."""

    def __init__(self, store: Store, discord: Simulator) -> None:
        self.discord = discord
        self.control = discord.control
        self.transport = Transport(
            "default", SecretStr(discord.token), limiter=Limiter(store), api_url=discord.api_url
        )
        once = RetryPolicy(attempts=1)
        self.rest = Rest(self.transport, max_wait=0.0, retry=once, priority=Priority.BACKGROUND)
        self.channel = str(self.control.add_channel(discord.guild_id, "react")["id"])
        self.message = self.say()
        self.open: list[TurnReactions] = []

    def say(self, text: str = "please") -> str:
        """The id of a new message of a person."""
        return str(self.control.say(self.channel, text)["id"])

    def mark(self, emoji: str = "👀", message: str = "") -> Mark:
        return Mark(self.channel, message or self.message, emoji)

    def ours(self, message: str = "") -> list[str]:
        """Our reactions on the message, as people see them."""
        wanted = message or self.message
        [found] = [one for one in self.control.messages(self.channel) if one["id"] == wanted]
        return [
            entry["emoji"]["name"]
            for entry in found.get("reactions", [])
            if self.discord.bot_id in entry.get("users", [self.discord.bot_id])
        ]

    def wait(self, *emojis: str, message: str = "", timeout: float = 10.0) -> None:
        """Until exactly these are on the message."""
        self.wait_until(lambda: sorted(self.ours(message)) == sorted(emojis), str(emojis), timeout)

    def wait_until(self, true: Callable[[], bool], what: str = "", timeout: float = 10.0) -> None:
        deadline = time.monotonic() + timeout
        while not true():
            assert time.monotonic() < deadline, f"{what}: {self.ours()}"
            time.sleep(0.01)

    def asked(self) -> list[dict[str, Any]]:
        """Requests about our reactions in this channel, in order."""
        return [one for one in self.control.requests(route=REACTION) if self.channel in one["path"]]

    def done(self) -> list[tuple[str, str]]:
        """(method, emoji) of those that Discord let through.

        That putting and taking away have one bucket is learned from an answer, once for each bot: so one
        request of each kind may be refused.
        """
        refused = [one for one in self.asked() if one["status"] == 429]
        assert len(refused) <= 2, refused
        return [
            (one["route"].split()[0], unquote(one["path"].split("/reactions/")[1].split("/")[0]))
            for one in self.asked()
            if one["status"] != 429
        ]

    def steady(self, seconds: float = 0.4) -> bool:
        """No request comes any more."""
        before = len(self.asked())
        time.sleep(seconds)
        return len(self.asked()) == before
