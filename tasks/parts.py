"""What turns and deliveries of one process are given: the parts of ``workers`` put together.

Apart from :mod:`tasks.runtime`, so that the processes that run neither (beat, Flower) need
not load agents, HTTP and Discord.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from config.speech import Speech
from shoal.base.errors import ShoalError
from shoal.base.logging import get_logger
from shoal.discord.rest import Rest
from shoal.discord.retry import RetryPolicy
from shoal.discord.users import user_ids
from shoal.state.effects import Effect
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
from workers.agent.profiles import profile_of
from workers.agent.providers.guide import GuideProvider
from workers.agent.providers.pool import ProviderPool
from workers.agent.providers.voices import Recorded
from workers.agent.results import TurnDeps
from workers.agent.shown import shown_settings, typing_mode
from workers.agent.threads import DiscordThreads
from workers.agent.tools.crossing import MessageRules
from workers.agent.tools.memory import MemoryGet, MemorySearch
from workers.agent.tools.message import MessageTool
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

    def status() -> list[str]:
        """What the built-in guide says about the fleet: kinds and counts, nothing of the operator's."""
        kinds = Counter(process.kind for process in runtime.store.processes.living())
        return [f"{kind}: {count}" for kind, count in sorted(kinds.items())]

    def reactions(account: str) -> Rest:
        return in_background(runtime.rest(account), max_wait=0.0)

    def components(account: str) -> ComponentSettings:
        return ComponentSettings.of(runtime.loaded.account(account).discord)

    def rules(request: TurnRequest) -> MessageRules:
        return MessageRules.of(runtime.loaded.agent(request.agent_id).tools.message)

    def profile(request: TurnRequest) -> AgentProfile:
        access = runtime.admission_settings(request.account).access
        return profile_of(runtime.loaded, request, access)

    def hint(request: TurnRequest) -> list[Effect]:
        owner_dm = runtime.delivery_deps.owner_dm
        return silence_hint(runtime.store, request, owner_dm, runtime.loaded.root.messages.language)

    def load(
        request: TurnRequest,
        source: str,
        *,
        filename: str,
        check: Callable[[], None],
        voice: bool = False,
    ) -> SendFile:
        used = outgoing_for(runtime, request, profile(request).workspace)
        if voice:
            return used.load_voice(source, check=check)
        return used.load(source, filename=filename, check=check)

    def speech(request: TurnRequest) -> Speech:
        return runtime.loaded.speech_of(request.agent_id)

    def speak(account: str, *args: Any, **more: Any) -> Recorded:
        return runtime.voices(account)(*args, **more)

    acting = discord_actions(runtime, lambda request: profile(request).workspace)
    return TurnDeps(
        store=runtime.store,
        files=FileDesk(runtime),
        models=Models(
            ProviderPool(lambda: runtime.loaded, GuideProvider(status=status)),
            Cooldowns(runtime.store),
            clock=runtime.clock,
        ),
        tools=ToolRegistry.of(
            [
                MessageTool(components=components, acting=acting, load=load, rules=rules),
                MemorySearch(profile, runtime.loaded.state_dir),
                MemoryGet(profile, runtime.loaded.state_dir),
                SkillTool(profile),
                TtsTool(speech, speak, lambda request, gate: acting.allows(request.account, gate)),
            ]
        ),
        profile=profile,
        presences=Presences(runtime.rest, reactions),
        threads=DiscordThreads(runtime.rest, runtime.clock),
        load=load,
        title=lambda request: ask_for_title(runtime, request),
        hint=hint,
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
