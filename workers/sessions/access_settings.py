"""From the config to :class:`AccessSettings`: the one place that picks what access is made of."""

from __future__ import annotations

from typing import Any

import msgspec

from config.agents import normal_agent_id
from config.loaded import Loaded
from shoal.state.store import Store
from workers.access.names import NO_NAMES, Names
from workers.access.patterns import MentionPatterns, derived_patterns
from workers.access.settings import AccessSettings

__all__ = ["access_of", "access_section", "known_names"]

_ACCESS_KEYS = {
    "dm_policy",
    "allow_from",
    "dm",
    "group_policy",
    "guilds",
    "allow_bots",
    "bot_loop_protection",
    "pluralkit",
    "dangerously_allow_name_matching",
    "wake_on_mass_mentions",
    "user_limits",
    "commands",
}
_COMMAND_KEYS = {"owner_allow_from", "allow_from", "use_access_groups", "text"}


def access_section(loaded: Loaded, account_id: str) -> dict[str, Any]:
    """The part of an account's effective settings that access reads, keys as in the file.

    Raises:
        ConfigError: there is no such account that can run.
    """
    discord = loaded.account(account_id).discord
    return discord.model_dump(by_alias=True, include=_ACCESS_KEYS, exclude={"pluralkit": {"token"}})


def known_names(store: Store, account_id: str) -> Names:
    """What the task ``upkeep.names`` found out about an account's names; nothing, if it has not run."""
    raw = store.facts.get(account_id, "names", "names")
    try:
        return msgspec.convert(raw, Names) if raw is not None else NO_NAMES
    except msgspec.ValidationError:
        return NO_NAMES  # of another version: it is made anew


def access_of(loaded: Loaded, account_id: str, names: Names = NO_NAMES) -> AccessSettings:
    """Compile what access asks of the config of an account.

    Args:
        names: what its names were found to mean.

    Raises:
        ConfigError: there is no such account that can run.
    """
    account, root = loaded.account(account_id), loaded.root
    patterns = {
        normal_agent_id(agent.id): agent.mention_patterns
        if agent.mention_patterns is not None
        else derived_patterns(agent.identity_name, agent.identity_emoji)
        for agent in loaded.agents.values()
    }
    policy = account.discord.mention_patterns
    siblings = (other.bot_user_id for other in loaded.accounts if other.id != account_id)
    return AccessSettings.read(
        account_id,
        access_section(loaded, account_id),
        root.commands.model_dump(by_alias=True, include=_COMMAND_KEYS),
        groups={name: group.model_dump(by_alias=True) for name, group in root.access_groups.items()},
        names=names,
        patterns=MentionPatterns.read(
            patterns, policy.model_dump(by_alias=True, exclude_unset=True) if policy is not None else None
        ),
        siblings=[known for known in siblings if known is not None],
    )
