"""Words ping nobody they must not, on every way out (``spec/outbound.md`` 3.6, 11 row 27).

The bot may mention everyone on the simulated Discord, so that only ``allowed_mentions`` stands between a text
and a thousand people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from shoal.base.ids import new_token
from shoal.discord.interactions import InteractionCalls
from shoal.discord.limiter import Unlimited
from shoal.discord.mentions import MentionPolicy, allowed_mentions, guarded, narrowed
from shoal.discord.rest import Rest
from shoal.discord.retry import NO_RETRY
from shoal.discord.routes import Route
from shoal.discord.transport import Transport
from shoal.discord.wire import MessageFlags
from shoal.simulator.server import Simulator
from shoal.state.store import Store
from tests.workers.delivery.conftest import PostOffice
from tests.workers.delivery.test_previews import Turn, drain
from workers.actions.base import ActionContext
from workers.actions.perform import perform
from workers.actions.table import ACTIONS
from workers.delivery.records import AllowedMentions

Json = dict[str, Any]
EVERYTHING = {"parse": ["everyone", "roles", "users"], "replied_user": True}
MESSAGES = "/channels/{channel_id}/messages"

# -- the one function ----------------------------------------------------------------------------

IDS = st.lists(st.sampled_from(["11", "12", "13"]), max_size=3).map(tuple)
POLICIES = st.builds(MentionPolicy, st.booleans(), st.one_of(st.booleans(), IDS), st.booleans())
ASKED = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "parse": st.lists(st.sampled_from(["users", "roles", "everyone"]), max_size=3, unique=True),
        "users": IDS,
        "roles": IDS,
        "replied_user": st.booleans(),
    },
)
SPEAKING: list[tuple[str, str, Callable[[Json], Json], Callable[[Json], Json]]] = [
    (method, path, lambda message: message, lambda body: body)
    for method, path in [
        ("POST", MESSAGES),
        ("PATCH", f"{MESSAGES}/{{message_id}}"),
        ("POST", "/webhooks/{webhook_id}/{webhook_token}"),
        ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}"),
        ("POST", "/webhooks/{application_id}/{interaction_token}"),
        ("PATCH", "/webhooks/{application_id}/{interaction_token}/messages/{message_id}"),
        ("PATCH", "/webhooks/{application_id}/{interaction_token}/messages/@original"),
    ]
]
SPEAKING += [
    ("POST", "/channels/{channel_id}/threads",
     lambda message: {"name": "t", "message": message}, lambda body: body["message"]),
    ("POST", "/interactions/{interaction_id}/{interaction_token}/callback",
     lambda message: {"type": 4, "data": message}, lambda body: body["data"]),
    ("POST", "/interactions/{interaction_id}/{interaction_token}/callback",
     lambda message: {"type": 7, "data": message}, lambda body: body["data"]),
]  # fmt: skip


@given(policy=POLICIES, asked=ASKED, way=st.sampled_from(SPEAKING))
def test_no_body_asks_for_more_than_the_policy(policy: MentionPolicy, asked: Json | None, way: Any) -> None:
    method, template, wrap, unwrap = way
    message = {"content": "@everyone"} | ({} if asked is None else {"allowed_mentions": asked})
    made = unwrap(guarded(method, template, wrap(message), policy))["allowed_mentions"]
    assert made == narrowed(policy, asked)
    parse = set(made["parse"])
    assert "everyone" not in parse or policy.everyone
    assert "users" not in parse or policy.users
    assert "roles" not in parse or policy.roles is True
    assert policy.users or not (made.get("users") or made["replied_user"])
    if policy.roles is not True:
        assert set(made.get("roles", ())) <= set(policy.roles or ())
    for name in ("users", "roles"):
        assert not (name in parse and made.get(name)), "Discord refuses both at once (facts 8.4)"
    assert narrowed(policy, made) == made


def test_what_is_no_message_is_left_alone() -> None:
    policy = MentionPolicy()
    for method, template, body in [
        ("POST", "/channels/{channel_id}/threads", {"name": "t"}),
        ("POST", f"{MESSAGES}/{{message_id}}/threads", {"name": "t"}),
        ("PATCH", "/channels/{channel_id}", {"name": "t"}),
        ("POST", f"{MESSAGES}/bulk-delete", {"messages": []}),
        ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", {"type": 5}),
        ("POST", "/interactions/{interaction_id}/{interaction_token}/callback", {"type": 9, "data": {}}),
        ("POST", "/channels/{channel_id}/webhooks", {"name": "t"}),
    ]:
        assert guarded(method, template, body, policy) == body


# -- every way out, on a Discord that would ping -------------------------------------------------


class Reef(PostOffice):
    """A post office whose bot is an administrator, in a guild with a role anybody may mention."""

    def __init__(self, store: Store, discord: Simulator, transport: Transport) -> None:
        super().__init__(store, discord, transport)
        self.owner = str(self.control.add_user("owner")["id"])
        self.guild = str(self.control.add_guild("Reef", owner=self.owner, members=[discord.bot_id])["id"])
        bots = self.control.add_role(self.guild, "bots", permissions=8)
        self.control.edit_member(self.guild, discord.bot_id, roles=[bots["id"]])
        self.role = str(self.control.add_role(self.guild, "crew", mentionable=True)["id"])
        self.channel = str(self.control.add_channel(self.guild, "talk")["id"])
        self.forum = str(self.control.add_channel(self.guild, "posts", type=15)["id"])
        self.calls = InteractionCalls(self.rest)

    def again(self) -> None:
        """A new cause, for a new send."""
        self.cause = f"default.{new_token()[:12]}"

    def pinged(self) -> list[Json]:
        """Messages of the bot that ping everyone or a role, wherever they are."""
        places = [line for line in self.control.requests() if isinstance(line["answer"], dict)]
        made = [line["answer"] for line in places] + [line["answer"].get("message") for line in places]
        shown = [one for one in made if isinstance(one, dict) and one.get("author")]
        return [one for one in shown if one.get("mention_everyone") or one.get("mention_roles")]


@pytest.fixture(scope="module")
def waters() -> Iterator[Simulator]:
    with Simulator(settings={"rate_limits": False, "interaction_window_s": 60.0}) as running:
        yield running


@pytest.fixture
def reef(store: Store, waters: Simulator) -> Iterator[Reef]:
    transport = Transport("default", SecretStr(waters.token), limiter=Unlimited(), api_url=waters.api_url)
    yield Reef(store, waters, transport)
    transport.close()


def box(text: str) -> tuple[Json, ...]:
    return ({"type": 17, "components": [{"type": 10, "content": text}]},)


def sends(reef: Reef, text: str) -> None:
    """Answers, notices (``plain``), components, embeds; what the sender asks for is too much."""
    wide = AllowedMentions(roles=(reef.role,), everyone=True)
    v2, asked = int(MessageFlags.IS_COMPONENTS_V2), reef.control.say(reef.channel, "x")["id"]
    for fields in (
        {}, {"plain": True}, {"allowed_mentions": wide}, {"reply_to": asked},
        {"flags": v2, "components": box(text)}, {"embeds": ({"description": text},)}, {"silent": True},
    ):  # fmt: skip
        reef.again()
        reef.send(text, **fields)


def polls(reef: Reef, text: str) -> None:
    answers = [{"poll_media": {"text": text[:50]}}, {"poll_media": {"text": "no"}}]
    reef.again()
    reef.send(text, poll={"question": {"text": text[:300]}, "answers": answers, "duration": 1})


def posts(reef: Reef, text: str) -> None:
    """A post of a delivery, and one of an action."""
    reef.again()
    channel, reef.channel = reef.channel, reef.forum
    reef.send(f"title\n{text}", post=True, guild_id=reef.guild)
    reef.channel = channel
    context = ActionContext("default", reef.rest, reef.store.facts)
    values = {"target": f"channel:{reef.forum}", "threadName": "t", "message": text}
    perform(ACTIONS["thread-create"], values, {"threads": True}, context)


def previews(reef: Reef, text: str) -> None:
    """Made, edited, and become the answer; and an answer that follows one."""
    for answer in (text, f"{text}\n" * 40):
        reef.again()
        turn = Turn(reef)
        turn.show(text)
        drain(reef)
        turn.show(f"more {text}")
        drain(reef)
        turn.end(answer)
        drain(reef)


def edits(reef: Reef, text: str) -> None:
    made = reef.rest.create_message(reef.channel, nonce=new_token()[:20], content="quiet")
    values = {"target": f"channel:{reef.channel}", "messageId": made["id"], "message": text}
    perform(
        ACTIONS["edit"], values, {"messages": True}, ActionContext("default", reef.rest, reef.store.facts)
    )
    reef.rest.edit_message(reef.channel, made["id"], content=text, allowed_mentions=EVERYTHING)


def interactions(reef: Reef, text: str) -> None:
    """A callback with text, its edit, a follow-up and its edit; a click's update."""
    app = reef.simulator.bot_id
    route = Route("PUT", "/applications/{application_id}/commands", application_id=app)
    reef.rest.call(route, json=[{"name": "ask", "description": "Ask."}])
    asked = reef.control.command(reef.channel, "ask", user=reef.owner)
    wide = {"content": text, "allowed_mentions": EVERYTHING}
    reef.calls.create_interaction_response(asked["id"], asked["token"], type=4, data={"content": text})
    reef.calls.edit_original_response(app, asked["token"], wide)
    more = reef.calls.create_followup(app, asked["token"], {"content": text})
    path = "/webhooks/{application_id}/{interaction_token}/messages/{message_id}"
    known = {"application_id": app, "interaction_token": asked["token"], "message_id": more["id"]}
    reef.rest.call(Route("PATCH", path, **known), json={"content": text})
    row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "x"}]}
    card = reef.rest.create_message(reef.channel, nonce=None, content=text, components=[row])
    click = reef.control.click(reef.channel, card["id"], "x", user=reef.owner)
    reef.calls.create_interaction_response(click["id"], click["token"], type=7, data=wide)


