"""Actions against the simulator on real sockets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from config.schema.discord_parts import Actions
from shoal.discord.limiter import Unlimited
from shoal.discord.permissions import Permission
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.transport import Transport
from shoal.simulator.server import Simulator
from shoal.state.store import Store
from workers.actions.base import ActionContext, Args
from workers.actions.perform import perform
from workers.actions.reach import check_reach
from workers.actions.table import ACTIONS, action_named
from workers.delivery.outgoing import Outgoing, Raw
from workers.media.paths import Places

Json = dict[str, Any]
ALL_OPEN = {action.gate: True for action in ACTIONS.values()}
DEFAULTS: Mapping[str, bool] = Actions().model_dump(by_alias=True)
BOT_RIGHTS = Permission.ADMINISTRATOR


class Doer:
    """A bot with all permissions in a guild of its own, and an operator who has it do things."""

    def __init__(self, store: Store, simulator: Simulator, transport: Transport) -> None:
        self.simulator = simulator
        self.control = simulator.control
        self.rest = Rest(transport, max_wait=0.05, retry=NO_RETRY)
        self.owner = str(self.control.add_user("owner")["id"])
        made = self.control.add_guild("Reef", owner=self.owner, members=[simulator.bot_id])
        self.guild = str(made["id"])
        bots = self.control.add_role(self.guild, "bots", permissions=int(BOT_RIGHTS))
        self.control.edit_member(self.guild, simulator.bot_id, roles=[bots["id"]])
        self.channel = str(self.control.add_channel(self.guild, "talk")["id"])
        self.sent_before = max((line["n"] for line in self.control.requests()), default=0)
        self.commands: list[bytes] = []
        self.context = ActionContext("default", self.rest, store.facts, command=self.commands.append)

    def do(self, name: str, gates: Mapping[str, bool] = ALL_OPEN, /, **values: Any) -> Json:
        """An action as the operator: nothing is refused him."""
        action = action_named(name)
        assert action is not None, name
        check_reach(action, Args(values), self.context)
        return perform(action, values, gates, self.context)

    def as_member(self, user: str, **fields: Any) -> Doer:
        """The same, asked for by a user in the channel."""
        other = object.__new__(Doer)
        other.__dict__.update(self.__dict__)
        place = {"channel_id": self.channel, "guild_id": self.guild, "sender_id": user, **fields}
        other.context = replace(self.context, **place)
        return other

    def member(self, name: str, permissions: int = 0) -> str:
        """A new member, with a role of his own above the earlier ones."""
        user = str(self.control.add_user(name)["id"])
        role = self.control.add_role(self.guild, name, permissions=int(permissions))
        self.control.add_member(self.guild, user, roles=[role["id"]])
        return user

    def say(self, text: str = "hello", **fields: Any) -> str:
        """Somebody writes into the channel; the id of his message."""
        return str(self.control.say(self.channel, text, user=self.owner, **fields)["id"])

    def requests(self) -> list[Json]:
        """What this test's bot asked of Discord."""
        return self.control.requests(after=self.sent_before)


@pytest.fixture(scope="session")
def discord() -> Iterator[Simulator]:
    """One simulator for all tests of this folder; each test has a guild of its own."""
    with Simulator(settings={"rate_limits": False}) as simulator:
        yield simulator


@pytest.fixture
def doer(store: Store, discord: Simulator) -> Iterator[Doer]:
    """The bot."""
    transport = Transport("default", SecretStr(discord.token), limiter=Unlimited(), api_url=discord.api_url)
    made = Doer(store, discord, transport)
    yield made
    made.control.clear_faults()
    transport.close()


class Files:
    """A folder of files for uploads, read as an agent reads its workspace."""

    def __init__(self, folder: Path, store: Store, transport: Transport) -> None:
        self.folder = folder
        self.desk = Outgoing(
            "default",
            Places((folder,), folder.parent / "state"),
            transport.files.fetch,
            transport.origins.is_file,
            store.blobs,
            100 * 1024 * 1024,
        )

    def put(self, name: str, data: bytes) -> str:
        """A file; its name."""
        (self.folder / name).write_bytes(data)
        return name

    def read(self, source: str, *, most: int, whose: str) -> Raw:
        """As :class:`workers.actions.base.ReadFile`."""
        return self.desk.read(source, limit=(most, whose))


@pytest.fixture
def files(doer: Doer, store: Store, tmp_path: Path) -> Files:
    """Files of the bot's workspace; its uploads come from there."""
    folder = tmp_path / "workspace"
    folder.mkdir()
    made = Files(folder, store, doer.rest.transport)
    doer.context = replace(doer.context, read=made.read)
    return made
