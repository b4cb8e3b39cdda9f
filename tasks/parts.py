"""What turns and deliveries of one process are given: the parts of ``workers`` put together.

Apart from :mod:`tasks.runtime`, so that the processes that run neither (beat, Flower) need
not load agents, HTTP and Discord.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from config.speech import Speech
from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.discord.rest import Rest
from shoal.discord.retry import RetryPolicy
from shoal.discord.users import user_ids
from shoal.state.ledger import Outcome
from tasks.acting import discord_actions
from tasks.early import Early, Waiting
from tasks.media import FileDesk, outgoing_for
from tasks.runtime import Runtime
from tasks.titles import ask_for_title
from tasks.transports import in_background
from workers.agent.hints import silence_hint
from workers.agent.models import Cooldowns, Models
from workers.agent.presence import Presences
from workers.agent.profile import AgentProfile
from workers.agent.profiles import profile_of, skills_of
from workers.agent.providers.guide import GuideProvider
from workers.agent.providers.pool import ProviderPool
from workers.agent.results import TurnDeps
from workers.agent.shown import shown_settings, typing_mode
from workers.agent.threads import DiscordThreads
from workers.agent.tools.crossing import MessageRules
from workers.agent.tools.files import LoadFile
from workers.agent.tools.memory import MemoryGet, MemorySearch
from workers.agent.tools.message import MessageTool
from workers.agent.tools.read_aloud import ReadAloud
from workers.agent.tools.registry import ToolRegistry
from workers.agent.tools.skill import SkillTool
from workers.agent.tools.speech import TtsTool
from workers.components.sending import ComponentSettings
from workers.delivery.deps import DeliveryDeps
from workers.delivery.persona import PersonaLook
from workers.delivery.records import SendFile
from workers.delivery.render import DeliverySettings
from workers.delivery.targets import Target, resolve_channel
from workers.sessions.records import TurnRequest

__all__ = ["make_delivery_deps", "make_early", "make_turn_deps"]

log = get_logger(__name__)

EARLY_MAX_WAIT_S = 1.0
DELIVERY_MAX_WAIT_S = 0.05
"""A longer rate-limit wait goes back to the lane, so that it blocks no thread (design 2)."""


def make_turn_deps(runtime: Runtime) -> TurnDeps:
    """What turns share: providers, tools, profiles, typing."""
    settings = _Settings(runtime)
    load, models = _load_file(runtime, settings), _models(runtime)
    return TurnDeps(
        store=runtime.store,
        files=FileDesk(runtime),
        models=models,
        tools=_tools(runtime, settings, load, models),
        profile=settings.profile,
        presences=Presences(runtime.rest, lambda account: in_background(runtime.rest(account), max_wait=0.0)),
        threads=DiscordThreads(runtime.rest, runtime.clock),
        load=load,
        title=lambda request: ask_for_title(runtime, request),
        voices=runtime.voices,
        hint=lambda request: silence_hint(
            runtime.store, request, runtime.delivery_deps.owner_dm, runtime.loaded.root.messages.language
        ),
    )


class _Settings:
    """What turns and their tools look up in the config."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def profile(self, request: TurnRequest) -> AgentProfile:
        """Settings of the agent that answers."""
        access = self._runtime.admission_settings(request.account).access
        return profile_of(self._runtime.loaded, request, access)

    def workspace(self, request: TurnRequest) -> Path | None:
        """Its folder."""
        return self._runtime.loaded.agent(request.agent_id).workspace

    def rules(self, request: TurnRequest) -> MessageRules:
        """Where its message tool may send."""
        return MessageRules.of(self._runtime.loaded.agent(request.agent_id).tools.message)

    def speech(self, request: TurnRequest) -> Speech:
        """Who speaks for it."""
        return self._runtime.loaded.speech_of(request.agent_id)

    def components(self, account: str) -> ComponentSettings:
        """Which controls an account's messages may carry."""
        return ComponentSettings.of(self._runtime.loaded.account(account).discord)


def _models(runtime: Runtime) -> Models:
    """The models of the config, and the guide that answers without one."""

    def status() -> list[str]:
        """What the built-in guide says about the fleet: kinds and counts, nothing of the operator's."""
        kinds = Counter(process.kind for process in runtime.store.processes.living())
        return [f"{kind}: {count}" for kind, count in sorted(kinds.items())]

    pool = ProviderPool(lambda: runtime.loaded, GuideProvider(status=status))
    return Models(pool, Cooldowns(runtime.store), clock=runtime.clock)