def webhooks(reef: Reef, text: str) -> None:
    """A persona's message and its edit, as any code may ask for them."""
    made = reef.rest.call(
        Route("POST", "/channels/{channel_id}/webhooks", channel_id=reef.channel), json={"name": "persona"}
    ).data
    path = "/webhooks/{webhook_id}/{webhook_token}"
    hook = {"webhook_id": made["id"], "webhook_token": made["token"]}
    body = {"content": text, "username": "Persona"}
    sent = reef.rest.call(Route("POST", path, **hook), json=body, query={"wait": True}).data
    edit = Route("PATCH", path + "/messages/{message_id}", **hook, message_id=sent["id"])
    reef.rest.call(edit, json={"content": text, "allowed_mentions": EVERYTHING})


WAYS = (sends, polls, posts, previews, edits, interactions, webhooks)
WORDS = st.lists(
    st.sampled_from(["@everyone", "@here", "<@&ROLE>", "hello", "**@everyone**", "`@here`", "\n@everyone"]),
    min_size=1,
    max_size=6,
).map(" ".join)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@given(text=WORDS)
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_pings_everyone_or_a_role(way: Callable[[Reef, str], None], reef: Reef, text: str) -> None:
    way(reef, text.replace("ROLE", reef.role))
    assert reef.pinged() == []


def test_the_operator_may_allow_it(store: Store, waters: Simulator) -> None:
    """And the tests above could fail: this Discord does ping."""
    transport = Transport(
        "default", SecretStr(waters.token), limiter=Unlimited(), api_url=waters.api_url,
        mentions=MentionPolicy(roles=True, everyone=True),
    )  # fmt: skip
    reef = Reef(store, waters, transport)
    reef.rest = Rest(transport, max_wait=0.05, retry=NO_RETRY)
    before = len(reef.pinged())
    reef.rest.create_message(reef.channel, nonce=None, content=f"@everyone <@&{reef.role}>")
    (pinging,) = reef.pinged()[before:]
    assert pinging["mention_everyone"]
    assert pinging["mention_roles"] == [reef.role]
    quiet = allowed_mentions(users=False, replied_user=False)
    reef.rest.create_message(reef.channel, nonce=None, content="@everyone", allowed_mentions=quiet)
    assert len(reef.pinged()) == before + 1
    transport.close()
