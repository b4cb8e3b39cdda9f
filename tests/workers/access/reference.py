"""The rules of access once more, as a table: written from ``spec/inbound.md`` 3 and 4 and the decisions,
without a line of the code they judge. It knows cases in words and answers with words.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Case", "Verdict", "verdict"]


@dataclass(frozen=True)
class Case:
    """One message in one configuration. ``None`` stands for "not written".

    Attributes:
        account: ``root``: all is written at the root; ``inherits``: a named account without keys of its own;
            ``own``: a named account whose keys lie over a root that says something else; ``legacy``:
            like ``own``, with ``dm.policy`` and ``dm.allowFrom``.
        allow_from, users: ``empty``, ``me`` (the sender's Discord id), ``other``, ``star``, ``pk`` (the
            member's PluralKit id), ``name`` (the sender's name).
        guild: ``none`` (no map), ``empty``, ``other``, ``id``, ``name``, ``star``.
        channel: ``none`` (no map), ``empty``, ``other``, ``id``, ``off`` (disabled), ``name``, ``star``.
        lists_at: which entry has ``users`` and ``roles``: ``guild`` or ``channel``.
        place: ``dm``, ``group``, ``channel``, ``thread``, ``own-thread`` (made by the bot).
        sender: ``person``, ``bot``, ``hook``, ``pk`` (a PluralKit member), ``us``, ``sibling``.
        member: the event told the sender's roles.
        mention: ``none``, ``us``, ``reply``, ``pattern``, ``other``, ``both``, ``everyone``.
        require: ``requireMention`` of the deepest entry.
    """

    account: str = "root"
    dm_policy: str | None = None
    dm_on: bool = True
    allow_from: str | None = None
    group_policy: str | None = None
    guild: str = "none"
    channel: str = "none"
    users: str | None = None
    roles: str | None = None
    lists_at: str = "guild"
    place: str = "dm"
    sender: str = "person"
    allow_bots: bool | str = False
    member: bool = True
    by_name: bool = False
    mention: str = "none"
    require: bool | None = None
    ignore_others: bool = False
    wake: bool = False
    auto_thread: bool = False
    activation: str = ""
    paired: bool = False
    group_on: bool = False
    command: bool = False
    owner: bool = False
    access_groups: bool = True
    empty: bool = False
    service: bool = False


@dataclass(frozen=True)
class Verdict:
    """What must come out."""

    reason: str
    quotable: bool = False
    authorized: bool = False
    owner: bool = False


ROOT_BELOW = {"dm_policy": "disabled", "allow_from": "other", "group_policy": "disabled", "guild": "empty"}
"""What the root says below an account that has keys of its own (``own``, ``legacy``)."""


def effective(case: Case, key: str) -> str | None:
    """3.1, 3.6: the account's key, else the root's; lists and maps are replaced, never joined."""
    value = getattr(case, key)
    missing = value is None or (key == "guild" and value == "none")
    if case.account in ("own", "legacy") and missing:
        return ROOT_BELOW[key]
    return value


def on_list(case: Case, word: str | None) -> bool:
    """3.2: wildcard, id, and names only where names count."""
    if word == "star":
        return True
    if word == "me":
        return case.sender != "pk"  # a member of PluralKit is compared by its own id
    if word == "pk":
        return case.sender == "pk"
    return word == "name" and case.by_name


def machine(case: Case) -> bool:
    return case.sender in ("bot", "hook", "sibling")


def verdict(case: Case) -> Verdict:
    """All of it, in the order of the spec."""
    if case.sender == "us":
        return Verdict("own-message")
    if machine(case) and case.allow_bots is False:
        return Verdict("webhook-author" if case.sender == "hook" else "bot-author")
    refused = {"dm": dm, "group": group_dm}.get(case.place, guild)(case)
    if refused:
        return Verdict(refused)
    authorized = may_command(case)
    told = {"authorized": authorized, "owner": case.owner}
    if case.command and not authorized:
        return Verdict("command-unauthorized", **told)
    gate = mention_gate(case, authorized)
    if gate:
        return Verdict(gate, quotable=True, **told)
    called = case.place == "dm" or case.mention in ("us", "both", "reply", "pattern")
    if machine(case) and case.allow_bots == "mentions" and not called:
        return Verdict("bot-author", **told)
    if case.empty and not case.service:
        return Verdict("empty-message", **told)
    return Verdict("", **told)


def dm(case: Case) -> str:
    """3.1."""
    if not case.dm_on:
        return "dm-disabled"
    policy = effective(case, "dm_policy") or "pairing"
    if policy == "disabled":
        return "dm-policy"
    if on_list(case, effective(case, "allow_from")):
        return ""
    if policy == "pairing":
        return "" if case.paired else "pairing-required"
    return "not-allowlisted"


def group_dm(case: Case) -> str:
    """3.5, end; decision 2: strangers in a group need the list, and pairing opens nothing but DMs."""
    if not case.group_on:
        return "group-dm-disabled"
    if effective(case, "dm_policy") == "disabled":
        return "dm-policy"
    return "" if on_list(case, effective(case, "allow_from")) else "not-allowlisted"


def guild(case: Case) -> str:
    """3.5 with decisions 1, 4, 6."""
    policy = effective(case, "group_policy") or "allowlist"
    if policy == "disabled":
        return "guild-policy"
    if effective(case, "guild") in ("none", "empty", "other"):
        return "" if policy == "open" else "guild-not-listed"
    if case.channel in ("empty", "other"):
        return "channel-not-listed"
    if case.channel == "off":
        return "channel-disabled"
    users, roles = lists(case)
    if users is None and roles is None:
        return ""
    if on_list(case, users) or roles == "star":
        return ""
    knows_roles = case.member or case.sender in ("pk", "hook")
    if roles in ("mine", "other") and not knows_roles:
        return "member-unknown"
    has_role = roles == "mine" and case.member and case.sender not in ("pk", "hook")
    return "" if has_role else "sender-not-listed"


def lists(case: Case) -> tuple[str | None, str | None]:
    """The lists in force; those of a channel need an entry to stand in."""
    if case.lists_at == "channel" and case.channel == "none":
        return None, None
    return case.users, case.roles


def listed_guild(case: Case) -> bool:
    return effective(case, "guild") in ("id", "name", "star")


def may_command(case: Case) -> bool:
    """3.9: an owner; in DMs everybody who may talk; else somebody a list names (J)."""
    if case.owner or case.place == "dm":
        return True
    member_lists = case.place != "group" and listed_guild(case) and lists(case) != (None, None)
    if member_lists:
        return True  # whoever came this far was let in by them
    own = effective(case, "allow_from")
    if own in (None, "empty", "star"):
        return not case.access_groups
    return on_list(case, own)


def mention_gate(case: Case, authorized: bool) -> str:
    """4.1, 4.3, 4.4 with decisions 5, 26, 28."""
    if case.place in ("dm", "group"):
        return ""
    mass = case.mention == "everyone"
    named = case.mention in ("us", "both", "reply", "pattern") or (mass and case.wake and not machine(case))
    others = case.mention in ("other", "both")
    needed = required(case)
    names_anybody = others or (mass and not machine(case))
    if needed and not named and case.command and authorized and not names_anybody:
        named = True
    if needed and not named and not case.service:
        return "mention-required"
    if others and not named and ignores(case):
        return "other-mentioned"
    return ""


def required(case: Case) -> bool:
    if case.activation:
        return case.activation == "mention"
    if case.place == "own-thread" and case.auto_thread and has_channel_entry(case):
        return False
    if not listed_guild(case):
        return True
    if case.require is None:
        return True
    return case.require


def has_channel_entry(case: Case) -> bool:
    return listed_guild(case) and case.channel in ("id", "name", "star")


def ignores(case: Case) -> bool:
    return case.ignore_others and listed_guild(case)