def _load_file(runtime: Runtime, settings: _Settings) -> LoadFile:
    """Reads the files that go with answers and sends."""

    def load(
        request: TurnRequest,
        source: str,
        *,
        filename: str,
        check: Callable[[], None],
        voice: bool = False,
    ) -> SendFile:
        outgoing = outgoing_for(runtime, request, settings.workspace(request))
        if voice:
            return outgoing.load_voice(source, check=check)
        return outgoing.load(source, filename=filename, check=check)

    return load


def _tools(runtime: Runtime, settings: _Settings, load: LoadFile, models: Models) -> ToolRegistry:
    """The tools of this process's agents; which of them an agent has, its profile says."""
    acting = discord_actions(runtime, settings.workspace)
    return ToolRegistry.of(
        [
            MessageTool(
                components=settings.components,
                acting=acting,
                load=load,
                rules=settings.rules,
                aloud=ReadAloud(settings.profile, runtime.voices, models),
            ),
            MemorySearch(settings.workspace, runtime.loaded.state_dir),
            MemoryGet(settings.workspace, runtime.loaded.state_dir),
            SkillTool(lambda request: skills_of(runtime.loaded, request)),
            TtsTool(
                settings.speech,
                runtime.voices,
                lambda request, gate: acting.allows(request.account, gate),
            ),
        ]
    )


def make_early(runtime: Runtime) -> Early:
    """What shows that a message waits: front's own, since turns show the rest."""

    def reactions(account: str) -> Rest:
        return in_background(runtime.rest(account), max_wait=EARLY_MAX_WAIT_S)

    def types(request: TurnRequest) -> bool:
        shown = shown_settings(runtime.loaded, runtime.loaded.agent(request.agent_id), request)
        return typing_mode(request, shown.typing_mode) == "instant"

    def settled(request: TurnRequest) -> bool:
        return runtime.store.ledger.outcome(request.account, request.message_id) is not None

    def removed(waiting: Waiting) -> bool:
        if not runtime.loaded.root.messages.remove_ack_after_reply:
            return False
        if runtime.store.lanes.find(waiting.lane, waiting.identity) is not None:
            return False  # its own end will see to it
        ended = runtime.store.ledger.outcome(waiting.request.account, waiting.request.message_id)
        # without an outcome its answer is on its way; with a reason, nobody saw one
        return (
            ended is None or ended == (Outcome.ANSWERED, "") or ended[0] in (Outcome.STEERED, Outcome.MERGED)
        )

    return Early(runtime.rest, reactions, types=types, settled=settled, removed=removed)


def make_delivery_deps(runtime: Runtime) -> DeliveryDeps:
    """What deliveries share. One try and hardly any wait per request: the lane is the retry."""
    once = RetryPolicy(attempts=1)

    def bot_id(account: str) -> str | None:
        me = runtime.store.facts.me(account)
        return str(me["id"]) if me and me.get("id") else None

    def rest(account: str) -> Rest:
        return runtime.rest(account).limited(max_wait=DELIVERY_MAX_WAIT_S, retry=once)

    def owner_dm(account: str) -> str | None:
        """DM of the first owner that opens: those the config names, else the first who was approved."""
        owners = list(user_ids(runtime.loaded.root.commands.owner_allow_from or ()))
        first = runtime.store.pairing.first_owner()
        if not owners and first is not None:
            owners = [first.sender]
        for owner in owners:
            try:
                target = Target("user", owner)
                return resolve_channel(target, account=account, facts=runtime.store.facts, rest=rest(account))
            except ShoalError as error:
                log.warning("an owner cannot be told", account=account, error=error)
        return None

    def look(agent_id: str) -> PersonaLook:
        agent = runtime.loaded.agents.get(agent_id)
        identity = agent.settings.identity if agent is not None else None
        return PersonaLook(identity.name or "", identity.avatar or "") if identity else PersonaLook()

    return DeliveryDeps(
        store=runtime.store,
        rest=rest,
        settings=lambda account: DeliverySettings.of(runtime.loaded.account(account)),
        bot_id=bot_id,
        owner_dm=owner_dm,
        look=look,
        clock=runtime.clock,
    )
