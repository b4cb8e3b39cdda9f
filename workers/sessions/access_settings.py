"""From the config to :class:`AccessSettings`: the one place that picks what access is made of."""

from __future__ import annotations

from config.agents import normal_agent_id
from config.loaded import Loaded
from workers.access.patterns import MentionPatterns, derived_patterns
from workers.access.settings import AccessSettings

__all__ = ["access_of"]

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


def access_of(loaded: Loaded, account_id: str) -> AccessSettings:
    """Compile what access asks of the config of an account.

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
        account.discord.model_dump(by_alias=True, include=_ACCESS_KEYS, exclude={"pluralkit": {"token"}}),
        root.commands.model_dump(by_alias=True, include=_COMMAND_KEYS),
        groups={name: group.model_dump(by_alias=True) for name, group in root.access_groups.items()},
        patterns=MentionPatterns.read(
            patterns, policy.model_dump(by_alias=True, exclude_unset=True) if policy is not None else None
        ),
        siblings=[known for known in siblings if known is not None],
    )
